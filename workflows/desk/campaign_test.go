package desk_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// TestReq_R24_FiveThousandItemsForTwoHundredReviewers: a campaign of issue 6's size is given out to those who own the items, each within one sheet
// or few; over its two weeks nobody is owed more than one message on any day, and no two messages to one person can be sent at once. Nobody
// answers, so all of it ends as the plan says. go test alone tries 40 reviewers and 800 items; .ci/run figures (COUNTERSIGN_LONG) the figure itself,
// six seconds of a quiet machine.
func TestReq_R24_FiveThousandItemsForTwoHundredReviewers(t *testing.T) {
	t.Parallel()
	reviewers, items := 40, 800
	if os.Getenv("COUNTERSIGN_LONG") != "" {
		reviewers, items = 200, 5000
	}
	cfg := storetest.Config(t)
	clock := storetest.NewClock()
	cfg.Kinds, cfg.Clock = slices.Concat(workflows.EventKinds(), workflows.PolicyEventKinds(), campaigns.EventKinds(), identities.EventKinds()), clock
	s, err := store.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	p := &desk.Policy{People: map[workflows.PersonID]desk.Person{}}
	for i := range reviewers {
		id := workflows.PersonID(fmt.Sprintf("p_%03d", i))
		p.People[id] = desk.Person{ID: id, Key: fmt.Sprintf("k%03d", i), Zone: []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata"}[i%3], Manager: workflows.PersonID(fmt.Sprintf("p_%03d", i/8))}
	}
	p.Roles = map[string]workflows.Selector{desk.RoleSecurity: {People: []workflows.PersonID{"p_000", "p_001"}}}
	plan := workflows.CampaignPlan{
		Name: "machines", Title: "Machines", Of: workflows.CampaignIdentities, Reviewer: workflows.ReviewByOwner, Self: true, Due: 14 * 24 * 3600,
		Remind: []workflows.Span{5 * 24 * 3600, 9 * 24 * 3600}, Escalate: 10 * 24 * 3600, EscalateTo: workflows.ReviewByManager, Silence: workflows.SilenceEscalate,
	}
	second := plan
	second.Name = "again"
	p.Settings.Campaigns = []workflows.CampaignPlan{plan, second}
	d := desk.New(desk.Config{Ledger: s, Directory: everybodyHere{}, IDs: new(counter), Log: slog.New(slog.DiscardHandler)})
	must(t, d.Load(t.Context(), p))
	end := clock.Now().Wall.AddDate(0, 6, 0)
	var claims []desk.IdentityClaim
	for i := range items {
		claims = append(claims, desk.IdentityClaim{ID: workflows.IdentityID(fmt.Sprintf("svc-%05d", i)), Claim: identities.Claimed{Source: identities.ImportSource("cmdb"), Says: identities.Entry{
			Class: "service_account", Owner: fmt.Sprintf("p_%03d", i%reviewers), Purpose: "rolls out releases", Expires: workflows.StampOf(end),
		}}})
	}
	_, err = d.TakeIn(t.Context(), workflows.System, claims)
	must(t, err)
	now := workflows.StampOf(clock.Now().Wall)
	begin := func(name string) {
		_, res, err := d.Begin(t.Context(), desk.BeginCampaign{By: workflows.System, Name: name, Scheduled: now, Channel: "schedule"})
		must(t, err)
		if res.Refusal != nil {
			t.Fatal(res.Refusal)
		}
	}
	begin("machines")
	begin("again") // two at once: still one message a day
	c, err := d.Campaign(t.Context(), "machines")
	must(t, err)
	run, _ := c.Run("")
	if run.Items != items || len(run.Sheets) != reviewers || run.Left != 0 {
		t.Fatalf("given out: %d items on %d sheets, %d left", run.Items, len(run.Sheets), run.Left)
	}
	sent := map[string]int{} // person and day
	for day := 0; day < 14; day++ {
		list, err := d.SheetsFor(t.Context(), "")
		must(t, err)
		for _, x := range list {
			stream := workflows.SheetStream(x.ID)
			must(t, d.Tick(t.Context(), stream))
			x, err := d.Sheet(t.Context(), x.ID)
			must(t, err)
			for _, n := range x.Notices() {
				if n.Due > workflows.StampOf(clock.Now().Wall) {
					continue
				}
				if j := n.Job(); j.Pace != "dm:"+string(n.To) {
					t.Fatalf("the message is paced by %q", j.Pace)
				}
				place, covered, wait, err := d.MessageToday(t.Context(), n.To, x.ID)
				must(t, err)
				if wait != 0 {
					continue
				}
				if !covered {
					place = "D/" + n.ID
					sent[string(n.To)+clock.Now().Wall.In(zoneOf(t, p.People[n.To].Zone)).Format(" 2006-01-02")]++
				}
				must(t, d.Delivered(t.Context(), "", stream, workflows.NoticeDelivered{Notice: n.ID, Via: "slack", Place: place}))
			}
		}
		clock.Add(24 * time.Hour)
	}
	told := map[string]bool{}
	for who, n := range sent {
		told[who[:5]] = true
		if n > 1 {
			t.Errorf("%s: %d messages", who, n)
		}
	}
	if len(told) != reviewers {
		t.Errorf("%d of %d reviewers were told", len(told), reviewers)
	}
	t.Logf("%d items, %d reviewers: %d messages in 14 days, none of them the second of a day", items, reviewers, len(sent))
	if letters := silences(t, d, clock); len(letters) != 4 {
		t.Errorf("two people of security are told of two campaigns in %d letters: %v", len(letters), letters)
	}
}

// silences lets the deadline pass and tells security as the bot does: how many sheets each letter tells of.
func silences(t *testing.T, d *desk.Desk, clock *storetest.Clock) (letters []int) {
	t.Helper()
	list, err := d.SheetsFor(t.Context(), "")
	must(t, err)
	for _, x := range list {
		must(t, d.Tick(t.Context(), workflows.SheetStream(x.ID)))
	}
	told := 0
	for _, wait := range []time.Duration{0, campaigns.SilenceTogether} {
		clock.Add(wait)
		for _, x := range list {
			x, err := d.Sheet(t.Context(), x.ID)
			must(t, err)
			for _, n := range x.Notices() {
				together, later, err := d.Silence(t.Context(), n.To, x.ID)
				must(t, err)
				if later != 0 {
					continue
				}
				for _, s := range together {
					must(t, d.Delivered(t.Context(), "", workflows.SheetStream(s.ID), workflows.NoticeDelivered{Notice: n.ID, Via: "slack", Place: "D/1"}))
				}
				letters, told = append(letters, len(together)), told+len(together)
			}
		}
		if wait == 0 && len(letters) > 0 {
			t.Errorf("told before the others of the same deadline had lapsed: %v", letters)
		}
	}
	if told != 2*len(list) {
		t.Errorf("%d sheets were told of, %d for each of two", told, len(list))
	}
	return letters
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	must(t, err)
	return loc
}

// everybodyHere is a directory in which everybody is an active member.
type everybodyHere struct{ desk.Directory }

func (everybodyHere) StandingOf(context.Context, workflows.PersonID) (workflows.Standing, error) {
	return workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}, nil
}

func (everybodyHere) Name(_ context.Context, p workflows.PersonID) string { return string(p) }
