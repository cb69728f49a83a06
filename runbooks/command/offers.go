package command

import (
	"context"
	"iter"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// ListOffers runs the program that tells what can be granted, where the settings name one. It reads nothing on stdin, and prints what runbooks.ParseOffers reads.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return runbooks.StreamOffers(ctx, c.listed)
}

func (c *Connector) listed(ctx context.Context) ([]runbooks.Offer, error) {
	if len(c.offers) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.turn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-c.runs }()
	if err := checkProgram(c.offers[0]); err != nil {
		return nil, err
	}
	res, err := c.run(ctx, c.offers, nil)
	if err == nil {
		err = res.judge()
	}
	if err != nil {
		return nil, err
	}
	list, err := runbooks.ParseOffers(res.stdout)
	if err != nil || len(res.stdout) > orders.MaxAnswer {
		return nil, runbooks.Errorf(runbooks.Broken, res.said(), "the program that lists what can be granted prints what cannot be read: %v", err)
	}
	return list, nil
}

// IsUnlisted tells that no program lists what can be granted.
func (c *Connector) IsUnlisted(context.Context, map[string][]string) bool { return len(c.offers) == 0 }
