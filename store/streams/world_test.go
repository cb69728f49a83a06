package streams_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
)

const origin = "example.com/countersign/test"

// book is a small real ledger in memory.
type book struct {
	t    testing.TB
	key  ledger.Key
	mu   sync.Mutex
	tree *ledger.Tree
	rows [][]byte
	says string // what its entries hold
}

func newBook(t testing.TB) *book {
	t.Helper()
	key, err := ledger.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	b := &book{t: t, key: key, tree: ledger.NewTree()}
	b.add(ledger.Leaf{Type: ledger.TypeGenesis, Stream: "system", Seq: 1, Fields: ledger.GenesisFields(key)})
	return b
}

// add appends one entry.
func (b *book) add(l ledger.Leaf) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.rows)
	l.V, l.ID, l.Time, l.Mono = 1, fmt.Sprintf("e_%032x", n), int64(1_764_000_000_000_000+n*1_000), int64(n+1)
	leaf, err := ledger.Encode(l)
	if err != nil {
		b.t.Fatal(err)
	}
	b.rows = append(b.rows, leaf)
	b.tree.Append(ledger.LeafHash(leaf))
}

// grow appends until there are n entries.
func (b *book) grow(n int) {
	b.t.Helper()
	for i := len(b.rows); i < n; i++ {
		b.add(ledger.Leaf{
			Type: "vote.recorded", Stream: fmt.Sprintf("request/r_%d", i), Seq: 1, Person: "p_1",
			Fields: map[string]any{"verdict": "approve", "says": b.says, "text": strings.Repeat("<&>\u2028é]\"\\ ", i%7)},
		})
	}
}

// Read implements streams.Source.
func (b *book) Read(_ context.Context, from int64, n, maxBytes int) ([]streams.Record, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := int64(len(b.rows))
	var out []streams.Record
	total := 0
	for i := from; i < size && len(out) < n && total < maxBytes; i++ {
		r, err := streams.NewRecord(origin, "test", i, size, b.rows[i])
		if err != nil {
			return nil, 0, err
		}
		r.Sentence = fmt.Sprintf("Entry %d was written: <b>é</b>.", i)
		if i == size-1 {
			r.Note = b.note()
		}
		total += len(b.rows[i])
		out = append(out, r)
	}
	return out, size, nil
}

// note signs the head; the caller holds the lock.
func (b *book) note() string {
	s, err := b.key.Signer()
	if err != nil {
		b.t.Error(err)
		return ""
	}
	h, err := b.tree.Head(origin, []note.Signer{s}...)
	if err != nil {
		b.t.Error(err)
	}
	return string(h.Note)
}

// records are those of all entries.
func (b *book) records() []streams.Record {
	b.t.Helper()
	out, _, err := b.Read(b.t.Context(), 0, len(b.rows), 1<<30)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// place is a cursor in memory.
type place struct {
	mu    sync.Mutex
	state streams.State
	fails int // the next saves
	saves int
}

func (p *place) Load(context.Context) (streams.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state, nil
}

func (p *place) Save(_ context.Context, s streams.State) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saves++
	if p.fails > 0 {
		p.fails--
		return errors.New("the disk is full")
	}
	p.state = s
	return nil
}

func (p *place) next() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Next
}

// until waits for something that happens on a real network.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond) // between two looks, not for anything to be true
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run runs a stream until the test ends and gives its stop.
func run(t testing.TB, s *streams.Stream) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// entries are the indexes of records.
func entries(rs []streams.Record) (out []int64) {
	for _, r := range rs {
		out = append(out, r.Entry)
	}
	return out
}

func span(from, to int64) (out []int64) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}
