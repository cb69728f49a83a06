package bot

import (
	"context"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// breakglass is /breakglass: without arguments what is ready, with a runbook and an incident at once.
func (b *Bot) breakglass(ctx context.Context, c *call) (answer, error) {
	w := words(c.Text)
	if len(w) == 0 {
		return b.books(ctx, c)
	}
	verb, rest := strings.ToLower(w[0]), w[1:]
	switch {
	case verb == "review" && len(rest) == 1:
		return b.reviewWord(ctx, c, rest[0])
	case verb == "agree" && len(rest) == 1:
		return b.agree(ctx, c, strings.Trim(strings.ToLower(rest[0]), "`"))
	case verb == "ack" && len(rest) == 0:
		return b.ackWord(ctx, c, "", "") // the only one there is
	case verb == "close" && len(rest) >= 2:
		return b.closePage(ctx, c, rest[0], strings.Join(rest[1:], " "))
	case verb == "ack":
		return b.ackWord(ctx, c, rest[0], strings.Join(rest[1:], " "))
	case verb == "task" && len(rest) >= 3:
		return b.reviewTask(ctx, c, rest[0], rest[1], strings.Join(rest[2:], " "))
	case verb == "runs" && len(rest) == 0:
		return b.runs(ctx, c)
	case verb == "step" && len(rest) >= 3:
		return b.stepWord(ctx, c, rest)
	case (verb == desk.DoClose || verb == desk.DoRollBack || verb == "note") && len(rest) >= 1:
		return b.runWord(ctx, c, verb, rest[0], strings.Join(rest[1:], " "))
	case len(w) >= 2:
		return b.invoke(ctx, c, workflows.RunbookID(verb), rest)
	}
	return b.whichIncident(ctx, workflows.RunbookID(verb))
}

// whichIncident answers who named a runbook and no incident: with the line to type, and the incidents that are open.
func (b *Bot) whichIncident(ctx context.Context, id workflows.RunbookID) (answer, error) {
	if _, ok := b.c.Desk.Policy().Runbooks[id]; !ok {
		return spoken(screens.Locale.Help), nil
	}
	list, err := b.c.Desk.Incidents(ctx, false, maxListed)
	if err != nil {
		return answer{}, err
	}
	named, lines := "INC-123", ""
	for i, l := range list {
		if i == 0 {
			named = l.ID
		}
		lines += fmt.Sprintf("\n• `%s` SEV-%d: %s", l.ID, l.Severity, screens.Escape(l.Opened.Title))
	}
	return spoken(func(l screens.Locale) screens.Message {
		if lines == "" {
			lines = "\n" + l.Of("None is open here. `/incident open 2 what is wrong` opens one.")
		}
		return screens.Say(l.Say("In which incident? Type `/breakglass %s %s`; what is missing is asked for.", id, named) + lines)
	}), nil
}

// books lists the runbooks with whether they may be invoked now.
func (b *Bot) books(ctx context.Context, c *call) (answer, error) {
	l := b.inUser(ctx, c.UserID)
	items, err := b.bookItems(ctx, c.by.Person, false, l)
	if err != nil {
		return answer{}, err
	}
	return answer{message: l.List(screens.Part{
		Title: l.Of("Runbooks for incidents"), Empty: l.Of("There are none. A runbook is a Markdown file whose exact text was approved."), Items: items,
	})}, nil
}

func (b *Bot) bookItems(ctx context.Context, p workflows.PersonID, onlyMine bool, l screens.Locale) ([]screens.Item, error) {
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
		line := l.Say("ready: `/breakglass %s INC-123`, approved until %s", r.ID, l.When(v.Until))
		switch {
		case v.No != nil:
			line = l.Say("not ready. %s", screens.Escape(l.Refusal(v.No).Error()))
		case !v.May:
			line = l.Of("ready, but you are not on its list of invokers")
		}
		if due := v.State.DrillDue(r); due != 0 && b.c.Now() > due && len(v.State.Approvals) > 0 {
			line = l.Say("⚠️ it should have been practised by %s: `countersign runbook drill %s` does it", l.When(due), r.ID) + "; " + line
		}
		if due := v.State.ReviewDue(r); due != 0 && b.c.Now() > due && len(v.State.Approvals) > 0 {
			line = l.Say("⚠️ its text should have been looked at again by %s", l.When(due)) + "; " + line
		}
		out = append(out, screens.Item{Title: r.Title, Line: line + " (`" + string(r.ID) + "`)"})
	}
	return out, nil
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
		return spoken(func(l screens.Locale) screens.Message { return screens.Say(l.ReviewOver(string(s.Closed.Verdict))) }), nil
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
		return answer{errors: map[string]string{"note": "Say what you found, in at least 10 characters."}, words: said("Your review came back with a problem while its form was closed. Please open it again.").words}, nil
	}
	res, err := b.c.Desk.Close(ctx, desk.Review{
		Cause: c.cause(), By: c.by, Review: workflows.ReviewID(x.ID), Verdict: reviews.Verdict(verdict.Value), Note: text.Value,
		Authn: slackClick, Channel: viaSlack,
	})
	if err != nil || res.Refusal != nil {
		return inModal(refusal(res.Refusal)), err
	}
	return inModal(spoken(func(l screens.Locale) screens.Message { return screens.Say(l.ReviewDone(verdict.Value)) })), nil
}
