package ledger_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
)

const (
	testOrigin = "demo.invalid/countersign/test"
	testStart  = 1795309323456789 // 2026-11-22T01:02:03.456789Z
)

// seeded is a source of bytes that are the same in every run.
func seeded(seed string) *rand.ChaCha8 { return rand.NewChaCha8(sha256.Sum256([]byte(seed))) }

func testKey(t testing.TB, seed string) ledger.Key {
	t.Helper()
	k, err := ledger.GenerateKey(seeded(seed), testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signer(t testing.TB, k ledger.Key) note.Signer {
	t.Helper()
	s, err := k.Signer()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// memory is a ledger in maps and slices: what the store keeps in tables. Tests change it as somebody with the file would.
type memory struct {
	head        ledger.Head
	entries     []ledger.Entry
	tiles       []ledger.Tile
	checkpoints []ledger.Published
	openings    []ledger.EntryOpening
	documents   map[string][]byte

	t    testing.TB
	tree *ledger.Tree
	key  ledger.Key
	seqs map[string]int64
	mono int64
}

func newMemory(t testing.TB) *memory {
	m := &memory{
		t: t, tree: ledger.NewTree(), key: testKey(t, "first key"), seqs: map[string]int64{}, documents: map[string][]byte{},
	}
	m.append(ledger.Leaf{Type: ledger.TypeGenesis, Stream: "system", Fields: ledger.GenesisFields(m.key)})
	return m
}

// leaf fills in what the store would.
func (m *memory) leaf(l ledger.Leaf) ledger.Leaf {
	m.seqs[l.Stream]++
	m.mono += 1_000_000
	l.V, l.Seq, l.Mono = 1, m.seqs[l.Stream], m.mono
	l.ID = cmp.Or(l.ID, fmt.Sprintf("e%08d", len(m.entries)))
	l.Time = testStart + m.mono/1000
	return l
}

func (m *memory) append(l ledger.Leaf) {
	b, err := ledger.Encode(m.leaf(l))
	if err != nil {
		m.t.Fatal(err)
	}
	m.appendBytes(b)
}

func (m *memory) appendBytes(b []byte) {
	m.entries = append(m.entries, ledger.Entry{Index: int64(len(m.entries)), Leaf: b})
	m.tiles = append(m.tiles, m.tree.Append(ledger.LeafHash(b))...)
	m.sign(m.key)
}

func (m *memory) sign(keys ...ledger.Key) {
	var signers []note.Signer
	for _, k := range keys {
		signers = append(signers, signer(m.t, k))
	}
	h, err := m.tree.Head(testOrigin, signers...)
	if err != nil {
		m.t.Fatal(err)
	}
	m.head = h
}

func (m *memory) publish() ledger.Anchor {
	m.checkpoints = append(m.checkpoints, ledger.Published{Size: m.head.Size, Note: m.head.Note})
	return m.head.Anchor("#audit", testStart)
}

// grow appends until the ledger has n entries: four requests side by side, sealed reasons, two policies.
func (m *memory) grow(n int) {
	docs := make([]string, 2)
	for i := range docs {
		b, err := ledger.Canonical(map[string]any{"workflow": "prod", "version": i + 1})
		if err != nil {
			m.t.Fatal(err)
		}
		docs[i] = ledger.DocumentHash(b)
		m.documents[docs[i]] = b
	}
	rng := seeded("salts")
	for i := len(m.entries); i < n; i++ {
		c, o, err := ledger.Seal(rng, "reason", fmt.Sprintf("because of ticket %d", i))
		if err != nil {
			m.t.Fatal(err)
		}
		m.openings = append(m.openings, ledger.EntryOpening{Index: int64(i), Opening: o})
		m.append(ledger.Leaf{
			Type: "vote.cast", Stream: fmt.Sprintf("request/r%d", i%4), Actor: "a_1", Person: "p_1", Policy: docs[i%2],
			Sealed: map[string]string{"reason": c},
			Fields: map[string]any{"verdict": "approve", "stage": i % 3, "urgent": i%5 == 0, "shown": []string{"x", "y"}},
		})
	}
}

// clone copies the rows, for a change that must not reach the original.
func (m *memory) clone() *memory {
	c := *m
	c.entries = slices.Clone(m.entries)
	c.tiles = slices.Clone(m.tiles)
	for i := range c.tiles {
		c.tiles[i].Hashes = bytes.Clone(c.tiles[i].Hashes)
	}
	c.checkpoints, c.openings = slices.Clone(m.checkpoints), slices.Clone(m.openings)
	c.documents, c.seqs = maps.Clone(m.documents), maps.Clone(m.seqs)
	c.tree = m.tree.Clone()
	c.head.Frontier, c.head.Note = bytes.Clone(m.head.Frontier), bytes.Clone(m.head.Note)
	return &c
}

// rebuild makes tiles, head and checkpoint from the entries as they are now, as a forger with the key would.
func (m *memory) rebuild(key ledger.Key) {
	m.tree, m.tiles = ledger.NewTree(), nil
	for i, e := range m.entries {
		m.entries[i].Index = int64(i)
		m.tiles = append(m.tiles, m.tree.Append(ledger.LeafHash(e.Leaf))...)
	}
	m.sign(key)
}

func (m *memory) Head(context.Context) (ledger.Head, error) { return m.head, nil }

func (m *memory) Entries(_ context.Context, from, to int64) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		var reused []byte
		at, _ := slices.BinarySearchFunc(m.entries, from, func(e ledger.Entry, x int64) int { return cmp.Compare(e.Index, x) })
		for _, e := range m.entries[at:] {
			reused = append(reused[:0], e.Leaf...)
			if e.Index >= to || !yield(ledger.Entry{Index: e.Index, Leaf: reused}, nil) {
				return
			}
		}
	}
}

func (m *memory) Tiles(context.Context) iter.Seq2[ledger.Tile, error] {
	sorted := slices.Clone(m.tiles)
	slices.SortFunc(sorted, func(a, b ledger.Tile) int { return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.N, b.N)) })
	return withoutError(slices.Values(sorted))
}

func (m *memory) Checkpoints(context.Context) iter.Seq2[ledger.Published, error] {
	return withoutError(slices.Values(m.checkpoints))
}

func (m *memory) Openings(_ context.Context, from, to int64) iter.Seq2[ledger.EntryOpening, error] {
	at, _ := slices.BinarySearchFunc(m.openings, from, func(o ledger.EntryOpening, x int64) int { return cmp.Compare(o.Index, x) })
	end, _ := slices.BinarySearchFunc(m.openings, to, func(o ledger.EntryOpening, x int64) int { return cmp.Compare(o.Index, x) })
	return withoutError(slices.Values(m.openings[at:max(at, end)]))
}

func (m *memory) Document(_ context.Context, hash string) ([]byte, error) {
	b, ok := m.documents[hash]
	if !ok {
		return nil, fmt.Errorf("%q: %w", hash, ledger.ErrNoDocument)
	}
	return b, nil
}

// ReadTile gives full tiles, so that the memory serves proofs together with its tree.
func (m *memory) ReadTile(_ context.Context, level int, n int64) ([]byte, error) {
	for _, t := range m.tiles {
		if t.Level == level && t.N == n {
			return t.Hashes, nil
		}
	}
	return nil, ledger.ErrNoTile
}

func withoutError[T any](s iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v := range s {
			if !yield(v, nil) {
				return
			}
		}
	}
}
