package store

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
)

// ClockFloor is where the wall clock had been when a start found it behind that, and nobody has answered for it since; zero: no such start. While the
// clock is behind its floor nobody can tell how long access would last that begins now, or whether what was asked for in time is late.
func (s *Store) ClockFloor(ctx context.Context) (floor workflows.Stamp, err error) {
	defer wrap(&err, "looking where the wall clock has been")
	h, err := s.History(ctx, workflows.SystemStream)
	if err != nil {
		return 0, err
	}
	return clockFloor(h), nil
}

func clockFloor(h []workflows.Record) (floor workflows.Stamp) {
	for _, r := range h {
		switch e := r.Event.(type) {
		case ClockJumped:
			if e.AtStart {
				floor = max(floor, e.From)
			}
		case ClockConfirmed:
			floor = 0
		}
		if floor != 0 && r.At.UTC >= floor {
			floor = 0 // the clock has caught up meanwhile
		}
	}
	return floor
}

// ConfirmClock records that somebody answers for the wall clock, unless there is nothing to answer for any more.
func (s *Store) ConfirmClock(ctx context.Context, cause workflows.Cause, by workflows.Acting, reason string) (floor workflows.Stamp, err error) {
	defer wrap(&err, "recording that the wall clock is right")
	_, err = s.Update(ctx, cause, []workflows.StreamID{workflows.SystemStream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		if floor = clockFloor(f.Histories[workflows.SystemStream]); floor > f.Now.UTC {
			out.Add(workflows.SystemStream, by, "", ClockConfirmed{Floor: floor, Reason: reason})
		}
		return out, nil
	})
	return floor, err
}
