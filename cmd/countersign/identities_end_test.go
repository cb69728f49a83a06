package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// endTiers lets an identity of the risk critical, which everything on production is, end within 90 days; those of the risk low as always.
const endTiers = "tiers:\n  - {name: low, longest: 8h, approvers: 0}\n  - {name: critical, longest: 8h, approvers: 1, stands: 90d}\nrows:\n" +
	"  - {environment: [production], tier: critical}\n  - {tier: low}\n"

// TestReq_R23_TheEndIsBoundedByTheTier: how far ahead the end of an identity lies is bounded by its risk tier: in the form for a new one the wrong end is
// said under its input, a file that says a later one is refused row by row and takes nothing in, and a claim and a renewal are refused. What another tier has goes on for a year.
func TestReq_R23_TheEndIsBoundedByTheTier(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "jonas", highRisk(t), func(dir string) {
		for name, text := range map[string]string{"workflows/new-login.yaml": anyLoginChain, "roles.yaml": jonasRoles, "risk.yaml": endTiers} {
			mustSay(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	})
	s := w.story
	ctx, d := t.Context(), s.demo
	day := func(n int) string { return d.clock.Now().Wall.AddDate(0, 0, n).Format(time.DateOnly) }
	refused := func(want string, args ...string) {
		t.Helper()
		if out, err := d.cli(ctx, "", append([]string{"identities"}, args...)...); err == nil || !strings.Contains(out+err.Error(), want) {
			t.Errorf("countersign identities %s: %v, want %q\n%s", strings.Join(args, " "), err, want, out)
		}
	}

	field := func(name string) string { return screens.FieldBlock + name }
	form := map[string]any{
		screens.BlockDuration: "91d", screens.BlockReason: "The map needs its tiles from the shop.", field("identity"): "svc-tiles", field("kind"): "0", field("owner"): s.slackID("priya"),
		field("backup"): s.slackID("kenji"), field("purpose"): "Builds the tiles of the map.", field("environment"): "0", field("ticket"): "OPS-4711", field("scope"): "0", field("key"): s.people["maya"].public(),
	}
	mustSay(t, s.command(ctx, "maya", "/access", "identity new"))
	_, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	entered := map[string]map[string]any{}
	for block, v := range form {
		entered[block] = map[string]any{screens.InputValue: v}
	}
	sent := s.slack.SubmitView(ctx, s.slackID("maya"), entered)
	mustSay(t, sent.Err)
	if len(sent.Errors) != 1 || !strings.Contains(sent.Errors[screens.BlockDuration], "90d") {
		t.Errorf("the form says %q of an end in 91 days", sent.Errors)
	}
	form[screens.BlockDuration] = "90d"
	mustSay(t, s.submit(ctx, "maya", form))
	_, err = s.message(ctx, "access", "Maya Chen", "svc-tiles")
	mustSay(t, err)

	file := func(critical, low string) string {
		return fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,stored,revocation,risk\n"+
			"svc-pay,service_account,Pay,jonas,sofia,Pays the bills of the month.,"+critical+",vault,runbook a,critical\n"+
			"svc-mail,service_account,Mail,jonas,sofia,Sends the newsletter.,"+low+",vault,runbook b,low\n"+
			"svc-none,service_account,None,,,,,vault,runbook c,critical\n")
	}
	refused("ends within 90d", "import", file(day(92), day(300)), "-source", "cmdb")
	refused("", "show", "svc-mail")
	said(t, d.identityCLI(t, "import", file(day(80), day(300)), "-source", "cmdb"), "3 new")

	claim := func(end string) []string {
		return []string{"claim", "svc-none", "-owner", "jonas", "-backup", "sofia", "-purpose", "Copies the orders of the day.", "-expires", end}
	}
	refused("allows an end within 90d", claim(day(92))...)
	said(t, d.identityCLI(t, claim(day(80))...), "Owner: Jonas Weber")
	refused("allows an end within 90d", "renew", "svc-pay", "-expires", day(92), "-reason", "The bills go on.")
	d.identityCLI(t, "renew", "svc-pay", "-expires", day(88), "-reason", "The bills go on.")
	d.identityCLI(t, "renew", "svc-mail", "-expires", day(360), "-reason", "The letters go on.")
	if out, err := d.cli(ctx, "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
