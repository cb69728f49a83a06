package bot

import (
	"context"

	"github.com/countersign-bot/countersign/bot/slack"
)

// Resume handles stored interactions again, in their order: at the start before timers run, since what arrived in time must not be late
// because we were down, and later those whose handling failed.
// A decision that was already taken is not taken twice, because its cause is the inbox row. Answers go where they still can: a form that
// cannot be answered any more is answered in a direct message. It returns how many could not be finished: they stay for the next time and
// do not stop the others.
func (b *Bot) Resume(ctx context.Context, rows []slack.Interaction) (left int) {
	for i, in := range rows {
		if ctx.Err() != nil {
			return left + len(rows) - i
		}
		reply, err := b.Handle(ctx, in)
		if err != nil {
			left++
			b.log.ErrorContext(ctx, "a stored interaction could not be finished", "kind", in.Kind, "inbox", in.InboxID, "err", err)
			continue
		}
		b.Late(in, reply)
	}
	return left
}
