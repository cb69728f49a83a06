package desk_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
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
}

// secret stands in every free text that a test types: no leaf may hold it.
const secret = "hunter2"

func open(t *testing.T) *office {
	t.Helper()
	cfg := storetest.Config(t)
	cfg.Kinds = slices.Concat(workflows.EventKinds(), workflows.PolicyEventKinds(), grants.EventKinds(), incidents.EventKinds(),
		reviews.EventKinds(), identities.EventKinds())
	x := &office{t: t, clock: storetest.NewClock(), draft: standard(), ids: new(counter)}
	cfg.Clock = x.clock
	x.store = storetest.Open(t, cfg) // verified when the test ends
	x.tap = &tap{Ledger: x.store}
	x.dir = &directory{draft: func() *draft { return x.draft }, people: map[workflows.PersonID]func(workflows.Standing) workflows.Standing{}}
	x.desk = x.another()
	x.load(func(*draft) {})
	t.Cleanup(x.check)
	t.Cleanup(x.leaves)
	return x
}

// another is a second desk on the same ledger, which has no policy yet.
func (x *office) another() *desk.Desk {
	return desk.New(desk.Config{Ledger: x.tap, Directory: x.dir, IDs: x.ids, Log: slog.New(slog.DiscardHandler)})
}

// counter makes ids in the form of the real ones.
type counter struct{ n atomic.Int64 }

func (c *counter) New(prefix string) string { return fmt.Sprintf("%s%026d", prefix, c.n.Add(1)) }
func (c *counter) Nonce() string            { return fmt.Sprintf("%032x", c.n.Add(1)) }

// tap is the ledger with an ear: it counts decisions by cause and can be told to fail reads.
type tap struct {
	desk.Ledger
	mu      sync.Mutex
	decided map[desk.Cause]int
	broken  bool // reads fail
}

func (l *tap) Update(ctx context.Context, cause desk.Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (desk.Result, error) {
	return l.Ledger.Update(ctx, cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		l.mu.Lock()
		if l.decided == nil {
			l.decided = map[desk.Cause]int{}
		}
		l.decided[cause]++
		l.mu.Unlock()
		return decide(f)
	})
}

func (l *tap) times(c desk.Cause) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.decided[c]
}

var errDisk = errors.New("the disk is gone")

func (l *tap) fails(broken bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.broken
	l.broken = broken
	return was
}

func (l *tap) isBroken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

func (l *tap) History(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	if l.isBroken() {
		return nil, errDisk
	}
	return l.Ledger.History(ctx, s)
}

func (l *tap) List(ctx context.Context, list, member string, limit int) ([]workflows.StreamID, error) {
	if l.isBroken() {
		return nil, errDisk
	}
	return l.Ledger.List(ctx, list, member, limit)
}

func (l *tap) Document(ctx context.Context, h workflows.DocHash) (workflows.Document, error) {
	if l.isBroken() {
		return workflows.Document{}, errDisk
	}
	return l.Ledger.Document(ctx, h)
}

// directory answers as the draft lists people, unless told otherwise.
type directory struct {
	mu     sync.Mutex
	draft  func() *draft
	people map[workflows.PersonID]func(workflows.Standing) workflows.Standing // who is not as usual
	silent map[workflows.PersonID]bool                                        // cannot be asked about
	chat   map[string][]workflows.PersonID
	quiet  map[string]bool // chat groups that cannot be asked
	hook   func(workflows.PersonID)
}

var (
	errSilent = errors.New("the chat does not answer")
	usual     = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}
)

// The ways in which somebody is not as usual.
func inactive(s workflows.Standing) workflows.Standing { s.Active = false; return s }
func guest(s workflows.Standing) workflows.Standing    { s.Member = false; return s }
func unlinked(s workflows.Standing) workflows.Standing { s.Linked = false; return s }
func robot(s workflows.Standing) workflows.Standing    { s.Human = false; return s }
func unknown(workflows.Standing) workflows.Standing    { return workflows.Standing{} }

func (d *directory) is(name string, how func(workflows.Standing) workflows.Standing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people[person(name)] = how
}

func (d *directory) hush(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = map[workflows.PersonID]bool{}
	for _, n := range names {
		d.silent[person(n)] = true
	}
}

// meanwhile runs once, the next time somebody is asked about: between asking the world and deciding.
func (d *directory) meanwhile(name string, fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = func(p workflows.PersonID) {
		if p == person(name) {
			d.mu.Lock()
			d.hook = nil
			d.mu.Unlock()
			fn()
		}
	}
}

func (d *directory) group(handle string, names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chat == nil {
		d.chat, d.quiet = map[string][]workflows.PersonID{}, map[string]bool{}
	}
	d.chat[handle] = persons(names...)
}

func (d *directory) mute(handle string, quiet bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quiet == nil {
		d.quiet = map[string]bool{}
	}
	d.quiet[handle] = quiet
}

// Standing implements desk.Directory.
func (d *directory) Standing(_ context.Context, by workflows.Acting) (workflows.Standing, error) {
	d.mu.Lock()
	hook := d.hook
	d.mu.Unlock()
	if hook != nil {
		hook(by.Person)
	}
	return d.StandingOf(context.Background(), by.Person)
}

// StandingOf implements desk.Directory.
func (d *directory) StandingOf(_ context.Context, p workflows.PersonID) (workflows.Standing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.silent[p] {
		return workflows.Standing{}, errSilent
	}
	s := usual
	if how, ok := d.people[p]; ok {
		s = how(s)
	}
	return s, nil
}

// ChatGroup implements desk.Directory.
func (d *directory) ChatGroup(_ context.Context, handle string) ([]workflows.PersonID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	members, ok := d.chat[handle]
	if !ok || d.quiet[handle] {
		return nil, errSilent
	}
	return members, nil
}

// Name implements desk.Directory.
func (d *directory) Name(_ context.Context, p workflows.PersonID) string {
	return strings.ToUpper(strings.TrimPrefix(string(p), "p_"))
}

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

// draft is a folder of documents that can still be edited. Groups in selectors are filled in when it is compiled.
type draft struct {
	flows      map[workflows.WorkflowID]*workflows.Workflow
	books      map[workflows.RunbookID]*incidents.Runbook
	texts      map[workflows.RunbookID]string
	people     map[workflows.PersonID]desk.Person
	groups     map[string][]workflows.PersonID
	identities map[workflows.IdentityID]desk.Identity
	roles      map[string]workflows.Selector
}

func named(names ...string) workflows.Selector { return workflows.Selector{People: persons(names...)} }

func groups(names ...string) workflows.Selector {
	var s workflows.Selector
	for _, n := range names {
		s.Groups = append(s.Groups, workflows.Group{Name: n})
	}
	return s
}

func stage(name string, quorum int, s workflows.Selector) workflows.Stage {
	return workflows.Stage{Name: name, Quorum: quorum, Approvers: s, Timeout: 4 * 3600}
}

func entitlement(target workflows.TargetID, id workflows.EntitlementID) workflows.Entitlement {
	return workflows.Entitlement{
		Target: target, ID: id, TargetTitle: string(target), Title: string(id), Owner: "p_olga", Backup: "p_otto", Connector: "sshca",
		Params: map[string][]string{"principals": {"deploy"}},
	}
}

func chain(id workflows.WorkflowID, e workflows.Entitlement, stages ...workflows.Stage) *workflows.Workflow {
	return &workflows.Workflow{
		ID: id, Title: string(id), Kind: workflows.KindCredential, Owner: "p_olga", Ask: workflows.Selector{Anyone: true},
		For: []string{workflows.ForSelf, workflows.ForOwned}, Entitlements: []workflows.Entitlement{e}, Longest: 4 * 3600, Usual: 3600, ReasonMin: 5,
		Stages: stages, Channel: "#access", SeenBy: workflows.SeenByParties,
		Fields: []workflows.Field{{Name: "ticket", Type: workflows.FieldTicket, Pattern: "OPS-[0-9]+"}, {Name: "note", Type: workflows.FieldText, Optional: true}},
	}
}

var listed = []string{
	"zed", "ann", "bob", "cho", "dan", "olga", "otto", "sam", "aud", "rita", "rob", "lea", "mia", "ivy", "ida", "nia", "gus",
}

const bookText = "---\nid: failover\n---\n1. Fail over.\n"

func standard() *draft {
	d := &draft{
		flows: map[workflows.WorkflowID]*workflows.Workflow{}, books: map[workflows.RunbookID]*incidents.Runbook{},
		texts:  map[workflows.RunbookID]string{"failover": bookText},
		people: map[workflows.PersonID]desk.Person{}, groups: map[string][]workflows.PersonID{"dba": persons("ann", "bob", "cho")},
		identities: map[workflows.IdentityID]desk.Identity{
			"svc-deploy": {
				ID: "svc-deploy", Class: "service_account", Name: "Deployer", Owner: "p_ivy", Backup: "p_ida", Purpose: "deploys", Environment: "production",
				Expires: workflows.StampOf(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)), ExpiresOn: "2026-12-31",
				Accounts: map[workflows.TargetID]string{"pg-main": "deployer"},
			},
		},
		roles: map[string]workflows.Selector{desk.RoleSecurity: named("sam"), desk.RoleAuditor: named("aud")},
	}
	for _, n := range listed {
		d.people[person(n)] = desk.Person{ID: person(n), Key: n, Name: n, Manager: "p_mia", Accounts: map[workflows.TargetID]string{"pg-main": n}}
	}
	db := entitlement("pg-main", "writer")
	db.Shared, db.Longest, db.Account = true, 2*3600, true
	peers := stage("peers", 2, groups("dba"))
	peers.Remind, peers.Escalate = 1800, &workflows.Escalation{After: 3600, Approvers: named("sam", "dan")}
	members := chain("shell", entitlement("bastion", "deploy"), stage("peers", 1, named("ann", "bob", "cho")))
	members.SeenBy = workflows.SeenByMembers
	for _, w := range []*workflows.Workflow{
		chain("prod-db", db, peers, stage("owner", 1, workflows.Selector{TargetOwner: true})),
		members,
		chain("pair", entitlement("bastion", "pair"), stage("peers", 2, groups("dba"))),
		chain("names", entitlement("bastion", "names"), stage("peers", 2, named("ann", "bob"))),
		chain("chat", entitlement("bastion", "chat"), stage("oncall", 2, workflows.Selector{ChatGroups: []string{"@oncall"}})),
		chain("manager", entitlement("bastion", "manager"), stage("manager", 1, workflows.Selector{Manager: true}), stage("owner", 1, workflows.Selector{IdentityOwner: true})),
	} {
		d.flows[w.ID] = w
	}
	approve := chain("approve-book", workflows.Entitlement{}, stage("lead", 1, named("lea")))
	approve.Kind, approve.Entitlements, approve.Fields, approve.For, approve.Uses, approve.Longest = workflows.KindPreapprove, nil, nil, nil, 2, 30*24*3600
	d.flows[approve.ID] = approve
	d.books["failover"] = &incidents.Runbook{
		ID: "failover", Title: "Fail over", Owner: "p_olga", Invokers: named("zed", "rita"), Grant: entitlement("pg-main", "admin"), Longest: 1800,
		IncidentPattern: "INC-[0-9]{1,7}", Skips: "prod-db", Notify: "#incidents", Reviewers: named("rita", "rob", "lea"), ReviewDue: 24 * 3600,
		Fields: []workflows.Field{{Name: "host", Type: workflows.FieldChoice, Choices: []string{"a", "b"}, Optional: true}},
	}
	return d
}

// compile makes the policy. It copies everything, so that the draft can be edited on.
func (d *draft) compile(t *testing.T) *desk.Policy {
	t.Helper()
	p := &desk.Policy{
		Workflows: map[workflows.WorkflowID]desk.Version{}, Runbooks: map[workflows.RunbookID]desk.Book{}, People: maps.Clone(d.people),
		Groups: map[string][]workflows.PersonID{}, Identities: maps.Clone(d.identities), Roles: map[string]workflows.Selector{},
		Settings: desk.Settings{SecurityChannel: "#security"},
		Loaded: workflows.PolicyLoaded{
			Workflows: map[string]workflows.DocHash{}, Runbooks: map[string]workflows.DocHash{}, Sources: map[string]workflows.DocHash{}, Version: "test",
		},
	}
	for name, members := range d.groups {
		p.Groups[name] = slices.Clone(members)
	}
	for role, s := range d.roles {
		p.Roles[role] = d.fill(s)
	}
	for id, w := range d.flows {
		flow := *w
		flow.Ask, flow.Stages = d.fill(w.Ask), slices.Clone(w.Stages)
		for i := range flow.Stages {
			flow.Stages[i].Approvers = d.fill(flow.Stages[i].Approvers)
		}
		copied, doc := copyOf(t, flow)
		p.Workflows[id] = desk.Version{Workflow: &copied, Hash: doc.Hash}
		p.Loaded.Workflows[string(id)], p.Loaded.Sources["workflows/"+string(id)] = doc.Hash, doc.Hash
		p.Documents = append(p.Documents, doc)
	}
	for id, b := range d.books {
		book := *b
		book.Document = workflows.HashDocument([]byte(d.texts[id]))
		copied, doc := copyOf(t, book)
		p.Runbooks[id] = desk.Book{Runbook: copied, Hash: doc.Hash, Text: []byte(d.texts[id])}
		p.Loaded.Runbooks[string(id)], p.Loaded.Sources["runbooks/"+string(id)] = doc.Hash, book.Document
		p.Documents = append(p.Documents, doc, workflows.Document{Hash: book.Document, Kind: "runbook", Bytes: []byte(d.texts[id])})
	}
	return p
}

func copyOf[T any](t *testing.T, v T) (T, workflows.Document) {
	t.Helper()
	var out T
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, workflows.Document{Hash: workflows.HashDocument(b), Kind: "policy", Bytes: b}
}

func (d *draft) fill(s workflows.Selector) workflows.Selector {
	s.Groups = slices.Clone(s.Groups)
	for i := range s.Groups {
		s.Groups[i].Members = slices.Clone(d.groups[s.Groups[i].Name])
	}
	return s
}

// load edits the documents and puts them in force.
func (x *office) load(edit func(*draft)) {
	x.t.Helper()
	edit(x.draft)
	if err := x.desk.Load(x.t.Context(), x.draft.compile(x.t)); err != nil {
		x.t.Fatal(err)
	}
}

func (x *office) cause() desk.Cause { return desk.Cause(fmt.Sprintf("inbox/%d", x.n.Add(1))) }

// form is a good form for a chain.
func (x *office) form(flow workflows.WorkflowID) workflows.Form {
	f := workflows.Form{Seconds: 3600, Reason: "broken since noon, " + secret, Values: map[string]string{"ticket": "OPS-1", "note": secret}}
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

func (x *office) entries() []workflows.Record {
	x.t.Helper()
	var out []workflows.Record
	for {
		next, err := x.store.Entries(context.Background(), int64(len(out)), int64(len(out))+4096)
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
	all := x.entries()
	return all[len(all)-1]
}

// check folds every stream again and compares what the ledger keeps outside its entries with what they owe.
func (x *office) check() {
	x.t.Helper()
	ctx := context.Background()
	seen := map[workflows.StreamID]bool{}
	for _, r := range x.entries() {
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
