package screens

import (
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Sheet is what one reviewer of a campaign is asked about: how much is left, and the items that they have before them.
type Sheet struct {
	ID    workflows.SheetID
	Title string
	Left  int
	Of    int
	Due   workflows.Stamp
	Then  string // what follows from silence, in words
	Items []SheetItem
	Old   bool // what they looked at has changed since
	More  []string
	Late  bool // over: what follows was done
	Keep  string
	Next  string // value of the button that shows the next ones; empty: none
	Many  int    // how many the button keeps together
	In    Locale
}

// SheetItem is one item with its evidence.
type SheetItem struct {
	Number  int
	Title   string
	Name    string // id
	Facts   []SheetFact
	Changed []string
	Wrong   []string // findings
	Verdict string   // in words, once it is decided
	Keep    string   // values of buttons; empty ones are not shown
	Other   string
}

// SheetFact is one line of what is known of an item: a value as somebody typed it or a system says it, or a person.
type SheetFact struct {
	Name  string // in English, with small letters
	Value string
	Who   *Person // instead of Value
}

// Action ids and callback ids of campaigns.
const (
	ActSheetNext  = "sheet.next"
	ActSheetKeep  = "sheet.keep"
	ActSheetAll   = "sheet.keep_page"
	ActSheetOther = "sheet.other"
	CallSheet     = "sheet.decide"
)

// Blocks of the form that decides on one item.
const (
	BlockSheetVerdict = "verdict"
	BlockSheetTo      = "to"
	BlockSheetScope   = "scope"
)

// Render draws the sheet.
func (s Sheet) Render() Message {
	l := s.In
	blocks := []slackgo.Block{header(l.Say("Review: %s", s.Title)), section(s.sentence())}
	if s.Old {
		blocks = append(blocks, section(l.Of("⚠️ What you looked at has changed since. Look at it again before you decide.")))
	}
	for _, i := range s.Items {
		blocks = append(blocks, divider(), section(i.text(l)))
		if b := i.buttons(l); len(b) > 0 { // a message has each block's id once
			blocks = append(blocks, slackgo.NewActionBlock(fmt.Sprintf("item%d", i.Number), b...))
		}
	}
	blocks = append(blocks, actions(s.buttons()...)...)
	if len(s.More) > 0 {
		blocks = append(blocks, section("*"+l.Of("Also waiting for you")+"*\n"+strings.Join(s.More, "\n")))
	}
	blocks = append(blocks, note(l.Say("Sheet %s · or type `/access review`, or `countersign identities campaign page %s`", code(string(s.ID)), Escape(string(s.ID)))))
	left := l.count(s.Left, "%d item left", "%d items left")
	return Message{Text: l.headline("Please review: %s, %s (%s)", s.Title, left, l.Say("until %s", s.Due.Time().Format("2006-01-02")), ""), Blocks: blocks}
}

func (s Sheet) sentence() string {
	l := s.In
	switch {
	case s.Late:
		return l.Say("The time for this is over. What nobody answered for: %s", Escape(s.Then))
	case s.Left == 0 && s.Of == 1:
		return l.Of("✅ All 1 item is decided. Thank you.")
	case s.Left == 0:
		return l.Say("✅ All %d items are decided. Thank you.", s.Of)
	case s.Of == 1:
		return l.Say("*1 of 1 item* left, until %s. Is it still needed, still right, and still answered for by the right person? What nobody answers for: %s", l.When(s.Due), Escape(s.Then))
	}
	return l.Say("*%d of %d items* left, until %s. Is each still needed, still right, and still answered for by the right person? What nobody answers for: %s",
		s.Left, s.Of, l.When(s.Due), Escape(s.Then))
}

// Silence is what follows when nobody answers for an item.
func (l Locale) Silence(verdict string) string {
	switch verdict {
	case "revoke":
		return l.Of("it is taken away, and off the books.")
	case "suspend":
		return l.Of("it is suspended: everything that it holds is taken back.")
	}
	return l.Of("security is told, and nothing is taken away.")
}

// SheetVerdict is what somebody decided of an item, within a sentence.
func (l Locale) SheetVerdict(v string) string {
	switch v {
	case "keep":
		return l.Of("keep")
	case "narrow":
		return l.Of("narrow")
	case "jit":
		return l.Of("jit")
	case "hand-over":
		return l.Of("hand-over")
	case "revoke":
		return l.Of("revoke")
	case "suspend":
		return l.Of("suspend")
	}
	return v
}

func (i SheetItem) text(l Locale) string {
	lines := []string{fmt.Sprintf("*%d. %s* %s", i.Number, label(short(oneLine(i.Title), 120)), code(short(i.Name, 80)))}
	for _, f := range i.Facts {
		lines = append(lines, f.line(l))
	}
	for _, c := range i.Changed {
		lines = append(lines, l.Say("🔁 changed since: %s", l.changed(short(oneLine(c), 160))))
	}
	if len(i.Wrong) > 0 {
		wrong := make([]string, len(i.Wrong))
		for n, w := range i.Wrong {
			wrong[n] = Escape(l.Filled(strings.ReplaceAll(w, "_", " ")))
		}
		lines = append(lines, "⚠️ "+strings.Join(wrong, ", "))
	}
	if i.Verdict != "" {
		lines = append(lines, "➡️ "+Escape(l.SheetVerdict(i.Verdict)))
	}
	return strings.Join(lines, "\n")
}

// line is the fact under its name. Only a person is markup: what was typed can neither call anybody nor be bold.
func (f SheetFact) line(l Locale) string {
	named := f.Name + ": %s"
	if f.Who != nil {
		return l.Say(named, f.Who.Mention())
	}
	v := short(oneLine(f.Value), 200)
	switch f.Name {
	case "for", "may", "was seen to use", "because", "text", "gives": // typed, or names
		return l.Say(named, exact(v))
	case "is":
		if class, state, ok := strings.Cut(v, ", "); ok {
			return l.Say(named, l.identityKind(class)+", "+l.identityState(state))
		}
	case "secret":
		if at := strings.LastIndex(v, ", made "); at > 0 {
			return l.Say(named, l.Say("%s, made %s", l.known(strings.TrimSpace(v[:at])), l.known(v[at+len(", made "):])))
		}
	case "on":
		if place, account, ok := strings.Cut(v, " as "); ok {
			return l.Say(named, l.Say("%s as %s", exact(place), l.known(account)))
		}
	}
	return l.Say(named, l.known(v))
}

// identityKind is what an identity is, in words.
func (l Locale) identityKind(class string) string {
	switch class {
	case "human":
		return l.Of("human")
	case "contractor":
		return l.Of("contractor")
	case "service account":
		return l.Of("service account")
	case "automation account":
		return l.Of("automation account")
	case "api key":
		return l.Of("api key")
	case "oauth token":
		return l.Of("oauth token")
	case "certificate":
		return l.Of("certificate")
	case "ssh key":
		return l.Of("ssh key")
	case "workload":
		return l.Of("workload")
	case "ai agent":
		return l.Of("ai agent")
	case "integration":
		return l.Of("integration")
	}
	return l.known(class)
}

// identityState is how it stands in the inventory.
func (l Locale) identityState(state string) string {
	switch state {
	case workflows.IdentityUnclaimed:
		return l.Of("unclaimed")
	case workflows.IdentityActive:
		return l.Of("active")
	case workflows.IdentitySuspended:
		return l.Of("suspended")
	case workflows.IdentityRetired:
		return l.Of("retired")
	}
	return exact(state)
}

// known is a value of a record, or that it has none, in words.
func (l Locale) known(v string) string {
	switch v {
	case "not known":
		return l.Of("not known")
	case "nobody":
		return l.Of("nobody")
	case "nothing":
		return l.Of("nothing")
	case "not on record":
		return l.Of("not on record")
	case "nothing on record":
		return l.Of("nothing on record")
	case "nobody knows where":
		return l.Of("nobody knows where")
	case "the target does not say":
		return l.Of("the target does not say")
	case "an account that is not on record":
		return l.Of("an account that is not on record")
	case "the business that needs it":
		return l.Of("the business that needs it")
	case "those who run it":
		return l.Of("those who run it")
	}
	if group, ok := strings.CutPrefix(v, "the group "); ok {
		return l.Say("the group %s", exact(group))
	}
	return exact(v)
}

// changed is "FIELD is AFTER, was BEFORE" of an item.
func (l Locale) changed(s string) string {
	field, rest, ok := strings.Cut(s, " is ")
	at := strings.LastIndex(rest, ", was ")
	if !ok || at < 0 {
		return exact(s)
	}
	value := l.known
	if field == "kind" {
		value = func(v string) string { return l.identityKind(strings.ReplaceAll(v, "_", " ")) }
	}
	return l.Say("%s is %s, was %s", exact(l.Filled(field)), value(rest[:at]), value(rest[at+len(", was "):]))
}

func (i SheetItem) buttons(l Locale) []slackgo.BlockElement {
	var out []slackgo.BlockElement
	if i.Keep != "" {
		b := button(ActSheetKeep, i.Keep, l.Of("Keep"), l.Say("Keep item %d, %s, as it is", i.Number, i.Title))
		b.Style = slackgo.StylePrimary
		out = append(out, b)
	}
	if i.Other != "" {
		out = append(out, button(ActSheetOther, i.Other, l.Of("Something else…"), l.Say("Narrow, hand over or revoke item %d, %s", i.Number, i.Title)))
	}
	return out
}

func (s Sheet) buttons() []slackgo.BlockElement {
	var out []slackgo.BlockElement
	l := s.In
	if s.Keep != "" && s.Many > 1 {
		out = append(out, button(ActSheetAll, s.Keep, l.Say("Keep these %d", s.Many), l.Say("Keep %d items that were shown and have no finding", s.Many)))
	}
	if s.Next != "" {
		text := l.Of("Look at the next")
		if s.Old {
			text = l.Of("Look again")
		}
		b := button(ActSheetNext, s.Next, text, l.Say("Show items of %s", s.Title))
		b.Style = slackgo.StylePrimary
		out = append(out, b)
	}
	return out
}

// SheetForm asks for a verdict that needs words.
func SheetForm(l Locale, number int, title string, verdicts []Choice, meta string) slackgo.ModalViewRequest {
	pick := l.menu(InputValue, verdicts, "")
	v := l.modal(CallSheet, l.Of("Review"), l.Of("Decide"), section(fmt.Sprintf("*%d. %s*", number, label(short(oneLine(title), 120)))),
		inputBlock(BlockSheetVerdict, l.Of("What should become of it?"), "", pick, false),
		area(BlockReason, l.Of("Why"), l.Of("It stands in the report of the campaign."), 10, 1000, false),
		inputBlock(BlockSheetTo, l.Of("To whom (hand over)"), l.Of("Key of a person or group:NAME, as in the people file."), slackgo.NewPlainTextInputBlockElement(nil, InputValue), true),
		inputBlock(BlockSheetScope, l.Of("What stays (narrow)"), l.Of("Separated by commas."), slackgo.NewPlainTextInputBlockElement(nil, InputValue), true),
	)
	v.PrivateMetadata = meta
	return v
}
