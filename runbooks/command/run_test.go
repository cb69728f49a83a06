package command_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/command"
)

// pid waits until a process of the helper has left its id.
func pid(t testing.TB, dir, name string) int {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			n, err := strconv.Atoi(string(raw))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	t.Fatalf("no process %s", name)
	return 0
}

// gone waits until a process is no more; a zombie whose parent is not us counts as gone, since it runs nothing.
func gone(t testing.TB, pid int) bool {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || stateOf(pid) == "Z" {
			return true
		}
	}
	return false
}

// stateOf is the letter of /proc/PID/stat, or empty where that is not to be had.
func stateOf(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(raw), ") ")
	return after[:min(1, len(after))]
}

// TestFault_F25_GroupIsKilled: a program that hangs, with a child and a grandchild that hold its output, is ended at the
// deadline with all of them.
func TestFault_F25_GroupIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := program(t, "sleep", dir)
	c := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() { _, err := c.Grant(ctx, order("g_1")); failed <- err }()
	family := []int{pid(t, dir, "child"), pid(t, dir, "grandchild")}
	cancel()
	err := <-failed
	if runbooks.ClassOf(err) != runbooks.Retry || err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for _, p := range family {
		if !gone(t, p) {
			t.Errorf("process %d lives on", p)
			_ = syscall.Kill(p, syscall.SIGKILL)
		}
	}
}

// TestFault_F25_OwnDeadline: the connector does not rely on its caller's deadline.
func TestFault_F25_OwnDeadline(t *testing.T) {
	t.Parallel()
	argv := program(t, "sleep-alone", t.TempDir())
	c := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: 200 * time.Millisecond})
	p, err := c.Check(t.Context(), order("g_1"))
	if p != runbooks.Unconfirmed || runbooks.ClassOf(err) != runbooks.Retry || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s, %v", p, err)
	}
}

// TestFault_F25_NothingIsLeftBehind: a child that outlives a program that ended well is ended too, and the answer is whole.
func TestFault_F25_NothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := program(t, "leave", dir)
	r, err := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: time.Minute}).Grant(t.Context(), order("g_1"))
	if err != nil || r.Ref != "left one behind" {
		t.Errorf("%+v, %v", r, err)
	}
	if p := pid(t, dir, "alone"); !gone(t, p) {
		t.Errorf("process %d lives on", p)
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
}

// TestFault_F25_EscapedChild: a child in a session of its own is out of reach, and holds the output open; the answer is
// taken and the call comes back all the same.
func TestFault_F25_EscapedChild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := program(t, "escape", dir)
	r, err := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: time.Minute}).Grant(t.Context(), order("g_1"))
	if err != nil || r.Ref != "one escaped" {
		t.Errorf("%+v, %v", r, err)
	}
	if err := syscall.Kill(pid(t, dir, "alone"), syscall.SIGKILL); err != nil {
		t.Errorf("it did not escape: %v", err)
	}
}

// inherits marks the process that stands for the bot as process 1 of a container.
const inherits = "COMMAND_TEST_INHERITS"

// TestFault_F25_NoZombies: as heir of orphans, which is what process 1 of a container is, the bot collects what it killed.
func TestFault_F25_NoZombies(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skipf("no /proc to look for zombies: %v", err)
	}
	if os.Getenv(inherits) == "" {
		cmd := exec.Command(self(t), "-test.run=^TestFault_F25_NoZombies$", "-test.v")
		cmd.Env = append(os.Environ(), inherits+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if strings.Contains(string(out), "SKIP") {
			t.Skipf("%s", out)
		}
		return
	}
	const prSetChildSubreaper = 36 // prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		t.Skipf("this system has no child subreaper: %v", errno)
	}
	dir := t.TempDir()
	argv := program(t, "sleep", dir)
	c := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() { _, err := c.Grant(ctx, order("g_1")); failed <- err }()
	family := []int{pid(t, dir, "child"), pid(t, dir, "grandchild")}
	cancel()
	if err := <-failed; err == nil {
		t.Error("no error")
	}
	for _, p := range family {
		if state := stateOf(p); state != "" {
			t.Errorf("process %d is in state %s", p, state)
		}
	}
}

// TestFault_F25_Killed: a program that dies by a signal leaves the outcome open.
func TestFault_F25_Killed(t *testing.T) {
	t.Parallel()
	argv := program(t, "suicide", "-")
	_, err := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv}).Grant(t.Context(), order("g_1"))
	if runbooks.ClassOf(err) != runbooks.Retry || err == nil || err.Error() != "the program was ended by a signal" {
		t.Errorf("%v", err)
	}
}

// TestFault_F26_ProgramFailsAfterEffect: the program makes the access and then fails; reading back finds it, and the
// second call gives its receipt.
func TestFault_F26_ProgramFailsAfterEffect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, command.Config{
		Grant: program(t, "effect", dir, "${account}"), Revoke: program(t, "revoke", dir), Check: program(t, "check", dir), Timeout: time.Minute,
	})
	r, err := runbooks.NewRunner(map[string]runbooks.Connector{"vpn": c}, nil).Start(t.Context(), "vpn", order("g_1"))
	if err != nil || r.Ref != "member g_1" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "failed-once")); err != nil {
		t.Errorf("the program never failed: %v", err)
	}
}

// TestThreat_T54_LyingProgram: "done" is not believed when reading back says otherwise.
func TestThreat_T54_LyingProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lie := program(t, "say", "-", "0", "", "")
	c := open(t, command.Config{Grant: program(t, "grant", dir, "${account}"), Revoke: lie, Check: program(t, "check", dir), Timeout: time.Minute})
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"vpn": c}, nil)
	if _, err := runner.Start(t.Context(), "vpn", order("g_1")); err != nil {
		t.Fatal(err)
	}
	if _, presence, err := runner.Stop(t.Context(), "vpn", order("g_1")); presence != runbooks.Present || err == nil {
		t.Errorf("%s, %v", presence, err)
	}
}

// TestRunsAreBounded: of many calls at once, only a few programs run; those that wait heed their context.
func TestRunsAreBounded(t *testing.T) {
	t.Parallel()
	argv := program(t, "sleep-alone", t.TempDir())
	c := open(t, command.Config{Grant: argv, Revoke: argv, Check: argv, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := make(chan error, 20)
	var wg sync.WaitGroup
	for i := range cap(errs) {
		wg.Go(func() { _, err := c.Grant(ctx, order(fmt.Sprintf("g_%d", i))); errs <- err })
	}
	short, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	<-short.Done()
	cancel()
	wg.Wait()
	close(errs)
	started, waited := 0, 0
	for err := range errs {
		switch err.Error() {
		case "the program did not end in time and was stopped":
			started++
		case "the call was cut short before the program was started":
			waited++
		default:
			t.Errorf("%v", err)
		}
	}
	if started > 8 || waited < 12 {
		t.Errorf("%d started, %d waited", started, waited)
	}
}
