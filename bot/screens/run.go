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
	Drill    workflows.Stamp // since when its drill is overdue; 0: it is not
	Steps    []RunStep
	Next     int    // number of the step that is next; 0: none
	Evidence int    // pieces attached
	Undoing  int    // steps that are being taken back
	Closed   string // in words; empty while it is open
	Review   workflows.ReviewID
	Buttons  RunButtons
	In       Locale
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
	l := r.In
	blocks := []slackgo.Block{header(r.kind() + ": " + r.Title), section(r.sentence())}
	if r.Drill != 0 && r.Closed == "" {
		blocks = append(blocks, section(l.Say("⏰ Its drill is overdue since %s: look twice at what each step does.", l.When(r.Drill))))
	}
	for i := 0; i < len(r.Steps); i += stepsBlock {
		var lines []string
		for _, s := range r.Steps[i:min(len(r.Steps), i+stepsBlock)] {
			lines = append(lines, s.line(l))
		}
		blocks = append(blocks, section(strings.Join(lines, "\n")))
	}
	blocks = append(blocks, r.next()...)
	blocks = append(blocks, actions(r.buttons()...)...)
	blocks = append(blocks, note(r.foot()))
	return Message{Text: l.headline(r.kind()+": "+l.Of("%s carries out %s (%s)"), r.Executor.Name, r.Title, r.progress(), r.Incident), Blocks: blocks}
}

const (
	stepsBlock = 15 // lines of the checklist in one text object: 15 of 180 characters fit
	stepTitle  = 90
	stepSaid   = 70
)

func (r Run) kind() string {
	switch r.Mode {
	case runs.KindDrill:
		return r.In.Of("Drill")
	case runs.KindRoutine:
		return r.In.Of("Routine")
	}
	return r.In.Of("Runbook")
}

func (r Run) progress() string {
	over := 0
	for _, s := range r.Steps {
		if s.Status != runs.Waiting && s.Status != runs.Running && s.Status != runs.Failed {
			over++
		}
	}
	if len(r.Steps) == 1 {
		return r.In.Say("%d of 1 step", over)
	}
	return r.In.Say("%d of %d steps", over, len(r.Steps))
}

func (r Run) sentence() string {
	l := r.In
	s := l.Say("%s carries out %s", r.Executor.Mention(), code(string(r.Runbook)))
	if r.Incident != "" {
		s += l.Say(" for incident *%s*", label(r.Incident))
	}
	if r.Invoker.Name != r.Executor.Name {
		s += l.Say(", invoked by %s", r.Invoker.Mention())
	}
	s += l.Say(". *%s* over.", r.progress())
	switch {
	case r.Closed != "":
		return s + l.Say(" It is closed: %s.", Escape(l.runEnd(r.Closed)))
	case r.Undoing > 0:
		return s + " ↩️ " + l.count(r.Undoing, "%d step is being taken back.", "%d steps are being taken back.")
	case r.Ends != 0:
		return s + l.Say(" Its time ends at %s.", l.When(r.Ends))
	}
	return s
}

// runEnd is how a run ended, in a word.
func (l Locale) runEnd(how string) string {
	switch how {
	case "finished":
		return l.Of("finished")
	case "stopped":
		return l.Of("stopped")
	case "incident closed":
		return l.Of("incident closed")
	case "ran out":
		return l.Of("ran out")
	}
	return how
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

func (s RunStep) line(l Locale) string {
	out := fmt.Sprintf("%s *%d.* %s", s.sign(), s.Number, label(short(oneLine(s.Title), stepTitle)))
	switch {
	case s.Status == runs.Failed && s.Said != "":
		out += " – " + Escape(short(oneLine(s.Said), stepSaid))
	case s.Status == runs.Skipped && s.Note != "":
		out += " – " + l.Say("left out by %s: %s", label(s.By.Name), Escape(short(oneLine(s.Note), stepSaid)))
	case s.Status != runs.Waiting && s.By.Name != "":
		out += " – " + label(s.By.Name) + ", " + l.Clock(s.At)
	}
	return out
}

// next shows what to do now, whole.
func (r Run) next() []slackgo.Block {
	if r.Next < 1 || r.Next > len(r.Steps) || r.Closed != "" {
		return nil
	}
	l, s := r.In, r.Steps[r.Next-1]
	how := l.Of("by hand: do it, then press Done")
	if !s.Hand {
		how = l.Say("by a connector: %s", Escape(s.Does))
	}
	if s.Second {
		how += l.Say("; somebody else than %s does it", label(r.Invoker.Name))
	}
	blocks := []slackgo.Block{divider(), section("*" + l.Say("Step %d, %s", s.Number, how) + "*")}
	if s.Text != "" {
		blocks = append(blocks, l.typed(s.Text))
	}
	if s.Status == runs.Failed {
		blocks = append(blocks, section(l.Say("❌ *It failed:* %s\nTry it again, skip it with a reason, or take back what was done.", Escape(s.Said))))
	}
	return blocks
}

func (r Run) buttons() []slackgo.BlockElement {
	var out []slackgo.BlockElement
	l := r.In
	add := func(act, value, text string, style slackgo.Style) {
		if value == "" {
			return
		}
		b := button(act, value, text, l.Say("%s, step %d of %s", text, r.Next, r.Title))
		b.Style = style
		out = append(out, b)
	}
	run := l.Of("Run this step")
	if r.Next > 0 && r.Next <= len(r.Steps) && r.Steps[r.Next-1].Status == runs.Failed {
		run = l.Of("Try again")
	}
	add(ActRunStep, r.Buttons.Run, run, slackgo.StylePrimary)
	add(ActRunDone, r.Buttons.Done, l.Of("Done"), slackgo.StylePrimary)
	add(ActRunSkip, r.Buttons.Skip, l.Of("Skip…"), "")
	add(ActRunBack, r.Buttons.RollBack, l.Of("Take back…"), slackgo.StyleDanger)
	add(ActRunClose, r.Buttons.Finish, l.Of("Finish…"), "")
	return out
}

func (r Run) foot() string {
	var who []string
	l := r.In
	for i, p := range r.People {
		if i == maxSeats {
			who = append(who, l.Say("%d more", len(r.People)-i))
			break
		}
		who = append(who, p.Mention())
	}
	s := l.Say("In it: %s", strings.Join(who, ", "))
	if r.Evidence > 0 {
		s += " · " + l.count(r.Evidence, "%d piece of evidence", "%d pieces of evidence")
	}
	s += " · " + l.Say("run %s", code(string(r.ID)))
	switch {
	case r.Closed != "" || r.Next < 1 || r.Next > len(r.Steps):
	case r.Steps[r.Next-1].Hand:
		s += " · " + l.Say("or type `/breakglass step %s %d done what was seen`", Escape(string(r.ID)), r.Next)
	default:
		s += " · " + l.Say("or type `/breakglass step %s %d run`", Escape(string(r.ID)), r.Next)
	}
	return s
}

// Failed tells who carries a run out that a step failed for good.
func (r Run) Failed(step int) Message {
	l, s := r.In, r.Steps[step-1]
	return Message{
		Text: l.headline("Step failed: %s, %s (%s)", l.Say("step %d", s.Number), r.Title, r.Incident, s.Said),
		Blocks: []slackgo.Block{
			section(l.Say("❌ *Step %d of %s failed* and is not tried again by itself: %s", s.Number, label(r.Title), label(s.Title))),
			l.typed(s.Said),
			section(l.Say("On the checklist you can try it again, skip it with a reason, or take back what was done. By hand: `/breakglass step %s %d run`", Escape(string(r.ID)), s.Number)),
		},
	}
}

// RunForm asks for what somebody says about a step, or about a run's end.
func RunForm(l Locale, says, meta string, optional bool) slackgo.ModalViewRequest {
	v := l.modal(CallRunNote, l.Of("Runbook"), l.Of("Record"), section(says),
		area(BlockReason, l.Of("In words"), l.Of("It stands in the ledger and in the report."), 0, 2000, optional))
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
	Page      string // for emergencies, where a click is not enough to go around what failed
	Host      string // the command that does it on the bot's host; empty: a click is enough, or nothing is
	Reason    string // as far as it was typed already
	In        Locale
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
	l := c.In
	blocks := []slackgo.Block{section("*" + label(c.Title) + "*\n" + l.Say("Incident *%s*", label(c.Incident)) + c.severity())}
	if c.UseWhen != "" {
		blocks = append(blocks, section(l.Say("*Use when:* %s\n*Do not use when:* %s", Escape(short(c.UseWhen, 600)), Escape(short(c.Not, 600)))))
	}
	blocks = append(blocks, c.outcome()...)
	for _, x := range c.Fields[:min(len(c.Fields), maxFields)] {
		blocks = append(blocks, l.fieldFilled(x, c.Values[x.Name]))
	}
	submit := l.Of("Break glass")
	if len(c.Failed) > 0 {
		submit = l.Of("Continue")
		blocks = append(blocks, c.tiers()...)
	} else if len(c.Needed) > 0 {
		submit = l.Of("Ask a second person")
	}
	why := area(BlockReason, l.Of("What is happening"), l.Of("Everybody who is told reads it."), 0, workflows.MaxReason, len(c.Failed) == 0)
	if e, ok := why.Element.(*slackgo.PlainTextInputBlockElement); ok {
		e.InitialValue = short(c.Reason, workflows.MaxReason)
	}
	blocks = append(blocks, why)
	v := l.modal(CallInvoke, l.Of("Break glass"), submit, blocks...)
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
	l := c.In
	if c.What != "" {
		lines = append(lines, l.Say("🔑 %s gets *%s* at once, for *%s*, until %s. It is taken back by itself.", c.Holder.Mention(), label(c.What), c.Long, l.When(c.Ends)))
	}
	if c.Steps > 0 {
		lines = append(lines, l.count(c.Steps, "📋 A checklist of %d step opens, %d of them done by connectors.", "📋 A checklist of %d steps opens, %d of them done by connectors.", c.Auto))
	}
	if len(c.Paged) > 0 {
		told := strings.Join(c.Paged[:min(len(c.Paged), maxSeats)], ", ")
		if n := len(c.Paged) - maxSeats; n > 0 {
			told += " " + l.Say("and %d more", n)
		}
		lines = append(lines, l.Say("📣 Told at once: %s.", told))
	}
	if c.Joins != "" {
		lines = append(lines, l.Say("🔎 It falls under review %s of the same incident.", code(string(c.Joins))))
	} else {
		lines = append(lines, l.Say("🔎 %s reviews it, due by %s.", c.Reviewer.Mention(), l.When(c.ReviewBy)))
	}
	if len(c.Rotates) > 0 {
		lines = append(lines, l.Say("♻️ Rotated afterwards, before the review can close: %s.", Escape(strings.Join(c.Rotates, "; "))))
	}
	blocks := []slackgo.Block{section(strings.Join(lines, "\n"))}
	if len(c.Failed) > 0 {
		blocks = append(blocks, section(l.listing("⚠️ *"+l.Of("It is not granted at once, because:")+"*", dotted(l.filledAll(c.Failed)), 10)))
	}
	if len(c.Needed) > 0 {
		asked := l.count(c.Others, "👥 *A second listed person has to agree* (%d is asked), because:", "👥 *A second listed person has to agree* (%d are asked), because:")
		blocks = append(blocks, section(l.listing(asked, dotted(l.filledAll(c.Needed)), 5)))
	}
	return blocks
}

// filledAll are sentences of the engine, in the reader's language where a catalogue has them.
func (l Locale) filledAll(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, l.Filled(s))
	}
	return out
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
	l := c.In
	if c.Chain != "" {
		options = append(options, option(TierChain, l.Say("Ask the chain %s", c.Chain), l.Of("People decide; you keep waiting for them")))
	}
	if c.Glass {
		options = append(options, option(TierGlass, l.Of("Go around it: break the glass"), l.Say("At once, for %s only, loud, reviewed within a day", c.GlassLong)))
	}
	if c.Host != "" {
		more := section(GlassWays(l, c.Page, c.Host))
		if len(options) == 0 {
			return []slackgo.Block{more}
		}
		return []slackgo.Block{more, tierChoice(l, options)}
	}
	if len(options) == 0 {
		return []slackgo.Block{section(l.Of("Nobody on your lists may go around this. Ask somebody of the runbook's short list, or its owner."))}
	}
	return []slackgo.Block{tierChoice(l, options)}
}

func tierChoice(l Locale, options []*slackgo.OptionBlockObject) slackgo.Block {
	e := slackgo.NewRadioButtonsBlockElement(InputValue, options...)
	e.InitialOption = options[0]
	return inputBlock(BlockTier, l.Of("What now?"), "", e, false)
}

// GlassWays says where somebody of the short list goes around a condition when a click is not enough: on a page, and on the bot's host.
func GlassWays(l Locale, page, host string) string {
	if at := link(page, l.Of("the page for emergencies")); at != "" {
		return "🔐 " + l.Say("Going around it takes more than a click. Those on the short list open %s with a printed code, or type on the bot's host: %s", at, code(host))
	}
	return "🔐 " + l.Say("Going around it takes more than a click. Those on the short list type on the bot's host: %s", code(host))
}

// AgreeWays says where a second person agrees to going around a condition when a click is not enough: on a page, and on the bot's host.
func AgreeWays(l Locale, page, host string) string {
	if at := link(page, l.Of("the page for emergencies")); at != "" {
		return "🔐 " + l.Say("To agree takes more than a click. Open %s with a printed code, or type on the bot's host: %s", at, code(host))
	}
	return "🔐 " + l.Say("To agree takes more than a click. Type on the bot's host: %s", code(host))
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
	Page     string // for emergencies, where a click is not enough to agree
	Host     string // the command that agrees on the bot's host; empty: a click is enough
	In       Locale
}

// Render draws the message.
func (s Second) Render() Message {
	l := s.In
	blocks := []slackgo.Block{
		header(l.Say("Do you agree? %s", s.Title)),
		section(l.Say("⚠️ %s wants to break the glass with %s in incident *%s*. Alone they may not:", s.By.Mention(), code(string(s.Runbook)), label(s.Incident))),
		section(l.listing("", dotted(l.filledAll(s.Needed)), 5)),
	}
	if s.What != "" {
		blocks = append(blocks, section(l.Say("They would have *%s* at once.", label(s.What))))
	}
	if s.Reason != "" {
		text, _ := l.cut(s.Reason, shownRunes, shownLines)
		blocks = append(blocks, section("*"+l.Of("Why")+"*"), l.typed(text))
	}
	switch {
	case s.Used:
		blocks = append(blocks, section(l.Of("✅ Somebody agreed.")))
	case s.Late:
		blocks = append(blocks, section(l.Of("➖ Nobody agreed in time.")))
	case s.Host != "":
		blocks = append(blocks, section(AgreeWays(l, s.Page, s.Host)))
	case s.Agree != "":
		e := button(ActConfirmGlass, s.Agree, l.Of("Agree"), l.Say("Agree that %s breaks the glass, %s", s.By.Name, s.Incident))
		e.Style = slackgo.StyleDanger
		e.Confirm = l.confirm(l.Of("Agree?"), l.Say("The access is made at once and you are named beside %s in the ledger.", s.By.Name), l.Of("Agree"))
		blocks = append(blocks, actions(e)...)
	}
	if s.Host != "" {
		blocks = append(blocks, note(l.Say("Until %s. Doing nothing refuses.", l.When(s.Until))))
	} else {
		blocks = append(blocks, note(l.Say("Until %s · or type `/breakglass agree %s`. Doing nothing refuses.", l.When(s.Until), Escape(s.Proposal))))
	}
	return Message{Text: l.headline("Agree? %s wants %s for %s", s.By.Name, s.Title, l.Span(s.Long), s.Incident+". "+s.Reason), Blocks: blocks}
}
