package bot

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// approve is the click on Approve: its confirmation was Slack's, its value says what was shown.
func (b *Bot) approve(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindApprove, "vote approve")
	if no != nil || err != nil {
		return refusal(no), err
	}
	return b.vote(ctx, c, x, workflows.Approve, "")
}

// decide is the approval from the modal that showed a long request in full.
func (b *Bot) decide(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindDecide, "vote approve")
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	a, err := b.vote(ctx, c, x, workflows.Approve, "")
	return inModal(a), err
}

// deny is the submitted reason of a denial.
func (b *Bot) deny(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindDenyForm, "vote deny")
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	reason, _ := c.View.Input(screens.BlockReason, screens.InputValue)
	a, err := b.vote(ctx, c, x, workflows.Deny, strings.TrimSpace(reason.Value))
	return inModal(a), err
}

// refusal is an answer when there is one to give.
func refusal(r *workflows.Refusal) answer {
	if r == nil {
		return answer{}
	}
	return refused(r)
}

// inModal shows an answer in place of the form that was sent.
func inModal(a answer) answer {
	if a.message.Text == "" || a.errors != nil {
		return a
	}
	v := screens.Result("Done", a.message)
	a.view, a.modal = &v, true
	return a
}

// vote hands a decision to the desk. Half of the shown hash travels in the button: when it fits what the stage shows now, the whole is
// given to the engine; else what came is given, and the engine refuses it as stale.
func (b *Bot) vote(ctx context.Context, c *call, x Button, verdict workflows.Verdict, reason string) (answer, error) {
	id := workflows.RequestID(x.ID)
	shown := x.Shown
	v, err := b.c.Desk.Look(ctx, id)
	if err != nil && !errors.Is(err, workflows.ErrNoStream) {
		return answer{}, err
	}
	if err == nil && x.Shown != "" && strings.HasPrefix(v.State.Shown(x.Stage), x.Shown) {
		shown = v.State.Shown(x.Stage)
	}
	at, err := b.receivedAt(ctx, c.Interaction)
	if err != nil {
		return answer{}, err
	}
	res, err := b.c.Desk.Vote(ctx, desk.Ballot{
		Cause: c.cause(), By: c.by, Request: id, Verdict: verdict, Stage: x.Stage, Shown: shown, Reason: reason,
		ReceivedAt: at, Authn: slackClick, Channel: viaSlack, Payload: digest(c.Interaction),
	})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	if res.Ended() {
		return b.recorded(ctx, c, id, "✅ Recorded: this had been granted already, so the access is taken back now (%s). %s")
	}
	if verdict == workflows.Deny {
		return b.recorded(ctx, c, id, "✅ Recorded: you denied this request (%s). %s")
	}
	return b.recorded(ctx, c, id, "✅ Recorded: you approved this request (%s). %s")
}

// recorded says what was recorded and where the request stands now.
func (b *Bot) recorded(ctx context.Context, c *call, id workflows.RequestID, did string) (answer, error) {
	v, err := b.c.Desk.Look(ctx, id)
	if err != nil {
		return answer{}, err
	}
	e := b.explain(ctx, v.State, b.inUser(ctx, c.UserID))
	return said(did, screens.Escape(what(v)), e.Sentence), nil
}

func (b *Bot) receivedAt(ctx context.Context, in slack.Interaction) (workflows.Stamp, error) {
	if in.InboxID == "" {
		return 0, errors.New("a decision without an inbox row")
	}
	return b.c.Inbox.ReceivedAt(ctx, in.InboxID)
}

// digest is what proves which click it was (T32).
func digest(in slack.Interaction) string { return hex.EncodeToString(in.Digest[:]) }

// openDeny asks for the reason.
func (b *Bot) openDeny(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindDeny, "vote deny")
	if no != nil || err != nil {
		return refusal(no), err
	}
	v, no, err := b.look(ctx, c, "vote deny", workflows.RequestID(x.ID))
	if no != nil || err != nil {
		return refusal(no), err
	}
	x.Kind = kindDenyForm
	return b.openFor(ctx, c, v, workflows.OpenedToDeny, screens.DenyForm(b.card(ctx, v, c.by.Person), b.c.Buttons.Value(x, c.by.Person)))
}

// openRead shows a long request in full; only there can it be approved (T48). Seeing the card in a channel is not enough to read the rest.
func (b *Bot) openRead(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindRead, "read")
	if no != nil || err != nil {
		return refusal(no), err
	}
	v, no, err := b.look(ctx, c, "read", workflows.RequestID(x.ID))
	if no != nil || err != nil {
		return refusal(no), err
	}
	text := ""
	if v.Book != nil {
		text = string(v.Book.Text)
	}
	x.Kind = kindDecide
	if x.Shown == "" && v.State.Open() != nil { // from the menu, whose options are too short for it: what is shown is what stands now
		x.Stage, x.Shown = v.State.Current, v.State.Shown(v.State.Current)[:shownDigits]
	}
	return b.openFor(ctx, c, v, workflows.OpenedToRead, b.card(ctx, v, c.by.Person).Decide(text, b.c.Buttons.Value(x, c.by.Person)))
}

// openFor opens a modal with a request for somebody who may decide it, and records that it was before them.
func (b *Bot) openFor(ctx context.Context, c *call, v desk.View, how string, m viewRequest) (answer, error) {
	a, err := b.open(ctx, c, m)
	if err == nil && a.message.Text == "" {
		b.opened(ctx, c, v, how)
	}
	return a, err
}

func (b *Bot) opened(ctx context.Context, c *call, v desk.View, how string) {
	b.c.Desk.Opened(ctx, desk.Opening{Cause: c.cause(), By: c.by, Request: v.State.ID, How: how, Channel: viaSlack})
}

// look reads a request for the person who acted; what they may not see is refused, and recorded, as unknown.
func (b *Bot) look(ctx context.Context, c *call, command string, id workflows.RequestID) (desk.View, *workflows.Refusal, error) {
	v, err := b.c.Desk.LookAs(ctx, c.by.Person, id)
	var no *workflows.Refusal
	if errors.As(err, &no) {
		no, err = b.c.Desk.Refuse(ctx, c.cause(), c.by, command, viaSlack, string(id), no)
	}
	return v, no, err
}

// open opens a modal. A trigger lives three seconds: when it is too late, the person is told to click again.
func (b *Bot) open(ctx context.Context, c *call, v viewRequest) (answer, error) {
	_, err := b.c.Slack.OpenView(ctx, c.TriggerID, v)
	var late *slack.Expired
	var no *slack.Permanent
	if errors.As(err, &late) || errors.As(err, &no) && no.Code == "invalid_trigger_id" {
		return said("That took too long for Slack, so nothing was opened and nothing was done. Please try again."), nil
	}
	return answer{}, err
}

// more is the overflow menu of a card: the chosen option is a button of its own.
func (b *Bot) more(ctx context.Context, c *call) (answer, error) {
	x, err := b.c.Buttons.Parse(c.value())
	if err == nil && x.Kind == kindTakeBack {
		return b.takeBack(ctx, c)
	}
	if err == nil && x.Kind == kindRead {
		return b.openRead(ctx, c)
	}
	return b.withdraw(ctx, c)
}

func (b *Bot) withdraw(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindWithdraw, "withdraw")
	if no != nil || err != nil {
		return refusal(no), err
	}
	return b.withdrawID(ctx, c, workflows.RequestID(x.ID))
}

func (b *Bot) withdrawID(ctx context.Context, c *call, id workflows.RequestID) (answer, error) {
	res, err := b.c.Desk.Withdraw(ctx, desk.Change{Cause: c.cause(), By: c.by, Request: id, Channel: viaSlack})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return b.recorded(ctx, c, id, "✅ Recorded: you withdrew your request (%s). %s")
}

func (b *Bot) takeBack(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindTakeBack, "take back")
	if no != nil || err != nil {
		return refusal(no), err
	}
	id := workflows.RequestID(x.ID)
	res, err := b.c.Desk.TakeBack(ctx, desk.Change{Cause: c.cause(), By: c.by, Request: id, Channel: viaSlack})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return b.recorded(ctx, c, id, "✅ Recorded: you took your approval back (%s). %s")
}

// done gives access back early.
func (b *Bot) done(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindDone, grants.HowReturned)
	if no != nil || err != nil {
		return refusal(no), err
	}
	return b.end(ctx, c, workflows.GrantID(x.ID), grants.HowReturned, "")
}

func (b *Bot) end(ctx context.Context, c *call, id workflows.GrantID, how, why string) (answer, error) {
	res, err := b.c.Desk.End(ctx, desk.EndGrant{Cause: c.cause(), By: c.by, Grant: id, How: how, Why: why, Channel: viaSlack})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	if how == grants.HowRevoked {
		return said("✅ Recorded: you revoked the access. It is being taken back now; its holder is told when it is gone."), nil
	}
	return said("✅ Recorded: you are done. The access is being taken back now; you are told when it is gone."), nil
}

// openRevoke asks why.
func (b *Bot) openRevoke(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindRevoke, grants.HowRevoked)
	if no != nil || err != nil {
		return refusal(no), err
	}
	h, err := b.c.Desk.Grant(ctx, workflows.GrantID(x.ID))
	if err != nil {
		return answer{}, err
	}
	a := h.Hold.Approved
	holder := b.person(ctx, a.Identity.Person())
	if name := b.holder(a.Identity); name != "" {
		holder = screens.Person{Name: name}
	}
	x.Kind = kindRevokeForm
	return b.open(ctx, c, screens.RevokeForm(b.inUser(ctx, c.UserID), title(a.TargetTitle, a.Title), holder, b.accessOf(ctx, h.Hold), b.c.Buttons.Value(x, c.by.Person)))
}

func (b *Bot) revoke(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindRevokeForm, grants.HowRevoked)
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	why, _ := c.View.Input(screens.BlockReason, screens.InputValue)
	reason := strings.TrimSpace(why.Value)
	if n := len([]rune(reason)); n == 0 || n > workflows.MaxDenyReason {
		return answer{errors: map[string]string{screens.BlockReason: fmt.Sprintf("Say why, in 1 to %d characters.", workflows.MaxDenyReason)}}, nil
	}
	a, err := b.end(ctx, c, workflows.GrantID(x.ID), grants.HowRevoked, reason)
	return inModal(a), err
}
