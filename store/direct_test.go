package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// readAll copies what a snapshot gives between two entries.
func readAll(t *testing.T, src *store.Source, from, to int64) (entries []ledger.Entry, openings []ledger.EntryOpening) {
	t.Helper()
	for e, err := range src.Entries(t.Context(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, ledger.Entry{Index: e.Index, Leaf: bytes.Clone(e.Leaf)})
	}
	for o, err := range src.Openings(t.Context(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		openings = append(openings, o)
	}
	return entries, openings
}

// What a verification reads past the driver is what the driver reads, also where rows were deleted or hold what does not belong there; and
// where that way fails in the middle, the driver gives the rest, none twice.
func TestReadPastTheDriver(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	for i := range 200 {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", i%7))
		if _, err := s.Update(t.Context(), "", []workflows.StreamID{stream}, numbered(i%7)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := storetest.Raw(t, cfg)
	for _, text := range []string{
		`DELETE FROM opening WHERE idx = 20`, `UPDATE opening SET value = zeroblob(0) WHERE idx = 30`, `UPDATE opening SET salt = zeroblob(32) WHERE idx = 40`,
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(text, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	open := func() *store.Source {
		src, err := s.Source(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { src.Close() })
		if _, err := src.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		return src
	}
	slow, quick := open(), open()
	slow.ByDriverOnly()
	const size = 200
	wantEntries, wantOpenings := readAll(t, slow, 0, size)
	haveEntries, haveOpenings := readAll(t, quick, 0, size)
	if slow.PastDriver() || !quick.PastDriver() {
		t.Fatalf("past the driver: %v and %v, want false and true", slow.PastDriver(), quick.PastDriver())
	}
	if len(wantEntries) != size || len(wantOpenings) < size/2 {
		t.Fatalf("%d entries with %d openings", len(wantEntries), len(wantOpenings))
	}
	if diff := cmp.Diff(wantEntries, haveEntries) + cmp.Diff(wantOpenings, haveOpenings); diff != "" {
		t.Errorf("by the driver, and past it:\n%s", diff)
	}

	var nested []int64
	for e, err := range quick.Entries(t.Context(), 0, size) {
		if err != nil {
			t.Fatal(err)
		}
		nested = append(nested, e.Index)
		if e.Index == 100 {
			if inner, _ := readAll(t, quick, 0, size); len(inner) != size {
				t.Errorf("%d entries read inside of a reading, want %d", len(inner), size)
			}
			quick.BreakQuick()
		}
	}
	if len(nested) != size || nested[size-1] != size-1 {
		t.Errorf("%d entries up to %v, want %d", len(nested), nested[len(nested)-1], size)
	}
	if again, _ := readAll(t, quick, 0, size); !cmp.Equal(again, wantEntries) {
		t.Errorf("%d entries after the way past the driver broke, want %d", len(again), size)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range open().Entries(ctx, 0, size) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of its context: %v", err)
		}
	}
}

// The connection past the driver trusts a file no more than the driver's do: it runs nothing that the file's own schema names, and writes nothing.
func TestPastTheDriverNothingIsTrusted(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	for range 100 {
		if _, err := s.Update(t.Context(), "", []workflows.StreamID{"request/1"}, numbered(1)); err != nil {
			t.Fatal(err)
		}
	}
	src, err := s.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	if _, err := src.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	if readAll(t, src, 0, 100); !src.PastDriver() {
		t.Fatal("nothing was read past the driver")
	}
	if _, err := src.QuickTries(t.Context(), `DELETE FROM opening WHERE idx BETWEEN ?1 AND ?2`); err == nil {
		t.Error("it writes")
	}
	for flag, want := range map[string]int64{"trusted_schema": 0, "query_only": 1} {
		if n, err := src.QuickTries(t.Context(), `SELECT `+flag+` FROM pragma_`+flag+` WHERE ?1 < ?2`); err != nil || n != want {
			t.Errorf("%s is %d (%v), want %d", flag, n, err, want)
		}
	}
}
