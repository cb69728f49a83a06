package ledger

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// Prover is a TileReader that remembers the nodes inside the tiles it has read, for whoever proves more than one entry. A proof needs
// a node at each height; those between the rows of tiles are stored nowhere, and computing them takes all the time a proof takes. Upper
// tiles are few and in every proof: with them remembered only the 255 nodes over the entry's own 256 are left to compute. It is
// safe for concurrent use if what it reads from is.
type Prover struct {
	tiles TileReader

	mu    sync.Mutex
	inner map[tileID]*innerNodes
	low   []tileID // of level 0, oldest first
	high  []tileID // of the others
}

// What a Prover keeps, at 16 KB a tile: the upper tiles of 16 million entries, and the latest of the lowest.
const (
	maxHighTiles = 257
	maxLowTiles  = 32
)

// innerNodes is the tree over a tile as a heap: the root at 1, the children of i at 2i and 2i+1, the tile itself from 256 on. Of an
// unfinished tile only complete subtrees are there: these never change, so what was remembered of a tile stays right when it grows.
type innerNodes struct {
	width int
	nodes [2 * TileWidth]Hash
}

// NewProver reads tiles from r.
func NewProver(r TileReader) *Prover {
	return &Prover{tiles: r, inner: make(map[tileID]*innerNodes)}
}

// ReadTile implements TileReader.
func (p *Prover) ReadTile(ctx context.Context, level int, n int64) ([]byte, error) {
	return p.tiles.ReadTile(ctx, level, n)
}

// With gives a reader that sees edge, the unfinished tiles of one state of the log, before all others, and shares what p remembers. The
// log may go on meanwhile: what is remembered of a tile stays right when it grows.
func (p *Prover) With(edge TileReader) TileReader {
	return &proverView{p, Layered{edge, p.tiles}}
}

// proverView is a Prover that reads from elsewhere.
type proverView struct {
	*Prover
	tiles TileReader
}

// ReadTile implements TileReader.
func (v *proverView) ReadTile(ctx context.Context, level int, n int64) ([]byte, error) {
	return v.tiles.ReadTile(ctx, level, n)
}

func (v *proverView) node(ctx context.Context, id tileID, up int, k int64) (Hash, error) {
	return v.nodeFrom(ctx, v.tiles, id, up, k)
}

func (p *Prover) node(ctx context.Context, id tileID, up int, k int64) (Hash, error) {
	return p.nodeFrom(ctx, p.tiles, id, up, k)
}

// nodeFrom gives the root of the k-th subtree of 2^up hashes of a row of tiles.
func (p *Prover) nodeFrom(ctx context.Context, tiles TileReader, id tileID, up int, k int64) (Hash, error) {
	row := int64(TileWidth) >> up
	at := row + k%row
	need := int(k%row+1) << up
	p.mu.Lock()
	in := p.inner[id]
	p.mu.Unlock()
	if in != nil && in.width >= need {
		return in.nodes[at], nil
	}
	b, err := tiles.ReadTile(ctx, id.level, id.n)
	if err != nil {
		return Hash{}, err
	}
	if len(b) > TileBytes || len(b) < need*tlog.HashSize {
		return Hash{}, fmt.Errorf("tile %d of level %d has %d bytes, want %d: %w", id.n, id.level, len(b), need*tlog.HashSize, ErrNoTile)
	}
	in = newInnerNodes(b)
	p.keep(id, in)
	return in.nodes[at], nil
}

func newInnerNodes(b []byte) *innerNodes {
	in := &innerNodes{width: len(b) / tlog.HashSize}
	for i := range in.width {
		in.nodes[TileWidth+i] = Hash(b[i*tlog.HashSize:])
	}
	for row, n := TileWidth/2, in.width/2; row > 0; row, n = row/2, n/2 {
		for i := row; i < row+n; i++ {
			in.nodes[i] = NodeHash(in.nodes[2*i], in.nodes[2*i+1])
		}
	}
	return in
}

func (p *Prover) keep(id tileID, in *innerNodes) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list, most := &p.low, maxLowTiles
	if id.level > 0 {
		list, most = &p.high, maxHighTiles
	}
	if _, known := p.inner[id]; known {
		p.inner[id] = in // it has grown, or another proof was faster
		return
	}
	if len(*list) == most {
		delete(p.inner, (*list)[0])
		*list = (*list)[1:]
	}
	p.inner[id] = in
	*list = append(*list, id)
}
