package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Open opens a ledger for writing and makes it when there is none. It refuses, before anything is written, a folder that another
// process holds (*LockedError), files that others can read (ErrModes), a schema it does not know (ErrSchema), damage (ErrDamaged),
// and a database that is behind or beside what the witness file has seen (ledger.ErrRollback, ledger.ErrFork).
func Open(ctx context.Context, cfg Config) (s *Store, err error) {
	defer wrap(&err, "opening the ledger in %q", cfg.Dir)
	if s, err = newStore(cfg); err != nil {
		return nil, err
	}
	defer func() {
		if err = asDamage(err); err != nil && s != nil {
			s.abandon()
			s = nil
		}
	}()
	if err := s.openDatabase(ctx); err != nil {
		return s, err
	}
	s.lean.Store(!s.keepReserve())
	if err := s.openLedger(ctx); err != nil {
		return s, err
	}
	go s.writer.loop()
	tended := make(chan struct{})
	s.tended = tended
	go func() { defer close(tended); s.tend() }()
	if err := s.settleIn(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenReadOnly opens a ledger for reading, beside a process that writes it or after a check has failed: it takes no lock, changes
// nothing and checks only that the schema is ours. Key needs to be set only if signatures are to be read.
func OpenReadOnly(ctx context.Context, cfg Config) (s *Store, err error) {
	defer wrap(&err, "opening the ledger in %q for reading", cfg.Dir)
	if s, err = newStore(cfg); err != nil {
		return nil, err
	}
	s.readOnly = true
	if s.pg {
		s.db, err = openPostgres(ctx, cfg.DSN)
	} else if path := sqlitePath(cfg); !exists(path) {
		err = fmt.Errorf("%s: %w", path, ErrNotFound)
	} else {
		if _, s.db, err = openSQLite(ctx, path, true); isUnwritable(err) {
			s.db, s.scratch, s.readHow, err = openUnwritable(ctx, path, err)
		}
	}
	if err != nil {
		return nil, asDamage(err)
	}
	if !s.pg {
		s.reads = newPooled(s.db)
	}
	p, err := newProvider(s.db, s.pg)
	if err == nil {
		err = checkOurs(ctx, s.db, s.pg, p)
	}
	if err == nil {
		_, _, s.version, err = schemaState(s.reader(ctx))
	}
	if err == nil {
		err = s.settleKeys(s.reader(ctx))
	}
	if err != nil {
		s.abandon()
		return nil, asDamage(err)
	}
	return s, nil
}

func newStore(cfg Config) (*Store, error) {
	if cfg.Dir == "" || cfg.Clock == nil {
		return nil, errors.New("a folder and a clock are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.WitnessPath == "" {
		cfg.WitnessPath = filepath.Join(cfg.Dir, "witness.log")
	}
	kinds, err := kindsByName(EventKinds(), cfg.Kinds)
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, log: cfg.Log, pg: isPostgres(cfg.DSN), owner: newRef("l_"), kinds: kinds, histories: newHistories(),
		poisoned: make(chan struct{}), closing: make(chan struct{}), schedules: make(map[string]jobs.Cron),
	}
	if cfg.Key.Origin() == "" {
		return s, nil
	}
	sg, err := newSigning(cfg.Key, cfg.Previous, cfg.VKeys)
	s.signing.Store(sg)
	return s, err
}

// abandon lets go of what a failed opening holds.
func (s *Store) abandon() {
	if s.witness != nil {
		_ = s.witness.close()
	}
	for _, db := range []*sql.DB{s.foldDB, s.db, s.writeDB} {
		if db != nil {
			_ = db.Close()
		}
	}
	s.dropScratch()
	if s.lock != nil {
		s.lock.release()
	}
}

// guarded are the lock and the files that nobody else may read or write; path is that of SQLite's file, empty on PostgreSQL.
func guarded(cfg Config, path string) (lock string, files []string) {
	if path == "" {
		lock = filepath.Join(cfg.Dir, "ledger.lock")
		return lock, []string{lock, cfg.WitnessPath}
	}
	lock = path + ".lock"
	return lock, append(sqliteFiles(path), lock, cfg.WitnessPath)
}

// CheckModes refuses, with ErrModes, files that Open would refuse because others can read or write them. It opens none: SQLite gives what it
// makes beside a file the same mode.
func CheckModes(cfg Config) error {
	path := ""
	if cfg.DSN == "" {
		path = sqlitePath(cfg)
	}
	_, files := guarded(cfg, path)
	return checkModes(cfg.Dir, files...)
}

// openDatabase takes the lock, opens, checks and migrates.
func (s *Store) openDatabase(ctx context.Context) (err error) {
	if s.signing.Load() == nil {
		return errors.New("a key is needed")
	}
	path := ""
	if !s.pg {
		path = sqlitePath(s.cfg)
	}
	if err := prepareDir(s.cfg.Dir, path); err != nil {
		return err
	}
	lockPath, files := guarded(s.cfg, path)
	if err := checkModes(s.cfg.Dir, files...); err != nil {
		return err
	}
	if s.lock, err = takeLock(lockPath); err != nil {
		return err
	}
	if s.pg {
		if s.db, err = openPostgres(ctx, s.cfg.DSN); err != nil {
			return err
		}
		s.writeDB = s.db
		if s.version, err = migrate(ctx, s.db, true); err != nil {
			return err
		}
		return checkPostgres(s.reader(ctx))
	}
	if s.writeDB, s.db, err = openSQLite(ctx, path, false); err != nil {
		return err
	}
	s.reads = newPooled(s.db)
	if err := assertPragmas(ctx, s.writeDB); err != nil {
		return err
	}
	if s.foldDB, err = openFolder(path); err != nil {
		return err
	}
	if s.version, err = migrate(ctx, s.writeDB, false); err != nil {
		return err
	}
	return checkSQLite(&query{ctx: ctx, run: s.writeDB})
}

// openLedger checks the right edge of the ledger against its head, its signature and the witness file, and makes the writer.
func (s *Store) openLedger(ctx context.Context) error {
	q := &query{ctx: ctx, run: s.writeDB, pg: s.pg}
	if err := s.settleKeys(q); err != nil {
		return err
	}
	tree, last, err := s.loadTree(q)
	if err != nil {
		return err
	}
	seen, err := readWitness(s.cfg.WitnessPath)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	head, _, err := readHead(q)
	if err != nil {
		return err
	}
	tiles := ledger.Layered{tree, &tileRows{s: s}}
	kept, _, err := s.unexplained(q, head, tiles, slices.Concat(seen.Anchors, s.cfg.Remembered))
	if err != nil {
		return err
	}
	if err := ledger.CheckHead(ctx, head, tiles, kept); err != nil {
		if err = s.acceptLoss(head, err); err != nil {
			return err
		}
	}
	if s.witness, err = openWitness(s.cfg.WitnessPath, seen, s.poisonWith); err != nil {
		return err
	}
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	s.prover = ledger.NewProver(&tileRows{s: s})
	if head.Size > 0 {
		s.head.Store(&signedTree{tree: tree, note: head.Note})
	}
	s.writer = &writer{
		s: s, queue: make(chan *op, maxWaiting), folds: make(chan *foldTurn), done: make(chan struct{}),
		conn: hold(conn, s.pg), tree: tree, clock: ledgerClock{last: last}, docs: make(map[string]bool),
	}
	if !s.pg {
		s.writer.known = newStandings()
	}
	return nil
}

// loadTree rebuilds the tree from the head, the last entries and tiles, all checked against each other, and gives the instant of
// the newest entry. An empty database gives the empty tree.
func (s *Store) loadTree(q *query) (*ledger.Tree, workflows.Instant, error) {
	var last workflows.Instant
	head, found, err := readHead(q)
	if err != nil {
		return nil, last, err
	}
	var rows int64
	if _, err := q.one(`SELECT COALESCE(MAX(idx), -1) + 1 FROM log_entry`, []any{&rows}); err != nil {
		return nil, last, err
	}
	if rows != head.Size {
		return nil, last, fmt.Errorf("%w: the head says %d entries, there are %d", ErrDamaged, head.Size, rows)
	}
	if !found {
		return ledger.NewTree(), last, nil
	}
	cp, err := ledger.OpenCheckpoint(head.Note, s.Origin(), s.signing.Load().current)
	if err != nil {
		return nil, last, fmt.Errorf("%w: the head: %w", ErrDamaged, err)
	}
	if cp.Size != head.Size || cp.Root != head.Root {
		return nil, last, fmt.Errorf("%w: the signed head is of another size or root than its row", ErrDamaged)
	}
	tail, last, err := readTail(q, head.Size)
	if err != nil {
		return nil, last, err
	}
	tree, err := ledger.TreeFromFrontier(q.ctx, head.Size, head.Frontier, tail, &tileRows{s: s, q: q})
	if err != nil {
		return nil, last, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if tree.Root() != head.Root {
		return nil, last, fmt.Errorf("%w: the newest entries do not give the root of the head", ErrDamaged)
	}
	return tree, last, nil
}

// readTail hashes the stored entries behind the last full tile, and reads the instant of the newest entry.
func readTail(q *query, size int64) (tail []ledger.Hash, last workflows.Instant, err error) {
	from := min(size&^(ledger.TileWidth-1), size-1)
	var newest []byte
	err = q.each(`SELECT idx, leaf FROM log_entry WHERE idx >= $1 ORDER BY idx`,
		func(scan func(...any) error) error {
			var idx int64
			var leaf []byte
			if err := scan(&idx, &leaf); err != nil {
				return err
			}
			if idx >= size&^(ledger.TileWidth-1) {
				tail = append(tail, ledger.LeafHash(leaf))
			}
			newest = leaf
			return nil
		}, from)
	if err != nil {
		return nil, last, err
	}
	l, err := ledger.Decode(newest)
	if err != nil {
		return nil, last, fmt.Errorf("%w: entry %d: %w", ErrDamaged, size-1, err)
	}
	return tail, workflows.Instant{UTC: workflows.Stamp(l.Time), Mono: l.Mono}, nil
}

// tileRows serves full tiles from the table.
type tileRows struct {
	s *Store
	q *query // nil: the pool
}

// ReadTile implements ledger.TileReader.
func (t *tileRows) ReadTile(ctx context.Context, level int, n int64) (b []byte, err error) {
	q := t.q
	if q == nil {
		q = t.s.reader(ctx)
	}
	found, err := q.one(`SELECT hashes FROM log_tile WHERE level = $1 AND n = $2`, []any{&b}, int64(level), n)
	if err == nil && !found {
		err = fmt.Errorf("tile %d of level %d: %w", n, level, ledger.ErrNoTile)
	}
	return b, err
}

// settleIn gives up leases of a former process, writes entry 0 when there is none, and records the start.
func (s *Store) settleIn(ctx context.Context) error {
	return s.do(ctx, func(b *batch) error {
		if !b.pg {
			if err := b.resetLeases(); err != nil {
				return err
			}
		}
		if err := b.lockHead(); err != nil {
			return err
		}
		if b.size == 0 {
			if err := b.genesis(); err != nil {
				return err
			}
		}
		if err := b.recordLoss(); err != nil {
			return err
		}
		if s.cfg.Instance == "" {
			return nil
		}
		return b.recordSystem(InstanceStarted{Instance: s.cfg.Instance, Version: s.cfg.Version, Zones: zoneVersion(), Rules: s.cfg.Rules, Clock: s.cfg.MachineClock})
	})
}

func (b *batch) genesis() error {
	return b.recordSystem(Genesis{
		Origin: b.s.Origin(), VKey: b.s.VKey(), Format: ledger.FormatVersion, Virtual: b.s.cfg.Virtual, Zones: zoneVersion(),
	})
}

// recordSystem appends one event by the product itself to the system stream.
func (b *batch) recordSystem(e workflows.Event) error {
	if err := b.lockHead(); err != nil {
		return err
	}
	now, err := b.now()
	if err != nil {
		return err
	}
	_, err = b.appendEvents("", now, []workflows.StreamEvent{{Stream: workflows.SystemStream, Actor: workflows.SystemActor, Event: e}})
	return err
}

func (s *Store) recordStop(ctx context.Context) error {
	return s.do(ctx, func(b *batch) error { return b.recordSystem(InstanceStopped{Instance: s.cfg.Instance}) })
}

// tend does what is due by the real clock: leases on PostgreSQL, the write-ahead log on SQLite.
func (s *Store) tend() {
	if !s.pg {
		s.foldLoop()
		return
	}
	t := time.NewTicker(leaseBeat)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			ctx, cancel := context.WithTimeout(context.Background(), leaseTime)
			if err := s.do(ctx, func(b *batch) error { return b.expireLeases() }); err != nil {
				s.log.Warn("renewing leases", "err", err)
			}
			cancel()
		case <-s.closing:
			return
		}
	}
}
