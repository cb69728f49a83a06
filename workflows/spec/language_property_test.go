package spec_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// ruleTerm is a condition with the way to make it true or false.
type ruleTerm struct {
	text string
	set  func(in *spec.Inputs, yes bool)
}

func ruleTerms() []ruleTerm {
	return []ruleTerm{
		{`hour < 8`, func(in *spec.Inputs, yes bool) { in.Hour = map[bool]int{true: 3, false: 12}[yes] }},
		{`day == "Sunday"`, func(in *spec.Inputs, yes bool) { in.Day = map[bool]string{true: "Sunday", false: "Monday"}[yes] }},
		{`channel == "cli"`, func(in *spec.Inputs, yes bool) { in.Channel = map[bool]string{true: "cli", false: "slack"}[yes] }},
		{`"dba" in requester.groups`, func(in *spec.Inputs, yes bool) {
			in.Requester.Groups = map[bool][]string{true: {"dba"}, false: nil}[yes]
		}},
	}
}

// ruleDraw is a rule of the property: which terms, up to how many hours.
type ruleDraw struct {
	terms []int
	upTo  int // hours; 0: any length
}

func drawRules(t *rapid.T) []ruleDraw {
	var out []ruleDraw
	for range rapid.IntRange(1, 5).Draw(t, "rules") {
		r := ruleDraw{upTo: rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "up to")}
		for i := range ruleTerms() {
			if rapid.IntRange(0, 3).Draw(t, "term") == 0 {
				r.terms = append(r.terms, i)
			}
		}
		out = append(out, r)
	}
	return out
}

func (r ruleDraw) yaml(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s\n", name)
	if len(r.terms) > 0 {
		var texts []string
		for _, i := range r.terms {
			texts = append(texts, ruleTerms()[i].text)
		}
		fmt.Fprintf(&b, "    when: '%s'\n", strings.Join(texts, " && "))
	}
	if r.upTo > 0 {
		fmt.Fprintf(&b, "    up_to: %dh\n", r.upTo)
	}
	return b.String()
}

// Whatever rules a file has, the lint that a rule is never reached is right in both directions: over all answers of the conditions and all
// lengths, the engine never chooses a rule that was refused, and each rule that was let through is chosen for some ask.
func TestUnreachableRulesAreExactlyThoseThatAreNeverChosen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rules := drawRules(rt)
		var text strings.Builder
		text.WriteString("rules:\n")
		for i, r := range rules {
			text.WriteString(r.yaml(fmt.Sprintf("R%d", i)))
		}
		f := org(t)
		edit(t, f, "workflows/prod-db-read.yaml", "stages:\n", text.String()+"stages:\n")
		got := problems(t, f)
		chosen := everyChoice(t, rules)
		for i := range rules {
			refused := strings.Contains(got, fmt.Sprintf("rule \"R%d\" is never reached", i))
			if refused && chosen[i] {
				rt.Fatalf("rule R%d is refused and yet chosen for some ask:\n%s\n%s", i, text.String(), got)
			}
			if !refused && !chosen[i] && singlyCovered(rules, i) {
				rt.Fatalf("rule R%d is never chosen, since one rule covers it, and was let through:\n%s\n%s", i, text.String(), got)
			}
		}
	})
}

// everyChoice tells which rules the engine chooses for some ask.
func everyChoice(t *testing.T, rules []ruleDraw) map[int]bool {
	t.Helper()
	w := workflows.Workflow{Stages: []workflows.Stage{{Name: "S"}}}
	for i, r := range rules {
		w.Rules = append(w.Rules, workflows.Rule{Name: fmt.Sprintf("R%d", i), UpTo: workflows.Span(r.upTo * 3600)})
	}
	out := map[int]bool{}
	for bits := range 1 << len(ruleTerms()) {
		for hours := 1; hours <= 4; hours++ {
			var matched []bool
			for _, r := range rules {
				matched = append(matched, !slices.ContainsFunc(r.terms, func(i int) bool { return bits&(1<<i) == 0 }))
			}
			c, refusal := w.Pick(matched, workflows.Span(hours*3600))
			if refusal == nil {
				i := slices.IndexFunc(w.Rules, func(r workflows.Rule) bool { return r.Name == c.Rule.Name })
				out[i] = true
			}
		}
	}
	return out
}

// singlyCovered tells whether one earlier rule matches whenever rule i does. Several that cover it together are not looked for.
func singlyCovered(rules []ruleDraw, i int) bool {
	return slices.ContainsFunc(rules[:i], func(e ruleDraw) bool {
		fits := e.upTo == 0 || rules[i].upTo > 0 && rules[i].upTo <= e.upTo
		return fits && !slices.ContainsFunc(e.terms, func(x int) bool { return !slices.Contains(rules[i].terms, x) })
	})
}

// TestReq_R30_NoAskPassesWithFewerThanItsTierDemands: a folder that is taken has no ask, whatever the conditions answer, whose chain wants
// fewer people than its tier. The lint works ahead with unknown inputs; here every input is known.
func TestReq_R30_NoAskPassesWithFewerThanItsTierDemands(t *testing.T) {
	t.Parallel()
	p := compiled(t, company(t))
	c := spec.NewConditions()
	seenTiers := map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		w := p.Workflows[rapid.SampledFrom([]workflows.WorkflowID{
			"prod-database", "cloud-admin", "k8s-namespace", "github-team", "new-service-account", "api-key-rotation", "vendor-access", "freeze-exception", "agent-tool",
		}).Draw(rt, "workflow")].Workflow
		e := rapid.SampledFrom(w.Entitlements).Draw(rt, "entitlement")
		kind := "person"
		if w.Allows(workflows.ForOwned) && (!w.Allows(workflows.ForSelf) || rapid.Bool().Draw(rt, "owned")) {
			kind = rapid.SampledFrom([]string{"service_account", "api_key", "ai_agent"}).Draw(rt, "kind")
		}
		tier, _, ok := w.TierOf(e, kind)
		if !ok {
			rt.Fatalf("%s has no tier for %s", e.Name(), kind)
		}
		in := inputsFor(rt, w, e, kind)
		in.Tier, in.Risk = tier.Name, slices.IndexFunc(w.Risk.Tiers, func(x workflows.Tier) bool { return x.Name == tier.Name })
		var matched []bool
		for _, r := range w.Rules {
			yes := true
			if r.When != "" {
				var err error
				if yes, err = c.Eval(r.When, in); err != nil {
					rt.Fatalf("%s of %s: %v", r.Name, w.ID, err)
				}
			}
			matched = append(matched, yes)
		}
		choice, refusal := w.Pick(matched, in.Seconds)
		if refusal != nil {
			return
		}
		n := 0
		for _, s := range w.Planned(choice.Stages).Stages {
			if s.Kind != workflows.StageConsent {
				n += s.Quorum
			}
		}
		if n < tier.Approvers {
			rt.Fatalf("%s gives %s to %s with %d approvals by %v, and tier %s demands %d", w.ID, e.Name(), kind, n, choice.Rule, tier.Name, tier.Approvers)
		}
		seenTiers[tier.Name] = true
	})
	if len(seenTiers) < 3 {
		t.Errorf("only the tiers %v were met", seenTiers)
	}
}

func inputsFor(rt *rapid.T, w workflows.Workflow, e workflows.Entitlement, kind string) spec.Inputs {
	in := seen()
	in.Subject = workflows.InputSubject{ID: "x", Kind: kind, Self: kind == "person"}
	in.Target = workflows.InputTarget{ID: e.Target, Environment: e.Environment, DataClass: e.DataClass, Owner: e.Owner}
	in.Entitlement = workflows.InputEntitlement{ID: e.ID, Action: e.Action, Breadth: e.Breadth}
	in.Seconds = workflows.Span(rapid.IntRange(60, 40_000).Draw(rt, "seconds"))
	in.Hour, in.Renewals = rapid.IntRange(0, 23).Draw(rt, "hour"), rapid.IntRange(0, 4).Draw(rt, "renewals")
	in.Business = rapid.Bool().Draw(rt, "business")
	in.Freeze = rapid.SampledFrom([]string{"", "year-end"}).Draw(rt, "freeze")
	in.Fields, in.Severity = map[string]workflows.InputField{}, ""
	for _, f := range w.Fields {
		if f.Optional && rapid.Bool().Draw(rt, "empty") {
			continue
		}
		switch f.Type {
		case workflows.FieldChoice:
			v := rapid.SampledFrom(f.Choices).Draw(rt, f.Name)
			in.Fields[f.Name] = workflows.InputField{Type: f.Type, Value: v}
			if f.Name == "severity" {
				in.Severity = v
			}
		case workflows.FieldNumber:
			in.Fields[f.Name] = workflows.InputField{Type: f.Type, Value: fmt.Sprint(rapid.IntRange(1, 40).Draw(rt, f.Name))}
		case workflows.FieldDuration:
			in.Fields[f.Name] = workflows.InputField{Type: f.Type, Value: fmt.Sprintf("%dm", rapid.IntRange(15, 240).Draw(rt, f.Name))}
		}
	}
	return in
}

// FuzzCondition reads arbitrary texts as conditions: where a file is read and where an ask is judged. Neither may panic, and what one refuses
// for its form the other does not answer.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		`hour < 8`, `target.environment == "production" && fields.scope == "audit"`, `duration <= duration("4h") ? true : false`, `requester.groups.exists(g, g == "dba")`,
		`"dba" in requester.groups`, `has(fields.scope)`, `network == "x"`, `'`, `"`, `(((`, `1/0 == 1`, `{"a": 1}.a == 1`, `[1,2][5] == 1`, `subject{}`, `type(hour) == int`, "\x00", `hour < 8 && \n day == "x"`,
	} {
		f.Add(s)
	}
	base := org(f)
	c := spec.NewConditions()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\n'") || len(text) > 600 {
			return
		}
		files := inMemory(t, base)
		edit(t, files, "workflows/prod-db-read.yaml", "stages:\n", "rules:\n  - name: R\n    when: '"+text+"'\n  - name: Rest\nstages:\n")
		refused := problems(t, files)
		in := seen()
		in.Fields = map[string]workflows.InputField{"scope": {Type: workflows.FieldChoice, Value: "audit"}}
		_, err := c.Eval(strings.TrimSpace(text), in)
		if refused == "" && err != nil && !strings.Contains(err.Error(), "cost limit") && !strings.Contains(err.Error(), "overflow") && !strings.Contains(err.Error(), "range") {
			t.Errorf("%q was taken when the file was read, and cannot be told with every input known: %v", text, err)
		}
	})
}
