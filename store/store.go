package store

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Config says which ledger to open and how. Dir, Kinds, Clock and Key must be set.
type Config struct {
	// DSN is the path of a SQLite file or a postgres:// URL. Empty: countersign.db in Dir.
	DSN string

	// Dir is the data folder, mode 0700: the database file, its lock and the witness file. It is made if it does not exist.
	Dir string

	// WitnessPath is the file outside the database that every signed head is written to. Empty: witness.log in Dir; another
	// disk is better.
	WitnessPath string

	// Kinds are the event kinds of all packages; those of the store are added.
	Kinds []workflows.EventKind

	Clock jobs.Clock
	Key   ledger.Key // its origin is the ledger's
	VKeys []string   // earlier public keys of this ledger, for reading heads of that time; those that the ledger recorded are added

	// Next is a key that was to follow Key, when a crash may have come between the change and what makes it Key; zero: none. Previous are
	// earlier keys that still sign beside Key, for readers who pinned them.
	Next     ledger.Key
	Previous []ledger.Key

	// Remembered is what others outside of this host remember of the ledger, asked just before. Open compares it as it does the witness file.
	Remembered []ledger.Anchor

	// Reserve is how many bytes beside the database are kept for the time when the disk is full: access still ends then, while people
	// are refused. 0: none.
	Reserve int64

	// Accept is what two people said about entries that are gone; nil: nobody. Open goes on behind exactly that loss and records it.
	Accept *custody.RollbackAccepted

	Virtual  bool   // the clock can be moved; entry 0 says so
	Instance string // when set, Open and Close record instance.started and instance.stopped under this name
	Version  string // of the program, for instance.started
	Rules    int    // which rules for decisions and for rows beside the entries the program follows, for instance.started; 0: does not say

	// MachineClock says for instance.started whether the machine's clock is kept to the time of others, in a word; "": not known.
	MachineClock string

	Log *slog.Logger // nil: discarded
}

// Store is an open ledger. All methods may be called from any goroutine.
type Store struct {
	cfg       Config
	log       *slog.Logger
	pg        bool
	readOnly  bool
	version   int64   // of the schema as it lies there: older than the newest when an old ledger is only read
	owner     string  // of leases taken by this process
	db        *sql.DB // reads; on PostgreSQL also the writer's pool
	reads     *pooled // db with its statements kept; nil on PostgreSQL
	writeDB   *sql.DB
	foldDB    *sql.DB      // SQLite: folds the write-ahead log
	scratch   string       // folder of the copy that is read, where the database's own takes no write
	readHow   string       // in words, then
	lean      atomic.Bool  // the disk is full and the reserve given up
	commits   atomic.Int64 // transactions that wrote, since the start
	kinds     map[string]kindOf
	signing   atomic.Pointer[signing]
	lock      *fileLock
	witness   *witness
	writer    *writer
	head      atomic.Pointer[signedTree] // as last committed here; nil before entry 0
	prover    *ledger.Prover
	histories *histories
	accepted  *custody.RollbackAccepted // to be recorded by this opening

	poison   atomic.Pointer[error]
	poisoned chan struct{} // closed with the first poison
	closing  chan struct{}
	tended   chan struct{} // closed when tend has returned; nil before it runs
	closed   sync.Once

	handMu sync.Mutex
	hand   Hand

	schedMu   sync.Mutex
	schedules map[string]jobs.Cron // by kind: recurring work
}

// Hand takes jobs that are due the moment they are committed, without a query. store/jobs.Worker is one.
type Hand interface {
	// Room is how many more jobs it wants just now.
	Room() int

	// Take receives jobs that are leased to this process.
	Take([]jobs.Job)

	// Wake says that a job that is not leased becomes due then.
	Wake(due workflows.Stamp)
}

// Attach hands jobs that are due at once to h from now on. It is called once, before the worker runs.
func (s *Store) Attach(h Hand) {
	s.handMu.Lock()
	defer s.handMu.Unlock()
	s.hand = h
}

func (s *Store) worker() Hand {
	s.handMu.Lock()
	defer s.handMu.Unlock()
	return s.hand
}

// Poisoned is closed when the store can no longer say what is recorded; PoisonedBy says why. The process should exit with 70.
func (s *Store) Poisoned() <-chan struct{} { return s.poisoned }

// PoisonedBy is the error behind Poisoned; nil while the store is healthy.
func (s *Store) PoisonedBy() error {
	if p := s.poison.Load(); p != nil {
		return *p
	}
	return nil
}

func (s *Store) poisonWith(err error) {
	if s.poison.CompareAndSwap(nil, &err) {
		s.log.Error("the ledger can no longer be written", "err", err)
		close(s.poisoned)
	}
}

// Origin is the name of the ledger.
func (s *Store) Origin() string { return s.cfg.Key.Origin() }

// VKey is the public key that signs the heads.
func (s *Store) VKey() string {
	if sg := s.signing.Load(); sg != nil {
		return sg.key.VKey()
	}
	return s.cfg.Key.VKey()
}

// Clock is the product clock the store was opened with.
func (s *Store) Clock() jobs.Clock { return s.cfg.Clock }

// nowStamp is the wall time of the product.
func (s *Store) nowStamp() workflows.Stamp { return workflows.StampOf(s.cfg.Clock.Now().Wall) }

// Close finishes what waits, records instance.stopped, and lets the folder go. It returns within closeTimeout.
func (s *Store) Close() error {
	var err error
	s.closed.Do(func() { err = s.close() })
	return err
}

func (s *Store) close() (err error) {
	defer wrap(&err, "closing the ledger")
	if s.writer != nil {
		if s.cfg.Instance != "" && s.PoisonedBy() == nil {
			ctx, cancel := context.WithTimeout(context.Background(), closeTimeout/2)
			defer cancel()
			if e := s.recordStop(ctx); e != nil {
				s.log.Warn("recording the stop", "err", e)
			}
		}
	}
	close(s.closing)
	if s.writer != nil {
		select {
		case <-s.writer.done:
		case <-time.After(closeTimeout):
			s.log.Warn("the writer did not finish in time")
		}
	}
	if s.tended != nil {
		// A connection in use outlives its pool's Close: while the log is being folded, the writer's would not be the last to go.
		select {
		case <-s.tended:
		case <-time.After(closeTimeout / 2):
			s.log.Warn("the write-ahead log was still being folded")
		}
	}
	if s.witness != nil {
		err = s.witness.close()
	}
	// The writer's connection last: it can fold the write-ahead log into the file, those for reading cannot.
	for _, db := range []*sql.DB{s.foldDB, s.db, s.writeDB} {
		if db == nil {
			continue
		}
		if e := db.Close(); e != nil && err == nil {
			err = e
		}
	}
	s.dropScratch()
	if s.lock != nil {
		s.lock.release()
	}
	return err
}
