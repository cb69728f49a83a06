package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFault_F40_RevokingGoesOn: the disk of the witness file is full. The process cannot say whether its last entry counts, and ends; the next start
// decides nothing, says why, and takes back what is due, although it cannot even write that down. When there is room again it serves by itself, takes
// it back once more, records it, and the ledger verifies.
func TestFault_F40_RevokingGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	disk := filepath.Join(w.dir, "other")
	ownDiskAt(t, disk, "256")
	env := "COUNTERSIGN_WITNESS=" + filepath.Join(disk, "witness.log")
	w.start(env)
	cert := w.grant("maya", "1h", "Before the witness's disk is full.")
	fillDisk(t, filepath.Join(disk, "ballast"))
	_, err := until(t.Context(), "the end of the bot", func() (bool, bool) { // what the file's last block still takes is witnessed
		select {
		case <-w.bot.exited:
			return true, true
		default:
			_ = w.command(t.Context(), "maya", "/access", "withdraw r_00000000000000000000000000")
			return false, false
		}
	})
	w.check(err)
	if code := w.bot.cmd.ProcessState.ExitCode(); code != 70 {
		t.Errorf("it ended with %d, want 70: whether the last entry was recorded is unknown", code)
	}
	w.check(w.clock.advance(61 * time.Minute))
	w.bot = w.spawn(nil, env)
	refused, err := until(t.Context(), "the reason in /readyz", func() (string, bool) {
		body, code := w.get("/readyz")
		return body, code != http.StatusOK && strings.Contains(body, "the witness file cannot be written")
	})
	w.check(err)
	said(t, refused, "revoke-only")
	before := len(w.entries("request.submitted"))
	_, err = until(t.Context(), "what is due to be taken back", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "1 grants taken back")
	})
	w.check(err)
	w.shutOut("maya", cert)
	w.check(os.Remove(filepath.Join(disk, "ballast")))
	w.check(w.child.ready(t.Context())) // by itself, when there is room again
	w.recorded("grant.revoked", 1)
	if n := len(w.entries("request.submitted")); n != before {
		t.Errorf("%d requests were taken in meanwhile", n-before)
	}
	w.verify()
}
