package bot

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// extendValue is the button that asks for more time; empty where the chain allows none or the access was not asked for by a request.
func (b *Bot) extendValue(ctx context.Context, h grants.Hold, reader workflows.PersonID) string {
	a := h.Approved
	if reader == "" || a.Request == "" || h.Status != grants.StatusActive {
		return ""
	}
	v, err := b.c.Desk.Look(ctx, a.Request)
	if err != nil || v.Workflow.Extend == nil || !v.State.Asker(reader) {
		return ""
	}
	return b.c.Buttons.Value(Button{Kind: kindExtend, ID: string(a.Grant)}, reader)
}

// openExtend opens the form of the chain again, for more time with what is held.
func (b *Bot) openExtend(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindExtend, "extend")
	if no != nil || err != nil {
		return refusal(no), err
	}
	h, err := b.c.Desk.Grant(ctx, workflows.GrantID(x.ID))
	if err != nil {
		return answer{}, err
	}
	return b.extendForm(ctx, c, h)
}

// extendWord is /access extend [ID].
func (b *Bot) extendWord(ctx context.Context, c *call, word string) (answer, error) {
	h, no, err := b.grantByWord(ctx, c.by.Person, word)
	if err != nil {
		return answer{}, err
	}
	if no != nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "extend", viaSlack, word, no)
		return refusal(no), err
	}
	return b.extendForm(ctx, c, h)
}

func (b *Bot) extendForm(ctx context.Context, c *call, h desk.Holding) (answer, error) {
	a := h.Hold.Approved
	var workflow workflows.WorkflowID
	if v, err := b.c.Desk.Look(ctx, a.Request); err == nil && a.Request != "" {
		workflow = v.State.Asked.Workflow
	}
	o, ok, err := b.offer(ctx, c.by.Person, workflow)
	if err != nil {
		return answer{}, err
	}
	if !ok || o.Version.Workflow.Extend == nil {
		return refused(workflows.Refuse(workflows.CodeNotEligible, "This access cannot be extended.", "Ask for it anew with `/access` when it has ended.")), nil
	}
	w := o.Version.Workflow
	meta, err := json.Marshal(formMeta{Workflow: w.ID, Policy: o.Version.Hash, Extends: a.Grant})
	if err != nil {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	f := screens.Form{
		In:    l,
		Title: w.Title, Purpose: w.Purpose, Longest: w.Longest, Usual: w.Usual, ReasonMin: w.ReasonMin, Fields: w.Fields, Meta: string(meta),
		Targets: b.targetChoices(w), Identities: b.identityChoices(w),
		Extends: l.Say("%s, which ends at %s", screens.Escape(title(a.TargetTitle, a.Title)), l.When(h.Hold.Ends.UTC)),
	}
	if e, ok := w.Entitlement(a.Target, a.Entitlement); ok {
		f.Confirm, f.ConfirmAll = typedTargets(w, []workflows.Entitlement{e})
	}
	return b.open(ctx, c, f.Render())
}

// fillExtension puts in what the form of an extension does not ask: the same thing for the same holder.
func (b *Bot) fillExtension(ctx context.Context, sub *desk.Submission) {
	h, err := b.c.Desk.Grant(ctx, sub.Extends)
	if err != nil {
		return // the desk refuses what it cannot find
	}
	sub.Form.Target, sub.Form.Entitlement, sub.Subject = h.Hold.Approved.Target, h.Hold.Approved.Entitlement, h.Hold.Approved.Identity
}

// commentWord is /access comment ID TEXT.
func (b *Bot) commentWord(ctx context.Context, c *call, word, text string) (answer, error) {
	v, no, err := b.byWord(ctx, c.by.Person, word)
	if err != nil {
		return answer{}, err
	}
	if no != nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "comment", viaSlack, word, no)
		return refusal(no), err
	}
	res, err := b.c.Desk.Comment(ctx, desk.Remark{
		Cause: c.cause(), By: c.by, Request: v.State.ID, Text: cutRunes(strings.TrimSpace(text), workflows.MaxReason), Channel: viaSlack,
	})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return said("✅ Recorded: your comment on %s. It decides nothing.", screens.Escape(what(v))), nil
}

// named puts names where a text of the documents has pseudonyms.
func (b *Bot) named(ctx context.Context, text string) string {
	for id := range b.c.Desk.Policy().People {
		if strings.Contains(text, string(id)) {
			text = strings.ReplaceAll(text, string(id), b.c.Identity.Name(ctx, id))
		}
	}
	return text
}
