package store_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// call is one operation of a concurrent history, with when it was called and when it answered.
type call struct {
	from, to int64 // nanoseconds; to is math.MaxInt64 when nobody was told how it ended
	name     string
	stream   workflows.StreamID         // of an append, or of a read
	saw      map[workflows.StreamID]int // how many entries the decision of an append saw, of each stream it named
	idx      int64                      // where an append was told it stands
	read     []string                   // what a read saw; nil for an append
}

// placed is an entry of the ledger in the end.
type placed struct {
	idx    int64
	stream workflows.StreamID
	name   string
}

// unlinearizable says why no order of the calls explains what they saw; empty when there is one.
//
// The order of appends is given by where they stand. A read of the first L entries of a stream stands anywhere between entry L of that stream
// and the next one. What remains is real time: a call that answered before another was called stands before it. Each call is given the
// earliest place that those before it leave; if that fails, every order does. It decides what Porcupine would search for, because a log
// says itself in which order it was written.
func unlinearizable(calls []call, log []placed) string {
	streams, byName := make(map[workflows.StreamID][]placed), make(map[string]placed)
	for _, p := range log {
		if _, twice := byName[p.name]; twice {
			return fmt.Sprintf("%s is there twice", p.name)
		}
		byName[p.name] = p
		streams[p.stream] = append(streams[p.stream], p)
	}
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b call) int { return cmp.Compare(a.from, b.from) })
	points, asked := make([]int64, len(calls)), make(map[string]bool)
	for i, c := range calls {
		floor := int64(-1) << 32
		for k := range i {
			if calls[k].to < c.from {
				floor = max(floor, points[k])
			}
		}
		lowest, highest, why := c.place(streams, byName)
		if why != "" {
			return why
		}
		if points[i] = max(lowest, floor); points[i] > highest {
			return fmt.Sprintf("%s stands at %d at the latest, after a call that had answered before and stands at %d", c.name, highest, floor)
		}
		if c.read == nil {
			asked[c.name] = true
		}
	}
	for _, p := range log {
		if !asked[p.name] {
			return fmt.Sprintf("nobody appended %s", p.name)
		}
	}
	return ""
}

// place gives the first and the last place that a call can have: an entry stands at an even number, a read at an odd one behind.
func (c call) place(streams map[workflows.StreamID][]placed, byName map[string]placed) (lowest, highest int64, why string) {
	if c.read != nil {
		entries := streams[c.stream]
		if len(c.read) > len(entries) {
			return 0, 0, fmt.Sprintf("%s saw %d entries of %d", c.name, len(c.read), len(entries))
		}
		lowest, highest = int64(-1)<<32, math.MaxInt64
		for i, name := range c.read {
			if entries[i].name != name {
				return 0, 0, fmt.Sprintf("%s saw %q where %q stands", c.name, name, entries[i].name)
			}
			lowest = 2*entries[i].idx + 1
		}
		if len(c.read) < len(entries) {
			highest = 2*entries[len(c.read)].idx - 1
		}
		return lowest, highest, ""
	}
	p, there := byName[c.name]
	switch {
	case !there && c.to == math.MaxInt64:
		return int64(-1) << 32, math.MaxInt64, "" // never happened: it stands nowhere
	case !there:
		return 0, 0, fmt.Sprintf("%s was acknowledged and is gone", c.name)
	case c.to != math.MaxInt64 && p.idx != c.idx:
		return 0, 0, fmt.Sprintf("%s was told that it is entry %d and is %d", c.name, c.idx, p.idx)
	}
	for stream, saw := range c.saw {
		before, _ := slices.BinarySearchFunc(streams[stream], p.idx, func(e placed, idx int64) int { return cmp.Compare(e.idx, idx) })
		if c.to != math.MaxInt64 && before != saw {
			return 0, 0, fmt.Sprintf("%s decided on %d entries of %s, before it stand %d", c.name, saw, stream, before)
		}
	}
	return 2 * p.idx, 2 * p.idx, ""
}

// TestUnlinearizable shows that the checker finds what must not happen: a check that finds nothing proves nothing.
func TestUnlinearizable(t *testing.T) {
	const s, o workflows.StreamID = "request/s", "request/o"
	log := []placed{{1, s, "a"}, {2, o, "x"}, {3, s, "b"}}
	appended := func(from, to int64, name string, stream workflows.StreamID, idx int64, saw int) call {
		return call{from: from, to: to, name: name, stream: stream, idx: idx, saw: map[workflows.StreamID]int{stream: saw}}
	}
	a, x, b := appended(10, 20, "a", s, 1, 0), appended(10, 40, "x", o, 2, 0), appended(30, 40, "b", s, 3, 1)
	read := func(from, to int64, stream workflows.StreamID, names ...string) call {
		return call{from: from, to: to, name: "read", stream: stream, read: append([]string{}, names...)}
	}
	for _, c := range []struct {
		name string
		more []call
		log  []placed
		want string
	}{
		{"all is well", []call{read(15, 25, s, "a"), read(35, 45, s, "a", "b"), read(5, 45, s)}, log, ""},
		{"two at once may be seen in either order", []call{read(31, 39, s, "a"), read(32, 38, s, "a", "b")}, log, ""},
		{"a stale read", []call{read(41, 45, s, "a")}, log, "stands at 5 at the latest"},
		{"a read that goes back", []call{read(31, 33, s, "a", "b"), read(34, 36, s, "a")}, log, "at the latest"},
		{"a read from the future", []call{read(1, 5, s, "a")}, log, "at the latest"},
		{"a read of what is not there", []call{read(41, 45, s, "a", "c")}, log, `saw "c" where "b" stands`},
		{"a read of more than there is", []call{read(41, 45, s, "a", "b", "c")}, log, "saw 3 entries of 2"},
		{"a loss", nil, log[:2], "b was acknowledged and is gone"},
		{"twice", nil, append(slices.Clone(log), placed{4, s, "b"}), "b is there twice"},
		{"from nowhere", nil, append(slices.Clone(log), placed{4, s, "c"}), "nobody appended c"},
		{"a decision on half the facts", []call{appended(50, 60, "c", s, 4, 1)}, append(slices.Clone(log), placed{4, s, "c"}), "decided on 1 entries"},
		{"a wrong answer", []call{appended(50, 60, "c", s, 5, 2)}, append(slices.Clone(log), placed{4, s, "c"}), "was told that it is entry 5"},
		{"an order against time", []call{appended(1, 2, "c", s, 4, 2)}, append(slices.Clone(log), placed{4, s, "c"}), "at the latest"},
		{"unknown and gone", []call{{from: 50, to: math.MaxInt64, name: "c", stream: s}}, log, ""},
		{"unknown and there", []call{{from: 50, to: math.MaxInt64, name: "c", stream: s}}, append(slices.Clone(log), placed{4, s, "c"}), ""},
	} {
		got := unlinearizable(append([]call{a, x, b}, c.more...), c.log)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// history makes calls on a ledger that may crash under them.
type history struct {
	t      *testing.T
	n      int
	mu     sync.Mutex
	calls  []call
	names  atomic.Int64
	cut    atomic.Int64 // when the power went; 0: not yet
	stream []workflows.StreamID
}

var began = time.Now() // the time scale of all histories

func (h *history) note(c call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
}

// append adds an event to one stream, having looked at one or two.
func (h *history) append(s *store.Store, r *rand.Rand) {
	c := call{name: fmt.Sprintf("%d.%d", h.n, h.names.Add(1)), stream: h.stream[r.IntN(len(h.stream))]}
	named := []workflows.StreamID{c.stream}
	if other := h.stream[r.IntN(len(h.stream))]; other != c.stream {
		named = append(named, other)
	}
	c.from = time.Since(began).Nanoseconds()
	res, err := s.Update(context.Background(), "", named, func(f workflows.Facts) (workflows.Outcome, error) {
		c.saw = make(map[workflows.StreamID]int)
		for _, stream := range named {
			c.saw[stream] = len(f.Histories[stream])
		}
		return storetest.Append(c.stream, storetest.Voted{By: c.name})(f)
	})
	c.to = time.Since(began).Nanoseconds()
	if cut := h.cut.Load(); cut != 0 && c.to >= cut {
		c.to, err = math.MaxInt64, nil // nobody heard the answer
	}
	if err != nil {
		h.t.Error(err)
		return
	}
	if len(res.Records) == 1 {
		c.idx = res.Records[0].Index
	}
	h.note(c)
}

// read reads one stream.
func (h *history) read(s *store.Store, r *rand.Rand) {
	c := call{name: fmt.Sprintf("read %d", h.names.Add(1)), stream: h.stream[r.IntN(len(h.stream))], read: []string{}}
	c.from = time.Since(began).Nanoseconds()
	records, err := s.History(context.Background(), c.stream)
	c.to = time.Since(began).Nanoseconds()
	if cut := h.cut.Load(); cut != 0 && c.to >= cut {
		return // it may have seen what the crash took
	}
	if err != nil {
		h.t.Error(err)
		return
	}
	for _, e := range records {
		c.read = append(c.read, e.Event.(storetest.Voted).By)
	}
	h.note(c)
}

// run lets some callers make some calls each, until the power goes.
func (h *history) run(s *store.Store, seed uint64) {
	var wg sync.WaitGroup
	for caller := range 4 {
		r := rand.New(rand.NewPCG(seed, uint64(caller)))
		wg.Go(func() {
			for range 4 {
				if h.cut.Load() != 0 {
					return
				}
				if r.IntN(3) == 0 {
					h.read(s, r)
				} else {
					h.append(s, r)
				}
			}
		})
	}
	wg.Wait()
}

// crash copies the files of a ledger in use as a process that is killed leaves them, and gives the copy. Somebody reads meanwhile, so
// that the log does not begin anew between the copies of the file and of the log.
func (h *history) crash(s *store.Store, cfg store.Config, dir string) store.Config {
	src, err := s.Source(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	defer src.Close()
	if _, err := src.Head(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	h.cut.Store(time.Since(began).Nanoseconds())
	after := inFolder(cfg, dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	for _, path := range []func(store.Config) string{witnessPath, dbPath, func(c store.Config) string { return dbPath(c) + "-wal" }} {
		raw, err := os.ReadFile(path(cfg))
		if err == nil {
			err = os.WriteFile(path(after), raw, 0o600)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return after
}

// underCrash lets the power go while callers are at work, and gives the ledger that comes up.
func (h *history) underCrash(s *store.Store, cfg store.Config, dir string, seed uint64) (*store.Store, store.Config) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.run(s, seed)
	}()
	for at := int64(rand.IntN(12)); h.names.Load() < at; runtime.Gosched() {
		select {
		case <-done:
			at = 0
		default:
		}
	}
	after := h.crash(s, cfg, dir)
	<-done
	h.cut.Store(0)
	return h.again(s, after), after
}

// again closes a ledger and opens one.
func (h *history) again(old *store.Store, cfg store.Config) *store.Store {
	if err := old.Close(); err != nil {
		h.t.Error(err)
	}
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// check compares what was seen with what is there in the end.
func (h *history) check(s *store.Store) {
	var log []placed
	for _, stream := range h.stream {
		records, err := s.History(context.Background(), stream)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, r := range records {
			log = append(log, placed{r.Index, stream, r.Event.(storetest.Voted).By})
		}
	}
	slices.SortFunc(log, func(a, b placed) int { return cmp.Compare(a.idx, b.idx) })
	if why := unlinearizable(h.calls, log); why != "" {
		h.t.Errorf("history %d: %s\n%+v\n%+v", h.n, why, h.calls, log)
	}
}

// TestThreat_T19_Linearizable makes a thousand small histories of callers who append and read at the same time, some with a crash or a
// restart in between, and wants for each an order that explains all that every caller saw.
func TestThreat_T19_Linearizable(t *testing.T) {
	t.Parallel()
	total := 1000
	if testing.Short() {
		total = 100
	}
	var made, crashes atomic.Int64
	const ledgers = 4
	t.Run("on", func(t *testing.T) {
		for ledger := range ledgers {
			t.Run(fmt.Sprint(ledger), func(t *testing.T) {
				t.Parallel()
				dir := memoryDir(t)
				cfg := inFolder(onMachineTime(t), filepath.Join(dir, "0"))
				s, err := store.Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				for n := range total / ledgers {
					h := &history{t: t, n: n, stream: []workflows.StreamID{
						workflows.StreamID(fmt.Sprintf("request/%d-a", n)), workflows.StreamID(fmt.Sprintf("request/%d-b", n)),
					}}
					seed := rand.Uint64()
					switch n % 10 {
					case 3, 7:
						crashes.Add(1)
						s, cfg = h.underCrash(s, cfg, filepath.Join(dir, fmt.Sprint(n+1)), seed)
					case 5: // an orderly restart
						h.run(s, seed)
						s = h.again(s, cfg)
					}
					h.run(s, seed+1)
					h.check(s)
					made.Add(1)
				}
				storetest.Check(t, s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	})
	if made.Load() != int64(total) {
		t.Errorf("%d histories", made.Load())
	}
	t.Logf("%d histories, %d crashes", made.Load(), crashes.Load())
}
