package screens

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Choice is an entry of a menu.
type Choice struct {
	Value string // at most 75 characters, ours
	Text  string
	More  string
	Group string // menus with more than 100 entries, or with more than one group, show groups
}

// menu is a select; its groups appear in the order of first mention. One with more than a hundred entries is searched by typing.
func (l Locale) menu(action string, choices []Choice, initial string) *slackgo.SelectBlockElement {
	if len(choices) > maxOptions {
		return l.searched(action)
	}
	e := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, plain(l.Of("Choose…")), action)
	names, groups := grouped(choices)
	if len(names) == 1 && len(choices) <= maxOptions {
		e.Options = groups[names[0]]
	} else {
		e.OptionGroups = split(names, groups)
	}
	for _, c := range choices {
		if c.Value == initial && initial != "" {
			e.InitialOption = option(c.Value, c.Text, c.More)
		}
	}
	return e
}

// searched is a menu whose entries are asked for with block_suggestion as somebody types.
func (l Locale) searched(action string) *slackgo.SelectBlockElement {
	e := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeExternal, plain(l.Of("Type to search…")), action)
	least := 0
	e.MinQueryLength = &least
	return e
}

func orWords(words, usual string) string {
	if words == "" {
		return usual
	}
	return words
}

// Options answers what was typed into a menu: Slack takes 100 entries, in groups or without.
type Options struct {
	Options []*slackgo.OptionBlockObject      `json:"options,omitempty"`
	Groups  []*slackgo.OptionGroupBlockObject `json:"option_groups,omitempty"`
}

// MarshalJSON writes an empty list where nothing was found: Slack shows "no results" for it, and an error for nothing at all.
func (o Options) MarshalJSON() ([]byte, error) {
	if len(o.Groups) > 0 {
		return json.Marshal(map[string]any{"option_groups": o.Groups})
	}
	if o.Options == nil {
		o.Options = []*slackgo.OptionBlockObject{}
	}
	return json.Marshal(map[string]any{"options": o.Options})
}

// Suggestions offers the first entries of a list. An answer has to fit an acknowledgement, which Slack drops above 20 KB.
func Suggestions(found []Choice) Options {
	found = found[:min(len(found), maxOptions)]
	for {
		out := suggested(found)
		if b, err := json.Marshal(out); err != nil || len(b) <= maxSuggested || len(found) == 0 {
			return out
		}
		found = found[:len(found)*3/4]
	}
}

func suggested(found []Choice) Options {
	names, groups := grouped(found)
	if len(names) > 1 {
		return Options{Groups: split(names, groups)}
	}
	var out Options
	for _, n := range names {
		out.Options = groups[n]
	}
	return out
}

func grouped(choices []Choice) ([]string, map[string][]*slackgo.OptionBlockObject) {
	var names []string
	groups := map[string][]*slackgo.OptionBlockObject{}
	for _, c := range choices {
		if _, ok := groups[c.Group]; !ok {
			names = append(names, c.Group)
		}
		groups[c.Group] = append(groups[c.Group], option(c.Value, c.Text, c.More))
	}
	return names, groups
}

// split cuts groups into such of at most 100 entries.
func split(names []string, groups map[string][]*slackgo.OptionBlockObject) []*slackgo.OptionGroupBlockObject {
	var out []*slackgo.OptionGroupBlockObject
	for _, n := range names {
		list := groups[n]
		for part := 1; len(list) > 0 && len(out) < maxGroups; part++ {
			k := min(maxOptions, len(list))
			title := n
			if title == "" {
				title = "Entries"
			}
			if part > 1 || len(list) > maxOptions {
				title = short(title, maxOption-6) + " (" + strconv.Itoa(part) + ")"
			}
			out = append(out, slackgo.NewOptionGroupBlockElement(plain(short(title, maxOption)), list[:k]...))
			list = list[k:]
		}
	}
	return out
}

// Pick is the first step of the request form: which chain.
func Pick(l Locale, chains []Choice) slackgo.ModalViewRequest {
	if len(chains) == 0 {
		return l.modal(CallResult, l.Of("Ask for access"), "", section(l.Of("There is nothing that you may ask for.\nWho may ask for what stands in the workflow files; ask their owner.")))
	}
	e := l.menu(ActPick, chains, "")
	return l.modal(CallResult, l.Of("Ask for access"), "",
		section(l.Of("What do you need? The next step shows what can be granted, for how long, and who decides.")),
		slackgo.NewActionBlock("pick", e))
}

// Form is the second step: one chain, filled in.
type Form struct {
	Title        string
	Purpose      string
	Approvers    []string // one sentence per stage
	Entitlements []Choice // empty for the approval of a runbook
	Runbooks     []Choice // only for that
	Subjects     []Choice // shown when there is more than one, or when the only one is not who asks
	Behalf       bool     // none of them is who asks
	Longest      workflows.Span
	Usual        workflows.Span
	ReasonMin    int
	Fields       []workflows.Field
	Targets      []Choice       // for fields that pick a target
	Identities   []Choice       // for fields that pick a non-human identity
	Confirm      []string       // targets whose name has to be typed; empty: no such input
	ConfirmAll   bool           // whatever is asked for
	Later        workflows.Span // how far ahead it may start; 0: no such input
	Extends      string         // what more time is asked for, until when it lasts, markup; empty: new access
	Preview      []string       // who would be asked now and when a decision can be expected, markup
	About        bool           // it is asked about a message, which the card will link
	Reason       string         // filled in, to be changed
	Meta         string
	In           Locale
}

// Ids of the input blocks that every form has; a workflow's own field is FieldBlock + its name.
const (
	BlockEntitlement = "entitlement"
	BlockRunbook     = "runbook"
	BlockSubject     = "subject"
	BlockDuration    = "duration"
	BlockReason      = "reason"
	BlockStart       = "start"
	BlockConfirm     = "confirm"
	FieldBlock       = "field:"
)

// Render draws the form.
func (f Form) Render() slackgo.ModalViewRequest {
	intro := "*" + label(f.Title) + "*"
	if f.Purpose != "" {
		intro += "\n" + Escape(short(f.Purpose, 500))
	}
	blocks := []slackgo.Block{section(intro)}
	if f.Extends != "" {
		blocks = append(blocks, section(f.In.Say("*More time* with %s. It is a request of its own: people decide it like the first one.", f.Extends)))
	}
	if f.About {
		blocks = append(blocks, note(f.In.Of("The card will link the message that you asked about, and with it its thread.")))
	}
	if len(f.Entitlements) > 0 {
		blocks = append(blocks, inputBlock(BlockEntitlement, f.In.Of("What"), "", f.In.menu(InputValue, f.Entitlements, only(f.Entitlements)), false))
	}
	if len(f.Runbooks) > 0 {
		blocks = append(blocks, inputBlock(BlockRunbook, f.In.Of("Runbook"), f.In.Of("Its exact text as it stands now is what is approved."), f.In.menu(InputValue, f.Runbooks, only(f.Runbooks)), false))
	}
	if len(f.Subjects) > 1 || f.Behalf && len(f.Subjects) == 1 {
		blocks = append(blocks, inputBlock(BlockSubject, f.In.Of("For whom"), "", f.In.menu(InputValue, f.Subjects, f.Subjects[0].Value), false))
	}
	blocks = append(blocks, f.duration())
	if f.Later > 0 {
		blocks = append(blocks, inputBlock(BlockStart, f.In.Of("Starting"), f.In.Say("At most %s from now. Empty: as soon as it is approved.", f.Later), dateTime(0), true))
	}
	for _, x := range f.Fields[:min(len(f.Fields), maxFields)] {
		blocks = append(blocks, f.input(x))
	}
	if len(f.Confirm) > 0 {
		e := slackgo.NewPlainTextInputBlockElement(nil, InputValue)
		e.MaxLength = 200
		blocks = append(blocks, inputBlock(BlockConfirm, f.In.Of("Name of the target"), f.In.Say("Type it yourself. Needed for: %s.", strings.Join(f.Confirm, ", ")), e, !f.ConfirmAll))
	}
	why := area(BlockReason, f.In.Of("Why"), f.In.Say("Those who decide read this. At least %d characters.", max(1, f.ReasonMin)), 0, workflows.MaxReason, false)
	if e, ok := why.Element.(*slackgo.PlainTextInputBlockElement); ok {
		e.InitialValue = f.Reason
	}
	blocks = append(blocks, why)
	if len(f.Approvers) > 0 {
		blocks = append(blocks, note(f.In.listing("*"+f.In.Of("Who decides")+"*", escapeAll(f.Approvers), 20)))
	}
	if len(f.Preview) > 0 {
		blocks = append(blocks, note(f.In.listing("*"+f.In.Of("If you ask now")+"*", f.Preview, 20)))
	}
	title := f.In.Of("Ask for access")
	if f.Extends != "" {
		title = f.In.Of("Ask for more time")
	}
	v := f.In.modal(CallForm, title, f.In.Of("Send request"), blocks...)
	v.PrivateMetadata = f.Meta
	return v
}

func only(c []Choice) string {
	if len(c) == 1 {
		return c[0].Value
	}
	return ""
}

func escapeAll(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = label(l)
	}
	return out
}

func (f Form) duration() slackgo.Block {
	e := slackgo.NewPlainTextInputBlockElement(nil, InputValue)
	e.InitialValue, e.MaxLength = f.Usual.String(), 8
	return inputBlock(BlockDuration, f.In.Of("For how long"), f.In.Say("30m, 2h or 1d; at most %s. It ends by itself.", f.Longest.String()), e, false)
}

// input draws one field; those that pick something of the inventory need its choices.
func (f Form) input(x workflows.Field) slackgo.Block {
	switch {
	case x.Type == workflows.FieldTarget && len(f.Targets) > 0:
		return inputBlock(FieldBlock+x.Name, x.Label, x.Help, f.In.menu(InputValue, f.Targets, ""), x.Optional)
	case x.Type == workflows.FieldIdentity && len(f.Identities) > 0:
		return inputBlock(FieldBlock+x.Name, x.Label, x.Help, f.In.menu(InputValue, f.Identities, ""), x.Optional)
	case x.Type == workflows.FieldOffer: // the target is asked while somebody types: a form has to open within three seconds
		return inputBlock(FieldBlock+x.Name, x.Label, orWords(x.Help, f.In.Of("What the system has to give; type a part of the name.")), f.In.searched(InputValue), x.Optional)
	}
	return f.In.fieldInput(x)
}

// bounds says what a number, a length or a moment has to lie between.
func (l Locale) bounds(x workflows.Field, usual string) string {
	help := x.Help
	if help == "" {
		help = usual
	}
	switch {
	case x.Least != "" && x.Most != "":
		return help + " " + l.Say("From %s to %s.", x.Least, x.Most)
	case x.Least != "":
		return help + " " + l.Say("At least %s.", x.Least)
	case x.Most != "":
		return help + " " + l.Say("At most %s.", x.Most)
	}
	return help
}

func (l Locale) fieldInput(x workflows.Field) slackgo.Block {
	id, help := FieldBlock+x.Name, x.Help
	switch x.Type {
	case workflows.FieldChoice:
		var list []Choice
		for i, c := range x.Choices {
			list = append(list, Choice{Value: strconv.Itoa(i), Text: c})
		}
		return inputBlock(id, x.Label, help, l.menu(InputValue, list, ""), x.Optional)
	case workflows.FieldSSHKey:
		if help == "" {
			help = l.Of("The one line of your .pub file. Never paste a private key.")
		}
		return area(id, x.Label, help, 0, 3000, x.Optional)
	case workflows.FieldCSR:
		if help == "" {
			help = l.Of("A certificate request without names. Never paste a private key.")
		}
		return area(id, x.Label, help, 0, 3000, x.Optional)
	case workflows.FieldDateTime:
		return inputBlock(id, x.Label, l.bounds(x, l.Of("In your own zone.")), dateTime(0), x.Optional)
	case workflows.FieldNumber, workflows.FieldDuration:
		usual := l.Of("A whole number.")
		if x.Type == workflows.FieldDuration {
			usual = l.Of("30m, 2h or 1d.")
		}
		e := slackgo.NewPlainTextInputBlockElement(nil, InputValue)
		e.MaxLength = 20
		return inputBlock(id, x.Label, l.bounds(x, usual), e, x.Optional)
	case workflows.FieldPerson:
		who := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeUser, plain(l.Of("Choose…")), InputValue)
		return inputBlock(id, x.Label, orWords(help, l.Of("A colleague who is in the people file.")), who, x.Optional)
	case workflows.FieldTicket, workflows.FieldTarget, workflows.FieldIdentity, workflows.FieldNewID, workflows.FieldOffer:
		e := slackgo.NewPlainTextInputBlockElement(nil, InputValue)
		e.MaxLength = fieldMax(x)
		return inputBlock(id, x.Label, help, e, x.Optional)
	}
	return area(id, x.Label, help, 0, fieldMax(x), x.Optional)
}

// fieldFilled is fieldInput with an answer in it already, which can still be changed.
func (l Locale) fieldFilled(x workflows.Field, value string) slackgo.Block {
	b := l.fieldInput(x)
	in, ok := b.(*slackgo.InputBlock)
	if !ok || value == "" {
		return b
	}
	switch e := in.Element.(type) {
	case *slackgo.PlainTextInputBlockElement:
		e.InitialValue = short(value, 3000)
	case *slackgo.SelectBlockElement:
		if i := slices.Index(x.Choices, value); i >= 0 && i < len(e.Options) {
			e.InitialOption = e.Options[i]
		}
	}
	return b
}

func fieldMax(x workflows.Field) int {
	if x.MaxLen > 0 {
		return min(x.MaxLen, 3000)
	}
	return workflows.MaxFieldText
}

// Sent says that a request is on its way.
type Sent struct {
	ID    workflows.RequestID
	What  string
	Long  workflows.Span
	Where string // channel, may be empty
	Asked []Person
	By    workflows.Stamp // deadline of the first stage
	In    Locale
}

// Modal replaces the form.
func (s Sent) Modal() slackgo.ModalViewRequest {
	return s.In.modal(CallResult, s.In.Of("Request sent"), "", section(s.sentence()), note(s.In.Say("`/access status %s` says where it stands.", Escape(string(s.ID)))))
}

// Message is the same for a direct message, when the form is closed already.
func (s Sent) Message() Message {
	return Message{
		Text:   s.In.headline("Sent: %s asked for %s for %s", s.In.Of("you"), s.What, s.In.Span(s.Long), ""),
		Blocks: []slackgo.Block{section(s.sentence()), note(s.In.Say("Request %s", code(string(s.ID))))},
	}
}

func (s Sent) sentence() string {
	names := make([]string, 0, len(s.Asked))
	for _, p := range s.Asked {
		names = append(names, "• "+p.Mention())
	}
	t := s.In.Say("✅ *Sent.* You asked for *%s* for *%s*. Those asked have until %s.", label(s.What), s.Long, s.In.When(s.By))
	if s.Where != "" {
		t += " " + s.In.Say("The card stands in %s.", Escape(s.Where))
	}
	t += " " + s.In.Of("You are told in a direct message what becomes of it.")
	if len(names) == 0 {
		return t
	}
	return s.In.listing(t+"\n*"+s.In.Of("Asked now")+"*", names, maxSeats)
}

// DenyForm asks for the reason of a denial.
func DenyForm(c Card, meta string) slackgo.ModalViewRequest {
	v := c.In.modal(CallDeny, c.In.Of("Deny request"), c.In.Of("Deny"),
		section(c.sentence()),
		area(BlockReason, c.In.Of("Reason"), c.In.Of("The requester reads it."), 1, workflows.MaxDenyReason, false))
	v.PrivateMetadata = meta
	return v
}

// RevokeForm asks why access is taken away before its time.
func RevokeForm(l Locale, what string, holder Person, a Access, meta string) slackgo.ModalViewRequest {
	blocks := []slackgo.Block{section(l.Say("%s has *%s* until %s. Revoking ends it now.", holder.Mention(), label(what), l.When(a.Ends)))}
	if left := a.leaves(l); left != "" {
		blocks = append(blocks, note(left))
	}
	blocks = append(blocks, area(BlockReason, l.Of("Reason"), l.Of("The holder reads it."), 1, workflows.MaxDenyReason, false))
	v := l.modal(CallRevoke, l.Of("Revoke access"), l.Of("Revoke"), blocks...)
	v.PrivateMetadata = meta
	return v
}

// Decide shows a whole request, nothing cut, with the decision at its end. A document that does not fit cannot be approved here: then
// there is no submit button.
func (c Card) Decide(document, meta string) slackgo.ModalViewRequest {
	blocks := []slackgo.Block{section(c.sentence()), section("*" + c.In.Of("Why") + "*"), c.In.typed(c.Reason)}
	for _, f := range c.Fields {
		blocks = append(blocks, section("*"+label(f.Label)+"*"))
		blocks = append(blocks, chunks(f.Value, 4)...)
	}
	submit := c.In.Of("Approve")
	if c.Document != "" {
		blocks = append(blocks, divider(), section("*"+c.In.Of("The exact text to approve")+"* "+code(string(c.Document))))
		parts := chunks(document, maxDocument+1)
		if document == "" || len(parts) > maxDocument || sent(parts) > maxSent {
			submit = ""
			parts = []slackgo.Block{section(c.In.Of("⚠️ The text cannot be shown here in full, so it cannot be approved here. Read and approve it on the command line."))}
		}
		blocks = append(blocks, parts...)
	}
	blocks = append(blocks, divider())
	blocks = append(blocks, facts(c.facts())...)
	if submit != "" {
		blocks = append(blocks, note(c.In.Of("To deny, close this and use *Deny…* on the card.")))
	}
	v := c.In.modal(CallDecide, c.In.Of("Read, then decide"), submit, blocks...)
	v.PrivateMetadata = meta
	return v
}

// chunks shows a text as it is, in as many sections as it needs, up to most.
func chunks(s string, most int) []slackgo.Block {
	var out []slackgo.Block
	rest := Inert(s)
	for rest != "" && len(out) < most {
		i := byteOf(rest, maxSection)
		out = append(out, typedPart(rest[:i]))
		rest = rest[i:]
	}
	if len(out) == 0 {
		out = append(out, typed(""))
	}
	return out
}

// sent is how many bytes blocks take when they are sent.
func sent(blocks []slackgo.Block) int {
	raw, err := json.Marshal(blocks)
	if err != nil {
		return math.MaxInt
	}
	return len(raw)
}

func typedPart(s string) slackgo.Block {
	if s == "" {
		s = " "
	}
	return whole(s)
}

// Result shows in a modal what became of a submission.
func Result(title string, m Message) slackgo.ModalViewRequest {
	return Locale{}.Result(title, m)
}

// Result is the same with the words around it in a reader's language.
func (l Locale) Result(title string, m Message) slackgo.ModalViewRequest {
	return l.modal(CallResult, title, "", m.Blocks...)
}
