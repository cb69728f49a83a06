package screens_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
)

// inCard is a card whose engine's sentences are in the language, too, as package bot makes them.
func inCard(c screens.Card, l screens.Locale) screens.Card {
	c.In, c.Past, c.YouAre, c.Next = l, "", l.Of("You asked for this, so others decide it."), ""
	c.Facts = []screens.Pair{{Label: l.Of("Environment"), Value: "production"}, {Label: l.Of("Owner"), Value: jonas.Mention()}}
	c.Why.Sentence = l.Say("Waiting for %d more in stage %d of %d (%s), until %s.", 1, 1, 1, "owner", l.When(later))
	c.Why.Children = []workflows.Explanation{{Name: "owner", Status: "pending", Sentence: l.Say("%d of %d approvals.", 0, 1), Children: []workflows.Explanation{
		{Name: jonas.Mention(), Status: "pending", Sentence: l.Say("Asked: %s.", l.Of("owner of the target"))},
	}}}
	for i := range c.Offers {
		c.Offers[i].In = l
	}
	return c
}

// spokenScreens is the way of somebody who decides, from the card to the end of the access, at its least, as usual and at its most.
func spokenScreens(l screens.Locale) []sample {
	on := screens.Access{Status: "active", Ends: later, Leaves: "x", Sessions: []string{"psql"}, Unverified: "x", Since: at}
	gone := screens.Access{Status: "ended", How: "revoked", By: jonas, EndedAt: later, Presence: "unconfirmed"}
	over := inCard(overCard(workflows.StatusTimedOut, l.Of("Timed out: not decided in time. This is not a denial."), &gone), l)
	over.Why.Children[0].Status = "skipped"
	ready, busy := usualReady(), inCard(busyCard(), l)
	ready.In, ready.Secret, ready.Extend = l, screens.SecretNote{Waits: true, Until: later, Button: value(80)}, value(80)
	ready.Access = on
	small, usual, large := screens.Home{In: l, DrawnAt: at}, awayHome(), largeHome()
	for _, h := range []*screens.Home{&usual, &large} {
		h.In, h.Away, h.Reviews, h.Proposals = l, &screens.Away{From: at, Until: later, In: l}, nil, nil
		h.Owned, h.Duty, h.Offers, h.Runbooks = nil, nil, h.Offers[:1], nil
		for i := range h.Waiting {
			h.Waiting[i].Card, h.Mine[i].Card = inCard(h.Waiting[i].Card, l), inCard(h.Mine[i].Card, l)
			h.Grants[i].Access = on
		}
	}
	form, rich, offer := usualForm(), richForm(), usualOffer()
	form.In, rich.In, offer.In = l, l, l
	form.Approvers, rich.Approvers, rich.Preview, rich.Extends = []string{"1. owner"}, []string{"1. owner"}, []string{"1. owner"}, "x"
	offer.Terms = []string{l.Say("for %s instead of %s", workflows.Span(3600), workflows.Span(4*3600))}
	return []sample{
		{"card-small", inCard(smallCard(), l).Render(), false},
		{"card", inCard(usualCard(), l).Render(), false},
		{"card-busy", busy.Render(), false},
		{"card-over", over.Render(), false},
		{"card-large", inCard(largeCard(), l).Render(), true},
		{"decide", inCard(usualCard(), l).Decide("", "meta"), false},
		{"decide-large", inCard(largeCard(), l).Decide(strings.Repeat("x", 400_000), "meta"), true},
		{"deny", screens.DenyForm(inCard(usualCard(), l), "meta"), false},
		{"delegate", screens.DelegateForm(inCard(usualCard(), l)), false},
		{"revoke", screens.RevokeForm(l, "Bastion", maya, on, "meta"), false},
		{"offer-form", screens.OfferForm(inCard(usualCard(), l), choices(2, 1), true, "meta"), false},
		{"offer", offer.Render(), false},
		{"away", screens.AwayForm(l), false},
		{"pick", screens.Pick(l, choices(3, 1)), false},
		{"pick-none", screens.Pick(l, nil), true},
		{"form", form.Render(), false},
		{"form-rich", rich.Render(), true},
		{"sent", screens.Sent{In: l, ID: request, What: "Bastion", Long: 3600, Where: "#access", Asked: []screens.Person{jonas}, By: later}.Modal(), false},
		{"ready", ready.Render(), false},
		{"denied", screens.Outcome{In: l, ID: request, What: "Bastion", Long: 7200, Status: workflows.StatusDenied, By: jonas, Reason: "No."}.Render(), false},
		{"withdrawn", screens.Outcome{In: l, ID: request, What: "Bastion", Long: 60, Status: workflows.StatusWithdrawn, By: jonas}.Render(), true},
		{"ended", screens.Ended{In: l, Grant: grant, What: "Bastion", Long: 3600, Access: gone}.Render(), false},
		{"failed", screens.Failed{In: l, Grant: grant, What: "Bastion", Long: 86400, Why: "x"}.Render(), true},
		{"digest", screens.Digest{In: l, Lines: []screens.DigestLine{{ID: request, Requester: maya, What: "Bastion", Long: 3600, By: later}, {ID: request, Requester: maya, What: "Bastion", Long: 3600, By: later}}}.Render(), false},
		{"refused", screens.Say(l.NotDone(workflows.Refuse(workflows.CodeLate, "The deadline of this stage had passed when your click arrived.", "Ask the requester to submit again."))), false},
		{"list", l.List(screens.Part{Title: l.Of("Waiting for you"), Empty: l.Of("Nothing waits for your decision.")}), true},
		{"home-small", small.Render(), false},
		{"home", usual.Render(), false},
		{"home-large", large.Render(), true},
	}
}

// loudScreens are the screens of an emergency, of what follows it and of those who look after what is held.
func loudScreens(l screens.Locale) []sample {
	glass, closed, late, sampled := usualGlass(), usualReview(), usualReview(), sampleReview()
	glass.In, closed.In, late.In, sampled.In = l, l, l, l
	glass.Drill, glass.Around, glass.Second, glass.Executor = true, []string{"You are not on shift now."}, jonas, jonas
	closed.Verdict, closed.Note, closed.ClosedBy, closed.ClosedAt, late.Late, sampled.Drill = "misuse", "x", jonas, later, true, true
	steps := glass
	steps.What = ""
	open, over := usualRun(6), usualRun(6)
	open.In, over.In, over.Closed, over.Evidence = l, l, "ran out", 2
	confirm, failed, second := usualConfirm(), failedConfirm(), usualSecond()
	confirm.In, failed.In, second.In = l, l, l
	failed.Failed, second.Needed = []string{"You are not on shift now."}, []string{"You broke the glass 3 times in the last 7d."}
	incident := screens.Incident{In: l, ID: "INC-7", Title: "x", Severity: 2, Executors: []screens.Person{jonas}, Scribes: []screens.Person{maya}, Since: at, News: l.Say("Incident opened by %s", maya.Mention())}
	ended := incident
	ended.Commander, ended.Closed = maya, later
	page, acked, told := usualPage("open"), usualPage("acknowledged"), usualPage("unanswered")
	page.In, acked.In, told.In, page.Drill, told.Told = l, l, l, true, true
	page.Subject, acked.Subject, told.Subject = "x", "x", "x"
	proposal, settled := usualProposal(), usualProposal()
	proposal.In, settled.In, settled.Outcome, settled.Approve, settled.Deny = l, l, "denied", "", ""
	drift := screens.Drift{In: l, Target: "x", Findings: []string{"x"}, Total: 12, Known: 2, Seen: 40, Grants: 3, At: at, Unread: "x"}
	doubt := screens.Doubt{In: l, Grant: grant, What: "Bastion", Long: 3600, Holder: maya, Why: "x", Since: at, Ends: later}
	gone := doubt
	gone.ApproverGone = true
	killed := screens.Killed{In: l, Who: maya, Ended: 3, Elsewhere: 1, Quarantined: true, Lines: []string{"• x"}}
	sheet := usualSheet()
	sheet.In, sheet.Then = l, l.Silence("revoke")
	known := evidence(value(60))
	known.In = l
	return []sample{
		{"glass", glass.Invoked(), false},
		{"glass-skipped", glass.Skipped(), false},
		{"glass-told", steps.Told(), false},
		{"review", late.Ask(), false},
		{"review-closed", closed.Ask(), false},
		{"review-found", closed.Closed(), true},
		{"review-sample", sampled.Ask(), true},
		{"review-form", late.ReviewForm("meta"), false},
		{"review-sample-form", sampled.ReviewForm("meta"), true},
		{"review-task", late.Task("1", "x", later), false},
		{"run", open.Render(), false},
		{"run-over", over.Render(), true},
		{"run-failed", open.Failed(3), false},
		{"run-form", screens.RunForm(l, l.Of("Say why this step is left out."), "meta", false), false},
		{"run-large", func() screens.Message { r := largeRun(); r.In = l; return r.Render() }(), true},
		{"invoke", confirm.Render("meta"), false},
		{"invoke-around", failed.Render("meta"), false},
		{"second", second.Render(), false},
		{"incident", incident.Render(), false},
		{"incident-closed", ended.Render(), true},
		{"incident-help", l.IncidentHelp(), true},
		{"page", page.Render(), false},
		{"page-acknowledged", acked.Render(), true},
		{"page-told", told.Render(), true},
		{"proposal", proposal.Render(), false},
		{"proposal-over", settled.Render(), true},
		{"proposal-settled", settled.Settled(), true},
		{"proposal-changed", l.PolicyChanged([]string{"x"}), true},
		{"drift", drift.Render(), false},
		{"drift-answer", l.Drifts([]screens.Drift{drift}, 3), true},
		{"drill-failed", screens.DrillFailed{In: l, Target: "x", Entitlement: "canary", Step: "revoke", Said: "x"}.Render(), false},
		{"doubt", doubt.Render(), false},
		{"doubt-approver", gone.Render(), true},
		{"killed", killed.Render(), false},
		{"overdue", screens.Overdue{In: l, Grant: grant, What: "Bastion", Long: 3600, Holder: maya, Since: at}.Render(), false},
		{"sheet", sheet.Render(), false},
		{"sheet-form", screens.SheetForm(l, 1, "x", choices(2, 1), "meta"), true},
		{"evidence", known.Render(), false},
		{"leak-form", l.LeakForm(), true},
		{"leak-answer", l.LeakAnswer([]string{"x"}, nil, "", "INC-1", false, true), true},
		{"leak-handed-over", l.LeakAnswer(nil, []string{"x"}, "", "INC-1", false, true), true},
		{"step", screens.StepAsked(l, "x", "x", value(90)), false},
		{"secret-link", l.SecretLink("x", "https://countersign.example.com/secret/0", grant), true},
		{"secret-sealed", l.SealedSecret("x", "SHA256:x", "x", grant), true},
		{"help", l.Help(), false},
	}
}

// TestScreensInOtherLanguages holds every screen of somebody who decides in every language: it is as its file, Slack takes it, no English
// sentence is left in it, and no word of ours is cut because a place is too short for it.
func TestScreensInOtherLanguages(t *testing.T) {
	w := newWorkspace(t)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range screens.Languages()[1:] {
		words, ours := wordsOf(t, lang), map[string]bool{}
		for _, own := range words.Words {
			ours[own] = true
		}
		l := screens.Locale{Lang: lang, Zone: berlin}
		for _, s := range append(spokenScreens(l), loudScreens(l)...) {
			t.Run(lang+"/"+s.name, func(t *testing.T) {
				w.t = t
				if !s.large {
					golden(t, lang+"-"+s.name, s.screen)
				}
				w.takes(s.name, s.screen)
				for _, text := range textsOf(t, s.screen) {
					for english, own := range words.Words {
						if len(english) > 9 && english != own && !strings.Contains(english, "%") && strings.Contains(text, english) {
							t.Errorf("%q is still English: %q", english, text)
						}
						if cut, ok := strings.CutSuffix(text, "…"); ok && !ours[text] && strings.HasPrefix(own, cut) && len(cut) > 4 {
							t.Errorf("%q does not fit its place: %q", own, text)
						}
					}
				}
			})
		}
	}
}

func TestScreensInOtherLanguagesFitTheSchema(t *testing.T) {
	blocks, modal, home := schema(t, "MessageBlocks"), schema(t, "ModalView"), schema(t, "HomeView")
	for _, lang := range screens.Languages()[1:] {
		l := screens.Locale{Lang: lang}
		for _, s := range append(spokenScreens(l), loudScreens(l)...) {
			switch x := s.screen.(type) {
			case screens.Message:
				fits(t, blocks, s.name, x.Blocks)
			case slackgo.ModalViewRequest:
				fits(t, modal, s.name, x)
			case slackgo.HomeTabViewRequest:
				fits(t, home, s.name, x)
			}
		}
	}
}

// textsOf are all strings under "text" of a screen.
func textsOf(t *testing.T, screen any) []string {
	t.Helper()
	if m, ok := screen.(screens.Message); ok {
		screen = map[string]any{"text": m.Text, "blocks": m.Blocks}
	}
	raw, err := json.Marshal(screen)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			for k, e := range x {
				if s, ok := e.(string); ok && (k == "text" || k == "accessibility_label") {
					out = append(out, s)
				}
				walk(e)
			}
		case []any:
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(v)
	return out
}

func TestLocale(t *testing.T) {
	berlin := screens.LocaleOf("de-DE", "Europe/Berlin")
	madrid := screens.LocaleOf("es_ES", "Europe/Madrid")
	for _, c := range []struct{ got, want string }{
		{screens.LocaleOf("en-GB", "Europe/London").Clock(at), "2026-11-22 14:00 GMT"},
		{screens.LocaleOf("tlh", "No/Where").Clock(at), "2026-11-22 14:00 UTC"},
		{berlin.Clock(at), "22.11.2026, 15:00 CET"},
		{madrid.Clock(at), "22/11/2026, 15:00 CET"},
		{madrid.Clock(0), "–"},
		{berlin.When(at), "<!date^1795356000^{time} {date_short_pretty}|22.11.2026, 15:00 CET>"},
		{berlin.Span(3600), "1 Stunde"},
		{berlin.Span(90 * 60), "90 Minuten"},
		{berlin.Span(48 * 3600), "2 Tage"},
		{berlin.Span(61), "61s"},
		{screens.Locale{}.Span(3600), "1h"},
		{berlin.Say("%d of %d approvals.", 1, 12000), "1 von 12.000 Genehmigungen."},
		{madrid.Say("%d of %d approvals.", 1200, 12000), "1200 de 12\u00a0000 aprobaciones."},
		{screens.Locale{}.Say("%d of %d approvals.", 1, 12000), "1 of 12000 approvals."},
		{berlin.Say("%s was %s%s.", "X", workflows.StatusTimedOut, ""), "X: abgelaufen."},
		{berlin.Title(workflows.StatusApproved), "Genehmigt"},
		{berlin.Of("no catalogue has this"), "no catalogue has this"},
		{berlin.Filled("This request is already denied."), "Dieser Antrag ist schon entschieden: abgelehnt."},
		{berlin.Filled("3 of your entries end in \"ab\"."), "3 deiner Einträge enden auf \"ab\"."},
		{berlin.Filled("You are not among those asked to decide stage 2 (a (b) %s)."), "Du gehörst nicht zu denen, die Stufe 2 (a (b) %s) entscheiden sollen."},
		{berlin.Filled("nobody wrote this"), "nobody wrote this"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	for _, lang := range screens.Languages() {
		l := screens.LocaleOf(lang, "")
		for _, s := range []string{"Asked: %s.", "Asked by escalation: %s."} { // the card counts on it when a seat is not needed any more
			if !strings.HasPrefix(l.Of(s), l.Of("Asked")) {
				t.Errorf("%s: %q does not begin with %q", lang, l.Of(s), l.Of("Asked"))
			}
		}
	}
}
