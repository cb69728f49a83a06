package bundle

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Writer makes a bundle. Files are written one after the other; nothing stands under the final name until Close. Each name is
// written once. After an error only Abort is of use.
type Writer struct {
	path string // where it will stand
	temp string
	zip  *zip.Writer
	out  *os.File
	buf  *bufio.Writer
	list []File

	// Custody, if set, makes the note that says who made the bundle, out of the bytes of the manifest. Close calls it once.
	Custody func(manifest []byte) (note []byte, err error)
}

// Create begins a bundle at path: a zip if it ends with .zip, else a folder. There must be nothing yet.
func Create(path string) (w *Writer, err error) {
	defer wrap(&err, "writing bundle %s", path)
	if _, err := os.Lstat(path); err == nil {
		return nil, errors.New("something is there already, and evidence is not written over")
	}
	w = &Writer{path: filepath.Clean(path)}
	w.temp = w.path + ".part"
	if !strings.HasSuffix(path, ".zip") {
		return w, os.Mkdir(w.temp, 0o700)
	}
	w.out, err = os.OpenFile(w.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w.buf = bufio.NewWriterSize(w.out, 1<<20)
	w.zip = zip.NewWriter(w.buf)
	return w, nil
}

// Abort removes what was written. After Close it does nothing.
func (w *Writer) Abort() {
	if w.temp == "" {
		return
	}
	if w.out != nil {
		w.out.Close()
	}
	os.RemoveAll(w.temp)
	w.temp = ""
}

// Add writes a file.
func (w *Writer) Add(name string, content []byte) error {
	return w.Stream(name, func(out io.Writer) error {
		_, err := out.Write(content)
		return err
	})
}

// Stream writes a file of unknown length.
func (w *Writer) Stream(name string, fill func(io.Writer) error) (err error) {
	defer wrap(&err, "writing %s of the bundle", name)
	limit, ok := limitOf(name)
	if !ok || len(w.list) >= maxFiles || w.zip != nil && len(w.list) >= maxZipFiles-2 {
		return fmt.Errorf("a bundle has no room for it (after %d files); a folder has room for more than a zip", len(w.list))
	}
	out, done, err := w.create(name)
	if err != nil {
		return err
	}
	h := sha256.New()
	n := &counter{w: io.MultiWriter(out, h), left: limit}
	if err := errors.Join(fill(n), done()); err != nil {
		return err
	}
	w.list = append(w.list, File{Name: name, Bytes: n.n, SHA256: hex.EncodeToString(h.Sum(nil))})
	return nil
}

func (w *Writer) create(name string) (io.Writer, func() error, error) {
	if w.zip != nil {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if strings.HasPrefix(name, "tile/") && !strings.HasPrefix(name, dirEntries) {
			h.Method = zip.Store // hashes do not shrink
		}
		out, err := w.zip.CreateHeader(h)
		return out, func() error { return nil }, err
	}
	path := filepath.Join(w.temp, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	buf := bufio.NewWriterSize(f, 1<<16)
	return buf, func() error { return errors.Join(buf.Flush(), f.Sync(), f.Close()) }, nil
}

// counter counts and refuses what a reader would refuse.
type counter struct {
	w       io.Writer
	n, left int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		return 0, errors.New("larger than a reader would take")
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Close completes the manifest, writes it and the sums, makes all of it durable and gives it its name.
func (w *Writer) Close(m Manifest) (err error) {
	defer wrap(&err, "finishing bundle %s", w.path)
	sort.Slice(w.list, func(i, j int) bool { return w.list[i].Name < w.list[j].Name })
	m.Format, m.Files = Format, slices.Clone(w.list)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := w.Add(fileManifest, append(text, '\n')); err != nil {
		return err
	}
	if w.Custody != nil {
		note, err := w.Custody(append(text, '\n'))
		if err != nil {
			return err
		}
		if err := w.Add(fileCustody, note); err != nil {
			return err
		}
	}
	sort.Slice(w.list, func(i, j int) bool { return w.list[i].Name < w.list[j].Name })
	var sums strings.Builder
	for _, f := range w.list {
		fmt.Fprintf(&sums, "%s  %s\n", f.SHA256, f.Name)
	}
	if err := w.Add(fileSums, []byte(sums.String())); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	if err := os.Rename(w.temp, w.path); err != nil {
		return err
	}
	w.temp = ""
	return nil
}

func (w *Writer) sync() error {
	if w.zip == nil {
		return nil // each file was synced when it was closed
	}
	if err := w.zip.Close(); err != nil {
		return err
	}
	return errors.Join(w.buf.Flush(), w.out.Sync(), w.out.Close())
}

// Content is what goes into a bundle beside the entries.
type Content struct {
	Documents []string             // hashes of documents to take along
	Witness   []ledger.Anchor      // what the witness file remembers
	Disclose  func(idx int64) bool // whose openings to take along; nil for none
	People    map[string]string    // names to disclose, by id
}

// ErrNotSigned says that the entries do not hash to the root in the head: exporting them would make evidence of something else.
var ErrNotSigned = errors.New("the entries are not those that the head signs")

// Ledger writes everything a verifier reads. The manifest it returns lacks only what the caller knows: tool, query, time.
func (w *Writer) Ledger(ctx context.Context, src ledger.Source, c Content) (m Manifest, err error) {
	defer wrap(&err, "exporting the ledger")
	head, err := src.Head(ctx)
	if err != nil {
		return m, err
	}
	text, _, _ := strings.Cut(string(head.Note), "\n\n")
	cp, err := ledger.ParseCheckpoint(text + "\n")
	if err != nil {
		return m, err
	}
	m = Manifest{Origin: cp.Origin, Rows: head.Size, Root: head.Root.String()}
	if err := w.Add(fileCheckpoint, head.Note); err != nil {
		return m, err
	}
	e := &exporter{w: w, tree: ledger.NewTree(), m: &m}
	for _, step := range []func(context.Context, ledger.Source) error{e.entries, e.published} {
		if err := step(ctx, src); err != nil {
			return m, err
		}
	}
	if e.tree.Size() != head.Size || e.tree.Root() != head.Root || cp.Size != head.Size || cp.Root != head.Root {
		return m, fmt.Errorf("%w: %d of %d, root %s", ErrNotSigned, e.tree.Size(), head.Size, e.tree.Root())
	}
	if err := w.anchors(fileWitness, c.Witness); err != nil {
		return m, err
	}
	if err := w.documents(ctx, src, c.Documents); err != nil {
		return m, err
	}
	if c.Disclose == nil {
		return m, nil
	}
	m.Openings, err = w.openings(ctx, src, head.Size, c)
	return m, err
}

type exporter struct {
	w    *Writer
	tree *ledger.Tree
	m    *Manifest
	file []byte
	n    int // entries in file
}

// entries writes entries and tiles in one go.
func (e *exporter) entries(ctx context.Context, src ledger.Source) error {
	for x, err := range src.Entries(ctx, 0, e.m.Rows) {
		if err != nil {
			return err
		}
		if x.Index != e.tree.Size() || len(x.Leaf) > ledger.MaxLeafBytes {
			return fmt.Errorf("%w: entry %d follows entry %d, or is too long", ErrNotSigned, x.Index, e.tree.Size()-1)
		}
		e.file = append(binary.BigEndian.AppendUint16(e.file, uint16(len(x.Leaf))), x.Leaf...)
		e.n++
		e.times(x)
		full := e.tree.Append(ledger.LeafHash(x.Leaf))
		if e.n == ledger.TileWidth {
			if err := e.flush(); err != nil {
				return err
			}
		}
		for _, t := range full {
			if err := e.w.Add(ledger.TilePath(t.Level, t.N, ledger.TileWidth), t.Hashes); err != nil {
				return err
			}
		}
	}
	if e.n > 0 {
		if err := e.flush(); err != nil {
			return err
		}
	}
	return e.edge(ctx)
}

// times notes when the first and the last entry were made.
func (e *exporter) times(x ledger.Entry) {
	if x.Index != 0 && x.Index != e.m.Rows-1 {
		return
	}
	l, err := ledger.Decode(x.Leaf)
	if err != nil {
		return // a verifier will say so
	}
	if e.m.LastTime = ledger.FormatTime(l.Time); x.Index == 0 {
		e.m.FirstTime = e.m.LastTime
	}
}

func (e *exporter) flush() error {
	err := e.w.Add(entriesPath((e.tree.Size()-1)/ledger.TileWidth, e.n), e.file)
	e.file, e.n = e.file[:0], 0
	return err
}

// edge writes the unfinished tiles.
func (e *exporter) edge(ctx context.Context) error {
	for level := 0; level < 8; level++ {
		nodes := e.tree.Size() >> (ledger.TileHeight * level)
		width, n := int(nodes%ledger.TileWidth), nodes>>ledger.TileHeight
		if width == 0 {
			continue
		}
		raw, err := e.tree.ReadTile(ctx, level, n)
		if err != nil {
			return err
		}
		if err := e.w.Add(ledger.TilePath(level, n, width), raw); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) published(ctx context.Context, src ledger.Source) error {
	var list []ledger.Anchor
	for p, err := range src.Checkpoints(ctx) {
		if err != nil {
			return err
		}
		text, _, _ := strings.Cut(string(p.Note), "\n\n")
		cp, err := ledger.ParseCheckpoint(text + "\n")
		if err != nil {
			return fmt.Errorf("the checkpoint published for %d entries: %w", p.Size, err)
		}
		list = append(list, ledger.Anchor{Size: cp.Size, Root: cp.Root, Note: string(p.Note), From: "published"})
	}
	return e.w.anchors(filePublished, list)
}

func (w *Writer) anchors(name string, list []ledger.Anchor) error {
	if len(list) == 0 {
		return nil
	}
	return w.Stream(name, func(out io.Writer) error {
		for _, a := range list {
			line, err := a.Line()
			if err != nil {
				return err
			}
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *Writer) documents(ctx context.Context, src ledger.Source, hashes []string) error {
	for _, hash := range slices.Compact(slices.Sorted(slices.Values(hashes))) {
		raw, err := src.Document(ctx, hash)
		if err != nil {
			return fmt.Errorf("document %q: %w", hash, err)
		}
		if ledger.DocumentHash(raw) != hash {
			return fmt.Errorf("document %q has other bytes: %w", hash, ErrNotSigned)
		}
		if err := w.Add(documentPath(hash), raw); err != nil {
			return err
		}
	}
	return nil
}

// openings writes the texts that are disclosed and the names that go with them.
func (w *Writer) openings(ctx context.Context, src ledger.Source, size int64, c Content) (n int64, err error) {
	err = w.Stream(fileOpenings, func(out io.Writer) error {
		for o, err := range src.Openings(ctx, 0, size) {
			if err != nil {
				return err
			}
			if !c.Disclose(o.Index) {
				continue
			}
			line, err := OpeningLine(o)
			if err != nil {
				return err
			}
			n++
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(c.People) == 0 {
		return n, err
	}
	return n, w.Stream(filePeople, func(out io.Writer) error {
		for _, id := range slices.Sorted(maps.Keys(c.People)) {
			line, err := ledger.Canonical(map[string]any{"name": c.People[id], "person": id})
			if err != nil {
				return err
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

// OpeningLine writes one line of openings.jsonl.
func OpeningLine(o ledger.EntryOpening) ([]byte, error) {
	salt, err := o.Salt.MarshalText()
	if err != nil {
		return nil, err
	}
	line, err := ledger.Canonical(map[string]any{"entry": o.Index, "field": o.Field, "salt": string(salt), "value": o.Value})
	if err != nil {
		return nil, fmt.Errorf("the opening of %q of entry %d: %w", o.Field, o.Index, err)
	}
	return append(line, '\n'), nil
}
