package calendar

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// repeat is an RRULE.
type repeat struct {
	every    string // DAILY, WEEKLY, MONTHLY, YEARLY
	interval int
	count    int    // 0: not given
	until    moment // given only if it is
	byDate   bool   // until is a date: occurrences that begin on it count
	days     []nthDay
	wkst     time.Weekday // on which a week begins
}

// nthDay is an element of BYDAY: n is 0 for every such day of the period, else which one, from the end if negative.
type nthDay struct {
	n   int
	day time.Weekday
}

func readRepeat(s string, at func(string) (moment, bool, error)) (*repeat, error) {
	r := &repeat{interval: 1, wkst: time.Monday}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("RRULE: %q is not NAME=VALUE", cut(part))
		}
		name = strings.ToUpper(name)
		if seen[name] {
			return nil, fmt.Errorf("RRULE: %s is given twice", name)
		}
		seen[name] = true
		if err := r.read(name, strings.ToUpper(value), at); err != nil {
			return nil, err
		}
	}
	return r, r.check(seen)
}

func (r *repeat) read(name, value string, at func(string) (moment, bool, error)) (err error) {
	switch name {
	case "FREQ":
		r.every = value
	case "INTERVAL":
		r.interval, err = number(name, value, maxInterval)
	case "COUNT":
		r.count, err = number(name, value, maxRepeats)
	case "UNTIL":
		r.until, r.byDate, err = at(value)
	case "WKST":
		r.wkst, err = icsDay(name, value)
	case "BYDAY":
		for word := range strings.SplitSeq(value, ",") {
			d, err := readNthDay(word)
			if err != nil {
				return err
			}
			if slices.Contains(r.days, d) {
				return fmt.Errorf("RRULE: BYDAY names %s twice", word)
			}
			if r.days = append(r.days, d); len(r.days) > maxByDay {
				return fmt.Errorf("RRULE: BYDAY names more than %d days", maxByDay)
			}
		}
	default:
		return fmt.Errorf("RRULE: %s is not understood: FREQ, INTERVAL, COUNT, UNTIL, BYDAY and WKST are", cut(name))
	}
	return err
}

func (r *repeat) check(seen map[string]bool) error {
	switch r.every {
	case "DAILY", "WEEKLY", "MONTHLY", "YEARLY":
	case "":
		return fmt.Errorf("RRULE: FREQ is missing")
	default:
		return fmt.Errorf("RRULE: FREQ=%s is not understood: DAILY, WEEKLY, MONTHLY and YEARLY are", cut(r.every))
	}
	if seen["COUNT"] && seen["UNTIL"] {
		return fmt.Errorf("RRULE: COUNT and UNTIL exclude each other")
	}
	for _, d := range r.days {
		if d.n != 0 && (r.every == "DAILY" || r.every == "WEEKLY") {
			return fmt.Errorf("RRULE: BYDAY=%d%s has no meaning with FREQ=%s", d.n, strings.ToUpper(d.day.String()[:2]), r.every)
		}
	}
	return nil
}

func number(name, value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("RRULE: %s=%s: want 1 to %d", name, cut(value), most)
	}
	return n, nil
}

func icsDay(name, s string) (time.Weekday, error) {
	for d := range time.Saturday + 1 {
		if s == strings.ToUpper(d.String()[:2]) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("RRULE: %s=%s: want MO, TU, WE, TH, FR, SA, SU", name, cut(s))
}

// readNthDay reads "MO", "2TU", "-1FR".
func readNthDay(s string) (nthDay, error) {
	i := len(s) - 2
	if i < 0 {
		return nthDay{}, fmt.Errorf("RRULE: BYDAY=%s: want such as MO, 2TU or -1FR", cut(s))
	}
	day, err := icsDay("BYDAY", s[i:])
	if err != nil || i == 0 {
		return nthDay{0, day}, err
	}
	n, err := strconv.Atoi(s[:i])
	if err != nil || n == 0 || n < -53 || n > 53 {
		return nthDay{}, fmt.Errorf("RRULE: BYDAY=%s: want such as MO, 2TU or -1FR", cut(s))
	}
	return nthDay{n, day}, nil
}

// starts yields the dates on which occurrences begin that may have time within [from, to), by the calendar of the entry's zone, in order. It
// goes by date and ends: at COUNT, at UNTIL, at to, at the last year that a date may have, or when the steps are used up.
func (e *entry) starts(from, to workflows.Stamp, steps *int) iter.Seq[Date] {
	return func(yield func(Date) bool) {
		if e.rule == nil {
			yield(e.start.date)
			return
		}
		// A day of slack on both sides: whoever calls compares the times themselves.
		first := DateAt(from, e.start.zone).Add(-e.days - int(e.exact/day) - lookBack).epoch()
		last := DateAt(to, e.start.zone).Add(lookBack).epoch()
		begin, n := e.start.date.epoch(), 0
		for p := e.rule.skip(e.start.date, first); ; p++ {
			head, list := e.rule.period(e.start.date, p)
			if *steps -= e.rule.cost(); *steps < 0 || head > last || head.date().Year >= maxYear {
				return
			}
			for _, d := range list {
				if d < begin {
					continue
				}
				if n++; e.rule.count > 0 && n > e.rule.count || e.rule.isOver(e.start, d) {
					return
				}
				if d >= first && d <= last && !yield(d.date()) {
					return
				}
			}
		}
	}
}

// cost is how many dates a period makes one look at.
func (r *repeat) cost() int {
	if len(r.days) == 0 {
		return 1
	}
	return map[string]int{"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}[r.every]
}

// skip is a period that does not lie after the date: whoever counts begins at the first.
func (r *repeat) skip(start Date, to epochDay) int {
	if r.count > 0 || to <= start.epoch() {
		return 0
	}
	var units int
	switch d := to.date(); r.every {
	case "DAILY":
		units = int(to - start.epoch())
	case "WEEKLY":
		units = int(to-start.epoch()) / 7
	case "MONTHLY":
		units = 12*(d.Year-start.Year) + int(d.Month-start.Month)
	default:
		units = d.Year - start.Year
	}
	return max(0, units/r.interval-1)
}

// isOver tells whether an occurrence on the date would begin after UNTIL.
func (r *repeat) isOver(start moment, d epochDay) bool {
	switch {
	case !r.until.given():
		return false
	case r.byDate:
		return d > r.until.date.epoch()
	}
	start.date = d.date()
	return start.first() > r.until.first()
}

// period gives the dates of the n-th day, week, month or year that the rule names, in order, and the first date of that period. There may be none:
// not every month has a 31st.
func (r *repeat) period(start Date, n int) (head epochDay, dates []epochDay) {
	n *= r.interval
	switch r.every {
	case "DAILY":
		head = start.epoch() + epochDay(n)
		if len(r.days) == 0 || slices.Contains(r.days, nthDay{0, head.weekday()}) {
			dates = []epochDay{head}
		}
		return head, dates
	case "WEEKLY":
		head = start.epoch() - epochDay((start.Weekday()-r.wkst+7)%7) + epochDay(7*n)
		if len(r.days) == 0 {
			return head, []epochDay{start.epoch() + epochDay(7*n)}
		}
		return head, r.among(head, head+7)
	case "MONTHLY":
		month := Date{start.Year, start.Month, 1}.AddMonths(n)
		return r.long(start, month, month.AddMonths(1))
	}
	year := Date{start.Year + n, time.January, 1}
	return r.long(start, year, year.AddMonths(12))
}

// long is period for months and years.
func (r *repeat) long(start, from, to Date) (head epochDay, dates []epochDay) {
	if len(r.days) > 0 {
		return from.epoch(), r.among(from.epoch(), to.epoch())
	}
	d := Date{from.Year, from.Month, start.Day}
	if r.every == "YEARLY" {
		d.Month = start.Month
	}
	if dateOf(d.noon()) == d { // else the month has no such day
		dates = []epochDay{d.epoch()}
	}
	return from.epoch(), dates
}

// among gives the dates of [from, to) that BYDAY names.
func (r *repeat) among(from, to epochDay) []epochDay {
	var out []epochDay
	for d := from; d < to; d++ {
		n, left := int(d-from)/7+1, -int(to-1-d)/7-1 // the how-many-eth of its weekday, from the beginning and from the end
		if slices.ContainsFunc(r.days, func(x nthDay) bool {
			return x.day == d.weekday() && (x.n == 0 || x.n == n || x.n == left)
		}) {
			out = append(out, d)
		}
	}
	return out
}
