package anchors

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	cosig "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Keeper is a witness: it signs a head of a ledger it knows only if that continues the last one it has signed, and remembers it on disk before
// it answers. It serves
//
//	POST /add-checkpoint            https://c2sp.org/tlog-witness
//	GET  /<SHA-256 of origin>/checkpoint   the last head it has signed, with its signature
type Keeper struct {
	dir    string
	signer *cosig.Signer
	logs   map[string]note.Verifiers
	log    *slog.Logger

	mu sync.Mutex // from reading what is remembered to remembering the new: two requests must not pass each other
}

// KeeperConfig says what a witness needs.
type KeeperConfig struct {
	Dir  string   // a folder of its own, which no backup may put back
	Key  string   // PRIVATE+KEY+…, an Ed25519 key
	Logs []string // public keys of the ledgers it signs for; several of one origin while its key changes
	Log  *slog.Logger
}

// NewKeeper reads the keys.
func NewKeeper(c KeeperConfig) (*Keeper, error) {
	signer, err := cosig.NewSignerForCosignatureV1(c.Key)
	if err != nil {
		return nil, fmt.Errorf("the witness's key: %w", err)
	}
	k := &Keeper{dir: c.Dir, signer: signer, logs: map[string]note.Verifiers{}, log: c.Log}
	if len(c.Logs) == 0 || len(c.Logs) > maxLogs {
		return nil, fmt.Errorf("%d ledgers: want 1 to %d", len(c.Logs), maxLogs)
	}
	byOrigin := map[string][]string{}
	for _, v := range c.Logs {
		origin, _, _ := strings.Cut(v, "+")
		byOrigin[origin] = append(byOrigin[origin], v)
	}
	for origin, keys := range byOrigin {
		if k.logs[origin], err = ledger.Verifiers(keys...); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the witness's folder: %w", err)
	}
	return k, nil
}

// Handler serves the protocol.
func (k *Keeper) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "the request cannot be read", http.StatusBadRequest)
			return
		}
		lines, err := k.Add(r.Context(), body)
		k.answer(w, lines, err)
	})
	mux.HandleFunc("GET /{origin}/checkpoint", func(w http.ResponseWriter, r *http.Request) {
		for origin := range k.logs {
			if hex.EncodeToString(originHash(origin)) == r.PathValue("origin") {
				k.give(w, origin)
				return
			}
		}
		http.NotFound(w, r)
	})
	return mux
}

func (k *Keeper) give(w http.ResponseWriter, origin string) {
	k.mu.Lock()
	b, _, err := k.remembered(origin)
	k.mu.Unlock()
	switch {
	case err != nil:
		k.answer(w, nil, err)
	case b == nil:
		http.Error(w, "nothing was signed yet", http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write(b)
	}
}

// protocolError is a refusal with the status that the protocol gives it.
type protocolError struct {
	status int
	text   string
	size   int64 // of a conflict
}

func (e *protocolError) Error() string { return e.text }

func (k *Keeper) answer(w http.ResponseWriter, lines []byte, err error) {
	no, ok := errors.AsType[*protocolError](err)
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write(lines)
	case ok && no.status == http.StatusConflict:
		k.log.Warn("a head was not signed", "why", no.text)
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(no.status)
		io.WriteString(w, strconv.FormatInt(no.size, 10)+"\n")
	case ok:
		k.log.Warn("a head was not signed", "status", no.status, "why", no.text)
		http.Error(w, no.text, no.status)
	default:
		k.log.Error("the witness cannot remember", "err", err)
		http.Error(w, "the witness cannot remember what it signs, so it signs nothing", http.StatusInternalServerError)
	}
}

// Add judges one add-checkpoint request and gives the signature lines.
func (k *Keeper) Add(_ context.Context, body []byte) ([]byte, error) {
	old, proof, msg, err := parseAdd(body)
	if err != nil {
		return nil, &protocolError{status: http.StatusBadRequest, text: err.Error()}
	}
	cp, err := k.known(msg)
	if err != nil {
		return nil, err
	}
	if old > cp.Size {
		return nil, &protocolError{status: http.StatusBadRequest, text: fmt.Sprintf("the old size %d is more than the new one, %d", old, cp.Size)}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_, last, err := k.remembered(cp.Origin)
	if err != nil {
		return nil, err
	}
	if err := continues(last, old, proof, cp); err != nil {
		return nil, err
	}
	return k.sign(cp, msg)
}

// known opens a head of a ledger that the witness signs for.
func (k *Keeper) known(msg []byte) (ledger.Checkpoint, error) {
	origin, _, _ := strings.Cut(string(msg), "\n")
	keys, ok := k.logs[origin]
	if !ok {
		return ledger.Checkpoint{}, &protocolError{status: http.StatusNotFound, text: fmt.Sprintf("the ledger %q is not known here", origin)}
	}
	cp, err := ledger.OpenCheckpoint(msg, origin, keys)
	switch {
	case errors.Is(err, ledger.ErrSignature), errors.Is(err, ledger.ErrNotSigned):
		return cp, &protocolError{status: http.StatusForbidden, text: err.Error()}
	case err != nil:
		return cp, &protocolError{status: http.StatusBadRequest, text: err.Error()}
	}
	return cp, nil
}

// continues holds the new head against the last one.
func continues(last ledger.Checkpoint, old int64, proof []ledger.Hash, cp ledger.Checkpoint) error {
	conflict := func(text string) error {
		return &protocolError{status: http.StatusConflict, size: last.Size, text: text}
	}
	switch {
	case old != last.Size:
		return conflict(fmt.Sprintf("%d entries were signed, not %d", last.Size, old))
	case old == 0 && len(proof) > 0:
		return &protocolError{status: http.StatusUnprocessableEntity, text: "there is nothing to prove from size 0"}
	case old == cp.Size && last.Root != cp.Root && old > 0:
		return conflict(fmt.Sprintf("another head over %d entries was signed", old))
	case old == 0:
		return nil
	}
	if err := ledger.CheckConsistency(proof, old, last.Root, cp.Size, cp.Root); err != nil {
		return &protocolError{status: http.StatusUnprocessableEntity, text: err.Error()}
	}
	return nil
}

// sign signs and remembers, in the other order for whoever asks: nothing is answered before it is on the disk.
func (k *Keeper) sign(cp ledger.Checkpoint, msg []byte) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: cp.Body()}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	lines := signed[len(cp.Body())+1:]
	if err := k.remember(cp.Origin, append(bytes.Clone(msg), lines...)); err != nil {
		return nil, fmt.Errorf("remembering: %w", err)
	}
	k.log.Info("a head was signed", "ledger", cp.Origin, "size", cp.Size, "root", cp.Root.String())
	return lines, nil
}

func (k *Keeper) path(origin string) string {
	return filepath.Join(k.dir, hex.EncodeToString(originHash(origin))+".checkpoint")
}

// remembered reads the last head that was signed; nil bytes and size 0 when there is none. The witness's own signature must be good: what
// somebody wrote there would let it sign a fork.
func (k *Keeper) remembered(origin string) ([]byte, ledger.Checkpoint, error) {
	b, err := os.ReadFile(k.path(origin))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ledger.Checkpoint{Origin: origin, Root: ledger.EmptyRoot()}, nil
	}
	if err != nil {
		return nil, ledger.Checkpoint{}, err
	}
	cp, err := ledger.OpenCheckpoint(b, origin, note.VerifierList(k.signer.Verifier()))
	if err != nil {
		return nil, cp, fmt.Errorf("%s: %w", k.path(origin), err)
	}
	return b, cp, nil
}

// remember replaces what is remembered, durably.
func (k *Keeper) remember(origin string, b []byte) error {
	path := k.path(origin)
	tmp, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(k.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// GenerateKey makes the key of a witness, which signs under name: a host and a path without blanks or plus.
func GenerateKey(rand io.Reader, name string) (string, error) {
	key, _, err := note.GenerateKey(rand, name)
	if err != nil {
		return "", fmt.Errorf("making a key for witness %q: %w", name, err)
	}
	return key, nil
}

// VKey is the witness's public key for cosignatures, as it is named in ledger.yaml.
func VKey(key string) (string, error) {
	bad := errors.New("the witness's key is not an Ed25519 key in the form PRIVATE+KEY+…")
	parts := strings.SplitN(strings.TrimPrefix(key, "PRIVATE+KEY+"), "+", 3)
	if len(parts) != 3 {
		return "", bad
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", bad
	}
	pub, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", bad
	}
	plain, err := note.NewEd25519VerifierKey(parts[0], pub)
	if err != nil {
		return "", bad
	}
	return cosig.VKeyToCosignatureV1(plain)
}

// parseAdd takes a request apart by the letter of the protocol.
func parseAdd(body []byte) (old int64, proof []ledger.Hash, msg []byte, err error) {
	head, msg, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok || !utf8.Valid(head) {
		return 0, nil, nil, errors.New("want an old size, a proof, an empty line and a checkpoint")
	}
	rows := strings.Split(string(head), "\n")
	digits, ok := strings.CutPrefix(rows[0], "old ")
	old, err = strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || old < 0 || strconv.FormatInt(old, 10) != digits {
		return 0, nil, nil, fmt.Errorf("the first line is not an old size: %.80q", rows[0])
	}
	if len(rows)-1 > maxProof {
		return 0, nil, nil, fmt.Errorf("a proof of %d lines", len(rows)-1)
	}
	for _, r := range rows[1:] {
		b, err := base64.StdEncoding.Strict().DecodeString(r)
		if err != nil || len(b) != len(ledger.Hash{}) {
			return 0, nil, nil, fmt.Errorf("not a hash: %.80q", r)
		}
		proof = append(proof, ledger.Hash(b))
	}
	return old, proof, msg, nil
}
