package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

const campaignFile = `campaigns:
  - name: machines
    title: Machines, every quarter
    why: PCI DSS 7.2.5.1 and our risk analysis of 2026-01.
    of: identities
    schedule: 0 9 2 1,4,7,10 *
    zone: Europe/Berlin
    reviewer: backup
    due: 14d
    silence: suspend
    acknowledge: [jonas]
`

const campaignInventory = "id,kind,name,owner,backup,purpose,expires,last_used,stored,revocation,risk\n" +
	"svc-a,service_account,A,maya,jonas,Prints the monthly report.,2027-01-31,,vault,runbook a,low\n" +
	"svc-b,service_account,B,maya,jonas,Sends the weekly mails.,2027-01-31,,vault,runbook b,low\n" +
	"svc-c,service_account,C,maya,jonas,Copies the backups away.,2027-01-31,,vault,runbook c,high\n" +
	"svc-d,service_account,D,maya,jonas,Was for the old shop.,2027-01-31,,vault,runbook d,low\n" +
	"svc-e,service_account,E,jonas,maya,Cleans up temporary files.,2027-01-31,,vault,runbook e,low\n"

// sheetOf gives the sheet that waits for Jonas.
func (d *demo) sheetOf(t *testing.T) workflows.SheetID {
	t.Helper()
	var r reply
	mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "campaign", "sheets", "-json")), &r))
	var data struct {
		Sheets []struct {
			Sheet workflows.SheetID `json:"sheet"`
		} `json:"sheets"`
	}
	mustSay(t, json.Unmarshal(r.Data, &data))
	if len(data.Sheets) != 1 {
		t.Fatalf("sheets that wait: %+v", data)
	}
	return data.Sheets[0].Sheet
}

// campaignRefused wants a command to be refused with these words.
func (d *demo) campaignRefused(t *testing.T, want string, args ...string) {
	t.Helper()
	out, err := d.cli(t.Context(), "", append([]string{"identities", "campaign"}, args...)...)
	if err == nil || !strings.Contains(out+err.Error(), want) {
		t.Errorf("countersign identities campaign %s: %v, want %q\n%s", strings.Join(args, " "), err, want, out)
	}
}

// TestReq_R24_CampaignFromTheCommandLine: a campaign is begun, looked at, decided item by item, carried out, reported and signed; nothing is kept
// unseen, nothing that is high risk is kept together with others, and the ledger verifies (R24, R107).
func TestReq_R24_CampaignFromTheCommandLine(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "campaigns.yaml": campaignFile})
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", campaignInventory+"svc-f,service_account,F,maya,jonas,Reads and writes the stock.,2027-01-31,,vault,runbook f,low\n"), "-source", "cmdb")
	said(t, d.identityCLI(t, "campaign", "list"), "machines", "never held")
	d.campaignRefused(t, "no such campaign", "start", "elsewhere")
	said(t, d.identityCLI(t, "campaign", "start", "machines"), "Machines, every quarter", "Jonas Weber")
	d.campaignRefused(t, "under way already", "start", "machines")

	sheet := string(d.sheetOf(t))
	d.campaignRefused(t, "were not shown to you", "keep", sheet, "1")
	page := d.identityCLI(t, "campaign", "page", sheet, "1", "2", "3", "4", "5")
	said(t, page, "for: Prints the monthly report.", "owner: Maya Chen", "approved by: nothing on record", "used last: not known")
	d.campaignRefused(t, "not kept together", "keep", sheet, "1", "2", "3")
	said(t, d.identityCLI(t, "campaign", "keep", sheet, "1", "2"), "Recorded: keep for 2 items")
	said(t, d.identityCLI(t, "campaign", "hand-over", sheet, "3", "-to", "jonas", "-reason", "My team runs the backups now."), "Recorded")
	d.campaignRefused(t, "Say why", "revoke", sheet, "4", "-reason", "old")
	said(t, d.identityCLI(t, "campaign", "revoke", sheet, "4", "-reason", "The old shop is switched off."), "Recorded")
	d.campaignRefused(t, "Say why", "narrow", sheet, "5", "-scope", "table:stock:read", "-reason", "old")
	said(t, d.identityCLI(t, "campaign", "narrow", sheet, "5", "-scope", "table:stock:read", "-reason", "It only reads since the move."), "Recorded")

	_, err := until(t.Context(), "what was decided to be carried out", func() (string, bool) {
		c, d2 := d.identityCLI(t, "show", "svc-c"), d.identityCLI(t, "show", "svc-d")
		return c + d2, strings.Contains(c, "Being handed over (review): Jonas Weber") && strings.Contains(d2, "To do:")
	})
	mustSay(t, err)
	if out := d.identityCLI(t, "show", "svc-a"); strings.Contains(out, "attested not known") {
		t.Errorf("what was kept is not attested:\n%s", out)
	}

	// svc-e is Jonas's own, so Maya, who backs it up, is asked; she does not answer, and when the time is over it is suspended.
	mustSay(t, d.advance(t.Context(), 15*24*time.Hour))
	_, err = until(t.Context(), "silence to suspend it", func() (string, bool) {
		out := d.identityCLI(t, "show", "svc-e")
		return out, strings.Contains(out, "Suspended: review")
	})
	mustSay(t, err)
	report, err := until(t.Context(), "the campaign to be over", func() (string, bool) {
		out := d.identityCLI(t, "campaign", "report", "machines")
		return out, strings.Contains(out, "everything that was decided is done")
	})
	mustSay(t, err)
	said(t, report, "1 narrowed", "It only reads since the move.", "Held because: PCI DSS 7.2.5.1", "| svc-a |", "Nobody answered for 2; then: suspend.", "revoke: The old shop is switched off.", "By nobody yet.",
		"demo.invalid/")
	said(t, d.identityCLI(t, "campaign", "acknowledge", "machines", "-reason", "Read."), "Acknowledged")
	said(t, d.identityCLI(t, "campaign", "report", "machines"), "- Jonas Weber, ")

	// The next time its reviewer sees what changed since he kept it.
	said(t, d.identityCLI(t, "import", fileOf(t, "later.csv", "id,kind,scope\nsvc-a,service_account,table:orders:write\n"), "-source", "later"), "1 changed")
	said(t, d.identityCLI(t, "campaign", "start", "machines"), "Machines, every quarter")
	said(t, d.identityCLI(t, "campaign", "page", string(d.sheetOf(t)), "1"), "changed since: scope is table:orders:write, was nothing")
	if out, err := d.cli(t.Context(), "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// TestReq_R77_ScheduleInItsZone: a campaign begins at its time on the clock of its zone, also across the change of clocks; times that passed while
// nobody was there are counted, and caught up with once.
func TestReq_R77_ScheduleInItsZone(t *testing.T) {
	t.Parallel()
	cron, err := jobs.ParseCron("0 9 1 1,4,7,10 *", "Europe/Berlin")
	mustSay(t, err)
	at := func(text string) workflows.Stamp {
		x, err := time.Parse(time.RFC3339, text)
		mustSay(t, err)
		return workflows.StampOf(x)
	}
	for _, c := range []struct {
		name, after, now, due string
		missed                int
	}{
		{"not yet", "2026-01-01T09:00:00Z", "2026-04-01T06:59:59Z", "", 0},
		{"in summer 09:00 is 07:00 UTC", "2026-01-01T09:00:00Z", "2026-04-01T07:00:00Z", "2026-04-01T07:00:00Z", 0},
		{"in winter 09:00 is 08:00 UTC", "2026-10-02T00:00:00Z", "2027-01-01T08:00:00Z", "2027-01-01T08:00:00Z", 0},
		{"two were missed", "2026-01-01T09:00:00Z", "2026-11-01T00:00:00Z", "2026-10-01T07:00:00Z", 2},
	} {
		due, missed, err := latestDue(cron, at(c.after), at(c.now))
		mustSay(t, err)
		want := workflows.Stamp(0)
		if c.due != "" {
			want = at(c.due)
		}
		if due != want || missed != c.missed {
			t.Errorf("%s: due %s, %d missed; want %s, %d", c.name, due, missed, c.due, c.missed)
		}
	}
}

// TestReq_R77_MissedRunIsCaughtUp: the time of a campaign passes while the bot is not looking; it is begun afterwards, once, and says so.
func TestReq_R77_MissedRunIsCaughtUp(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "campaigns.yaml": campaignFile})
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", campaignInventory), "-source", "cmdb")
	mustSay(t, d.advance(t.Context(), 2*time.Minute))
	_, err := until(t.Context(), "the schedule to count", func() (string, bool) {
		out := d.identityCLI(t, "campaign", "list")
		return out, strings.Contains(out, "next ")
	})
	mustSay(t, err)
	mustSay(t, d.advance(t.Context(), 200*24*time.Hour))
	out, err := until(t.Context(), "the campaign to begin", func() (string, bool) {
		out, err := d.cli(t.Context(), "", "identities", "campaign", "show", "machines")
		return out, err == nil
	})
	mustSay(t, err)
	said(t, out, "Begun late: it was due at", "1 time before it passed without a run")
	first, _, _ := strings.Cut(strings.TrimSpace(out), " ")
	mustSay(t, d.advance(t.Context(), 10*time.Minute))
	if again := d.identityCLI(t, "campaign", "show", "machines"); !strings.HasPrefix(first, "c_") || !strings.HasPrefix(again, first) {
		t.Errorf("the run is %q, ten minutes later\n%s", first, again)
	}
}

const accessCampaignFile = `campaigns:
  - name: standing
    title: Standing access, twice a year
    why: PCI DSS 7.2.4 wants it every six months.
    of: access
    where: {targets: [pg-main]}
    reviewer: target_owner
    self_review: true
    due: 14d
    silence: revoke
`

// TestReq_R56_StandingAccessBecomesRequestable: somebody is a member of a role on a real PostgreSQL for good. A reviewer makes that requestable: the
// membership is gone on the server, and the same person gets it through a chain, for a while. What nobody could ask for afterwards is not
// converted but revoked.
func TestReq_R56_StandingAccessBecomesRequestable(t *testing.T) {
	t.Parallel()
	d, pg, database := driftDemoOf(t, map[string]string{"campaigns.yaml": accessCampaignFile, "roles.yaml": jonasRoles}, "drift_schedule: never", "known_access: dba")
	dba := pg.URLFor("dba", "dba-pw", database)
	execAs(t, dba, `GRANT cs_readonly TO maya_pg`, `GRANT cs_readonly TO mallory`)
	if r := d.drift(t.Context(), t); r.Open != 2 {
		t.Fatalf("before the campaign: %+v", r)
	}
	d.identityCLI(t, "campaign", "start", "standing")
	sheet := string(d.sheetOf(t))
	page := d.identityCLI(t, "campaign", "page", sheet)
	said(t, page, "member of the role cs_readonly", "on: pg-main as maya_pg", "account of: Maya Chen", "on: pg-main as mallory", "made by: dba", "! unexplained")
	maya, mallory := "1", "2"
	if strings.Index(page, "as mallory") < strings.Index(page, "as maya_pg") {
		maya, mallory = mallory, maya
	}
	d.campaignRefused(t, "Nobody's account is on record", "jit", sheet, mallory, "-reason", "Ask for it when it is needed.")
	d.identityCLI(t, "campaign", "jit", sheet, maya, "-reason", "She reads there twice a year.")
	d.identityCLI(t, "campaign", "revoke", sheet, mallory, "-reason", "Nobody knows who that is.")
	report, err := until(t.Context(), "the campaign to be over", func() (string, bool) {
		out := d.identityCLI(t, "campaign", "report", "standing")
		return out, strings.Contains(out, "everything that was decided is done")
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	said(t, report, "1 made requestable", "1 revoked", "can be asked for through prod-db-read (pg-main/")
	if r := d.drift(t.Context(), t); r.Open != 0 {
		t.Errorf("on the server after the campaign: %+v", r)
	}
	ctx, s := t.Context(), &story{demo: d}
	mustSay(t, s.command(ctx, "maya", "/access", "request prod-db-read"))
	_, err = s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "4h", screens.BlockReason: "A customer asks why her invoice is wrong."}))
	_, err = s.message(ctx, "access", "Maya Chen", "Read the main database")
	mustSay(t, err)
	if out, err := d.cli(ctx, "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// TestReq_R24_CampaignInSlack: the reviewer gets one message, looks, keeps what has no finding together, and revokes the rest with words.
func TestReq_R24_CampaignInSlack(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "campaigns.yaml": campaignFile})
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", strings.Replace(campaignInventory, "maya,jonas", "jonas,maya", 4)), "-source", "cmdb")
	d.identityCLI(t, "campaign", "start", "machines")
	ctx, s := t.Context(), &story{demo: d}
	mustSay(t, s.command(ctx, "maya", "/access", "review"))
	_, err := s.told(ctx, "maya", "access", "Machines, every quarter")
	mustSay(t, err)
	mustSay(t, s.command(ctx, "maya", "/access", "review c_00000000000000000000000000-1"))
	_, err = s.told(ctx, "maya", "access", "no such review")
	mustSay(t, err)
	mustSay(t, d.advance(ctx, 96*time.Hour)) // to a morning on which she works, also from a Friday evening
	m, err := s.dm(ctx, "maya", "Review: Machines", "5 of 5 items")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "maya", m, screens.ActSheetNext))
	m, err = s.dm(ctx, "maya", "Review: Machines", "Prints the monthly report.", "Keep these")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "maya", m, screens.ActSheetAll))
	m, err = s.dm(ctx, "maya", "Review: Machines", "1 of 5 items")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "maya", m, screens.ActSheetOther))
	v, err := s.view(ctx, "maya", screens.CallSheet)
	mustSay(t, err)
	value, ok := optionValue(v.Blocks, "Revoke")
	if !ok {
		t.Fatal("the form does not offer to revoke")
	}
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockSheetVerdict: value, screens.BlockReason: "It was replaced last year."}))
	_, err = s.dm(ctx, "maya", "Review: Machines", "All 5 items are decided")
	mustSay(t, err)
	told := 0
	for _, x := range s.slack.DM(s.slackID("maya")) {
		if strings.Contains(x.Visible(), "Review: Machines") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("Maya got %d messages about one campaign on one day", told)
	}
}

const appsCampaignFile = `campaigns:
  - name: apps
    title: Apps, twice a year
    why: PCI DSS 7.2.5.1 and our risk analysis of 2026-01.
    of: identities
    where: {kinds: [integration]}
    reviewer: owner
    self_review: true
    due: 14d
    silence: suspend
`

const appsInventory = "id,kind,name,owner,backup,business_owner,purpose,expires,vendor,data_reach,scope,stored,revocation,risk\n" +
	"app-mail,integration,Mail,jonas,sofia,maya,Sends the newsletter.,2027-01-31,Mailers Ltd,addresses,mail:send,vault,runbook a,low\n" +
	"app-shop,integration,Shop,jonas,sofia,maya,Was for the old shop.,2027-01-31,Shops Ltd,orders,orders:read,vault,runbook b,low\n" +
	"app-pay,integration,Pay,jonas,sofia,maya,Pays the bills.,2027-01-31,Payers Ltd,salaries,pay:write,vault,runbook c,low\n" +
	"app-none,integration,None,jonas,sofia,,Copies the calendar.,2027-01-31,Days Ltd,calendars,cal:read,vault,runbook d,low\n"

// sheetItems gives the numbers of a sheet's items by what they are.
func sheetItems(t *testing.T, page string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.SplitSeq(page, "\n") {
		for _, app := range []string{"app-mail", "app-shop", "app-pay", "app-none"} {
			if n, _, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.Contains(line, app) && out[app] == "" {
				out[app] = strings.Trim(n, ".")
			}
		}
	}
	return out
}

// TestReq_R31_AnIntegrationIsAttestedByBothItsOwners: who runs an integration and whose business needs it look at it each for themselves, one here on
// the command line and one in Slack. What one keeps is not attested until the other keeps it, too; where one of them revokes, that holds; and where one of them does not answer, what follows from silence holds. One without a business owner is a finding, and looked at once.
func TestReq_R31_AnIntegrationIsAttestedByBothItsOwners(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "campaigns.yaml": appsCampaignFile})
	ctx, s := t.Context(), &story{demo: d}
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", appsInventory), "-source", "cmdb"), "4 new")
	said(t, d.identityCLI(t, "show", "app-none"), "no_business_owner")
	said(t, d.identityCLI(t, "campaign", "start", "apps"), "Apps, twice a year", "Jonas Weber: 4 of 4 left", "Maya Chen: 3 of 3 left")

	sheet := string(d.sheetOf(t))
	page := d.identityCLI(t, "campaign", "page", sheet)
	said(t, page, "business owner: Maya Chen", "you speak for: those who run it", "the other side is looked at by: Maya Chen")
	mine := sheetItems(t, page)
	d.identityCLI(t, "campaign", "keep", sheet, mine["app-mail"])
	d.identityCLI(t, "campaign", "keep", sheet, mine["app-shop"])
	d.identityCLI(t, "campaign", "keep", sheet, mine["app-pay"])
	d.identityCLI(t, "campaign", "keep", sheet, mine["app-none"])
	attested := func(app string) bool { return !strings.Contains(d.identityCLI(t, "show", app), "attested not known") }
	_, err := until(ctx, "what has one owner to be attested", func() (bool, bool) { return true, attested("app-none") })
	mustSay(t, err)
	if attested("app-mail") || attested("app-shop") {
		t.Error("one of two owners attested it alone")
	}

	// Maya answers in Slack, in her own morning.
	mustSay(t, d.advance(ctx, 96*time.Hour)) // over any weekend
	m, err := s.dm(ctx, "maya", "Review: Apps", "3 of 3 items")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "maya", m, screens.ActSheetNext))
	m, err = s.dm(ctx, "maya", "Review: Apps", "you speak for: the business that needs it", "the other side is looked at by: ")
	mustSay(t, err)
	item := func(app string) string {
		t.Helper()
		n := regexp.MustCompile("([0-9])[.][^\\n]*" + app).FindStringSubmatch(m.Visible())
		if n == nil {
			t.Fatalf("%s is not on the sheet:\n%s", app, m.Visible())
		}
		return "item" + n[1]
	}
	press := func(app, action string) {
		t.Helper()
		mustSay(t, did("maya presses "+action, func() slacksim.Delivery {
			return s.slack.Click(ctx, slacksim.Press{User: s.slackID("maya"), Channel: m.Channel, TS: m.TS, BlockID: item(app), ActionID: action, Confirmed: true})
		}))
	}
	press("app-mail", screens.ActSheetKeep)
	m, err = s.dm(ctx, "maya", "Review: Apps", "2 of 3 items")
	mustSay(t, err)
	press("app-shop", screens.ActSheetOther)
	v, err := s.view(ctx, "maya", screens.CallSheet)
	mustSay(t, err)
	value, ok := optionValue(v.Blocks, "Revoke")
	if !ok {
		t.Fatal("the form does not offer to revoke")
	}
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockSheetVerdict: value, screens.BlockReason: "The old shop is switched off."}))
	_, err = s.dm(ctx, "maya", "Review: Apps", "1 of 3 items")
	mustSay(t, err)
	mustSay(t, d.advance(ctx, 16*time.Minute)) // what waited for her is tried again
	_, err = until(ctx, "what both kept to be attested, and what one revoked to go", func() (string, bool) {
		shop := d.identityCLI(t, "show", "app-shop")
		return shop, attested("app-mail") && strings.Contains(shop, "To do:")
	})
	mustSay(t, err)
	if attested("app-pay") {
		t.Error("half of app-pay is attested while its other owner has not answered")
	}

	mustSay(t, d.advance(ctx, 15*24*time.Hour)) // she does not answer for app-pay
	report, err := until(ctx, "the campaign to be over", func() (string, bool) {
		out := d.identityCLI(t, "campaign", "report", "apps")
		return out, strings.Contains(out, "everything that was decided is done")
	})
	mustSay(t, err)
	said(t, d.identityCLI(t, "show", "app-pay"), "Suspended: review")
	said(t, report, "2 verdicts overruled by the other side", "| app-mail (technical side) |", "| app-mail (business side) |", "its business side says: revoke", "its business side says: suspend", "3 kept")
	if out, err := d.cli(ctx, "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// TestReq_R39_ACampaignLooksAtWhatVendorsRun: a campaign whose scope says managed_by gives out exactly those, and the next one, after one of them came
// home, without it; one whose scope nothing meets is over at once, and nobody is asked.
func TestReq_R39_ACampaignLooksAtWhatVendorsRun(t *testing.T) {
	t.Parallel()
	const inventory = "id,kind,name,owner,backup,purpose,expires,managed_by,sponsor,stored,revocation,risk\n" +
		"svc-ours,service_account,Ours,maya,jonas,Prints the monthly report.,2027-01-31,internal,,vault,runbook a,low\n" +
		"svc-theirs,service_account,Theirs,maya,jonas,Reads the meters.,2027-01-31,vendor,maya,vault,runbook b,low\n" +
		"svc-clicked,service_account,Clicked,maya,jonas,Sends the weekly mails.,2027-01-31,low-code,,vault,runbook c,low\n"
	scoped := func(name, by string) string {
		return "  - {name: " + name + ", title: What " + by + " runs, why: Our risk analysis of 2026-01., of: identities, where: {managed_by: " + by + "}, reviewer: backup, due: 14d, silence: escalate}\n"
	}
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "campaigns.yaml": "campaigns:\n" + scoped("vendors", "vendor") + scoped("contractors", "contractor")})
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", inventory), "-source", "cmdb"), "3 new")
	said(t, d.identityCLI(t, "campaign", "start", "contractors"), "nobody was asked")
	if list := d.identityCLI(t, "campaign", "sheets", "-json"); strings.Contains(list, "c_") {
		t.Errorf("somebody is asked about nothing:\n%s", list)
	}
	said(t, d.identityCLI(t, "campaign", "start", "vendors"), "Jonas Weber: 1 of 1 left")
	sheet := string(d.sheetOf(t))
	page := d.identityCLI(t, "campaign", "page", sheet)
	said(t, page, "svc-theirs")
	for _, other := range []string{"svc-ours", "svc-clicked"} {
		if strings.Contains(page, other) {
			t.Errorf("%s is run by no vendor, and looked at:\n%s", other, page)
		}
	}
	d.identityCLI(t, "campaign", "keep", sheet, "1")
	_, err := until(t.Context(), "the campaign to be over", func() (string, bool) {
		out := d.identityCLI(t, "campaign", "report", "vendors")
		return out, strings.Contains(out, "everything that was decided is done")
	})
	mustSay(t, err)
	said(t, d.identityCLI(t, "import", fileOf(t, "home.csv", "id,kind,managed_by,sponsor\nsvc-theirs,service_account,internal,\n"), "-source", "cmdb"), "1 changed")
	said(t, d.identityCLI(t, "campaign", "start", "vendors"), "0 items", "nobody was asked")
}
