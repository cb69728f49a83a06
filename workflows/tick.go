package workflows

import "fmt"

// Tick does what recorded deadlines demand at now: remind, change shifts, widen, end. rosters are whom the selectors of the stages yield
// now; they are not looked at unless a step needs them. After an outage several steps may be due at once: they are recorded in order
// and only the last one leaves somebody to be told. A stage that waits for objections makes a grant when it ends, so rosters.Final must be
// answered for it; if it was not, ErrAskAgain is returned.
func Tick(f Facts, id RequestID, rosters Rosters) (Outcome, error) {
	s, err := Fold(f.Histories[RequestStream(id)])
	if err != nil {
		return Outcome{}, err
	}
	if s.open() == nil {
		return Outcome{}, nil
	}
	t := newTurn(s, id, f.Now)
	for t.err == nil && t.step(rosters) {
		continue
	}
	if err := t.close(rosters); err != nil {
		return Outcome{}, err
	}
	return t.done()
}

// step does the earliest thing that is due in the open stage; false when nothing is. Each of them is done once, so they come to an end.
func (t *turn) step(rosters Rosters) bool {
	st, now := t.open(), t.now.UTC
	if st == nil {
		return false
	}
	widen := !rosters.Failed && (st.isTierDue(now) || t.wanting(st) != "")
	shift := !rosters.Failed && st.isShiftDue(now)
	switch {
	case st.isReminderDue(now) && (!widen || st.RemindAt <= st.tierAt()) && (!shift || st.RemindAt <= st.ShiftsAt[st.ShiftsDone]):
		t.add(System, StageReminded{Stage: t.Current})
	case shift && (!widen || st.ShiftsAt[st.ShiftsDone] <= st.tierAt()):
		t.add(System, t.shift(st, rosters.stage(t.Current)))
	case widen:
		return t.widenNow(rosters, true)
	default:
		return false
	}
	return true
}

// shift is the roster as the selectors yield it now, in all tiers that are open. Several shifts that are due at once are one change.
func (t *turn) shift(st *StageState, r StageRoster) RosterChanged {
	roster := t.free(t.Current, r.Approvers)
	for k := range st.TierOpen {
		roster = append(roster, widen(roster, t.free(t.Current, r.tier(k)))...)
	}
	return RosterChanged{Stage: t.Current, Roster: roster, Why: "shift change"}
}

// close ends the stage if its time is over, or if too many denied it.
func (t *turn) close(rosters Rosters) error {
	st := t.open()
	switch {
	case st == nil || t.err != nil:
	case t.now.UTC.After(st.TimesOutAt) && st.Plan.Kind == StageConsent && len(st.Denials()) == 0 && t.reached(st) >= st.Plan.Quorum:
		return t.consent(st, rosters.Final)
	case t.now.UTC.After(st.TimesOutAt):
		t.add(System, StageTimedOut{Stage: t.Current})
		t.add(System, TimedOut{Stage: t.Current})
	case st.Plan.Deny == DenyCounts && len(st.Denials()) > 0 && !t.isPossible(st):
		t.add(System, Denied{Stage: t.Current})
	}
	return nil
}

// consent ends a stage that nobody objected to.
func (t *turn) consent(st *StageState, f Final) error {
	if f.Grant == "" && t.Asked.Request.GivesAccess() {
		return ErrAskAgain
	}
	voters := t.Voters()
	for _, p := range voters {
		if standing, asked := f.Voters[p]; f.Gone == "" && (!asked || !standing.Known) {
			return ErrAskAgain
		}
	}
	stage, n := t.Current, t.reached(st)
	t.add(System, StageSatisfied{Stage: stage, Consent: n})
	a := t.question()
	a.Now = fmt.Sprintf("stage %d of %d (%s) told %d people and nobody objected by %s", stage+1, len(t.Stages), st.Plan.Name, n, st.TimesOutAt)
	t.finish(System, voters, f, a)
	return nil
}

// NextWake is the next recorded deadline of the open stage, or zero.
func NextWake(s State) Stamp {
	st := s.open()
	if st == nil {
		return 0
	}
	next := st.TimesOutAt
	sooner := func(due bool, at Stamp) {
		if due && at < next {
			next = at
		}
	}
	sooner(!st.Reminded && st.RemindAt != 0, st.RemindAt)
	if st.ShiftsDone < len(st.ShiftsAt) {
		sooner(true, st.ShiftsAt[st.ShiftsDone])
	}
	if st.hasMoreTiers() {
		sooner(st.tierAt() != 0, st.tierAt())
		sooner(s.wanting(st) != "", 1) // at once
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
