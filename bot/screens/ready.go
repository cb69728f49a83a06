package screens

import (
	"strconv"
	"strings"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Ready tells a holder how to use what was granted. Nothing in it is a secret.
type Ready struct {
	Grant   workflows.GrantID
	Request workflows.RequestID
	What    string
	Long    workflows.Span
	For     string // the non-human holder, when the reader only answers for it
	Steps   []string
	Command string
	Host    string
	Files   []Pair // name and public content
	Access  Access
	Done    string // value of the button; empty once it is over
	Drill   bool
	Secret  SecretNote
	Extend  string // value of the button; empty: no button
	In      Locale
}

// Render draws the message; it is repainted in place when the access ends.
func (r Ready) Render() Message {
	title := r.In.Say("Ready: %s", r.What)
	if !r.live() {
		title = r.In.Say("Over: %s", r.What)
	}
	blocks := []slackgo.Block{header(title)}
	if r.Drill {
		blocks = append(blocks, section("*"+r.In.Of("This is a drill.")+"*"))
	}
	if r.For != "" {
		blocks = append(blocks, section(r.In.Say("The holder is *%s*; you answer for it.", label(r.For))))
	}
	blocks = append(blocks, section(r.Access.sentence(r.In)))
	if r.live() {
		blocks = append(blocks, r.use()...)
	}
	blocks = append(blocks, r.Secret.blocks(r.In)...)
	if left := r.Access.leaves(r.In); left != "" {
		blocks = append(blocks, note(left))
	}
	var row []slackgo.BlockElement
	if r.Secret.Button != "" {
		row = append(row, r.In.secretButton(r.Secret.Button))
	}
	if r.Done != "" {
		row = append(row, r.In.doneButton(r.Done, r.What))
	}
	if r.Extend != "" {
		row = append(row, r.In.extendButton(r.Extend, r.What))
	}
	blocks = append(blocks, actions(row...)...)
	id := r.In.Say("Grant %s", code(string(r.Grant)))
	if r.Request != "" {
		id = r.In.Say("Request %s", code(string(r.Request))) + " · " + id
	}
	blocks = append(blocks, note(id))
	return Message{Text: r.text(), Blocks: blocks}
}

// live tells whether there is still something to use.
func (r Ready) live() bool { return r.Access.Status == "active" || r.Access.Status == "approved" }

func (r Ready) text() string {
	if r.live() {
		return r.In.headline("Ready: %s can use %s for %s", r.holder(), r.What, r.In.Span(r.Long), r.In.Say("until %s. %s", r.In.Clock(r.Access.Ends), r.Command))
	}
	return r.In.headline("Ended: %s had %s for %s", r.holder(), r.What, r.In.Span(r.Long), "")
}

func (r Ready) holder() string {
	if r.For != "" {
		return r.For
	}
	return r.In.Of("you")
}

func (r Ready) use() []slackgo.Block {
	var out []slackgo.Block
	if r.Host != "" {
		out = append(out, section("*"+r.In.Of("Host")+"* "+code(r.Host)))
	}
	if len(r.Steps) > 0 {
		lines := make([]string, len(r.Steps))
		for i, s := range r.Steps {
			lines[i] = strconv.Itoa(i+1) + ". " + Escape(s)
		}
		out = append(out, section(r.In.listing("*"+r.In.Of("How to use it")+"*", lines, 20)))
	}
	for _, f := range r.Files {
		out = append(out, section("*"+r.In.Of("Save this as")+"* "+code(f.Label)))
		if utf8.RuneCountInString(f.Value) > maxSection {
			out = append(out, section(r.In.Say("It is too long for a message: ask the operator for grant %s.", code(string(r.Grant)))))
			continue
		}
		out = append(out, pre(strings.TrimRight(f.Value, "\n")))
	}
	if r.Command != "" {
		out = append(out, section("*"+r.In.Of("Command")+"*"), pre(r.Command))
	}
	return out
}
