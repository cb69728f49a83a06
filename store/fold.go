package store

import (
	"context"
	"database/sql"
	"time"
)

// The write-ahead log is folded into the database file beside the writer: left to SQLite, the commit that happens to pass a thousand pages
// would sync the whole file while its callers stand there.

// openFolder opens the connection that folds. It never waits for a lock: while it waits, nobody could write.
func openFolder(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteURL(path, false, 0))
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// foldLog copies what it can of the write-ahead log into the database file, without making the writer wait. It gives the pages in the
// log and those it copied; a reader that stays keeps later ones from being copied.
func (s *Store) foldLog(ctx context.Context) (pages, copied int64, err error) {
	return s.checkpointLog(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
}

// emptyLog folds the log and gives its room on the disk back, if nobody reads or writes just now.
func (s *Store) emptyLog(ctx context.Context) (pages, copied int64, err error) {
	return s.checkpointLog(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
}

func (s *Store) checkpointLog(ctx context.Context, text string) (pages, copied int64, err error) {
	var busy int64
	q := &query{ctx: ctx, run: s.foldDB}
	_, err = q.one(text, []any{&busy, &pages, &copied})
	return pages, copied, err
}

// folding is what the loop remembers from one second to the next.
type folding struct {
	s       *Store
	bound   int64 // pages from which on the writer waits for the last of them
	pages   int64 // in the log, when it was looked at last
	last    int64 // commits when everything was folded
	warned  int64 // commits when the operator was told that it grows
	emptied bool  // the log has no room on the disk
}

// foldLoop folds the log once a second while anything is written. It also looks whether a full disk has room again.
func (s *Store) foldLoop() {
	t := time.NewTicker(foldEvery)
	defer t.Stop()
	f := &folding{s: s, bound: boundLog}
	for {
		select {
		case <-t.C:
		case <-s.closing:
			return
		}
		s.lookForRoom()
		ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
		if err := f.turn(ctx); err != nil {
			s.log.Warn("folding the write-ahead log", "err", err)
		}
		cancel()
	}
}

// turn does what one second needs.
func (f *folding) turn(ctx context.Context) error {
	now := f.s.commits.Load()
	if now == f.last {
		return f.idle(ctx)
	}
	f.emptied = false
	pages, copied, err := f.s.foldLog(ctx)
	f.pages = pages
	if err == nil && pages > f.bound && pages-copied <= boundRest {
		pages, copied, err = f.s.foldBetween(ctx)
	}
	switch {
	case err != nil:
		return err
	case pages-copied > longLog && now-f.warned > longLog:
		f.warned = now
		f.s.log.Warn("the write-ahead log grows: something reads for a long time", "pages", pages, "folded", copied)
	case pages == copied:
		f.last = now
	}
	return nil
}

// idle gives the room of the log back when a second passed without a commit.
func (f *folding) idle(ctx context.Context) error {
	if f.emptied || f.last == 0 {
		return nil
	}
	pages, _, err := f.s.emptyLog(ctx)
	f.emptied = err == nil && pages == 0
	f.pages = pages
	if err != nil && isBusy(err) {
		return nil // somebody reads: the next second will do
	}
	return err
}

// foldBetween folds the rest between two transactions. A log begins anew only when all of it is folded at the beginning of a
// transaction: under a writer that never rests the loop alone would not come to that, and the log would grow for as long as the load lasts.
func (s *Store) foldBetween(ctx context.Context) (pages, copied int64, err error) {
	turn := &foldTurn{done: make(chan struct{})}
	select {
	case s.writer.folds <- turn:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-s.closing:
		return 0, 0, nil
	}
	select {
	case <-turn.done:
		return turn.pages, turn.copied, turn.err
	case <-s.writer.done:
		return 0, 0, nil
	}
}

// foldTurn is a fold that the writer waits for.
type foldTurn struct {
	pages, copied int64
	err           error
	done          chan struct{}
}

func (w *writer) fold(t *foldTurn) {
	ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
	defer cancel()
	t.pages, t.copied, t.err = w.s.foldLog(ctx)
	close(t.done)
}
