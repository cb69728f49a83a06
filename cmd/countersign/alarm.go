package main

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// Alarms that the wiring raises.
const (
	alarmGhost   = "slack.ghost"
	alarmForeign = "slack.foreign"
)

const alarmPatience = 30 * time.Second // for recording and telling; a later one comes an hour later

// alarm records that something needs an operator's eyes and tells the security channel, once an hour for each kind: the cause is consumed
// once, however often and by however many goroutines it is raised.
func (s *serving) alarm(what, detail, words string) {
	s.wait.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), alarmPatience)
		defer cancel()
		hour := s.clock.Now().Wall.UTC().Format("2006-01-02T15")
		res, err := s.store.Update(ctx, workflows.Cause("alarm/"+what+"/"+hour), nil, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			out.Add(workflows.SystemStream, workflows.System, "", workflows.AlarmRaised{What: what, Detail: detail})
			return out, nil
		})
		if err != nil || res.Replayed {
			return
		}
		channel := s.desk.Policy().Settings.SecurityChannel
		if channel == "" || s.bot == nil { // or nobody is there yet who could tell it
			return
		}
		if _, err := s.bot.Announce(ctx, channel, "⚠️ "+words); err != nil {
			s.log.Error("the security channel could not be told", "alarm", what, "err", err)
		}
	})
}

func (s *serving) ghost(expected, got int) {
	s.log.Error("Slack counts more connections than we hold: half-open ones swallow clicks, or somebody else uses the app token", "held", expected, "counted", got)
	s.alarm(alarmGhost, fmt.Sprintf("held %d, counted %d", expected, got), fmt.Sprintf(
		"Slack counts %d connections of this app and the bot holds %d. Half-open connections swallow clicks, or somebody else uses its app-level token. Look at who has that, and make a new one if in doubt.",
		got, expected))
}

func (s *serving) foreign(f slack.Foreign) {
	s.log.Warn("a payload of another app or workspace was dropped", "kind", f.Kind, "field", f.Field)
	s.alarm(alarmForeign, f.Kind+" "+f.Field, "A payload for another app or workspace reached the bot and was dropped ("+f.Kind+", "+f.Field+").")
}
