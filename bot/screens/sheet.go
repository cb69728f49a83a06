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
}

// SheetItem is one item with its evidence.
type SheetItem struct {
	Number  int
	Title   string
	Name    string // id
	Facts   []Pair
	Changed []string
	Wrong   []string // findings
	Verdict string   // in words, once it is decided
	Keep    string   // values of buttons; empty ones are not shown
	Other   string
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
	blocks := []slackgo.Block{header("Review: " + s.Title), section(s.sentence())}
	if s.Old {
		blocks = append(blocks, section("⚠️ What you looked at has changed since. Look at it again before you decide."))
	}
	for _, i := range s.Items {
		blocks = append(blocks, divider(), section(i.text()))
		if b := i.buttons(); len(b) > 0 { // a message has each block's id once
			blocks = append(blocks, slackgo.NewActionBlock(fmt.Sprintf("item%d", i.Number), b...))
		}
	}
	blocks = append(blocks, actions(s.buttons()...)...)
	if len(s.More) > 0 {
		blocks = append(blocks, section("*Also waiting for you*\n"+strings.Join(s.More, "\n")))
	}
	blocks = append(blocks, note("Sheet "+code(string(s.ID))+" · or type `/access review`, or `countersign identities campaign page "+Escape(string(s.ID))+"`"))
	return Message{Text: headline("Please review: %s, %s (%s)", s.Title, plural(s.Left, "item", "items")+" left", "until "+s.Due.Time().Format("2006-01-02"), ""), Blocks: blocks}
}

func (s Sheet) sentence() string {
	switch {
	case s.Late:
		return "The time for this is over. What nobody answered for: " + Escape(s.Then)
	case s.Left == 0:
		return fmt.Sprintf("✅ All %s decided. Thank you.", plural(s.Of, "item is", "items are"))
	}
	return fmt.Sprintf("*%d of %s* left, until %s. Is each still needed, still right, and still answered for by the right person? What nobody answers for: %s",
		s.Left, plural(s.Of, "item", "items"), When(s.Due), Escape(s.Then))
}

func (i SheetItem) text() string {
	lines := []string{fmt.Sprintf("*%d. %s* %s", i.Number, label(short(oneLine(i.Title), 120)), code(short(i.Name, 80)))}
	for _, f := range i.Facts {
		lines = append(lines, Escape(f.Label)+": "+sheetFact(f.Value))
	}
	for _, c := range i.Changed {
		lines = append(lines, "🔁 changed since: "+Escape(short(oneLine(c), 160)))
	}
	if len(i.Wrong) > 0 {
		lines = append(lines, "⚠️ "+Escape(strings.ReplaceAll(strings.Join(i.Wrong, ", "), "_", " ")))
	}
	if i.Verdict != "" {
		lines = append(lines, "➡️ "+Escape(i.Verdict))
	}
	return strings.Join(lines, "\n")
}

// sheetFact is a value that may be a mention of ours, or what a system says.
func sheetFact(v string) string {
	if strings.HasPrefix(v, "<@") {
		return v
	}
	return Escape(short(oneLine(v), 200))
}

func (i SheetItem) buttons() []slackgo.BlockElement {
	var out []slackgo.BlockElement
	if i.Keep != "" {
		b := button(ActSheetKeep, i.Keep, "Keep", fmt.Sprintf("Keep item %d, %s, as it is", i.Number, i.Title))
		b.Style = slackgo.StylePrimary
		out = append(out, b)
	}
	if i.Other != "" {
		out = append(out, button(ActSheetOther, i.Other, "Something else…", fmt.Sprintf("Narrow, hand over or revoke item %d, %s", i.Number, i.Title)))
	}
	return out
}

func (s Sheet) buttons() []slackgo.BlockElement {
	var out []slackgo.BlockElement
	if s.Keep != "" && s.Many > 1 {
		out = append(out, button(ActSheetAll, s.Keep, fmt.Sprintf("Keep these %d", s.Many), fmt.Sprintf("Keep %d items that were shown and have no finding", s.Many)))
	}
	if s.Next != "" {
		text := "Look at the next"
		if s.Old {
			text = "Look again"
		}
		b := button(ActSheetNext, s.Next, text, "Show items of "+s.Title)
		b.Style = slackgo.StylePrimary
		out = append(out, b)
	}
	return out
}

// SheetForm asks for a verdict that needs words.
func SheetForm(number int, title string, verdicts []Choice, meta string) slackgo.ModalViewRequest {
	pick := menu(InputValue, verdicts, "")
	v := modal(CallSheet, "Review", "Decide", section(fmt.Sprintf("*%d. %s*", number, label(short(oneLine(title), 120)))),
		inputBlock(BlockSheetVerdict, "What should become of it?", "", pick, false),
		area(BlockReason, "Why", "It stands in the report of the campaign.", 10, 1000, false),
		inputBlock(BlockSheetTo, "To whom (hand over)", "Key of a person or group:NAME, as in the people file.", slackgo.NewPlainTextInputBlockElement(nil, InputValue), true),
		inputBlock(BlockSheetScope, "What stays (narrow)", "Separated by commas.", slackgo.NewPlainTextInputBlockElement(nil, InputValue), true),
	)
	v.PrivateMetadata = meta
	return v
}
