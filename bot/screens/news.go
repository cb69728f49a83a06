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
}

// Render draws the message.
func (o Outcome) Render() Message {
	blocks := []slackgo.Block{section(o.sentence())}
	blocks = append(blocks, DeniedBecause(o.Reason)...)
	if o.Next != "" {
		blocks = append(blocks, section(Escape(o.Next)))
	}
	blocks = append(blocks, note("Request "+code(string(o.ID))))
	verb := statusWord(o.Status)
	text := headline(verb+": %s asked for %s for %s", "you", o.What, o.Long.String(), o.Reason+o.Why)
	return Message{Text: text, Blocks: blocks}
}

func (o Outcome) sentence() string {
	what := "Your request for *" + label(o.What) + "* for *" + o.Long.String() + "* "
	by := ""
	if o.By.Name != "" {
		by = " by " + o.By.Mention()
	}
	switch o.Status {
	case workflows.StatusApproved:
		if o.Text {
			return "✅ " + what + "was approved" + by + "."
		}
		return "✅ " + what + "was approved" + by + ". You are told here as soon as the access is ready."
	case workflows.StatusDenied:
		return "⛔ " + what + "was denied" + by + "."
	case workflows.StatusTimedOut:
		return "➖ " + what + "timed out: not enough people decided in time. That is not a denial."
	case workflows.StatusSuperseded:
		return "⚠️ " + what + "was superseded. " + Escape(o.Why)
	case workflows.StatusFailed:
		return "⚠️ " + what + "was approved, but the access could not be made. " + Escape(o.Why)
	}
	return "➖ " + what + "was " + o.Status.Words() + by + "."
}

// Ended tells the holder that the access is gone.
type Ended struct {
	Grant  workflows.GrantID
	What   string
	Long   workflows.Span
	For    string
	Access Access
}

// Render draws the message.
func (e Ended) Render() Message {
	who := "you"
	if e.For != "" {
		who = e.For
	}
	blocks := []slackgo.Block{section("*" + label(e.What) + "*\n" + e.Access.sentence())}
	if left := e.Access.leaves(); left != "" {
		blocks = append(blocks, note(left))
	}
	blocks = append(blocks, note("Ask again with `/access` · grant "+code(string(e.Grant))))
	return Message{Text: headline("Ended: %s had %s for %s", who, e.What, e.Long.String(), Clock(e.Access.EndedAt)), Blocks: blocks}
}

// Failed tells the holder that the access could not be made.
type Failed struct {
	Grant workflows.GrantID
	What  string
	Long  workflows.Span
	Why   string
}

// Render draws the message.
func (f Failed) Render() Message {
	return Message{
		Text: headline("Failed: %s cannot get %s for %s", "you", f.What, f.Long.String(), f.Why),
		Blocks: []slackgo.Block{
			section("⚠️ The access to *" + label(f.What) + "* was approved, but it could not be made. " + Escape(f.Why)),
			section("Nothing was left behind on the target. Ask the target's owner, then ask again with `/access`."),
			note("Grant " + code(string(f.Grant))),
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
}

// Render draws the message.
func (o Overdue) Render() Message {
	return Message{
		Text: headline("Still open! %s keeps %s (was for %s)", o.Holder.Name, o.What, o.Long.String(), "taking it back has not worked since "+Clock(o.Since)),
		Blocks: []slackgo.Block{
			header("Access could not be taken back"),
			section("⚠️ " + o.Holder.Mention() + " may still have *" + label(o.What) + "*. Taking it back has not worked since " + When(o.Since) + "."),
			section("*What is tried*\nIt is tried again until it is gone.\n*What you can do*\nEnd it on the target by hand and say so: `/access removed-by-hand " + code(string(o.Grant)) + " HOW`. The request's card, where there is one, and the ledger say when it is gone."),
			note("Grant " + code(string(o.Grant))),
		},
	}
}
