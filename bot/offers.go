package bot

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// openOffer asks an approver what they would approve instead.
func (b *Bot) openOffer(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindOffer, "counter")
	if no != nil || err != nil {
		return refusal(no), err
	}
	v, no, err := b.look(ctx, c, "counter", workflows.RequestID(x.ID))
	if no != nil || err != nil {
		return refusal(no), err
	}
	x.Kind = kindOfferForm
	var narrower []screens.Choice
	for i, e := range v.Workflow.Entitlements {
		if e.Target != v.State.Asked.Target || e.ID != v.State.Asked.Entitlement {
			narrower = append(narrower, screens.Choice{Value: strconv.Itoa(i), Text: title(e.TargetTitle, e.Title), More: e.BusinessTask})
		}
	}
	return b.openFor(ctx, c, v, workflows.OpenedToOffer, screens.OfferForm(b.card(ctx, v, c.by.Person), narrower, v.Workflow.Later > 0, b.c.Buttons.Value(x, c.by.Person)))
}

// offerMade is the filled form of a counter-offer.
func (b *Bot) offerMade(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindOfferForm, "counter")
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	v, no, err := b.look(ctx, c, "counter", workflows.RequestID(x.ID))
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	terms, problem := offeredTerms(c.View, v)
	if problem != nil {
		return answer{errors: problem, message: say(b.inUser(ctx, c.UserID).Of("Your offer came back with a problem while its form was closed. Please open it again.")).message}, nil
	}
	at, err := b.receivedAt(ctx, c.Interaction)
	if err != nil {
		return answer{}, err
	}
	shown := x.Shown
	if shown != "" && strings.HasPrefix(v.State.Shown(x.Stage), shown) {
		shown = v.State.Shown(x.Stage)
	}
	reason, _ := c.View.Input(screens.BlockReason, screens.InputValue)
	res, err := b.c.Desk.Counter(ctx, desk.CounterOffer{
		Cause: c.cause(), By: c.by, Request: v.State.ID, Stage: x.Stage, Shown: shown, Terms: terms, Reason: strings.TrimSpace(reason.Value),
		ReceivedAt: at, Authn: slackClick, Channel: viaSlack, Payload: digest(c.Interaction),
	})
	if err != nil || res.Refusal != nil {
		return inModal(refusal(res.Refusal)), err
	}
	return inModal(said("✅ Recorded: your counter-offer. The requester is told; the request goes on as it is until they accept.")), nil
}

// offeredTerms reads the form; what cannot be read is said beside the input. Whether it is less than what was asked is the engine's question.
func offeredTerms(form *slack.View, v desk.View) (workflows.Terms, map[string]string) {
	var t workflows.Terms
	get := func(block string) string {
		in, _ := form.Input(block, screens.InputValue)
		return strings.TrimSpace(in.Value)
	}
	if s := get(screens.BlockOfferLong); s != "" {
		span, ok := parseSpan(s)
		if !ok {
			return t, map[string]string{screens.BlockOfferLong: "Write a number and m, h or d, such as 30m, 2h or 1d."}
		}
		t.Seconds = span
	}
	if i, err := strconv.Atoi(get(screens.BlockOfferWhat)); err == nil && i >= 0 && i < len(v.Workflow.Entitlements) {
		t.Target, t.Entitlement = v.Workflow.Entitlements[i].Target, v.Workflow.Entitlements[i].ID
	}
	at, ok := moment(get(screens.BlockOfferStart))
	if !ok {
		return t, map[string]string{screens.BlockOfferStart: "Pick a date and a time."}
	}
	t.NotBefore = at
	if t == (workflows.Terms{}) {
		return t, map[string]string{screens.BlockOfferLong: "Offer something else than what was asked: shorter, narrower or later."}
	}
	return t, nil
}

// moment reads what a date-time picker sends: seconds since 1970. Empty is the zero Stamp.
func moment(s string) (workflows.Stamp, bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > maxUnix {
		return 0, false
	}
	return workflows.StampOf(time.Unix(n, 0)), true
}

// acceptOffer is the requester's one click.
func (b *Bot) acceptOffer(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindAccept, "accept")
	if no != nil || err != nil {
		return refusal(no), err
	}
	request, offer, ok := strings.Cut(x.ID, "#")
	if !ok {
		_, no, err := b.tampered(ctx, c, "accept", x.ID)
		return refusal(no), err
	}
	res, err := b.c.Desk.AcceptOffer(ctx, desk.OfferAnswer{
		Cause: c.cause(), By: c.by, Request: workflows.RequestID(request), Offer: offer, Authn: slackClick, Channel: viaSlack,
	})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	a, err := b.sent(ctx, c, res.ID)
	a.view = nil
	return a, err
}

func (b *Bot) declineOffer(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindDecline, "decline")
	if no != nil || err != nil {
		return refusal(no), err
	}
	request, offer, ok := strings.Cut(x.ID, "#")
	if !ok {
		_, no, err := b.tampered(ctx, c, "decline", x.ID)
		return refusal(no), err
	}
	res, err := b.c.Desk.DeclineOffer(ctx, desk.OfferAnswer{
		Cause: c.cause(), By: c.by, Request: workflows.RequestID(request), Offer: offer, Authn: slackClick, Channel: viaSlack,
	})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return b.recorded(ctx, c, workflows.RequestID(request), "✅ Recorded: you kept your request as it was (%s). %s")
}

// counterOffer draws a counter-offer for a reader.
func (b *Bot) counterOffer(ctx context.Context, v desk.View, o workflows.Offer, reader workflows.PersonID) screens.Offer {
	s, l := v.State, b.in(ctx, reader)
	out := screens.Offer{
		In:      l,
		Request: s.ID, What: what(v), Long: s.Asked.Seconds, By: b.person(ctx, o.By.Person), Terms: termWords(v, o.Terms, l), Reason: o.Reason,
	}
	if o.Status == workflows.OfferOpen && s.Open() != nil && reader == s.Requester.Person {
		id := string(s.ID) + "#" + o.ID
		out.Accept = b.c.Buttons.Value(Button{Kind: kindAccept, ID: id}, reader)
		out.Decline = b.c.Buttons.Value(Button{Kind: kindDecline, ID: id}, reader)
	}
	return out
}

// termWords says what would be different.
func termWords(v desk.View, t workflows.Terms, l screens.Locale) []string {
	var out []string
	if t.Seconds > 0 {
		out = append(out, l.Say("for %s instead of %s", t.Seconds, v.State.Asked.Seconds))
	}
	if t.Entitlement != "" {
		name := string(t.Target) + "/" + string(t.Entitlement)
		if e, ok := v.Workflow.Entitlement(t.Target, t.Entitlement); ok {
			name = title(e.TargetTitle, e.Title)
		}
		out = append(out, l.Say("%s instead", name))
	}
	if !t.NotBefore.IsZero() {
		out = append(out, l.Say("starting at %s", l.When(t.NotBefore)))
	}
	return out
}
