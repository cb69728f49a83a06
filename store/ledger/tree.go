package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a node of the tree. Its text form is standard base64.
type Hash = tlog.Hash

// Dimensions of a C2SP tlog-tiles tile.
const (
	TileHeight = 8
	TileWidth  = 1 << TileHeight
	TileBytes  = TileWidth * tlog.HashSize
)

// markBytes is how much of each leaf hash beyond the last full tile the frontier keeps. Four bytes find a changed entry; that none
// was changed is proven by the full hashes. More would push the head row out of one page.
const markBytes = 4

// LeafHash is the RFC 6962 hash of an entry: SHA-256(0x00 || leaf).
func LeafHash(leaf []byte) Hash {
	var room [1024]byte
	return sha256.Sum256(append(room[:1], leaf...))
}

// NodeHash is the RFC 6962 hash of two subtrees: SHA-256(0x01 || left || right).
func NodeHash(left, right Hash) Hash {
	var b [1 + 2*tlog.HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+tlog.HashSize:], right[:])
	return sha256.Sum256(b[:])
}

// EmptyRoot is the root of a tree without entries: SHA-256 of nothing.
func EmptyRoot() Hash { return sha256.Sum256(nil) }

// Tile is a full tile: TileBytes bytes, the hashes of the nodes n*256 to n*256+255 at height 8*level of the tree. It never changes.
type Tile struct {
	Level  int
	N      int64
	Hashes []byte
}

// TilePath is where C2SP tlog-tiles keeps a tile: tile/<level>/<n>, with .p/<width> behind it for a partial one.
func TilePath(level int, n int64, width int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < TileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return fmt.Sprintf("tile/%d/%s", level, path)
}

// Tree is the right edge of the log's Merkle tree: enough to append, to give the root and to emit the tiles that fill up. It holds
// at most 255 hashes for each level of tiles. It is not safe for concurrent use; Clone is cheap.
type Tree struct {
	size  int64
	stack []Hash   // roots of the complete subtrees, largest first: one for each bit of size
	edge  [][]byte // by level, the hashes of the tile that is not full yet
}

// NewTree returns the tree without entries.
func NewTree() *Tree { return &Tree{} }

// Size is the number of entries.
func (t *Tree) Size() int64 { return t.size }

// Root is the RFC 6962 tree head.
func (t *Tree) Root() Hash { return foldRoots(t.stack) }

func foldRoots(stack []Hash) Hash {
	if len(stack) == 0 {
		return EmptyRoot()
	}
	h := stack[len(stack)-1]
	for i := len(stack) - 2; i >= 0; i-- {
		h = NodeHash(stack[i], h)
	}
	return h
}

// Append adds leaf hashes and returns the tiles that became full, in the order in which they did.
func (t *Tree) Append(leaves ...Hash) []Tile {
	var full []Tile
	for _, h := range leaves {
		full = t.appendNode(full, 0, h)
		t.size++
	}
	return full
}

// appendNode puts the root of a complete subtree of 2^height leaves at the right edge and joins what it completes.
func (t *Tree) appendNode(full []Tile, height int, h Hash) []Tile {
	full = t.appendEdge(full, height, h)
	for t.size>>height&1 == 1 {
		last := len(t.stack) - 1
		h = NodeHash(t.stack[last], h)
		t.stack = t.stack[:last]
		height++
		full = t.appendEdge(full, height, h)
	}
	t.stack = append(t.stack, h)
	return full
}

// appendEdge notes the hash in its tile, if one begins at this height.
func (t *Tree) appendEdge(full []Tile, height int, h Hash) []Tile {
	if height%TileHeight != 0 {
		return full
	}
	level := height / TileHeight
	if level == len(t.edge) {
		t.edge = append(t.edge, nil)
	}
	t.edge[level] = append(t.edge[level], h[:]...)
	if len(t.edge[level]) < TileBytes {
		return full
	}
	tile := Tile{Level: level, N: t.size >> (height + TileHeight), Hashes: t.edge[level]}
	t.edge[level] = nil
	return append(full, tile)
}

// appendTile adds 256 leaves at once, given the root of their tile. The size must be a multiple of 256; the tile of level 0 is not
// among those returned.
func (t *Tree) appendTile(root Hash) []Tile {
	if len(t.edge) == 0 {
		t.edge = append(t.edge, nil)
	}
	full := t.appendNode(nil, TileHeight, root)
	t.size += TileWidth
	return full
}

// Clone copies the tree, for a writer that may have to go back.
func (t *Tree) Clone() *Tree {
	c := &Tree{size: t.size, stack: append([]Hash(nil), t.stack...), edge: make([][]byte, len(t.edge))}
	for i, e := range t.edge {
		c.edge[i] = bytes.Clone(e)
	}
	return c
}

// Frontier is what the head row keeps beside size and root, so that a restart needs no more than TreeFromFrontier reads:
//
//	32 bytes for each bit of size: the roots of the complete subtrees, largest first
//	 4 bytes for each entry behind the last full tile: the first bytes of its leaf hash
//
// At most 63*32 + 255*4 bytes; 1.6 KB for a million entries. Full hashes of the right edge, 8 KB a level, would be rewritten with
// every commit; they can be recomputed from 255 entries and 255 tiles a level.
func (t *Tree) Frontier() []byte {
	b := make([]byte, 0, len(t.stack)*tlog.HashSize+int(t.size%TileWidth)*markBytes)
	for _, h := range t.stack {
		b = append(b, h[:]...)
	}
	if len(t.edge) > 0 {
		for e := t.edge[0]; len(e) > 0; e = e[tlog.HashSize:] {
			b = append(b, e[:markBytes]...)
		}
	}
	return b
}

// splitFrontier checks the length of a frontier and takes it apart.
func splitFrontier(size int64, frontier []byte) (stack []Hash, marks []byte, err error) {
	if size < 0 {
		return nil, nil, fmt.Errorf("reading frontier: size %d is negative", size)
	}
	ones := bits.OnesCount64(uint64(size))
	if want := ones*tlog.HashSize + int(size%TileWidth)*markBytes; len(frontier) != want {
		return nil, nil, fmt.Errorf("reading frontier: %d bytes for a tree of %d entries, want %d", len(frontier), size, want)
	}
	for range ones {
		stack = append(stack, Hash(frontier[:tlog.HashSize]))
		frontier = frontier[tlog.HashSize:]
	}
	return stack, frontier, nil
}

// FrontierRoot gives the root a stored frontier stands for, without reading anything else: a cheap check of the head row.
func FrontierRoot(size int64, frontier []byte) (Hash, error) {
	stack, _, err := splitFrontier(size, frontier)
	if err != nil {
		return Hash{}, err
	}
	return foldRoots(stack), nil
}

// ErrEdge is returned when stored entries or tiles of the right edge do not hash to the frontier: the rows were changed, or the head.
var ErrEdge = errors.New("the newest entries do not match the head of the ledger")

// TreeFromFrontier opens a tree for appending. tail are the leaf hashes of the last size%256 entries, in order, computed from the
// stored leaves; tiles gives the full tiles, of which at most 255 for each level are read. Everything read is checked
// against the frontier, so a tree that opens stands on rows that match the head.
func TreeFromFrontier(ctx context.Context, size int64, frontier []byte, tail []Hash, tiles TileReader) (*Tree, error) {
	stack, _, err := splitFrontier(size, frontier)
	if err != nil {
		return nil, err
	}
	if len(tail) != int(size%TileWidth) {
		return nil, fmt.Errorf("opening tree of %d entries: have %d leaf hashes behind the last full tile, want %d: %w",
			size, len(tail), size%TileWidth, ErrEdge)
	}
	t := &Tree{size: size, stack: stack}
	for _, h := range tail {
		t.growEdge(0, h)
	}
	for level := 0; size>>(TileHeight*(level+1)) > 0; level++ {
		if err := t.readEdge(ctx, level, tiles); err != nil {
			return nil, fmt.Errorf("opening tree of %d entries: %w", size, err)
		}
	}
	if at, ok := t.edgeMatches(); !ok {
		return nil, fmt.Errorf("opening tree of %d entries: level %d: %w", size, at, ErrEdge)
	}
	if !bytes.Equal(t.Frontier(), frontier) {
		return nil, fmt.Errorf("opening tree of %d entries: the marks of the newest: %w", size, ErrEdge)
	}
	return t, nil
}

func (t *Tree) growEdge(level int, h Hash) {
	for level >= len(t.edge) {
		t.edge = append(t.edge, nil)
	}
	t.edge[level] = append(t.edge[level], h[:]...)
}

// readEdge rebuilds the unfinished tile of level+1 from the roots of the full tiles of level.
func (t *Tree) readEdge(ctx context.Context, level int, tiles TileReader) error {
	end := t.size >> (TileHeight * (level + 1))
	t.growLevels(level + 1)
	for n := end &^ (TileWidth - 1); n < end; n++ {
		b, err := tiles.ReadTile(ctx, level, n)
		if err != nil {
			return fmt.Errorf("tile %d of level %d: %w", n, level, err)
		}
		if len(b) != TileBytes {
			return fmt.Errorf("tile %d of level %d has %d bytes, want %d: %w", n, level, len(b), TileBytes, ErrEdge)
		}
		t.growEdge(level+1, subtreeRoot(b))
	}
	return nil
}

func (t *Tree) growLevels(level int) {
	for level >= len(t.edge) {
		t.edge = append(t.edge, nil)
	}
}

// subtreeRoot joins a power of two of hashes.
func subtreeRoot(b []byte) Hash {
	var level [TileWidth]Hash
	n := len(b) / tlog.HashSize
	for i := range n {
		level[i] = Hash(b[i*tlog.HashSize:])
	}
	for ; n > 1; n /= 2 {
		for i := range n / 2 {
			level[i] = NodeHash(level[2*i], level[2*i+1])
		}
	}
	return level[0]
}

// edgeMatches checks the unfinished tile of each level against the roots of the stack that lie in it.
func (t *Tree) edgeMatches() (level int, ok bool) {
	rest := t.stack
	for level := len(t.edge) - 1; level >= 0; level-- {
		b := t.edge[level]
		for width := TileWidth / 2; width > 0; width /= 2 {
			if len(b)/tlog.HashSize&width == 0 {
				continue
			}
			cut := width * tlog.HashSize
			if subtreeRoot(b[:cut]) != rest[0] {
				return level, false
			}
			b, rest = b[cut:], rest[1:]
		}
	}
	return 0, len(rest) == 0
}

// ReadTile gives the unfinished tiles of the right edge, so that a Tree in memory serves as the second half of a TileReader; any
// other tile is ErrNoTile.
func (t *Tree) ReadTile(_ context.Context, level int, n int64) ([]byte, error) {
	if level < len(t.edge) && len(t.edge[level]) > 0 && n == t.size>>(TileHeight*(level+1)) {
		return t.edge[level], nil
	}
	return nil, fmt.Errorf("tile %d of level %d: %w", n, level, ErrNoTile)
}

// ParseTilePath is the inverse of TilePath. width is TileWidth for a full tile.
func ParseTilePath(path string) (level int, n int64, width int, err error) {
	full, partial, isPartial := strings.Cut(path, ".p/")
	width = TileWidth
	if isPartial {
		if _, err := fmt.Sscanf(partial, "%d", &width); err != nil {
			return 0, 0, 0, fmt.Errorf("reading tile path %q: %w", path, err)
		}
	}
	rest, ok := strings.CutPrefix(full, "tile/")
	lev, rest, ok2 := strings.Cut(rest, "/")
	if _, err := fmt.Sscanf(lev, "%d", &level); err != nil || !ok || !ok2 {
		return 0, 0, 0, fmt.Errorf("reading tile path %q: not like tile/0/x001/234", path)
	}
	for part := range strings.SplitSeq(rest, "/") {
		var d int64
		if _, err := fmt.Sscanf(strings.TrimPrefix(part, "x"), "%d", &d); err != nil || n > 1<<43 {
			return 0, 0, 0, fmt.Errorf("reading tile path %q: not like tile/0/x001/234", path)
		}
		n = n*1000 + d
	}
	if level < 0 || level > 7 || TilePath(level, n, width) != path {
		return 0, 0, 0, fmt.Errorf("reading tile path %q: not the one spelling of a tile", path)
	}
	return level, n, width, nil
}
