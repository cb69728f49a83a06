package bundle

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Bundle is an exported ledger that is open for verification. Nothing in it is trusted. It is not safe for concurrent use.
type Bundle struct {
	files files
	size  map[string]int64
	note  []byte
	head  ledger.Checkpoint // what the note states; its signature is for ledger.Verify to judge
	buf   []byte

	openings *lineReader // where the last Openings stopped
	pending  *ledger.EntryOpening
}

var (
	_ ledger.Source     = (*Bundle)(nil)
	_ ledger.EdgeSource = (*Bundle)(nil)
)

// Open opens a zip or a folder and checks its form: ErrMalformed where that is not a bundle's.
func Open(path string) (b *Bundle, err error) {
	defer wrap(&err, "opening %s", path)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	var all files
	if info.IsDir() {
		f.Close()
		all, err = openDir(path)
	} else if all, err = openZip(f, info.Size()); err != nil {
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	b = &Bundle{files: all, size: all.sizes()}
	if err := b.check(); err != nil {
		all.close()
		return nil, err
	}
	return b, nil
}

func wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf(format+": %w", append(args, *err)...)
	}
}

func (b *Bundle) check() error {
	if err := checkNames(b.size); err != nil {
		return err
	}
	for _, name := range []string{fileCheckpoint, fileManifest, fileSums} {
		if _, ok := b.size[name]; !ok {
			return malformed("%q is missing", name)
		}
	}
	note, err := b.read(fileCheckpoint)
	if err != nil {
		return err
	}
	b.note = bytes.Clone(note)
	text, _, ok := strings.Cut(string(b.note), "\n\n")
	if b.head, err = ledger.ParseCheckpoint(text + "\n"); err != nil || !ok {
		return malformed("%q is not a signed head", fileCheckpoint)
	}
	for _, name := range slices.Sorted(maps.Keys(b.size)) {
		if !wanted(name, b.head.Size) {
			return malformed("%q does not belong to a ledger of %d entries", name, b.head.Size)
		}
	}
	return nil
}

// Close ends the reading.
func (b *Bundle) Close() error { return b.files.close() }

// Note gives the signed head, verbatim.
func (b *Bundle) Note() []byte { return b.note }

// read gives a file that has passed its limit. The result is good until the next call.
func (b *Bundle) read(name string) ([]byte, error) {
	r, err := b.files.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	n := b.size[name]
	b.buf = slices.Grow(b.buf[:0], int(n)+1)[:n+1]
	got, err := io.ReadFull(r, b.buf)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, err
	case err == nil || int64(got) != n:
		return nil, malformed("%q changed its size while it was read", name)
	}
	return b.buf[:n], nil
}

// Head implements ledger.Source. A bundle has no frontier: the unfinished tiles stand for it, see Edge.
func (b *Bundle) Head(context.Context) (ledger.Head, error) {
	return ledger.Head{Size: b.head.Size, Root: b.head.Root, Note: b.note}, nil
}

// widthAt is how many entries the n-th file of entries has.
func (b *Bundle) widthAt(n int64) int {
	return int(min(ledger.TileWidth, b.head.Size-n*ledger.TileWidth))
}

// Entries implements ledger.Source. A file that is missing leaves its entries out; one that is not made of entries is ErrMalformed.
func (b *Bundle) Entries(_ context.Context, from, to int64) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		for i := max(0, from); i < min(to, b.head.Size); i = (i/ledger.TileWidth + 1) * ledger.TileWidth {
			more, err := b.entriesOf(i/ledger.TileWidth, from, to, yield)
			if err != nil {
				yield(ledger.Entry{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// entriesOf yields from one file of entries those that are asked for, and tells whether to go on.
func (b *Bundle) entriesOf(n, from, to int64, yield func(ledger.Entry, error) bool) (more bool, err error) {
	width := b.widthAt(n)
	name := entriesPath(n, width)
	if _, ok := b.size[name]; !ok {
		return true, nil
	}
	raw, err := b.read(name)
	if err != nil {
		return false, err
	}
	if !countEntries(raw, width) {
		return false, malformed("%q does not hold %d entries, each behind its length", name, width)
	}
	for i := n * ledger.TileWidth; len(raw) > 0 && i < to; i++ {
		length := 2 + int(binary.BigEndian.Uint16(raw))
		if i >= from && !yield(ledger.Entry{Index: i, Leaf: raw[2:length]}, nil) {
			return false, nil
		}
		raw = raw[length:]
	}
	return true, nil
}

func countEntries(raw []byte, want int) bool {
	n := 0
	for ; len(raw) >= 2; n++ {
		length := 2 + int(binary.BigEndian.Uint16(raw))
		if length > len(raw) {
			return false
		}
		raw = raw[length:]
	}
	return len(raw) == 0 && n == want
}

// Tiles implements ledger.Source: the full ones.
func (b *Bundle) Tiles(context.Context) iter.Seq2[ledger.Tile, error] {
	return func(yield func(ledger.Tile, error) bool) {
		for level := 0; level < 8; level++ {
			for n := range b.head.Size >> (ledger.TileHeight * (level + 1)) {
				name := ledger.TilePath(level, n, ledger.TileWidth)
				if _, ok := b.size[name]; !ok {
					continue
				}
				raw, err := b.read(name)
				if !yield(ledger.Tile{Level: level, N: n, Hashes: raw}, err) || err != nil {
					return
				}
			}
		}
	}
}

// Edge implements ledger.EdgeSource: the unfinished tiles.
func (b *Bundle) Edge(context.Context) ([]ledger.Tile, error) {
	var out []ledger.Tile
	for level := 0; level < 8; level++ {
		nodes := b.head.Size >> (ledger.TileHeight * level)
		width, n := int(nodes%ledger.TileWidth), nodes>>ledger.TileHeight
		name := ledger.TilePath(level, n, width)
		if _, ok := b.size[name]; width == 0 || !ok {
			continue
		}
		raw, err := b.read(name)
		if err != nil {
			return nil, err
		}
		out = append(out, ledger.Tile{Level: level, N: n, Hashes: bytes.Clone(raw)})
	}
	return out, nil
}

// ReadTile implements ledger.TileReader, for proofs out of a bundle.
func (b *Bundle) ReadTile(_ context.Context, level int, n int64) ([]byte, error) {
	width := int64(ledger.TileWidth)
	if nodes := b.head.Size >> (ledger.TileHeight * level); n == nodes>>ledger.TileHeight {
		width = nodes % ledger.TileWidth
	}
	name := ledger.TilePath(level, n, int(width))
	if _, ok := b.size[name]; !ok || width == 0 {
		return nil, fmt.Errorf("tile %d of level %d: %w", n, level, ledger.ErrNoTile)
	}
	raw, err := b.read(name)
	return bytes.Clone(raw), err
}

// Document implements ledger.Source.
func (b *Bundle) Document(_ context.Context, hash string) ([]byte, error) {
	name := documentPath(hash)
	if _, ok := b.size[name]; !ok {
		return nil, fmt.Errorf("%q: %w", hash, ledger.ErrNoDocument)
	}
	raw, err := b.read(name)
	return bytes.Clone(raw), err
}

// Documents gives the hashes of all documents in it.
func (b *Bundle) Documents() []string {
	var out []string
	for name := range b.size {
		if hex, ok := strings.CutPrefix(name, dirDocuments); ok {
			out = append(out, "sha256:"+hex)
		}
	}
	slices.Sort(out)
	return out
}

// Checkpoints implements ledger.Source.
func (b *Bundle) Checkpoints(context.Context) iter.Seq2[ledger.Published, error] {
	return func(yield func(ledger.Published, error) bool) {
		list, err := b.anchors(filePublished)
		for i := 0; err == nil && i < len(list); i++ {
			if !yield(ledger.Published{Size: list[i].Size, Note: []byte(list[i].Note)}, nil) {
				return
			}
		}
		if err != nil {
			yield(ledger.Published{}, err)
		}
	}
}

// Anchors gives what the witness file remembered when the bundle was made.
func (b *Bundle) Anchors() ([]ledger.Anchor, error) { return b.anchors(fileWitness) }

func (b *Bundle) anchors(name string) ([]ledger.Anchor, error) {
	lines, err := b.lines(name)
	if err != nil || lines == nil {
		return nil, err
	}
	defer lines.Close()
	var out []ledger.Anchor
	for {
		line, err := lines.next()
		if err != nil || line == nil {
			return out, err
		}
		a, err := ledger.ParseAnchor(line)
		if err != nil {
			return nil, malformed("%q, line %d: %v", name, lines.n, err)
		}
		if out = append(out, a); len(out) > maxAnchors {
			return nil, malformed("%q has more than %d lines", name, maxAnchors)
		}
	}
}

// Openings implements ledger.Source. Asked for in rising ranges, as ledger.Verify does, it reads the file once.
func (b *Bundle) Openings(_ context.Context, from, to int64) iter.Seq2[ledger.EntryOpening, error] {
	return func(yield func(ledger.EntryOpening, error) bool) {
		if b.openings == nil || b.openings.passed >= from {
			if err := b.rewind(); err != nil {
				yield(ledger.EntryOpening{}, err)
				return
			}
		}
		for {
			o, err := b.peekOpening()
			if err != nil {
				yield(ledger.EntryOpening{}, err)
			}
			if err != nil || o == nil || o.Index >= to {
				return
			}
			b.pending, b.openings.passed = nil, o.Index
			if o.Index >= from && !yield(*o, nil) {
				return
			}
		}
	}
}

func (b *Bundle) rewind() (err error) {
	if b.openings != nil {
		b.openings.Close()
	}
	b.pending = nil
	b.openings, err = b.lines(fileOpenings)
	if err == nil && b.openings == nil {
		b.openings = &lineReader{passed: math.MinInt64}
	}
	return err
}

func (b *Bundle) peekOpening() (*ledger.EntryOpening, error) {
	if b.pending != nil || b.openings.r == nil {
		return b.pending, nil
	}
	line, err := b.openings.next()
	if err != nil || line == nil {
		return nil, err
	}
	o, err := ParseOpening(line)
	if err == nil && o.Index < b.openings.last {
		err = errors.New("it is not behind the line before it")
	}
	if err != nil {
		return nil, malformed("%q, line %d: %v", fileOpenings, b.openings.n, err)
	}
	if o.Index < 0 || o.Index >= b.head.Size {
		return nil, malformed("%q, line %d: there is no entry %d", fileOpenings, b.openings.n, o.Index)
	}
	b.openings.last, b.pending = o.Index, &o
	return b.pending, nil
}

type openingLine struct {
	Entry *int64       `json:"entry"`
	Field string       `json:"field"`
	Salt  *ledger.Salt `json:"salt"`
	Value string       `json:"value"`
}

// ParseOpening reads a line of openings.jsonl, without its end, in the one spelling that OpeningLine writes.
func ParseOpening(line []byte) (o ledger.EntryOpening, err error) {
	if err := ledger.CheckCanonical(line); err != nil {
		return o, err
	}
	var l openingLine
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return o, err
	}
	if l.Entry == nil || l.Salt == nil {
		return o, errors.New("entry or salt is missing")
	}
	return ledger.EntryOpening{Index: *l.Entry, Opening: ledger.Opening{Field: l.Field, Salt: *l.Salt, Value: l.Value}}, nil
}

// People gives the names that the exporter disclosed, by the id that stands in entries. Nothing proves them.
func (b *Bundle) People() (map[string]string, error) {
	lines, err := b.lines(filePeople)
	if err != nil || lines == nil {
		return nil, err
	}
	defer lines.Close()
	out := make(map[string]string)
	for {
		line, err := lines.next()
		if err != nil || line == nil {
			return out, err
		}
		var p struct{ Name, Person string }
		if json.Unmarshal(line, &p) != nil || p.Person == "" || len(out) == maxPeople {
			return nil, malformed("%q, line %d: not a person", filePeople, lines.n)
		}
		out[p.Person] = p.Name
	}
}

// lineReader reads a file of lines, each within maxLine.
type lineReader struct {
	io.Closer
	name   string
	r      *bufio.Reader
	n      int
	last   int64 // index of the last line, for Openings
	passed int64 // likewise: the last index that was given away
}

// lines is nil for a file that is not there.
func (b *Bundle) lines(name string) (*lineReader, error) {
	r, err := b.files.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &lineReader{Closer: r, name: name, r: bufio.NewReaderSize(r, maxLine), passed: math.MinInt64}, nil
}

// Close implements io.Closer, also for a file that is not there.
func (l *lineReader) Close() error {
	if l.Closer == nil {
		return nil
	}
	return l.Closer.Close()
}

// next gives the next line without its end, nil behind the last.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.n++
	switch {
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil, nil
	case errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull):
		return nil, malformed("%q, line %d: it does not end, or not within %d bytes", l.name, l.n, maxLine)
	case err != nil:
		return nil, err
	}
	return line[:len(line)-1], nil
}
