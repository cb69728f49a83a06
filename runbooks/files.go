package runbooks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadFile reads a file of a connector's own folder, and refuses one of more than limit bytes.
func ReadFile(dir *os.Root, name string, limit int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return raw, err
}

// ReplaceFile puts content in place of name so that a crash leaves the old or the new content, never a part: it is durable when
// it returns.
func ReplaceFile(dir *os.Root, name string, content []byte, mode fs.FileMode) error {
	temp := name + ".new"
	if err := writeFlushed(dir, temp, content, mode); err != nil {
		_ = dir.Remove(temp)
		return err
	}
	if err := dir.Rename(temp, name); err != nil {
		return err
	}
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeFlushed(dir *os.Root, name string, content []byte, mode fs.FileMode) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
