package desk

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// question is an ask in the making: what was asked of the world before the decision, and what is read inside of it.
type question struct {
	desk   *Desk
	policy *Policy
	v      Version
	c      Submission
	ask    workflows.Ask
	ent    workflows.Entitlement
	rule   *workflows.Rule // that would be chosen; nil: none
	review workflows.ReviewID
	owners []workflows.PersonID // who may look at an automatic approval afterwards, the first first
	made   making
	unfit  []workflows.FieldProblem // what the world outside says against a field of the form

	watched  [2][]string            // rules of watching that want more of the requester, and of the subject
	watchers []workflows.IdentityID // of these two, those that have such a rule on record

	counted bool // it takes the place of an ask that was counted
}

// ask gathers all that the decision may look at.
func (d *Desk) ask(ctx context.Context, p *Policy, v Version, c Submission) (*question, error) {
	w := v.Workflow
	now, err := d.now(ctx)
	if err != nil {
		return nil, err
	}
	off, err := d.absences(ctx)
	if err != nil {
		return nil, err
	}
	q := &question{desk: d, policy: p, v: v, c: c, review: workflows.ReviewID(d.ids.New("v_"))}
	q.ask = workflows.Ask{
		ID: workflows.RequestID(d.ids.New("r_")), By: c.By, Policy: v.Hash, Form: p.convert(w, c.Form, c.By.Person), Subject: c.Subject,
		Nonce: d.ids.Nonce(), Channel: c.Channel, Authn: c.Authn, Drill: c.Drill, Runbook: c.Runbook, Extends: c.Extends, NotBefore: c.NotBefore, About: c.About,
		Grant: workflows.GrantID(d.ids.New("g_")),
	}
	ask := &q.ask
	ask.Standing = d.standing(ctx, c.By)
	rule, may, err := d.mayAsk(ctx, p, w, c.By.Person)
	if err != nil {
		ask.Standing.Known = false // could not be asked, which is not the same as "no"
	}
	ask.Rule, ask.Standing.Selected = rule, may
	if c.Subject == "" {
		ask.Subject = c.By.Person.Identity()
	}
	q.ent, _ = w.Entitlement(c.Form.Target, c.Form.Entitlement)
	p.describeSubject(w.Kind, ask, q.ent)
	if w.Kind == workflows.KindRoutine && ask.Subject == "" {
		if ask.Subject, err = d.inInventory(ctx, c.Subject); err != nil {
			return nil, err
		}
	}
	taken, err := q.takenKeys(ctx)
	if err != nil {
		return nil, err
	}
	ask.Problems = append(p.strangers(w, ask.Form, now), taken...)
	if b, ok := p.Runbooks[c.Runbook]; ok && b.askedBy(w) {
		ask.Document = b.Runbook.Document
	}
	a := asked{requester: c.By.Person, subject: ask.Subject, owner: q.ent.Owner, backup: q.ent.Backup, now: now, off: off}
	a.behind = []workflows.PersonID{c.By.Person, ask.Subject.Person(), ask.Sponsor}
	if err := q.outside(ctx); err != nil {
		return nil, err
	}
	if err := q.life(ctx); err != nil {
		return nil, err
	}
	if x := w.Exception; x != nil && ask.Subject != "" && !ask.Subject.IsPerson() {
		s, err := d.identityState(ctx, ask.Subject)
		if err != nil {
			return nil, err
		}
		ask.Exception = s.RenewalOf(x.Control)
	}
	if err := q.watching(ctx, now); err != nil {
		return nil, err
	}
	if err := q.choose(ctx, now); err != nil {
		return nil, err
	}
	q.rosters(ctx, a)
	q.made = d.making(ctx, p, w, ask.Subject, c.By.Person)
	return q, q.open(ctx)
}

// open looks at the requester's open requests: how many, and whether one asks for the very same.
func (q *question) open(ctx context.Context) error {
	list, err := q.desk.ledger.List(ctx, workflows.ListMyOpen, string(q.c.By.Person), workflows.MaxOpenPerson+1)
	if err != nil {
		return err
	}
	q.ask.Open, q.ask.Sent = len(list), len(list)
	clean, _ := q.v.Workflow.CheckForm(q.ask.Form)
	for _, stream := range list {
		h, err := q.desk.ledger.History(ctx, stream)
		if err != nil {
			return err
		}
		s, err := workflows.Fold(h)
		if err != nil {
			return err
		}
		if s.Requester.Actor == workflows.SystemActor {
			q.ask.Sent--
		}
		if q.isTwin(s, clean) {
			q.ask.Twin = s.ID
		}
	}
	return nil
}

// isTwin tells whether an open request asks for the same, for the same holder, with the same form and for the same reason.
func (q *question) isTwin(s workflows.State, c workflows.Cleaned) bool {
	x := s.Asked
	return !s.Final() && x.Workflow == q.v.Workflow.ID && x.Subject == q.ask.Subject && x.Target == q.ent.Target && x.Entitlement == q.ent.ID &&
		x.Seconds == c.Seconds && x.Runbook == q.ask.Runbook && x.Document == q.ask.Document && x.Extends == q.ask.Extends &&
		x.NotBefore == q.ask.NotBefore && maps.Equal(x.Fields, c.Fields) && x.Reason == c.Reason && maps.Equal(x.Texts, c.Texts)
}

// choose evaluates the conditions of the workflow's rules, all of them: their answers are recorded.
func (q *question) choose(ctx context.Context, now workflows.Stamp) error {
	w := q.v.Workflow
	if len(w.Rules) == 0 {
		return nil
	}
	in, err := q.inputs(ctx, now)
	if err != nil {
		return err
	}
	text, err := in.JSON()
	if err != nil {
		q.desk.log.WarnContext(ctx, "inputs of conditions not recorded", "workflow", w.ID, "err", err)
		return nil // without answers the ask is refused
	}
	matched := make([]bool, len(w.Rules))
	for i, r := range w.Rules {
		if matched[i], err = q.policy.holds(r.When, in); err != nil {
			q.desk.log.WarnContext(ctx, "condition not evaluated", "workflow", w.ID, "rule", r.Name, "err", err)
			return nil
		}
	}
	q.ask.Matched, q.ask.Inputs = matched, text
	if c, no := w.Pick(matched, q.ask.Form.Seconds); no == nil {
		q.rule = c.Rule
	}
	return nil
}

// holds evaluates one condition. Where none can be evaluated, only the empty one holds.
func (p *Policy) holds(when string, in workflows.Inputs) (bool, error) {
	switch {
	case when == "":
		return true, nil
	case p.Conditions == nil:
		return false, errNoConditions
	}
	return p.Conditions.Eval(when, in)
}

// rosters asks who approves, on the way that the chosen rule sends the ask.
func (q *question) rosters(ctx context.Context, a asked) {
	w := q.v.Workflow
	if c, no := w.Pick(q.ask.Matched, q.ask.Form.Seconds); no == nil {
		q.ask.Rosters = q.desk.rosters(ctx, q.policy, w.Planned(w.Watchful(w.Raised(c, q.ask.Exception.Times), q.ask.Watched).Stages), a)
	}
	if w.Tell != nil {
		told, err := q.desk.resolve(ctx, q.policy, *w.Tell, a)
		if err != nil {
			q.desk.log.WarnContext(ctx, "who is told not resolved", "workflow", w.ID, "err", err) // nothing is decided by it
		}
		q.ask.Rosters.Told = peopleOf(told)
	}
	if q.rule == nil || q.rule.Auto == nil {
		return
	}
	q.owners = q.auditors(ctx)
}

// auditors are who looks at a sample of automatic approvals: the owner of the chain, else the target's owners, else security; never anybody who
// stands behind the ask.
func (q *question) auditors(ctx context.Context) []workflows.PersonID {
	list := append([]workflows.PersonID{q.v.Workflow.Owner, q.ent.Owner, q.ent.Backup}, q.desk.roleHolders(ctx, q.policy, RoleSecurity)...)
	var out []workflows.PersonID
	for _, p := range list {
		if p != "" && p != q.c.By.Person && p != q.ask.Subject.Person() && p != q.ask.Sponsor && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// describeSubject adds what the inventory knows about the holder. A non-human identity that is not in it is emptied, which
// refuses (R71); so is one past its expiry, when the decision is taken and the time is known.
func (p *Policy) describeSubject(kind workflows.RequestKind, ask *workflows.Ask, ent workflows.Entitlement) {
	if who := ask.Subject.Person(); who != "" {
		x, listed := p.People[who]
		if !listed && who != ask.By.Person {
			ask.Subject = ""
		}
		ask.Principal, ask.Account = principalPerson, x.Accounts[ent.Target]
		ask.Report = listed && x.Manager == ask.By.Person && ask.By.Person != ""
		return
	}
	id, ok := p.knownAs(kind, ask.Subject)
	if !ok {
		ask.Subject = ""
		return
	}
	ask.Across = id.Environment != "" && ent.Environment != "" && id.Environment != ent.Environment
	if workflows.IsKey(id.Class) && id.Stored != identities.StoredNone && !slices.Contains(id.Waived, workflows.ControlRotation) && !slices.Contains(id.Waived, workflows.ControlExpiry) {
		ask.Key = id.Class
	}
	ask.Principal, ask.Sponsor, ask.Account = id.Class, id.Owner, id.Accounts[ent.Target]
	inTeam := slices.Contains(id.Team, ask.By.Person)
	ask.Owned = (inTeam || slices.Contains([]workflows.PersonID{id.Owner, id.Backup}, ask.By.Person)) && ask.By.Person != ""
	if id.Owner == "" && inTeam {
		ask.Sponsor = ask.By.Person // of a team, whoever asks answers for it
	}
}

const principalPerson = "person"

// strangers finds fields that name a target or an identity which the documents do not have.
func (p *Policy) strangers(w *workflows.Workflow, form workflows.Form, now workflows.Stamp) []workflows.FieldProblem {
	var out []workflows.FieldProblem
	for _, f := range w.Fields {
		v := form.Values[f.Name]
		switch {
		case v == "":
		case f.Type == workflows.FieldTarget:
			if !p.hasTarget(workflows.TargetID(v)) {
				out = append(out, workflows.FieldProblem{Field: f.Name, Text: "There is no such target."})
			}
		case f.Type == workflows.FieldPerson:
			if _, ok := p.People[workflows.PersonID(v)]; !ok {
				out = append(out, workflows.FieldProblem{Field: f.Name, Text: "Nobody of the people file is called that: type a key or an e-mail address of it."})
			}
		case f.Type == workflows.FieldIdentity:
			if _, ok := p.identity(workflows.IdentityID(v), now); !ok {
				out = append(out, workflows.FieldProblem{Field: f.Name, Text: "There is no such identity in the inventory, or it has expired there."})
			}
		}
	}
	return out
}

func (p *Policy) hasTarget(id workflows.TargetID) bool {
	if _, ok := p.Targets[id]; ok {
		return true
	}
	for _, v := range p.Workflows {
		if slices.ContainsFunc(v.Workflow.Entitlements, func(e workflows.Entitlement) bool { return e.Target == id }) {
			return true
		}
	}
	return false
}

// convert reads moments that somebody typed on their own clock. What cannot be read stays as it is: the form's check says so.
func (p *Policy) convert(w *workflows.Workflow, form workflows.Form, who workflows.PersonID) workflows.Form {
	values := maps.Clone(form.Values)
	for _, f := range w.Fields {
		if p, ok := p.personOf(values[f.Name]); ok && f.Type == workflows.FieldPerson {
			values[f.Name] = string(p)
		}
		if at, ok := p.Moment(values[f.Name], who); ok && f.Type == workflows.FieldDateTime {
			values[f.Name] = at.String()
		}
	}
	form.Values = values
	return form
}

// Moment reads a moment as people type it: RFC 3339, or "2026-11-22 15:04" on the person's own clock, UTC where nobody knows it. A time that
// their clock shows twice is the first, one that it leaves out the first after the gap.
func (p *Policy) Moment(text string, who workflows.PersonID) (workflows.Stamp, bool) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return workflows.StampOf(t), true
	}
	day, clock, ok := strings.Cut(text, " ")
	date, errDate := calendar.ParseDate(day)
	at, errClock := calendar.ParseClock(strings.TrimSpace(clock))
	if !ok || errDate != nil || errClock != nil {
		return 0, false
	}
	return calendar.First(date, at, p.zone(who)), true
}

func (p *Policy) zone(who workflows.PersonID) *time.Location {
	if loc, err := time.LoadLocation(p.People[who].Zone); err == nil {
		return loc
	}
	return time.UTC
}

// inputs are what the conditions see: ids and words of the files.
func (q *question) inputs(ctx context.Context, now workflows.Stamp) (workflows.Inputs, error) {
	p, w, by := q.policy, q.v.Workflow, q.c.By.Person
	x := p.People[by]
	in := workflows.Inputs{
		Requester: workflows.InputPerson{ID: by, Groups: p.groupsOf(by), Zone: x.Zone, Manager: x.Manager, Kind: principalPerson, Watched: q.watched[0]},
		Subject:   workflows.InputSubject{ID: q.ask.Subject, Kind: q.ask.Principal, Self: q.ask.Subject == by.Identity(), Watched: q.watched[1]},
		Target: workflows.InputTarget{
			ID: q.ent.Target, Environment: q.ent.Environment, DataClass: q.ent.DataClass, Owner: q.ent.Owner,
		},
		Entitlement: workflows.InputEntitlement{ID: q.ent.ID, Action: q.ent.Action, Breadth: q.ent.Breadth},
		Seconds:     q.ask.Form.Seconds, Now: now, Channel: q.c.Channel, Network: q.c.Network,
	}
	if id, ok := p.knownAs(w.Kind, q.ask.Subject); ok {
		in.Subject.Owner, in.Subject.Environment = id.Owner, id.Environment
		if !q.ask.Subject.IsPerson() {
			in.Subject.ManagedBy, in.Subject.Strength = cmp.Or(id.ManagedBy, identities.ManagedInternal), workflows.StrengthOf(id.Class, id.Stored)
			in.Subject.Findings, in.Subject.Across = id.Findings, q.ask.Across
		}
	}
	if tier, _, ok := w.TierOf(q.ent, q.ask.Principal); ok {
		in.Tier = tier.Name
		in.Risk = slices.IndexFunc(w.Risk.Tiers, func(t workflows.Tier) bool { return t.Name == tier.Name })
	}
	clean, _ := w.CheckForm(q.ask.Form)
	for _, f := range w.Fields {
		v := clean.Fields[f.Name]
		if v == "" {
			continue
		}
		if in.Fields == nil {
			in.Fields = map[string]workflows.InputField{}
		}
		in.Fields[f.Name] = workflows.InputField{Type: f.Type, Value: v}
		if f.Type == workflows.FieldChoice && f.Name == "severity" {
			in.Severity = v
		}
	}
	p.clock(&in, w, by, now)
	if q.c.Extends == "" {
		return in, nil
	}
	h, err := q.desk.ledger.History(ctx, workflows.GrantStream(q.ask.Subject, q.ent.Target, q.ent.ID))
	if err != nil {
		return in, err
	}
	g, err := grants.Fold(h)
	in.Renewals = rowOf(g, q.c.Extends).Renewals
	return in, err
}

// clock is what the workflow's calendar, or else the requester's clock, shows.
func (p *Policy) clock(in *workflows.Inputs, w *workflows.Workflow, by workflows.PersonID, now workflows.Stamp) {
	zone := p.zone(by)
	if c, ok := p.Calendars[w.Calendar]; ok {
		zone, in.Business = c.Hours().Zone(), c.IsOpen(now)
		for _, f := range c.Freezes(now) {
			if f.Has(now) && in.Freeze == "" {
				in.Freeze = f.Name
			}
		}
	}
	at := now.Time().In(zone)
	in.Day, in.Hour = at.Weekday().String(), at.Hour()
}

func (p *Policy) groupsOf(who workflows.PersonID) []string {
	var out []string
	for name, members := range p.Groups {
		if slices.Contains(members, who) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
