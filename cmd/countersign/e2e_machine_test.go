package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// TestFault_F32 starves the bot of the processor: it is the politest process among greedy ones. What is due is still revoked within
// fifteen seconds of product time.
func TestFault_F32(t *testing.T) {
	t.Parallel()
	nice, err := exec.LookPath("nice")
	if err != nil {
		t.Skip("nice is not here, so nothing can be starved")
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("sh is not here to burn time")
	}
	w := newWorld(t, worldOptions{})
	w.startAs([]string{nice, "-n", "19"}, "GOMAXPROCS=1")
	cert := w.grant("maya", "1h", "The machine gets busy.")
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	for range 6 {
		burner := exec.CommandContext(ctx, nice, "-n", "12", sh, "-c", "while :; do :; done")
		w.check(burner.Start())
		t.Cleanup(func() { cancel(); burner.Wait() })
	}
	ends := w.entries("grant.approved")[0].At.UTC.Time().Add(time.Hour)
	w.later(ends.Add(-2 * time.Second).Sub(w.clock.Now().Wall))
	revoked := w.recorded("grant.revoked", 1)[0]
	cancel()
	w.shutOut("maya", cert)
	late := revoked.At.UTC.Time().Sub(ends)
	t.Logf("revoked %v after the end", late.Round(time.Millisecond))
	if late > 15*time.Second || late < 0 {
		t.Errorf("revoked %v after the end", late)
	}
	w.verify()
}

// TestFault_F34 lets strangers eat the bot's file descriptors, of which it has 64: the ledger stays open, and when they are gone
// everything works again.
func TestFault_F34(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("sh is not here to set a limit")
	}
	w := newWorld(t, worldOptions{})
	w.startAs([]string{sh, "-c", `ulimit -n 64 && exec "$@"`, "sh"})
	card := w.ask("maya", "quick", "1h", "Before the strangers come.")
	var strangers []net.Conn
	for range 80 {
		c, err := net.DialTimeout("tcp", w.child.listen, 2*time.Second)
		if err != nil {
			break
		}
		strangers = append(strangers, c)
	}
	_, err = until(t.Context(), "the bot to run out of descriptors", func() (int, bool) {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.bot.cmd.Process.Pid))
		return len(fds), err != nil || len(fds) >= 63
	})
	w.check(err)
	w.click("jonas", card, screens.ActApprove) // over a socket that is already open, into a ledger that is already open
	w.recorded("vote.recorded", 1)
	for _, c := range strangers {
		c.Close()
	}
	cert := w.granted("maya")
	if !w.letIn("maya", cert) {
		t.Error("the certificate does not open the bastion")
	}
	w.toldTimes("maya", 1, "Ready:")
	if !w.bot.running() {
		t.Error("the bot has ended")
	}
	w.verify()
}

// TestThreat_T31 takes the ledger's pen away: while it cannot be written nothing is decided and no certificate is made.
func TestThreat_T31(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	card := w.ask("maya", "quick", "1h", "The ledger is about to be locked.")
	before := registerOf(w)
	unlock := w.lockLedger()
	if d := w.slack.Click(t.Context(), pressOf(w, "jonas", card, screens.ActApprove)); d.Acked {
		t.Error("a click was acknowledged that is kept nowhere")
	}
	told, err := w.told(t.Context(), "jonas", "access", "not recorded")
	w.check(err)
	t.Logf("Jonas is told: %s", told)
	if after := registerOf(w); after != before {
		t.Errorf("the SSH CA was asked for something while nothing could be recorded:\n%s", after)
	}
	if n := len(w.entries("vote.recorded")) + len(w.entries("grant.approved")); n != 0 {
		t.Errorf("%d decisions stand in a ledger that could not be written", n)
	}
	unlock()
	again := w.card("Maya Chen", "The ledger is about to be locked.")
	w.click("jonas", again, screens.ActApprove)
	if !w.letIn("maya", w.granted("maya")) {
		t.Error("the bot does not work any more")
	}
	w.verify()
}

// registerOf is what the SSH CA remembers of the certificates it made.
func registerOf(w *world) string {
	w.t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(filepath.Join(w.data(), "sshca"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(d.Name(), "host") {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(&out, "%s: %s\n", d.Name(), b)
		return err
	})
	w.check(err)
	return out.String()
}

// lockLedger holds the write lock of the database, as a stuck backup would, until the returned function is called.
func (w *world) lockLedger() func() {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.data(), "countersign.db")+"?_pragma=busy_timeout(20000)")
	w.check(err)
	conn, err := db.Conn(w.t.Context())
	w.check(err)
	_, err = conn.ExecContext(w.t.Context(), "BEGIN IMMEDIATE")
	w.check(err)
	unlock := func() {
		conn.ExecContext(context.Background(), "ROLLBACK")
		conn.Close()
		db.Close()
	}
	w.t.Cleanup(unlock)
	return unlock
}

// TestFault_F12_RevocationsAreTriedAgain lets access come to its end while another process holds the ledger's lock for longer than the bot waits: the
// bot lives on, tries again, and takes the access back as soon as it can write that down.
func TestFault_F12_RevocationsAreTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "1h", "It ends under somebody's lock.")
	unlock := w.lockLedger()
	w.later(61 * time.Minute)
	_, err := until(t.Context(), "the bot to find the ledger locked", func() (string, bool) { return "", strings.Contains(w.log(), "locked") })
	w.check(err)
	if !w.bot.running() {
		t.Fatal("the bot has ended")
	}
	unlock()
	w.recorded("grant.revoked", 1)
	w.shutOut("maya", cert)
	w.verify()
}

// TestThreat_T36 looks at every file that a bot has written, and refuses to start on what others can read.
func TestThreat_T36(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	w.grant("maya", "1h", "So that there is something to read.")
	w.stopBot()
	seen := 0
	w.check(filepath.WalkDir(w.data(), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		seen++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	}))
	if seen < 8 {
		t.Errorf("only %d files: the test looks in the wrong place", seen)
	}
	for _, c := range []struct {
		file  string
		loose os.FileMode
		tight os.FileMode
	}{
		{"countersign.db", 0o640, 0o600},
		{"witness.log", 0o604, 0o600},
		{"keys/ledger", 0o644, 0o600},
		{"keys/sshca", 0o640, 0o600},
		{"keys/button-mac", 0o606, 0o600},
		{"keys", 0o750, 0o700},
		{".", 0o755, 0o700},
	} {
		path := filepath.Join(w.data(), c.file)
		w.check(os.Chmod(path, c.loose))
		p := w.spawn(nil)
		code, err := p.wait(stopWithin)
		if err != nil || code != exitFailed {
			p.kill()
			t.Errorf("%s with mode %o: exit %d, %v; want a refusal", c.file, c.loose, code, err)
		}
		w.check(os.Chmod(path, c.tight))
		if !strings.Contains(w.log(), "chmod") {
			t.Errorf("%s: the refusal does not say what to do", c.file)
		}
		w.check(os.Truncate(filepath.Join(w.dir, "serve.log"), 0))
	}
	w.start()
	w.verify()
}
