package desk

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// BeginCampaign is a run of a campaign about to begin.
type BeginCampaign struct {
	Cause     Cause
	By        workflows.Acting // workflows.System: the schedule
	Name      string
	Scheduled workflows.Stamp // zero: somebody begins it
	Missed    int
	Channel   string
}

// CampaignPlan finds a campaign of the documents.
func (d *Desk) CampaignPlan(name string) (workflows.CampaignPlan, bool) {
	for _, p := range d.Policy().Settings.Campaigns {
		if p.Name == name {
			return p, true
		}
	}
	return workflows.CampaignPlan{}, false
}

// PlanCampaign records since when a schedule counts.
func (d *Desk) PlanCampaign(ctx context.Context, p workflows.CampaignPlan) error {
	_, err := d.update(ctx, "", []workflows.StreamID{workflows.CampaignStream(p.Name)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Plan(f, p.Name, campaigns.Planned{Cron: p.Cron, Zone: p.Zone})
	})
	return err
}

// Campaign reads all runs of a campaign.
func (d *Desk) Campaign(ctx context.Context, name string) (campaigns.State, error) {
	h, err := d.ledger.History(ctx, workflows.CampaignStream(name))
	if err != nil {
		return campaigns.State{}, err
	}
	return campaigns.Fold(h)
}

// Begin begins a run: the sheets first, then the run that names them. Whatever breaks off in between is found by whoever tries again, because
// the names of a run and of its sheets follow from what began it.
func (d *Desk) Begin(ctx context.Context, c BeginCampaign) (workflows.CampaignID, Answer, error) {
	plan, ok := d.CampaignPlan(c.Name)
	if !ok {
		r, err := d.Refuse(ctx, c.Cause, c.By, "begin a campaign", c.Channel, c.Name, workflows.Refuse(workflows.CodeUnknown, "There is no such campaign.", "Campaigns stand in campaigns.yaml."))
		return "", Answer{Refusal: r}, err
	}
	may := c.By.Person != "" && (d.HasRole(ctx, RoleSecurity, c.By.Person) || d.HasRole(ctx, RoleOwner, c.By.Person))
	run := runID(c)
	state, err := d.Campaign(ctx, c.Name)
	if err != nil {
		return "", Answer{}, err
	}
	b := campaigns.Beginning{By: c.By, May: may, Channel: c.Channel}
	b.Begun = campaigns.Begun{Run: run, Plan: plan, Scheduled: c.Scheduled, Missed: c.Missed, Channel: c.Channel, Alarm: d.Policy().Settings.SecurityChannel}
	if (may || c.Scheduled != 0) && state.Open() == nil {
		if err := d.giveOut(ctx, plan, run, &b.Begun); err != nil {
			return "", Answer{}, fmt.Errorf("giving out the sheets of campaign %q: %w", c.Name, err)
		}
	}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.CampaignStream(c.Name)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Begin(f, c.Name, b)
	})
	return run, answered(&res), err
}

// runID is the same for the same time of a schedule, and for the same command.
func runID(c BeginCampaign) workflows.CampaignID {
	sum := sha256.Sum256([]byte("campaign\x00" + c.Name + "\x00" + strconv.FormatInt(int64(c.Scheduled), 10) + "\x00" + string(c.Cause)))
	if c.Scheduled != 0 {
		sum = sha256.Sum256([]byte("campaign\x00" + c.Name + "\x00" + strconv.FormatInt(int64(c.Scheduled), 10)))
	}
	return workflows.CampaignID("c_" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:26])
}

// giveOut finds what there is to look at and who looks at it, and opens the sheets.
func (d *Desk) giveOut(ctx context.Context, plan workflows.CampaignPlan, run workflows.CampaignID, b *campaigns.Begun) error {
	now, err := d.now(ctx)
	if err != nil {
		return err
	}
	b.DueAt = now.Add(plan.Due.Duration())
	given, err := d.SheetsOf(ctx, run)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for _, s := range given {
		b.Sheets = append(b.Sheets, campaigns.SheetRef{Sheet: s.ID, Reviewer: s.Opened.Reviewer, Items: len(s.Items)})
		b.DueAt = s.Opened.DueAt
		for _, x := range s.Items {
			done[itemKey(x.Item)] = true
		}
	}
	items, err := d.collect(ctx, plan, now)
	if err != nil {
		return err
	}
	off, err := d.absences(ctx)
	if err != nil {
		return err
	}
	a := assigning{desk: d, plan: plan, policy: d.Policy(), standing: map[workflows.PersonID]bool{}, security: d.roleHolders(ctx, d.Policy(), RoleSecurity)}
	piles, left := a.pile(ctx, slices.DeleteFunc(items, func(i campaigns.Item) bool { return done[itemKey(i)] }), given)
	b.Left = left
	var opened []campaigns.Opened
	for _, who := range slices.Sorted(maps.Keys(piles)) {
		for part := range slices.Chunk(piles[who], campaigns.MaxItems) {
			o := a.sheet(run, who, part, now, b.DueAt)
			a.when(&o, off, now)
			opened = append(opened, o)
		}
	}
	if n := len(b.Sheets) + len(opened); n > campaigns.MaxSheets {
		return fmt.Errorf("%d sheets, at most %d: choose less with where, or split the campaign", n, campaigns.MaxSheets)
	}
	refs, err := d.openSheets(ctx, run, len(b.Sheets), opened)
	b.Sheets = append(b.Sheets, refs...)
	for _, r := range b.Sheets {
		b.Items += r.Items
	}
	return err
}

func itemKey(i campaigns.Item) string {
	return i.Of + "/" + string(i.Target) + "/" + i.ID + "/" + i.Side
}

// sheetsAtOnce is how many sheets one transaction opens.
const sheetsAtOnce = 16

func (d *Desk) openSheets(ctx context.Context, run workflows.CampaignID, from int, list []campaigns.Opened) ([]campaigns.SheetRef, error) {
	var refs []campaigns.SheetRef
	for part := range slices.Chunk(list, sheetsAtOnce) {
		var streams []workflows.StreamID
		ids := make([]workflows.SheetID, len(part))
		for i, o := range part {
			ids[i] = workflows.SheetID(fmt.Sprintf("%s-%d", run, from+len(refs)+1))
			refs = append(refs, campaigns.SheetRef{Sheet: ids[i], Reviewer: o.Reviewer, Items: len(o.Items)})
			streams = append(streams, workflows.SheetStream(ids[i]))
		}
		_, err := d.update(ctx, "", streams, func(f workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			for i, o := range part {
				one, err := campaigns.OpenSheet(f, o, ids[i])
				if err != nil {
					return out, err
				}
				out.Events = append(out.Events, one.Events...)
			}
			return out, nil
		})
		if err != nil {
			return refs, err
		}
	}
	return refs, nil
}

// assigning finds who looks at what.
type assigning struct {
	desk     *Desk
	plan     workflows.CampaignPlan
	policy   *Policy
	standing map[workflows.PersonID]bool
	security []workflows.PersonID
}

// pile puts each item before somebody who can look at it; the second answer is how many nobody can.
func (a *assigning) pile(ctx context.Context, items []campaigns.Item, given []campaigns.Sheet) (map[workflows.PersonID][]campaigns.Item, int) {
	out, left := map[workflows.PersonID][]campaigns.Item{}, 0
	pairs := a.pairs(ctx, items, given)
	for i, x := range items {
		who := a.reviewer(ctx, x, i)
		if x.Side != "" {
			who, x.With = pairs.of(x)
		}
		if who != "" {
			out[who] = append(out[who], x)
		} else {
			left++
		}
	}
	return out, left
}

// reviewer is the first who can: as the plan says, else up the ladder. turn spreads what a team or security shares.
func (a *assigning) reviewer(ctx context.Context, x campaigns.Item, turn int) workflows.PersonID {
	return a.reviewerBut(ctx, x, turn, "")
}

// reviewerBut passes over one person.
func (a *assigning) reviewerBut(ctx context.Context, x campaigns.Item, turn int, but workflows.PersonID) workflows.PersonID {
	ladder := []string{a.plan.Reviewer, workflows.ReviewByBackup, workflows.ReviewByTargetOwner, workflows.ReviewByManager, workflows.ReviewBySecurity}
	for _, rung := range ladder {
		people := a.people(x, rung)
		for i := range people {
			if p := people[(i+turn)%len(people)]; p != but && a.can(ctx, x, p) {
				return p
			}
		}
	}
	return ""
}

// people are those that a word means for an item.
func (a *assigning) people(x campaigns.Item, rung string) []workflows.PersonID {
	switch rung {
	case workflows.ReviewByOwner:
		return a.team(x.Owner)
	case workflows.ReviewByBackup:
		if x.Of != workflows.CampaignIdentities {
			return nil
		}
		return a.team(a.desk.backupOf(workflows.IdentityID(x.ID)))
	case workflows.ReviewByTargetOwner:
		t := a.policy.Targets[x.Target]
		return []workflows.PersonID{t.Owner, t.Backup}
	case workflows.ReviewByManager:
		return []workflows.PersonID{a.policy.People[workflows.PersonID(x.Owner)].Manager}
	}
	return a.security
}

// team are the people of an owner.
func (a *assigning) team(owner string) []workflows.PersonID {
	if name, ok := strings.CutPrefix(owner, identities.GroupPrefix); ok {
		return a.policy.Groups[name]
	}
	return []workflows.PersonID{workflows.PersonID(owner)}
}

// can tells whether somebody may look at an item: they are there, and it is not their own where that is not wanted.
func (a *assigning) can(ctx context.Context, x campaigns.Item, p workflows.PersonID) bool {
	if p == "" || !a.plan.Self && a.desk.isOwn(x.Owner, p) {
		return false
	}
	ok, known := a.standing[p]
	if !known {
		ok = a.desk.standingOf(ctx, p).Refusal() == nil
		a.standing[p] = ok
	}
	return ok
}

// isOwn tells whether a person, alone or in a team, is the owner.
func (d *Desk) isOwn(owner string, p workflows.PersonID) bool {
	name, team := strings.CutPrefix(owner, identities.GroupPrefix)
	return p != "" && (owner == string(p) || team && slices.Contains(d.Policy().Groups[name], p))
}

func (d *Desk) backupOf(id workflows.IdentityID) string {
	s, err := d.identityState(context.Background(), id)
	if err != nil {
		return ""
	}
	return s.Entry().Backup
}

// sheet is one reviewer's, without the moments.
func (a *assigning) sheet(run workflows.CampaignID, who workflows.PersonID, items []campaigns.Item, now, due workflows.Stamp) campaigns.Opened {
	o := campaigns.Opened{
		Campaign: a.plan.Name, Run: run, Title: a.plan.Title, Reviewer: who, Why: a.plan.Reviewer, Items: items, Self: a.plan.Self,
		TellAt: now, DueAt: due, Silence: a.plan.Silence, Security: a.security,
	}
	switch a.plan.EscalateTo {
	case workflows.ReviewByManager:
		o.AskToo = a.policy.People[who].Manager
	case workflows.ReviewByTargetOwner:
		o.AskToo = a.policy.Targets[items[0].Target].Owner
	}
	others := slices.DeleteFunc(slices.Clone(a.security), func(p workflows.PersonID) bool { return p == who })
	if (o.AskToo == "" || o.AskToo == who) && len(others) > 0 {
		o.AskToo = others[0]
	}
	if o.AskToo == who {
		o.AskToo = ""
	}
	return o
}

// when puts the messages into the working hours of who gets them.
func (a *assigning) when(o *campaigns.Opened, off absences, now workflows.Stamp) {
	at := func(p workflows.PersonID, t workflows.Stamp) workflows.Stamp {
		next := off.nextWork(a.policy, p, t)
		if next == 0 || next >= o.DueAt {
			return t
		}
		return next
	}
	o.TellAt = at(o.Reviewer, now)
	for _, r := range a.plan.Remind {
		if t := at(o.Reviewer, now.Add(r.Duration())); t > o.TellAt && t < o.DueAt && !slices.Contains(o.RemindAt, t) {
			o.RemindAt = append(o.RemindAt, t)
		}
	}
	if o.AskToo != "" && a.plan.Escalate > 0 {
		o.AskAt = at(o.AskToo, now.Add(a.plan.Escalate.Duration()))
	}
}

// Sheet reads one sheet.
func (d *Desk) Sheet(ctx context.Context, id workflows.SheetID) (campaigns.Sheet, error) {
	h, err := d.ledger.History(ctx, workflows.SheetStream(id))
	if err != nil {
		return campaigns.Sheet{}, err
	}
	return campaigns.FoldSheet(h)
}

// SheetsOf reads all sheets of a run, by number.
func (d *Desk) SheetsOf(ctx context.Context, run workflows.CampaignID) ([]campaigns.Sheet, error) {
	return d.sheets(ctx, campaigns.ListRun, string(run))
}

// SheetsFor reads the sheets that wait for a person, the one that is due first first; of everybody for the empty person.
func (d *Desk) SheetsFor(ctx context.Context, p workflows.PersonID) ([]campaigns.Sheet, error) {
	list, err := d.sheets(ctx, campaigns.ListSheets, string(p))
	sort.SliceStable(list, func(i, j int) bool { return list[i].Opened.DueAt < list[j].Opened.DueAt })
	return list, err
}

func (d *Desk) sheets(ctx context.Context, list, member string) ([]campaigns.Sheet, error) {
	streams, err := d.ledger.List(ctx, list, member, campaigns.MaxSheets)
	if err != nil {
		return nil, err
	}
	var out []campaigns.Sheet
	for _, stream := range streams {
		s, err := d.Sheet(ctx, workflows.SheetID(stream.Rest()))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool { return sheetNumber(out[i].ID) < sheetNumber(out[j].ID) })
	return out, nil
}

func sheetNumber(id workflows.SheetID) int {
	_, n, _ := strings.Cut(string(id), "-")
	k, err := strconv.Atoi(n)
	if err != nil {
		return 0
	}
	return k
}

// AcknowledgeCampaign records management's word on the outcome of a run.
func (d *Desk) AcknowledgeCampaign(ctx context.Context, cause Cause, name string, a campaigns.Signing) (Answer, error) {
	a.Standing = d.standing(ctx, a.By)
	res, err := d.update(ctx, cause, []workflows.StreamID{workflows.CampaignStream(name)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Acknowledge(f, name, a)
	})
	return answered(&res), err
}

// MessageToday tells, of a person who is owed a message about a sheet, whether one went out to them already on their own day. Then covered says
// whether it told of this sheet too, and place where it stands; if it did not, the message waits until their tomorrow.
func (d *Desk) MessageToday(ctx context.Context, p workflows.PersonID, id workflows.SheetID) (place string, covered bool, wait workflows.Stamp, err error) {
	streams, err := d.ledger.List(ctx, campaigns.ListTold, string(p), 1)
	if err != nil || len(streams) == 0 {
		return "", false, 0, err
	}
	last, err := d.Sheet(ctx, workflows.SheetID(streams[0].Rest()))
	if err != nil {
		return "", false, 0, err
	}
	now, err := d.now(ctx)
	if err != nil {
		return "", false, 0, err
	}
	told := last.ToldAt(p)
	day, next := d.Policy().dayOf(p, now)
	off, err := d.absences(ctx)
	if err != nil {
		return "", false, 0, err
	}
	if at := off.nextWork(d.Policy(), p, next); at != 0 {
		next = at
	}
	if told.At.UTC < day {
		return "", false, 0, nil
	}
	this, err := d.Sheet(ctx, id)
	if err != nil {
		return "", false, 0, err
	}
	if this.At.UTC <= told.At.UTC && slices.Contains(this.Asked, p) && this.AskedSince(p) <= told.At.UTC {
		return told.Place, true, 0, nil
	}
	return "", false, next, nil
}

// dayOf is the beginning of the day that a person's clock shows, and of the next.
func (p *Policy) dayOf(who workflows.PersonID, now workflows.Stamp) (today, tomorrow workflows.Stamp) {
	t := now.Time().In(p.zone(who))
	y, m, day := t.Date()
	return workflows.StampOf(time.Date(y, m, day, 0, 0, 0, 0, t.Location())), workflows.StampOf(time.Date(y, m, day+1, 0, 0, 0, 0, t.Location()))
}

// errNoAccess says that nothing joins campaigns to the targets here.
var errNoAccess = errors.New("nothing here takes standing access away")
