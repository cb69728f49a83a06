package identities_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const howToGo = "Type `/access away until 2026-12-01 09:00`, with `for @name` if somebody decides in your place."

// leave is time off of ann that nothing speaks against: from in an hour until in three.
func leave() identities.Leave {
	start := storytest.Start().UTC
	return identities.Leave{
		By: workflows.Acting{Actor: "a_ann", Person: "p_ann"}, Standing: usual, ID: "w_9", From: start.Add(time.Hour), Until: start.Add(3 * time.Hour),
		Delegate: "p_dave", Stand: usual, Reason: " a holiday ", Authn: "slack-click", Channel: "slack",
	}
}

// Every refusal of time off says what is wrong and what to do; the ledger keeps the attempt, and nothing of the reason.
func TestLeaveIsRefusedInItsWords(t *testing.T) {
	t.Parallel()
	start := storytest.Start().UTC
	for _, c := range []struct {
		before         string
		spoil          func(*identities.Leave)
		code           string
		sentence, next string
	}{
		{"", func(l *identities.Leave) { l.ID = "" }, workflows.CodeAway, "This time off is already recorded.", ""},
		{"ann goes 5h 6h", func(l *identities.Leave) { l.ID = "w_1" }, workflows.CodeAway, "This time off is already recorded.", ""},
		{"", func(l *identities.Leave) { l.Until = l.From }, workflows.CodeAway, "Your time off would be over before it begins.", howToGo},
		{"", func(l *identities.Leave) { l.Until = start.Add(366*24*time.Hour) + 1 }, workflows.CodeAway, "Time off can be announced for at most 366 days ahead.", howToGo},
		{"", func(l *identities.Leave) { l.Delegate = "p_ann" }, workflows.CodeAway, "You cannot decide in your own place while you are away.", "Name somebody else, or nobody."},
		{"ann goes 20 times", func(l *identities.Leave) {}, workflows.CodeAway, "You have already announced 20 times off.", "End one of them first."},
		{"", func(l *identities.Leave) { l.Reason = strings.Repeat("ü", 1001) }, workflows.CodeTooLong, "A reason has at most 1000 characters.", ""},
		{
			"ann goes 2h 4h",
			func(*identities.Leave) {},
			workflows.CodeAway, "You are already away from 2026-11-02 11:00 UTC until 2026-11-02 13:00 UTC then.", "End that first: `/access back`.",
		},
		{
			"",
			func(l *identities.Leave) { l.Stand.Active = false },
			workflows.CodeAway, "Whom you named cannot decide here: This account is deactivated.", "Name an active full member who is in the people file.",
		},
	} {
		x := newOffice()
		if c.before != "" {
			if code, err := x.step(strings.Fields(c.before)); err != nil || code != "" {
				t.Fatal(c.before, code, err)
			}
		}
		l := leave()
		c.spoil(&l)
		out, err := identities.GoAway(x.l.Facts(), l)
		if d := cmp.Diff(&workflows.Refusal{Code: c.code, Sentence: c.sentence, Next: c.next}, out.Refusal); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.sentence, err, d)
		}
		want := []workflows.StreamEvent{{
			Stream: annStream, Actor: "a_ann", Person: "p_ann", Event: workflows.Refused{Command: "away", Code: c.code, Channel: "slack"},
		}}
		if d := cmp.Diff(want, out.Events); d != "" {
			t.Errorf("%s is recorded (-want +got):\n%s", c.sentence, d)
		}
	}
}

// What lies at a limit is still taken: a year ahead to the microsecond, a reason of a thousand characters, a time off of one microsecond, and
// one that begins when another ends. A delegate's standing counts only where one is named.
func TestLeaveAtItsLimits(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*identities.Leave){
		"a year ahead":        func(l *identities.Leave) { l.Until = storytest.Start().UTC.Add(366 * 24 * time.Hour) },
		"the longest reason":  func(l *identities.Leave) { l.Reason = " " + strings.Repeat("ü", 998) + " " },
		"the shortest":        func(l *identities.Leave) { l.Until = l.From + 1 },
		"after another":       func(*identities.Leave) {},
		"nobody in one's own": func(l *identities.Leave) { l.Delegate, l.Stand = "", workflows.Standing{} },
	} {
		x := newOffice()
		if code, err := x.step([]string{"ann", "goes", "0s", "1h"}); err != nil || code != "" {
			t.Fatal(code, err)
		}
		l := leave()
		bend(&l)
		out, err := identities.GoAway(x.l.Facts(), l)
		want := []workflows.StreamEvent{{Stream: annStream, Actor: "a_ann", Person: "p_ann", Event: identities.Away{
			Away: "w_9", From: l.From, Until: l.Until, Delegate: l.Delegate, Reason: strings.TrimSpace(l.Reason), Authn: "slack-click", Channel: "slack",
		}}}
		if d := cmp.Diff(want, out.Events); err != nil || out.Refusal != nil || d != "" {
			t.Errorf("%s: %v, %v (-want +got):\n%s", name, out.Refusal, err, d)
		}
	}
}

// Whoever has no person to write about leaves the attempt on the system's stream, not on one that anybody's name would make.
func TestStrangersLeaveNoStream(t *testing.T) {
	t.Parallel()
	l := leave()
	l.By.Person, l.ID = "", ""
	away, err1 := identities.GoAway(newOffice().l.Facts(), l)
	back, err2 := identities.ComeBack(newOffice().l.Facts(), l)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for _, c := range []struct {
		out           workflows.Outcome
		command, code string
	}{{away, "away", workflows.CodeUnknown}, {back, "back", workflows.CodeAway}} {
		want := []workflows.StreamEvent{{Stream: workflows.SystemStream, Actor: "a_ann", Event: workflows.Refused{Command: c.command, Code: c.code, Channel: "slack"}}}
		if d := cmp.Diff(want, c.out.Events); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.command, d)
		}
	}
}

// Coming back ends the one that was named and no other, also where another runs now.
func TestBackFromTheOneNamed(t *testing.T) {
	t.Parallel()
	for named, want := range map[string]string{"": "w_1", "w_1": "w_1", "w_2": "w_2", "w_3": ""} {
		x := newOffice()
		for _, step := range []string{"ann goes 0s 2h", "ann goes 3h 4h", "1h"} {
			if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
				t.Fatal(step, code, err)
			}
		}
		l := leave()
		l.ID = named
		out, err := identities.ComeBack(x.l.Facts(), l)
		got, _ := out.Events[0].Event.(identities.Back)
		if err != nil || got.Away != want || (out.Refusal == nil) != (want != "") {
			t.Errorf("back from %q: %+v, %v, %v", named, out.Events, out.Refusal, err)
		}
	}
}

// Count is what a plain walk over the uses counts, whatever was asked for: by what, workflow and rule, from its moment on.
func TestCountIsWhatAWalkCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		x, at, words := newOffice(), []workflows.Stamp{}, []string{}
		for range rapid.IntRange(0, 15).Draw(t, "uses") {
			x.l.Step(time.Duration(rapid.IntRange(-3, 3).Draw(t, "minutes")) * time.Minute)
			u := identities.Used{What: pick("what", "ask", "auto"), Workflow: workflows.WorkflowID(pick("workflow", "w1", "w2")), Rule: pick("rule", "", "quick", "slow")}
			x.add(annStream, u)
			at, words = append(at, x.l.Now.UTC), append(words, fmt.Sprintf("%s %s %s", u.What, u.Workflow, u.Rule))
		}
		since := storytest.Start().UTC.Add(time.Duration(rapid.IntRange(-10, 10).Draw(t, "since")) * time.Minute)
		what, workflow, rule := pick("what", "ask", "auto"), pick("workflow", "w1", "w2"), pick("rule", "", "quick", "slow")
		want := 0
		for i, w := range words {
			if at[i] >= since && strings.HasPrefix(w, what+" "+workflow+" "+rule) {
				want++
			}
		}
		if got := x.person().Count(what, workflows.WorkflowID(workflow), rule, since); got != want {
			t.Fatalf("%d, want %d of %q", got, want, words)
		}
	})
}

// A time off covers its first moment and not its last; ended early, it covers nothing from then on.
func ExampleAwayState_Covers() {
	off := identities.AwayState{Away: identities.Away{Away: "w_1", From: 10, Until: 20}}
	fmt.Println(off.Covers(9), off.Covers(10), off.Covers(19), off.Covers(20))
	off.Ended = 15
	fmt.Println(off.Covers(14), off.Covers(15))
	// Output:
	// false true true false
	// true false
}
