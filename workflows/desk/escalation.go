package desk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Escalate has somebody told of what cannot wait, by the path of its kind, and gives the escalation's name. about names the matter: the same
// one is escalated once, however often this is called. Without a path for the kind nothing is done and the name is empty: whoever calls this
// goes on telling people as it did.
func (d *Desk) Escalate(ctx context.Context, cause Cause, by workflows.Acting, about string, e escalations.Opened) (string, error) {
	o, r, ok := d.opening(ctx, d.Policy(), by, about, e)
	if !ok {
		return "", nil
	}
	_, err := d.update(ctx, cause, []workflows.StreamID{escalations.Stream(o.ID)}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		r.open(f, o, &out)
		return out, nil
	})
	return o.ID, err
}

// rung is a step of a path with whom it asks now; when its wait ends is reckoned inside of the decision.
type rung struct {
	escalations.Rung
	wait  workflows.Span
	hours *calendar.Hours // working hours that the wait is counted in; nil: elapsed time
}

func (r rung) at(now workflows.Stamp) escalations.Rung {
	r.Until = now.Add(r.wait.Duration())
	if r.hours != nil {
		if until, ok := r.hours.AddWorking(now, r.wait.Duration()); ok {
			r.Until = until
		}
	}
	return r.Rung
}

func (r rung) open(f workflows.Facts, o escalations.Opening, out *workflows.Outcome) {
	o.First = r.at(f.Now.UTC)
	escalations.Open(f, o, out)
}

// opening gathers what an escalation needs; false where the documents have no path for its kind.
func (d *Desk) opening(ctx context.Context, p *Policy, by workflows.Acting, about string, e escalations.Opened) (escalations.Opening, rung, bool) {
	path, ok := p.Escalations.Walks(e.About)
	if e.Path != "" { // a drill of this very path
		path, ok = p.Escalations.Path(e.Path)
	}
	if !ok {
		return escalations.Opening{}, rung{}, false
	}
	e.Path, e.Steps, e.Repeat = path.Name, len(path.Steps), path.Repeat
	if m := p.Escalations.Says(e.About); m.Tell != nil || m.Channel != "" {
		e.Channel = m.Channel
		if m.Tell != nil {
			e.Told = d.named(ctx, p, *m.Tell)
		}
	}
	o := escalations.Opening{ID: escalations.IDOf(e.About, about), By: by, Event: e}
	r, ok := d.rung(ctx, p, path.Name, 1, 1)
	return o, r, ok
}

// named resolves a selector now. Who could not be asked is not among them: a step that yields nobody goes on to the next at once.
func (d *Desk) named(ctx context.Context, p *Policy, sel workflows.Selector) []workflows.PersonID {
	seats, err := d.resolve(ctx, p, sel, asked{})
	if err != nil {
		d.log.WarnContext(ctx, "some of those who are told could not be found", "err", err)
	}
	return peopleOf(seats)
}

// rung asks whom a step of a path asks now; false when the documents do not have it (any more).
func (d *Desk) rung(ctx context.Context, p *Policy, name string, step, round int) (rung, bool) {
	path, ok := p.Escalations.Path(name)
	if !ok || step < 1 || step > len(path.Steps) {
		return rung{}, false
	}
	s := path.Steps[step-1]
	r := rung{wait: s.Wait, Rung: escalations.Rung{Step: step, Round: round, By: s.By, Channel: s.Channel, Pager: s.Pager}}
	if s.To != nil {
		r.People = d.named(ctx, p, *s.To)
	}
	if c, ok := p.Calendars[path.Calendar]; ok && c.Business != nil {
		r.hours = c.Hours()
	}
	return r, true
}

// tickEscalation takes the next step when it is due, unless what it is about has ended.
func (d *Desk) tickEscalation(ctx context.Context, stream workflows.StreamID) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, err := again(func() (Result, error) {
		h, err := d.ledger.History(ctx, stream)
		if err != nil {
			return Result{}, err
		}
		s, err := escalations.Fold(h)
		if err != nil || s.Closed != nil {
			return Result{}, err
		}
		var next *rung
		if step, round, more := s.Next(); more && !s.Quiet() {
			if r, ok := d.rung(ctx, d.Policy(), s.Opened.Path, step, round); ok {
				next = &r
			}
		}
		streams := []workflows.StreamID{stream}
		of := workflows.StreamID(s.Opened.Of)
		if of.Kind() == workflows.KindGrant && s.Opened.About == escalations.KindRevocation {
			streams = append(streams, of)
		}
		return d.update(ctx, "", streams, func(f workflows.Facts) (workflows.Outcome, error) {
			var at *escalations.Rung
			if next != nil {
				x := next.at(f.Now.UTC)
				at = &x
			}
			return escalations.Tick(f, stream, isOver(f, s), at)
		})
	})
	return err
}

// isOver tells whether what an escalation is about has ended: the access is gone.
func isOver(f workflows.Facts, s escalations.State) bool {
	if s.Opened.About != escalations.KindRevocation {
		return false
	}
	g, err := grants.Fold(f.Histories[workflows.StreamID(s.Opened.Of)])
	if err != nil {
		return false
	}
	h, ok := g.Find(s.Opened.Grant)
	return ok && h.Status != grants.StatusEnding
}

// tickGrant ends what has run out, raises the alarm for what does not go away, and has it walk the path for that.
func (d *Desk) tickGrant(ctx context.Context, stream workflows.StreamID) error {
	p := d.Policy()
	streams := []workflows.StreamID{stream}
	pages := map[workflows.GrantID]func(workflows.Facts, *workflows.Outcome){}
	if _, walks := p.Escalations.Walks(escalations.KindRevocation); walks {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		h, err := d.ledger.History(ctx, stream)
		if err != nil {
			return err
		}
		s, err := grants.Fold(h)
		if err != nil {
			return err
		}
		for _, hold := range s.Holds {
			if hold.Status != grants.StatusEnding || hold.Level > 0 || hold.Approved.Drill {
				continue
			}
			o, r, ok := d.opening(ctx, p, workflows.System, string(hold.Approved.Grant), stuck(stream, hold))
			if ok {
				pages[hold.Approved.Grant] = func(f workflows.Facts, out *workflows.Outcome) { r.open(f, o, out) }
				streams = append(streams, escalations.Stream(o.ID))
			}
		}
	}
	_, err := d.update(ctx, "", streams, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := grants.Tick(f, stream)
		if err != nil {
			return out, err
		}
		for _, e := range out.Events {
			if x, ok := e.Event.(grants.Overdue); ok && pages[x.Grant] != nil {
				pages[x.Grant](f, &out)
			}
		}
		return out, nil
	})
	return err
}

// stuck is what an escalation says about access that does not go away. Who holds it does not say that it is looked after.
func stuck(stream workflows.StreamID, h grants.Hold) escalations.Opened {
	a := h.Approved
	return escalations.Opened{
		About: escalations.KindRevocation, Of: string(stream), Grant: a.Grant, Incident: a.Incident,
		Whose: []workflows.PersonID{a.Identity.Person()},
		What:  a.Title + " on " + a.TargetTitle, Why: "The target did not take it back; grant " + string(a.Grant) + ".",
	}
}

// pageOf is the escalation of an invocation: a break glass, or the drill of one.
func (d *Desk) pageOf(ctx context.Context, p *Policy, u use) (func(workflows.Facts, *workflows.Outcome), string) {
	in := u.in
	kind := escalations.KindBreakGlass
	if in.Drill {
		kind = escalations.KindDrill
	}
	whose := []workflows.PersonID{in.By.Person}
	if e := in.Situation.Executor; e != "" && e != in.By.Person {
		whose = append(whose, e)
	}
	o, r, ok := d.opening(ctx, p, in.By, string(in.Grant), escalations.Opened{
		About: kind, Of: string(workflows.RunbookStream(in.Book.ID)), Grant: in.Grant, Runbook: in.Book.ID, Incident: in.Incident,
		Whose: whose, What: in.Book.Title, Why: in.Reason, Drill: in.Drill,
	})
	if !ok {
		return nil, ""
	}
	return func(f workflows.Facts, out *workflows.Outcome) { r.open(f, o, out) }, o.ID
}

// Ack is somebody acknowledging or closing an escalation.
type Ack struct {
	Cause   Cause
	By      workflows.Acting
	ID      string
	Words   string
	Authn   string
	Channel string
}

// Acknowledge records that somebody looks after an escalation. Of a drill it is also the proof, on the runbook's own stream, that its alarms
// fired.
func (d *Desk) Acknowledge(ctx context.Context, c Ack) (Answer, error) {
	doing := d.acking(ctx, c)
	streams := []workflows.StreamID{escalations.Stream(c.ID)}
	if s, err := d.Escalation(ctx, c.ID); err == nil && s.Opened.Drill && s.Opened.Runbook != "" {
		streams = append(streams, workflows.RunbookStream(s.Opened.Runbook))
	}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := escalations.Acknowledge(f, c.ID, doing)
		if err != nil || out.Refusal != nil || len(streams) == 1 {
			return out, err
		}
		s, err := escalations.Fold(f.Provisional(out.Events)[streams[0]])
		if err != nil {
			return out, err
		}
		before, err := escalations.Fold(f.Histories[streams[0]])
		if err == nil && s.Proved() && !before.Proved() {
			out.Add(streams[1], c.By, "", incidents.DrillProved{Grant: s.Opened.Grant, Escalation: s.ID, Delivered: s.Reached()})
		}
		return out, err
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

// CloseEscalation records that nothing is left to do about it.
func (d *Desk) CloseEscalation(ctx context.Context, c Ack) (Answer, error) {
	doing := d.acking(ctx, c)
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{escalations.Stream(c.ID)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return escalations.Close(f, c.ID, doing)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

func (d *Desk) acking(ctx context.Context, c Ack) escalations.Doing {
	return escalations.Doing{
		By: c.By, Standing: d.standing(ctx, c.By), Security: d.HasRole(ctx, RoleSecurity, c.By.Person), Words: strings.TrimSpace(cleaned(c.Words)),
		Authn: c.Authn, Channel: c.Channel,
	}
}

// Escalation reads one. There being none is workflows.ErrNoStream.
func (d *Desk) Escalation(ctx context.Context, id string) (escalations.State, error) {
	h, err := d.ledger.History(ctx, escalations.Stream(id))
	if err != nil {
		return escalations.State{}, err
	}
	return escalations.Fold(h)
}

// Escalations reads those that are not over, or all, newest first: of everybody, or those that a person was asked about.
func (d *Desk) Escalations(ctx context.Context, p workflows.PersonID, all bool, limit int) ([]escalations.State, error) {
	list := escalations.ListOpen
	if all {
		list = escalations.ListAll
	}
	read := func(s workflows.StreamID) (escalations.State, error) { return d.Escalation(ctx, s.Rest()) }
	return listed(ctx, d, list, string(p), limit, read, func(s escalations.State) workflows.Instant { return s.At })
}

// EndOfAccess closes the escalation about access that would not go away, once it has. What is missed here is closed at its next step.
func (d *Desk) EndOfAccess(ctx context.Context, grant workflows.GrantID) error {
	s, err := d.Escalation(ctx, escalations.IDOf(escalations.KindRevocation, string(grant)))
	if errors.Is(err, workflows.ErrNoStream) || err == nil && s.Closed != nil {
		return nil
	}
	if err != nil {
		return err
	}
	return d.tickEscalation(ctx, escalations.Stream(s.ID))
}

// DrillPath practises a path: the whole of it, marked as a drill.
func (d *Desk) DrillPath(ctx context.Context, cause Cause, by workflows.Acting, channel, name string) (string, *workflows.Refusal, error) {
	path, ok := d.Policy().Escalations.Path(name)
	standing := d.standing(ctx, by)
	no := standing.Refusal()
	switch {
	case no != nil:
	case !ok:
		no = workflows.Refuse(workflows.CodeUnknown, "There is no such path in escalations.yaml.", "`countersign escalations tree` shows them.")
	case !d.HasRole(ctx, RoleSecurity, by.Person) && !d.HasRole(ctx, RoleOwner, by.Person) && !slices.Contains(d.everAsked(ctx, path), by.Person):
		no = workflows.Refuse(workflows.CodeNotEligible, "A path is practised by somebody who stands on it, by security or by an owner.", "")
	}
	if no != nil {
		no, err := d.Refuse(ctx, cause, by, "drill a path", channel, name, no)
		return "", no, err
	}
	id, err := d.Escalate(ctx, cause, by, d.ids.New(""), escalations.Opened{
		About: escalations.KindDrill, Path: name, Whose: []workflows.PersonID{by.Person}, What: "the path " + name, Why: "An exercise of the path itself.", Drill: true,
	})
	return id, nil, err
}

// everAsked are all whom a path can ask.
func (d *Desk) everAsked(ctx context.Context, path escalations.Path) []workflows.PersonID {
	var out []workflows.PersonID
	for _, s := range path.Steps {
		if s.To != nil {
			seats, _ := d.resolve(ctx, d.Policy(), *s.To, asked{ever: true})
			out = append(out, peopleOf(seats)...)
		}
	}
	return out
}

// PathDue is when a path should have been practised by; zero: it need not be. never tells that it was not yet.
func (d *Desk) PathDue(ctx context.Context, path escalations.Path) (due workflows.Stamp, never bool, err error) {
	if path.DrillEvery == 0 {
		return 0, false, nil
	}
	streams, err := d.ledger.List(ctx, escalations.ListDrills, path.Name, 1)
	if err != nil || len(streams) == 0 {
		return 0, true, err
	}
	s, err := d.Escalation(ctx, streams[0].Rest())
	return s.At.UTC.Add(path.DrillEvery.Duration()), false, err
}

// ChangeShifts tells who comes on shift what is open, once for each change of a rotation since a moment. summary is asked only when there was one.
func (d *Desk) ChangeShifts(ctx context.Context, since, now workflows.Stamp, summary func(context.Context) (string, error)) (told int, err error) {
	p := d.Policy()
	for _, path := range p.Escalations.Paths {
		for _, name := range path.Handover {
			changes, err := p.Rotations[name].Changes(since, now)
			if err != nil {
				return told, fmt.Errorf("asking rotation %q: %w", name, err)
			}
			for _, c := range changes {
				if c.At > now {
					continue
				}
				cause := Cause(fmt.Sprintf("handover/%s/%d", name, c.At))
				if _, err := d.Escalation(ctx, escalations.IDOf(escalations.KindHandover, string(cause))); !errors.Is(err, workflows.ErrNoStream) {
					if err != nil {
						return told, err
					}
					continue // told already
				}
				text, err := summary(ctx)
				if err != nil {
					return told, err
				}
				id, err := d.Escalate(ctx, cause, workflows.System, string(cause), escalations.Opened{
					About: escalations.KindHandover, What: name, Why: text,
				})
				if err != nil {
					return told, err
				}
				if id != "" {
					told++
				}
			}
		}
	}
	return told, nil
}

// compareEscalations says what changes about who is told. A path that is gone, or another one, may tell fewer people, or later.
func compareEscalations(before, after escalations.Plan) difference {
	d := difference{unit: unitEscalations}
	was, is := map[string]escalations.Path{}, map[string]escalations.Path{}
	for _, p := range before.Paths {
		was[p.Name] = p
	}
	for _, p := range after.Paths {
		is[p.Name] = p
	}
	for _, name := range union(was, is) {
		old, had := was[name]
		now, has := is[name]
		switch {
		case !has:
			d.say(true, "the path %s of escalation is gone", name)
		case !had:
			d.say(false, "a new path of escalation, %s, of %d steps", name, len(now.Steps))
		case !sameJSON(old, now):
			d.say(true, "the path %s of escalation is another one", name)
		}
	}
	for _, kind := range escalations.Kinds() {
		a, had := before.Walks(kind)
		b, has := after.Walks(kind)
		switch {
		case had && !has:
			d.say(true, "nobody is told of %s by a path any more", kind)
		case had && a.Name != b.Name:
			d.say(true, "%s walks the path %s, not %s", kind, b.Name, a.Name)
		}
	}
	pagers := func(p escalations.Plan) map[string]escalations.Pager {
		out := map[string]escalations.Pager{}
		for _, x := range p.Pagers {
			out[x.Name] = x
		}
		return out
	}
	old, now := pagers(before), pagers(after)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if old[name] != now[name] {
			d.say(true, "the pager %s is another one, or gone", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, had := old[name]; !had {
			d.say(false, "a new pager, %s", name)
		}
	}
	if !sameJSON(before.Messages, after.Messages) {
		d.say(len(before.Messages) > 0, "what escalations say, and who else is told of them, changes")
	}
	return d
}

// compareIncidents says who may open and command incidents.
func compareIncidents(d *difference, before, after Settings) {
	for _, x := range []struct {
		what     string
		old, now *workflows.Selector
	}{{"who may open incidents", before.IncidentsOpen, after.IncidentsOpen}, {"who may command incidents", before.IncidentsCommand, after.IncidentsCommand}} {
		switch {
		case x.old == nil && x.now == nil:
		case x.now == nil:
			d.say(true, "%s becomes everybody", x.what)
		case x.old == nil:
			d.say(false, "%s becomes a list", x.what)
		default:
			d.changes = append(d.changes, compareSelectors(d.unit, x.what, *x.old, *x.now).changes...)
		}
	}
}

// leakPage is the escalation of a secret that was seen where it does not belong; nil where no path is walked for it.
func (d *Desk) leakPage(ctx context.Context, c LeakReport, l leaked, incident string) (func(workflows.Facts, *workflows.Outcome), workflows.StreamID) {
	why := "Seen by " + c.Source
	if c.Place != "" {
		why += " in " + cleaned(c.Place)
	}
	o, r, ok := d.opening(ctx, d.Policy(), c.By, c.Mark, escalations.Opened{
		About: escalations.KindLeak, Of: string(l.streams()[0]), Incident: incident, What: "a secret of " + l.what(), Why: why + ".",
	})
	if !ok {
		return nil, ""
	}
	return func(f workflows.Facts, out *workflows.Outcome) { r.open(f, o, out) }, escalations.Stream(o.ID)
}
