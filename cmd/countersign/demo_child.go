package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// child is the bot as a process of its own: `countersign serve` of the same program. It is started again when it dies.
type child struct {
	exe    string
	env    []string
	listen string
	dir    string
	log    *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{} // of the current process
	stopped bool
	wg      sync.WaitGroup
}

func newChild(exe, dir string, vars map[string]string) (*child, error) {
	log, err := os.OpenFile(filepath.Join(dir, "serve.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the bot's log: %w", err)
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c := &child{exe: exe, listen: listen, dir: dir, log: log}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			c.env = append(c.env, name+"="+v)
		}
	}
	c.env = append(c.env, prefix+"_LISTEN="+listen)
	for name, v := range vars {
		c.env = append(c.env, prefix+"_"+name+"="+v)
	}
	return c, nil
}

const (
	freePortFirst = 20000
	freePortCount = 12000 // up to 31999
	freePortTries = 50
)

// freeAddress finds a port that the bot will open, and open again after each restart: below those that systems hand out by themselves, so
// that nobody's connection takes it in between.
func freeAddress() (string, error) {
	var last error
	for range freePortTries {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", freePortFirst+rand.IntN(freePortCount)))
		if err != nil {
			last = err
			continue
		}
		return l.Addr().String(), l.Close()
	}
	return "", fmt.Errorf("finding a free port: %w", last)
}

func (c *child) url() string    { return "http://" + c.listen }
func (c *child) socket() string { return filepath.Join(c.dir, "data", "control.sock") }

// start runs the bot and waits until it is ready.
func (c *child) start(ctx context.Context) error {
	if err := c.spawn(); err != nil {
		return err
	}
	return c.ready(ctx)
}

func (c *child) spawn() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return fmt.Errorf("the demo is stopping")
	}
	cmd := exec.Command(c.exe, "serve")
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, c.log, c.log
	// The bot of a demo ends when its standard input does, so it cannot outlive the demo, however that ends.
	alive, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting the bot: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the bot: %w", err)
	}
	exited := make(chan struct{})
	c.cmd, c.exited = cmd, exited
	c.wg.Go(func() {
		cmd.Wait() // how it ended stands in its log
		alive.Close()
		close(exited)
		c.again(cmd)
	})
	return nil
}

// again starts the bot once more after it died by itself, as a supervisor does.
func (c *child) again(dead *exec.Cmd) {
	c.mu.Lock()
	mine := c.cmd == dead && !c.stopped
	c.mu.Unlock()
	if !mine {
		return
	}
	time.Sleep(200 * time.Millisecond) // a bot that dies at once must not spin
	if err := c.spawn(); err != nil {
		fmt.Fprintln(c.log, "starting the bot again:", err)
	}
}

const childPatience = 60 * time.Second // a start builds nothing; slow machines still need seconds

// ready waits until the bot says that it is.
func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, childPatience)
	defer cancel()
	for {
		if c.isReady(ctx) {
			return nil
		}
		select {
		case <-ctx.Done():
			return hint(fmt.Errorf("the bot did not become ready"), "its log is %s", c.log.Name())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func (c *child) isReady(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url()+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// kill ends the bot with SIGKILL, in whatever it is doing, and waits until it is ready again.
func (c *child) kill(ctx context.Context) error {
	c.mu.Lock()
	cmd, exited := c.cmd, c.exited
	c.mu.Unlock()
	if err := cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing the bot: %w", err)
	}
	select {
	case <-exited:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.ready(ctx)
}

// stop ends the bot for good.
func (c *child) stop() {
	c.mu.Lock()
	c.stopped = true
	cmd, exited := c.cmd, c.exited
	c.mu.Unlock()
	if cmd != nil {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(12 * time.Second):
			cmd.Process.Kill()
		}
	}
	c.wg.Wait()
	c.log.Close()
}
