package screens

import (
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Glass is a pre-approved escalation that was invoked.
type Glass struct {
	Runbook  workflows.RunbookID
	Title    string
	Incident string
	Invoker  Person
	What     string
	Long     workflows.Span
	Reason   string
	At, Ends workflows.Stamp
	Document workflows.DocHash
	Review   workflows.ReviewID
	DueAt    workflows.Stamp
	Reviewer Person
	Drill    bool
	Around   []string // conditions that failed
	Second   Person   // who agreed
	Executor Person   // who has the access, where that is not the invoker
	In       Locale
}

// Invoked is the message to the incident channel.
func (g Glass) Invoked() Message {
	l := g.In
	blocks := []slackgo.Block{header(g.drill() + l.Say("Break glass: %s", g.Title))}
	blocks = append(blocks, section(l.Say("⚠️ %s invoked %s for incident *%s* and has *%s* for *%s*, until %s.",
		g.Invoker.Mention(), code(string(g.Runbook)), label(g.Incident), label(g.what()), g.Long, l.When(g.Ends))))
	blocks = append(blocks, g.why()...)
	return Message{Text: g.text(l.Of("Break glass! %s took %s for %s")), Blocks: blocks}
}

// Skipped tells somebody that their approval was not asked for.
func (g Glass) Skipped() Message {
	l := g.In
	blocks := []slackgo.Block{
		header(g.drill() + l.Of("Your approval was skipped")),
		section(l.Say("⚠️ %s took *%s* for *%s* through the pre-approved runbook %s in incident *%s*. It ends at %s.",
			g.Invoker.Mention(), label(g.what()), g.Long, code(string(g.Runbook)), label(g.Incident), l.When(g.Ends))),
	}
	blocks = append(blocks, g.why()...)
	blocks = append(blocks, section(l.Of("Nothing is asked of you now. If this looks wrong, call the security team: they can revoke it at once.")))
	return Message{Text: g.text(l.Of("Skipped you: %s took %s for %s")), Blocks: blocks}
}

// Told tells somebody who is told of every use.
func (g Glass) Told() Message {
	l := g.In
	blocks := []slackgo.Block{
		header(g.drill() + l.Say("Break glass: %s", g.Title)),
		section(l.Say("ℹ️ %s invoked %s for incident *%s*, until %s. You are told of every use; nothing is asked of you.",
			g.Invoker.Mention(), code(string(g.Runbook)), label(g.Incident), l.When(g.Ends))),
	}
	return Message{Text: g.text(l.Of("Break glass: %s took %s for %s")), Blocks: append(blocks, g.why()...)}
}

// text is the notification; format is in the language already.
func (g Glass) text(format string) string {
	return g.In.headline(g.drill()+format, g.Invoker.Name, g.what(), g.In.Span(g.Long), g.Incident+". "+g.Reason)
}

// what is what they have; a runbook that gives no access is its steps.
func (g Glass) what() string {
	if g.What == "" {
		return g.In.Say("the steps of %s", g.Title)
	}
	return g.What
}

func (g Glass) drill() string {
	if g.Drill {
		return g.In.Of("Drill.") + " "
	}
	return ""
}

func (g Glass) why() []slackgo.Block {
	var out []slackgo.Block
	l := g.In
	if len(g.Around) > 0 {
		out = append(out, section(l.listing(l.Of("🚨 *They went around:*"), dotted(l.filledAll(g.Around)), 10)))
	}
	if g.Second.Name != "" {
		out = append(out, section(l.Say("👥 %s agreed.", g.Second.Mention())))
	}
	if g.Executor.Name != "" {
		out = append(out, section(l.Say("👤 %s has the access and carries it out.", g.Executor.Mention())))
	}
	if g.Reason != "" {
		reason, _ := l.cut(g.Reason, shownRunes, shownLines)
		out = append(out, section("*"+l.Of("Why")+"*"), l.typed(reason))
	}
	pairs := []Pair{{l.Of("Approved text"), code(shortHash(g.Document, 12))}, {l.Of("When"), l.When(g.At)}}
	if g.Review != "" {
		pairs = append(pairs, Pair{l.Of("Reviewed by"), g.Reviewer.Mention()}, Pair{l.Of("Review due"), l.When(g.DueAt)})
	}
	return append(out, facts(pairs)...)
}

// Review asks somebody to look at an invocation afterwards, and says what was found.
type Review struct {
	ID       workflows.ReviewID
	Runbook  string
	Incident string
	Invoker  Person
	What     string
	Long     workflows.Span
	At       workflows.Stamp
	DueAt    workflows.Stamp
	Late     bool
	Verdict  string // empty while open
	Note     string
	ClosedBy Person
	ClosedAt workflows.Stamp
	Close    string // value of the button
	Drill    bool
	Request  workflows.RequestID // of a sample: approved without people; then there is no runbook and no incident
	In       Locale
}

// about is what the review is about, in a word.
func (r Review) about() string {
	if r.Request != "" {
		return r.In.Of("an automatic approval")
	}
	return r.Runbook
}

// Ask is the message to a reviewer; it is repainted in place when the review is closed.
func (r Review) Ask() Message {
	l := r.In
	title, text := l.Say("Please review: %s", r.about()), l.Of("Review: %s took %s for %s")
	switch {
	case r.Verdict != "":
		title, text = l.Say("Review closed: %s", r.about()), l.Of("Review closed: %s took %s for %s")
	case r.Late:
		title, text = l.Say("Review overdue: %s", r.about()), l.Of("Overdue review: %s took %s for %s")
	}
	blocks := []slackgo.Block{header(title), section(r.sentence())}
	blocks = append(blocks, r.found()...)
	if r.Close != "" && r.Verdict == "" {
		e := button(ActReview, r.Close, l.Of("Close review…"), l.Say("Close the review of %s", r.Invoker.Name+", "+r.Incident))
		e.Style = slackgo.StylePrimary
		blocks = append(blocks, actions(e)...)
	}
	id := l.Say("Review %s", code(string(r.ID)))
	if r.Verdict == "" && r.Request == "" {
		id = l.Say("Review %s · or type `/breakglass review %s`", code(string(r.ID)), Escape(string(r.ID)))
	}
	blocks = append(blocks, note(id))
	return Message{Text: l.headline(text, r.Invoker.Name, r.What, l.Span(r.Long), l.Say("%s, due %s", r.why(), l.Clock(r.DueAt))), Blocks: blocks}
}

// Closed tells the invoker what the review found.
func (r Review) Closed() Message {
	l := r.In
	blocks := []slackgo.Block{section(r.sentence())}
	blocks = append(blocks, r.found()...)
	blocks = append(blocks, note(l.Say("Review %s", code(string(r.ID)))))
	return Message{Text: l.headline("Reviewed: %s took %s for %s", l.Of("you"), r.What, l.Span(r.Long), l.Say("verdict %s", l.verdict(r.Verdict))), Blocks: blocks}
}

func (r Review) sentence() string {
	l := r.In
	s := l.Say("%s took *%s* for *%s* through runbook %s in incident *%s* at %s.", r.Invoker.Mention(), label(r.What), r.Long, code(r.Runbook), label(r.Incident), l.When(r.At))
	if r.Request != "" {
		s = l.Say("%s got *%s* for *%s* at %s without anybody's approval, by the document itself (request %s).",
			r.Invoker.Mention(), label(r.What), r.Long, l.When(r.At), code(string(r.Request)))
	}
	if r.Drill {
		s = "*" + l.Of("This is a drill.") + "* " + s
	}
	switch {
	case r.Verdict != "":
		return s
	case r.Late:
		return s + "\n" + l.Say("⚠️ *The review was due at %s and is overdue.*", l.When(r.DueAt))
	case r.Request != "":
		return s + "\n" + l.Say("Please look at what was done and say whether that was proper or misuse, by %s.", l.When(r.DueAt))
	}
	return s + "\n" + l.Say("Please look at what was done and say whether it was an emergency, a drill or misuse, by %s.", l.When(r.DueAt))
}

// verdict is the word for what a review found.
func (l Locale) verdict(v string) string {
	switch v {
	case "emergency":
		return l.Of("emergency")
	case "drill":
		return l.Of("drill")
	case "misuse":
		return l.Of("misuse")
	case "proper":
		return l.Of("proper")
	}
	return v
}

// ReviewDone says to who closed a review what was recorded.
func (l Locale) ReviewDone(verdict string) string {
	return l.Say("✅ Recorded: the review is closed as *%s*. The invoker is told.", label(l.verdict(verdict)))
}

// ReviewOver says that a review needs nobody any more.
func (l Locale) ReviewOver(verdict string) string {
	return l.Say("This review is already closed: %s.", label(l.verdict(verdict)))
}

func (r Review) found() []slackgo.Block {
	if r.Verdict == "" {
		return nil
	}
	l := r.In
	out := []slackgo.Block{section(l.Say("*Verdict: %s*, by %s at %s.", label(l.verdict(r.Verdict)), r.ClosedBy.Mention(), l.When(r.ClosedAt)))}
	if r.Note == "" {
		return out
	}
	text, _ := l.cut(r.Note, maxSection-100, 60)
	return append(out, l.typed(text))
}

// why is what led to it, for a notification.
func (r Review) why() string {
	if r.Request != "" {
		return r.In.Of("approved without people")
	}
	return r.Incident
}

// ReviewForm is the modal that closes a review. meta comes back with its submission.
func (r Review) ReviewForm(meta string) slackgo.ModalViewRequest {
	l := r.In
	radio := slackgo.NewRadioButtonsBlockElement(InputValue,
		option("emergency", l.Of("Emergency"), l.Of("The glass was rightly broken")),
		option("drill", l.Of("Drill"), l.Of("It was an exercise")),
		option("misuse", l.Of("Misuse"), l.Of("It should not have been used")))
	if r.Request != "" {
		radio = slackgo.NewRadioButtonsBlockElement(InputValue,
			option("proper", l.Of("Proper"), l.Of("It was rightly approved without people")),
			option("misuse", l.Of("Misuse"), l.Of("It should not have been asked for")))
	}
	v := l.modal(CallReview, l.Of("Close review"), l.Of("Close review"),
		section(r.sentence()),
		inputBlock("verdict", l.Of("Verdict"), "", radio, false),
		area("note", l.Of("What you found"), l.Of("The invoker will read it. 10 to 2,000 characters."), 10, 2000, false))
	v.PrivateMetadata = meta
	return v
}

// Task asks somebody to rotate something before a review can close.
func (r Review) Task(id, what string, due workflows.Stamp) Message {
	l := r.In
	return Message{
		Text: l.headline("To do: %s used %s; %s", r.Invoker.Name, r.Runbook, what, r.Incident),
		Blocks: []slackgo.Block{
			section(l.Say("♻️ %s used %s in incident *%s*. Please *%s*, by %s.", r.Invoker.Mention(), code(r.Runbook), label(r.Incident), label(what), l.When(due))),
			section(l.Say("The review cannot be closed before. When it is done, type `/breakglass task %s %s what was done`.", Escape(string(r.ID)), Escape(id))),
		},
	}
}
