package workflows_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// The rule that is chosen is the one that reading the list aloud gives: the first that matches, or the one with the most terms and no equal.
func TestPickIsWhatReadingAloudGives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &workflows.Workflow{Choose: rapid.SampledFrom([]string{workflows.ChooseFirst, workflows.ChooseSpecific}).Draw(t, "choose")}
		for _, n := range []string{"a", "b", "c"} {
			w.Stages = append(w.Stages, workflows.Stage{Name: n})
		}
		var matched []bool
		for i := range rapid.IntRange(1, 6).Draw(t, "rules") {
			w.Rules = append(w.Rules, workflows.Rule{
				Name: fmt.Sprintf("r%d", i), Terms: rapid.IntRange(0, 3).Draw(t, "terms"), UpTo: workflows.Span(rapid.SampledFrom([]int64{0, 600, 3600}).Draw(t, "up to")),
				Stages: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.ID[string]).Draw(t, "stages"),
				Refuse: rapid.SampledFrom([]string{"", "", "", "Never."}).Draw(t, "refuse"),
			})
			matched = append(matched, rapid.Bool().Draw(t, "matched"))
		}
		seconds := workflows.Span(rapid.SampledFrom([]int64{60, 600, 601, 3600, 3601}).Draw(t, "seconds"))
		var cover []workflows.Rule
		for i, r := range w.Rules {
			if matched[i] && (r.UpTo == 0 || seconds <= r.UpTo) {
				cover = append(cover, r)
			}
		}
		if w.Choose == workflows.ChooseSpecific {
			slices.SortStableFunc(cover, func(a, b workflows.Rule) int { return b.Terms - a.Terms })
		}
		want := ""
		switch {
		case len(cover) == 0:
			want = workflows.CodeNoRule
		case w.Choose == workflows.ChooseSpecific && len(cover) > 1 && cover[0].Terms == cover[1].Terms:
			want = workflows.CodeAmbiguous
		case cover[0].Refuse != "":
			want = workflows.CodeRule
		}
		c, r := w.Pick(matched, seconds)
		switch {
		case want != "":
			if r == nil || r.Code != want {
				t.Fatalf("refused with %v, want %s", r, want)
			}
			if want == workflows.CodeAmbiguous && (!strings.Contains(r.Sentence, `"`+cover[0].Name+`"`) || !strings.Contains(r.Sentence, `"r`)) {
				t.Fatalf("%q names neither", r.Sentence)
			}
			return
		case r != nil || c.Rule.Name != cover[0].Name:
			t.Fatalf("chosen %v, refused %v, want %s", c.Rule, r, cover[0].Name)
		}
		if len(c.Trace) != len(w.Rules) {
			t.Fatalf("%d of %d rules are on record", len(c.Trace), len(w.Rules))
		}
		for i, o := range c.Trace {
			if o.Rule != w.Rules[i].Name || o.Matched != slices.ContainsFunc(cover, func(r workflows.Rule) bool { return r.Name == o.Rule }) {
				t.Fatalf("rule %d is on record as %+v", i, o)
			}
		}
		planned := w.Planned(c.Stages)
		if len(planned.Stages) != len(c.Stages) || len(w.Stages) != 3 {
			t.Fatalf("planned %d stages of %v", len(planned.Stages), c.Stages)
		}
		for i, st := range planned.Stages {
			if st.Name != c.Stages[i] || i > 0 && st.Name <= planned.Stages[i-1].Name {
				t.Fatalf("planned %s at %d of %v", st.Name, i, c.Stages)
			}
		}
	})
}

// As many answers as rules, or none of them counts: a list that is too short or too long is not the answer to this workflow.
func TestPickWantsAnAnswerForEveryRule(t *testing.T) {
	t.Parallel()
	w := &workflows.Workflow{Rules: []workflows.Rule{{Name: "a"}, {Name: "b"}}}
	for n := range 5 {
		_, r := w.Pick(make([]bool, n), 60)
		if want := map[bool]string{true: workflows.CodeNoRule, false: workflows.CodeDirectory}[n == 2]; r == nil || r.Code != want {
			t.Errorf("%d answers: %v", n, r)
		}
	}
	if c, r := (&workflows.Workflow{Stages: []workflows.Stage{{Name: "a"}}}).Pick(nil, 60); r != nil || c.Rule != nil || c.Auto() || !slices.Equal(c.Stages, []string{"a"}) {
		t.Errorf("%+v, %v", c, r)
	}
	if c, r := (&workflows.Workflow{Rules: []workflows.Rule{{Name: "a", Auto: &workflows.Auto{Times: 1}}}}).Pick([]bool{true}, 60); r != nil || !c.Auto() || len(c.Stages) > 0 {
		t.Errorf("%+v, %v", c, r)
	}
}

// The first row whose every list is empty or holds the ask's word decides; a row that names a tier which is not there decides nothing.
func TestTierOf(t *testing.T) {
	t.Parallel()
	w := &workflows.Workflow{Risk: &workflows.RiskTable{
		Tiers: []workflows.Tier{{Name: "low"}, {Name: "mid", Longest: 3600}, {Name: "high", Approvers: 2}},
		Rows: []workflows.RiskRow{
			{Environment: []string{"production"}, DataClass: []string{"personal", "secret"}, Tier: "high"},
			{Action: []string{workflows.ActionAdmin}, Breadth: []string{workflows.BreadthAll}, Tier: "high"},
			{Principal: []string{"ai_agent"}, Tier: "mid"},
			{Environment: []string{"lost"}, Tier: "nowhere"},
			{Environment: []string{"production"}, Tier: "mid"},
			{Environment: []string{"test", "development"}, Tier: "low"},
		},
	}}
	for _, c := range []struct {
		environment, class, action, breadth, principal string
		tier                                           string
		row                                            int
	}{
		{"production", "personal", "read", "one", "person", "high", 1},
		{"production", "secret", "admin", "all", "ai_agent", "high", 1},
		{"test", "public", "admin", "all", "person", "high", 2},
		{"test", "public", "admin", "set", "person", "low", 6},
		{"test", "public", "read", "all", "ai_agent", "mid", 3},
		{"production", "public", "read", "one", "person", "mid", 5},
		{"development", "", "", "", "", "low", 6},
		{"lost", "", "", "", "", "", 0},
		{"elsewhere", "personal", "write", "set", "person", "", 0},
	} {
		e := workflows.Entitlement{Environment: c.environment, DataClass: c.class, Action: c.action, Breadth: c.breadth}
		tier, row, ok := w.TierOf(e, c.principal)
		if tier.Name != c.tier || row != c.row || ok != (c.tier != "") {
			t.Errorf("%+v: %s by row %d, %t", c, tier.Name, row, ok)
		}
	}
	if _, _, ok := (&workflows.Workflow{}).TierOf(workflows.Entitlement{}, "person"); ok {
		t.Error("a tier without a table")
	}
	for verb, want := range map[string]bool{workflows.VerbDeny: true, workflows.VerbApprove: false, workflows.VerbRevoke: true} {
		if got := (&workflows.Workflow{ReasonFor: []string{workflows.VerbRevoke}}).Demands(verb); got != want {
			t.Errorf("%s demands a reason: %t", verb, got)
		}
	}
}

// An offer that is accepted never gives more than what was asked, and never sooner.
func TestOffersOnlyEverTakeAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld("peers(ann bob)x1 timeout 4h | later 1d | also reader read one | also reader2 read set | also root admin all")
		if err != nil {
			t.Fatal(err)
		}
		rank := []string{"reader", "reader2", "writer", "root"}
		asked := rapid.IntRange(0, 3).Draw(t, "asked")
		length := rapid.IntRange(2, 240).Draw(t, "minutes")
		code, err := x.step(strings.Fields(fmt.Sprintf("zed submits of %s lasting %dm later %dm", rank[asked], length, rapid.IntRange(0, 600).Draw(t, "later"))))
		if err != nil || code != "" {
			t.Fatal(code, err)
		}
		before, _ := x.state()
		terms := ""
		if rapid.Bool().Draw(t, "shorter") {
			terms += fmt.Sprintf(" %dm", rapid.IntRange(0, 300).Draw(t, "to"))
		}
		if rapid.Bool().Draw(t, "narrower") {
			terms += " of " + rapid.SampledFrom(rank).Draw(t, "to")
		}
		if rapid.Bool().Draw(t, "later") {
			terms += fmt.Sprintf(" later %dm", rapid.IntRange(-60, 2000).Draw(t, "by"))
		}
		if code, err = x.step(strings.Fields("ann counters" + terms)); err != nil {
			t.Fatal(err)
		}
		if code != "" {
			return // no offer
		}
		after, _ := x.state()
		o := workflows.OffersOf(after)
		if len(o) != 1 {
			t.Fatalf("%d offers", len(o))
		}
		words := fmt.Sprintf("zed accepts ann of %s lasting %ds", before.Asked.Entitlement, before.Asked.Seconds)
		if o[0].Terms.Target != "" {
			words = fmt.Sprintf("zed accepts ann of %s lasting %ds", o[0].Terms.Entitlement, before.Asked.Seconds)
		}
		if o[0].Terms.Seconds != 0 {
			words = strings.ReplaceAll(words, fmt.Sprintf("lasting %ds", before.Asked.Seconds), fmt.Sprintf("lasting %ds", o[0].Terms.Seconds))
		}
		if o[0].Terms.NotBefore == 0 && before.Asked.NotBefore != 0 {
			words += fmt.Sprintf(" later %dm", int(before.Asked.NotBefore.Sub(x.l.Now.UTC).Minutes()))
		}
		if code, err = x.step(strings.Fields(words)); err != nil || code != "" {
			t.Fatal(words, code, err)
		}
		s, _ := x.state()
		was, is := slices.Index(rank, string(before.Asked.Entitlement)), slices.Index(rank, string(s.Asked.Entitlement))
		if s.Asked.Seconds > before.Asked.Seconds || is > was || s.Asked.NotBefore < before.Asked.NotBefore {
			t.Fatalf("%s became %s for %s from %s", before.Asked.Entitlement, s.Asked.Entitlement, s.Asked.Seconds, s.Asked.NotBefore)
		}
		if s.Status != workflows.StatusApproved || !slices.Equal(s.Voters(), []workflows.PersonID{"p_ann"}) {
			t.Fatalf("%s by %v", s.Status, s.Voters())
		}
	})
}

// However often access is extended, each time as far as it goes, the row ends within its cap (T53).
func TestThreat_T53_NoRowOfAsksPassesItsCap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld("peers(ann)x1 timeout 4h | extend 6h | later 1d")
		if err != nil {
			t.Fatal(err)
		}
		first := x.l.Now.UTC
		last := first.Add(6 * time.Hour)
		ends := first.Add(time.Hour)
		for i := range rapid.IntRange(1, 20).Draw(t, "extensions") {
			x.l.Pass(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
			if x.l.Now.UTC >= ends {
				return
			}
			x.id = workflows.RequestID(fmt.Sprintf("r_%d", i+1))
			a := x.ask(acting("zed"))
			a.Extends, a.Form.Seconds = "g_1", workflows.Span(rapid.IntRange(1, 240).Draw(t, "for"))*60
			a.NotBefore = x.l.Now.UTC.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "start")) * time.Minute)
			a.Held = workflows.Held{Grant: "g_1", Ends: ends, Started: first, Renewals: i}
			code, err := x.take(x.w.Submit(x.l.Facts(), a))
			start := max(a.NotBefore, x.l.Now.UTC)
			if want := start.Add(a.Form.Seconds.Duration()) <= last; err != nil || (code == "") != want {
				t.Fatalf("an extension to %s of at most %s: %q, %v", start.Add(a.Form.Seconds.Duration()), last, code, err)
			}
			if code != "" {
				if code != workflows.CodeCap {
					t.Fatal(code)
				}
				continue
			}
			x.l.Pass(time.Duration(rapid.IntRange(0, 200).Draw(t, "until decided")) * time.Minute)
			s, _ := x.state()
			if _, end := s.Lasts(x.l.Now, last); end.UTC > last {
				t.Fatalf("decided at %s, it ends at %s", x.l.Now.UTC, end.UTC)
			}
			ends = max(ends, min(last, x.l.Now.UTC.Add(a.Form.Seconds.Duration())))
		}
	})
}

// Of what is asked for, the access begins no sooner than agreed, lasts no longer, and ends no later than any of its limits, on both clocks.
func TestLasts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := storytest.Start()
		at := func(name string) workflows.Stamp {
			if rapid.Bool().Draw(t, "has "+name) {
				return 0
			}
			return now.UTC.Add(time.Duration(rapid.IntRange(-100, 300).Draw(t, name)) * time.Minute)
		}
		s := workflows.State{Asked: workflows.Submitted{Seconds: workflows.Span(rapid.IntRange(60, 9000).Draw(t, "seconds")), NotBefore: at("start"), NoLaterThan: at("end")}}
		last := at("cap")
		start, end := s.Lasts(now, last)
		begins := max(now.UTC, s.Asked.NotBefore)
		want := begins.Add(s.Asked.Seconds.Duration())
		for _, limit := range []workflows.Stamp{s.Asked.NoLaterThan, last} {
			if limit != 0 {
				want = min(want, limit)
			}
		}
		if end.UTC != want || end.Mono-now.Mono != end.UTC.Sub(now.UTC).Nanoseconds() || start != 0 && start != begins || start == 0 && begins != now.UTC {
			t.Fatalf("%+v up to %s: from %s to %s", s.Asked, last, start, end.UTC)
		}
	})
}

// A roster as it was written by anybody has everybody once, in order, and not too many.
func TestRostersHaveEverybodyOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list, want []workflows.Seat
		seen := map[string]bool{}
		for range rapid.IntRange(0, 700).Draw(t, "seats") {
			seat := workflows.Seat{Person: workflows.PersonID(fmt.Sprintf("p_%d", rapid.IntRange(0, 600).Draw(t, "person")))}
			if rapid.IntRange(0, 9).Draw(t, "placed") == 0 {
				seat.For = workflows.PersonID(fmt.Sprintf("p_%d", rapid.IntRange(0, 9).Draw(t, "for")))
			}
			list = append(list, seat)
			if key := seatKey(seat.Person, seat.For); !seen[key] && len(want) < workflows.MaxRoster {
				seen[key] = true
				want = append(want, seat)
			}
		}
		h := []workflows.Record{
			{Stream: "request/r_1", Seq: 1, Person: "p_zed", Event: workflows.Submitted{Plan: []workflows.PlannedStage{{Quorum: 1, Escalate: 1}}}},
			{Stream: "request/r_1", Seq: 2, Event: workflows.StageOpened{Roster: list, TimesOutAt: 1, EscalateAt: 1}},
		}
		s, err := workflows.Fold(h)
		if err != nil || len(s.Stages[0].Roster) != len(want) {
			t.Fatalf("%d of %d: %v", len(s.Stages[0].Roster), len(want), err)
		}
		for i, seat := range s.Stages[0].Roster {
			if seat.Person != want[i].Person || seat.For != want[i].For {
				t.Fatalf("seat %d is %v, want %v", i, seat, want[i])
			}
		}
		// A tier adds whoever is not there yet.
		more := rapid.Permutation(list).Draw(t, "tier")
		h = append(h, workflows.Record{Stream: "request/r_1", Seq: 3, At: workflows.Instant{UTC: 2}, Event: workflows.StageEscalated{Added: append(more[:min(9, len(more)):min(9, len(more))], workflows.Seat{Person: "p_new"})}})
		s, err = workflows.Fold(h)
		if n := len(s.Stages[0].Roster); err != nil || n != min(workflows.MaxRoster, len(want)+1) && len(want) < workflows.MaxRoster || n > workflows.MaxRoster {
			t.Fatalf("%d after %d: %v", n, len(want), err)
		}
	})
}

// Lengths of time have one grammar, and read back what they write.
func TestParseSpan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]workflows.Span{
		"1m": 60, "90m": 5400, "4h": 14400, "2d": 172800, "9999d": 9999 * 86400, "9999m": 599940,
		"": 0, "m": 0, "0m": 0, "00m": 0, "-1h": 0, "+1h": 0, "1": 0, "1s": 0, "1w": 0, "1h1m": 0, "10000m": 0, "1 h": 0, "1_0m": 0, "1.5h": 0, "１h": 0, "h1": 0, "1hh": 0,
	} {
		got, ok := workflows.ParseSpan(text)
		if got != want || ok != (want != 0) {
			t.Errorf("%q: %s, %t", text, got, ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9999).Draw(t, "n")
		span, ok := workflows.ParseSpan(fmt.Sprintf("%d%s", n, rapid.SampledFrom([]string{"m", "h", "d"}).Draw(t, "unit")))
		again, ok2 := workflows.ParseSpan(span.String())
		if !ok || !ok2 || again != span {
			t.Fatalf("%s reads back as %s", span, again)
		}
	})
}

// What the conditions saw is kept with the submission, up to a limit.
func TestInputsAreKept(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{workflows.MaxInputs: "", workflows.MaxInputs + 1: workflows.CodeTooLong} {
		x := told(t, "peers(ann)x1 | rule all", "tick")
		a := x.ask(acting("zed"))
		a.Matched, a.Inputs = []bool{true}, strings.Repeat("x", n)
		code, err := x.take(x.w.Submit(x.l.Facts(), a))
		if err != nil || code != want {
			t.Fatalf("%d bytes: %q, %v", n, code, err)
		}
		if code == "" && x.mustState(t).Asked.Inputs != a.Inputs {
			t.Error("they are not on record")
		}
	}
}
