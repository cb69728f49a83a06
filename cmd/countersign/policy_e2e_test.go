package main

import (
	"encoding/json"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// TestThreat_T24_AFolderLoosensNothingByItself: somebody edits the folder of a running bot. What that loosens is not in force after the reload,
// nor after the bot was killed and started upon the edited folder; those who answer for the bot are told, and one of them lets it through. Every
// version stays readable.
func TestThreat_T24_AFolderLoosensNothingByItself(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	chain := ""
	edit := func(from, to string) {
		t.Helper()
		b, err := os.ReadFile(chain)
		if err == nil && !strings.Contains(string(b), from) {
			t.Fatalf("the chain does not say %q:\n%s", from, b)
		}
		if err == nil {
			err = os.WriteFile(chain, []byte(strings.Replace(string(b), from, to, 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, worldOptions{company: func(dir string) {
		chain = filepath.Join(dir, "workflows", "quick.yaml")
		file := filepath.Join(dir, "people.yaml")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			return
		}
		text := strings.ReplaceAll(string(b), "    unix: maya\n", "")
		text = strings.Replace(text, "  - key: frida\n", "  - key: frida\n    unix: "+me.Username+"\n", 1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}})
	w.start()
	says := func(wantCode int, words []string, args ...string) string {
		t.Helper()
		out, code := w.run(args...)
		if code != wantCode || !containsAll(out, words) {
			t.Fatalf("countersign %s: exit %d, without one of %q:\n%s", strings.Join(args, " "), code, words, out)
		}
		return out
	}
	says(exitDone, []string{"No change of the documents waits"}, "policy", "pending")
	edit("longest: 4h", "longest: 8h")
	says(exitDone, []string{"What it loosens is not in force", "waits for 1 of"}, "reload")
	pending := []string{"+ workflow/quick: the longest access becomes 8h, was 4h", "It needs 1 of", "waiting"}
	id := strings.Fields(says(exitDone, pending, "policy"))[0]
	w.restart()
	if again := strings.Fields(says(exitDone, pending, "policy", "pending"))[0]; again != id {
		t.Errorf("after a kill it is another change: %s, was %s", again, id)
	}
	w.dmTo("jonas", "the longest access becomes 8h, was 4h")
	edit("longest: 8h", "longest: 2h") // taken back, and tighter than it was
	says(exitDone, []string{"The new configuration is in force."}, "reload")
	says(exitFailed, []string{"already replaced"}, "policy", "approve", id, "-yes")
	edit("longest: 2h", "longest: 6h")
	says(exitDone, []string{"waits for 1 of"}, "reload")
	id = strings.Fields(says(exitDone, []string{"becomes 6h, was 2h"}, "policy"))[0]
	says(exitFailed, []string{"needs a reason"}, "policy", "deny", id, "-yes")
	says(exitDone, []string{"approved"}, "policy", "approve", id, "-reason", "as agreed", "-yes")
	w.restart()
	says(exitDone, []string{"No change of the documents waits"}, "policy", "pending")

	longest := map[workflows.Span]bool{}
	for _, r := range w.entries("policy.loaded") {
		text := says(exitDone, []string{`"quick"`}, "policy", "show", string(r.Event.(workflows.PolicyLoaded).Workflows["quick"]))
		var v workflows.Workflow
		w.check(json.Unmarshal([]byte(text), &v))
		longest[v.Longest] = true
	}
	for hours, want := range map[workflows.Span]bool{4: true, 2: true, 6: true, 8: false} { // what nobody approved never governed
		if longest[hours*3600] != want {
			t.Errorf("a version with %dh: %t, want %t", hours, !want, want)
		}
	}
	says(exitFailed, []string{"the ledger holds no document"}, "policy", "show", strings.Repeat("0", 64))
	w.verify()
}
