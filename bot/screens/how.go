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

// How is the manual of one chain, as /access how shows it.
func How(title string, parts []HowPart, more string) Message {
	blocks := []slackgo.Block{header(title)}
	for _, p := range parts[:min(len(parts), maxParts)] {
		lines := make([]string, 0, len(p.Lines))
		for _, l := range p.Lines {
			lines = append(lines, "• "+label(l))
		}
		head := ""
		if p.Title != "" {
			head = "*" + label(p.Title) + "*"
		}
		blocks = append(blocks, section(listing(head, lines, listLines)))
	}
	blocks = append(blocks, note(more))
	return Message{Text: Escape(short("How it works: "+oneLine(title)+". "+strings.Join(first(parts), " "), maxNotify)), Blocks: blocks}
}

// first are the lines that say most: what the chain is for.
func first(parts []HowPart) []string {
	if len(parts) == 0 {
		return nil
	}
	return parts[0].Lines
}
