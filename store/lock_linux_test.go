package store_test

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/countersign-bot/countersign/store"
)

// TestCloseGivesTheLockUp although a copy of its descriptor is open, as it is while another goroutine starts a program: between
// fork and exec the child has them all.
func TestCloseGivesTheLockUp(t *testing.T) {
	cfg := onMachineTime(t)
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	copies := 0
	for _, e := range fds {
		name, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if fd, err := strconv.Atoi(e.Name()); err == nil && filepath.Dir(name) == cfg.Dir {
			if dup, err := syscall.Dup(fd); err == nil {
				defer syscall.Close(dup)
				copies++
			}
		}
	}
	if copies == 0 {
		t.Fatalf("no open file in %s", cfg.Dir)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("opening again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
