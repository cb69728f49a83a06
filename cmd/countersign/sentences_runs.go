package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// tellGlass tells what happens to runbooks and reviews beside their approval.
func (n *narrator) tellGlass(r workflows.Record) string {
	rest := r.Stream.Rest()
	switch e := r.Event.(type) {
	case incidents.Invoked:
		return fmt.Sprintf("%s broke the glass with runbook %s in incident %s%s, %s, until %s, without asking %s; review %s must follow: grant %s.",
			n.actor(r), rest, e.Incident, n.tiered(e), because(e.Reason, false), n.at(e.EndsAt), n.people(e.Skipped), e.Review, e.Grant)
	case incidents.Proposed:
		return fmt.Sprintf("%s wanted to break the glass with runbook %s in incident %s, %s; as this needs a second person (%s), %s were asked until %s: proposal %s.",
			n.actor(r), rest, e.Incident, because(e.Reason, false), trimDot(strings.Join(e.Needed, " ")), n.people(e.Asked), n.at(e.Until), e.Proposal)
	case incidents.Barred:
		return fmt.Sprintf("%s may not invoke runbook %s until its text is approved anew, as review %s found misuse.", upper(n.person(e.Person)), rest, e.Review)
	case reviews.Joined:
		return fmt.Sprintf("%s used %s in the same incident, so it falls under review %s.", upper(n.person(e.Invoker)), e.About, rest)
	case reviews.TaskDone:
		return fmt.Sprintf("%s did task %s of review %s, %s.", n.actor(r), e.Task, rest, because(e.Note, true))
	case reviews.Escalated:
		return fmt.Sprintf("Review %s has been overdue for %s and was escalated.", rest, howMany(e.Level, "day"))
	}
	return ""
}

// tiered says how an invocation went around something, if it did.
func (n *narrator) tiered(e incidents.Invoked) string {
	out := ""
	if e.Executor != "" {
		out += " for " + n.person(e.Executor) + " to carry it out"
	}
	if e.Second != "" {
		out += ", with the agreement of " + n.person(e.Second) + proved(e.SecondBy)
	}
	if e.Tier == incidents.TierBreakGlass {
		for _, c := range e.Conditions {
			if !c.OK {
				out += " although: " + trimDot(c.Says)
				break
			}
		}
	}
	return out
}

// proved says how somebody proved who they are, where it was more than a click.
func proved(authn string) string {
	switch authn {
	case workflows.AuthnHost:
		return " on the bot's host"
	case workflows.AuthnLogin:
		return ", who had just logged in"
	case workflows.AuthnCode:
		return " by a one-time code"
	}
	return ""
}

// tellRun tells what happens while a runbook is carried out.
func (n *narrator) tellRun(r workflows.Record) string {
	run := r.Stream.Rest()
	switch e := r.Event.(type) {
	case runs.Opened:
		return n.runOpened(r, e)
	case runs.Renewed:
		return fmt.Sprintf("%s invoked the runbook of run %s again; it goes on at least until %s, carried out by %s.", n.actor(r), run, n.at(e.EndsAt), n.person(e.Executor))
	case runs.StepStarted:
		if e.Auto {
			return fmt.Sprintf("Step %d of run %s began by itself, as all before it was over: order %s, attempt %d.", e.Step, run, e.Order, e.Attempt)
		}
		return fmt.Sprintf("%s had step %d of run %s carried out: order %s, attempt %d.", n.actor(r), e.Step, run, e.Order, e.Attempt)
	case runs.StepChecked:
		return fmt.Sprintf("Before step %d of run %s was done, the target showed it %s, as the document wants.", e.Step, run, e.Presence)
	case runs.StepDone:
		if e.Authn == "" {
			return fmt.Sprintf("Step %d of run %s was done; the target calls it %q.", e.Step, run, e.Ref)
		}
		return fmt.Sprintf("%s did step %d of run %s, %s.", n.actor(r), e.Step, run, because(e.Note, false))
	case runs.StepFailed:
		again := "it is tried again"
		if e.Final {
			again = "it is not tried again by itself"
		}
		return fmt.Sprintf("Attempt %d of step %d of run %s failed (%s): %s; %s.", e.Attempt, e.Step, run, e.Class, trimDot(e.Text), again)
	case runs.StepSkipped:
		return fmt.Sprintf("%s left out step %d of run %s, %s.", n.actor(r), e.Step, run, because(e.Why, true))
	case runs.RolledBack:
		return fmt.Sprintf("%s had %s of run %s taken back, %s.", n.actor(r), howMany(len(e.Steps), "step"), run, because(e.Why, false))
	case runs.StepUndone:
		return fmt.Sprintf("Step %d of run %s was taken back; reading it back showed it %s.", e.Step, run, cmp.Or(e.Presence, "unknown"))
	case runs.SecretTaken:
		return fmt.Sprintf("%s took the secret that step %d of run %s made%s.", n.actor(r), e.Step, run, proved(e.Authn))
	case runs.SecretDestroyed:
		return fmt.Sprintf("What was kept of the secret of step %d of run %s was destroyed: %s.", e.Step, run, e.Why)
	case runs.EvidenceAdded:
		return fmt.Sprintf("%s attached a %s to run %s%s.", n.actor(r), e.What, run, hashed(e.Hash))
	case runs.Closed:
		return n.runClosed(r, e)
	}
	return ""
}

func hashed(h string) string {
	if h == "" {
		return ""
	}
	return " with the hash " + h
}

func (n *narrator) runOpened(r workflows.Record, e runs.Opened) string {
	what := "incident " + e.Incident
	switch e.Mode {
	case runs.KindDrill:
		what = "a drill, " + e.Incident
	case runs.KindRoutine:
		what = "request " + string(e.Request)
		if e.Rotation != "" {
			what = "the rotation of " + string(e.Subject)
		}
	}
	return fmt.Sprintf("%s opened run %s of runbook %s for %s: %s, carried out by %s until %s.", n.actor(r), r.Stream.Rest(), e.Runbook, what,
		howMany(len(e.Steps), "step"), n.person(e.Executor), n.at(e.EndsAt))
}

func (n *narrator) runClosed(r workflows.Record, e runs.Closed) string {
	left := ""
	if len(e.Open) > 0 {
		left = fmt.Sprintf("; %s were left open", howMany(len(e.Open), "step"))
	}
	switch e.How {
	case runs.HowIncident:
		return fmt.Sprintf("Run %s ended with its incident%s.", r.Stream.Rest(), left)
	case runs.HowFinished:
		if r.Person == "" {
			return fmt.Sprintf("Run %s ended: all of it was done, and the rotation that opened it is closed.", r.Stream.Rest())
		}
	case runs.HowRanOut:
		return fmt.Sprintf("Run %s ended, as nobody went on with it%s.", r.Stream.Rest(), left)
	}
	return fmt.Sprintf("%s ended run %s (%s), %s%s.", n.actor(r), r.Stream.Rest(), e.How, because(e.Why, false), left)
}
