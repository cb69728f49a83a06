package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// A parameter takes its whole value from the form; what is typed into a form never becomes part of another text, and a grant whose form left
// something out is not made with a hole in it.
func TestParametersFromTheForm(t *testing.T) {
	t.Parallel()
	hold := grants.Hold{
		At: workflows.Instant{UTC: 1e6},
		Approved: grants.Approved{
			Params: map[string][]string{"schema": {"${fields.schema}"}, "role": {"reader", "x${fields.schema}", "${fields.}", "${fields.schema} y"}},
			Fields: map[string]string{"schema": "orders"}, StartsAt: 5e6,
		},
	}
	order := grantOf(hold)
	want := map[string][]string{"schema": {"orders"}, "role": {"reader", "x${fields.schema}", "${fields.}", "${fields.schema} y"}}
	if d := cmp.Diff(want, order.Params); d != "" {
		t.Error(d)
	}
	if order.Start.Unix() != 5 {
		t.Errorf("starts at %s", order.Start)
	}
	if hold.Approved.Params["schema"][0] != "${fields.schema}" {
		t.Error("what the ledger says was changed")
	}
	for field, fields := range map[string]map[string]string{"schema": {"other": "x"}, "": {"schema": "orders"}} {
		if got := filled(map[string][]string{"schema": {"${fields.schema}"}, "fixed": {"x"}}, fields); got != field {
			t.Errorf("left out: %q, want %q", got, field)
		}
	}
}
