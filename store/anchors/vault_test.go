package anchors_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store/anchors"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
	"github.com/countersign-bot/countersign/store/streams/s3test"
)

func vault(t *testing.T, l *log) (*anchors.Vault, *s3test.Store) {
	t.Helper()
	store := s3test.New("audit", "eu-central-1", "AKIDEXAMPLE", "secret")
	srv := httptest.NewServer(store)
	t.Cleanup(srv.Close)
	c, err := streams.NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return &anchors.Vault{ID: "vault", Objects: &streams.Objects{URL: srv.URL + "/audit/x", Region: "eu-central-1", Key: "AKIDEXAMPLE", Secret: "secret", Client: c}, Keys: l.keys()}, store
}

// TestThreat_T27_AVaultSeesARollback gives heads to an object store and asks it about copies and forks.
func TestThreat_T27_AVaultSeesARollback(t *testing.T) {
	l := newLog(t)
	v, store := vault(t, l)
	for size := 10; size <= 400; size += 10 {
		h := l.grow(size, "a").head()
		for range 2 {
			if _, err := v.Give(t.Context(), l, h); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(store.Names()); n != 40 {
		t.Errorf("%d objects", n)
	}
	ask := func(l *log) error {
		got, err := v.Ask(t.Context(), l, l.head())
		if err != nil {
			return err
		}
		if len(got) != 16 || got[0].Size != 400 || got[15].Size != 250 {
			t.Errorf("it remembers %d heads, the newest of %d", len(got), got[0].Size)
		}
		return l.check(got)
	}
	for name, c := range map[string]struct {
		l    *log
		want error
	}{
		"itself":      {l, nil},
		"grown":       {l.fork(400).grow(450, "a"), nil},
		"an old copy": {l.fork(399), ledger.ErrRollback},
		"a fork":      {l.fork(300).grow(500, "b"), ledger.ErrFork},
	} {
		if err := ask(c.l); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := v.Give(t.Context(), l, l.fork(0).grow(400, "b").head()); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("another head of a size that is there: %v", err)
	}
}

// TestVaultBelievesOnlyTheLedger holds that somebody who can write to the store cannot keep the ledger from starting.
func TestVaultBelievesOnlyTheLedger(t *testing.T) {
	l := newLog(t).grow(20, "a")
	v, store := vault(t, l)
	if _, err := v.Give(t.Context(), l, l.head()); err != nil {
		t.Fatal(err)
	}
	stranger := newLog(t).grow(99, "x")
	store.Set("x/heads/9223372036854775708-99", stranger.head().Note, nil)
	store.Set("x/heads/0000000000000000000-9223372036854775807", []byte("nonsense"), nil)
	got, err := v.Ask(t.Context(), l, l.head())
	if err != nil || len(got) != 1 || got[0].Size != 20 {
		t.Errorf("%+v, %v", got, err)
	}
	store.SetFailure(func(r *http.Request) int { return http.StatusServiceUnavailable })
	if _, err := v.Ask(t.Context(), l, l.head()); err == nil || errors.Is(err, ledger.ErrRollback) || errors.Is(err, anchors.ErrMute) {
		t.Errorf("a store that does not answer: %v", err)
	}
}

func TestHook(t *testing.T) {
	l := newLog(t).grow(20, "a")
	var got map[string]any
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("webhook-signature") != streams.SignWebhook([]byte("s"), r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), string(body)) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		var event struct {
			Type string
			Data map[string]any
		}
		if err := json.Unmarshal(body, &event); err != nil || event.Type != "ledger.checkpoint" {
			t.Errorf("%v: %s", err, body)
		}
		got = event.Data
	}))
	defer srv.Close()
	c, err := streams.NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	h := anchors.Hook{ID: "hook", Post: &streams.Webhook{URL: srv.URL, Secret: []byte("s"), Client: c}}
	given, err := h.Give(t.Context(), l, l.head())
	if err != nil || !strings.HasSuffix(given.Place, "_20") {
		t.Fatal(given, err)
	}
	want := map[string]any{"origin": origin, "size": 20.0, "root": l.head().Root.String(), "note": string(l.head().Note)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := h.Ask(t.Context(), l, l.head()); !errors.Is(err, anchors.ErrMute) {
		t.Errorf("%v", err)
	}
}

func TestQuorum(t *testing.T) {
	witnesses := []string{"w.example/1+0+a", "w.example/2+0+b", "w.example/3+0+c"}
	for _, c := range []struct {
		signed []string
		want   int
	}{
		{nil, 0},
		{[]string{"w.example/1"}, 1},
		{[]string{"w.example/1", "w.example/1"}, 1},
		{[]string{"w.example/1", "w.example/3", "w.example/9"}, 2},
	} {
		if got := anchors.Quorum(c.signed, witnesses); got != c.want {
			t.Errorf("%v: %d, want %d", c.signed, got, c.want)
		}
	}
}
