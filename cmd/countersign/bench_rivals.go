package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
)

// The three that append side by side in one run: the ledger, the physical limit, and what somebody writes first.

// benchOrigin names the ledgers that are made to be measured; nothing signed under it is ever evidence.
const benchOrigin = "bench.invalid/countersign/ledger"

// benchStore makes or opens a ledger in a folder.
func benchStore(ctx context.Context, dir string, key ledger.Key) (*store.Store, error) {
	return store.Open(ctx, storeConfig(Config{Data: dir}, jobs.NewSystem(), key, nil))
}

func benchKey() (ledger.Key, error) { return ledger.GenerateKey(rand.Reader, benchOrigin) }

// oursCaller takes requests through their lives, one after the other.
func oursCaller(s *store.Store, begun *serial) func(int) func(context.Context) error {
	return func(int) func(context.Context) error {
		l := &life{ids: clockIDs{s.Clock()}, step: lifeSteps}
		return func(ctx context.Context) error {
			if l.step == lifeSteps {
				l.begin(begun.next())
			}
			cause, streams, decide := l.next()
			_, err := s.Update(ctx, cause, streams, decide)
			return err
		}
	}
}

// serial numbers what several callers begin.
type serial struct {
	mu sync.Mutex
	n  int64
}

func (s *serial) next() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.n
}

// lifeBytes takes one request through the ledger and gives the bytes of the leaves that each of its calls appended: what the rivals
// have to write for the same.
func lifeBytes(ctx context.Context, s *store.Store) (out [lifeSteps][]int, err error) {
	l := &life{ids: clockIDs{s.Clock()}}
	l.begin(0)
	for i := range out {
		cause, streams, decide := l.next()
		res, err := s.Update(ctx, cause, streams, decide)
		if err != nil {
			return out, err
		}
		for _, r := range res.Records {
			leaf, err := s.Leaf(ctx, r.Index)
			if err != nil {
				return out, err
			}
			out[i] = append(out[i], len(leaf))
		}
	}
	return out, nil
}

// rawFile appends to a plain file: whoever comes while a sync runs waits for the next one together with all others.
type rawFile struct {
	f     *os.File
	queue chan *rawWrite
	done  chan struct{}
}

type rawWrite struct {
	data []byte
	err  error
	done chan struct{}
}

// The same gathering as the ledger's writer has: so many writes for one sync, and so many times others may run before it.
const (
	rawGather = 256
	rawYields = 8
)

func newRawFile(path string) (*rawFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	r := &rawFile{f: f, queue: make(chan *rawWrite, rawGather), done: make(chan struct{})}
	go r.loop()
	return r, nil
}

func (r *rawFile) loop() {
	defer close(r.done)
	var buf []byte
	last := 0
	for first := range r.queue {
		list := append(make([]*rawWrite, 0, rawGather), first)
		buf = append(buf[:0], first.data...)
		for idle := 0; len(list) < rawGather; {
			select {
			case w, ok := <-r.queue:
				if ok {
					list, buf, idle = append(list, w), append(buf, w.data...), 0
					continue
				}
			default:
			}
			if len(list) >= last || idle == rawYields {
				break
			}
			idle++
			runtime.Gosched()
		}
		last = len(list)
		_, err := r.f.Write(buf)
		if err == nil {
			err = syscall.Fdatasync(int(r.f.Fd()))
		}
		for _, w := range list {
			w.err = err
			close(w.done)
		}
	}
}

func (r *rawFile) close() error {
	close(r.queue)
	<-r.done
	return r.f.Close()
}

// caller writes the leaves of one call at a time.
func (r *rawFile) caller(sizes [lifeSteps][]int) func(int) func(context.Context) error {
	return func(int) func(context.Context) error {
		step := 0
		return func(context.Context) error {
			n := 0
			for _, size := range sizes[step%lifeSteps] {
				n += size
			}
			step++
			w := &rawWrite{data: make([]byte, n), done: make(chan struct{})}
			r.queue <- w
			<-w.done
			return w.err
		}
	}
}

// naive is a table in SQLite, one statement for each entry, each its own transaction, made durable as the ledger's are.
type naive struct{ db *sql.DB }

func newNaive(ctx context.Context, path string) (*naive, error) {
	q := url.Values{"_pragma": {"busy_timeout(60000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE entry (id INTEGER PRIMARY KEY, leaf BLOB NOT NULL)`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &naive{db}, nil
}

// caller appends the entries of one call, each by itself.
func (n *naive) caller(sizes [lifeSteps][]int) func(int) func(context.Context) error {
	return func(int) func(context.Context) error {
		step := 0
		return func(ctx context.Context) error {
			for _, size := range sizes[step%lifeSteps] {
				if _, err := n.db.ExecContext(ctx, `INSERT INTO entry (leaf) VALUES ($1)`, make([]byte, size)); err != nil {
					return err
				}
			}
			step++
			return nil
		}
	}
}

// contest are the three in one folder.
type contest struct {
	store *store.Store
	raw   *rawFile
	naive *naive
	sizes [lifeSteps][]int
	begun serial
}

func newContest(ctx context.Context, dir string) (c *contest, err error) {
	c = &contest{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("preparing in %q: %w", dir, err), c.close())
		}
	}()
	key, err := benchKey()
	if err != nil {
		return c, err
	}
	if c.store, err = benchStore(ctx, filepath.Join(dir, "ours"), key); err != nil {
		return c, err
	}
	if c.sizes, err = lifeBytes(ctx, c.store); err != nil {
		return c, err
	}
	if c.raw, err = newRawFile(filepath.Join(dir, "raw")); err != nil {
		return c, err
	}
	c.naive, err = newNaive(ctx, filepath.Join(dir, "naive.db"))
	return c, err
}

func (c *contest) close() (err error) {
	if c.naive != nil {
		err = c.naive.db.Close()
	}
	if c.raw != nil {
		err = errors.Join(err, c.raw.close())
	}
	if c.store != nil {
		err = errors.Join(err, c.store.Close())
	}
	return err
}

// proofCaller appends as oursCaller does, and takes the signed proof of what it appended along.
func proofCaller(s *store.Store, begun *serial) func(int) func(context.Context) error {
	return func(int) func(context.Context) error {
		l := &life{ids: clockIDs{s.Clock()}, step: lifeSteps}
		return func(ctx context.Context) error {
			if l.step == lifeSteps {
				l.begin(begun.next())
			}
			cause, streams, decide := l.next()
			res, err := s.Update(ctx, cause, streams, decide)
			if err != nil {
				return err
			}
			_, err = s.Receipt(ctx, res.Records[0].Index)
			return err
		}
	}
}
