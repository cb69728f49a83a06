package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// isUnwritable tells whether a database could not be opened for reading because SQLite found no place for its index of the log: the disk is full,
// or it takes no write and nobody has the database open.
func isUnwritable(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xFF {
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return true
	}
	return false
}

// openUnwritable opens, for reading, a database whose folder takes no write. What its log holds is read from a copy in the folder for temporary
// files; where that has no room either, the file is read as it is, and what the log holds is not seen. how says which, for people.
func openUnwritable(ctx context.Context, path string, why error) (read *sql.DB, scratch, how string, err error) {
	log, err := os.Stat(path + "-wal")
	if errors.Is(err, os.ErrNotExist) || err == nil && log.Size() == 0 {
		read, err = openImmutable(ctx, path)
		return read, "", "its disk takes no write now: it is read as it lies there", err
	}
	if err != nil {
		return nil, "", "", err
	}
	scratch, err = copyOfDatabase(path)
	if err == nil {
		if _, read, err = openSQLite(ctx, filepath.Join(scratch, filepath.Base(path)), true); err == nil {
			return read, scratch, "its disk takes no write now: a copy of it is read", nil
		}
	}
	_ = os.RemoveAll(scratch)
	if errors.Is(err, os.ErrPermission) {
		return nil, "", "", why // it is not the disk
	}
	read, failed := openImmutable(ctx, path)
	if failed != nil {
		return nil, "", "", errors.Join(why, err, failed)
	}
	how = fmt.Sprintf("its disk takes no write now, and a copy could not be made (%v): what was recorded last (%d KiB in %s) IS NOT SEEN", err, log.Size()>>10, filepath.Base(path)+"-wal")
	return read, "", how, nil
}

// openImmutable reads a file that nobody writes, without its log.
func openImmutable(ctx context.Context, path string) (*sql.DB, error) {
	u, err := url.Parse(sqliteDSN(path, true))
	if err != nil {
		return nil, err
	}
	q := u.Query()
	q.Set("immutable", "1")
	u.RawQuery = q.Encode()
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	if err := warm(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// copyOfDatabase copies the file and its log to a folder of its own, which only this user can read.
func copyOfDatabase(path string) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "countersign-read-"); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	for _, end := range []string{"", "-wal"} {
		if err := copyPlain(path+end, filepath.Join(dir, filepath.Base(path)+end)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func copyPlain(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// ReadHow says, in words for people, how a database was opened for reading whose disk takes no write; empty when it does.
func (s *Store) ReadHow() string { return s.readHow }

// dropScratch removes the copy that was read.
func (s *Store) dropScratch() {
	if s.scratch == "" {
		return
	}
	if err := os.RemoveAll(s.scratch); err != nil {
		s.log.Error("removing a copy of the ledger that was made to read it", "path", s.scratch, "err", err)
	}
}
