package desk_test

import (
	"slices"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// A policy is recorded when it differs from the last one, with its documents and the files that changed.
func TestLoad(t *testing.T) {
	t.Parallel()
	x := open(t)
	loads := func() []workflows.PolicyLoaded {
		var out []workflows.PolicyLoaded
		for _, r := range x.history(workflows.PolicyStream) {
			if e, ok := r.Event.(workflows.PolicyLoaded); ok {
				out = append(out, e)
			}
		}
		return out
	}
	first := loads()
	if len(first) != 1 || !slices.Contains(first[0].Changed, "workflows/pair") || !slices.Contains(first[0].Changed, "runbooks/failover") || !slices.IsSorted(first[0].Changed) {
		t.Fatalf("%+v", first)
	}
	for _, h := range append(hashes(first[0].Workflows), hashes(first[0].Runbooks)...) {
		if d, err := x.store.Document(t.Context(), h); err != nil || workflows.HashDocument(d.Bytes) != h {
			t.Errorf("document %s: %v", h, err)
		}
	}
	size := len(x.entries())
	x.load(func(*draft) {})
	x.load(func(*draft) {})
	if n := len(x.entries()); n != size {
		t.Errorf("the same policy again recorded %v", kinds(x.entries()[size:]))
	}
	for _, c := range []struct {
		edit func(*draft)
		want []string
	}{
		{func(d *draft) { d.flows["pair"].Title = "Another" }, []string{"workflows/pair"}},
		{func(d *draft) { delete(d.flows, "pair"); d.flows["shell"].Title = "Another" }, []string{"workflows/pair", "workflows/shell"}},
		{func(d *draft) { d.texts["failover"] += " " }, []string{"runbooks/failover"}},
		{func(d *draft) { d.flows["pair"] = standard().flows["pair"] }, []string{"workflows/pair"}},
	} {
		x.load(c.edit)
		x.check()
		all := loads()
		same(t, "changed", c.want, all[len(all)-1].Changed)
	}
	if n := len(loads()); n != 5 {
		t.Errorf("%d policies were recorded", n)
	}
}

func hashes(m map[string]workflows.DocHash) []workflows.DocHash {
	var out []workflows.DocHash
	for _, h := range m {
		out = append(out, h)
	}
	return out
}

// Identities are recorded when they are new or changed, and each once.
func TestLoadRegistersIdentities(t *testing.T) {
	t.Parallel()
	x := open(t)
	stream := workflows.IdentityStream("svc-deploy")
	if h := x.history(stream); len(h) != 1 || h[0].Event.(identities.Registered).Owner != "p_ivy" {
		t.Fatalf("%+v", h)
	}
	x.load(func(*draft) {})
	x.load(func(d *draft) { d.flows["pair"].Title = "Another" })
	if h := x.history(stream); len(h) != 1 {
		t.Errorf("%d entries", len(h))
	}
	x.load(func(d *draft) { i := d.identities["svc-deploy"]; i.Owner = "p_mia"; d.identities["svc-deploy"] = i })
	if h := x.history(stream); len(h) != 2 || h[1].Event.(identities.Registered).Owner != "p_mia" {
		t.Errorf("%+v", h)
	}
}

// A reload ends open requests whose ground is gone, once, and leaves all others and what is decided.
func TestLoadSweeps(t *testing.T) {
	t.Parallel()
	x := open(t)
	gone, stays, book := x.ask("zed", "pair"), x.ask("zed", "shell"), x.ask("zed", "approve-book")
	decided := x.ask("nia", "pair")
	x.approve(decided, "ann", "bob")
	x.load(func(d *draft) { delete(d.flows, "pair"); d.texts["failover"] += " " })
	x.check()
	for id, want := range map[workflows.RequestID]workflows.Status{
		gone: workflows.StatusSuperseded, book: workflows.StatusSuperseded, stays: workflows.StatusOpen, decided: workflows.StatusApproved,
	} {
		s := x.state(id)
		if s.Status != want {
			t.Errorf("%s (%s): %s", id, s.Asked.Workflow, s.Status)
		}
		if want == workflows.StatusSuperseded && s.WhyCode != workflows.CodeNoPolicy {
			t.Errorf("%s: %s", id, s.WhyCode)
		}
	}
	size := len(x.entries())
	x.load(func(*draft) {})
	if n := len(x.entries()); n != size {
		t.Errorf("again: %v", kinds(x.entries()[size:]))
	}
}

// An account is linked to a person once.
func TestLink(t *testing.T) {
	t.Parallel()
	x := open(t)
	for _, account := range []workflows.ActorID{"a_one", "a_one", "a_two", "a_one"} {
		if err := x.desk.Link(t.Context(), "p_zed", identities.Linked{Account: account, Medium: "slack", How: "people file", Name: secret, Email: secret}); err != nil {
			t.Fatal(err)
		}
		x.check()
	}
	h := x.history(workflows.PersonStream("p_zed"))
	if len(h) != 2 || h[0].Person != "p_zed" || h[0].Event.(identities.Linked).Account != "a_one" || h[1].Event.(identities.Linked).Account != "a_two" {
		t.Errorf("%+v", h)
	}
}

// What somebody may ask for, and for whom.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.flows["shell"].Ask = groups("dba")
		d.flows["pair"].For = []string{workflows.ForOwned}
		d.flows["names"].For = []string{workflows.ForSelf}
		d.flows["chat"].Ask = named("nia")
	})
	offers := func(who string) map[workflows.WorkflowID][]workflows.IdentityID {
		t.Helper()
		all, err := x.desk.Catalogue(t.Context(), person(who))
		if err != nil {
			t.Fatal(err)
		}
		out := map[workflows.WorkflowID][]workflows.IdentityID{}
		var titles []string
		for _, o := range all {
			out[o.Version.Workflow.ID] = o.Subjects
			titles = append(titles, o.Version.Workflow.Title)
		}
		if !slices.IsSorted(titles) {
			t.Errorf("not by title: %v", titles)
		}
		return out
	}
	same(t, "zed", map[workflows.WorkflowID][]workflows.IdentityID{
		"prod-db": {"p_zed"}, "names": {"p_zed"}, "manager": {"p_zed"}, "approve-book": {"p_zed"},
	}, offers("zed"))
	same(t, "ida", map[workflows.WorkflowID][]workflows.IdentityID{
		"prod-db": {"p_ida", "svc-deploy"}, "names": {"p_ida"}, "manager": {"p_ida", "svc-deploy"}, "approve-book": {"p_ida"}, "pair": {"svc-deploy"},
	}, offers("ida"))
	if got := offers("ann"); len(got["shell"]) != 1 {
		t.Errorf("ann: %v", got)
	}
	same(t, "stranger", map[workflows.WorkflowID][]workflows.IdentityID{}, offers("stranger"))
	same(t, "nobody", map[workflows.WorkflowID][]workflows.IdentityID{}, offers(""))
	if got := x.desk.Policy().Owned(""); len(got) != 0 {
		t.Errorf("nobody owns %v", got)
	}
	x.load(func(d *draft) { d.flows["chat"].Ask = workflows.Selector{ChatGroups: []string{"@silent"}} })
	if _, err := x.desk.Catalogue(t.Context(), "p_zed"); err == nil {
		t.Error("a group that cannot be asked is taken as empty")
	}
}

// Reading what is open, held and ready.
func TestReads(t *testing.T) {
	t.Parallel()
	x := open(t)
	ctx := t.Context()
	long, short := x.submission("zed", "pair"), x.submission("zed", "shell")
	long.Form.Seconds = 7200
	a, b := x.submit(long).ID, x.submit(short).ID
	views, err := x.desk.Requests(ctx, workflows.ListWaiting, "p_ann", 0)
	if err != nil || len(views) != 2 {
		t.Fatalf("%d waiting: %v", len(views), err)
	}
	x.approve(a, "ann", "bob")
	x.approve(b, "ann")
	held, err := x.desk.Grants(ctx, "p_zed", 0)
	if err != nil || len(held) != 2 || held[0].Hold.Approved.Request != b || held[1].Hold.Approved.Request != a {
		t.Fatalf("not soonest end first: %+v %v", held, err)
	}
	if all, err := x.desk.Grants(ctx, "", 0); err != nil || len(all) != 2 {
		t.Errorf("all: %d %v", len(all), err)
	}
	if none, err := x.desk.Grants(ctx, "p_ann", 0); err != nil || len(none) != 0 {
		t.Errorf("held by ann: %+v %v", none, err)
	}
	one, err := x.desk.Grant(ctx, held[0].Hold.Approved.Grant)
	if err != nil || one.Stream != held[0].Stream || one.Hold.Approved.Request != b {
		t.Errorf("%+v %v", one, err)
	}
	if _, err := x.desk.Grant(ctx, "g_none"); err == nil {
		t.Error("a grant that is not there")
	}
	if v, err := x.desk.Look(ctx, b); err != nil || v.Hold == nil || v.Hold.Approved.Request != b || v.Entitlement.ID != "deploy" {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := x.desk.Review(ctx, "v_none"); err == nil {
		t.Error("a review that is not there")
	}
	now := workflows.StampOf(x.clock.Now().Wall)
	ready := func(who string) desk.BookView {
		t.Helper()
		books, err := x.desk.Runbooks(ctx, person(who), now)
		if err != nil || len(books) != 1 {
			t.Fatalf("%+v %v", books, err)
		}
		return books[0]
	}
	if v := ready("zed"); v.No == nil || !v.May {
		t.Errorf("before it is approved: %+v", v)
	}
	x.approveBook()
	if v := ready("ann"); v.No != nil || v.May || v.Left != 2 || v.Until != now+3600e6 {
		t.Errorf("approved: %+v", v)
	}
}

// Histories that do not follow from each other are refused, whatever kind of stream they stand on, and nothing is decided on them.
func TestOutstandingRefusesDamage(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "pair")
	x.approve(id, "ann", "bob")
	stream, _ := x.hold(id)
	x.approveBook()
	in := x.invoke(x.invocation("zed"))
	for _, s := range []workflows.StreamID{workflows.RequestStream(id), stream, "runbook/failover", workflows.ReviewStream(in.Review)} {
		h := slices.Clone(x.history(s))
		h[0].Seq = 2
		if _, err := desk.Outstanding(s, h); err == nil {
			t.Errorf("%s folds although it has no beginning", s)
		}
	}
	if o, err := desk.Outstanding(workflows.SystemStream, x.history(workflows.SystemStream)); err != nil || len(o.Jobs)+len(o.Lists)+len(o.Touch) != 0 {
		t.Errorf("the system stream owes %+v %v", o, err)
	}
}

// A card and the homes of its people are named for repainting when what they show has changed.
func TestOutstandingTouches(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "shell")
	x.approve(id, "ann")
	stream, _ := x.start(id)
	o, err := desk.Outstanding(stream, x.history(stream))
	if err != nil || !slices.Contains(o.Touch, workflows.RequestStream(id)) || !slices.Contains(o.Touch, workflows.HomeSurface("p_zed")) {
		t.Errorf("%v %v", o.Touch, err)
	}
	for range 9 { // a stream with a long past repaints only the late part of it
		next := x.ask("zed", "shell")
		x.approve(next, "ann")
		s, g := x.start(next)
		x.end("zed", g, "returned")
		x.revoke(s, g, "absent")
	}
	_, g := x.hold(id)
	x.end("zed", g.Approved.Grant, "returned")
	x.revoke(stream, g.Approved.Grant, "absent")
	if o, err = desk.Outstanding(stream, x.history(stream)); err != nil || slices.Contains(o.Touch, workflows.RequestStream(id)) {
		t.Errorf("%v %v", o.Touch, err)
	}
}
