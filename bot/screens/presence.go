package screens

import (
	"github.com/countersign-bot/countersign/workflows"
)

// Presence is whether somebody who is asked works at the moment, on their own clock.
type Presence struct {
	Working bool
	City    string          // of their zone: "Kolkata"
	Local   string          // when that changes, as their clock shows it: "Mon 09:00 IST"
	At      workflows.Stamp // the same moment; zero when it is too far to say
	In      Locale
}

// Sentence is made of moments only, so that it stays right on a card that nobody repaints: how far away the moment is, the reader's client
// counts.
func (p Presence) Sentence() string {
	city, local := label(p.City), label(p.In.weekday(p.Local))
	switch {
	case p.At.IsZero() && p.Working:
		return p.In.Say("At work in %s.", city)
	case p.At.IsZero():
		return p.In.Say("Off work in %s.", city)
	case p.Working:
		return p.In.Say("At work until %s in %s (%s).", local, city, p.In.Ago(p.At))
	}
	return p.In.Say("Off work until %s in %s (%s).", local, city, p.In.Ago(p.At))
}

// Next says who is at work next, of people none of whom works now.
func (p Presence) Next(who Person) string {
	return p.In.Say("Nobody of those asked is at work now. Next: %s, %s, %s (%s).", who.Mention(), label(p.City), label(p.In.weekday(p.Local)), p.In.Ago(p.At))
}

// FeedAge says that who is on shift in a rotation, or off work by a calendar, is known from what a feed said a while ago.
type FeedAge struct {
	Rotation string
	Calendar string          // where it is the holidays of a calendar
	At       workflows.Stamp // when it was last read; zero: never
	Age      string          // "3 d", when the card is painted
	In       Locale
}

// Sentence names the moment beside the age, since nobody may repaint the card.
func (f FeedAge) Sentence() string {
	switch {
	case f.Calendar != "" && f.At.IsZero():
		return f.In.Say("The holiday feed of %s was never read, so its holidays count as working days.", label(f.Calendar))
	case f.Calendar != "":
		return f.In.Say("The holiday feed of %s is %s old: it was last read at %s. Who is off work may have changed.", label(f.Calendar), f.Age, f.In.When(f.At))
	case f.At.IsZero():
		return f.In.Say("The on-call feed of %s was never read, so nobody is on shift by it.", label(f.Rotation))
	}
	return f.In.Say("The on-call feed of %s is %s old: it was last read at %s. Who is on shift may have changed.", label(f.Rotation), f.Age, f.In.When(f.At))
}
