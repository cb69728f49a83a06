package jobs

import (
	"container/heap"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// ready holds leased jobs until they may run: it decides which is next. It keeps no time of its own and starts nothing; the
// Worker guards it with a lock.
//
// Each job belongs to a group (a concurrency key: so many at once) and may have a pace key (one at a time, spaced). Within a
// group and within a pace key the urgent lane goes first, otherwise first come, first served. An urgent job waits neither for a routine
// one that is under way with the same pace key nor, for a few of them, for the pace: what they took ahead the routine ones wait for.
type ready struct {
	pace    time.Duration
	groups  map[string]*group
	order   []*group // in the order in which they came up; start begins behind the last one served
	next    int
	paces   map[string]*paceKey
	sweepAt int       // forget pace keys when there are so many
	closed  paceQueue // those that wait for their time
	held    int       // jobs not yet started
	running int
}

// group is the jobs that share a limit. It stays once it is known: groups are kinds and targets, not requests.
type group struct {
	name    string
	workers int
	spare   int // beside them, for the urgent lane
	running int
	held    int // paced ones included
	begun   int // started, ever
	crowded crowd
	lanes   [2][]*item    // unpaced, ready to start
	paced   [2][]*paceKey // pace keys whose head may start; an entry may be stale
}

// crowd is how long jobs that found no room in a group are put back for.
type crowd struct {
	since time.Time
	delay time.Duration
	begun int // had started then
}

// putBack says how long a job that found no room waits until it is claimed again: the longer, the slower the group works off what it holds.
// A long queue for a receiver that is told one thing a second would otherwise be written to the database and read again every second.
func (g *group) putBack(now time.Time) time.Duration {
	c := &g.crowded
	passed := now.Sub(c.since)
	if passed < c.delay {
		return c.delay
	}
	delay := crowdedDelay
	if g.begun-c.begun < crowdedWorth && passed < 2*crowdedLongest {
		delay = min(2*c.delay, crowdedLongest)
	}
	*c = crowd{since: now, delay: delay, begun: g.begun}
	return delay
}

type item struct {
	job   Job
	group *group
	pace  *paceKey
	kind  *Kind
	since time.Time // when it came here
}

// paceKey is one receiver that wants its messages spaced.
type paceKey struct {
	name  string
	lanes [2][]*item
	busy  [2]bool   // one of its jobs is running, by lane
	open  time.Time // no start before that keeps the pace
	held  time.Time // no start before at all: the receiver asked for it
	calm  time.Time // no start ahead of the pace before: the receiver has just complained

	queued bool // stands in ready.closed
	due    time.Time
	at     int // where
}

// startsAt is when the head may start, as far as time goes: in the past, or ahead.
func (p *paceKey) startsAt(lane int, pace time.Duration) time.Time {
	at := p.open
	if lane == 1 {
		if early := later(p.calm, at.Add(-urgentAhead*pace)); early.Before(at) {
			at = early
		}
	}
	return later(p.held, at)
}

// taken tells whether a job of that lane must wait for one that is running. An urgent one waits for none but its like: the answer to a routine
// message may hang for half a minute.
func (p *paceKey) taken(lane int) bool { return p.busy[1] || lane == 0 && p.busy[0] }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// paceQueue orders pace keys by the time they were to open when they were put in; it may have moved on since.
type paceQueue []*paceKey

func (q paceQueue) Len() int           { return len(q) }
func (q paceQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q paceQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *paceQueue) Push(x any) {
	p := x.(*paceKey)
	p.at = len(*q)
	*q = append(*q, p)
}

func (q *paceQueue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	*q = (*q)[:last]
	return p
}

func newReady(pace time.Duration) *ready {
	return &ready{pace: pace, groups: make(map[string]*group), paces: make(map[string]*paceKey), sweepAt: maxRunning}
}

func laneOf(j Job) int {
	if j.Lane == workflows.LaneUrgent {
		return 1
	}
	return 0
}

func (r *ready) group(name string, workers, spare int) *group {
	g, ok := r.groups[name]
	if !ok {
		g = &group{name: name, workers: workers, spare: spare}
		r.groups[name] = g
		r.order = append(r.order, g)
	}
	return g
}

// push adds a job. It returns how long to put it back for, and keeps nothing, when its group already holds half of what may be held: the
// others must still find room. Urgent ones find some more, so that none waits because too many routine ones do.
func (r *ready) push(j Job, k *Kind, groupName string, now time.Time) (putBack time.Duration) {
	workers := k.Workers
	if workers <= 0 {
		workers = defaultWorkers
	}
	g := r.group(groupName, workers, k.Urgent)
	lane := laneOf(j)
	if g.held >= maxReady/2+lane*maxReady/4 {
		return g.putBack(now)
	}
	it := &item{job: j, group: g, kind: k, since: now}
	g.held++
	r.held++
	if j.Pace == "" {
		g.lanes[lane] = append(g.lanes[lane], it)
		return 0
	}
	p, ok := r.paces[j.Pace]
	if !ok {
		p = &paceKey{name: j.Pace}
		r.paces[j.Pace] = p
	}
	it.pace = p
	p.lanes[lane] = append(p.lanes[lane], it)
	r.offer(p, now)
	return 0
}

// head is the item a pace key would start next.
func (p *paceKey) head() *item {
	for lane := 1; lane >= 0; lane-- {
		if len(p.lanes[lane]) > 0 {
			return p.lanes[lane][0]
		}
	}
	return nil
}

// offer puts a pace key that may start now up in the group of its head. Doing so twice is harmless: start looks again.
func (r *ready) offer(p *paceKey, now time.Time) {
	it := p.head()
	if it == nil {
		return
	}
	lane := laneOf(it.job)
	at := p.startsAt(lane, r.pace)
	switch {
	case p.taken(lane): // end offers it again
	case !now.Before(at):
		it.group.paced[lane] = append(it.group.paced[lane], p)
	case !p.queued:
		p.queued, p.due = true, at
		heap.Push(&r.closed, p)
	case at.Before(p.due):
		p.due = at
		heap.Fix(&r.closed, p.at)
	}
}

// start gives the next job that may run, if any: urgent ones of all groups first, then the groups in turn.
func (r *ready) start(now time.Time) *item {
	for lane := 1; lane >= 0; lane-- {
		limit := maxRunning
		if lane == 0 {
			limit -= urgentRoom
		}
		if r.running >= limit {
			continue
		}
		for i := range r.order {
			g := r.order[(r.next+i)%len(r.order)]
			if g.running >= g.workers+lane*g.spare {
				continue
			}
			if it := g.take(lane, now, r.pace); it != nil {
				r.next = (r.next + i + 1) % len(r.order)
				r.begin(it, now)
				return it
			}
		}
	}
	return nil
}

// take removes the next item of one lane from the group. Paced ones go first: they have waited for their turn.
func (g *group) take(lane int, now time.Time, pace time.Duration) *item {
	for len(g.paced[lane]) > 0 {
		p := g.paced[lane][0]
		g.paced[lane] = g.paced[lane][1:]
		it := p.head()
		if it == nil || p.taken(lane) || it.group != g || laneOf(it.job) != lane || now.Before(p.startsAt(lane, pace)) {
			continue // stale: it was served, blocked, or overtaken since
		}
		p.lanes[lane] = p.lanes[lane][1:]
		return it
	}
	if len(g.lanes[lane]) == 0 {
		return nil
	}
	it := g.lanes[lane][0]
	g.lanes[lane] = g.lanes[lane][1:]
	return it
}

func (r *ready) begin(it *item, now time.Time) {
	it.group.held--
	it.group.running++
	it.group.begun++
	r.held--
	r.running++
	if it.pace != nil {
		it.pace.busy[laneOf(it.job)] = true
		it.pace.open = later(it.pace.open, now).Add(r.pace)
	}
}

// end frees what the item held. block, when not zero, holds back the named pace key until then.
func (r *ready) end(it *item, now time.Time, blockKey string, block time.Time) {
	it.group.running--
	r.running--
	if it.pace != nil {
		it.pace.busy[laneOf(it.job)] = false
	}
	if blockKey != "" {
		p, ok := r.paces[blockKey]
		if !ok {
			p = &paceKey{name: blockKey}
			r.paces[blockKey] = p
		}
		p.held, p.open = later(p.held, block), later(p.open, block)
		p.calm = later(p.calm, block.Add(calmAfter*r.pace))
	}
	if it.pace != nil {
		r.offer(it.pace, now)
	}
	r.forget(now)
}

// forget drops pace keys that hold nothing back any more, once there are many: there is one for each person ever told something.
func (r *ready) forget(now time.Time) {
	if len(r.paces) < r.sweepAt {
		return
	}
	for name, p := range r.paces {
		if p.busy == [2]bool{} && !p.queued && p.head() == nil && !now.Before(p.open) && !now.Before(p.calm) {
			delete(r.paces, name)
		}
	}
	r.sweepAt = max(maxRunning, 2*len(r.paces))
}

// openAt offers the pace keys whose time has come and gives the earliest time another one opens; zero when none waits.
func (r *ready) openAt(now time.Time) time.Time {
	for len(r.closed) > 0 && !now.Before(r.closed[0].due) {
		p := heap.Pop(&r.closed).(*paceKey)
		p.queued = false
		r.offer(p, now)
	}
	if len(r.closed) == 0 {
		return time.Time{}
	}
	return r.closed[0].due
}

// oldest is how long the job that has waited longest has waited here.
func (r *ready) oldest(now time.Time) (d time.Duration) {
	look := func(lanes [2][]*item) {
		for _, lane := range lanes {
			if len(lane) > 0 {
				d = max(d, now.Sub(lane[0].since))
			}
		}
	}
	for _, g := range r.order {
		look(g.lanes)
	}
	for _, p := range r.paces {
		look(p.lanes)
	}
	return d
}

// drain empties it and gives what had not started.
func (r *ready) drain() (out []Job) {
	for _, g := range r.order {
		for lane := range g.lanes {
			for _, it := range g.lanes[lane] {
				out = append(out, it.job)
			}
			g.lanes[lane], g.paced[lane] = nil, nil
		}
		g.held = 0
	}
	for _, p := range r.paces {
		for lane := range p.lanes {
			for _, it := range p.lanes[lane] {
				out = append(out, it.job)
			}
			p.lanes[lane] = nil
		}
	}
	r.held = 0
	return out
}
