package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows/identities"
)

// R14: the inventory is counted once in a week and the ledger keeps the count; the report says how each finding stands against last week and four weeks ago, and
// what settles it; what settles it is typed in a terminal or in Slack, and the finding is gone.
func TestReq_R14_TheReportComparesWithTheWeeksBefore(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	s := &story{demo: d}
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,last_used,stored,revocation\n"+
		"svc-a,service_account,A,,,Prints the monthly report.,,,vault,runbook a\n"+
		"svc-b,service_account,B,,,Sends the weekly mails.,2031-01-31,,vault,runbook b\n"+
		"svc-c,service_account,C,maya,jonas,Copies the backups away.,2031-01-31,2030-01-01,vault,runbook c\n"), "-source", "cmdb")
	report := func() inventoryReport {
		t.Helper()
		var r reply
		mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "report", "-json")), &r))
		var rep inventoryReport
		mustSay(t, json.Unmarshal(r.Data, &rep))
		return rep
	}
	pass := func(days int) {
		t.Helper()
		d.awaitOccurrence(t, jobSurvey)
		mustSay(t, d.advance(t.Context(), time.Duration(days)*24*time.Hour))
		d.awaitOccurrence(t, jobSurvey)
	}
	aWeek := func(weeks int) inventoryReport { // lets a week pass: it was counted in the one before
		t.Helper()
		pass(7)
		rep, err := until(t.Context(), "the counts of the weeks before", func() (inventoryReport, bool) {
			rep := report()
			return rep, len(rep.Trend) == trendWeeks && rep.Trend[weeks-1] != nil
		})
		mustSay(t, err)
		return rep
	}
	if rep := report(); rep.Trend[0] != nil {
		t.Errorf("a count before the first week: %+v", rep.Trend[0])
	}
	pass(7 + (int(time.Tuesday)-int(d.clock.Now().Wall.UTC().Weekday())+7)%7) // a Tuesday: whatever today is, the weeks of what follows are those of the calendar
	if rep := aWeek(1); rep.Trend[0].Findings[identities.FindUnowned] != 2 || rep.Findings[identities.FindUnowned] != 2 || rep.Trend[1] != nil {
		t.Errorf("after a week: %+v", rep.Trend[0])
	}

	// What settles the findings: in a terminal, and in Slack.
	card := d.identityCLI(t, "show", "svc-a")
	said(t, card, "unowned: nobody answers for it", "Claim it: countersign identities claim svc-a -purpose TEXT -expires DAY; or take it off: countersign identities retire svc-a -reason TEXT")
	day := d.clock.Now().Wall.AddDate(0, 9, 0).Format(time.DateOnly)
	d.identityCLI(t, "claim", "svc-a", "-owner", "maya", "-backup", "jonas", "-purpose", "Prints the monthly report.", "-expires", day)
	mustSay(t, s.command(t.Context(), "jonas", "/access", "identity svc-b"))
	_, err := s.told(t.Context(), "jonas", "access", "unowned", "/access identity svc-b claim DAY PURPOSE", "/access identity svc-b offboard REASON")
	mustSay(t, err)
	mustSay(t, s.command(t.Context(), "jonas", "/access", "identity svc-b claim "+day+" Sends the weekly mails."))
	_, err = until(t.Context(), "svc-b to have an owner", func() (string, bool) {
		out := d.identityCLI(t, "show", "svc-b")
		return out, strings.Contains(out, "Owner: Jonas")
	})
	mustSay(t, err)

	rep := aWeek(2)
	page := rep.Markdown()
	if rep.Findings[identities.FindUnowned] != 0 || rep.Trend[1].Findings[identities.FindUnowned] != 2 {
		t.Errorf("a week later: now %d, two weeks ago %d", rep.Findings[identities.FindUnowned], rep.Trend[1].Findings[identities.FindUnowned])
	}
	said(t, page, "## How it changes", "| | now | last week | 2 weeks ago | 3 weeks ago | 4 weeks ago |", "| somebody answers for | 4 |", "what to decide", "Open findings: ")
	said(t, d.identityCLI(t, "report"), "(last week ", "four weeks ago –)")
	if row := lineWith(page, "| somebody answers for |"); !strings.HasSuffix(row, "| 2 | – | – |") {
		t.Errorf("how many had an owner: %s", row)
	}
	s.verified(t)
}

// R14: every kind of finding names what answers for it and what takes the identity away instead; what is killed on its target is not merely retired.
func TestReq_R14_EveryFindingHasAnAttestingAndARevokingAction(t *testing.T) {
	t.Parallel()
	for _, code := range identities.FindCodes() {
		for kind, drop := range map[string]string{"service_account": "retire ID", identities.KindApp: "kill ID", "oauth_token": "kill ID"} {
			r := identities.RemedyOf(code, kind)
			if r.Words == "" || r.Keep == "" || r.Gone == "" || !strings.HasPrefix(r.Drop, drop) {
				t.Errorf("%s of kind %s: %+v", code, kind, r)
			}
			if verb, _, _ := strings.Cut(r.Keep, " "); !isIdentityVerb(verb) {
				t.Errorf("%s: %q is no command", code, r.Keep)
			}
		}
		if findingWords(code) == "" {
			t.Errorf("%s: nothing says what it means", code)
		}
	}
}
