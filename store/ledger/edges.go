package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// compareTiles compares all stored tiles with those recomputed. Where the entries are not those that were signed, the tiles still say
// which ones were changed.
func (v *verification) compareTiles(ctx context.Context) error {
	var wrong []Tile
	level, next := 0, int64(0) // the tile expected next
	for t, err := range v.src.Tiles(ctx) {
		if err != nil {
			return fmt.Errorf("reading tiles: %w", err)
		}
		if t.Level < 0 || t.Level > 7 || t.N < 0 || t.Level < level || t.Level == level && t.N < next {
			v.report.whole(CodeTile, "Tile %d of level %d cannot be there.", t.N, t.Level)
			continue
		}
		for ; level < t.Level; level, next = level+1, 0 {
			v.tilesMissing(level, next, v.tilesAt(level))
		}
		v.tilesMissing(level, next, min(t.N, v.tilesAt(level)))
		next = t.N + 1
		v.report.Tiles++
		switch {
		case t.N >= v.tilesAt(level):
			v.report.whole(CodeTile, "Tile %d of level %d is stored, but %d entries do not fill it.", t.N, t.Level, v.head.Size)
		case !v.tileHolds(t) && len(wrong) < maxProblems:
			wrong = append(wrong, Tile{Level: t.Level, N: t.N, Hashes: bytes.Clone(t.Hashes)})
		case !v.tileHolds(t):
			v.report.whole(CodeTile, "Tile %d of level %d differs from the entries.", t.N, t.Level)
		}
	}
	for ; v.tilesAt(level) > 0; level, next = level+1, 0 {
		v.tilesMissing(level, next, v.tilesAt(level))
	}
	for _, t := range wrong {
		if err := v.explainTile(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// tilesAt is how many full tiles of a level the head's size has.
func (v *verification) tilesAt(level int) int64 {
	if shift := TileHeight * (level + 1); shift < 63 {
		return v.head.Size >> shift
	}
	return 0
}

func (v *verification) tilesMissing(level int, from, to int64) {
	if from < to {
		v.report.whole(CodeTile, "Tiles %d to %d of level %d are missing.", from, to-1, level)
	}
}

// tileHolds tells whether a stored tile is the one recomputed; true for one that could not be, as entries are missing.
func (v *verification) tileHolds(t Tile) bool {
	if t.Level >= len(v.sums) || t.N >= int64(len(v.sums[t.Level])) {
		return true
	}
	return len(t.Hashes) == TileBytes && v.sums[t.Level][t.N].digest == Hash(sha256.Sum256(t.Hashes))
}

// explainTile says whether a tile or the entries under it were changed, and which.
func (v *verification) explainTile(ctx context.Context, t Tile) error {
	width := int64(1) << (TileHeight * (t.Level + 1))
	from := t.N * width
	if v.rootOK || len(t.Hashes) != TileBytes {
		v.report.whole(CodeTile, "Tile %d of level %d, over the entries %d to %d, was changed.", t.N, t.Level, from, from+width-1)
		return nil
	}
	if t.Level > 0 {
		v.explainUpperTile(t)
		return nil
	}
	return v.compareLeaves(ctx, from, from+TileWidth, func(i int, h Hash) bool {
		return bytes.Equal(h[:], t.Hashes[i*tlog.HashSize:(i+1)*tlog.HashSize])
	})
}

// explainUpperTile names ranges of entries whose own tile was changed with them; single entries are named by that tile otherwise.
func (v *verification) explainUpperTile(t Tile) {
	if v.report.Counts[CodeEntryChanged] > 0 {
		return
	}
	width := int64(1) << (TileHeight * t.Level)
	for i := range int64(TileWidth) {
		k := t.N*TileWidth + i
		if k >= int64(len(v.sums[t.Level-1])) || v.sums[t.Level-1][k].root == Hash(t.Hashes[i*tlog.HashSize:]) {
			continue
		}
		v.report.add(Problem{
			Code: CodeEntryChanged, Index: k * width,
			Text: fmt.Sprintf("One of the entries %d to %d was changed, and the tile over them with it.", k*width, (k+1)*width-1),
		})
	}
}

// compareLeaves reads entries again and names each whose hash is not the one that was kept when it was written.
func (v *verification) compareLeaves(ctx context.Context, from, to int64, same func(i int, h Hash) bool) error {
	for e, err := range v.src.Entries(ctx, from, to) {
		if err != nil {
			return fmt.Errorf("reading entries from %d again: %w", from, err)
		}
		if same(int(e.Index-from), LeafHash(e.Leaf)) {
			continue
		}
		p := Problem{Code: CodeEntryChanged, Index: e.Index}
		p.Text = fmt.Sprintf("Entry %d%s was changed: it is not what was hashed when it was written.", e.Index, v.locate(&p, e.Leaf))
		v.report.add(p)
	}
	return nil
}

// judgeFrontier compares the frontier of the head row and uses its marks to name changed entries behind the last full tile.
func (v *verification) judgeFrontier(ctx context.Context) error {
	if src, ok := v.src.(EdgeSource); ok {
		return v.judgeEdge(ctx, src)
	}
	stack, marks, err := splitFrontier(v.head.Size, v.head.Frontier)
	if err != nil {
		v.report.whole(CodeFrontier, "The frontier in the head row has the wrong length for %d entries.", v.head.Size)
		return nil
	}
	if v.rootOK {
		if !bytes.Equal(v.head.Frontier, v.tree.Frontier()) {
			v.report.whole(CodeFrontier, "The frontier in the head row was changed.")
		}
		return nil
	}
	if foldRoots(stack) != v.head.Root {
		v.report.whole(CodeFrontier, "The frontier in the head row does not give the root in the head row.")
	}
	return v.compareLeaves(ctx, v.head.Size&^(TileWidth-1), v.head.Size, func(i int, h Hash) bool {
		return bytes.Equal(h[:markBytes], marks[i*markBytes:(i+1)*markBytes])
	})
}

// judgeEdge compares unfinished tiles, and uses the lowest to name changed entries behind the last full one.
func (v *verification) judgeEdge(ctx context.Context, src EdgeSource) error {
	tiles, err := src.Edge(ctx)
	if err != nil {
		return fmt.Errorf("reading unfinished tiles: %w", err)
	}
	have := make(map[int][]byte, len(tiles))
	for _, t := range tiles {
		have[t.Level] = t.Hashes
	}
	for level, full := 0, v.head.Size; full > 0; level, full = level+1, full>>TileHeight {
		width := int(full % TileWidth)
		if got, ok := have[level]; width > 0 && (!ok || len(got) != width*tlog.HashSize) {
			v.report.whole(CodeTile, "The unfinished tile of level %d is missing, or not one for %d entries.", level, v.head.Size)
		} else if width > 0 && v.rootOK && !bytes.Equal(got, v.tree.edge[level]) {
			v.report.whole(CodeTile, "The unfinished tile of level %d, at the end of the ledger, was changed.", level)
		}
	}
	last := have[0]
	if v.rootOK || len(last) != int(v.head.Size%TileWidth)*tlog.HashSize {
		return nil
	}
	return v.compareLeaves(ctx, v.head.Size&^(TileWidth-1), v.head.Size, func(i int, h Hash) bool {
		return bytes.Equal(h[:], last[i*tlog.HashSize:(i+1)*tlog.HashSize])
	})
}
