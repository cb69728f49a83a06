package manual_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/manual"
)

var update = flag.Bool("update", false, "write the golden files")

// full is a chain that uses every word of the language, as no sane person would.
func full() *workflows.Workflow {
	people := func(names ...workflows.PersonID) workflows.Selector { return workflows.Selector{People: names} }
	return &workflows.Workflow{
		ID: "prod-db-write", Title: "Change production data", Purpose: "for repairing records that the application cannot repair",
		Kind: workflows.KindElevation, Owner: "p_olga",
		Ask: workflows.Selector{Groups: []workflows.Group{{Name: "engineers", Members: []workflows.PersonID{"p_ann", "p_bob"}}}, Exclude: []workflows.PersonID{"p_mallory"}},
		For: []string{workflows.ForSelf, workflows.ForOwned, workflows.ForReports},
		Entitlements: []workflows.Entitlement{
			{
				Target: "pg-main", ID: "writer", TargetTitle: "Main database", Title: "Write", Description: "Changes every table.", BusinessTask: "Repairing records.",
				Owner: "p_olga", Backup: "p_dave", Environment: "production", DataClass: "personal", Longest: 4 * 3600, Action: workflows.ActionWrite, Breadth: workflows.BreadthAll,
				Conflicts: []workflows.Conflict{{Set: "four-eyes", With: []string{"pg-main/auditor"}, Why: "nobody audits their own changes"}},
			},
			{Target: "pg-main", ID: "reader", TargetTitle: "Main database", Title: "Read", Environment: "production"},
		},
		Fields: []workflows.Field{
			{Name: "ticket", Label: "Ticket", Type: workflows.FieldTicket, Help: "Such as OPS-1234."},
			{Name: "size", Label: "How many rows", Type: workflows.FieldNumber, Least: "1", Most: "1000"},
			{Name: "window", Label: "How long it takes", Type: workflows.FieldDuration, Most: "90m"},
			{Name: "until", Label: "No later than", Type: workflows.FieldDateTime, Least: "1h"},
			{Name: "severity", Label: "Severity", Type: workflows.FieldChoice, Choices: []string{"low", "high"}, Optional: true},
			{Name: "system", Label: "System", Type: workflows.FieldTarget},
			{Name: "robot", Label: "Robot", Type: workflows.FieldIdentity},
			{Name: "key", Label: "SSH key", Type: workflows.FieldSSHKey},
			{Name: "note", Label: "Note", Type: workflows.FieldText},
		},
		Longest: 8 * 3600, Usual: 3600, ReasonMin: 20, Channel: "#access", SeenBy: workflows.SeenByParties,
		Rules: []workflows.Rule{
			{Name: "never in December", When: `freeze != "" && fields.size > 10`, Refuse: "wait for the end of the freeze"},
			{Name: "tiny", When: `fields.size <= 5 && business && "oncall" in requester.groups`, UpTo: 1800, Auto: &workflows.Auto{Times: 3, Per: 7 * 86400, Sample: 20}},
			{Name: "small", UpTo: 3600, Stages: []string{"Team", "Silence"}},
			{Name: "everything else", When: `risk >= 2 || fields.size > 1`, Longest: 4 * 3600},
		},
		Choose: workflows.ChooseSpecific, Often: &workflows.Often{Times: 5, Per: 86400}, Extend: &workflows.Extend{Cap: 86400}, Later: 7 * 86400,
		EndsWith: "ticket", Task: &workflows.TaskTerms{Source: "jira", Assignee: workflows.AssigneeRequester, Window: true}, Calendar: "hq", Only: workflows.OnlyBusiness, Freezes: []string{"year-end"}, ReasonFor: []string{workflows.VerbApprove, workflows.VerbRevoke, workflows.VerbDeny},
		Tell: &workflows.Selector{ChatChannels: []string{"#dba"}},
		Risk: &workflows.RiskTable{
			Tiers: []workflows.Tier{{Name: "low"}, {Name: "high", Longest: 4 * 3600, Approvers: 2, StepUp: true}},
			Rows:  []workflows.RiskRow{{Action: []string{workflows.ActionWrite}, Tier: "high"}, {Tier: "low"}},
		},
		Stages: []workflows.Stage{
			{
				Name: "Team", Approvers: workflows.Selector{Rotations: []string{"dba"}, Manager: true, Fallback: &workflows.Selector{People: []workflows.PersonID{"p_dave"}}}, Quorum: 1,
				RemindWorking: 1800, Escalate: &workflows.Escalation{Working: 3600, Approvers: people("p_dave")}, Then: []workflows.Escalation{{After: 7200, Approvers: people("p_olga")}},
				Timeout: 8 * 3600, OffHours: workflows.OffHoursAwake, Deny: workflows.DenyCounts,
			},
			{
				Name: "Both", Quorum: 3, Timeout: 36 * 3600, DistinctFrom: []string{"Team"}, OffHours: workflows.OffHoursWait, Remind: 5400,
				Parts: []workflows.Part{
					{Name: "data", Approvers: workflows.Selector{TargetOwner: true, ChatGroups: []string{"@dba"}}, Quorum: 1},
					{Name: "security", Approvers: workflows.Selector{Groups: []workflows.Group{{Name: "security", Members: []workflows.PersonID{"p_eve", "p_olga", "p_carl"}}}}, Quorum: 2},
				},
				Tell: &workflows.Selector{IdentityOwner: true},
			},
			{Name: "Either", Quorum: 1, Timeout: 3600, Repeat: true, AnyPart: true, Parts: []workflows.Part{{Name: "a", Approvers: people("p_ann"), Quorum: 1}, {Name: "b", Approvers: workflows.Selector{Groups: []workflows.Group{{Name: "empty"}}}, Quorum: 2}}},
			{Name: "Silence", Kind: workflows.StageConsent, Approvers: people("p_carl", "p_dave"), Quorum: 1, Timeout: 7200},
		},
	}
}

func book(t testing.TB, list ...*workflows.Workflow) manual.Book {
	names := map[workflows.PersonID]string{"p_ann": "Ann Lee", "p_bob": "Bob Kim", "p_olga": "Olga Petrova", "p_dave": "Dave | O'Neil", "p_eve": "Eve Adams", "p_carl": "Carl <Carlsen>", "p_mallory": "Mallory *Bad*"}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	week, err := calendar.ParseHours("Mon-Fri 09:00-17:00")
	if err != nil {
		t.Fatal(err)
	}
	h, err := calendar.NewHours(calendar.Plan{Zone: zone, Week: week})
	if err != nil {
		t.Fatal(err)
	}
	hq, err := calendar.NewBusiness("hq", h, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := manual.Book{
		Organisation: "Example Ltd", Person: func(p workflows.PersonID) string { return names[p] },
		Rotations: map[string][]workflows.PersonID{"dba": {"p_ann", "p_bob", "p_carl"}}, Calendars: map[string]*calendar.Business{"hq": hq},
	}
	for _, w := range list {
		b.Chapters = append(b.Chapters, manual.Chapter{
			Workflow: w, Hash: "sha256:0123", Source: "sha256:4567", File: "workflows/" + string(w.ID) + ".yaml", Changed: "on 2026-11-20 by Ann Lee (commit 3f2a91c)",
		})
	}
	return b
}

func others() []*workflows.Workflow {
	window := &workflows.Workflow{
		ID: "night-batch", Title: "Standing window of the nightly batch", Purpose: "The batch needs nobody at night.", Kind: workflows.KindWindow, Owner: "p_olga",
		Ask: workflows.Selector{Anyone: true}, For: []string{workflows.ForOwned}, Longest: 90 * 86400, SeenBy: workflows.SeenByMembers,
		Window: &workflows.WindowTerms{Hours: "Mon-Fri 22:00-04:00", Zone: "Europe/Berlin", Times: 1, Per: 86400, Lifetime: 7200, Budget: 60},
		Stages: []workflows.Stage{{Name: "Security", Approvers: workflows.Selector{}, Quorum: 2, Timeout: 30}},
	}
	book := &workflows.Workflow{
		ID: "approve-book", Title: "Approve a runbook", Purpose: "Two people read it.", Kind: workflows.KindPreapprove, Owner: "", Uses: 1, Longest: 30 * 86400,
		Ask: workflows.Selector{People: []workflows.PersonID{"p_ann"}}, EndsWith: "when", Fields: []workflows.Field{{Name: "when", Label: "When", Type: workflows.FieldDateTime, Most: "2d"}},
		Stages: []workflows.Stage{{Name: "Read", Approvers: workflows.Selector{TargetOwner: true}, Quorum: 1, Timeout: 7 * 86400}},
	}
	return []*workflows.Workflow{window, book}
}

// TestManual holds the manual of chains that use every word to its golden file, which somebody has read.
func TestManual(t *testing.T) {
	got := book(t, append(others(), full())...).Markdown()
	path := filepath.Join("testdata", "manual.md")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Every part of a chain that limits or opens something has words: without it, the manual is another one.
func TestNothingIsLeftOut(t *testing.T) {
	whole := book(t, full()).Markdown()
	for name, change := range map[string]func(*workflows.Workflow){
		"often": func(w *workflows.Workflow) { w.Often = nil }, "extend": func(w *workflows.Workflow) { w.Extend = nil }, "later": func(w *workflows.Workflow) { w.Later = 0 },
		"ends with": func(w *workflows.Workflow) { w.EndsWith = "" }, "only": func(w *workflows.Workflow) { w.Only = "" },
		"task": func(w *workflows.Workflow) { w.Task = nil }, "task's window": func(w *workflows.Workflow) { w.Task.Window = false }, "task's source": func(w *workflows.Workflow) { w.Task.Source = "" }, "task's assignee": func(w *workflows.Workflow) { w.Task.Assignee = workflows.AssigneeAnyone }, "freezes": func(w *workflows.Workflow) { w.Freezes = nil },
		"reason for": func(w *workflows.Workflow) { w.ReasonFor = nil }, "tell": func(w *workflows.Workflow) { w.Tell = nil }, "risk": func(w *workflows.Workflow) { w.Risk = nil },
		"choose": func(w *workflows.Workflow) { w.Choose = "" }, "exclude": func(w *workflows.Workflow) { w.Ask.Exclude = nil }, "for": func(w *workflows.Workflow) { w.For = w.For[:1] },
		"longest": func(w *workflows.Workflow) { w.Longest = 7200 }, "reason": func(w *workflows.Workflow) { w.ReasonMin = 0 }, "seen by": func(w *workflows.Workflow) { w.SeenBy = workflows.SeenByMembers },
		"owner": func(w *workflows.Workflow) { w.Owner = "" }, "channel": func(w *workflows.Workflow) { w.Channel = "" }, "conflicts": func(w *workflows.Workflow) { w.Entitlements[0].Conflicts = nil },
		"rule": func(w *workflows.Workflow) { w.Rules = w.Rules[:3] }, "rule's refusal": func(w *workflows.Workflow) { w.Rules[0].Refuse = "no" }, "auto": func(w *workflows.Workflow) { w.Rules[1].Auto.Times = 4 },
		"sample": func(w *workflows.Workflow) { w.Rules[1].Auto.Sample = 21 }, "up to": func(w *workflows.Workflow) { w.Rules[2].UpTo = 60 }, "rule's longest": func(w *workflows.Workflow) { w.Rules[3].Longest = 60 },
		"quorum": func(w *workflows.Workflow) { w.Stages[0].Quorum = 2 }, "remind": func(w *workflows.Workflow) { w.Stages[0].RemindWorking = 0 }, "escalate": func(w *workflows.Workflow) { w.Stages[0].Escalate = nil },
		"then": func(w *workflows.Workflow) { w.Stages[0].Then = nil }, "timeout": func(w *workflows.Workflow) { w.Stages[0].Timeout = 60 }, "off hours": func(w *workflows.Workflow) { w.Stages[0].OffHours = "" },
		"deny": func(w *workflows.Workflow) { w.Stages[0].Deny = "" }, "fallback": func(w *workflows.Workflow) { w.Stages[0].Approvers.Fallback = nil }, "manager": func(w *workflows.Workflow) { w.Stages[0].Approvers.Manager = false },
		"part": func(w *workflows.Workflow) { w.Stages[1].Parts[1].Quorum = 1 }, "distinct": func(w *workflows.Workflow) { w.Stages[1].DistinctFrom = nil }, "any part": func(w *workflows.Workflow) { w.Stages[2].AnyPart = false },
		"repeat": func(w *workflows.Workflow) { w.Stages[2].Repeat = false }, "consent": func(w *workflows.Workflow) { w.Stages[3].Kind = "" }, "stage's tell": func(w *workflows.Workflow) { w.Stages[1].Tell = nil },
		"optional": func(w *workflows.Workflow) { w.Fields[4].Optional = false }, "least": func(w *workflows.Workflow) { w.Fields[1].Least = "" }, "most": func(w *workflows.Workflow) { w.Fields[1].Most = "" },
	} {
		w := full()
		change(w)
		if book(t, w).Markdown() == whole {
			t.Errorf("%s: the manual says nothing of it", name)
		}
	}
}

var lineOfDiagram = regexp.MustCompile(`^(flowchart TD|  \w+(\["[^"\\<>]*"\]|\(\["[^"\\<>]*"\]\)|\{"[^"\\<>]*"\})|  \w+ -->(\|"[^"|\\<>]*"\|)? \w+)$`)

// Whatever people write into titles and conditions, a diagram stays a diagram and a table a table.
func TestTextsDoNotBreakOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evil := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"\"]\n click s1 \"javascript:alert(1)\"", "```\n# x", "| a | b |", "<script>", "end", "`x`", "a\r\n---\n", "#quot;", "%%{init: {}}%%", "](http://x)", "x & y --> z", "\u2028",
		})).Draw(t, "text")
		w := full()
		w.Title, w.Stages[0].Name, w.Rules[0].Name, w.Rules[3].When, w.Entitlements[0].Title, w.Purpose = evil, evil, evil, evil, evil, evil
		for line := range strings.Lines(manual.Diagram(w)) {
			if !lineOfDiagram.MatchString(strings.TrimSuffix(line, "\n")) {
				t.Fatalf("%q breaks the diagram: %q", evil, line)
			}
		}
		md := manual.Book{Chapters: []manual.Chapter{{Workflow: w}}}.Markdown()
		plain := manual.Book{Chapters: []manual.Chapter{{Workflow: full()}}}.Markdown()
		if got, want := strings.Count(md, "\n```"), strings.Count(plain, "\n```"); got != want {
			t.Fatalf("%q makes %d fences, want %d", evil, got, want)
		}
		for line := range strings.Lines(md) {
			if strings.HasPrefix(line, "| ") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != cells(line) {
				t.Fatalf("%q breaks a table: %q", evil, line)
			}
			if strings.HasPrefix(line, "<") && !strings.HasPrefix(line, "<a id=") {
				t.Fatalf("%q is HTML: %q", evil, line)
			}
		}
	})
}

// cells is how many bars a row of our tables has.
func cells(line string) int {
	switch {
	case strings.HasPrefix(line, "| Who |"), strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") == 3:
		return 3
	case strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") == 5:
		return 5 // rules and classes
	}
	return 6 // what is granted
}

func TestCondition(t *testing.T) {
	fields := []workflows.Field{{Name: "size", Label: "How many rows"}}
	for when, want := range map[string]string{
		"":                                    "always",
		"business":                            "it is within business hours",
		"!business && tier == 'high'":         "it is outside of business hours and the risk is high",
		`duration <= duration("90m")`:         "it is for at most 1 hour 30 minutes",
		`duration > duration("2d")`:           "it is for more than 2 days",
		`fields.size   >  10`:                 "“How many rows” is more than 10",
		`fields.other in ["a", "b"]`:          "“other” is one of a or b",
		`"dba" in requester.groups`:           "the requester is in the group dba",
		`!("dba" in requester.groups)`:        "the requester is not in the group dba",
		`target.environment == "prod"`:        "the system is in prod",
		`subject.kind == "service_account"`:   "it is for a service account",
		`day in ["Saturday", "Sunday"]`:       "it is Saturday or Sunday",
		`subject.kind != "ai_agent"`:          "it is not for an AI agent",
		`subject.kind == "integration"`:       "it is for an integration",
		`subject.kind == "api_key"`:           "it is for an API key",
		`requester.kind == "oauth_token"`:     "an OAuth token asks",
		`subject.kind == "ssh_key"`:           "it is for an SSH key",
		`renewals >= 2`:                       "it was extended 2 times or more before",
		`business || tier == "low"`:           "“business || tier == \"low\"”",
		`(business || risk > 1) && hour < 9`:  "“(business || risk > 1)” and it is before 9:00",
		`fields.note == "a && b" && business`: "“note” is a && b and it is within business hours",
		`fields.note == "a\"&& b"`:            `“fields.note == "a\"&& b"”`,
		`business ? true : false && business`: "“business ? true : false && business”",
	} {
		if got := manual.Condition(when, fields); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for s, want := range map[workflows.Span]string{
		30: "30 seconds", 1: "1 second", 60: "1 minute", 5400: "1 hour 30 minutes", 7200: "2 hours", 86400: "1 day", 36 * 3600: "36 hours", 90 * 86400: "90 days", 4*86400 + 3600: "4 days 1 hour",
	} {
		if got := manual.Span(s); got != want {
			t.Errorf("%d: %q, want %q", s, got, want)
		}
	}
}

// What all chains share is said once, and what a class is for depends on the holder where it does.
func TestRiskIsSaidOnce(t *testing.T) {
	a, b := full(), full()
	b.ID, b.Title = "other", "Another"
	a.Risk.Rows = append([]workflows.RiskRow{{Principal: []string{"ai_agent"}, Tier: "high"}, {Principal: []string{"person"}, Action: []string{workflows.ActionWrite}, Tier: "low"}}, a.Risk.Rows...)
	both := book(t, a, b).Markdown()
	if n := strings.Count(both, "| Class | At most |"); n != 1 {
		t.Errorf("the classes stand there %d times", n)
	}
	for _, want := range []string{
		"- pg-main/writer: class **high**, but **low** for a person.", "- pg-main/reader: class **low**, but **high** for an AI agent.", "## Classes of risk", "stands [below](#risk)",
	} {
		if !strings.Contains(both, want) {
			t.Errorf("the manual does not say %q", want)
		}
	}
	b.Risk.Tiers[0].Approvers = 1
	if n := strings.Count(book(t, a, b).Markdown(), "| Class | At most |"); n != 2 {
		t.Errorf("different classes stand there %d times", n)
	}
	b.Risk.Rows = nil
	if md := book(t, b).Markdown(); !strings.Contains(md, "- pg-main/writer: no class.") {
		t.Error("a table without rows gives a class")
	}
}

// A crowd is counted, not listed.
func TestCrowds(t *testing.T) {
	w := others()[1]
	for range 30 {
		w.Ask.Groups = []workflows.Group{{Name: "all", Members: make([]workflows.PersonID, 30)}}
	}
	if md := (manual.Book{Person: func(workflows.PersonID) string { return "x" }, Chapters: []manual.Chapter{{Workflow: w}}}).Markdown(); !strings.Contains(md, "x and 19 more)") {
		t.Error(md)
	}
	file := book(t, full()).File(manual.Chapter{Workflow: full()})
	if !strings.HasPrefix(file, "# Change production data\n") || !strings.Contains(file, "## Words") {
		t.Errorf("a chain by itself:\n%s", file)
	}
}

// Everything that a chapter says goes through the tongue, so that a reader who speaks another language reads no English but that of the documents.
func TestAChapterIsSaidInTheReadersTongue(t *testing.T) {
	word, own := regexp.MustCompile(`\p{L}{3,}`), regexp.MustCompile(`%(\[\d\])?[sdq%]|\p{L}`)
	mask := func(format string, args ...any) string {
		return fmt.Sprintf(own.ReplaceAllStringFunc(format, func(x string) string {
			if x[0] == '%' {
				return x
			}
			return "x"
		}), args...)
	}
	for _, w := range append(others(), full()) {
		b := book(t, w)
		b.Say = mask
		raw, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		document := string(raw) + b.Chapters[0].File + b.Chapters[0].Changed + "Ann Lee Bob Kim Olga Petrova Dave Neil Eve Adams Carl Carlsen Mallory Bad dba Mon Fri Europe Berlin sha256 yaml Mfor"
		var said []string
		for _, s := range b.Sections(b.Chapters[0]) {
			said = append(append(append(said, s.Title), s.Sentences...), s.Points...)
			for _, row := range s.Table {
				said = append(said, row...)
			}
		}
		if len(said) < 20 {
			t.Fatalf("%s: the chapter is empty", w.ID)
		}
		for _, line := range said {
			for _, x := range word.FindAllString(line, -1) {
				if strings.Trim(x, "x") != "" && !strings.Contains(strings.ToLower(document), strings.ToLower(x)) {
					t.Errorf("%s: %q of %q is said in English to everybody", w.ID, x, line)
				}
			}
		}
	}
}
