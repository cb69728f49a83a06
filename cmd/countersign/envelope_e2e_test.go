package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows/identities"
)

// ownDisk gives the bot's data folder a file system of its own, of so many KiB.
func ownDisk(t *testing.T, kib string) func(config string) {
	return func(config string) { ownDiskAt(t, filepath.Join(filepath.Dir(config), "data"), kib) }
}

// ownDiskAt makes a folder that is a file system of its own, of so many KiB.
func ownDiskAt(t *testing.T, dir, kib string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("countersign-test", dir, "tmpfs", 0, "mode=0700,size="+kib+"k"); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fillDisk writes until nothing more fits.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, block := range [][]byte{make([]byte, 1<<20), make([]byte, 1<<12)} {
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// TestReq_R53_TheEnvelopeWhileNothingCanBeWritten: the disk of the ledger is full: an invocation is refused with the reason, the envelope's codes
// are told from others all the same; then the bot is killed and the disk takes no write at all: they still are, and the words say how they were
// read. When there is room again the bot starts, what the paper says is brought into the ledger, and the ledger verifies.
func TestReq_R53_TheEnvelopeWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "kenji", ownDisk(t, "49152"))
	for _, step := range []string{"runbook", "runbook-approve"} {
		w.step(step, func() {})
	}
	out, code := w.run("envelope", "new")
	paper := regexp.MustCompile(`[A-Z2-9]{4}(?:-[A-Z2-9]{4}){3}`).FindAllString(out, -1)
	if code != exitDone || len(paper) != 3 {
		t.Fatalf("printing the envelope (exit %d): %s", code, out)
	}
	told := func(when, note string) {
		t.Helper()
		if out, code := w.run("envelope", "check", paper[0], "-person", "kenji"); code != exitDone || !strings.Contains(out, "genuine: ") || !strings.Contains(out, note) {
			t.Errorf("%s, a genuine code (exit %d): %s", when, code, out)
		}
		if out, code := w.run("envelope", "check", "AAAA-AAAA-AAAA-AAAA", "-person", "kenji"); code != exitFailed || strings.Contains(out, "genuine: ") {
			t.Errorf("%s, a wrong code (exit %d): %s", when, code, out)
		}
	}
	ballast := filepath.Join(w.data(), "ballast")
	fillDisk(t, ballast)
	invoke := []string{"runbook", "invoke", "web-outage", "INC-9", "key=" + strings.TrimSpace(w.people["kenji"].public()), "-reason", "the shop is down, the disk is full", "-yes"}
	if _, err := until(t.Context(), "the refusal", func() (string, bool) {
		fillDisk(t, ballast) // also where the reserve lay
		out, code := w.run(invoke...)
		if code == exitDone {
			t.Fatalf("invoked on a full disk: %s", out)
		}
		return out, strings.Contains(out, "The disk of the ledger is full") && strings.Contains(out, "sealed envelope")
	}); err != nil {
		t.Fatal(err)
	}
	if d := w.slack.Command(t.Context(), w.people["kenji"].slack, "access", "/breakglass", "web-outage INC-9"); !strings.Contains(string(d.AckPayload), "The disk of the ledger is full") {
		t.Errorf("in Slack: %s, %v", d.AckPayload, d.Err)
	}
	told("full", "")
	w.bot.kill()
	told("full, and nobody runs", "")
	w.check(os.RemoveAll(filepath.Join(w.data(), "countersign.db-shm")))
	w.check(syscall.Mount("countersign-test", w.data(), "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	if err := os.WriteFile(filepath.Join(w.data(), "x"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("the disk takes writes: %v", err)
	}
	told("read-only", "its disk takes no write now")
	w.check(syscall.Mount("countersign-test", w.data(), "tmpfs", syscall.MS_REMOUNT, ""))
	w.check(os.Remove(ballast))
	w.start()
	opened := w.clock.Now().Wall.Add(-time.Second).UTC().Format(time.RFC3339)
	w.must("envelope", "reconcile", paper[0], "-person", "kenji", "-opened", opened, "-incident", "INC-9", "-did", "restarted the shop by hand", "-seen", "jonas")
	w.recorded(identities.EnvelopeReconciled{}.Kind(), 1)
	if n := len(w.entries("runbook.invoked")); n != 0 {
		t.Errorf("%d invocations are recorded that were refused", n)
	}
	w.verify()
}
