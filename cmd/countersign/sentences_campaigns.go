package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
)

// tellCampaign tells who looked at what again, what they decided, and what became of it.
func (n *narrator) tellCampaign(r workflows.Record) string {
	rest := r.Stream.Rest()
	switch e := r.Event.(type) {
	case campaigns.Planned:
		return fmt.Sprintf("The campaign %s is held by the schedule %s (%s) from now on.", rest, e.Cron, cmp.Or(e.Zone, "UTC"))
	case campaigns.Begun:
		return n.campaignBegun(r, e, rest)
	case campaigns.SheetDone:
		return fmt.Sprintf("Sheet %s of the campaign %s is done: %s.", e.Sheet, rest, countWords(e.Counts))
	case campaigns.Ended:
		return fmt.Sprintf("Run %s of the campaign %s is over: %s.", e.Run, rest, countWords(e.Counts))
	case campaigns.Acknowledged:
		return fmt.Sprintf("%s acknowledged the outcome of run %s of the campaign %s, %s.", n.actor(r), e.Run, rest, because(e.Note, true))
	case campaigns.Opened:
		return fmt.Sprintf("%s was asked to look at %s of the campaign %s until %s: sheet %s.", upper(n.person(e.Reviewer)), howMany(len(e.Items), "item"), e.Campaign, n.at(e.DueAt), rest)
	case campaigns.Shown:
		return fmt.Sprintf("%s looked at %s of sheet %s.", n.actor(r), itemWords(e.Items), rest)
	case campaigns.Decided:
		return fmt.Sprintf("%s decided %s for %s of sheet %s, %s after looking, %s.", n.actor(r), verdictWords(e.Verdict), itemWords(e.Items), rest, howMany(int(e.After), "second"), because(e.Reason, true))
	case campaigns.Escalated:
		return fmt.Sprintf("%s was asked as well about what is left of sheet %s.", upper(n.person(e.To)), rest)
	case campaigns.Lapsed:
		return fmt.Sprintf("Nobody answered for %s of sheet %s in time; what follows: %s.", itemWords(e.Items), rest, verdictWords(e.Verdict))
	case campaigns.Settled:
		return fmt.Sprintf("What was decided for item %d of sheet %s is done (%s); that was %s.", e.Item, rest, trimDot(strings.TrimSuffix(e.How+", "+e.Detail, ", ")), e.Proof)
	case campaigns.Closed:
		return fmt.Sprintf("Sheet %s is closed: %s.", rest, countWords(e.Counts))
	}
	return ""
}

func (n *narrator) campaignBegun(r workflows.Record, e campaigns.Begun, name string) string {
	how := n.actor(r) + " began the campaign " + name
	if e.Scheduled != 0 {
		how = "The campaign " + name + " began as scheduled for " + n.at(e.Scheduled)
	}
	if e.Missed > 0 {
		how += fmt.Sprintf(", late, after %s of the schedule that nobody was there for", howMany(e.Missed, "time"))
	}
	if e.Items == 0 {
		return how + "; nothing was found to look at, so nobody was asked: run " + string(e.Run) + "."
	}
	return fmt.Sprintf("%s: %s before %s until %s: run %s.", how, howMany(e.Items, "item"), howMany(len(e.Sheets), "reviewer"), n.at(e.DueAt), e.Run)
}

func itemWords(items []int) string {
	var out []string
	for _, i := range items {
		out = append(out, strconv.Itoa(i))
	}
	if len(items) == 1 {
		return "item " + out[0]
	}
	return "items " + strings.Join(out, ", ")
}

func verdictWords(v string) string {
	switch v {
	case campaigns.ToJIT:
		return "that it can be asked for instead of standing"
	case campaigns.None:
		return "that security is told"
	}
	return strings.ReplaceAll(v, "-", " ")
}

func countWords(c campaigns.Counts) string {
	var out []string
	for _, x := range []struct {
		n    int
		word string
	}{
		{c.Kept, "kept"},
		{c.Narrowed, "narrowed"},
		{c.Converted, "made requestable"},
		{c.HandedOver, "handed over"},
		{c.Revoked, "revoked"},
		{c.Suspended, "suspended"},
		{c.Silent, "that nobody answered for"},
		{c.Failed, "not possible"},
		{c.Overruled, "decided by the other side"},
	} {
		if x.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", x.n, x.word))
		}
	}
	if len(out) == 0 {
		return "nothing to decide"
	}
	return strings.Join(out, ", ")
}
