package bot

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// around are the runbooks that an open request's card offers: once its last escalation has been asked, what is left but waiting for the
// deadline is an incident's own way (R10). Earlier the people asked come first.
func (b *Bot) around(ctx context.Context, v desk.View, st *workflows.StageState) []workflows.RunbookID {
	if !st.Escalated || nextTier(st) != 0 {
		return nil
	}
	return b.skipping(ctx, v, "")
}

// skipping are the ready runbooks that skip the chain of a request, on the target that it is about; with a person, those that this person may invoke.
func (b *Bot) skipping(ctx context.Context, v desk.View, person workflows.PersonID) []workflows.RunbookID {
	books, err := b.c.Desk.Runbooks(ctx, person, b.c.Now())
	if err != nil {
		b.log.WarnContext(ctx, "which runbooks are ready is not known", "request", v.State.ID, "err", err)
		return nil
	}
	var out []workflows.RunbookID
	for _, x := range books {
		r := x.Book.Runbook
		if r.Skips == v.State.Asked.Workflow && r.Grant.Target == v.Entitlement.Target && x.No == nil && (person == "" || x.May) {
			out = append(out, r.ID)
		}
	}
	return out[:min(len(out), maxAround)]
}

const maxAround = 3 // runbooks that a card offers: more would bury the request
