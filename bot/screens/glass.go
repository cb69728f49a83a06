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
}

// Invoked is the message to the incident channel.
func (g Glass) Invoked() Message {
	blocks := []slackgo.Block{header(g.drill() + "Break glass: " + g.Title)}
	blocks = append(blocks, section("⚠️ "+g.Invoker.Mention()+" invoked "+code(string(g.Runbook))+" for incident *"+label(g.Incident)+"* and has *"+label(g.What)+"* for *"+g.Long.String()+"*, until "+When(g.Ends)+"."))
	blocks = append(blocks, g.why()...)
	return Message{Text: g.text("Break glass! %s took %s for %s"), Blocks: blocks}
}

// Skipped tells somebody that their approval was not asked for.
func (g Glass) Skipped() Message {
	blocks := []slackgo.Block{
		header(g.drill() + "Your approval was skipped"),
		section("⚠️ " + g.Invoker.Mention() + " took *" + label(g.What) + "* for *" + g.Long.String() + "* through the pre-approved runbook " + code(string(g.Runbook)) + " in incident *" + label(g.Incident) + "*. It ends at " + When(g.Ends) + "."),
	}
	blocks = append(blocks, g.why()...)
	blocks = append(blocks, section("Nothing is asked of you now. If this looks wrong, call the security team: they can revoke it at once."))
	return Message{Text: g.text("Skipped you: %s took %s for %s"), Blocks: blocks}
}

func (g Glass) text(format string) string {
	return headline(g.drill()+format, g.Invoker.Name, g.What, g.Long.String(), g.Incident+". "+g.Reason)
}

func (g Glass) drill() string {
	if g.Drill {
		return "Drill. "
	}
	return ""
}

func (g Glass) why() []slackgo.Block {
	var out []slackgo.Block
	if len(g.Around) > 0 {
		out = append(out, section(listing("🚨 *They went around:*", dotted(g.Around), 10)))
	}
	if g.Second.Name != "" {
		out = append(out, section("👥 "+g.Second.Mention()+" agreed."))
	}
	if g.Executor.Name != "" {
		out = append(out, section("👤 "+g.Executor.Mention()+" has the access and carries it out."))
	}
	if g.Reason != "" {
		reason, _ := Cut(g.Reason, shownRunes, shownLines)
		out = append(out, section("*Why*"), typed(reason))
	}
	pairs := []Pair{{"Approved text", code(shortHash(g.Document, 12))}, {"When", When(g.At)}}
	if g.Review != "" {
		pairs = append(pairs, Pair{"Reviewed by", g.Reviewer.Mention()}, Pair{"Review due", When(g.DueAt)})
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
}

// about is what the review is about, in a word.
func (r Review) about() string {
	if r.Request != "" {
		return "an automatic approval"
	}
	return r.Runbook
}

// Ask is the message to a reviewer; it is repainted in place when the review is closed.
func (r Review) Ask() Message {
	title := "Please review"
	verb := "Review:"
	switch {
	case r.Verdict != "":
		title, verb = "Review closed", "Review closed:"
	case r.Late:
		title, verb = "Review overdue", "Overdue review:"
	}
	blocks := []slackgo.Block{header(title + ": " + r.about()), section(r.sentence())}
	blocks = append(blocks, r.found()...)
	if r.Close != "" && r.Verdict == "" {
		e := button(ActReview, r.Close, "Close review…", "Close the review of "+r.Invoker.Name+", "+r.Incident)
		e.Style = slackgo.StylePrimary
		blocks = append(blocks, actions(e)...)
	}
	id := "Review " + code(string(r.ID))
	if r.Verdict == "" && r.Request == "" {
		id += " · or type `/breakglass review " + Escape(string(r.ID)) + "`"
	}
	blocks = append(blocks, note(id))
	return Message{Text: headline(verb+" %s took %s for %s", r.Invoker.Name, r.What, r.Long.String(), r.why()+", due "+Clock(r.DueAt)), Blocks: blocks}
}

// Closed tells the invoker what the review found.
func (r Review) Closed() Message {
	blocks := []slackgo.Block{section(r.sentence())}
	blocks = append(blocks, r.found()...)
	blocks = append(blocks, note("Review "+code(string(r.ID))))
	return Message{Text: headline("Reviewed: %s took %s for %s", "you", r.What, r.Long.String(), "verdict "+r.Verdict), Blocks: blocks}
}

func (r Review) sentence() string {
	s := r.Invoker.Mention() + " took *" + label(r.What) + "* for *" + r.Long.String() + "* through runbook " + code(r.Runbook) + " in incident *" + label(r.Incident) + "* at " + When(r.At) + "."
	ask := "whether it was an emergency, a drill or misuse"
	if r.Request != "" {
		s = r.Invoker.Mention() + " got *" + label(r.What) + "* for *" + r.Long.String() + "* at " + When(r.At) + " without anybody's approval, by the document itself (request " + code(string(r.Request)) + ")."
		ask = "whether that was proper or misuse"
	}
	if r.Drill {
		s = "*This is a drill.* " + s
	}
	switch {
	case r.Verdict != "":
		return s
	case r.Late:
		return s + "\n⚠️ *The review was due at " + When(r.DueAt) + " and is overdue.*"
	}
	return s + "\nPlease look at what was done and say " + ask + ", by " + When(r.DueAt) + "."
}

func (r Review) found() []slackgo.Block {
	if r.Verdict == "" {
		return nil
	}
	out := []slackgo.Block{section("*Verdict: " + label(r.Verdict) + "*, by " + r.ClosedBy.Mention() + " at " + When(r.ClosedAt) + ".")}
	if r.Note == "" {
		return out
	}
	text, _ := Cut(r.Note, maxSection-100, 60)
	return append(out, typed(text))
}

// why is what led to it, for a notification.
func (r Review) why() string {
	if r.Request != "" {
		return "approved without people"
	}
	return r.Incident
}

// ReviewForm is the modal that closes a review. meta comes back with its submission.
func (r Review) ReviewForm(meta string) slackgo.ModalViewRequest {
	radio := slackgo.NewRadioButtonsBlockElement(InputValue,
		option("emergency", "Emergency", "The glass was rightly broken"),
		option("drill", "Drill", "It was an exercise"),
		option("misuse", "Misuse", "It should not have been used"))
	if r.Request != "" {
		radio = slackgo.NewRadioButtonsBlockElement(InputValue,
			option("proper", "Proper", "It was rightly approved without people"),
			option("misuse", "Misuse", "It should not have been asked for"))
	}
	v := modal(CallReview, "Close review", "Close review",
		section(r.sentence()),
		inputBlock("verdict", "Verdict", "", radio, false),
		area("note", "What you found", "The invoker will read it. 10 to 2,000 characters.", 10, 2000, false))
	v.PrivateMetadata = meta
	return v
}
