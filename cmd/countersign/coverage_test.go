package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// aTeam is a company of people in three zones with one chain, whose only stage is that of the test.
func aTeam(st workflows.Stage, ask workflows.Selector) spec.Policies {
	p := spec.Policies{Workflows: map[workflows.WorkflowID]spec.Policy{}}
	for _, x := range []struct{ key, zone, hours, manager string }{
		{"ann", "America/New_York", "09:00-17:00", "p_zoe"},
		{"bob", "Europe/Berlin", "09:00-17:00", "p_ann"},
		{"carl", "Asia/Kolkata", "09:00-17:00", ""},
		{"dora", "Europe/Berlin", "Mon-Sun 00:00-24:00", ""},
		{"zoe", "UTC", "", ""},
	} {
		p.People = append(p.People, spec.Person{ID: keyedPerson(x.key), Key: x.key, Name: strings.ToUpper(x.key[:1]) + x.key[1:], Zone: x.zone, Hours: x.hours, Manager: workflows.PersonID(x.manager)})
	}
	st.Name, st.Timeout = "Team", max(st.Timeout, 8*3600)
	w := workflows.Workflow{
		ID: "chain", Ask: ask, Stages: []workflows.Stage{st},
		Entitlements: []workflows.Entitlement{{Target: "a", ID: "x", Owner: "p_ann", Backup: "p_bob"}, {Target: "b", ID: "x", Owner: "p_dora"}},
	}
	p.Workflows["chain"] = spec.Policy{Workflow: w}
	return p
}

func selPeople(keys ...string) workflows.Selector {
	var s workflows.Selector
	for _, k := range keys {
		s.People = append(s.People, keyedPerson(k))
	}
	return s
}

func dayOf(t *testing.T, s string) calendar.Date {
	t.Helper()
	d, err := calendar.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func stampOf(t *testing.T, s string) workflows.Stamp {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return workflows.StampOf(at)
}

// TestReq_R9_CoverageGaps: what a stage looks like over the year, with changes of clocks, holidays, time off, rotations and the worst requester.
func TestReq_R9_CoverageGaps(t *testing.T) {
	engineers := selPeople("ann", "bob")
	rota := func(p *spec.Policies, people ...workflows.PersonID) {
		r, err := calendar.NewRotation(calendar.Rota{People: people, Zone: time.UTC, First: dayOf(t, "2026-01-05"), At: 9 * 60, Days: 7})
		if err != nil {
			t.Fatal(err)
		}
		p.Rotations = []spec.Rotation{{Name: "oncall", People: people, Rotation: r}}
	}
	for _, x := range []struct {
		name      string
		stage     workflows.Stage
		ask       workflows.Selector
		edit      func(*spec.Policies)
		gap, from string
		asker     string
		of        int
		unknown   string
	}{
		{name: "one zone: the weekend on which the clocks go back is an hour longer", stage: workflows.Stage{Approvers: selPeople("ann"), Quorum: 1}, gap: "2 d 17 h", from: "from Fri 2027-11-05 21:00", of: 1},
		{name: "with holidays it is the longest one", stage: workflows.Stage{Approvers: selPeople("bob"), Quorum: 1}, edit: func(p *spec.Policies) {
			h, err := calendar.Holidays("DE", dayOf(t, "2026-11-01"), dayOf(t, "2027-12-31"))
			if err != nil {
				t.Fatal(err)
			}
			p.Calendars = []spec.Calendar{{Name: "de", Holidays: h}}
			p.People[1].Calendar = "de"
		}, gap: "4 d 15 h", from: "from Thu 2027-03-25 16:00", of: 1},
		{name: "three zones leave the nights and the weekends", stage: workflows.Stage{Approvers: selPeople("ann", "bob", "carl"), Quorum: 1}, gap: "2 d 6 h", from: "from Fri 2027-03-19 21:00", of: 3},
		{name: "whoever asks is not there: the one whose hours matter most", stage: workflows.Stage{Approvers: selPeople("bob", "carl"), Quorum: 1}, ask: engineers, gap: "2 d 16 h", from: "from Fri 2026-11-27 11:30", asker: "Bob", of: 1},
		{name: "two at once", stage: workflows.Stage{Approvers: selPeople("ann", "bob", "carl"), Quorum: 2}, gap: "2 d 17 h", from: "from Fri 2027-10-29 15:00", of: 3},
		{name: "nobody left", stage: workflows.Stage{Approvers: selPeople("ann"), Quorum: 1}, ask: engineers, gap: "365 d", from: "always", asker: "Ann", of: 0},
		{name: "somebody always there", stage: workflows.Stage{Approvers: selPeople("ann", "dora"), Quorum: 1}, gap: "less than a minute", from: "never", of: 2},
		{name: "time off", stage: workflows.Stage{Approvers: selPeople("dora"), Quorum: 1}, edit: func(p *spec.Policies) {
			p.People[3].TimeOff = []calendar.Interval{{From: stampOf(t, "2027-02-01 00:00"), To: stampOf(t, "2027-02-11 12:00")}}
		}, gap: "10 d 12 h", from: "from Mon 2027-02-01 00:00", of: 1},
		{
			name: "a rotation has somebody on shift, unless they ask", stage: workflows.Stage{Approvers: workflows.Selector{Rotations: []string{"oncall"}}, Quorum: 1}, ask: engineers,
			edit: func(p *spec.Policies) { rota(p, "p_ann", "p_carl") }, gap: "7 d", from: "from Mon 2026-11-23 09:00", asker: "Ann", of: 1,
		},
		{name: "a rotation of one who is on time off", stage: workflows.Stage{Approvers: workflows.Selector{Rotations: []string{"oncall"}}, Quorum: 1}, edit: func(p *spec.Policies) {
			rota(p, "p_dora")
			p.People[3].TimeOff = []calendar.Interval{{From: stampOf(t, "2027-02-01 00:00"), To: stampOf(t, "2027-02-03 00:00")}}
		}, gap: "2 d", from: "from Mon 2027-02-01 00:00", of: 1},
		{name: "a wider tier counts", stage: workflows.Stage{Approvers: selPeople("ann"), Quorum: 1, Escalate: &workflows.Escalation{Approvers: selPeople("dora")}}, gap: "less than a minute", from: "never", of: 2},
		{name: "excluded where they are named", stage: workflows.Stage{Approvers: workflows.Selector{People: selPeople("ann", "dora").People, Exclude: selPeople("dora").People}, Quorum: 1}, gap: "2 d 17 h", from: "from Fri 2027-11-05 21:00", of: 1},
		{name: "the owners of each target: the worst one", stage: workflows.Stage{Approvers: workflows.Selector{TargetOwner: true}, Quorum: 1}, gap: "2 d 11 h", of: 2, from: "from Fri 2027-03-19 21:00"},
		{name: "the manager of each requester: somebody who has none", stage: workflows.Stage{Approvers: workflows.Selector{Manager: true}, Quorum: 1}, ask: selPeople("bob", "carl"), gap: "365 d", from: "always", asker: "Carl", of: 0},
		{name: "the manager of the only requester", stage: workflows.Stage{Approvers: workflows.Selector{Manager: true}, Quorum: 1}, ask: selPeople("bob"), gap: "2 d 17 h", from: "from Fri 2027-11-05 21:00", asker: "Bob", of: 1},
		{
			name: "a fallback for a rotation", stage: workflows.Stage{Approvers: workflows.Selector{Rotations: []string{"oncall"}, Fallback: &workflows.Selector{People: selPeople("dora").People}}, Quorum: 1},
			edit: func(p *spec.Policies) { rota(p, "p_carl") }, gap: "less than a minute", from: "never", of: 2,
		},
		{name: "the best of several parts", stage: workflows.Stage{AnyPart: true, Quorum: 1, Parts: []workflows.Part{{Name: "a", Approvers: selPeople("ann"), Quorum: 1}, {Name: "b", Approvers: selPeople("dora"), Quorum: 1}}}, gap: "less than a minute", from: "never", of: 1},
		{name: "hours that nobody wrote down", stage: workflows.Stage{Approvers: selPeople("zoe", "dora"), Quorum: 2}, unknown: "no working hours on file: Zoe", of: 1, gap: "365 d", from: "always"},
		{name: "people of the chat", stage: workflows.Stage{Approvers: workflows.Selector{ChatGroups: []string{"@dba"}, ChatChannels: []string{"#x"}, IdentityOwner: true}, Quorum: 1}, unknown: "not known here: @dba, #x, the owner of the identity", gap: "365 d", from: "always"},
	} {
		p := aTeam(x.stage, x.ask)
		if x.edit != nil {
			x.edit(&p)
		}
		list, err := coverageOf(p, dayOf(t, "2026-11-22"))
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		s := list[0]
		if got := calendar.In(s.longest); len(list) != 1 || got != x.gap || !strings.HasPrefix(s.Gap, x.from) || s.Asker != x.asker || s.Of != x.of {
			t.Errorf("%s: %s, %s, asked by %q, of %d; want %s, %s, %q, %d", x.name, got, s.Gap, s.Asker, s.Of, x.gap, x.from, x.asker, x.of)
		}
		var out strings.Builder
		if err := printCoverage(&out, list); err != nil || !strings.Contains(out.String(), x.unknown) {
			t.Errorf("%s: %v, want %q in\n%s", x.name, err, x.unknown, out.String())
		}
		if s.known() != (x.unknown == "") {
			t.Errorf("%s: known %t", x.name, s.known())
		}
	}
}

// A gap that is longer than the time-out and than what is usual is a warning; silence is a decision where silence consents.
func TestCoverageWarns(t *testing.T) {
	warn := func(st workflows.Stage, most time.Duration) (int, string) {
		t.Helper()
		var out strings.Builder
		list, err := coverageOf(aTeam(st, workflows.Selector{}), dayOf(t, "2026-11-22"))
		if err != nil {
			t.Fatal(err)
		}
		gaps := gapsOf(new(spec.Folder), list, most)
		for _, g := range gaps {
			out.WriteString(g.String())
		}
		return len(gaps), out.String()
	}
	st := workflows.Stage{Approvers: selPeople("ann"), Quorum: 1, Timeout: 12 * 3600}
	if n, text := warn(st, usualGap); n != 0 {
		t.Errorf("a weekend is usual:\n%s", text)
	}
	if n, text := warn(st, 48*time.Hour); n != 1 || !strings.Contains(text, "workflow chain, stage Team: for 2 d 17 h there are too few to decide, and a request times out after 12 hours: from Fri 2027-11-05 21:00 UTC") {
		t.Errorf("%d:\n%s", n, text)
	}
	st.Timeout = 3 * 24 * 3600
	if n, text := warn(st, 48*time.Hour); n != 0 {
		t.Errorf("a weekend within three days:\n%s", text)
	}
	if n, text := warn(workflows.Stage{Kind: workflows.StageConsent, Approvers: selPeople("ann"), Quorum: 1}, 0); n != 0 {
		t.Errorf("silence:\n%s", text)
	}
	parts := workflows.Stage{Quorum: 2, Timeout: 12 * 3600, Parts: []workflows.Part{{Name: "data", Approvers: selPeople("ann"), Quorum: 1}, {Name: "security", Approvers: selPeople("dora"), Quorum: 1}}}
	if n, text := warn(parts, time.Hour); n != 1 || !strings.Contains(text, "stage Team, part data: for") {
		t.Errorf("%d:\n%s", n, text)
	}
}

// TestReq_R9_CheckNamesTheStageOfAGap: through check, for people and for programs, with the line of the stage; it is no reason to fail -strict.
func TestReq_R9_CheckNamesTheStageOfAGap(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "conf")
	if out, errs, code := runHere(t, nil, "init", dir); code != exitDone {
		t.Fatal(out, errs)
	}
	file := filepath.Join(dir, "people.yaml")
	people, err := os.ReadFile(file)
	mustSay(t, err)
	mustSay(t, os.WriteFile(file, regexp.MustCompile(`working_hours: .*`).ReplaceAll(people, []byte(`working_hours: "Mon 09:00-10:00"`)), 0o600))
	out, errs, code := runHere(t, nil, "check", "-strict", "-no-tests", dir)
	if code != exitDone || !strings.Contains(out, "Who is there in the next 12 months") {
		t.Errorf("check: exit %d\n%s%s", code, out, errs)
	}
	out, _, code = runHere(t, nil, "check", "-no-tests", "-json", dir)
	var got findings
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitDone || len(got.Coverage) == 0 {
		t.Fatalf("check -json: exit %d, %v\n%s", code, err, out)
	}
	gaps := 0
	for _, f := range got.List {
		if f.Severity != "gap" {
			continue
		}
		gaps++
		text, err := os.ReadFile(filepath.Join(dir, f.File))
		mustSay(t, err)
		_, stage, _ := strings.Cut(f.Text, ", stage ")
		stage, _, _ = strings.Cut(strings.NewReplacer(" (when", ":", ", part", ":").Replace(stage), ":")
		if line := strings.Split(string(text), "\n")[f.Line-1]; !strings.Contains(line, "name: "+stage) || f.Hint == "" {
			t.Errorf("%s:%d is %q, not stage %q", f.File, f.Line, line, stage)
		}
		if !strings.Contains(errs, fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)) {
			t.Errorf("people are not told: %s", f.Text)
		}
	}
	if gaps == 0 {
		t.Errorf("nobody works but on Mondays for an hour, and that is no gap:\n%s", out)
	}
}
