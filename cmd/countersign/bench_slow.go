package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// slowSync is how long a sync of the slow device takes: nearer to a disk in a cloud than the disk of most machines.
const slowSync = time.Millisecond

// memoryFolder is where Linux keeps a file system in memory that everybody may write to.
const memoryFolder = "/dev/shm"

// errNoSlow says why there is no slow device here.
type errNoSlow struct{ why string }

func (e errNoSlow) Error() string { return "no device with a sync of 1 ms here: " + e.why }

// measureSlow appends on a file system in memory whose syncs the kernel delays: this program runs once more, under strace. Only those two
// calls are traced; all others run at full speed.
func measureSlow(ctx context.Context, callers []int, r rounds, progress io.Writer) (out appendFigures, err error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return out, errNoSlow{"strace is not installed"}
	}
	dir, err := os.MkdirTemp(memoryFolder, "countersign-bench-")
	if err != nil {
		return out, errNoSlow{"no file system in memory at " + memoryFolder}
	}
	defer os.RemoveAll(dir)
	exe, err := os.Executable()
	if err != nil {
		return out, err
	}
	trace := []string{
		"-f", "--seccomp-bpf", "-qq", "-o", filepath.Join(dir, "trace"), "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:delay_enter=" + strconv.FormatInt(slowSync.Microseconds(), 10),
	}
	if msg, err := exec.CommandContext(ctx, strace, append(trace, "true")...).CombinedOutput(); err != nil {
		return out, errNoSlow{fmt.Sprintf("strace: %v %s", err, bytes.TrimSpace(msg))}
	}
	args := append(trace, exe, "bench", "ledger", "-only", "appends", "-json", "-dir", dir, "-callers", joinInts(callers),
		"-seconds", strconv.FormatFloat(r.long.Seconds(), 'f', -1, 64), "-rounds", strconv.Itoa(r.n))
	cmd := exec.CommandContext(ctx, strace, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // strace hands it on, and the child tidies up
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stderr = progress
	raw, err := cmd.Output()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		return out, fmt.Errorf("measuring on the slow device: %w", err)
	}
	var all benchFigures
	if err := json.Unmarshal(raw, &all); err != nil || all.Here == nil {
		return out, errors.Join(errors.New("measuring on the slow device: no figures came back"), err)
	}
	return *all.Here, nil
}

func joinInts(list []int) string {
	var out []string
	for _, n := range list {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

// tesseraFigures are what the program in .ci/bench prints.
type tesseraFigures struct {
	Version      string        `json:"version"`
	PublishedP50 time.Duration `json:"published_p50_ns"` // from the call to a published checkpoint and a proof under it
	Callers      int           `json:"callers"`
	Calls        int           `json:"calls"`
}

// measureTessera runs a program that is not part of this module: its dependencies are no business of a bot.
func measureTessera(ctx context.Context, path, dir string, r rounds) (out tesseraFigures, err error) {
	cmd := exec.CommandContext(ctx, path, "-dir", dir, "-seconds", strconv.FormatFloat(max(r.long.Seconds(), 2), 'f', -1, 64))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	raw, err := cmd.Output()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err == nil && out.PublishedP50 <= 0 {
		err = errors.New("it printed no figure")
	}
	if err != nil {
		err = fmt.Errorf("running %s: %w", path, err)
	}
	return out, err
}
