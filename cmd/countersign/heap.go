package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// heapRoom is how much may wait to be collected, however little is in use. Go collects when as much waits as is in use: a bot that keeps
// some 20 MiB would do so many times a second while it is busy, each time on one of few cores, and who decides in such a moment waits for it.
// From here on it is as Go has it, so that the bound of the whole process (200 MiB) is not touched.
const heapRoom = 64 << 20

// The bounds of Go's percentage (waiting over in use), and what a change of it is worth: it stops the process for a moment.
const (
	leastHeapPercent = 100
	mostHeapPercent  = 400
	heapStep         = 25
)

// heapPercent gives the percentage for so many bytes in use.
func heapPercent(live uint64) int {
	return min(max(int(heapRoom*100/max(live, 1)), leastHeapPercent), mostHeapPercent)
}

// heapTuner looks after every collection how much is in use, and says when the next one is due.
type heapTuner struct {
	mu      sync.Mutex
	percent int // as it stands
	before  int // as it stood
	turns   int
	over    bool
}

// heapTurn is collected by every collection.
type heapTurn struct{ _ [32]byte }

// tuneHeap lets the heap of this process grow into heapRoom until stop is called. Whoever has set GOGC keeps it.
func tuneHeap() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	return new(heapTuner).start()
}

func (t *heapTuner) start() (stop func()) {
	t.percent = debug.SetGCPercent(mostHeapPercent)
	t.before, t.percent = t.percent, mostHeapPercent
	t.arm()
	return t.stop
}

func (t *heapTuner) arm() { runtime.AddCleanup(new(heapTurn), (*heapTuner).turn, t) }

func (t *heapTuner) turn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.turns++
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if want := heapPercent(sample[0].Value.Uint64()); want-t.percent >= heapStep || t.percent-want >= heapStep || want == leastHeapPercent && t.percent != want {
		t.percent = want
		debug.SetGCPercent(want)
	}
	t.arm()
}

func (t *heapTuner) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.over = true
		debug.SetGCPercent(t.before)
	}
}
