package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// TileReader gives the hashes that proofs are made of: TileBytes bytes for a full tile, fewer (a multiple of 32) for an unfinished one of
// the right edge, ErrNoTile for one beyond it.
type TileReader interface {
	ReadTile(ctx context.Context, level int, n int64) ([]byte, error)
}

// ErrNoTile says that the log holds no such tile.
var ErrNoTile = errors.New("no such tile")

// ErrProof says that a proof does not lead from its entry or its older tree to the root.
var ErrProof = errors.New("the proof does not hold")

// Layered reads each tile from the first reader that has it: the tables for full tiles, then the Tree in memory for the edge.
type Layered []TileReader

// ReadTile asks one reader after the other.
func (l Layered) ReadTile(ctx context.Context, level int, n int64) ([]byte, error) {
	for _, r := range l {
		b, err := r.ReadTile(ctx, level, n)
		if !errors.Is(err, ErrNoTile) {
			return b, err
		}
	}
	return nil, fmt.Errorf("tile %d of level %d: %w", n, level, ErrNoTile)
}

// nodeReader answers for any node of the tree, as x/mod asks for them, and keeps the tiles of one proof.
type nodeReader struct {
	ctx   context.Context
	tiles TileReader
	seen  map[tileID][]byte
}

// rememberer is a TileReader that knows nodes inside tiles: a Prover or a view of one.
type rememberer interface {
	node(ctx context.Context, id tileID, up int, k int64) (Hash, error)
}

type tileID struct {
	level int
	n     int64
}

// ReadHashes implements tlog.HashReader.
func (r *nodeReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		height, k := tlog.SplitStoredHashIndex(x)
		h, err := r.node(height, k)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

// node gives the root of the k-th complete subtree of 2^height leaves.
func (r *nodeReader) node(height int, k int64) (Hash, error) {
	level, up := height/TileHeight, height%TileHeight
	id := tileID{level, k << up >> TileHeight}
	if p, ok := r.tiles.(rememberer); ok {
		return p.node(r.ctx, id, up, k)
	}
	b, ok := r.seen[id]
	if !ok {
		var err error
		if b, err = r.tiles.ReadTile(r.ctx, id.level, id.n); err != nil {
			return Hash{}, err
		}
		r.seen[id] = b
	}
	from := int(k<<up&(TileWidth-1)) * tlog.HashSize
	to := from + tlog.HashSize<<up
	if to > len(b) || len(b) > TileBytes {
		return Hash{}, fmt.Errorf("tile %d of level %d has %d bytes, want %d: %w", id.n, id.level, len(b), to, ErrNoTile)
	}
	return subtreeRoot(b[from:to]), nil
}

func newNodeReader(ctx context.Context, r TileReader) *nodeReader {
	return &nodeReader{ctx: ctx, tiles: r, seen: make(map[tileID][]byte, 4)}
}

// RootAt gives the root the log had at an earlier size. It trusts the tiles.
func RootAt(ctx context.Context, r TileReader, size int64) (Hash, error) {
	if size == 0 {
		return EmptyRoot(), nil
	}
	nodes := newNodeReader(ctx, r)
	var stack []Hash
	for at, height := int64(0), bits.Len64(uint64(size))-1; height >= 0; height-- {
		if size>>height&1 == 0 {
			continue
		}
		h, err := nodes.node(height, at>>height)
		if err != nil {
			return Hash{}, fmt.Errorf("computing the root at size %d: %w", size, err)
		}
		stack, at = append(stack, h), at+1<<height
	}
	return foldRoots(stack), nil
}

// ProveInclusion proves that the entry at index is in the tree of the given size: the RFC 6962 audit path, from the leaf's sibling
// up.
func ProveInclusion(ctx context.Context, r TileReader, size, index int64) ([]Hash, error) {
	p, err := tlog.ProveRecord(size, index, newNodeReader(ctx, r))
	if err != nil {
		return nil, fmt.Errorf("proving entry %d in %d: %w", index, size, err)
	}
	return p, nil
}

// CheckInclusion checks an audit path. A failure is ErrProof.
func CheckInclusion(proof []Hash, size int64, root Hash, index int64, leaf Hash) error {
	if err := tlog.CheckRecord(proof, size, root, index, leaf); err != nil {
		return fmt.Errorf("entry %d in a ledger of %d: %w", index, size, ErrProof)
	}
	return nil
}

// ProveConsistency proves that the tree of size old is the beginning of that of size new. It is empty for old = 0.
func ProveConsistency(ctx context.Context, r TileReader, oldSize, newSize int64) ([]Hash, error) {
	if oldSize == 0 && newSize >= 0 {
		return nil, nil
	}
	p, err := tlog.ProveTree(newSize, oldSize, newNodeReader(ctx, r))
	if err != nil {
		return nil, fmt.Errorf("proving %d the beginning of %d: %w", oldSize, newSize, err)
	}
	return p, nil
}

// CheckConsistency checks such a proof. A failure is ErrProof.
func CheckConsistency(proof []Hash, oldSize int64, oldRoot Hash, newSize int64, newRoot Hash) error {
	if oldSize == 0 && newSize >= 0 && len(proof) == 0 && oldRoot == EmptyRoot() {
		return nil
	}
	if err := tlog.CheckTree(proof, newSize, newRoot, oldSize, oldRoot); err != nil {
		return fmt.Errorf("size %d as the beginning of size %d: %w", oldSize, newSize, ErrProof)
	}
	return nil
}

// Receipt proves, with nothing but a public key and the leaf, that the leaf is entry Index of a ledger: a C2SP tlog-proof.
// https://c2sp.org/tlog-proof
type Receipt struct {
	Index      int64
	Proof      []Hash
	Checkpoint []byte // the signed note, verbatim
	Extra      []byte // not covered by any signature; empty if there is none
}

const proofHeader = "c2sp.org/tlog-proof@v1\n"

// Text writes the receipt in the form of a .tlog-proof file.
func (r Receipt) Text() []byte {
	var b bytes.Buffer
	b.WriteString(proofHeader)
	if len(r.Extra) > 0 {
		fmt.Fprintf(&b, "extra %s\n", base64.StdEncoding.EncodeToString(r.Extra))
	}
	fmt.Fprintf(&b, "index %d\n", r.Index)
	for _, h := range r.Proof {
		fmt.Fprintf(&b, "%s\n", h)
	}
	b.WriteByte('\n')
	b.Write(r.Checkpoint)
	return b.Bytes()
}

// ParseReceipt reads a .tlog-proof file. Nothing is verified yet: see Receipt.Verify.
func ParseReceipt(text []byte) (Receipt, error) {
	head, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	body, ok2 := strings.CutPrefix(string(head)+"\n", proofHeader)
	if !ok || !ok2 || len(checkpoint) > maxNote {
		return Receipt{}, errors.New("reading receipt: this is not a tlog-proof of version 1")
	}
	r := Receipt{Checkpoint: checkpoint}
	line, rest, _ := strings.Cut(body, "\n")
	if extra, ok := strings.CutPrefix(line, "extra "); ok {
		var err error
		// Compared with its own encoding, because the decoder skips line ends.
		if r.Extra, err = base64.StdEncoding.DecodeString(extra); err != nil || extra == "" || base64.StdEncoding.EncodeToString(r.Extra) != extra {
			return Receipt{}, errors.New("reading receipt: the extra line is not base64")
		}
		line, rest, _ = strings.Cut(rest, "\n")
	}
	digits, ok := strings.CutPrefix(line, "index ")
	if r.Index, ok2 = parseDigits([]byte(digits)); !ok || !ok2 {
		return Receipt{}, fmt.Errorf("reading receipt: want a line with the index, have %q", line)
	}
	for line := range strings.Lines(rest) {
		h, err := parseHash(strings.TrimSuffix(line, "\n"))
		if err != nil || len(r.Proof) == maxProofHashes {
			return Receipt{}, fmt.Errorf("reading receipt: %q is not one of at most %d hashes", line, maxProofHashes)
		}
		r.Proof = append(r.Proof, h)
	}
	return r, nil
}

// parseHash reads the base64 of a hash in its one spelling: tlog.ParseHash lets trailing bits vary.
func parseHash(s string) (Hash, error) {
	var h Hash
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(h) || len(s) != base64.StdEncoding.EncodedLen(len(h)) {
		return Hash{}, fmt.Errorf("reading hash %q: not the base64 of 32 bytes", s)
	}
	copy(h[:], b)
	return h, nil
}

// Verify checks the checkpoint's signature with the keys given, and the way from the leaf to its root. It returns the checkpoint.
func (r Receipt) Verify(leaf []byte, origin string, keys note.Verifiers) (Checkpoint, error) {
	cp, err := OpenCheckpoint(r.Checkpoint, origin, keys)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("verifying receipt: %w", err)
	}
	if err := CheckInclusion(r.Proof, cp.Size, cp.Root, r.Index, LeafHash(leaf)); err != nil {
		return Checkpoint{}, fmt.Errorf("verifying receipt: %w", err)
	}
	return cp, nil
}

// String names the receipt in a line of text.
func (r Receipt) String() string { return "receipt for entry " + strconv.FormatInt(r.Index, 10) }
