package runbooks

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Runner executes grants and revocations on connectors. It stands between jobs, which are repeated until they succeed,
// and foreign systems, which hang, lie and answer with an error after doing what was asked: every call has a deadline,
// doubt is settled by reading back, and what comes out is classed and redacted.
//
// It keeps nothing that must survive: the jobs do. It never gives a revocation up: whatever happens, Stop says what is
// known, and its error says whether to come again.
type Runner struct {
	connectors map[string]Connector
	log        *slog.Logger
	safe       Safe // nil: nothing is handed over

	mu      sync.Mutex
	hanging map[string]int // per connector: calls that have not come back after their deadline
	making  map[grantKey]int
}

// grantKey names a grant on one connector.
type grantKey struct {
	connector string
	id        workflows.GrantID
}

// order is a grant that the Runner took: a copy of its own, and the digest of what was handed over.
type order struct {
	name      string
	connector Connector
	grant     Grant
	digest    string
}

func (o order) key() grantKey { return grantKey{o.name, o.grant.ID} }

// NewRunner takes the connectors by the name that targets use. The map is copied.
func NewRunner(connectors map[string]Connector, log *slog.Logger) *Runner {
	r := &Runner{connectors: map[string]Connector{}, log: log, hanging: map[string]int{}, making: map[grantKey]int{}}
	for name, c := range connectors {
		r.connectors[name] = c
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Names lists the connectors, sorted.
func (r *Runner) Names() []string {
	names := make([]string, 0, len(r.connectors))
	for name := range r.connectors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Connector finds a connector by name.
func (r *Runner) Connector(name string) (Connector, bool) {
	c, ok := r.connectors[name]
	return c, ok
}

// Start makes the access and reads the target back. A nil error means that the target has it, with this receipt, whether
// this call made it or an earlier one. Every error is an *Error: Retry and Broken may be tried again with the same grant,
// Refuse never.
//
// When the answer is in doubt (it timed out, or failed in a way that may have left the effect) reading back decides: if
// the access is there, granting again gives the receipt of what was made; if it is not, the error stands. A target that
// says "done" and then denies having it is not believed either.
func (r *Runner) Start(ctx context.Context, name string, g Grant) (Receipt, error) {
	o, err := r.take(name, g)
	if err != nil {
		return Receipt{}, err
	}
	if g.Brokered && !o.connector.Describe().Brokers {
		return Receipt{}, Errorf(Refuse, nil, "the access is brokered, and the connector %q cannot keep anybody to a bastion and one command", name)
	}
	if r.isMaking(o.key()) {
		return Receipt{}, Errorf(Retry, nil, "an earlier call to make this access has not come back yet")
	}
	if err := r.arm(ctx, &o); err != nil {
		return Receipt{}, err
	}
	receipt, callErr := r.grant(ctx, o)
	if callErr != nil && (callErr.Class == Refuse || ctx.Err() != nil || r.isMaking(o.key())) {
		return Receipt{}, callErr
	}
	presence, _ := r.check(ctx, o)
	switch {
	case callErr == nil && presence == Absent:
		return Receipt{}, Errorf(Retry, nil, "the target says that it made the access, but reading back does not find it")
	case callErr == nil:
		return receipt, nil
	case presence != Present:
		return Receipt{}, callErr
	}
	r.log.Info("the target has the access though the call failed: asking for its receipt", "connector", name, "grant", g.ID)
	if receipt, callErr = r.grant(ctx, o); callErr != nil {
		return Receipt{}, callErr
	}
	return receipt, nil
}

// Stop takes the access back and reads the target back, always both, also when taking back failed. The presence is what
// reading back found; only Absent with a nil error ends the duty. The error is also nil when the target took the order
// and cannot confirm it yet (Unconfirmed: the fact "unconfirmed" of the receipt says what is missing). Any error means:
// come again, for ever. It is never of class Refuse.
func (r *Runner) Stop(ctx context.Context, name string, g Grant) (Receipt, Presence, error) {
	o, err := r.take(name, g)
	if err != nil {
		return Receipt{}, Unconfirmed, forever(err)
	}
	receipt, revokeErr := r.revoke(ctx, o)
	presence, checkErr := r.check(ctx, o)
	switch {
	case r.isMaking(o.key()):
		// A call that makes this very access may still take effect after what was just read.
		return receipt, Unconfirmed, Errorf(Retry, nil, "an earlier call to make this access has not come back, so it may still appear")
	case revokeErr != nil:
		// Even when the access is gone: what else the order does, such as ending sessions, may be undone.
		return receipt, presence, forever(revokeErr)
	case presence == Absent:
		return receipt, Absent, nil
	case presence == Present:
		return receipt, Present, Errorf(Retry, nil, "the target says that it took the access back, but reading back still finds it")
	default:
		return withWords(receipt, checkErr), Unconfirmed, nil
	}
}

// Read reads the target back, for sweeps and for people who ask.
func (r *Runner) Read(ctx context.Context, name string, g Grant) (Presence, error) {
	o, err := r.take(name, g)
	if err != nil {
		return Unconfirmed, err
	}
	presence, checkErr := r.check(ctx, o)
	if checkErr != nil {
		return presence, checkErr
	}
	return presence, nil
}

// take finds the connector and makes the grant the Runner's own.
func (r *Runner) take(name string, g Grant) (order, error) {
	c, ok := r.connectors[name]
	if !ok {
		return order{}, Errorf(Broken, nil, "there is no connector %q (there are: %s)", name, strings.Join(r.Names(), ", "))
	}
	o := order{name: name, connector: c, digest: g.Digest(), grant: g.Clone()}
	if err := o.grant.check(); err != nil {
		return order{}, Errorf(Refuse, nil, "%s", cut(err.Error(), maxErrorText))
	}
	return o, nil
}

// forever turns an error of a revocation into one that is tried again: a target that refuses to take access back is
// broken, since nothing entitles it to.
func forever(err error) *Error {
	e := redactError(err)
	if e.Class == Refuse {
		return &Error{Class: Broken, Text: e.Text, Err: e.Err}
	}
	return e
}

// withWords puts what the target cannot confirm into the receipt.
func withWords(receipt Receipt, err *Error) Receipt {
	words := "the target cannot tell yet whether the access is gone"
	if err != nil {
		words = err.Text
	}
	facts := map[string]string{"unconfirmed": words}
	for _, name := range first(receipt.Facts, maxFacts-1) {
		if name != "unconfirmed" {
			facts[name] = receipt.Facts[name]
		}
	}
	receipt.Facts = facts
	return receipt
}

func (r *Runner) grant(ctx context.Context, o order) (Receipt, *Error) {
	r.count(o.key(), 1)
	var receipt Receipt
	err := r.call(ctx, o, "grant", func() { r.count(o.key(), -1) }, func(ctx context.Context, g Grant) (err error) {
		receipt, err = o.connector.Grant(ctx, g)
		return err
	})
	if err != nil {
		return Receipt{}, o.grant.Secret.scrubError(err)
	}
	minted := receipt.Handover
	if minted.IsZero() && o.connector.Describe().Mints {
		return Receipt{}, Errorf(Broken, nil, "the target made access that comes with a secret, and did not say the secret")
	}
	if !minted.IsZero() {
		if err := r.keep(ctx, &o, minted); err != nil {
			return Receipt{}, redactError(err)
		}
	}
	return redactReceipt(minted.scrubReceipt(o.grant.Secret.scrubReceipt(receipt))), nil
}

func (r *Runner) revoke(ctx context.Context, o order) (Receipt, error) {
	var receipt Receipt
	err := r.call(ctx, o, "revoke", func() {}, func(ctx context.Context, g Grant) (err error) {
		receipt, err = o.connector.Revoke(ctx, g)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	return redactReceipt(receipt), nil
}

// check reads back; what cannot be read is unconfirmed, and so is an answer that is none.
func (r *Runner) check(ctx context.Context, o order) (Presence, *Error) {
	presence := Unconfirmed
	err := r.call(ctx, o, "check", func() {}, func(ctx context.Context, g Grant) (err error) {
		presence, err = o.connector.Check(ctx, g)
		return err
	})
	if err != nil {
		return Unconfirmed, err
	}
	if presence != Present && presence != Absent && presence != Unconfirmed {
		return Unconfirmed, Errorf(Broken, nil, "the connector answered something that is no presence")
	}
	return presence, nil
}

// call runs one call of a connector with its deadline, in a goroutine of its own: a call that does not come back even
// after its context ended is left behind and counted, not waited for. after runs when the call comes back, however late.
func (r *Runner) call(ctx context.Context, o order, what string, after func(), do func(context.Context, Grant) error) *Error {
	if r.isFull(o.name) {
		after()
		return Errorf(Retry, nil, "%d earlier calls to this target have not come back", maxHanging)
	}
	timeout := o.connector.Describe().Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	if slices.Contains(changing(), what) {
		ctx = Telling(ctx, o.grant)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	mine := o.grant.Clone()
	done := make(chan *Error, 1)
	go func() {
		done <- r.guard(o.name, what, func() error {
			if mine.Digest() != o.digest {
				return Errorf(Broken, nil, "the grant is not what was handed over; nothing was done")
			}
			return do(ctx, mine)
		})
	}()
	if err, ok := waitFor(ctx, done); ok {
		after()
		return judge(ctx, err)
	}
	r.leave(o, what, done, after)
	return Errorf(Retry, ctx.Err(), "the target did not answer within %s", timeout)
}

// changing are the calls that a target's log is asked about later.
func changing() []string { return []string{"grant", "revoke", "renew", "prove", "retire"} }

// waitFor gives the call's answer, or gives up some time after the end of ctx.
func waitFor(ctx context.Context, done <-chan *Error) (*Error, bool) {
	select {
	case err := <-done:
		return err, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err, true
	case <-timer.C:
		return nil, false
	}
}

// judge tells an answer of the target from a call that was cut short.
func judge(ctx context.Context, err *Error) *Error {
	if err != nil && ctx.Err() != nil && isCut(err) {
		return Errorf(Retry, err, "the target did not answer in time")
	}
	return err
}

// guard runs the call and makes a panic an error.
func (r *Runner) guard(name, what string, do func() error) (err *Error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a connector panicked", "connector", name, "call", what,
				"err", Redact(fmt.Sprint(p), maxErrorText), "stack", Redact(cut(string(debug.Stack()), maxStack), maxStack))
			err = Errorf(Retry, nil, "the connector stopped with a fault in its code")
		}
	}()
	return redactError(do())
}

// leave counts a call that hangs until it comes back.
func (r *Runner) leave(o order, what string, done <-chan *Error, after func()) {
	r.hang(o.name, 1)
	r.log.Warn("a connector does not come back", "connector", o.name, "call", what, "grant", o.grant.ID)
	go func() {
		<-done
		r.hang(o.name, -1)
		after()
		r.log.Warn("a connector came back late", "connector", o.name, "call", what, "grant", o.grant.ID)
	}()
}

func (r *Runner) hang(name string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hanging[name] += n
}

func (r *Runner) isFull(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hanging[name] >= maxHanging
}

func (r *Runner) count(key grantKey, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.making[key] += n; r.making[key] == 0 {
		delete(r.making, key)
	}
}

// isMaking tells whether a call that makes this access has not come back.
func (r *Runner) isMaking(key grantKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.making[key] > 0
}
