package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// paper is a chronicle in memory.
type paper struct {
	streams map[workflows.StreamID][]workflows.Record
	docs    map[workflows.DocHash][]byte
}

func (p paper) history(_ context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	return p.streams[s], nil
}

func (p paper) document(_ context.Context, h workflows.DocHash) ([]byte, error) {
	b, ok := p.docs[h]
	if !ok {
		return nil, ledger.ErrNoDocument
	}
	return b, nil
}

// judgedAsk is a chain that uses the whole language, and an ask that went by it: a robot of Maya's, by the rule for short asks.
type judgedAsk struct {
	w      workflows.Workflow
	sub    workflows.Submitted
	opened workflows.StageOpened
	auto   *workflows.AutoApproved
	away   bool // Jonas named Ada to decide in his place
}

const robot workflows.IdentityID = "svc-deploy"

func newJudgedAsk() *judgedAsk {
	boss := workflows.Selector{People: []workflows.PersonID{jonas}, Rotations: []string{"night"}, Fallback: &workflows.Selector{People: []workflows.PersonID{ada}}}
	return &judgedAsk{
		away: true,
		w: workflows.Workflow{
			ID: "deploys", Kind: workflows.KindElevation, Ask: workflows.Selector{Anyone: true}, For: []string{workflows.ForOwned}, Longest: 4 * 3600,
			Entitlements: []workflows.Entitlement{{Target: "pg", ID: "write", Owner: jonas, Environment: "production", Connector: "postgres"}},
			Choose:       workflows.ChooseSpecific,
			Rules: []workflows.Rule{
				{Name: "any", Stages: []string{"Team", "Security"}},
				{Name: "short", When: "true", Terms: 1, UpTo: 3600, Stages: []string{"Team"}, Longest: 1800},
				{Name: "robots at night", When: "true", Terms: 3, Auto: &workflows.Auto{Times: 2, Per: 86400, Sample: 10}},
				{Name: "never", When: "false", Terms: 9, Refuse: "Nobody may have this."},
			},
			Stages: []workflows.Stage{
				{Name: "Team", Approvers: boss, Quorum: 1, Timeout: 3600},
				{Name: "Security", Approvers: workflows.Selector{People: []workflows.PersonID{ada}}, Quorum: 1, Timeout: 3600},
			},
			Risk: &workflows.RiskTable{
				Tiers: []workflows.Tier{{Name: "low"}, {Name: "high", Longest: 1700}},
				Rows:  []workflows.RiskRow{{Environment: []string{"production"}, Principal: []string{"service_account"}, Tier: "high"}, {Tier: "low"}},
			},
		},
		sub: workflows.Submitted{
			Workflow: "deploys", Request: workflows.KindElevation, Subject: robot, Sponsor: maya, Target: "pg", Entitlement: "write", Seconds: 1500, Rule: "may_ask: anyone",
			Digest: "d", Chosen: "short", Principal: "service_account", Risk: "high", RiskRow: 1,
			Trace: []workflows.RuleOutcome{{Rule: "any", Matched: true}, {Rule: "short", Matched: true}, {Rule: "robots at night"}, {Rule: "never"}},
			Plan:  []workflows.PlannedStage{{Name: "Team", Quorum: 1, Timeout: 3600}},
		},
		opened: workflows.StageOpened{Roster: []workflows.Seat{{Person: ada, Why: "named", For: jonas}}, TimesOutAt: 1 << 40},
	}
}

// judged writes the ask down as the bot does and gives what is wrong with it.
func (x *judgedAsk) judged(t *testing.T) []string {
	t.Helper()
	doc, err := json.Marshal(x.w)
	if err != nil {
		t.Fatal(err)
	}
	hash := workflows.HashDocument(doc)
	account := workflows.ActorID("a_maya")
	past := newPast()
	index := int64(0)
	note := func(stream workflows.StreamID, e workflows.Event) {
		past.note(workflows.Record{Index: index, Stream: stream, Event: e})
		index++
	}
	note(workflows.PolicyStream, workflows.PolicyLoaded{Workflows: map[string]workflows.DocHash{"deploys": hash}})
	note(workflows.PersonStream(maya), identities.Linked{Account: account})
	note(workflows.IdentityStream(robot), identities.Registered{Owner: maya, Class: "service_account"})
	if x.away {
		note(workflows.PersonStream(jonas), identities.Away{Delegate: ada})
	}
	stream := workflows.RequestStream("r_1")
	events := []workflows.Event{x.sub}
	if x.auto == nil {
		events = append(events, x.opened)
	} else {
		events = append(events, *x.auto, workflows.Approved{Digest: "d", Grant: "g_1"})
	}
	var h []workflows.Record
	for i, e := range events {
		h = append(h, workflows.Record{
			Index: index + int64(i), Stream: stream, Seq: int64(i) + 1, At: workflows.Instant{UTC: 1_000_000}, Actor: account, Person: maya, Policy: hash, Event: e,
		})
	}
	end := workflows.Stamp(1_000_000).Add(x.sub.Seconds.Duration())
	of := workflows.GrantStream(robot, "pg", "write")
	grant := workflows.Record{
		Index: index + 9, Stream: of, Seq: 1, At: workflows.Instant{UTC: 1_000_000}, Policy: hash, Event: grants.Approved{
			Grant: "g_1", Request: "r_1", Identity: robot, Requester: maya, Owner: jonas, Target: "pg", Entitlement: "write", Connector: "postgres", EndsAt: end,
			EndsMono: x.sub.Seconds.Duration().Nanoseconds(),
		},
	}
	var out replayed
	p := paper{streams: map[workflows.StreamID][]workflows.Record{stream: h}, docs: map[workflows.DocHash][]byte{hash: doc}}
	if x.auto != nil {
		p.streams[of] = []workflows.Record{grant}
	}
	j := newJudge(p, past, &out)
	for _, s := range []workflows.StreamID{stream, of} {
		if err := j.stream(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	var texts []string
	for _, f := range out.found {
		texts = append(texts, f.text)
	}
	return texts
}

// automatic turns the ask into one that the document itself approves.
func (x *judgedAsk) automatic() {
	x.sub.Trace[2].Matched, x.sub.Chosen, x.sub.Plan = true, "robots at night", nil
	x.auto = &workflows.AutoApproved{Rule: "robots at night", Used: 1, Times: 2, Per: 86400}
}

// TestReplayHoldsTheWholeLanguage judges asks by rules, risk, delegates, fallbacks, rotations and automatic approval: what the document allows
// passes, and each step off it is named.
func TestReplayHoldsTheWholeLanguage(t *testing.T) {
	for _, c := range []struct {
		name, says string // says is empty for what the document allows
		bend       func(*judgedAsk)
	}{
		{"as it should be", "", func(*judgedAsk) {}},
		{"approved by the document", "", (*judgedAsk).automatic},
		{"the person on shift", "", func(x *judgedAsk) { x.opened.Roster[0] = workflows.Seat{Person: maya + "2", Why: "rotation:night"} }},
		{"the fallback", "", func(x *judgedAsk) { x.opened.Roster[0] = workflows.Seat{Person: ada, Why: "fallback:named"} }},
		{"another rule than the answers choose", "is not the one that its answers choose", func(x *judgedAsk) { x.sub.Chosen = "any" }},
		{"no rule matched", "No rule of this chain covers", func(x *judgedAsk) { x.sub.Trace[0].Matched, x.sub.Trace[1].Matched = false, false }},
		{"a rule that lets nobody", "Nobody may have this", func(x *judgedAsk) { x.sub.Trace[3].Matched = true }},
		{"rules of another document", "recorded for other rules", func(x *judgedAsk) { x.sub.Trace[1].Rule = "long" }},
		{"answers left out", "could not be worked out", func(x *judgedAsk) { x.sub.Trace = x.sub.Trace[:2] }},
		{"longer than the rule", "longer than the 1700s", func(x *judgedAsk) { x.sub.Seconds = 1750 }},
		{"too long for the rule to match", "is not the one that its answers choose", func(x *judgedAsk) { x.sub.Seconds = 3601 }},
		{"another risk", "which the table of its document does not give", func(x *judgedAsk) { x.sub.Risk, x.sub.RiskRow = "low", 2 }},
		{"more than a click, which its tier does not want", "recorded with a click as enough, or not enough", func(x *judgedAsk) { x.sub.StepUp = true }},
		{"a click, where its tier wants more", "recorded with a click as enough, or not enough", func(x *judgedAsk) { x.w.Risk.Tiers[1].StepUp = true }},
		{"more than a click, as its tier wants", "", func(x *judgedAsk) { x.w.Risk.Tiers[1].StepUp, x.sub.StepUp = true, true }},
		{"another kind of holder", "which the table of its document does not give", func(x *judgedAsk) { x.sub.Principal = "person" }},
		{"a robot of somebody else", "neither owned nor backed up", func(x *judgedAsk) { x.sub.Subject = "svc-other"; x.sub.Sponsor = ada }},
		{"for herself", "is for the person who asks, which the document does not allow", func(x *judgedAsk) {
			x.sub.Subject, x.sub.Principal, x.sub.Risk, x.sub.RiskRow = maya.Identity(), "person", "low", 2
		}},
		{"a stage too many", "it has 2 stages, the document 1 stage", func(x *judgedAsk) {
			x.sub.Plan = append(x.sub.Plan, workflows.PlannedStage{Name: "Security", Quorum: 1, Timeout: 3600})
		}},
		{"a stage with other terms", "has other terms than the document gives it", func(x *judgedAsk) { x.sub.Plan[0].Timeout = 60 }},
		{"who may decide twice", "lets somebody decide twice", func(x *judgedAsk) {
			x.w.Rules[1].Stages = nil
			x.sub.Plan = append(x.sub.Plan, workflows.PlannedStage{Name: "Security", Quorum: 1, Timeout: 3600, Apart: []int{-1}})
		}},
		{"a delegate whom nobody named", "never named", func(x *judgedAsk) { x.away = false }},
		{"a delegate of somebody who named nobody", "never named", func(x *judgedAsk) { x.opened.Roster[0].For = maya }},
		{"a shift of another rotation", "the document does not name", func(x *judgedAsk) { x.opened.Roster[0] = workflows.Seat{Person: ada, Why: "rotation:day"} }},
		{"who is excluded", "the document excludes", func(x *judgedAsk) { x.w.Stages[0].Approvers.Exclude = []workflows.PersonID{ada} }},
		{"approved too often", "approves by rule|for the 3. time of 2", func(x *judgedAsk) { x.automatic(); x.auto.Used = 3 }},
		{"approved by another rule", "approves by rule|which did not choose it", func(x *judgedAsk) { x.automatic(); x.auto.Rule = "short" }},
		{"approved more often than the document allows", "approves by rule", func(x *judgedAsk) { x.automatic(); x.auto.Times, x.auto.Used = 20, 9 }},
		{"approved by nobody", "it has 0 stages, the document 1 stage", func(x *judgedAsk) {
			x.automatic()
			x.w.Rules[2].Auto = nil
			x.w.Rules[2].Stages = []string{"Team"}
		}},
		{"a standing window that is none", "does not cover it", func(x *judgedAsk) { x.sub.Window = "r_0" }},
	} {
		x := newJudgedAsk()
		c.bend(x)
		got := x.judged(t)
		text := strings.Join(got, "\n")
		switch {
		case c.says == "" && len(got) > 0:
			t.Errorf("%s: %s", c.name, text)
		case c.says != "" && !slices.ContainsFunc(strings.Split(c.says, "|"), func(s string) bool { return strings.Contains(text, s) }):
			t.Errorf("%s: want %q, got %q", c.name, c.says, text)
		}
	}
}
