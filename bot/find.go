package bot

import (
	"context"
	"errors"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// byWord finds a request by its id, or by the last characters of it among those that the person has to do with. What they may not see,
// what does not exist and what is ambiguous without being theirs are the same answer.
func (b *Bot) byWord(ctx context.Context, p workflows.PersonID, word string) (desk.View, *workflows.Refusal, error) {
	word = strings.ToLower(strings.Trim(word, "`"))
	v, err := b.c.Desk.LookAs(ctx, p, workflows.RequestID(word))
	if err == nil {
		return v, nil, nil
	}
	var no *workflows.Refusal
	if !errors.As(err, &no) {
		return desk.View{}, nil, err
	}
	if len(word) < minSuffix {
		return desk.View{}, no, nil
	}
	found, err := b.c.Desk.RequestsEnding(ctx, p, word)
	switch {
	case err != nil:
		return desk.View{}, nil, err
	case len(found) == 0:
		return desk.View{}, no, nil
	case len(found) > 1:
		return desk.View{}, ambiguous(word, len(found)), nil
	}
	v, err = b.c.Desk.Look(ctx, found[0])
	return v, nil, err
}

func ambiguous(word string, n int) *workflows.Refusal {
	return workflows.Refusef(workflows.CodeUnknown, "Type more of the id; `/access list` shows them.", "%d of your entries end in %q.", n, word)
}

// grantByWord finds one of the person's live grants; without a word, the only one.
func (b *Bot) grantByWord(ctx context.Context, p workflows.PersonID, word string) (desk.Holding, *workflows.Refusal, error) {
	word = strings.ToLower(strings.Trim(word, "`"))
	list, err := b.c.Desk.Grants(ctx, p, 0)
	if err != nil {
		return desk.Holding{}, nil, err
	}
	var hits []desk.Holding
	for _, h := range list {
		a := h.Hold.Approved
		if word == "" || len(word) >= minSuffix && (strings.HasSuffix(string(a.Grant), word) || strings.HasSuffix(string(a.Request), word)) {
			hits = append(hits, h)
		}
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil, nil
	case len(hits) > 1:
		return desk.Holding{}, ambiguous(word, len(hits)), nil
	}
	return desk.Holding{}, workflows.Refuse(workflows.CodeNotActive, "You have no such access.", "Type `/access list` to see what you have."), nil
}

// reviewByWord finds one of the open reviews that the person may close.
func (b *Bot) reviewByWord(ctx context.Context, p workflows.PersonID, word string) (workflows.ReviewID, *workflows.Refusal, error) {
	word = strings.ToLower(strings.Trim(word, "`"))
	list, err := b.c.Desk.Reviews(ctx, p, 0)
	if err != nil {
		return "", nil, err
	}
	var hits []workflows.ReviewID
	for _, r := range list {
		if len(word) >= minSuffix && strings.HasSuffix(string(r.ID), word) {
			hits = append(hits, r.ID)
		}
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil, nil
	case len(hits) > 1:
		return "", ambiguous(word, len(hits)), nil
	}
	return "", workflows.Refuse(workflows.CodeUnknown, "There is no such open review, or it is not yours to close.", "This app's Home page lists those that are."), nil
}
