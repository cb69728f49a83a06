package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// TestFault_F12 lets another process, as a backup tool or a forgotten shell does, keep the file locked for longer than the store waits:
// the caller is told that it was busy and that nothing was recorded, nobody is told yes, and the next one succeeds.
func TestFault_F12(t *testing.T) {
	t.Parallel()
	cfg := onMachineTime(t)
	s := storetest.Open(t, cfg)
	c := startChild(t, "lock", cfg)
	if line := c.line(t); line != "locked" {
		t.Fatal(line)
	}
	_, err := s.Update(t.Context(), "cli/1", nil, numbered(1))
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("under the lock of another process: %v", err)
	}
	// The lock is still held here: the wait has an end of its own.
	if err := s.PoisonedBy(); err != nil {
		t.Errorf("a busy file is not a broken one: %v", err)
	}
	if h, err := s.History(t.Context(), "request/1"); err != nil || len(h) != 0 {
		t.Errorf("reading goes on: %d, %v", len(h), err)
	}
	told := make(chan error, 1)
	go func() {
		_, err := s.Update(t.Context(), "cli/2", nil, numbered(2))
		told <- err
	}()
	if err := c.in.Close(); err != nil { // lets the lock go
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Errorf("when the lock is let go within the wait: %v", err)
	}
	if _, err := s.Update(t.Context(), "cli/1", nil, numbered(1)); err != nil {
		t.Errorf("the same thing again: %v", err)
	}
	wantAll(t, s, []int{1, 2})
}

// smallDisk mounts a file system in memory of so many KiB.
func smallDisk(t *testing.T, kib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("countersign-test", dir, "tmpfs", 0, "size="+strconv.Itoa(kib)+"k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFault_F08 fills the disk, several times: what does not fit is refused with the reason and is not there, reading goes on, and when
// space returns the ledger goes on, in the same process or, if the witness file was what did not fit, in the next.
func TestFault_F08(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 2048)
	cfg := inFolder(onMachineTime(t), filepath.Join(disk, "data"))
	ballast := filepath.Join(disk, "ballast")
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	var kept []int
	refused, restarts, n := 0, 0, 0
	for round := range 12 {
		if err := fillUp(ballast, 4096*int64(round%4)); err != nil {
			t.Fatal(err)
		}
		full := false
		for tries := 0; !full && tries < 400; tries++ {
			n++
			_, err := s.Update(t.Context(), "", nil, numbered(n))
			switch {
			case err == nil:
				kept = append(kept, n)
			case errors.Is(err, store.ErrUnavailable):
				full = true
				refused++
				if !strings.Contains(err.Error(), "full") {
					t.Errorf("refused without the reason: %v", err)
				}
				if h, err := s.History(t.Context(), workflows.StreamID("request/"+strconv.Itoa(n))); err != nil || len(h) != 0 {
					t.Errorf("%d was refused and is there: %v", n, err)
				}
			default:
				full = true // the witness file did not fit, or COMMIT was cut off: unknown
				if !errors.Is(err, store.ErrLedgerUnknown) || s.PoisonedBy() == nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
		}
		if !full {
			t.Fatalf("round %d: the disk does not fill up", round)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if s.PoisonedBy() != nil {
			restarts++
			s.Close() // what it says does not matter any more
			if s, err = store.Open(t.Context(), cfg); err != nil {
				t.Fatalf("round %d: with space again: %v", round, err)
			}
		}
		n++
		if _, err := s.Update(t.Context(), "", nil, numbered(n)); err != nil {
			t.Fatalf("round %d: with space again: %v", round, err)
		}
		kept = append(kept, n)
		if _, _, err := s.FoldLog(t.Context()); err != nil {
			t.Errorf("round %d: folding with space again: %v", round, err)
		}
	}
	wantAll(t, s, kept)
	storetest.Check(t, s)
	if refused == 0 {
		t.Error("nothing was ever refused")
	}
	t.Logf("full 12 times: %d refused, %d restarts, %d kept", refused, restarts, len(kept))
}

// TestFault_F08_AccessStillEnds fills the disk of a ledger that keeps a reserve: people are refused with the reason, timers and jobs go on,
// also after a restart on the full disk, and when there is room again people are served again, without anybody's doing.
func TestFault_F08_AccessStillEnds(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 4096)
	cfg := inFolder(onMachineTime(t), filepath.Join(disk, "data"))
	cfg.Reserve = 1 << 20
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	n := 0
	next := func(cause store.Cause) error {
		n++
		_, err := s.Update(t.Context(), cause, nil, numbered(n))
		return err
	}
	if err := next("cli/1"); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	if err := fillUp(ballast, 0); err != nil {
		t.Fatal(err)
	}
	for tries := 2; err == nil && tries < 400; tries++ {
		err = next(store.Cause("cli/" + strconv.Itoa(tries)))
	}
	if !errors.Is(err, store.ErrUnavailable) || s.PoisonedBy() != nil {
		t.Fatalf("on a full disk: %v, poisoned by %v", err, s.PoisonedBy())
	}
	refusedToPeople := func(when string) {
		t.Helper()
		_, _, put := s.PutInbox(t.Context(), "t", "k", nil, nil)
		for _, err := range []error{next("cli/again"), next("inbox/7"), next("api/8"), put} {
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("%s, somebody asks: %v", when, err)
			}
		}
	}
	owedGoesOn := func(when string) {
		t.Helper()
		if got, err := s.Claim(t.Context(), 1); err != nil || len(got) != 1 {
			t.Errorf("%s, a job is claimed: %d, %v", when, len(got), err)
		}
		for range 30 {
			if _, _, err := s.FoldLog(t.Context()); err != nil { // as happens once a second
				t.Error(err)
			}
			if err := errors.Join(next(""), next(store.Cause("job/"+strconv.Itoa(n)))); err != nil {
				t.Fatalf("%s, what the product owes: %v", when, err)
			}
		}
	}
	if err := s.DiskFull(); err == nil {
		t.Error("the bot does not know that the disk is full")
	}
	refusedToPeople("full")
	owedGoesOn("full")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	more := filepath.Join(disk, "more") // closing has folded the log and made room: less than the reserve is left now
	if err := fillUp(more, 768<<10); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(t.Context(), cfg); err != nil {
		t.Fatalf("a start on a full disk: %v", err)
	}
	refusedToPeople("after a start")
	owedGoesOn("after a start")
	if err := errors.Join(os.Remove(ballast), os.Remove(more)); err != nil {
		t.Fatal(err)
	}
	await(t, "room again", func() bool { return next(store.Cause("cli/later/"+strconv.Itoa(n))) == nil })
	if err := s.DiskFull(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(cfg.Dir, "reserve")); err != nil || info.Size() != cfg.Reserve || info.Mode() != 0o600 {
		t.Errorf("the reserve is not there again: %v, %v", info, err)
	}
	storetest.Check(t, s)
}

// TestFault_F33 kills a process under the load of 64 callers as the kernel does when memory runs out, after looking how much it had
// taken: far less than the 200 MiB it may, and all that was acknowledged is there.
func TestFault_F33(t *testing.T) {
	t.Parallel()
	cfg := inFolder(onMachineTime(t), filepath.Join(memoryDir(t), "data"))
	c := startChild(t, "append", cfg, childFrom+"=0", childCallers+"=64")
	var lines []string
	for range 5000 {
		lines = append(lines, c.line(t))
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Skipf("the memory of a process cannot be read here: %v", err)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	numbers, errs := acked(append(lines, c.rest()...))
	_, peak, _ := strings.Cut(string(raw), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(peak, &kib); err != nil || kib > 200<<10 || len(errs) > 0 {
		t.Errorf("it took %d KiB at most: %v %v", kib, err, errs)
	}
	t.Logf("%d MiB at most after %d entries", kib>>10, len(numbers))
	wantAll(t, storetest.Open(t, cfg), numbers)
}

// TestFault_F37 keeps a reader open while a thousand pages are written: writing goes on, the log grows, and shrinks again when the
// reader is gone.
func TestFault_F37(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	src, err := s.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Head(t.Context()); err != nil { // from here on it holds its snapshot
		t.Fatal(err)
	}
	for n := range 200 {
		if _, err := s.Update(t.Context(), "", nil, numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	pages, copied, err := s.FoldLog(t.Context())
	if err != nil || pages < 1000 || copied >= pages {
		t.Errorf("under a reader: %d pages, %d folded, %v", pages, copied, err)
	}
	if head, err := src.Head(t.Context()); err != nil || head.Size != 1 {
		t.Errorf("the snapshot moved: %d, %v", head.Size, err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if pages, copied, err = s.FoldLog(t.Context()); err != nil || copied != pages {
		t.Errorf("without it: %d pages, %d folded, %v", pages, copied, err)
	}
	if _, err := s.Update(t.Context(), "", nil, numbered(1000)); err != nil {
		t.Fatal(err)
	}
	if pages, _, err = s.FoldLog(t.Context()); err != nil || pages > 100 {
		t.Errorf("the log does not begin again: %d pages, %v", pages, err)
	}
}

// fillUp writes until the disk is full, and then leaves so many bytes.
func fillUp(path string, leave int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size := int64(0)
	for block := make([]byte, 4096); ; {
		n, err := f.Write(block)
		size += int64(n)
		if errors.Is(err, syscall.ENOSPC) {
			return f.Truncate(max(0, size-leave))
		}
		if err != nil {
			return fmt.Errorf("filling the disk: %w", err)
		}
	}
}
