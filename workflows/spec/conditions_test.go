package spec_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func stamp(s string) workflows.Stamp {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return workflows.StampOf(t)
}

// seen is what a condition sees of one ask.
func seen() spec.Inputs {
	return spec.Inputs{
		Requester:   workflows.InputPerson{ID: "p_1", Groups: []string{"dba", "engineers"}, Zone: "Europe/Berlin", Manager: "p_2", Kind: "person"},
		Subject:     workflows.InputSubject{ID: "agent-atlas", Kind: "ai_agent", Owner: "p_1", Environment: "production"},
		Target:      workflows.InputTarget{ID: "pg-orders", Environment: "production", DataClass: "personal", Owner: "p_3"},
		Entitlement: workflows.InputEntitlement{ID: "read", Action: "read", Breadth: "set"},
		Fields: map[string]workflows.InputField{
			"area": {Type: workflows.FieldChoice, Value: "orders_read"}, "count": {Type: workflows.FieldNumber, Value: "12"},
			"visit": {Type: workflows.FieldDuration, Value: "2h"}, "until": {Type: workflows.FieldDateTime, Value: "2026-12-01T00:00:00.000000Z"},
			"ticket": {Type: workflows.FieldTicket, Value: "SUP-4711"}, "system": {Type: workflows.FieldTarget, Value: "pg-orders"},
			"helper": {Type: workflows.FieldIdentity, Value: "agent-atlas"},
		},
		Seconds: 4 * 3600, Now: stamp("2026-11-22T03:00:00Z"), Day: "Sunday", Hour: 4, Business: false, Freeze: "year-end", Risk: 2, Tier: "high",
		Severity: "outage", Channel: "cli", Network: "office", Renewals: 1,
	}
}

func TestConditionsSeeEveryInput(t *testing.T) {
	t.Parallel()
	c := spec.NewConditions()
	for expr, want := range map[string]bool{
		`requester.id == subject.owner`:                                         true,
		`requester.id == target.owner`:                                          false,
		`"dba" in requester.groups && !("sre" in requester.groups)`:             true,
		`requester.zone.startsWith("Europe/")`:                                  true,
		`requester.manager != requester.id && requester.kind == "person"`:       true,
		`subject.kind == "ai_agent" && !subject.self`:                           true,
		`subject.id == "agent-atlas" && subject.environment == "production"`:    true,
		`target.id == "pg-orders" && target.data_class in ["personal", "card"]`: true,
		`target.environment == "staging"`:                                       false,
		`entitlement.id == "read" && entitlement.action != "write"`:             true,
		`entitlement.breadth == "all"`:                                          false,
		`fields.area == "orders_read" && fields.count >= 12`:                    true,

		`fields.count > 12`:                                              false,
		`fields.count - 2 + 1 == 11`:                                     true,
		`-fields.count < 0`:                                              true,
		`fields.visit < duration`:                                        true,
		`fields.visit + duration("2h") == duration`:                      true,
		`duration - fields.visit == duration("120m")`:                    true,
		`fields.until > now + duration("7d")`:                            true,
		`fields.until - now > duration("9d")`:                            false,
		`now - duration("1d") < timestamp("2026-11-21T03:00:01Z")`:       true,
		`fields.ticket.endsWith("11") && fields.ticket.contains("P-4")`:  true,
		`fields.system == target.id && fields.helper == subject.id`:      true,
		`has(fields.area) && !has(fields.other)`:                         true,
		`duration <= duration("4h") && duration > duration("239m")`:      true,
		`now < timestamp("2026-11-22T03:00:00Z")`:                        false,
		`day in ["Saturday", "Sunday"] && hour < 8`:                      true,
		`business ? risk == 0 : risk >= 2`:                               true,
		`freeze == "year-end" && tier == "high" && severity == "outage"`: true,
		`channel == "cli" && network == "office" && renewals == 1`:       true,
		`requester.groups.size() == 2 && fields.ticket.size() > 3`:       true,
	} {
		got, err := c.Eval(expr, seen())
		if err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", expr, got, err, want)
		}
	}
}

// What cannot be told refuses: an error is never a no.
func TestConditionsThatCannotBeTold(t *testing.T) {
	t.Parallel()
	c := spec.NewConditions()
	blind := seen()
	blind.Network, blind.Tier = "", ""
	delete(blind.Fields, "area")
	bad := seen()
	bad.Fields = map[string]workflows.InputField{"count": {Type: workflows.FieldNumber, Value: "twelve"}}
	badSpan, badMoment, free := seen(), seen(), seen()
	badSpan.Fields = map[string]workflows.InputField{"visit": {Type: workflows.FieldDuration, Value: "2 hours"}}
	badMoment.Fields = map[string]workflows.InputField{"until": {Type: workflows.FieldDateTime, Value: "tomorrow"}}
	free.Fields = map[string]workflows.InputField{"note": {Type: workflows.FieldText, Value: "private"}}
	long := seen()
	long.Fields["ticket"] = workflows.InputField{Type: workflows.FieldTicket, Value: strings.Repeat("x", 3000)}
	for name, x := range map[string]struct {
		expr string
		in   spec.Inputs
		want string
	}{
		"network that is not known":  {`network == "office" && hour < 8`, blind, "network"},
		"tier that is not known":     {`tier != "high"`, blind, "tier"},
		"field that was left empty":  {`fields.area == "orders_read"`, blind, "area"},
		"number that is none":        {`hour < 8`, bad, `"twelve" is no whole number`},
		"duration that is none":      {`hour < 8`, badSpan, "2 hours"},
		"moment that is none":        {`hour < 8`, badMoment, "tomorrow"},
		"free text":                  {`hour < 8`, free, "free text is no input"},
		"answer that is no truth":    {`fields.area`, seen(), "want true or false"},
		"text that does not parse":   {`hour <`, seen(), "Syntax error"},
		"name that there is not":     {`hours < 8`, seen(), "undeclared reference"},
		"loop":                       {`requester.groups.exists(g, g == "dba")`, seen(), "undeclared reference"},
		"regular expression":         {`fields.ticket.matches("S.*")`, seen(), "undeclared reference"},
		"clock":                      {`now() > now`, seen(), "undeclared reference"},
		"types that do not fit":      {`hour < "8"`, seen(), "no matching overload"},
		"types that do not fit, dyn": {`fields.area > 3`, seen(), "no such overload"},
		"too long":                   {strings.Repeat("hour < 8 && ", 50) + "hour < 8", seen(), "at most 500 are allowed"},
		"too costly":                 {`fields.ticket.contains(fields.ticket) || fields.ticket.contains(fields.ticket)`, long, "actual cost limit exceeded"},
		"duration of Go":             {`duration < duration("1h30m")`, seen(), `bad duration "1h30m"`},
		"nested too deep":            {strings.Repeat("(", 40) + "business" + strings.Repeat(")", 40), seen(), "recursion limit"},
	} {
		got, err := c.Eval(x.expr, x.in)
		if err == nil || got || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %s is %v (%v), want an error that says %q", name, x.expr, got, err, x.want)
		}
		again, twice := c.Eval(x.expr, x.in)
		if twice == nil || again || twice.Error() != err.Error() {
			t.Errorf("%s: the second time it is %v (%v), and was %v", name, again, twice, err)
		}
	}
}

// The same text and the same inputs give the same answer, by any evaluator, at the same time, and from what is kept in the ledger (R3).
func TestReq_R3_ConditionsAnswerTheSameFromTheRecord(t *testing.T) {
	t.Parallel()
	shared := spec.NewConditions()
	terms := []string{
		`hour < 8`, `day == "Sunday"`, `"dba" in requester.groups`, `duration <= duration("4h")`, `fields.count > 10`, `has(fields.area)`,
		`risk >= 2`, `now < timestamp("2027-01-01T00:00:00Z")`, `subject.self`, `target.environment in ["production", "staging"]`,
		`network == "office"`, `fields.visit > duration("1h")`, `renewals == 0`, `requester.id == subject.owner`, `tier == "high"`,
	}
	rapid.Check(t, func(t *rapid.T) {
		expr := rapid.SampledFrom(terms).Draw(t, "first")
		for range rapid.IntRange(0, 4).Draw(t, "more") {
			expr = fmt.Sprintf("%s %s %s%s", expr, rapid.SampledFrom([]string{"&&", "||"}).Draw(t, "op"), rapid.SampledFrom([]string{"", "!"}).Draw(t, "not"), "("+rapid.SampledFrom(terms).Draw(t, "term")+")")
		}
		in := seen()
		in.Hour, in.Risk, in.Renewals = rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 3).Draw(t, "risk"), rapid.IntRange(0, 2).Draw(t, "renewals")
		in.Seconds = workflows.Span(rapid.IntRange(60, 100_000).Draw(t, "seconds"))
		in.Network = rapid.SampledFrom([]string{"", "office", "vpn"}).Draw(t, "network")
		in.Requester.Groups = rapid.SampledFrom([][]string{nil, {"dba"}, {"sre", "web"}}).Draw(t, "groups")
		if rapid.Bool().Draw(t, "empty") {
			delete(in.Fields, "area")
		}
		want, wantErr := shared.Eval(expr, in)
		text, err := in.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := workflows.ReadInputs(text)
		if err != nil {
			t.Fatal(err)
		}
		got, gotErr := spec.NewConditions().Eval(expr, back)
		if got != want || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%s is %v (%v) from the record and was %v (%v)", expr, got, gotErr, want, wantErr)
		}
		if twice, err := back.JSON(); err != nil || twice != text {
			t.Fatalf("inputs are %s (%v) when they are written again, and were %s", twice, err, text)
		}
	})
}

func TestConditionsAreSharedSafely(t *testing.T) {
	t.Parallel()
	c := spec.NewConditions()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 60 { // many texts, so that some are compiled while others are evaluated
				expr := fmt.Sprintf("hour < %d", (i+n)%30)
				got, err := c.Eval(expr, seen())
				if err != nil || got != (4 < (i+n)%30) {
					t.Errorf("%s is %v (%v)", expr, got, err)
				}
			}
		})
	}
	wg.Wait()
}

// The evaluator keeps what it compiled, but not without end: texts come from files, and files change.
func TestCompiledConditionsAreBounded(t *testing.T) {
	t.Parallel()
	c := spec.NewConditions()
	for n := range spec.MaxPrograms + 50 {
		if _, err := c.Eval("("+strings.Repeat("(", n%25)+fmt.Sprintf("hour < %d", n), seen()); err == nil { // does not parse: quick to compile
			t.Fatal("a bracket too many was taken")
		}
		if n := spec.Programs(c); n > spec.MaxPrograms {
			t.Fatalf("%d texts are kept, at most %d may be", n, spec.MaxPrograms)
		}
	}
}

func TestInputsHaveALimit(t *testing.T) {
	t.Parallel()
	in := seen()
	for n := range 200 {
		in.Requester.Groups = append(in.Requester.Groups, fmt.Sprintf("group-with-a-long-name-%d-%s", n, strings.Repeat("x", 30)))
	}
	if text, err := in.JSON(); err == nil {
		t.Errorf("%d bytes of inputs are recorded", len(text))
	}
	for _, bad := range []string{``, `{`, `{"requester":{"nick":"x"}}`, `{} {}`, `{"now":"yesterday"}`, strings.Repeat(" ", workflows.MaxInputs+1)} {
		if in, err := workflows.ReadInputs(bad); err == nil {
			t.Errorf("%.40q was read as %+v", bad, in)
		}
	}
}

// Compiled conditions say how specific they are: what stands between the top-level &&, and a length counts as one.
func TestTermsOfConditions(t *testing.T) {
	t.Parallel()
	p := compiled(t, company(t))
	for id, want := range map[workflows.WorkflowID]map[string]int{
		"k8s-namespace": {"Staging": 2, "Production": 1, "Billing in production": 2},
		"prod-database": {"Short look": 3, "Long look": 1, "Repair": 0},
		"vendor-access": {"Longer than the work takes": 2, "Maintenance": 0},
	} {
		for _, r := range p.Workflows[id].Workflow.Rules {
			if w, ok := want[r.Name]; !ok || r.Terms != w {
				t.Errorf("rule %q of %s has %d terms, want %d", r.Name, id, r.Terms, w)
			}
		}
	}
}

func BenchmarkConditionCompile(b *testing.B) {
	for b.Loop() {
		c := spec.NewConditions()
		if _, err := c.Eval(`target.environment == "production" && fields.count > 10 && duration <= duration("4h")`, seen()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConditionEval(b *testing.B) {
	c, in := spec.NewConditions(), seen()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Eval(`target.environment == "production" && fields.count > 10 && duration <= duration("4h")`, in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConditionWorst is a condition that uses all the steps it may.
func BenchmarkConditionWorst(b *testing.B) {
	c, in := spec.NewConditions(), seen()
	in.Fields["ticket"] = workflows.InputField{Type: workflows.FieldTicket, Value: strings.Repeat("x", 1000)}
	for b.Loop() {
		_, _ = c.Eval(`fields.ticket.contains("xy") || fields.ticket.contains("yx") || fields.ticket.contains(fields.ticket)`, in)
	}
}
