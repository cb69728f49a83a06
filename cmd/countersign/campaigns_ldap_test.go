package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/bot/screens"
)

// TestReq_R56_StandingMembershipOfADirectoryBecomesRequestable: somebody is a member of a group of a real OpenLDAP for good. A reviewer makes that
// requestable: the directory holds her no more, what is read back of it says so, and she gets it through a chain, in the directory, for a while.
func TestReq_R56_StandingMembershipOfADirectoryBecomesRequestable(t *testing.T) {
	t.Parallel()
	url, isMember := startSlapd(t)
	dsn := filepath.Join(t.TempDir(), "dsn")
	mustSay(t, os.WriteFile(dsn, []byte("postgres://bot:pw@127.0.0.1:1/x?connect_timeout=1"), 0o600))
	files := leaverFiles(t, dsn, url, "redis://127.0.0.1:1")
	files["targets/directory.yaml"] = strings.Replace(files["targets/directory.yaml"], "settings: {", "settings: {drift_schedule: never, ", 1)
	files["roles.yaml"], files["campaigns.yaml"] = jonasRoles, strings.Replace(accessCampaignFile, "pg-main", "directory", 1)
	d := demoAsJonas(t, files)
	ctx, s := t.Context(), &story{demo: d}
	open := func() (r driftReport) {
		t.Helper()
		out, err := d.cli(ctx, "", "drift", "directory", "-json")
		mustSay(t, err)
		var got reply
		var list []driftReport
		mustSay(t, json.Unmarshal([]byte(out), &got))
		mustSay(t, json.Unmarshal(got.Data, &list))
		if len(list) != 1 || list[0].Error != "" || list[0].Unread != "" {
			t.Fatalf("drift says %s", out)
		}
		return list[0]
	}
	conn := dialed(t, func() (*ldap.Conn, error) { return ldap.DialURL(url) })
	mustSay(t, conn.Bind("cn=bot,dc=x", "bot-pw"))
	byHand := ldap.NewModifyRequest("cn=dba,ou=groups,dc=x", nil)
	byHand.Add("member", []string{"uid=maya,ou=people,dc=x"})
	mustSay(t, conn.Modify(byHand))
	if r := open(); r.Open != 1 || !isMember() {
		t.Fatalf("before the campaign: %+v", r)
	}
	d.identityCLI(t, "campaign", "start", "standing")
	sheet := string(d.sheetOf(t))
	said(t, d.identityCLI(t, "campaign", "page", sheet), "on: directory as maya", "account of: Maya Chen", "! unexplained")
	d.identityCLI(t, "campaign", "jit", sheet, "1", "-reason", "She repairs it twice a year.")
	report, err := until(ctx, "the campaign to be over", func() (string, bool) {
		out := d.identityCLI(t, "campaign", "report", "standing")
		return out, strings.Contains(out, "everything that was decided is done")
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	said(t, report, "1 made requestable", "can be asked for through use-directory (directory/")
	if r := open(); r.Open != 0 || isMember() {
		t.Errorf("after the campaign she is a member: %t, and of the directory is said: %+v", isMember(), r)
	}

	mustSay(t, s.command(ctx, "maya", "/access", "request use-directory"))
	_, err = s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: "A group of the directory is to be repaired."}))
	card, err := s.message(ctx, "access", "Maya Chen", "Chain use-directory")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = until(ctx, "the directory to hold her", func() (bool, bool) { return true, isMember() })
	mustSay(t, err)
	if r := open(); r.Open != 0 {
		t.Errorf("what was approved is called unexplained: %+v", r)
	}
	if out, err := d.cli(ctx, "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
