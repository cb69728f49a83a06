package screens

import (
	"strconv"
	"strings"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Card is a request as everybody sees it: in the channel, and as a copy in the direct message of each approver.
type Card struct {
	ID        workflows.RequestID
	What      string // "Bastion hosts – shell", "Runbook db-restart"
	Requester Person
	Holder    string // non-human holder; empty: the requester
	Seconds   workflows.Span
	Reason    string
	Fields    []Pair // as filled in
	Facts     []Pair // environment, data class, owner: from the policy
	Workflow  string
	Policy    workflows.DocHash
	Document  workflows.DocHash // of the runbook text asked for
	Status    workflows.Status
	Why       workflows.Explanation // the whole tree; its words are markup already, as package bot makes it
	Deadline  workflows.Stamp
	Escalates workflows.Stamp
	Wider     bool // the escalation has happened
	Access    *Access
	YouAre    string // what this reader has to do with it, a sentence of markup; only on their own copy
	Drill     bool
	Told      bool     // the reader is told and not asked
	Next      string   // who is at work next, markup
	Risk      string   // tier
	Rule      string   // name of the rule that chose the stages
	Offers    []Offer  // counter-offers that stand
	Notes     []Remark // comments, the latest last
	Starts    workflows.Stamp
	Extends   workflows.GrantID
	Past      string                // what the requester asked for before, markup
	About     string                // address of the message that it was asked about
	Link      string                // address of the card in its channel, where that is another place
	Around    []workflows.RunbookID // with which an incident goes around the chain; only when nobody else will be asked
	StepUp    bool                  // approving takes more than a click
	Page      string                // address of the page on which it is approved then; empty: there is none
	Buttons   CardButtons

	In Locale // of the reader; of a channel: of the workspace

	compact bool // on a Home page: fewer fields fit
	whole   bool // asked for by name: every stage and every field
}

// CardButtons are the values of the buttons; an empty value is no button.
type CardButtons struct {
	Approve, Deny, Read string
	Withdraw, TakeBack  string // options of the overflow menu: at most 75 characters
	Done, Revoke        string
	Offer, Extend       string
	Details             string // option: all of it, to decide there
}

// Remark is a comment on a request.
type Remark struct {
	By   Person
	At   workflows.Stamp
	Text string
}

// Long tells whether a part of what is asked does not fit on a card: then it must be opened before it can be approved (T48).
func (c Card) Long() bool {
	if _, cut := Cut(strings.TrimSpace(c.Reason), shownRunes, shownLines); cut {
		return true
	}
	for _, f := range c.Fields {
		if _, cut := Cut(f.Value, shownField, 1); cut {
			return true
		}
	}
	return c.Document != ""
}

// The three ways in which somebody is asked to decide, for Card.Ask.
const (
	AskFirst     = "Approve? %s asks for %s for %s"
	AskAgain     = "Still waiting: %s asks for %s for %s"
	AskEscalated = "Escalated to you: %s asks for %s for %s"
)

// Ask is the notification of somebody who is to decide.
func (c Card) Ask(how string) string {
	return c.In.headline(how, c.Requester.Name, c.What, c.In.Span(c.Seconds), c.Reason)
}

// Render draws the card.
func (c Card) Render() Message {
	blocks := []slackgo.Block{header(c.In.Say("%s for %s", c.What, c.Seconds))}
	if c.Drill {
		blocks = append(blocks, section("*"+c.In.Of("This is a drill.")+"*"))
	}
	blocks = append(blocks, section(c.sentence()))
	if c.YouAre != "" {
		blocks = append(blocks, note(c.YouAre))
	}
	if c.Told {
		blocks = append(blocks, note(c.In.Of("You are told; others decide.")))
	}
	blocks = append(blocks, c.asked()...)
	blocks = append(blocks, facts(c.facts())...)
	if c.Past != "" && c.Status == workflows.StatusOpen {
		blocks = append(blocks, note(c.Past))
	}
	blocks = append(blocks, section(c.state()))
	inSight, folded := c.stages()
	blocks = append(blocks, inSight...)
	if c.Next != "" && c.Status == workflows.StatusOpen {
		blocks = append(blocks, note(c.Next))
	}
	if len(c.Around) > 0 && c.Status == workflows.StatusOpen {
		blocks = append(blocks, note(c.around()))
	}
	blocks = append(blocks, c.said()...)
	if c.Access != nil {
		blocks = append(blocks, section(c.Access.sentence(c.In)))
		if left := c.Access.leaves(c.In); left != "" {
			blocks = append(blocks, note(left))
		}
	}
	if c.StepUp {
		blocks = append(blocks, note(c.stepUp()))
	}
	blocks = append(blocks, actions(c.buttons()...)...)
	blocks = append(blocks, folded...)
	if l := link(c.Link, c.In.Of("the card in its channel")); l != "" {
		blocks = append(blocks, note(c.In.Say("See %s and what was said below it.", l)))
	}
	blocks = append(blocks, note(c.In.Say("Request %s · decisions are recorded in the ledger; typing “approved” here decides nothing.", code(string(c.ID)))))
	return Message{Text: c.text(), Blocks: blocks}
}

// stepUp says where this is approved, as no button does it.
func (c Card) stepUp() string {
	host, risk := code("countersign approve "+string(c.ID)), label(c.Risk)
	if page := link(c.Page, c.In.Of("on its page")); page != "" {
		return "🔐 " + c.In.Say("The risk of this is %s: approving takes more than a click. Approve it %s, after a login or with a printed code, or on the bot's host: %s. Denying works here.", risk, page, host)
	}
	return "🔐 " + c.In.Say("The risk of this is %s: approving takes more than a click. Approve it on the bot's host: %s. Denying works here.", risk, host)
}

// around says how an incident goes around the chain, once nobody else is going to be asked.
func (c Card) around() string {
	list := make([]string, 0, len(c.Around))
	for _, id := range c.Around {
		list = append(list, code("/breakglass "+string(id)))
	}
	return "🧯 " + c.In.Say("Nobody else will be asked. In an incident those on its list need not wait: %s", strings.Join(list, ", "))
}

func (c Card) text() string {
	if c.Status == workflows.StatusOpen {
		return c.Ask(AskFirst)
	}
	return over(c.In, c.Status, c.Requester.Name, c.What, c.Seconds, c.Reason)
}

// over is the notification of a request that is decided: its state, and then who asked for what.
func over(l Locale, s workflows.Status, who, what string, long workflows.Span, rest string) string {
	state := strings.ReplaceAll(l.Title(s), "%", "")
	return l.headline(state+": "+l.Of("%s asked for %s for %s"), who, what, l.Span(long), rest)
}

func (c Card) sentence() string {
	s := c.In.Say("%s asks for *%s* for *%s*", c.Requester.Mention(), label(c.What), c.Seconds)
	if c.Holder != "" {
		s += c.In.Say(", to be held by *%s*", label(c.Holder))
	}
	if !c.Starts.IsZero() {
		s += c.In.Say(", starting at %s", c.In.When(c.Starts))
	}
	if l := link(c.About, c.In.Of("this message")); l != "" {
		s += c.In.Say(", about %s", l)
	}
	if c.Extends != "" {
		return s + c.In.Say(". It goes on from access they have (%s).", code(string(c.Extends)))
	}
	return s + "."
}

// said is what people added: offers that stand and the last comments.
func (c Card) said() []slackgo.Block {
	var out []slackgo.Block
	lines := make([]string, 0, len(c.Offers))
	for _, o := range c.Offers {
		lines = append(lines, "• "+o.Line())
	}
	if len(lines) > 0 {
		out = append(out, section(c.In.listing("*"+c.In.Of("Counter-offers")+"*", lines, maxSeats)))
	}
	for i, o := range c.Offers[:min(len(c.Offers), maxOffers)] {
		if b := o.buttons(); len(b) > 0 {
			out = append(out, slackgo.NewActionBlock("offer-"+strconv.Itoa(i), b...))
		}
	}
	last := c.Notes[max(0, len(c.Notes)-maxNotes):]
	for _, n := range last {
		words, _ := c.In.cut(n.Text, shownField, 1)
		out = append(out, slackgo.NewContextBlock("", mrk("💬 "+n.By.Mention()+", "+c.In.When(n.At)+":"), plain(Inert(words))))
	}
	switch rest := len(c.Notes) - len(last); {
	case rest == 1:
		out = append(out, note(c.In.Of("1 earlier comment in the record.")))
	case rest > 1:
		out = append(out, note(c.In.Say("%d earlier comments in the record.", rest)))
	}
	return out
}

// asked is what the requester typed: inert, and cut visibly.
func (c Card) asked() []slackgo.Block {
	reason, _ := c.In.cut(strings.TrimSpace(c.Reason), shownRunes, shownLines)
	out := []slackgo.Block{section("*" + c.In.Of("Why") + "*"), c.In.typed(reason)}
	if words := c.moreFields(); words != "" {
		out = append(out, note(words))
	}
	return append(out, c.filled(c.Fields[:len(c.Fields)-c.unseen()])...)
}

// moreFields says how many fields do not stand on this screen; empty when all do.
func (c Card) moreFields() string {
	switch more := c.unseen(); more {
	case 0:
		return ""
	case 1:
		return c.In.Of("1 more field to read.")
	default:
		return c.In.Say("%d more fields to read.", more)
	}
}

// filled shows fields in two columns, name and value. A value too long for half a card, such as a key, stands below its name.
func (c Card) filled(list []Pair) []slackgo.Block {
	var out []slackgo.Block
	var row []*slackgo.TextBlockObject
	flush := func() {
		if len(row) > 0 {
			out, row = append(out, slackgo.NewSectionBlock(nil, row, nil)), nil
		}
	}
	wide := 0
	for _, f := range list {
		v, _ := c.In.cut(f.Value, shownField, 1)
		if !c.compact && wide < wideFields && utf8.RuneCountInString(v) > halfCard {
			flush()
			out, wide = append(out, section("*"+label(f.Label)+"*"), c.In.typed(v)), wide+1
			continue
		}
		row = append(row, mrk("*"+label(f.Label)+"*"), plain(Inert(v)))
		if len(row) == 10 { // a section takes ten texts
			flush()
		}
	}
	flush()
	return out
}

func (c Card) facts() []Pair {
	pairs := c.Facts
	if c.Document != "" {
		pairs = append(pairs, Pair{c.In.Of("Exact text"), code(shortHash(c.Document, 12))})
	}
	if c.Risk != "" {
		pairs = append(pairs, Pair{c.In.Of("Risk tier"), label(c.Risk)})
	}
	chain := label(c.Workflow) + " " + code(shortHash(c.Policy, 8))
	if c.Rule != "" {
		chain += c.In.Say(", rule %s", label(c.Rule))
	}
	return append(pairs, Pair{c.In.Of("Chain that binds"), chain})
}

// shortHash is the beginning of a hash, without its prefix.
func shortHash(h workflows.DocHash, n int) string {
	s := strings.TrimPrefix(string(h), "sha256:")
	return s[:min(n, len(s))]
}

func (c Card) state() string {
	s := sign(c.Why.Status) + " *" + c.Why.Sentence + "*"
	switch {
	case c.Status != workflows.StatusOpen:
	case c.Wider:
		s += "\n" + c.In.Of("More people have been asked since.")
	case !c.Escalates.IsZero():
		s += "\n" + c.In.Say("If nobody decides, more people are asked at %s.", c.In.When(c.Escalates))
	}
	return s
}

// sign repeats a status for the eye; the word always stands beside it.
func sign(verdict string) string {
	switch verdict {
	case "approved":
		return "✅"
	case "denied":
		return "⛔"
	case "error":
		return "⚠️"
	case "skipped":
		return "➖"
	default:
		return "⏳"
	}
}

func (c Card) buttons() []slackgo.BlockElement {
	var out []slackgo.BlockElement
	b := c.Buttons
	about := c.Requester.Name + ": " + c.What
	if b.Approve != "" && !c.mustOpen() {
		e := button(ActApprove, b.Approve, c.In.Of("Approve"), c.In.Say("Approve the request of %s", about))
		e.Style = slackgo.StylePrimary
		e.Confirm = c.In.confirm(c.In.Of("Approve this request?"), c.In.Say("%s gets %s for %s.", c.holder(), c.What, c.Seconds), c.In.Of("Approve"))
		out = append(out, e)
	}
	if b.Read != "" && c.mustOpen() {
		e := button(ActRead, b.Read, c.In.Of("Read all, then decide"), c.In.Say("Read the whole request of %s", about))
		e.Style = slackgo.StylePrimary
		out = append(out, e)
	}
	if b.Deny != "" {
		e := button(ActDeny, b.Deny, c.In.Of("Deny…"), c.In.Say("Deny the request of %s", about))
		e.Style = slackgo.StyleDanger
		out = append(out, e)
	}
	if b.Offer != "" {
		out = append(out, button(ActOffer, b.Offer, c.In.Of("Offer less…"), c.In.Say("Make a counter-offer to %s", about)))
	}
	if b.Done != "" {
		out = append(out, c.In.doneButton(b.Done, c.What))
	}
	if b.Extend != "" {
		out = append(out, c.In.extendButton(b.Extend, c.What))
	}
	if b.Revoke != "" {
		e := button(ActRevoke, b.Revoke, c.In.Of("Revoke…"), c.In.Say("Revoke the access of %s", about))
		e.Style = slackgo.StyleDanger
		out = append(out, e)
	}
	if o := c.overflow(); o != nil {
		out = append(out, o)
	}
	return out
}

// mustOpen tells whether what stands on this screen is less than what is asked.
func (c Card) mustOpen() bool {
	return c.Long() || c.unseen() > 0
}

// unseen is how many fields do not stand on this screen.
func (c Card) unseen() int {
	most := cardFields
	switch {
	case c.whole:
		return 0
	case c.compact:
		most = compactFields
	}
	return max(0, len(c.Fields)-most)
}

func (c Card) holder() string {
	if c.Holder != "" {
		return c.Holder
	}
	return c.Requester.Name
}

func (c Card) overflow() *slackgo.OverflowBlockElement {
	var opts []*slackgo.OptionBlockObject
	if c.Buttons.Details != "" && !c.mustOpen() {
		opts = append(opts, option(c.Buttons.Details, c.In.Of("Read all, then decide"), ""))
	}
	if c.Buttons.Withdraw != "" {
		opts = append(opts, option(c.Buttons.Withdraw, c.In.Of("Withdraw (requester only)"), ""))
	}
	if c.Buttons.TakeBack != "" {
		opts = append(opts, option(c.Buttons.TakeBack, c.In.Of("Take my approval back"), ""))
	}
	if len(opts) == 0 {
		return nil
	}
	return slackgo.NewOverflowBlockElement(ActMore, opts...)
}

func (l Locale) doneButton(value, what string) *slackgo.ButtonBlockElement {
	e := button(ActDone, value, l.Of("I'm done"), l.Say("Give the access to %s back now", what))
	e.Confirm = l.confirm(l.Of("Give the access back?"), l.Say("The access to %s ends now.", what), l.Of("I'm done"))
	return e
}

func (l Locale) extendButton(value, what string) *slackgo.ButtonBlockElement {
	return button(ActExtend, value, l.Of("More time…"), l.Say("Ask for more time with %s", what))
}

// deniedBecause is the reason of a denial, as the requester reads it.
func (l Locale) deniedBecause(reason string) []slackgo.Block {
	if reason == "" {
		return nil
	}
	return []slackgo.Block{section("*" + l.Of("Reason given") + "*"), l.typed(reason)}
}
