package desk

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// TierBreakGlass is the tier of an Invocation that goes around a condition that fails, for rooms that do not see incidents.
const TierBreakGlass = incidents.TierBreakGlass

// Invocation is somebody breaking the glass.
type Invocation struct {
	Cause    Cause
	By       workflows.Acting
	Runbook  workflows.RunbookID
	Incident string
	Reason   string
	Values   map[string]string
	Payload  string
	Authn    string
	Channel  string
	Drill    bool
	Tier     string             // incidents.TierBreakGlass: around a condition that fails; else every condition must hold
	Executor workflows.PersonID // who holds the access and carries the steps out; empty: who invokes
}

// Invoked is what became of it.
type Invoked struct {
	Refusal  *workflows.Refusal
	Grant    workflows.GrantID
	Review   workflows.ReviewID
	Run      workflows.RunID
	EndsAt   workflows.Stamp
	Tier     string
	Proposal string   // not done yet: a second listed person has to agree to it
	Needed   []string // why
}

// Invoke grants at once what a pre-approved runbook says, tells everybody whose approval was skipped, and opens the
// review and the run, in one transaction. Where a second person is needed it records that and asks the others of its lists.
func (d *Desk) Invoke(ctx context.Context, c Invocation) (Invoked, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return again(func() (Invoked, error) { return d.invoke(ctx, c) })
}

func (d *Desk) invoke(ctx context.Context, c Invocation) (Invoked, error) {
	policy := d.Policy()
	c.Reason = cleaned(c.Reason)
	book, ok := policy.Runbooks[c.Runbook]
	if !ok {
		r := workflows.Refuse(workflows.CodeUnknown, "There is no such runbook.", "Type `/breakglass` to see the list.")
		res, err := d.refuse(ctx, c.Cause, c.By, "break glass", c.Channel, string(c.Runbook), "", r)
		return invoked(res), err
	}
	use, err := d.invocation(ctx, policy, book, c)
	if err != nil {
		return Invoked{}, err
	}
	if no := policy.refuseHanding(book.Runbook, use.in.Holder()); no != nil {
		res, err := d.refuse(ctx, c.Cause, c.By, "break glass", c.Channel, string(c.Runbook), book.Hash, no)
		return invoked(res), err
	}
	return d.breakGlass(ctx, policy, c.Cause, use)
}

// use is an invocation with what its effects need beside the decision.
type use struct {
	in      incidents.Invocation
	book    Book
	others  []workflows.PersonID // reviewers beside the owner
	holder  string               // display name, for the target's own logs
	alarm   string
	run     workflows.RunID // that is gone on with; empty: a new one
	uses    int             // of the runbook, when the world was asked
	reviews []workflows.StreamID
	page    func(workflows.Facts, *workflows.Outcome) // opens the escalation; nil: no path is walked
}

func (u use) streams() []workflows.StreamID {
	out := []workflows.StreamID{workflows.RunbookStream(u.in.Book.ID), workflows.ReviewStream(u.in.Review), workflows.RunStream(u.in.Run)}
	if u.in.Book.Grant.Target != "" {
		out = append(out, u.grantStream())
	}
	for _, st := range u.in.Book.Steps {
		if st.Action == incidents.ActGrant {
			out = append(out, workflows.GrantStream(u.in.Holder().Identity(), st.Does.Target, st.Does.ID))
		}
	}
	if u.page != nil {
		out = append(out, escalations.Stream(u.in.Escalation))
	}
	out = append(out, u.reviews...)
	slices.Sort(out)
	return slices.Compact(out)
}

func (u use) grantStream() workflows.StreamID {
	return workflows.GrantStream(u.in.Holder().Identity(), u.in.Book.Grant.Target, u.in.Book.Grant.ID)
}

func (d *Desk) breakGlass(ctx context.Context, policy *Policy, cause Cause, u use) (Invoked, error) {
	res, err := d.under(ctx, policy, cause, u.streams(), func(f workflows.Facts) (workflows.Outcome, error) {
		in := u.in
		s, err := incidents.Fold(f.Histories[workflows.RunbookStream(in.Book.ID)])
		if err != nil {
			return workflows.Outcome{}, err
		}
		if len(s.Uses) != u.uses {
			return workflows.Outcome{}, workflows.ErrAskAgain // somebody used it meanwhile: there is a review and a run that we do not know of
		}
		if in.Situation.Reviews, err = reviewFacts(f, u.reviews); err != nil {
			return workflows.Outcome{}, err
		}
		out, err := incidents.Invoke(f, in)
		if err != nil || out.Refusal != nil {
			return out, err
		}
		if e, ok := out.Events[0].Event.(incidents.Invoked); ok {
			u.in = in
			return out, d.effectsOf(f, policy, &out, u, e)
		}
		return out, nil
	})
	return invoked(res), err
}

// invoked reads the answer from what is recorded, which may have been recorded when the same call came first.
func invoked(res Result) Invoked {
	out := Invoked{Refusal: res.Refusal}
	for _, r := range res.Records {
		switch e := r.Event.(type) {
		case incidents.Invoked:
			out.Grant, out.Review, out.EndsAt, out.Run, out.Tier = e.Grant, e.Review, e.EndsAt, e.Run, e.Tier
		case incidents.Proposed:
			out.Proposal, out.Needed, out.EndsAt, out.Tier = e.Proposal, e.Needed, e.Until, e.Tier
		}
	}
	return out
}

// effectsOf adds what an invocation brings about, and what a step that begins by itself does.
func (d *Desk) effectsOf(f workflows.Facts, p *Policy, out *workflows.Outcome, u use, e incidents.Invoked) error {
	if err := u.effects(f, out, e); err != nil {
		return err
	}
	s, err := runs.Fold(f.Provisional(out.Events)[workflows.RunStream(e.Run)])
	if err != nil {
		return err
	}
	return runEffects(f, p, out, s, u.holder)
}

// effects adds the access, the review and the run.
func (u use) effects(f workflows.Facts, out *workflows.Outcome, e incidents.Invoked) error {
	in, b := u.in, u.in.Book
	if b.Grant.Target != "" {
		end := f.Now.Add(e.EndsAt.Sub(f.Now.UTC))
		out.Add(u.grantStream(), workflows.System, in.Policy, grants.Approved{
			Grant: in.Grant, Runbook: b.ID, Incident: in.Incident, Identity: in.Holder().Identity(), Requester: in.By.Person,
			Owner: b.Grant.Owner, Target: b.Grant.Target, TargetTitle: b.Grant.TargetTitle, Entitlement: b.Grant.ID, Title: b.Grant.Title,
			Connector: b.Grant.Connector, Params: b.Grant.Params, Fields: values(b.Fields, in), Account: in.Account, Holder: u.holder,
			Shared: b.Grant.Shared, Brokered: b.Grant.Brokered, EndsAt: end.UTC, EndsMono: end.Mono, Alarm: u.alarm, Drill: in.Drill,
		})
	}
	u.review(f, out, e)
	if u.page != nil {
		u.page(f, out)
	}
	return u.begin(f, out, e)
}

// review opens the review, or adds the use to the one that is open in the same incident.
func (u use) review(f workflows.Facts, out *workflows.Outcome, e incidents.Invoked) {
	in, b := u.in, u.in.Book
	about, first := string(workflows.RunbookStream(b.ID)), 1
	if e.Joined {
		if s, err := reviews.Fold(f.Histories[workflows.ReviewStream(e.Review)]); err == nil {
			first = len(s.Tasks) + 1
		}
		out.Add(workflows.ReviewStream(e.Review), workflows.System, in.Policy, reviews.Joined{
			About: about, Grant: in.Grant, Run: e.Run, Invoker: in.By.Person, Executor: e.Executor, Document: b.Document, Tasks: tasks(in, f.Now.UTC, first),
		})
		return
	}
	out.Add(workflows.ReviewStream(e.Review), workflows.System, in.Policy, reviews.Opened{
		About: about, Incident: in.Incident, Grant: in.Grant, Invoker: in.By.Person, Executor: e.Executor, Run: e.Run,
		Owner: in.Owner, Others: u.others, DueAt: f.Now.UTC.Add(in.ReviewDue().Duration()), Document: b.Document, Drill: in.Drill,
		Tasks: tasks(in, f.Now.UTC, first), Alarm: u.alarm,
	})
}

// tasks are the credentials to rotate after a use. A drill exposes none.
func tasks(in incidents.Invocation, now workflows.Stamp, first int) []reviews.Task {
	if in.Drill {
		return nil
	}
	var out []reviews.Task
	for i, x := range in.Book.Exposed {
		out = append(out, reviews.Task{ID: strconv.Itoa(first + i), What: "rotate " + x.What, Owner: x.Owner, DueAt: now.Add(x.Within.Duration()), Identity: x.Identity})
	}
	return out
}

// begin opens the run, or goes on with the one of the same text in the same incident.
func (u use) begin(f workflows.Facts, out *workflows.Outcome, e incidents.Invoked) error {
	in, b := u.in, u.in.Book
	if u.run != "" {
		return runs.Renew(f, u.run, in.By, in.Policy, runs.Renewed{Grant: in.Grant, Invoker: in.By.Person, Executor: in.Holder(), EndsAt: e.EndsAt}, out)
	}
	mode := runs.KindIncident
	if in.Drill {
		mode = runs.KindDrill
	}
	return runs.Open(f, in.Run, in.By, in.Policy, runs.Opened{
		Runbook: b.ID, Document: b.Document, Mode: mode, Incident: in.Incident, Grant: in.Grant, Review: e.Review,
		Invoker: in.By.Person, Executor: in.Holder(), Fields: in.Clean, Texts: in.Texts, Steps: b.Plan(u.book.Text), Apart: b.Apart,
		Channel: cmp.Or(in.Situation.Incident.Channel, b.Notify), EndsAt: e.EndsAt, Alarm: u.alarm, OnFail: b.OnFailure,
	}, out)
}

func values(fields []workflows.Field, in incidents.Invocation) map[string]string {
	out := map[string]string{}
	for _, f := range fields {
		if v := in.Clean[f.Name]; v != "" {
			out[f.Name] = v
		}
	}
	return out
}

// invocation gathers all that the decision may look at, and what its effects need.
func (d *Desk) invocation(ctx context.Context, p *Policy, book Book, c Invocation) (use, error) {
	b := book.Runbook
	in := incidents.Invocation{
		By: c.By, Standing: d.standing(ctx, c.By), Book: b, Policy: book.Hash, Incident: c.Incident, Reason: c.Reason,
		Grant: workflows.GrantID(d.ids.New("g_")), Review: workflows.ReviewID(d.ids.New("v_")), Run: workflows.RunID(d.ids.New("u_")),
		Payload: c.Payload, Authn: c.Authn, Channel: c.Channel, Drill: c.Drill, Tier: c.Tier, Values: c.Values, Proposal: d.ids.New("x_"),
	}
	in.Situation = d.situation(ctx, p, b, c)
	in.Account, in.NoLaterThan = p.People[in.Holder()].Accounts[b.Grant.Target], p.People[in.Holder()].ContractEnds
	form := workflows.Workflow{Kind: workflows.KindPreapprove, Fields: b.Fields, Longest: 60, ReasonMin: 1}
	cleaned, bad := form.CheckForm(workflows.Form{Seconds: 60, Reason: "-", Values: c.Values})
	in.Clean, in.Texts, in.Fields = cleaned.Fields, cleaned.Texts, bad
	a := asked{requester: c.By.Person, subject: c.By.Person.Identity(), owner: b.Grant.Owner, backup: b.Grant.Backup}
	selected, err := d.among(ctx, p, b.Invokers, a, c.By.Person)
	if err != nil {
		d.log.WarnContext(ctx, "invokers not resolved", "runbook", b.ID, "err", err)
		in.Standing.Known = false
	}
	in.Standing.Selected = selected
	others := d.reviewersOf(ctx, p, b, a, &in)
	in.Skipped = d.skipped(ctx, p, b.Skips, a)
	u := use{in: in, book: book, others: others, holder: d.directory.Name(ctx, in.Holder()), alarm: p.Settings.SecurityChannel}
	u.page, u.in.Escalation = d.pageOf(ctx, p, u)
	if u.reviews, err = d.reviewStreams(ctx, c.By.Person); err != nil {
		return u, err
	}
	if u.run, err = d.openRun(ctx, b, c.Incident, c.Drill); err != nil {
		return u, err
	}
	if u.run != "" {
		u.in.Run = u.run
	}
	h, err := d.ledger.History(ctx, workflows.RunbookStream(b.ID))
	if err != nil {
		return u, err
	}
	s, err := incidents.Fold(h)
	u.uses = len(s.Uses)
	return u, err
}

// reviewersOf finds who could review a use, who of them owns the review, and the others.
func (d *Desk) reviewersOf(ctx context.Context, p *Policy, b incidents.Runbook, a asked, in *incidents.Invocation) []workflows.PersonID {
	reviewers, err := d.resolve(ctx, p, b.Reviewers, a)
	if err != nil {
		d.log.WarnContext(ctx, "reviewers not resolved", "runbook", b.ID, "err", err)
	}
	var others []workflows.PersonID
	for _, s := range reviewers {
		switch {
		case s.Person == in.By.Person, s.Person == in.Situation.Executor:
			continue
		case in.Owner == "":
			in.Owner = s.Person
		default:
			others = append(others, s.Person)
		}
		in.Reviewers = append(in.Reviewers, s.Person)
	}
	if in.Owner == "" && err != nil {
		in.Standing.Known = false // that nobody answered does not mean that nobody is there
	}
	return others
}

// skipped are the people whose approval the normal chain would have asked for. A group that cannot be asked in an emergency
// must not stop it: those who can be named are told.
func (d *Desk) skipped(ctx context.Context, p *Policy, id workflows.WorkflowID, a asked) []workflows.PersonID {
	out := []workflows.PersonID{}
	v, ok := p.Workflows[id]
	if !ok {
		return out
	}
	for _, st := range v.Workflow.Stages {
		seats, err := d.resolve(ctx, p, st.Approvers, a)
		if err != nil {
			d.log.WarnContext(ctx, "skipped approvers not resolved", "workflow", id, "stage", st.Name, "err", err)
		}
		for _, s := range seats {
			if s.Person != a.requester && !slices.Contains(out, s.Person) {
				out = append(out, s.Person)
			}
		}
	}
	return out
}
