package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// ListOffers asks the receiver what it can grant, where the settings say that it tells: op is offers, and the answer what runbooks.ParseOffers reads.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return runbooks.StreamOffers(ctx, c.listed)
}

func (c *Connector) listed(ctx context.Context) ([]runbooks.Offer, error) {
	if !c.lists {
		return nil, nil
	}
	body, err := json.Marshal(map[string]any{"v": orders.Version, "op": "offers"})
	if err != nil {
		return nil, runbooks.Errorf(runbooks.Broken, err, "the question could not be written")
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := c.send(ctx, http.MethodPost, c.url, "offers_"+rand.Text(), body)
	if err == nil {
		err = r.judge()
	}
	if err != nil {
		return nil, err
	}
	list, err := runbooks.ParseOffers(r.body)
	if err != nil || len(r.body) > orders.MaxAnswer {
		return nil, runbooks.Errorf(runbooks.Broken, nil, "the service's list of what it can grant cannot be read: %v", err)
	}
	return list, nil
}

// IsUnlisted tells that the receiver does not list what it can grant.
func (c *Connector) IsUnlisted(context.Context, map[string][]string) bool { return !c.lists }
