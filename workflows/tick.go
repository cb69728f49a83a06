package workflows

import "strconv"

// Tick does what recorded deadlines demand at now: remind, widen, end. wider is whom the open stage's escalation would add;
// it is not looked at unless that is due. After an outage several steps may be due at once: they are recorded in order
// and only the last one leaves somebody to be told.
func Tick(f Facts, id RequestID, wider Rosters) (Outcome, error) {
	stream := RequestStream(id)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	st := s.Open()
	if st == nil {
		return out, nil
	}
	now := f.Now.UTC
	remind := !st.Reminded && now.After(st.RemindAt)
	escalate := st.dueToEscalate(s, now) && !wider.Failed
	if remind && (!escalate || st.RemindAt <= st.EscalateAt) {
		out.Add(stream, System, s.Policy, StageReminded{Stage: s.Current})
		remind = false
	}
	if escalate {
		out.Add(stream, System, s.Policy, s.escalate(st, wider))
	}
	if remind {
		out.Add(stream, System, s.Policy, StageReminded{Stage: s.Current})
	}
	if now.After(st.TimesOutAt) {
		out.Add(stream, System, s.Policy, StageTimedOut{Stage: s.Current})
		out.Add(stream, System, s.Policy, TimedOut{Stage: s.Current})
	}
	return out, nil
}

// dueToEscalate tells whether the stage must widen: its time has come, or nobody it asked could be told.
func (st *StageState) dueToEscalate(s State, now Stamp) bool {
	if st.Escalated || st.EscalateAt == 0 {
		return false
	}
	return now.After(st.EscalateAt) || s.unreachable(st)
}

// unreachable tells whether too few of those asked could be told for the quorum ever to be met without the wider tier.
func (s State) unreachable(st *StageState) bool {
	silent := 0
	hope := len(st.Approvals())
	for _, p := range s.CanVote() {
		if d, ok := s.Delivered[askID(NoticeAsk, s.Current, p)]; ok && !d.OK {
			silent++
			continue
		}
		hope++
	}
	return silent > 0 && hope < st.Plan.Quorum
}

func (s State) escalate(st *StageState, wider Rosters) StageEscalated {
	e := StageEscalated{Stage: s.Current, Added: []Seat{}}
	if s.Current < len(wider.Stages) {
		e.Added = widen(st.Roster, s.free(s.Current, wider.Stages[s.Current].Escalate))
	}
	if len(e.Added) == 0 {
		e.Skipped = "nobody new could be added"
	}
	return e
}

// NextWake is the next recorded deadline of the open stage, or zero.
func NextWake(s State) Stamp {
	st := s.Open()
	if st == nil {
		return 0
	}
	next := st.TimesOutAt
	if !st.Reminded && st.RemindAt != 0 && st.RemindAt < next {
		next = st.RemindAt
	}
	if !st.Escalated && st.EscalateAt != 0 {
		switch {
		case s.unreachable(st):
			next = 1 // at once
		case st.EscalateAt < next:
			next = st.EscalateAt
		}
	}
	return next
}

// Pending is everything the state still owes to the world.
func Pending(s State) []Job {
	var out []Job
	if at := NextWake(s); at != 0 {
		out = append(out, Job{Kind: JobWake, Key: "wake", Due: at, Lane: LaneUrgent})
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

func askID(what string, stage int, p PersonID) string {
	return what + "/" + strconv.Itoa(stage) + "/" + string(p)
}

// Notices are the messages that are still owed. One that no longer matters (a reminder for a decided stage) is not owed.
func (s State) Notices() []Notice {
	var out []Notice
	owe := func(n Notice) {
		if _, done := s.Delivered[n.ID]; !done {
			out = append(out, n)
		}
	}
	if s.Asked.Card != "" {
		owe(Notice{ID: NoticeCard, What: NoticeCard, Channel: s.Asked.Card})
	}
	if st := s.Open(); st != nil {
		for _, n := range s.asks(st) {
			owe(n)
		}
	}
	if s.Final() && s.Status != StatusWithdrawn {
		owe(Notice{ID: NoticeOutcome + "/" + string(s.Status), What: NoticeOutcome, To: s.Requester.Person})
	}
	return out
}

func (s State) asks(st *StageState) []Notice {
	var out []Notice
	for i, seat := range st.Roster {
		p := seat.Person
		if s.Asker(p) || st.HasVoted(p) || s.spent(p) {
			continue
		}
		what := NoticeAsk
		if i >= st.FirstAsked {
			what = NoticeEscalated
		}
		out = append(out, Notice{ID: askID(NoticeAsk, s.Current, p), What: what, To: p, Stage: s.Current, Urgent: what == NoticeEscalated})
		if asked, ok := s.Delivered[askID(NoticeAsk, s.Current, p)]; st.Reminded && i < st.FirstAsked && ok && asked.Seq < st.RemindedAt {
			out = append(out, Notice{ID: askID(NoticeRemind, s.Current, p), What: NoticeRemind, To: p, Stage: s.Current})
		}
	}
	return out
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return Notice{}, false
}

// The lists of requests. Members are persons; the member of ListOpen and ListAll is empty.
const (
	ListOpen    = "requests.open"
	ListAll     = "requests.all"
	ListMine    = "requests.mine"    // asked for by the member
	ListMyOpen  = "requests.my_open" // those of them that are open
	ListWaiting = "requests.waiting" // the member could decide now
	ListPart    = "requests.part"    // the member was asked or decided
)

// Listings are the lists a request stands on.
func Listings(s State) []Listing {
	at := int64(s.At.UTC)
	out := []Listing{{ListAll, "", at}, {ListMine, string(s.Requester.Person), at}}
	if !s.Final() {
		out = append(out, Listing{ListOpen, "", at}, Listing{ListMyOpen, string(s.Requester.Person), at})
	}
	for _, p := range s.CanVote() {
		out = append(out, Listing{ListWaiting, string(p), at})
	}
	for _, p := range s.Parties() {
		if p != s.Requester.Person {
			out = append(out, Listing{ListPart, string(p), at})
		}
	}
	return out
}

// Parties are all persons who asked for, hold, answer for, were asked about or decided the request.
func (s State) Parties() []PersonID {
	var out []PersonID
	add := func(p PersonID) {
		if p != "" && !containsPerson(out, p) {
			out = append(out, p)
		}
	}
	add(s.Requester.Person)
	add(s.Asked.Subject.Person())
	add(s.Asked.Sponsor)
	for _, st := range s.Stages {
		for _, seat := range st.Roster {
			add(seat.Person)
		}
		for _, v := range st.Votes {
			add(v.Person)
		}
	}
	return out
}
