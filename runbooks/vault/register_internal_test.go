package vault

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

// TestThreat_T58_TheRegisterStaysInItsFolder: whatever id came so far, no file outside of the register is read, written or taken away, by a path or by a link.
func TestThreat_T58_TheRegisterStaysInItsFolder(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	inside, outside := filepath.Join(place, "register"), filepath.Join(place, "outside.json")
	const text = `{"grant":"outside","account":"root"}`
	if err := errors.Join(os.Mkdir(inside, 0o700), os.WriteFile(outside, []byte(text), 0o600), os.Symlink(outside, filepath.Join(inside, "g_link.json"))); err != nil {
		t.Fatal(err)
	}
	dir, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c := &client{dir: dir}
	ids := []string{"../outside", "g_x/../../outside", filepath.Join(place, "outside"), "..", "g_link"}
	for _, s := range runbooktest.Nasty() {
		ids = append(ids, s, "../"+s, "g_/../../"+s)
	}
	for _, id := range ids {
		id := workflows.GrantID(id)
		if r, known, err := c.load(id); known || r.Account != "" {
			t.Errorf("%q reads %+v (%v)", id, r, err)
		}
		_ = c.save(record{Grant: id, Account: "made"})
		_ = c.forget(id)
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != text {
		t.Errorf("outside: %q, %v", got, err)
	}
	if entries, err := os.ReadDir(place); err != nil || len(entries) != 2 {
		t.Errorf("beside the register: %v, %v", entries, err)
	}
	if err := c.save(record{Grant: "g_1", Account: "maya"}); err != nil {
		t.Fatal(err)
	}
	if r, known, err := c.load("g_1"); !known || r.Account != "maya" || err != nil {
		t.Errorf("an id of ours: %+v, %v, %v", r, known, err)
	}
}
