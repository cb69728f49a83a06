package bundle_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
)

// written by hand: a zip that archive/zip would not make, each field to be bent.
type handmade struct {
	names   []string
	files   contents
	hidden  string // bytes behind the deflated data of MANIFEST.json, inside of its member
	local   string // extra field in front of its data
	central string // extra field in the directory
	comment string // of its member in the directory
	zip64   bool   // sizes and places in their 64-bit form
}

func (h handmade) bytes() []byte {
	var out, directory bytes.Buffer
	le := binary.LittleEndian
	for _, n := range h.names {
		content := h.files[n]
		var packed bytes.Buffer
		d, _ := flate.NewWriter(&packed, 9)
		_, _ = d.Write(content)
		_ = d.Close()
		local, central, comment := "", "", ""
		if n == "MANIFEST.json" {
			packed.WriteString(h.hidden)
			local, central, comment = h.local, h.central, h.comment
		}
		at, size, length := uint32(out.Len()), uint32(packed.Len()), uint32(len(content))
		if h.zip64 {
			extra := le.AppendUint16(nil, 1)
			extra = le.AppendUint16(extra, 24)
			for _, v := range []uint32{length, size, at} {
				extra = le.AppendUint64(extra, uint64(v))
			}
			central, at, size, length = string(extra), 1<<32-1, 1<<32-1, 1<<32-1
		}
		head := func(w *bytes.Buffer, sign uint32, version bool, extra string) {
			var b []byte
			b = le.AppendUint32(b, sign)
			if version {
				b = le.AppendUint16(b, 20)
			}
			b = le.AppendUint16(b, 20)
			b = le.AppendUint16(b, 0)
			b = le.AppendUint16(b, 8)
			b = le.AppendUint32(b, 0)
			b = le.AppendUint32(b, crc32.ChecksumIEEE(content))
			b = le.AppendUint32(b, size)
			b = le.AppendUint32(b, length)
			b = le.AppendUint16(b, uint16(len(n)))
			w.Write(le.AppendUint16(b, uint16(len(extra))))
		}
		head(&out, 0x04034b50, false, local)
		out.WriteString(n + local)
		out.Write(packed.Bytes())
		head(&directory, 0x02014b50, true, central)
		directory.Write(le.AppendUint16(nil, uint16(len(comment))))
		directory.Write(make([]byte, 8)) // disk, attributes
		directory.Write(le.AppendUint32(nil, at))
		directory.WriteString(n + central + comment)
	}
	start, count := uint32(out.Len()), uint16(len(h.names))
	out.Write(directory.Bytes())
	end := le.AppendUint32(nil, 0x06054b50)
	end = le.AppendUint32(end, 0)
	end = le.AppendUint16(le.AppendUint16(end, count), count)
	end = le.AppendUint32(le.AppendUint32(end, uint32(directory.Len())), start)
	out.Write(le.AppendUint16(end, 0))
	return out.Bytes()
}

func judgeBytes(t *testing.T, raw []byte) (bool, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.zip")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	ok, text, _ := judge(path)
	return ok, text
}

// TestThreat_T40_ZipsMadeByHand bends what archive/zip would not write: data hidden behind the data, extra fields, comments, the 64-bit form,
// another order of members. What could carry something past a reader of the files is refused by name.
func TestThreat_T40_ZipsMadeByHand(t *testing.T) {
	files := unpack(t, newWritten(t, 5).export("b"))
	names := slices.Sorted(maps.Keys(files))
	backwards := slices.Clone(names)
	slices.Reverse(backwards)
	for _, c := range []struct {
		name, says string // says is empty for what is harmless
		zip        handmade
	}{
		{"plain", "", handmade{names: names, files: files}},
		{"backwards", "", handmade{names: backwards, files: files}},
		{"something hidden behind the data", `"MANIFEST.json" does not unpack to what it says`, handmade{names: names, files: files, hidden: "#!/bin/sh"}},
		{"an extra field in front of the data", "", handmade{names: names, files: files, local: "UT\x05\x00\x03abcd"}},
		{"an extra field and a comment in the directory", "", handmade{names: names, files: files, central: "UT\x05\x00\x03abcd", comment: "hello"}},
		{"too much in the directory", "not of a size for", handmade{names: names, files: files, comment: strings.Repeat("x", 60_000)}},
		{"64-bit sizes", "does not follow", handmade{names: names, files: files, zip64: true}},
		{"the same file twice", "is there twice", handmade{names: append(slices.Clone(names), "checkpoint"), files: files}},
	} {
		ok, text := judgeBytes(t, c.zip.bytes())
		if ok != (c.says == "") || !strings.Contains(text, c.says) {
			t.Errorf("%s: %v %q; want %q", c.name, ok, text, c.says)
		}
	}
}

// TestThreat_T40_CutAtEveryPlace cuts a zip at every structure of it, and at the bytes before and behind; nothing that was cut is accepted,
// and the answer says that it was.
func TestThreat_T40_CutAtEveryPlace(t *testing.T) {
	raw := unpack(t, newWritten(t, 5).export("b")).zip(t)
	var cuts []int
	for _, sign := range []string{"PK\x03\x04", "PK\x07\x08", "PK\x01\x02", "PK\x05\x06"} {
		for at := 0; ; {
			i := bytes.Index(raw[at:], []byte(sign))
			if i < 0 {
				break
			}
			at += i
			for _, n := range []int{-1, 0, 1, 4, 14, 26, 30, 46} { // before it, in its numbers, before and behind its name
				cuts = append(cuts, at+n)
			}
			at++
		}
	}
	for i := 1; i <= 22; i++ {
		cuts = append(cuts, len(raw)-i)
	}
	slices.Sort(cuts)
	tried := 0
	for _, n := range slices.Compact(cuts) {
		if n < 0 || n >= len(raw) {
			continue
		}
		tried++
		if ok, text := judgeBytes(t, raw[:n]); ok || !strings.Contains(text, "this is not a whole and plain bundle") {
			t.Errorf("cut at %d of %d: %v %q", n, len(raw), ok, text)
		}
	}
	if tried < 100 {
		t.Errorf("%d cuts: too few to say anything", tried)
	}
}

// TestThreat_T26_EveryByteOfAFolderCounts changes every file of a folder at its beginning, in its middle and at its end, cuts it, lengthens it
// and empties it, with the sums left and with the sums made to fit: each is found, and with the sums left the file is named.
func TestThreat_T26_EveryByteOfAFolderCounts(t *testing.T) {
	dir := newWritten(t, 300).export("b")
	good := unpack(t, dir)
	// What the forger may change with sums that fit: pages and names are for people and proven by nothing, the manifest is the forger's own.
	free := func(name string) bool {
		return name == "index.html" || strings.HasPrefix(name, "pages/") || name == "people.jsonl" || name == "MANIFEST.json" || name == "SHA256SUMS" || name == "README.txt"
	}
	changes := map[string]func(b []byte) []byte{
		"first byte":  func(b []byte) []byte { b[0] ^= 1; return b },
		"middle byte": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"last byte":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"cut":         func(b []byte) []byte { return b[:len(b)-1] },
		"half":        func(b []byte) []byte { return b[:len(b)/2] },
		"longer":      func(b []byte) []byte { return append(b, 'x') },
		"empty":       func([]byte) []byte { return nil },
	}
	for _, name := range slices.Sorted(maps.Keys(good)) {
		for what, change := range changes {
			for _, fit := range []bool{false, true} {
				memory := name == "published.jsonl" || name == "witness.jsonl" // who makes a bundle may leave memories out: whole lines
				if fit && (free(name) || memory && (what == "empty" || what == "half")) {
					continue
				}
				c := maps.Clone(good)
				c[name] = change(slices.Clone(good[name]))
				if fit {
					c.resum(t)
				}
				ok, text := judgeBytes(t, c.zip(t))
				if ok {
					t.Errorf("%s of %s (sums fit: %v) is accepted", what, name, fit)
				}
				if !fit && !strings.Contains(text, name) && !strings.Contains(text, strings.TrimPrefix(name, "documents/")) && !strings.Contains(text, "checkpoint") {
					t.Errorf("%s of %s: the answer does not name it: %s", what, name, text)
				}
			}
		}
	}
}

// TestThreat_T40_LinesNestedAndEndless holds that files of lines bound what a reader does: no recursion, no endless line.
func TestThreat_T40_LinesNestedAndEndless(t *testing.T) {
	good := unpack(t, newWritten(t, 40).export("b"))
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	wide := `{"entry":1,"field":"reason","salt":"` + strings.Repeat("0", 64) + `","value":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, lines := range map[string][]string{
		"openings.jsonl":  {deep, wide, "[]", "null", `{"entry":1.5}`, `{"entry":1e9}`, "{}", `{"entry":-1,"field":"r","salt":"` + strings.Repeat("0", 64) + `","value":""}`},
		"witness.jsonl":   {deep, wide, "[]", "null", `{"from":"x","root":"","size":1}`, `{"size":99999999999999999999}`},
		"published.jsonl": {deep, wide, "[]"},
		"people.jsonl":    {deep, wide},
	} {
		for i, line := range lines {
			c := maps.Clone(good)
			c[name] = append([]byte(line+"\n"), c[name]...)
			c.resum(t)
			if ok, text := judgeBytes(t, c.zip(t)); ok && name != "people.jsonl" {
				t.Errorf("line %d for %s is accepted: %s", i, name, text)
			} else if !ok && !strings.Contains(text, name) {
				t.Errorf("line %d for %s: the answer does not name the file: %.300s", i, name, text)
			}
		}
	}
}

// TestThreat_T26_HeadsOfOtherShapes gives checkpoints that look like one: each is refused before anything else is believed.
func TestThreat_T26_HeadsOfOtherShapes(t *testing.T) {
	w := newWritten(t, 5)
	good := unpack(t, w.export("b"))
	note := string(good["checkpoint"])
	for _, bad := range []string{
		"", "\n", "\n\n", strings.Replace(note, "\n5\n", "\n05\n", 1), strings.Replace(note, "\n5\n", "\n-5\n", 1), strings.Replace(note, "\n5\n", "\n5 \n", 1),
		strings.Replace(note, "\n5\n", fmt.Sprintf("\n%d\n", uint64(1)<<63), 1), strings.Replace(note, "\n5\n", "\n9223372036854775807\n", 1),
		strings.Replace(note, testOrigin, "Example.com/x", 1), strings.Replace(note, testOrigin, "", 1), strings.ReplaceAll(note, "\n", "\r\n"),
		strings.Replace(note, "\n\n", "\nextension\n\n", 1), note + note, strings.Repeat(note, 400),
	} {
		c := maps.Clone(good)
		c["checkpoint"] = []byte(bad)
		c.resum(t)
		if ok, text := judgeBytes(t, c.zip(t)); ok {
			t.Errorf("the head %.80q is accepted: %s", bad, text)
		}
	}
	if _, err := ledger.ParseCheckpoint(strings.SplitN(note, "\n\n", 2)[0] + "\n"); err != nil {
		t.Errorf("the good one is refused: %v", err)
	}
}
