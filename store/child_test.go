package store_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// A test that needs a real process starts its own binary again with these variables; TestMain then plays the child.
const (
	childRole = "STORE_TEST_CHILD"
	childDir  = "STORE_TEST_DIR"
	childKey  = "STORE_TEST_KEY"
	childFrom = "STORE_TEST_FROM"

	childCallers = "STORE_TEST_CALLERS" // of an appending child

	childAbrupt = "STORE_TEST_ABRUPT" // a driven child ends after its first round as if it were killed
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := runChild(role); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child starts this binary in a role and gives what it prints, line by line.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startChild(t *testing.T, role string, cfg store.Config, env ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startCommand(t, exec.Command(exe), role, cfg, env...)
}

// startCommand starts this binary by way of a command that runs it.
func startCommand(t *testing.T, cmd *exec.Cmd, role string, cfg store.Config, env ...string) *child {
	t.Helper()
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+cfg.Dir, childKey+"="+cfg.Key.SeedText())
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{cmd: cmd, in: in, lines: bufio.NewScanner(out)}
}

// line waits for the next line of the child.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("the child ended: %v", c.cmd.Wait())
	}
	return c.lines.Text()
}

// rest reads what the child still said before it ended.
func (c *child) rest() (out []string) {
	for c.lines.Scan() {
		out = append(out, c.lines.Text())
	}
	_ = c.cmd.Wait()
	return out
}

func childConfig() (store.Config, error) {
	key, err := ledger.ParseKey(os.Getenv(childKey))
	return store.Config{
		Dir: os.Getenv(childDir), Kinds: storetest.EventKinds(), Clock: jobs.NewSystem(), Key: key, Instance: "child",
	}, err
}

func runChild(role string) error {
	cfg, err := childConfig()
	if err != nil {
		return err
	}
	switch role {
	case "append":
		return childAppends(cfg)
	case "drive":
		return childDriven(cfg)
	case "hold":
		return childHolds(cfg)
	case "begin":
		return childBegins(cfg)
	case "lock":
		return childLocks(cfg)
	case "umask":
		return childUmask(cfg)
	case "descriptors":
		return childDescriptors(cfg)
	}
	return fmt.Errorf("unknown role %q", role)
}

// childAppends lets eight callers, or as many as it is told, append, each event with a job, and prints the number of each one that was acknowledged. On
// SIGTERM it closes the store and ends.
func childAppends(cfg store.Config) error {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	from, err := strconv.Atoi(os.Getenv(childFrom))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := from
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next
	}
	callers, err := strconv.Atoi(cmp.Or(os.Getenv(childCallers), "8"))
	if err != nil {
		return err
	}
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := take()
				if _, err := s.Update(ctx, store.Cause(fmt.Sprintf("cli/%d", n)), nil, numbered(n)); err != nil {
					if ctx.Err() == nil {
						fmt.Println("error", err)
					}
					return
				}
				mu.Lock()
				fmt.Println("ack", n)
				mu.Unlock()
			}
		})
	}
	<-ctx.Done()
	err = s.Close()
	wg.Wait()
	fmt.Println("closed", err)
	return err
}

// exitUnknown is how a child ends when it cannot say what is recorded, as the program does.
const exitUnknown = 70

// childDriven reads numbers, one a line: for each it appends as many events, one after the other, reads one back, folds the log, and
// prints what became of each. It ends as the program does when the store is poisoned.
func childDriven(cfg store.Config) error {
	ctx := context.Background()
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Println("opened")
	from, err := strconv.Atoi(os.Getenv(childFrom))
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		count, err := strconv.Atoi(in.Text())
		if err != nil {
			return err
		}
		for range count {
			from++
			_, err := s.Update(ctx, store.Cause(fmt.Sprintf("cli/%d", from)), nil, numbered(from))
			switch {
			case err == nil:
				fmt.Println("ack", from)
			case errors.Is(err, store.ErrLedgerUnknown):
				fmt.Println("error unknown", from, oneLine(err))
			default:
				fmt.Println("error refused", from, oneLine(err))
			}
			if s.PoisonedBy() != nil {
				os.Exit(exitUnknown)
			}
		}
		if os.Getenv(childAbrupt) != "" {
			os.Exit(0)
		}
		if h, err := s.History(ctx, "request/1"); err != nil {
			fmt.Println("error reading", oneLine(err))
		} else if len(h) != 1 {
			fmt.Println("made up", len(h))
		}
		if _, _, err := s.FoldLog(ctx); err != nil {
			fmt.Println("error folding", oneLine(err))
		}
		fmt.Println("next")
	}
	return s.Close()
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

// append lets a driven child append so many events and gives what it said.
func (c *child) append(t *testing.T, count int) (out []string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, count); err != nil {
		t.Fatal(err)
	}
	for line := c.line(t); line != "next"; line = c.line(t) {
		if line != "opened" {
			out = append(out, line)
		}
	}
	return out
}

// numbered records a number, and owes a job for it.
func numbered(n int) func(workflows.Facts) (workflows.Outcome, error) {
	return func(workflows.Facts) (workflows.Outcome, error) {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", n))
		out := workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{stream: {{Kind: "n", Key: fmt.Sprint(n)}}}}
		out.Add(stream, workflows.System, "", storetest.Opened{Title: fmt.Sprint(n), Reason: "sealed"})
		return out, nil
	}
}

func childHolds(cfg store.Config) error {
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	fmt.Println("open", os.Getpid())
	_, _ = io.ReadAll(os.Stdin) // until the parent kills it
	return s.Close()
}

// childBegins tries to write beside the process that owns the file, as a second instance without our lock would.
func childBegins(cfg store.Config) error {
	db, err := openRaw(cfg, 0)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err = db.Exec("BEGIN IMMEDIATE"); err != nil {
		fmt.Println("refused", strings.ReplaceAll(err.Error(), "\n", " "))
		return nil
	}
	fmt.Println("wrote")
	return nil
}

// childLocks holds the lock for writing until its standard input ends.
func childLocks(cfg store.Config) error {
	db, err := openRaw(cfg, time.Second)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	fmt.Println("locked")
	_, _ = io.ReadAll(os.Stdin)
	_, err = db.Exec("ROLLBACK")
	return err
}

func childUmask(cfg store.Config) error {
	syscall.Umask(0)
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	if _, err := s.Update(context.Background(), "", nil, numbered(1)); err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = io.ReadAll(os.Stdin)
	return s.Close()
}

// childDescriptors uses up every file descriptor and goes on working.
func childDescriptors(cfg store.Config) error {
	ctx := context.Background()
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	if _, err := s.Update(ctx, "", nil, numbered(1)); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		return err
	}
	for {
		if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil {
			fmt.Println("full", err)
			break
		}
	}
	for n := 2; n < 400; n++ {
		if _, err := s.Update(ctx, "", nil, numbered(n)); err != nil {
			return fmt.Errorf("update %d: %w", n, err)
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for range 16 {
		wg.Go(func() {
			_, err := s.History(ctx, "request/17")
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
	}
	if r, err := s.Verify(ctx); err == nil && !r.OK {
		return fmt.Errorf("verifying: %+v", r.First)
	}
	fmt.Println("fine")
	return s.Close()
}

// deadline is how long a child may take for one thing on a slow machine.
const deadline = 60 * time.Second
