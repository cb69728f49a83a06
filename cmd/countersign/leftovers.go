package main

import (
	"context"
	"strconv"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store"
)

const (
	leftEvery  = 5 * time.Second // between two looks; a row is tried when it stood there at the look before, so never in its first moments
	leftAtMost = 5 * time.Minute // between two tries of one row
	leftTries  = 30              // of one row, some two hours: then it waits for the next start
)

// drain finishes interactions that were made durable and not handled, before any timer runs: a click that came in time is not
// overtaken by its own deadline. What cannot be finished is tried again by finishLeft.
func (s *serving) drain(ctx context.Context) error {
	last := int64(-1)
	for {
		rows, err := s.store.Undone(ctx)
		if err != nil || len(rows) == 0 {
			return err
		}
		if rows[0].ID == last {
			s.log.Error("a finished interaction cannot be marked so; it is tried again", "inbox", last)
			return nil
		}
		last = rows[0].ID
		in, err := s.readInbox(ctx, rows)
		if err != nil {
			return err
		}
		s.log.Info("finishing interactions from before the start", "count", len(in))
		if left := s.bot.Resume(ctx, in); left > 0 {
			return ctx.Err()
		}
	}
}

// readInbox decodes stored rows; one that cannot be read is closed.
func (s *serving) readInbox(ctx context.Context, rows []store.Inbound) (in []slack.Interaction, err error) {
	for _, r := range rows {
		x, err := slack.Decode(r.Kind, r.Body)
		if err != nil {
			s.log.Warn("a stored interaction cannot be read and is closed", "inbox", r.ID, "err", err)
			if err := s.store.DoneInbox(ctx, r.ID); err != nil {
				return nil, err
			}
			continue
		}
		x.InboxID = strconv.FormatInt(r.ID, 10)
		in = append(in, x)
	}
	return in, nil
}

// finishLeft tries interactions again whose handling failed, while the bot runs: Slack did not say who acted, a call ran out of time. A
// click that was acknowledged must not wait for the next start.
func (s *serving) finishLeft(ctx context.Context) error {
	l := leftovers{tries: map[int64]retry{}}
	tick := time.NewTicker(leftEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			rows, err := s.store.Undone(ctx)
			if err != nil {
				s.log.Warn("interactions left over cannot be looked up", "err", err)
				continue
			}
			in, err := s.readInbox(ctx, l.due(rows, now))
			if err != nil {
				s.log.Warn("interactions left over cannot be read", "err", err)
				continue
			}
			if len(in) > 0 {
				s.bot.Resume(ctx, in)
			}
		}
	}
}

// leftovers remembers the rows of the last look and when each is tried next. Only one goroutine uses it.
type leftovers struct{ tries map[int64]retry }

type retry struct {
	next  time.Time
	wait  time.Duration
	tries int
}

// due gives the rows to try now: those that were there at an earlier look and whose time has come. A row that is gone is forgotten.
func (l *leftovers) due(rows []store.Inbound, now time.Time) (out []store.Inbound) {
	seen := make(map[int64]retry, len(rows))
	for _, r := range rows {
		t, known := l.tries[r.ID]
		switch {
		case !known:
			t = retry{next: now, wait: leftEvery}
		case t.tries < leftTries && !now.Before(t.next):
			out = append(out, r)
			t.tries++
			t.wait = min(2*t.wait, leftAtMost)
			t.next = now.Add(t.wait)
		}
		seen[r.ID] = t
	}
	l.tries = seen
	return out
}
