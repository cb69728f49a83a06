package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// What nobody uses is suspended (R108, PCI DSS 8.2.6), where countersign.yaml says after how long: who answers for it is told first.

const (
	jobUnused  = "identities.unused"
	unusedCron = "40 5 * * *"

	unusedShown = 20 // identities named in one message
)

// suspendUnused goes through what nobody uses: it tells who answers for it, and suspends what was told in time. Taking everything away and locking its
// account is what follows a suspension.
func (s *serving) suspendUnused(ctx context.Context, j jobs.Job) error {
	now := workflows.StampOf(s.clock.Now().Wall)
	list, err := s.desk.Unused(ctx, now)
	if err != nil {
		return fmt.Errorf("looking for what nobody uses: %w", err)
	}
	tell := map[workflows.PersonID][]desk.Unused{}
	var errs []error
	for _, u := range list {
		switch {
		case u.Warned == 0:
			tell[s.unusedTold(u)] = append(tell[s.unusedTold(u)], u)
		case now >= u.Ends:
			errs = append(errs, s.desk.SuspendUnused(ctx, u))
		}
	}
	people := make([]workflows.PersonID, 0, len(tell))
	for p := range tell {
		people = append(people, p)
	}
	slices.Sort(people)
	for _, p := range people {
		errs = append(errs, s.tellUnused(slack.Patient(ctx), now, p, tell[p]))
	}
	if err := errors.Join(errs...); err != nil {
		return paced(j, err)
	}
	return jobs.Done
}

// unusedTold is who is told; of a team the first, so that one does it.
func (s *serving) unusedTold(u desk.Unused) workflows.PersonID {
	if told := s.ownersTold(u.Owner); len(told) > 0 {
		return told[0]
	}
	return ""
}

// tellUnused tells one person of what will be suspended, and records for each that they were told, or why not.
func (s *serving) tellUnused(ctx context.Context, now workflows.Stamp, p workflows.PersonID, list []desk.Unused) error {
	warn := s.desk.Policy().Settings.Unused.Warn
	why := ""
	if s.bot == nil || p == "" {
		why = "nobody to tell"
	} else {
		lines := []screens.Sentence{screens.Sentencef("💤 Identities that you answer for and that nobody uses: %d. They are suspended, unless they are used before; take off what is not needed.", len(list))}
		for _, u := range list[:min(len(list), unusedShown)] {
			ends := max(u.Ends, now.Add(warn.Duration()))
			lines = append(lines, screens.Sentencef("%s: not used since %s, suspended on %s. `/access identity %s` shows it, and what you can do.",
				string(u.ID), u.Since.Time().Format(time.DateOnly), ends.Time().Format(time.DateOnly), string(u.ID)))
		}
		_, err := s.bot.Tell(ctx, p, "", lines...)
		var permanent *slack.Permanent
		if errors.As(err, &permanent) {
			why = permanent.Code
		} else if err != nil {
			return err
		}
	}
	var errs []error
	for _, u := range list {
		errs = append(errs, s.desk.ToldUnused(ctx, u, why))
	}
	return errors.Join(errs...)
}
