package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
	"github.com/countersign-bot/countersign/workflows"
)

// evidence is a ledger to read from: a snapshot of the store, or an exported bundle. What reads evidence does not care which.
type evidence struct {
	src      ledger.Source
	dec      *store.Decoder
	names    map[workflows.PersonID]string // all that the directory, or the bundle, knows
	tiles    ledger.TileReader
	store    *store.Store     // nil for a bundle
	snapshot *store.Source    // likewise
	bundle   *bundle.Bundle   // nil for the store
	witness  []ledger.Anchor  // what the witness file remembered before the snapshot
	people   []store.Person   // nil for a bundle
	closers  []func() error   // last first
	open     func(int64) bool // whose texts may be read; nil for all that are there
	made     *madeBy          // who made the bundle, once verify has judged it
}

// openEvidence opens the bundle at path, or with an empty path the ledger that the environment or data names.
func openEvidence(ctx context.Context, p proc, data, path string) (e *evidence, err error) {
	e = &evidence{names: map[workflows.PersonID]string{}}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.dec, err = store.NewDecoder(eventKinds()); err != nil {
		return nil, err
	}
	if path != "" {
		return e, e.openBundle(path)
	}
	return e, e.openStore(ctx, p, data)
}

func (e *evidence) openBundle(path string) error {
	b, err := bundle.Open(path)
	if errors.Is(err, bundle.ErrMalformed) {
		return brokenError{err}
	}
	if err != nil {
		return err
	}
	e.bundle, e.src, e.tiles = b, b, b
	e.closers = append(e.closers, b.Close)
	names, err := b.People()
	for id, name := range names {
		e.names[workflows.PersonID(id)] = name
	}
	if err == nil {
		e.witness, err = b.Anchors()
	}
	return broken(err)
}

func (e *evidence) openStore(ctx context.Context, p proc, data string) error {
	s, err := openToRead(ctx, p, data)
	if err != nil {
		return err
	}
	e.store = s
	e.closers = append(e.closers, s.Close)
	if e.witness, err = s.Remembered(); err != nil {
		return err
	}
	if e.people, err = s.People(ctx); err != nil {
		return err
	}
	for _, x := range e.people {
		if x.Name != "" {
			e.names[x.Ref] = x.Name
		}
	}
	if e.snapshot, err = s.Source(ctx); err != nil {
		return err
	}
	e.closers = append(e.closers, e.snapshot.Close)
	e.src = e.snapshot
	e.tiles, err = newStoredTiles(ctx, e.snapshot)
	return err
}

func (e *evidence) close() {
	for _, c := range slices.Backward(e.closers) {
		_ = c()
	}
	e.closers = nil
}

// broken gives what a malformed bundle ends in its exit code.
func broken(err error) error {
	if errors.Is(err, bundle.ErrMalformed) {
		return brokenError{err}
	}
	return err
}

const evidenceStep = 1024 // entries decoded at once

// row is an entry with its bytes and its openings.
type row struct {
	workflows.Record
	leaf   []byte
	opened []ledger.Opening
}

// rows gives entries with from <= index < to, decoded with what is open of them.
func (e *evidence) rows(ctx context.Context, from, to int64, each func(*row) error) error {
	for at := from; at < to; at += evidenceStep {
		batch, err := e.batch(ctx, at, min(at+evidenceStep, to))
		if err != nil {
			return broken(err)
		}
		for i := range batch {
			if err := each(&batch[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *evidence) batch(ctx context.Context, from, to int64) ([]row, error) {
	out := make([]row, 0, to-from)
	for x, err := range e.src.Entries(ctx, from, to) {
		if err != nil {
			return nil, err
		}
		out = append(out, row{leaf: slices.Clone(x.Leaf), Record: workflows.Record{Index: x.Index}})
	}
	at := 0
	for o, err := range e.src.Openings(ctx, from, to) {
		if err != nil {
			return nil, err
		}
		for at < len(out) && out[at].Index < o.Index {
			at++
		}
		if e.open != nil && !e.open(o.Index) {
			continue
		}
		if at == len(out) || out[at].Index != o.Index {
			return nil, fmt.Errorf("there is a text for entry %d, which is missing", o.Index)
		}
		out[at].opened = append(out[at].opened, o.Opening)
	}
	for i := range out {
		r, err := e.dec.Record(out[i].Index, out[i].leaf, out[i].opened)
		if err != nil {
			return nil, err
		}
		out[i].Record = r
	}
	return out, nil
}

// size is how many entries the head covers.
func (e *evidence) size(ctx context.Context) (int64, error) {
	h, err := e.src.Head(ctx)
	return h.Size, err
}

// storedTiles serves proofs out of the store: full tiles from their table, unfinished ones from the entries behind them. A proof
// needs two tiles a level at most, and each is kept.
type storedTiles struct {
	src  *store.Source
	edge *ledger.Tree
	full map[[2]int64][]byte
}

func newStoredTiles(ctx context.Context, src *store.Source) (*storedTiles, error) {
	t := &storedTiles{src: src, full: map[[2]int64][]byte{}}
	head, err := src.Head(ctx)
	if err != nil || head.Size == 0 {
		return t, err
	}
	var tail []ledger.Hash
	for e, err := range src.Entries(ctx, head.Size&^(ledger.TileWidth-1), head.Size) {
		if err != nil {
			return nil, err
		}
		tail = append(tail, ledger.LeafHash(e.Leaf))
	}
	t.edge, err = ledger.TreeFromFrontier(ctx, head.Size, head.Frontier, tail, onlyFull{t})
	if errors.Is(err, ledger.ErrEdge) || errors.Is(err, ledger.ErrNoTile) {
		t.edge, err = ledger.NewTree(), nil // a ledger that fails its checks can be read, but proves nothing
	}
	return t, err
}

// onlyFull reads tiles that are stored.
type onlyFull struct{ t *storedTiles }

// ReadTile implements ledger.TileReader.
func (f onlyFull) ReadTile(ctx context.Context, level int, n int64) ([]byte, error) {
	key := [2]int64{int64(level), n}
	if b, ok := f.t.full[key]; ok {
		return b, nil
	}
	b, err := f.t.src.Tile(ctx, level, n)
	if err == nil {
		f.t.full[key] = b
	}
	return b, err
}

// ReadTile implements ledger.TileReader.
func (t *storedTiles) ReadTile(ctx context.Context, level int, n int64) ([]byte, error) {
	if t.edge == nil {
		return nil, ledger.ErrNoTile
	}
	return ledger.Layered{t.edge, onlyFull{t}}.ReadTile(ctx, level, n)
}

// verifyEvidence checks files, entries and memories of a bundle or snapshot.
func (e *evidence) verify(ctx context.Context, keys []string, more []ledger.Anchor) (ledger.Report, error) {
	report, err := ledger.Verify(ctx, e.src, ledger.Options{Keys: keys, Anchors: slices.Concat(e.witness, more)})
	if err != nil || e.bundle == nil {
		return report, broken(err)
	}
	problems, err := e.bundle.CheckFiles(ctx)
	for _, text := range problems {
		report.Add(ledger.Problem{Code: ledger.CodeFile, Index: -1, Text: text})
	}
	if err == nil {
		e.made, err = e.custodyJudged(&report)
	}
	return report, broken(err)
}

// nearby reads single entries and keeps the runs of 256 it has seen last: the entries of one request lie close to each other.
type nearby struct {
	e       *evidence
	bundles map[int64][][]byte
	recent  []int64
}

const maxNearby = 48 // runs kept: some 6 MB of usual entries

func (n *nearby) leaf(ctx context.Context, i int64) ([]byte, error) {
	k := i / ledger.TileWidth
	run, ok := n.bundles[k]
	if !ok {
		if len(n.recent) == maxNearby {
			delete(n.bundles, n.recent[0])
			n.recent = n.recent[1:]
		}
		for x, err := range n.e.src.Entries(ctx, k*ledger.TileWidth, (k+1)*ledger.TileWidth) {
			if err != nil {
				return nil, err
			}
			run = append(run, slices.Clone(x.Leaf))
		}
		n.bundles[k], n.recent = run, append(n.recent, k)
	}
	if int(i%ledger.TileWidth) >= len(run) {
		return nil, fmt.Errorf("entry %d is missing", i)
	}
	return run[i%ledger.TileWidth], nil
}
