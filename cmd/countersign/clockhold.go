package main

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

const (
	alarmClock     = "clock.behind"
	doClock        = "clock"
	doClockConfirm = "clock-confirm"

	heldStartAgain = 5 * time.Second // until access that waits for the clock is looked at again
)

// clockHold keeps new access from beginning while the wall clock is behind where a start found that it had been: a machine that was put back to an
// old image, or whose clock somebody set. Everything else goes on, and taking back first of all.
type clockHold struct {
	clock jobs.Clock
	floor atomic.Int64 // workflows.Stamp; zero: nothing is held
}

// behind tells how far the clock is behind its floor; zero: it is not, or somebody answers for it.
func (h *clockHold) behind() time.Duration {
	if h == nil {
		return 0
	}
	floor := workflows.Stamp(h.floor.Load())
	if floor == 0 {
		return 0
	}
	now := workflows.StampOf(h.clock.Now().Wall)
	if now >= floor {
		h.floor.CompareAndSwap(int64(floor), 0)
		return 0
	}
	return floor.Sub(now)
}

// words say what is held and what to do; empty: nothing is.
func (h *clockHold) words() string {
	d := h.behind()
	if d == 0 {
		return ""
	}
	return held(d).String()
}

func held(d time.Duration) screens.Sentence {
	return screens.Sentencef("NEW ACCESS IS HELD: this machine's clock is %s behind the newest entry of the ledger, so no access begins until it has caught up. "+
		"What is due to end is taken back all the same. Set the clock right; or, if it is right, countersign clock confirm -reason TEXT.", lasting(d))
}

// again is when to look again at access that waits; nil: it may begin.
func (h *clockHold) again() error {
	if why := h.words(); why != "" {
		return &jobs.RetryAfter{D: heldStartAgain, Why: why}
	}
	return nil
}

// holdClock finds out at a start whether new access is held, and says so.
func (s *serving) holdClock(ctx context.Context) error {
	floor, err := s.store.ClockFloor(ctx)
	if err != nil {
		return err
	}
	s.clockHeld = &clockHold{clock: s.clock}
	s.clockHeld.floor.Store(int64(floor))
	if d := s.clockHeld.behind(); d != 0 {
		s.log.ErrorContext(ctx, "the wall clock is behind the newest entry of the ledger: no access begins until it has caught up or somebody confirms it", "behind", d.Round(time.Second), "floor", floor.String())
		s.alarm(alarmClock, "behind "+floor.String(), held(d))
	}
	return nil
}

// clockHealth is a part of /access health and of countersign health.
func (s *serving) clockHealth() (bool, screens.Sentence) {
	if d := s.clockHeld.behind(); d != 0 {
		return false, held(d)
	}
	return true, screens.Sentencef("is not behind the ledger")
}

// cliClock shows or confirms what is held. Whoever runs the machine answers for its clock; so do those who answer for the bot.
func (s *serving) cliClock(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	may := slices.ContainsFunc([]string{desk.RoleOperator, desk.RoleOwner, desk.RoleSecurity}, func(role string) bool { return s.desk.HasRole(ctx, role, by.Person) })
	if !may {
		return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeNotEligible, "Operators, owners and security of Countersign answer for its clock.", "Tell one of them."))
	}
	why := s.clockHeld.words()
	switch {
	case o.Do == doClock && why == "":
		return reply{OK: true, Text: "Nothing is held: the clock is not behind the ledger."}, nil
	case o.Do == doClock:
		return reply{OK: true, Text: why}, nil
	case strings.TrimSpace(o.Reason) == "":
		return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeReasonNeeded, "A reason is needed: how you know that the clock is right.", "It becomes part of the ledger."))
	case why == "":
		return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeDecided, "The clock is not behind the ledger: there is nothing to confirm.", ""))
	}
	floor, err := s.store.ConfirmClock(ctx, cause, by, strings.TrimSpace(o.Reason))
	if err != nil {
		return reply{}, err
	}
	s.clockHeld.floor.Store(0)
	s.log.WarnContext(ctx, "somebody confirmed the wall clock: access begins again", "floor", floor.String(), "person", by.Person)
	return reply{OK: true, Text: "Recorded. Access begins again, by the clock as it is: within " + heldStartAgain.String() + " for what waits."}, nil
}

// clockCommand is countersign clock.
func clockCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "clock", clockUsage)
	reason := x.flags.String("reason", "", "how you know that the clock is right; it becomes part of the ledger")
	words, err := x.parse(0, 1)
	switch {
	case err != nil:
		return err
	case len(words) == 0:
		return x.do(ctx, order{Do: doClock})
	case words[0] != "confirm":
		return usageError{"there is no clock " + words[0] + ": confirm, or nothing"}
	case *reason == "":
		return usageError{"say how you know that the clock is right: -reason TEXT"}
	}
	return x.do(ctx, order{Do: doClockConfirm, Reason: *reason})
}

const clockUsage = "[confirm -reason TEXT]"
