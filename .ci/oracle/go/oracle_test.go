package oracle_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	tlogformat "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// given is what .ci/run hands over: ORACLE_BUNDLE, the folder of an export; ORACLE_VKEY, the ledger's public key; ORACLE_PROOF, what
// `countersign ledger prove` wrote for some entry of it.
func given(t *testing.T) (dir, vkey, proofFile string) {
	t.Helper()
	dir, vkey, proofFile = os.Getenv("ORACLE_BUNDLE"), os.Getenv("ORACLE_VKEY"), os.Getenv("ORACLE_PROOF")
	if dir == "" || vkey == "" || proofFile == "" {
		t.Skip("ORACLE_BUNDLE, ORACLE_VKEY and ORACLE_PROOF are not set: bash .ci/run oracle sets them")
	}
	return dir, vkey, proofFile
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leafHashes takes a file of entries apart by tessera's own reader of the format.
func leafHashes(raw []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(raw); err != nil {
		return nil, err
	}
	out := make([][]byte, 0, len(b.Entries))
	for _, e := range b.Entries {
		h := rfc6962.DefaultHasher.HashLeaf(e)
		out = append(out, h)
	}
	return out, nil
}

// tesseraFsck runs the checker with more workers than there can be wrong tiles: each worker ends at the first, and without any left the check
// would wait for ever.
func tesseraFsck(t *testing.T, dir, vkey string) error {
	t.Helper()
	v, err := note.NewVerifier(vkey)
	check(t, err)
	return fsck.New(v.Name(), v, client.FileFetcher{Root: dir}, leafHashes, fsck.Opts{N: 16}).Check(context.Background())
}

func head(t *testing.T, raw []byte, vkey string) *tlogformat.Checkpoint {
	t.Helper()
	v, err := note.NewVerifier(vkey)
	check(t, err)
	cp, rest, n, err := tlogformat.ParseCheckpoint(raw, v.Name(), v)
	check(t, err)
	if len(rest) > 0 || len(n.Sigs) != 1 || n.Sigs[0].Name != v.Name() {
		t.Fatalf("the checkpoint has %d bytes more and the signatures %v", len(rest), n.Sigs)
	}
	return cp
}

// TestTesseraFsck lets the file system checker of transparency-dev/tessera read checkpoint, tiles and entries of an export.
func TestTesseraFsck(t *testing.T) {
	dir, vkey, _ := given(t)
	check(t, tesseraFsck(t, dir, vkey))
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	check(t, err)
	cp := head(t, raw, vkey)
	t.Logf("tessera's fsck accepts %d entries of %s", cp.Size, cp.Origin)
}

// TestTesseraFsckRefuses holds that the check above can fail.
func TestTesseraFsckRefuses(t *testing.T) {
	dir, vkey, _ := given(t)
	largest := func(d string, under string) string {
		t.Helper()
		var found string
		var size int64
		check(t, filepath.WalkDir(filepath.Join(d, under), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err == nil && info.Size() > size {
				found, size = path, info.Size()
			}
			return err
		}))
		return found
	}
	flip := func(path string, at int) {
		t.Helper()
		b, err := os.ReadFile(path)
		check(t, err)
		b[(at+len(b))%len(b)] ^= 1
		check(t, os.WriteFile(path, b, 0o600))
	}
	for name, doctor := range map[string]func(d string){
		"an entry":        func(d string) { flip(largest(d, "tile/entries"), 100) },
		"a tile":          func(d string) { flip(largest(d, "tile/0"), 77) },
		"a missing tile":  func(d string) { check(t, os.Remove(largest(d, "tile/0"))) },
		"missing entries": func(d string) { check(t, os.Remove(largest(d, "tile/entries"))) },
		"the signature":   func(d string) { flip(filepath.Join(d, "checkpoint"), -10) },
		"the size":        func(d string) { flip(filepath.Join(d, "checkpoint"), strings.Index(read(t, d, "checkpoint"), "\n")+1) },
	} {
		t.Run(name, func(t *testing.T) {
			d := t.TempDir()
			check(t, os.CopyFS(d, os.DirFS(dir)))
			check(t, makeWritable(d))
			doctor(d)
			if tesseraFsck(t, d, vkey) == nil {
				t.Error("tessera accepts it")
			}
		})
	}
}

func makeWritable(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	check(t, err)
	return string(b)
}

// TestTesseraProofs lets tessera's client build proofs out of our tiles, and transparency-dev/merkle verify them: inclusion of entries
// at every kind of place, and that each head that was published or witnessed is the beginning of the last one.
func TestTesseraProofs(t *testing.T) {
	dir, vkey, _ := given(t)
	ctx := t.Context()
	cp := head(t, []byte(read(t, dir, "checkpoint")), vkey)
	f := client.FileFetcher{Root: dir}
	pb, err := client.NewProofBuilder(ctx, cp.Size, f.ReadTile)
	check(t, err)
	included := 0
	for _, i := range places(cp.Size) {
		b, err := client.GetEntryBundle(ctx, f.ReadEntryBundle, i/256, cp.Size)
		check(t, err)
		p, err := pb.InclusionProof(ctx, i)
		check(t, err)
		leaf := rfc6962.DefaultHasher.HashLeaf(b.Entries[i%256])
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, i, cp.Size, leaf, p, cp.Hash); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		if i+1 < cp.Size && proof.VerifyInclusion(rfc6962.DefaultHasher, i+1, cp.Size, leaf, p, cp.Hash) == nil {
			t.Errorf("entry %d is accepted at the next place", i)
		}
		included++
	}
	consistent := 0
	for _, name := range []string{"published.jsonl", "witness.jsonl"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue
		}
		check(t, err)
		for line := range bytes.Lines(raw) {
			var a struct{ Note string }
			check(t, json.Unmarshal(line, &a))
			old := head(t, []byte(a.Note), vkey)
			if old.Size == 0 {
				continue
			}
			p, err := pb.ConsistencyProof(ctx, old.Size, cp.Size)
			check(t, err)
			if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, cp.Size, p, old.Hash, cp.Hash); err != nil {
				t.Errorf("the head over %d is not the beginning of %d: %v", old.Size, cp.Size, err)
			}
			wrong := bytes.Clone(old.Hash)
			wrong[3] ^= 1
			if proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, cp.Size, p, wrong, cp.Hash) == nil {
				t.Errorf("another head over %d is accepted", old.Size)
			}
			consistent++
		}
	}
	if consistent < 3 {
		t.Errorf("%d heads compared: too few to say anything", consistent)
	}
	t.Logf("%d inclusion proofs and %d consistency proofs out of our tiles hold", included, consistent)
}

// places are indexes at the edges of tiles of every level, and some between.
func places(size uint64) []uint64 {
	seen := map[uint64]bool{}
	var out []uint64
	for _, i := range []uint64{0, 1, 2, 254, 255, 256, 257, 511, 512, 65534, 65535, 65536, 65537, 65791, 65792, size / 3, size / 2, size - 2, size - 1} {
		if i < size && !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}

// TestOurProofs reads what `countersign ledger prove` writes for an e-mail: each entry with its C2SP tlog-proof, verified by
// transparency-dev/merkle and by golang.org/x/mod/sumdb/tlog, the code behind the Go checksum database.
func TestOurProofs(t *testing.T) {
	_, vkey, proofFile := given(t)
	rest, err := os.ReadFile(proofFile)
	check(t, err)
	var entry []byte
	proven := 0
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		switch b.Type {
		case "COUNTERSIGN ENTRY":
			entry = b.Bytes
		case "C2SP TLOG PROOF":
			index, hashes, cpRaw := parseProof(t, string(b.Bytes))
			cp := head(t, cpRaw, vkey)
			check(t, proof.VerifyInclusion(rfc6962.DefaultHasher, index, cp.Size, rfc6962.DefaultHasher.HashLeaf(entry), hashes, cp.Hash))
			var p tlog.RecordProof
			for _, h := range hashes {
				p = append(p, tlog.Hash(h))
			}
			check(t, tlog.CheckRecord(p, int64(cp.Size), tlog.Hash(cp.Hash), int64(index), tlog.RecordHash(entry)))
			other := bytes.Clone(entry)
			other[len(other)/2] ^= 1
			if proof.VerifyInclusion(rfc6962.DefaultHasher, index, cp.Size, rfc6962.DefaultHasher.HashLeaf(other), hashes, cp.Hash) == nil {
				t.Error("another entry is accepted by the same proof")
			}
			proven++
		}
	}
	if proven == 0 {
		t.Error("there is no proof in it")
	}
	t.Logf("%d proofs of ours hold", proven)
}

// parseProof reads a C2SP tlog-proof: a header, the index, hashes in base64, an empty line, the checkpoint.
func parseProof(t *testing.T, text string) (index uint64, hashes [][]byte, checkpoint []byte) {
	t.Helper()
	top, cp, ok := strings.Cut(text, "\n\n")
	lines := strings.Split(top, "\n")
	if !ok || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		t.Fatalf("not a tlog-proof: %.80q", text)
	}
	number, ok := strings.CutPrefix(lines[1], "index ")
	if !ok {
		t.Fatalf("the second line is %q", lines[1])
	}
	index, err := strconv.ParseUint(number, 10, 64)
	check(t, err)
	for _, l := range lines[2:] {
		h, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(h) != 32 {
			t.Fatal(fmt.Errorf("the hash %q: %d bytes, %w", l, len(h), err))
		}
		hashes = append(hashes, h)
	}
	return index, hashes, []byte(cp)
}
