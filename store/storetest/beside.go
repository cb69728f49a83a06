package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

func testLists(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	for i, sort := range []int64{5, 9, 5, 7} {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", i))
		_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			return workflows.Outcome{Listings: map[workflows.StreamID][]workflows.Listing{stream: {
				{List: "open", Sort: sort}, {List: "waiting", Member: "p_1", Sort: sort},
			}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func(list, member string, limit int) []workflows.StreamID {
		t.Helper()
		got, err := s.List(t.Context(), list, member, limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff([]workflows.StreamID{"request/1", "request/3", "request/0", "request/2"}, read("open", "", 0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]workflows.StreamID{"request/1", "request/3"}, read("waiting", "p_1", 2)); diff != "" {
		t.Error(diff)
	}
	if got := read("waiting", "p_2", 0); len(got) != 0 {
		t.Errorf("somebody else's list: %v", got)
	}
}

// testCount has one more on a list than it gives at once.
func testCount(t *testing.T, cfg store.Config) {
	const beyond = 1001
	s := Open(t, cfg)
	_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		all := map[workflows.StreamID][]workflows.Listing{}
		for i := range beyond {
			all[workflows.StreamID(fmt.Sprintf("request/%d", i))] = []workflows.Listing{{List: "open"}, {List: "mine", Member: fmt.Sprint("p_", i%2)}}
		}
		return workflows.Outcome{Listings: all}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := s.List(t.Context(), "open", "", 0); err != nil || len(at) >= beyond {
		t.Fatalf("%d are given at once, %v: this test wants a longer list", len(at), err)
	}
	for _, c := range []struct {
		list, member string
		want         int64
	}{{"open", "", beyond}, {"mine", "p_0", 501}, {"mine", "p_1", 500}, {"mine", "", 0}, {"none", "", 0}} {
		if n, err := s.Count(t.Context(), c.list, c.member); n != c.want || err != nil {
			t.Errorf("%q of %q: %d, %v, want %d", c.list, c.member, n, err, c.want)
		}
	}
}

func testSurfaces(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	ctx := t.Context()
	Must(t, s, "", one, Voted{})
	card, err := s.SaveSurface(ctx, store.Surface{Stream: one, Place: store.PlaceMessage, Channel: "C1", TS: "1.2", Pace: "paint:C1"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(claim(t, s, 10)) != 0 || card.ID == 0 {
		t.Error("a card that shows the newest entry needs no paint")
	}
	home, err := s.SaveSurface(ctx, store.Surface{Stream: workflows.HomeSurface("p_1"), Place: store.PlaceHome, Person: "p_1"}, 0)
	if err != nil {
		t.Fatal(err)
	}

	Must(t, s, "", one, Voted{}, Voted{})
	Must(t, s, "", one, Voted{})
	run := claim(t, s, 10)
	wantNames(t, "one paint, however far behind", run, "paint "+fmt.Sprint(card.ID))
	f, err := s.Surface(ctx, run[0].Key)
	if err != nil || f.Channel != "C1" || f.Wanted <= f.Painted || run[0].Pace != "paint:C1" {
		t.Fatalf("%+v, %v", f, err)
	}
	Must(t, s, "", one, Voted{}) // moves on while it is being painted
	if err := s.Painted(ctx, f.ID, f.Wanted); err != nil {
		t.Fatal(err)
	}
	settle(t, s, run[0], jobs.Verdict{Ended: jobs.Finished})
	run = claim(t, s, 10)
	wantNames(t, "painted once more", run, "paint "+fmt.Sprint(card.ID))
	f, _ = s.Surface(ctx, run[0].Key)
	if err := s.Painted(ctx, f.ID, f.Wanted); err != nil {
		t.Fatal(err)
	}
	settle(t, s, run[0], jobs.Verdict{Ended: jobs.Finished})
	wantNames(t, "up to date", claim(t, s, 10))

	owe(t, s, one) // the difference of jobs must leave paint alone
	_, err = s.Update(ctx, "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		return workflows.Outcome{Touch: []workflows.StreamID{workflows.HomeSurface("p_1"), workflows.HomeSurface("p_none")}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, "touched", claim(t, s, 10), "paint "+fmt.Sprint(home.ID))

	// A card put up for an older state is repainted at once.
	old, err := s.SaveSurface(ctx, store.Surface{Stream: one, Place: store.PlaceMessage, Channel: "D1", TS: "9.9", Person: "p_1"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, "behind from the start", claim(t, s, 10), "paint "+fmt.Sprint(old.ID))
	if at, err := s.SurfaceAt(ctx, "C1", "1.2"); err != nil || at.ID != card.ID || at.Stream != one {
		t.Errorf("the surface at C1: %+v, %v", at, err)
	}
	if _, err := s.SurfaceAt(ctx, "D1", "9.9"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a direct message counts as a place that everybody sees: %v", err)
	}
	list, err := s.SurfacesOf(ctx, one)
	if err != nil || len(list) != 2 || list[0].ID != card.ID || list[1].Person != "p_1" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.DropSurface(ctx, old.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Surface(ctx, fmt.Sprint(old.ID)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("dropped, but %v", err)
	}
}

func testInbox(t *testing.T, cfg store.Config) {
	clock := cfg.Clock.(*Clock)
	s := Open(t, cfg)
	ctx := t.Context()
	id, dup, err := s.PutInbox(ctx, "socket", "interactive", []string{"env:1", "click:u:ts:a"}, []byte("body"))
	if err != nil || dup || id == 0 {
		t.Fatal(id, dup, err)
	}
	for _, keys := range [][]string{{"env:1"}, {"mac:7", "click:u:ts:a"}} {
		if again, dup, err := s.PutInbox(ctx, "http", "interactive", keys, []byte("body")); err != nil || !dup || again != id {
			t.Errorf("%v: %d, %v, %v", keys, again, dup, err)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	for range 20 {
		wg.Go(func() {
			_, dup, err := s.PutInbox(context.Background(), "socket", "events", []string{"event:1"}, nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if !dup {
				fresh++
			}
		})
	}
	wg.Wait()
	if fresh != 1 {
		t.Errorf("one delivery twenty times at once: kept %d times", fresh)
	}
	list, err := s.Undone(ctx)
	if err != nil || len(list) != 2 || string(list[0].Body) != "body" || list[0].ReceivedAt != workflows.StampOf(clock.Now().Wall) {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.DoneInbox(ctx, id); err != nil {
		t.Fatal(err)
	}
	s = Reopen(t, s, cfg)
	if list, err = s.Undone(ctx); err != nil || len(list) != 1 || list[0].ID == id {
		t.Errorf("%+v, %v", list, err)
	}
	clock.Add(31 * 24 * time.Hour)
	if n, err := s.PruneInbox(ctx); err != nil || n != 1 {
		t.Errorf("pruned %d, %v: only what is done goes", n, err)
	}
	if _, err := s.Received(ctx, id); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if at, err := s.ReceivedAt(ctx, list[0].ID); err != nil || at != list[0].ReceivedAt {
		t.Error(at, err)
	}
}

func testDirectory(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	ctx := t.Context()
	a, err := s.EnsureAccount(ctx, "slack", "T1/U1")
	if err != nil || a.Actor == "" {
		t.Fatal(a, err)
	}
	b, err := s.EnsureAccount(ctx, "slack", "T1/U1")
	if err != nil || b != a {
		t.Errorf("%+v, %v", b, err)
	}
	p, err := s.EnsurePerson(ctx, "alice")
	if err != nil || p.Ref == "" {
		t.Fatal(p, err)
	}
	if q, err := s.EnsurePerson(ctx, "alice"); err != nil || q.Ref != p.Ref {
		t.Errorf("%+v, %v", q, err)
	}
	p.Name, p.Email, p.TZ, p.Extra = "Alice", "alice@example.com", "Asia/Kolkata", map[string]string{"unix": "alice"}
	if err := s.PutPerson(ctx, p); err != nil {
		t.Fatal(err)
	}
	if err := s.LinkAccount(ctx, a.Actor, p.Ref); err != nil {
		t.Fatal(err)
	}
	a.Person = p.Ref
	if got, err := s.AccountByActor(ctx, a.Actor); err != nil || got != a {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.AccountsOf(ctx, p.Ref); err != nil || len(got) != 1 || got[0] != a {
		t.Errorf("%+v, %v", got, err)
	}
	got, err := s.PersonByRef(ctx, p.Ref)
	if diff := cmp.Diff(p, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := s.PutAccount(ctx, store.Account{Actor: "a_other", Kind: "slack", Key: "T1/U1"}); err == nil {
		t.Error("two accounts with one key")
	}
	if err := s.LinkAccount(ctx, "a_none", p.Ref); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if err := s.PutPerson(ctx, store.Person{Ref: p.Ref}); err != nil {
		t.Fatal(err)
	}
	if all, err := s.People(ctx); err != nil || len(all) != 1 || all[0].Name != "" || all[0].Key != "" {
		t.Errorf("erased, but %+v, %v", all, err)
	}
	if none, err := s.PersonByKey(ctx, "alice"); err != nil || none.Ref != "" {
		t.Errorf("%+v, %v", none, err)
	}
}

func testDebts(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	debt := store.DebtRecorded{What: "revoked", Grant: "g_1", Said: "serial 7 revoked", AtRun: 1_800_000_000_000_000}
	for range 2 {
		if err := store.AppendDebt(cfg.DebtsFile(), debt); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.RecordDebts(t.Context()); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if n, err := s.RecordDebts(t.Context()); err != nil || n != 0 {
		t.Fatal(n, err)
	}
	if _, err := os.Stat(cfg.DebtsFile()); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	var got []store.DebtRecorded
	for _, r := range history(t, s, workflows.SystemStream) {
		if d, ok := r.Event.(store.DebtRecorded); ok {
			got = append(got, d)
		}
	}
	if diff := cmp.Diff([]store.DebtRecorded{debt, debt}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
