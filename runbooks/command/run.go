package command

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// result is what became of one run.
type result struct {
	code   int // exit code; -1: ended by a signal
	stdout []byte
	stderr []byte
}

// run starts a program in a process group of its own and waits for its end or for that of ctx. However it ends, nothing
// of the group lives on: a child left behind could make access after we have read that there is none.
func (c *Connector) run(ctx context.Context, argv []string, stdin []byte) (result, error) {
	p, err := openPipes()
	if err != nil {
		return result{}, runbooks.Errorf(runbooks.Retry, err, "the program could not be started: no pipes")
	}
	cmd := &exec.Cmd{
		Path: argv[0], Args: argv, Env: shown(c.env), Dir: c.dir, Stdin: p.in.child, Stdout: p.out.child, Stderr: p.err.child,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := cmd.Start(); err != nil {
		p.close()
		return result{}, startError(err)
	}
	read := p.serve(stdin)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	cut := false
	select {
	case err = <-ended:
	case <-ctx.Done():
		cut = true
		killGroup(cmd.Process.Pid)
		err = <-ended
	}
	killGroup(cmd.Process.Pid)
	reap(cmd.Process.Pid)
	res := read()
	res.code = cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	switch {
	case cut:
		return result{}, runbooks.Errorf(runbooks.Retry, errors.Join(ctx.Err(), res.said()), "the program did not end in time and was stopped")
	case err != nil && !errors.As(err, &exit):
		return result{}, runbooks.Errorf(runbooks.Retry, err, "the program's end could not be seen")
	}
	return res, nil
}

// startError tells what the operator must mend from what passes.
func startError(err error) error {
	for _, passing := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETXTBSY, syscall.EINTR} {
		if errors.Is(err, passing) {
			return runbooks.Errorf(runbooks.Retry, err, "the program could not be started now")
		}
	}
	return runbooks.Errorf(runbooks.Broken, err, "the program could not be started: is it there, executable, and its folder as configured?")
}

// killGroup ends every process of the group. The number still belongs to it while one is alive; it could be somebody
// else's only if all numbers had gone round since the last one was reaped.
func killGroup(group int) { _ = syscall.Kill(-group, syscall.SIGKILL) }

// reap collects the dead of the group that we inherited. Orphans go to process 1, and in a container that is us: without
// this every killed grandchild would stay a zombie. Elsewhere there is nothing to collect and it returns at once.
func reap(group int) {
	for range reapTries {
		pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case pid == 0:
			time.Sleep(reapEvery)
		}
	}
}

// pipe has our end and the program's.
type pipe struct{ ours, child *os.File }

type pipes struct{ in, out, err pipe }

func openPipes() (pipes, error) {
	var p pipes
	var errs [3]error
	p.in.child, p.in.ours, errs[0] = os.Pipe()
	p.out.ours, p.out.child, errs[1] = os.Pipe()
	p.err.ours, p.err.child, errs[2] = os.Pipe()
	if err := errors.Join(errs[:]...); err != nil {
		p.close()
		return pipes{}, err
	}
	return p, nil
}

// close closes both ends of everything; closing twice or nil is harmless.
func (p pipes) close() {
	for _, f := range []*os.File{p.in.ours, p.in.child, p.out.ours, p.out.child, p.err.ours, p.err.child} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// serve feeds stdin and collects the output. The function that it returns is called when the group is dead; it waits for
// the rest of the output, not for ever, and closes everything.
func (p pipes) serve(stdin []byte) func() result {
	_, _, _ = p.in.child.Close(), p.out.child.Close(), p.err.child.Close()
	var res result
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = p.in.ours.Write(stdin) // a program need not read it
		_ = p.in.ours.Close()
	})
	wg.Go(func() { res.stdout = head(p.out.ours, orders.MaxAnswer+1) })
	wg.Go(func() { res.stderr = tail(p.err.ours, maxStderr) })
	return func() result {
		until := time.Now().Add(drain)
		_, _, _ = p.in.ours.SetDeadline(until), p.out.ours.SetDeadline(until), p.err.ours.SetDeadline(until)
		wg.Wait()
		p.close()
		return res
	}
}

// head keeps the first n bytes and reads on to the end.
func head(r io.Reader, n int64) []byte {
	kept, _ := io.ReadAll(io.LimitReader(r, n))
	_, _ = io.Copy(io.Discard, r)
	return kept
}

// tail keeps the last n bytes.
func tail(r io.Reader, n int) []byte {
	var kept []byte
	buf := make([]byte, 4<<10)
	for {
		m, err := r.Read(buf)
		kept = append(kept, buf[:m]...)
		if over := len(kept) - n; over > 0 {
			kept = append(kept[:0], kept[over:]...)
		}
		if err != nil {
			return kept
		}
	}
}

// said is what the program wrote to stderr, for the log.
func (r result) said() error {
	if len(r.stderr) == 0 {
		return nil
	}
	return errors.New("stderr: " + orders.Clean(string(r.stderr), maxStderr))
}
