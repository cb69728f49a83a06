package desk

import (
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// Feeds tells how old what is known of the feeds of rotations is. Package cmd, which fetches them, implements it.
type Feeds interface {
	// ReadAt is when a feed, as Rotation.Feed names it, last answered as it should; zero: never.
	ReadAt(feed string) workflows.Stamp
}

// feedOld is how long a feed may not have answered before people are told whose words they go by. It is asked every quarter of an hour, and most
// rotations hand over once a day or a week: a day without it is a nuisance, two are a reason to look.
const feedOld = 48 * time.Hour

// OldFeed is a rotation that a stage asks, and goes by what its feed said a while ago.
type OldFeed struct {
	Rotation string
	At       workflows.Stamp // when it was last read; zero: never, so nobody is on shift by it
}

// Words is such as "the on-call feed of sre is 3 d old".
func (o OldFeed) Words(now workflows.Stamp) string {
	if o.At == 0 {
		return "the on-call feed of " + o.Rotation + " was never read, so nobody is on shift by it"
	}
	return "the on-call feed of " + o.Rotation + " is " + calendar.In(now.Sub(o.At)) + " old"
}

// OldFeeds are those of the rotations that the open stage of a request asks, in any tier.
func (d *Desk) OldFeeds(v View, now workflows.Stamp) []OldFeed {
	st := v.State.Open()
	if st == nil || v.Workflow == nil {
		return nil
	}
	for i := range v.Workflow.Stages {
		if s := &v.Workflow.Stages[i]; s.Name == st.Plan.Name {
			return d.oldFeeds(d.Policy(), s, now)
		}
	}
	return nil
}

func (d *Desk) oldFeeds(p *Policy, st *workflows.Stage, now workflows.Stamp) (out []OldFeed) {
	if d.feeds == nil {
		return nil
	}
	for _, name := range rotationsOf(st) {
		r := p.Rotations[name]
		if r.Feed == "" {
			continue
		}
		if at := d.feeds.ReadAt(r.Feed); at == 0 || now.Sub(at) >= feedOld {
			out = append(out, OldFeed{name, at})
		}
	}
	return out
}

// oldWords are lines of an explanation about a stage.
func (d *Desk) oldWords(p *Policy, st *workflows.Stage, now workflows.Stamp) (out []workflows.Explanation) {
	for _, o := range d.oldFeeds(p, st, now) {
		out = append(out, workflows.Explanation{Name: "on-call feed", Status: "error", Sentence: "Who is on shift may have changed: " + o.Words(now) + "."})
	}
	return out
}
