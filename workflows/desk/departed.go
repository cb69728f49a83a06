package desk

import (
	"context"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Departed tells since when somebody who answers for identities is gone, for one look at many of them: it remembers what it has read. Of whom nothing is
// recorded, and who is not in the people file, nobody knows since when.
func (d *Desk) Departed(ctx context.Context) identities.Gone {
	p := d.Policy()
	known := map[string]workflows.Stamp{}
	return func(owner string) workflows.Stamp {
		if name, team := strings.CutPrefix(owner, identities.GroupPrefix); team {
			return whenNot(len(p.Groups[name]) > 0)
		}
		at, read := known[owner]
		if !read {
			at = d.leftAt(ctx, p, workflows.PersonID(owner))
			known[owner] = at
		}
		return at
	}
}

// whenNot is a moment long ago for what is not.
func whenNot(there bool) workflows.Stamp {
	if there {
		return 0
	}
	return 1
}

func (d *Desk) leftAt(ctx context.Context, p *Policy, who workflows.PersonID) workflows.Stamp {
	h, err := d.ledger.History(ctx, workflows.PersonStream(who))
	if err == nil {
		var s identities.PersonState
		if s, err = identities.FoldPerson(h); err == nil && s.Left != nil && s.Left.Why == identities.LeftCompany {
			return s.Since.UTC
		}
	}
	if err != nil {
		d.log.Warn("whether somebody left cannot be read, so no finding says it", "person", who, "err", err)
	}
	_, listed := p.People[who]
	return whenNot(listed || err != nil)
}

// LastUsers are the people who acted last as an identity that people may act as.
func (d *Desk) LastUsers(ctx context.Context) (map[workflows.IdentityID]workflows.PersonID, error) {
	out := map[workflows.IdentityID]workflows.PersonID{}
	for _, v := range d.Policy().Workflows {
		for _, e := range v.Workflow.Entitlements {
			if _, seen := out[e.ActsAs]; seen || e.ActsAs == "" {
				continue
			}
			p, err := d.lastUser(ctx, e.ActsAs)
			if err != nil {
				return nil, err
			}
			out[e.ActsAs] = p
		}
	}
	return out, nil
}

// lastUser is the person who acted last as one identity; empty: nobody did.
func (d *Desk) lastUser(ctx context.Context, id workflows.IdentityID) (who workflows.PersonID, err error) {
	streams, err := d.all(ctx, grants.ListActsAs, string(id))
	at := workflows.Stamp(0)
	for _, stream := range streams {
		hold, err := d.lastHold(ctx, stream, id)
		if err != nil {
			return "", err
		}
		if hold != nil && hold.At.UTC > at {
			at, who = hold.At.UTC, hold.Approved.Requester
		}
	}
	return who, err
}

// lastHold is the last time that a stream let its holder act as an identity; nil: never.
func (d *Desk) lastHold(ctx context.Context, stream workflows.StreamID, as workflows.IdentityID) (*grants.Hold, error) {
	h, err := d.ledger.History(ctx, stream)
	if err != nil {
		return nil, err
	}
	s, err := grants.Fold(h)
	if err != nil {
		return nil, err
	}
	for i := len(s.Holds) - 1; i >= 0; i-- {
		if s.Holds[i].Approved.ActsAs.Identity == as {
			return &s.Holds[i], nil
		}
	}
	return nil, nil
}

// replaceMade opens the rotation of what somebody who left had asked for and others own: whoever it was made for may have been handed its secret. What they
// own themselves is handed over, which replaces its secret, too.
func (d *Desk) replaceMade(ctx context.Context, cause Cause, who workflows.PersonID) ([]workflows.IdentityID, error) {
	var rows []workflows.InventoryRow
	err := d.EachIdentity(ctx, workflows.InventoryQuery{Key: identities.CreatorKey(who)}, func(r workflows.InventoryRow) error {
		if r.Owner != string(who) && r.State != workflows.IdentityRetired {
			rows = append(rows, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []workflows.IdentityID
	do := identities.Do{By: workflows.System, System: true, Command: "hand over"}
	for _, r := range rows {
		s, err := d.identityState(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		if s.Entry().Stored == identities.StoredNone || s.Life.Retirement != nil {
			continue
		}
		rotation := d.ids.New("o_")
		_, err = d.update(ctx, sub(cause, "made/"+string(r.ID)), []workflows.StreamID{workflows.IdentityStream(r.ID)}, func(f workflows.Facts) (workflows.Outcome, error) {
			return identities.OpenRotation(f, do, r.ID, rotation, identities.RotateLeaver)
		})
		if err != nil {
			return nil, fmt.Errorf("having the secret of %q replaced: %w", r.ID, err)
		}
		out = append(out, r.ID)
	}
	return out, nil
}
