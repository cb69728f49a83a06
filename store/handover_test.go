package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
)

// TestHandovers: a sealed secret comes back as it was kept, the last one counts, and what was destroyed is gone.
func TestHandovers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		one, two := bytes.Repeat([]byte{0, 255}, 40), bytes.Repeat([]byte{7}, 64)
		for _, h := range []store.Handover{{"g_2", two}, {"g_1", two}, {"g_1", one}} {
			if err := s.KeepHandover(ctx, h); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Handover(ctx, "g_1")
		if d := cmp.Diff(store.Handover{ID: "g_1", Sealed: one}, got); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
		for range 2 {
			if err := s.DropHandover(ctx, "g_1"); err != nil {
				t.Errorf("destroying it: %v", err)
			}
		}
		if _, err := s.Handover(ctx, "g_1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a destroyed one: %v", err)
		}
		ids, err := s.Handovers(ctx)
		if d := cmp.Diff([]string{"g_2"}, ids); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
		for _, bad := range []store.Handover{{}, {ID: "g_3"}, {"g_3", []byte("short")}, {"", one}, {"g_3", make([]byte, 600<<10)}} {
			if err := s.KeepHandover(ctx, bad); err == nil {
				t.Errorf("%q of %d bytes was kept", bad.ID, len(bad.Sealed))
			}
		}
	})
}

// What was destroyed is overwritten in the database file, once the log is folded into it.
func TestReq_R16_ADestroyedSecretIsOverwritten(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	sealed := bytes.Repeat([]byte("sealed-canary-0123"), 20)
	if err := s.KeepHandover(t.Context(), store.Handover{ID: "g_1", Sealed: sealed}); err != nil {
		t.Fatal(err)
	}
	if err := s.DropHandover(t.Context(), "g_1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cfg.Dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && bytes.Contains(b, []byte("sealed-canary-0123")) {
			t.Errorf("%s still holds it", filepath.Base(f))
		}
	}
}
