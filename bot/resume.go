package bot

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign-bot/countersign/bot/slack"
)

// Stored is an interaction that was made durable and not finished: the process ended in between.
type Stored struct {
	InboxID string
	Kind    string
	Body    []byte
}

// Resume handles stored interactions again, in their order, before timers run: what arrived in time must not be late because we were down.
// A decision that was already taken is not taken twice, because its cause is the inbox row. Answers go where they still can: a form that
// cannot be answered any more is answered in a direct message. It returns how many rows were finished; a row that fails stays for the next
// start and does not stop the others.
func (b *Bot) Resume(ctx context.Context, rows []Stored) (int, error) {
	if len(rows) > maxDrain {
		return 0, fmt.Errorf("resuming: %d rows at once, at most %d", len(rows), maxDrain)
	}
	done := 0
	var failed []error
	for _, r := range rows {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if err := b.resume(ctx, r); err != nil {
			failed = append(failed, fmt.Errorf("resuming inbox row %q: %w", r.InboxID, err))
			continue
		}
		done++
	}
	return done, errors.Join(failed...)
}

func (b *Bot) resume(ctx context.Context, r Stored) error {
	in, err := slack.Decode(r.Kind, r.Body)
	if err != nil {
		// It was decoded before it was stored, so this is a version that reads less than the last one: kept, and said loudly.
		return err
	}
	in.InboxID = r.InboxID
	reply, err := b.Handle(ctx, in)
	if err != nil {
		return err
	}
	b.Late(in, reply)
	return nil
}
