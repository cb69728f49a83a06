package workflows_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
)

// What conditions saw is recorded as one text for one value, read back as the same, and nothing else is read for it.
func TestInputsAreOneText(t *testing.T) {
	t.Parallel()
	in := workflows.Inputs{Entitlement: workflows.InputEntitlement{ID: "write", Action: "write", Breadth: "set"}, Fields: map[string]workflows.InputField{
		"b": {Type: workflows.FieldNumber, Value: "2"}, "a": {Type: workflows.FieldChoice, Value: "x"}, "c": {Type: workflows.FieldDuration, Value: "4h"},
	}}
	text, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // maps have no order of their own
		if again, err := in.JSON(); err != nil || again != text {
			t.Fatalf("%q and %q, %v", text, again, err)
		}
	}
	back, err := workflows.ReadInputs(text)
	if diff := cmp.Diff(in, back); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, bad := range map[string]string{
		"nothing":         "",
		"no object":       "[]",
		"cut":             text[:len(text)-1],
		"more behind it":  text + " {}",
		"an unknown word": strings.Replace(text, `"entitlement"`, `"entitlment"`, 1),
		"too long":        `{"fields":{"a":{"type":"text","value":"` + strings.Repeat("x", workflows.MaxInputs) + `"}}}`,
	} {
		if got, err := workflows.ReadInputs(bad); err == nil || !strings.HasPrefix(err.Error(), "inputs of the conditions: ") {
			t.Errorf("%s is read as %+v, %v", name, got, err)
		}
	}
	in.Fields["d"] = workflows.InputField{Type: workflows.FieldChoice, Value: strings.Repeat("y", workflows.MaxInputs)}
	if text, err := in.JSON(); err == nil {
		t.Errorf("%d bytes are written", len(text))
	}
}

// Each word of a question about the inventory leaves out what it does not fit, and an empty question leaves out nothing.
func TestInventoryQuery(t *testing.T) {
	t.Parallel()
	row := workflows.InventoryRow{
		ID: "svc-deploy", State: "active", Kind: "service_account", Owner: "p_ann", Backup: "p_bob", Target: "pg-main", Environment: "production",
		ManagedBy: "vendor", Expires: 1000, LastUsed: 500, Findings: []string{"no_expiry"}, Keys: []string{"hmac:1"}, Words: []string{"deployment", "robot"},
	}
	for name, tc := range map[string]struct {
		q    workflows.InventoryQuery
		want bool
	}{
		"everything":                {workflows.InventoryQuery{}, true},
		"its state":                 {workflows.InventoryQuery{State: "active"}, true},
		"another state":             {workflows.InventoryQuery{State: "suspended"}, false},
		"its kind":                  {workflows.InventoryQuery{Kind: "service_account"}, true},
		"another kind":              {workflows.InventoryQuery{Kind: "api_key"}, false},
		"its owner":                 {workflows.InventoryQuery{Owner: "p_ann"}, true},
		"its backup owner":          {workflows.InventoryQuery{Owner: "p_bob"}, true},
		"somebody else":             {workflows.InventoryQuery{Owner: "p_cho"}, false},
		"its target":                {workflows.InventoryQuery{Target: "pg-main"}, true},
		"another target":            {workflows.InventoryQuery{Target: "bastion"}, false},
		"its environment":           {workflows.InventoryQuery{Environment: "production"}, true},
		"another environment":       {workflows.InventoryQuery{Environment: "staging"}, false},
		"who manages it":            {workflows.InventoryQuery{ManagedBy: "vendor"}, true},
		"who does not":              {workflows.InventoryQuery{ManagedBy: "internal"}, false},
		"its finding":               {workflows.InventoryQuery{Finding: "no_expiry"}, true},
		"another finding":           {workflows.InventoryQuery{Finding: "dormant"}, false},
		"its key":                   {workflows.InventoryQuery{Key: "hmac:1"}, true},
		"another key":               {workflows.InventoryQuery{Key: "hmac:2"}, false},
		"what ends before":          {workflows.InventoryQuery{EndsBefore: 1001}, true},
		"what ends then":            {workflows.InventoryQuery{EndsBefore: 1000}, false},
		"what was not used since":   {workflows.InventoryQuery{UsedBefore: 501}, true},
		"what was used since":       {workflows.InventoryQuery{UsedBefore: 500}, false},
		"the page behind it":        {workflows.InventoryQuery{After: "svc-deploy"}, false},
		"the page that begins here": {workflows.InventoryQuery{After: "svc-a"}, true},
		"the beginnings of words":   {workflows.InventoryQuery{Words: []string{"dep", "rob"}}, true},
		"one word too many":         {workflows.InventoryQuery{Words: []string{"dep", "human"}}, false},
		"the middle of a word":      {workflows.InventoryQuery{Words: []string{"ploy"}}, false},
		"all of it":                 {workflows.InventoryQuery{State: "active", Kind: "service_account", Owner: "p_bob", Key: "hmac:1", Words: []string{"robot"}}, true},
		"all of it but one":         {workflows.InventoryQuery{State: "active", Kind: "service_account", Owner: "p_bob", Key: "hmac:2", Words: []string{"robot"}}, false},
	} {
		if got := tc.q.Matches(row); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	row.Expires, row.LastUsed = 0, 0
	if (workflows.InventoryQuery{EndsBefore: 9999}).Matches(row) {
		t.Error("what never ends, ends before")
	}
	if !(workflows.InventoryQuery{UsedBefore: 1}).Matches(row) {
		t.Error("what was never used was used since")
	}
}
