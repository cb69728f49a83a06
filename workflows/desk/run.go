package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// What somebody does in a run.
const (
	DoBegin    = "run"      // have a connector do a step
	DoFinish   = "done"     // a step was done by hand
	DoSkip     = "skip"     // a step is left out
	DoRollBack = "rollback" // what was done is taken back
	DoClose    = "finish"   // the run is over
	DoAttach   = "attach"   // evidence
)

// InRun is somebody doing something in a run.
type InRun struct {
	Cause    Cause
	By       workflows.Acting
	Run      workflows.RunID
	Do       string // DoBegin …
	Step     int
	Note     string
	Evidence runs.EvidenceAdded // DoAttach
	Authn    string
	Channel  string
}

// Run reads one run.
func (d *Desk) Run(ctx context.Context, id workflows.RunID) (runs.State, error) {
	h, err := d.ledger.History(ctx, workflows.RunStream(id))
	if err != nil {
		return runs.State{}, err
	}
	return runs.Fold(h)
}

// Runs reads a list of runs (runs.ListOpen of a person, "" for all; runs.ListIncident of an incident …), newest first.
func (d *Desk) Runs(ctx context.Context, list, member string, limit int) ([]runs.State, error) {
	read := func(s workflows.StreamID) (runs.State, error) { return d.Run(ctx, workflows.RunID(s.Rest())) }
	return listed(ctx, d, list, member, limit, read, func(r runs.State) workflows.Instant { return r.At })
}

// OpenRuns are the runs that are open and in which a person may act, newest first.
func (d *Desk) OpenRuns(ctx context.Context, who workflows.PersonID, limit int) ([]runs.State, error) {
	list, err := d.Runs(ctx, runs.ListOpen, "", 0)
	if err != nil {
		return nil, err
	}
	p := d.Policy()
	list = slices.DeleteFunc(list, func(s runs.State) bool { return !d.MayRun(ctx, p, s, who) })
	return list[:min(len(list), limit)], nil
}

// RunSteps are the steps of a run's document with their texts, by the exact text that was invoked.
func (d *Desk) RunSteps(ctx context.Context, s runs.State) ([]incidents.Outlined, error) {
	doc, err := d.ledger.Document(ctx, s.Opened.Document)
	if err != nil {
		return nil, fmt.Errorf("reading the text of run %q: %w", s.ID, err)
	}
	return incidents.ReadOutline(doc.Bytes), nil
}

// MayRun tells whether a person may act in a run: somebody who is in it, on one of its runbook's lists, in security, or its incident's crew.
func (d *Desk) MayRun(ctx context.Context, p *Policy, s runs.State, who workflows.PersonID) bool {
	if who == "" {
		return false
	}
	if slices.Contains(s.People, who) || d.HasRole(ctx, RoleSecurity, who) {
		return true
	}
	if b, ok := p.Runbooks[s.Opened.Runbook]; ok && slices.Contains(d.listed(ctx, p, b.Runbook, asked{requester: who}), who) {
		return true
	}
	inc := d.incident(ctx, s.Opened.Incident)
	return inc.Commander == who || slices.Contains(inc.Executors, who)
}

// DoInRun does something in a run. The next step that begins by itself does so in the same transaction.
func (d *Desk) DoInRun(ctx context.Context, c InRun) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return again(func() (Answer, error) { return d.inRun(ctx, c) })
}

func (d *Desk) inRun(ctx context.Context, c InRun) (Answer, error) {
	policy := d.Policy()
	acting := runs.Acting{By: c.By, Standing: d.standing(ctx, c.By), Authn: c.Authn, Channel: c.Channel}
	s, err := d.Run(ctx, c.Run)
	if errors.Is(err, workflows.ErrNoStream) {
		res, err := d.refuse(ctx, c.Cause, c.By, c.Do, c.Channel, string(c.Run), "", workflows.Unknown())
		return Answer{Refusal: res.Refusal, Records: res.Records}, err
	}
	if err != nil {
		return Answer{}, err
	}
	acting.Standing.Selected = d.MayRun(ctx, policy, s, c.By.Person)
	acting.Closed = d.isClosed(ctx, s)
	streams, err := d.runStreams(ctx, s, c.Do)
	if err != nil {
		return Answer{}, err
	}
	holder := d.directory.Name(ctx, s.Executor)
	res, err := d.under(ctx, policy, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		if f2, err := runs.Fold(f.Histories[streams[0]]); err == nil && f2.Seq != s.Seq {
			return workflows.Outcome{}, workflows.ErrAskAgain // which grants it touches may have changed
		}
		out, err := decideInRun(f, c, acting)
		if err != nil || out.Refusal != nil {
			return out, err
		}
		return out, runEffects(f, policy, &out, s, holder)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

func decideInRun(f workflows.Facts, c InRun, a runs.Acting) (workflows.Outcome, error) {
	step := runs.Doing{Acting: a, Step: c.Step, Note: c.Note}
	switch c.Do {
	case DoBegin:
		return runs.Begin(f, c.Run, step)
	case DoFinish:
		return runs.Finish(f, c.Run, step)
	case DoSkip:
		return runs.Skip(f, c.Run, step)
	case DoRollBack:
		return runs.RollBack(f, c.Run, a, c.Note)
	case DoClose:
		return runs.Close(f, c.Run, a, c.Note)
	case DoAttach:
		return runs.Attach(f, c.Run, a, c.Evidence)
	}
	return workflows.Outcome{}, fmt.Errorf("nothing in a run is called %q", c.Do)
}

// isClosed tells whether the incident of a run is known to be over.
func (d *Desk) isClosed(ctx context.Context, s runs.State) bool {
	i := d.incident(ctx, s.Opened.Incident)
	return !s.Drill() && i.Known && !i.Open
}

// runStreams are the streams that something done in a run may touch: its own, and those of the access that its steps give or that ends with it.
func (d *Desk) runStreams(ctx context.Context, s runs.State, do string) ([]workflows.StreamID, error) {
	out := []workflows.StreamID{workflows.RunStream(s.ID)}
	add := func(x workflows.StreamID) {
		if x != "" && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	for _, st := range s.Steps {
		if st.Action == incidents.ActGrant {
			add(grantStreamOf(s, st))
		}
	}
	if do != DoClose && do != DoRollBack {
		return out, nil
	}
	for _, g := range s.Grants {
		stream, err := d.grantStream(ctx, g)
		if err != nil {
			return nil, err
		}
		add(stream)
	}
	return out, nil
}

func grantStreamOf(s runs.State, st runs.StepState) workflows.StreamID {
	return workflows.GrantStream(s.Executor.Identity(), st.Does.Target, st.Does.ID)
}

// runEffects adds what follows from the events of a run: access that a step gives, and that it all ends with the run.
func runEffects(f workflows.Facts, p *Policy, out *workflows.Outcome, s runs.State, holder string) error {
	for _, e := range slices.Clone(out.Events) {
		switch e := e.Event.(type) {
		case runs.StepStarted:
			st := s.Steps[e.Step-1]
			if st.Action != incidents.ActGrant {
				continue
			}
			if err := giveAccess(f, p, out, s, st, e.Order, holder); err != nil {
				return err
			}
		case runs.Closed:
			if err := endAccess(f, out, workflows.System, "The run was closed.", s.Grants); err != nil {
				return err
			}
		case runs.RolledBack:
			if err := endAccess(f, out, workflows.System, "The run was rolled back.", ordersOf(s, e.Steps)); err != nil {
				return err
			}
		}
	}
	return nil
}

func ordersOf(s runs.State, steps []int) []workflows.GrantID {
	var out []workflows.GrantID
	for _, n := range steps {
		if st := s.Steps[n-1]; st.Action == incidents.ActGrant && st.Order != "" {
			out = append(out, st.Order)
		}
	}
	return out
}

func endAccess(f workflows.Facts, out *workflows.Outcome, by workflows.Acting, why string, which []workflows.GrantID) error {
	var names []workflows.StreamID
	for name := range f.Histories {
		if name.Kind() == workflows.KindGrant {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		end, err := endAll(f, name, by, why, func(h grants.Hold) bool { return slices.Contains(which, h.Approved.Grant) })
		if err != nil {
			return err
		}
		out.Events = append(out.Events, end.Events...)
	}
	return nil
}

// giveAccess makes the grant of a step: for who carries it out, until the run's end. A grant that was made before and has ended is not made
// again: its order is used up.
func giveAccess(f workflows.Facts, p *Policy, out *workflows.Outcome, s runs.State, st runs.StepState, order workflows.GrantID, holder string) error {
	stream := grantStreamOf(s, st)
	g, err := grants.Fold(f.Histories[stream])
	if err != nil && !errors.Is(err, workflows.ErrNoStream) {
		return err
	}
	if _, made := g.Find(order); made {
		return nil
	}
	e, ends := st.Does, s.EndsAt
	if e.Longest > 0 {
		ends = min(ends, f.Now.UTC.Add(e.Longest.Duration()))
	}
	if until := p.People[s.Executor].ContractEnds; until != 0 {
		ends = min(ends, until)
	}
	out.Add(stream, workflows.System, s.Policy, grants.Approved{
		Brokered: e.Brokered,
		Grant:    order, Runbook: s.Opened.Runbook, Incident: s.Opened.Incident, Identity: s.Executor.Identity(), Requester: s.Invoker,
		Owner: e.Owner, Target: e.Target, TargetTitle: e.TargetTitle, Entitlement: e.ID, Title: e.Title, Connector: e.Connector, Params: e.Params,
		Fields: handed(s, st), Account: p.People[s.Executor].Accounts[e.Target], Holder: holder, Shared: e.Shared, EndsAt: ends,
		EndsMono: f.Now.Mono + ends.Sub(f.Now.UTC).Nanoseconds(), Alarm: s.Opened.Alarm, Drill: s.Drill(), Run: s.ID, Step: st.Number,
	})
	return nil
}

// handed is what a connector gets of the form for a step that gives access: the answers that its parameters take.
func handed(s runs.State, st runs.StepState) map[string]string {
	out := map[string]string{}
	for name, v := range s.Opened.Fields {
		out[name] = v
	}
	for name, v := range st.Fields {
		out[name] = v
	}
	return out
}

// StepDue gives a run whose step a job is about, if the job is still owed: a job row may be older than the state.
func (d *Desk) StepDue(ctx context.Context, stream workflows.StreamID, kind, key string) (runs.State, runs.StepState, bool, error) {
	s, err := d.Run(ctx, workflows.RunID(stream.Rest()))
	if err != nil {
		return s, runs.StepState{}, false, err
	}
	n, err := strconv.Atoi(key)
	if err != nil || n < 1 || n > len(s.Steps) {
		return s, runs.StepState{}, false, nil
	}
	for _, j := range runs.Pending(s) {
		if j.Kind == kind && j.Key == key {
			return s, s.Steps[n-1], true, nil
		}
	}
	return s, s.Steps[n-1], false, nil
}

// StepMayRun asks again, just before a connector is called, whether a step should still be done: the incident, and who stands behind it.
func (d *Desk) StepMayRun(ctx context.Context, s runs.State, st runs.StepState) string {
	if d.isClosed(ctx, s) {
		return "The incident was closed meanwhile, so nothing more is done for it."
	}
	for _, p := range []workflows.PersonID{s.Executor, st.By} {
		if p == "" {
			continue
		}
		standing, err := d.directory.StandingOf(ctx, p)
		if err != nil || !standing.Known {
			continue // it was asked when they pressed, and an emergency does not wait for the chat
		}
		if r := standing.Refusal(); r != nil {
			return "Somebody behind this step may not act any more: " + r.Sentence
		}
	}
	return ""
}

// StepSucceeded records what a connector answered to a step.
func (d *Desk) StepSucceeded(ctx context.Context, cause Cause, s runs.State, e runs.StepDone) error {
	return d.stepUpdate(ctx, cause, s, func(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
		return runs.Succeed(f, stream, e, d.isClosed(ctx, s))
	})
}

// StepChecked records that the precheck of a step was met.
func (d *Desk) StepChecked(ctx context.Context, s runs.State, e runs.StepChecked) error {
	return d.stepUpdate(ctx, "", s, func(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
		return runs.Check(f, stream, e)
	})
}

// StepFailed records that a connector did not do a step; useless tells that trying again is no use.
func (d *Desk) StepFailed(ctx context.Context, s runs.State, step int, class, text string, useless bool) error {
	return d.stepUpdate(ctx, "", s, func(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
		return runs.Fail(f, stream, step, class, text, useless)
	})
}

// StepUndone records that a step was taken back.
func (d *Desk) StepUndone(ctx context.Context, cause Cause, s runs.State, e runs.StepUndone) error {
	return d.stepUpdate(ctx, cause, s, func(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
		return runs.Undo(f, stream, e)
	})
}

func (d *Desk) stepUpdate(ctx context.Context, cause Cause, s runs.State, fn func(workflows.Facts, workflows.StreamID) (workflows.Outcome, error)) error {
	streams, err := d.runStreams(ctx, s, DoRollBack)
	if err != nil {
		return err
	}
	holder := d.directory.Name(ctx, s.Executor)
	_, err = d.update(ctx, cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		now, err := runs.Fold(f.Histories[streams[0]])
		if err != nil {
			return workflows.Outcome{}, err
		}
		out, err := fn(f, streams[0])
		if err != nil {
			return out, err
		}
		return out, runEffects(f, d.Policy(), &out, now, holder)
	})
	return err
}

// accessMade records that the access of a step was made, or never will be, on the grant and on the run.
func (d *Desk) accessMade(ctx context.Context, cause Cause, stream workflows.StreamID, hold grants.Hold, fn decide, done *grants.Started, why string) error {
	a := hold.Approved
	s, err := d.Run(ctx, a.Run)
	if err != nil {
		return err
	}
	streams, err := d.runStreams(ctx, s, DoRollBack)
	if err != nil {
		return err
	}
	if !slices.Contains(streams, stream) {
		streams = append(streams, stream)
	}
	holder := d.directory.Name(ctx, s.Executor)
	_, err = d.update(ctx, cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := fn(f)
		if err != nil || len(out.Events) == 0 {
			return out, err
		}
		step, err := stepOfAccess(f, streams[0], a.Step, done, why)
		if err != nil {
			return out, err
		}
		now, err := runs.Fold(f.Histories[streams[0]])
		if err != nil {
			return out, err
		}
		out.Events = append(out.Events, step.Events...)
		return out, runEffects(f, d.Policy(), &out, now, holder)
	})
	return err
}

func stepOfAccess(f workflows.Facts, run workflows.StreamID, step int, done *grants.Started, why string) (workflows.Outcome, error) {
	if done == nil {
		return runs.Fail(f, run, step, "refuse", why, true)
	}
	return runs.Succeed(f, run, runs.StepDone{Step: step, Ref: done.Ref, Facts: done.Facts}, false)
}

// EndIncident ends everything that was given for an incident, and the runs that are still open; it says how much access that was. Each run
// is ended by itself under a cause of its own, so that a call that broke off can be repeated.
func (d *Desk) EndIncident(ctx context.Context, cause Cause, by workflows.Acting, incident string) (int, error) {
	list, err := d.Runs(ctx, runs.ListIncident, incident, 0)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, s := range list {
		if s.Drill() {
			continue
		}
		streams, err := d.runStreams(ctx, s, DoClose)
		if err != nil {
			return n, err
		}
		own := cause
		if cause != "" {
			own = cause + "/" + Cause(streams[0])
		}
		res, err := d.update(ctx, own, streams, func(f workflows.Facts) (workflows.Outcome, error) {
			out, err := runs.CallOff(f, streams[0], by)
			if err != nil {
				return out, err
			}
			return out, endAccess(f, &out, by, "Incident "+incident+" was closed.", s.Grants)
		})
		if err != nil {
			return n, err
		}
		for _, r := range res.Records {
			if _, ok := r.Event.(grants.Ending); ok && !res.Replayed {
				n++
			}
		}
	}
	return n, nil
}
