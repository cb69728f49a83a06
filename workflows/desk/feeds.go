package desk

import (
	"slices"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// Feeds tells how old what is known of the feeds of rotations and calendars is. Package cmd, which fetches them, implements it.
type Feeds interface {
	// ReadAt is when a feed, as Rotation.Feed and Calendar.Feed name it, last answered as it should; zero: never.
	ReadAt(feed string) workflows.Stamp
}

// feedOld is how long a feed may not have answered before people are told whose words they go by. It is asked every quarter of an hour, and most
// rotations hand over once a day or a week: a day without it is a nuisance, two are a reason to look.
const feedOld = 48 * time.Hour

// OldFeed is a rotation that a stage asks, or a calendar that those whom it asks go by, of which only what its feed said a while ago is known.
type OldFeed struct {
	Rotation string          // its name; or
	Calendar string          // of a calendar, whose holidays the feed has
	At       workflows.Stamp // when it was last read; zero: never, so nobody is on shift, and no day is a holiday, by it
}

// Words is such as "the on-call feed of sre is 3 d old".
func (o OldFeed) Words(now workflows.Stamp) string {
	what, never := "the on-call feed of "+o.Rotation, ", so nobody is on shift by it"
	if o.Calendar != "" {
		what, never = "the holiday feed of "+o.Calendar, ", so its holidays count as working days"
	}
	if o.At == 0 {
		return what + " was never read" + never
	}
	return what + " is " + calendar.In(now.Sub(o.At)) + " old"
}

// doubt is what may be wrong by it.
func (o OldFeed) doubt() string {
	if o.Calendar != "" {
		return "Who is off work may have changed: "
	}
	return "Who is on shift may have changed: "
}

// OldFeeds are those of the rotations that the open stage of a request asks, in any tier, and of the calendars of those who are asked.
func (d *Desk) OldFeeds(v View, now workflows.Stamp) []OldFeed {
	st := v.State.Open()
	if st == nil || v.Workflow == nil {
		return nil
	}
	for i := range v.Workflow.Stages {
		if s := &v.Workflow.Stages[i]; s.Name == st.Plan.Name {
			return d.oldFeeds(d.Policy(), s, st.Roster, now)
		}
	}
	return nil
}

func (d *Desk) oldFeeds(p *Policy, st *workflows.Stage, seats []workflows.Seat, now workflows.Stamp) (out []OldFeed) {
	if d.feeds == nil {
		return nil
	}
	look := func(feed string, o OldFeed) {
		if feed == "" {
			return
		}
		if o.At = d.feeds.ReadAt(feed); o.At == 0 || now.Sub(o.At) >= feedOld {
			out = append(out, o)
		}
	}
	for _, name := range rotationsOf(st) {
		look(p.Rotations[name].Feed, OldFeed{Rotation: name})
	}
	var places []string
	for _, s := range seats {
		places = append(places, p.People[s.Person].Calendar)
	}
	slices.Sort(places)
	for _, name := range slices.Compact(places) {
		look(p.Calendars[name].Feed, OldFeed{Calendar: name})
	}
	return out
}

// oldWords are lines of an explanation about a stage and those whom it asks.
func (d *Desk) oldWords(p *Policy, st *workflows.Stage, seats []workflows.Seat, now workflows.Stamp) (out []workflows.Explanation) {
	for _, o := range d.oldFeeds(p, st, seats, now) {
		name := "on-call feed"
		if o.Calendar != "" {
			name = "holiday feed"
		}
		out = append(out, workflows.Explanation{Name: name, Status: "error", Sentence: o.doubt() + o.Words(now) + "."})
	}
	return out
}
