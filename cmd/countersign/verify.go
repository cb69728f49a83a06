package main

import (
	"context"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// verifyLook is how often active access is asked about again: an answer that changed without an event counts within it.
const verifyLook = 3 * time.Minute

const (
	// ticketLook is how often the sources of tickets alone are asked in between: access hangs on a ticket for less than a minute after it was closed where the
	// source sends no event, though an answer about it may be given again for half a minute.
	ticketLook = 30 * time.Second

	// ticketsAtOnce bounds how many tickets one look asks about, some seven a second; the next goes on from there.
	ticketsAtOnce = 200
)

// verifier asks again and again whether active access should still be allowed.
type verifier struct {
	wake chan struct{} // the documents changed, or a source said something: do not wait
}

func newVerifier() *verifier { return &verifier{wake: make(chan struct{}, 1)} }

// poke lets the next round begin at once.
func (v *verifier) poke() {
	select {
	case v.wake <- struct{}{}:
	default: // one is on its way
	}
}

// verifyAccess is the part of serve that asks. It keeps to the product's clock, so that a jump of the demo's is a few minutes to it.
func (s *serving) verifyAccess(ctx context.Context) error {
	trigger := grants.CheckSchedule
	var all time.Time // when everything is due to be asked
	var after workflows.StreamID
	many := false // said once
	for ctx.Err() == nil {
		start := time.Now()
		var v desk.Verification
		var err error
		if now := s.clock.Now().Wall; trigger == grants.CheckEvent || !now.Before(all) {
			all = now.Add(verifyLook)
			v, err = s.desk.Verify(ctx, trigger)
		} else {
			v, after, err = s.desk.VerifyTickets(ctx, after, ticketsAtOnce)
			if after != "" && !many {
				s.log.WarnContext(ctx, "live access hangs on more tickets than one look asks about: a closing that no webhook tells of ends access up to three minutes later", "at_once", ticketsAtOnce)
			}
			many = many || after != ""
		}
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "not all access could be asked about again", "err", err)
		}
		if v.Ended > 0 || v.Unverified > 0 {
			s.log.WarnContext(ctx, "access was asked about again", "asked", v.Asked, "ended", v.Ended, "unverified", v.Unverified, "took", time.Since(start).Round(time.Millisecond))
		}
		due := s.clock.Now().Wall.Add(ticketLook)
		if err := s.clock.Wait(ctx, due, s.verifier.wake); err != nil {
			return nil
		}
		trigger = grants.CheckSchedule
		if s.clock.Now().Wall.Before(due) {
			trigger = grants.CheckEvent
		}
	}
	return nil
}

// grantJobs is what becomes of grants by themselves: deadlines, making, taking back, reading back. Each target has handlers of its own, so that
// a dead one delays no other.
func (s *serving) grantJobs(e effects) map[string]jobs.Kind {
	target := func(j jobs.Job) string {
		parts := strings.SplitN(j.Stream.Rest(), "/", 3)
		return parts[min(1, len(parts)-1)]
	}
	return map[string]jobs.Kind{
		workflows.JobWake:   {Handle: func(ctx context.Context, j jobs.Job) error { return s.desk.Tick(ctx, j.Stream) }, Workers: 8},
		workflows.JobStart:  {Handle: e.start, Key: target, Workers: 8},
		workflows.JobRevoke: {Handle: e.revoke, Key: target, Workers: 16},
		jobVerify:           {Handle: e.verify, Key: target, Workers: 4},
	}
}
