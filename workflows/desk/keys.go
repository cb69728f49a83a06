package desk

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// What people are told whose key is another's. Whose it is, is not among it.
const (
	keyTaken     = "This key is on record for another identity, and no two share one."
	keyTakenHelp = "Make a new pair and give its public half. If the key is yours, ask security to look it up."
)

// isTaken tells whether a public key is on record for another identity than its holder (R73): as the key of a person, as one that access was made for,
// or in the inventory, where those that are retired stand, too. Of access, only what was approved before hold counts; nil: all of it.
func (d *Desk) isTaken(ctx context.Context, holder workflows.IdentityID, print string, hold *grants.Hold) (bool, error) {
	streams, err := d.ledger.List(ctx, workflows.ListKey, print, 0)
	if err != nil {
		return false, err
	}
	for _, s := range streams {
		if of := keyHolder(s); of == holder {
			continue
		}
		if hold == nil || s.Kind() != workflows.KindGrant {
			return true, nil
		}
		h, err := d.ledger.History(ctx, s)
		if err != nil {
			return false, err
		}
		state, err := grants.Fold(h)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(state.Holds, func(o grants.Hold) bool { return o.CameFor(print) && isEarlier(o, *hold) }) {
			return true, nil
		}
	}
	return d.isInventoried(ctx, holder, print)
}

func isEarlier(a, b grants.Hold) bool {
	if a.At.UTC != b.At.UTC {
		return a.At.UTC < b.At.UTC
	}
	return a.Approved.Grant < b.Approved.Grant
}

// keyHolder is whose key a stream of ListKey tells of.
func keyHolder(s workflows.StreamID) workflows.IdentityID {
	if s.Kind() == workflows.KindPerson {
		return workflows.PersonID(s.Rest()).Identity()
	}
	of, _, _ := strings.Cut(s.Rest(), "/")
	return workflows.IdentityID(of)
}

// isInventoried tells whether the inventory has a key for another. A credential that it knows to be of the holder's own account is theirs.
func (d *Desk) isInventoried(ctx context.Context, holder workflows.IdentityID, print string) (bool, error) {
	if d.prints == nil {
		return false, nil
	}
	for _, name := range d.prints(print) {
		rows, err := d.ledger.Inventory(ctx, workflows.InventoryQuery{Key: identities.PrintKey(name)})
		if err != nil {
			return false, err
		}
		for _, r := range rows {
			if r.ID == holder {
				continue
			}
			s, err := d.identityState(ctx, r.ID)
			if err != nil {
				return false, err
			}
			if p := s.Entry().Person; p == "" || p.Identity() != holder {
				return true, nil
			}
		}
	}
	return false, nil
}

// takenKeys says which fields of a form hold a key of another identity than the one that would hold the access.
func (q *question) takenKeys(ctx context.Context) (bad []workflows.FieldProblem, err error) {
	if q.ask.Subject == "" {
		return nil, nil
	}
	for _, f := range q.v.Workflow.Fields {
		print := workflows.KeyPrint(q.ask.Form.Values[f.Name])
		if print == "" {
			continue
		}
		taken, err := q.desk.isTaken(ctx, q.ask.Subject, print, nil)
		if err != nil {
			return nil, err
		}
		if taken {
			bad = append(bad, workflows.FieldProblem{Field: f.Name, Text: keyTaken + " " + keyTakenHelp})
		}
	}
	return bad, nil
}

// keyOfAnother says why access is not made, where its key became another identity's since it was asked for.
func (d *Desk) keyOfAnother(ctx context.Context, hold grants.Hold) (string, error) {
	a := hold.Approved
	for _, field := range slices.Sorted(maps.Keys(a.Fields)) {
		print := workflows.KeyPrint(a.Fields[field])
		if print == "" {
			continue
		}
		if taken, err := d.isTaken(ctx, a.Identity, print, &hold); taken || err != nil {
			return "The key in the field " + field + ": " + keyTaken + " " + keyTakenHelp, err
		}
	}
	return "", nil
}
