package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
)

// demoClock is the machine's time plus an offset that only grows, kept in a file so that it outlives a crash and so that the demo can
// move the bot it started. Only ledgers under demo.invalid/ may run on it, and their first entry says so.
type demoClock struct {
	*jobs.Virtual
	file string
	mu   sync.Mutex // held over a reload
}

func newDemoClock(file string) (*demoClock, error) {
	c := &demoClock{Virtual: jobs.NewVirtual(jobs.NewSystem(), 0), file: file}
	return c, c.reload()
}

// reload reads the offset again; time never goes back.
func (c *demoClock) reload() error {
	b, err := os.ReadFile(c.file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the demo clock: %w", err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || ns < 0 {
		return fmt.Errorf("reading the demo clock %q: want nanoseconds to add to the machine's time", c.file)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Jump(time.Duration(ns) - c.Jump(0)) // an offset that is behind moves nothing
	return nil
}

// advance moves the clock and writes the offset for others to read.
func (c *demoClock) advance(d time.Duration) error {
	next := c.Jump(0) + d
	tmp := c.file + ".new"
	if err := os.WriteFile(tmp, []byte(strconv.FormatInt(next.Nanoseconds(), 10)), 0o600); err != nil {
		return fmt.Errorf("moving the demo clock: %w", err)
	}
	if err := os.Rename(tmp, c.file); err != nil {
		return fmt.Errorf("moving the demo clock: %w", err)
	}
	return c.reload()
}

// wall is a clock as rooms without monotonic needs take it.
func wall(c jobs.Clock) func() time.Time { return func() time.Time { return c.Now().Wall } }
