package bundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// ErrMalformed says that the files do not make a bundle: something was cut off, added, or is a trick. What the files say has not been
// looked at yet.
var ErrMalformed = errors.New("this is not a whole and plain bundle")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// files is the inside of a bundle, checked as far as names, kinds and sizes go.
type files interface {
	sizes() map[string]int64
	// open gives a file that sizes names. Errors of its reader name it.
	open(name string) (io.ReadCloser, error)
	close() error
}

// checkNames refuses what does not belong into a bundle.
func checkNames(sizes map[string]int64) error {
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		limit, ok := limitOf(name)
		switch {
		case !ok:
			return malformed("%q does not belong into a bundle", name)
		case sizes[name] > limit:
			return malformed("%q has %d bytes, more than %d", name, sizes[name], limit)
		}
	}
	return nil
}

type zipFiles struct {
	file    *os.File
	members map[string]*member
}

func openZip(f *os.File, length int64) (files, error) {
	list, err := readDirectory(f, length)
	if err != nil {
		return nil, err
	}
	z := &zipFiles{file: f, members: make(map[string]*member, len(list))}
	total := int64(0)
	for i := range list {
		m := &list[i]
		if _, twice := z.members[m.name]; twice {
			return nil, malformed("%q is there twice", m.name)
		}
		z.members[m.name] = m
		total += m.size
	}
	if total > maxInflation*length+1<<20 {
		return nil, malformed("%d bytes unpack to %d: that is a bomb, not a ledger", length, total)
	}
	return z, nil
}

func (z *zipFiles) sizes() map[string]int64 {
	out := make(map[string]int64, len(z.members))
	for name, m := range z.members {
		out[name] = m.size
	}
	return out
}

func (z *zipFiles) open(name string) (io.ReadCloser, error) {
	m, ok := z.members[name]
	if !ok {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(m.open(z.file)), nil
}

func (z *zipFiles) close() error { return z.file.Close() }

// dirFiles is a folder. os.Root keeps every name inside, links included.
type dirFiles struct {
	root *os.Root
	size map[string]int64
}

func openDir(path string) (files, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &dirFiles{root: root, size: make(map[string]int64)}
	if err := fs.WalkDir(root.FS(), ".", d.take); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

// maxParts is how deep a bundle's folders go: tile/0/x999/…/999.p/255 of the largest tree.
const maxParts = 12

func (d *dirFiles) take(name string, e fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case strings.Count(name, "/") > maxParts || len(name) > maxName:
		return malformed("%q does not belong into a bundle", name)
	case e.IsDir():
		return nil
	case !e.Type().IsRegular():
		return malformed("%q is a link or something else that is not a file", name)
	case len(d.size) == maxFiles:
		return malformed("there are more than %d files", maxFiles)
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	d.size[name] = info.Size()
	if limit, ok := limitOf(name); !ok || info.Size() > limit {
		return checkNames(map[string]int64{name: info.Size()})
	}
	return nil
}

func (d *dirFiles) sizes() map[string]int64 { return d.size }

func (d *dirFiles) open(name string) (io.ReadCloser, error) {
	if _, ok := d.size[name]; !ok {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return d.root.Open(name)
}

func (d *dirFiles) close() error { return d.root.Close() }
