package screens

import (
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// Presence is whether somebody who is asked works at the moment, on their own clock.
type Presence struct {
	Working bool
	City    string          // of their zone: "Kolkata"
	Local   string          // when that changes, as their clock shows it: "Mon 09:00 IST"
	At      workflows.Stamp // the same moment; zero when it is too far to say
}

// Sentence is made of moments only, so that it stays right on a card that nobody repaints: how far away the moment is, the reader's client
// counts.
func (p Presence) Sentence() string {
	state := "Off work"
	if p.Working {
		state = "At work"
	}
	if p.At.IsZero() {
		return state + " in " + label(p.City) + "."
	}
	return fmt.Sprintf("%s until %s in %s (<!date^%d^{ago}|%s>).", state, label(p.Local), label(p.City), p.At.Time().Unix(), Clock(p.At))
}

// Next says who is at work next, of people none of whom works now.
func (p Presence) Next(who Person) string {
	return fmt.Sprintf("Nobody of those asked is at work now. Next: %s, %s, %s (<!date^%d^{ago}|%s>).", who.Mention(), label(p.City), label(p.Local), p.At.Time().Unix(), Clock(p.At))
}
