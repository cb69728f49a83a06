package desk

import (
	"context"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// IdentityClaim is what a source says of one identity.
type IdentityClaim struct {
	ID    workflows.IdentityID
	Claim identities.Claimed
}

// Intake is what became of the claims of a source.
type Intake struct {
	New     int `json:"new"`     // identities that nobody knew
	Changed int `json:"changed"` // of which the source says something else than before
	Same    int `json:"same"`
	Gone    int `json:"gone"` // which the source does not know any more
}

// claimsAtOnce is how many identities one transaction takes in: it may name 64 streams.
const claimsAtOnce = 48

// TakeIn records what a source says. It may be repeated: what is known already is not recorded again.
func (d *Desk) TakeIn(ctx context.Context, by workflows.Acting, claims []IdentityClaim) (Intake, error) {
	var out Intake
	for part := range slices.Chunk(claims, claimsAtOnce) {
		streams := make([]workflows.StreamID, 0, len(part))
		for _, c := range part {
			streams = append(streams, workflows.IdentityStream(c.ID))
		}
		var n Intake
		_, err := d.update(ctx, "", streams, func(f workflows.Facts) (workflows.Outcome, error) {
			n = Intake{}
			var out workflows.Outcome
			for _, c := range part {
				one, err := identities.Claims(f, by, c.ID, c.Claim)
				if err != nil {
					return out, err
				}
				switch {
				case len(one.Events) == 0:
					n.Same++
				case len(f.Histories[workflows.IdentityStream(c.ID)]) == 0:
					n.New++
				default:
					n.Changed++
				}
				out.Events = append(out.Events, one.Events...)
			}
			return out, nil
		})
		if err != nil {
			return out, err
		}
		out.New, out.Changed, out.Same = out.New+n.New, out.Changed+n.Changed, out.Same+n.Same
	}
	return out, nil
}

// Forget records that a source knows an identity no more.
func (d *Desk) Forget(ctx context.Context, id workflows.IdentityID, source, why string) error {
	_, err := d.update(ctx, "", []workflows.StreamID{workflows.IdentityStream(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Leaves(f, id, source, why)
	})
	return err
}

// MayOwn says why somebody, or a team, cannot answer for an identity; nil when they can.
func (d *Desk) MayOwn(ctx context.Context, owner string) *workflows.Refusal {
	return d.mayOwn(ctx, owner)
}

// EachIdentity goes through everything in the inventory that a query finds, in constant memory.
func (d *Desk) EachIdentity(ctx context.Context, q workflows.InventoryQuery, fn func(workflows.InventoryRow) error) error {
	q.Limit = 0
	for {
		rows, err := d.ledger.Inventory(ctx, q)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if err := fn(r); err != nil {
				return err
			}
		}
		q.After = rows[len(rows)-1].ID
	}
}

// IdentityTexts are the erasable texts of an identity: its account on the target, the place of its secret, how to take it back in an emergency.
func (d *Desk) IdentityTexts(ctx context.Context, id workflows.IdentityID) (account, place, path string, err error) {
	s, err := d.identityState(ctx, id)
	if err != nil {
		return "", "", "", err
	}
	account, place, path = s.Texts()
	return account, place, path, nil
}
