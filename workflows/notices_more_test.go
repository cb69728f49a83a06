package workflows_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
)

// owed draws what a state owes, a line each.
func owed(s workflows.State) []string {
	var out []string
	for _, n := range s.Notices() {
		j := n.Job()
		line := n.ID + " " + j.Pace
		if j.Lane == workflows.LaneUrgent {
			line += " urgent"
		}
		if j.Due != 0 {
			line += " at " + wordsOf(j.Due)
		}
		out = append(out, line)
	}
	return out
}

// What is owed has a name that no other notice of the request has, a pace by its receiver, and a lane by its weight.
func TestNoticesHaveNamesLanesAndPaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		chain, steps string
		want         []string
	}{
		{"peers(ann bob@1h)x1 escalate 2h(dave) timeout 4h", "zed submits; 2h", []string{
			"card ch:#access", "ask/0/p_ann dm:p_ann", "ask/0/p_bob dm:p_bob at 1h", "ask/0/p_dave dm:p_dave urgent",
		}},
		{"peers(ann)x1 remind 1h timeout 4h", "zed submits; told all; 1h", []string{"remind/0/p_ann dm:p_ann"}},
		{"peers(ann)x1 timeout 4h > owner(olga)x1 told(tom) timeout 2h", "zed submits; ann approves", []string{
			"card ch:#access", "ask/1/p_olga dm:p_olga", "told/1/p_tom dm:p_tom",
		}},
		{"peers(ann)x1 timeout 4h | tell dave", "zed submits; ann denies", []string{"card ch:#access", "outcome/denied dm:p_zed", "told/denied/p_dave dm:p_dave"}},
		{"peers(ann)x1 timeout 4h | tell dave", "zed submits; told all; 4h", []string{"outcome/timed_out dm:p_zed", "told/timed_out/p_dave dm:p_dave"}},
		{"peers(ann)x1 timeout 4h", "zed submits; ann approves; told all; access fails", []string{"outcome/failed dm:p_zed"}},
		{"peers(ann)x1 timeout 4h", "zed submits; told all; zed withdraws", nil},
		{"peers(ann bob)x1 timeout 4h", "zed submits; told all; ann counters 30m", []string{"offer/o_5 dm:p_zed"}},
	} {
		s := told(t, c.chain, c.steps).mustState(t)
		if d := cmp.Diff(c.want, owed(s)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.steps, d)
		}
		seen := map[string]bool{}
		for _, n := range s.Notices() {
			if found, ok := s.FindNotice(n.ID); seen[n.ID] || !ok || found != n {
				t.Errorf("%s: %s is not one notice", c.steps, n.ID)
			}
			seen[n.ID] = true
		}
		if _, ok := s.FindNotice("ask/0/p_eve"); ok {
			t.Errorf("%s: eve is owed something", c.steps)
		}
	}
}

// A notice that is delivered, or that could not be, is owed no more, whatever became of the others and in whatever order.
func TestEachNoticeIsSettledOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld("peers(ann bob carol)x2 told(tom) timeout 4h | tell dave")
		if err != nil {
			t.Fatal(err)
		}
		if code, err := x.step(strings.Fields("zed submits")); code != "" || err != nil {
			t.Fatal(code, err)
		}
		left := rapid.Permutation(x.mustState(t).Notices()).Draw(t, "order")
		for len(left) > 0 {
			var e workflows.Event = workflows.NoticeDelivered{Notice: left[0].ID, Via: "slack"}
			ok := rapid.Bool().Draw(t, "delivered")
			if !ok {
				e = workflows.NoticeUndelivered{Notice: left[0].ID, Why: "account_inactive"}
			}
			x.l.Append(outcomeOf(x.stream(), workflows.System, e))
			s := x.mustState(t)
			if _, owes := s.FindNotice(left[0].ID); owes || len(s.Notices()) != len(left)-1 || s.Delivered[left[0].ID].OK != ok {
				t.Fatalf("after %s (%t): %v", left[0].ID, ok, owed(s))
			}
			left = left[1:]
		}
	})
}

// Whoever has a part in a request is a party to it, once, in order of their part; nobody else is.
func TestParties(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ chain, steps, want string }{
		{"peers(ann bob)x1 timeout 4h", "zed submits", "parties zed ann bob"},
		{"peers(ann bob)x1 timeout 4h", "zed submits for p_yan", "parties zed yan ann bob"},
		{"peers(ann bob)x1 timeout 4h", "zed submits for svc-deploy sponsor sue", "parties zed sue ann bob"},
		{"peers(ann- dave~ann)x1 timeout 4h", "zed submits; eve approves !not_approver", "parties zed ann dave"},
		{"peers(ann)x1 timeout 4h > owner(olga)x1 told(tom) timeout 2h | tell fay", "zed submits", "parties zed ann fay"},
		{"peers(ann)x1 timeout 4h > owner(olga)x1 told(tom) timeout 2h | tell fay", "zed submits; ann approves", "parties zed ann olga tom fay"},
		{"peers(ann)x1 escalate 1h(dave) timeout 4h", "zed submits", "parties zed ann"},
		{"peers(ann)x1 escalate 1h(dave) timeout 4h", "zed submits; 1h", "parties zed ann dave"},
		{"watch(ann bob)x2 shift 1h(carol dave) timeout 4h", "zed submits; ann approves; 1h", "parties zed ann carol dave"},
	} {
		s := told(t, c.chain, c.steps).mustState(t)
		if got := join("parties", s.Parties()); got != c.want {
			t.Errorf("%s: %s", c.steps, got)
		}
		parts := 0
		for _, l := range workflows.Listings(s) {
			if l.List == workflows.ListPart {
				parts++
			}
		}
		if parts != len(s.Parties())-1 {
			t.Errorf("%s: %d of %d parties find it", c.steps, parts, len(s.Parties())-1)
		}
	}
}

// A request that is over stands on no list of open ones, and waits for nobody.
func TestListingsOfOpenAndOver(t *testing.T) {
	t.Parallel()
	const chain = "peers(ann bob)x2 timeout 4h"
	for steps, want := range map[string]string{
		"zed submits":                             "all: mine:p_zed my_open:p_zed open: part:p_ann part:p_bob waiting:p_ann waiting:p_bob",
		"zed submits; ann approves":               "all: mine:p_zed my_open:p_zed open: part:p_ann part:p_bob waiting:p_bob",
		"zed submits; ann approves; bob approves": "all: mine:p_zed part:p_ann part:p_bob",
		"zed submits; ann denies":                 "all: mine:p_zed part:p_ann part:p_bob",
		"zed submits; 4h":                         "all: mine:p_zed part:p_ann part:p_bob",
	} {
		var got []string
		for _, l := range workflows.Listings(told(t, chain, steps).mustState(t)) {
			got = append(got, strings.TrimPrefix(l.List, "requests.")+":"+string(l.Member))
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%s: %s", steps, strings.Join(got, " "))
		}
	}
}

// What stands beside the stages is said of the ask itself, and an approval without people says by what, and for which time.
func TestExplainWhatStandsBeside(t *testing.T) {
	t.Parallel()
	now := workflows.Instant{UTC: 1}
	o := workflows.Outlook{When: func(workflows.Stamp) string { return "noon" }}
	for _, c := range []struct {
		s    workflows.State
		want string
	}{
		{workflows.State{Asked: workflows.Submitted{Already: true}}, "error: standing access: The holder had this on the target already when it was asked for, by no grant of ours: approving it takes nothing away from that."},
		{workflows.State{Asked: workflows.Submitted{Extends: "g_1", Renewal: 3}}, "approved: extension: More time for grant g_1: extension 3 of its row."},
		{workflows.State{Asked: workflows.Submitted{NotBefore: 7}}, "approved: start: Access would begin at noon."},
		{workflows.State{Asked: workflows.Submitted{NoLaterThan: 7, Ticket: "OPS-1"}}, "approved: end: Access would end at noon at the latest."},
		{workflows.State{Asked: workflows.Submitted{Ticket: "OPS-1"}}, "approved: end: Access would end when ticket OPS-1 is closed."},
		{workflows.State{Asked: workflows.Submitted{Risk: "high", RiskRow: 2}}, "approved: risk: The risk is high, by row 2 of the table."},
		{workflows.State{Offers: []workflows.Offer{{By: acting("ann"), At: now, Terms: workflows.Terms{Seconds: 1800, NotBefore: 7}, Status: workflows.OfferOutdated}}}, "skipped: offer: p_ann offered 30m, a start at noon: no longer stands."},
		{workflows.State{Offers: []workflows.Offer{{By: acting("ann"), At: now, Terms: workflows.Terms{Target: "pg", Entitlement: "read"}, Status: workflows.OfferTaken}}}, "approved: offer: p_ann offered pg/read: accepted."},
	} {
		notes := workflows.Explain(c.s, o).Notes
		if len(notes) != 1 || notes[0].Status+": "+notes[0].Name+": "+notes[0].Sentence != c.want {
			t.Errorf("want %s\n got %+v", c.want, notes)
		}
	}
	for n, word := range map[int]string{1: "first", 2: "second", 3: "third", 4: "4th", 11: "11th"} {
		s := workflows.State{Status: workflows.StatusApproved, Auto: &workflows.AutoApproved{Rule: "quick", Used: n, Times: 20, Per: 86400}}
		want := fmt.Sprintf("Approved without people, by rule quick, for the %s time of 20 within 1d.", word)
		if e := workflows.Explain(s, o); e.Sentence != want || e.Status != "approved" {
			t.Errorf("%s: %s", e.Status, e.Sentence)
		}
	}
}

// Somebody who has no part in a request reads nothing about why they have one; whoever has one reads a sentence for as long as it is open.
func TestWhyYouIsForThoseWithAPart(t *testing.T) {
	t.Parallel()
	const chain = "peers(ann bob- dave~bob)x2 escalate 1h(erin) told(tom) timeout 4h"
	for _, steps := range []string{"zed submits", "zed submits; ann approves", "zed submits; dave approves", "zed submits; 1h", "zed submits; 1h; erin approves"} {
		s := told(t, chain, steps).mustState(t)
		for _, name := range []string{"zed", "ann", "bob", "dave", "erin", "tom", "eve", "olga"} {
			word, party := workflows.WhyYou(s, person(name), workflows.Outlook{}), slices.Contains(s.Parties(), person(name))
			if (word != "") != party {
				t.Errorf("%s: to %s, a party %t: %q", steps, name, party, word)
			}
			if asked := strings.HasPrefix(word, "You are asked"); asked != slices.Contains(s.CanVote(), person(name)) {
				t.Errorf("%s: to %s: %q", steps, name, word)
			}
		}
	}
}

// A plan that names stages in any order, twice, or that are not there, is what the workflow has of them, in its order; and planning again by
// the names of the plan changes nothing.
func TestPlannedIsASubsetInOrder(t *testing.T) {
	t.Parallel()
	w := &workflows.Workflow{ID: "w"}
	for _, n := range []string{"a", "b", "c", "d"} {
		w.Stages = append(w.Stages, workflows.Stage{Name: n, Quorum: 1})
	}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", ""})).Draw(t, "names")
		var want []string
		for _, st := range w.Stages {
			if slices.Contains(names, st.Name) {
				want = append(want, st.Name)
			}
		}
		p := w.Planned(names)
		c, r := p.Pick(nil, 60)
		if r != nil || !slices.Equal(c.Stages, want) || p.ID != "w" || len(w.Stages) != 4 {
			t.Fatalf("%v is planned as %v, %v", names, c.Stages, r)
		}
		if d := cmp.Diff(p, p.Planned(c.Stages)); d != "" {
			t.Fatalf("planned again:\n%s", d)
		}
	})
}

func ExampleWorkflow_Pick() {
	w := workflows.Workflow{
		Stages: []workflows.Stage{{Name: "peers"}, {Name: "owner"}},
		Rules:  []workflows.Rule{{Name: "small", UpTo: 3600, Stages: []string{"peers"}}, {Name: "big"}},
	}
	for _, seconds := range []workflows.Span{1800, 7200} {
		c, _ := w.Pick([]bool{true, true}, seconds)
		fmt.Println(seconds, c.Rule.Name, c.Stages)
	}
	_, r := w.Pick([]bool{false, false}, 1800)
	fmt.Println(r.Code)
	// Output:
	// 30m small [peers]
	// 2h big [peers owner]
	// no_rule
}

func ExampleSeat_Words() {
	for _, why := range []string{"named", "rotation:dba", "fallback:group:sre"} {
		fmt.Println(workflows.Seat{Why: why}.Words())
	}
	// Output:
	// named in the chain
	// on shift in rotation dba
	// asked because nobody else could be: member of group sre
}
