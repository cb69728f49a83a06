package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// These tests let real system calls of a real process fail: strace answers the chosen call in the kernel's place. A child opens a
// ledger, appends, reads, folds the log and closes; then this process opens what the child left and compares it with what
// the child acknowledged.

// needStrace skips where the kernel or the machine does not let us trace.
func needStrace(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("system calls cannot be made to fail here: strace: %v %s", err, out)
	}
}

// memoryDir is a folder on a file system in memory where there is one: what the disk does with a sync is not what is tested here.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "countersign-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ruin is how a child ended under an injection.
type ruin struct {
	lines    []string
	code     int  // exit code
	killed   bool // by a signal
	injected int
	calls    map[string]int // system calls traced, by name
}

func (r ruin) String() string {
	return fmt.Sprintf("exit %d, killed %v, %d injected: %s", r.code, r.killed, r.injected, strings.Join(r.lines, " | "))
}

// has tells whether the child said something that begins so.
func (r ruin) has(start string) bool {
	for _, line := range r.lines {
		if strings.HasPrefix(line, start) {
			return true
		}
	}
	return false
}

// underStrace runs a driven child to its end: three times twelve events, after those that are there.
func underStrace(t *testing.T, cfg store.Config, f fault, n int) ruin {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "strace")
	cmd := exec.Command("strace", append(append([]string{"-f", "-qq", "-o", log}, f.args(cfg, n)...), exe)...)
	c := startCommand(t, cmd, "drive", cfg, append(f.env, childFrom+"=100", "GOMAXPROCS=1")...)
	_, werr := fmt.Fprint(c.in, "12\n12\n12\n")
	if err := errors.Join(werr, c.in.Close()); err != nil && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	r := ruin{lines: c.rest(), code: cmd.ProcessState.ExitCode(), calls: make(map[string]int)}
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	r.injected = strings.Count(string(raw), "(INJECTED)")
	r.killed = strings.Contains(string(raw), "+++ killed by SIGKILL")
	for line := range strings.Lines(string(raw)) {
		_, line, _ = strings.Cut(line, " ")
		if name, _, ok := strings.Cut(strings.TrimLeft(line, " "), "("); ok && !strings.Contains(name, " ") {
			r.calls[name]++
		}
	}
	return r
}

// base is a small ledger of which each case gets a copy.
func base(t *testing.T) store.Config {
	cfg := onMachineTime(t)
	grow(t, cfg, 1, 5)
	return cfg
}

func fork(t *testing.T, cfg store.Config) store.Config {
	t.Helper()
	dir := filepath.Join(memoryDir(t), "data")
	copyFolder(t, cfg.Dir, dir)
	return inFolder(cfg, dir)
}

// wantSound opens what a child left and holds it against what the child said: all that was acknowledged is there once with its job, what
// was refused is not there at all, what is unknown is there as a whole or not; everything verifies, and the ledger goes on.
func wantSound(t *testing.T, cfg store.Config, r ruin) {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("after %v: %v", r, err)
	}
	defer s.Close()
	wantSaid(t, s, r)
	if t.Failed() {
		t.Log(r)
	}
	if _, err := s.Update(t.Context(), "", nil, numbered(9999)); err != nil {
		t.Errorf("after %v it does not go on: %v", r, err)
	}
	storetest.Check(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	db, err := openRaw(cfg, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("after %v: integrity_check: %s, %v", r, verdict, err)
	}
}

// wantSaid compares entries and jobs with what the child said of each number.
func wantSaid(t *testing.T, s *store.Store, r ruin) {
	t.Helper()
	numbers, _ := acked(r.lines)
	wantAll(t, s, append(numbers, 1, 2, 3, 4, 5))
	refused := make(map[int]bool)
	for _, line := range r.lines {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "error" && words[1] == "refused" {
			n, err := strconv.Atoi(words[2])
			refused[n] = err == nil
		}
	}
	for n := 101; n <= 136; n++ {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", n))
		h, err := s.History(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		owed, err := s.JobsOf(t.Context(), stream)
		if err != nil || len(h) > 1 || len(owed) != len(h) {
			t.Errorf("number %d: %d entries and %d jobs: %v", n, len(h), len(owed), err)
		}
		if refused[n] && len(h) > 0 {
			t.Errorf("number %d was refused with the words that nothing was recorded, and it is there", n)
		}
	}
}

// points gives at most most numbers from 1 to last, evenly, from a start that differs from run to run.
func points(last, most int) (out []int) {
	step := max(1, (last+most-1)/most)
	for n := 1 + rand.IntN(step); n <= last; n += step {
		out = append(out, n)
	}
	return out
}

// never is a call that no child comes to.
const never = 65535

// fault is one way in which a system call fails.
type fault struct {
	call   string // of strace's -e inject
	how    string // error=EIO
	sticky bool   // from the n-th call on, else only that one
	every  int    // from the n-th call on every so many; 0: as sticky says
	on     string // only on these files of the folder; empty: on any
	most   int    // points of the sweep
	env    []string
}

func (f fault) String() string {
	name := strings.NewReplacer("=", " ", ",", "+").Replace(f.call + " " + f.how)
	if f.sticky {
		name += " for good"
	}
	if f.every > 0 {
		name += fmt.Sprintf(" every %d", f.every)
	}
	return name
}

func (f fault) args(cfg store.Config, n int) (out []string) {
	for _, name := range strings.Fields(f.on) {
		out = append(out, "-P", filepath.Join(cfg.Dir, name))
	}
	when := strconv.Itoa(n)
	if f.sticky {
		when += "+"
	} else if f.every > 0 {
		when += "+" + strconv.Itoa(f.every)
	}
	return append(out, "-e", "trace="+f.call, "-e", "inject="+f.call+":"+f.how+":when="+when)
}

// sweep lets a call fail at its first, second … n-th time, each in a child of its own on a copy of cfg, and gives how many calls
// failed. check sees what each child left.
func sweep(t *testing.T, cfg store.Config, f fault, check func(t *testing.T, cfg store.Config, r ruin)) *atomic.Int64 {
	t.Helper()
	count := new(atomic.Int64)
	calm := fork(t, cfg)
	dry := underStrace(t, calm, f, never)
	if dry.code != 0 || dry.injected != 0 {
		t.Fatalf("without a fault: %v", dry)
	}
	total := 0
	for _, n := range dry.calls {
		total = max(total, n)
	}
	most := f.most
	if testing.Short() {
		most = max(1, most/6)
	}
	for _, n := range points(total, most) {
		t.Run(fmt.Sprintf("%v/%d", f, n), func(t *testing.T) {
			t.Parallel()
			mine := fork(t, cfg)
			r := underStrace(t, mine, f, n)
			count.Add(int64(r.injected))
			if r.killed {
				count.Add(1)
			}
			check(t, mine, r)
		})
	}
	return count
}

// wantHonest is what holds after every error: the child did not crash, and it did not end well after saying "unknown".
func wantHonest(t *testing.T, r ruin) {
	t.Helper()
	if r.code != 0 && r.code != 1 && r.code != exitUnknown {
		t.Errorf("it ended in a way of its own: %v", r)
	}
	if r.has("made up") {
		t.Errorf("it read what is not there: %v", r)
	}
	if r.has("error unknown") && r.code != exitUnknown {
		t.Errorf("unknown, and it went on: %v", r)
	}
}

// swept runs the sweeps side by side and wants at least so many injected errors.
func swept(t *testing.T, least int64, faults []fault, check func(t *testing.T, cfg store.Config, r ruin)) {
	t.Helper()
	needStrace(t)
	cfg := base(t)
	var counts []*atomic.Int64
	t.Run("sweep", func(t *testing.T) {
		for _, f := range faults {
			counts = append(counts, sweep(t, cfg, f, check))
		}
	})
	if len(counts) < len(faults) {
		return // it has failed already
	}
	sum := int64(0)
	for i, f := range faults {
		t.Logf("%v: %d", f, counts[i].Load())
		sum += counts[i].Load()
	}
	if sum < least && !testing.Short() {
		t.Errorf("only %d errors were injected, want %d", sum, least)
	}
}

// TestFault_F06 lets writes fail: on any file of the folder, once, for good, and now and again, as on a disk where others make room.
func TestFault_F06(t *testing.T) {
	t.Parallel()
	var list []fault
	for _, name := range []string{"EIO", "ENOSPC", "EDQUOT"} {
		for _, sticky := range []bool{false, true} {
			list = append(list, fault{call: "pwrite64", how: "error=" + name, sticky: sticky, most: 24})
		}
		list = append(list, fault{call: "write", how: "error=" + name, on: "witness.log", most: 6})
	}
	for every := 1; every <= 6; every++ {
		list = append(list, fault{call: "pwrite64", how: "error=ENOSPC", every: every, on: "countersign.db-wal", most: 24})
	}
	swept(t, 700, list, func(t *testing.T, cfg store.Config, r ruin) {
		wantHonest(t, r)
		wantSound(t, cfg, r)
	})
}

// TestFault_F05_RealSync lets fsync itself fail, of the log, the file, the folder and the witness: the kernel may have the pages or
// not, so the answer is "unknown", the process ends, and the next one looks.
func TestFault_F05_RealSync(t *testing.T) {
	t.Parallel()
	swept(t, 12, []fault{
		{call: "fsync,fdatasync", how: "error=EIO", most: 24},
		{call: "fsync,fdatasync", how: "error=EIO", sticky: true, most: 12},
	}, func(t *testing.T, cfg store.Config, r ruin) {
		wantHonest(t, r)
		wantSound(t, cfg, r)
	})
}

// database are the files that SQLite has open.
const database = "countersign.db countersign.db-wal"

// TestFault_F09 lets reads fail: the child says so and ends, or the read that failed is answered with an error; nothing is made up.
func TestFault_F09(t *testing.T) {
	t.Parallel()
	swept(t, 20, []fault{ // a small ledger has some ten reads of each kind, fewer when the cache is warm: so every second one fails, too
		{call: "pread64", how: "error=EIO", every: 2, on: database, most: 16},
		{call: "pread64", how: "error=EIO", on: database, most: 16},
		{call: "pread64", how: "error=EIO", on: database, sticky: true, most: 16},
	}, func(t *testing.T, cfg store.Config, r ruin) {
		wantHonest(t, r)
		// SQLite keeps an error of the last fold at closing to itself: the log stays, and the next opening reads it.
		closing := len(r.lines) > 0 && r.lines[len(r.lines)-1] == "next" && r.code == 0
		if r.injected > 0 && !r.has("error") && !closing {
			t.Errorf("a read failed and nobody was told: %v", r)
		}
		wantSound(t, cfg, r)
	})
}

// TestFault_F07_TheDiskLies lets the disk say yes to writes of the log that it never makes: from the n-th on, in a process that is then
// killed. What was acknowledged is gone, and the next start finds that, by the witness file, unless nothing was lost.
func TestFault_F07_TheDiskLies(t *testing.T) {
	t.Parallel()
	var found atomic.Int64
	swept(t, 100, []fault{
		{call: "pwrite64", how: "retval=4096", on: "countersign.db-wal", sticky: true, most: 24, env: []string{childAbrupt + "=1"}},
		{call: "pwrite64", how: "retval=4096", on: "countersign.db-wal", sticky: true, most: 12},
	}, func(t *testing.T, cfg store.Config, r ruin) {
		s, err := store.Open(t.Context(), cfg)
		if err == nil {
			defer s.Close()
			wantSaid(t, s, r)
			storetest.Check(t, s)
			return
		}
		if errors.Is(err, ledger.ErrRollback) {
			found.Add(1)
		} else if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("after %v: %v", r, err)
		}
	})
	if !t.Skipped() && !testing.Short() && found.Load() < 5 {
		t.Errorf("%d losses were found by the witness file", found.Load())
	}
	t.Logf("%d losses were found by the witness file", found.Load())
}

// TestFault_F10 lets the locks of the file fail, as on a network file system: the ledger does not open, and nothing changes.
func TestFault_F10(t *testing.T) {
	t.Parallel()
	refusesToStart(t, fault{call: "fcntl", how: "error=ENOLCK", on: database, sticky: true})
	refusesToStart(t, fault{call: "flock", how: "error=ENOLCK", sticky: true})
}

// TestFault_F11 lets the memory shared by readers and writer fail: an error, not a crash.
func TestFault_F11(t *testing.T) {
	t.Parallel()
	refusesToStart(t, fault{call: "mmap", how: "error=ENOMEM", on: "countersign.db-shm", sticky: true})
	refusesToStart(t, fault{call: "ftruncate,pwrite64", how: "error=EIO", on: "countersign.db-shm", sticky: true})
}

// refusesToStart wants that a child does not open the ledger, says why, and leaves it as it was.
func refusesToStart(t *testing.T, f fault) {
	t.Helper()
	needStrace(t)
	cfg := fork(t, base(t))
	r := underStrace(t, cfg, f, 1)
	if r.injected == 0 || r.code != 1 || r.has("opened") || !r.has("error opening the ledger") {
		t.Errorf("%v: %v", f, r)
	}
	t.Log(r)
	wantSound(t, cfg, r)
}

// TestFault_F36 kills the very first opening of a ledger at each of its writes, syncs, truncations and removals: each version of the schema
// is there as a whole or not at all, and the next opening makes the ledger.
func TestFault_F36(t *testing.T) {
	t.Parallel()
	needStrace(t)
	empty := onMachineTime(t)
	if err := os.MkdirAll(empty.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	whole := objects(t, base(t))
	between := objectsBetween(t)
	var kills []*atomic.Int64
	t.Run("sweep", func(t *testing.T) {
		for _, call := range []string{"pwrite64", "fsync", "ftruncate", "unlink", "write"} {
			f := fault{call: call, how: "signal=SIGKILL", most: 40}
			kills = append(kills, sweep(t, empty, f, func(t *testing.T, cfg store.Config, r ruin) {
				if n := objects(t, cfg); n != 0 && n != gooseObjects && n != whole && !slices.Contains(between, n) {
					t.Errorf("%v left %d objects of %d", r, n, whole)
				}
				s, err := store.Open(t.Context(), cfg)
				if err != nil {
					t.Fatalf("after %v: %v", r, err)
				}
				defer s.Close()
				numbers, _ := acked(r.lines)
				wantAll(t, s, numbers)
				storetest.Check(t, s)
				if n := objects(t, cfg); n != whole {
					t.Errorf("%d objects of %d", n, whole)
				}
			}))
		}
	})
	sum := int64(0)
	for _, k := range kills {
		sum += k.Load()
	}
	if sum < 40 && !testing.Short() {
		t.Errorf("only %d kills", sum)
	}
	t.Logf("%d kills", sum)
}

// objectsBetween counts what each migration but the last one leaves.
func objectsBetween(t *testing.T) (out []int) {
	t.Helper()
	versions, err := store.SchemaVersions(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions[:len(versions)-1] {
		cfg := storetest.Config(t)
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		db, err := openRaw(cfg, time.Second)
		if err == nil {
			err = errors.Join(store.MigrateTo(t.Context(), db, v), db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, objects(t, cfg))
	}
	return out
}

// gooseObjects are those that goose makes before the first migration.
const gooseObjects = 2

// objects counts tables, indexes and triggers, as another program sees them.
func objects(t *testing.T, cfg store.Config) (n int) {
	t.Helper()
	if _, err := os.Stat(dbPath(cfg)); errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	db, err := openRaw(cfg, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT COUNT(*) FROM sqlite_schema").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
