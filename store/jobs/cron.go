package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Cron says when recurring work happens. The zero Cron never does.
type Cron struct {
	spec  string
	sched cron.Schedule
}

// ParseCron reads five fields (minute, hour, day of month, month, day of week) or @hourly, @daily …, meant in the named IANA
// zone; the empty zone is UTC. Only the parser and Next of robfig/cron are used: the runner is ours, and durable.
func ParseCron(spec, zone string) (c Cron, err error) {
	if zone == "" {
		zone = "UTC"
	}
	if strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ=") {
		return Cron{}, fmt.Errorf("schedule %q: the zone stands beside it, not in it", spec)
	}
	if strings.HasPrefix(spec, "@every") {
		return Cron{}, fmt.Errorf("schedule %q: @every has no fixed occurrences", spec)
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return Cron{}, fmt.Errorf("schedule %q: unknown zone %q", spec, zone)
	}
	defer func() {
		if p := recover(); p != nil { // the parser panics on some malformed specs
			c, err = Cron{}, fmt.Errorf("schedule %q: not readable", spec)
		}
	}()
	sched, err := cron.ParseStandard("CRON_TZ=" + zone + " " + spec)
	if err != nil {
		return Cron{}, fmt.Errorf("schedule %q: want five fields: minute, hour, day, month, weekday", spec)
	}
	c = Cron{spec: spec, sched: sched}
	if _, err := c.Next(time.Unix(0, 0)); err != nil {
		return Cron{}, err
	}
	return c, nil
}

// Next is the first occurrence after t. A schedule like 30 February, which never happens, is an error.
func (c Cron) Next(t time.Time) (time.Time, error) {
	if c.sched == nil {
		return time.Time{}, errors.New("no schedule")
	}
	next := c.sched.Next(t)
	if next.IsZero() {
		return time.Time{}, fmt.Errorf("schedule %q never happens", c.spec)
	}
	return next, nil
}
