package bot

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// breakglass is /breakglass: without arguments what is ready, with a runbook and an incident at once.
func (b *Bot) breakglass(ctx context.Context, c *call) (answer, error) {
	w := words(c.Text)
	switch {
	case len(w) == 0:
		return b.books(ctx, c)
	case len(w) == 2 && strings.EqualFold(w[0], "review"):
		return b.reviewWord(ctx, c, w[1])
	case len(w) >= 2:
		return b.invoke(ctx, c, workflows.RunbookID(strings.ToLower(w[0])), w[1], strings.Join(w[2:], " "))
	}
	return answer{message: screens.Help()}, nil
}

// books lists the runbooks with whether they may be invoked now.
func (b *Bot) books(ctx context.Context, c *call) (answer, error) {
	items, err := b.bookItems(ctx, c.by.Person, false)
	if err != nil {
		return answer{}, err
	}
	return answer{message: screens.List(screens.Part{
		Title: "Runbooks for incidents", Empty: "There are none. A runbook is a Markdown file whose exact text was approved.", Items: items,
	})}, nil
}

func (b *Bot) bookItems(ctx context.Context, p workflows.PersonID, onlyMine bool) ([]screens.Item, error) {
	views, err := b.c.Desk.Runbooks(ctx, p, b.c.Now())
	if err != nil {
		return nil, err
	}
	var out []screens.Item
	for _, v := range views {
		if onlyMine && !v.May {
			continue
		}
		r := v.Book.Runbook
		line := "ready: `/breakglass " + string(r.ID) + " INC-123`, approved until " + screens.When(v.Until)
		switch {
		case v.No != nil:
			line = "not ready. " + screens.Escape(v.No.Error())
		case !v.May:
			line = "ready, but you are not on its list of invokers"
		}
		out = append(out, screens.Item{Title: r.Title, Line: line + " (`" + string(r.ID) + "`)"})
	}
	return out, nil
}

// invokeMeta is what the form of a runbook carries: all of it is checked again.
type invokeMeta struct {
	Runbook  workflows.RunbookID `json:"r"`
	Incident string              `json:"i"`
}

// invoke breaks the glass at once, unless the runbook wants to know more than a command can say.
func (b *Bot) invoke(ctx context.Context, c *call, id workflows.RunbookID, incident, reason string) (answer, error) {
	book, ok := b.c.Desk.Policy().Runbooks[id]
	if !ok || len(book.Runbook.Fields) == 0 || !b.couldInvoke(ctx, c, id) {
		return b.invokeWith(ctx, c, desk.Invocation{Runbook: id, Incident: incident, Reason: reason})
	}
	r := book.Runbook
	meta, err := json.Marshal(invokeMeta{id, incident})
	if err != nil || len(meta) > 2000 {
		return answer{message: screens.Help()}, err
	}
	return b.open(ctx, c, screens.InvokeForm(r.Title, incident, r.UseWhen, r.DoNotUseWhen, r.Fields, r.Longest, string(meta)))
}

// couldInvoke tells whether a form is worth opening; who may not invoke gets the refusal at once, and recorded.
func (b *Bot) couldInvoke(ctx context.Context, c *call, id workflows.RunbookID) bool {
	views, err := b.c.Desk.Runbooks(ctx, c.by.Person, b.c.Now())
	if err != nil {
		return false
	}
	for _, v := range views {
		if v.Book.Runbook.ID == id {
			return v.May && v.No == nil
		}
	}
	return false
}

func (b *Bot) invokeFilled(ctx context.Context, c *call) (answer, error) {
	var meta invokeMeta
	if c.View == nil || json.Unmarshal([]byte(c.View.PrivateMetadata), &meta) != nil {
		_, no, err := b.tampered(ctx, c, "break glass", "")
		return inModal(refusal(no)), err
	}
	r := b.c.Desk.Policy().Runbooks[meta.Runbook].Runbook
	values := fieldValues(c.View, r.Fields)
	form := workflows.Workflow{Kind: workflows.KindPreapprove, Fields: r.Fields, Longest: 60, ReasonMin: 1}
	if _, bad := form.CheckForm(workflows.Form{Seconds: 60, Reason: "-", Values: values}); len(bad) > 0 {
		return formProblems(&form, bad, "`/breakglass`"), nil
	}
	reason, _ := c.View.Input(screens.BlockReason, screens.InputValue)
	a, err := b.invokeWith(ctx, c, desk.Invocation{Runbook: meta.Runbook, Incident: meta.Incident, Reason: strings.TrimSpace(reason.Value), Values: values})
	return inModal(a), err
}

func (b *Bot) invokeWith(ctx context.Context, c *call, in desk.Invocation) (answer, error) {
	in.Cause, in.By, in.Payload, in.Authn, in.Channel = c.cause(), c.by, digest(c.Interaction), slackClick, viaSlack
	in.Reason = cutRunes(in.Reason, workflows.MaxReason)
	res, err := b.c.Desk.Invoke(ctx, in)
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return say("✅ *Recorded: you broke the glass.* The access is being made now and ends at " + screens.When(res.EndsAt) +
		". You are told in a direct message how to use it. Everybody whose approval was skipped is told, and a review is open (`" + string(res.Review) + "`)."), nil
}

func cutRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

func (b *Bot) reviewWord(ctx context.Context, c *call, word string) (answer, error) {
	id, no, err := b.reviewByWord(ctx, c.by.Person, word)
	if err != nil {
		return answer{}, err
	}
	if no != nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "review", viaSlack, word, no)
		return refusal(no), err
	}
	return b.reviewForm(ctx, c, id)
}

// openReview is the button of a review's message.
func (b *Bot) openReview(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindReview, "review")
	if no != nil || err != nil {
		return refusal(no), err
	}
	return b.reviewForm(ctx, c, workflows.ReviewID(x.ID))
}

func (b *Bot) reviewForm(ctx context.Context, c *call, id workflows.ReviewID) (answer, error) {
	s, err := b.c.Desk.Review(ctx, id)
	if err != nil {
		return answer{}, err
	}
	if s.Closed != nil {
		return say("This review is already closed: " + screens.Escape(string(s.Closed.Verdict)) + "."), nil
	}
	meta := b.c.Buttons.Value(Button{Kind: kindReviewForm, ID: string(id)}, c.by.Person)
	return b.open(ctx, c, b.review(ctx, s, c.by.Person).ReviewForm(meta))
}

func (b *Bot) closeReview(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindReviewForm, "review")
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	verdict, _ := c.View.Input("verdict", screens.InputValue)
	text, _ := c.View.Input("note", screens.InputValue)
	if n := len([]rune(strings.TrimSpace(text.Value))); n < 10 {
		return answer{errors: map[string]string{"note": "Say what you found, in at least 10 characters."}, message: say("Your review came back with a problem while its form was closed. Please open it again.").message}, nil
	}
	res, err := b.c.Desk.Close(ctx, desk.Review{
		Cause: c.cause(), By: c.by, Review: workflows.ReviewID(x.ID), Verdict: reviews.Verdict(verdict.Value), Note: text.Value,
		Authn: slackClick, Channel: viaSlack,
	})
	if err != nil || res.Refusal != nil {
		return inModal(refusal(res.Refusal)), err
	}
	return inModal(say("✅ Recorded: the review is closed as *" + screens.Escape(verdict.Value) + "*. The invoker is told.")), nil
}
