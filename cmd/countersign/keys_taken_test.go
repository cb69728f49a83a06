package main

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/bot/screens"
)

// TestReq_R73_AKeyOfAnotherIsRefused: a key that is on record for another, as a person's own, by access that was made for it or in the inventory, is taken
// for nobody else, in Slack, on the command line and where people put keys on record; and one that became another's after it was asked for opens
// nothing. Their own they use again.
func TestReq_R73_AKeyOfAnotherIsRefused(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "workflows/solo.yaml": soloChain})
	s, ctx := &story{demo: d}, t.Context()
	const taken = "This key is on record for another identity"
	refused := func(args ...string) {
		t.Helper()
		out, err := d.cli(ctx, "", args...)
		if err == nil || !strings.Contains(out+err.Error(), taken) || strings.Contains(out+err.Error(), "Jonas") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	ask := func(who string) []string {
		return []string{"request", "solo", "-reason", "The shop answers 502 for me.", "-field", "key=" + d.people[who].public()}
	}
	send := func(reason, who string) error {
		mustSay(t, s.command(ctx, "maya", "/access", "request solo"))
		return s.submit(ctx, "maya", map[string]any{"duration": "1h", "reason": reason, screens.FieldBlock + "key": d.people[who].public()})
	}

	// Of the inventory.
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,owner,backup,purpose,expires,revocation\n"+
		"key-a,ssh_key,maya,jonas,Uploads build artefacts to the store.,2027-03-31,runbook off\n"), "-source", "cmdb")
	d.identityCLI(t, "rotate", "key-a")
	d.identityCLI(t, "rotated", "key-a", "-fingerprint", ssh.FingerprintSHA256(d.people["kenji"].ssh.PublicKey()), "-evidence", "the platform's page of keys, CHG-88")
	refused(ask("kenji")...)
	refused("key", "set", d.people["kenji"].public())

	// A person's own, which stays theirs when they remove it.
	said(t, s.mustCLI(t, "key", "set", d.people["jonas"].public()), "sealed to your")
	said(t, s.mustCLI(t, "key", "remove"), "removed")
	if err := send("Not with a key of his.", "jonas"); err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("the form was taken: %v", err)
	}
	requestIn(t, s.mustCLI(t, ask("jonas")...))

	// Maya's becomes another's while she waits; and what was made for her is hers.
	mustSay(t, send("Sofia's key was free.", "sofia"))
	late, err := s.message(ctx, "access", "Sofia's key was free.")
	mustSay(t, err)
	said(t, s.mustCLI(t, "key", "set", d.people["sofia"].public()), "sealed to your")
	mustSay(t, s.press(ctx, "jonas", late, screens.ActApprove))
	_, err = s.dm(ctx, "maya", "could not be made", taken)
	mustSay(t, err)
	mustSay(t, send("Mine for the first time.", "maya"))
	card, err := s.message(ctx, "access", "Mine for the first time.")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = s.dm(ctx, "maya", "ready: you can use", "Shell as deploy")
	mustSay(t, err)
	refused(ask("maya")...)
	mustSay(t, send("Mine for another time.", "maya"))
	said(t, s.mustCLI(t, "ledger", "verify"), "intact")
}
