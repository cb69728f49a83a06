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
	book := d.rotatedBy(s.Entry().Target)
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
	how, replaced := rotatedIn(run)
	if !replaced {
		return nil // somebody left the step out, and says what became of the secret
	}
	do := identities.Do{By: workflows.System, System: true, Command: DoRotated}
	_, err = d.update(ctx, Cause("rotation/"+open.Rotation+"/done"), []workflows.StreamID{workflows.IdentityStream(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		e := identities.RotationClosed{How: "connector", Proof: how, Evidence: "carried out by run " + string(run.ID), Channel: "system"}
		return identities.CloseRotation(f, do, id, e)
	})
	return err
}

// rotatedBy is the routine that replaces secrets on a target; empty when the documents have none.
func (d *Desk) rotatedBy(t workflows.TargetID) workflows.RunbookID {
	p := d.Policy()
	for _, id := range slices.Sorted(maps.Keys(p.Runbooks)) {
		r := p.Runbooks[id].Runbook
		asks := slices.ContainsFunc(r.Fields, func(f workflows.Field) bool {
			return !f.Optional && !slices.Contains([]string{"account", "serial"}, f.Name)
		})
		if !r.Routine || !slices.Contains(r.OpensOn, incidents.OpensOnRotation) || t == "" || asks { // nobody is there to answer
			continue
		}
		if slices.ContainsFunc(r.Steps, func(st incidents.Step) bool { return st.Action == incidents.ActRotate && st.Does.Target == t }) {
			return id
		}
	}
	return ""
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

// rotatedIn tells whether a run replaced the secret, and how it is known that the old one is dead.
func rotatedIn(s runs.State) (proof string, done bool) {
	proof = identities.ProofDeclared
	for _, st := range s.Steps {
		if st.Action != incidents.ActRotate {
			continue
		}
		if st.Status != runs.Done {
			return "", false
		}
		done = true
		if st.Facts[workflows.FactOldGone] != "" {
			proof = identities.ProofVerified
		}
	}
	return proof, done
}
