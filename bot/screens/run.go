package screens

import (
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// Run is a runbook being carried out, as everybody in the incident sees it: one message, however many steps and people there are.
type Run struct {
	ID       workflows.RunID
	Runbook  workflows.RunbookID
	Title    string
	Incident string
	Mode     string // runs.KindIncident …
	Invoker  Person
	Executor Person
	People   []Person
	Ends     workflows.Stamp
	Steps    []RunStep
	Next     int    // number of the step that is next; 0: none
	Evidence int    // pieces attached
	Undoing  int    // steps that are being taken back
	Closed   string // in words; empty while it is open
	Review   workflows.ReviewID
	Buttons  RunButtons
}

// RunStep is one line of the checklist.
type RunStep struct {
	Number int
	Title  string
	Text   string // what to do, for the one that is next
	Hand   bool
	Does   string // what a connector is asked, in words
	Second bool
	Status runs.Status
	By     Person
	At     workflows.Stamp
	Said   string // of a failure
	Note   string
}

// RunButtons are the values of the buttons; empty ones are not shown.
type RunButtons struct{ Run, Done, Skip, RollBack, Finish string }

// Action ids and callback ids of runs.
const (
	ActRunStep  = "run.step"
	ActRunDone  = "run.done"
	ActRunSkip  = "run.skip"
	ActRunBack  = "run.rollback"
	ActRunClose = "run.finish"
	CallRunNote = "run.note"

	ActConfirmGlass = "glass.agree"
)

// Render draws the checklist.
func (r Run) Render() Message {
	blocks := []slackgo.Block{header(r.kind() + ": " + r.Title), section(r.sentence())}
	for i := 0; i < len(r.Steps); i += stepsBlock {
		var lines []string
		for _, s := range r.Steps[i:min(len(r.Steps), i+stepsBlock)] {
			lines = append(lines, s.line())
		}
		blocks = append(blocks, section(strings.Join(lines, "\n")))
	}
	blocks = append(blocks, r.next()...)
	blocks = append(blocks, actions(r.buttons()...)...)
	blocks = append(blocks, note(r.foot()))
	return Message{Text: headline(r.kind()+": %s carries out %s (%s)", r.Executor.Name, r.Title, r.progress(), r.Incident), Blocks: blocks}
}

const (
	stepsBlock = 15 // lines of the checklist in one text object: 15 of 180 characters fit
	stepTitle  = 90
	stepSaid   = 70
)

func (r Run) kind() string {
	switch r.Mode {
	case runs.KindDrill:
		return "Drill"
	case runs.KindRoutine:
		return "Routine"
	}
	return "Runbook"
}

func (r Run) progress() string {
	over := 0
	for _, s := range r.Steps {
		if s.Status != runs.Waiting && s.Status != runs.Running && s.Status != runs.Failed {
			over++
		}
	}
	return fmt.Sprintf("%d of %s", over, plural(len(r.Steps), "step", "steps"))
}

func (r Run) sentence() string {
	s := r.Executor.Mention() + " carries out " + code(string(r.Runbook))
	if r.Incident != "" {
		s += " for incident *" + label(r.Incident) + "*"
	}
	if r.Invoker.Name != r.Executor.Name {
		s += ", invoked by " + r.Invoker.Mention()
	}
	s += ". *" + r.progress() + "* over."
	switch {
	case r.Closed != "":
		return s + " It is closed: " + Escape(r.Closed) + "."
	case r.Undoing > 0:
		return s + " ↩️ " + plural(r.Undoing, "step is", "steps are") + " being taken back."
	case r.Ends != 0:
		return s + " Its time ends at " + When(r.Ends) + "."
	}
	return s
}

func (s RunStep) sign() string {
	switch s.Status {
	case runs.Done:
		return "✅"
	case runs.Running:
		return "⏳"
	case runs.Failed:
		return "❌"
	case runs.Skipped:
		return "⏭️"
	case runs.Undone:
		return "↩️"
	}
	return "⬜"
}

func (s RunStep) line() string {
	out := fmt.Sprintf("%s *%d.* %s", s.sign(), s.Number, label(short(oneLine(s.Title), stepTitle)))
	switch {
	case s.Status == runs.Failed && s.Said != "":
		out += " – " + Escape(short(oneLine(s.Said), stepSaid))
	case s.Status == runs.Skipped && s.Note != "":
		out += " – left out by " + label(s.By.Name) + ": " + Escape(short(oneLine(s.Note), stepSaid))
	case s.Status != runs.Waiting && s.By.Name != "":
		out += " – " + label(s.By.Name) + ", " + Clock(s.At)
	}
	return out
}

// next shows what to do now, whole.
func (r Run) next() []slackgo.Block {
	if r.Next < 1 || r.Next > len(r.Steps) || r.Closed != "" {
		return nil
	}
	s := r.Steps[r.Next-1]
	how := "by hand: do it, then press *Done*"
	if !s.Hand {
		how = "by a connector: " + Escape(s.Does)
	}
	if s.Second {
		how += "; somebody else than " + label(r.Invoker.Name) + " does it"
	}
	blocks := []slackgo.Block{divider(), section(fmt.Sprintf("*Step %d, %s*", s.Number, how))}
	if s.Text != "" {
		blocks = append(blocks, typed(s.Text))
	}
	if s.Status == runs.Failed {
		blocks = append(blocks, section("❌ *It failed:* "+Escape(s.Said)+"\nTry it again, skip it with a reason, or take back what was done."))
	}
	return blocks
}

func (r Run) buttons() []slackgo.BlockElement {
	var out []slackgo.BlockElement
	add := func(act, value, text string, style slackgo.Style) {
		if value == "" {
			return
		}
		b := button(act, value, text, fmt.Sprintf("%s, step %d of %s", text, r.Next, r.Title))
		b.Style = style
		out = append(out, b)
	}
	run := "Run this step"
	if r.Next > 0 && r.Next <= len(r.Steps) && r.Steps[r.Next-1].Status == runs.Failed {
		run = "Try again"
	}
	add(ActRunStep, r.Buttons.Run, run, slackgo.StylePrimary)
	add(ActRunDone, r.Buttons.Done, "Done", slackgo.StylePrimary)
	add(ActRunSkip, r.Buttons.Skip, "Skip…", "")
	add(ActRunBack, r.Buttons.RollBack, "Take back…", slackgo.StyleDanger)
	add(ActRunClose, r.Buttons.Finish, "Finish…", "")
	return out
}

func (r Run) foot() string {
	var who []string
	for i, p := range r.People {
		if i == maxSeats {
			who = append(who, fmt.Sprintf("%d more", len(r.People)-i))
			break
		}
		who = append(who, p.Mention())
	}
	s := "In it: " + strings.Join(who, ", ")
	if r.Evidence > 0 {
		s += " · " + plural(r.Evidence, "piece of evidence", "pieces of evidence")
	}
	s += " · run " + code(string(r.ID))
	if r.Closed == "" {
		s += " · or type `/breakglass step " + Escape(string(r.ID)) + " 3 done what was seen`"
	}
	return s
}

// Failed tells who carries a run out that a step failed for good.
func (r Run) Failed(step int) Message {
	s := r.Steps[step-1]
	return Message{
		Text: headline("Step failed: %s, %s (%s)", fmt.Sprintf("step %d", s.Number), r.Title, r.Incident, s.Said),
		Blocks: []slackgo.Block{
			section(fmt.Sprintf("❌ *Step %d of %s failed* and is not tried again by itself: %s", s.Number, label(r.Title), label(s.Title))),
			typed(s.Said),
			section("On the checklist you can try it again, skip it with a reason, or take back what was done. By hand: `/breakglass step " + Escape(string(r.ID)) + fmt.Sprintf(" %d run`", s.Number)),
		},
	}
}

// RunForm asks for what somebody says about a step, or about a run's end.
func RunForm(title, says, meta string, optional bool) slackgo.ModalViewRequest {
	v := modal(CallRunNote, "Runbook", "Record", section(says), area(BlockReason, title, "It stands in the ledger and in the report.", 0, 2000, optional))
	v.PrivateMetadata = meta
	return v
}

// Confirm is everything that somebody should know before they break the glass, on one screen.
type Confirm struct {
	Title     string
	Incident  string
	Severity  string // of the incident, in words; empty: nobody knows it
	UseWhen   string
	Not       string
	What      string // what is granted; empty: nothing by itself
	Long      workflows.Span
	Ends      workflows.Stamp
	Holder    Person
	Paged     []string // channels and people who are told at once
	ReviewBy  workflows.Stamp
	Reviewer  Person
	Joins     workflows.ReviewID // the review of the same incident that the use falls under
	Steps     int
	Auto      int // of them, by connectors
	Failed    []string
	Needed    []string // why a second person must agree
	Others    int      // how many could
	Chain     string   // what is asked instead
	Glass     bool     // who reads this may go around what failed
	Fields    []workflows.Field
	Values    map[string]string
	Drill     bool
	Rotates   []string
	GlassLong workflows.Span
	Reason    string // as far as it was typed already
}

// Blocks of the confirm screen that hold an answer.
const BlockTier = "tier"

// Values of the choice of a tier.
const (
	TierChain = "chain"
	TierGlass = "break_glass"
)

// Render draws the screen. Nothing has been done when it is shown.
func (c Confirm) Render(meta string) slackgo.ModalViewRequest {
	blocks := []slackgo.Block{section("*" + label(c.Title) + "*\nIncident *" + label(c.Incident) + "*" + c.severity())}
	if c.UseWhen != "" {
		blocks = append(blocks, section("*Use when:* "+Escape(short(c.UseWhen, 600))+"\n*Do not use when:* "+Escape(short(c.Not, 600))))
	}
	blocks = append(blocks, c.outcome()...)
	for _, x := range c.Fields[:min(len(c.Fields), maxFields)] {
		blocks = append(blocks, fieldFilled(x, c.Values[x.Name]))
	}
	submit := "Break glass"
	if len(c.Failed) > 0 {
		submit = "Continue"
		blocks = append(blocks, c.tiers()...)
	} else if len(c.Needed) > 0 {
		submit = "Ask a second person"
	}
	why := area(BlockReason, "What is happening", "Everybody who is told reads it.", 0, workflows.MaxReason, len(c.Failed) == 0)
	if e, ok := why.Element.(*slackgo.PlainTextInputBlockElement); ok {
		e.InitialValue = short(c.Reason, workflows.MaxReason)
	}
	blocks = append(blocks, why)
	v := modal(CallInvoke, "Break glass", submit, blocks...)
	v.PrivateMetadata = meta
	return v
}

func (c Confirm) severity() string {
	if c.Severity == "" {
		return ""
	}
	return ", " + Escape(c.Severity)
}

func (c Confirm) outcome() []slackgo.Block {
	var lines []string
	if c.What != "" {
		lines = append(lines, "🔑 "+c.Holder.Mention()+" gets *"+label(c.What)+"* at once, for *"+c.Long.String()+"*, until "+When(c.Ends)+". It is taken back by itself.")
	}
	if c.Steps > 0 {
		lines = append(lines, fmt.Sprintf("📋 A checklist of %s opens, %d of them done by connectors.", plural(c.Steps, "step", "steps"), c.Auto))
	}
	if len(c.Paged) > 0 {
		lines = append(lines, "📣 Told at once: "+strings.Join(c.Paged[:min(len(c.Paged), maxSeats)], ", ")+more(len(c.Paged)-maxSeats)+".")
	}
	if c.Joins != "" {
		lines = append(lines, "🔎 It falls under review "+code(string(c.Joins))+" of the same incident.")
	} else {
		lines = append(lines, "🔎 "+c.Reviewer.Mention()+" reviews it, due by "+When(c.ReviewBy)+".")
	}
	if len(c.Rotates) > 0 {
		lines = append(lines, "♻️ Rotated afterwards, before the review can close: "+Escape(strings.Join(c.Rotates, "; "))+".")
	}
	blocks := []slackgo.Block{section(strings.Join(lines, "\n"))}
	if len(c.Failed) > 0 {
		blocks = append(blocks, section(listing("⚠️ *It is not granted at once, because:*", dotted(c.Failed), 10)))
	}
	if len(c.Needed) > 0 {
		blocks = append(blocks, section(listing(fmt.Sprintf("👥 *A second listed person has to agree* (%s asked), because:", plural(c.Others, "is", "are")), dotted(c.Needed), 5)))
	}
	return blocks
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

func dotted(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, "• "+Escape(s))
	}
	return out
}

// tiers asks what to do when a condition failed.
func (c Confirm) tiers() []slackgo.Block {
	var options []*slackgo.OptionBlockObject
	if c.Chain != "" {
		options = append(options, option(TierChain, "Ask the chain "+c.Chain, "People decide; you keep waiting for them"))
	}
	if c.Glass {
		options = append(options, option(TierGlass, "Go around it: break the glass", "At once, for "+c.GlassLong.String()+" only, loud, reviewed within a day"))
	}
	if len(options) == 0 {
		return []slackgo.Block{section("Nobody on your lists may go around this. Ask somebody of the runbook's short list, or its owner.")}
	}
	e := slackgo.NewRadioButtonsBlockElement(InputValue, options...)
	e.InitialOption = options[0]
	return []slackgo.Block{inputBlock(BlockTier, "What now?", "", e, false)}
}

// Second asks a listed person to agree to somebody else's use.
type Second struct {
	Title    string
	Runbook  workflows.RunbookID
	Incident string
	By       Person
	Reason   string
	What     string
	Long     workflows.Span
	Needed   []string
	Until    workflows.Stamp
	Proposal string
	Used     bool
	Late     bool
	Agree    string // value of the button
}

// Render draws the message.
func (s Second) Render() Message {
	blocks := []slackgo.Block{
		header("Do you agree? " + s.Title),
		section("⚠️ " + s.By.Mention() + " wants to break the glass with " + code(string(s.Runbook)) + " in incident *" + label(s.Incident) + "*. Alone they may not:"),
		section(listing("", dotted(s.Needed), 5)),
	}
	if s.What != "" {
		blocks = append(blocks, section("They would have *"+label(s.What)+"* at once."))
	}
	if s.Reason != "" {
		text, _ := Cut(s.Reason, shownRunes, shownLines)
		blocks = append(blocks, section("*Why*"), typed(text))
	}
	switch {
	case s.Used:
		blocks = append(blocks, section("✅ Somebody agreed."))
	case s.Late:
		blocks = append(blocks, section("➖ Nobody agreed in time."))
	case s.Agree != "":
		e := button(ActConfirmGlass, s.Agree, "Agree", "Agree that "+s.By.Name+" breaks the glass, "+s.Incident)
		e.Style = slackgo.StyleDanger
		e.Confirm = confirm("Agree?", "The access is made at once and you are named beside "+s.By.Name+" in the ledger.", "Agree")
		blocks = append(blocks, actions(e)...)
	}
	blocks = append(blocks, note("Until "+When(s.Until)+" · or type `/breakglass agree "+Escape(s.Proposal)+"`. Doing nothing refuses."))
	return Message{Text: headline("Agree? %s wants %s for %s", s.By.Name, s.Title, s.Long.String(), s.Incident+". "+s.Reason), Blocks: blocks}
}

// Told tells somebody who is told of every use.
func (g Glass) Told() Message {
	blocks := []slackgo.Block{
		header(g.drill() + "Break glass: " + g.Title),
		section("ℹ️ " + g.Invoker.Mention() + " invoked " + code(string(g.Runbook)) + " for incident *" + label(g.Incident) + "*, until " + When(g.Ends) + ". You are told of every use; nothing is asked of you."),
	}
	return Message{Text: g.text("Break glass: %s took %s for %s"), Blocks: append(blocks, g.why()...)}
}

// Task asks somebody to rotate something before a review can close.
func (r Review) Task(id, what string, due workflows.Stamp) Message {
	return Message{
		Text: headline("To do: %s used %s; %s", r.Invoker.Name, r.Runbook, what, r.Incident),
		Blocks: []slackgo.Block{
			section("♻️ " + r.Invoker.Mention() + " used " + code(r.Runbook) + " in incident *" + label(r.Incident) + "*. Please *" + label(what) + "*, by " + When(due) + "."),
			section("The review cannot be closed before. When it is done, type `/breakglass task " + Escape(string(r.ID)) + " " + Escape(id) + " what was done`."),
		},
	}
}
