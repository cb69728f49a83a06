package desk

import (
	"context"
	"maps"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// Rotate demands on behalf of the product that an identity's secret is replaced: after a leak, a broken glass, by policy. One that is under way
// already is enough.
func (d *Desk) Rotate(ctx context.Context, cause Cause, id workflows.IdentityID, why string) (Answer, error) {
	rotation := d.ids.New("o_")
	do := identities.Do{By: workflows.System, System: true, Command: DoRotate}
	res, err := d.update(ctx, cause, []workflows.StreamID{workflows.IdentityStream(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.OpenRotation(f, do, id, rotation, why)
	})
	return answered(&res), err
}

// Rotating are the identities whose secret is to be replaced.
func (d *Desk) Rotating(ctx context.Context) ([]workflows.IdentityID, error) {
	streams, err := d.all(ctx, identities.ListRotating, "")
	if err != nil {
		return nil, err
	}
	var out []workflows.IdentityID
	for _, s := range streams {
		out = append(out, workflows.IdentityID(s.Rest()))
	}
	return out, nil
}

// CarryRotation has an open rotation carried out by the routine of its target, and closes it when that is done. It may be called at any time.
func (d *Desk) CarryRotation(ctx context.Context, id workflows.IdentityID) error {
	s, err := d.identityState(ctx, id)
	if err != nil {
		return err
	}
	open := s.Rotating()
	book := d.rotatedBy(s.Entry())
	if open == nil || s.Life.Retired || book == "" {
		return nil
	}
	run, ok, err := d.runOf(ctx, book, open.Rotation)
	switch {
	case err != nil:
		return err
	case !ok:
		_, err := d.OpenRun(ctx, Routine{
			Cause: Cause("rotation/" + open.Rotation), By: workflows.System, Runbook: book, About: id, Rotation: open.Rotation, Reason: "rotation: " + open.Why, Channel: "system",
			Values: d.answersOf(book, s),
		})
		return err
	case slices.ContainsFunc(run.Steps, func(st runs.StepState) bool { return !st.Over() }):
		return nil
	}
	e, replaced := rotatedIn(run)
	if !replaced {
		return nil // somebody left the step out, and says what became of the secret
	}
	do := identities.Do{By: workflows.System, System: true, Command: DoRotated}
	stream := workflows.RunStream(run.ID)
	_, err = d.update(ctx, Cause("rotation/"+open.Rotation+"/done"), []workflows.StreamID{workflows.IdentityStream(id), stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		e.Evidence, e.Channel = "carried out by run "+string(run.ID), "system"
		out, err := identities.CloseRotation(f, do, id, e)
		if err != nil || out.Refusal != nil {
			return out, err
		}
		done, err := runs.Finished(f, stream)
		out.Events = append(out.Events, done.Events...)
		return out, err
	})
	return err
}

// rotatedBy is the routine that replaces the secret of an identity: one whose steps do it on its target, or else one that people follow for identities of its
// kind; empty when the documents have neither.
func (d *Desk) rotatedBy(e identities.Entry) workflows.RunbookID {
	p := d.Policy()
	var byHand workflows.RunbookID
	for _, id := range slices.Sorted(maps.Keys(p.Runbooks)) {
		r := p.Runbooks[id].Runbook
		asks := slices.ContainsFunc(r.Fields, func(f workflows.Field) bool {
			return !f.Optional && !slices.Contains([]string{"account", "serial"}, f.Name)
		})
		if !r.Routine || !slices.Contains(r.OpensOn, incidents.OpensOnRotation) || asks { // nobody is there to answer
			continue
		}
		turns := false
		for _, st := range r.Steps {
			turns = turns || st.Turns()
			if st.MakesSecret() && st.Does.Target == e.Target && e.Target != "" {
				return id
			}
		}
		if byHand == "" && !turns && slices.Contains(r.Kinds, e.Class) {
			byHand = id
		}
	}
	return byHand
}

// answersOf fills in what a routine asks of an identity that is on record.
func (d *Desk) answersOf(book workflows.RunbookID, s identities.IdentityState) map[string]string {
	account, _, _ := s.Texts()
	known := map[string]string{"account": account, "serial": s.Entry().Serial}
	out := map[string]string{}
	for _, f := range d.Policy().Runbooks[book].Runbook.Fields {
		if known[f.Name] != "" {
			out[f.Name] = known[f.Name]
		}
	}
	return out
}

const runsLooked = 200 // runs of one routine that are looked through for the one of a rotation: the newest first

func (d *Desk) runOf(ctx context.Context, book workflows.RunbookID, rotation string) (runs.State, bool, error) {
	list, err := d.Runs(ctx, runs.ListRunbook, string(book), runsLooked)
	i := slices.IndexFunc(list, func(s runs.State) bool { return s.Opened.Rotation == rotation })
	if err != nil || i < 0 {
		return runs.State{}, false, err
	}
	return list[i], true, nil
}

// rotatedIn tells whether a run replaced the secret, how it is known that the old one is dead, and the new one's fingerprint. Where people replaced it, none
// of their steps may be left out.
func rotatedIn(s runs.State) (out identities.RotationClosed, done bool) {
	out = identities.RotationClosed{How: "by hand", Proof: identities.ProofDeclared}
	turns := slices.ContainsFunc(s.Steps, func(st runs.StepState) bool { return st.Turns() })
	for _, st := range s.Steps {
		if turns && !st.Turns() {
			continue
		}
		if st.Status != runs.Done {
			return out, false
		}
		done = true
		if turns {
			out.How = "connector"
		}
		if st.Facts[workflows.FactOldGone] != "" {
			out.Proof = identities.ProofVerified
		}
		if print := st.Secret(); print != "" {
			out.Print = print
		}
	}
	return out, done
}

// readersOf are who is told before and after the secret of an identity changes: who answers for it, technically and as a business, whoever answers for the
// workloads that were seen to use it, and whom the text names.
func (d *Desk) readersOf(ctx context.Context, p *Policy, b incidents.Runbook, e identities.Entry) []workflows.PersonID {
	var out []workflows.PersonID
	add := func(list ...workflows.PersonID) {
		for _, x := range list {
			if x != "" && !slices.Contains(out, x) && len(out) < maxReaders {
				out = append(out, x)
			}
		}
	}
	for _, owner := range []string{e.Owner, e.Backup, e.Business} {
		add(owningPerson(owner))
	}
	for _, use := range e.Uses {
		if x, ok := p.known(workflows.IdentityID(use)); ok {
			add(x.Owner)
		}
	}
	if b.Tell != nil {
		add(d.listed(ctx, p, incidents.Runbook{Invokers: *b.Tell}, asked{requester: owningPerson(e.Owner)})...)
	}
	return out
}

const maxReaders = 50 // people who are told of one change of a secret: more are told in a channel
