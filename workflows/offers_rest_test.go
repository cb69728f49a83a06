package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
)

// talk is a small model of one stage of two approvals with its offers: who voted, whose offer stands, and whether it goes on.
type talk struct {
	voted    map[string]bool
	standing []string
	over     bool
}

// drop takes somebody's offer off the table.
func (m *talk) drop(who string) {
	m.standing = slices.DeleteFunc(m.standing, func(o string) bool { return o == who })
}

// step says with which code a step is refused, and goes on.
func (m *talk) step(who, verb string) string {
	switch {
	case verb == "counters" || verb == "approves" || verb == "denies":
		switch {
		case m.over:
			return workflows.CodeDecided
		case m.voted[who]:
			return workflows.CodeAlreadyVoted
		}
		m.drop(who)
		switch verb {
		case "counters":
			m.standing = append(m.standing, who)
		case "approves":
			m.voted[who] = true
			m.over = len(m.voted) == 2
		default:
			m.over = true
		}
	case verb == "takes back":
		switch {
		case !m.voted[who]:
			return workflows.CodeNoVote
		case m.over:
			return workflows.CodeDecided
		}
		delete(m.voted, who)
	default: // the requester declines an offer of theirs
		switch {
		case m.over:
			return workflows.CodeDecided
		case !slices.Contains(m.standing, who):
			return workflows.CodeNoOffer
		}
		m.drop(who)
	}
	if m.over {
		m.standing = nil
	}
	return ""
}

// Whatever is offered, declined, approved, denied and taken back in whatever order: the offers that stand, the votes that count and each
// refusal are those of the model. An approved request that loses a vote is a case of its own and left out.
func TestOffersAndVotesAreThoseOfASmallModel(t *testing.T) {
	t.Parallel()
	verbs := []string{"counters", "counters", "approves", "takes back", "is declined", "denies"}
	rapid.Check(t, func(rt *rapid.T) {
		x, err := newWorld("peers(ann bob carol)x2 timeout 4h")
		if err != nil {
			rt.Fatal(err)
		}
		if code, err := x.step([]string{"zed", "submits"}); code != "" || err != nil {
			rt.Fatal(code, err)
		}
		m := &talk{voted: map[string]bool{}}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			who := rapid.SampledFrom([]string{"ann", "bob", "carol"}).Draw(rt, "who")
			verb := rapid.SampledFrom(verbs).Draw(rt, "verb")
			if s := x.mustState(rt); s.Status == workflows.StatusApproved {
				return
			}
			words := map[string][]string{"counters": {who, verb, "30m"}, "takes back": {who, "takes", "back"}, "is declined": {"zed", "declines", who}}[verb]
			if words == nil {
				words = []string{who, verb}
			}
			code, err := x.step(words)
			if want := m.step(who, verb); code != want || err != nil {
				rt.Fatalf("%s %s: %q, want %q: %v", who, verb, code, want, err)
			}
			x.check(rt)
			s := x.mustState(rt)
			var standing []string
			for _, o := range workflows.OffersOf(s) {
				standing = append(standing, string(o.By.Person[2:]))
			}
			if !slices.Equal(standing, m.standing) || len(s.Voters()) != len(m.voted) || s.Final() != m.over {
				rt.Fatalf("%s %s: %v stand, %v voted, %s; want %+v", who, verb, standing, s.Voters(), s.Status, m)
			}
		}
	})
}

// An accepted offer asks for what was asked with the terms in it: any other thing about the ask that an approver decides on is refused as the
// caller's mistake, and nothing is written.
func TestAcceptedTermsReplaceOnlyWhatTheyName(t *testing.T) {
	t.Parallel()
	asked := workflows.Form{Target: "pg-main", Entitlement: "writer", Seconds: 3600, Reason: "because", Values: map[string]string{"a": "b"}}
	for _, c := range []struct {
		terms workflows.Terms
		want  workflows.Form
	}{
		{workflows.Terms{}, asked},
		{workflows.Terms{Seconds: 60}, workflows.Form{Target: "pg-main", Entitlement: "writer", Seconds: 60, Reason: "because", Values: asked.Values}},
		{workflows.Terms{NotBefore: 9}, asked},
		{workflows.Terms{Entitlement: "reader"}, asked}, // of no target: names nothing
		{workflows.Terms{Target: "pg", Entitlement: "reader"}, workflows.Form{Target: "pg", Entitlement: "reader", Seconds: 3600, Reason: "because", Values: asked.Values}},
		{workflows.Terms{Target: "pg", Entitlement: "reader", Seconds: 1, NotBefore: 9}, workflows.Form{Target: "pg", Entitlement: "reader", Seconds: 1, Reason: "because", Values: asked.Values}},
	} {
		got := c.terms.With(asked)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%+v:\n%s", c.terms, d)
		}
		if d := cmp.Diff(got, c.terms.With(got)); d != "" {
			t.Errorf("%+v twice is not once:\n%s", c.terms, d)
		}
	}
}

// What an accepted offer leaves behind, in both requests: who did it, through which account, and that each names the other.
func TestAcceptedOfferIsTraceable(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann bob)x1 timeout 4h", "zed submits; ann/2 counters 30m; zed/3 accepts ann")
	var taken workflows.OfferAccepted
	var over workflows.Superseded
	for _, r := range x.l.Histories[workflows.RequestStream(x.old)] {
		switch e := r.Event.(type) {
		case workflows.OfferAccepted:
			if taken = e; r.Actor != "a_zed3" || r.Person != "p_zed" {
				t.Errorf("accepted by %s, %s", r.Actor, r.Person)
			}
		case workflows.Superseded:
			if over = e; r.Actor != workflows.SystemActor || r.Person != "" {
				t.Errorf("superseded by %s, %s", r.Actor, r.Person)
			}
		}
	}
	if taken.Request != "r_2" || taken.Offer != "o_2" || over.Code != workflows.CodeCountered || over.Why != "The requester accepted other terms: request r_2." {
		t.Errorf("%+v, %+v", taken, over)
	}
	s := x.mustState(t)
	if want := (workflows.OfferRef{Request: "r_1", Offer: "o_2", By: "p_ann", Stage: "peers"}); s.Asked.Offer != want {
		t.Errorf("%+v", s.Asked.Offer)
	}
	old, err := workflows.Fold(x.l.Histories[workflows.RequestStream(x.old)])
	if err != nil || old.Asked.Digest == s.Asked.Digest || old.Shown(0) == s.Shown(0) {
		t.Errorf("the new request is bound to the old text: %v", err)
	}
	for _, r := range x.l.Histories[x.stream()] {
		if e, ok := r.Event.(workflows.VoteRecorded); ok && (e.Authn != workflows.AuthnOffer || r.Actor != "a_ann2" || e.Digest != s.Asked.Digest || e.Shown != s.Shown(0)) {
			t.Errorf("the approval in the offer: %s, %+v", r.Actor, e)
		}
	}
}

// The digest and what a button carries change with every part that is decided on and with the stage, and with nothing else.
func TestShownBindsRequestPolicyAndStage(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann bob)x1 timeout 4h > owner(olga)x1 timeout 2h", "zed submits")
	s := x.mustState(t)
	other := s
	other.Policy = "sha256:other"
	words := s
	words.Asked.Digest += "0"
	seen := map[string]string{}
	for name, shown := range map[string]string{
		"the first stage": s.Shown(0), "the second": s.Shown(1), "the tenth": s.Shown(10), "none": s.Shown(-1),
		"another policy": other.Shown(0), "other words": words.Shown(0), "other words, second stage": words.Shown(1),
	} {
		if was, twice := seen[shown]; twice || len(shown) != 64 {
			t.Errorf("%s and %s: %s", name, was, shown)
		}
		seen[shown] = name
	}
	if again := told(t, "peers(ann bob)x1 timeout 4h > owner(olga)x1 timeout 2h", "zed submits; ann approves; 1h").mustState(t); again.Shown(0) != s.Shown(0) || again.Asked.Digest != s.Asked.Digest {
		t.Error("votes and time change what was asked")
	}
}

// Access under an offer ends with the least of all that limits it, whatever the order in which the limits are looked at.
func TestLastsIsTheLeastOfItsLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		minute := func(name string, least int) int { return rapid.IntRange(least, 300).Draw(rt, name) }
		now := workflows.Instant{UTC: workflows.StampOf(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)), Mono: 5}
		at := func(m int) workflows.Stamp {
			if m == 0 {
				return 0 // none
			}
			return now.UTC.Add(time.Duration(m) * time.Minute)
		}
		begin, long, until, last := minute("not before", -60), minute("length", 1), minute("until", 0), minute("last", 0)
		s := workflows.State{Asked: workflows.Submitted{Seconds: workflows.Span(long * 60), NotBefore: at(begin), NoLaterThan: at(until)}}
		start, end := s.Lasts(now, at(last))
		want := max(begin, 0) + long
		for _, limit := range []int{until, last} {
			if limit != 0 {
				want = min(want, limit)
			}
		}
		if end != now.Add(time.Duration(want)*time.Minute) {
			rt.Fatalf("ends %s, want after %d minutes", end.UTC, want)
		}
		if wantStart := at(max(begin, 0)); start != wantStart {
			rt.Fatalf("starts %s, want %s", start, wantStart)
		}
	})
}
