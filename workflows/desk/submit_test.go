package desk_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// The main job: asked, decided in two stages, granted in the transaction of the last vote.
func TestSubmitVoteGrant(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "prod-db")
	s := x.state(id)
	doc, err := x.store.Document(t.Context(), s.Policy)
	if err != nil || workflows.HashDocument(doc.Bytes) != s.Policy || s.Policy != x.desk.Policy().Workflows["prod-db"].Hash {
		t.Fatalf("the policy that binds is not in the ledger: %v", err)
	}
	same(t, "roster", persons("ann", "bob", "cho"), s.CanVote())
	x.approve(id, "ann", "bob")
	same(t, "second roster", persons("olga", "otto"), x.state(id).CanVote())

	b := x.ballot("olga", id, workflows.Approve)
	a := x.vote(b)
	same(t, "recorded", []string{"request vote.recorded", "request stage.satisfied", "request request.approved", "grant grant.approved"}, kinds(a.Records))
	for i, r := range a.Records {
		if r.Index != a.Records[0].Index+int64(i) || r.Cause != string(b.Cause) || r.At != a.Records[0].At {
			t.Errorf("entry %d is not of the same transaction: %+v", i, r)
		}
	}
	stream, h := x.hold(id)
	same(t, "approvers", persons("ann", "bob", "olga"), h.Approved.Approvers)
	want := grants.Approved{
		Grant: h.Approved.Grant, Request: id, Identity: "p_zed", Requester: "p_zed", Approvers: h.Approved.Approvers, Owner: "p_olga",
		Target: "pg-main", TargetTitle: "pg-main", Entitlement: "writer", Title: "writer", Connector: "sshca",
		Params: map[string][]string{"principals": {"deploy"}}, Fields: s.Asked.Fields, Account: "zed", Holder: "ZED", Shared: true,
		EndsAt: a.Records[0].At.UTC + 3600e6, EndsMono: a.Records[0].At.Mono + 3600e9, Alarm: "#security",
		MaxUnverified: 24 * 3600, Principal: "person",
	}
	same(t, "grant", want, h.Approved)
	if _, due, err := x.desk.Due(t.Context(), stream, workflows.JobStart, h.Approved.Grant); err != nil || !due {
		t.Errorf("the access is not due: %v", err)
	}
	for list, n := range map[string]int{workflows.ListMyOpen: 0, workflows.ListMine: 1, grants.ListActive: 1} {
		if got, err := x.store.List(t.Context(), list, "p_zed", 0); err != nil || len(got) != n {
			t.Errorf("list %s: %v, want %d: %v", list, got, n, err)
		}
	}
}

// Every submission that cannot be is refused with its reason, recorded once on the system stream, and opens nothing.
func TestSubmitRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		flow workflows.WorkflowID
		who  string
		edit func(x *office, s *desk.Submission)
		code string
	}{
		{"no such chain", "nothing", "zed", nil, workflows.CodeNoPolicy},
		{"form of another version", "shell", "zed", func(_ *office, s *desk.Submission) { s.FormPolicy = "sha256:other" }, workflows.CodeFormChanged},
		{"field", "shell", "zed", func(_ *office, s *desk.Submission) { s.Form.Values["ticket"] = secret }, workflows.CodeBadField},
		{"unknown field", "shell", "zed", func(_ *office, s *desk.Submission) { s.Form.Values["extra"] = secret }, workflows.CodeBadField},
		{"too long", "prod-db", "zed", func(_ *office, s *desk.Submission) { s.Form.Seconds = 2*3600 + 1 }, workflows.CodeBadField},
		{"not granted here", "shell", "zed", func(_ *office, s *desk.Submission) { s.Form.Target = "pg-main" }, workflows.CodeBadField},
		{"no reason", "shell", "zed", func(_ *office, s *desk.Submission) { s.Form.Reason = " " }, workflows.CodeBadField},
		{"not listed", "shell", "stranger", nil, workflows.CodeNotEligible},
		{"guest", "shell", "zed", func(x *office, _ *desk.Submission) { x.dir.is("zed", guest) }, workflows.CodeGuest},
		{"inactive", "shell", "zed", func(x *office, _ *desk.Submission) { x.dir.is("zed", inactive) }, workflows.CodeInactive},
		{"robot", "shell", "zed", func(x *office, _ *desk.Submission) { x.dir.is("zed", robot) }, workflows.CodeNotHuman},
		{"unlinked", "shell", "zed", func(x *office, _ *desk.Submission) { x.dir.is("zed", unlinked) }, workflows.CodeUnlinked},
		{"nobody", "shell", "zed", func(_ *office, s *desk.Submission) { s.By.Person = "" }, workflows.CodeUnlinked},
		{"directory down", "shell", "zed", func(x *office, _ *desk.Submission) { x.dir.hush("zed") }, workflows.CodeDirectory},
		{"excluded", "shell", "zed", func(x *office, _ *desk.Submission) {
			x.load(func(d *draft) { d.flows["shell"].Ask.Exclude = persons("zed") })
		}, workflows.CodeNotEligible},
		{"not of the group", "shell", "zed", func(x *office, _ *desk.Submission) {
			x.load(func(d *draft) { d.flows["shell"].Ask = groups("dba") })
		}, workflows.CodeNotEligible},
		{"nobody may ask", "shell", "zed", func(x *office, _ *desk.Submission) {
			x.load(func(d *draft) { d.flows["shell"].Ask = workflows.Selector{} })
		}, workflows.CodeNotEligible},
		{"too few without the requester", "pair", "bob", func(x *office, _ *desk.Submission) {
			x.load(func(d *draft) { d.groups["dba"] = persons("ann", "bob") })
		}, workflows.CodeNobody},
		{"no account there", "prod-db", "zed", func(x *office, _ *desk.Submission) {
			x.load(func(d *draft) { d.people["p_zed"] = desk.Person{ID: "p_zed"} })
		}, workflows.CodeNotInInventory},
		{"no such runbook", "approve-book", "zed", func(_ *office, s *desk.Submission) { s.Runbook = "nothing" }, workflows.CodeRunbook},
		{"for another person", "shell", "zed", func(_ *office, s *desk.Submission) { s.Subject = "p_ann" }, workflows.CodeNotEligible},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			s := x.submission(c.who, c.flow)
			if c.edit != nil {
				c.edit(x, &s)
			}
			before := len(x.entries())
			out := x.submit(s)
			if code(out.Refusal) != c.code || out.ID != "" {
				t.Fatalf("got %v %q, want a refusal with %q", out.Refusal, out.ID, c.code)
			}
			if n := len(x.entries()); n != before+1 {
				t.Errorf("%d entries were recorded", n-before)
			}
			x.refused(workflows.SystemStream, "submit", c.code)
			if (c.code == workflows.CodeBadField) != (len(out.Problems) > 0) {
				t.Errorf("problems for the form: %v", out.Problems)
			}
			open, err := x.store.List(t.Context(), workflows.ListAll, "", 0)
			if err != nil || len(open) != 0 {
				t.Errorf("a request was opened: %v %v", open, err)
			}
		})
	}
}

func TestSubmitTooMany(t *testing.T) {
	t.Parallel()
	x := open(t)
	for range workflows.MaxOpenPerson {
		x.ask("zed", "shell")
	}
	if out := x.submit(x.submission("zed", "shell")); code(out.Refusal) != workflows.CodeTooMany {
		t.Errorf("one too many: %v", out.Refusal)
	}
	x.ask("nia", "shell") // counted by person
}

// While a form is open it can be checked; nothing is recorded.
func TestCheckForm(t *testing.T) {
	t.Parallel()
	x := open(t)
	before := len(x.entries())
	hash := x.desk.Policy().Workflows["shell"].Hash
	bad := x.form("shell")
	bad.Reason = ""
	for _, c := range []struct {
		flow     workflows.WorkflowID
		shown    workflows.DocHash
		form     workflows.Form
		code     string
		problems int
	}{
		{"shell", hash, x.form("shell"), "", 0},
		{"shell", hash, bad, "", 1},
		{"shell", "sha256:other", x.form("shell"), workflows.CodeFormChanged, 0},
		{"nothing", hash, x.form("shell"), workflows.CodeNoPolicy, 0},
	} {
		if p, r := x.desk.CheckForm(c.flow, c.shown, c.form); code(r) != c.code || len(p) != c.problems {
			t.Errorf("%s: %v %v", c.flow, p, r)
		}
	}
	if len(x.entries()) != before {
		t.Error("checking a form recorded something")
	}
}

// R1: what has no owner or no chain cannot be asked for, and nobody is asked to approve it instead.
func TestReq_R1_WithoutOwnerOrChainNobodyIsAsked(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { d.flows["shell"].Entitlements[0].Owner = "" })
	for _, flow := range []workflows.WorkflowID{"shell", "gone"} {
		out := x.submit(x.submission("zed", flow))
		if code(out.Refusal) != workflows.CodeNoPolicy {
			t.Errorf("%s: %v", flow, out.Refusal)
		}
		x.refused(workflows.SystemStream, "submit", workflows.CodeNoPolicy)
	}
	for _, r := range x.entries() {
		if strings.HasPrefix(string(r.Stream), "request/") {
			t.Errorf("a request was opened: %+v", r)
		}
	}
}

// R71: access goes to people of the file and to identities of the inventory that have not expired, asked for by those who answer for them.
func TestReq_R71_OnlyIdentitiesOfTheInventoryAreGranted(t *testing.T) {
	t.Parallel()
	ask := func(x *office, who string, subject workflows.IdentityID) desk.Submitted {
		s := x.submission(who, "shell")
		s.Subject = subject
		return x.submit(s)
	}
	t.Run("asked for", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		for _, c := range []struct {
			who     string
			subject workflows.IdentityID
			code    string
		}{
			{"ivy", "svc-deploy", ""},
			{"ida", "svc-deploy", ""}, // the backup
			{"zed", "svc-deploy", workflows.CodeNotEligible},
			{"ivy", "svc-unknown", workflows.CodeNotInInventory},
		} {
			out := ask(x, c.who, c.subject)
			if code(out.Refusal) != c.code {
				t.Errorf("%s for %s: %v", c.who, c.subject, out.Refusal)
			}
			if c.code == "" && x.state(out.ID).Asked.Sponsor != "p_ivy" {
				t.Errorf("%s for %s: nobody answers for it", c.who, c.subject)
			}
		}
	})
	// until is the last moment of the identity, relative to now.
	expire := func(x *office, id workflows.IdentityID, microseconds workflows.Stamp) {
		x.load(func(d *draft) {
			i := d.identities[id]
			i.Expires = workflows.StampOf(x.clock.Now().Wall) + microseconds
			d.identities[id] = i
		})
	}
	t.Run("expired before it is asked for", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		expire(x, "svc-deploy", 0)
		if out := ask(x, "ivy", "svc-deploy"); code(out.Refusal) != workflows.CodeNotInInventory {
			t.Errorf("granted to an expired identity: %v", out.Refusal)
		}
		expire(x, "svc-deploy", 1)
		if out := ask(x, "ivy", "svc-deploy"); out.Refusal != nil {
			t.Errorf("refused before its expiry: %v", out.Refusal)
		}
	})
	t.Run("expired before it is approved", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		expire(x, "svc-deploy", 60e6)
		id := ask(x, "ivy", "svc-deploy").ID
		x.clock.Add(60e9)
		x.vote(x.ballot("ann", id, workflows.Approve))
		if s := x.state(id); s.Status != workflows.StatusSuperseded || s.Grant != "" {
			t.Errorf("approved for an expired identity: %s", s.Status)
		}
	})
	t.Run("expired before it starts", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		expire(x, "svc-deploy", 60e6)
		id := ask(x, "ivy", "svc-deploy").ID
		x.approve(id, "ann")
		stream, h := x.hold(id)
		if why, err := x.desk.MayStart(t.Context(), stream, h); err != nil || why != "" {
			t.Errorf("may not start in time: %q %v", why, err)
		}
		x.clock.Add(60e9)
		if why, err := x.desk.MayStart(t.Context(), stream, h); err != nil || why == "" {
			t.Errorf("may start although it has expired: %v", err)
		}
	})
	t.Run("removed while it is open", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := ask(x, "ivy", "svc-deploy").ID
		x.load(func(d *draft) { delete(d.identities, "svc-deploy") })
		if s := x.state(id); s.Status != workflows.StatusSuperseded {
			t.Errorf("still %s", s.Status)
		}
	})
}

// R97: an approval holds for exactly what was shown, on this request, at this stage.
func TestReq_R97_AVoteHoldsForWhatWasShown(t *testing.T) {
	t.Parallel()
	x := open(t)
	one, two := x.ask("zed", "prod-db"), x.ask("nia", "prod-db")
	for name, edit := range map[string]func(*desk.Ballot){
		"of another request": func(b *desk.Ballot) { b.Shown = x.state(two).Shown(0) },
		"of another stage":   func(b *desk.Ballot) { b.Shown = x.state(one).Shown(1) },
		"stage not open":     func(b *desk.Ballot) { b.Stage, b.Shown = 1, x.state(one).Shown(1) },
		"no such stage":      func(b *desk.Ballot) { b.Stage = -1 },
		"nothing shown":      func(b *desk.Ballot) { b.Shown = "" },
		"another verdict":    func(b *desk.Ballot) { b.Verdict = "maybe" },
	} {
		b := x.ballot("ann", one, workflows.Approve)
		edit(&b)
		if a := x.vote(b); code(a.Refusal) != workflows.CodeStale {
			t.Errorf("%s: %v", name, a.Refusal)
		}
		x.refused(workflows.RequestStream(one), "vote "+string(b.Verdict), workflows.CodeStale)
	}
	b := x.ballot("ann", one, workflows.Approve)
	x.vote(b)
	v, ok := x.last().Event.(workflows.VoteRecorded)
	if !ok || v.Digest != x.state(one).Asked.Digest || v.Shown != b.Shown {
		t.Errorf("the vote does not say what was approved: %+v", x.last().Event)
	}
}

// T37, T55: who may not see a request or end a grant learns nothing from asking: not from the answer, not from where it is recorded.
func TestThreat_T37_UnknownAndInvisibleAreTheSame(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "prod-db")
	x.approve(id, "ann", "bob", "olga")
	_, h := x.hold(id)
	none := workflows.RequestID("r_" + strings.Repeat("9", 26))
	type try func(who string, id workflows.RequestID, g workflows.GrantID) (desk.Answer, error)
	change := func(fn func(context.Context, desk.Change) (desk.Answer, error)) try {
		return func(who string, id workflows.RequestID, _ workflows.GrantID) (desk.Answer, error) {
			return fn(t.Context(), desk.Change{Cause: x.cause(), By: acting(who), Request: id, Why: secret, Channel: "slack"})
		}
	}
	for name, do := range map[string]try{
		"vote": func(who string, id workflows.RequestID, _ workflows.GrantID) (desk.Answer, error) {
			return x.desk.Vote(t.Context(), desk.Ballot{Cause: x.cause(), By: acting(who), Request: id, Verdict: workflows.Approve, Channel: "slack"})
		},
		"take back": change(x.desk.TakeBack),
		"withdraw":  change(x.desk.Withdraw),
		"returned": func(who string, _ workflows.RequestID, g workflows.GrantID) (desk.Answer, error) {
			return x.desk.End(t.Context(), desk.EndGrant{Cause: x.cause(), By: acting(who), Grant: g, How: grants.HowReturned, Why: secret, Channel: "slack"})
		},
	} {
		x.dir.is("gus", guest)
		for _, who := range []string{"nia", "gus", "stranger", ""} {
			a, err := do(who, id, h.Approved.Grant)
			first := x.last()
			b, err2 := do(who, none, "g_"+workflows.GrantID(strings.Repeat("9", 26)))
			second := x.last()
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			if a.Refusal == nil {
				t.Errorf("%s by %q was let through", name, who)
			}
			same(t, name+" by "+who, a.Refusal, b.Refusal)
			same(t, name+" by "+who+" recorded", first, second, cmpopts.IgnoreFields(workflows.Record{}, "Index", "ID", "Seq", "Cause"), cmpopts.IgnoreFields(workflows.Refused{}, "About"))
			if first.Stream != workflows.SystemStream || first.Event.(workflows.Refused).Command != name {
				t.Errorf("%s by %q is recorded as %+v on %q", name, who, first.Event, first.Stream)
			}
		}
	}
	x.check()
}

// Reading follows the same rule, row by row.
func TestThreat_T37_WhoMayRead(t *testing.T) {
	t.Parallel()
	x := open(t)
	parties, members := x.ask("zed", "prod-db"), x.ask("zed", "shell")
	for who, want := range map[string][2]bool{
		"zed": {true, true}, "ann": {true, true}, "olga": {true, true}, "otto": {true, true}, "sam": {true, true}, "aud": {true, true},
		"nia": {false, true}, "stranger": {false, false}, "": {false, false},
	} {
		for i, id := range []workflows.RequestID{parties, members} {
			_, err := x.desk.LookAs(t.Context(), person(who), id)
			var r *workflows.Refusal
			if err != nil && (!errors.As(err, &r) || *r != *workflows.Unknown()) {
				t.Errorf("%q: %v", who, err)
			}
			if (err == nil) != want[i] {
				t.Errorf("%q reads request %d: %t", who, i, err == nil)
			}
		}
	}
	if _, err := x.desk.LookAs(t.Context(), "p_zed", "r_none"); code(refusalOf(err)) != workflows.CodeUnknown {
		t.Errorf("unknown: %v", err)
	}
	if _, err := x.desk.Look(t.Context(), "r_none"); !errors.Is(err, workflows.ErrNoStream) {
		t.Errorf("unknown: %v", err)
	}
	x.load(func(d *draft) { d.roles = nil })
	if _, err := x.desk.LookAs(t.Context(), "p_sam", members); err != nil {
		t.Errorf("a member who held a role: %v", err)
	}
	x.load(func(d *draft) { delete(d.people, "p_sam") })
	if _, err := x.desk.LookAs(t.Context(), "p_sam", members); code(refusalOf(err)) != workflows.CodeUnknown {
		t.Errorf("who is not in the file any more reads: %v", err)
	}
}

func refusalOf(err error) *workflows.Refusal {
	var r *workflows.Refusal
	errors.As(err, &r)
	return r
}

// A form, a click or a call that comes twice gets its first answer, whatever has changed since, and is not decided again.
func TestConsumedCause(t *testing.T) {
	t.Parallel()
	x := open(t)
	twice := func(name string, cause desk.Cause, do func() (any, error)) {
		t.Helper()
		first, err := do()
		if err != nil {
			t.Fatal(err)
		}
		n, size := x.tap.times(cause), len(x.entries())
		again, err := do()
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, first, again)
		if x.tap.times(cause) != n || n == 0 || len(x.entries()) != size {
			t.Errorf("%s was decided %d times, then %d times", name, n, x.tap.times(cause))
		}
		x.check()
	}
	s := x.submission("zed", "prod-db")
	s.FormPolicy = x.desk.Policy().Workflows["prod-db"].Hash
	submit := func() (any, error) { return x.desk.Submit(t.Context(), s) }
	twice("submit", s.Cause, submit)
	open, _ := x.store.List(t.Context(), workflows.ListOpen, "", 0)
	id := workflows.RequestID(open[0].Rest())
	for _, who := range []string{"ann", "bob", "olga"} {
		b := x.ballot(who, id, workflows.Approve)
		twice("vote of "+who, b.Cause, func() (any, error) { return x.desk.Vote(t.Context(), b) })
	}
	late := x.ballot("cho", id, workflows.Approve)
	twice("refused vote", late.Cause, func() (any, error) { return x.desk.Vote(t.Context(), late) })
	back := desk.Change{Cause: x.cause(), By: acting("olga"), Request: id, Why: secret, Channel: "slack"}
	twice("take back", back.Cause, func() (any, error) { return x.desk.TakeBack(t.Context(), back) })
	off := desk.Change{Cause: x.cause(), By: acting("nia"), Request: x.ask("nia", "prod-db"), Channel: "slack"}
	twice("withdraw", off.Cause, func() (any, error) { return x.desk.Withdraw(t.Context(), off) })

	// Who may not even see it any more, or whose chain is gone, still gets the first answer.
	x.load(func(d *draft) { delete(d.flows, "prod-db") })
	again, err := submit()
	if got, _ := again.(desk.Submitted); err != nil || got.ID != id {
		t.Errorf("the form of a chain that is gone now: %+v %v", again, err)
	}
	x.load(func(d *draft) { d.flows["prod-db"] = standard().flows["prod-db"]; d.flows["prod-db"].Title = "changed" })
	again, err = submit()
	if got, _ := again.(desk.Submitted); err != nil || got.ID != id {
		t.Errorf("the form of a chain that has changed: %+v %v", again, err)
	}
	b := desk.Ballot{Cause: off.Cause, By: acting("stranger"), Request: "r_none"}
	if a, err := x.desk.Vote(t.Context(), b); err != nil || !slices.ContainsFunc(a.Records, func(r workflows.Record) bool { _, ok := r.Event.(workflows.Withdrawn); return ok }) {
		t.Errorf("a consumed cause on a request that cannot be seen: %+v %v", a, err)
	}
}

// A ledger that cannot be read decides nothing, and says so.
func TestBrokenReads(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "shell")
	ctx := t.Context()
	ballot := x.ballot("ann", id, workflows.Approve)
	form := x.submission("zed", "shell")
	size := len(x.entries())
	x.tap.fails(true)
	fresh := x.another()
	for name, err := range map[string]error{
		"submit":    second(x.desk.Submit(ctx, form)),
		"vote":      second(x.desk.Vote(ctx, ballot)),
		"withdraw":  second(x.desk.Withdraw(ctx, desk.Change{By: acting("zed"), Request: id})),
		"take back": second(x.desk.TakeBack(ctx, desk.Change{By: acting("zed"), Request: id})),
		"end":       second(x.desk.End(ctx, desk.EndGrant{By: acting("zed"), Grant: "g_1"})),
		"look":      second(x.desk.LookAs(ctx, "p_zed", id)),
		"grants":    second(x.desk.Grants(ctx, "", 0)),
		"grant":     second(x.desk.Grant(ctx, "g_1")),
		"requests":  second(x.desk.Requests(ctx, workflows.ListAll, "", 0)),
		"reviews":   second(x.desk.Reviews(ctx, "", 0)),
		"review":    second(x.desk.Review(ctx, "v_1")),
		"runbooks":  second(x.desk.Runbooks(ctx, "p_zed", 0)),
		"tick":      x.desk.Tick(ctx, workflows.RequestStream(id)),
		"may start": second(x.desk.MayStart(ctx, "grant/x/y/z", grants.Hold{Approved: grants.Approved{Request: id}})),
		"notice":    third(x.desk.Notice(ctx, workflows.RequestStream(id), "card")),
		"due":       third(x.desk.Due(ctx, "grant/x", workflows.JobStart, "g_1")),
		"load":      fresh.Load(ctx, x.draft.compile(t)),
	} {
		if !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(x.entries()); got != size {
		t.Errorf("%d entries were recorded", got-size)
	}
	x.tap.fails(false)
	if _, err := fresh.Look(ctx, id); err != nil {
		t.Errorf("a desk that has not decoded the version yet: %v", err)
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// What a bot could ask a desk without a policy is refused.
func TestDeskWithoutPolicy(t *testing.T) {
	t.Parallel()
	x := open(t)
	d := x.another()
	out, err := d.Submit(t.Context(), x.submission("zed", "shell"))
	if err != nil || code(out.Refusal) != workflows.CodeNoPolicy {
		t.Errorf("submit: %v %v", out, err)
	}
	in, err := d.Invoke(t.Context(), desk.Invocation{Cause: x.cause(), By: acting("zed"), Runbook: "failover", Incident: "INC-1"})
	if err != nil || code(in.Refusal) != workflows.CodeUnknown {
		t.Errorf("invoke: %v %v", in, err)
	}
	if d.HasRole(t.Context(), desk.RoleSecurity, "p_sam") || d.Name(t.Context(), "p_sam") != "SAM" {
		t.Error("a role without a policy")
	}
}

// What no engine refuses (a foreign button) is recorded with what it was about, cut to what can be an id.
func TestRefuse(t *testing.T) {
	t.Parallel()
	x := open(t)
	no := workflows.Refuse(workflows.CodeTampered, "That button is not ours.", "")
	cause := x.cause()
	for range 2 {
		got, err := x.desk.Refuse(t.Context(), cause, acting("zed"), "vote", "slack", "r_1 and "+secret, no)
		if err != nil || *got != *no {
			t.Fatalf("%v %v", got, err)
		}
	}
	if r := x.refused(workflows.SystemStream, "vote", workflows.CodeTampered); r.Event.(workflows.Refused).About != "r_1" || r.Person != "p_zed" {
		t.Errorf("%+v", r)
	}
	if n := x.tap.times(cause); n != 1 {
		t.Errorf("decided %d times", n)
	}
}

// A policy whose text is not what its hash says, or is no workflow, binds nothing.
func TestDamagedVersion(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "shell")
	b := x.ballot("ann", id, workflows.Approve)
	size := len(x.entries())
	for _, text := range []string{`{"id":"shell"}`, "not the text"} {
		x.tap.swap([]byte(text))
		d := x.another()
		if _, err := d.Vote(t.Context(), b); err == nil || !strings.Contains(err.Error(), "another hash") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if n := len(x.entries()); n != size {
		t.Errorf("%d entries were recorded", n-size)
	}
}
