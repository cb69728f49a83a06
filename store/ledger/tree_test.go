package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/countersign-bot/countersign/store/ledger"
)

// naiveRoot is RFC 6962, 2.1, word for word.
func naiveRoot(leaves [][]byte) ledger.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := splitPoint(len(leaves))
	l, r := naiveRoot(leaves[:k]), naiveRoot(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, l[:], r[:]))
}

// splitPoint is the largest power of two below n.
func splitPoint(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

// naivePath is RFC 6962, 2.1.1.
func naivePath(m int, leaves [][]byte) []ledger.Hash {
	if len(leaves) == 1 {
		return nil
	}
	k := splitPoint(len(leaves))
	if m < k {
		return append(naivePath(m, leaves[:k]), naiveRoot(leaves[k:]))
	}
	return append(naivePath(m-k, leaves[k:]), naiveRoot(leaves[:k]))
}

// naiveConsistency is RFC 6962, 2.1.2.
func naiveConsistency(m int, leaves [][]byte, whole bool) []ledger.Hash {
	if m == len(leaves) {
		if whole {
			return nil
		}
		return []ledger.Hash{naiveRoot(leaves)}
	}
	k := splitPoint(len(leaves))
	if m <= k {
		return append(naiveConsistency(m, leaves[:k], whole), naiveRoot(leaves[k:]))
	}
	return append(naiveConsistency(m-k, leaves[k:], false), naiveRoot(leaves[:k]))
}

func numbered(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = binary.BigEndian.AppendUint32(nil, uint32(i))
	}
	return out
}

// tiles is a TileReader over full tiles.
type tiles map[[2]int64][]byte

func (m tiles) add(list []ledger.Tile) {
	for _, t := range list {
		m[[2]int64{int64(t.Level), t.N}] = t.Hashes
	}
}

func (m tiles) ReadTile(_ context.Context, level int, n int64) ([]byte, error) {
	if b, ok := m[[2]int64{int64(level), n}]; ok {
		return b, nil
	}
	return nil, ledger.ErrNoTile
}

// All proofs of all trees of up to 300 entries, against RFC 6962 written down naively; x/mod checks them, and nothing else passes.
func TestProofsExhaustively(t *testing.T) {
	const limit = 300
	ctx, leaves := context.Background(), numbered(limit)
	tree, full := ledger.NewTree(), tiles{}
	roots := []ledger.Hash{tree.Root()}
	for n := 1; n <= limit; n++ {
		full.add(tree.Append(ledger.LeafHash(leaves[n-1])))
		root := tree.Root()
		if want := naiveRoot(leaves[:n]); root != want || tree.Size() != int64(n) {
			t.Fatalf("root of %d entries: %v, want %v", n, root, want)
		}
		roots = append(roots, root)
		r := ledger.Layered{full, tree}
		for i := range n {
			checkInclusion(ctx, t, r, leaves[:n], i, root)
		}
		for m := 1; m <= n; m++ {
			p, err := ledger.ProveConsistency(ctx, r, int64(m), int64(n))
			if err != nil {
				t.Fatal(err)
			}
			if n%7 == 0 && !slices.Equal(p, naiveConsistency(m, leaves[:n], true)) {
				t.Fatalf("consistency of %d with %d differs from RFC 6962", m, n)
			}
			if err := ledger.CheckConsistency(p, int64(m), roots[m], int64(n), root); err != nil {
				t.Fatal(err)
			}
			if m < n && ledger.CheckConsistency(p, int64(m), roots[m-1], int64(n), root) == nil {
				t.Fatalf("consistency of %d with %d holds for another root", m, n)
			}
			if at, err := ledger.RootAt(ctx, r, int64(m)); n%50 == 0 && (err != nil || at != roots[m]) {
				t.Fatalf("RootAt(%d) of %d: %v, %v", m, n, at, err)
			}
		}
	}
}

func checkInclusion(ctx context.Context, t *testing.T, r ledger.TileReader, leaves [][]byte, i int, root ledger.Hash) {
	t.Helper()
	n := int64(len(leaves))
	p, err := ledger.ProveInclusion(ctx, r, n, int64(i))
	if err != nil {
		t.Fatal(err)
	}
	if n%7 == 0 && !slices.Equal(p, naivePath(i, leaves)) {
		t.Fatalf("path of %d in %d differs from RFC 6962", i, n)
	}
	leaf := ledger.LeafHash(leaves[i])
	if err := ledger.CheckInclusion(p, n, root, int64(i), leaf); err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckRecord(p, n, root, int64(i), tlog.RecordHash(leaves[i])); err != nil {
		t.Fatal(err)
	}
	other := (i + 1) % len(leaves)
	if n > 1 && ledger.CheckInclusion(p, n, root, int64(other), leaf) == nil {
		t.Fatalf("the proof of %d in %d holds for %d", i, n, other)
	}
}

func TestProofsRefuse(t *testing.T) {
	ctx := context.Background()
	tree := ledger.NewTree()
	tree.Append(ledger.LeafHash(nil))
	for _, c := range [][2]int64{{1, 1}, {1, -1}, {0, 0}, {-1, 0}} {
		if _, err := ledger.ProveInclusion(ctx, tree, c[0], c[1]); err == nil {
			t.Errorf("entry %d of %d is proven", c[1], c[0])
		}
	}
	if p, err := ledger.ProveConsistency(ctx, tree, 0, 1); err != nil || len(p) != 0 {
		t.Errorf("the empty tree: %v, %v", p, err)
	}
	if err := ledger.CheckConsistency(nil, 0, ledger.EmptyRoot(), 1, tree.Root()); err != nil {
		t.Error(err)
	}
	if err := ledger.CheckConsistency(nil, 0, tree.Root(), 1, tree.Root()); !errors.Is(err, ledger.ErrProof) {
		t.Errorf("an empty tree with a root of another: %v", err)
	}
	if _, err := ledger.ProveInclusion(ctx, tree, 2, 0); !errors.Is(err, ledger.ErrNoTile) {
		t.Errorf("a size that is not there yet: %v", err)
	}
}

// Tiles are those of x/mod, byte for byte, through three levels.
func TestTilesAreThoseOfXMod(t *testing.T) {
	n := 65_536 + 600
	if testing.Short() {
		n = 1000
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(idx []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(idx))
		for i, x := range idx {
			out[i] = stored[x]
		}
		return out, nil
	})
	tree := ledger.NewTree()
	var got []ledger.Tile
	for i, leaf := range numbered(n) {
		h := ledger.LeafHash(leaf)
		more, err := tlog.StoredHashesForRecordHash(int64(i), h, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		got = append(got, tree.Append(h)...)
	}
	want, err := tlog.TreeHash(int64(n), reader)
	if err != nil || tree.Root() != want {
		t.Errorf("root %v, want %v, %v", tree.Root(), want, err)
	}
	wanted := 0
	for _, tile := range tlog.NewTiles(ledger.TileHeight, 0, int64(n)) {
		data, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			t.Fatal(err)
		}
		if tile.W == ledger.TileWidth {
			wanted++
			if k := slices.IndexFunc(got, func(g ledger.Tile) bool { return g.Level == tile.L && g.N == tile.N }); k < 0 || !bytes.Equal(got[k].Hashes, data) {
				t.Fatalf("tile %d of level %d differs", tile.N, tile.L)
			}
			continue
		}
		if edge, err := tree.ReadTile(context.Background(), tile.L, tile.N); err != nil || !bytes.Equal(edge, data) {
			t.Errorf("edge tile %d of level %d: %d bytes, want %d, %v", tile.N, tile.L, len(edge), len(data), err)
		}
	}
	if wanted != len(got) {
		t.Errorf("%d tiles, want %d", len(got), wanted)
	}
}

// A tree opened from its stored rows goes on as the one that never stopped, at every kind of edge.
func TestTreeFromFrontier(t *testing.T) {
	ctx := context.Background()
	leaves := numbered(66_400)
	sizes := []int{0, 1, 2, 3, 127, 128, 255, 256, 257, 511, 512, 767, 1000, 65_535, 65_536, 65_537, 65_792, 66_303}
	tree, full := ledger.NewTree(), tiles{}
	for i, leaf := range leaves {
		if slices.Contains(sizes, i) {
			reopened := reopen(ctx, t, tree, full, leaves)
			copied := tree.Clone()
			for _, next := range leaves[i : i+90] {
				a, b := reopened.Append(ledger.LeafHash(next)), copied.Append(ledger.LeafHash(next))
				if reopened.Root() != copied.Root() || len(a) != len(b) || !bytes.Equal(reopened.Frontier(), copied.Frontier()) {
					t.Fatalf("the tree opened at %d differs at %d", i, reopened.Size())
				}
			}
		}
		full.add(tree.Append(ledger.LeafHash(leaf)))
	}
}

func reopen(ctx context.Context, t *testing.T, tree *ledger.Tree, full tiles, leaves [][]byte) *ledger.Tree {
	t.Helper()
	size := tree.Size()
	var tail []ledger.Hash
	for _, leaf := range leaves[size&^255 : size] {
		tail = append(tail, ledger.LeafHash(leaf))
	}
	opened, err := ledger.TreeFromFrontier(ctx, size, tree.Frontier(), tail, full)
	if err != nil {
		t.Fatal(err)
	}
	if root, err := ledger.FrontierRoot(size, tree.Frontier()); err != nil || root != tree.Root() || opened.Root() != root {
		t.Fatalf("root of the frontier of %d: %v, %v", size, root, err)
	}
	if len(tail) > 0 {
		marked := tree.Frontier()
		marked[len(marked)-1] ^= 1
		if _, err := ledger.TreeFromFrontier(ctx, size, marked, tail, full); !errors.Is(err, ledger.ErrEdge) {
			t.Errorf("a changed mark in the frontier of %d: %v", size, err)
		}
		tail[len(tail)/2][5] ^= 1
		if _, err := ledger.TreeFromFrontier(ctx, size, tree.Frontier(), tail, full); !errors.Is(err, ledger.ErrEdge) {
			t.Errorf("a changed entry at the edge of %d: %v", size, err)
		}
		if _, err := ledger.TreeFromFrontier(ctx, size, tree.Frontier(), tail[1:], full); !errors.Is(err, ledger.ErrEdge) {
			t.Errorf("a lost entry at the edge of %d: %v", size, err)
		}
	}
	return opened
}

func TestTreeFromFrontierRefusesChangedTiles(t *testing.T) {
	ctx := context.Background()
	tree, full := ledger.NewTree(), tiles{}
	for _, leaf := range numbered(1024) {
		full.add(tree.Append(ledger.LeafHash(leaf)))
	}
	if _, err := ledger.TreeFromFrontier(ctx, 1024, tree.Frontier(), nil, full); err != nil {
		t.Fatal(err)
	}
	full[[2]int64{0, 2}][77] ^= 4
	if _, err := ledger.TreeFromFrontier(ctx, 1024, tree.Frontier(), nil, full); !errors.Is(err, ledger.ErrEdge) {
		t.Errorf("a changed tile: %v", err)
	}
	delete(full, [2]int64{0, 2})
	if _, err := ledger.TreeFromFrontier(ctx, 1024, tree.Frontier(), nil, full); !errors.Is(err, ledger.ErrNoTile) {
		t.Errorf("a lost tile: %v", err)
	}
	if _, err := ledger.TreeFromFrontier(ctx, 1023, tree.Frontier(), nil, full); err == nil {
		t.Error("a frontier of another size passes")
	}
}

func TestTilePaths(t *testing.T) {
	for path, want := range map[string][3]int64{
		"tile/0/000":           {0, 0, 256},
		"tile/1/x001/234":      {1, 1234, 256},
		"tile/2/x001/x234/067": {2, 1234067, 256},
		"tile/0/x001/234.p/7":  {0, 1234, 7},
	} {
		if got := ledger.TilePath(int(want[0]), want[1], int(want[2])); got != path {
			t.Errorf("%v: %q, want %q", want, got, path)
		}
		level, n, width, err := ledger.ParseTilePath(path)
		if err != nil || fmt.Sprint([]int64{int64(level), n, int64(width)}) != fmt.Sprint(want[:]) {
			t.Errorf("%q: %d %d %d %v", path, level, n, width, err)
		}
	}
	for _, path := range []string{"", "tile", "tile/0", "tile/0/1", "tile/9/000", "tile/0/x000/001", "tile/0/000.p/0x", "tile/-1/000", "../000", "tile/0/x001/../001"} {
		if _, _, _, err := ledger.ParseTilePath(path); err == nil {
			t.Errorf("%q is accepted", path)
		}
	}
}
