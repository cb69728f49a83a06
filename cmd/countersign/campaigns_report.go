package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
)

// campaignReport is what an auditor gets of one run: why it is held that often, each decision with its entry, what was done and how that is
// known, management's word, and the signed head of the ledger that all of it stands under (R107).
type campaignReport struct {
	Campaign     string               `json:"campaign"`
	Title        string               `json:"title"`
	Why          string               `json:"why"`
	Schedule     string               `json:"schedule,omitempty"`
	Run          workflows.CampaignID `json:"run"`
	Scheduled    workflows.Stamp      `json:"scheduled,omitzero"`
	Begun        workflows.Stamp      `json:"begun"`
	Missed       int                  `json:"missed,omitempty"`
	Due          workflows.Stamp      `json:"due"`
	Ended        workflows.Stamp      `json:"ended,omitzero"`
	Silence      string               `json:"silence"`
	Items        int                  `json:"items"`
	Counts       campaigns.Counts     `json:"counts"`
	Rubber       int                  `json:"decided_without_reading"` // items decided sooner than they can be read
	Decisions    []campaignDecision   `json:"decisions"`
	Acknowledged []campaignSignature  `json:"acknowledged"`
	Head         string               `json:"head"` // the signed checkpoint
}

type campaignDecision struct {
	Sheet    workflows.SheetID `json:"sheet"`
	Item     int               `json:"item"`
	What     string            `json:"what"`
	Target   string            `json:"target,omitempty"`
	Verdict  string            `json:"verdict"`
	By       string            `json:"by"`
	At       workflows.Stamp   `json:"at,omitzero"`
	Looked   int64             `json:"looked_seconds"`
	Together int               `json:"together,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Done     string            `json:"done"`
	Proof    string            `json:"proof,omitempty"`
	Evidence string            `json:"evidence,omitempty"`
}

type campaignSignature struct {
	By   string          `json:"by"`
	At   workflows.Stamp `json:"at"`
	Note string          `json:"note,omitempty"`
}

func (s *serving) reportCampaign(ctx context.Context, by workflows.Acting, name string) (reply, error) {
	c, err := s.desk.Campaign(ctx, name)
	if err != nil {
		return reply{}, err
	}
	run, ok := c.Run("")
	if !ok || !s.seesCampaigns(ctx, by.Person, run.Plan) {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "There is no run of such a campaign, or it is not yours to see.", "countersign identities campaign list shows them.")), nil
	}
	rep, err := s.campaignReport(ctx, name, run)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true, ID: string(run.Run), Lines: rep.markdown()}
	out.Data, err = json.Marshal(rep)
	return out, err
}

func (s *serving) campaignReport(ctx context.Context, name string, run campaigns.Run) (campaignReport, error) {
	rep := campaignReport{
		Campaign: name, Title: run.Plan.Title, Why: run.Plan.Why, Schedule: strings.TrimSpace(run.Plan.Cron + " " + run.Plan.Zone), Run: run.Run,
		Scheduled: run.Scheduled, Begun: run.At.UTC, Missed: run.Missed, Due: run.DueAt, Ended: run.EndedAt.UTC, Silence: run.Plan.Silence, Items: run.Items,
		Acknowledged: []campaignSignature{},
	}
	sheets, err := s.desk.SheetsOf(ctx, run.Run)
	if err != nil {
		return rep, err
	}
	var total campaigns.Counts
	for _, x := range sheets {
		total = total.Plus(x.Counts())
		for _, i := range x.Items {
			rep.Decisions = append(rep.Decisions, s.campaignDecision(ctx, x, i))
			if i.By != "" && i.After < int64(campaigns.RubberStamp.Seconds())*int64(max(1, i.Bulk)) {
				rep.Rubber++
			}
		}
	}
	rep.Counts = total
	for _, sig := range run.Signed {
		rep.Acknowledged = append(rep.Acknowledged, campaignSignature{s.desk.Name(ctx, sig.By), sig.At.UTC, sig.Note})
	}
	head, _, err := s.store.Publish(ctx) // it leaves the house now, so the witness has to know it
	rep.Head = string(head.Note)
	return rep, err
}

func (s *serving) campaignDecision(ctx context.Context, x campaigns.Sheet, i campaigns.ItemState) campaignDecision {
	d := campaignDecision{
		Sheet: x.ID, Item: i.Number, What: i.ID, Target: string(i.Target), Verdict: i.Verdict, At: i.Decided.UTC, Looked: i.After, Reason: i.Reason, Done: "not yet",
	}
	if i.Side != "" {
		d.What += " (" + i.Side + " side)"
	}
	if i.Bulk > 1 {
		d.Together = i.Bulk
	}
	switch {
	case i.By != "":
		d.By = s.desk.Name(ctx, i.By)
	case i.Verdict != "":
		d.By = "nobody answered"
	default:
		d.Verdict, d.By = "open", s.desk.Name(ctx, x.Opened.Reviewer)+" is asked"
	}
	if i.Settled != nil {
		d.Done, d.Proof, d.Evidence = i.Settled.How, i.Settled.Proof, i.Settled.Evidence
		if i.Settled.Detail != "" {
			d.Done += "; " + i.Settled.Detail
		}
	}
	return d
}

// markdown is the report for people.
func (r campaignReport) markdown() []string {
	at := func(t workflows.Stamp) string { return t.Time().Format("2006-01-02 15:04 UTC") }
	out := []string{"# " + r.Title, "", "Held because: " + r.Why, "Run " + string(r.Run) + ", begun " + at(r.Begun) + ", due " + at(r.Due) + "."}
	if r.Schedule != "" {
		out = append(out, "Schedule: "+r.Schedule+".")
	}
	if r.Missed > 0 {
		out = append(out, fmt.Sprintf("It was begun late: %s of the schedule passed before it.", howMany(r.Missed, "time")))
	}
	switch {
	case r.Items == 0:
		out = append(out, "Nothing was found to look at.")
	case r.Ended != 0:
		out = append(out, "Over since "+at(r.Ended)+": everything that was decided is done.")
	default:
		out = append(out, "Not over: items are open, or what was decided is not done yet.")
	}
	c := r.Counts
	out = append(out, "", fmt.Sprintf("%s: %d kept, %d narrowed, %d made requestable, %d handed over, %d revoked, %d suspended. Nobody answered for %d; then: %s.",
		quantity(r.Items, "item", "items"), c.Kept, c.Narrowed, c.Converted, c.HandedOver, c.Revoked, c.Suspended, c.Silent, r.Silence))
	if c.Overruled > 0 {
		out = append(out, fmt.Sprintf("Of integrations, whose two owners both decide: %s by the other side, whose word was stricter.", quantity(c.Overruled, "verdict overruled", "verdicts overruled")))
	}
	if c.Unverified > 0 || c.Failed > 0 || r.Rubber > 0 {
		out = append(out, fmt.Sprintf("To look at: %d done by somebody's word alone, %d not possible, %d decided sooner than they can be read.", c.Unverified, c.Failed, r.Rubber))
	}
	out = append(out, "", "| item | on | verdict | by | when | looked for | done | proof |", "|---|---|---|---|---|---|---|---|")
	list := slices.Clone(r.Decisions)
	for _, d := range list {
		when := ""
		if d.At != 0 {
			when = at(d.At)
		}
		out = append(out, "| "+strings.Join([]string{
			cell(d.What), cell(d.Target), d.Verdict + reasonCell(d.Reason), cell(d.By), when, (time.Duration(d.Looked) * time.Second).String(), cell(d.Done), d.Proof,
		}, " | ")+" |")
	}
	out = append(out, "", "## Acknowledged by management", "")
	for _, a := range r.Acknowledged {
		line := "- " + a.By + ", " + at(a.At)
		if a.Note != "" {
			line += ": " + a.Note
		}
		out = append(out, line)
	}
	if len(r.Acknowledged) == 0 {
		out = append(out, "By nobody yet.")
	}
	return append(append(out, "", "## The signed head of the ledger", "", "```"), append(strings.Split(strings.TrimRight(r.Head, "\n"), "\n"), "```")...)
}

func reasonCell(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + cell(reason)
}

// cell keeps a text inside a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(text)
}
