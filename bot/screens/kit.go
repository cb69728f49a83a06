package screens

import (
	"slices"
	"strings"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"
)

// Message is what is posted. Text is the notification and what screen readers read, so it says everything.
type Message struct {
	Text   string
	Blocks []slackgo.Block
}

// Action ids and callback ids. They are routes of package bot: changing one makes the buttons of older messages dead.
const (
	ActApprove  = "request.approve"
	ActDeny     = "request.deny"
	ActRead     = "request.read"
	ActMore     = "request.more"
	ActWithdraw = "request.withdraw"
	ActTakeBack = "request.take_back"
	ActDone     = "grant.done"
	ActRevoke   = "grant.revoke"
	ActReview   = "review.close"
	ActForm     = "form.open"
	ActPick     = "form.pick"
	CallForm    = "form.fill"
	CallDeny    = "request.deny"
	CallDecide  = "request.decide"
	CallRevoke  = "grant.revoke"
	CallReview  = "review.close"
	CallInvoke  = "breakglass.fill"
	CallResult  = "result"

	ActOffer         = "request.offer"
	ActAccept        = "offer.accept"
	ActDecline       = "offer.decline"
	ActExtend        = "grant.extend"
	ActAway          = "away.open"
	ActBack          = "away.end"
	ActPreview       = "form.preview"
	ActPolicyApprove = "policy.approve"
	ActPolicyDeny    = "policy.deny"
	CallOffer        = "request.offer"
	CallAway         = "away.fill"
	ActPage          = "home.page"
	ActDelegate      = "away.delegate"
	ActStep          = "step.open"
	ActStepNo        = "step.decline"
	blockButtons     = "buttons"
)

// mrk is our own markup. verbatim: Slack turns no plain text in it into links or mentions.
func mrk(s string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.MarkdownType, s, false, true)
}

// plain is text that is nothing but text.
func plain(s string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, s, false, false)
}

func header(s string) slackgo.Block {
	return slackgo.NewHeaderBlock(plain(short(oneLine(s), maxHeader)))
}

// section is a paragraph of ours. One that is too long is cut rather than refused by Slack: it holds names and sentences, never a text that
// a decision rests on.
func section(s string) slackgo.Block {
	return slackgo.NewSectionBlock(mrk(short(s, maxSection)), nil, nil)
}

// typed shows what somebody typed. An empty text is not a valid block, and says so.
func typed(s string) slackgo.Block { return Locale{}.typed(s) }

func (l Locale) typed(s string) slackgo.Block {
	if s = strings.TrimSpace(Inert(s)); s == "" {
		s = l.Of("(nothing)")
	}
	return whole(short(s, maxSection))
}

// whole is a section that Slack never folds behind "see more": what a decision rests on must be in sight.
func whole(s string) slackgo.Block {
	return slackgo.NewSectionBlock(plain(s), nil, nil, slackgo.SectionBlockOptionExpand(true))
}

// facts are labelled values in two columns.
func facts(pairs []Pair) []slackgo.Block {
	var out []slackgo.Block
	var row []*slackgo.TextBlockObject
	for _, p := range pairs {
		if p.Value == "" {
			continue
		}
		row = append(row, mrk(short("*"+label(p.Label)+"*\n"+p.Value, maxFact)))
		if len(row) == 10 {
			out, row = append(out, slackgo.NewSectionBlock(nil, row, nil)), nil
		}
	}
	if len(row) > 0 {
		out = append(out, slackgo.NewSectionBlock(nil, row, nil))
	}
	return out
}

// fewFacts are the same in one block, whose ten texts they share: the shortest neighbours stand together. Nothing is left out; what would have
// to be cut for that gets another block.
func fewFacts(pairs []Pair) []slackgo.Block {
	var texts []string
	for _, p := range pairs {
		if p.Value != "" {
			texts = append(texts, short("*"+label(p.Label)+"*\n"+p.Value, maxFact))
		}
	}
	for len(texts) > maxTexts {
		at, least := 0, maxFact
		for i := range len(texts) - 1 {
			if n := utf8.RuneCountInString(texts[i]) + 1 + utf8.RuneCountInString(texts[i+1]); n < least {
				at, least = i, n
			}
		}
		if least == maxFact {
			break
		}
		texts = slices.Replace(texts, at, at+2, texts[at]+"\n"+texts[at+1])
	}
	var out []slackgo.Block
	for some := range slices.Chunk(texts, maxTexts) {
		row := make([]*slackgo.TextBlockObject, len(some))
		for i, t := range some {
			row[i] = mrk(t)
		}
		out = append(out, slackgo.NewSectionBlock(nil, row, nil))
	}
	return out
}

func note(s string) slackgo.Block { return slackgo.NewContextBlock("", mrk(short(s, maxSection))) }

func divider() slackgo.Block { return slackgo.NewDividerBlock() }

// pre is text to copy, letter by letter. It is mrkdwn and not rich_text, because Slack does not let an update replace rich_text by other
// blocks, and what can be copied goes away when the access ends.
func pre(s string) slackgo.Block {
	s = strings.ReplaceAll(Inert(s), "```", "'''")
	return section("```\n" + entities.Replace(s) + "\n```")
}

// listing joins lines into one text object and counts what does not fit.
func listing(head string, lines []string, most int) string {
	return Locale{}.listingOf(head, lines, len(lines), most)
}

func (l Locale) listing(head string, lines []string, most int) string {
	return l.listingOf(head, lines, len(lines), most)
}

// listingOf is listing for the first of total lines.
func (l Locale) listingOf(head string, lines []string, total, most int) string {
	var b strings.Builder
	b.WriteString(head)
	size := utf8.RuneCountInString(head)
	for i, line := range lines {
		n := utf8.RuneCountInString(line) + 1
		if i >= most || size+n > maxSection-40 {
			b.WriteString("\n" + l.Say("… and %d more", total-i))
			return b.String()
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
		size += n
	}
	if rest := total - len(lines); rest > 0 {
		b.WriteString("\n" + l.Say("… and %d more", rest))
	}
	return b.String()
}

func button(action, value, text, says string) *slackgo.ButtonBlockElement {
	b := slackgo.NewButtonBlockElement(action, value, plain(short(text, maxOption)))
	b.AccessibilityLabel = short(oneLine(says), maxOption)
	return b
}

func (l Locale) confirm(title, text, yes string) *slackgo.ConfirmationBlockObject {
	return slackgo.NewConfirmationBlockObject(plain(short(title, 100)), plain(short(Inert(text), 300)), plain(short(yes, 30)), plain(l.Of("Cancel")))
}

func actions(elements ...slackgo.BlockElement) []slackgo.Block {
	if len(elements) == 0 {
		return nil
	}
	return []slackgo.Block{slackgo.NewActionBlock(blockButtons, elements...)}
}

// option is one choice; Slack takes 75 characters and no empty text.
func option(value, text, more string) *slackgo.OptionBlockObject {
	if text = short(oneLine(text), maxOption); text == "" {
		text = short(value, maxOption)
	}
	var desc *slackgo.TextBlockObject
	if more = short(oneLine(more), maxOption); more != "" {
		desc = plain(more)
	}
	return slackgo.NewOptionBlockObject(value, plain(text), desc)
}

func (l Locale) modal(callback, title, submit string, blocks ...slackgo.Block) slackgo.ModalViewRequest {
	v := slackgo.ModalViewRequest{
		Type: slackgo.VTModal, CallbackID: callback, Title: plain(short(title, maxTitle)), Close: plain(l.Of("Close")),
		Blocks: slackgo.Blocks{BlockSet: blocks},
	}
	if submit != "" {
		v.Submit, v.Close = plain(short(submit, maxTitle)), plain(l.Of("Cancel"))
	}
	return v
}

// area is a text input over several lines.
func area(block, title, hint string, least, most int, optional bool) *slackgo.InputBlock {
	e := slackgo.NewPlainTextInputBlockElement(nil, InputValue)
	e.Multiline, e.MinLength, e.MaxLength = true, least, min(most, 3000)
	return inputBlock(block, title, hint, e, optional)
}

func inputBlock(block, title, hint string, e slackgo.BlockElement, optional bool) *slackgo.InputBlock {
	var h *slackgo.TextBlockObject
	if hint = short(oneLine(hint), maxLabel); hint != "" {
		h = plain(hint)
	}
	b := slackgo.NewInputBlock(block, plain(short(oneLine(title), maxLabel)), h, e)
	b.Optional = optional
	return b
}

// InputValue is the action id of the one element of every input block; the block's id says which input it is.
const InputValue = "value"
