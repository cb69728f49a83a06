package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestThreat_T35_ACrashLeavesNoCore: the running bot is asked by the system to dump core (SIGABRT, with a Go runtime that would), in a folder where it
// may write. It dies of it, the system says that it dumped none, and none lies there. Where this machine dumps the core of a shell that crashes, the same
// question is answered with yes: so the test would see it.
func TestThreat_T35_ACrashLeavesNoCore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start("GOTRACEBACK=crash")
	pid := w.bot.cmd.Process.Pid
	shell := exec.Command("/bin/sh", "-c", "ulimit -c unlimited 2>/dev/null; kill -ABRT $$")
	shell.Dir = t.TempDir()
	_ = shell.Run() // it crashes
	if sh, ok := shell.ProcessState.Sys().(syscall.WaitStatus); !ok || !sh.CoreDump() {
		t.Log("this machine dumps nobody's core")
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	w.check(err)
	for line := range strings.Lines(string(limits)) {
		if strings.HasPrefix(line, "Max core file size") && len(strings.Fields(line)) > 5 && (strings.Fields(line)[4] != "0" || strings.Fields(line)[5] != "0") {
			t.Errorf("the limits are: %s", line)
		}
	}
	w.check(w.bot.cmd.Process.Signal(syscall.SIGABRT))
	select {
	case <-w.bot.exited:
	case <-time.After(time.Minute):
		t.Fatal("it did not die of it")
	}
	status, ok := w.bot.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Errorf("it ended with %v: it did not crash", w.bot.cmd.ProcessState)
	}
	if status.CoreDump() {
		t.Error("the system says that it dumped core")
	}
	for _, dir := range []string{w.dir, w.data(), "."} {
		for _, pattern := range []string{"core", "core.*", "*.core"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(found) > 0 && dir != "." {
				t.Errorf("%q %v", found, err)
			}
		}
	}
}
