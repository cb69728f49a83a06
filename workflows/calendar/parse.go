package calendar

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Window is when somebody works on a day, in their own wall clock. To at or before From is on the next date: "22:00-06:00".
type Window struct{ From, To Clock }

// String is "09:00-17:30".
func (w Window) String() string { return w.From.String() + "-" + w.To.String() }

// length is in minutes of the clock, which on a day of 23 or 25 hours is not elapsed time.
func (w Window) length() Clock {
	if w.To <= w.From {
		return w.To + EndOfDay - w.From
	}
	return w.To - w.From
}

// Week is the windows of each day by time.Weekday, in order and without overlaps. A window belongs to the day it begins on.
type Week [7][]Window

// ParseHours reads working hours as people write them:
//
//	09:00-17:30                          Monday to Friday
//	Sun-Thu 09:00-18:00                  the week of Israel or Egypt
//	Mon-Fri 09:00-12:30, 14:00-18:00; Sat 10:00-12:00
//	Mon,Wed 22:00-06:00                  over midnight; the night belongs to the day it begins on
//	Mon-Sun 00:00-24:00                  always
//
// The error names the text and the part of it that is wrong.
func ParseHours(s string) (Week, error) {
	w, err := parseWeek(s)
	if err != nil {
		return Week{}, fmt.Errorf("working hours %q: %w", cut(s), err)
	}
	return w, nil
}

func cut(s string) string {
	const shown = 60
	if len(s) > shown {
		return strings.ToValidUTF8(s[:shown], "") + "…"
	}
	return s
}

func parseWeek(s string) (Week, error) {
	var w Week
	if len(s) > maxHoursText {
		return w, fmt.Errorf("%d bytes, at most %d are allowed", len(s), maxHoursText)
	}
	if strings.TrimSpace(s) == "" {
		return w, errors.New(`empty: want hours such as "09:00-17:30"`)
	}
	var given [7]bool
	for group := range strings.SplitSeq(s, ";") {
		days, windows, err := parseGroup(strings.TrimSpace(group))
		if err != nil {
			return w, err
		}
		for _, d := range days {
			if given[d] {
				return w, fmt.Errorf("%s is given twice", d)
			}
			given[d], w[d] = true, windows
		}
	}
	return w, w.apart()
}

// parseGroup reads "Mon-Fri 09:00-12:30, 14:00-18:00".
func parseGroup(s string) ([]time.Weekday, []Window, error) {
	i := strings.IndexAny(s, "0123456789")
	if i < 0 {
		return nil, nil, fmt.Errorf(`%q has no hours: want such as "Mon-Fri 09:00-17:30"`, cut(s))
	}
	days := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	if i > 0 {
		var err error
		if days, err = parseDays(strings.TrimSpace(s[:i])); err != nil {
			return nil, nil, err
		}
	}
	windows, err := parseWindows(s[i:])
	return days, windows, err
}

func parseDays(s string) ([]time.Weekday, error) {
	var days []time.Weekday
	for part := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(part, "-")
		a, err := parseDay(from)
		if err != nil {
			return nil, err
		}
		b := a
		if ranged {
			if b, err = parseDay(to); err != nil {
				return nil, err
			}
		}
		for d := a; ; d = (d + 1) % 7 {
			if slices.Contains(days, d) {
				return nil, fmt.Errorf("%s is given twice", d)
			}
			days = append(days, d)
			if d == b {
				break
			}
		}
	}
	return days, nil
}

func parseDay(s string) (time.Weekday, error) {
	s = strings.TrimSpace(s)
	for d := range time.Saturday + 1 {
		if strings.EqualFold(s, shortDay(d)) || strings.EqualFold(s, d.String()) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%q is no day: want Mon, Tue, Wed, Thu, Fri, Sat, Sun", cut(s))
}

func shortDay(d time.Weekday) string { return d.String()[:3] }

func parseWindows(s string) ([]Window, error) {
	var out []Window
	for part := range strings.SplitSeq(s, ",") {
		w, err := parseWindow(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if out = append(out, w); len(out) > maxWindows {
			return nil, fmt.Errorf("more than %d windows on a day", maxWindows)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].From < out[j].From })
	return out, nil
}

func parseWindow(s string) (Window, error) {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return Window{}, fmt.Errorf(`%q has no end: want such as "09:00-17:30"`, cut(s))
	}
	a, err := ParseClock(strings.TrimSpace(from))
	if err != nil {
		return Window{}, err
	}
	b, err := ParseClock(strings.TrimSpace(to))
	if err != nil {
		return Window{}, err
	}
	switch {
	case a == EndOfDay:
		return Window{}, fmt.Errorf("%q begins at 24:00: that is 00:00 of the next day", s)
	case a == b:
		return Window{}, fmt.Errorf("%q begins and ends at the same time: the whole day is 00:00-24:00", s)
	}
	return Window{a, b}, nil
}

// apart refuses windows that overlap, also over midnight into the next day: one of the two is a mistake.
func (w Week) apart() error {
	for d := range time.Saturday + 1 {
		next := (d + 1) % 7
		for i, x := range w[d] {
			end := x.From + x.length()
			if i+1 < len(w[d]) && w[d][i+1].From < end {
				return fmt.Errorf("%s and %s overlap on %s", x, w[d][i+1], d)
			}
			if len(w[next]) > 0 && w[next][0].From+EndOfDay < end {
				return fmt.Errorf("%s of %s runs into %s of %s", x, d, w[next][0], next)
			}
		}
	}
	return nil
}

// String is the shortest text that ParseHours reads as the same week, days from Monday on; empty when nobody ever works.
func (w Week) String() string {
	var groups []string
	var done [7]bool
	for i := range 7 {
		d := monday(i)
		if done[d] || len(w[d]) == 0 {
			continue
		}
		var days []string
		for j := i; j < 7; j++ {
			if !slices.Equal(w[monday(j)], w[d]) {
				continue
			}
			end := j
			for end+1 < 7 && slices.Equal(w[monday(end+1)], w[d]) {
				end++
			}
			days = append(days, dayRange(j, end))
			for ; j <= end; j++ {
				done[monday(j)] = true
			}
		}
		groups = append(groups, strings.Join(days, ",")+" "+joinWindows(w[d]))
	}
	return strings.Join(groups, "; ")
}

// monday counts the days of a week from Monday.
func monday(i int) time.Weekday { return time.Weekday((i + 1) % 7) }

func dayRange(i, j int) string {
	switch a, b := shortDay(monday(i)), shortDay(monday(j)); j - i {
	case 0:
		return a
	case 1:
		return a + "," + b
	default:
		return a + "-" + b
	}
}

func joinWindows(list []Window) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = w.String()
	}
	return strings.Join(words, ",")
}
