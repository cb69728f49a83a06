package bot

import (
	"context"
	"fmt"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// home draws a person's page.
func (b *Bot) home(ctx context.Context, p workflows.PersonID) (slackgo.HomeTabViewRequest, error) {
	_, listed := b.c.Desk.Policy().People[p]
	l := b.in(ctx, p)
	h := screens.Home{In: l, Name: b.c.Identity.Name(ctx, p), DrawnAt: b.c.Now(), MayDecide: listed, More: map[string]int{}, From: b.pages.of(p)}
	var err error
	if h.Waiting, err = b.homeRequests(ctx, &h, screens.HomeWaiting, workflows.ListWaiting, p); err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	if h.Mine, err = b.homeRequests(ctx, &h, screens.HomeMine, workflows.ListMyOpen, p); err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	if err := b.homeHeld(ctx, &h, p); err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	offers, err := b.c.Desk.Catalogue(ctx, p)
	if err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	h.Offers = offerItems(offers, l)
	h.Away = b.awayNow(ctx, p)
	if h.Proposals, err = b.homeProposals(ctx, p); err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	if h.Runbooks, err = b.bookItems(ctx, p, true, l); err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	if err := b.homePages(ctx, &h, p); err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	if h.Owned, err = b.ownedItems(ctx, &h, p); err != nil {
		return slackgo.HomeTabViewRequest{}, err
	}
	h.Duty = b.dutyItems(ctx, p, l)
	return h.Render(), nil
}

func (b *Bot) homeRequests(ctx context.Context, h *screens.Home, name, list string, p workflows.PersonID) ([]screens.HomeRequest, error) {
	views, err := b.c.Desk.Requests(ctx, list, p, maxListed)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", list, err)
	}
	shown := window(views, h, name)
	out := make([]screens.HomeRequest, 0, len(shown))
	for _, v := range shown {
		x := screens.HomeRequest{Card: b.card(ctx, v, p)}
		if name == screens.HomeWaiting && h.MayDecide {
			x.Delegate = b.c.Buttons.Value(Button{Kind: kindDelegate, ID: string(v.State.ID)}, p)
		}
		out = append(out, x)
	}
	return out, nil
}

func (b *Bot) homeHeld(ctx context.Context, h *screens.Home, p workflows.PersonID) error {
	held, err := b.c.Desk.Grants(ctx, p, maxListed)
	if err != nil {
		return fmt.Errorf("reading grants: %w", err)
	}
	for _, x := range window(held, h, screens.HomeGrants) {
		h.Grants = append(h.Grants, b.homeGrant(ctx, x, p))
	}
	open, err := b.c.Desk.Reviews(ctx, p, maxListed)
	if err != nil {
		return fmt.Errorf("reading reviews: %w", err)
	}
	for _, r := range window(open, h, screens.HomeReviews) {
		h.Reviews = append(h.Reviews, screens.HomeReview{Review: b.review(ctx, r, p)})
	}
	return nil
}

func (b *Bot) homeGrant(ctx context.Context, x desk.Holding, p workflows.PersonID) screens.HomeGrant {
	a := x.Hold.Approved
	g := screens.HomeGrant{What: title(a.TargetTitle, a.Title), For: b.holder(a.Identity), Access: b.accessOf(ctx, x.Hold)}
	if x.Hold.Status == grants.StatusApproved || x.Hold.Status == grants.StatusActive {
		g.Done = b.c.Buttons.Value(Button{Kind: kindDone, ID: string(a.Grant)}, p)
		g.Extend = b.extendValue(ctx, x.Hold, p)
	}
	return g
}

// homeProposals are the changes of the documents that a person may decide.
func (b *Bot) homeProposals(ctx context.Context, p workflows.PersonID) ([]screens.Proposal, error) {
	list, err := b.c.Desk.Proposals(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading proposals: %w", err)
	}
	var out []screens.Proposal
	for _, x := range list {
		if mayDecide(x, p) {
			out = append(out, b.proposal(ctx, x, p))
		}
	}
	return out, nil
}
