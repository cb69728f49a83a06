package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// TestReq_R10_ExplainedBesideTheBotAndWithoutIt: the same request, through the running bot, out of its data folder, and asked again under other rules.
func TestReq_R10_ExplainedBesideTheBotAndWithoutIt(t *testing.T) {
	t.Parallel()
	d := cliDemo(t)
	s := &story{demo: d}
	ctx := t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request solo"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{
		"duration": "1h", "reason": "The shop answers 502 and nobody else is awake.", "field:key": d.people["maya"].public(),
	}))
	_, err := s.message(ctx, "access", "Maya Chen", "Shell as deploy")
	mustSay(t, err)
	out, err := d.cli(ctx, "", "list")
	mustSay(t, err)
	id := requestIn(t, out)
	conf := filepath.Join(d.dir, "config")

	// Through the people's socket: who asks for the explanation is Jonas, who may see it.
	out, err = d.cli(ctx, "", "explain", id[len(id)-6:], "-zone", "Europe/Berlin")
	mustSay(t, err)
	said(t, out, "… "+id, "Waiting for 1 more in stage 1 of 1 (Owner)", "  … Owner:", "    … Jonas Weber: Asked: named in the chain", "who could decide now", "Frida")
	out, err = d.cli(ctx, "", "explain", id, "-at", "2030-06-16T03:00", "-zone", "Europe/Berlin", "-without", "jonas")
	mustSay(t, err)
	said(t, out, "who could decide on Sunday 2030-06-16 at 03:00 CEST without those who are away", "– Jonas Weber", "on time off")
	out, err = d.cli(ctx, "", "explain", id, "-json")
	mustSay(t, err)
	var tree workflows.Explanation
	if err := json.Unmarshal([]byte(out), &tree); err != nil || tree.Name != id || len(tree.Children) != 2 {
		t.Errorf("%v in\n%s", err, out)
	}
	if out, err := d.cli(ctx, "", "explain", id, "-without", "nobody"); err == nil || !strings.Contains(out, "There is nobody called nobody in the people file") {
		t.Errorf("somebody unknown is away: %s", out)
	}
	if out, err := d.cli(ctx, "", "explain", "zzzzzz"); err == nil {
		t.Errorf("a request that is not there: %s", out)
	}

	// Out of the data folder: what is recorded is the same; who could decide needs the documents.
	data := filepath.Join(d.dir, "data")
	alone, err := d.cli(ctx, "", "explain", id[len(id)-6:], "-data", data)
	mustSay(t, err)
	said(t, alone, "Waiting for 1 more in stage 1 of 1 (Owner)", "Jonas Weber: Asked: named in the chain")
	if strings.Contains(alone, "who could decide") {
		t.Errorf("without documents nobody knows who could decide:\n%s", alone)
	}
	with, err := d.cli(ctx, "", "explain", id, "-data", data, "-in", conf, "-without", "jonas")
	mustSay(t, err)
	said(t, with, "Waiting for 1 more in stage 1 of 1 (Owner)", "who could decide now without those who are away", "– Jonas Weber", "… Frida")
	for _, args := range [][]string{{id, "-data", data, "-at", "2030-06-16T03:00"}, {"zzzzzz", "-data", data}, {id, "-data", data, "-in", conf, "-without", "x"}} {
		if out, err := d.cli(ctx, "", append([]string{"explain"}, args...)...); err == nil {
			t.Errorf("explain %v:\n%s", args, out)
		}
	}
	// Before asking, with what the ledger says of people.
	out, err = d.cli(ctx, "", "explain", "-in", conf, "-workflow", "solo", "-as", "maya", "-for", "2h", "-field", "key="+d.people["maya"].public())
	mustSay(t, err)
	said(t, out, "Goes through ", "Jonas Weber: named in the chain; ")

	// The same again under the folder that governs, and under one that asks for two.
	out, err = d.cli(ctx, "", "simulate", "-history", "30d", "-against", conf)
	mustSay(t, err)
	said(t, out, "The only request would go as it went.")
	other := filepath.Join(t.TempDir(), "org")
	mustSay(t, os.CopyFS(other, os.DirFS(conf)))
	file := filepath.Join(other, "workflows", "solo.yaml")
	mustSay(t, os.WriteFile(file, []byte(strings.Replace(soloChain, "quorum: 1", "quorum: 2", 1)), 0o600))
	out, err = d.cli(ctx, "", "simulate", "-history", "30d", "-against", other)
	mustSay(t, err)
	said(t, out, id, "Maya Chen asked for bastion/deploy for 1h; waiting", "Now it would go through Owner (2) instead of Owner (1)", "1 of 1 request would go differently.")
	mustSay(t, os.WriteFile(file, []byte(strings.Replace(soloChain, "[maya, jonas]", "[jonas]", 1)), 0o600))
	out, err = d.cli(ctx, "", "simulate", "-history", "30d", "-against", other, "-json")
	mustSay(t, err)
	said(t, out, `"different": 1`, "it would be refused: You are not among those who may ask for this.")
}
