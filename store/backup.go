package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/countersign-bot/countersign/store/ledger"
)

// ErrElsewhere: the ledger lives in PostgreSQL, whose own tools copy it.
var ErrElsewhere = errors.New("the ledger lives in PostgreSQL")

// Copied is a copy of a ledger that was made and then verified from its own file.
type Copied struct {
	Path   string
	Bytes  int64         // of the file
	Head   ledger.Head   // where the copy stands
	Report ledger.Report // of the copy
	Seen   ledger.Anchor // the newest head that was remembered outside before the copy began; the copy is not behind it
}

// Backup copies the ledger into one file of mode 0600, while another process writes it or this one does. The copy holds every
// entry, text and job, but no key. It gets its name only after all of it was read back: pages, signatures, tree, and the heads that
// the witness file remembered before the copy began. fs.ErrExist when there is a file of that name, ErrElsewhere on PostgreSQL.
func (s *Store) Backup(ctx context.Context, out string) (c Copied, err error) {
	defer wrap(&err, "backing up the ledger to %q", out)
	if s.pg {
		return c, ErrElsewhere
	}
	seen, err := s.Remembered() // before the copy: a writer that goes on must not make it look old
	if err != nil {
		return c, err
	}
	return s.copyTo(ctx, out, seen)
}

// Restore makes the data folder cfg.Dir out of a copy: the database, and a witness file that remembers its head unless
// cfg.WitnessPath is there already. The folder must be empty but for keys/. A copy that does not verify, or that is behind or beside
// what the witness file or one of the anchors remembers (ledger.ErrRollback, ledger.ErrFork), leaves the folder as it was.
func Restore(ctx context.Context, cfg Config, from string, anchors ...ledger.Anchor) (c Copied, err error) {
	defer wrap(&err, "restoring %q to %q", from, cfg.Dir)
	if isPostgres(cfg.DSN) {
		return c, ErrElsewhere
	}
	if cfg.WitnessPath == "" {
		cfg.WitnessPath = filepath.Join(cfg.Dir, "witness.log")
	}
	made, err := emptyFolder(cfg.Dir)
	if err != nil {
		return c, err
	}
	lockPath := filepath.Join(cfg.Dir, databaseName) + ".lock"
	lock, err := takeLock(lockPath)
	if err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(lockPath)
		}
		lock.release()
		if err != nil && made {
			_ = os.Remove(cfg.Dir)
		}
	}()
	source := cfg
	source.DSN = from
	s, err := OpenReadOnly(ctx, source)
	if err != nil {
		return c, err
	}
	defer s.abandon()
	seen, err := s.Remembered()
	if err != nil {
		return c, err
	}
	c, err = s.copyTo(ctx, filepath.Join(cfg.Dir, databaseName), append(seen, anchors...))
	if err != nil || exists(cfg.WitnessPath) {
		return c, err
	}
	return c, remember(cfg.WitnessPath, c.Head, int64(s.nowStamp()))
}

// emptyFolder makes the folder, or looks that nothing but keys/ is in it. made tells which.
func emptyFolder(dir string) (made bool, err error) {
	made = !exists(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	if err := checkMode(dir, 0o700); err != nil {
		return false, err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if e.Name() != "keys" {
			return false, fmt.Errorf("the folder is not empty, it holds %q: %w", e.Name(), fs.ErrExist)
		}
	}
	return made, nil
}

// remember begins a witness file with a head.
func remember(path string, h ledger.Head, us int64) error {
	w, err := openWitness(path, ledger.Witness{}, func(error) {})
	if err != nil {
		return err
	}
	return errors.Join(w.write(h, us), w.close(), syncFile(filepath.Dir(path)))
}

// copyTo makes a verified copy under a name that is not there yet.
func (s *Store) copyTo(ctx context.Context, out string, seen []ledger.Anchor) (c Copied, err error) {
	if exists(out) {
		return c, fs.ErrExist
	}
	tmp, err := os.CreateTemp(filepath.Dir(out), ".countersign-copy-*") // mode 0600
	if err != nil {
		return c, err
	}
	name := tmp.Name()
	defer os.Remove(name) // gone already when all went well
	if err := tmp.Close(); err != nil {
		return c, err
	}
	if err := vacuumInto(ctx, sqlitePath(s.cfg), name); err != nil {
		return c, err
	}
	if err := syncFile(name); err != nil {
		return c, err
	}
	if c, err = s.inspect(ctx, name, seen); err != nil {
		return c, err
	}
	c.Path = out
	if err := os.Rename(name, out); err != nil {
		return c, err
	}
	return c, syncFile(filepath.Dir(out))
}

// vacuumInto copies within one read transaction: a writer goes on beside it, and what it writes meanwhile is not in the copy. It was
// chosen over the backup interface because that begins anew whenever another process commits, and copies erased pages.
func vacuumInto(ctx context.Context, from, to string) (err error) {
	defer wrap(&err, "copying")
	q := url.Values{}
	q.Set("_defensive", "1")
	q.Set("mode", "ro") // but not query_only, which would forbid writing the copy too
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	q.Add("_pragma", "trusted_schema(0)")
	q.Add("_pragma", "temp_store(MEMORY)")
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: from, RawQuery: q.Encode()}).String())
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, to)
	return asDamage(err)
}

// syncFile brings a file or folder to the disk. It is called for files that SQLite has not open.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// inspect reads a whole copy back.
func (s *Store) inspect(ctx context.Context, path string, seen []ledger.Anchor) (c Copied, err error) {
	defer wrap(&err, "verifying the copy")
	cfg := s.cfg
	cfg.DSN = path
	ro, err := OpenReadOnly(ctx, cfg)
	if err != nil {
		return c, err
	}
	defer ro.abandon()
	q := ro.reader(ctx)
	var verdict string
	if _, err := q.one(`PRAGMA integrity_check(1)`, []any{&verdict}); err != nil || verdict != "ok" {
		return c, errors.Join(fmt.Errorf("%w: integrity_check: %s", ErrDamaged, verdict), err)
	}
	if err := checkTriggers(q, `SELECT name FROM sqlite_schema WHERE type = 'trigger'`); err != nil {
		return c, err
	}
	if c.Head, err = ro.Head(ctx); err != nil {
		return c, err
	}
	if err := ledger.CheckHead(ctx, c.Head, nil, seen); err != nil {
		return c, err
	}
	if c.Report, err = ro.verifyAgainst(ctx, seen); err != nil {
		return c, err
	}
	if err := verdictOf(c.Report); err != nil {
		return c, err
	}
	for _, a := range seen {
		if a.Size >= c.Seen.Size {
			c.Seen = a
		}
	}
	info, err := os.Stat(path)
	if err == nil {
		c.Bytes = info.Size()
	}
	return c, err
}

// verdictOf turns a report that is not good into the error it means.
func verdictOf(r ledger.Report) error {
	switch {
	case r.OK:
		return nil
	case r.First.Code == ledger.CodeFork:
		return fmt.Errorf("%w: %s", ledger.ErrFork, r.First.Text)
	}
	return fmt.Errorf("%w: %s", ErrDamaged, r.First.Text)
}
