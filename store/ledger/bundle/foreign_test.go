package bundle_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/countersign-bot/countersign/store/ledger"
)

// tileFiles reads the tiles of a folder for x/mod, which calls them tile/8/<L>/<N> where C2SP says tile/<L>/<N>.
type tileFiles struct{ dir string }

func (tileFiles) Height() int { return 8 }

func (f tileFiles) ReadTiles(tiles []tlog.Tile) (out [][]byte, err error) {
	for _, t := range tiles {
		b, err := os.ReadFile(filepath.Join(f.dir, "tile", strings.TrimPrefix(t.Path(), "tile/8/")))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func (tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

// TestForeignVerifierAcceptsBundles reads a bundle with golang.org/x/mod alone, the code that guards the Go checksum database: signature,
// tiles, every entry's inclusion proof out of the tiles, and the proof that the published head is the beginning of the last one.
func TestForeignVerifierAcceptsBundles(t *testing.T) {
	w := newWritten(t, 700)
	dir := w.export("b")
	open := func(msg []byte, vkey string) (size int64, root tlog.Hash) {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		n, err := note.Open(msg, note.VerifierList(v))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(n.Text, "\n")
		if size, err = strconv.ParseInt(lines[1], 10, 64); err == nil {
			root, err = tlog.ParseHash(lines[2])
		}
		if err != nil || len(lines) != 4 || lines[0] != testOrigin {
			t.Fatalf("checkpoint %q: %v", n.Text, err)
		}
		return size, root
	}
	checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	size, root := open(checkpoint, w.key.VKey())
	if size != 700 {
		t.Fatalf("%d entries", size)
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tileFiles{dir})
	var leaves [][]byte
	for n := range (size + 255) / 256 {
		path := fmt.Sprintf("tile/entries/%03d", n)
		if size-n*256 < 256 {
			path += fmt.Sprintf(".p/%d", size-n*256)
		}
		raw, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		for len(raw) > 0 {
			length := 2 + int(binary.BigEndian.Uint16(raw))
			leaves = append(leaves, raw[2:length])
			raw = raw[length:]
		}
	}
	for i, leaf := range leaves {
		proof, err := tlog.ProveRecord(size, int64(i), hashes)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, size, root, int64(i), tlog.RecordHash(leaf)); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	old, oldRoot := open(w.published[0].Note, testKey(t, "first").VKey())
	proof, err := tlog.ProveTree(size, old, hashes)
	if err == nil {
		err = tlog.CheckTree(proof, size, root, old, oldRoot)
	}
	if err != nil || int64(len(leaves)) != size {
		t.Errorf("the published head over %d entries is not the beginning of %d: %v", old, len(leaves), err)
	}
	wrong := slices.Clone(proof)
	wrong[0][0] ^= 1
	if tlog.CheckTree(wrong, size, root, old, oldRoot) == nil || tlog.CheckTree(proof, size, root, old, ledger.EmptyRoot()) == nil {
		t.Error("a wrong proof is accepted: the test proves nothing")
	}
}
