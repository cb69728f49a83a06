package sshca

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
)

// Puller keeps a host's copy of the list up to date.
type Puller struct {
	URL    string          // of the bot, or of the list itself
	Out    string          // the file that sshd reads as RevokedKeys; its folder must exist
	CA     ssh.PublicKey   // when given, answers must be signed by it, for this one question
	Host   string          // the name to report under; empty: none
	Token  runbooks.Secret // when set, sent with the report
	Client *http.Client    // nil: http.DefaultClient

	// AcceptShorter takes a list that lost serials: for the one time after the bot lost its register, by hand.
	AcceptShorter bool
}

// PullResult says what a pull did.
type PullResult struct {
	Version   uint64 // of the list now in place
	Serials   uint64 // on it
	Changed   bool   // the file was replaced
	Confirmed bool   // the bot recorded that this host has this version
	Warning   string // something to look at, though the list is in place
}

// String is the result in words, one line.
func (r PullResult) String() string {
	words := fmt.Sprintf("version %d with %d revoked certificates", r.Version, r.Serials)
	if r.Changed {
		words = "new list in place: " + words
	} else {
		words = "nothing new: " + words
	}
	if !r.Confirmed {
		words += "; the bot did not record that this host has it"
	}
	if r.Warning != "" {
		words += "; " + r.Warning
	}
	return words
}

// Pull fetches the list once with the defaults; caPub and host may be empty.
func Pull(ctx context.Context, url, out string, caPub ssh.PublicKey, host string) (PullResult, error) {
	return (&Puller{URL: url, Out: out, CA: caPub, Host: host}).Pull(ctx)
}

// Pull fetches the list, replaces the file atomically if the list moved, and then reports the version that is in place.
// On any error the old file stays as it was: an old list still refuses what it names, and a broken one would make sshd
// refuse everybody.
func (p *Puller) Pull(ctx context.Context) (PullResult, error) {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	result, err := p.pull(ctx)
	if err != nil {
		return result, fmt.Errorf("pulling the revocation list: %w", err)
	}
	return result, nil
}

func (p *Puller) pull(ctx context.Context) (PullResult, error) {
	old, warning, err := p.inPlace()
	if err != nil {
		return PullResult{}, err
	}
	got, err := p.ask(ctx, old)
	if err != nil {
		return old.result(warning), err
	}
	if got.unchanged {
		result := old.result(warning)
		result.Confirmed = got.recorded
		return result, nil
	}
	next, err := p.accept(old, got.body)
	if err != nil {
		return old.result(warning), err
	}
	if err := replacePath(p.Out, next.raw); err != nil {
		return old.result(warning), fmt.Errorf("writing %q: %w", p.Out, err)
	}
	result := next.result(warning)
	result.Changed = true
	if p.Host != "" {
		again, err := p.ask(ctx, next)
		result.Confirmed = err == nil && again.recorded
	}
	return result, nil
}

// held is a list as a host has it.
type held struct {
	raw   []byte
	krl   KRL
	tally tally
}

func (h held) result(warning string) PullResult {
	return PullResult{Version: h.krl.Version, Serials: h.krl.Count(), Warning: warning}
}

// inPlace reads the host's file. One that cannot be understood is as good as none, because sshd refuses everybody
// until it is replaced, but somebody should know.
func (p *Puller) inPlace() (held, string, error) {
	f, err := os.Open(p.Out)
	if errors.Is(err, fs.ErrNotExist) {
		return held{}, "", nil
	}
	if err != nil {
		return held{}, "", fmt.Errorf("reading the list in place: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxKRL+1))
	if err != nil {
		return held{}, "", fmt.Errorf("reading the list in place: %w", err)
	}
	h, err := readHeld(raw)
	if err != nil {
		return held{}, fmt.Sprintf("the list that was in place could not be used (%v)", err), nil
	}
	return h, "", nil
}

func readHeld(raw []byte) (held, error) {
	krl, err := ParseKRL(raw)
	if err != nil {
		return held{}, err
	}
	t, err := parseTally(krl.Comment)
	if err != nil {
		return held{}, err
	}
	if n := krl.Count(); t.total-t.dropped != n {
		return held{}, fmt.Errorf("%d serials are listed, its counts say %d", n, t.total-t.dropped)
	}
	return held{raw: raw, krl: krl, tally: t}, nil
}

// answer is what the bot said.
type answer struct {
	body      []byte
	unchanged bool
	recorded  bool
}

func (p *Puller) ask(ctx context.Context, have held) (answer, error) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	nonce := hex.EncodeToString(random[:])
	req, err := p.request(ctx, have, nonce)
	if err != nil {
		return answer{}, err
	}
	client := p.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got := answer{recorded: resp.Header.Get(headerReport) == "recorded"}
	signed := have.raw
	switch resp.StatusCode {
	case http.StatusNotModified:
		if have.raw == nil {
			return answer{}, errors.New("the bot says that nothing changed, but there is no list in place")
		}
		got.unchanged = true
	case http.StatusOK:
		if got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxKRL+1)); err != nil {
			return answer{}, fmt.Errorf("reading the answer: %w", err)
		}
		signed = got.body
	default:
		return answer{}, fmt.Errorf("the bot answered %s", resp.Status)
	}
	if p.CA == nil {
		return got, nil
	}
	return got, verifyList(p.CA, signed, nonce, resp.Header.Get(headerSignature))
}

func (p *Puller) request(ctx context.Context, have held, nonce string) (*http.Request, error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is not an http address", p.URL)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = PathKRL
	}
	q := u.Query()
	q.Set("nonce", nonce)
	if p.Host != "" {
		q.Set("host", p.Host)
		q.Set("have", strconv.FormatUint(have.krl.Version, 10))
	}
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if have.raw != nil {
		req.Header.Set("If-None-Match", etag(have.krl.Version, have.raw))
	}
	if !p.Token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+p.Token.Reveal())
	}
	return req, nil
}

// accept judges a new list against the one in place. Serials leave a list only when their certificates are long expired,
// and the list counts those that left: any other loss means that the bot lost its register or is not the bot.
func (p *Puller) accept(old held, body []byte) (held, error) {
	next, err := readHeld(body)
	if err != nil {
		return held{}, err
	}
	if old.raw == nil || p.AcceptShorter {
		return next, nil
	}
	switch {
	case next.krl.Version < old.krl.Version:
		return held{}, fmt.Errorf("version %d is older than version %d in place", next.krl.Version, old.krl.Version)
	case next.krl.Version == old.krl.Version:
		return held{}, fmt.Errorf("version %d has other contents than the one in place", next.krl.Version)
	case next.tally.total < old.tally.total || next.tally.dropped < old.tally.dropped:
		return held{}, fmt.Errorf("version %d starts over: its counts are lower than those of version %d in place", next.krl.Version, old.krl.Version)
	}
	if lost := old.krl.missingFrom(next.krl); lost > next.tally.dropped-old.tally.dropped {
		return held{}, fmt.Errorf("version %d is shorter: %d serials are missing, %d may be", next.krl.Version, lost, next.tally.dropped-old.tally.dropped)
	}
	return next, nil
}

// replacePath is runbooks.ReplaceFile for a path outside the register. The name of the second file is random, so that two pulls
// at once do not write into one another's.
func replacePath(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".countersign-krl-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
