package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// What happens to secrets that come with access and are handed over. The desk never sees one.

// SecretKept records that a secret waits, sealed, for the holder of a grant.
func (d *Desk) SecretKept(ctx context.Context, stream workflows.StreamID, e grants.SecretKept) error {
	return d.grantUpdate(ctx, "", stream, func(f workflows.Facts) (workflows.Outcome, error) { return grants.KeepSecret(f, stream, e) })
}

// SecretDestroyed records that the sealed secret of a grant is gone, if that was due.
func (d *Desk) SecretDestroyed(ctx context.Context, cause Cause, stream workflows.StreamID, id workflows.GrantID) error {
	return d.grantUpdate(ctx, cause, stream, func(f workflows.Facts) (workflows.Outcome, error) { return grants.DestroySecret(f, stream, id) })
}

// TakeSecret is somebody who wants to be shown the secret of a grant.
type TakeSecret struct {
	Cause   Cause // a fresh one for each try: a repeated call must not look like a second success
	By      workflows.Acting
	Grant   workflows.GrantID
	Authn   string
	Channel string
	From    string
}

// TakeSecret decides whether a person may see the secret of a grant, and records it as taken before anybody shows it. Without a refusal and
// an error the caller shows it, once, and destroys it.
func (d *Desk) TakeSecret(ctx context.Context, c TakeSecret) (Answer, error) {
	stream, err := d.grantStream(ctx, c.Grant)
	if err != nil {
		return Answer{}, err
	}
	if run, step, ok := stepOfOrder(c.Grant); ok && stream == "" {
		return d.takeRunSecret(ctx, c, run, step)
	}
	var streams []workflows.StreamID
	if stream != "" {
		streams = append(streams, stream)
	}
	by := grants.Taking{By: c.By, Authn: c.Authn, Channel: c.Channel, From: c.From}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		return grants.TakeSecret(f, stream, c.Grant, by)
	})
	return answered(&res), err
}

// SecretsOf are the grants whose secret waits for a person.
func (d *Desk) SecretsOf(ctx context.Context, p workflows.PersonID) ([]Holding, error) {
	held, err := d.Grants(ctx, p, 0)
	if err != nil {
		return nil, err
	}
	var out []Holding
	for _, h := range held {
		if h.Hold.Secret.Waits() && h.Hold.Secret.TakenAt.UTC == 0 && h.Hold.Holder() == p {
			out = append(out, h)
		}
	}
	more, err := d.runSecrets(ctx, p)
	return append(out, more...), err
}

// PersonNow is a person as their stream says.
func (d *Desk) PersonNow(ctx context.Context, p workflows.PersonID) (identities.PersonState, error) {
	h, err := d.ledger.History(ctx, workflows.PersonStream(p))
	if err != nil {
		return identities.PersonState{}, err
	}
	return identities.FoldPerson(h)
}

// SetKey is a person who registers the key that secrets for them are sealed to. An empty Key removes the one they have.
type SetKey struct {
	Cause       Cause
	By          workflows.Acting
	Medium      string
	Fingerprint string
	Key         string
	Authn       string
	Channel     string
}

// SetKey records a person's own key. Nobody sets it for somebody else.
func (d *Desk) SetKey(ctx context.Context, c SetKey) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	standing := d.standing(ctx, c.By)
	var streams []workflows.StreamID
	if c.By.Person != "" && c.Key != "" {
		if taken, err := d.isTaken(ctx, c.By.Person.Identity(), c.Fingerprint, nil); err != nil {
			return Answer{}, err
		} else if taken {
			no, err := d.Refuse(ctx, c.Cause, c.By, "key", c.Channel, "", workflows.Refuse(workflows.CodeBadField, keyTaken, keyTakenHelp))
			return Answer{Refusal: no}, err
		}
	}
	if c.By.Person != "" {
		streams = append(streams, workflows.PersonStream(c.By.Person))
	}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.SetKey(f, identities.Setting{By: c.By, Standing: standing, Event: identities.KeySet{
			Medium: c.Medium, Fingerprint: c.Fingerprint, Key: c.Key, Authn: c.Authn, Channel: c.Channel,
		}})
	})
	return answered(&res), err
}
