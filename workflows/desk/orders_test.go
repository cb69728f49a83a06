package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// permutations are all orders of some names.
func permutations(names []string) [][]string {
	if len(names) < 2 {
		return [][]string{names}
	}
	var out [][]string
	for i := range names {
		rest := slices.Delete(slices.Clone(names), i, i+1)
		for _, p := range permutations(rest) {
			out = append(out, append([]string{names[i]}, p...))
		}
	}
	return out
}

// Two of three owners, in every order with every mix of yes and no: the first no ends it, the second yes puts it in force, and whoever comes
// afterwards is told that nothing is left to decide.
func TestPolicyVotesInEveryOrder(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { d.roles[desk.RoleOwner] = named("max", "lea", "mia") })
	longest := workflows.Span(4 * 3600)
	for _, order := range permutations([]string{"max", "lea", "mia"}) {
		for mask := range 8 {
			next := longest + 60
			x.propose(func(d *draft) { d.flows["pair"].Longest = next; d.author.Commit = fmt.Sprintf("%v/%d", order, mask) })
			p, ok := x.proposal()
			if !ok || !p.Open() || p.Quorum != 2 {
				t.Fatalf("%+v", p)
			}
			yes, outcome := 0, ""
			var voted []string
			for i, who := range order {
				v := workflows.Approve
				if mask>>i&1 == 1 {
					v = workflows.Deny
				}
				want := ""
				switch {
				case outcome != "":
					want = workflows.CodeDecided
				case v == workflows.Deny:
					outcome = "denied"
				default:
					if yes++; yes == 2 {
						outcome = "approved"
					}
				}
				if want == "" {
					voted = append(voted, who)
				}
				if got := x.votePolicy(who, p.Proposal, v); got != want {
					t.Fatalf("%v %03b: %s %s: %q, want %q", order, mask, who, v, got, want)
				}
			}
			after, _ := x.proposal()
			var recorded []string
			for _, v := range after.Votes {
				recorded = append(recorded, strings.TrimPrefix(string(v.Person), "p_"))
			}
			if after.Outcome != outcome || !slices.Equal(recorded, voted) {
				t.Fatalf("%v %03b: %q by %v, want %q by %v", order, mask, after.Outcome, recorded, outcome, voted)
			}
			if outcome == "approved" {
				longest = next
			}
			if got := x.desk.Policy().Workflows["pair"].Workflow.Longest; got != longest || x.desk.Holds() != (outcome == "denied") {
				t.Fatalf("%v %03b: %s governs, want %s; held: %t", order, mask, got, longest, x.desk.Holds())
			}
		}
	}
}

// What is wrong with a ballot on the documents is said in one order: who acts, what they may see, what is left, whose it is, how it is filled in.
func TestPolicyBallotsRefused(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.person("max", func(p *desk.Person) { p.Email = "max@example.com" })
		d.roles[desk.RoleOwner] = named("max", "lea")
	})
	x.propose(func(d *draft) {
		d.flows["pair"].Longest = 5 * 3600
		d.author = desk.Author{Name: "Max", Email: "MAX@example.com"}
	})
	p, _ := x.proposal()
	same(t, "asked", persons("lea", "olga"), p.Ask)
	x.dir.is("rob", inactive)
	x.dir.is("rita", guest)
	x.dir.is("ida", unlinked)
	x.dir.is("ivy", robot)
	x.dir.hush("nia")
	long := strings.Repeat("x", workflows.MaxDenyReason+1)
	for _, c := range []struct {
		name, who, proposal string
		verdict             workflows.Verdict
		reason, code, says  string
	}{
		{"deactivated", "rob", p.Proposal, workflows.Approve, "", workflows.CodeInactive, ""},
		{"a guest", "rita", p.Proposal, workflows.Approve, "", workflows.CodeGuest, ""},
		{"an account of nobody", "ida", p.Proposal, workflows.Approve, "", workflows.CodeUnlinked, ""},
		{"a program", "ivy", p.Proposal, workflows.Approve, "", workflows.CodeNotHuman, ""},
		{"a directory that is silent", "nia", p.Proposal, workflows.Approve, "", workflows.CodeDirectory, ""},
		{"no such change", "lea", "c_none", workflows.Approve, "", workflows.CodeUnknown, "There is no such change of the documents, or it is not yours to see."},
		{"not theirs to see", "gus", p.Proposal, workflows.Approve, "", workflows.CodeUnknown, "There is no such change of the documents, or it is not yours to see."},
		{"who made it", "max", p.Proposal, workflows.Approve, "", workflows.CodeSelfApproval, "You changed the documents yourself, so you cannot approve that."},
		{"who made it, denying", "max", p.Proposal, workflows.Deny, "no", workflows.CodeSelfApproval, "You changed the documents yourself, so you cannot approve that."},
		{"who only reads them", "aud", p.Proposal, workflows.Approve, "", workflows.CodeNotApprover, "You are not among those who may approve this change of the documents."},
		{"security, which is not asked", "sam", p.Proposal, workflows.Approve, "", workflows.CodeNotApprover, "You are not among those who may approve this change of the documents."},
		{"no verdict that we know", "lea", p.Proposal, "perhaps", "", workflows.CodeStale, "That button is not known."},
		{"a verdict for requests", "lea", p.Proposal, workflows.Counter, "less", workflows.CodeStale, "That button is not known."},
		{"a no without a reason", "lea", p.Proposal, workflows.Deny, " \n", workflows.CodeReasonNeeded, "A denial needs a reason: whoever changed the documents will read it."},
		{"a no that goes on for ever", "lea", p.Proposal, workflows.Deny, long, workflows.CodeTooLong, fmt.Sprintf("A reason has at most %d characters.", workflows.MaxDenyReason)},
		{"a yes that does", "lea", p.Proposal, workflows.Approve, long, workflows.CodeTooLong, fmt.Sprintf("A reason has at most %d characters.", workflows.MaxDenyReason)},
		{"a no of just that length", "lea", p.Proposal, workflows.Deny, long[1:], "", ""},
		{"after it is settled", "olga", p.Proposal, workflows.Approve, "", workflows.CodeDecided, "This change of the documents is already denied."},
		{"after it is settled, by who made it", "max", p.Proposal, workflows.Approve, "", workflows.CodeDecided, "This change of the documents is already denied."},
	} {
		size := len(x.entries())
		a, err := x.desk.VotePolicy(t.Context(), desk.PolicyBallot{
			Cause: x.cause(), By: acting(c.who), Proposal: c.proposal, Verdict: c.verdict, Reason: c.reason, Authn: "unix-peer", Channel: "cli",
		})
		if err != nil {
			t.Fatal(err)
		}
		if code(a.Refusal) != c.code || a.Refusal != nil && c.says != "" && a.Refusal.Sentence != c.says {
			t.Errorf("%s: %+v", c.name, a.Refusal)
		}
		if c.code == "" {
			continue
		}
		x.refused(workflows.PolicyStream, "vote on policy "+string(c.verdict), c.code)
		if n := len(x.entries()) - size; n != 1 {
			t.Errorf("%s: %d entries", c.name, n)
		}
	}
}

// Somebody who was asked and has lost the role since does not approve under the documents as they stand.
func TestAnOwnerWhoIsOneNoMore(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { d.roles[desk.RoleOwner] = named("max", "lea") })
	x.propose(func(d *draft) { d.roles[desk.RoleAuditor] = named("aud", "gus") })
	p, _ := x.proposal()
	x.propose(func(d *draft) { d.roles[desk.RoleOwner] = named("max") }) // which takes something away, at once
	if now, _ := x.proposal(); now.Proposal != p.Proposal || !now.Open() {
		t.Fatalf("%+v", now)
	}
	if got := x.votePolicy("lea", p.Proposal, workflows.Approve); got != workflows.CodeNotApprover {
		t.Errorf("who was an owner: %q", got)
	}
	if got := x.votePolicy("max", p.Proposal, workflows.Approve); got != "" || !x.desk.HasRole(t.Context(), desk.RoleAuditor, "p_gus") {
		t.Errorf("who still is: %q", got)
	}
}

// policyHistory is a policy stream with events of people.
func policyHistory(steps ...any) []workflows.Record {
	var h []workflows.Record
	who := workflows.PersonID("")
	for _, s := range steps {
		if name, ok := s.(string); ok {
			who = person(name)
			continue
		}
		h = append(h, workflows.Record{Stream: workflows.PolicyStream, Seq: int64(len(h)) + 1, Person: who, Event: s.(workflows.Event)})
	}
	return h
}

// The messages that a policy stream owes follow from its entries alone, at every point of its life; histories that nobody could have made owe
// nothing but an error.
func TestWhatAPolicyStreamOwes(t *testing.T) {
	t.Parallel()
	loaded := workflows.PolicyLoaded{Told: persons("max", "olga")}
	proposed := workflows.PolicyProposed{Proposal: "c_1", Ask: persons("lea", "max", "olga"), Quorum: 2, By: "p_zed"}
	yes, no := workflows.PolicyVoted{Proposal: "c_1", Verdict: workflows.Approve}, workflows.PolicyVoted{Proposal: "c_1", Verdict: workflows.Deny, Reason: "no"}
	settled := func(outcome string) workflows.PolicySettled {
		return workflows.PolicySettled{Proposal: "c_1", Outcome: outcome}
	}
	heard := func(id string) workflows.NoticeDelivered { return workflows.NoticeDelivered{Notice: id, Via: "slack"} }
	lost := func(id string) workflows.NoticeUndelivered {
		return workflows.NoticeUndelivered{Notice: id, Why: "gone"}
	}
	for _, c := range []struct {
		name  string
		steps []any
		owes  string
		bad   string
	}{
		{name: "nothing yet"},
		{name: "put in force", steps: []any{loaded}, owes: "policy_changed/1/p_max policy_changed/1/p_olga"},
		{name: "one was told", steps: []any{loaded, heard("policy_changed/1/p_max")}, owes: "policy_changed/1/p_olga"},
		{name: "one could not be", steps: []any{loaded, lost("policy_changed/1/p_max")}, owes: "policy_changed/1/p_olga"},
		{name: "put in force twice", steps: []any{loaded, workflows.PolicyLoaded{Told: persons("lea")}, heard("policy_changed/1/p_max")}, owes: "policy_changed/1/p_olga policy_changed/2/p_lea"},
		{name: "proposed", steps: []any{proposed}, owes: "policy/c_1/p_lea policy/c_1/p_max policy/c_1/p_olga"},
		{name: "one agreed", steps: []any{proposed, "lea", yes}, owes: "policy/c_1/p_max policy/c_1/p_olga"},
		{name: "one agreed and one was told", steps: []any{proposed, "lea", yes, "", heard("policy/c_1/p_max")}, owes: "policy/c_1/p_olga"},
		{name: "approved before anybody was told", steps: []any{proposed, "lea", yes, "max", yes, "", settled("approved")}, owes: "policy_settled/c_1/p_zed"},
		{name: "approved after one was told", steps: []any{proposed, heard("policy/c_1/p_olga"), "lea", yes, "max", yes, "", settled("approved")}, owes: "policy_settled/c_1/p_olga policy_settled/c_1/p_zed"},
		{name: "denied after one could not be told", steps: []any{proposed, lost("policy/c_1/p_olga"), "lea", no, "", settled("denied")}, owes: "policy_settled/c_1/p_zed"},
		{name: "denied, and who made it heard", steps: []any{proposed, "lea", no, "", settled("denied"), heard("policy_settled/c_1/p_zed")}},
		{name: "replaced by another", steps: []any{proposed, settled("replaced"), workflows.PolicyProposed{Proposal: "c_2", Ask: persons("lea"), By: "p_zed"}}, owes: "policy/c_2/p_lea policy_settled/c_1/p_zed"},
		{name: "made by nobody known", steps: []any{workflows.PolicyProposed{Proposal: "c_1", Ask: persons("lea")}, settled("replaced")}},
		{name: "a refusal owes nothing", steps: []any{proposed, "gus", workflows.Refused{Command: "vote", Code: "unknown"}}, owes: "policy/c_1/p_lea policy/c_1/p_max policy/c_1/p_olga"},

		{name: "a vote of who was not asked", steps: []any{proposed, "gus", yes}, bad: `vote of "p_gus", who could not decide`},
		{name: "a vote of nobody", steps: []any{proposed, "", yes}, bad: `vote of "", who could not decide`},
		{name: "a vote of who made it", steps: []any{workflows.PolicyProposed{Proposal: "c_1", Ask: persons("zed"), By: "p_zed"}, "zed", yes}, bad: `vote of "p_zed", who could not decide`},
		{name: "a no after a yes", steps: []any{proposed, "lea", yes, no}, bad: `vote of "p_lea", who could not decide`},
		{name: "a vote after the end", steps: []any{proposed, settled("replaced"), "lea", yes}, bad: `vote on "c_1", which is not open`},
		{name: "approved by one of two", steps: []any{proposed, "lea", yes, "", settled("approved")}, bad: `"c_1" approved by 1 of 2`},
		{name: "approved by a no", steps: []any{proposed, "lea", yes, "max", no, "", settled("approved")}, bad: `"c_1" approved by 1 of 2`},
		{name: "approved by none of none", steps: []any{workflows.PolicyProposed{Proposal: "c_1", Ask: persons("lea")}, settled("approved")}, bad: `"c_1" approved by 0 of 0`},
		{name: "another settled", steps: []any{proposed, workflows.PolicySettled{Proposal: "c_2", Outcome: "denied"}}, bad: `"c_2" settled, which is not open`},
		{name: "settled before it was made", steps: []any{settled("denied")}, bad: `"c_1" settled, which is not open`},
		{name: "two at once", steps: []any{proposed, workflows.PolicyProposed{Proposal: "c_2"}}, bad: `proposal "c_2" while another is open`},
		{name: "an event of a request", steps: []any{loaded, workflows.Withdrawn{}}, bad: "request.withdrawn does not belong to the policy"},
	} {
		h := policyHistory(c.steps...)
		got, err := desk.Outstanding(workflows.PolicyStream, h)
		if c.bad != "" {
			if want := fmt.Sprintf("folding %q at seq %d: %s", workflows.PolicyStream, len(h), c.bad); err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", c.name, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var keys []string
		for _, j := range got.Jobs {
			keys = append(keys, j.Key)
		}
		slices.Sort(keys)
		same(t, c.name, c.owes, strings.Join(keys, " "))
	}
}
