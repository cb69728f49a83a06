//go:build unix

package store

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// fileLock is a lock on a file of its own beside the database. It must not be on the database file: opening and closing that one
// in this process would strip SQLite of its own locks (https://www.sqlite.org/howtocorrupt.html, 2.2).
type fileLock struct{ f *os.File }

// takeLock takes the lock or says who holds it. The kernel gives it up when the process ends, however it ends.
func takeLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if err != syscall.EWOULDBLOCK {
			return nil, fmt.Errorf("locking %s: %w (a network file system cannot hold a ledger)", path, err)
		}
		raw, _ := os.ReadFile(path) // only for the message
		pid := strings.TrimSpace(string(raw))
		if pid == "" {
			pid = "unknown"
		}
		return nil, &LockedError{Path: path, PID: pid}
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &fileLock{f: f}, nil
}

// release lets the next process in. The file stays: removing it would race with one that has just opened it. Closing alone is not
// enough: a program that was being started at that moment has a copy of the descriptor until it runs (flock(2): the lock belongs to the
// open file description), and the ledger would be "in use" for as long.
func (l *fileLock) release() {
	_ = syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN)
	_ = l.f.Close()
}

// checkModes refuses a folder or file that others can read or write. It looks at names only and never opens a file.
func checkModes(dir string, files ...string) error {
	if err := checkMode(dir, 0o700); err != nil {
		return err
	}
	for _, f := range files {
		if err := checkMode(f, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func checkMode(path string, want fs.FileMode) error {
	info, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if mode := info.Mode(); mode&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s: %w: it is a symbolic link", path, ErrModes)
	} else if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %w: mode %#o; run: chmod %#o %s", path, ErrModes, mode.Perm(), want, path)
	}
	return nil
}

// prepareDir makes the data folder and the empty database file with modes that keep others out. The file is created before
// SQLite opens anything, and only if it does not exist, so no lock can be lost.
func prepareDir(dir, dbPath string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if dbPath == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dbPath), 0o700); err != nil {
		return err
	}
	fd, err := syscall.Open(dbPath, syscall.O_CREAT|syscall.O_EXCL|syscall.O_WRONLY|syscall.O_CLOEXEC, 0o600)
	if err == syscall.EEXIST {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "create", Path: dbPath, Err: err}
	}
	return syscall.Close(fd)
}
