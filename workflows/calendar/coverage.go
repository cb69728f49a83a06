package calendar

import (
	"cmp"
	"container/heap"
	"fmt"
	"iter"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Shortfall is a time in which fewer are awake than the quorum.
type Shortfall struct {
	Interval
	Awake int // the most there are within it
}

// Coverage is what a lint says of a team: when its quorum is not there.
type Coverage struct {
	Interval               // what was looked at
	Quorum   int           //
	Short    time.Duration // in which the quorum is not there, all in all
	Longest  Shortfall     // the longest of them
	List     []Shortfall   // in order, neighbours joined; the first 20,000
	More     int           // how many are not listed
}

// Coverage looks from the beginning of a date in UTC over so many months, 24 at most, at the hours in which fewer than the quorum work. Those
// whose hours are not known count as absent.
func (t Team) Coverage(from Date, months int) (Coverage, error) {
	if err := t.check(); err != nil {
		return Coverage{}, err
	}
	if months < 1 || months > maxMonths {
		return Coverage{}, fmt.Errorf("coverage of %d months: want 1 to %d", months, maxMonths)
	}
	c := Coverage{Quorum: t.Quorum, Interval: Interval{First(from, 0, time.UTC), First(from.AddMonths(months), 0, time.UTC)}}
	var open Shortfall
	for l := range t.levels(c.From, c.To) {
		switch {
		case l.awake >= t.Quorum:
			c.add(open)
			open = Shortfall{}
		case open.To == l.From && open.To != 0:
			open.To, open.Awake = l.To, max(open.Awake, l.awake)
		default:
			open = Shortfall{l.Interval, l.awake}
		}
	}
	c.add(open)
	return c, nil
}

func (c *Coverage) add(s Shortfall) {
	if s.To == 0 {
		return
	}
	c.Short += s.Length()
	if s.Length() > c.Longest.Length() {
		c.Longest = s
	}
	if len(c.List) < maxShortfalls {
		c.List = append(c.List, s)
	} else {
		c.More++
	}
}

// level is a time in which the same number of people is awake.
type level struct {
	Interval
	awake int
}

// levels yields from one moment to another, without holes, how many are awake. Everybody is walked once and only as far as is asked for.
func (t Team) levels(from, to workflows.Stamp) iter.Seq[level] {
	return func(yield func(level) bool) {
		days := min(int(to.Sub(from)/day)+1, maxDays)
		var q turns
		for _, m := range t.Members {
			if m.Hours == nil {
				continue
			}
			next, stop := iter.Pull(m.Hours.open(from, days))
			defer stop()
			if p, ok := next(); ok && p.From < to {
				q = append(q, turn{p.From, p, next})
			}
		}
		heap.Init(&q)
		at, awake := from, 0
		for len(q) > 0 {
			// Everything that happens at one moment happens before anybody is counted.
			now := q[0].at
			if now > at && !yield(level{Interval{at, min(now, to)}, awake}) {
				return
			}
			if at = now; at >= to {
				return
			}
			for len(q) > 0 && q[0].at == now {
				awake += q.step()
			}
		}
		if at < to {
			yield(level{Interval{at, to}, awake})
		}
	}
}

// turn is what happens next to somebody: they begin or end the piece of work.
type turn struct {
	at   workflows.Stamp
	is   Interval
	next func() (Interval, bool)
}

// turns is a heap by time.
type turns []turn

func (q turns) Len() int           { return len(q) }
func (q turns) Less(i, j int) bool { return cmp.Less(q[i].at, q[j].at) }
func (q turns) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *turns) Push(x any)        { *q = append(*q, x.(turn)) }
func (q *turns) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// step lets the first of the heap begin (1) or end (-1).
func (q *turns) step() int {
	x := &(*q)[0]
	if x.at == x.is.From {
		x.at = x.is.To
		heap.Fix(q, 0)
		return 1
	}
	p, ok := x.next()
	if !ok {
		heap.Pop(q)
		return -1
	}
	x.is, x.at = p, p.From
	heap.Fix(q, 0)
	return -1
}
