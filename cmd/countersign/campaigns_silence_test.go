package main

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows/campaigns"
)

const silenceInventory = "id,kind,name,owner,backup,purpose,expires,last_used,stored,revocation,risk\n" +
	"svc-a,service_account,A,maya,jonas,Prints the monthly report.,2027-01-31,,vault,runbook a,low\n" +
	"svc-b,service_account,B,maya,kenji,Sends the weekly mails.,2027-01-31,,vault,runbook b,low\n" +
	"svc-c,service_account,C,maya,kenji,Copies the backups away.,2027-01-31,,vault,runbook c,high\n" +
	"svc-d,service_account,D,jonas,maya,Cleans up temporary files.,2027-01-31,,vault,runbook d,low\n"

// TestReq_R24_SilenceIsSaidOnce: of the sheets of three reviewers that end at the same time without an answer, each person of security gets one letter, which names
// the reviewers, how much is open and what becomes of it; the ledger holds for each sheet and person that it was told, and verifies.
func TestReq_R24_SilenceIsSaidOnce(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "campaigns.yaml": campaignFile})
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", silenceInventory), "-source", "cmdb")
	said(t, d.identityCLI(t, "campaign", "start", "machines"), "Jonas Weber", "Kenji Mori", "Maya Chen")
	mustSay(t, d.advance(t.Context(), 15*24*time.Hour))
	_, err := until(t.Context(), "the campaign to be over", func() (string, bool) {
		out := d.identityCLI(t, "campaign", "report", "machines")
		return out, strings.Contains(out, "everything that was decided is done")
	})
	mustSay(t, err)
	mustSay(t, d.advance(t.Context(), campaigns.SilenceTogether+time.Minute))

	security := []string{"jonas", "sofia", "priya"}
	_, err = until(t.Context(), "all to be told", func() (string, bool) {
		out, err := d.cli(t.Context(), "", "ledger", "show", "-json", "-last", "0")
		told, sheets := strings.Count(out, `"`+campaigns.NoticeSilent+"/"), strings.Count(out, `"`+campaigns.Lapsed{}.Kind()+`"`)
		return out, err == nil && sheets >= 3 && told >= sheets*len(security)
	})
	mustSay(t, err)
	s := &story{demo: d}
	for _, who := range security {
		var letters []string
		for _, m := range d.slack.DM(s.slackID(who)) {
			if v := m.Visible(); strings.Contains(v, "nobody answered for all of it") || strings.Contains(v, "nobody answered for what ") {
				letters = append(letters, v)
			}
		}
		if len(letters) != 1 {
			t.Errorf("%s got %d letters about one silence:\n%s", who, len(letters), strings.Join(letters, "\n---\n"))
			continue
		}
		said(t, letters[0], "Machines, every quarter: time is up", "*Jonas Weber* – ", "*Kenji Mori* – ", "*Maya Chen* – ", " without an answer: it is suspended", "campaign report machines")
	}
	if out, err := d.cli(t.Context(), "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
