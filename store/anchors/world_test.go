package anchors_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/anchors"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
)

const origin = "example.com/countersign/test"

// log is a small ledger in memory: hashes and a key.
type log struct {
	t    testing.TB
	key  ledger.Key
	rows []ledger.Hash
}

func newLog(t testing.TB) *log {
	t.Helper()
	key, err := ledger.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	return &log{t: t, key: key}
}

// grow appends entries that differ by what they say.
func (l *log) grow(n int, says string) *log {
	for i := len(l.rows); i < n; i++ {
		l.rows = append(l.rows, ledger.LeafHash(fmt.Appendf(nil, "%s %d", says, i)))
	}
	return l
}

// fork is the same ledger up to n, under the same key.
func (l *log) fork(n int) *log {
	return &log{t: l.t, key: l.key, rows: append([]ledger.Hash(nil), l.rows[:n]...)}
}

func (l *log) tree(n int64) (*ledger.Tree, ledger.TileReader) {
	t := ledger.NewTree()
	full := shelf(t.Append(l.rows[:n]...))
	return t, ledger.Layered{t, full}
}

// shelf serves full tiles.
type shelf []ledger.Tile

func (s shelf) ReadTile(_ context.Context, level int, n int64) ([]byte, error) {
	for _, t := range s {
		if t.Level == level && t.N == n {
			return t.Hashes, nil
		}
	}
	return nil, ledger.ErrNoTile
}

// check compares the ledger with what others remember.
func (l *log) check(remembered []ledger.Anchor) error {
	h := l.head()
	_, tiles := l.tree(h.Size)
	return ledger.CheckHead(l.t.Context(), ledger.Head{Size: h.Size, Root: h.Root}, tiles, remembered)
}

func (l *log) head() anchors.Head { return l.headAt(int64(len(l.rows))) }

func (l *log) headAt(n int64) anchors.Head {
	l.t.Helper()
	s, err := l.key.Signer()
	if err != nil {
		l.t.Fatal(err)
	}
	tree, _ := l.tree(n)
	h, err := tree.Head(origin, s)
	if err != nil {
		l.t.Fatal(err)
	}
	return anchors.Head{Origin: origin, Size: h.Size, Root: h.Root, Note: h.Note}
}

// ProveConsistency implements anchors.Ledger.
func (l *log) ProveConsistency(ctx context.Context, old, size int64) ([]ledger.Hash, error) {
	if size > int64(len(l.rows)) || old > size {
		return nil, errors.New("there are not so many entries")
	}
	_, tiles := l.tree(size)
	return ledger.ProveConsistency(ctx, tiles, old, size)
}

func (l *log) keys() note.Verifiers {
	l.t.Helper()
	v, err := ledger.Verifiers(l.key.VKey())
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}

// keeper runs a witness for these ledgers and gives a client of it.
func keeper(t testing.TB, dir string, wrap func(http.Handler) http.Handler, logs ...*log) (*anchors.Witness, string) {
	t.Helper()
	key, err := anchors.GenerateKey(rand.Reader, "witness.example.com/w1")
	if err != nil {
		t.Fatal(err)
	}
	return keeperWith(t, dir, key, wrap, logs...), key
}

func keeperWith(t testing.TB, dir, key string, wrap func(http.Handler) http.Handler, logs ...*log) *anchors.Witness {
	t.Helper()
	vkey, err := anchors.VKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var vkeys []string
	for _, l := range logs {
		vkeys = append(vkeys, l.key.VKey())
	}
	k, err := anchors.NewKeeper(anchors.KeeperConfig{Dir: dir, Key: key, Logs: vkeys, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := k.Handler()
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return witness(t, srv.URL, vkey)
}

func witness(t testing.TB, url, vkey string) *anchors.Witness {
	t.Helper()
	c, err := streams.NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	w, err := anchors.NewWitness("w1", url, vkey, c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// shy hides what a witness remembers, as the protocol allows.
func shy(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
