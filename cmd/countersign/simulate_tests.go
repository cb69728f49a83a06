package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// played is what became of one policy test or story.
type played struct {
	Where    string   `json:"where"` // "tests/prod-db.yaml:12"
	Name     string   `json:"name"`
	OK       bool     `json:"ok"`
	Failures []string `json:"failures,omitempty"` // expected and got, one a line
}

// quietReason is what a test gives as the reason when it says none; every chain takes it.
const quietReason = "a rehearsal of this chain, without anybody being asked, as policy tests do it"

// rehearseTest asks what a test asks and compares what comes of it.
func rehearseTest(ctx context.Context, p spec.Policies, file string, t spec.Test) played {
	out := played{Where: fmt.Sprintf("%s:%d", file, t.Line), Name: t.Name}
	r, err := rehearse(ctx, p, t.At)
	if err == nil {
		err = r.given(ctx, t)
	}
	var got desk.Preview
	if err == nil {
		got, err = r.desk.Preview(ctx, submissionOf(t.Ask))
	}
	if err != nil {
		out.Failures = []string{"could not be played: " + err.Error()}
		return out
	}
	out.Failures = r.compare(t.Expect, got)
	out.OK = len(out.Failures) == 0
	return out
}

func submissionOf(a spec.TestAsk) desk.Submission {
	s := desk.Submission{
		By: acting(a.Who), Workflow: a.Workflow, Runbook: a.Runbook, Channel: a.Channel, Network: a.Network, NotBefore: a.NotBefore, Authn: rehearsedAuthn(a.Channel),
		Form: workflows.Form{Target: a.Target, Entitlement: a.Entitlement, Seconds: a.Seconds, Reason: a.Reason, Values: a.Fields},
	}
	if a.For != "" {
		s.Subject = a.For
	}
	if s.Form.Reason == "" {
		s.Form.Reason = quietReason
	}
	return s
}

// given makes the world of a test.
func (r *rehearsal) given(ctx context.Context, t spec.Test) error {
	for _, a := range t.Given.Away {
		leave := desk.Leave{By: acting(a.Person), Until: t.At.Add(48 * time.Hour), Delegate: a.Delegate, Reason: "on time off", Channel: "slack", Authn: "rehearsal"}
		res, err := r.desk.GoAway(ctx, leave)
		if err != nil {
			return err
		}
		if res.Refusal != nil {
			return fmt.Errorf("%s cannot be away: %w", r.keyOf(a.Person), res.Refusal)
		}
	}
	for _, g := range t.Given.Active {
		ends := g.Ends
		if ends == 0 {
			ends = t.At.Add(t.Ask.Seconds.Duration() / 2)
		}
		if err := r.hold(g.Holder, g.Target, g.Entitlement, ends, r.recorded(t.Ask)); err != nil {
			return err
		}
	}
	if err := r.used(t.Ask.Who, identities.UsedAsk, t.Ask.Workflow, "", t.Given.Asked); err != nil {
		return err
	}
	if t.Given.Auto > 0 {
		for _, rule := range r.policy.Workflows[t.Ask.Workflow].Workflow.Rules {
			if rule.Auto != nil {
				if err := r.used(t.Ask.Who, identities.UsedAuto, t.Ask.Workflow, rule.Name, t.Given.Auto); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// recorded are the fields of an ask that stand in a grant: all but free text.
func (r *rehearsal) recorded(a spec.TestAsk) map[string]string {
	var out map[string]string
	for _, f := range r.policy.Workflows[a.Workflow].Workflow.Fields {
		if v := a.Fields[f.Name]; v != "" && f.Type != workflows.FieldText {
			if out == nil {
				out = map[string]string{}
			}
			out[f.Name] = v
		}
	}
	return out
}

// compare says what is not as expected.
func (r *rehearsal) compare(want spec.Expect, got desk.Preview) []string {
	var bad []string
	differ := func(what, want, got string) {
		if want != "" && want != got {
			bad = append(bad, fmt.Sprintf("expected %s %q, got %q", what, want, got))
		}
	}
	is := outcomeOf(got)
	if want.Outcome != "" && want.Outcome != is {
		bad = append(bad, fmt.Sprintf("expected outcome %q, got %q: %s", want.Outcome, is, got.Explanation.Sentence))
	}
	code := ""
	if got.Refusal != nil {
		code = got.Refusal.Code
	}
	differ("code", want.Code, code)
	differ("rule", want.Rule, got.Rule)
	differ("tier", want.Tier, got.Tier)
	if want.Stages == nil || got.Refusal != nil {
		return bad
	}
	var names []string
	for _, s := range want.Stages {
		names = append(names, s.Name)
	}
	differ("stages", strings.Join(names, " > "), strings.Join(previewNames(got.Plan), " > "))
	for _, s := range want.Stages {
		if i := slices.IndexFunc(got.Plan, func(x desk.PreviewStage) bool { return x.Name == s.Name }); i >= 0 {
			bad = append(bad, r.compareStage(s, got.Plan[i])...)
		}
	}
	return bad
}

func outcomeOf(p desk.Preview) string {
	switch {
	case p.Refusal != nil:
		return spec.OutcomeRefused
	case p.Auto:
		return spec.OutcomeAuto
	}
	return spec.OutcomeChain
}

func previewNames(plan []desk.PreviewStage) []string {
	var out []string
	for _, s := range plan {
		out = append(out, s.Name)
	}
	return out
}

func (r *rehearsal) compareStage(want spec.ExpectStage, got desk.PreviewStage) []string {
	var bad []string
	if want.Quorum != 0 && want.Quorum != got.Quorum {
		bad = append(bad, fmt.Sprintf("stage %q: expected quorum %d, got %d", want.Name, want.Quorum, got.Quorum))
	}
	can := map[workflows.PersonID]bool{}
	for _, tier := range append([][]workflows.Seat{got.Seats}, got.Tiers...) {
		for _, s := range tier {
			can[s.Person] = true
		}
	}
	var all []workflows.PersonID
	for p := range can {
		all = append(all, p)
	}
	slices.Sort(all)
	for _, p := range want.Can {
		if !can[p] {
			bad = append(bad, fmt.Sprintf("stage %q: expected that %s can decide; only these can: %s", want.Name, r.keyOf(p), r.keys(all)))
		}
	}
	for _, p := range want.Cannot {
		if can[p] {
			bad = append(bad, fmt.Sprintf("stage %q: expected that %s cannot decide, and they can", want.Name, r.keyOf(p)))
		}
	}
	return bad
}

// rehearsedAuthn is how somebody who asks by a channel proves who they are there.
func rehearsedAuthn(channel string) string {
	switch channel {
	case viaCLI:
		return unixPeer
	case "slack":
		return workflows.AuthnClick
	}
	return "rehearsal"
}
