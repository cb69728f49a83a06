package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// writer is the one goroutine that changes the database. Its fields belong to that goroutine alone.
type writer struct {
	s     *Store
	queue chan *op
	folds chan *foldTurn
	done  chan struct{}

	conn  held
	known *standings      // nil on PostgreSQL
	docs  map[string]bool // documents that are recorded; grows with the policies of one run
	tree  *ledger.Tree    // as committed
	clock ledgerClock     // as committed

	lastBatch int // callers in the batch before
}

// op is one callback waiting for the writer. run must leave nothing behind when it fails.
type op struct {
	run      func(b *batch) error
	again    bool        // run may be called anew after its writes were taken back; else it runs once
	taken    atomic.Bool // by the writer, or by a caller who gave up before it
	err      error
	finished chan struct{}
}

// batch is one transaction: what it will have done once it commits.
type batch struct {
	*query
	s     *Store
	w     *writer
	dirty bool // something was written

	writes  int  // statements that wrote
	guarded bool // each callback runs behind a savepoint, so that it can be taken back alone

	headLocked bool
	tree       *ledger.Tree
	clock      ledgerClock
	size       int64    // entries, those of this batch included
	next       *signing // the key changes with this batch
	leaves     []ledger.Hash
	histories  map[workflows.StreamID][]workflows.Record
	former     []formerHistory // what the present callback changed of them
	handed     []jobs.Job
	room       int
	erased     bool            // histories kept in memory hold texts that are gone
	wake       workflows.Stamp // the earliest due time inserted; zero: none
}

// do waits for the writer to run and commit fn. When ctx ends before the writer has come to it, fn never runs and the error is that of
// ctx; after that, do waits for the commit all the same: whoever is told of an error but ErrLedgerUnknown can rely on nothing having
// been written.
func (s *Store) do(ctx context.Context, fn func(b *batch) error) error {
	return s.submit(ctx, &op{run: fn, finished: make(chan struct{})})
}

// doAgain is do for an fn that may run more than once.
func (s *Store) doAgain(ctx context.Context, fn func(b *batch) error) error {
	return s.submit(ctx, &op{run: fn, again: true, finished: make(chan struct{})})
}

func (s *Store) submit(ctx context.Context, o *op) error {
	if s.readOnly {
		return ErrReadOnly
	}
	if err := s.PoisonedBy(); err != nil {
		return err
	}
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	select {
	case s.writer.queue <- o:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	}
	select {
	case <-o.finished:
		return o.err
	case <-ctx.Done():
		if o.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
	case <-s.writer.done:
		if o.taken.CompareAndSwap(false, true) {
			return ErrClosed
		}
	}
	<-o.finished
	return o.err
}

// loop runs until the store closes and nothing waits.
func (w *writer) loop() {
	defer close(w.done)
	defer func() { w.conn.close() }()
	for {
		select {
		case o := <-w.queue:
			w.commit(w.gather(o))
		case t := <-w.folds:
			w.fold(t)
		case <-w.s.closing:
			select {
			case o := <-w.queue:
				w.commit(w.gather(o))
			default:
				return
			}
		}
	}
}

// gather takes what waits already, and lets those run first who are about to call: callers that one commit has let go come back
// within microseconds, and without this the first of them would have a sync of its own while all others wait for the next. It never
// sleeps: a lone caller is kept for as long as it takes to find that nobody else wants to run.
func (w *writer) gather(first *op) []*op {
	ops := append(make([]*op, 0, max(16, w.lastBatch)), first)
	idle := 0
	for len(ops) < maxBatch {
		select {
		case o := <-w.queue:
			ops, idle = append(ops, o), 0
			continue
		default:
		}
		if len(ops) >= w.lastBatch || idle == gatherYields {
			w.lastBatch = len(ops)
			return ops
		}
		idle++
		runtime.Gosched()
	}
	w.lastBatch = len(ops)
	return ops
}

// commit runs the callbacks in one transaction and releases their callers.
func (w *writer) commit(ops []*op) {
	defer func() {
		for _, o := range ops {
			close(o.finished)
		}
	}()
	if err := w.s.PoisonedBy(); err != nil {
		failAll(ops, err)
		return
	}
	ops = slices.DeleteFunc(ops, func(o *op) bool {
		if o.taken.CompareAndSwap(false, true) {
			return false
		}
		close(o.finished) // its caller has given up
		return true
	})
	if len(ops) == 0 {
		return
	}
	b, err := w.runAll(ops, slices.ContainsFunc(ops, func(o *op) bool { return !o.again }))
	if errors.Is(err, errTakeBack) {
		b, err = w.runAll(ops, true)
	}
	if err != nil {
		failAll(ops, err)
		return
	}
	w.finish(b, ops)
}

// errTakeBack ends a batch without savepoints of which one callback failed after it had written.
var errTakeBack = errors.New("a callback has to be taken back")

// runAll runs the callbacks in a transaction that is open when it returns without error. Savepoints cost a copy of every page that a
// callback touches: where all callbacks may run again, the batch runs without them, and once more with them if one has to be taken back.
func (w *writer) runAll(ops []*op, guarded bool) (*batch, error) {
	b, err := w.begin()
	if err != nil {
		return nil, w.fault(fmt.Errorf("%w: beginning: %w", ErrUnavailable, err))
	}
	b.guarded = guarded
	for _, o := range ops {
		err := b.runOne(o)
		if err == nil {
			continue
		}
		failed := b.rollback()
		if errors.Is(err, errTakeBack) && failed == nil {
			return nil, err
		}
		err = w.fault(fmt.Errorf("%w: %w", ErrUnavailable, err)) // not that of the rollback: this one ended the batch
		w.reconnect()
		return nil, err
	}
	return b, nil
}

// finish makes the batch durable, in this order: head, COMMIT, witness line, memory, workers. Callers are let go after it.
func (w *writer) finish(b *batch, ops []*op) {
	if !b.dirty {
		if _, err := b.exec("ROLLBACK"); err != nil { // what was read meanwhile is true
			w.fault(err)
			w.reconnect()
		}
		return
	}
	head, err := b.seal()
	if err != nil {
		b.rollback() // as above
		failAll(ops, w.fault(fmt.Errorf("%w: %w", ErrUnavailable, err)))
		w.reconnect()
		return
	}
	if _, err := b.exec("COMMIT"); err != nil {
		if isFull(err) && w.tookNothing() {
			w.s.giveUpReserve()
			failAll(ops, fmt.Errorf("%w: COMMIT: %w", ErrUnavailable, err))
			return
		}
		err = fmt.Errorf("%w: COMMIT: %w", ErrLedgerUnknown, err)
		w.s.poisonWith(err)
		failAll(ops, err)
		return
	}
	w.s.commits.Add(1)
	if len(b.leaves) > 0 {
		if err := w.s.witness.write(head, int64(w.s.nowStamp())); err != nil {
			err = fmt.Errorf("%w: %w", ErrLedgerUnknown, err)
			w.s.poisonWith(err)
			failAll(ops, err)
			return
		}
		w.tree = b.tree
		if b.next != nil {
			w.s.signing.Store(b.next)
		}
		w.s.head.Store(&signedTree{tree: b.tree, note: head.Note})
	}
	w.clock = b.clock
	if b.erased {
		w.s.histories.clear()
	}
	for stream, h := range b.histories {
		w.s.histories.put(stream, h)
	}
	if h := w.s.worker(); h != nil {
		if len(b.handed) > 0 {
			h.Take(b.handed)
		}
		if b.wake != 0 {
			h.Wake(b.wake)
		}
	}
}

// tookNothing rolls back after a COMMIT for which the disk had no room, and looks. It is the one error of COMMIT that can mean "no":
// SQLite writes the frame that makes a transaction valid last, and syncs only then, so that what did not fit was never valid.
func (w *writer) tookNothing() bool {
	if _, err := w.query().exec("ROLLBACK"); err != nil {
		w.s.log.Warn("rolling back on a full disk", "err", err) // SQLite may have done it itself
	}
	w.reconnect()
	head, _, err := readHead(w.query())
	return err == nil && head.Size == w.tree.Size()
}

func failAll(ops []*op, err error) {
	for _, o := range ops {
		o.err = err
	}
}

// fault poisons the store when the error says that the storage itself is failing: a full disk is waited out, a lying one is not.
func (w *writer) fault(err error) error {
	if isFull(err) {
		w.s.giveUpReserve()
	}
	if isFatalStorage(err) {
		w.s.poisonWith(err)
	}
	return err
}

// reconnect replaces the connection after a transaction could not be rolled back cleanly. A failure shows at the next begin.
func (w *writer) reconnect() {
	w.forget()
	w.conn.close()
	ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
	defer cancel()
	conn, err := w.s.writeDB.Conn(ctx)
	if err != nil {
		w.s.log.Error("reopening the writer's connection", "err", err)
		return
	}
	w.conn = hold(conn, w.s.pg)
}

// query is for what the writer itself runs on its connection.
func (w *writer) query() *query { return w.conn.query(context.Background(), w.s.pg) }

func (w *writer) begin() (*batch, error) {
	b := &batch{
		query:     w.query(),
		s:         w.s,
		w:         w,
		clock:     w.clock,
		size:      w.tree.Size(),
		histories: make(map[workflows.StreamID][]workflows.Record),
	}
	if h := w.s.worker(); h != nil {
		b.room = h.Room()
	}
	text := "BEGIN IMMEDIATE"
	if b.pg {
		text = "BEGIN"
	}
	_, err := b.exec(text)
	if errors.Is(err, sql.ErrConnDone) {
		w.reconnect()
		b.query = w.query()
		_, err = b.exec(text)
	}
	if err == nil {
		err = w.known.follow(b.query)
	}
	return b, err
}

// rollback ends the transaction without a trace, in memory too.
func (b *batch) rollback() error {
	b.w.forget()
	_, err := b.exec("ROLLBACK")
	return err
}

// forget empties what the writer knows without asking.
func (w *writer) forget() {
	clear(w.docs)
	if w.known != nil {
		w.known.forgetAll()
	}
}

// mark is what runOne needs to take back one callback.
type mark struct {
	clock  ledgerClock
	size   int64
	leaves int
	handed int
	room   int
	wake   workflows.Stamp
}

// formerHistory is a history of the batch as it was before the present callback.
type formerHistory struct {
	stream workflows.StreamID
	had    bool
	was    []workflows.Record
}

// setHistory changes a history of the batch so that it can be taken back.
func (b *batch) setHistory(stream workflows.StreamID, h []workflows.Record) {
	was, had := b.histories[stream]
	b.former = append(b.former, formerHistory{stream, had, was})
	b.histories[stream] = h
}

func (b *batch) takeBackHistories() {
	for _, f := range slices.Backward(b.former) {
		if f.had {
			b.histories[f.stream] = f.was
		} else {
			delete(b.histories, f.stream)
		}
	}
}

// runOne runs one callback behind a savepoint. An error of the callback is its own; an error of the savepoint ends the batch.
func (b *batch) runOne(o *op) error {
	m := mark{clock: b.clock, size: b.size, leaves: len(b.leaves), handed: len(b.handed), room: b.room, wake: b.wake}
	b.former = b.former[:0]
	if err := b.savepoint("SAVEPOINT one"); err != nil {
		return err
	}
	before := b.writes
	o.err = b.call(o)
	if o.err == nil {
		b.w.known.keep()
		return b.savepoint("RELEASE SAVEPOINT one")
	}
	if isFatalStorage(o.err) {
		return o.err
	}
	if !b.guarded && b.writes > before {
		return fmt.Errorf("%w: %w", errTakeBack, o.err)
	}
	b.clock, b.size, b.leaves, b.handed, b.room, b.wake = m.clock, m.size, b.leaves[:m.leaves], b.handed[:m.handed], m.room, m.wake
	b.takeBackHistories()
	b.w.known.drop()
	clear(b.w.docs)
	if err := b.savepoint("ROLLBACK TO SAVEPOINT one"); err != nil {
		return errors.Join(o.err, err)
	}
	return b.savepoint("RELEASE SAVEPOINT one")
}

func (b *batch) savepoint(text string) error {
	if !b.guarded {
		return nil
	}
	_, err := b.exec(text)
	return err
}

func (b *batch) call(o *op) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a callback: %v\n%s", p, debug.Stack())
		}
	}()
	return o.run(b)
}

// write is exec that marks the batch as worth a commit.
func (b *batch) write(text string, args ...any) (int64, error) {
	b.wrote()
	return b.exec(text, args...)
}

// wrote says that a statement of this batch writes.
func (b *batch) wrote() {
	b.dirty = true
	b.writes++
}

// insertID is write for one new row whose id the database gives.
func (b *batch) insertID(text string, args ...any) (id int64, err error) {
	b.wrote()
	if b.pg {
		_, err = b.one(text+` RETURNING id`, []any{&id}, args...)
		return id, err
	}
	_, id, err = b.own.exec(b.ctx, text, args)
	return id, err
}

// seal appends the new leaves to the tree and replaces the head.
func (b *batch) seal() (ledger.Head, error) {
	if len(b.leaves) == 0 {
		return ledger.Head{}, nil
	}
	old := b.size - int64(len(b.leaves))
	b.tree = b.w.tree.Clone()
	if b.tree.Size() != old {
		return ledger.Head{}, fmt.Errorf("%w: the tree has %d entries, the batch began at %d", ErrDamaged, b.tree.Size(), old)
	}
	for _, t := range b.tree.Append(b.leaves...) {
		if _, err := b.write(`INSERT INTO log_tile (level, n, hashes) VALUES ($1, $2, $3)`, t.Level, t.N, t.Hashes); err != nil {
			return ledger.Head{}, err
		}
	}
	head, err := b.tree.Head(b.s.Origin(), b.signers()...)
	if err != nil {
		return ledger.Head{}, err
	}
	return head, b.swapHead(old, head)
}

func (b *batch) swapHead(old int64, h ledger.Head) error {
	text := `UPDATE log_head SET size = $1, root = $2, frontier = $3, note = $4 WHERE id = 1 AND size = $5`
	args := []any{h.Size, h.Root[:], h.Frontier, h.Note, old}
	if old == 0 {
		text = `INSERT INTO log_head (id, size, root, frontier, note) VALUES (1, $1, $2, $3, $4)`
		args = args[:4]
	}
	n, err := b.write(text, args...)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: the head is no longer at %d entries", ErrDamaged, old)
	}
	return err
}

// lockHead makes sure that the tree in memory is the one in the database, and keeps it so until COMMIT. On SQLite the
// transaction itself does; on PostgreSQL another replica may have appended.
func (b *batch) lockHead() error {
	if b.headLocked || !b.pg {
		return nil
	}
	var size int64
	found, err := b.one(`SELECT size FROM log_head WHERE id = 1 FOR UPDATE`, []any{&size})
	if err != nil {
		return err
	}
	if !found {
		// Before entry 0 there is no row to lock: replicas that start at once on an empty database take turns here.
		if _, err := b.exec(`SELECT pg_advisory_xact_lock($1)`, int64(applicationID)); err != nil {
			return err
		}
		if found, err = b.one(`SELECT size FROM log_head WHERE id = 1 FOR UPDATE`, []any{&size}); err != nil {
			return err
		}
	}
	b.headLocked = true
	if !found || size == b.w.tree.Size() {
		return nil
	}
	if size < b.w.tree.Size() {
		return fmt.Errorf("%w: the head went back from %d to %d entries", ErrDamaged, b.w.tree.Size(), size)
	}
	tree, last, err := b.s.loadTree(b.query)
	if err != nil {
		return err
	}
	b.w.tree, b.size = tree, tree.Size()
	b.clock.follow(last)
	return nil
}

// ledgerClock turns readings of the product clock into ledger instants: the wall time as it is, and a monotonic time that goes
// on where the last entry left it, over restarts and replicas.
type ledgerClock struct {
	last workflows.Instant // of the newest entry
	base int64             // ledger-monotonic time at mono 0 of this process
	wall time.Time         // the wall at mono; zero before the first reading
	mono time.Duration
}

// follow moves the monotonic time on to that of an entry somebody else wrote.
func (c *ledgerClock) follow(last workflows.Instant) {
	if last.Mono > c.last.Mono {
		c.last = last
	}
}

// now gives the instant of a reading and, when the wall clock was set since the last one, where it should stand.
func (c *ledgerClock) now(r jobs.Reading) (at workflows.Instant, jumped bool, from workflows.Stamp) {
	expect := c.wall.Add(r.Mono - c.mono)
	if c.wall.IsZero() {
		c.base = c.last.Mono - r.Mono.Nanoseconds()
		expect = r.Wall
		if last := c.last.UTC.Time(); r.Wall.Before(last) {
			expect = last // a restart can tell that the clock went back, not that it went forward
		}
	}
	if d := r.Wall.Sub(expect); d > jumpLimit || d < -jumpLimit {
		jumped, from = true, workflows.StampOf(expect)
	}
	c.wall, c.mono = r.Wall, r.Mono
	if c.base+r.Mono.Nanoseconds() < c.last.Mono {
		c.base = c.last.Mono - r.Mono.Nanoseconds() // another replica is ahead: go on from there
	}
	at = workflows.Instant{UTC: workflows.StampOf(r.Wall), Mono: c.base + r.Mono.Nanoseconds()}
	c.last = at
	return at, jumped, from
}
