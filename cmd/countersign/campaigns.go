package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks/reconcile"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// jobCampaigns begins what the schedules of campaigns.yaml say.
const jobCampaigns = "campaigns.begin"

const campaignsCron = "* * * * *" // how exactly a schedule is kept

// beginCampaigns begins every campaign whose time has come. What passed while nobody was there to begin it is caught up with once, and the run
// says how much of it was missed.
func (s *serving) beginCampaigns(ctx context.Context, _ jobs.Job) error {
	now := workflows.StampOf(s.clock.Now().Wall)
	var errs []error
	for _, p := range s.desk.Policy().Settings.Campaigns {
		if p.Cron == "" {
			continue
		}
		if err := s.beginCampaign(ctx, p, now); err != nil {
			errs = append(errs, fmt.Errorf("campaign %q: %w", p.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return jobs.Done
}

func (s *serving) beginCampaign(ctx context.Context, p workflows.CampaignPlan, now workflows.Stamp) error {
	cron, err := jobs.ParseCron(p.Cron, p.Zone)
	if err != nil {
		return err
	}
	c, err := s.desk.Campaign(ctx, p.Name)
	if err != nil {
		return err
	}
	if c.Planned == nil || *c.Planned != (campaigns.Planned{Cron: p.Cron, Zone: p.Zone}) {
		return s.desk.PlanCampaign(ctx, p) // it counts from now on
	}
	due, missed, err := latestDue(cron, max(c.Since, c.Last), now)
	if err != nil || due == 0 || c.Open() != nil {
		return err
	}
	_, _, err = s.desk.Begin(ctx, desk.BeginCampaign{By: workflows.System, Name: p.Name, Scheduled: due, Missed: missed, Channel: "schedule"})
	return err
}

// maxMissed bounds how many times of a schedule are counted that nobody was there for.
const maxMissed = 1000

// latestDue is the latest time of a schedule after one moment and not after another, and how many there were before it; zero: none.
func latestDue(cron jobs.Cron, after, now workflows.Stamp) (workflows.Stamp, int, error) {
	var last workflows.Stamp
	n := -1
	for at := after.Time(); n < maxMissed; n++ {
		next, err := cron.Next(at)
		if err != nil {
			return 0, 0, err
		}
		if workflows.StampOf(next) > now {
			break
		}
		last, at = workflows.StampOf(next), next
	}
	return last, max(n, 0), nil
}

// settleSheet carries out what a reviewer decided on one item.
func (s *serving) settleSheet(ctx context.Context, j jobs.Job) error {
	err := s.desk.SettleItem(ctx, desk.Cause(j.Cause()), j.Stream, j.Key)
	var waits *desk.NotSettled
	if errors.As(err, &waits) {
		return &jobs.RetryAfter{D: settleAgain, Why: waits.Why}
	}
	return err
}

const settleAgain = 15 * time.Minute // what waits for people waits for hours

// closeSheet ends a sheet whose every item is settled.
func (s *serving) closeSheet(ctx context.Context, j jobs.Job) error {
	return s.desk.CloseSheet(ctx, desk.Cause(j.Cause()), j.Stream)
}

// standingAccess joins campaigns to the sweeps.
type standingAccess struct{ s *serving }

// Requestable implements desk.StandingAccess.
func (a standingAccess) Requestable(ctx context.Context, t workflows.TargetID, finding string) ([]workflows.EntitlementID, error) {
	return a.s.sweeper.requestable(ctx, t, finding)
}

// RemoveFound implements desk.StandingAccess.
func (a standingAccess) RemoveFound(ctx context.Context, t workflows.TargetID, finding string) error {
	return a.s.sweeper.removeFound(ctx, t, finding)
}

// difference finds what a finding is about on the target as it is now; false when it is over.
func (w *sweeper) difference(ctx context.Context, t workflows.TargetID, finding string) (reconcile.Difference, bool, error) {
	set, err := watchOf(w.desk.Policy().Targets[t].Settings)
	if err != nil {
		return reconcile.Difference{}, false, err
	}
	res, err := w.compare(ctx, t, set)
	if err != nil {
		return reconcile.Difference{}, false, fmt.Errorf("comparing target %q with the ledger: %w", t, err)
	}
	for i, f := range w.findings(t, set, res, 0) {
		if f.Finding == finding {
			return res.Differences[i], true, nil
		}
	}
	if res.Unread != nil {
		return reconcile.Difference{}, false, fmt.Errorf("reading target %q: %w", t, res.Unread)
	}
	return reconcile.Difference{}, false, nil
}

// requestable are the entitlements of the target that give what a finding is about, by the connector's own words.
func (w *sweeper) requestable(ctx context.Context, t workflows.TargetID, finding string) ([]workflows.EntitlementID, error) {
	d, ok, err := w.difference(ctx, t, finding)
	if err != nil || !ok || len(d.Access.Params) == 0 {
		return nil, err
	}
	var out []workflows.EntitlementID
	for _, v := range w.desk.Policy().Workflows {
		for _, e := range v.Workflow.Entitlements {
			if e.Target == t && gives(e.Params, d.Access.Params) && !slices.Contains(out, e.ID) {
				out = append(out, e.ID)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// gives tells whether an entitlement's words cover those of an access.
func gives(has, want map[string][]string) bool {
	for k, list := range want {
		for _, v := range list {
			if !slices.Contains(has[k], v) {
				return false
			}
		}
	}
	return true
}

// removeFound takes away what a finding is about, and reads back that it is gone before it says so.
func (w *sweeper) removeFound(ctx context.Context, t workflows.TargetID, finding string) error {
	mine := w.one(t)
	mine.Lock()
	defer mine.Unlock()
	d, there, err := w.difference(ctx, t, finding)
	if err != nil {
		return err
	}
	facts := map[string]string{}
	if there {
		if d.Access.Group {
			return fmt.Errorf("%s on %s is a group: taking it away would take it from all behind it, so people do that", d.Access.What, t)
		}
		if facts, err = w.remove(ctx, t, d); err != nil {
			return err
		}
		if _, there, err = w.difference(ctx, t, finding); err != nil || there {
			return errors.Join(err, errUnremoved)
		}
	}
	return w.desk.RecordRemoved(ctx, t, finding, facts)
}

// campaignVerbs are the words behind countersign identities campaign.
func campaignVerbs() []identityVerbWords {
	return []identityVerbWords{
		{"list", "", "the campaigns of campaigns.yaml, and when each was held last"},
		{"start", "NAME", "begin one now (security)"},
		{"show", "NAME", "how far its latest run is, reviewer by reviewer"},
		{"sheets", "", "what waits for you"},
		{"page", "SHEET [NUMBER …]", "look at items of your sheet with their evidence; nothing is decided that was not looked at"},
		{"keep", "SHEET NUMBER …", "still needed, and right as it is; several at once where none has a finding"},
		{"narrow", "SHEET NUMBER -scope WORDS -reason TEXT", "it may do only this from now on"},
		{"jit", "SHEET NUMBER … -reason TEXT", "standing access goes, and can be asked for when it is needed"},
		{"hand-over", "SHEET NUMBER … -to KEY -reason TEXT", "somebody else is to answer for it"},
		{"revoke", "SHEET NUMBER … -reason TEXT", "it is not needed any more"},
		{"done", "SHEET NUMBER -evidence TEXT", "say that what was decided is done, where no connector can tell"},
		{"report", "NAME [-format markdown|json]", "the report of its latest run, with the signed head of the ledger"},
		{"acknowledge", "NAME [-reason NOTE]", "management's word on the outcome"},
	}
}

// campaignOrder reads the words behind "campaign".
func campaignOrder(words []string, args map[string]string, reason string) (order, error) {
	if len(words) == 0 || !slices.ContainsFunc(campaignVerbs(), func(v identityVerbWords) bool { return v.name == words[0] }) {
		var lines []string
		for _, v := range campaignVerbs() {
			lines = append(lines, fmt.Sprintf("  %-12s %-42s %s", v.name, v.words, v.short))
		}
		return order{}, usageError{"want one of these behind campaign:\n" + strings.Join(lines, "\n")}
	}
	o := order{Do: doIdentities, What: "campaign", Reason: reason, Args: args}
	args["verb"] = words[0]
	if len(words) > 1 {
		o.ID = words[1]
		args["items"] = strings.Join(words[2:], " ")
	}
	return o, nil
}

// maxItemWords bounds how many items one command names.
const maxItemWords = campaigns.MaxPage

func itemsOf(text string) ([]int, *workflows.Refusal) {
	var out []int
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || slices.Contains(out, n) {
			return nil, workflows.Refuse(workflows.CodeBadField, printable(w)+" is no number of an item, or is named twice.", "countersign identities campaign page SHEET shows the numbers.")
		}
		out = append(out, n)
	}
	if len(out) > maxItemWords {
		return nil, workflows.Refusef(workflows.CodeBadField, "", "At most %d items are looked at and decided at once.", maxItemWords)
	}
	return out, nil
}

// cliCampaign carries out one of the verbs.
func (s *serving) cliCampaign(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	verb := o.Args["verb"]
	items, no := itemsOf(o.Args["items"])
	if no != nil {
		return s.refuse(ctx, cause, by, "campaign "+verb, no)
	}
	switch verb {
	case "list":
		return s.listCampaigns(ctx, by)
	case "sheets":
		return s.listSheets(ctx, by)
	case "start":
		run, res, err := s.desk.Begin(ctx, desk.BeginCampaign{Cause: cause, By: by, Name: o.ID, Channel: viaCLI})
		if err != nil || res.Refusal != nil {
			return refusedElse(res.Refusal, reply{}), err
		}
		out, err := s.showCampaign(ctx, by, o.ID)
		out.ID = string(run)
		return out, err
	case "show":
		return s.showCampaign(ctx, by, o.ID)
	case "page":
		return s.showPage(ctx, by, cause, workflows.SheetID(o.ID), items)
	case "report":
		return s.reportCampaign(ctx, by, o.ID)
	case "acknowledge":
		res, err := s.desk.AcknowledgeCampaign(ctx, cause, o.ID, campaigns.Signing{By: by, Note: o.Reason, Authn: unixPeer, Channel: viaCLI})
		return refusedElse(res.Refusal, reply{OK: true, Text: "Acknowledged. That is in the ledger, and in the report."}), err
	case "done":
		if len(items) != 1 {
			return s.refuse(ctx, cause, by, "done", workflows.Refuse(workflows.CodeBadField, "Say of which one item it is done.", ""))
		}
		res, err := s.desk.DeclareDone(ctx, desk.SheetItemDone{Cause: cause, By: by, Sheet: workflows.SheetID(o.ID), Item: items[0], Evidence: o.Args["evidence"], Authn: unixPeer, Channel: viaCLI})
		return refusedElse(res.Refusal, reply{OK: true, Text: "Recorded, as the word of a person."}), err
	}
	return s.answerSheet(ctx, by, cause, o, verb, items)
}

func refusedElse(no *workflows.Refusal, r reply) reply {
	if no != nil {
		return refusedReply(no)
	}
	return r
}

func (s *serving) answerSheet(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order, verb string, items []int) (reply, error) {
	c := desk.SheetAnswer{Cause: cause, By: by, Sheet: workflows.SheetID(o.ID), Items: items, Verdict: verb, Reason: o.Reason, Authn: unixPeer, Channel: viaCLI}
	if o.Args["scope"] != "" {
		c.Scope = strings.FieldsFunc(o.Args["scope"], func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
	}
	if o.Args["to"] != "" {
		to, no := s.ownerNamed(o.Args["to"])
		if no != nil {
			return s.refuse(ctx, cause, by, verb, no)
		}
		c.To = to
	}
	res, err := s.desk.AnswerSheet(ctx, c)
	if err != nil || res.Refusal != nil {
		return refusedElse(res.Refusal, reply{}), err
	}
	x, err := s.desk.Sheet(ctx, c.Sheet)
	return reply{OK: true, Text: fmt.Sprintf("Recorded: %s for %s. %s left on this sheet.", verb, quantity(len(items), "item", "items"), upper(howMany(x.Left(), "item")))}, err
}

// seesCampaigns tells whether somebody may read all of a campaign: who sees the inventory, and management that signs it.
func (s *serving) seesCampaigns(ctx context.Context, p workflows.PersonID, plan workflows.CampaignPlan) bool {
	return s.desk.SeesInventory(ctx, p) || slices.Contains(plan.Acknowledge, p)
}

func (s *serving) listCampaigns(ctx context.Context, by workflows.Acting) (reply, error) {
	out := reply{OK: true}
	var list []map[string]any
	for _, p := range s.desk.Policy().Settings.Campaigns {
		if !s.seesCampaigns(ctx, by.Person, p) {
			continue
		}
		c, err := s.desk.Campaign(ctx, p.Name)
		if err != nil {
			return reply{}, err
		}
		when := "never held"
		row := map[string]any{"plan": p}
		if r, ok := c.Run(""); ok {
			when = "held last on " + r.At.UTC.Time().Format(time.DateOnly)
			if r.Ended == nil {
				when = "under way since " + r.At.UTC.Time().Format(time.DateOnly)
			}
			row["run"], row["items"], row["ended"] = r.Run, r.Items, r.Ended != nil
		}
		next := "on demand"
		if cron, err := jobs.ParseCron(p.Cron, p.Zone); err == nil && p.Cron != "" {
			if at, err := cron.Next(s.clock.Now().Wall); err == nil {
				next = "next " + at.UTC().Format("2006-01-02 15:04 UTC")
			}
		}
		if p.Cron != "" && c.Planned == nil {
			next = "its schedule does not count yet"
		}
		out.Lines = append(out.Lines, fmt.Sprintf("%s  %q, looks at %s; %s; %s", p.Name, p.Title, p.Of, when, next))
		list = append(list, row)
	}
	out.Text = quantity(len(list), "campaign", "campaigns") + "."
	var err error
	out.Data, err = json.Marshal(map[string]any{"campaigns": list})
	return out, err
}

func (s *serving) listSheets(ctx context.Context, by workflows.Acting) (reply, error) {
	list, err := s.desk.SheetsFor(ctx, by.Person)
	if err != nil || by.Person == "" {
		return reply{OK: true, Text: "Nothing waits for you."}, err
	}
	out := reply{OK: true, Text: quantity(len(list), "sheet waits", "sheets wait") + " for you."}
	var rows []map[string]any
	for _, x := range list {
		out.Lines = append(out.Lines, fmt.Sprintf("%s  %q: %d of %d left, until %s", x.ID, x.Opened.Title, x.Left(), len(x.Items), x.Opened.DueAt.Time().Format("2006-01-02 15:04 UTC")))
		rows = append(rows, map[string]any{"sheet": x.ID, "campaign": x.Opened.Campaign, "left": x.Left(), "items": len(x.Items), "due": x.Opened.DueAt})
	}
	out.Data, err = json.Marshal(map[string]any{"sheets": rows})
	return out, err
}

func (s *serving) showPage(ctx context.Context, by workflows.Acting, cause workflows.Cause, id workflows.SheetID, items []int) (reply, error) {
	page, res, err := s.desk.LookAtSheet(ctx, desk.LookAt{Cause: cause, By: by, Sheet: id, Items: items, Many: 5, Channel: viaCLI})
	if err != nil || res.Refusal != nil {
		return refusedElse(res.Refusal, reply{}), err
	}
	out := reply{OK: true, ID: string(id), Text: fmt.Sprintf("%s left of %d.", upper(howMany(page.Sheet.Left(), "item")), len(page.Sheet.Items))}
	for _, e := range page.Items {
		out.Lines = append(out.Lines, s.itemLines(ctx, e)...)
	}
	out.Data, err = json.Marshal(page)
	return out, err
}

// itemLines is one item with what is known of it.
func (s *serving) itemLines(ctx context.Context, e desk.SheetEvidence) []string {
	head := fmt.Sprintf("%d. %s (%s)", e.Number, e.Title, e.ID)
	switch {
	case e.Gone:
		return []string{head + ": it is not there any more"}
	case e.Verdict != "":
		head += ": " + e.Verdict
	}
	out := []string{head}
	for _, f := range e.Facts {
		v := f.Value
		if f.Person != "" {
			v = s.desk.Name(ctx, f.Person)
		}
		out = append(out, "     "+f.Name+": "+v)
	}
	for _, c := range e.Changed {
		out = append(out, "     changed since: "+c)
	}
	if len(e.Now) > 0 {
		out = append(out, "     ! "+strings.ReplaceAll(strings.Join(e.Now, ", "), "_", " "))
	}
	return out
}

func (s *serving) showCampaign(ctx context.Context, by workflows.Acting, name string) (reply, error) {
	c, err := s.desk.Campaign(ctx, name)
	if err != nil {
		return reply{}, err
	}
	run, ok := c.Run("")
	if !ok || !s.seesCampaigns(ctx, by.Person, run.Plan) {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "There is no run of such a campaign, or it is not yours to see.", "countersign identities campaign list shows them.")), nil
	}
	out := reply{OK: true, ID: string(run.Run)}
	state := "until " + run.DueAt.Time().Format("2006-01-02 15:04 UTC")
	switch {
	case run.Items == 0:
		state = "nothing was found to look at, so nobody was asked"
	case run.Ended != nil:
		state = "over since " + run.EndedAt.UTC.Time().Format("2006-01-02 15:04 UTC")
	}
	out.Text = fmt.Sprintf("%s: %s, %s, %s.", run.Plan.Title, quantity(run.Items, "item", "items"), quantity(len(run.Sheets), "sheet", "sheets"), state)
	if run.Missed > 0 || run.Scheduled != 0 && run.At.UTC.Sub(run.Scheduled) > campaignLate {
		out.Lines = append(out.Lines, fmt.Sprintf("Begun late: it was due at %s, and %s before it passed without a run.", run.Scheduled.Time().Format("2006-01-02 15:04 UTC"), howMany(run.Missed, "time")))
	}
	if run.Left > 0 {
		out.Lines = append(out.Lines, fmt.Sprintf("! %s nobody can look at: they have no owner, and security has nobody either.", howMany(run.Left, "item")))
	}
	sheets, err := s.desk.SheetsOf(ctx, run.Run)
	if err != nil {
		return reply{}, err
	}
	for _, x := range sheets {
		out.Lines = append(out.Lines, fmt.Sprintf("%s  %s: %d of %d left", x.ID, s.desk.Name(ctx, x.Opened.Reviewer), x.Left(), len(x.Items)))
	}
	out.Data, err = json.Marshal(map[string]any{"run": run, "sheets": len(sheets)})
	return out, err
}

const campaignLate = 10 * time.Minute // later than this is said
