package streams

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File appends to a JSONL file and syncs it before a batch counts as arrived. When the file has grown to MaxSize it is renamed to
// NAME.<index of its last entry, 20 digits> and a new one is begun; such names sort in the order of the entries.
type File struct {
	Path    string
	MaxSize int64 // bytes; 0: one file for ever
	Keep    int   // finished files that stay; 0: all

	f    *os.File
	size int64
	last int64  // index of the last entry in the file or the newest finished one; -1: none
	hash string // of that entry's leaf; empty: not known
}

// Send implements Sink. What the file holds already is not written again: the place in the ledger is older when a crash came between.
func (w *File) Send(_ context.Context, batch []Record) (int, error) {
	if err := w.open(); err != nil {
		return 0, err
	}
	var out []byte
	last := w.last
	for _, r := range batch {
		if r.Entry == w.last && w.hash != "" && r.LeafHash != w.hash {
			return 0, fmt.Errorf("%s holds another entry %d: the ledger was rolled back, or is not the one the file is of", w.Path, r.Entry)
		}
		if r.Entry <= w.last {
			continue
		}
		line, err := r.Line()
		if err != nil {
			return 0, err
		}
		out, last = append(out, line...), r.Entry
	}
	if err := w.write(out); err != nil {
		return 0, errors.Join(err, w.Close()) // the next opening cuts off what was torn
	}
	if last > w.last {
		w.last, w.hash = last, batch[len(batch)-1].LeafHash
	}
	return len(batch), w.turn()
}

func (w *File) write(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	n, err := w.f.Write(out)
	w.size += int64(n)
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", w.Path, err)
	}
	return nil
}

// open finds out where the file ends.
func (w *File) open() error {
	if w.f != nil {
		return nil
	}
	f, err := os.OpenFile(w.Path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("opening the stream's file: %w", err)
	}
	size, end, err := endOf(f)
	if err == nil && end.Entry < 0 {
		end.Entry, err = w.newestFinished()
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("reading the end of %s: %w", w.Path, err), f.Close())
	}
	w.f, w.size, w.last, w.hash = f, size, end.Entry, end.LeafHash
	return syncDir(filepath.Dir(w.Path))
}

// endOf gives the length up to the last whole line and the record in that line; its Entry is -1 when there is none.
func endOf(f *os.File) (int64, Record, error) {
	none := Record{Entry: -1}
	info, err := f.Stat()
	if err != nil {
		return 0, none, err
	}
	if !info.Mode().IsRegular() {
		return 0, none, errors.New("it is not a regular file")
	}
	from := max(0, info.Size()-2*maxLine)
	tail := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(tail, from); err != nil {
		return 0, none, err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	switch {
	case end == 0 && from > 0:
		return 0, none, fmt.Errorf("its last %d bytes hold no whole line: it is not ours", len(tail))
	case end == 0:
		return 0, none, nil
	}
	start := bytes.LastIndexByte(tail[:end-1], '\n') + 1
	r, err := ParseRecord(tail[start : end-1])
	if err != nil {
		return 0, none, fmt.Errorf("its last line is not ours: %w", err)
	}
	return from + int64(end), r, nil
}

// turn begins a new file when this one is full.
func (w *File) turn() error {
	if w.MaxSize <= 0 || w.size < w.MaxSize {
		return nil
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.Path, fmt.Sprintf("%s.%020d", w.Path, w.last)); err != nil {
		return fmt.Errorf("finishing %s: %w", w.Path, err)
	}
	if err := syncDir(filepath.Dir(w.Path)); err != nil {
		return err
	}
	return w.prune()
}

// prune removes the oldest finished files.
func (w *File) prune() error {
	if w.Keep <= 0 {
		return nil
	}
	done, err := w.finished()
	if err != nil {
		return err
	}
	for len(done) > w.Keep {
		if err := os.Remove(done[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the oldest file: %w", err)
		}
		done = done[1:]
	}
	return nil
}

// finished lists the finished files, oldest first.
func (w *File) finished() ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(w.Path))
	if err != nil {
		return nil, fmt.Errorf("listing finished files: %w", err)
	}
	var out []string
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), filepath.Base(w.Path)+".")
		if ok && len(digits) == 20 && strings.Trim(digits, "0123456789") == "" {
			out = append(out, filepath.Join(filepath.Dir(w.Path), e.Name()))
		}
	}
	slices.Sort(out)
	return out, nil
}

func (w *File) newestFinished() (int64, error) {
	done, err := w.finished()
	if err != nil || len(done) == 0 {
		return -1, err
	}
	var last int64
	_, err = fmt.Sscanf(done[len(done)-1][len(w.Path)+1:], "%d", &last)
	return last, err
}

// syncDir makes a name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Linger implements Sink.
func (w *File) Linger() time.Duration { return 0 }

// Close implements Sink.
func (w *File) Close() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	return err
}
