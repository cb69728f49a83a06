package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// Alarms that the wiring raises.
const (
	alarmGhost     = "slack.ghost"
	alarmForeign   = "slack.foreign"
	alarmMalformed = "slack.malformed"
	alarmPanic     = "internal_error"
)

const alarmPatience = 30 * time.Second // for recording and telling; a later one comes an hour later

// raised remembers which alarms were recorded in this hour, so that a flood of one cause costs one transaction and no more (T62).
type raised struct {
	mu   sync.Mutex
	rows map[string]string // what -> the hour in which it is on record, or being recorded
}

// begin tells whether an alarm is to be recorded in an hour.
func (x *raised) begin(what, hour string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rows == nil {
		x.rows = map[string]string{}
	}
	if x.rows[what] == hour {
		return false
	}
	x.rows[what] = hour
	return true
}

// failed lets the next one try again.
func (x *raised) failed(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.rows, what)
}

// seldom lets a line into the log once a minute and counts those it left out: what a stranger sends must not fill the disk either.
type seldom struct {
	mu   sync.Mutex
	rows map[string]*quieted
}

type quieted struct {
	since time.Time
	left  int64
}

// let gives how many lines were left out since the last, and whether this one is to be written. Keys are ours, never a stranger's words.
func (x *seldom) let(key string, now time.Time) (left int64, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rows == nil {
		x.rows = map[string]*quieted{}
	}
	q := x.rows[key]
	if q == nil || now.Sub(q.since) >= time.Minute || now.Before(q.since) {
		if q != nil {
			left = q.left
		}
		x.rows[key] = &quieted{since: now}
		return left, true
	}
	q.left++
	return 0, false
}

// alarm records that something needs an operator's eyes and tells the security channel, once an hour for each kind: the cause is consumed
// once, however often and by however many goroutines it is raised.
func (s *serving) alarm(what, detail string, words screens.Sentence) {
	hour := s.clock.Now().Wall.UTC().Format("2006-01-02T15")
	if !s.raised.begin(what, hour) {
		return
	}
	s.wait.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), alarmPatience)
		defer cancel()
		res, err := s.store.Update(ctx, workflows.Cause("alarm/"+what+"/"+hour), nil, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			out.Add(workflows.SystemStream, workflows.System, "", workflows.AlarmRaised{What: what, Detail: detail})
			return out, nil
		})
		if err != nil {
			s.raised.failed(what)
			return
		}
		if res.Replayed {
			return
		}
		channel := s.desk.Policy().Settings.SecurityChannel
		if channel == "" || s.bot == nil { // or nobody is there yet who could tell it
			return
		}
		if _, err := s.bot.Announce(ctx, channel, "⚠️ ", words); err != nil {
			s.log.Error("the security channel could not be told", "alarm", what, "err", err)
		}
	})
}

func (s *serving) ghost(expected, got int) {
	s.log.Error("Slack counts more connections than we hold: half-open ones swallow clicks, or somebody else uses the app token", "held", expected, "counted", got)
	s.alarm(alarmGhost, fmt.Sprintf("held %d, counted %d", expected, got), screens.Sentencef(
		"Slack counts %d connections of this app and the bot holds %d. Half-open connections swallow clicks, or somebody else uses its app-level token. Look at who has that, and make a new one if in doubt.",
		got, expected))
}

func (s *serving) foreign(f slack.Foreign) {
	if left, ok := s.seldom.let(alarmForeign, time.Now()); ok {
		s.log.Warn("a payload of another app or workspace was dropped", "kind", f.Kind, "field", f.Field, "left_out", left)
	}
	s.alarm(alarmForeign, f.Kind+" "+f.Field, screens.Sentencef("A payload for another app or workspace reached the bot and was dropped (%s, %s).", f.Kind, f.Field))
}

// malformed is about a payload that lacks what a decision needs (F24).
func (s *serving) malformed(class string) {
	s.alarm(alarmMalformed, class, screens.Sentencef(
		"Slack sent something that cannot be read safely (%s). It was refused and nothing was decided by it. If it comes again, Slack changed what it sends: look for a newer version of Countersign, and decide on the command line until then.", class))
}

// panicked is about something from Slack that broke its handler (T43). What was recorded is tried again by itself.
func (s *serving) panicked(class string) {
	s.alarm(alarmPanic, class, screens.Sentencef(
		"Handling something from Slack failed inside the bot (%s). The bot goes on, and what was recorded is tried again by itself. The log says more.", class))
}
