package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/anchors"
	"github.com/countersign-bot/countersign/store/streams/s3test"
)

// outside is what does not stand on the bot's host: a store and a witness, which survive whatever happens there.
type outside struct {
	t     *testing.T
	store *s3test.Store
	s3    *httptest.Server
	addr  string
	key   string
	dir   string
	logs  []string
	srv   *http.Server
}

// newOutside begins both; the witness knows the ledger by its key.
func (w *world) newOutside(key string) *outside {
	w.t.Helper()
	o := &outside{t: w.t, store: s3test.New("audit", "eu-central-1", "AKIDEXAMPLE", "s3cret"), key: key, dir: w.t.TempDir(), logs: []string{w.vkey()}}
	o.s3 = httptest.NewServer(o.store)
	w.t.Cleanup(o.s3.Close)
	o.up()
	w.t.Cleanup(o.down)
	return o
}

// up starts the witness, the second time on the address of the first.
func (o *outside) up() {
	o.t.Helper()
	k, err := anchors.NewKeeper(anchors.KeeperConfig{Dir: o.dir, Key: o.key, Logs: o.logs, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		o.t.Fatal(err)
	}
	l, err := until2(o.t.Context(), func() (net.Listener, error) {
		if o.addr == "" {
			return listenAgain(o.t)
		}
		return net.Listen("tcp", o.addr)
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.addr = l.Addr().String()
	o.srv = &http.Server{Handler: k.Handler(), ReadHeaderTimeout: readHeaderTimeout}
	go o.srv.Serve(l)
}

func (o *outside) down() { o.srv.Close() }

// file is ledger.yaml with both.
func (o *outside) file(vkey, more string) string {
	return fmt.Sprintf(`anchors:
  - {id: vault, kind: s3, url: "%s/audit/heads", region: eu-central-1, access_key_env: VAULT_ID, secret_key_env: VAULT_KEY}
  - {id: neighbour, kind: witness, url: "http://%s", vkey: %q%s}
`, o.s3.URL, o.addr, vkey, more)
}

func vaultEnv() []string { return []string{"VAULT_ID=AKIDEXAMPLE", "VAULT_KEY=s3cret"} }

// witnessKeys makes the key of a witness with the command that people use.
func (w *world) witnessKeys() (key, vkey string) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "witness")
	out, code := w.run("witness", "key", "-dir", dir, "-name", "witness.example.com/w1")
	if code != exitDone {
		w.t.Fatalf("exit %d: %s", code, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, witnessKeyFile))
	w.check(err)
	lines := strings.Fields(out)
	return strings.TrimSpace(string(b)), lines[len(lines)-1]
}

// TestThreat_T27_OthersRemember puts the whole data folder back to an earlier state, witness file and all, as a snapshot of the host would: only
// those outside remember more. The bot finds it at the start, decides nothing, and goes on when the right folder is back.
func TestThreat_T27_OthersRemember(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	w.stopBot()
	key, vkey := w.witnessKeys()
	o := w.newOutside(key)
	w.ledgerFile(o.file(vkey, ""))
	w.start(vaultEnv()...)
	w.grant("maya", "1h", "Before the snapshot.")
	out, code := w.run("ledger", "anchor", "-data", w.data())
	if code != exitDone || !strings.Contains(out, "vault: has the head over") || !strings.Contains(out, "neighbour: has the head over") || !strings.Contains(out, "slack: posted in #access-audit") {
		t.Fatalf("exit %d: %s", code, out)
	}
	w.posted("access-audit", "Ledger head after")
	w.stopBot()
	old := w.copyFolder("old")

	w.start(vaultEnv()...)
	w.grant("kenji", "3h", "After the snapshot.")
	if out, code := w.run("ledger", "anchor", "-data", w.data()); code != exitDone || strings.Contains(out, "does not have it") {
		t.Fatalf("exit %d: %s", code, out)
	}
	if n := w.metric("countersign_head_cosignatures"); n != "1" {
		t.Errorf("%q cosignatures", n)
	}
	w.stopBot()
	newest := w.copyFolder("newest")
	w.bundleHasCosignature()

	for name, hidden := range map[string]func() func(){
		"both":      func() func() { return func() {} },
		"the vault": func() func() { o.down(); return o.up },
		"the channel": func() func() {
			o.down()
			o.store.SetFailure(func(*http.Request) int { return 503 })
			return func() { o.store.SetFailure(nil); o.up() }
		},
		"the witness": func() func() {
			o.store.SetFailure(func(*http.Request) int { return 503 })
			return func() { o.store.SetFailure(nil) }
		},
	} {
		show := hidden()
		w.putFolder(old)
		w.bot = w.spawn(nil, vaultEnv()...)
		_, err := until(t.Context(), "a revoke-only bot, told by "+name, func() (string, bool) {
			body, _ := w.get("/readyz")
			return body, strings.Contains(body, "revoke-only") && strings.Contains(body, "was rolled back")
		})
		w.check(err)
		if code, err := w.bot.stop(); err != nil || code != exitLedger {
			t.Errorf("told by %s: exit %d, %v", name, code, err)
		}
		show()
	}

	w.putFolder(newest)
	w.start(vaultEnv()...)
	w.verify()
	w.stopBot()

	// The database is deleted; what is left would begin anew under the same name and key.
	w.check(os.RemoveAll(w.data()))
	w.copyFiles(filepath.Join(newest, "keys"), filepath.Join(w.data(), "keys"))
	w.bot = w.spawn(nil, vaultEnv()...)
	_, err := until(t.Context(), "a bot that begins nothing", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "it has 0 entries")
	})
	w.check(err)
	if code, err := w.bot.stop(); err != nil || code != exitLedger {
		t.Errorf("a ledger that was deleted: exit %d, %v", code, err)
	}
}

// TestRequiredAnchor decides nothing at a start while a required witness does not answer, and goes on by itself when it does.
func TestRequiredAnchor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	w.stopBot()
	key, vkey := w.witnessKeys()
	o := w.newOutside(key)
	w.ledgerFile(o.file(vkey, ", required: true"))
	w.start(vaultEnv()...)
	w.stopBot()
	o.down()
	w.bot = w.spawn(nil, vaultEnv()...)
	_, err := until(t.Context(), "a revoke-only bot", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "required anchors do not answer") && strings.Contains(body, "neighbour")
	})
	w.check(err)
	o.up()
	w.check(w.child.ready(t.Context()))
	w.grant("maya", "1h", "The witness is back.")
	w.verify()
}

// TestAnchorsDoNotHoldUpDecisions takes the outside away while the bot runs: decisions go on, and the head arrives when it is back.
func TestAnchorsDoNotHoldUpDecisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	w.stopBot()
	key, vkey := w.witnessKeys()
	o := w.newOutside(key)
	w.ledgerFile(o.file(vkey, ""))
	o.down()
	w.start(vaultEnv()...)
	w.grant("maya", "1h", "While the witness is away.")
	out, code := w.run("ledger", "anchor", "-data", w.data())
	if code != exitDone || !strings.Contains(out, "vault: has the head over") || !strings.Contains(out, "neighbour: does not have it yet") {
		t.Fatalf("exit %d: %s", code, out)
	}
	o.up()
	_, err := until(t.Context(), "the witness to have the head", func() (bool, bool) {
		return true, w.metric(`countersign_anchor_lag_entries{anchor="neighbour"}`) == "0" && w.metric("countersign_head_cosignatures") == "1"
	})
	w.check(err)
	var sinks []string
	for _, r := range w.entries("anchor.published") {
		sinks = append(sinks, r.Event.(store.AnchorPublished).Sink)
	}
	for _, want := range []string{"slack", "s3/vault", "witness/neighbour"} {
		if !strings.Contains(strings.Join(sinks, " "), want) {
			t.Errorf("not recorded: %s in %v", want, sinks)
		}
	}
	w.verify()
}

// bundleHasCosignature exports the ledger and looks for the witness's line.
func (w *world) bundleHasCosignature() {
	w.t.Helper()
	dir := filepath.Join(w.dir, "bundle")
	if out, code := w.run("ledger", "export", "-out", dir, "-data", w.data()); code != exitDone {
		w.t.Fatalf("exit %d: %s", code, out)
	}
	if out, code := w.run("ledger", "verify", dir, "-vkey", w.vkey()); code != exitDone {
		w.t.Errorf("exit %d: %s", code, out)
	}
	found := false
	w.check(filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || strings.Contains(string(b), "— witness.example.com/w1 ") || strings.Contains(string(b), `\u2014 witness.example.com/w1 `)
		return err
	}))
	if !found {
		w.t.Error("the bundle does not carry what the witness signed")
	}
}

// posted waits for a message in a channel.
func (w *world) posted(channel string, words ...string) {
	w.t.Helper()
	_, err := w.message(w.t.Context(), channel, words...)
	w.check(err)
}

// copyFolder keeps the whole data folder, as a snapshot of the host does.
func (w *world) copyFolder(name string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	w.copyFiles(w.data(), dir)
	return dir
}

// putFolder puts such a copy back.
func (w *world) putFolder(from string) {
	w.t.Helper()
	w.check(os.RemoveAll(w.data()))
	w.copyFiles(from, w.data())
}

// copyFiles copies a folder without its sockets; what it makes is the owner's alone.
func (w *world) copyFiles(from, to string) {
	w.t.Helper()
	w.check(filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		rel, relErr := filepath.Rel(from, path)
		switch {
		case err != nil || relErr != nil:
			return errors.Join(err, relErr)
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case d.Type().IsRegular():
			w.copyFile(path, filepath.Join(to, rel))
		}
		return nil
	}))
}
