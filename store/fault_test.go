package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// dbPath is where a test's ledger lies.
func dbPath(cfg store.Config) string { return filepath.Join(cfg.Dir, "countersign.db") }

// openRaw opens a plain connection that waits so long for a lock.
func openRaw(cfg store.Config, wait time.Duration) (*sql.DB, error) {
	q := fmt.Sprintf("_pragma=busy_timeout(%d)", wait.Milliseconds())
	return sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: dbPath(cfg), RawQuery: q}).String())
}

// openOwn opens a connection with the settings of the store's own writer.
func openOwn(cfg store.Config) (*sql.DB, error) {
	return sql.Open("sqlite", store.SQLiteDSN(dbPath(cfg), false))
}

// onMachineTime gives a configuration whose clock is the machine's, as children have it.
func onMachineTime(t *testing.T) store.Config {
	cfg := storetest.Config(t)
	cfg.Clock = jobs.NewSystem()
	return cfg
}

// acked reads the numbers a child has acknowledged.
func acked(lines []string) (out []int, errs []string) {
	for _, line := range lines {
		if n, err := strconv.Atoi(strings.TrimPrefix(line, "ack ")); err == nil {
			out = append(out, n)
		} else if strings.HasPrefix(line, "error") {
			errs = append(errs, line)
		}
	}
	return out, errs
}

// wantAll checks that every number is recorded exactly once and still owes its job.
func wantAll(t *testing.T, s *store.Store, numbers []int) {
	t.Helper()
	for _, n := range numbers {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", n))
		h, err := s.History(t.Context(), stream)
		if err != nil || len(h) != 1 || h[0].Event.(storetest.Opened).Reason != "sealed" {
			t.Errorf("number %d was acknowledged, but %d entries are there: %v", n, len(h), err)
		}
		owed, err := s.JobsOf(t.Context(), stream)
		if err != nil || len(owed) != 1 {
			t.Errorf("number %d was acknowledged, but %d jobs are owed: %v", n, len(owed), err)
		}
	}
}

// TestFault_F01 kills a real process with -9 while it appends, again and again on one ledger.
func TestFault_F01(t *testing.T) {
	cfg := onMachineTime(t)
	var all []int
	from := 0
	rounds := 6
	if os.Getenv("COUNTERSIGN_LONG") != "" { // CI, step figures
		rounds = 50
	}
	for round := range rounds {
		c := startChild(t, "append", cfg, childFrom+"="+strconv.Itoa(from))
		var lines []string
		for range 20 + rand.IntN(150) {
			lines = append(lines, c.line(t))
		}
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, c.rest()...)
		numbers, errs := acked(lines)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		all = append(all, numbers...)
		from += 100_000

		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		wantAll(t, s, all)
		storetest.Check(t, s)
		db, err := openRaw(cfg, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var verdict string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
			t.Errorf("integrity_check: %s, %v", verdict, err)
		}
		db.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged in %d rounds, all there", len(all), rounds)
}

func TestFault_F14(t *testing.T) {
	cfg := onMachineTime(t)
	c := startChild(t, "hold", cfg)
	pid := strings.TrimPrefix(c.line(t), "open ")
	begin := time.Now()
	_, err := store.Open(t.Context(), cfg)
	var locked *store.LockedError
	if !errors.As(err, &locked) || locked.PID != pid || !strings.Contains(err.Error(), "locked by pid "+pid) {
		t.Errorf("a second instance: %v, want locked by pid %s", err, pid)
	}
	if d := time.Since(begin); d > deadline {
		t.Errorf("it waited %v", d)
	}
	ro, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatalf("reading beside a live instance: %v", err)
	}
	storetest.Check(t, ro)
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.rest()
	s := storetest.Open(t, cfg) // the kernel gave the lock up with the process
	if _, err := store.Open(t.Context(), cfg); !errors.As(err, &locked) || locked.PID != strconv.Itoa(os.Getpid()) {
		t.Errorf("a second one in this process: %v", err)
	}
	if _, err := s.Update(t.Context(), "", nil, numbered(1)); err != nil {
		t.Error(err)
	}
}

// TestFault_F15 holds a write transaction open and does, in this process, everything that might touch the database file: another
// process must still be kept out.
func TestFault_F15(t *testing.T) {
	cfg := onMachineTime(t)
	s := storetest.Open(t, cfg)
	_, err := s.Update(t.Context(), "", nil, func(f workflows.Facts) (workflows.Outcome, error) {
		ro, err := store.OpenReadOnly(t.Context(), cfg)
		if err != nil {
			return workflows.Outcome{}, err
		}
		if _, err := ro.Head(t.Context()); err != nil {
			return workflows.Outcome{}, err
		}
		if err := ro.Close(); err != nil {
			return workflows.Outcome{}, err
		}
		var locked *store.LockedError
		if _, err := store.Open(t.Context(), cfg); !errors.As(err, &locked) {
			return workflows.Outcome{}, fmt.Errorf("a second instance: %w", err)
		}
		c := startChild(t, "begin", cfg)
		if line := c.line(t); !strings.HasPrefix(line, "refused") || !strings.Contains(line, "lock") {
			return workflows.Outcome{}, fmt.Errorf("another process in our transaction: %s", line)
		}
		return numbered(1)(f)
	})
	if err != nil {
		t.Fatal(err)
	}
	c := startChild(t, "begin", cfg)
	if line := c.line(t); line != "wrote" {
		t.Errorf("after our transaction: %s", line)
	}
	t.Run("lint", lintOpens)
}

// lintOpens finds every call in this package that opens a file, and demands that it is one of those that cannot be the database.
func lintOpens(t *testing.T) {
	allowed := map[string]string{
		"reserve.go": "the reserve", "backup.go": "copies, while SQLite has them not open",
		"unwritable.go": "copies, where SQLite could not open the database",
		"debts.go":      "debts.jsonl", "rollback.go": "what was said about lost entries", "witness.go": "the witness file", "lock_unix.go": "the lock, and O_EXCL before SQLite opens anything",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Name != "os" && pkg.Name != "syscall" {
				return true
			}
			switch sel.Sel.Name {
			case "Open", "OpenFile", "Create", "CreateTemp", "ReadFile", "WriteFile", "Truncate":
				found++
				if allowed[name] == "" {
					t.Errorf("%s calls %s.%s: closing a file of the database in this process drops SQLite's locks", name, pkg.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
	if found == 0 {
		t.Error("the lint finds nothing any more")
	}
}

func TestFault_F34(t *testing.T) {
	c := startChild(t, "descriptors", onMachineTime(t))
	if line := c.line(t); !strings.HasPrefix(line, "full") {
		t.Fatal(line)
	}
	if line := c.line(t); line != "fine" {
		t.Error(line)
	}
}

// TestFault_F35 ends a working process with SIGTERM: what was acknowledged is there, and the end is recorded.
func TestFault_F35(t *testing.T) {
	cfg := onMachineTime(t)
	c := startChild(t, "append", cfg, childFrom+"=0")
	var lines []string
	for range 50 {
		lines = append(lines, c.line(t))
	}
	begin := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	lines = append(lines, c.rest()...)
	if d := time.Since(begin); d > deadline {
		t.Errorf("it took %v", d)
	}
	if last := lines[len(lines)-1]; last != "closed <nil>" {
		t.Errorf("the last word: %q", last)
	}
	numbers, errs := acked(lines)
	if len(errs) > 0 {
		t.Error(errs)
	}
	s := storetest.Open(t, cfg)
	wantAll(t, s, numbers)
	h, err := s.History(t.Context(), workflows.SystemStream)
	if err != nil || len(h) < 3 {
		t.Fatal(h, err)
	}
	if _, ok := h[len(h)-1].Event.(store.InstanceStopped); !ok {
		t.Errorf("the last event of the system is %q", h[len(h)-1].Event.Kind())
	}
}

// TestCloseUnderLoad closes while callers wait: each is told that it was recorded, and then it is, or that it was not.
func TestCloseUnderLoad(t *testing.T) {
	cfg := storetest.Config(t)
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var done []int
	var wg sync.WaitGroup
	for n := range 500 {
		wg.Go(func() {
			_, err := s.Update(context.Background(), "", nil, numbered(n))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done = append(done, n)
				if len(done) == 20 {
					go s.Close()
				}
			} else if !errors.Is(err, store.ErrClosed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.Open(t, cfg)
	wantAll(t, s, done)
	head, err := s.Head(t.Context())
	if err != nil || head.Size != int64(len(done))+1 {
		t.Errorf("%d entries for %d acknowledged, %v", head.Size, len(done), err)
	}
}

// TestGivingUp cancels callers in the queue and in the middle of their callback: an error means that nothing was written, nil that
// it was.
func TestGivingUp(t *testing.T) {
	s := storetest.Open(t, storetest.Config(t))
	inside, leave := make(chan struct{}), make(chan struct{})
	first, giveUp := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	go func() {
		_, err := s.Update(first, "", nil, func(f workflows.Facts) (workflows.Outcome, error) {
			close(inside)
			<-leave
			return numbered(1)(f)
		})
		errs <- err
	}()
	<-inside
	waiting, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Update(waiting, "", nil, numbered(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("given up in the queue: %v", err)
	}
	giveUp()
	close(leave)
	if err := <-errs; err != nil {
		t.Errorf("given up while it ran: %v, but it was recorded", err)
	}
	wantAll(t, s, []int{1})
	if h, err := s.History(t.Context(), "request/2"); err != nil || len(h) != 0 {
		t.Errorf("what was given up in the queue ran all the same: %d, %v", len(h), err)
	}
}

// TestFault_F13 flips bits all over the database file: a start refuses, or Verify names it, or the bit lay in free space.
func TestFault_F13(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	for n := range 300 {
		if _, err := s.Update(t.Context(), "", nil, numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(dbPath(cfg))
	if err != nil {
		t.Fatal(err)
	}
	caught := 0
	for range 60 {
		bad := append([]byte(nil), whole...)
		at := rand.IntN(len(bad))
		bad[at] ^= 1 << rand.IntN(8)
		if err := os.WriteFile(dbPath(cfg), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		ro, err := store.OpenReadOnly(t.Context(), cfg)
		if err != nil {
			caught++
			continue
		}
		r, err := ro.Verify(t.Context())
		if err != nil || !r.OK {
			caught++
		} else if r.Size != want.Size || r.Root != want.Root.String() {
			t.Errorf("a flipped bit at %d gives another ledger that verifies", at)
		}
		ro.Close()
	}
	if caught == 0 {
		t.Error("not one of 60 flipped bits was found")
	}
	t.Logf("%d of 60 flipped bits were found, the others changed nothing that is recorded", caught)
}

// failing makes statements fail in a chosen place, by a trigger of the test's own.
func failing(t *testing.T, db *sql.DB, table, op, body string) (restore func()) {
	t.Helper()
	if _, err := db.Exec(fmt.Sprintf("CREATE TRIGGER fault BEFORE %s ON %s BEGIN %s; END", op, table, body)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := db.Exec("DROP TRIGGER fault"); err != nil {
			t.Fatal(err)
		}
	}
}

// everything is an outcome that writes to each table an outcome can write to.
func everything(n int) func(workflows.Facts) (workflows.Outcome, error) {
	return func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := numbered(n)(f)
		stream := workflows.StreamID(fmt.Sprintf("request/%d", n))
		out.Listings = map[workflows.StreamID][]workflows.Listing{stream: {{List: "open"}}}
		out.Touch = []workflows.StreamID{"home/p_1"}
		return out, err
	}
}

// TestThreat_T31 makes each write of a decision fail in turn: no job reaches a worker, nothing is recorded, and the next
// decision works. What a connector would do hangs on that job.
func TestThreat_T31(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	hand := &counting{}
	s.Attach(hand)
	if _, err := s.SaveSurface(t.Context(), store.Surface{Stream: "home/p_1", Place: store.PlaceHome, Person: "p_1"}, 0); err != nil {
		t.Fatal(err)
	}
	db := storetest.Raw(t, cfg)
	n := 0
	for _, at := range []struct{ op, table string }{
		{"INSERT", "log_entry"},
		{"INSERT", "stream_entry"},
		{"INSERT", "opening"},
		{"INSERT", "job"},
		{"INSERT", "listing"},
		{"UPDATE", "surface"},
		{"INSERT", "cause"},
		{"UPDATE", "log_head"},
	} {
		before, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n++
		cause := store.Cause(fmt.Sprintf("cli/%d", n))
		restore := failing(t, db, at.table, at.op, "SELECT RAISE(ABORT, 'injected')")
		_, err = s.Update(t.Context(), cause, nil, everything(n))
		if err == nil || hand.taken() != 0 {
			t.Errorf("%s %s failed: error %v, %d jobs handed over", at.op, at.table, err, hand.taken())
		}
		restore()
		after, err := s.Head(t.Context())
		if err != nil || after.Size != before.Size {
			t.Errorf("%s %s failed, but the ledger went from %d to %d, %v", at.op, at.table, before.Size, after.Size, err)
		}
		if res, err := s.Update(t.Context(), cause, nil, everything(n)); err != nil || res.Replayed {
			t.Errorf("after %s %s: %v, replayed %v", at.op, at.table, err, res.Replayed)
		}
		if hand.taken() == 0 {
			t.Error("a decision that was recorded handed nothing over")
		}
		hand.reset()
	}
}

// counting is a worker that only counts.
type counting struct {
	mu sync.Mutex
	n  int
}

func (h *counting) Room() int            { return 100 }
func (h *counting) Wake(workflows.Stamp) {}

func (h *counting) Take(list []jobs.Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n += len(list)
}

func (h *counting) taken() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

func (h *counting) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n = 0
}

// TestFault_F05 lets COMMIT itself fail, by a constraint that is checked only then: nobody is told yes or no, nothing is handed
// over, and the store takes no more.
func TestFault_F05(t *testing.T) {
	cfg := storetest.Config(t)
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	hand := &counting{}
	s.Attach(hand)
	db := storetest.Raw(t, cfg)
	for _, text := range []string{
		"CREATE TABLE a (id INTEGER PRIMARY KEY)",
		"CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)",
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	failing(t, db, "log_entry", "INSERT", "INSERT INTO b (a) VALUES (7)")
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			_, err := s.Update(context.Background(), "", nil, numbered(n))
			if !errors.Is(err, store.ErrLedgerUnknown) {
				t.Errorf("caller %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	select {
	case <-s.Poisoned():
	default:
		t.Error("the store is not poisoned")
	}
	if _, _, err := s.PutInbox(t.Context(), "t", "k", nil, nil); !errors.Is(err, store.ErrLedgerUnknown) {
		t.Errorf("a delivery after that: %v", err)
	}
	if hand.taken() != 0 {
		t.Errorf("%d jobs handed over", hand.taken())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec("DROP TRIGGER fault"); err != nil {
		t.Fatal(err)
	}
	s = storetest.Open(t, cfg) // looks again: nothing was committed this time
	if head, err := s.Head(t.Context()); err != nil || head.Size != 1 {
		t.Errorf("%d entries, %v", head.Size, err)
	}
}

func TestFault_F40(t *testing.T) {
	cfg := storetest.Config(t)
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	hand := &counting{}
	s.Attach(hand)
	if err := s.BreakWitness(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), "", nil, numbered(1)); !errors.Is(err, store.ErrLedgerUnknown) || hand.taken() != 0 {
		t.Errorf("the witness is gone: %v, %d jobs handed over", err, hand.taken())
	}
	if !errors.Is(s.PoisonedBy(), store.ErrLedgerUnknown) {
		t.Errorf("poisoned by %v", s.PoisonedBy())
	}
	if h, err := s.History(t.Context(), "request/1"); err != nil || len(h) != 1 {
		t.Errorf("reading goes on: %d, %v", len(h), err)
	}
	if err := s.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	s = storetest.Open(t, cfg) // it was recorded: unknown meant yes
	wantAll(t, s, []int{1})
}
