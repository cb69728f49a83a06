package bot_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// catalogueReader is targets that say what they can grant and what will change.
type catalogueReader struct {
	err error
}

var longRole = "cn=" + strings.Repeat("a very long name ", 8) + ",dc=example"

// Holds implements desk.Reader.
func (*catalogueReader) Holds(context.Context, workflows.Entitlement, workflows.IdentityID, string) (bool, error) {
	return false, nil
}

// Offered implements desk.Cataloguer.
func (r *catalogueReader) Offered(_ context.Context, _ workflows.Entitlement, field string) ([]desk.Offered, error) {
	if field != "role" {
		return nil, errors.New("another field was asked for")
	}
	return []desk.Offered{{Value: "reader_orders", Text: "reads orders"}, {Value: "reader_stock"}, {Value: "payroll"}, {Value: longRole}}, r.err
}

// Plan implements desk.Planner.
func (r *catalogueReader) Plan(_ context.Context, _ workflows.Entitlement, o desk.Order) (workflows.Foreseen, bool, error) {
	return workflows.Foreseen{
		Changes:  []string{"maya becomes a member of <!channel> " + o.Fields["role"]},
		Standing: []string{"maya is a member of *admins* for good"},
	}, true, nil
}

// A menu that a target fills offers what the chain lets through, what is picked is what is asked, and the card says what will change.
func TestOffersOfATargetInTheForm(t *testing.T) {
	reader := &catalogueReader{}
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		w.reader = reader
		chain := *p.Workflows["bastion-shell"].Workflow
		e := chain.Entitlements[0]
		e.Params = map[string][]string{"principals": {"${fields.role}"}}
		chain.Entitlements = []workflows.Entitlement{e}
		chain.Fields = append(slices.Clone(chain.Fields), workflows.Field{Name: "role", Label: "Role", Type: workflows.FieldOffer, Pattern: "reader_.*|cn=.*"})
		w.add(p, chain)
	})
	w.command("maya", "/access", "request bastion-shell")
	press := slacksim.Press{User: "maya", ActionID: "value", BlockID: "field:role"}
	for typed, want := range map[string]int{"": 3, "stock": 1, "payroll": 0, "reads orders": 1} {
		if found, d := w.sim.Suggest(w.ctx, press, typed); d.Err != nil || len(found) != want {
			t.Errorf("%q offers %d, want %d (%v)", typed, len(found), want, d.Err)
		}
	}
	picked := desk.Offered{Value: longRole}.Key()
	if _, d := w.sim.Suggest(w.ctx, press, "very long"); d.Err != nil {
		t.Fatal(d.Err)
	}
	w.do(w.sim.Select(w.ctx, slacksim.Press{User: "maya", ActionID: "value", BlockID: "field:role", Values: []string{picked}}))
	w.submit("maya", map[string]map[string]any{
		"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "deploy hotfix now"}, "field:ticket": {"value": "OPS-12"}, "field:role": {"value": picked},
	})
	asked := w.newest("maya").State.Asked
	if asked.Fields["role"] != longRole {
		t.Errorf("asked for %q", asked.Fields["role"])
	}
	for where, said := range map[string]string{"the card": w.card("access").Visible(), "the approver's Home": w.home("jonas").Visible()} {
		for _, want := range []string{"What will change", "becomes a member of", "Standing access", "for good", "In the last 90 days"} {
			if !strings.Contains(said, want) {
				t.Errorf("%s does not say %q:\n%s", where, want, said)
			}
		}
		if strings.Contains(said, "<!channel>") {
			t.Errorf("%s: what the target says calls everybody", where)
		}
	}
}
