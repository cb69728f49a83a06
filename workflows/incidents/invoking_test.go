package incidents_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const askApproval = "Ask for its approval with `/access request`, or ask for the access through its normal chain."

// invocation is one that nothing speaks against on a shelf with an approved text.
func (x *shelf) invocation() incidents.Invocation {
	return incidents.Invocation{
		By: workflows.Acting{Actor: "a_zed", Person: "p_zed"}, Standing: usual, Book: x.book, Policy: "sha256:front", Incident: "INC-1",
		Reason: "database is down", Grant: "g_1", Review: "v_1", Skipped: x.skipped, Owner: "p_rita", Payload: "{}", Authn: "slack-click", Channel: "slack",
	}
}

func (x *shelf) mustStep(t storytest.T, steps ...string) {
	t.Helper()
	for _, step := range steps {
		if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
			t.Fatalf("%s: %q, %v", step, code, err)
		}
	}
}

// Every condition that fails is said in its own words with what to do next; of several the first of this list, and the ledger keeps none of
// what was typed but the incident's number.
func TestRefusalsInTheirWords(t *testing.T) {
	t.Parallel()
	checks := []struct {
		spoil func(*incidents.Invocation)
		want  workflows.Refusal
	}{
		{func(in *incidents.Invocation) { in.Standing.Human = false }, workflows.Refusal{
			Code: workflows.CodeNotHuman, Sentence: "Only people decide; this account is a bot or an app.",
		}},
		{func(in *incidents.Invocation) { in.Standing.Selected = false }, workflows.Refusal{
			Code: workflows.CodeNotEligible, Sentence: "You are not on this runbook's list of invokers.",
			Next: "Ask somebody who is, or ask through the normal chain with `/access request`.",
		}},
		{func(in *incidents.Invocation) { in.Incident = "OPS-1 it burns" }, workflows.Refusal{
			Code: workflows.CodeBadField, Sentence: "Name the incident, in the form INC-[0-9]{1,7}.", Next: "Type `/breakglass failover INC-123`.",
		}},
		{func(in *incidents.Invocation) { in.Book.Document = workflows.HashDocument(nil) }, workflows.Refusal{
			Code: workflows.CodeRunbook, Sentence: "This runbook was changed since it was approved.", Next: askApproval, Failed: incidents.CondApproved,
		}},
		{func(in *incidents.Invocation) { in.Owner = "" }, workflows.Refusal{
			Code: workflows.CodeNobody, Sentence: "Nobody but you could review this afterwards, so it cannot be invoked.", Next: "Ask the runbook's owner to add a reviewer.",
		}},
		{func(in *incidents.Invocation) { in.Reason = strings.Repeat("ü", workflows.MaxReason+1) }, workflows.Refusal{
			Code: workflows.CodeTooLong, Sentence: "A reason has at most 1000 characters.",
		}},
		{func(in *incidents.Invocation) {
			in.Fields = []workflows.FieldProblem{{Field: "host", Text: "This is needed."}, {Field: "port", Text: "Not a number."}}
		}, workflows.Refusal{Code: workflows.CodeBadField, Sentence: "host: This is needed."}},
		{func(in *incidents.Invocation) { in.Book.Grant.Account = true }, workflows.Refusal{
			Code: workflows.CodeNotInInventory, Sentence: "You have no account on record on Main database.", Next: "Ask the operator to add it to the people file.",
		}},
	}
	for first := range checks {
		x := newShelf()
		x.mustStep(t, "approved 1 uses 30d")
		in := x.invocation()
		for _, c := range checks[first:] {
			c.spoil(&in)
		}
		out, err := incidents.Invoke(x.l.Facts(), in)
		if d := cmp.Diff(&checks[first].want, out.Refusal); err != nil || d != "" {
			t.Errorf("check %d: %v (-want +got):\n%s", first, err, d)
		}
		about, _, _ := strings.Cut(in.Incident, " ")
		want := []workflows.StreamEvent{{Stream: stream, Actor: "a_zed", Person: "p_zed", Event: workflows.Refused{
			Command: "break glass", Code: checks[first].want.Code, Channel: "slack", About: about, Failed: namesOf(checks[first].want.Failed),
		}}}
		if d := cmp.Diff(want, out.Events); d != "" {
			t.Errorf("check %d is recorded (-want +got):\n%s", first, d)
		}
	}
}

// namesOf are the conditions that an entry names; an entry without any has no such field.
func namesOf(failed string) []string {
	if failed == "" {
		return nil
	}
	return strings.Fields(failed)
}

// A reason of exactly the most characters is taken, counted in characters and not in bytes; none at all is, too: an incident does not wait.
func TestReasonAtItsLimits(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"", strings.Repeat("ü", workflows.MaxReason)} {
		x := newShelf()
		x.mustStep(t, "approved 1 uses 30d")
		in := x.invocation()
		in.Reason = reason
		if out, err := incidents.Invoke(x.l.Facts(), in); err != nil || out.Refusal != nil {
			t.Errorf("%d bytes: %v, %v", len(reason), out.Refusal, err)
		}
	}
}

// What is recorded answers the auditor's three questions and binds the exact text; it ends after the runbook's time from now on.
func TestInvokedAnswersTheThreeQuestions(t *testing.T) {
	t.Parallel()
	x := newShelf()
	x.mustStep(t, "approved 1 uses 30d", "5m")
	out, err := incidents.Invoke(x.l.Facts(), x.invocation())
	if err != nil {
		t.Fatal(err)
	}
	want := []workflows.StreamEvent{{Stream: stream, Actor: "a_zed", Person: "p_zed", Policy: "sha256:front", Event: incidents.Invoked{
		Document: x.book.Document, Incident: "INC-1", Reason: "database is down", Grant: "g_1", Review: "v_1",
		Skipped: []workflows.PersonID{"p_ann", "p_bob"}, EndsAt: storytest.Start().UTC.Add(35 * time.Minute), Notify: "#incidents",
		Authn: "slack-click", Channel: "slack", Payload: "{}", Tier: incidents.TierPreapproved,
		Conditions: []incidents.Condition{
			{Name: incidents.CondApproved, OK: true, Says: "This exact text is approved until 2026-12-02 09:00 UTC, 1 uses are left."},
			{Name: incidents.CondInvoker, OK: true, Says: "You are on its list of invokers."},
		},
		Answers: workflows.Answers{
			Who:  "p_zed, one of the runbook's invokers, by slack-click",
			What: "hold pg-main/admin for 30m",
			Now:  "incident INC-1 is named and the exact text " + string(x.book.Document) + " is approved",
		},
	}}}
	if d := cmp.Diff(want, out.Events); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Each notice stands for one use and one receiver, so that what was said of the first use silences nothing of the second.
func TestNoticesOfEachUse(t *testing.T) {
	t.Parallel()
	x := newShelf()
	x.mustStep(t, "approved 2 uses 30d", "skips ann", "zed breaks INC-1")
	x.add(workflows.NoticeDelivered{Notice: "skipped/g_1/p_ann", Via: "slack"})
	x.mustStep(t, "zed breaks INC-2")
	want := []workflows.Notice{
		{ID: "invoked/g_1", What: workflows.NoticeInvoked, Channel: "#incidents", Grant: "g_1", Urgent: true},
		{ID: "invoked/g_2", What: workflows.NoticeInvoked, Channel: "#incidents", Grant: "g_2", Urgent: true},
		{ID: "skipped/g_2/p_ann", What: workflows.NoticeSkipped, To: "p_ann", Grant: "g_2", Urgent: true},
	}
	if d := cmp.Diff(want, x.state().Notices()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// However approvals, changes of the text, drills and uses follow each other: a use is allowed exactly while the approval given last to the
// text as it stands has uses left, and only a use that is no drill takes one.
func TestUsesAreCountedByText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, left, current := newShelf(), map[string]int{}, "text is restored"
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			switch step := rapid.SampledFrom([]string{"approved", "text is restored", "text changes by a byte", "drill", "drill over", "use", "use", "use"}).Draw(t, "step"); step {
			case "approved":
				left[current] = rapid.IntRange(1, 3).Draw(t, "uses")
				x.mustStep(t, fmt.Sprintf("approved %d uses 30d", left[current]))
			case "use":
				code, err := x.step([]string{"zed", "breaks", "INC-1"})
				if err != nil || (code == "") != (left[current] > 0) {
					t.Fatalf("with %d uses left: %q, %v", left[current], code, err)
				}
				if code == "" && !x.drill {
					left[current]--
				}
			default:
				x.mustStep(t, step)
				if strings.HasPrefix(step, "text") {
					current = step
				}
			}
			x.check(t)
			if _, n, no := x.state().Readiness(x.book.Document, x.l.Now.UTC); n != left[current] || (no == nil) != (n > 0) {
				t.Fatalf("%d left, want %d: %v", n, left[current], no)
			}
		}
	})
}

// A runbook names the form of its incidents; the whole of what was typed must have it.
func ExampleMatchesIncident() {
	for _, typed := range []string{"INC-123", "INC-123 and more", "OPS-1"} {
		fmt.Println(typed, incidents.MatchesIncident("INC-[0-9]+", typed))
	}
	// Output:
	// INC-123 true
	// INC-123 and more false
	// OPS-1 false
}
