package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// owing is a decision that adds one event, and says what the stream owes and where it stands.
func owing(stream workflows.StreamID, list []workflows.Listing, owed ...workflows.Job) func(workflows.Facts) (workflows.Outcome, error) {
	return func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := storetest.Append(stream, storetest.Voted{By: fmt.Sprint(len(f.Histories[stream]))})(f)
		out.Pending = map[workflows.StreamID][]workflows.Job{stream: owed}
		out.Listings = map[workflows.StreamID][]workflows.Listing{stream: list}
		out.Touch = []workflows.StreamID{workflows.HomeSurface("p_1")}
		return out, err
	}
}

// wantRows compares what stands in the tables with what was asked for last.
func wantRows(t *testing.T, what string, s *store.Store, stream workflows.StreamID, lists, owed int) {
	t.Helper()
	l, err := s.Listings(t.Context(), stream)
	if err != nil || len(l) != lists {
		t.Errorf("%s: on lists %v, want %d: %v", what, l, lists, err)
	}
	j, err := s.JobsOf(t.Context(), stream)
	if err != nil || len(j) != owed {
		t.Errorf("%s: owes %v, want %d: %v", what, j, owed, err)
	}
}

// TestWriterSeesOtherConnections changes rows with a connection of one's own between two decisions on a stream. What the writer
// remembered of them must be forgotten: the second decision says the same as the first, and sets right what is gone.
func TestWriterSeesOtherConnections(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	db := storetest.Raw(t, cfg)
	const stream workflows.StreamID = "request/1"
	list := []workflows.Listing{{List: "open", Sort: 1}, {List: "mine", Member: "p_1", Sort: 1}}
	far := s.Clock().Now().Wall.Add(1000 * 3600e9)
	owed := []workflows.Job{{Kind: "wake", Key: "w", Due: workflows.StampOf(far)}, {Kind: "notice", Key: "n", Due: workflows.StampOf(far)}}
	update := func() {
		t.Helper()
		if _, err := s.Update(t.Context(), "", []workflows.StreamID{stream}, owing(stream, list, owed...)); err != nil {
			t.Fatal(err)
		}
	}
	update()
	for _, text := range []string{
		`DELETE FROM job WHERE kind = 'wake'`, `DELETE FROM job`, `DELETE FROM listing WHERE list = 'open'`, `UPDATE listing SET sort = 7`,
		`INSERT INTO listing (stream, list, member, sort) VALUES ('request/1', 'strange', '', 1)`,
	} {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		update()
		wantRows(t, text, s, stream, 2, 2)
	}
	if l, _ := s.Listings(t.Context(), stream); l[0].Sort != 1 {
		t.Errorf("%+v", l)
	}
	// A surface that was put up behind its back is painted.
	if _, err := db.ExecContext(t.Context(), `INSERT INTO surface (stream, place, channel, ts, person, pace, wanted, painted, thread)
		VALUES ('home/p_1', 'home', '', '', 'p_1', '', 1, 1, 0)`); err != nil {
		t.Fatal(err)
	}
	update()
	if list, err := s.SurfacesOf(t.Context(), workflows.HomeSurface("p_1")); err != nil || len(list) != 1 || list[0].Wanted != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestOneOfManyFails lets one of many callers who share a transaction fail after it has written: all others are recorded, once, and the
// writer remembers nothing of the one that failed.
func TestOneOfManyFails(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	db := storetest.Raw(t, cfg)
	restore := failing(t, db, "listing", "INSERT", `SELECT RAISE(ABORT, 'this one fails') WHERE NEW.list = 'bad'`)
	far := workflows.StampOf(s.Clock().Now().Wall.Add(1000 * 3600e9))
	var wg sync.WaitGroup
	begin := make(chan struct{})
	update := func(n int, lists ...string) error {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", n))
		var on []workflows.Listing
		for _, list := range lists {
			on = append(on, workflows.Listing{List: list, Sort: 1})
		}
		_, err := s.Update(context.Background(), store.Cause(fmt.Sprintf("cli/%d", n)), []workflows.StreamID{stream},
			owing(stream, on, workflows.Job{Kind: "wake", Key: "k", Due: far}))
		return err
	}
	const callers = 60
	for n := range callers {
		wg.Go(func() {
			<-begin
			if n%20 == 7 {
				if err := update(n, "open", "bad"); err == nil || !strings.Contains(err.Error(), "this one fails") {
					t.Errorf("number %d: %v", n, err)
				}
			} else if err := update(n, "open"); err != nil {
				t.Errorf("number %d: %v", n, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	defer restore() // not before: that is a change by another connection
	for n := range callers {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", n))
		want := 1
		if n%20 == 7 {
			want = 0
		}
		wantRows(t, "after the failure", s, stream, want, want)
		if want == 1 {
			continue
		}
		if err := update(n, "open"); err != nil {
			t.Errorf("number %d does not work later: %v", n, err)
		}
		wantRows(t, "later", s, stream, 1, 1)
		if h, err := s.History(t.Context(), stream); err != nil || len(h) != 1 {
			t.Errorf("%v, %v", h, err)
		}
	}
}

// TestClaimIsNotForgotten has a job run and end between decisions: the writer must not take it for one that still stands.
func TestClaimIsNotForgotten(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	const stream workflows.StreamID = "request/1"
	ask := func() {
		t.Helper()
		_, err := s.Update(t.Context(), "", []workflows.StreamID{stream}, owing(stream, nil, workflows.Job{Kind: "n", Key: "k"}))
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		ask()
		list, err := s.Claim(t.Context(), 10)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		ask() // asked for as before: it keeps its lease
		if more, err := s.Claim(t.Context(), 10); err != nil || len(more) != 0 {
			t.Fatalf("it runs twice: %v, %v", more, err)
		}
		if err := s.Settle(t.Context(), list[0], jobs.Verdict{Ended: jobs.Finished}); err != nil {
			t.Fatal(err)
		}
		wantRows(t, "ended", s, stream, 0, 0)
	}
	if _, err := s.Update(t.Context(), "", []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) {
		return workflows.Outcome{}, errors.New("no")
	}); err == nil {
		t.Error("an error of a decision was swallowed")
	}
	ask()
	wantRows(t, "asked again", s, stream, 0, 1)
}
