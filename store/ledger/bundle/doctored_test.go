package bundle_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
)

// contents are the files of a bundle in memory, to be changed and packed again.
type contents map[string][]byte

func unpack(t testing.TB, dir string) contents {
	t.Helper()
	out := contents{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(rel)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// resum makes manifest and sums fit again, as a forger would who knows the format.
func (c contents) resum(t testing.TB) {
	t.Helper()
	var m bundle.Manifest
	if err := json.Unmarshal(c["MANIFEST.json"], &m); err != nil {
		t.Fatal(err)
	}
	m.Files = nil
	sum := func(name string) string {
		s := sha256.Sum256(c[name])
		return hex.EncodeToString(s[:])
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(c)), func(n string) bool { return n == "MANIFEST.json" || n == "SHA256SUMS" })
	for _, n := range names {
		m.Files = append(m.Files, bundle.File{Name: n, Bytes: int64(len(c[n])), SHA256: sum(n)})
	}
	if text, _, ok := bytes.Cut(c["checkpoint"], []byte("\n\n")); ok {
		if cp, err := ledger.ParseCheckpoint(string(text) + "\n"); err == nil {
			m.Rows, m.Root = cp.Size, cp.Root.String()
		}
	}
	c["MANIFEST.json"], _ = json.Marshal(m)
	var sums strings.Builder
	for _, n := range append(names, "MANIFEST.json") {
		fmt.Fprintf(&sums, "%s  %s\n", sum(n), n)
	}
	c["SHA256SUMS"] = []byte(sums.String())
}

func (c contents) zip(t testing.TB, more ...func(*zip.Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, n := range slices.Sorted(maps.Keys(c)) {
		add(t, w, &zip.FileHeader{Name: n, Method: zip.Deflate}, c[n])
	}
	for _, f := range more {
		f(w)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func add(t testing.TB, w *zip.Writer, h *zip.FileHeader, b []byte) {
	t.Helper()
	f, err := w.CreateHeader(h)
	if err == nil {
		_, err = f.Write(b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func replace(c contents, name, old, with string) {
	if !bytes.Contains(c[name], []byte(old)) {
		panic(fmt.Sprintf("%s does not contain %q", name, old))
	}
	c[name] = bytes.Replace(c[name], []byte(old), []byte(with), 1)
}

// leavesOf takes a file of entries apart, and leavesTo puts it together.
func leavesOf(raw []byte) (out [][]byte) {
	for len(raw) > 0 {
		n := 2 + binary.BigEndian.Uint16(raw)
		out, raw = append(out, raw[2:n]), raw[n:]
	}
	return out
}

func leavesTo(leaves [][]byte) (raw []byte) {
	for _, l := range leaves {
		raw = append(binary.BigEndian.AppendUint16(raw, uint16(len(l))), l...)
	}
	return raw
}

const lastEntries = "tile/entries/002.p/88" // of the ledger of 600 entries that is doctored

// doctored are bundles that somebody changed, with what the verifier must say. Where sums is true the forger made the sums fit.
func doctored(t testing.TB, w *written) []struct {
	name, says string
	sums       bool
	change     func(contents)
} {
	return []struct {
		name, says string
		sums       bool
		change     func(contents)
	}{
		{"entry edited", "Entry 1 (number 1 of request/r_1, vote.recorded) was changed", true, func(c contents) {
			replace(c, "tile/entries/000", `"verdict":"approve"`, `"verdict":"refused"`)
		}},
		{"entry edited, sums left", "tile/entries/000 was changed after the manifest", false, func(c contents) {
			replace(c, "tile/entries/000", `"verdict":"approve"`, `"verdict":"refused"`)
		}},
		{"newest entry edited", "Entry 512", true, func(c contents) {
			replace(c, lastEntries, `"verdict":"approve"`, `"verdict":"refused"`)
		}},
		{"entry and its tile edited", "root", true, func(c contents) {
			replace(c, "tile/entries/000", `"verdict":"approve"`, `"verdict":"refused"`)
			var row []byte
			for _, l := range leavesOf(c["tile/entries/000"]) {
				h := ledger.LeafHash(l)
				row = append(row, h[:]...)
			}
			c["tile/0/000"] = row
		}},
		{"entries swapped", "comes after number", true, func(c contents) {
			l := leavesOf(c["tile/entries/001"])
			l[10], l[15] = l[15], l[10]
			c["tile/entries/001"] = leavesTo(l)
		}},
		{"entry dropped", "does not hold 256 entries", true, func(c contents) {
			c["tile/entries/001"] = leavesTo(slices.Delete(leavesOf(c["tile/entries/001"]), 9, 10))
		}},
		{"file of entries dropped", "Entries 256 to 511 are missing", true, func(c contents) { delete(c, "tile/entries/001") }},
		{"huge length", "does not hold 256 entries", true, func(c contents) { copy(c["tile/entries/001"], "\xff\xff") }},
		{"entries cut off", "does not hold 88 entries", true, func(c contents) { c[lastEntries] = c[lastEntries][:len(c[lastEntries])/2] }},
		{"tail cut with its signature", "does not belong to a ledger of", true, func(c contents) {
			c["checkpoint"] = w.published[0].Note
		}},
		{"tile flipped", "Tile 1 of level 0", true, func(c contents) { c["tile/0/001"][77] ^= 1 }},
		{"tile missing", "Tiles 1 to 1 of level 0 are missing", true, func(c contents) { delete(c, "tile/0/001") }},
		{"edge flipped", "unfinished tile of level 0", true, func(c contents) { c["tile/0/002.p/88"][3] ^= 1 }},
		{"upper edge missing", "unfinished tile of level 1", true, func(c contents) { delete(c, "tile/1/000.p/2") }},
		{"signature flipped", "not one that the ledger's key has signed", true, func(c contents) {
			n := c["checkpoint"]
			if n[len(n)-10]++; n[len(n)-10] == 'Z'+1 || n[len(n)-10] == 'z'+1 || n[len(n)-10] == '9'+1 {
				n[len(n)-10] = 'A'
			}
		}},
		{"signed by somebody else", "not one that the ledger's key has signed", true, func(c contents) {
			head, err := w.tree.Head(testOrigin, signerOf(t, testKey(t, "forger")))
			if err != nil {
				t.Fatal(err)
			}
			c["checkpoint"] = head.Note
		}},
		{"signed by the key that was replaced", "not one that the ledger's key has signed", true, func(c contents) {
			head, err := w.tree.Head(testOrigin, signerOf(t, testKey(t, "first")))
			if err != nil {
				t.Fatal(err)
			}
			c["checkpoint"] = head.Note
		}},
		{"policy edited", "was changed: its bytes", true, func(c contents) {
			for n := range c {
				if strings.HasPrefix(n, "documents/") {
					replace(c, n, "prod", "test")
				}
			}
		}},
		{"policy missing", "is not there", true, func(c contents) {
			maps.DeleteFunc(c, func(n string, _ []byte) bool { return strings.HasPrefix(n, "documents/") })
		}},
		{"text edited", "has a text beside it", true, func(c contents) { replace(c, "openings.jsonl", "wegen", "gegen") }},
		{"text for another field", "has a text beside it", true, func(c contents) {
			replace(c, "openings.jsonl", `"field":"reason"`, `"field":"season"`)
		}},
		{"text for no entry", "there is no entry 999999", true, func(c contents) {
			lines := bytes.SplitAfter(c["openings.jsonl"], []byte("\n"))
			last := lines[len(lines)-2]
			_, rest, _ := bytes.Cut(last, []byte(","))
			c["openings.jsonl"] = append(c["openings.jsonl"], append([]byte(`{"entry":999999,`), rest...)...)
		}},
		{"texts deeply nested", "openings.jsonl", true, func(c contents) {
			c["openings.jsonl"] = append([]byte(strings.Repeat(`{"entry":`, 40_000)+strings.Repeat("}", 40_000)+"\n"), c["openings.jsonl"]...)
		}},
		{"published checkpoint of another ledger", "not those of the checkpoint that was published", true, func(c contents) {
			other := newWritten(t, 300)
			other.entries = other.entries[:2]
			other.tree = ledger.NewTree()
			for range 300 {
				other.tree.Append(ledger.LeafHash([]byte("{}")))
			}
			other.sign(testKey(t, "first"))
			line, err := other.head.Anchor("published", 0).Line()
			if err != nil {
				t.Fatal(err)
			}
			c["published.jsonl"] = line
		}},
		{"witness remembers more", "entries are gone", true, func(c contents) {
			more := newWritten(t, 601)
			line, err := more.head.Anchor("witness file", 0).Line()
			if err != nil {
				t.Fatal(err)
			}
			c["witness.jsonl"] = append(c["witness.jsonl"], line...)
		}},
		{"witness line cut", "witness.jsonl", true, func(c contents) { c["witness.jsonl"] = c["witness.jsonl"][:len(c["witness.jsonl"])-9] }},
		{"page edited", "index.html was changed after", false, func(c contents) { c["index.html"] = []byte("<p>all was well") }},
		{"page added", "it was added", false, func(c contents) { c["pages/000001.html"] = []byte("<p>more") }},
		{"page missing", "is missing: the manifest lists it", false, func(c contents) { delete(c, "pages/000000.html") }},
		{"manifest about more rows", "The manifest is about 601 entries", false, func(c contents) {
			replace(c, "MANIFEST.json", `"rows": 600`, `"rows": 601`)
		}},
		{"sums missing", `"SHA256SUMS" is missing`, false, func(c contents) { delete(c, "SHA256SUMS") }},
		{"an unknown file", "does not belong into a bundle", false, func(c contents) { c["verify.exe"] = []byte("MZ") }},
		{"a name that leads out", "does not belong into a bundle", false, func(c contents) { c["documents/../../../etc/passwd"] = []byte("x") }},
		{"an absolute name", "does not belong into a bundle", false, func(c contents) { c["/etc/passwd"] = []byte("x") }},
	}
}

// python runs the other verifier. It shares no code with this one.
func python(t testing.TB) func(path string, key ...string) (ok bool, text string) {
	exe, err := exec.LookPath("python3")
	if err != nil {
		t.Logf("python3 is not here: the second verifier was not asked (%v)", err)
		return nil
	}
	script, err := filepath.Abs(filepath.Join("..", "..", "..", "testdata", "verify", "verify.py"))
	if err != nil {
		t.Fatal(err)
	}
	return func(path string, key ...string) (bool, string) {
		out, err := exec.Command(exe, append([]string{"-X", "utf8", script, path}, key...)...).CombinedOutput()
		if bytes.Contains(out, []byte("Traceback")) {
			t.Errorf("the Python verifier broke: %s", out)
		}
		return err == nil, strings.TrimSpace(string(out))
	}
}

func TestVerifiersAgree(t *testing.T) {
	w := newWritten(t, 600)
	good, second := w.export("b"), python(t)
	if second != nil {
		for _, path := range []string{good, w.export("b.zip")} {
			if ok, text := second(path, w.key.VKey()); !ok || !strings.HasPrefix(text, "intact: ") || !strings.Contains(text, "600 entries, 598 texts open") {
				t.Errorf("Python on %s: %s", path, text)
			}
		}
		if ok, text := second(good, testKey(t, "stranger").VKey()); ok || !strings.Contains(text, "never been this ledger's") {
			t.Errorf("Python with another key: %s", text)
		}
	}
	if ok, text, _ := judge(good, testKey(t, "stranger").VKey()); ok || !strings.Contains(text, "None of the keys you pinned") {
		t.Errorf("with another key: %s", text)
	}
	for _, d := range doctored(t, w) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			c := unpack(t, good)
			d.change(c)
			if d.sums {
				c.resum(t)
			}
			path := filepath.Join(t.TempDir(), "b.zip")
			if err := os.WriteFile(path, c.zip(t), 0o600); err != nil {
				t.Fatal(err)
			}
			ok, text, _ := judge(path)
			if ok || !strings.Contains(text, d.says) {
				t.Errorf("says %q; want %q", text, d.says)
			}
			if second == nil {
				return
			}
			if ok, text := second(path); ok {
				t.Errorf("Python accepts it: %s", text)
			}
		})
	}
}

// TestThreat_T58_NamesInsideABundle holds that no name in a zip or folder leads outside of it, links included.
func TestThreat_T58_NamesInsideABundle(t *testing.T) {
	good := newWritten(t, 5).export("b")
	for _, name := range []string{
		"../x", "documents/../checkpoint", "/etc/passwd", `documents\..\x`, "documents/" + strings.Repeat("a", 65), "tile/0/../../x", "tile/8/000",
		"tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/07", "tile/0/x000/001", "tile/entries/1", "pages/1.html", "pages/../000000.html",
		"CHECKPOINT", "checkpoint ", "checkpoint\x00", "checkpoint/", "tile/", "", ".", "con", strings.Repeat("x", 300),
	} {
		c := unpack(t, good)
		path := filepath.Join(t.TempDir(), "b.zip")
		raw := c.zip(t, func(w *zip.Writer) { add(t, w, &zip.FileHeader{Name: name}, nil) })
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if ok, text, _ := judge(path); ok || !strings.Contains(text, "not a whole and plain bundle") {
			t.Errorf("a member named %q: %v %s", name, ok, text)
		}
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.html", "pages/000001.html", "README.txt"} {
		dir := newWritten(t, 5).export("b")
		_ = os.Remove(filepath.Join(dir, name))
		if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
			t.Skipf("no links here: %v", err)
		}
		if ok, text, _ := judge(dir); ok || !strings.Contains(text, "is a link") {
			t.Errorf("a link %s: %v %s", name, ok, text)
		}
	}
}

// trick is a zip that plays on what readers of zips disagree about, and what must be said of it.
type trick struct {
	name, says string
	zip        []byte
}

func tricks(t *testing.T, good contents) []trick {
	plain := good.zip(t)
	end := len(plain) - 22
	le := binary.LittleEndian
	directory := int(le.Uint32(plain[end+16:]))
	patched := func(f func(b []byte)) []byte { b := slices.Clone(plain); f(b); return b }
	zeros := bytes.Repeat([]byte{0}, 40<<20)
	return []trick{
		{"a bomb", "that is a bomb", good.zip(t, func(w *zip.Writer) {
			add(t, w, &zip.FileHeader{Name: "pages/000001.html", Method: zip.Deflate}, zeros)
		})},
		{"a member too large", "more than 1048576", good.zip(t, func(w *zip.Writer) {
			add(t, w, &zip.FileHeader{Name: "README.txt", Method: zip.Store}, zeros[:2<<20])
		})},
		{"a name twice", "is there twice", good.zip(t, func(w *zip.Writer) { add(t, w, &zip.FileHeader{Name: "checkpoint"}, []byte("x")) })},
		{"a link", "is a link", good.zip(t, func(w *zip.Writer) {
			h := &zip.FileHeader{Name: "README.txt"}
			h.SetMode(fs.ModeSymlink | 0o777)
			add(t, w, h, []byte("/etc/passwd"))
		})},
		{"something in front", "does not follow", append([]byte("#!/bin/sh\n"), patched(func(b []byte) {
			le.PutUint32(b[end+16:], uint32(directory+10))
			for at := directory; at < end; at += 46 + int(le.Uint16(b[at+28:])) + int(le.Uint16(b[at+30:])) {
				le.PutUint32(b[at+42:], le.Uint32(b[at+42:])+10)
			}
		})...)},
		{"something behind", "does not end here", append(slices.Clone(plain), "trailer"...)},
		{"cut off", "does not end here", plain[:len(plain)*2/3]},
		{"the directory cut off", "does not end here", plain[:directory+20]},
		{"a comment", "does not end here", patched(func(b []byte) { le.PutUint16(b[end+20:], 1) })},
		{"more members than there are", "its directory", patched(func(b []byte) { le.PutUint16(b[end+8:], 60_000); le.PutUint16(b[end+10:], 60_000) })},
		{"members over each other", "members overlap", patched(func(b []byte) {
			next := directory + 46 + int(le.Uint16(b[directory+28:])) + int(le.Uint16(b[directory+30:]))
			le.PutUint32(b[next+42:], 0)
		})},
		{"another name where it lies", "called or packed otherwise", patched(func(b []byte) { b[30] ^= 0x20 })},
		{"encrypted", "encrypted", patched(func(b []byte) { b[directory+8] |= 1; b[6] |= 1 })},
		{"another method", "packed by method 99", patched(func(b []byte) { b[directory+10] = 99; b[8] = 99 })},
		{"another sum", "other sizes where it lies", patched(func(b []byte) { b[directory+16] ^= 1 })},
		{"another sum at both places", "does not unpack to what it says", everywhere(t, good, func(crc, size uint32) (uint32, uint32) { return crc ^ 1, size })},
		{"a size that is a lie", "does not unpack to what it says", everywhere(t, good, func(crc, size uint32) (uint32, uint32) { return crc, size + 1 })},
		{"a size that is too small", "unpacks to more than it says", everywhere(t, good, func(crc, size uint32) (uint32, uint32) { return crc, size - 1 })},
		{"a huge size", "has other sizes where it lies", patched(func(b []byte) { le.PutUint32(b[directory+24:], 1<<31) })},
		{"data beyond the end", "ends behind the end", patched(func(b []byte) {
			last := directory
			for at := directory; at < end; at += 46 + int(le.Uint16(b[at+28:])) + int(le.Uint16(b[at+30:])) {
				last = at
			}
			le.PutUint32(b[last+20:], 1<<30)
		})},
		{"nothing", "no zip", nil},
		{"only an end", "is missing", append([]byte("PK\x05\x06"), make([]byte, 18)...)},
	}
}

// TestThreat_T40_TricksWithZips holds that bombs, overlaps, hidden and double members are refused before anything is unpacked.
func TestThreat_T40_TricksWithZips(t *testing.T) {
	second := python(t)
	for _, c := range tricks(t, unpack(t, newWritten(t, 5).export("b"))) {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b.zip")
			if err := os.WriteFile(path, c.zip, 0o600); err != nil {
				t.Fatal(err)
			}
			if ok, text, _ := judge(path); ok || !strings.Contains(text, c.says) {
				t.Errorf("says %q; want %q", text, c.says)
			}
			if second == nil {
				return
			}
			if ok, text := second(path); ok {
				t.Errorf("Python accepts it: %s", text)
			}
		})
	}
}

// everywhere packs the files with other sums and sizes than they have, the same in each of the places of the first.
func everywhere(t *testing.T, c contents, lie func(crc, size uint32) (uint32, uint32)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, n := range slices.Sorted(maps.Keys(c)) {
		h := &zip.FileHeader{Name: n, CRC32: crc32.ChecksumIEEE(c[n]), CompressedSize64: uint64(len(c[n])), UncompressedSize64: uint64(len(c[n]))}
		packed := c[n]
		if n == "MANIFEST.json" { // deflated, so that its two sizes may differ
			var b bytes.Buffer
			d, _ := flate.NewWriter(&b, 9)
			_, _ = d.Write(packed)
			_ = d.Close()
			packed, h.Method, h.CompressedSize64 = b.Bytes(), zip.Deflate, uint64(b.Len())
			crc, size := lie(h.CRC32, uint32(h.UncompressedSize64))
			h.CRC32, h.UncompressedSize64 = crc, uint64(size)
		}
		f, err := w.CreateRaw(h)
		if err == nil {
			_, err = f.Write(packed)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestBundleBitFlips flips single bits anywhere in a zip: whatever unpacks to other files must be found, by both verifiers.
func TestBundleBitFlips(t *testing.T) {
	good := newWritten(t, 20).export("b.zip")
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	want := allFiles(t, raw)
	dir, harmless := t.TempDir(), 0
	for i := 0; i < len(raw); i += max(1, len(raw)/600) {
		flipped := slices.Clone(raw)
		flipped[i] ^= 1 << (i % 8)
		path := filepath.Join(dir, "b.zip")
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		ok, _, _ := judge(path)
		if !ok {
			continue
		}
		harmless++
		if got := allFiles(t, flipped); !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("a bit of byte %d changes a file unseen", i)
		}
	}
	if harmless > 120 {
		t.Errorf("%d of 600 flips were accepted: times and versions in headers are not so many bytes", harmless)
	}
}

func allFiles(t testing.TB, raw []byte) contents {
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := contents{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func FuzzOpen(f *testing.F) {
	good, err := os.ReadFile(newWritten(f, 5).export("b.zip"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "b.zip")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if ok, _, r := judge(path); ok && r.Size == 0 && len(raw) > 0 {
			t.Skip("a ledger without entries")
		}
	})
}
