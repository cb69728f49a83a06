package anchors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	cosig "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Witness is a witness somewhere else: https://c2sp.org/tlog-witness. Its signatures are cosignature/v1 of
// https://c2sp.org/tlog-cosignature, checked here before they count.
type Witness struct {
	ID     string
	URL    string // submission prefix
	VKey   string
	Client *http.Client

	verifier note.Verifier
}

// NewWitness reads the witness's key.
func NewWitness(id, url, vkey string, client *http.Client) (*Witness, error) {
	v, err := cosig.NewVerifierForCosignatureV1(vkey)
	if err != nil {
		return nil, fmt.Errorf("the key of witness %q: %w", id, err)
	}
	return &Witness{ID: id, URL: strings.TrimRight(url, "/"), VKey: vkey, Client: client, verifier: v}, nil
}

// KeyName is the name under which the witness signs.
func (w *Witness) KeyName() string { return w.verifier.Name() }

func originHash(origin string) []byte {
	sum := sha256.Sum256([]byte(origin))
	return sum[:]
}

// Give implements Anchor: it brings the witness from whatever size it knows to this head.
func (w *Witness) Give(ctx context.Context, l Ledger, h Head) (Given, error) {
	old := int64(0)
	for range maxRounds {
		proof, err := l.ProveConsistency(ctx, old, h.Size)
		if err != nil {
			return Given{}, err
		}
		status, body, err := w.add(ctx, old, proof, h)
		switch {
		case err != nil:
			return Given{}, err
		case status == http.StatusOK:
			return w.accept(h, body)
		case status == http.StatusConflict:
			size, err := conflictSize(body)
			if err != nil {
				return Given{}, err
			}
			if size > h.Size {
				return Given{}, w.ahead(h, size)
			}
			if size == old { // it was told the size that it has, and still objects: to the root
				return Given{}, &ledger.ForkError{Root: h.Root, Anchor: ledger.Anchor{Size: size, From: w.name()}}
			}
			old = size
		case status == http.StatusUnprocessableEntity && old > 0:
			return Given{}, &ledger.ForkError{Root: h.Root, Anchor: ledger.Anchor{Size: old, From: w.name()}}
		default:
			return Given{}, fmt.Errorf("the witness answered %d: %q", status, cut(body))
		}
	}
	return Given{}, errors.New("the witness moves on while it is asked: somebody else uses this ledger's name")
}

func (w *Witness) name() string { return "witness " + w.ID }

func (w *Witness) ahead(h Head, size int64) error {
	return &ledger.RollbackError{Size: h.Size, Anchor: ledger.Anchor{Size: size, From: w.name()}}
}

// add makes one add-checkpoint request.
func (w *Witness) add(ctx context.Context, old int64, proof []ledger.Hash, h Head) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	body := AddRequest(old, proof, h.Note)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/add-checkpoint", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("User-Agent", "countersign")
	return w.do(req)
}

func (w *Witness) do(req *http.Request) (int, []byte, error) {
	res, err := w.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxNote))
	return res.StatusCode, b, err
}

// AddRequest writes the body of an add-checkpoint request.
func AddRequest(old int64, proof []ledger.Hash, note []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", old)
	for _, h := range proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(note)
	return b.Bytes()
}

func conflictSize(body []byte) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSuffix(string(body), "\n"), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the witness has another size, but does not say which: %q", cut(body))
	}
	return n, nil
}

// accept takes those of the lines that the witness's key has signed.
func (w *Witness) accept(h Head, lines []byte) (Given, error) {
	n, err := note.Open(append(bytes.Clone(h.Note), lines...), note.VerifierList(w.verifier))
	if err != nil {
		return Given{}, fmt.Errorf("the witness answered with something that its key has not signed: %q", cut(lines))
	}
	out := Given{Place: w.URL}
	for _, s := range n.Sigs {
		out.Cosignatures = append(out.Cosignatures, Cosignature{Name: s.Name, Hash: s.Hash, Line: fmt.Sprintf("— %s %s\n", s.Name, s.Base64)})
	}
	return out, nil
}

// Ask implements Anchor. A witness remembers the last head that it has signed; those that give it out are asked for it, which changes nothing.
// Others are given the present head: that it signs is the answer.
func (w *Witness) Ask(ctx context.Context, l Ledger, h Head) ([]ledger.Anchor, error) {
	remembered, err := w.latest(ctx, h.Origin)
	if err == nil {
		return []ledger.Anchor{remembered}, nil
	}
	if !errors.Is(err, errNoLatest) {
		return nil, err
	}
	if h.Size == 0 {
		return nil, ErrMute // there is nothing to show it, and it may have nothing to tell
	}
	_, err = w.Give(ctx, l, h)
	return nil, err
}

var errNoLatest = errors.New("the witness does not give out what it has signed")

// latest reads GET <prefix>/<SHA-256 of the origin>/checkpoint, which ours and some others have.
func (w *Witness) latest(ctx context.Context, origin string) (ledger.Anchor, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/"+hex.EncodeToString(originHash(origin))+"/checkpoint", nil)
	if err != nil {
		return ledger.Anchor{}, err
	}
	status, body, err := w.do(req)
	switch {
	case err != nil:
		return ledger.Anchor{}, err
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return ledger.Anchor{}, errNoLatest
	case status != http.StatusOK:
		return ledger.Anchor{}, fmt.Errorf("the witness answered %d: %q", status, cut(body))
	}
	cp, err := ledger.OpenCheckpoint(body, origin, note.VerifierList(w.verifier))
	if err != nil {
		return ledger.Anchor{}, fmt.Errorf("the witness gave out something that it has not signed: %w", err)
	}
	return ledger.Anchor{Size: cp.Size, Root: cp.Root, Note: string(body), From: w.name()}, nil
}

func cut(b []byte) []byte { return b[:min(len(b), 200)] }
