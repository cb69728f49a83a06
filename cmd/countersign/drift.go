package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/reconcile"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// sweeper compares targets with the ledger: on a schedule of each target, and when somebody asks. What it finds is recorded before anything
// is done about it; access that the target's settings want gone is taken away, and tried again by every sweep until it is.
type sweeper struct {
	desk   *desk.Desk
	store  *store.Store
	runner *runbooks.Runner
	drills *runbooks.Runner // the same connectors, with a place for the secrets of canaries
	safe   *drillSafe
	clock  jobs.Clock
	marks  []byte // key that names findings without telling whose they are

	stopping <-chan struct{} // closed when the bot stops; nil: never

	mu      sync.Mutex
	running map[workflows.TargetID]*sync.Mutex
}

func newSweeper(s *serving, marks []byte) *sweeper {
	w := &sweeper{
		desk: s.desk, store: s.store, runner: s.runner, drills: newRunner(s.conns, s.log), safe: newDrillSafe(), clock: s.clock, marks: marks,
	}
	w.drills.KeepIn(w.safe)
	return w
}

// one makes sweeps of a target follow each other.
func (w *sweeper) one(t workflows.TargetID) *sync.Mutex {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == nil {
		w.running = map[workflows.TargetID]*sync.Mutex{}
	}
	if w.running[t] == nil {
		w.running[t] = &sync.Mutex{}
	}
	return w.running[t]
}

// errUnremoved says that a sweep left access that it was to take away.
var errUnremoved = errors.New("access that was to be taken away is still there")

// sweep compares one target and acts. by is who asked; the zero value for the schedule.
func (w *sweeper) sweep(ctx context.Context, t workflows.TargetID, cause workflows.Cause, by workflows.Acting) (targets.State, error) {
	mine := w.one(t)
	mine.Lock()
	defer mine.Unlock()
	set, err := watchOf(w.desk.Policy().Targets[t].Settings)
	if err != nil {
		return targets.State{}, err
	}
	res, err := w.compare(ctx, t, set)
	if err != nil {
		return targets.State{}, fmt.Errorf("comparing target %q with the ledger: %w", t, err)
	}
	now, err := w.desk.Now(ctx)
	if err != nil {
		return targets.State{}, err
	}
	found, differences := w.findings(t, set, res, now), map[string]reconcile.Difference{}
	for i, d := range res.Differences {
		differences[found[i].Finding] = d
	}
	s, err := w.desk.RecordSweep(ctx, cause, t, targets.Sweep{
		Found: found, More: res.More, Seen: res.Seen, Grants: res.Grants, Unread: unread(res.Unread), Asked: by,
	})
	if err != nil {
		return s, err
	}
	return w.act(ctx, t, s, differences)
}

// unread is why a target was not read to the end, in words for the ledger.
func unread(err error) string {
	var classed *runbooks.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &classed):
		return classed.Text
	}
	return "the target was not read to the end"
}

func (w *sweeper) compare(ctx context.Context, t workflows.TargetID, set watchSettings) (reconcile.Result, error) {
	l, on := grantLedger{w.store, w.runner, t}, watchedTarget{w.runner, string(t)}
	opts := reconcile.Options{Most: targets.MaxFindings, Known: func(a runbooks.Access) bool { return slices.Contains(set.known, a.Account) }}
	if _, ok := w.runner.List(ctx, string(t)); !ok {
		return reconcile.CheckHeld(ctx, l, on, opts)
	}
	res, err := reconcile.Compare(ctx, l, on, opts)
	if err != nil {
		return res, err
	}
	return res, w.explain(ctx, t, &res)
}

// explain takes out what people approved for the account of an identity: it was no grant, and stands as long as the identity does. Of a target where the account
// itself is the access, its words are the target's own by now.
func (w *sweeper) explain(ctx context.Context, t workflows.TargetID, res *reconcile.Result) error {
	unknown := func(d reconcile.Difference) bool { return d.Why == reconcile.Unknown }
	if !slices.ContainsFunc(res.Differences, unknown) {
		return nil
	}
	given, err := w.desk.Given(ctx, t)
	if err != nil || len(given) == 0 {
		return err
	}
	c, _ := w.runner.Connector(string(t))
	own := c != nil && !c.Describe().Shared
	res.Differences = slices.DeleteFunc(res.Differences, func(d reconcile.Difference) bool {
		return unknown(d) && slices.ContainsFunc(given, func(g identities.AccountOrdered) bool {
			return g.Account == d.Access.Account && (own || reflect.DeepEqual(g.Params, d.Access.Params))
		})
	})
	return nil
}

// findings gives each difference its name and what is done about it, in their order.
func (w *sweeper) findings(t workflows.TargetID, set watchSettings, res reconcile.Result, now workflows.Stamp) []targets.Found {
	out := make([]targets.Found, len(res.Differences))
	for i, d := range res.Differences {
		x := d.Access
		out[i] = targets.Found{
			Finding: w.mark(string(t), string(d.Why), x.Key), Why: string(d.Why), Act: set.act(d), What: x.What, Account: x.Account, Key: x.Key,
			Ours: x.Ours, Grant: x.Grant, MadeBy: x.MadeBy, MadeAt: stampOrZero(x.MadeAt), LastUsed: stampOrZero(x.LastUsed), Ends: stampOrZero(x.Ends),
		}
		if e, ok := w.standing(t, d); ok {
			out[i].Why, out[i].Entitlement, out[i].Owner, out[i].Due = targets.WhyStanding, e.ID, e.Owner, now.Add(set.standing)
		}
	}
	return out
}

// standing tells whether unknown access is what somebody whom we know could ask for when they need it: then it is not a stranger's, and has a
// deadline (R52). The name of the finding does not change when somebody becomes known.
func (w *sweeper) standing(t workflows.TargetID, d reconcile.Difference) (workflows.Entitlement, bool) {
	p := w.desk.Policy()
	if d.Why != reconcile.Unknown || len(d.Access.Params) == 0 || d.Access.Group || !p.HasAccount(t, d.Access.Account) {
		return workflows.Entitlement{}, false
	}
	for _, id := range slices.Sorted(maps.Keys(p.Workflows)) {
		for _, e := range p.Workflows[id].Workflow.Entitlements {
			if e.Target == t && covers(offerKey(d.Access.Params), e.Params) {
				return e, true
			}
		}
	}
	return workflows.Entitlement{}, false
}

// mark is a name that says nothing to whoever lacks the key: accounts are few, and a plain hash of one would tell it.
func (w *sweeper) mark(parts ...string) string {
	h := hmac.New(sha256.New, w.marks)
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return "f_" + hex.EncodeToString(h.Sum(nil)[:8])
}

// act takes away what is to be taken away. What fails stays a finding with its reason, and the error makes the next sweep come soon.
func (w *sweeper) act(ctx context.Context, t workflows.TargetID, s targets.State, found map[string]reconcile.Difference) (targets.State, error) {
	failed := false
	for _, x := range s.Sorted() {
		d, here := found[x.Found.Finding]
		if !here || x.Accepted || x.Found.Act != targets.ActRevoke {
			continue
		}
		facts, err := w.remove(ctx, t, d)
		if err != nil {
			failed = failed || runbooks.ClassOf(err) != runbooks.Refuse // what the target never does is for people
			e := targets.RemoveFailed{Finding: x.Found.Finding, Class: runbooks.ClassOf(err).String(), Text: unread(err)}
			if err := w.desk.RecordRemoveFailed(ctx, t, e); err != nil {
				return s, err
			}
			continue
		}
		if err := w.desk.RecordRemoved(ctx, t, x.Found.Finding, facts); err != nil {
			return s, err
		}
	}
	s, err := w.desk.TargetState(ctx, t)
	if err == nil && failed {
		err = errUnremoved
	}
	return s, err
}

// remove takes one access away: what an ended grant left by taking the grant back again, everything else as it was listed.
func (w *sweeper) remove(ctx context.Context, t workflows.TargetID, d reconcile.Difference) (map[string]string, error) {
	if d.Why == reconcile.LeftOver {
		receipt, presence, err := w.runner.Stop(ctx, string(t), d.Grant)
		if err == nil && presence == runbooks.Present {
			err = runbooks.Errorf(runbooks.Retry, nil, "reading back still finds it")
		}
		return receipt.Facts, err
	}
	receipt, err := w.runner.Remove(ctx, string(t), d.Access)
	return receipt.Facts, err
}

// watchedTarget is a target as the comparison asks it.
type watchedTarget struct {
	runner *runbooks.Runner
	name   string
}

// List implements reconcile.Target.
func (x watchedTarget) List(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	seq, _ := x.runner.List(ctx, x.name)
	return seq
}

// AccessKey implements reconcile.Target.
func (x watchedTarget) AccessKey(g runbooks.Grant) string { return x.runner.AccessKey(x.name, g) }

// Check implements reconcile.Target.
func (x watchedTarget) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	return x.runner.Read(ctx, x.name, g)
}

// grantLedger is what the ledger says of the grants of one target.
type grantLedger struct {
	store  *store.Store
	runner *runbooks.Runner
	target workflows.TargetID
}

// serves tells whether a grant of a target is listed here, too: one certificate authority serves all targets of its kind.
func (l grantLedger) serves(t workflows.TargetID) bool {
	mine, ok := l.runner.Connector(string(l.target))
	other, also := l.runner.Connector(string(t))
	return t == l.target || ok && also && mine == other
}

// Held implements reconcile.Ledger.
func (l grantLedger) Held(ctx context.Context) iter.Seq2[reconcile.Held, error] {
	return func(yield func(reconcile.Held, error) bool) {
		for after := workflows.StreamID(""); ; {
			page, err := l.store.ListAfter(ctx, grants.ListTarget, string(l.target), after)
			if err != nil {
				yield(reconcile.Held{}, err)
				return
			}
			for _, stream := range page {
				after = stream
				if !l.heldOf(ctx, stream, yield) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

func (l grantLedger) heldOf(ctx context.Context, stream workflows.StreamID, yield func(reconcile.Held, error) bool) bool {
	s, err := l.fold(ctx, stream)
	if err != nil {
		yield(reconcile.Held{}, err)
		return false
	}
	for _, h := range s.Holds {
		if mayBeThere(h) && !yield(reconcile.Held{Grant: grantOf(h), Active: h.Status == grants.StatusActive}, nil) {
			return false
		}
	}
	return true
}

func (l grantLedger) fold(ctx context.Context, stream workflows.StreamID) (grants.State, error) {
	h, err := l.store.History(ctx, stream)
	if err != nil {
		return grants.State{}, err
	}
	return grants.Fold(h)
}

// Find implements reconcile.Ledger.
func (l grantLedger) Find(ctx context.Context, id workflows.GrantID) (reconcile.Held, bool, bool, error) {
	streams, err := l.store.List(ctx, grants.ListByID, string(id), 1)
	if err != nil || len(streams) == 0 {
		return reconcile.Held{}, false, false, err
	}
	s, err := l.fold(ctx, streams[0])
	if err != nil {
		return reconcile.Held{}, false, false, err
	}
	h, ok := s.Find(id)
	if !ok || !l.serves(h.Approved.Target) {
		return reconcile.Held{}, false, false, nil
	}
	return reconcile.Held{Grant: grantOf(h), Active: h.Status == grants.StatusActive}, mayBeThere(h), true, nil
}

// mayBeThere: it is due, active, being taken back, or was taken back and the target cannot confirm that yet.
func mayBeThere(h grants.Hold) bool { return h.Live() || h.Presence == string(runbooks.Unconfirmed) }

// watched are the targets that somebody may watch, by name.
func (s *serving) watched(ctx context.Context, p workflows.PersonID, only string) []workflows.TargetID {
	var out []workflows.TargetID
	for _, t := range slices.Sorted(maps.Keys(s.desk.Policy().Targets)) {
		if (only == "" || string(t) == only) && s.desk.MayWatch(ctx, t, p) {
			out = append(out, t)
		}
	}
	return out
}
