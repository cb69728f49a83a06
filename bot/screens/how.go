package screens

import (
	"strings"

	slackgo "github.com/slack-go/slack"
)

// Part of the manual of one chain; lines are plain text.
type HowPart struct {
	Title string
	Lines []string
}

// How is the manual of one chain, as /access how shows it. The lines are those of the documents, in the language in which the manual is written.
func (l Locale) How(title string, parts []HowPart, more string) Message {
	blocks := []slackgo.Block{header(title)}
	for _, p := range parts[:min(len(parts), maxParts)] {
		lines := make([]string, 0, len(p.Lines))
		for _, x := range p.Lines {
			lines = append(lines, "• "+label(x))
		}
		head := ""
		if p.Title != "" {
			head = "*" + label(p.Title) + "*"
		}
		blocks = append(blocks, section(l.listing(head, lines, listLines)))
	}
	blocks = append(blocks, note(more))
	return Message{Text: Escape(short(l.Say("How it works: %s. %s", oneLine(title), strings.Join(first(parts), " ")), maxNotify)), Blocks: blocks}
}

// first are the lines that say most: what the chain is for.
func first(parts []HowPart) []string {
	if len(parts) == 0 {
		return nil
	}
	return parts[0].Lines
}
