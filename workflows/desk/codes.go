package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// PrintCodes is somebody who has one-time codes printed for a person.
type PrintCodes struct {
	Cause   Cause
	By      workflows.Acting
	For     workflows.PersonID
	Hashes  []string // identities.CodeHash of each
	Until   workflows.Stamp
	Use     string
	Channel string
}

// PrintCodes records the hashes of codes for a person. For oneself anybody who breaks glass or decides may have them; for somebody else only
// an owner or security, who then hands them over on paper.
func (d *Desk) PrintCodes(ctx context.Context, c PrintCodes) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	standing := d.standing(ctx, c.By)
	mine := c.By.Person != "" && c.By.Person == c.For
	may := mine || d.HasRole(ctx, RoleOwner, c.By.Person) || d.HasRole(ctx, RoleSecurity, c.By.Person)
	_, listed := d.Policy().People[c.For]
	stream := workflows.PersonStream(c.For)
	event := identities.CodesIssued{Set: d.ids.New("k_"), Hashes: c.Hashes, Until: c.Until, Use: c.Use, By: c.By.Person, Channel: c.Channel}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		no := standing.Refusal()
		switch {
		case no != nil:
		case !may:
			no = workflows.Refuse(workflows.CodeNotEligible, "Codes for somebody else are printed by owners and security of Countersign.", "Print your own: countersign codes new.")
		case !listed:
			no = workflows.Refuse(workflows.CodeUnlinked, "Nobody in the people file has that name.", "")
		case c.Until <= f.Now.UTC:
			no = workflows.Refuse(workflows.CodeBadField, "The codes would have run out already.", "")
		}
		if no != nil {
			return workflows.RefuseOn(workflows.SystemStream, c.By, "codes", c.Channel, string(c.For), no), nil
		}
		var out workflows.Outcome
		out.Add(stream, c.By, "", event)
		return out, nil
	})
	return answered(&res), err
}

// UseCode is somebody who typed a one-time code.
type UseCode struct {
	Cause   Cause
	By      workflows.Acting // the account that the code makes them act with
	Code    string           // without dashes
	Use     string
	What    string
	About   string
	Channel string
	From    string
}

// UseCode uses up a one-time code of a person. Good or not, it is recorded.
func (d *Desk) UseCode(ctx context.Context, c UseCode) (Answer, error) {
	stream := workflows.PersonStream(c.By.Person)
	hash := identities.CodeHash(c.By.Person, c.Code)
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.UseCode(f, c.By, hash, c.Use, identities.CodeUsed{What: c.What, About: c.About, Channel: c.Channel, From: c.From})
	})
	return answered(&res), err
}

// VoidCodes makes what is left of a person's codes useless: a sheet was lost.
func (d *Desk) VoidCodes(ctx context.Context, cause Cause, by workflows.Acting, p workflows.PersonID, why, channel string) (int, *workflows.Refusal, error) {
	may := by.Person != "" && (by.Person == p || d.HasRole(ctx, RoleOwner, by.Person) || d.HasRole(ctx, RoleSecurity, by.Person))
	stream, n := workflows.PersonStream(p), 0
	res, err := d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		if !may {
			return workflows.RefuseOn(workflows.SystemStream, by, "codes", channel, string(p),
				workflows.Refuse(workflows.CodeNotEligible, "Codes of somebody else are voided by owners and security of Countersign.", "")), nil
		}
		s, err := identities.FoldPerson(f.Histories[stream])
		if err != nil {
			return workflows.Outcome{}, err
		}
		var out workflows.Outcome
		n = 0
		for _, set := range s.Codes {
			if set.Void == "" {
				out.Add(stream, by, "", identities.CodesVoided{Set: set.Set, Why: why})
				n++
			}
		}
		return out, nil
	})
	return n, res.Refusal, err
}

// Reconcile is somebody who brings what stands on an opened envelope into the ledger.
type Reconcile struct {
	Cause    Cause
	By       workflows.Acting
	Of       workflows.PersonID
	Code     string
	OpenedAt workflows.Stamp
	Incident string
	Seen     workflows.PersonID
	Did      string
	Channel  string
}

// ReconcileEnvelope records what was done on paper while nothing could be recorded.
func (d *Desk) ReconcileEnvelope(ctx context.Context, c Reconcile) (Answer, error) {
	may := c.By.Person != "" && (c.By.Person == c.Of || d.HasRole(ctx, RoleOwner, c.By.Person) || d.HasRole(ctx, RoleSecurity, c.By.Person))
	x := identities.Envelope{By: c.By, Of: c.Of, May: may, Hash: identities.CodeHash(c.Of, c.Code), Event: identities.EnvelopeReconciled{
		OpenedAt: c.OpenedAt, Incident: c.Incident, Seen: c.Seen, Did: c.Did, Channel: c.Channel,
	}}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.PersonStream(c.Of)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Reconcile(f, x)
	})
	return answered(&res), err
}
