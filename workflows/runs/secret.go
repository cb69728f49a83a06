package runs

import (
	"slices"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// A step that replaces a secret in two halves leaves a time in which the old one and the new one both work. The new one waits, sealed, for who carries the
// run out; the old one is ended by itself only once it was taken. What is kept of it is destroyed when it was taken and no step needs it any more.

// JobDestroy destroys what is kept of the secret of a step; its key is the step's number.
const JobDestroy = "run.destroy"

// secretKept is how long after the end of a run a secret that nobody took is kept: it may be the only one that works.
const secretKept = 7 * 24 * time.Hour

// Why what was kept is destroyed.
const (
	DestroyedTaken = "taken"
	DestroyedLate  = "not taken in time"
)

// Secret is the keyed fingerprint of the secret that the step made; empty when it made none.
func (st StepState) Secret() string {
	if st.Status != Done || !st.MakesSecret() {
		return ""
	}
	return st.Facts[workflows.FactSecret]
}

// SecretWaits tells whether somebody can be shown the secret.
func (st StepState) SecretWaits() bool {
	return st.Secret() != "" && st.Destroyed == "" && st.TakenAt.UTC == 0
}

// Renewed is the step that made the secret in whose favour a step retires another one.
func (s State) Renewed(retire StepState) (StepState, bool) {
	for _, st := range slices.Backward(s.Steps[:retire.Number-1]) {
		if st.Action == incidents.ActRenew && st.Does.Target == retire.Does.Target && st.Does.ID == retire.Does.ID && st.Account == retire.Account {
			return st, true
		}
	}
	return StepState{}, false
}

// Retires is the step that ends the secret in whose place this one made another.
func (s State) Retires(renew StepState) (StepState, bool) {
	for _, st := range s.Steps[renew.Number:] {
		if of, ok := s.Renewed(st); st.Action == incidents.ActRetire && ok && of.Number == renew.Number {
			return st, true
		}
	}
	return StepState{}, false
}

// beginsAt is when the step that is next begins by itself; false: never, or not before somebody took what it depends on.
func (s State) beginsAt(next StepState) (workflows.Stamp, bool) {
	if !next.Auto || next.ByHand() {
		return 0, false
	}
	from := s.At.UTC
	for _, st := range s.Steps[:next.Number-1] {
		from = max(from, st.At.UTC)
	}
	if next.Action == incidents.ActRetire {
		renew, ok := s.Renewed(next)
		if !ok || renew.Status != Done || renew.Secret() != "" && renew.TakenAt.UTC == 0 {
			return 0, false
		}
		from = max(from, renew.TakenAt.UTC)
	}
	return from.Add(next.Wait.Duration()), true
}

// OldEnds is the earliest moment at which the secret before the one of a step ends; false while that depends on people.
func (s State) OldEnds(renew StepState) (workflows.Stamp, bool) {
	retire, ok := s.Retires(renew)
	if next := s.Next(); !ok || next == nil || next.Number != retire.Number {
		return 0, false
	}
	return s.beginsAt(retire)
}

// destroyDue is when what is kept of a step's secret is destroyed, and why; false while that depends on people.
func (s State) destroyDue(st StepState) (workflows.Stamp, string, bool) {
	if st.Secret() == "" || st.Destroyed != "" {
		return 0, "", false
	}
	retire, later := s.Retires(st)
	switch {
	case st.TakenAt.UTC != 0 && (!later || retire.Over() || s.Closed != nil):
		return max(st.TakenAt.UTC, s.ClosedAt.UTC, retire.At.UTC), DestroyedTaken, true
	case st.TakenAt.UTC == 0 && s.Closed != nil:
		return s.ClosedAt.UTC.Add(secretKept), DestroyedLate, true
	}
	return 0, "", false
}

// TakeSecret records that who carries the run out is about to be shown the secret of a step, once. Everybody else is refused, and that is recorded.
func TakeSecret(f workflows.Facts, run workflows.RunID, e SecretTaken, by workflows.Acting) (workflows.Outcome, error) {
	stream := workflows.RunStream(run)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	var no *workflows.Refusal
	switch {
	case e.Step < 1 || e.Step > len(s.Steps) || by.Person == "" || by.Person != s.Executor || s.Steps[e.Step-1].Order != e.Order:
		no = workflows.Refuse(workflows.CodeNotYours, "There is no such secret, or it is not yours.", "Only who carries the run out takes the secret that it made.")
	case s.Steps[e.Step-1].Secret() == "":
		no = workflows.Refuse(workflows.CodeSecret, "No secret came of this step.", "")
	case s.Steps[e.Step-1].TakenAt.UTC != 0:
		no = workflows.Refuse(workflows.CodeSecret, "This secret was shown once already, at "+clock(s.Steps[e.Step-1].TakenAt.UTC)+" UTC.", "If that was not you, tell security now. If you lost it, have the secret replaced again.")
	case s.Steps[e.Step-1].Destroyed != "":
		no = workflows.Refuse(workflows.CodeSecret, "Nobody took this secret in time, so it was destroyed.", "Have the secret replaced again.")
	}
	if no != nil {
		return workflows.RefuseOn(stream, by, "take secret", e.Channel, string(e.Order), no), nil
	}
	var out workflows.Outcome
	out.Add(stream, by, s.Policy, e)
	return out, advance(f, stream, &out, false)
}

// DestroySecret records that what was kept of the secret of a step is gone, if that is due.
func DestroySecret(f workflows.Facts, stream workflows.StreamID, step int) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil || step < 1 || step > len(s.Steps) {
		return out, err
	}
	if at, why, due := s.destroyDue(s.Steps[step-1]); due && f.Now.UTC >= at {
		out.Add(stream, workflows.System, s.Policy, SecretDestroyed{Step: step, Why: why})
	}
	return out, nil
}
