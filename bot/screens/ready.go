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
}

// Render draws the message; it is repainted in place when the access ends.
func (r Ready) Render() Message {
	title := "Ready: "
	if !r.live() {
		title = "Over: "
	}
	blocks := []slackgo.Block{header(title + r.What)}
	if r.Drill {
		blocks = append(blocks, section("*This is a drill.*"))
	}
	if r.For != "" {
		blocks = append(blocks, section("The holder is *"+label(r.For)+"*; you answer for it."))
	}
	blocks = append(blocks, section(r.Access.sentence()))
	if r.live() {
		blocks = append(blocks, r.use()...)
	}
	blocks = append(blocks, r.Secret.blocks()...)
	if left := r.Access.leaves(); left != "" {
		blocks = append(blocks, note(left))
	}
	var row []slackgo.BlockElement
	if r.Secret.Button != "" {
		row = append(row, secretButton(r.Secret.Button))
	}
	if r.Done != "" {
		row = append(row, doneButton(r.Done, r.What))
	}
	if r.Extend != "" {
		row = append(row, extendButton(r.Extend, r.What))
	}
	blocks = append(blocks, actions(row...)...)
	id := "Grant " + code(string(r.Grant))
	if r.Request != "" {
		id = "Request " + code(string(r.Request)) + " · " + id
	}
	blocks = append(blocks, note(id))
	return Message{Text: r.text(), Blocks: blocks}
}

// live tells whether there is still something to use.
func (r Ready) live() bool { return r.Access.Status == "active" || r.Access.Status == "approved" }

func (r Ready) text() string {
	if r.live() {
		return headline("Ready: %s can use %s for %s", r.holder(), r.What, r.Long.String(), "until "+Clock(r.Access.Ends)+". "+r.Command)
	}
	return headline("Ended: %s had %s for %s", r.holder(), r.What, r.Long.String(), "")
}

func (r Ready) holder() string {
	if r.For != "" {
		return r.For
	}
	return "you"
}

func (r Ready) use() []slackgo.Block {
	var out []slackgo.Block
	if r.Host != "" {
		out = append(out, section("*Host* "+code(r.Host)))
	}
	if len(r.Steps) > 0 {
		lines := make([]string, len(r.Steps))
		for i, s := range r.Steps {
			lines[i] = strconv.Itoa(i+1) + ". " + Escape(s)
		}
		out = append(out, section(listing("*How to use it*", lines, 20)))
	}
	for _, f := range r.Files {
		out = append(out, section("*Save this as* "+code(f.Label)))
		if utf8.RuneCountInString(f.Value) > maxSection {
			out = append(out, section("It is too long for a message: ask the operator for grant "+code(string(r.Grant))+"."))
			continue
		}
		out = append(out, pre(strings.TrimRight(f.Value, "\n")))
	}
	if r.Command != "" {
		out = append(out, section("*Command*"), pre(r.Command))
	}
	return out
}
