package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// Incidents knows incidents: those of the ledger, or of a pager service. Package cmd joins whatever the configuration names.
type Incidents interface {
	// Incident answers about one incident by its name, as people type it. Known is false when there is no such incident, with Why in words
	// for people. An error means that nobody could be asked: what depends on the answer does not hold.
	Incident(ctx context.Context, ref string) (incidents.Incident, error)
}

// maxReviewFacts bounds the reviews that one invocation looks at: the open ones, and those of the invoker's last uses.
const maxReviewFacts = 60

// situation asks the world about an invocation.
func (d *Desk) situation(ctx context.Context, p *Policy, b incidents.Runbook, c Invocation) incidents.Situation {
	a := asked{requester: c.By.Person, subject: c.By.Person.Identity(), owner: b.Grant.Owner, backup: b.Grant.Backup}
	s := incidents.Situation{Executor: c.Executor, Alarm: p.Settings.SecurityChannel}
	s.Incident = d.incident(ctx, c.Incident)
	for _, name := range b.OnShift {
		on, err := d.onShift(ctx, p, name, a)
		if err != nil {
			d.log.WarnContext(ctx, "a rotation was not asked", "runbook", b.ID, "rotation", name, "err", err)
		}
		s.OnShift = s.OnShift || slices.Contains(on, c.By.Person)
	}
	if b.BreakGlass != nil {
		s.Listed = slices.Contains(b.BreakGlass.People.People, c.By.Person)
	}
	listed := d.listed(ctx, p, b, a)
	s.MayDo = c.Executor != "" && slices.Contains(listed, c.Executor)
	for _, x := range listed {
		if x != c.By.Person && x != c.Executor {
			s.Others = append(s.Others, x)
		}
	}
	s.Told = d.toldOf(ctx, p, b, a, c.Tier)
	return s
}

// incident asks whoever keeps incidents: the ledger itself, then what the configuration names, then the systems of tasks. Not being able to
// ask is not an answer: what depends on it does not hold.
func (d *Desk) incident(ctx context.Context, ref string) incidents.Incident {
	if ref == "" {
		return incidents.Incident{Why: "nobody named one"}
	}
	own, err := d.Incident(ctx, ref)
	switch {
	case err == nil:
		return own.Incident()
	case !errors.Is(err, workflows.ErrNoStream):
		d.log.WarnContext(ctx, "an incident could not be read", "incident", ref, "err", err)
		return incidents.Incident{Why: "the ledger could not be asked just now"}
	case d.incidents == nil:
		return d.incidentTask(ctx, ref)
	}
	i, err := d.incidents.Incident(ctx, ref)
	if err != nil {
		d.log.WarnContext(ctx, "an incident could not be asked about", "incident", ref, "err", err)
		return incidents.Incident{Why: "whoever keeps incidents could not be asked just now"}
	}
	return i
}

// listed is everybody on one of the runbook's lists.
func (d *Desk) listed(ctx context.Context, p *Policy, b incidents.Runbook, a asked) []workflows.PersonID {
	var out []workflows.PersonID
	add := func(sel *workflows.Selector) {
		if sel == nil {
			return
		}
		seats, err := d.resolve(ctx, p, *sel, a)
		if err != nil {
			d.log.WarnContext(ctx, "a list of a runbook was not resolved", "runbook", b.ID, "err", err)
		}
		for _, s := range seats {
			if !slices.Contains(out, s.Person) {
				out = append(out, s.Person)
			}
		}
	}
	add(&b.Invokers)
	add(b.Executors)
	if b.BreakGlass != nil {
		add(&b.BreakGlass.People)
	}
	return out
}

// toldOf is who is told of a use beside those who were skipped; of one around a condition, the owner and the short list, too.
func (d *Desk) toldOf(ctx context.Context, p *Policy, b incidents.Runbook, a asked, tier string) []workflows.PersonID {
	var out []workflows.PersonID
	if b.Tell != nil {
		seats, err := d.resolve(ctx, p, *b.Tell, a)
		if err != nil {
			d.log.WarnContext(ctx, "who is told of a runbook was not resolved", "runbook", b.ID, "err", err)
		}
		out = peopleOf(seats)
	}
	if tier == incidents.TierBreakGlass && b.BreakGlass != nil {
		out = append(append(out, b.Owner), b.BreakGlass.People.People...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(x workflows.PersonID) bool { return x == "" })
}

// reviewStreams are the streams of the reviews that an invocation has to look at.
func (d *Desk) reviewStreams(ctx context.Context, person workflows.PersonID) ([]workflows.StreamID, error) {
	out, err := d.ledger.List(ctx, reviews.ListOpen, "", maxReviewFacts)
	if err != nil {
		return nil, err
	}
	mine, err := d.ledger.List(ctx, reviews.ListBy, string(person), maxReviewFacts)
	for _, s := range mine {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, err
}

// reviewFacts folds reviews into what an invocation needs of them.
func reviewFacts(f workflows.Facts, streams []workflows.StreamID) ([]incidents.ReviewFact, error) {
	var out []incidents.ReviewFact
	for _, stream := range streams {
		s, err := reviews.Fold(f.Histories[stream])
		if errors.Is(err, workflows.ErrNoStream) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if about := workflows.StreamID(s.Opened.About); about.Kind() == workflows.KindRunbook {
			out = append(out, reviewFact(s))
		}
	}
	return out, nil
}

func reviewFact(s reviews.State) incidents.ReviewFact {
	r := incidents.ReviewFact{
		ID: s.ID, Incident: s.Opened.Incident, Open: s.Closed == nil, Drill: s.Opened.Drill, DueAt: s.Opened.DueAt,
		Runbooks: []workflows.RunbookID{workflows.RunbookID(workflows.StreamID(s.Opened.About).Rest())},
		Invokers: []incidents.Used{{By: s.Opened.Invoker, At: s.At.UTC}},
	}
	for _, u := range s.Joined {
		r.Runbooks = append(r.Runbooks, workflows.RunbookID(workflows.StreamID(u.About).Rest()))
		r.Invokers = append(r.Invokers, incidents.Used{By: u.Invoker, At: u.At.UTC})
	}
	for _, p := range append([]workflows.PersonID{s.Opened.Owner}, s.Opened.Others...) {
		if s.MayReview(p) {
			r.Reviews = append(r.Reviews, p)
		}
	}
	return r
}

// openRun finds the run that a further use of the same text in the same incident goes on with; "" when there is none.
func (d *Desk) openRun(ctx context.Context, b incidents.Runbook, incident string, drill bool) (workflows.RunID, error) {
	streams, err := d.ledger.List(ctx, runs.ListIncident, incident, maxReviewFacts)
	if err != nil || drill || incident == "" {
		return "", err
	}
	for _, stream := range streams {
		s, err := d.Run(ctx, workflows.RunID(stream.Rest()))
		if err != nil {
			return "", err
		}
		if s.Closed == nil && s.Opened.Runbook == b.ID && s.Opened.Document == b.Document && !s.Drill() {
			return s.ID, nil
		}
	}
	return "", nil
}
