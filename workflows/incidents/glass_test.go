package incidents_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const day = 24 * 3600

// ready is an invocation that nothing speaks against, of a runbook with every condition that there is.
func ready(t *testing.T) (*shelf, incidents.Invocation) {
	t.Helper()
	x := newShelf()
	x.mustStep(t, "approved 5 uses 300d")
	in := x.invocation()
	in.Book.IncidentLive, in.Book.SeverityMin, in.Book.Commander, in.Book.OnShift = true, 2, true, []string{"primary"}
	in.Book.Cooldown, in.Book.ReviewEvery, in.Book.DrillEvery, in.Book.ReviewDue = 3600, 180*day, 90*day, 3*day
	in.Book.BreakGlass = &incidents.BreakGlass{People: workflows.Selector{People: []workflows.PersonID{"p_zed", "p_ann"}}, Longest: 600}
	in.Reviewers, in.Proposal = []workflows.PersonID{"p_rita"}, "x_1"
	in.Situation = incidents.Situation{
		Incident: incidents.Incident{Known: true, Open: true, Severity: 1, Commander: "p_zed", Source: "countersign"},
		OnShift:  true, Listed: true, Others: []workflows.PersonID{"p_ann"}, Told: []workflows.PersonID{"p_kim"}, Alarm: "#security",
	}
	return x, in
}

// try invokes and gives what was recorded; code is that of a refusal.
func (x *shelf) try(t *testing.T, in incidents.Invocation) (e workflows.Event, code string) {
	t.Helper()
	out, err := incidents.Invoke(x.l.Facts(), in)
	if err != nil {
		t.Fatal(err)
	}
	x.l.Append(out)
	if out.Refusal != nil {
		return nil, out.Refusal.Code
	}
	return out.Events[0].Event, ""
}

// conditions are how each condition of a runbook fails.
func conditions() map[string]func(*shelf, *incidents.Invocation) {
	return map[string]func(*shelf, *incidents.Invocation){
		incidents.CondIncident:  func(_ *shelf, in *incidents.Invocation) { in.Situation.Incident.Open = false },
		incidents.CondSeverity:  func(_ *shelf, in *incidents.Invocation) { in.Situation.Incident.Severity = 3 },
		incidents.CondCommander: func(_ *shelf, in *incidents.Invocation) { in.Situation.Incident.Commander = "p_ann" },
		incidents.CondShift:     func(_ *shelf, in *incidents.Invocation) { in.Situation.OnShift = false },
		incidents.CondInvoker:   func(_ *shelf, in *incidents.Invocation) { in.Standing.Selected = false },
		incidents.CondReviewed:  func(x *shelf, in *incidents.Invocation) { in.Book.DrillEvery = 0; x.l.Pass(181 * 24 * time.Hour) },
		incidents.CondDrilled:   func(x *shelf, in *incidents.Invocation) { x.l.Pass(91 * 24 * time.Hour) },
	}
}

// Every condition is re-checked at invocation; one that fails keeps the first tier closed, and says which.
func TestGlass_01_EveryConditionIsCheckedAgain(t *testing.T) {
	t.Parallel()
	x, in := ready(t)
	if e, code := x.try(t, in); code != "" || e.(incidents.Invoked).Tier != incidents.TierPreapproved {
		t.Fatalf("with every condition met: %q", code)
	}
	for name, spoil := range conditions() {
		x, in := ready(t)
		spoil(x, &in)
		in.Situation.Listed = false
		if _, code := x.try(t, in); code != workflows.CodeRunbook && code != workflows.CodeNotEligible {
			t.Errorf("%s fails: %q", name, code)
		}
	}
}

// R65: who is on the short list goes around a condition at once, with a reason, for a shorter time, louder, with the review within a day; and
// what failed stands in the entry. Who is not on it never does.
func TestReq_R65_BreakGlassIsShortLoudAndReviewed(t *testing.T) {
	t.Parallel()
	for name, spoil := range conditions() {
		x, in := ready(t)
		spoil(x, &in)
		in.Tier = incidents.TierBreakGlass
		e, code := x.try(t, in)
		if code != "" {
			t.Errorf("around %s: %q", name, code)
			continue
		}
		u := e.(incidents.Invoked)
		failed := slices.DeleteFunc(slices.Clone(u.Conditions), func(c incidents.Condition) bool { return c.OK })
		if u.Tier != incidents.TierBreakGlass || len(failed) == 0 || failed[0].Name != name || u.EndsAt != x.l.Now.UTC.Add(10*time.Minute) || u.Alarm != "#security" || in.ReviewDue() != day {
			t.Errorf("around %s: %+v", name, u)
		}
		told := map[string]bool{}
		for _, n := range x.state().Notices() {
			told[n.Channel+string(n.To)] = n.Urgent
		}
		if !told["#security"] || !told["#incidents"] || !told["p_kim"] || !told["p_bob"] {
			t.Errorf("around %s nobody hears of it: %v", name, told)
		}
		x, in = ready(t)
		spoil(x, &in)
		in.Tier, in.Reason = incidents.TierBreakGlass, "short"
		if _, code := x.try(t, in); code != workflows.CodeReasonNeeded {
			t.Errorf("around %s without a reason: %q", name, code)
		}
		in.Reason, in.Situation.Listed = "a reason that is long enough", false
		if _, code := x.try(t, in); code != workflows.CodeNotEligible {
			t.Errorf("around %s by somebody else: %q", name, code)
		}
	}
}

// R65: where the document wants more than a click to go around a condition, a click is refused with the ways that are enough, and what failed
// stands in the entry; a printed code, a login and the bot's host go around it, and what was agreed before still takes a click alone.
func TestReq_R65_GoingAroundTakesMoreThanAClick(t *testing.T) {
	t.Parallel()
	prepared := func(authn string) (*shelf, incidents.Invocation) {
		x, in := ready(t)
		in.Book.BreakGlass.StepUp, in.Authn = true, authn
		return x, in
	}
	if x, in := prepared(workflows.AuthnClick); true {
		if e, code := x.try(t, in); code != "" || e.(incidents.Invoked).Tier != incidents.TierPreapproved {
			t.Errorf("every condition holds, by a click: %q", code)
		}
	}
	for _, c := range []struct {
		authn, tier, want string
		chain             workflows.WorkflowID
	}{
		{workflows.AuthnClick, incidents.TierBreakGlass, workflows.CodeStepUp, "prod"},
		{"", incidents.TierBreakGlass, workflows.CodeStepUp, ""},
		{"api-token", incidents.TierBreakGlass, workflows.CodeStepUp, ""},
		{workflows.AuthnClick, "", workflows.CodeStepUp, ""},
		{workflows.AuthnClick, "", workflows.CodeStepUp, "prod"},
		{workflows.AuthnHost, incidents.TierBreakGlass, "", ""},
		{workflows.AuthnCode, incidents.TierBreakGlass, "", ""},
		{workflows.AuthnLogin, incidents.TierBreakGlass, "", ""},
	} {
		x, in := prepared(c.authn)
		in.Tier, in.Book.Chain, in.Situation.OnShift = c.tier, c.chain, false
		out, err := incidents.Invoke(x.l.Facts(), in)
		if err != nil {
			t.Fatal(err)
		}
		if out.Refusal == nil {
			if e := out.Events[0].Event.(incidents.Invoked); c.want != "" || e.Tier != incidents.TierBreakGlass || e.Authn != c.authn {
				t.Errorf("%+v: done, as %q by %q", c, e.Tier, e.Authn)
			}
			continue
		}
		e := out.Events[0].Event.(workflows.Refused)
		if out.Refusal.Code != c.want || e.Code != c.want || !slices.Equal(e.Failed, []string{incidents.CondShift}) {
			t.Errorf("%+v: %v, recorded as %+v", c, out.Refusal, e)
		}
		if c.want == workflows.CodeStepUp && (!strings.Contains(out.Refusal.Next, "/emergency") || !strings.Contains(out.Refusal.Next, "countersign runbook invoke failover INC-1 -tier break_glass")) {
			t.Errorf("%+v: no way is named: %q", c, out.Refusal.Next)
		}
	}
}

// R65, T49: where a click is not enough to go around a condition, it is not enough for the second person either who has to agree while a review is
// overdue; how they proved who they are is recorded. What every condition allows they agree to by a click.
func TestReq_R65_TheSecondPersonTakesMoreThanAClickToo(t *testing.T) {
	t.Parallel()
	overdue := incidents.ReviewFact{ID: "v_old", Runbooks: []workflows.RunbookID{"failover"}, Incident: "INC-0", Open: true, DueAt: storytest.Start().UTC.Add(-time.Hour)}
	for _, c := range []struct {
		authn   string
		stepUp  bool
		onShift bool
		want    string
	}{
		{workflows.AuthnClick, true, false, workflows.CodeStepUp},
		{"", true, false, workflows.CodeStepUp},
		{workflows.AuthnCode, true, false, ""},
		{workflows.AuthnHost, true, false, ""},
		{workflows.AuthnClick, true, true, ""},
		{workflows.AuthnClick, false, false, ""},
	} {
		x, in := ready(t)
		in.Book.BreakGlass.StepUp, in.Authn, in.Situation.OnShift = c.stepUp, workflows.AuthnCode, c.onShift
		in.Situation.Reviews = []incidents.ReviewFact{overdue}
		if !c.onShift {
			in.Tier = incidents.TierBreakGlass
		}
		e, code := x.try(t, in)
		p, waits := e.(incidents.Proposed)
		if !waits {
			t.Fatalf("%+v: nobody else is needed: %T %q", c, e, code)
		}
		by := workflows.Acting{Actor: "a_ann", Person: "p_ann"}
		in.Agreed, in.Seconds, in.SecondBy, in.Proposal = &by, usual, c.authn, p.Proposal
		out, err := incidents.Invoke(x.l.Facts(), in)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "" {
			if out.Refusal != nil {
				t.Errorf("%+v: %v", c, out.Refusal)
			} else if u := out.Events[0].Event.(incidents.Invoked); u.Second != "p_ann" || u.SecondBy != c.authn || u.Authn != workflows.AuthnCode {
				t.Errorf("%+v: recorded as %+v", c, u)
			}
			continue
		}
		if out.Refusal == nil || out.Refusal.Code != c.want || !strings.Contains(out.Refusal.Next, "countersign runbook agree "+p.Proposal) {
			t.Fatalf("%+v: %v", c, out.Refusal)
		}
		if e := out.Events[0].Event.(workflows.Refused); e.Code != c.want || !slices.Equal(e.Failed, []string{incidents.CondShift}) {
			t.Errorf("%+v: recorded as %+v", c, e)
		}
	}
}

// Nobody goes around the text itself: one that was changed, or that nobody ever approved, is invoked in no tier.
func TestGlass_24_AChangedTextIsInvokedByNobody(t *testing.T) {
	t.Parallel()
	x, in := ready(t)
	in.Tier, in.Book.Document = incidents.TierBreakGlass, workflows.HashDocument([]byte(text+" "))
	if _, code := x.try(t, in); code != workflows.CodeRunbook {
		t.Errorf("changed by a byte: %q", code)
	}
	x, in = ready(t)
	in.Tier, in.Book.ReviewEvery, in.Book.DrillEvery = incidents.TierBreakGlass, 0, 0
	x.l.Pass(301 * 24 * time.Hour)
	if _, code := x.try(t, in); code != "" {
		t.Errorf("approved once and expired, by the short list: %q", code)
	}
}

// T49: while a review is overdue, and from the third use in a week on, one person alone is not enough; a second listed one is, and then it is
// louder. It is never a dead end, and within one incident uses count once.
func TestThreat_T49_NobodyBreaksTheGlassQuietlyOrAloneAgain(t *testing.T) {
	t.Parallel()
	past := storytest.Start().UTC.Add(-time.Hour)
	overdue := incidents.ReviewFact{ID: "v_old", Runbooks: []workflows.RunbookID{"failover"}, Incident: "INC-0", Open: true, DueAt: past, Invokers: []incidents.Used{{By: "p_kim", At: past}}}
	mine := incidents.ReviewFact{ID: "v_m", Runbooks: []workflows.RunbookID{"other"}, Incident: "INC-9", DueAt: past, Invokers: []incidents.Used{{By: "p_zed", At: past}}}
	same := mine
	same.Incident = "INC-1"
	drill := overdue
	drill.Drill = true
	for _, c := range []struct {
		what    string
		reviews []incidents.ReviewFact
		alone   bool
	}{
		{"nothing", nil, true},
		{"an overdue review of this runbook", []incidents.ReviewFact{overdue}, false},
		{"an overdue review of a drill", []incidents.ReviewFact{drill}, true},
		{"one use this week", []incidents.ReviewFact{mine}, true},
		{"two uses this week", []incidents.ReviewFact{mine, mine}, false},
		{"two uses in the same incident", []incidents.ReviewFact{same, same}, true},
	} {
		x, in := ready(t)
		in.Situation.Reviews = c.reviews
		e, code := x.try(t, in)
		if code != "" {
			t.Fatalf("%s: %q", c.what, code)
		}
		p, waits := e.(incidents.Proposed)
		if waits == c.alone {
			t.Errorf("%s: recorded %T", c.what, e)
		}
		if c.alone {
			continue
		}
		if len(x.state().Uses) != 0 || !slices.Equal(p.Asked, []workflows.PersonID{"p_ann"}) || len(p.Needed) == 0 {
			t.Errorf("%s: %+v", c.what, p)
		}
		second(t, x, in, p)
	}
}

// second agrees to a proposal: not by oneself, not by somebody else's list, not too late, not twice.
func second(t *testing.T, x *shelf, in incidents.Invocation, p incidents.Proposed) {
	t.Helper()
	agree := func(who string, standing workflows.Standing) (workflows.Event, string) {
		by := workflows.Acting{Actor: workflows.ActorID("a_" + who), Person: workflows.PersonID("p_" + who)}
		in.Agreed, in.Seconds, in.Proposal = &by, standing, p.Proposal
		return x.try(t, in)
	}
	other := usual
	other.Selected = false
	if _, code := agree("zed", usual); code != workflows.CodeSelfApproval {
		t.Errorf("by oneself: %q", code)
	}
	if _, code := agree("kim", other); code != workflows.CodeNotEligible {
		t.Errorf("by somebody on no list: %q", code)
	}
	e, code := agree("ann", usual)
	if code != "" {
		t.Fatalf("by a second listed person: %q", code)
	}
	if u := e.(incidents.Invoked); u.Second != "p_ann" || u.Alarm == "" || u.Proposal != p.Proposal || u.Tier != incidents.TierPreapproved {
		t.Errorf("agreed: %+v", u)
	}
	if _, code := agree("ann", usual); code != workflows.CodeDecided {
		t.Errorf("twice: %q", code)
	}
}

// A proposal that nobody agreed to in half an hour is over.
func TestProposalRunsOut(t *testing.T) {
	t.Parallel()
	x, in := ready(t)
	in.Situation.Reviews = []incidents.ReviewFact{{ID: "v_old", Runbooks: []workflows.RunbookID{"failover"}, Open: true, DueAt: x.l.Now.UTC.Add(-time.Hour)}}
	x.try(t, in)
	x.l.Pass(30 * time.Minute)
	by := workflows.Acting{Actor: "a_ann", Person: "p_ann"}
	in.Agreed, in.Seconds = &by, usual
	if _, code := x.try(t, in); code != workflows.CodeLate {
		t.Errorf("after half an hour: %q", code)
	}
}

// Who invokes and who executes are two where the document says so.
func TestGlass_25_AnotherPersonExecutes(t *testing.T) {
	t.Parallel()
	x, in := ready(t)
	in.Book.Apart = true
	for _, executor := range []workflows.PersonID{"", "p_zed"} {
		in.Situation.Executor, in.Situation.MayDo = executor, true
		if _, code := x.try(t, in); code != workflows.CodeRunbook {
			t.Errorf("executor %q: %q", executor, code)
		}
	}
	in.Situation.Executor = "p_ann"
	if e, code := x.try(t, in); code != "" || e.(incidents.Invoked).Executor != "p_ann" || in.Holder() != "p_ann" {
		t.Errorf("another executor: %q", code)
	}
}

// Misuse takes the runbook away from who misused it, until its text is approved anew; no list changes that.
func TestGlass_19_MisuseTakesItAway(t *testing.T) {
	t.Parallel()
	x, in := ready(t)
	x.add(incidents.Barred{Person: "p_zed", Review: "v_1"})
	for _, tier := range []string{"", incidents.TierBreakGlass} {
		in.Tier = tier
		if _, code := x.try(t, in); code != workflows.CodeRunbook {
			t.Errorf("tier %q: %q", tier, code)
		}
	}
	x.mustStep(t, "approved 1 uses 30d")
	in.Tier = ""
	if _, code := x.try(t, in); code != "" {
		t.Errorf("approved anew: %q", code)
	}
}

// A drill needs no incident and counts as practice; an overdue one keeps the first tier closed.
func TestGlass_23_DrillsAreCounted(t *testing.T) {
	t.Parallel()
	x, in := ready(t)
	x.l.Pass(91 * 24 * time.Hour)
	if _, code := x.try(t, in); code != workflows.CodeRunbook {
		t.Fatalf("overdue: %q", code)
	}
	drill := in
	drill.Drill, drill.Situation.Incident = true, incidents.Incident{}
	if e, code := x.try(t, drill); code != "" || !e.(incidents.Invoked).Drill {
		t.Fatalf("the drill: %q", code)
	}
	if _, code := x.try(t, in); code != "" {
		t.Errorf("after the drill: %q", code)
	}
}

// The steps that are read out of a document are those that a person sees, with their lines and blocks.
func TestReadOutline(t *testing.T) {
	t.Parallel()
	doc := strings.Join([]string{
		"---", "id: x", "---", "# Title", "", "1. Not a step, as there are headings.", "", "## Step 1: look", "", "Look.", "", "```", "## Step 9: code", "```", "",
		"## Step 2: act", "", "```step", "action: hand", "```", "", "Then wait.", "", "## Afterwards", "", "Text.",
	}, "\n")
	got := incidents.ReadOutline([]byte(doc))
	if len(got) != 2 || got[0].Line != 8 || got[1].Line != 16 || got[1].At != 19 || got[1].Block != "action: hand\n" || got[1].Text != "Then wait." || !strings.Contains(got[0].Text, "Step 9") {
		t.Errorf("headings: %+v", got)
	}
	list := "---\nid: x\n---\n# T\n\n## Steps\n\n1. First\n   more\n\n2. Second\n\n   ```step\n   auto: true\n   ```\n\n## Other\n\n1. No step\n"
	got = incidents.ReadOutline([]byte(list))
	if len(got) != 2 || got[0].Title != "First" || got[0].Text != "more" || got[1].Block != "auto: true\n" {
		t.Errorf("items: %+v", got)
	}
}

// GLASS 24: a text that nobody ever approved or practised says so, and names no day in 1970.
func TestGlass_24_NeverApprovedNamesNoDay(t *testing.T) {
	t.Parallel()
	_, in := ready(t)
	in.Book.ReviewEvery, in.Book.DrillEvery, in.Book.LastReviewed = day, day, ""
	var fresh incidents.State
	if fresh.DrillDue(in.Book) != 0 || fresh.ReviewDue(in.Book) != 0 {
		t.Errorf("due %s and %s", fresh.DrillDue(in.Book), fresh.ReviewDue(in.Book))
	}
	failed := map[string]string{}
	for _, c := range fresh.Assess(in, storytest.Start().UTC).Failed() {
		failed[c.Name] = c.Says
	}
	if failed[incidents.CondDrilled] != "It was never practised." || failed[incidents.CondReviewed] != "Nobody has looked at this text yet." {
		t.Errorf("%v", failed)
	}
}
