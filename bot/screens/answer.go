package screens

import (
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Say is a sentence of ours, in markup, as a message.
func Say(text string) Message {
	return Message{Text: short(text, maxNotify), Blocks: []slackgo.Block{section(text)}}
}

// Refusal says what was refused, why, and what to do.
func Refusal(r *workflows.Refusal) string { return Locale{}.NotDone(r) }

// NotDone is Refusal in a reader's language.
func (l Locale) NotDone(r *workflows.Refusal) string {
	r = l.Refusal(r)
	s := "⛔ *" + l.Of("Not done.") + "* " + commands(r.Sentence)
	if r.Next != "" {
		s += "\n" + commands(r.Next)
	}
	return s
}

// commands escapes a sentence of ours but keeps its backticks, which show commands to type.
func commands(s string) string { return Escape(s) }

// RefusalPlain is the same for places without markup: errors beside an input.
func RefusalPlain(r *workflows.Refusal) string { return short(oneLine(r.Error()), maxLabel*2) }

// Help says what can be typed.
func (l Locale) Help() Message {
	text := strings.Join([]string{
		l.Of("*What you can type*"),
		l.Of("`/access` – ask for access with a form"),
		l.Of("`/access request CHAIN` – the form of one chain"),
		l.Of("`/access list` – what waits for you, what you asked for, what you have, what you can ask for"),
		l.Of("`/access status ID` – where a request stands and why"),
		l.Of("`/access withdraw ID` – end your own open request"),
		l.Of("`/access done ID` – give access back early; `/access extend ID` – ask for more time"),
		l.Of("`/access comment ID TEXT` – say something about a request; it decides nothing"),
		l.Of("`/access how CHAIN` – how access is decided: who, how long, what limits it"),
		l.Of("`/access run` – the routine runbooks; `/access run NAME name=value why` – have one carried out, when its chain approved"),
		l.Of("`/access away until 2026-12-01 @colleague` – be away; `/access back` – be back"),
		l.Of("`/access whoami` – how you are known here; `/access link` – say that a second account is yours; `/access unlink @account WHY` – as security, that one is not"),
		l.Of("`/access health` – how the bot is"),
		l.Of("`/access revoke GRANT WHY` – take access away from somebody, as the target's owner or security"),
		l.Of("`/access revoke-all @person|identity WHY` – take everything away at once; `/access quarantine …` also locks"),
		l.Of("`/access who FINGERPRINT|SERIAL|LAST-4|NAME` – whose a credential is, who approved it, how fast it is taken back; and lock it"),
		l.Of("`/access leak` – report a secret that was seen where it must not be; it is never kept"),
		l.Of("`/access leak list` – leaks that are not over; `/breakglass close ID HOW` says that one is"),
		l.Of("`/access drift TARGET` – what a target has that no grant explains, as its owner or security"),
		l.Of("`/access review` – what you are asked to look at again: still needed, still right?"),
		l.Of("`/access reach @person|identity` – what somebody can get at now"),
		l.Of("`/access secret` – where to take a secret that came with your access; `/access key age1…` – the key that it is sealed to"),
		l.Of("`/breakglass` – the pre-approved runbooks and whether they are ready"),
		l.Of("`/breakglass RUNBOOK INC-123 name=value what is happening` – invoke one in an incident, after one screen that says what follows"),
		l.Of("`/breakglass step RUN 3 run|done|skip why`, `note|finish|rollback RUN text`, `runs` – carry it out; `agree ID` – be the second person"),
		l.Of("`/breakglass review ID` – close a review"),
		l.Of("An ID may be cut to its last characters, four at least. Approve and deny with the buttons on a card, or on this app's Home page."),
	}, "\n")
	return Message{Text: l.Of("Help") + ": " + strings.NewReplacer("*", "", "`", "").Replace(text), Blocks: []slackgo.Block{section(text)}}
}

// Item is a line of a list: a request, a grant, a review, a chain.
type Item struct {
	Title string // escaped here
	Line  string // markup
}

// Part is a titled list with words for when it is empty.
type Part struct {
	Title string
	Empty string
	Items []Item
}

// List answers /access list and /breakglass.
func List(parts ...Part) Message { return Locale{}.List(parts...) }

// List is the same in a reader's language; titles and lines are in it already.
func (l Locale) List(parts ...Part) Message {
	var blocks []slackgo.Block
	var words []string
	for _, p := range parts {
		if len(p.Items) == 0 {
			blocks = append(blocks, section("*"+label(p.Title)+"*\n"+p.Empty))
			words = append(words, l.Say("%s: none", p.Title))
			continue
		}
		lines := make([]string, 0, len(p.Items))
		for _, i := range p.Items {
			lines = append(lines, "• *"+label(i.Title)+"* – "+i.Line)
		}
		blocks = append(blocks, section(l.listing("*"+label(p.Title)+"*", lines, listLines)))
		if len(p.Items) == 1 {
			words = append(words, l.Say("%s: 1 entry", p.Title))
			continue
		}
		words = append(words, l.Say("%s: %d entries", p.Title, len(p.Items)))
	}
	return Message{Text: Escape(strings.Join(words, ". ") + "."), Blocks: blocks}
}

// Status answers /access status: the card without its buttons.
func Status(c Card) Message {
	c.Buttons, c.whole = CardButtons{}, true
	return c.Render()
}

// Line is one entry of a card's thread.
type Line struct {
	At     workflows.Stamp
	By     Person // empty for the system
	Did    string // "approved stage 1 (owner)", in our words
	Reason string // typed; shown inert
	Loud   bool   // shown in the channel as well
	In     Locale
}

// Render draws it.
func (l Line) Render() Message {
	who := l.By.Mention()
	name := l.By.Name
	if who == "" {
		who, name = "Countersign", "Countersign"
	}
	blocks := []slackgo.Block{section(l.In.Say("%s %s at %s.", who, Escape(l.Did), l.In.When(l.At)))}
	if l.Reason != "" {
		text, _ := l.In.cut(l.Reason, shownRunes, shownLines)
		blocks = append(blocks, typed(text))
	}
	return Message{Text: Escape(short(oneLine(name+" "+l.Did+" "+l.Reason), maxNotify)), Blocks: blocks}
}

// Lines are sentences of ours in markup, each on its own; what does not fit is counted.
func Lines(list []string) Message {
	if len(list) == 0 {
		return Message{}
	}
	return Message{Text: short(list[0], maxNotify), Blocks: []slackgo.Block{section(listing(list[0], list[1:], maxListedLines))}}
}

const maxListedLines = 40
