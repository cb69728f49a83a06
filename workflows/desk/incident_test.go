package desk_test

import (
	"slices"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

func (x *office) incident(who, act, id, text string, severity int, person, role string) (string, *workflows.Refusal) {
	x.t.Helper()
	in := desk.InIncident{Cause: x.cause(), By: acting(who), Act: act, ID: id, Text: text, Severity: severity, Role: role, Authn: "unix-peer", Channel: "cli"}
	if person != "" {
		in.Person = workflows.PersonID("p_" + person)
	}
	id, a, err := x.desk.DoInIncident(x.t.Context(), in)
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return id, a.Refusal
}

// An incident is opened, worked on by roles, handed over and closed; whoever has no right to something is told so and nothing changes.
func TestReq_R53_AnIncidentRunsOnItsOwn(t *testing.T) {
	t.Parallel()
	x := open(t)
	id, no := x.incident("zed", incidents.ActOpen, "", "Checkout is down", 3, "", "")
	if no != nil || id != "INC-1" {
		t.Fatal(id, no)
	}
	if second, no := x.incident("ann", incidents.ActOpen, "", "Mail is slow", 4, "", ""); no != nil || second != "INC-2" {
		t.Fatal(second, no)
	}
	for _, c := range []struct {
		who, act, id, text string
		severity           int
		person, role, want string
	}{
		{"zed", incidents.ActOpen, "INC-1", "again", 2, "", "", workflows.CodeDecided},
		{"zed", incidents.ActOpen, "lower-1", "again", 2, "", "", workflows.CodeUnknown},
		{"zed", incidents.ActOpen, "", "again", 9, "", "", workflows.CodeBadField},
		{"zed", incidents.ActOpen, "", "", 2, "", "", workflows.CodeReasonNeeded},
		{"zed", incidents.ActClose, "INC-99", "it ended", 0, "", "", workflows.CodeUnknown},
		{"ann", incidents.ActSeverity, "INC-1", "all shops", 1, "", "", workflows.CodeNotYours},
		{"ann", incidents.ActClose, "INC-1", "it ended", 0, "", "", workflows.CodeNotYours},
		{"ann", incidents.ActJoin, "INC-1", "", 0, "bob", incidents.RoleScribe, workflows.CodeNotYours},
		{"ann", incidents.ActJoin, "INC-1", "", 0, "", "boss", workflows.CodeBadField},
		{"ann", incidents.ActHandOver, "INC-1", "I take it", 0, "ann", "", workflows.CodeNotYours},
		{"zed", incidents.ActHandOver, "INC-1", "", 0, "ann", "", workflows.CodeReasonNeeded},
		{"ann", incidents.ActJoin, "INC-1", "", 0, "", incidents.RoleExecutor, ""},
		{"zed", incidents.ActJoin, "INC-1", "", 0, "bob", incidents.RoleScribe, ""},
		{"ann", incidents.ActSeverity, "INC-1", "all shops", 1, "", "", ""},
		{"zed", incidents.ActHandOver, "INC-1", "The standby is being promoted.", 0, "ann", "", ""},
		{"zed", incidents.ActClose, "INC-1", "it ended", 0, "", "", workflows.CodeNotYours},
		{"ann", incidents.ActClose, "INC-1", "Orders arrive again.", 0, "", "", ""},
		{"ann", incidents.ActSeverity, "INC-1", "again", 2, "", "", workflows.CodeDecided},
	} {
		_, no := x.incident(c.who, c.act, c.id, c.text, c.severity, c.person, c.role)
		if code := codeOf(no); code != c.want {
			t.Errorf("%s %s %s %q: %q %v, want %q", c.who, c.act, c.id, c.text, code, no, c.want)
		}
	}
	l, err := x.desk.Incident(t.Context(), "INC-1")
	if err != nil || l.Severity != 1 || l.Commander != "p_ann" || l.Closed == nil || len(l.Scribes) != 1 || len(l.Executors) != 1 {
		t.Errorf("it stands as %+v %v", l, err)
	}
	list, err := x.desk.Incidents(t.Context(), false, 0)
	if err != nil || len(list) != 1 || list[0].ID != "INC-2" {
		t.Errorf("open: %+v %v", list, err)
	}
}

func codeOf(r *workflows.Refusal) string {
	if r == nil {
		return ""
	}
	return r.Code
}

// A runbook that wants a live incident of a severity under its commander asks the ledger, and closing it ends what was given for it, once.
func TestReq_R53_ClosingAnIncidentEndsWhatItGave(t *testing.T) {
	t.Parallel()
	x := open(t)
	p := *x.desk.Policy()
	b := p.Runbooks["failover"]
	b.Runbook.IncidentLive, b.Runbook.SeverityMin, b.Runbook.Commander = true, 2, true
	p.Runbooks = map[workflows.RunbookID]desk.Book{"failover": b}
	if err := x.desk.Load(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	x.approveBook()
	in := x.invocation("zed")
	in.Values = map[string]string{"host": "a"}
	if out := x.invoke(in); out.Refusal == nil {
		t.Fatal("an incident that nobody opened was enough")
	}
	if _, no := x.incident("zed", incidents.ActOpen, "INC-7", "The database is down", 3, "", ""); no != nil {
		t.Fatal(no)
	}
	in.Cause = x.cause()
	if out := x.invoke(in); out.Refusal == nil {
		t.Fatal("a mild incident was enough")
	}
	if _, no := x.incident("zed", incidents.ActSeverity, "INC-7", "no writes at all", 1, "", ""); no != nil {
		t.Fatal(no)
	}
	in.Cause = x.cause()
	out := x.invoke(in)
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	if _, no := x.incident("zed", incidents.ActClose, "INC-7", "Writes work again.", 0, "", ""); no != nil {
		t.Fatal(no)
	}
	for range 2 { // the job may come twice
		if err := x.desk.SettleIncident(t.Context(), "settle-1", "INC-7"); err != nil {
			t.Fatal(err)
		}
	}
	x.check()
	g, err := x.desk.Grant(t.Context(), out.Grant)
	if err != nil || g.Hold.Status == grants.StatusActive || g.Hold.Status == grants.StatusApproved {
		t.Errorf("the grant is %s after its incident: %v", g.Hold.Status, err)
	}
	l, err := x.desk.Incident(t.Context(), "INC-7")
	if err != nil || l.Settled == nil || l.Settled.Grants != 1 {
		t.Errorf("settled: %+v %v", l.Settled, err)
	}
	if s, err := x.desk.Run(t.Context(), out.Run); err != nil || s.Closed == nil {
		t.Errorf("its run goes on: %+v %v", s.Closed, err)
	}
	in.Cause = x.cause()
	if again := x.invoke(in); again.Refusal == nil {
		t.Error("a closed incident was enough")
	}
}

// TestReq_R25_AnIncidentKeptElsewhereEndsWhatItGave closes the task that an invocation named: what was granted for it ends, once.
func TestReq_R25_AnIncidentKeptElsewhereEndsWhatItGave(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.approveBook()
	in := x.invocation("zed")
	in.Values = map[string]string{"host": "a"}
	out := x.invoke(in)
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	x.check()
	for i, want := range []int{1, 0} {
		n, err := x.desk.CloseTask(t.Context(), x.cause(), workflows.System, in.Incident)
		if err != nil || n != want {
			t.Errorf("time %d: %d ended, want %d: %v", i+1, n, want, err)
		}
	}
	if n, err := x.desk.CloseTask(t.Context(), x.cause(), workflows.System, ""); err != nil || n != 0 {
		t.Errorf("no task: %d %v", n, err)
	}
	x.check()
	if g, err := x.desk.Grant(t.Context(), out.Grant); err != nil || g.Hold.Status == grants.StatusActive || g.Hold.Status == grants.StatusApproved {
		t.Errorf("the grant is %s after its incident: %v", g.Hold.Status, err)
	}
}

// TestReq_R25_AccessThatHangsOnAnIncidentEndsWithIt: a chain's ends_with may name an incident that the ledger keeps. Closing it ends the access, as a
// ticket elsewhere would; an incident that is closed is refused at once, also where no system of tickets is there to ask.
func TestReq_R25_AccessThatHangsOnAnIncidentEndsWithIt(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		flow(d, "ticket", func(w *workflows.Workflow) {
			w.EndsWith, w.Fields = "ticket", slices.Clone(w.Fields)
			for i, f := range w.Fields {
				if f.Name == "ticket" {
					w.Fields[i].Pattern = "INC-[0-9]+"
				}
			}
		}, stage("peers", 1, named("ann")))
	})
	for _, id := range []string{"INC-7", "INC-8"} {
		if _, no := x.incident("ann", incidents.ActOpen, id, "The database is down", 2, "", ""); no != nil {
			t.Fatal(no)
		}
	}
	ask := func(who, incident string) workflows.RequestID {
		s := x.submission(who, "ticket")
		s.Form.Values["ticket"] = incident
		out := x.submit(s)
		if out.Refusal != nil {
			t.Fatal(out.Refusal)
		}
		x.approve(out.ID, "ann")
		x.start(out.ID)
		return out.ID
	}
	one, other := ask("zed", "INC-7"), ask("nia", "INC-8")
	if _, no := x.incident("ann", incidents.ActClose, "INC-7", "Writes work again.", 0, "", ""); no != nil {
		t.Fatal(no)
	}
	for range 2 { // the job may come twice
		if err := x.desk.SettleIncident(t.Context(), "settle-7", "INC-7"); err != nil {
			t.Fatal(err)
		}
		x.check()
	}
	for id, want := range map[workflows.RequestID]grants.Status{one: grants.StatusEnding, other: grants.StatusActive} {
		if _, h := x.hold(id); h.Status != want {
			t.Errorf("%s is %s, want %s", id, h.Status, want)
		}
	}
	if l, err := x.desk.Incident(t.Context(), "INC-7"); err != nil || l.Settled == nil || l.Settled.Grants != 1 {
		t.Errorf("settled: %+v %v", l.Settled, err)
	}
	late := x.submission("gus", "ticket")
	late.Form.Values["ticket"] = "INC-7"
	if out := x.submit(late); code(out.Refusal) != workflows.CodeTask {
		t.Errorf("for a closed incident: %v", out.Refusal)
	}
}
