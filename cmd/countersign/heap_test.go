package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestHeapPercent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {4 << 20, 400}, {16 << 20, 400}, {20 << 20, 320}, {32 << 20, 200}, {64 << 20, 100}, {1 << 30, 100}} {
		if got := heapPercent(c.live); got != c.want {
			t.Errorf("%d bytes in use: %d %%, want %d", c.live, got, c.want)
		}
	}
}

// TestHeapTuner wants that collection after collection is followed until the end, and that nothing is changed after it.
func TestHeapTuner(t *testing.T) {
	turned := func(h *heapTuner) int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.turns
	}
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	h := new(heapTuner)
	stop := h.start()
	for deadline := time.Now().Add(time.Minute); turned(h) < 3; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d collections were seen", turned(h))
		}
	}
	stop()
	stop()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("%d %% were left behind", got)
	}
}
