package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// RoutineRun is the run that an approved request for a routine runbook opens: it has the id of the request.
func RoutineRun(id workflows.RequestID) workflows.RunID { return workflows.RunID(id) }

// askedBy tells whether a chain is the one that is asked about this text: one of kind runbook about the text of an emergency, the chain that
// the text names about a routine.
func (b Book) askedBy(w *workflows.Workflow) bool {
	switch w.Kind {
	case workflows.KindPreapprove:
		return !b.Runbook.Routine
	case workflows.KindRoutine:
		return b.Runbook.Routine && b.Runbook.Asks() == w.ID
	}
	return true
}

// FormOf is a chain as it asks for one carrying-out of this runbook: with the parameters of the text, for no longer than the text lasts.
func (b Book) FormOf(w *workflows.Workflow) *workflows.Workflow {
	out := *w
	out.Fields = slices.Concat(w.Fields, b.Runbook.Fields)
	if b.Runbook.Longest > 0 {
		out.Longest = min(w.Longest, b.Runbook.Longest)
		out.Usual = min(cmp.Or(w.Usual, out.Longest), out.Longest)
	}
	return &out
}

// formed is a version as it asks about a runbook; every other version stays as it is.
func (p *Policy) formed(v Version, id workflows.RunbookID) Version {
	if b, ok := p.Runbooks[id]; ok && v.Workflow.Kind == workflows.KindRoutine && b.askedBy(v.Workflow) {
		v.Workflow = b.FormOf(v.Workflow)
	}
	return v
}

// Outline is what the text says to do, one step after the other.
func (b Book) Outline() []incidents.Outlined { return incidents.ReadOutline(b.Text) }

// stepStreams are where the steps of a runbook give access to who carries it out.
func (b Book) stepStreams(who workflows.PersonID) []workflows.StreamID {
	var out []workflows.StreamID
	for _, st := range b.Runbook.Steps {
		if s := workflows.GrantStream(who.Identity(), st.Does.Target, st.Does.ID); st.Action == incidents.ActGrant && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Routine is a routine runbook that somebody wants carried out.
type Routine struct {
	Cause   Cause
	By      workflows.Acting
	Runbook workflows.RunbookID
	About   workflows.IdentityID // whom or what it is about; empty: who asks
	Values  map[string]string
	Seconds workflows.Span // how long it may take; 0: as long as usual
	Reason  string
	Channel string
	Authn   string

	// Rotation is the rotation, open on the identity that it is about, that has it carried out without a request. The text must say that
	// rotations open it (opens_on: [rotation]); who carries it out is By, or else who answers for the identity.
	Rotation string
}

// OpenedRun is what became of it: a request that a chain decides, or a run. Exactly one of Request, Run and Refusal is set.
type OpenedRun struct {
	Request  workflows.RequestID
	Run      workflows.RunID
	Refusal  *workflows.Refusal
	Problems []workflows.FieldProblem
}

// OpenRun has a routine runbook carried out: it asks the chain that the text names, whose approval opens the run; one that a rotation asks for is
// opened at once, if the text says so. Its refusals are recorded.
func (d *Desk) OpenRun(ctx context.Context, c Routine) (OpenedRun, error) {
	if c.Rotation != "" {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		return again(func() (OpenedRun, error) { return d.openFor(ctx, c) })
	}
	p := d.Policy()
	b, v, no := p.routine(c.Runbook)
	if no != nil {
		no, err := d.Refuse(ctx, c.Cause, c.By, "start a runbook", c.Channel, string(c.Runbook), no)
		return OpenedRun{Refusal: no}, err
	}
	w := b.FormOf(v.Workflow)
	sub, err := d.Submit(ctx, Submission{
		Cause: c.Cause, By: c.By, Workflow: w.ID, Subject: c.About, Runbook: c.Runbook, Channel: c.Channel, Authn: c.Authn,
		Form: workflows.Form{Seconds: cmp.Or(c.Seconds, w.Usual, w.Longest), Reason: c.Reason, Values: c.Values},
	})
	if err != nil || sub.Refusal != nil {
		return OpenedRun{Refusal: sub.Refusal, Problems: sub.Problems}, err
	}
	return OpenedRun{Request: sub.ID}, nil
}

// routine finds a routine runbook and the chain that decides about carrying it out.
func (p *Policy) routine(id workflows.RunbookID) (Book, Version, *workflows.Refusal) {
	b, ok := p.Runbooks[id]
	switch {
	case !ok:
		return b, Version{}, workflows.Refuse(workflows.CodeRunbook, "There is no such runbook.", "Type `/access run` to see the list.")
	case !b.Runbook.Routine:
		return b, Version{}, workflows.Refuse(workflows.CodeRunbook, "This runbook is for incidents: no chain opens it.", "Type `/breakglass "+string(id)+" INC-123`.")
	}
	v, ok := p.Workflows[b.Runbook.Asks()]
	if !ok || !b.askedBy(v.Workflow) {
		return b, v, workflows.Refuse(workflows.CodeNoPolicy, "The chain that decides about this runbook is gone.", "Ask its owner.")
	}
	return b, v, nil
}

// Routines are the routine runbooks that somebody may ask for, by id.
func (d *Desk) Routines(ctx context.Context, person workflows.PersonID) ([]Book, error) {
	p := d.Policy()
	var out []Book
	for _, id := range slices.Sorted(maps.Keys(p.Runbooks)) {
		b, v, no := p.routine(id)
		if no != nil {
			continue
		}
		_, may, err := d.mayAsk(ctx, p, v.Workflow, person)
		if err != nil {
			return nil, err
		}
		if may {
			out = append(out, b)
		}
	}
	return out, nil
}

// FormOf is the form for a request: the chain's own, or, of a routine, with the parameters of its runbook.
func (p *Policy) FormOf(id workflows.WorkflowID, book workflows.RunbookID) (*workflows.Workflow, bool) {
	v, ok := p.Workflows[id]
	if !ok {
		return nil, false
	}
	return p.formed(v, book).Workflow, true
}

// run opens the run of an approved request.
func (m making) run(f workflows.Facts, out *workflows.Outcome, s workflows.State) error {
	b, ok := m.policy.Runbooks[s.Asked.Runbook]
	if !ok || b.Runbook.Document != s.Asked.Document {
		return workflows.ErrAskAgain // it was there when the world was asked
	}
	e := runs.Opened{
		Request: s.ID, Invoker: s.Requester.Person, Executor: s.Requester.Person, Fields: s.Asked.Fields, Texts: s.Asked.Texts,
		Channel: cmp.Or(b.Runbook.Notify, m.w.Channel), EndsAt: f.Now.UTC.Add(s.Asked.Seconds.Duration()), Alarm: m.alarm,
	}
	if s.Asked.Subject != s.Requester.Person.Identity() {
		e.Subject = s.Asked.Subject
	}
	return m.policy.openRoutine(f, out, b, RoutineRun(s.ID), e, m.holder)
}

// openRoutine opens a run of a routine, with what a step that begins by itself brings about.
func (p *Policy) openRoutine(f workflows.Facts, out *workflows.Outcome, b Book, run workflows.RunID, e runs.Opened, holder string) error {
	r := b.Runbook
	e.Runbook, e.Document, e.Mode, e.Steps, e.OnFail = r.ID, r.Document, runs.KindRoutine, r.Plan(b.Text), r.OnFailure
	e.Accounts = p.accountsOf(e.Subject)
	if err := runs.Open(f, run, workflows.System, b.Hash, e, out); err != nil {
		return err
	}
	s, err := runs.Fold(f.Provisional(out.Events)[workflows.RunStream(run)])
	if err != nil {
		return err
	}
	return runEffects(f, p, out, s, holder)
}

// accountsOf are the names that somebody or something has on the targets.
func (p *Policy) accountsOf(who workflows.IdentityID) map[string]string {
	list := p.People[who.Person()].Accounts
	if !who.IsPerson() {
		i, ok := p.known(who)
		if !ok {
			i = p.Identities[who] // it expired or was suspended: its names stay
		}
		list = i.Accounts
	}
	var out map[string]string
	for t, account := range list {
		if out == nil {
			out = map[string]string{}
		}
		out[string(t)] = account
	}
	return out
}

// inInventory gives an identity that the inventory has, in whatever state: what expired, was suspended or leaked is what a routine is about.
func (d *Desk) inInventory(ctx context.Context, id workflows.IdentityID) (workflows.IdentityID, error) {
	if id == "" || id.IsPerson() {
		return "", nil
	}
	s, err := d.identityState(ctx, id)
	if err != nil || s.Row() == nil {
		return "", err
	}
	return id, nil
}

// openFor opens the run that a rotation asks for.
func (d *Desk) openFor(ctx context.Context, c Routine) (OpenedRun, error) {
	p := d.Policy()
	id := workflows.RunID(d.ids.New("u_"))
	b, _, no := p.routine(c.Runbook)
	about, err := d.identityState(ctx, c.About)
	if err != nil {
		return OpenedRun{}, err
	}
	who := cmp.Or(c.By.Person, owningPerson(about.Entry().Owner), owningPerson(about.Entry().Backup))
	if no == nil {
		no = b.refuseRotation(c, about, who)
	}
	w := workflows.Workflow{Kind: workflows.KindRoutine, Fields: b.Runbook.Fields, Longest: max(60, b.Runbook.Longest), ReasonMin: 1}
	clean, bad := w.CheckForm(workflows.Form{Seconds: cmp.Or(c.Seconds, w.Longest), Reason: cmp.Or(strings.TrimSpace(c.Reason), "rotation"), Values: c.Values})
	if no == nil && len(bad) > 0 {
		no = workflows.Refuse(workflows.CodeBadField, bad[0].Field+": "+bad[0].Text, "")
	}
	if no != nil {
		no, err := d.Refuse(ctx, c.Cause, c.By, "start a runbook", c.Channel, string(c.Runbook), no)
		return OpenedRun{Refusal: no, Problems: bad}, err
	}
	streams := append([]workflows.StreamID{workflows.RunStream(id), workflows.IdentityStream(c.About)}, b.stepStreams(who)...)
	holder, readers := d.directory.Name(ctx, who), d.readersOf(ctx, p, b.Runbook, about.Entry())
	res, err := d.under(ctx, p, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		s, err := identities.FoldIdentity(f.Histories[workflows.IdentityStream(c.About)])
		if err != nil {
			return out, err
		}
		if open := s.Rotating(); open == nil || open.Rotation != c.Rotation {
			no := workflows.Refuse(workflows.CodeDecided, "That rotation is not open any more.", "")
			return workflows.RefuseOn(workflows.SystemStream, c.By, "start a runbook", c.Channel, string(c.Runbook), no), nil
		}
		return out, p.openRoutine(f, &out, b, id, runs.Opened{
			Readers: readers, Rotation: c.Rotation, Invoker: who, Executor: who, Subject: c.About, Fields: clean.Fields, Texts: clean.Texts, Channel: b.Runbook.Notify,
			EndsAt: f.Now.UTC.Add(clean.Seconds.Duration()), Alarm: p.Settings.SecurityChannel,
		}, holder)
	})
	if err != nil || res.Refusal != nil {
		return OpenedRun{Refusal: res.Refusal}, err
	}
	for _, r := range res.Records {
		if _, ok := r.Event.(runs.Opened); ok {
			return OpenedRun{Run: workflows.RunID(r.Stream.Rest())}, nil
		}
	}
	return OpenedRun{}, fmt.Errorf("opening a run of %q: %w", c.Runbook, errNoRun)
}

var errNoRun = errors.New("the same call recorded something else before")

// refuseRotation refuses to carry out for a rotation what only a chain opens, or what nobody would carry out.
func (b Book) refuseRotation(c Routine, about identities.IdentityState, who workflows.PersonID) *workflows.Refusal {
	switch {
	case !slices.Contains(b.Runbook.OpensOn, incidents.OpensOnRotation):
		return workflows.Refuse(workflows.CodeRunbook, "Only its chain opens this runbook.", "Type `/access run "+string(c.Runbook)+"`.")
	case c.About.IsPerson() || about.Row() == nil:
		return workflows.Refuse(workflows.CodeNotInInventory, "There is no such identity in the inventory.", "")
	case who == "":
		return workflows.Refuse(workflows.CodeNotInInventory, "Nobody answers for this identity, so nobody could carry the runbook out.", "Give it an owner in the inventory.")
	}
	return nil
}
