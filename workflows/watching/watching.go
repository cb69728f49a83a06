package watching

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Finding is what a rule found, and the entry that completed it.
type Finding struct {
	workflows.WatchFound
	At     workflows.Stamp `json:"at"`
	Index  int64           `json:"index"`  // of the entry
	Target string          `json:"target"` // empty where the signal is about no target
}

// Key is the same for the same finding, whoever computes it and when.
func (f Finding) Key() string { return f.Rule + "/" + f.Entry }

// Watcher folds the entries of a ledger, from the first one and in order. It keeps little of each person: what is older than the rules look at
// is dropped.
type Watcher struct {
	rules []workflows.WatchRule

	requests map[workflows.StreamID]request
	opened   map[workflows.StreamID]stage // the open stage of a request
	held     map[workflows.GrantID]holding
	known    map[workflows.IdentityID]*principal
	times    map[string][]workflows.Stamp // of each rule and whom it counts for
	recorded map[string]bool              // keys of findings that the ledger has
	next     int64                        // index of the entry that comes next
}

type request struct {
	by      workflows.PersonID
	subject workflows.IdentityID
	target  workflows.TargetID
	offerer workflows.PersonID // whose offer it takes up: their approval comes with it
}

// stage is the open one of a request. A card is in its channel, or a message came, at some time; zero: not yet.
type stage struct {
	at    workflows.Stamp
	index int
	card  workflows.Stamp
	asked map[workflows.PersonID]workflows.Stamp
}

type holding struct {
	who      workflows.IdentityID
	target   workflows.TargetID
	from     workflows.Stamp
	until    workflows.Stamp
	takenAt  workflows.Stamp
	reported map[string]bool // signals and sessions that were found
}

type principal struct {
	first, last workflows.Stamp
	targets     map[workflows.TargetID]bool
	hours       [24]int
	asked       int
}

// New watches by the rules.
func New(rules []workflows.WatchRule) *Watcher {
	return &Watcher{
		rules: slices.Clone(rules), requests: map[workflows.StreamID]request{}, opened: map[workflows.StreamID]stage{},
		held: map[workflows.GrantID]holding{}, known: map[workflows.IdentityID]*principal{}, times: map[string][]workflows.Stamp{},
		recorded: map[string]bool{},
	}
}

// Next is the index of the entry that Apply wants next.
func (w *Watcher) Next() int64 { return w.next }

// Recorded tells whether the entries that were applied hold a finding.
func (w *Watcher) Recorded(f Finding) bool { return w.recorded[f.Key()] }

// Apply takes the next entry in, and gives what it completes. An entry that was taken in is passed over.
func (w *Watcher) Apply(r workflows.Record) []Finding {
	if r.Index < w.next {
		return nil
	}
	w.next = r.Index + 1
	switch e := r.Event.(type) {
	case workflows.WatchFound:
		w.recorded[e.Rule+"/"+e.Entry] = true
	case workflows.Submitted:
		return w.submitted(r, e)
	case workflows.StageOpened:
		w.opened[r.Stream] = stage{at: r.At.UTC, index: e.Stage, card: w.opened[r.Stream].card, asked: map[workflows.PersonID]workflows.Stamp{}}
	case workflows.NoticeDelivered:
		w.told(r, e)
	case workflows.VoteRecorded:
		return w.voted(r, e)
	case workflows.Denied:
		q := w.requests[r.Stream]
		w.over(r.Stream)
		return w.counted(r, workflows.SignalDenials, q.by.Identity(), q.target)
	case workflows.Approved, workflows.Withdrawn, workflows.TimedOut, workflows.Superseded:
		w.over(r.Stream)
	case workflows.Refused:
		return w.counted(r, workflows.SignalDenials, r.Person.Identity(), "")
	case incidents.Invoked:
		if !e.Drill {
			return w.counted(r, workflows.SignalBreakGlass, r.Person.Identity(), "")
		}
	default:
		return w.access(r)
	}
	return nil
}

func (w *Watcher) over(s workflows.StreamID) {
	delete(w.requests, s)
	delete(w.opened, s)
}

// found makes a finding of an entry.
func found(r workflows.Record, rule workflows.WatchRule, who workflows.IdentityID, t workflows.TargetID, n int) Finding {
	return Finding{
		WatchFound: workflows.WatchFound{
			Rule: rule.Name, Signal: rule.Signal, Identity: who, Entry: r.ID, About: r.Stream, Count: n, Then: rule.Then, Until: until(r.At.UTC, rule.For),
		},
		At: r.At.UTC, Index: r.Index, Target: string(t),
	}
}

// until is when a demand ends that begins with an entry; zero without one.
func until(at workflows.Stamp, span workflows.Span) workflows.Stamp {
	if span == 0 {
		return 0
	}
	return at.Add(span.Duration())
}

// of are the rules of a signal that look at a target.
func (w *Watcher) of(signal string, t workflows.TargetID) (out []workflows.WatchRule) {
	for _, r := range w.rules {
		if r.Signal == signal && (len(r.Targets) == 0 || slices.Contains(r.Targets, t)) {
			out = append(out, r)
		}
	}
	return out
}

// counted finds what happens often within a time. What made a finding does not count for the next one.
func (w *Watcher) counted(r workflows.Record, signal string, who workflows.IdentityID, t workflows.TargetID) (out []Finding) {
	if who == "" {
		return nil
	}
	for _, rule := range w.of(signal, t) {
		if n := w.tally(rule, rule.Name+"\x00"+string(who), r.At.UTC); n >= rule.Times {
			delete(w.times, rule.Name+"\x00"+string(who))
			out = append(out, found(r, rule, who, t, n))
		}
	}
	return out
}

// tally adds a moment and gives how many there are within the rule's time.
func (w *Watcher) tally(rule workflows.WatchRule, key string, now workflows.Stamp) int {
	since := now.Add(-rule.Within.Duration())
	list := slices.DeleteFunc(w.times[key], func(s workflows.Stamp) bool { return s <= since })
	w.times[key] = append(list, now)
	return len(w.times[key])
}

func (w *Watcher) submitted(r workflows.Record, e workflows.Submitted) (out []Finding) {
	q := request{r.Person, e.Subject, e.Target, e.Offer.By}
	w.requests[r.Stream] = q
	if e.Drill {
		return nil
	}
	out = append(out, w.woke(r, e.Subject, e.Target)...)
	out = append(out, w.counted(r, workflows.SignalBurst, q.by.Identity(), e.Target)...)
	p := w.seen(e.Subject, r.At.UTC)
	hour := r.At.UTC.Time().Hour()
	for _, rule := range w.of(workflows.SignalFirstTarget, e.Target) {
		if e.Target != "" && !p.targets[e.Target] && r.At.UTC.Sub(p.first) >= rule.Within.Duration() {
			out = append(out, found(r, rule, e.Subject, e.Target, 0))
		}
	}
	for _, rule := range w.of(workflows.SignalUnusualHour, e.Target) {
		if p.asked >= rule.Times && p.near(hour) == 0 {
			out = append(out, found(r, rule, e.Subject, e.Target, p.asked))
		}
	}
	p.targets[e.Target] = true
	p.hours[hour]++
	p.asked++
	return out
}

// near is how many requests came at an hour or the one before or behind it, in UTC: summer time moves habits by one.
func (p *principal) near(hour int) int {
	return p.hours[(hour+23)%24] + p.hours[hour] + p.hours[(hour+1)%24]
}

func (w *Watcher) seen(who workflows.IdentityID, at workflows.Stamp) *principal {
	p := w.known[who]
	if p == nil {
		p = &principal{first: at, targets: map[workflows.TargetID]bool{}}
		w.known[who] = p
	}
	p.last = at
	return p
}

// woke finds an identity that does something after a long time, and takes in that it did.
func (w *Watcher) woke(r workflows.Record, who workflows.IdentityID, t workflows.TargetID) (out []Finding) {
	if p := w.known[who]; p != nil {
		for _, rule := range w.of(workflows.SignalDormant, t) {
			if slept := r.At.UTC.Sub(p.last); slept >= rule.Within.Duration() {
				out = append(out, found(r, rule, who, t, int(slept/(24*time.Hour))))
			}
		}
	}
	w.seen(who, r.At.UTC)
	return out
}

func (w *Watcher) voted(r workflows.Record, e workflows.VoteRecorded) (out []Finding) {
	q, ok := w.requests[r.Stream]
	if !ok || e.Verdict != workflows.Approve || e.Drill {
		return nil
	}
	out = w.fast(r, e, q)
	if q.by == "" || r.Person == "" || q.by == r.Person {
		return out
	}
	for _, rule := range w.of(workflows.SignalSamePair, q.target) {
		out = append(out, w.pair(r, rule, q)...)
	}
	return out
}

// told takes in when people could first see what is asked of them.
func (w *Watcher) told(r workflows.Record, e workflows.NoticeDelivered) {
	st, ok := w.opened[r.Stream]
	what, rest, _ := strings.Cut(e.Notice, "/")
	index, person, _ := strings.Cut(rest, "/")
	switch p := workflows.PersonID(person); {
	case !ok:
	case what == workflows.NoticeCard:
		st.card = r.At.UTC
		w.opened[r.Stream] = st
	case what == workflows.NoticeAsk && index == strconv.Itoa(st.index) && st.asked[p] == 0:
		st.asked[p] = r.At.UTC
	}
}

// since is when somebody who decided at a moment could first see that a stage waits for them: when it was opened, or, where messages took longer, when
// the first of them was there.
func (s stage) since(p workflows.PersonID, at workflows.Stamp) workflows.Stamp {
	first := workflows.Stamp(0)
	for _, t := range []workflows.Stamp{s.card, s.asked[p]} {
		if t != 0 && t <= at && (first == 0 || t < first) {
			first = t
		}
	}
	return max(s.at, first)
}

// fast finds approvals sooner than anybody reads. An offer that is taken up was decided when it was made.
func (w *Watcher) fast(r workflows.Record, e workflows.VoteRecorded, q request) (out []Finding) {
	st, ok := w.opened[r.Stream]
	if !ok || q.offerer != "" && q.offerer == r.Person {
		return nil
	}
	at := e.ReceivedAt
	if at == 0 {
		at = r.At.UTC
	}
	at = max(at, st.at)
	since, unopened := st.since(r.Person, at), e.Opened == workflows.Unopened
	for _, rule := range w.of(workflows.SignalFastApproval, q.target) {
		if took := at.Sub(since); took < time.Duration(rule.Seconds)*time.Second && (unopened || !rule.Unopened) {
			f := found(r, rule, r.Person.Identity(), q.target, int(took/time.Second))
			f.With, f.Unopened = q.by, unopened
			out = append(out, f)
		}
	}
	return out
}

// pair finds two people who approve each other: both directions count, and both must have happened.
func (w *Watcher) pair(r workflows.Record, rule workflows.WatchRule, q request) []Finding {
	one, two := rule.Name+"\x00"+string(r.Person)+">"+string(q.by), rule.Name+"\x00"+string(q.by)+">"+string(r.Person)
	n := w.tally(rule, one, r.At.UTC)
	since := r.At.UTC.Add(-rule.Within.Duration())
	w.times[two] = slices.DeleteFunc(w.times[two], func(s workflows.Stamp) bool { return s <= since })
	back := len(w.times[two])
	if back == 0 || n+back < rule.Times {
		return nil
	}
	delete(w.times, one)
	delete(w.times, two)
	f := found(r, rule, r.Person.Identity(), q.target, n+back)
	f.With = q.by
	return []Finding{f}
}

// access follows what is held, and finds its use at a time when it should not be used.
func (w *Watcher) access(r workflows.Record) []Finding {
	switch e := r.Event.(type) {
	case grants.Approved:
		from := e.StartsAt
		if from == 0 {
			from = r.At.UTC
		}
		w.forget(r.At.UTC)
		w.held[e.Grant] = holding{who: e.Identity, target: e.Target, from: from, until: e.EndsAt, reported: map[string]bool{}}
	case grants.Ending:
		if h, ok := w.held[e.Grant]; ok && e.KeptBy == "" && r.At.UTC < h.until {
			h.until = r.At.UTC
			w.held[e.Grant] = h
		}
	case grants.Revoked:
		if h, ok := w.held[e.Grant]; ok {
			h.takenAt = r.At.UTC
			w.held[e.Grant] = h
		}
	case grants.SecretTaken:
		return w.used(r, e.Grant, "secret", r.At.UTC)
	case grants.SessionSeen:
		return w.used(r, e.Grant, e.Session, e.Since)
	}
	return nil
}

const (
	maxHeld  = 50_000              // grants that are remembered before old ones are let go: some 20 MiB
	heldLong = 90 * 24 * time.Hour // after which use of what was taken back is somebody else's finding: the target was read back many times
)

// forget lets go of what was taken back long ago.
func (w *Watcher) forget(now workflows.Stamp) {
	if len(w.held) < maxHeld || len(w.held)%1000 != 0 {
		return
	}
	for id, h := range w.held {
		if h.takenAt != 0 && now.Sub(h.takenAt) > heldLong {
			delete(w.held, id)
		}
	}
}

// lag is how much later than the end of an access a session may be seen that is just being ended.
const lag = time.Minute

// used judges one use. A session is found once for each signal, however often it is seen. since may be zero: the target does not tell when it began.
func (w *Watcher) used(r workflows.Record, g workflows.GrantID, session string, since workflows.Stamp) (out []Finding) {
	h, ok := w.held[g]
	if !ok {
		return nil
	}
	now := r.At.UTC
	out = w.woke(r, h.who, h.target)
	signal := ""
	switch {
	case h.takenAt != 0 && now > h.takenAt:
		signal = workflows.SignalUseAfterEnd
	case since != 0 && since < h.from, now > h.until.Add(lag):
		signal = workflows.SignalUseOutside
	}
	if signal == "" || h.reported[signal+"/"+session] {
		return out
	}
	h.reported[signal+"/"+session] = true
	for _, rule := range w.of(signal, h.target) {
		out = append(out, found(r, rule, h.who, h.target, 0))
	}
	return out
}
