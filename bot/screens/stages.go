package screens

import (
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// stages are the stages of the chain: those in sight above the buttons, and those that are folded below them. A short chain stands there whole. Of a
// long one the stage that decides now is in sight, with the people asked; what was before it and what comes after it takes a line each.
func (c Card) stages() (inSight, folded []slackgo.Block) {
	list := c.Why.Children
	if c.whole || len(list) <= foldStages {
		for i, st := range list {
			inSight = append(inSight, section(c.stage(i, st)))
		}
		return inSight, nil
	}
	now := c.current()
	if now < len(list) {
		inSight = []slackgo.Block{section(c.stage(now, list[now]))}
	}
	for _, s := range []string{c.fold(max(0, now-foldedLines), now, now), c.fold(now+1, min(now+1+foldedLines, len(list)), len(list)-now-1)} {
		if s != "" {
			folded = append(folded, section(s))
		}
	}
	return inSight, append(folded, note(c.In.Say("Every stage, and who was asked: %s", code("/access status "+string(c.ID)))))
}

// current is the stage that decides now, or that ended the request; past the last one when all are satisfied.
func (c Card) current() int {
	for i, st := range c.Why.Children {
		if st.Status != "approved" {
			return i
		}
	}
	return len(c.Why.Children)
}

// fold is a line each for the stages from a to b, of so many on that side of the current one.
func (c Card) fold(a, b, total int) string {
	lines := make([]string, 0, foldedLines)
	for i := a; i < b; i++ {
		st := c.Why.Children[i]
		lines = append(lines, sign(st.Status)+" "+c.In.Say("*Stage %d of %d: %s* – %s", i+1, len(c.Why.Children), short(st.Name, maxWhat), st.Sentence))
	}
	if len(lines) == 0 {
		return ""
	}
	if rest := total - len(lines); rest > 0 {
		more := c.In.Say("… and %d more", rest)
		if a > 0 && b == c.current() { // those left out came first
			return more + "\n" + strings.Join(lines, "\n")
		}
		return strings.Join(lines, "\n") + "\n" + more
	}
	return strings.Join(lines, "\n")
}

func (c Card) stage(i int, st workflows.Explanation) string {
	head := c.In.Say("*Stage %d of %d: %s* – %s", i+1, len(c.Why.Children), st.Name, st.Sentence)
	lines := make([]string, 0, maxSeats)
	for _, n := range st.Notes[:min(maxOffers, len(st.Notes))] {
		head += "\n" + sign(n.Status) + " " + n.Sentence
	}
	for _, seat := range st.Children[:min(maxSeats, len(st.Children))] {
		status, sentence := seat.Status, seat.Sentence
		if asked, ok := strings.CutPrefix(sentence, c.In.Of("Asked")); ok && st.Status != "pending" {
			status, sentence = "skipped", c.In.Say("Was asked%s Not needed any more.", asked)
		}
		lines = append(lines, sign(status)+" "+seat.Name+" – "+sentence)
	}
	return c.In.listingOf(head, lines, len(st.Children), maxSeats)
}
