package desk_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// office is a desk on a real ledger, with a folder of documents and a directory that can be told what to answer.
type office struct {
	t     *testing.T
	store *store.Store
	tap   *tap
	clock *storetest.Clock
	dir   *directory
	draft *draft
	desk  *desk.Desk
	n     atomic.Int64 // commands so far: each has a cause of its own
	ids   *counter

	checked int64 // entries up to here have been folded
}

// secret stands in every free text that a test types: no leaf may hold it.
const secret = "hunter2"

func open(t *testing.T) *office {
	t.Helper()
	cfg := storetest.Config(t)
	cfg.Kinds = slices.Concat(workflows.EventKinds(), workflows.PolicyEventKinds(), grants.EventKinds(), incidents.EventKinds(), escalations.EventKinds(),
		reviews.EventKinds(), runs.EventKinds(), campaigns.EventKinds(), identities.EventKinds())
	x := &office{t: t, clock: storetest.NewClock(), draft: standard(), ids: new(counter)}
	cfg.Clock = x.clock
	x.store = storetest.Open(t, cfg) // verified when the test ends
	x.tap = &tap{Ledger: x.store}
	x.dir = &directory{draft: func() *draft { return x.draft }, people: map[workflows.PersonID]func(workflows.Standing) workflows.Standing{}}
	x.desk = x.another()
	x.load(func(*draft) {})
	t.Cleanup(x.checkAll)
	t.Cleanup(x.leaves)
	return x
}

// another is a second desk on the same ledger, which has no policy yet.
func (x *office) another() *desk.Desk {
	return desk.New(desk.Config{Ledger: x.tap, Directory: x.dir, IDs: x.ids, Log: x.log(), OnPolicy: func(*desk.Policy) {}})
}

func (x *office) log() *slog.Logger { return slog.New(slog.DiscardHandler) }

// counter makes ids in the form of the real ones.
type counter struct{ n atomic.Int64 }

func (c *counter) New(prefix string) string { return fmt.Sprintf("%s%026d", prefix, c.n.Add(1)) }
func (c *counter) Nonce() string            { return fmt.Sprintf("%032x", c.n.Add(1)) }

func person(name string) workflows.PersonID {
	if name == "" {
		return ""
	}
	return workflows.PersonID("p_" + name)
}

func persons(names ...string) []workflows.PersonID {
	var out []workflows.PersonID
	for _, n := range names {
		out = append(out, person(n))
	}
	return out
}

func acting(name string) workflows.Acting {
	return workflows.Acting{Actor: workflows.ActorID("a_" + name), Person: person(name)}
}

// load edits the documents and puts them in force, with the approval of their owner where they need one.
func (x *office) load(edit func(*draft)) {
	x.t.Helper()
	x.propose(edit)
	if p, ok := x.proposal(); ok && p.Open() {
		x.votePolicy("max", p.Proposal, workflows.Approve)
	}
}

// propose edits the documents and loads them.
func (x *office) propose(edit func(*draft)) {
	x.t.Helper()
	edit(x.draft)
	if err := x.desk.Load(x.t.Context(), x.draft.compile(x.t)); err != nil {
		x.t.Fatal(err)
	}
}

// proposal is the last change of the documents that was held back.
func (x *office) proposal() (desk.Proposal, bool) {
	x.t.Helper()
	all, err := x.desk.Proposals(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	if len(all) == 0 {
		return desk.Proposal{}, false
	}
	return all[0], true
}

// votePolicy decides on a change of the documents and gives the code of the refusal.
func (x *office) votePolicy(who, proposal string, v workflows.Verdict) string {
	x.t.Helper()
	a, err := x.desk.VotePolicy(x.t.Context(), desk.PolicyBallot{
		Cause: x.cause(), By: acting(who), Proposal: proposal, Verdict: v, Reason: "as agreed, " + secret, Authn: "unix-peer", Channel: "cli",
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return code(a.Refusal)
}

func (x *office) cause() desk.Cause { return desk.Cause(fmt.Sprintf("inbox/%d", x.n.Add(1))) }

// form is a good form for a chain. No two have the same ticket: the same ask again is another thing.
func (x *office) form(flow workflows.WorkflowID) workflows.Form {
	f := workflows.Form{Seconds: 3600, Reason: "broken since noon, " + secret, Values: map[string]string{"ticket": fmt.Sprintf("OPS-%d", x.n.Add(1)), "note": secret}}
	w, ok := x.draft.flows[flow]
	switch {
	case ok && w.Kind == workflows.KindPreapprove:
		f.Values = nil
	case ok:
		f.Target, f.Entitlement = w.Entitlements[0].Target, w.Entitlements[0].ID
	}
	return f
}

func (x *office) submission(who string, flow workflows.WorkflowID) desk.Submission {
	s := desk.Submission{Cause: x.cause(), By: acting(who), Workflow: flow, Form: x.form(flow), Channel: "slack", Authn: "slack-click"}
	if flow == "approve-book" {
		s.Runbook = "failover"
	}
	return s
}

func (x *office) submit(s desk.Submission) desk.Submitted {
	x.t.Helper()
	out, err := x.desk.Submit(x.t.Context(), s)
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return out
}

// ask submits a good form.
func (x *office) ask(who string, flow workflows.WorkflowID) workflows.RequestID {
	x.t.Helper()
	out := x.submit(x.submission(who, flow))
	if out.Refusal != nil || out.ID == "" {
		x.t.Fatalf("%s asking by %s: refused: %v", who, flow, out.Refusal)
	}
	return out.ID
}

func (x *office) ballot(who string, id workflows.RequestID, v workflows.Verdict) desk.Ballot {
	x.t.Helper()
	s := x.state(id)
	b := desk.Ballot{Cause: x.cause(), By: acting(who), Request: id, Verdict: v, Stage: s.Current, Shown: s.Shown(s.Current), Channel: "slack", Authn: "slack-click"}
	if v == workflows.Deny {
		b.Reason = "not today, " + secret
	}
	return b
}

func (x *office) vote(b desk.Ballot) desk.Answer {
	x.t.Helper()
	a, err := x.desk.Vote(x.t.Context(), b)
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return a
}

// approve votes for what the card shows now.
func (x *office) approve(id workflows.RequestID, who ...string) {
	x.t.Helper()
	for _, w := range who {
		if a := x.vote(x.ballot(w, id, workflows.Approve)); a.Refusal != nil {
			x.t.Fatalf("%s approving: %v", w, a.Refusal)
		}
	}
}

func (x *office) state(id workflows.RequestID) workflows.State {
	x.t.Helper()
	s, err := workflows.Fold(x.history(workflows.RequestStream(id)))
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

func (x *office) history(s workflows.StreamID) []workflows.Record {
	x.t.Helper()
	h, err := x.store.History(x.t.Context(), s)
	if err != nil {
		x.t.Fatal(err)
	}
	return h
}

func (x *office) holds(s workflows.StreamID) grants.State {
	x.t.Helper()
	g, err := grants.Fold(x.history(s))
	if err != nil {
		x.t.Fatal(err)
	}
	return g
}

// only gives the one hold of a request.
func (x *office) hold(id workflows.RequestID) (workflows.StreamID, grants.Hold) {
	x.t.Helper()
	s := x.state(id)
	stream := workflows.GrantStream(s.Asked.Subject, s.Asked.Target, s.Asked.Entitlement)
	h, ok := x.holds(stream).Find(s.Grant)
	if !ok {
		x.t.Fatalf("request %s (%s) has no grant", id, s.Status)
	}
	return stream, h
}

// checkAll folds every stream.
func (x *office) checkAll() {
	x.t.Helper()
	x.checked = 0
	x.check()
}

func (x *office) entries() []workflows.Record {
	x.t.Helper()
	return x.entriesFrom(0)
}

func (x *office) entriesFrom(from int64) []workflows.Record {
	x.t.Helper()
	var out []workflows.Record
	for {
		at := from + int64(len(out))
		next, err := x.store.Entries(context.Background(), at, at+4096)
		if err != nil {
			x.t.Fatal(err)
		}
		if len(next) == 0 {
			return out
		}
		out = append(out, next...)
	}
}

func (x *office) last() workflows.Record {
	x.t.Helper()
	head, err := x.store.Head(context.Background())
	if err != nil {
		x.t.Fatal(err)
	}
	return x.entriesFrom(head.Size - 1)[0]
}

// check folds every stream that grew since the last time again, and compares what the ledger keeps outside its entries with what they owe.
func (x *office) check() {
	x.t.Helper()
	ctx := context.Background()
	seen := map[workflows.StreamID]bool{}
	grown := x.entriesFrom(x.checked)
	x.checked += int64(len(grown))
	for _, r := range grown {
		if seen[r.Stream] {
			continue
		}
		seen[r.Stream] = true
		h, err := x.store.History(ctx, r.Stream)
		if err != nil {
			x.t.Fatal(err)
		}
		want, err := desk.Outstanding(r.Stream, h)
		if err != nil {
			x.t.Fatalf("stream %q: %v", r.Stream, err)
		}
		rows, err := x.store.JobsOf(ctx, r.Stream)
		if err != nil {
			x.t.Fatal(err)
		}
		var jobs []workflows.Job
		for _, row := range rows {
			if row.Kind != workflows.JobPaint { // the store's own
				jobs = append(jobs, row.Job)
			}
		}
		lists, err := x.store.Listings(ctx, r.Stream)
		if err != nil {
			x.t.Fatal(err)
		}
		byName := cmpopts.SortSlices(func(a, b workflows.Job) bool { return a.Kind+"\x00"+a.Key < b.Kind+"\x00"+b.Key })
		dueNow := gocmp.FilterPath(func(p gocmp.Path) bool { return p.String() == "Due" }, gocmp.Comparer(func(a, b workflows.Stamp) bool {
			return a == b || min(a, b) == 0 && max(a, b) <= workflows.StampOf(x.clock.Now().Wall) // "at once" is kept as the moment it was asked for
		}))
		if d := gocmp.Diff(want.Jobs, jobs, byName, dueNow, cmpopts.EquateEmpty()); d != "" {
			x.t.Fatalf("jobs of %q (-owed +kept):\n%s", r.Stream, d)
		}
		if d := gocmp.Diff(slices.Compact(sorted(want.Lists)), sorted(lists), cmpopts.EquateEmpty()); d != "" {
			x.t.Fatalf("lists of %q (-owed +kept):\n%s", r.Stream, d)
		}
	}
}

func sorted(l []workflows.Listing) []workflows.Listing {
	return slices.SortedFunc(slices.Values(l), func(a, b workflows.Listing) int {
		return cmp.Or(cmp.Compare(a.List, b.List), cmp.Compare(a.Member, b.Member))
	})
}

// leaves looks for free text where it could never be erased.
func (x *office) leaves() {
	for i := range x.entries() {
		leaf, err := x.store.Leaf(context.Background(), int64(i))
		if err != nil {
			x.t.Fatal(err)
		}
		if strings.Contains(string(leaf), secret) {
			x.t.Errorf("free text in leaf %d: %s", i, leaf)
		}
	}
}

func kinds(records []workflows.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Stream.Kind())+" "+r.Event.Kind())
	}
	return out
}

func code(r *workflows.Refusal) string {
	if r == nil {
		return ""
	}
	return r.Code
}

func same(t *testing.T, what string, want, got any, opts ...gocmp.Option) {
	t.Helper()
	if d := gocmp.Diff(want, got, append(opts, cmpopts.EquateEmpty())...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// refused is the record that a refusal left.
func (x *office) refused(wantStream workflows.StreamID, wantCommand, wantCode string) workflows.Record {
	x.t.Helper()
	r := x.last()
	e, ok := r.Event.(workflows.Refused)
	if !ok || r.Stream != wantStream || e.Command != wantCommand || e.Code != wantCode {
		x.t.Errorf("last entry is %s on %q: %+v; want a refusal of %q with %q on %q", r.Event.Kind(), r.Stream, r.Event, wantCommand, wantCode, wantStream)
	}
	return r
}
