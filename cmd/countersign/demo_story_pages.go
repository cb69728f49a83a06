package main

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// What the demo's escalations.yaml and rotations.yaml do in the story: a page, its acknowledgement, and the summary for the next shift.

const (
	demoShift   = 6                // the hour, in UTC, at which the demo's shift changes
	beforeShift = 20 * time.Minute // how long before that the story breaks the glass
)

// untilHour is the time from a moment to the next full hour of that number, a day at most.
func untilHour(at time.Time, hour int) time.Duration {
	next := time.Date(at.Year(), at.Month(), at.Day(), hour, 0, 0, 0, time.UTC)
	if !next.After(at) {
		next = next.AddDate(0, 0, 1)
	}
	return next.Sub(at)
}

func (s *story) actPage(ctx context.Context) error {
	for _, p := range []string{"priya", "sofia"} {
		m, err := s.dm(ctx, p, "Break glass in INC-1042", "I look after it")
		if err != nil {
			return err
		}
		s.page = m
	}
	return s.press(ctx, "sofia", s.page, screens.ActAck)
}

func (s *story) holdPage(ctx context.Context) (string, error) {
	_, err := s.dm(ctx, "priya", "Break glass in INC-1042", "Sofia Rossi", "looks after it since")
	return "Priya's page, too, says now that Sofia looks after it. Nobody else is woken.", err
}

func (s *story) actShift(ctx context.Context) error {
	return s.advance(ctx, untilHour(s.clock.Now().Wall.UTC(), demoShift)+time.Minute)
}

func (s *story) holdShift(ctx context.Context) (string, error) {
	for _, p := range []string{"jonas", "frida"} {
		if m, woken := newest(s.slack.DM(s.slackID(p)), []string{"Break glass in INC-1042", "the next are asked"}); woken {
			return "", fmt.Errorf("%s was paged although Sofia looks after it: %s", s.people[p].name, firstLine(m.Text))
		}
	}
	return until(ctx, "the summary for who comes on shift", func() (string, bool) {
		for _, p := range []string{"maya", "kenji"} {
			if m, ok := newest(s.slack.DM(s.slackID(p)), []string{"shift", "Review", "INC-1042"}); ok {
				return fmt.Sprintf("It is %s. %s comes on shift and is told: %s", s.now(), s.people[p].name, lineWith(m.Visible(), "Review ")), true
			}
		}
		return "", false
	})
}
