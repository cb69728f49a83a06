package desk

import (
	"context"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Offboarding is what becomes of the identities of somebody who left, out of the entries since: it is closed when each is decided and the decision carried
// out. Nobody closes it by saying so.
type Offboarding struct {
	Person workflows.PersonID
	Left   identities.Left
	At     workflows.Stamp
	Begun  bool // their identities are on record; until then nobody was asked
	Grants int  // of their own, taken back
	Items  []OffboardItem
}

// OffboardItem is one of them.
type OffboardItem struct {
	ID       workflows.IdentityID
	Made     bool // they had asked for it, and somebody else owns it
	Decision string
	By       workflows.PersonID // who decided; empty where nobody had to: the owner stays
	At       workflows.Stamp
	Owner    string               // who answers for it now
	Asked    []workflows.PersonID // while it is undecided
	Until    workflows.Stamp      // by when: of the question, or of the new secret
	Left     int                  // things still to be done to take it off
	Proof    string               // how it is known that the old secret is dead; empty: it is not, or there is none
	Done     bool                 // nothing is left to do
}

// Decisions about an identity of somebody who left.
const (
	OffboardUndecided = "undecided"
	OffboardKept      = "keep"   // somebody took it over; its secret is replaced
	OffboardRetired   = "retire" // it is taken off
	OffboardReplaced  = "replace"
)

// Open is how many are not done.
func (o Offboarding) Open() (n int) {
	for _, i := range o.Items {
		if !i.Done {
			n++
		}
	}
	return n
}

// Offboarding reads what becomes of the identities of somebody who left, or had another role. The second answer is false when nothing of that is on record.
func (d *Desk) Offboarding(ctx context.Context, who workflows.PersonID) (Offboarding, bool, error) {
	out := Offboarding{Person: who}
	h, err := d.ledger.History(ctx, workflows.PersonStream(who))
	if err != nil {
		return out, false, err
	}
	since := int64(-1)
	made := map[workflows.IdentityID]bool{}
	var ids []workflows.IdentityID
	for _, r := range h {
		switch e := r.Event.(type) {
		case identities.Left:
			out.Left, out.At, out.Begun, since = e, r.At.UTC, false, r.Index
			ids, made = nil, map[workflows.IdentityID]bool{}
		case identities.HandedOver:
			out.Begun, out.Grants = true, e.Grants
			ids = append(append(ids, e.Identities...), e.Made...)
			for _, id := range e.Made {
				made[id] = true
			}
		}
	}
	if since < 0 {
		return out, false, nil
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		h, err := d.ledger.History(ctx, workflows.IdentityStream(id))
		if err != nil {
			return out, false, err
		}
		s, err := identities.FoldIdentity(h)
		if err != nil {
			return out, false, err
		}
		out.Items = append(out.Items, offboardItem(s, h, since, made[id]))
	}
	return out, true, nil
}

// offboardItem reads what was decided about one identity since an entry.
func offboardItem(s identities.IdentityState, h []workflows.Record, since int64, made bool) OffboardItem {
	out := OffboardItem{ID: s.ID, Made: made, Decision: OffboardUndecided, Owner: s.Entry().Owner}
	rotates := false
	for _, r := range h {
		if r.Index <= since {
			continue
		}
		switch e := r.Event.(type) {
		case identities.HandoverAnswered:
			if e.Verdict == identities.HandoverKeep {
				out.Decision, out.By, out.At = OffboardKept, r.Person, r.At.UTC
			}
		case identities.RetirementOpened:
			out.Decision, out.By, out.At = OffboardRetired, r.Person, r.At.UTC
		case identities.RotationOpened:
			rotates = true
		case identities.RotationClosed:
			out.Proof = e.Proof
			if made && out.Decision == OffboardUndecided {
				out.Decision, out.By, out.At = OffboardReplaced, r.Person, r.At.UTC
			}
		}
	}
	turning := s.Rotating()
	if turning != nil {
		out.Until = turning.Due
	}
	switch {
	case s.Life.Retirement != nil:
		out.Left, out.Done = len(s.Life.Retirement.Left()), s.Life.Retired
	case out.Decision == OffboardUndecided && s.Life.Handover != nil:
		out.Asked, out.Until = s.Life.Handover.Asked(), s.Life.Handover.Until()
	default:
		out.Done = out.Decision != OffboardUndecided && turning == nil && (out.Proof != "" || !rotates)
	}
	return out
}
