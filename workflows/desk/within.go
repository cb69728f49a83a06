package desk

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

var errNoConditions = errors.New("there is nothing that could evaluate conditions")

// streams are what the decision reads: the request's own, what is counted, and what is held.
func (q *question) streams() []workflows.StreamID {
	out := []workflows.StreamID{workflows.RequestStream(q.ask.ID)}
	add := func(s workflows.StreamID) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if p := q.c.By.Person; p != "" && q.counts() {
		add(workflows.PersonStream(p))
	}
	for _, id := range q.watchers {
		add(identities.StreamOf(id))
	}
	if q.ask.Subject != "" && !q.ask.Subject.IsPerson() {
		add(workflows.IdentityStream(q.ask.Subject))
	}
	if id := q.changes(); id != "" {
		add(workflows.IdentityStream(id))
	}
	if q.ask.Subject != "" && q.ent.ID != "" {
		add(workflows.GrantStream(q.ask.Subject, q.ent.Target, q.ent.ID))
		for _, s := range conflictStreams(q.ask.Subject, q.ent) {
			add(s)
		}
	}
	if b, ok := q.policy.Runbooks[q.ask.Runbook]; ok && q.v.Workflow.Kind == workflows.KindRoutine {
		add(workflows.RunStream(RoutineRun(q.ask.ID)))
		for _, s := range b.stepStreams(q.c.By.Person) {
			add(s)
		}
	}
	if q.rule != nil && q.rule.Auto != nil {
		add(workflows.ReviewStream(q.review))
		if q.ask.Runbook != "" {
			add(workflows.RunbookStream(q.ask.Runbook))
		}
	}
	return out
}

// counts tells whether asks or automatic approvals of the person are counted here.
func (q *question) counts() bool {
	return q.v.Workflow.Often != nil || slices.ContainsFunc(q.v.Workflow.Rules, func(r workflows.Rule) bool { return r.Auto != nil })
}

// within adds to the ask what must be read inside of the decision: the time, what is counted, what is held.
func (q *question) within(f workflows.Facts) (workflows.Ask, error) {
	ask, w, now := q.ask, q.v.Workflow, f.Now.UTC
	if _, ok := q.policy.identityAs(w.Kind, ask.Subject, now); !ok && !ask.Subject.IsPerson() && w.Kind != workflows.KindRoutine {
		ask.Subject = "" // R71: refused as not in the inventory
	}
	if err := q.stillWatched(f); err != nil {
		return ask, err
	}
	ask.Frozen, ask.Closed = q.policy.stopped(w, now)
	if q.counts() && q.c.By.Person != "" {
		s, err := identities.FoldPerson(f.Histories[workflows.PersonStream(q.c.By.Person)])
		if err != nil {
			return ask, err
		}
		if w.Often != nil {
			ask.Asked = s.Count(identities.UsedAsk, w.ID, "", now.Add(-w.Often.Per.Duration()))
			if q.counted {
				ask.Asked = max(0, ask.Asked-1)
			}
		}
		if q.rule != nil && q.rule.Auto != nil {
			ask.Auto = s.Count(identities.UsedAuto, w.ID, q.rule.Name, now.Add(-q.rule.Auto.Per.Duration()))
		}
	}
	if ask.Subject == "" || q.ent.ID == "" {
		return ask, nil
	}
	if x := w.Exception; x != nil {
		s, err := identities.FoldIdentity(f.Histories[workflows.IdentityStream(ask.Subject)])
		if err != nil {
			return ask, err
		}
		if s.RenewalOf(x.Control) != ask.Exception {
			return ask, workflows.ErrAskAgain // another one was approved meanwhile: other people may have to be asked
		}
	}
	g, err := grants.Fold(f.Histories[workflows.GrantStream(ask.Subject, q.ent.Target, q.ent.ID)])
	if err != nil {
		return ask, err
	}
	clean, _ := w.CheckForm(ask.Form)
	ask.Held = held(g, ask.Extends, clean.Fields)
	if ask.Conflict, err = conflict(f, ask.Subject, q.ent); err != nil {
		return ask, err
	}
	return ask, q.window(f, &ask)
}

// stopped tells whether a change freeze of a workflow holds at a moment, and whether its calendar is closed then. A calendar that the
// documents do not have (any more) is closed, and frozen where a freeze counts: nobody can tell otherwise.
func (p *Policy) stopped(w *workflows.Workflow, now workflows.Stamp) (freeze string, closed bool) {
	if w.Calendar == "" {
		return "", false
	}
	c, ok := p.Calendars[w.Calendar]
	if !ok {
		return strings.Join(w.Freezes, ", "), true
	}
	f, _ := c.Frozen(now, w.Freezes)
	return f.Name, !c.IsOpen(now)
}

// held is the access that the subject has already: the grant that is to be extended, or one that would do. An artefact that was made with other
// fields (another key) would not, and what a runbook gave is for its incident only.
func held(g grants.State, extends workflows.GrantID, fields map[string]string) workflows.Held {
	if extends != "" {
		return rowOf(g, extends)
	}
	var out workflows.Held
	for _, h := range g.Holds {
		live := h.Status == grants.StatusApproved || h.Status == grants.StatusActive
		if live && h.Approved.Request != "" && (h.Approved.Shared || maps.Equal(h.Approved.Fields, fields)) && h.Approved.StartsAt == 0 && h.Ends.UTC > out.Ends {
			out = rowOf(g, h.Approved.Grant)
		}
	}
	return out
}

// rowOf is a live grant with the row of extensions that it stands in; zero when there is no such grant, or it is over.
func rowOf(g grants.State, id workflows.GrantID) workflows.Held {
	h, ok := g.Find(id)
	if !ok || h.Status != grants.StatusApproved && h.Status != grants.StatusActive {
		return workflows.Held{}
	}
	out := workflows.Held{Grant: id, Ends: h.Ends.UTC}
	out.Started, out.Renewals = g.Row(id)
	return out
}

// conflictStreams are the grants that a subject may not hold beside an entitlement.
func conflictStreams(subject workflows.IdentityID, e workflows.Entitlement) []workflows.StreamID {
	var out []workflows.StreamID
	for _, c := range e.Conflicts {
		for _, name := range c.With {
			target, id, _ := strings.Cut(name, "/")
			out = append(out, workflows.GrantStream(subject, workflows.TargetID(target), workflows.EntitlementID(id)))
		}
	}
	return out
}

// conflict says why the subject may not hold an entitlement beside what they hold, or nothing. Access that is still to be taken back is held.
func conflict(f workflows.Facts, subject workflows.IdentityID, e workflows.Entitlement) (string, error) {
	for _, c := range e.Conflicts {
		for _, name := range c.With {
			target, id, _ := strings.Cut(name, "/")
			g, err := grants.Fold(f.Histories[workflows.GrantStream(subject, workflows.TargetID(target), workflows.EntitlementID(id))])
			if err != nil {
				return "", err
			}
			if slices.ContainsFunc(g.Holds, grants.Hold.Live) {
				return "Nobody may hold this beside " + name + ", which is held now (" + c.Set + "): " + c.Why, nil
			}
		}
	}
	return "", nil
}

// window finds the standing window that covers the ask.
func (q *question) window(f workflows.Facts, ask *workflows.Ask) error {
	if ask.Subject.IsPerson() || !q.v.Workflow.Kind.GivesAccess() || len(ask.Watched) > 0 {
		return nil
	}
	s, err := identities.FoldIdentity(f.Histories[workflows.IdentityStream(ask.Subject)])
	if err != nil {
		return err
	}
	win, no := s.WindowFor(q.ent.Target, q.ent.ID, ask.Form.Seconds, f.Now.UTC, func(t workflows.WindowTerms) bool { return isOpen(t, f.Now.UTC) })
	switch {
	case win != nil:
		ask.Window = workflows.WindowAsk{ID: win.Window, Terms: win.Terms, Used: win.Recent(f.Now.UTC), Approvers: len(win.Approvers)}
	case no != nil:
		ask.WindowNo = no.Sentence
	}
	return nil
}

// isOpen tells whether a moment lies in the hours of a standing window. Hours that cannot be read are none.
func isOpen(t workflows.WindowTerms, now workflows.Stamp) bool {
	zone, err := time.LoadLocation(t.Zone)
	if err != nil {
		return false
	}
	week, err := calendar.ParseHours(t.Hours)
	if err != nil {
		return false
	}
	h, err := calendar.NewHours(calendar.Plan{Zone: zone, Week: week})
	return err == nil && h.IsOpen(now)
}

// sampleDue is how long the review of an automatic approval may take: nothing waits for it, and a week holds everybody's day off.
const sampleDue = 7 * 24 * time.Hour

// follows adds to the outcome of an ask what it uses up, and what an approval without people brings about.
func (q *question) follows(f workflows.Facts, out *workflows.Outcome, ask workflows.Ask) error {
	i := slices.IndexFunc(out.Events, func(e workflows.StreamEvent) bool { _, ok := e.Event.(workflows.Submitted); return ok })
	if i < 0 {
		return nil
	}
	w := q.v.Workflow
	use := func(what, rule string) {
		out.Add(workflows.PersonStream(q.c.By.Person), workflows.System, q.v.Hash, identities.Used{What: what, Workflow: w.ID, Rule: rule, Request: ask.ID})
	}
	if w.Often != nil && !q.counted {
		use(identities.UsedAsk, "")
	}
	for _, x := range out.Events {
		e, ok := x.Event.(workflows.AutoApproved)
		switch {
		case !ok:
		case ask.Window.ID != "":
			out.Add(workflows.IdentityStream(ask.Subject), workflows.System, q.v.Hash, identities.WindowUsed{Window: ask.Window.ID, Request: ask.ID, Grant: ask.Grant})
		default:
			use(identities.UsedAuto, e.Rule)
			if e.Sampled && len(q.owners) > 0 {
				q.sample(f, out)
			}
		}
	}
	return q.made.effect(f, out)
}

// sample opens the review of an automatic approval.
func (q *question) sample(f workflows.Facts, out *workflows.Outcome) {
	grant := q.ask.Grant
	if !q.v.Workflow.Kind.GivesAccess() {
		grant = ""
	}
	out.Add(workflows.ReviewStream(q.review), workflows.System, q.v.Hash, reviews.Opened{
		About: string(workflows.RequestStream(q.ask.ID)), Grant: grant, Invoker: q.c.By.Person, Owner: q.owners[0],
		Others: q.owners[1:], DueAt: f.Now.UTC.Add(sampleDue), Document: q.v.Hash, Drill: q.ask.Drill,
	})
}
