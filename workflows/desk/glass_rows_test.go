package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// What published guidance asks of emergency access, by the numbers of incidents.Guidance, on the real desk and store. What is shown elsewhere
// (the library's texts, the pages, the targets) has its number there.

// broken is an office in which zed has broken the glass.
func broken(t *testing.T, edit func(*draft)) (*office, desk.Invoked) {
	t.Helper()
	x := open(t)
	if edit != nil {
		x.load(edit)
	}
	x.approveLong()
	out := x.invoke(x.invocation("zed"))
	if out.Refusal != nil || out.Proposal != "" {
		t.Fatal(out.Refusal, out.Proposal)
	}
	return x, out
}

// approveLong has the runbook approved for a month.
func (x *office) approveLong() {
	x.t.Helper()
	sub := x.submission("ann", "approve-book")
	sub.Form.Seconds = 30 * 24 * 3600
	out := x.submit(sub)
	if out.Refusal != nil {
		x.t.Fatal(out.Refusal)
	}
	x.approve(out.ID, "lea")
}

func (x *office) book() incidents.State {
	x.t.Helper()
	s, err := incidents.Fold(x.history("runbook/failover"))
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// Without the name of an incident nothing is given; where it must be known and open, one that is not fails, and who goes around that is heard of
// in a second channel.
func TestGlass_03_NoUseWithoutAnIncident(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		b := d.books["failover"]
		b.IncidentLive, b.BreakGlass = true, &incidents.BreakGlass{People: named("zed", "rita"), Longest: 600}
	})
	x.approveBook()
	in := x.invocation("zed")
	in.Incident = ""
	if out := x.invoke(in); code(out.Refusal) != workflows.CodeBadField {
		t.Errorf("without a name: %v", out.Refusal)
	}
	in = x.invocation("zed")
	if out := x.invoke(in); code(out.Refusal) != workflows.CodeRunbook {
		t.Errorf("an incident that nobody knows: %v", out.Refusal)
	}
	x.refused("runbook/failover", "break glass", workflows.CodeRunbook)
	in.Cause, in.Tier = x.cause(), incidents.TierBreakGlass
	if out := x.invoke(in); out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	if !slices.ContainsFunc(x.book().Notices(), func(n workflows.Notice) bool { return n.Channel == "#security" && n.Urgent }) {
		t.Errorf("going around it was quiet: %+v", x.book().Notices())
	}
}

// Nobody but those whom the text names invokes it, and whoever is taken off its list does not from then on.
func TestGlass_04_OnlyWhoIsNamedInvokes(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.approveBook()
	for _, who := range listed {
		seen, ok, err := x.desk.Foresee(t.Context(), x.invocation(who))
		if err != nil || !ok {
			t.Fatal(err)
		}
		if may := code(seen.Refusal) != workflows.CodeNotEligible; may != (who == "zed" || who == "rita") {
			t.Errorf("%s: %v", who, seen.Refusal)
		}
	}
	x.load(func(d *draft) { d.books["failover"].Invokers = named("rita") })
	if out := x.invoke(x.invocation("zed")); out.Refusal == nil {
		t.Error("taken off the list, and invoked it all the same")
	}
}

// At any hour: approved in peacetime it waits for nobody, and where a condition fails its chain is asked, with deputies and escalation.
func TestGlass_05_ApprovalAtAnyHour(t *testing.T) {
	t.Parallel()
	x := open(t)
	in := x.invocation("zed")
	out, err := x.desk.AskInstead(t.Context(), in)
	if err != nil || out.Refusal == nil {
		t.Errorf("a chain that grants something else was asked: %v %v", out.Refusal, err)
	}
	x.load(func(d *draft) { d.books["failover"].Grant = d.flows["prod-db"].Entitlements[0] })
	in.Cause, in.Values = x.cause(), map[string]string{"ticket": "OPS-1"}
	if out, err = x.desk.AskInstead(t.Context(), in); err != nil || out.Refusal != nil {
		t.Fatal(out.Refusal, err)
	}
	s := x.state(out.ID)
	if st := s.Open(); st == nil || st.EscalateAt == 0 || len(s.CanVote()) < 2 || !strings.Contains(s.Asked.Reason, "INC-7") {
		t.Errorf("asked instead: %+v", s.Open())
	}
	x.approveBook()
	if out := x.invoke(x.invocation("zed")); out.Refusal != nil || out.Tier != incidents.TierPreapproved {
		t.Errorf("approved before: %v", out.Refusal)
	}
}

// Who invoked does not review, and who audits decides nothing.
func TestGlass_06_DutiesAreApart(t *testing.T) {
	t.Parallel()
	x, out := broken(t, nil)
	for who, want := range map[string]string{"zed": workflows.CodeReviewer, "aud": workflows.CodeUnknown} {
		a, err := x.desk.Close(t.Context(), desk.Review{
			Cause: x.cause(), By: acting(who), Review: out.Review, Verdict: reviews.Emergency, Note: "All of it was as it should be.", Authn: "slack-click", Channel: "slack",
		})
		if err != nil || code(a.Refusal) != want {
			t.Errorf("%s reviews: %v %v, want %s", who, a.Refusal, err, want)
		}
	}
	asked := x.ask("ann", "approve-book")
	if a := x.vote(x.ballot("aud", asked, workflows.Approve)); a.Refusal == nil {
		t.Error("an auditor has approved a runbook")
	}
}

// A use gives the one thing that its text names, to who invoked it, with parameters that its form has, and nothing else.
func TestGlass_09_NothingButWhatTheTextNames(t *testing.T) {
	t.Parallel()
	x, out := broken(t, nil)
	var given []grants.Approved
	for _, r := range x.entries() {
		if e, ok := r.Event.(grants.Approved); ok {
			given = append(given, e)
		}
	}
	if len(given) != 1 || given[0].Target != "pg-main" || given[0].Entitlement != "admin" || given[0].Identity != workflows.PersonID("p_zed").Identity() || given[0].Grant != out.Grant {
		t.Errorf("given %+v", given)
	}
	in := x.invocation("zed")
	in.Values = map[string]string{"host": "a", "role": "superuser"}
	if out := x.invoke(in); code(out.Refusal) != workflows.CodeBadField {
		t.Errorf("a parameter of its own: %v", out.Refusal)
	}
}

// What is given ends when its time is over without anybody's doing, and with its incident if that is sooner.
func TestGlass_10_ItEndsByItself(t *testing.T) {
	t.Parallel()
	x, out := broken(t, nil)
	stream := workflows.GrantStream(workflows.PersonID("p_zed").Identity(), "pg-main", "admin")
	x.clock.Add(29 * time.Minute)
	if err := x.desk.Tick(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if h, _ := x.holds(stream).Find(out.Grant); h.Status == grants.StatusEnding || !h.Live() {
		t.Errorf("before its time: %s", h.Status)
	}
	x.clock.Add(time.Minute)
	if err := x.desk.Tick(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if h, _ := x.holds(stream).Find(out.Grant); h.Status != grants.StatusEnding && h.Live() {
		t.Errorf("after its time: %s", h.Status)
	}
	second := x.invoke(x.invocation("rita"))
	if second.Refusal != nil {
		t.Fatal(second.Refusal)
	}
	if n, err := x.desk.EndIncident(t.Context(), x.cause(), workflows.System, "INC-7"); err != nil || n != 1 {
		t.Errorf("the incident's end took %d, %v", n, err)
	}
}

// The channel, everybody whose approval was skipped and the reviewer hear of each use at once: all of it is owed in the very transaction that
// gives the access, and urgent.
func TestGlass_11_OthersAreToldAtOnce(t *testing.T) {
	t.Parallel()
	x, out := broken(t, nil)
	told := map[string]bool{}
	for _, n := range x.book().Notices() {
		told[n.Channel+string(n.To)] = n.Urgent
	}
	for _, want := range []string{"#incidents", "p_ann", "p_bob", "p_cho", "p_olga", "p_otto"} {
		if !told[want] {
			t.Errorf("%s is not told at once: %v", want, told)
		}
	}
	r, err := x.desk.Review(t.Context(), out.Review)
	if err != nil || !slices.ContainsFunc(r.Notices(), func(n workflows.Notice) bool { return n.To == "p_rita" }) {
		t.Errorf("the reviewer is not told: %+v %v", r.Notices(), err)
	}
}

// Each attempt is an entry: who (account and person), what, when, by which way and how they proved who they are, and what came of it.
func TestGlass_12_SuccessAndFailureAreRecorded(t *testing.T) {
	t.Parallel()
	x, _ := broken(t, nil)
	out := x.invoke(x.invocation("ann"))
	if code(out.Refusal) != workflows.CodeNotEligible {
		t.Fatal(out.Refusal)
	}
	failed := x.refused("runbook/failover", "break glass", workflows.CodeNotEligible)
	if failed.Actor != "a_ann" || failed.Person != "p_ann" || failed.At.UTC == 0 || failed.Event.(workflows.Refused).Channel != "slack" {
		t.Errorf("the failure: %+v", failed)
	}
	i := slices.IndexFunc(x.entries(), func(r workflows.Record) bool { _, ok := r.Event.(incidents.Invoked); return ok })
	done := x.entries()[i]
	e := done.Event.(incidents.Invoked)
	if done.Actor != "a_zed" || done.Person != "p_zed" || done.At.UTC == 0 || e.Authn != "slack-click" || e.Channel != "slack" || e.Incident != "INC-7" || e.EndsAt == 0 || e.Answers.Who == "" || e.Answers.What == "" || e.Answers.Now == "" {
		t.Errorf("the success: %+v %+v", done, e)
	}
}

// Every leaf has its time in UTC.
func TestGlass_13_TimesAreUTC(t *testing.T) {
	t.Parallel()
	x, _ := broken(t, nil)
	for i, r := range x.entries() {
		leaf, err := x.store.Leaf(t.Context(), int64(i))
		if err != nil {
			t.Fatal(err)
		}
		want := `"time":"` + r.At.UTC.Time().UTC().Format("2006-01-02T15:04:05.000000") + `Z"`
		if !strings.Contains(string(leaf), want) {
			t.Errorf("leaf %d does not have %s: %s", i, want, leaf)
		}
	}
}

// An approval is of the exact text: it names its hash and who gave it, and a click on anything else than was shown is none.
func TestGlass_14_AnApprovalIsOfThisText(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("ann", "approve-book")
	other := x.ballot("lea", id, workflows.Approve)
	other.Shown = strings.Repeat("0", 64)
	if a := x.vote(other); code(a.Refusal) != workflows.CodeStale {
		t.Errorf("a click on another text: %v", a.Refusal)
	}
	x.approve(id, "lea")
	i := slices.IndexFunc(x.entries(), func(r workflows.Record) bool { _, ok := r.Event.(incidents.Preapproved); return ok })
	e := x.entries()[i].Event.(incidents.Preapproved)
	if e.Document != workflows.HashDocument([]byte(bookText)) || e.Request != id || !slices.Equal(e.Approvers, persons("lea")) {
		t.Errorf("approved %+v", e)
	}
}

// What whoever carried it out got to see is to be changed by its owner, and the review does not close before.
func TestGlass_18_ExposedCredentialsAreRotated(t *testing.T) {
	t.Parallel()
	x, out := broken(t, func(d *draft) {
		d.books["failover"].Exposed = []incidents.Exposed{{What: "the replication password", Owner: "p_olga", Within: 24 * 3600}}
	})
	review := desk.Review{By: acting("rita"), Review: out.Review, Verdict: reviews.Emergency, Note: "All of it was as it should be.", Authn: "slack-click", Channel: "slack"}
	closes := func() string {
		review.Cause = x.cause()
		a, err := x.desk.Close(t.Context(), review)
		if err != nil {
			t.Fatal(err)
		}
		return code(a.Refusal)
	}
	if got := closes(); got == "" {
		t.Error("the review was closed with the credential as it was")
	}
	a, err := x.desk.DoTask(t.Context(), desk.ReviewTask{Cause: x.cause(), By: acting("olga"), Review: out.Review, Task: "1", Note: "Changed on both hosts.", Authn: "slack-click", Channel: "slack"})
	if err != nil || a.Refusal != nil {
		t.Fatal(a.Refusal, err)
	}
	if got := closes(); got != "" {
		t.Errorf("after the rotation: %q", got)
	}
}

// The review has its deadline; when that has passed it is late, and the next use by anybody needs a second listed person.
func TestGlass_20_TheReviewHasADeadline(t *testing.T) {
	t.Parallel()
	x, out := broken(t, nil)
	r, err := x.desk.Review(t.Context(), out.Review)
	if err != nil || r.Opened.DueAt != r.At.UTC.Add(24*time.Hour) {
		t.Fatalf("due %v, %v", r.Opened.DueAt, err)
	}
	x.clock.Add(24*time.Hour + time.Second)
	if err := x.desk.Tick(t.Context(), workflows.ReviewStream(out.Review)); err != nil {
		t.Fatal(err)
	}
	if r, err = x.desk.Review(t.Context(), out.Review); err != nil || !r.Late {
		t.Errorf("late: %v %v", r.Late, err)
	}
	in := x.invocation("rita")
	in.Incident = "INC-8"
	if next := x.invoke(in); next.Proposal == "" || next.Grant != "" {
		t.Errorf("the next use: %+v", next)
	}
}

// Somebody may say no: a text that was denied is invoked by nobody, and a verdict of misuse takes it away from who misused it (row 19).
func TestGlass_21_PeopleCanSayNo(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("ann", "approve-book")
	if a := x.vote(x.ballot("lea", id, workflows.Deny)); a.Refusal != nil {
		t.Fatal(a.Refusal)
	}
	if out := x.invoke(x.invocation("zed")); code(out.Refusal) != workflows.CodeRunbook {
		t.Errorf("a text that was denied: %v", out.Refusal)
	}
}

// The third use of one person in a week needs a second one, whatever the reasons were.
func TestGlass_22_RepeatedUseIsSeen(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { d.flows["approve-book"].Uses = 5 })
	x.approveLong()
	for i, incident := range []string{"INC-1", "INC-2", "INC-3"} {
		in := x.invocation("zed")
		in.Incident = incident
		out := x.invoke(in)
		if out.Refusal != nil || (out.Proposal != "") != (i == 2) {
			t.Errorf("use %d: %+v", i+1, out)
		}
		x.clock.Add(2 * time.Hour)
	}
}
