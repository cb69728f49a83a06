package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

func eachDatabase(t *testing.T, f func(t *testing.T, s *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { f(t, storetest.Open(t, storetest.Config(t))) })
	t.Run("postgres", func(t *testing.T) {
		cfg := storetest.Config(t)
		cfg.DSN = pgtest.Start(t, "fsync=off").NewDatabase(t)
		f(t, storetest.Open(t, cfg))
	})
}

// TestOutlets holds that a place never goes back, and takes any complaint of a peer.
func TestOutlets(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *store.Store) {
		if o, err := s.Outlet(t.Context(), "stream/a"); err != nil || o != (store.Outlet{Name: "stream/a"}) {
			t.Errorf("%+v, %v", o, err)
		}
		first := store.Outlet{Name: "stream/a", Next: 7, SentAt: 5}
		second := store.Outlet{Name: "stream/a", Next: 3, SentAt: 5, Failing: 9, Attempts: 2, Error: "zero \x00, half a rune \xc3, " + strings.Repeat("ü", 400)}
		for _, o := range []store.Outlet{first, second, {Name: "anchor/b", Next: 1}} {
			if err := s.PutOutlet(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.Outlets(t.Context())
		if err != nil || len(list) != 2 || list[0].Name != "anchor/b" {
			t.Fatalf("%+v, %v", list, err)
		}
		got := list[1]
		if got.Next != 7 || got.Failing != 9 || got.Attempts != 2 || len(got.Error) > 500 || strings.ContainsRune(got.Error, 0) {
			t.Errorf("%+v", got)
		}
		if err := s.PutOutlet(t.Context(), store.Outlet{Next: 1}); err == nil {
			t.Error("an outlet without a name")
		}
	})
}

// TestCosignatures holds that what witnesses sign stands behind the published head, once, wherever heads are read.
func TestCosignatures(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *store.Store) {
		if _, found, err := s.LastCheckpoint(t.Context()); found || err != nil {
			t.Errorf("before the first: %v, %v", found, err)
		}
		c, _, err := s.Publish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{"— w.example/1 " + strings.Repeat("A", 104) + "\n", "— w.example/2 " + strings.Repeat("B", 104) + "\n"}
		for i, line := range []string{lines[1], lines[0], lines[1]} {
			name := strings.Fields(line)[1]
			if err := s.AddCosignature(t.Context(), store.Cosignature{Size: c.Size, KeyName: name, KeyID: 0xfffffff0 + uint32(len(name)), Line: line}); err != nil {
				t.Fatal(i, err)
			}
		}
		got, err := s.Cosignatures(t.Context(), c.Size)
		if err != nil || len(got) != 2 || got[0].Line != lines[0] || got[0].KeyID != 0xfffffffb || got[0].At == 0 {
			t.Errorf("%+v, %v", got, err)
		}
		src, err := s.Source(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var notes []string
		for p, err := range src.Checkpoints(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			notes = append(notes, string(p.Note))
		}
		src.Close()
		if diff := cmp.Diff([]string{string(c.Note) + lines[0] + lines[1]}, notes); diff != "" {
			t.Error(diff)
		}
		last, found, err := s.LastCheckpoint(t.Context())
		if err != nil || !found || last.Size != c.Size || last.Root != c.Root {
			t.Errorf("%+v, %v, %v", last, found, err)
		}
		if at, err := s.CheckpointAt(t.Context(), c.Size); err != nil || at.Size != c.Size {
			t.Errorf("%+v, %v", at, err)
		}
		if _, err := s.CheckpointAt(t.Context(), c.Size+1); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if n, err := s.Cosigned(t.Context(), "w.example/1"); err != nil || n != c.Size {
			t.Error(n, err)
		}
		if err := s.AddCosignature(t.Context(), store.Cosignature{Size: c.Size + 9, KeyName: "w", Line: lines[0]}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a signature over a head that was not published: %v", err)
		}
		if err := s.AddCosignature(t.Context(), store.Cosignature{Size: c.Size, KeyName: "w", Line: "x\n"}); err == nil {
			t.Error("a line that makes the head unreadable")
		}
		storetest.Check(t, s)
	})
}

// TestProveConsistency holds every proof against the public check.
func TestProveConsistency(t *testing.T) {
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 300)
	s := storetest.Open(t, cfg)
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range []int64{0, 1, 2, 255, 256, 257, h.Size - 1, h.Size} {
		proof, err := s.ProveConsistency(t.Context(), old, h.Size)
		if err != nil {
			t.Fatal(old, err)
		}
		back, err := s.ProveConsistency(t.Context(), 0, old)
		if err != nil || len(back) != 0 {
			t.Error(back, err)
		}
		src, err := s.Source(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tree := ledger.NewTree()
		for e, err := range src.Entries(t.Context(), 0, old) {
			if err != nil {
				t.Fatal(err)
			}
			tree.Append(ledger.LeafHash(e.Leaf))
		}
		src.Close()
		if err := ledger.CheckConsistency(proof, old, tree.Root(), h.Size, h.Root); err != nil {
			t.Errorf("from %d: %v", old, err)
		}
	}
}
