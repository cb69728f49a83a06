package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks/reconcile"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// What a target's settings say about watching it. These are the bot's own words: connectors never see them.
const (
	settingUnknown  = "on_unknown_access" // report (default) or revoke
	settingKnown    = "known_access"      // accounts that nobody wants to hear of, separated by commas
	settingSweep    = "drift_schedule"    // cron line in UTC; "never" for none
	settingStanding = "standing_for"      // how long standing access may go on that could be asked for a time, before it is told again; default 30d
	settingDrill    = "drill_schedule"    // cron line in UTC; empty: no drills
	settingDrillOf  = "drill_entitlement" // what a canary is granted
	settingDrillFor = "drill_account"     // the canary's account on the target, where the entitlement needs one
)

func watchSettingNames() []string {
	return []string{settingUnknown, settingKnown, settingSweep, settingStanding, settingDrill, settingDrillOf, settingDrillFor}
}

const (
	defaultSweep = "*/5 * * * *" // what comes back behind our back is found within minutes
	never        = "never"
)

// watchSettings are those of one target, read.
type watchSettings struct {
	revoke       bool
	known        []string
	sweep, drill *jobs.Cron // nil: never
	standing     time.Duration
	entitlement  workflows.EntitlementID
	account      string
}

func watchOf(settings map[string]string) (w watchSettings, err error) {
	switch v := settings[settingUnknown]; v {
	case "", targets.ActReport:
	case targets.ActRevoke:
		w.revoke = true
	default:
		return w, fmt.Errorf("setting %s is %q, which is neither report nor revoke", settingUnknown, v)
	}
	for k := range strings.SplitSeq(settings[settingKnown], ",") {
		if k = strings.TrimSpace(k); k != "" {
			w.known = append(w.known, k)
		}
	}
	if w.standing, err = spanOf(settingStanding, settings[settingStanding], 30*24*3600); err != nil {
		return w, err
	}
	line := settings[settingSweep]
	if line == "" {
		line = defaultSweep
	}
	if w.sweep, err = cronOf(settingSweep, line); err != nil {
		return w, err
	}
	if w.drill, err = cronOf(settingDrill, settings[settingDrill]); err != nil {
		return w, err
	}
	w.entitlement, w.account = workflows.EntitlementID(settings[settingDrillOf]), settings[settingDrillFor]
	if w.drill != nil && w.entitlement == "" {
		return w, fmt.Errorf("setting %s needs %s: what a canary is granted", settingDrill, settingDrillOf)
	}
	return w, nil
}

// spanOf reads a length of time.
func spanOf(name, text string, usual workflows.Span) (time.Duration, error) {
	if text == "" {
		return usual.Duration(), nil
	}
	span, ok := workflows.ParseSpan(text)
	if !ok || span < 3600 {
		return 0, fmt.Errorf("setting %s is %q, which is no length of time of an hour or more, such as 30d", name, text)
	}
	return span.Duration(), nil
}

func cronOf(name, line string) (*jobs.Cron, error) {
	if line == "" || line == never {
		return nil, nil
	}
	c, err := jobs.ParseCron(line, "UTC")
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", name, err)
	}
	return &c, nil
}

// act says what is done about a difference. What an ended grant left is always taken away: that was decided when it ended. A group is never
// touched by itself, nor is what ends later than it should or is not there.
func (w watchSettings) act(d reconcile.Difference) string {
	switch {
	case d.Why == reconcile.LeftOver, d.Why == reconcile.Unknown && w.revoke && !d.Access.Group:
		return targets.ActRevoke
	}
	return targets.ActReport
}

// withoutWatch are the settings that a connector takes.
func withoutWatch(settings map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range settings {
		out[k] = v
	}
	for _, k := range watchSettingNames() {
		delete(out, k)
	}
	return out
}

const (
	watchEvery = 15 * time.Second // how exactly a schedule is kept
	soonAgain  = time.Minute      // after a sweep that could not take something away
	firstSweep = 30 * time.Second // after the start: grants that the start itself ends are over then
)

// watch runs the sweeps and drills of all targets, each target on its own, so that a dead one delays no other. The settings are read anew
// each time: a changed schedule holds at once.
func (s *serving) watch(ctx context.Context) error {
	next := map[string]time.Time{}
	busy := map[string]chan time.Time{}
	var wait sync.WaitGroup
	defer wait.Wait()
	begun := s.clock.Now().Wall
	for {
		now := s.clock.Now().Wall
		for id, t := range s.desk.Policy().Targets {
			set, err := watchOf(t.Settings)
			if err != nil {
				s.log.Error("a target is not watched", "target", id, "err", err)
				continue
			}
			for what, run := range map[string]struct {
				cron *jobs.Cron
				do   func(context.Context, workflows.TargetID) error
			}{
				"sweep": {set.sweep, s.sweepOnce},
				"drill": {set.drill, s.drillOnce},
			} {
				key := what + "/" + string(id)
				if run.cron == nil || !s.isDue(key, next, busy, now, begun, *run.cron) {
					continue
				}
				done := make(chan time.Time, 1)
				busy[key] = done
				wait.Go(func() { done <- s.runOnce(ctx, id, *run.cron, what, run.do) })
			}
		}
		if err := s.clock.Wait(ctx, now.Add(watchEvery), nil); err != nil {
			return nil
		}
	}
}

// isDue tells whether something of a target is to run now, and takes in when it runs next after the last time.
func (s *serving) isDue(key string, next map[string]time.Time, busy map[string]chan time.Time, now, begun time.Time, cron jobs.Cron) bool {
	if done, ok := busy[key]; ok {
		select {
		case next[key] = <-done:
			delete(busy, key)
		default:
			return false
		}
	}
	at, known := next[key]
	if !known {
		if at = begun.Add(firstSweep); strings.HasPrefix(key, "drill/") {
			at, _ = cron.Next(begun)
		}
		next[key] = at
	}
	if planned, err := cron.Next(now); err == nil && at.After(planned) {
		at = planned // the schedule was changed to come sooner
	}
	return !at.IsZero() && !now.Before(at)
}

// runOnce gives when it is to run again.
func (s *serving) runOnce(ctx context.Context, t workflows.TargetID, cron jobs.Cron, what string, do func(context.Context, workflows.TargetID) error) time.Time {
	err := do(ctx, t)
	now := s.clock.Now().Wall
	if err != nil && ctx.Err() == nil {
		s.log.Warn("watching a target did not work", "what", what, "target", t, "err", err)
	}
	planned, cronErr := cron.Next(now)
	if cronErr != nil {
		return now.Add(time.Hour)
	}
	if soon := now.Add(soonAgain); errors.Is(err, errUnremoved) && soon.Before(planned) {
		return soon
	}
	return planned
}

func (s *serving) sweepOnce(ctx context.Context, t workflows.TargetID) error {
	_, err := s.sweeper.sweep(ctx, t, "", workflows.Acting{})
	return err
}

// checkWatch refuses settings that a sweep or a drill would stumble over, before a folder is put in force.
func checkWatch(list []spec.Target) error {
	var errs []error
	for _, t := range list {
		if _, err := watchOf(t.Settings); err != nil {
			errs = append(errs, fmt.Errorf("target %q: %w", t.ID, err))
		}
	}
	return errors.Join(errs...)
}

// sweepAsked compares a target because somebody asked in the chat.
func (s *serving) sweepAsked(ctx context.Context, t workflows.TargetID, by workflows.Acting) (targets.State, error) {
	return s.sweeper.sweep(ctx, t, "", by)
}
