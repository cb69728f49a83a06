package store_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

const origin = "test.invalid/countersign/store"

// config is a ledger in a fresh folder.
func config(t testing.TB) store.Config {
	t.Helper()
	key, err := ledger.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	return store.Config{Dir: filepath.Join(t.TempDir(), "data"), Kinds: storetest.EventKinds(), Clock: storetest.NewClock(), Key: key}
}

func open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func add(t testing.TB, s *store.Store, cause store.Cause, stream workflows.StreamID, e workflows.Event) store.Result {
	t.Helper()
	res, err := s.Update(context.Background(), cause, []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(stream, workflows.System, "", e)
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestSmoke(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	want := storetest.Opened{Title: "a", Reason: "because <b>", Names: []string{"x", ""}, Texts: map[string]string{"k/1": "v", "e": ""}}
	add(t, s, "c/1", "request/r1", want)
	add(t, s, "c/2", "request/r1", storetest.Voted{By: "p_1"})
	for range 600 {
		add(t, s, "", "request/r2", storetest.Voted{By: "p_1"})
	}
	h, err := s.History(t.Context(), "request/r1")
	if err != nil || len(h) != 2 {
		t.Fatal(h, err)
	}
	t.Logf("%+v", h)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	h2, err := s.History(t.Context(), "request/r1")
	if err != nil || len(h2) != 2 {
		t.Fatal(h, err)
	}
	t.Logf("%+v", h2)
}
