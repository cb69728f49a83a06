package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// Preview is what would become of an ask, if it were submitted now. Nothing of it is recorded.
type Preview struct {
	Refusal     *workflows.Refusal
	Problems    []workflows.FieldProblem // with these the rest is said as if the form were filled in well
	Rule        string                   // that chose the stages; empty where the chain has no rules
	Tier        string                   // of the risk table
	StepUp      bool                     // approving takes more than a click
	Auto        bool                     // approved without people
	Plan        []PreviewStage
	Decision    workflows.Stamp // expected; zero: nobody can tell
	Explanation workflows.Explanation
}

// PreviewStage is one stage that an ask would go through.
type PreviewStage struct {
	Name     string
	Quorum   int
	Seats    []workflows.Seat // who would be asked first, without who stands behind the ask
	Tiers    [][]workflows.Seat
	Forecast calendar.Forecast // as of when the stage would open
}

// Preview says what would become of an ask: who is asked, who of them is awake, when a decision can be expected.
func (d *Desk) Preview(ctx context.Context, c Submission) (Preview, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	policy := d.Policy()
	v, ok := policy.Workflows[c.Workflow]
	if !ok {
		return Preview{Refusal: noWorkflow()}, nil
	}
	v = policy.formed(v, c.Runbook)
	c.Form.Typed = string(c.Form.Target) // who would be asked is the same before it is typed
	q, err := d.ask(ctx, policy, v, c)
	if err != nil {
		return Preview{}, err
	}
	f, err := d.facts(ctx, q.streams())
	if err != nil {
		return Preview{}, err
	}
	ask, err := q.within(f)
	if err != nil {
		return Preview{}, err
	}
	out, err := v.Workflow.Submit(f, ask)
	if err != nil {
		return Preview{}, err
	}
	off, err := d.absences(ctx)
	if err != nil {
		return Preview{}, err
	}
	p, err := q.preview(ctx, f, ask, out, off)
	if err != nil || len(p.Problems) == 0 {
		return p, err
	}
	// A form that is only just open has no reason and no ticket yet, and whoever fills it in wants to know all the same.
	rough, blank := *v.Workflow, ask
	rough.Fields, rough.EndsWith, rough.ReasonMin = nil, "", 0
	blank.Form.Values, blank.Form.Reason, blank.Problems = nil, "-", nil
	if out, err = rough.Submit(f, blank); err != nil || out.Refusal != nil {
		return p, err
	}
	full, err := q.preview(ctx, f, blank, out, off)
	full.Refusal, full.Problems = p.Refusal, p.Problems
	return full, err
}

// facts reads what a decision would see, without deciding.
func (d *Desk) facts(ctx context.Context, streams []workflows.StreamID) (workflows.Facts, error) {
	f := workflows.Facts{Histories: map[workflows.StreamID][]workflows.Record{}}
	_, err := d.ledger.Update(ctx, "", nil, func(now workflows.Facts) (workflows.Outcome, error) {
		f.Now = now.Now
		return workflows.Outcome{}, nil
	})
	for _, s := range streams {
		h, e := d.ledger.History(ctx, s)
		f.Histories[s], err = h, errors.Join(err, e)
	}
	return f, err
}

func (q *question) preview(ctx context.Context, f workflows.Facts, ask workflows.Ask, out workflows.Outcome, off absences) (Preview, error) {
	p := Preview{Refusal: out.Refusal}
	if p.Refusal != nil {
		if p.Refusal.Code == workflows.CodeBadField {
			_, p.Problems = q.v.Workflow.CheckForm(ask.Form)
			p.Problems = append(p.Problems, ask.Problems...)
		}
		p.Explanation = workflows.Explanation{Name: q.v.Workflow.Title, Status: "denied", Sentence: p.Refusal.Error()}
		return p, nil
	}
	s, err := workflows.Fold(f.Provisional(out.Events)[workflows.RequestStream(ask.ID)])
	if err != nil {
		return p, err
	}
	p.Rule, p.Tier, p.StepUp, p.Auto = s.Asked.Chosen, s.Asked.Risk, s.Asked.StepUp, s.Status == workflows.StatusApproved
	at := f.Now.UTC
	behind := []workflows.PersonID{q.c.By.Person, ask.Subject.Person(), ask.Sponsor}
	for i, st := range s.Asked.Plan {
		x := PreviewStage{Name: st.Name, Quorum: st.Quorum, Seats: without(ask.Rosters.Stages[i].Approvers, behind)}
		for _, t := range slices.Concat([][]workflows.Seat{ask.Rosters.Stages[i].Escalate}, ask.Rosters.Stages[i].Then) {
			x.Tiers = append(x.Tiers, without(t, behind))
		}
		if x.Forecast, err = off.forecast(q.policy, x.Seats, st.Quorum, max(at, f.Now.UTC)); err != nil {
			return p, err
		}
		if at != 0 {
			at = x.Forecast.Reached
		}
		p.Plan = append(p.Plan, x)
	}
	p.Decision = at
	p.Explanation = p.explain(ctx, q.desk, q.v.Workflow, f.Now.UTC)
	return p, nil
}

func without(seats []workflows.Seat, people []workflows.PersonID) []workflows.Seat {
	return slices.DeleteFunc(slices.Clone(seats), func(s workflows.Seat) bool {
		return slices.Contains(people, s.Person) || s.For != "" && slices.Contains(people, s.For)
	})
}

// forecastDays is how far a forecast looks ahead: over a long weekend and the next week.
const forecastDays = 14

// forecast is who of some seats can be reached and when. Somebody in another's place is one person; hours that nobody wrote down are not known.
func (o absences) forecast(p *Policy, seats []workflows.Seat, quorum int, now workflows.Stamp) (calendar.Forecast, error) {
	team := calendar.Team{Quorum: quorum}
	for _, s := range seats {
		if !slices.ContainsFunc(team.Members, func(m calendar.Member) bool { return m.Person == s.Person }) {
			team.Members = append(team.Members, calendar.Member{Person: s.Person, Hours: o.hours(p, s.Person, now)})
		}
	}
	return team.Forecast(now, forecastDays)
}

func (p Preview) beyondClicks() string {
	if p.StepUp {
		return " Approving takes more than a click: a login on the page of the request, a printed code, or the bot's host."
	}
	return ""
}

func (p Preview) explain(ctx context.Context, d *Desk, w *workflows.Workflow, now workflows.Stamp) workflows.Explanation {
	e := workflows.Explanation{Name: w.Title, Status: "pending"}
	rule := ""
	if p.Rule != "" {
		rule = fmt.Sprintf(" by rule %q", p.Rule)
	}
	stages := fmt.Sprintf("%d stages", len(p.Plan))
	if len(p.Plan) == 1 {
		stages = "1 stage"
	}
	switch {
	case p.Auto:
		e.Status, e.Sentence = "approved", "Approved at once"+rule+", without asking anybody."
	case p.Decision == 0:
		e.Sentence = fmt.Sprintf("Goes through %s%s. When it will be decided cannot be told: too few working hours are known.", stages, rule)
	default:
		e.Sentence = fmt.Sprintf("Goes through %s%s. A decision can be expected in %s.", stages, rule, calendar.In(p.Decision.Sub(now)))
	}
	if p.Tier != "" {
		e.Children = append(e.Children, workflows.Explanation{Name: "risk", Status: "approved", Sentence: "Tier " + p.Tier + "." + p.beyondClicks()})
	}
	for _, st := range p.Plan {
		x := st.explain(ctx, d, now)
		for i := range w.Stages {
			if w.Stages[i].Name == st.Name {
				x.Children = append(d.oldWords(d.Policy(), &w.Stages[i], slices.Concat(append(st.Tiers, st.Seats)...), now), x.Children...)
			}
		}
		e.Children = append(e.Children, x)
	}
	return e
}

// explain says how a stage stands when it opens; moments are told from now, when somebody reads it.
func (st PreviewStage) explain(ctx context.Context, d *Desk, now workflows.Stamp) workflows.Explanation {
	e := workflows.Explanation{Name: st.Name, Status: "pending", Sentence: fmt.Sprintf("Needs %d of %d; %s awake now.", st.Quorum, heads(st.Seats), are(st.Forecast.Awake))}
	if st.Forecast.Now > now {
		e.Sentence = fmt.Sprintf("Needs %d of %d; would open in %s, when %s awake.", st.Quorum, heads(st.Seats), calendar.In(st.Forecast.Now.Sub(now)), are(st.Forecast.Awake))
	}
	for _, s := range st.Seats {
		e.Children = append(e.Children, seatWords(ctx, d, s, st.Forecast, now))
	}
	for i, t := range st.Tiers {
		var names []string
		for _, s := range t {
			names = append(names, d.Name(ctx, s.Person))
		}
		if len(names) > 0 {
			e.Children = append(e.Children, workflows.Explanation{Name: fmt.Sprintf("escalation %d", i+1), Status: "skipped", Sentence: "Then " + strings.Join(names, ", ") + "."})
		}
	}
	return e
}

// seatWords is one person as an explanation shows them: why they are asked, and where they stand.
func seatWords(ctx context.Context, d *Desk, s workflows.Seat, f calendar.Forecast, now workflows.Stamp) workflows.Explanation {
	e := workflows.Explanation{Name: d.Name(ctx, s.Person), Status: "pending", Sentence: s.Words()}
	if s.For != "" {
		e.Sentence = "in the place of " + d.Name(ctx, s.For) + ", " + e.Sentence
	}
	for _, p := range f.Order {
		if p.Person != s.Person {
			continue
		}
		e.Sentence += "; " + p.Words(now)
		if p.Awake {
			e.Status = "approved"
		}
	}
	if s.Away {
		e.Status, e.Sentence = "skipped", e.Sentence+"; on time off"
	}
	return e
}

// Forecast is who could decide the open stage of a request, who of them is awake, and when enough will have been. It is empty where no stage
// is open.
func (d *Desk) Forecast(ctx context.Context, v View) (calendar.Forecast, error) {
	st := v.State.Open()
	if st == nil {
		return calendar.Forecast{}, nil
	}
	now, err := d.now(ctx)
	if err != nil {
		return calendar.Forecast{}, err
	}
	off, err := d.absences(ctx)
	if err != nil {
		return calendar.Forecast{}, err
	}
	can := v.State.CanVote()
	seats := slices.DeleteFunc(slices.Clone(st.Roster), func(s workflows.Seat) bool { return !slices.Contains(can, s.Person) })
	return off.forecast(d.Policy(), seats, st.Missing(), now)
}

// Question is "who could approve this then?", about an open request or about an ask that nobody made yet.
type Question struct {
	By        workflows.PersonID // who wants to know; empty: the operator
	Request   workflows.RequestID
	Workflow  workflows.WorkflowID // without a request
	Form      workflows.Form
	Subject   workflows.IdentityID // empty: the requester
	Requester workflows.PersonID
	At        workflows.Stamp      // zero: now
	Without   []workflows.PersonID // who is taken to be away
}

// WhoCould answers it as a tree: the stages that are left, whom each would ask then, and who of them is awake. A request that the asker may not
// see and one that does not exist are the same Refusal.
func (d *Desk) WhoCould(ctx context.Context, c Question) (workflows.Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	w, from, a, err := d.subjectOf(ctx, c)
	if err != nil {
		return workflows.Explanation{}, err
	}
	if a.off, err = d.absences(ctx); err != nil {
		return workflows.Explanation{}, err
	}
	if a.now = c.At; a.now == 0 {
		if a.now, err = d.now(ctx); err != nil {
			return workflows.Explanation{}, err
		}
	}
	policy := d.Policy()
	e := workflows.Explanation{Name: w.Title, Status: "approved", Sentence: "Enough of every stage are awake at " + a.now.Time().Format("Mon 2006-01-02 15:04 UTC") + "."}
	for i := from; i < len(w.Stages); i++ {
		st, err := d.whoCould(ctx, policy, &w.Stages[i], a, c.Without)
		if err != nil {
			return e, err
		}
		if st.Status != "approved" && e.Status == "approved" {
			e.Status, e.Sentence = st.Status, "Stage "+st.Name+": "+st.Sentence
		}
		e.Children = append(e.Children, st)
	}
	return e, nil
}

// subjectOf finds the stages that a question is about, the first that counts, and what their selectors refer to.
func (d *Desk) subjectOf(ctx context.Context, c Question) (*workflows.Workflow, int, asked, error) {
	if c.Request != "" {
		v, err := d.Look(ctx, c.Request)
		if err != nil || c.By != "" && !d.maySee(ctx, c.By, v) {
			if err == nil || errors.Is(err, workflows.ErrNoStream) {
				err = workflows.Unknown()
			}
			return nil, 0, asked{}, err
		}
		a, err := d.askedOf(ctx, v.Workflow, v.State)
		return v.Workflow, v.State.Current, a, err
	}
	policy := d.Policy()
	v, ok := policy.Workflows[c.Workflow]
	if !ok {
		return nil, 0, asked{}, noWorkflow()
	}
	q, err := d.ask(ctx, policy, v, Submission{By: workflows.Acting{Person: c.Requester}, Workflow: c.Workflow, Form: c.Form, Subject: c.Subject})
	if err != nil {
		return nil, 0, asked{}, err
	}
	choice, no := v.Workflow.Pick(q.ask.Matched, c.Form.Seconds)
	if no != nil {
		return nil, 0, asked{}, no
	}
	a := asked{requester: c.Requester, subject: q.ask.Subject, owner: q.ent.Owner, backup: q.ent.Backup}
	a.behind = []workflows.PersonID{c.Requester, q.ask.Subject.Person(), q.ask.Sponsor}
	return v.Workflow.Planned(v.Workflow.Watchful(choice, q.ask.Watched).Stages), 0, a, nil
}

// heads counts people, not seats: somebody may be asked twice, and in the place of somebody else.
func heads(seats []workflows.Seat) int {
	n := 0
	for i, s := range seats {
		if !slices.ContainsFunc(seats[:i], func(o workflows.Seat) bool { return o.Person == s.Person }) {
			n++
		}
	}
	return n
}

func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}

func (d *Desk) whoCould(ctx context.Context, p *Policy, st *workflows.Stage, a asked, gone []workflows.PersonID) (workflows.Explanation, error) {
	r, err := d.stageRoster(ctx, p, st, a)
	if err != nil {
		return workflows.Explanation{}, err
	}
	e := workflows.Explanation{Name: st.Name}
	var awake, could, asked []workflows.Seat
	for k, tier := range slices.Concat([][]workflows.Seat{r.Approvers, r.Escalate}, r.Then) {
		seats := slices.DeleteFunc(without(tier, a.behind), func(s workflows.Seat) bool {
			return slices.ContainsFunc(asked, func(o workflows.Seat) bool { return o.Person == s.Person && o.For == s.For })
		})
		asked = append(asked, seats...)
		f, err := a.off.forecast(p, seats, st.Quorum, a.now)
		if err != nil {
			return e, err
		}
		for _, s := range seats {
			s.Away = s.Away || slices.Contains(gone, s.Person)
			x := seatWords(ctx, d, s, f, a.now)
			if k > 0 {
				x.Sentence = fmt.Sprintf("by escalation %d: %s", k, x.Sentence)
			}
			if !s.Away {
				could = append(could, s)
			}
			if x.Status == "approved" {
				awake = append(awake, s)
			}
			e.Children = append(e.Children, x)
		}
	}
	e.Children = append(d.oldWords(p, st, asked, a.now), e.Children...)
	switch now, all := st.Enough(awake), st.Enough(could); {
	case now:
		e.Status, e.Sentence = "approved", fmt.Sprintf("It needs %d; %s awake.", st.Quorum, are(heads(awake)))
	case all:
		e.Status, e.Sentence = "pending", fmt.Sprintf("It needs %d; %s awake, %d could decide.", st.Quorum, are(heads(awake)), heads(could))
	case len(st.Parts) > 0:
		e.Status, e.Sentence = "denied", fmt.Sprintf("It needs %d from its groups, and the %d who could decide do not fill them.", st.Quorum, heads(could))
	default:
		e.Status, e.Sentence = "denied", fmt.Sprintf("It needs %d and only %d could decide.", st.Quorum, heads(could))
	}
	return e, nil
}
