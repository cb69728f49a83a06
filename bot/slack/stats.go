package slack

import (
	"sync/atomic"
	"time"
)

// IntakeStats counts what came in and how it was answered, since the start. Every count only grows; InFlight and InFlightBytes are now.
type IntakeStats struct {
	Received, Recorded, Duplicates             uint64
	Acked, AckedWithPayload, Unacked, AckFails uint64
	Busy, InboxErrors                          uint64 // told "not recorded"
	Malformed, Foreign, UnknownKinds, Unwanted uint64
	Late, AckTooLarge                          uint64
	HandlerErrors, Panics                      uint64
	Censored                                   uint64 // held something that must not be kept
	InFlight, InFlightBytes                    int
	AckLag                                     Lag
}

// Lag is a histogram of the time from receiving an interaction to answering Slack. Counts[k] is what took at most LagBounds()[k]; the last
// holds the rest.
type Lag struct {
	Counts [8]uint64
	Sum    time.Duration
}

// LagBounds are the upper bounds of Lag's buckets but the last.
func LagBounds() [7]time.Duration {
	return [7]time.Duration{
		10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2 * time.Second, 3 * time.Second,
	}
}

type counters struct {
	received, recorded, duplicates                             atomic.Uint64
	acked, ackedPayload, unacked, ackFails, busy, inboxErrors  atomic.Uint64
	malformed, foreign, unknownKinds, lateReplies, ackTooLarge atomic.Uint64
	handlerErrors, panics, unwanted, censored                  atomic.Uint64
	lag                                                        [8]atomic.Uint64
	lagSum                                                     atomic.Int64
}

func (c *counters) answered(a answer, err error, lag time.Duration) {
	switch {
	case err != nil:
		c.ackFails.Add(1)
	case !a.ack:
		c.unacked.Add(1)
	case a.payload != nil:
		c.ackedPayload.Add(1)
		c.acked.Add(1)
	default:
		c.acked.Add(1)
	}
	bounds := LagBounds()
	k := 0
	for k < len(bounds) && lag > bounds[k] {
		k++
	}
	c.lag[k].Add(1)
	c.lagSum.Add(int64(lag))
}

func (c *counters) snapshot() IntakeStats {
	s := IntakeStats{
		Received: c.received.Load(), Recorded: c.recorded.Load(), Duplicates: c.duplicates.Load(),
		Acked: c.acked.Load(), AckedWithPayload: c.ackedPayload.Load(), Unacked: c.unacked.Load(), AckFails: c.ackFails.Load(),
		Busy: c.busy.Load(), InboxErrors: c.inboxErrors.Load(),
		Malformed: c.malformed.Load(), Foreign: c.foreign.Load(), UnknownKinds: c.unknownKinds.Load(), Unwanted: c.unwanted.Load(),
		Late: c.lateReplies.Load(), AckTooLarge: c.ackTooLarge.Load(),
		HandlerErrors: c.handlerErrors.Load(), Panics: c.panics.Load(), Censored: c.censored.Load(),
	}
	for k := range c.lag {
		s.AckLag.Counts[k] = c.lag[k].Load()
	}
	s.AckLag.Sum = time.Duration(c.lagSum.Load())
	return s
}
