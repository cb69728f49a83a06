package screens

import (
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Outcome tells the requester how a request ended.
type Outcome struct {
	ID     workflows.RequestID
	What   string
	Long   workflows.Span
	Status workflows.Status
	By     Person // empty for the system
	Reason string // of a denial
	Why    string // of a superseded or failed request
	Next   string // what to do now
	Text   bool   // a text was approved: no access follows
	In     Locale
}

// Render draws the message.
func (o Outcome) Render() Message {
	blocks := []slackgo.Block{section(o.sentence())}
	blocks = append(blocks, o.In.deniedBecause(o.Reason)...)
	if o.Next != "" {
		blocks = append(blocks, section(Escape(o.Next)))
	}
	blocks = append(blocks, note(o.In.Say("Request %s", code(string(o.ID)))))
	return Message{Text: over(o.In, o.Status, o.In.Of("you"), o.What, o.Long, o.Reason+o.Why), Blocks: blocks}
}

func (o Outcome) sentence() string {
	l := o.In
	what := l.Say("Your request for *%s* for *%s*", label(o.What), o.Long)
	by := ""
	if o.By.Name != "" {
		by = l.Say(" by %s", o.By.Mention())
	}
	switch o.Status {
	case workflows.StatusApproved:
		if o.Text {
			return "✅ " + l.Say("%s was approved%s.", what, by)
		}
		return "✅ " + l.Say("%s was approved%s. You are told here as soon as the access is ready.", what, by)
	case workflows.StatusDenied:
		return "⛔ " + l.Say("%s was denied%s.", what, by)
	case workflows.StatusTimedOut:
		return "➖ " + l.Say("%s timed out: not enough people decided in time. That is not a denial.", what)
	case workflows.StatusSuperseded:
		return "⚠️ " + l.Say("%s was superseded. %s", what, Escape(o.Why))
	case workflows.StatusFailed:
		return "⚠️ " + l.Say("%s was approved, but the access could not be made. %s", what, Escape(o.Why))
	}
	return "➖ " + l.Say("%s was %s%s.", what, o.Status, by)
}

// Ended tells the holder that the access is gone.
type Ended struct {
	Grant  workflows.GrantID
	What   string
	Long   workflows.Span
	For    string
	Access Access
	In     Locale
}

// Render draws the message.
func (e Ended) Render() Message {
	who := e.In.Of("you")
	if e.For != "" {
		who = e.For
	}
	blocks := []slackgo.Block{section("*" + label(e.What) + "*\n" + e.Access.sentence(e.In))}
	if left := e.Access.leaves(e.In); left != "" {
		blocks = append(blocks, note(left))
	}
	blocks = append(blocks, note(e.In.Say("Ask again with `/access` · grant %s", code(string(e.Grant)))))
	return Message{Text: e.In.headline("Ended: %s had %s for %s", who, e.What, e.In.Span(e.Long), e.In.Clock(e.Access.EndedAt)), Blocks: blocks}
}

// Failed tells the holder that the access could not be made.
type Failed struct {
	Grant workflows.GrantID
	What  string
	Long  workflows.Span
	Why   string
	In    Locale
}

// Render draws the message.
func (f Failed) Render() Message {
	return Message{
		Text: f.In.headline("Failed: %s cannot get %s for %s", f.In.Of("you"), f.What, f.In.Span(f.Long), f.Why),
		Blocks: []slackgo.Block{
			section(f.In.Say("⚠️ The access to *%s* was approved, but it could not be made. %s", label(f.What), Escape(f.Why))),
			section(f.In.Of("Nothing was left behind on the target. Ask the target's owner, then ask again with `/access`.")),
			note(f.In.Say("Grant %s", code(string(f.Grant)))),
		},
	}
}

// Overdue tells an owner that a revocation has not succeeded.
type Overdue struct {
	Grant  workflows.GrantID
	What   string
	Holder Person
	Since  workflows.Stamp
	Long   workflows.Span // how long it was granted for
	Last   string         // what the target said
	In     Locale
}

// Render draws the message.
func (o Overdue) Render() Message {
	l := o.In
	return Message{
		Text: l.headline("Still open! %s keeps %s (was for %s)", o.Holder.Name, o.What, l.Span(o.Long), l.Say("taking it back has not worked since %s", l.Clock(o.Since))),
		Blocks: []slackgo.Block{
			header(l.Of("Access could not be taken back")),
			section(l.Say("⚠️ %s may still have *%s*. Taking it back has not worked since %s.", o.Holder.Mention(), label(o.What), l.When(o.Since))),
			section(l.Say("*What is tried*\nIt is tried again until it is gone.\n*What you can do*\nEnd it on the target by hand and say so: `/access removed-by-hand %s HOW`. The request's card, where there is one, and the ledger say when it is gone.", code(string(o.Grant)))),
			note(l.Say("Grant %s", code(string(o.Grant)))),
		},
	}
}
