package workflows_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
)

// everything is a workflow in which every part of the language stands.
func everything() *workflows.Workflow {
	who := func(p ...workflows.PersonID) workflows.Selector { return workflows.Selector{People: p} }
	all := workflows.Selector{
		People: []workflows.PersonID{"p_a", "p_b"}, Groups: []workflows.Group{{Name: "dba", Members: []workflows.PersonID{"p_c", "p_d"}}},
		ChatGroups: []string{"@dba"}, ChatChannels: []string{"#dba"}, Rotations: []string{"night"}, Exclude: []workflows.PersonID{"p_x"},
		Fallback: &workflows.Selector{People: []workflows.PersonID{"p_e"}},
	}
	told := who("p_t")
	return &workflows.Workflow{
		Posture: []string{"disk-encrypted"}, MaxUnverified: 7200, Task: &workflows.TaskTerms{Source: "jira", Assignee: workflows.AssigneeAnyone, Window: true},
		ID: "prod", Title: "Production", Purpose: "Work", Kind: workflows.KindElevation, Owner: "p_o", Ask: all, For: []string{"self"},
		Entitlements: []workflows.Entitlement{{
			Target: "pg", ID: "read", TargetTitle: "Database", Title: "Read", Description: "Reads", BusinessTask: "Support", Owner: "p_o",
			Backup: "p_p", Environment: "production", DataClass: "internal", ReviewDate: "2027-01-31", Connector: "postgres",
			Params: map[string][]string{"role": {"reader"}}, Longest: 3600, Action: "read", Breadth: "one",
			Conflicts: []workflows.Conflict{{Set: "sod", With: []string{"pg/write"}, Why: "four eyes"}},
		}},
		Fields:  []workflows.Field{{Name: "ticket", Label: "Ticket", Help: "OPS-1", Type: "ticket", Choices: []string{"a", "b"}, Pattern: "x", MaxLen: 9, Least: "1", Most: "9"}},
		Longest: 7200, Usual: 3600, ReasonMin: 10, Channel: "#access", SeenBy: "parties", Uses: 3,
		Stages: []workflows.Stage{
			{
				Name: "Team", Approvers: all, Quorum: 2, Remind: 600, Escalate: &workflows.Escalation{After: 1200, Approvers: who("p_f")}, Timeout: 3600,
				Kind: "", DistinctFrom: []string{"Other"}, Then: []workflows.Escalation{{Working: 1800, Approvers: who("p_g")}}, OffHours: "wait", Tell: &told,
			},
			{Name: "Parts", Quorum: 2, Timeout: 3600, RemindWorking: 60, Parts: []workflows.Part{{Name: "A", Approvers: who("p_h"), Quorum: 1}, {Name: "B", Approvers: who("p_i"), Quorum: 1}}},
		},
		Rules: []workflows.Rule{
			{Name: "short", When: "duration < duration('1h')", Terms: 1, Stages: []string{"Team"}, Longest: 600},
			{Name: "auto", UpTo: 600, Auto: &workflows.Auto{Times: 2, Per: 3600, Sample: 50}},
			{Name: "never", When: "freeze != ''", Refuse: "A freeze."},
		},
		Often: &workflows.Often{Times: 3, Per: 86400}, Extend: &workflows.Extend{Cap: 9000}, Later: 86400, EndsWith: "ticket", Calendar: "berlin",
		Only: "business_hours", Freezes: []string{"year end"}, ReasonFor: []string{"approve"}, Tell: &told,
		Risk: &workflows.RiskTable{
			Tiers: []workflows.Tier{{Name: "low", Longest: 7200, Approvers: 1, Review: 86400}, {Name: "high", Approvers: 2, StepUp: true}},
			Rows:  []workflows.RiskRow{{Environment: []string{"production"}, Tier: "high"}, {Tier: "low"}},
		},
		Exception: &workflows.ExceptionTerms{
			Control: workflows.ControlRotation, Failed: workflows.FailedSuspends, Higher: "owner",
			Checks: []workflows.CheckTerms{{Kind: workflows.CheckFrom, Within: 60, From: []string{"10.0.0.0/8"}, Place: "vault:kv"}},
		},
		Window: &workflows.WindowTerms{Hours: "Mon-Fri 22:00-04:00", Zone: "UTC", Times: 2, Per: 86400, Lifetime: 600, Budget: 9},
	}
}

func clone(t testing.TB, w *workflows.Workflow) *workflows.Workflow {
	t.Helper()
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	out := new(workflows.Workflow)
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// leaves calls fn with every single value below v, settable, and with the way to it.
func leaves(v reflect.Value, path string, fn func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, fn)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			leaves(v.Elem(), path, fn)
		}
	case reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprintf("%s[%d]", path, i), fn)
		}
	case reflect.Map:
	default:
		fn(path, v)
	}
}

func twist(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "2")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	default:
		v.SetInt(v.Int() + 60)
	}
}

// No difference between two versions goes unsaid, wherever in the document it is, and going back says as much.
func TestCompareIsSilentAboutNothing(t *testing.T) {
	t.Parallel()
	base := everything()
	if got := workflows.Compare(base, clone(t, base)); got != nil {
		t.Errorf("a version and its copy: %v", got)
	}
	var paths []string
	leaves(reflect.ValueOf(clone(t, base)).Elem(), "", func(p string, _ reflect.Value) { paths = append(paths, p) })
	if len(paths) < 120 {
		t.Fatalf("only %d values to change", len(paths))
	}
	for _, path := range paths {
		w := clone(t, base)
		leaves(reflect.ValueOf(w).Elem(), "", func(p string, v reflect.Value) {
			if p == path {
				twist(v)
			}
		})
		there, back := workflows.Compare(base, w), workflows.Compare(w, base)
		if len(there) == 0 || len(back) == 0 {
			t.Errorf("%s: changed, and nothing is said: %v, back %v", path, there, back)
		}
		for _, c := range append(there, back...) {
			if strings.Contains(c.Text, "no words yet") || c.Text == "" || !strings.HasPrefix(c.Unit, "workflow/") {
				t.Errorf("%s: %+v", path, c)
			}
		}
	}
}

// Each line changes one thing; going there loosens or not, and going back is the opposite, or loosens too where no direction can be told.
func TestCompareTellsTheDirection(t *testing.T) {
	t.Parallel()
	const loosens, tightens, neutral, unclear = "loosens", "tightens", "neutral", "unclear" // unclear: loosens both ways
	for _, x := range []struct {
		what string
		is   string
		do   func(w *workflows.Workflow)
		says string
	}{
		{"a lower quorum", loosens, func(w *workflows.Workflow) { w.Stages[0].Quorum = 1 }, "stage Team: the quorum becomes 1, was 2"},
		{"one more approver", loosens, func(w *workflows.Workflow) {
			w.Stages[0].Approvers.People = append(w.Stages[0].Approvers.People, "p_z")
		}, "stage Team: approvers: p_z added"},
		{"a member joins a group", loosens, func(w *workflows.Workflow) {
			w.Stages[0].Approvers.Groups[0].Members = []workflows.PersonID{"p_c", "p_d", "p_z"}
		}, "stage Team: approvers: group dba: p_z added"},
		{"a member leaves a group", tightens, func(w *workflows.Workflow) {
			w.Stages[0].Approvers.Groups[0].Members = []workflows.PersonID{"p_c"}
		}, "stage Team: approvers: group dba: p_d taken out"},
		{"somebody is no longer left out", loosens, func(w *workflows.Workflow) { w.Stages[0].Approvers.Exclude = nil }, "left out: p_x taken out"},
		{"everybody may ask", loosens, func(w *workflows.Workflow) { w.Ask.Anyone = true }, "who may ask: everybody from now on"},
		{"a fallback goes", tightens, func(w *workflows.Workflow) { w.Stages[0].Approvers.Fallback = nil }, "nobody else when that yields nobody"},
		{"a stage goes", loosens, func(w *workflows.Workflow) { w.Stages = w.Stages[:1] }, `stage "Parts" is gone`},
		{"stages change places", unclear, func(w *workflows.Workflow) { w.Stages[0], w.Stages[1] = w.Stages[1], w.Stages[0] }, "is now number 1"},
		{"silence is consent", loosens, func(w *workflows.Workflow) { w.Stages[1].Kind = workflows.StageConsent }, "silence is consent"},
		{"one part is enough", loosens, func(w *workflows.Workflow) { w.Stages[1].AnyPart = true }, "one of its parts is enough"},
		{"a part goes", unclear, func(w *workflows.Workflow) { w.Stages[1].Parts = w.Stages[1].Parts[:1] }, `part "B" is gone`},
		{"the same people may count twice", loosens, func(w *workflows.Workflow) { w.Stages[1].Repeat = true }, "counts who approved an earlier one"},
		{"all earlier approvers are distinct", tightens, func(w *workflows.Workflow) { w.Stages[0].DistinctFrom = nil }, "nobody who approved an earlier stage counts"},
		{"no escalation", tightens, func(w *workflows.Workflow) { w.Stages[0].Then = nil }, "no escalation 2 any more"},
		{"an earlier escalation", loosens, func(w *workflows.Workflow) { w.Stages[0].Escalate.After = 60 }, "escalation 1 after 1m, was 20m"},
		{"a later reminder", neutral, func(w *workflows.Workflow) { w.Stages[0].Remind = 900 }, "a reminder after 15m, was 10m"},
		{"more time to decide", loosens, func(w *workflows.Workflow) { w.Stages[0].Timeout = 7200 }, "the time to decide becomes 2h, was 1h"},
		{"denials only count", loosens, func(w *workflows.Workflow) { w.Stages[0].Deny = workflows.DenyCounts }, "no longer ends the request"},
		{"any ticket will do", loosens, func(w *workflows.Workflow) { w.Task = nil }, "need not be a change window"},
		{"tickets of any system", loosens, func(w *workflows.Workflow) { w.Task.Source = "" }, "whose ticket it must be: any, was jira"},
		{"tickets of another system", unclear, func(w *workflows.Workflow) { w.Task.Source = "linear" }, "whose ticket it must be: linear, was jira"},
		{"the requester's ticket", tightens, func(w *workflows.Workflow) { w.Task.Assignee = workflows.AssigneeRequester }, "must be assigned: requester"},
		{"nobody's ticket", loosens, func(w *workflows.Workflow) { w.Task.Assignee = "" }, "to whom the ticket must be assigned: any, was anyone"},
		{"no window", loosens, func(w *workflows.Workflow) { w.Task.Window = false }, "need not be a change window"},
		{"nobody is told", loosens, func(w *workflows.Workflow) { w.Stages[0].Tell = nil }, "those who are told: nobody any more"},
		{"longer access", loosens, func(w *workflows.Workflow) { w.Longest = 14400 }, "the longest access becomes 4h, was 2h"},
		{"no cap on an entitlement", loosens, func(w *workflows.Workflow) { w.Entitlements[0].Longest = 0 }, "pg/read: the longest access becomes none, was 1h"},
		{"a further entitlement", loosens, func(w *workflows.Workflow) {
			w.Entitlements = append(w.Entitlements, workflows.Entitlement{Target: "pg", ID: "write"})
		}, "what it grants: pg/write added"},
		{"another parameter", unclear, func(w *workflows.Workflow) { w.Entitlements[0].Params["role"] = []string{"owner"} }, `{"role":["owner"]}`},
		{"a conflict goes", loosens, func(w *workflows.Workflow) { w.Entitlements[0].Conflicts = nil }, "may not be held with: pg/write (sod) taken out"},
		{"reviewed later", loosens, func(w *workflows.Workflow) { w.Entitlements[0].ReviewDate = "2028-01-31" }, "looked at again by 2028-01-31"},
		{"a field goes", loosens, func(w *workflows.Workflow) { w.Fields = nil }, `no longer asks for "ticket"`},
		{"a field may be empty", loosens, func(w *workflows.Workflow) { w.Fields[0].Optional = true }, "field ticket may stay empty from now on"},
		{"another pattern", unclear, func(w *workflows.Workflow) { w.Fields[0].Pattern = ".*" }, "the pattern becomes .*, was x"},
		{"shorter reasons", loosens, func(w *workflows.Workflow) { w.ReasonMin = 0 }, "the fewest characters of a reason becomes 0"},
		{"a verb without reason", loosens, func(w *workflows.Workflow) { w.ReasonFor = nil }, "verbs that need a reason: approve taken out"},
		{"as often as one likes", loosens, func(w *workflows.Workflow) { w.Often = nil }, "as often as they like"},
		{"more often", loosens, func(w *workflows.Workflow) { w.Often.Times = 9 }, "9 times per 1d, was 3 times per 1d"},
		{"longer extensions", loosens, func(w *workflows.Workflow) { w.Extend.Cap = 99 * 3600 }, "how long it can be extended to"},
		{"no extension", tightens, func(w *workflows.Workflow) { w.Extend = nil }, "becomes none"},
		{"outside of business hours", loosens, func(w *workflows.Workflow) { w.Only = "" }, "also outside of business hours"},
		{"a freeze is ignored", loosens, func(w *workflows.Workflow) { w.Freezes = nil }, "year end taken out"},
		{"ends with nothing", unclear, func(w *workflows.Workflow) { w.EndsWith = "until" }, "the field that access ends with"},
		{"another condition", unclear, func(w *workflows.Workflow) { w.Rules[0].When = "true" }, "its condition becomes true"},
		{"a rule with more stages", tightens, func(w *workflows.Workflow) { w.Rules[0].Stages = []string{"Team", "Parts"} }, "rule short: stages: Parts added"},
		{"a rule with all stages", tightens, func(w *workflows.Workflow) { w.Rules[0].Stages = nil }, "rule short goes through all stages"},
		{"a refusing rule goes", loosens, func(w *workflows.Workflow) { w.Rules = w.Rules[:2] }, `rule "never" is gone`},
		{"rules change places", unclear, func(w *workflows.Workflow) { w.Rules[0], w.Rules[1] = w.Rules[1], w.Rules[0] }, "stand in another order"},
		{"more without people", loosens, func(w *workflows.Workflow) { w.Rules[1].Auto.Times = 3 }, "automatic approvals in a period becomes 3"},
		{"fewer looked at", loosens, func(w *workflows.Workflow) { w.Rules[1].Auto.Sample = 1 }, "per cent of them that are reviewed becomes 1"},
		{"a tier with fewer approvers", loosens, func(w *workflows.Workflow) { w.Risk.Tiers[1].Approvers = 1 }, "tier high: the fewest approvers becomes 1"},
		{"a click is enough", loosens, func(w *workflows.Workflow) { w.Risk.Tiers[1].StepUp = false }, "needs more than a click no longer"},
		{"another risk row", unclear, func(w *workflows.Workflow) { w.Risk.Rows[0].Tier = "low" }, "the table that gives each ask its tier changes"},
		{"no tiers", loosens, func(w *workflows.Workflow) { w.Risk = nil }, "no risk tiers any more"},
		{"a larger budget", loosens, func(w *workflows.Workflow) { w.Window.Budget = 99 }, "grants in all in the window becomes 99"},
		{"another title", neutral, func(w *workflows.Workflow) { w.Title = "Prod" }, `the title reads "Prod", was "Production"`},
		{"another owner", unclear, func(w *workflows.Workflow) { w.Owner = "p_z" }, "the owner becomes p_z, was p_o"},
		{"seen by fewer", unclear, func(w *workflows.Workflow) { w.SeenBy = "members" }, "who may read its requests"},
	} {
		base, w := everything(), everything()
		x.do(w)
		there, back := workflows.Compare(base, w), workflows.Compare(w, base)
		if !strings.Contains(fmt.Sprint(there), x.says) {
			t.Errorf("%s: want %q in %v", x.what, x.says, there)
		}
		got := map[[2]bool]string{{true, false}: loosens, {false, true}: tightens, {false, false}: neutral, {true, true}: unclear}[[2]bool{workflows.Loosens(there), workflows.Loosens(back)}]
		if len(back) == 0 || got != x.is {
			t.Errorf("%s: %s, want %s: %v, back %v", x.what, got, x.is, there, back)
		}
	}
}

func TestCompareChainsThatComeAndGo(t *testing.T) {
	t.Parallel()
	w := everything()
	if got := workflows.Compare(nil, w); len(got) != 1 || !got[0].Loosens || !strings.Contains(got[0].Text, "pg/read") || got[0].Unit != "workflow/prod" {
		t.Errorf("a new chain: %v", got)
	}
	if got := workflows.Compare(w, nil); len(got) != 1 || got[0].Loosens {
		t.Errorf("a chain that goes: %v", got)
	}
	if got := workflows.Compare(nil, nil); got != nil {
		t.Errorf("nothing and nothing: %v", got)
	}
	plain := everything()
	plain.Rules = nil
	for _, x := range []struct {
		r       workflows.Rule
		loosens bool
	}{
		{workflows.Rule{Name: "all"}, false},
		{workflows.Rule{Name: "some", Stages: []string{"Team"}}, true},
		{workflows.Rule{Name: "auto", Auto: &workflows.Auto{Times: 1, Per: 60, Sample: 100}}, true},
		{workflows.Rule{Name: "no", Refuse: "Never."}, false},
	} {
		with := clone(t, plain)
		with.Rules = []workflows.Rule{x.r}
		if got := workflows.Compare(plain, with); workflows.Loosens(got) != x.loosens || len(got) == 0 {
			t.Errorf("the first rule, %q: %v", x.r.Name, got)
		}
	}
}

// Several changes at once hide none of each other: what loosens alone loosens among others.
func TestCompareHidesNothingBehindOthers(t *testing.T) {
	t.Parallel()
	var paths []string
	leaves(reflect.ValueOf(everything()).Elem(), "", func(p string, _ reflect.Value) { paths = append(paths, p) })
	named := func(p string) bool {
		return strings.HasSuffix(p, ".Name") || strings.HasSuffix(p, ".ID") || strings.HasSuffix(p, ".Target")
	}
	rapid.Check(t, func(rt *rapid.T) {
		few := rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 1, 5, rapid.ID[string]).Draw(rt, "paths")
		loosens, together := false, everything()
		for _, path := range few {
			if named(path) {
				return // another name is another thing: it changes what everything below it is compared with
			}
			alone := everything()
			for _, w := range []*workflows.Workflow{alone, together} {
				leaves(reflect.ValueOf(w).Elem(), "", func(p string, v reflect.Value) {
					if p == path {
						twist(v)
					}
				})
			}
			loosens = loosens || workflows.Loosens(workflows.Compare(everything(), alone))
		}
		if got := workflows.Compare(everything(), together); loosens && !workflows.Loosens(got) {
			rt.Fatalf("%v together: %v", few, got)
		}
	})
}
