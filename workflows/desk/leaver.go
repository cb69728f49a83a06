package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Departure says that a person is gone, has another role, or is there again.
type Departure struct {
	Cause  Cause
	By     workflows.Acting // workflows.System: a system said so
	Person workflows.PersonID
	Why    string // identities.LeftCompany, identities.LeftRole; empty: they are there again
	Source string // "slack", "scim", "csv", "cli"
	Detail string
}

// Depart records a departure. What follows (every access ends, every identity they answer for is handed over) is a job: it is done even if the
// process ends now. Somebody who left already is told of once.
func (d *Desk) Depart(ctx context.Context, c Departure) error {
	if c.Person == "" {
		return nil
	}
	stream := workflows.PersonStream(c.Person)
	_, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		s, err := identities.FoldPerson(f.Histories[stream])
		switch {
		case err != nil:
			return out, err
		case c.Why == "" && s.Left != nil && (s.Left.Source == c.Source || c.Source == "csv"): // one source does not undo what another knows
			out.Add(stream, c.By, "", identities.Returned{Source: c.Source})
		case c.Why != "" && s.Left != nil && (s.Left.Why == identities.LeftCompany || s.Left.Why == c.Why && f.Now.UTC < s.Since.UTC.Add(movedOnce)):
			return out, nil
		case c.Why != "":
			out.Add(stream, c.By, "", identities.Left{Why: c.Why, Source: c.Source, Detail: c.Detail})
		}
		return out, nil
	})
	if err != nil {
		return fmt.Errorf("recording that %q left: %w", c.Person, err)
	}
	return nil
}

// movedOnce is how long the same news of another role counts as the same: providers repeat themselves.
const movedOnce = 24 * time.Hour

// HasLeft tells whether it is on record that somebody left, and did not return.
func (d *Desk) HasLeft(ctx context.Context, p workflows.PersonID) (bool, error) {
	if p == "" {
		return false, nil
	}
	h, err := d.ledger.History(ctx, workflows.PersonStream(p))
	if err != nil {
		return false, err
	}
	s, err := identities.FoldPerson(h)
	return s.Left != nil && s.Left.Why == identities.LeftCompany, err
}

// attentive is a directory that also knows who is on record as having left, whatever the chat still says of their account.
type attentive struct {
	Directory
	desk *Desk
}

// Standing implements Directory.
func (a attentive) Standing(ctx context.Context, by workflows.Acting) (workflows.Standing, error) {
	s, err := a.Directory.Standing(ctx, by)
	return a.present(ctx, by.Person, s, err)
}

// StandingOf implements Directory.
func (a attentive) StandingOf(ctx context.Context, p workflows.PersonID) (workflows.Standing, error) {
	s, err := a.Directory.StandingOf(ctx, p)
	return a.present(ctx, p, s, err)
}

func (a attentive) present(ctx context.Context, p workflows.PersonID, s workflows.Standing, err error) (workflows.Standing, error) {
	if err != nil {
		return s, err
	}
	left, err := a.desk.HasLeft(ctx, p)
	if err != nil {
		return workflows.Standing{}, fmt.Errorf("looking whether %q left: %w", p, err)
	}
	s.Active = s.Active && !left
	return s, nil
}

// HandOver carries out what a departure demands. It is a job: an error means try again, and what was done is found done.
func (d *Desk) HandOver(ctx context.Context, cause Cause, stream workflows.StreamID, seq int64) error {
	who := workflows.PersonID(stream.Rest())
	h, err := d.ledger.History(ctx, stream)
	if err != nil {
		return err
	}
	s, err := identities.FoldPerson(h)
	if err != nil || s.Owes != seq {
		return err
	}
	n, err := d.endEverything(ctx, cause, who.Identity(), "the holder "+departedWords(s.Left))
	if err != nil {
		return err
	}
	owned, err := d.answersFor(ctx, who)
	if err != nil {
		return err
	}
	var moved, made []workflows.IdentityID
	for _, id := range owned {
		opened, err := d.handOverOne(ctx, id, who)
		if err != nil {
			return fmt.Errorf("handing %q over: %w", id, err)
		}
		if opened {
			moved = append(moved, id)
		}
	}
	if s.Left != nil && s.Left.Why == identities.LeftCompany {
		if made, err = d.replaceMade(ctx, cause, who); err != nil {
			return err
		}
	}
	_, err = d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		s, err := identities.FoldPerson(f.Histories[stream])
		if err == nil && s.Owes == seq {
			out.Add(stream, workflows.System, "", identities.HandedOver{For: seq, Grants: n, Identities: moved[:min(len(moved), maxNamed)], Made: made[:min(len(made), maxNamed)]})
		}
		return out, err
	})
	return err
}

const maxNamed = 500 // identities one entry names: a leaf holds some 64 KiB

func departedWords(l *identities.Left) string {
	if l != nil && l.Why == identities.LeftRole {
		return "has another role"
	}
	return "has left"
}

// answersFor are the identities of which somebody is the owner, in the documents or in the ledger.
func (d *Desk) answersFor(ctx context.Context, p workflows.PersonID) ([]workflows.IdentityID, error) {
	ids := d.Policy().Owned(p)
	for after := workflows.IdentityID(""); ; {
		rows, err := d.ledger.Inventory(ctx, workflows.InventoryQuery{Owner: string(p), After: after})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			ids = append(ids, r.ID)
			after = r.ID
		}
		if len(rows) == 0 {
			break
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// handOverOne opens the hand-over of an identity whose owner left; false when the one who left only backed it up, or it is over.
func (d *Desk) handOverOne(ctx context.Context, id workflows.IdentityID, left workflows.PersonID) (bool, error) {
	s, err := d.identityState(ctx, id)
	if err != nil {
		return false, err
	}
	e := s.Entry()
	if e.Owner != string(left) || s.Life.Retired || s.Life.Retirement != nil {
		return false, nil
	}
	ladder := d.ladder(ctx, e, left)
	handover := d.ids.New("o_")
	do := identities.Do{By: workflows.System, System: true, Command: "hand over"}
	res, err := d.update(ctx, "", []workflows.StreamID{workflows.IdentityStream(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		h := identities.HandoverOpened{
			Handover: handover, Why: identities.WhyLeaver, From: string(left), Silence: identities.SilenceSuspends, Rotate: e.Stored != identities.StoredNone,
		}
		for i, r := range ladder {
			r.Until = f.Now.UTC.Add(handoverRung * time.Duration(i+1))
			h.Rungs = append(h.Rungs, r)
		}
		return identities.OpenHandover(f, do, id, h)
	})
	return err == nil && res.Refusal == nil, err
}

// ladder is who is asked to take an identity over, one after the other: the backup owner, the owners of its target, security. Whoever left is
// nowhere on it, nor anybody who cannot decide.
func (d *Desk) ladder(ctx context.Context, e identities.Entry, left workflows.PersonID) []identities.Rung {
	p := d.Policy()
	var out []identities.Rung
	seen := map[workflows.PersonID]bool{left: true}
	rung := func(why string, people ...workflows.PersonID) {
		r := identities.Rung{Why: why}
		for _, x := range people {
			if x != "" && !seen[x] && d.standingOf(ctx, x).Refusal() == nil {
				seen[x] = true
				r.People = append(r.People, x)
			}
		}
		if len(r.People) > 0 {
			out = append(out, r)
		}
	}
	backup, _ := d.ownersOf(ctx, e.Backup)
	rung("backup owner", backup...)
	if t, ok := p.Targets[e.Target]; ok {
		rung("owner of "+string(e.Target), t.Owner, t.Backup)
	}
	rung("security", d.roleHolders(ctx, p, RoleSecurity)...)
	return out
}
