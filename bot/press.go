package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

// pressed opens the value of a button and checks that it stood where we put it: on a message that we keep as a surface of the same stream,
// or on the clicker's own Home page or modal (T13). What fails is recorded as tampered.
func (b *Bot) pressed(ctx context.Context, c *call, kind byte, command string) (Button, *workflows.Refusal, error) {
	value := c.value()
	claim, err := b.c.Buttons.Parse(value)
	if err != nil {
		return b.tampered(ctx, c, command, "")
	}
	reader := c.by.Person
	if c.View == nil {
		f, ok, err := b.standsOn(ctx, c, claim)
		if err == nil && !ok && b.ours(value, kind, c.by.Person) {
			f, ok, err = b.standsOnSoon(ctx, c, claim)
		}
		if err != nil {
			return Button{}, nil, err
		}
		if !ok { // a card that was taken down because its channel is shared now
			if no, err := b.notHere(ctx, c, command, claim.ID); no != nil || err != nil {
				return Button{}, no, err
			}
		}
		if !ok || f.Person != "" && f.Person != c.by.Person {
			return b.tampered(ctx, c, command, claim.ID)
		}
		reader = f.Person
	}
	x, err := b.c.Buttons.Open(value, kind, reader)
	if err != nil {
		return b.tampered(ctx, c, command, claim.ID)
	}
	if reader == "" {
		no, err := b.notHere(ctx, c, command, x.ID)
		return x, no, err
	}
	return x, nil, nil
}

// meta opens the private metadata of a modal that we opened for this person.
func (b *Bot) meta(ctx context.Context, c *call, kind byte, command string) (Button, *workflows.Refusal, error) {
	if c.View == nil {
		return b.tampered(ctx, c, command, "")
	}
	x, err := b.c.Buttons.Open(c.View.PrivateMetadata, kind, c.by.Person)
	if err != nil {
		return b.tampered(ctx, c, command, "")
	}
	return x, nil, nil
}

func (b *Bot) tampered(ctx context.Context, c *call, command, about string) (Button, *workflows.Refusal, error) {
	r := workflows.Refuse(workflows.CodeTampered, "This button does not belong to the message it was sent from, so nothing was done.", "Open this app's Home page or type `/access list`, and act there.")
	r, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, command, viaSlack, about, r)
	return Button{}, r, err
}

// notHere refuses clicks in a channel that has been shared with another organisation since the card was posted (T11).
func (b *Bot) notHere(ctx context.Context, c *call, command, about string) (*workflows.Refusal, error) {
	if !b.isShared(ctx, c.ChannelID) {
		return nil, nil
	}
	r := workflows.Refuse(workflows.CodeTampered, "This channel is shared with another organisation now, so nothing is decided here.", "Use the copy in your direct messages, or this app's Home page.")
	return b.c.Desk.Refuse(ctx, c.cause(), c.by, command, viaSlack, about, r)
}

// ours tells whether we made the button, for everybody or for this reader.
func (b *Bot) ours(value string, kind byte, reader workflows.PersonID) bool {
	for _, r := range []workflows.PersonID{"", reader} {
		if _, err := b.c.Buttons.Open(value, kind, r); err == nil {
			return true
		}
	}
	return false
}

// standsOnSoon looks again for a moment: a message can be clicked as soon as Slack has it, which is before we have written down that it is
// ours. A click that comes in between is not a forgery.
func (b *Bot) standsOnSoon(ctx context.Context, c *call, x Button) (Surface, bool, error) {
	for range surfaceLooks {
		select {
		case <-ctx.Done():
			return Surface{}, false, ctx.Err()
		case <-time.After(surfaceEvery):
		}
		if f, ok, err := b.standsOn(ctx, c, x); ok || err != nil {
			return f, ok, err
		}
	}
	return Surface{}, false, nil
}

// standsOn finds the surface that the clicked message is, among those of the stream that the button claims.
func (b *Bot) standsOn(ctx context.Context, c *call, x Button) (Surface, bool, error) {
	streams, err := b.streamsOf(ctx, x)
	if err != nil {
		return Surface{}, false, err
	}
	for _, s := range streams {
		list, err := b.c.Surfaces.Of(ctx, s)
		if err != nil {
			return Surface{}, false, err
		}
		for _, f := range list {
			if !f.Home && f.Channel == c.ChannelID && f.TS == c.MessageTS && f.TS != "" {
				return f, true, nil
			}
		}
	}
	return Surface{}, false, nil
}

// streamsOf are the streams on whose surfaces a button can stand.
func (b *Bot) streamsOf(ctx context.Context, x Button) ([]workflows.StreamID, error) {
	switch x.Kind {
	case kindReview:
		return []workflows.StreamID{workflows.ReviewStream(workflows.ReviewID(x.ID))}, nil
	case kindPolicyApprove, kindPolicyDeny:
		return []workflows.StreamID{workflows.PolicyStream}, nil
	case kindAccept, kindDecline:
		request, _, _ := strings.Cut(x.ID, "#")
		return []workflows.StreamID{workflows.RequestStream(workflows.RequestID(request))}, nil
	case kindAgree:
		book, _, _ := strings.Cut(x.ID, "#")
		return []workflows.StreamID{workflows.RunbookStream(workflows.RunbookID(book))}, nil
	case kindAck:
		return []workflows.StreamID{escalations.Stream(x.ID)}, nil
	case kindStepRun, kindStepDone, kindStepSkip, kindRunBack, kindRunClose:
		return []workflows.StreamID{workflows.RunStream(workflows.RunID(x.ID))}, nil
	case kindSheetNext, kindSheetKeep, kindSheetAll, kindSheetOther:
		return []workflows.StreamID{workflows.SheetStream(workflows.SheetID(x.ID))}, nil
	case kindDone, kindRevoke, kindExtend, kindSecret:
		h, err := b.c.Desk.Grant(ctx, workflows.GrantID(x.ID))
		if errors.Is(err, workflows.ErrNoStream) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []workflows.StreamID{grantHome(h)}, nil
	}
	return []workflows.StreamID{workflows.RequestStream(workflows.RequestID(x.ID))}, nil
}

// grantHome is the stream whose surfaces show a grant: the request behind it, because that card is repainted with the grant; or the grant's
// own stream where a runbook made it.
func grantHome(h desk.Holding) workflows.StreamID {
	if r := h.Hold.Approved.Request; r != "" {
		return workflows.RequestStream(r)
	}
	return h.Stream
}
