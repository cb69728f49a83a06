package desk

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Abilities tells what targets can do. Package cmd joins it to the connectors.
type Abilities interface {
	// HowKilled is a sentence for people: how an app, a token or a key is taken off a target, given its account there. does: the connector does it and reads it back;
	// otherwise a person does. It is empty where nothing is known of the target.
	HowKilled(t workflows.TargetID, account string) (how string, does bool)
	// TellsSessions says whether the target can tell who uses it.
	TellsSessions(t workflows.TargetID) bool
}

// KillPlan is what takes an app or a credential off its target for good.
type KillPlan struct {
	On   workflows.TargetID `json:"on"`
	How  string             `json:"how"`
	Does bool               `json:"by_connector"` // false: a person does it
	Type string             `json:"type"`         // the command; empty: it is being taken off already
}

// killOf says how an identity is taken off its target; nil where that is not one thing to do, or was done.
func (d *Desk) killOf(s identities.IdentityState, e identities.Entry) *KillPlan {
	if !identities.IsKilled(e.Class) || s.Life.Retired {
		return nil
	}
	out := &KillPlan{On: e.Target, How: "somebody takes it off there by hand, and says so with evidence"}
	if d.abilities != nil && e.Target != "" {
		if how, does := d.abilities.HowKilled(e.Target, s.AccountOn(e.Target)); how != "" {
			out.How, out.Does = how, does
		}
	}
	if s.Life.Retirement == nil {
		out.Type = "countersign identities kill " + string(s.ID) + " -reason TEXT"
	}
	return out
}

// rotationMethod says how the secret of an identity is replaced; empty: nobody can say.
func (d *Desk) rotationMethod(s identities.IdentityState, e identities.Entry) string {
	switch e.Stored {
	case identities.StoredNone:
		return "there is no secret to replace"
	case identities.StoredNative:
		return "the platform that keeps it replaces it"
	}
	if book := d.rotatedBy(e); book != "" {
		if !slices.ContainsFunc(d.Policy().Runbooks[book].Runbook.Steps, incidents.Step.Turns) {
			return "people follow the routine " + string(book) + ", and show that the old one is dead"
		}
		return "the routine " + string(book) + " replaces it on " + string(e.Target) + " and tries the old one"
	}
	for i := len(s.Life.Rotations) - 1; i >= 0; i-- {
		c := s.Life.Rotations[i].Closed
		switch {
		case c == nil:
		case c.Proof == identities.ProofVerified:
			return "as the last time: by " + c.How + ", and the old one was tried and refused"
		default:
			return "as the last time: " + c.How + ", and somebody says how they know that the old one is dead"
		}
	}
	return ""
}

// silentOn says where it is not told who uses an identity now, of its own target and of those where it holds something.
func (d *Desk) silentOn(x *Evidence) string {
	if d.abilities == nil {
		return ""
	}
	on := []workflows.TargetID{x.Entry.Target}
	for _, h := range x.Held {
		on = append(on, h.Hold.Approved.Target)
	}
	var silent []string
	for _, t := range on {
		if t != "" && !d.abilities.TellsSessions(t) && !slices.Contains(silent, string(t)) {
			silent = append(silent, string(t))
		}
	}
	if len(silent) == 0 {
		return ""
	}
	return strings.Join(silent, ", ") + " does not tell sessions"
}
