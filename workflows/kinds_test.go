package workflows_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
)

// R45: one model for all kinds of principals, as a matrix of kind and action. Whoever is a person with full standing may do everything; a
// contractor asks and holds and never decides; no machine does anything by itself, and nothing is held by a machine for which no human answers.
func TestReq_R45_KindsAndActions(t *testing.T) {
	t.Parallel()
	const yes = ""
	standing := func(edit func(*workflows.Standing)) workflows.Standing {
		s := usual
		edit(&s)
		return s
	}
	kinds := []struct {
		name string
		s    workflows.Standing
		// what becomes of asking for oneself, asking for an identity, approving, denying, offering other terms
		want [5]string
	}{
		{"a full member", usual, [5]string{yes, yes, yes, yes, yes}},
		{
			"a contractor whose record holds", standing(func(s *workflows.Standing) { s.Member, s.Contractor = false, true }),
			[5]string{yes, yes, workflows.CodeGuest, workflows.CodeGuest, workflows.CodeGuest},
		},
		{
			"a guest without a record", standing(func(s *workflows.Standing) { s.Member = false }),
			[5]string{workflows.CodeGuest, workflows.CodeGuest, workflows.CodeGuest, workflows.CodeGuest, workflows.CodeGuest},
		},
		{
			"a contractor whose contract is over", standing(func(s *workflows.Standing) { s.Member, s.Contractor, s.Over = false, true, true }),
			[5]string{workflows.CodeInactive, workflows.CodeInactive, workflows.CodeInactive, workflows.CodeInactive, workflows.CodeInactive},
		},
		{
			"a bot, an app, an agent", standing(func(s *workflows.Standing) { s.Human = false }),
			[5]string{workflows.CodeNotHuman, workflows.CodeNotHuman, workflows.CodeNotHuman, workflows.CodeNotHuman, workflows.CodeNotHuman},
		},
		{
			"a bot that is a member and a contractor", standing(func(s *workflows.Standing) { s.Human, s.Contractor = false, true }),
			[5]string{workflows.CodeNotHuman, workflows.CodeNotHuman, workflows.CodeNotHuman, workflows.CodeNotHuman, workflows.CodeNotHuman},
		},
		{
			"somebody deactivated", standing(func(s *workflows.Standing) { s.Active = false }),
			[5]string{workflows.CodeInactive, workflows.CodeInactive, workflows.CodeInactive, workflows.CodeInactive, workflows.CodeInactive},
		},
		{
			"an account that is nobody's", standing(func(s *workflows.Standing) { s.Linked = false }),
			[5]string{workflows.CodeUnlinked, workflows.CodeUnlinked, workflows.CodeUnlinked, workflows.CodeUnlinked, workflows.CodeUnlinked},
		},
		{
			"somebody quarantined", standing(func(s *workflows.Standing) { s.Quarantined = true }),
			[5]string{workflows.CodeQuarantined, workflows.CodeQuarantined, workflows.CodeQuarantined, workflows.CodeQuarantined, workflows.CodeQuarantined},
		},
		{
			"somebody of whom nobody could be asked",
			workflows.Standing{},
			[5]string{workflows.CodeDirectory, workflows.CodeDirectory, workflows.CodeDirectory, workflows.CodeDirectory, workflows.CodeDirectory},
		},
	}
	actions := []struct {
		name string
		do   func(x *world) (workflows.Outcome, error)
	}{
		{"asks for themself", func(x *world) (workflows.Outcome, error) { return x.asks("zed", "p_zed", "person", "") }},
		{"asks for an identity", func(x *world) (workflows.Outcome, error) {
			return x.asks("zed", "svc-deploy", "service_account", person("olga"))
		}},
		{"approves", func(x *world) (workflows.Outcome, error) { return x.decides("ann", workflows.Approve) }},
		{"denies", func(x *world) (workflows.Outcome, error) { return x.decides("ann", workflows.Deny) }},
		{"offers less", func(x *world) (workflows.Outcome, error) { return x.decides("ann", workflows.Counter) }},
	}
	for _, k := range kinds {
		for i, a := range actions {
			x, err := newWorld("peers(ann bob)x1 timeout 4h | for self owned")
			if err != nil {
				t.Fatal(err)
			}
			who := "zed"
			if i >= 2 {
				who = "ann"
				if _, err := x.step([]string{"zed", "submits"}); err != nil {
					t.Fatal(err)
				}
			}
			x.people[person(who)] = k.s
			out, err := a.do(x)
			got := yes
			if out.Refusal != nil {
				got = out.Refusal.Code
			}
			if err != nil || got != k.want[i] {
				t.Errorf("%s %s: %q, want %q (%v)", k.name, a.name, got, k.want[i], err)
			}
			if events := kindsOf(out); got != yes && !slices.Equal(events, []string{"command.refused"}) {
				t.Errorf("%s %s: refused, and recorded as %v", k.name, a.name, events)
			}
		}
	}
	// Every kind of identity needs a human who answers for it, whoever asks.
	for _, kind := range []string{"service_account", "automation_account", "api_key", "oauth_token", "certificate", "ssh_key", "workload", "ai_agent", "integration"} {
		x, err := newWorld("peers(ann bob)x1 timeout 4h | for self owned")
		if err != nil {
			t.Fatal(err)
		}
		out, err := x.asks("zed", "svc-deploy", kind, "")
		if err != nil || out.Refusal == nil || out.Refusal.Code != workflows.CodeNotInInventory {
			t.Errorf("%s without a sponsor: %+v %v", kind, out.Refusal, err)
		}
		out, err = x.asks("zed", "svc-deploy", kind, person("olga"))
		if err != nil || out.Refusal != nil {
			t.Errorf("%s with a sponsor: %+v %v", kind, out.Refusal, err)
		}
	}
}

// R45, R49: with a session of its own a machine asks for access, and for nothing that changes what it is: neither its scope nor its end, no exception, no
// standing window, no runbook, nobody's account. A person asks for all of that, for it.
func TestReq_R45_AMachineAsksForAccessAlone(t *testing.T) {
	t.Parallel()
	for kind, machines := range map[workflows.RequestKind]bool{
		workflows.KindCredential: true, workflows.KindElevation: true, workflows.KindPreapprove: false, workflows.KindRoutine: false,
		workflows.KindWindow: false, workflows.KindActAs: false, workflows.KindLife: false, workflows.KindException: false,
	} {
		for _, authn := range []string{"oidc/s_0123456789abcdef0123456789", "spiffe-x509/s_0123456789abcdef0123456789", "mutual-tls/s_0123456789abcdef0123456789", "oidc", workflows.AuthnHost, workflows.AuthnClick} {
			x, err := newWorld("peers(ann bob)x1 timeout 4h | for self owned")
			if err != nil {
				t.Fatal(err)
			}
			x.w.Kind = kind
			a := x.ask(acting("zed"))
			a.Subject, a.Principal, a.Sponsor, a.Owned, a.Authn = "svc-deploy", "ai_agent", person("olga"), true, authn
			out, err := x.w.Submit(x.l.Facts(), a)
			if err != nil {
				t.Fatal(err)
			}
			refused := out.Refusal != nil && out.Refusal.Code == workflows.CodeNotHuman
			if want := workflows.ByMachine(authn) && !machines; refused != want || refused && !slices.Equal(kindsOf(out), []string{"command.refused"}) {
				t.Errorf("%s by %s: %+v, recorded as %v", kind, authn, out.Refusal, kindsOf(out))
			}
		}
	}
}

// asks submits for a holder of some kind.
func (x *world) asks(who, subject, kind string, sponsor workflows.PersonID) (workflows.Outcome, error) {
	a := x.ask(acting(who))
	a.Subject, a.Principal, a.Sponsor, a.Owned = workflows.IdentityID(subject), kind, sponsor, true
	return x.w.Submit(x.l.Facts(), a)
}

// decides gives somebody's verdict on the open stage.
func (x *world) decides(who string, v workflows.Verdict) (workflows.Outcome, error) {
	b := x.ballot(acting(who), v)
	b.Reason, b.Terms, b.Offer = "half will do", workflows.Terms{Seconds: 1800}, "o_1"
	return x.w.Vote(x.l.Facts(), x.id, b)
}

func kindsOf(out workflows.Outcome) (kinds []string) {
	for _, e := range out.Events {
		kinds = append(kinds, e.Event.Kind())
	}
	return kinds
}

// What a tier demands of those who approve holds in every order of clicks and logins: a request is approved by those only who have proved who
// they are, and a history in which a click approved is no state.
func TestReq_R30_NoClickApprovesWhereTheTierWantsMore(t *testing.T) {
	t.Parallel()
	words := []string{"slack-click", "oidc", "one-time-code", "unix-peer", "", "counter-offer", "counter-offer/oidc", "passkey", "Oidc"}
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld(fmt.Sprintf("peers(ann bob carol)x%d timeout 4h > owner(olga otto)x1 timeout 2h | tier high approvers 1 stepup yes for any", rapid.IntRange(1, 2).Draw(t, "quorum")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.step([]string{"zed", "submits"}); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 12).Draw(t, "votes") {
			b := x.ballot(acting(rapid.SampledFrom([]string{"ann", "bob", "carol", "olga", "otto"}).Draw(t, "who")), workflows.Approve)
			b.Authn = rapid.SampledFrom(words).Draw(t, "by")
			out, err := x.w.Vote(x.l.Facts(), x.id, b)
			if err != nil {
				t.Fatal(err)
			}
			counted := len(out.Events) > 0 && out.Events[0].Event.Kind() == (workflows.VoteRecorded{}).Kind()
			if counted && !strings.Contains("|oidc|one-time-code|unix-peer|counter-offer/oidc|", "|"+b.Authn+"|") {
				t.Fatalf("%q approved", b.Authn)
			}
			if _, err := x.take(out, nil); err != nil {
				t.Fatal(err)
			}
		}
		h := x.l.Histories[x.stream()]
		if _, err := workflows.Fold(h); err != nil {
			t.Fatal(err)
		}
		for i, r := range h {
			e, ok := r.Event.(workflows.VoteRecorded)
			if !ok {
				continue
			}
			forged := slices.Clone(h)
			e.Authn = rapid.SampledFrom([]string{"slack-click", "", "passkey", "counter-offer"}).Draw(t, "forged")
			forged[i].Event = e
			if _, err := workflows.Fold(forged); err == nil || !strings.Contains(err.Error(), "where the risk wants more") {
				t.Fatalf("a history in which %q approved folds: %v", e.Authn, err)
			}
		}
	})
}
