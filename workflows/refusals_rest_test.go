package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
)

// attempt is one command on the request of a world.
type attempt func(x *world) (workflows.Outcome, error)

func voting(who string, v workflows.Verdict, odd ...func(b *workflows.Ballot)) attempt {
	return func(x *world) (workflows.Outcome, error) {
		b := x.ballot(acting(who), v)
		for _, change := range odd {
			change(&b)
		}
		return x.w.Vote(x.l.Facts(), x.id, b)
	}
}

func offering(who string, t workflows.Terms) attempt {
	return voting(who, workflows.Counter, func(b *workflows.Ballot) { b.Offer, b.Terms, b.Reason = "o_new", t, "half will do" })
}

func changing(who string, do func(workflows.Facts, workflows.RequestID, workflows.Change) (workflows.Outcome, error), c workflows.Change) attempt {
	return func(x *world) (workflows.Outcome, error) {
		c.By, c.Channel = acting(who), "cli"
		return do(x.l.Facts(), x.id, c)
	}
}

func remarking(who, text string) attempt {
	return func(x *world) (workflows.Outcome, error) {
		return workflows.Comment(x.l.Facts(), x.id, workflows.Remark{By: acting(who), Text: text, Channel: "slack"})
	}
}

func declining(who, offer string) attempt {
	return func(x *world) (workflows.Outcome, error) {
		return workflows.Decline(x.l.Facts(), x.id, workflows.OfferAnswer{By: acting(who), Offer: offer, Channel: "slack"})
	}
}

func accepting(who, offer string) attempt {
	return func(x *world) (workflows.Outcome, error) {
		return x.w.Accept(x.l.Facts(), x.id, workflows.Acceptance{By: acting(who), Offer: offer, Channel: "slack"})
	}
}

// Every refusal that a decision, an offer, a note or a vote taken back can meet: its code, what people read, and that the attempt is the only
// thing that goes on record, under the command's name and in the right stream.
func TestRefusalsInTheirWords(t *testing.T) {
	t.Parallel()
	const two = "peers(ann bob)x1 timeout 4h > owner(olga)x1 timeout 2h | later 2h | also reader read one | also keeper admin all"
	const quiet = "peers(ann)x1 timeout 4h > quiet(bob carol)x1 consent timeout 2h"
	const strict = "peers(ann bob)x1 | reasons approve counter take_back"
	long := strings.Repeat("ü", workflows.MaxReason+1)
	half := workflows.Terms{Seconds: 1800}
	shown := func(b *workflows.Ballot) { b.Shown = "else" }
	stage := func(n int) func(*workflows.Ballot) { return func(b *workflows.Ballot) { b.Stage = n } }
	reason := func(text string) func(*workflows.Ballot) { return func(b *workflows.Ballot) { b.Reason = text } }
	const unknown = "There is no such request, or it is not yours to see. Type `/access list` to see yours."
	const notAsked = "Only the person who asked can answer an offer."
	const noOffer = "This offer does not stand any more. Look at the request again."
	for _, c := range []struct {
		chain, steps string
		do           attempt
		command      string
		code, says   string
	}{
		{two, "zed submits", voting("zed", workflows.Approve), "vote approve", "self_approval", "You stand behind this request yourself, so you cannot decide it. Somebody else on the list has to."},
		{two, "zed submits", voting("zed/2", workflows.Deny), "vote deny", "self_approval", "You stand behind this request yourself, so you cannot decide it. Somebody else on the list has to."},
		{two, "zed submits; ann is bot", voting("ann", workflows.Approve), "vote approve", "not_human", "Only people decide; this account is a bot or an app."},
		{two, "zed submits; ann leaves", voting("ann", workflows.Approve), "vote approve", "inactive", "This account is deactivated."},
		{two, "zed submits; ann is guest", voting("ann", workflows.Deny), "vote deny", "guest", "Guests and people from other organisations cannot decide here. Ask a full member who is on the list."},
		{two, "zed submits; ann is unlinked", voting("ann", workflows.Approve), "vote approve", "unlinked", "This account is not linked to a person in the people file, so it cannot decide. Ask the operator to add you to people.yaml."},
		{two, "zed submits; ann is unknown", voting("ann", workflows.Approve), "vote approve", "directory", "I could not check who you are just now, so nothing was recorded as a decision. Try again in a minute."},
		{two, "zed submits; ann is removed", voting("ann", workflows.Approve), "vote approve", "not_approver", "You were asked, but you are no longer among the approvers of this stage."},
		{two, "zed submits", voting("ann", workflows.Approve, shown), "vote approve", "stale", "What you were shown is not what would be decided now. Look at the fresh card and decide there."},
		{two, "zed submits", voting("ann", workflows.Approve, stage(1)), "vote approve", "stale", "What you were shown is not what would be decided now. Look at the fresh card and decide there."},
		{two, "zed submits", voting("ann", workflows.Approve, stage(-1)), "vote approve", "stale", "What you were shown is not what would be decided now. Look at the fresh card and decide there."},
		{two, "zed submits", voting("ann", "maybe"), "vote maybe", "stale", "That button is not known. Look at the fresh card and decide there."},
		{two, "zed submits; ann approves", voting("ann", workflows.Approve, stage(0)), "vote approve", "already_voted", "Your decision on that stage is already recorded; the request has gone on. You can take it back until the access starts."},
		{two, "zed submits; ann approves", voting("bob", workflows.Approve, stage(0)), "vote approve", "stale", "What you were shown is not what would be decided now. Look at the fresh card and decide there."},
		{two, "zed submits; bot sleeps; 4h", voting("ann", workflows.Approve), "vote approve", "late", "The deadline of this stage had passed when your click arrived. Ask the requester to submit again."},
		{two, "zed submits; 4h", voting("ann", workflows.Approve), "vote approve", "decided", "This request is already timed out. Nothing is left to decide."},
		{two, "zed submits; ann denies", voting("ann", workflows.Approve), "vote approve", "decided", "Your decision is recorded, and the request is denied."},
		{two, "zed submits; ann denies", voting("bob", workflows.Approve), "vote approve", "decided", "This request is already denied. Nothing is left to decide."},
		{two, "zed submits; ann approves; olga approves", voting("bob", workflows.Deny), "vote deny", "decided", "This request is already approved. Revoke the access instead: those who approved it, the target's owner and security can."},
		{two, "zed submits; ann approves; olga approves", voting("ann", workflows.Deny), "vote deny", "decided", "Your decision is recorded, and the request is approved. Revoke the access instead: those who approved it, the target's owner and security can."},
		{two, "zed submits; ann approves; olga approves; access fails", voting("bob", workflows.Deny), "vote deny", "decided", "This request is already failed. Nothing is left to decide."},
		{two, "zed submits; zed withdraws", voting("ann", workflows.Approve), "vote approve", "decided", "This request is already withdrawn. Nothing is left to decide."},
		{two, "zed submits", voting("ann", workflows.Deny, reason("\t")), "vote deny", "reason_needed", "A denial needs a reason: the requester will read it."},
		{two, "zed submits", voting("ann", workflows.Deny, reason(long)), "vote deny", "too_long", "A reason has at most 1000 characters."},
		{two, "zed submits", voting("ann", workflows.Approve, reason(long)), "vote approve", "too_long", "A reason has at most 1000 characters."},
		{strict, "zed submits", voting("ann", workflows.Approve), "vote approve", "reason_needed", "This chain wants a reason for that decision."},
		{strict, "zed submits", voting("ann", workflows.Counter), "vote counter", "reason_needed", "This chain wants a reason for that decision."},
		{strict, "zed submits", voting("ann", workflows.Deny, reason("")), "vote deny", "reason_needed", "A denial needs a reason: the requester will read it."},
		{quiet, "zed submits; ann approves", voting("bob", workflows.Approve), "vote approve", "stale", "This stage waits for objections only. If you have none, there is nothing to do."},
		{two, "zed submits; groups down", voting("ann", workflows.Approve), "vote approve", "directory", "I could not find out who decides the next stage just now, so nothing was recorded. Try again in a minute."},
		{two, "zed submits; ann approves; ann is unknown", voting("olga", workflows.Approve), "vote approve", "directory", "I could not check those who approved before you just now, so nothing was recorded. Try again in a minute."},
		{two, "zed submits; ann approves; freeze begins", voting("olga", workflows.Approve), "vote approve", "freeze", "The change freeze year-end is in force, so nothing can be granted now. The request stays open: decide when it is over."},
		{two, "zed submits; ann approves; conflict arises", voting("olga", workflows.Approve), "vote approve", "conflict", "Whoever pays may not order. The request stays open: its holder has to give that back first."},

		{two, "zed submits", offering("ann", workflows.Terms{}), "counter", "bad_field", "Offer something shorter, narrower or later than what was asked."},
		{two, "zed submits", offering("ann", workflows.Terms{Seconds: 3600}), "counter", "bad_field", "duration: Offer less than 1h, and at least 1m."},
		{two, "zed submits", offering("ann", workflows.Terms{Seconds: 59}), "counter", "bad_field", "duration: Offer less than 1h, and at least 1m."},
		{two, "zed submits", offering("ann", workflows.Terms{NotBefore: 1}), "counter", "bad_field", "not_before: Offer a later start, at most 2h ahead."},
		{two, "zed submits", offering("ann", workflows.Terms{Target: "pg-main"}), "counter", "bad_field", "entitlement: Name the target and what to hold on it."},
		{two, "zed submits", offering("ann", workflows.Terms{Entitlement: "reader"}), "counter", "bad_field", "entitlement: Name the target and what to hold on it."},
		{two, "zed submits", offering("ann", workflows.Terms{Target: "pg-main", Entitlement: "none"}), "counter", "bad_field", "entitlement: Offer another one of this chain."},
		{two, "zed submits", offering("ann", workflows.Terms{Target: "pg-main", Entitlement: "keeper"}), "counter", "bad_field", "entitlement: Offer something that is no riskier than what was asked."},
		{two, "zed submits of keeper lasting 6h", offering("ann", workflows.Terms{Target: "pg-main", Entitlement: "writer"}), "counter", "bad_field", "duration: That is given for 4h at most; offer less."},
		{two, "zed submits", offering("eve", half), "vote counter", "not_approver", ""},
		{two, "zed submits; ann counters 30m", accepting("bob", "o_2"), "accept", "not_yours", notAsked},
		{two, "zed submits; ann counters 30m", declining("ann", "o_2"), "decline", "not_yours", notAsked},
		{two, "zed submits; ann counters 30m", accepting("zed", "o_9"), "accept", "no_offer", noOffer},
		{two, "zed submits; ann counters 30m; zed declines ann", declining("zed", "o_2"), "decline", "no_offer", noOffer},
		{two, "zed submits; ann counters 30m; bot sleeps; 4h", accepting("zed", "o_2"), "accept", "late", "The deadline of the stage in which this was offered has passed. Ask anew with these terms."},
		{two, "zed submits; ann counters 30m; zed withdraws", declining("zed", "o_2"), "decline", "decided", "This request is already withdrawn. Nothing is left to decide."},

		{two, "zed submits; ann approves", changing("bob", workflows.TakeBack, workflows.Change{}), "take back", "no_vote", "No approval of yours stands on this request."},
		{two, "zed submits; ann approves; olga approves", changing("ann", workflows.TakeBack, workflows.Change{Started: true}), "take back", "decided", "The access has started, so the approval cannot be taken back. You can revoke the access instead."},
		{two, "zed submits; ann approves; olga denies", changing("ann", workflows.TakeBack, workflows.Change{}), "take back", "decided", "Your decision is recorded, and the request is denied."},
		{two, "zed submits; ann approves", changing("ann", workflows.TakeBack, workflows.Change{NeedsReason: true, Why: " "}), "take back", "reason_needed", "This chain wants a reason for taking an approval back."},
		{two, "zed submits", changing("ann", workflows.Withdraw, workflows.Change{}), "withdraw", "not_yours", "Only the person who asked can withdraw a request. An approver can deny it."},
		{two, "zed submits; ann denies", changing("zed", workflows.Withdraw, workflows.Change{}), "withdraw", "decided", "This request is already denied. Nothing is left to decide."},
		{two, "zed submits; zed withdraws", changing("zed", workflows.Withdraw, workflows.Change{}), "withdraw", "decided", "This request is already withdrawn. Nothing is left to decide."},

		{two, "zed submits", remarking("ann", " \n "), "comment", "bad_field", "A note needs words, without control and direction-changing characters."},
		{two, "zed submits", remarking("ann", "a\x00b"), "comment", "bad_field", "A note needs words, without control and direction-changing characters."},
		{two, "zed submits", remarking("ann", long), "comment", "too_long", "A note has at most 1000 characters."},
		{two, "zed submits; zed withdraws; 721h", remarking("ann", "hm"), "comment", "decided", "This request ended more than 30 days ago. Ask anew if something is left to do."},

		{two, "tick", voting("ann", workflows.Approve), "vote", "unknown", unknown},
		{two, "tick", offering("ann", half), "vote", "unknown", unknown},
		{two, "tick; ann is guest", voting("ann", workflows.Approve), "vote", "guest", "Guests and people from other organisations cannot decide here. Ask a full member who is on the list."},
		{two, "tick", accepting("zed", "o_1"), "accept", "unknown", unknown},
		{two, "tick", declining("zed", "o_1"), "decline", "unknown", unknown},
		{two, "tick", changing("ann", workflows.TakeBack, workflows.Change{}), "take back", "unknown", unknown},
		{two, "tick", changing("zed", workflows.Withdraw, workflows.Change{}), "withdraw", "unknown", unknown},
		{two, "tick", remarking("ann", "hm"), "comment", "unknown", unknown},
		{two, "zed submits", remarking("", "hm"), "comment", "unknown", unknown},
	} {
		x := told(t, c.chain, c.steps)
		out, err := c.do(x)
		name := fmt.Sprintf("%s; %s", c.steps, c.command)
		if err != nil || out.Refusal == nil {
			t.Errorf("%s: not refused: %v", name, err)
			continue
		}
		if r := out.Refusal; r.Code != c.code || c.says != "" && r.Error() != c.says {
			t.Errorf("%s:\n got %s: %s\nwant %s: %s", name, r.Code, r, c.code, c.says)
		}
		where := x.stream()
		about := ""
		if len(x.l.Histories[where]) == 0 {
			where, about = workflows.SystemStream, string(x.id)
		}
		if len(out.Events) != 1 || out.Events[0].Stream != where {
			t.Errorf("%s: goes on record as %+v", name, out.Events)
			continue
		}
		e, _ := out.Events[0].Event.(workflows.Refused)
		if e.Command != c.command || e.Code != c.code || e.About != about || e.Channel == "" {
			t.Errorf("%s: goes on record as %+v", name, e)
		}
	}
}

// The last value that passes and the first that does not, of everything that is counted.
func TestRefusalsBeginAtTheirLimit(t *testing.T) {
	t.Parallel()
	const chain = "peers(ann bob)x2 timeout 4h | later 2h"
	ahead := func(x *world, d time.Duration) workflows.Stamp { return x.l.Now.UTC.Add(d) }
	letters := func(n int) string { return strings.Repeat("ü", n) }
	for _, c := range []struct {
		name     string
		ok, over attempt
		code     string
	}{
		{
			"a reason to approve",
			voting("ann", workflows.Approve, func(b *workflows.Ballot) { b.Reason = letters(workflows.MaxDenyReason) }),
			voting("ann", workflows.Approve, func(b *workflows.Ballot) { b.Reason = letters(workflows.MaxDenyReason + 1) }), workflows.CodeTooLong,
		},
		{"a note", remarking("eve", letters(workflows.MaxReason)), remarking("eve", letters(workflows.MaxReason+1)), workflows.CodeTooLong},
		{"a note between spaces", remarking("eve", " "+letters(workflows.MaxReason)+"\n"), remarking("eve", letters(workflows.MaxReason)+"x"), workflows.CodeTooLong},
		{"the shortest offer", offering("ann", workflows.Terms{Seconds: 60}), offering("ann", workflows.Terms{Seconds: 59}), workflows.CodeBadField},
		{"the longest offer", offering("ann", workflows.Terms{Seconds: 3599}), offering("ann", workflows.Terms{Seconds: 3600}), workflows.CodeBadField},
		{
			"the earliest offer",
			func(x *world) (workflows.Outcome, error) {
				return offering("ann", workflows.Terms{NotBefore: ahead(x, time.Microsecond)})(x)
			},
			func(x *world) (workflows.Outcome, error) {
				return offering("ann", workflows.Terms{NotBefore: ahead(x, 0)})(x)
			}, workflows.CodeBadField,
		},
		{
			"the latest offer",
			func(x *world) (workflows.Outcome, error) {
				return offering("ann", workflows.Terms{NotBefore: ahead(x, 2*time.Hour)})(x)
			},
			func(x *world) (workflows.Outcome, error) {
				return offering("ann", workflows.Terms{NotBefore: ahead(x, 2*time.Hour+time.Microsecond)})(x)
			}, workflows.CodeBadField,
		},
		{
			"the last moment of a vote",
			voting("ann", workflows.Deny, func(b *workflows.Ballot) { b.ReceivedAt = b.ReceivedAt.Add(4*time.Hour - time.Microsecond) }),
			voting("ann", workflows.Deny, func(b *workflows.Ballot) { b.ReceivedAt = b.ReceivedAt.Add(4 * time.Hour) }), workflows.CodeLate,
		},
	} {
		x := told(t, chain, "zed submits")
		if out, err := c.ok(x); err != nil || out.Refusal != nil {
			t.Errorf("%s: refused at its limit: %v, %v", c.name, out.Refusal, err)
		}
		if out, err := c.over(x); err != nil || out.Refusal == nil || out.Refusal.Code != c.code {
			t.Errorf("%s: over its limit: %v, %v", c.name, out.Refusal, err)
		}
	}
}

// So many offers and notes, and no more: the next one is told how many there are.
func TestOffersAndNotesAreCounted(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann bob)x1 timeout 4h", "zed submits")
	for i := range workflows.MaxOffers {
		b := x.ballot(acting([]string{"ann", "bob"}[i%2]), workflows.Counter)
		b.Offer, b.Terms = fmt.Sprintf("o_n%d", i), workflows.Terms{Seconds: workflows.Span(60 + i)}
		if code, err := x.take(x.w.Counter(x.l.Facts(), x.id, b)); code != "" || err != nil {
			t.Fatal(i, code, err)
		}
	}
	if got := workflows.OffersOf(x.mustState(t)); len(got) != 2 || got[0].ID != "o_n48" || got[1].ID != "o_n49" {
		t.Errorf("standing: %+v", got)
	}
	out, err := offering("ann", workflows.Terms{Seconds: 60})(x)
	if want := "This request has 50 offers already. Talk to the requester."; err != nil || out.Refusal == nil || out.Refusal.Error() != want || out.Refusal.Code != workflows.CodeTooMany {
		t.Errorf("%v, %v", out.Refusal, err)
	}
	for i := range workflows.MaxComments {
		if code, err := x.take(remarking("zed", "please")(x)); code != "" || err != nil {
			t.Fatal(i, code, err)
		}
	}
	out, err = remarking("ann", "why?")(x)
	if want := "This request has 100 notes already. Talk in the channel."; err != nil || out.Refusal == nil || out.Refusal.Error() != want || out.Refusal.Code != workflows.CodeTooMany {
		t.Errorf("%v, %v", out.Refusal, err)
	}
	if code, err := x.take(voting("ann", workflows.Approve)(x)); code != "" || err != nil || x.mustState(t).Status != workflows.StatusApproved {
		t.Errorf("a request full of talk cannot be decided: %q, %v", code, err)
	}
}

// Deciding looks at a history and changes nothing in it: the same command on the same facts gives the same outcome, as often as it is asked.
func TestDecidingTwiceDecidesTheSame(t *testing.T) {
	t.Parallel()
	const chain = "peers(ann bob)x1 timeout 4h > owner(olga)x1 timeout 2h"
	for name, c := range map[string]struct {
		steps string
		do    attempt
	}{
		"an approval":         {"zed submits", voting("ann", workflows.Approve)},
		"a denial":            {"zed submits", voting("bob", workflows.Deny)},
		"an offer":            {"zed submits", offering("ann", workflows.Terms{Seconds: 60})},
		"a refused offer":     {"zed submits", offering("zed", workflows.Terms{Seconds: 60})},
		"an offer declined":   {"zed submits; ann counters 30m", declining("zed", "o_2")},
		"a note":              {"zed submits", remarking("zed", "hm")},
		"a vote taken back":   {"zed submits; ann approves", changing("ann", workflows.TakeBack, workflows.Change{})},
		"a request withdrawn": {"zed submits; ann approves", changing("zed", workflows.Withdraw, workflows.Change{Why: "done"})},
	} {
		x := told(t, chain, c.steps)
		before := x.mustState(t)
		first, err1 := c.do(x)
		again, err2 := c.do(x)
		if d := cmp.Diff(first, again); d != "" || err1 != nil || err2 != nil {
			t.Errorf("%s, twice: %v, %v\n%s", name, err1, err2, d)
		}
		if d := cmp.Diff(before, x.mustState(t)); d != "" {
			t.Errorf("%s changes what it looks at:\n%s", name, d)
		}
		if len(first.Events) == 0 {
			t.Errorf("%s leaves nothing on record", name)
		}
	}
}

// A refusal is an error that can be found under others, and reads as its sentence with or without what to do next.
func TestRefusalIsAnError(t *testing.T) {
	t.Parallel()
	r := workflows.Refusef(workflows.CodeCap, "Ask for less.", "At most %s, %d times.", workflows.Span(5400), 3)
	if r.Error() != "At most 90m, 3 times. Ask for less." || r.Code != "cap" || r.Next != "Ask for less." {
		t.Errorf("%+v", r)
	}
	if got := workflows.Refuse("cap", "No.", "").Error(); got != "No." {
		t.Errorf("%q", got)
	}
	var found *workflows.Refusal
	if err := fmt.Errorf("extending: %w", r); !errors.As(err, &found) || found != r {
		t.Errorf("%v does not hold its refusal", err)
	}
	first, second := workflows.Unknown(), workflows.Unknown()
	if first.Next = "changed"; second.Next == first.Next {
		t.Error("the answer for what is not there is shared")
	}
}
