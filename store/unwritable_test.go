package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// TestReq_R53_ALedgerIsReadWhereNothingCanBeWritten: a process was killed, what it recorded last lies in the log, and the disk takes no write:
// the ledger is read to its last entry, the words say how, nothing changes beside it and no copy stays behind. Where no copy can be made either,
// the words say that the last entries are not seen.
func TestReq_R53_ALedgerIsReadWhereNothingCanBeWritten(t *testing.T) {
	disk := smallDisk(t, 16384)
	cfg := inFolder(onMachineTime(t), filepath.Join(disk, "data"))
	s := storetest.Open(t, cfg)
	for n := 1; n <= 3; n++ {
		if _, err := s.Update(t.Context(), "", nil, numbered(n)); err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			if _, _, err := s.FoldLog(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	killed := filepath.Join(disk, "killed") // as a kill leaves it, without the index of the log
	if err := os.Mkdir(killed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(cfg.Dir, "countersign.db"+end))
		if err == nil {
			err = os.WriteFile(filepath.Join(killed, "countersign.db"+end), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("countersign-test", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	read := func(dir, tmp string) (string, int) {
		t.Setenv("TMPDIR", tmp)
		ro, err := store.OpenReadOnly(t.Context(), inFolder(cfg, dir))
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		n := 0
		for _, stream := range []workflows.StreamID{"request/1", "request/2", "request/3"} {
			h, err := ro.History(t.Context(), stream)
			if err != nil {
				t.Error(err)
			}
			n += len(h)
		}
		how := ro.ReadHow()
		if err := ro.Close(); err != nil {
			t.Error(err)
		}
		return how, n
	}
	tmp := t.TempDir()
	if how, n := read(killed, tmp); n != 3 || !strings.Contains(how, "a copy of it is read") {
		t.Errorf("with what lies in the log: %d entries, %q", n, how)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("a copy stays behind: %v, %v", left, err)
	}
	if how, n := read(cfg.Dir, tmp); n != 3 || !strings.Contains(how, "as it lies there") {
		t.Errorf("closed in order: %d entries, %q", n, how)
	}
	if how, n := read(killed, filepath.Join(disk, "data")); n != 2 || !strings.Contains(how, "IS NOT SEEN") {
		t.Errorf("without room for a copy: %d entries, %q", n, how)
	}
}
