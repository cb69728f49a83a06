package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/reconcile"
	"github.com/countersign-bot/countersign/workflows"
)

var start = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// grant is the n-th: its key on the target is its account.
func grant(n int) runbooks.Grant {
	return runbooks.Grant{
		ID: workflows.GrantID(fmt.Sprintf("g_%06d", n)), Account: fmt.Sprintf("user%06d", n), Target: "t", Entitlement: "e", Start: start, End: start.Add(time.Hour),
	}
}

func access(g runbooks.Grant, bears bool) runbooks.Access {
	x := runbooks.Access{Key: g.Account, Account: g.Account, What: "member of e", Ours: true, Ends: g.End}
	if bears {
		x.Grant = g.ID
	}
	return x
}

// world is a ledger and a target in memory.
type world struct {
	held    map[workflows.GrantID]reconcile.Held
	ended   map[workflows.GrantID]runbooks.Grant
	has     map[string]runbooks.Access
	cut     error
	between func() // runs after the list was read
}

func newWorld() *world {
	return &world{held: map[workflows.GrantID]reconcile.Held{}, ended: map[workflows.GrantID]runbooks.Grant{}, has: map[string]runbooks.Access{}}
}

func (w *world) Held(context.Context) iter.Seq2[reconcile.Held, error] {
	return func(yield func(reconcile.Held, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(w.held)) {
			if !yield(w.held[id], nil) {
				return
			}
		}
	}
}

func (w *world) Find(_ context.Context, id workflows.GrantID) (reconcile.Held, bool, bool, error) {
	if h, ok := w.held[id]; ok {
		return h, true, true, nil
	}
	g, ok := w.ended[id]
	return reconcile.Held{Grant: g}, false, ok, nil
}

func (w *world) List(context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(w.has)) {
			if !yield(w.has[key], nil) {
				return
			}
		}
		if w.cut != nil {
			yield(runbooks.Access{}, w.cut)
		}
		if w.between != nil {
			w.between()
		}
	}
}

func (w *world) AccessKey(g runbooks.Grant) string { return g.Account }

func (w *world) Check(_ context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	if _, ok := w.has[g.Account]; ok {
		return runbooks.Present, nil
	}
	return runbooks.Absent, nil
}

func (w *world) compare(t *testing.T, most int) (map[string]reconcile.Why, reconcile.Result) {
	t.Helper()
	return w.compareFor(t, most)
}

// compareFor takes what tests of properties are given, too.
func (w *world) compareFor(t interface{ Fatal(args ...any) }, most int) (map[string]reconcile.Why, reconcile.Result) {
	res, err := reconcile.Compare(context.Background(), w, w, reconcile.Options{Most: most})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]reconcile.Why{}
	for _, d := range res.Differences {
		out[d.Access.Key] = d.Why
	}
	return out, res
}

// TestReq_R66_Compare: any mixture of what is and what should be gives exactly the differences, whether the target bears the grants' ids or not.
func TestReq_R66_Compare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, want := newWorld(), map[string]reconcile.Why{}
		for n := range rapid.IntRange(0, 60).Draw(t, "n") {
			g := grant(n)
			x := access(g, rapid.Bool().Draw(t, "bears"))
			switch rapid.IntRange(0, 6).Draw(t, "case") {
			case 0: // as it should be
				w.held[g.ID], w.has[x.Key] = reconcile.Held{Grant: g, Active: true}, x
			case 1: // due or ending: there or not, both are fine
				w.held[g.ID] = reconcile.Held{Grant: g}
				if rapid.Bool().Draw(t, "there") {
					w.has[x.Key] = x
				}
			case 2: // vanished
				w.held[g.ID] = reconcile.Held{Grant: g, Active: true}
				want[x.Key] = reconcile.Vanished
			case 3: // made by hand
				x.Grant, x.Ours = "", false
				w.has[x.Key] = x
				want[x.Key] = reconcile.Unknown
			case 4: // a grant that ended
				x.Grant = g.ID
				w.ended[g.ID], w.has[x.Key] = g, x
				want[x.Key] = reconcile.LeftOver
			case 5: // too long
				x.Grant, x.Ends = g.ID, g.End.Add(time.Hour)
				w.held[g.ID], w.has[x.Key] = reconcile.Held{Grant: g, Active: true}, x
				want[x.Key] = reconcile.Longer
			case 6: // another access that claims a grant's id
				w.held[g.ID], w.has[x.Key] = reconcile.Held{Grant: g, Active: true}, access(g, true)
				x.Key, x.Grant = "forged "+x.Key, g.ID
				w.has[x.Key] = x
				want[x.Key] = reconcile.Unknown
			}
		}
		got, res := w.compareFor(t, 1000)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("-want +got\n%s", d)
		}
		if res.Seen != int64(len(w.has)) {
			t.Fatalf("saw %d of %d", res.Seen, len(w.has))
		}
	})
}

// Access that somebody gave around the chains is found, and so is what outlived the use that gave it.
func TestGlass_26_AccessAroundTheChainsIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld()
	byHand, ended, held := access(grant(1), false), access(grant(2), true), grant(3)
	byHand.Ours = false
	w.has[byHand.Key], w.has[ended.Key], w.ended[grant(2).ID] = byHand, ended, grant(2)
	w.has[held.Account], w.held[held.ID] = access(held, true), reconcile.Held{Grant: held, Active: true}
	got, _ := w.compare(t, 100)
	if d := cmp.Diff(map[string]reconcile.Why{byHand.Key: reconcile.Unknown, ended.Key: reconcile.LeftOver}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestCompareWhileThingsChange: grants begin and end while the target is read; none of them becomes a finding.
func TestCompareWhileThingsChange(t *testing.T) {
	t.Parallel()
	w := newWorld()
	begun, ended := grant(1), grant(2)
	w.held[ended.ID] = reconcile.Held{Grant: ended, Active: true}
	w.has[begun.Account] = access(begun, false) // made before the ledger's list was read to the end
	w.between = func() {
		w.held[begun.ID] = reconcile.Held{Grant: begun, Active: true}
		delete(w.held, ended.ID)
		w.ended[ended.ID] = ended
	}
	if got, _ := w.compare(t, 10); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

// TestCompareCut: of a target that is not read to the end nothing is said to have vanished, and what came is still judged.
func TestCompareCut(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.cut = errors.New("gone")
	w.held["g_000001"] = reconcile.Held{Grant: grant(1), Active: true}
	w.has["mallory"] = runbooks.Access{Key: "mallory", Account: "mallory"}
	got, res := w.compare(t, 10)
	if d := cmp.Diff(map[string]reconcile.Why{"mallory": reconcile.Unknown}, got); d != "" || !errors.Is(res.Unread, w.cut) {
		t.Errorf("%s, unread %v", d, res.Unread)
	}
}

// TestCompareIsBounded: more differences than somebody reads are counted.
func TestCompareIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for n := range 30 {
		x := access(grant(n), false)
		w.has[x.Key] = x
	}
	if got, res := w.compare(t, 10); len(got) != 10 || res.More != 20 {
		t.Errorf("%d given, %d more", len(got), res.More)
	}
}

// stream is a ledger and a target of n grants that are made up as they are asked for: what a comparison keeps is its own.
type stream struct{ n int }

func (s stream) Held(context.Context) iter.Seq2[reconcile.Held, error] {
	return func(yield func(reconcile.Held, error) bool) {
		for i := range s.n {
			if !yield(reconcile.Held{Grant: grant(i), Active: true}, nil) {
				return
			}
		}
	}
}

func (s stream) Find(_ context.Context, id workflows.GrantID) (reconcile.Held, bool, bool, error) {
	return reconcile.Held{}, false, false, nil
}

func (s stream) List(context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for i := range s.n {
			if !yield(access(grant(i), false), nil) {
				return
			}
		}
	}
}

func (s stream) AccessKey(g runbooks.Grant) string { return g.Account }

func (s stream) Check(context.Context, runbooks.Grant) (runbooks.Presence, error) {
	return runbooks.Present, nil
}

// TestReq_R83_ConstantMemory: what a comparison keeps of ten thousand grants, and of a hundred thousand, is what it keeps of one.
func TestReq_R83_ConstantMemory(t *testing.T) {
	kept := func(n int) int64 {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res, err := reconcile.Compare(t.Context(), stream{n}, stream{n}, reconcile.Options{Most: 100})
		if err != nil || len(res.Differences) != 0 || res.Seen != int64(n) || res.Grants != int64(n) {
			t.Fatalf("%d: %+v (%v)", n, res, err)
		}
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(res)
		return int64(after.HeapSys) - int64(before.HeapSys) // what had to be asked of the system beyond what there was
	}
	kept(1)
	ten, hundred := kept(10_000), kept(100_000)
	t.Logf("beyond the heap of one grant: %d KiB for 10,000, %d KiB for 100,000", ten>>10, hundred>>10)
	if ten > 8<<20 || hundred > 8<<20 {
		t.Errorf("%d bytes for 10,000 grants and %d for 100,000", ten, hundred)
	}
}

func BenchmarkCompare10000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reconcile.Compare(b.Context(), stream{10_000}, stream{10_000}, reconcile.Options{Most: 100}); err != nil {
			b.Fatal(err)
		}
	}
}
