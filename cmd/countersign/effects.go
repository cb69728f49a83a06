package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// effects joins the jobs of grants to the connectors: record, then act, then record.
type effects struct {
	desk   *desk.Desk
	runner *runbooks.Runner
	clock  jobs.Clock
	log    *slog.Logger
	hand   *handovers // nil: nothing is handed over
	took   *latency   // nil: nobody measures
	held   *clockHold // nil: nothing is ever held
	making *making    // nil: nobody waits for a start

	// named has the inventory know an identity by the credential that a rotation made; nil: nobody keeps one.
	named func(ctx context.Context, id workflows.IdentityID, t workflows.TargetID, made runbooks.Discovered) error
}

// retryStart bounds how long a target that cannot make an access is tried again before the request has failed.
const retryStart = 15 * time.Minute

// makingPatience bounds how long a revocation waits for the same access to be made and recorded. Taking back at once what is just being made would
// have to be done, and told, a second time; but a target that hangs must not hold a revocation up.
const makingPatience = 3 * time.Second

// making knows which accesses are being made by this process.
type making struct {
	mu   sync.Mutex
	done map[workflows.GrantID]chan struct{}
}

// begin says that an access is being made; what it gives says that this is over.
func (m *making) begin(id workflows.GrantID) (end func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	ch := make(chan struct{})
	m.done[id] = ch
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.done[id] == ch {
			delete(m.done, id)
		}
		close(ch)
	}
}

// wait returns when an access is not being made any more, or after a while.
func (m *making) wait(ctx context.Context, id workflows.GrantID) {
	if m == nil {
		return
	}
	m.mu.Lock()
	ch := m.done[id]
	m.mu.Unlock()
	if ch == nil {
		return
	}
	timer := time.NewTimer(makingPatience)
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// start makes the access of an approved grant.
func (e effects) start(ctx context.Context, j jobs.Job) error {
	hold, due, err := e.desk.Due(ctx, j.Stream, j.Kind, workflows.GrantID(j.Key))
	if err != nil || !due {
		return err
	}
	if !e.clock.Now().Wall.Before(hold.Ends.UTC.Time()) {
		return &jobs.RetryAfter{D: time.Second, Why: "its end has come before it was made: the next tick calls it off"}
	}
	if err := e.held.again(); err != nil {
		return err
	}
	defer e.making.begin(hold.Approved.Grant)()
	cause := desk.Cause(j.Cause())
	why, err := e.desk.MayStart(ctx, j.Stream, hold)
	if err != nil {
		return err
	}
	if why != "" {
		return e.desk.GrantFailed(ctx, cause, j.Stream, hold, why)
	}
	order := grantOf(hold)
	if missing := filled(hold.Approved.Params, order.Fields); missing != "" {
		return e.desk.GrantFailed(ctx, cause, j.Stream, hold, "The form was left without "+missing+", which the target needs.")
	}
	receipt, err := e.runner.Start(ctx, connectorOf(hold), order)
	if err == nil {
		return e.started(ctx, cause, j.Stream, hold, receipt)
	}
	return e.startFailed(ctx, cause, j, hold, err)
}

// started records what was made: the secret that came with it first, so that whoever reads "ready" finds it.
func (e effects) started(ctx context.Context, cause desk.Cause, stream workflows.StreamID, hold grants.Hold, receipt runbooks.Receipt) error {
	if err := e.hand.kept(ctx, stream, hold); err != nil {
		return err
	}
	if err := e.desk.GrantStarted(ctx, cause, stream, startedOf(hold, receipt)); err != nil {
		return err
	}
	e.took.made(hold)
	return e.hand.started(ctx, hold)
}

func (e effects) startFailed(ctx context.Context, cause desk.Cause, j jobs.Job, hold grants.Hold, err error) error {
	var classed *runbooks.Error
	if !errors.As(err, &classed) || ctx.Err() != nil {
		return err
	}
	if classed.Class == runbooks.Refuse {
		return e.desk.GrantFailed(ctx, cause, j.Stream, hold, "The target refused: "+classed.Text)
	}
	if rec := e.desk.GrantAttempt(ctx, j.Stream, attemptOf(hold, "start", classed)); rec != nil {
		return rec
	}
	if j.Attempts > 0 && j.Attempts >= int(retryStart/time.Minute)+6 {
		return e.desk.GrantFailed(ctx, cause, j.Stream, hold, "The target could not be reached: "+classed.Text)
	}
	return fmt.Errorf("making access %s: %w", j.Key, err)
}

// revoke takes access back. It is never given up: every error brings the job again.
func (e effects) revoke(ctx context.Context, j jobs.Job) error {
	hold, due, err := e.desk.Due(ctx, j.Stream, j.Kind, workflows.GrantID(j.Key))
	if err != nil || !due {
		return err
	}
	e.making.wait(ctx, hold.Approved.Grant)
	receipt, presence, err := e.runner.Stop(ctx, connectorOf(hold), grantOf(hold))
	if err != nil {
		var classed *runbooks.Error
		if errors.As(err, &classed) {
			err = errors.Join(err, e.desk.GrantAttempt(ctx, j.Stream, attemptOf(hold, "revoke", classed)))
		}
		return fmt.Errorf("revoking access %s: %w", j.Key, err)
	}
	err = e.desk.GrantRevoked(ctx, desk.Cause(j.Cause()), j.Stream, grants.Revoked{
		Grant: hold.Approved.Grant, Presence: string(presence), Facts: receipt.Facts, Leaves: e.leaves(hold),
	})
	if err != nil {
		return err
	}
	e.took.gone(hold, presence)
	if err := e.desk.EndOfAccess(ctx, hold.Approved.Grant); err != nil {
		e.log.WarnContext(ctx, "the escalation of access that is gone now is closed later", "grant", hold.Approved.Grant, "err", err)
	}
	return nil
}

// verify asks again whether an unconfirmed revocation has taken hold; it asks for as long as it takes.
func (e effects) verify(ctx context.Context, j jobs.Job) error {
	hold, due, err := e.desk.Due(ctx, j.Stream, j.Kind, workflows.GrantID(j.Key))
	if err != nil || !due {
		return err
	}
	presence, err := e.runner.Read(ctx, connectorOf(hold), grantOf(hold))
	if hold.Hand != "" {
		if presence == runbooks.Present && err == nil {
			return e.desk.GrantStillThere(ctx, desk.Cause(j.Cause()), j.Stream, hold.Approved.Grant)
		}
		if presence != runbooks.Absent {
			return &jobs.RetryAfter{D: handEvery, Why: fmt.Sprintf("that %s was removed by hand is not confirmed yet: %v", j.Key, err)}
		}
	}
	if presence != runbooks.Absent {
		return &jobs.RetryAfter{D: verifyEvery, Why: fmt.Sprintf("the revocation of %s is not confirmed yet: %v", j.Key, err)}
	}
	if err := e.desk.GrantVerified(ctx, desk.Cause(j.Cause()), j.Stream, hold.Approved.Grant); err != nil {
		return err
	}
	e.took.gone(hold, presence)
	return nil
}

const (
	verifyEvery = 5 * time.Second // a host pulls its list about once a minute
	handEvery   = time.Minute     // a target that a human had to go to is often dead
)

func (e effects) leaves(h grants.Hold) string {
	c, ok := e.runner.Connector(connectorOf(h))
	if !ok {
		return ""
	}
	return c.Describe().RevokeLeaves
}

// connectorOf is the name under which a grant's target is wired: each target has its own.
func connectorOf(h grants.Hold) string { return string(h.Approved.Target) }

// grantOf is the order a connector gets. Its start is when the grant was approved, or what was agreed: a retry makes the same thing. The ledger
// holds the parameters as the document has them; what they take from the form is put in here, from the fields that it holds beside them.
func grantOf(h grants.Hold) runbooks.Grant {
	a := h.Approved
	return runbooks.Grant{
		ID: a.Grant, Request: a.Request, Identity: a.Identity, Holder: a.Holder, Account: a.Account, Target: a.Target,
		Entitlement: a.Entitlement, Params: withFields(a.Params, a.Fields), Fields: a.Fields, Start: max(h.At.UTC, a.StartsAt).Time(), End: a.EndsAt.Time(),
		Brokered: a.Brokered,
	}
}

// standingReader asks targets who has what; it implements desk.Reader.
type standingReader struct {
	runner    *runbooks.Runner
	clock     jobs.Clock
	catalogue *catalogue
}

// Holds implements desk.Reader. What is read depends on no grant: the one that is handed over is made up and never made.
func (x standingReader) Holds(ctx context.Context, e workflows.Entitlement, holder workflows.IdentityID, account string) (bool, error) {
	now := x.clock.Now().Wall
	presence, err := x.runner.Read(ctx, string(e.Target), runbooks.Grant{
		ID: "g_standing", Identity: holder, Holder: "standing access", Account: account, Target: e.Target, Entitlement: e.ID, Params: e.Params,
		Start: now, End: now.Add(time.Minute),
	})
	return presence == runbooks.Present, err
}

// fieldOf is the name of the field that a parameter's whole value is taken from: "${fields.schema}". Nothing is replaced within a longer text,
// so that what somebody typed never becomes part of something else.
func fieldOf(value string) (string, bool) {
	name, ok := strings.CutPrefix(value, "${fields.")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, "}")
}

// withFields puts the form's values in.
func withFields(params map[string][]string, fields map[string]string) map[string][]string {
	out := make(map[string][]string, len(params))
	for name, values := range params {
		values = slices.Clone(values)
		for i, v := range values {
			if field, ok := fieldOf(v); ok && fields[field] != "" {
				values[i] = fields[field]
			}
		}
		out[name] = values
	}
	return out
}

// filled names a field that a parameter is still to be taken from, because the form was left without it; empty when there is none.
func filled(params map[string][]string, fields map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		for _, v := range params[name] {
			if field, ok := fieldOf(v); ok && fields[field] == "" {
				return field
			}
		}
	}
	return ""
}

func startedOf(h grants.Hold, r runbooks.Receipt) grants.Started {
	use, err := json.Marshal(r.Use)
	if err != nil {
		use = nil // a Use is strings and maps of strings: it always encodes
	}
	return grants.Started{Grant: h.Approved.Grant, Ref: r.Ref, Facts: r.Facts, Personal: r.Personal, Use: string(use)}
}

func attemptOf(h grants.Hold, op string, err *runbooks.Error) grants.AttemptFailed {
	return grants.AttemptFailed{Grant: h.Approved.Grant, Op: op, Class: err.Class.String(), Text: err.Text}
}
