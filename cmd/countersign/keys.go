package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/countersign-bot/countersign/store/ledger"
)

// The keys of an installation: one file each, never derived from each other, so that one can be replaced or lost alone.
const (
	keyLedger  = "ledger"     // signs the heads of the ledger
	keySSHCA   = "sshca"      // signs SSH certificates and lists
	keyX509    = "x509"       // signs certificates and the list of revoked ones
	keyButtons = "button-mac" // marks the buttons that we made

	keySealing     = "sealing"     // seals secrets that wait to be taken
	keyFingerprint = "fingerprint" // names secrets in the ledger
	keyFindings    = "findings"    // names what is found on targets without telling whose it is
)

// keyring gives the keys of a data folder, and makes those that do not exist while the folder is new.
type keyring struct {
	dir   string
	given string   // the ledger's key, when the environment holds it
	made  []string // keys that were made now
}

// openKeys opens DATA/keys. A folder or file that others can read is refused.
func openKeys(dir string) (*keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the keys folder: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking at the keys: %w", err)
	}
	for _, f := range files { // also those that nothing has asked for yet: one that others have read is none any more
		if strings.HasSuffix(f.Name(), ".pub") {
			continue
		}
		if err := private(filepath.Join(dir, f.Name())); err != nil {
			return nil, err
		}
	}
	return &keyring{dir: dir}, nil
}

func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		want := "600"
		if info.IsDir() {
			want = "700"
		}
		return hint(fmt.Errorf("%s can be read by others (mode %o)", path, info.Mode().Perm()), "chmod %s %s", want, path)
	}
	return nil
}

// seed gives 32 random bytes that stay the same from the first call on.
func (k *keyring) seed(name string) ([]byte, error) {
	text, err := k.load(name, func() (string, error) {
		b := make([]byte, 32)
		if _, err := rand.Read(b); err != nil {
			return "", err
		}
		return hex.EncodeToString(b) + "\n", nil
	})
	if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != 32 {
		return nil, fmt.Errorf("key %s is not 32 bytes in hex", filepath.Join(k.dir, name))
	}
	return b, nil
}

// lateSeed is seed for a key that installations from before it get at their next start. used tells whether something rests on the key already:
// then a missing one is not replaced.
func (k *keyring) lateSeed(name string, used bool) ([]byte, error) {
	if _, err := os.Lstat(filepath.Join(k.dir, name)); errors.Is(err, fs.ErrNotExist) && !used {
		seed := make([]byte, 32)
		if _, err := rand.Read(seed); err != nil {
			return nil, err
		}
		if err := writeKey(filepath.Join(k.dir, name), hex.EncodeToString(seed)+"\n"); err != nil {
			return nil, fmt.Errorf("writing key %s: %w", name, err)
		}
		k.made = append(k.made, name)
	}
	return k.seed(name)
}

// ledger gives the ledger's signing key, made for this origin at the first start.
func (k *keyring) ledger(origin string) (ledger.Key, error) {
	if k.given != "" {
		key, err := givenKey(k.given)
		if err == nil && key.Origin() != origin {
			err = fmt.Errorf("the key in %s_LEDGER_KEY signs for %q, not for %q", prefix, key.Origin(), origin)
		}
		return key, err
	}
	text, err := k.load(keyLedger, func() (string, error) {
		key, err := ledger.GenerateKey(rand.Reader, origin)
		return string(key.KeyFile()), err
	})
	if err != nil {
		return ledger.Key{}, err
	}
	key, err := ledger.ParseKeyFile([]byte(text))
	if err != nil {
		return key, fmt.Errorf("reading key %s: %w", filepath.Join(k.dir, keyLedger), err)
	}
	if key.Origin() != origin {
		return key, hint(fmt.Errorf("the key in %s signs for %q, not for %q", k.dir, key.Origin(), origin),
			"a ledger keeps its name for ever: set %s_LEDGER_ORIGIN=%s, or use another data folder", prefix, key.Origin())
	}
	return key, nil
}

// announce says in clear words which keys were made now, where they lie, and what to do with them.
func (k *keyring) announce(log *slog.Logger, vkey string) {
	for _, name := range k.made {
		what := "without it this bot cannot go on"
		switch name {
		case keyLedger:
			what = "whoever holds it can sign another history, and without it this ledger ends; give the public half to everybody who verifies: " + vkey
		case keySSHCA:
			what = "whoever holds it can make logins; hosts fetch the public half, for TrustedUserCAKeys, from /sshca/ca.pub of this bot"
		case keyX509:
			what = "whoever holds it can make client certificates; servers fetch the public half from /x509/ca.pem of this bot"
		case keyButtons:
			what = "if it is lost, buttons made before are refused, and nothing else"
		case keyFindings:
			what = "if it is lost, what is found on targets is found once more under other names, and nothing else"
		case keySealing:
			what = "if it is lost, secrets that wait to be taken are lost, and a Slack app with token rotation has to be installed again; with it and a copy of the database and of keys/slack-tokens they can be read"
		case keyFingerprint:
			what = "if it is lost, secrets that were handed out before are not recognised any more when they leak; with it guesses at short ones can be tried"
		}
		log.Warn("a key was made: copy the file now to where you keep keys, not into backups of the database", "key", name, "file", filepath.Join(k.dir, name), "meaning", what)
	}
}

// givenKey reads the ledger's key as the environment gives it: its one line, or a whole key file.
func givenKey(text string) (ledger.Key, error) {
	key, err := ledger.ParseKeyFile([]byte(text))
	if err != nil {
		return key, hint(fmt.Errorf("%s_LEDGER_KEY: %w", prefix, err), "it is the line PRIVATE+KEY+… of the file keys/ledger")
	}
	return key, nil
}

func (k *keyring) load(name string, make func() (string, error)) (string, error) {
	path := filepath.Join(k.dir, name)
	b, err := os.ReadFile(path)
	if err == nil {
		return string(b), private(path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading key %s: %w", path, err)
	}
	if k.missing() {
		return "", hint(fmt.Errorf("key %s is missing although the ledger exists", path), "put it back from your backup: a new key would silently make a new signer")
	}
	text, err := make()
	if err != nil {
		return "", fmt.Errorf("making key %s: %w", path, err)
	}
	if err := writeKey(path, text); err != nil {
		return "", fmt.Errorf("writing key %s: %w", path, err)
	}
	k.made = append(k.made, name)
	return text, nil
}

// missing tells whether keys may no longer be made: the folder already has a ledger and its key.
func (k *keyring) missing() bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(k.dir), "countersign.db"))
	return err == nil && len(k.made) == 0
}

// writeKey writes a file that is either whole or not there.
func writeKey(path, text string) error {
	tmp, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func keysCommand(ctx context.Context, p proc) error {
	verbs := map[string]func(context.Context, proc) error{"list": keysList, "rotate": keysRotate}
	if len(p.args) == 0 {
		return usageError{"the verb is missing: list or rotate"}
	}
	verb := p.args[0]
	if run, ok := verbs[verb]; ok {
		p.args = p.args[1:]
		return run(ctx, p)
	}
	if verb == "-h" || verb == "-help" || verb == "--help" {
		fmt.Fprintln(p.out, "usage: countersign keys list | rotate KEY -reason TEXT | rotate confirm ID; each with -h says more")
		return nil
	}
	return usageError{fmt.Sprintf("there is no verb %q: list or rotate", verb)}
}

func keysList(_ context.Context, p proc) error {
	if err := p.parse(p.flags("keys list", ""), 0, 0); err != nil {
		return err
	}
	c, err := loadConfig(p.env)
	if err != nil {
		return err
	}
	if c.Data == "" {
		return hint(errors.New("no data folder is named"), "set %s_DATA", prefix)
	}
	return listKeys(p, c)
}

// keyPlace is a key as operators see it.
type keyPlace struct{ name, what string }

func keyPlaces() []keyPlace {
	return []keyPlace{
		{keyLedger, "signs the heads of the ledger"},
		{keyLedger + suffixNext, "was to sign them next; the bot takes or replaces it"},
		{keyLedger + suffixPrevious, "signed them before, and still does for those who know it; remove it when nobody needs it"},
		{keySSHCA, "signs SSH certificates and the lists of revoked ones"},
		{keySSHCA + suffixNext, "follows it at a start without SSH access"},
		{keyX509, "signs client certificates and the list of revoked ones"},
		{keyX509 + suffixNext, "follows it at a start at which nothing that it signed is good any more"},
		{keyButtons, "marks the buttons that the bot made"},
		{keyButtons + suffixNext, "follows it at the next start"},
		{keySealing, "seals secrets that wait to be taken by their holder, and the Slack tokens of an app with token rotation"},
		{keySealing + suffixNext, "follows it at a start at which no secret waits"},
		{keyFingerprint, "names secrets in the ledger, so that one that leaked is recognised"},
		{keyFingerprint + suffixNext, "follows it at the next start"},
		{keyFingerprint + suffixPrevious, "those before it: what they named is still recognised"},
		{keyFindings, "names what is found on targets, without telling whose it is"},
		{keyFindings + suffixNext, "follows it at the next start"},
	}
}

func listKeys(p proc, c Config) error {
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tWHAT IT DOES\tSTATE")
	for _, k := range keyPlaces() {
		path := filepath.Join(c.keysDir(), k.name)
		info, err := os.Lstat(path)
		switch {
		case k.name == keyLedger && c.LedgerKey != "":
			fmt.Fprintf(w, "%s\t%s\tfrom the environment\n", k.name, k.what)
		case err == nil:
			fmt.Fprintf(w, "%s\t%s\t%s\n", k.name, k.what, keyState(path, info))
		case filepath.Ext(k.name) == "":
			fmt.Fprintf(w, "%s\t%s\tnot made yet\n", k.name, k.what)
		}
	}
	return w.Flush()
}

func keyState(path string, info fs.FileInfo) string {
	if wrong, do := keyTrouble(path); wrong != "" {
		return wrong + ": " + do
	}
	return "since " + info.ModTime().UTC().Format("2006-01-02 15:04 UTC")
}

// keyTrouble says what is wrong with how a key lies there, and what to do.
func keyTrouble(path string) (wrong, do string) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", ""
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := filepath.EvalSymlinks(path)
		if err != nil {
			return "a link that leads nowhere", "put the key back from your copy"
		}
		return "a link to " + to, "put the key itself here: whoever can change the link chooses who signs"
	}
	if !info.Mode().IsRegular() {
		return "not a file", "put the key back from your copy"
	}
	if private(path) != nil {
		return "readable by others", "chmod 600 " + path
	}
	return "", ""
}
