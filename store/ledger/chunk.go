package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"runtime"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// chunk is a run of entries that one hasher works on. It begins at a multiple of 256, so that its full tiles are joined without hashing
// them again, and is reused.
type chunk struct {
	first    int64
	leaves   []byte
	spans    []span
	openings []EntryOpening

	hashes []byte // of each entry, 32 bytes; zeros for one that is missing
	facts  []fact
	tiles  []tileSum
	done   chan struct{} // one token when a hasher has finished
}

// span is where a leaf lies in chunk.leaves; from is -1 for a row that is missing.
type span struct{ from, to int32 }

// tileSum is what is kept of a tile that was recomputed: its root, and a hash of its bytes to compare the stored one with.
type tileSum struct{ root, digest Hash }

// streamKey stands for the name of a stream. The seeds are random, so nobody can aim for a collision, and 128 bits do not meet one.
type streamKey [2]uint64

// fact is what was learnt of one entry.
type fact struct {
	glimpse
	err     error // it is not the one encoding of a leaf
	id      uint64
	key     streamKey
	opened  int
	strange []string // fields whose opening does not fit, or that are not sealed at all
	leaf    *Leaf    // decoded for the caller's own rules, and where it says which key signs; else nil
}

// newChunk makes room for what a chunk of small leaves needs, so that chunks do not grow in steps.
func newChunk(size int64) *chunk {
	n := int(max(0, min(size, maxChunkTiles*TileWidth)))
	return &chunk{
		leaves: make([]byte, 0, min(n*512, maxChunkBytes+MaxLeafBytes)), spans: make([]span, 0, n), hashes: make([]byte, 0, n*tlog.HashSize),
		facts: make([]fact, 0, n), done: make(chan struct{}, 1),
	}
}

func (c *chunk) reset(first int64) {
	c.first = first
	c.leaves, c.spans, c.openings = c.leaves[:0], c.spans[:0], c.openings[:0]
	c.hashes, c.facts, c.tiles = c.hashes[:0], c.facts[:0], c.tiles[:0]
}

func (c *chunk) full() bool {
	n := len(c.spans)
	return n > 0 && n%TileWidth == 0 && (n >= maxChunkTiles*TileWidth || len(c.leaves) >= maxChunkBytes)
}

// add copies a leaf behind the zero byte that its hash begins with; of one beyond the limit only so much that it is refused later.
func (c *chunk) add(leaf []byte) {
	c.leaves = append(c.leaves, 0)
	from := len(c.leaves)
	c.leaves = append(c.leaves, leaf[:min(len(leaf), MaxLeafBytes+1)]...)
	c.spans = append(c.spans, span{int32(from), int32(len(c.leaves))})
}

// leaf gives the bytes of the i-th entry, nil if its row is missing.
func (c *chunk) leaf(i int) []byte {
	s := c.spans[i]
	if s.from < 0 {
		return nil
	}
	return c.leaves[s.from:s.to]
}

// hasher does all work on entries that needs no order.
type hasher struct {
	ids, streamA, streamB maphash.Seed
	decode                bool
}

func (h *hasher) work(c *chunk) {
	var s scanner
	for i := range c.spans {
		leaf := c.leaf(i)
		if leaf == nil {
			c.hashes = append(c.hashes, make([]byte, tlog.HashSize)...)
			c.facts = append(c.facts, fact{})
			continue
		}
		sum := sha256.Sum256(c.leaves[c.spans[i].from-1 : c.spans[i].to]) // LeafHash without copying
		c.hashes = append(c.hashes, sum[:]...)
		c.facts = append(c.facts, fact{})
		s = scanner{b: leaf}
		h.learn(&c.facts[i], &s)
	}
	for b := c.hashes; len(b) >= TileBytes; b = b[TileBytes:] {
		c.tiles = append(c.tiles, tileSum{root: subtreeRoot(b[:TileBytes]), digest: sha256.Sum256(b[:TileBytes])})
	}
	for _, o := range c.openings {
		h.open(&c.facts[o.Index-c.first], o.Opening)
	}
}

func (h *hasher) learn(f *fact, s *scanner) {
	if f.err = f.scan(s); f.err != nil {
		return
	}
	f.id = maphash.Bytes(h.ids, f.glimpse.id)
	f.key = streamKey{maphash.Bytes(h.streamA, f.stream), maphash.Bytes(h.streamB, f.stream)}
	if h.decode || string(f.typ) == TypeGenesis || string(f.typ) == TypeKeyRotated {
		var l Leaf
		l, f.err = Decode(s.b)
		f.leaf = &l
	}
}

func (h *hasher) open(f *fact, o Opening) {
	if c := f.commitment(o.Field); c != nil && opens(c, o) {
		f.opened++
	} else {
		f.strange = append(f.strange, o.Field)
	}
}

// pipeline reads chunks, has them hashed by several goroutines and gives them back in order.
type pipeline struct {
	src     Source
	beside  Source // openings are read from it while src is read on; nil: from src, in between
	size    int64
	hasher  hasher
	workers int

	ended  int64 // the first index that was not read
	resume int64 // the next row there is, behind a gap too large to go on; 0 if there is none
}

// maxMissing is how many rows in a sequence may be missing before the reading stops: each stands in the tree as a zero hash.
const maxMissing = 1 << 20

// maxChunkOpenings bounds what one chunk keeps of openings.
const maxChunkOpenings = 1 << 18

// run calls consume for each chunk in order. It returns when all goroutines have ended.
func (p *pipeline) run(ctx context.Context, consume func(*chunk) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.workers == 0 {
		p.workers = min(runtime.GOMAXPROCS(0), 8)
	}
	free := make(chan *chunk, maxChunksInFlight)
	for range maxChunksInFlight {
		free <- newChunk(p.size)
	}
	work, order := make(chan *chunk, maxChunksInFlight), make(chan *chunk, maxChunksInFlight)
	closed := make(chan *chunk, maxChunksInFlight) // with entries, still without openings
	var wg sync.WaitGroup
	for range p.workers {
		wg.Go(func() {
			for c := range work {
				p.hasher.work(c)
				c.done <- struct{}{}
			}
		})
	}
	var readErr, openErr error
	wg.Go(func() {
		defer close(closed)
		readErr = p.read(ctx, free, closed)
	})
	wg.Go(func() {
		defer close(order)
		defer close(work)
		if openErr = p.readOpenings(ctx, closed, work, order); openErr != nil {
			cancel()
			for range closed { // the reader may be about to hand over one more
			}
		}
	})
	var err error
	for c := range order {
		<-c.done
		if err == nil {
			if err = consume(c); err != nil {
				cancel()
			}
		}
		free <- c
	}
	wg.Wait()
	for _, e := range []error{err, openErr, readErr} { // a later one may be no more than the end of the context
		if e != nil {
			return e
		}
	}
	return nil
}

// read fills chunks until the rows or the size end. The channels have room for every chunk there is, so only taking a free one waits.
func (p *pipeline) read(ctx context.Context, free <-chan *chunk, closed chan<- *chunk) error {
	for more := p.size > 0; more; {
		var c *chunk
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c = <-free:
		}
		c.reset(p.ended)
		var err error
		if more, err = p.fill(ctx, c); err != nil {
			return err
		}
		closed <- c
	}
	return ctx.Err()
}

// readOpenings completes chunks and hands them to the hashers.
func (p *pipeline) readOpenings(ctx context.Context, closed <-chan *chunk, work, order chan<- *chunk) error {
	for c := range closed {
		if p.beside != nil {
			if err := c.readOpenings(ctx, p.beside); err != nil {
				return err
			}
		}
		work <- c
		order <- c
	}
	return nil
}

// fill reads entries into c, and their openings unless these are read beside, and tells whether there may be more.
func (p *pipeline) fill(ctx context.Context, c *chunk) (more bool, err error) {
	if more, err = p.fillEntries(ctx, c); err != nil {
		return false, fmt.Errorf("reading entries from %d: %w", c.first, err)
	}
	if p.beside == nil {
		err = c.readOpenings(ctx, p.src)
	}
	return more, err
}

func (c *chunk) readOpenings(ctx context.Context, src Source) error {
	end := c.first + int64(len(c.spans))
	for o, err := range src.Openings(ctx, c.first, end) {
		if err == nil && (o.Index < c.first || o.Index >= end || len(c.openings) == maxChunkOpenings) {
			err = fmt.Errorf("opening of entry %d: out of range, or more than %d", o.Index, maxChunkOpenings)
		}
		if err != nil {
			return fmt.Errorf("reading openings from %d: %w", c.first, err)
		}
		c.openings = append(c.openings, o)
	}
	return nil
}

func (p *pipeline) fillEntries(ctx context.Context, c *chunk) (more bool, err error) {
	for e, err := range p.src.Entries(ctx, p.ended, p.size) {
		if err != nil {
			return false, err
		}
		if e.Index < p.ended || e.Index >= p.size {
			return false, fmt.Errorf("the source gives entry %d between %d and %d", e.Index, p.ended, p.size)
		}
		if e.Index-p.ended > maxMissing {
			p.resume = e.Index
			return false, nil
		}
		for ; p.ended < e.Index && !c.full(); p.ended++ {
			c.spans = append(c.spans, span{-1, -1})
		}
		if c.full() {
			return true, nil
		}
		c.add(e.Leaf)
		if p.ended++; c.full() { // without asking for one more: a bundle would read its file twice
			return p.ended < p.size, nil
		}
	}
	return false, nil
}
