package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sweptCalls are the system calls with which a process changes what is on the disk.
const sweptCalls = "write,pwrite64,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat"

// TestFault_F02 kills a process that writes a ledger at its N-th system call that reaches the disk, for every N. What it had
// acknowledged is there, the ledger verifies, and the next process goes on.
func TestFault_F02_KilledAtEveryCall(t *testing.T) {
	t.Parallel()
	strace := needStrace(t)
	org := filepath.Join(t.TempDir(), "org")
	if err := writeDemoConfig(org, "22"); err != nil {
		t.Fatal(err)
	}
	exe, err := exec.LookPath("fixture")
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(t.TempDir(), "made")
	if err := smallLedger(t.Context(), org, made, func(string) {}); err != nil {
		t.Fatal(err)
	}
	sw := sweep{strace: strace, exe: exe, org: org, step: 1}
	if testing.Short() {
		sw.step = 7
	}
	t.Run("a later start", func(t *testing.T) {
		t.Parallel()
		sw.run(t, func(data string) error { return exec.Command("cp", "-a", made, data).Run() })
	})
	first := sw
	if os.Getenv("COUNTERSIGN_LONG") == "" {
		first.step = max(3, sw.step) // it makes the schema in some 250 calls that are much alike; CI tries each (step figures)
	}
	t.Run("the first start", func(t *testing.T) {
		t.Parallel()
		first.run(t, func(string) error { return nil })
	})
}

// sweep is one program, killed at every call that reaches the disk.
type sweep struct {
	strace, exe, org string
	step             int
}

// run kills at each point in a folder that before prepares.
func (s sweep) run(t *testing.T, before func(data string) error) {
	t.Helper()
	points := 0
	for call := range strings.SplitSeq(sweptCalls, ",") {
		for n := 1; ; n += s.step {
			data := filepath.Join(inMemory(t), "data")
			if err := before(data); err != nil {
				t.Fatal(err)
			}
			acks, killed := s.killedAt(t, call, n, data)
			if !killed {
				break
			}
			points++
			if err := s.holdsAfter(t, data, acks); err != nil {
				t.Fatalf("killed at %s %d, after %v: %v", call, n, acks, err)
			}
		}
	}
	t.Logf("killed at %d points, survived all", points)
	if points < 20/s.step {
		t.Errorf("only %d points: the sweep did not reach the disk", points)
	}
}

// inMemory is a folder that a test may lose: SIGKILL leaves the page cache alone, so nothing is gained from a slow disk.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "countersign-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// needStrace finds a tracer that works here.
func needStrace(t *testing.T) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	if out, err := exec.Command(strace, "-f", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v %s", err, out)
	}
	return strace
}

// killedAt runs the fixture under a tracer that kills it at the n-th such call, and returns what it had acknowledged.
func (s sweep) killedAt(t *testing.T, call string, n int, data string) (acks []string, killed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace="+call,
		"-e", "inject="+call+":signal=SIGKILL:when="+strconv.Itoa(n), s.exe, "acks", s.org, data)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOMAXPROCS=1"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	for sc := bufio.NewScanner(&out); sc.Scan(); {
		acks = append(acks, sc.Text())
	}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case err == nil && slices.Contains(acks, "done"):
		return acks, false
	case status.Signaled() && status.Signal() == syscall.SIGKILL, cmd.ProcessState.ExitCode() == 128+9:
		return acks, true
	}
	t.Fatalf("%s %d: %v\n%s%s", call, n, err, out.String(), errs.String())
	return nil, false
}

// holdsAfter looks at what a killed process left: everything acknowledged is there, and the same work can be done to its end.
func (s sweep) holdsAfter(t *testing.T, data string, acks []string) error {
	env := []string{prefix + "_DATA=" + data}
	verify := func(when string) error {
		if out, errs, code := runHere(t, env, "ledger", "verify"); code != exitDone {
			return fmt.Errorf("%s the ledger does not verify: exit %d\n%s%s", when, code, out, errs)
		}
		return nil
	}
	if slices.Contains(acks, "open") {
		if err := verify("afterwards"); err != nil {
			return err
		}
	}
	shown, _, _ := runHere(t, env, "ledger", "show", "-last", "0")
	for ack, kind := range map[string]string{"asked": " request.submitted ", "denied": " request.denied ", "loaded": " policy.loaded "} {
		if slices.Contains(acks, ack) && !strings.Contains(shown, kind) {
			return fmt.Errorf("%q was acknowledged and is not in the ledger:\n%s", ack, shown)
		}
	}
	if err := smallLedger(t.Context(), s.org, data, func(string) {}); err != nil {
		return fmt.Errorf("the next process cannot go on: %w", err)
	}
	return verify("after going on")
}
