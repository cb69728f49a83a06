package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Config says what a Worker runs.
type Config struct {
	Queue Queue
	Clock Clock
	Kinds map[string]Kind
	Pace  time.Duration // between two starts with one pace key; zero: 1 s
	Log   *slog.Logger  // nil: discarded
}

// Worker runs jobs. Make it with New, hand it to store.Attach, then Run it.
type Worker struct {
	cfg  Config
	wake chan struct{} // for the claim loop: something is due earlier, or there is room again

	mu      sync.Mutex
	ready   *ready
	timer   *time.Timer // for the next pace key that opens
	asleep  workflows.Stamp
	starved bool // a claim was cut short by lack of room
	ctx     context.Context
	stopped bool
	wg      sync.WaitGroup
	late    time.Duration // of the last claimed job
	ran     map[string]Count
}

// Count is how often jobs of one kind ended well and how often not, since the start.
type Count struct{ Done, Failed int64 }

// New makes a worker. A kind without a handler in cfg.Kinds is an error of every run of such a job, never of New: its rows wait.
func New(cfg Config) *Worker {
	if cfg.Pace <= 0 {
		cfg.Pace = defaultPace
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Worker{cfg: cfg, wake: make(chan struct{}, 1), ready: newReady(cfg.Pace), ran: make(map[string]Count), ctx: context.Background()}
}

// Run claims and runs jobs until ctx ends, then waits for the handlers that are running; their context has ended too. Jobs that
// had not started are given back. Run returns nil.
func (w *Worker) Run(ctx context.Context) error {
	w.mu.Lock()
	w.ctx = ctx
	w.mu.Unlock()
	w.pump()
	for ctx.Err() == nil {
		if w.claim(ctx) {
			continue
		}
		w.sleep(ctx)
	}
	w.stop()
	return nil
}

// claim takes what is due, as far as there is room, and tells whether there may be more.
func (w *Worker) claim(ctx context.Context) (again bool) {
	w.mu.Lock()
	limit := min(maxReady-w.ready.held, claimBatch)
	w.starved = limit <= 0
	w.asleep = 0 // what is inserted from here on wakes us
	w.mu.Unlock()
	if limit <= 0 {
		return false
	}
	list, err := w.cfg.Queue.Claim(ctx, limit)
	if err != nil {
		if ctx.Err() == nil {
			w.cfg.Log.Error("claiming jobs", "err", err)
			w.pause(ctx, claimRetry)
		}
		return true
	}
	if len(list) > 0 {
		w.Take(list)
	}
	return len(list) == limit
}

// sleep waits for the next due time, an earlier insert, or room.
func (w *Worker) sleep(ctx context.Context) {
	due, err := w.cfg.Queue.NextDue(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.cfg.Log.Error("reading the next due time", "err", err)
			w.pause(ctx, claimRetry)
		}
		return
	}
	now := w.cfg.Clock.Now().Wall
	until := now.Add(farAhead)
	w.mu.Lock()
	if due != 0 && !w.starved && due.Time().Before(until) {
		until = due.Time()
	}
	w.asleep = workflows.StampOf(until)
	w.mu.Unlock()
	if w.cfg.Clock.Wait(ctx, until, w.wake) != nil {
		return
	}
}

// pause waits in real time, for a database that does not answer.
func (w *Worker) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Wake implements store.Hand: a job was written that is due then.
func (w *Worker) Wake(due workflows.Stamp) {
	w.mu.Lock()
	earlier := w.asleep == 0 || due < w.asleep
	w.mu.Unlock()
	if earlier {
		w.poke()
	}
}

func (w *Worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // it has a value: the loop will look
	}
}

// Room implements store.Hand.
func (w *Worker) Room() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return 0
	}
	return max(0, maxReady-w.ready.held)
}

// Take implements store.Hand: it receives leased jobs and starts those that may start. A worker that has stopped leaves them to
// the next start, which gives up their leases.
func (w *Worker) Take(list []Job) {
	now := time.Now()
	back := make(map[time.Duration][]Job)
	w.mu.Lock()
	stopped := w.stopped
	for _, j := range list {
		if stopped {
			break
		}
		if d := w.pushLocked(j, now); d > 0 {
			back[d] = append(back[d], j)
		}
	}
	if n := len(list); n > 0 && list[n-1].Due != 0 {
		w.late = w.cfg.Clock.Now().Wall.Sub(list[n-1].Due.Time())
	}
	for d, list := range back {
		// Not in the caller, which may be the store's writer: Settle needs that one.
		w.wg.Go(func() { w.giveBack(list, d) })
	}
	w.mu.Unlock()
	w.pump()
}

func (w *Worker) pushLocked(j Job, now time.Time) (putBack time.Duration) {
	k, ok := w.cfg.Kinds[j.Kind]
	if !ok {
		k = Kind{Handle: noHandler, First: longestBackoff, Workers: 1}
	}
	name := j.Kind
	if k.Key != nil {
		name += "\x00" + k.Key(j)
	}
	return w.ready.push(j, &k, name, now)
}

func noHandler(_ context.Context, j Job) error {
	return fmt.Errorf("nothing handles jobs of kind %q", j.Kind)
}

// pump starts what may start and sets the timer for the next pace key that opens.
func (w *Worker) pump() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	now := time.Now()
	next := w.ready.openAt(now)
	for it := w.ready.start(now); it != nil; it = w.ready.start(now) {
		w.wg.Add(1)
		go w.run(w.ctx, it)
	}
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if !next.IsZero() {
		w.timer = time.AfterFunc(next.Sub(now), w.pump)
	}
}

// run calls the handler, settles, and frees the place.
func (w *Worker) run(ctx context.Context, it *item) {
	defer w.wg.Done()
	err := call(ctx, it)
	v, blockKey, block := w.verdict(ctx, it, err)
	if v.Ended == Retried {
		w.cfg.Log.Warn("job failed", "job", it.job.ID, "kind", it.job.Kind, "stream", string(it.job.Stream),
			"attempt", it.job.Attempts+1, "retry", v.After.String(), "err", err)
	}
	w.settle(it.job, v)
	w.mu.Lock()
	w.ready.end(it, time.Now(), blockKey, block)
	c := w.ran[it.job.Kind]
	if v.Ended == Retried {
		c.Failed++
	} else {
		c.Done++
	}
	w.ran[it.job.Kind] = c
	hungry := w.starved
	w.mu.Unlock()
	if hungry {
		w.poke()
	}
	w.pump()
}

func call(ctx context.Context, it *item) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return it.kind.Handle(ctx, it.job)
}

// verdict turns what the handler returned into what the row needs.
func (w *Worker) verdict(ctx context.Context, it *item, err error) (v Verdict, blockKey string, block time.Time) {
	var later *RetryAfter
	switch {
	case err == nil:
		return Verdict{Ended: Returned, After: it.backoff()}, "", time.Time{}
	case errors.Is(err, Done):
		return Verdict{Ended: Finished}, "", time.Time{}
	case errors.As(err, &later):
		if later.Pace != "" {
			blockKey, block = later.Pace, time.Now().Add(later.D)
		}
		return Verdict{Ended: Postponed, After: later.D}, blockKey, block
	case ctx.Err() != nil:
		return Verdict{Ended: Interrupted}, "", time.Time{}
	default:
		return Verdict{Ended: Retried, After: it.backoff(), Error: cut(err.Error())}, "", time.Time{}
	}
}

// backoff doubles from First to Longest, with up to a fifth of jitter so that what failed together does not return together.
func (it *item) backoff() time.Duration {
	first, longest := it.kind.First, it.kind.Longest
	if first <= 0 {
		first = firstBackoff
	}
	if longest <= 0 {
		longest = longestBackoff
	}
	d := longest
	if n := it.job.Attempts; n < 32 && first<<n < longest && first<<n > 0 {
		d = first << n
	}
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}

// cut bounds the text of an error at a character border.
func cut(s string) string {
	if len(s) <= maxErrorBytes {
		return s
	}
	n := maxErrorBytes
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// settle tells the Queue. The context of the run may have ended; what happened must be written all the same. When it cannot be,
// the lease remains until the next start: the job runs again.
func (w *Worker) settle(j Job, v Verdict) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := w.cfg.Queue.Settle(ctx, j, v); err != nil {
		w.cfg.Log.Error("settling a job", "job", j.ID, "kind", j.Kind, "err", err)
	}
}

func (w *Worker) giveBack(list []Job, after time.Duration) {
	for _, j := range list {
		w.settle(j, Verdict{Ended: Postponed, After: after})
	}
}

// stop starts nothing more, waits for what runs, and gives back what had not started.
func (w *Worker) stop() {
	w.mu.Lock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
	back := w.ready.drain()
	w.mu.Unlock()
	w.wg.Wait()
	w.giveBack(back, 0)
}

// Lag says how far behind the worker is, for metrics.
type Lag struct {
	Held    int           // leased, not started
	Running int           // handlers
	Oldest  time.Duration // how long the oldest held job has been here
	Late    time.Duration // of the job claimed last: its start against its due time
	Kinds   map[string]Count
}

// Lag reads the figures.
func (w *Worker) Lag() Lag {
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := make(map[string]Count, len(w.ran))
	for k, c := range w.ran {
		kinds[k] = c
	}
	return Lag{Held: w.ready.held, Running: w.ready.running, Oldest: w.ready.oldest(time.Now()), Late: w.late, Kinds: kinds}
}
