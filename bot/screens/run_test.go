package screens_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// usualRun is a run in its third step.
func usualRun(steps int) screens.Run {
	r := screens.Run{
		ID: "u_0000000000000000000000q047", Runbook: "restart-db", Title: "Restart the database", Incident: "INC-123", Mode: runs.KindIncident, Invoker: maya, Executor: jonas,
		People: []screens.Person{maya, jonas}, Ends: later, Next: 3, Evidence: 2, Review: review,
		Buttons: screens.RunButtons{Run: value(80), Skip: value(80), RollBack: value(80), Finish: value(80)},
	}
	for i := range steps {
		s := screens.RunStep{Number: i + 1, Title: "Step: look at <!channel> and " + strings.Repeat("wait ", 10), Hand: true, Status: runs.Waiting}
		switch i {
		case 0:
			s.Status, s.By, s.At = runs.Done, jonas, at
		case 1:
			s.Status, s.By, s.At, s.Note = runs.Skipped, maya, at, "The host is gone <!here>."
		case 2:
			s.Status, s.Hand, s.Does, s.Said, s.Text = runs.Failed, false, "command failover/promote", "the target did not answer within 1m", "Promote the standby.\n\n```\nSELECT pg_promote();\n```"
		}
		r.Steps = append(r.Steps, s)
	}
	return r
}

// largeRun is the night that took everybody: 50 steps, and 20 people in it, each of whom did some.
func largeRun() screens.Run {
	r := usualRun(50)
	for i := range 18 {
		r.People = append(r.People, screens.Person{Name: fmt.Sprintf("Colleague with a long name %d", i), Slack: fmt.Sprintf("U0PERSON%d", i)})
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		s.Title = []string{"Look whether the primary answers and takes writes", "Fence the primary", "Promote the standby and wait until it takes writes", "Point the applications at it", "See that orders arrive"}[i%5]
		if i > 2 && i < 38 {
			s.Status, s.By, s.At = runs.Done, r.People[i%len(r.People)], at
		}
		if i%9 == 4 && i < 38 {
			s.Status, s.Note = runs.Skipped, "the second region was not touched by it"
		}
	}
	r.Next, r.Evidence = 39, 17
	return r
}

func usualConfirm() screens.Confirm {
	return screens.Confirm{
		Title: "Restart the database", Incident: "INC-123", Severity: "SEV-1 Checkout is down", UseWhen: "It hangs", Not: "It is slow", What: "Bastion hosts – root shell",
		Long: 3600, Ends: later, Holder: maya, Paged: []string{"#incidents", jonas.Mention()}, ReviewBy: later, Reviewer: jonas, Steps: 6, Auto: 2,
		Fields: fields(2), Values: map[string]string{"f1": "db1"}, Rotates: []string{"the root password"}, Reason: "It hangs.",
	}
}

func failedConfirm() screens.Confirm {
	c := usualConfirm()
	c.Fields, c.Glass, c.Chain, c.GlassLong, c.Joins = nil, true, "bastion-shell", 1800, review
	c.Failed, c.Needed, c.Others = []string{"You are not on shift now.", "It should have been practised by 2026-11-01 09:00 UTC."}, []string{"Review v_1 is overdue."}, 3
	return c
}

func usualSecond() screens.Second {
	return screens.Second{
		Title: "Restart the database", Runbook: "restart-db", Incident: "INC-123", By: maya, Reason: "It hangs <!channel>.", What: "Bastion hosts – root shell", Long: 3600,
		Needed: []string{"You broke the glass 2 times in the last 7d."}, Until: later, Proposal: "x_0000000000000000000000q047", Agree: value(80),
	}
}

// A runbook of 50 steps with 20 participants is one message within Slack's limits, and every step stands on it.
func TestGlass_FiftyStepsAreOneMessage(t *testing.T) {
	t.Parallel()
	r := usualRun(50)
	for i := range 20 {
		r.People = append(r.People, screens.Person{Name: fmt.Sprintf("Person %d with a longer name", i), Slack: fmt.Sprintf("U0PERSON%d", i)})
	}
	for i := range r.Steps {
		r.Steps[i].By, r.Steps[i].At = jonas, at
		if i > 2 {
			r.Steps[i].Status = runs.Skipped
		}
		r.Steps[i].Note = strings.Repeat("because ", 200)
	}
	r.Steps[2].Text = strings.Repeat("word ", 1000)
	m := r.Render()
	if len(m.Blocks) > 20 {
		t.Errorf("%d blocks", len(m.Blocks))
	}
	text := encoded(t, m.Blocks)
	for i := range 50 {
		if !strings.Contains(text, fmt.Sprintf("*%d.* Step: look", i+1)) {
			t.Errorf("step %d does not stand on the checklist", i+1)
		}
	}
	if strings.Contains(text, "<!channel>") || strings.Contains(text, "<!here>") {
		t.Error("markup of a document or a person takes effect")
	}
	night := encoded(t, largeRun().Render().Blocks)
	for _, want := range []string{"*37 of 50 steps* over", "U0PERSON9", "8 more", "left out by Colleague with a long name 9", "/breakglass step u_0000000000000000000000q047 39 done", "*Step 39, by hand: do it, then press Done*"} {
		if !strings.Contains(night, want) {
			t.Errorf("with 20 people in it the message does not say %q:\n%s", want, night)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// usualSheet is a reviewer's sheet with two items before them; largeSheet is full: as many items as a message shows, every text too long.
func usualSheet() screens.Sheet {
	return screens.Sheet{
		ID: "s_k3v9q2m7x4taaaaa", Title: "Quarterly look", Left: 7, Of: 12, Due: later, Then: screens.Locale{}.Silence("revoke"), Keep: value(80), Many: 2, Next: value(80),
		Items: []screens.SheetItem{
			{Number: 1, Title: "Deploy robot", Name: "svc-deploy", Facts: []screens.SheetFact{{Name: "owner", Who: &maya}, {Name: "for", Value: "Deploys *the* <shop> <@U0EVIL>"}, {Name: "on", Value: "pg_main as _maya_"}, {Name: "secret", Value: "vault kv/x, made not known"}}, Wrong: []string{"no_purpose", "ends_soon"}, Changed: []string{"purpose is *new*, was nothing"}, Keep: value(80), Other: value(80)},
			{Number: 2, Title: "Backup robot", Name: "svc-backup", Changed: []string{"its owner"}, Wrong: []string{"not_used"}, Verdict: "keep"},
		},
		More: []string{"• *Access of leavers*: 2 of 2 left"},
	}
}

func largeSheet() screens.Sheet {
	s := usualSheet()
	s.Title, s.Then, s.Old, s.Items = strings.Repeat("Title ", 90), strings.Repeat("then ", 300), true, nil
	for i := range 5 {
		x := screens.SheetItem{Number: i + 1, Title: strings.Repeat("Item ", 90), Name: strings.Repeat("x", 300), Keep: value(90), Other: value(90)}
		for range 12 {
			x.Facts = append(x.Facts, screens.SheetFact{Name: "fact", Value: strings.Repeat("<!channel> *v* ", 60)})
			x.Changed, x.Wrong = append(x.Changed, strings.Repeat("changed ", 60)), append(x.Wrong, "some_finding")
		}
		s.Items = append(s.Items, x)
	}
	for range 60 {
		s.More = append(s.More, "• *"+strings.Repeat("Another ", 9)+"*: 2 of 2 left")
	}
	return s
}

// sheets are the screens of a campaign and of an incident's bookkeeping, at their least, as usual and at their most.
func sheets() []sample {
	small := screens.Incident{ID: "INC-7", Title: "Payments fail", Severity: 2, Since: at}
	usual, large := small, small
	usual.Commander, usual.Executors, usual.Scribes, usual.News = maya, []screens.Person{jonas}, []screens.Person{jonas}, "Severity 3 became 2: <it> *spreads*"
	large.Title, large.News, large.Closed = strings.Repeat("<!channel> fails ", 300), strings.Repeat("News ", 2000), later
	for range 200 {
		large.Executors, large.Scribes = append(large.Executors, wide), append(large.Scribes, wide)
	}
	done := screens.Sheet{ID: "s_1", Title: "Quarterly look", Of: 1, Due: later}
	return []sample{
		{"sheet-small", done.Render(), false},
		{"sheet", usualSheet().Render(), false},
		{"sheet-large", largeSheet().Render(), true},
		{"sheet-form", screens.SheetForm(screens.Locale{}, 1, "Deploy robot", choices(3, 1), "meta"), false},
		{"incident-small", small.Render(), false},
		{"incident", usual.Render(), false},
		{"incident-large", large.Render(), true},
		{"incident-help", screens.Locale{}.IncidentHelp(), false},
		{"leak-answer", screens.Locale{}.LeakAnswer([]string{"svc-deploy"}, nil, "", "INC-7", false, true), false},
		{"leak-handed-over", screens.Locale{}.LeakAnswer(nil, []string{"g_7f3a"}, "", "INC-7", false, true), false},
	}
}
