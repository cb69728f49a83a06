package sshca

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// Teller tells the bot what a host knows of itself, and does what the bot orders: it has the host's rules of sudo in place, and
// ends the sessions of certificates that are over. It runs on the host, as root, once a minute.
type Teller struct {
	URL    string
	Host   string
	CA     ssh.PublicKey   // answers must be signed by it
	Token  runbooks.Secret // of the bot
	Client *http.Client    // nil: http.DefaultClient

	Logs    []string // of sshd, as files: the one in use first
	Keys    []string // files of keys beside the CA, as sshd's AuthorizedKeysFile: /home/%u/.ssh/authorized_keys
	Sudoers string   // folder of sudo's rules; empty: no rules are put in place
	Check   func(ctx context.Context, file string) error
	End     bool // end sessions that are over

	Proc string // /proc; empty: that
}

// Told says what one round did.
type Told struct {
	Sessions, Live, Keys int
	Sudo                 int // rules in place
	Ended                int // sessions
}

// String is the result in words, one line.
func (t Told) String() string {
	return fmt.Sprintf("%d sessions told, %d of them live; %d keys beside the CA; %d rules of sudo in place; %d sessions ended", t.Sessions, t.Live, t.Keys, t.Sudo, t.Ended)
}

// Tell does one round. A rule of sudo ends by itself when the bot does not answer.
func (t *Teller) Tell(ctx context.Context) (out Told, err error) {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	if t.CA == nil {
		return out, errors.New("telling the bot: the CA's key is needed, since its orders change this host")
	}
	report := Report{Host: t.Host}
	if report.Sessions, err = t.sessions(); err != nil {
		return out, fmt.Errorf("reading sshd's log: %w", err)
	}
	if report.Keys, err = t.looseKeys(); err != nil {
		return out, fmt.Errorf("reading keys beside the CA: %w", err)
	}
	if report.Sudo, err = t.inPlace(); err != nil {
		return out, fmt.Errorf("reading the rules of sudo: %w", err)
	}
	out.Sessions, out.Keys, out.Sudo = len(report.Sessions), len(report.Keys), len(report.Sudo)
	for _, s := range report.Sessions {
		if s.Live {
			out.Live++
		}
	}
	orders, err := t.ask(ctx, report)
	if err != nil {
		return out, fmt.Errorf("telling the bot: %w", err)
	}
	if t.End {
		out.Ended = t.end(report.Sessions, orders.End)
	}
	if t.Sudoers == "" {
		return out, nil
	}
	if err := t.place(ctx, orders.Sudo); err != nil {
		return out, fmt.Errorf("putting rules of sudo in place: %w", err)
	}
	if report.Sudo, err = t.inPlace(); err != nil {
		return out, fmt.Errorf("reading the rules of sudo: %w", err)
	}
	out.Sudo = len(report.Sudo)
	_, err = t.ask(ctx, report) // so that a rule that is gone is known to be gone at once
	return out, err
}

// ask sends the report and reads the orders.
func (t *Teller) ask(ctx context.Context, report Report) (orders Orders, err error) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	report.Nonce = hex.EncodeToString(random[:])
	body, err := json.Marshal(report)
	if err != nil {
		return orders, err
	}
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return orders, fmt.Errorf("%q is not an http address", t.URL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.Scheme+"://"+u.Host+PathHost, bytes.NewReader(body))
	if err != nil {
		return orders, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+t.Token.Reveal())
	client := t.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return orders, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxReport+1))
	switch {
	case err != nil:
		return orders, err
	case resp.StatusCode != http.StatusOK:
		return orders, fmt.Errorf("the bot answered %s: %.200q", resp.Status, strings.TrimSpace(string(answer)))
	}
	if err := verifyList(t.CA, answer, report.Nonce, resp.Header.Get(headerSignature)); err != nil {
		return orders, err
	}
	return orders, json.Unmarshal(answer, &orders)
}

// looseKeys reads the keys that open the host beside the CA.
func (t *Teller) looseKeys() ([]LooseKey, error) {
	var out []LooseKey
	for _, pattern := range t.Keys {
		before, after, _ := strings.Cut(pattern, "%u")
		files := []string{pattern}
		if pattern != before {
			var err error
			if files, err = filepath.Glob(before + "*" + after); err != nil {
				return nil, err
			}
		}
		for _, file := range files {
			user := strings.TrimSuffix(strings.TrimPrefix(file, before), after)
			if pattern == before {
				user = "root" // the one account whose file is named outright
			}
			keys, err := t.keysIn(file, user)
			if err != nil {
				return nil, err
			}
			out = append(out, keys...)
		}
	}
	return out[:min(len(out), maxTold)], nil
}

func (t *Teller) keysIn(file, user string) ([]LooseKey, error) {
	raw, err := readTail(file, maxKeysFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []LooseKey
	for len(raw) > 0 {
		key, _, _, rest, err := ssh.ParseAuthorizedKey(raw)
		if err != nil {
			break // nothing that sshd would take follows
		}
		raw = rest
		if !bytes.Equal(key.Marshal(), t.CA.Marshal()) {
			out = append(out, LooseKey{User: user, File: file, Fingerprint: ssh.FingerprintSHA256(key)})
		}
	}
	return out, nil
}

// inPlace gives the grants whose rules of sudo lie in the folder.
func (t *Teller) inPlace() ([]workflows.GrantID, error) {
	if t.Sudoers == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(t.Sudoers, sudoPrefix+"*"))
	if err != nil {
		return nil, err
	}
	var out []workflows.GrantID
	for _, file := range files {
		raw, err := readTail(file, maxReport)
		if err != nil {
			return nil, err
		}
		_, rest, _ := strings.Cut(string(raw), "grant=")
		if id, _, _ := strings.Cut(rest, " "); grantGrammar.MatchString(id) {
			out = append(out, workflows.GrantID(id))
		}
	}
	return out, nil
}

// place makes the folder hold these rules and no other of ours. A file that sudo would not take is never put there: sudo refuses
// everybody while one is broken.
func (t *Teller) place(ctx context.Context, rules []SudoRule) error {
	var errs []error
	wanted := map[string]SudoRule{}
	for _, r := range rules {
		if err := r.check(); err != nil {
			errs = append(errs, err)
			continue
		}
		wanted[r.File()] = r
	}
	files, err := filepath.Glob(filepath.Join(t.Sudoers, sudoPrefix+"*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, ok := wanted[filepath.Base(file)]; !ok {
			errs = append(errs, os.Remove(file))
		}
	}
	for name, r := range wanted {
		if err := t.put(ctx, filepath.Join(t.Sudoers, name), r.Text()); err != nil {
			errs = append(errs, fmt.Errorf("grant %s: %w", r.Grant, err))
		}
	}
	return errors.Join(errs...)
}

func (t *Teller) put(ctx context.Context, path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	f, err := os.CreateTemp(t.Sudoers, ".countersign-*.tmp") // sudo passes over names with a dot
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o440), f.Sync(), f.Close()); err != nil {
		return err
	}
	if t.Check != nil {
		if err := t.Check(ctx, f.Name()); err != nil {
			return err
		}
	}
	return os.Rename(f.Name(), path)
}

// end ends the live sessions of certificates that are over, and says how many processes it ended.
func (t *Teller) end(sessions []HostSession, over []uint64) int {
	n := 0
	for _, s := range sessions {
		if s.Live && slices.Contains(over, s.Serial) {
			n += t.kill(s.From)
		}
	}
	return n
}

// readTail reads the last bytes of a file.
func readTail(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > most {
		if _, err := f.Seek(st.Size()-most, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, most))
}
