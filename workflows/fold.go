package workflows

import (
	"fmt"
	"slices"
)

// Fold turns a request's history into its state. It refuses a gap, a foreign event, anything after the end that could change the outcome,
// and whatever breaks what the engine promises: those mean a damaged ledger, not a state.
func Fold(h []Record) (State, error) {
	if len(h) == 0 {
		return State{}, ErrNoStream
	}
	if err := CheckSeq(h); err != nil {
		return State{}, err
	}
	s := State{Status: StatusOpen, Delivered: map[string]Delivery{}}
	for i := range h {
		if err := s.apply(&h[i]); err != nil {
			return State{}, fmt.Errorf("folding %q at seq %d: %w", h[i].Stream, h[i].Seq, err)
		}
		s.Seq = h[i].Seq
	}
	return s, nil
}

// ErrNoStream is what folding an empty history answers: nothing was ever recorded under that id.
var ErrNoStream = fmt.Errorf("no such stream")

func (s *State) apply(r *Record) error {
	if sub, ok := r.Event.(Submitted); ok {
		return s.applySubmitted(r, sub)
	}
	if s.ID == "" {
		return fmt.Errorf("%s before request.submitted", r.Event.Kind())
	}
	switch e := r.Event.(type) {
	case Refused:
		return nil
	case NoticeDelivered:
		s.Delivered[e.Notice] = Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
		return nil
	case NoticeUndelivered:
		s.Delivered[e.Notice] = Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
		return nil
	case Commented:
		s.Comments = append(s.Comments, Note{By: r.Person, At: r.At, Text: e.Text})
		return nil
	case AutoApproved:
		return s.applyAuto(e)
	case Countered, OfferAccepted, OfferDeclined:
		return s.applyOffer(r)
	case StageOpened, RosterChanged, StageReminded, StageEscalated, StageSatisfied, StageTimedOut, VoteRecorded, VoteTakenBack, RequestOpened:
		return s.applyStage(r)
	default:
		return s.applyEnd(r)
	}
}

func (s *State) applySubmitted(r *Record, e Submitted) error {
	if s.ID != "" {
		return fmt.Errorf("request.submitted twice")
	}
	s.ID = RequestID(r.Stream.Rest())
	s.Asked, s.Policy, s.At = e, r.Policy, r.At
	s.Requester = Acting{Actor: r.Actor, Person: r.Person}
	s.Stages = make([]StageState, len(e.Plan))
	for i, p := range e.Plan {
		if why := checkPlan(e.Plan, i); why != "" {
			return fmt.Errorf("request.submitted with a plan whose stage %d (%s) %s", i+1, p.Name, why)
		}
		s.Stages[i] = StageState{Plan: p, Status: StageWaiting}
	}
	return nil
}

// checkPlan says what no workflow could have planned, or nothing.
func checkPlan(plan []PlannedStage, i int) string {
	p := plan[i]
	sum, least := 0, 0
	for _, part := range p.Parts {
		if part.Quorum < 1 {
			return "has a part that asks for nobody"
		}
		if sum += part.Quorum; least == 0 || part.Quorum < least {
			least = part.Quorum
		}
	}
	switch {
	case p.Kind != StageApproval && p.Kind != StageConsent:
		return "is of an unknown kind"
	case p.Kind == StageConsent && (i == 0 || i != len(plan)-1):
		return "waits for objections and is not the last of several"
	case p.Kind == StageConsent && len(p.Parts) > 0:
		return "waits for objections and has parts"
	case len(p.Parts) > 0 && p.AnyPart && p.Quorum != least, len(p.Parts) > 0 && !p.AnyPart && p.Quorum != sum:
		return "has parts that do not add up to its quorum"
	case slices.ContainsFunc(p.Apart, func(j int) bool { return j >= i || j < apartFromNone }):
		return "is distinct from stages that are not before it"
	}
	return ""
}

func (s *State) applyAuto(e AutoApproved) error {
	switch {
	case s.Final() || s.Auto != nil || len(s.Stages) > 0:
		return fmt.Errorf("%s of a request that people decide, or that is over", e.Kind())
	case e.Used < 1 || e.Used > e.Times:
		return fmt.Errorf("%s for the %d. time of %d", e.Kind(), e.Used, e.Times)
	case e.Rule != s.Asked.Chosen && e.Rule != windowRule(s.Asked.Window), e.Rule == "":
		return fmt.Errorf("%s by %q, which did not choose it", e.Kind(), e.Rule)
	}
	s.Auto = &e
	return nil
}

// windowRule is how an approval names the standing window that it rests on.
func windowRule(id string) string {
	if id == "" {
		return ""
	}
	return "window " + id
}

func (s *State) applyStage(r *Record) error {
	if back, ok := r.Event.(VoteTakenBack); ok {
		return s.applyTakenBack(r, back)
	}
	if s.Final() {
		return fmt.Errorf("%s after the request was %s", r.Event.Kind(), s.Status)
	}
	i := stageOf(r.Event)
	if i != s.Current || i >= len(s.Stages) {
		return fmt.Errorf("%s for stage %d while stage %d is current", r.Event.Kind(), i, s.Current)
	}
	st := &s.Stages[i]
	if opened, ok := r.Event.(StageOpened); ok {
		if st.Status != StageWaiting {
			return fmt.Errorf("stage %d opened twice", i)
		}
		st.opened(opened, r.At)
		return nil
	}
	if st.Status != StageIsOpen {
		return fmt.Errorf("%s while stage %d is %s", r.Event.Kind(), i, st.Status)
	}
	return s.applyOpen(st, r)
}

func (s *StageState) opened(e StageOpened, at Instant) {
	s.Status, s.Roster, s.OpenedAt = StageIsOpen, single(e.Roster), at
	s.FirstAsked = len(s.Roster)
	s.RemindAt, s.EscalateAt, s.TimesOutAt = e.RemindAt, e.EscalateAt, e.TimesOutAt
	s.ShiftsAt, s.Told = e.ShiftsAt, e.Told
	if e.EscalateAt != 0 || len(e.ThenAt) > 0 {
		s.TiersAt = append([]Stamp{e.EscalateAt}, e.ThenAt...)
	}
}

// applyOpen changes the open stage.
func (s *State) applyOpen(st *StageState, r *Record) error {
	switch e := r.Event.(type) {
	case RosterChanged:
		return st.changed(e, r.At.UTC)
	case StageReminded:
		st.Reminded, st.RemindedAt = true, r.Seq
	case StageEscalated:
		return s.applyEscalated(st, r, e)
	case StageSatisfied:
		return s.applySatisfied(st, r, e)
	case StageTimedOut:
		st.Status, st.ClosedAt = StageOutOfTime, r.At
	case VoteRecorded:
		return s.applyVote(st, r, e)
	case RequestOpened:
		st.opening(r)
	}
	return nil
}

// applyEscalated widens the roster by the next tier: when its time has come, or when those asked cannot meet the quorum.
func (s *State) applyEscalated(st *StageState, r *Record, e StageEscalated) error {
	switch {
	case !st.hasMoreTiers() || e.Tier != st.TierOpen:
		return fmt.Errorf("%s to tier %d, but %d of %d are open", e.Kind(), e.Tier, st.TierOpen, st.Plan.tiers())
	case !r.At.UTC.After(st.tierAt()) && s.wanting(st) == "":
		return fmt.Errorf("%s to tier %d before its time", e.Kind(), e.Tier)
	}
	added := widen(st.Roster, e.Added)
	st.Escalated, st.TierOpen = true, st.TierOpen+1
	st.Hollow = !slices.ContainsFunc(added, st.Plan.isAvailable)
	st.Roster = append(append([]Seat(nil), st.Roster...), added...)
	return nil
}

// tierAt is when the next tier is due; zero: at no time of its own.
func (s *StageState) tierAt() Stamp {
	if s.TierOpen < len(s.TiersAt) {
		return s.TiersAt[s.TierOpen]
	}
	return 0
}

// changed puts another roster in the place of the old one: a shift that is due, people who left, or somebody whom one of those asked named to
// decide in their place. Nobody comes on otherwise.
func (s *StageState) changed(e RosterChanged, at Stamp) error {
	due := s.ShiftsDone < len(s.ShiftsAt) && at.After(s.ShiftsAt[s.ShiftsDone])
	var before, after roll
	for i, seat := range s.Roster {
		before.add(s.Roster[:i], seat)
	}
	roster := single(e.Roster)
	came := 0
	for i, seat := range roster {
		after.add(roster[:i], seat)
		if !before.has(s.Roster, seat) && (seat.For == "" || !before.has(s.Roster, Seat{Person: seat.For})) {
			came++
		}
	}
	if came > 0 && !due {
		return fmt.Errorf("%s puts %d people on the roster although no shift is due", e.Kind(), came)
	}
	for _, seat := range s.Roster {
		if !after.has(roster, seat) {
			s.Left = append(s.Left, Leaver{seat, at})
		}
	}
	s.Roster, s.FirstAsked = s.sorted(roster)
	for s.ShiftsDone < len(s.ShiftsAt) && at.After(s.ShiftsAt[s.ShiftsDone]) {
		s.ShiftsDone++
	}
	return nil
}

// sorted puts those who were added by escalation behind the others, as they were, and says how many the others are.
func (s *StageState) sorted(roster []Seat) ([]Seat, int) {
	var first, wider []Seat
	for _, seat := range roster {
		at := slices.IndexFunc(s.Roster, func(o Seat) bool { return o.Person == seat.Person && o.For == seat.For })
		if at >= s.FirstAsked {
			wider = append(wider, seat)
		} else {
			first = append(first, seat)
		}
	}
	return append(first, wider...), len(first)
}

func (s *State) applySatisfied(st *StageState, r *Record, e StageSatisfied) error {
	switch {
	case st.Plan.Kind == StageConsent && (len(st.Denials()) > 0 || !r.At.UTC.After(st.TimesOutAt)):
		return fmt.Errorf("stage %d satisfied without objections, although there are some or could still be", e.Stage)
	case st.Plan.Kind == StageConsent && (e.Consent != s.reached(st) || e.Consent < st.Plan.Quorum):
		return fmt.Errorf("stage %d satisfied without objections of %d, but %d were told and %d needed", e.Stage, e.Consent, s.reached(st), st.Plan.Quorum)
	case st.Plan.Kind != StageConsent && st.Missing() > 0:
		return fmt.Errorf("stage %d satisfied with %d approvals missing", e.Stage, st.Missing())
	}
	st.Status, st.ClosedAt, st.Consent = StageMet, r.At, e.Consent
	s.outdate(func(o Offer) bool { return o.Stage == e.Stage })
	s.Current++
	return nil
}

// reached is how many different people of a stage that waits for objections were told.
func (s *State) reached(st *StageState) int {
	var told []voice
	for _, seat := range st.Roster {
		if d := s.Delivered[askID(NoticeAsk, s.Current, seat.Person)]; d.OK && s.eligible(s.Current, seat) &&
			!slices.ContainsFunc(told, func(v voice) bool { return v.person == seat.Person }) {
			told = append(told, seat.voice())
		}
	}
	return len(principals(told))
}

// applyVote holds every vote against the roster as it stood when the vote was received: a shift that changes later takes
// nothing away from it.
func (s *State) applyVote(st *StageState, r *Record, e VoteRecorded) error {
	seats := st.seatsOf(r.Person, e.ReceivedAt)
	at := slices.IndexFunc(seats, func(seat Seat) bool { return seat.For == e.For })
	switch {
	case at < 0 || s.behind(r.Person) || e.For == r.Person, s.refuseSeat(st, seats[at], e.Verdict) != nil:
		return fmt.Errorf("vote of %q, who could not decide stage %d", r.Person, e.Stage)
	case e.Verdict != Approve && e.Verdict != Deny, e.Verdict == Approve && st.Plan.Kind == StageConsent:
		return fmt.Errorf("vote with verdict %q", e.Verdict)
	case s.lacksStepUp(e.Verdict, e.Authn):
		return fmt.Errorf("vote of %q by %q, where the risk wants more", r.Person, e.Authn)
	case e.Digest != s.Asked.Digest:
		return fmt.Errorf("vote of %q on another text than was asked", r.Person)
	case e.Opened != 0 && e.Opened != st.openedBy(r.Person, e.ReceivedAt):
		return fmt.Errorf("vote of %q, who opened the request by another entry than number %d of it, or not at all", r.Person, e.Opened)
	case st.TimesOutAt != 0 && e.ReceivedAt >= st.TimesOutAt:
		return fmt.Errorf("vote of %q, received when stage %d was over", r.Person, e.Stage)
	}
	st.Votes = append(st.Votes, Vote{Person: r.Person, Verdict: e.Verdict, Reason: e.Reason, At: r.At, For: e.For, Parts: seats[at].Parts})
	s.outdate(func(o Offer) bool { return o.By.Person == r.Person })
	if e.Verdict == Deny && st.Plan.Deny != DenyCounts {
		st.Status, st.ClosedAt = StageRefused, r.At
	}
	return nil
}

func (s *State) applyTakenBack(r *Record, e VoteTakenBack) error {
	if s.Final() && s.Status != StatusApproved {
		return fmt.Errorf("%s after the request was %s", r.Event.Kind(), s.Status)
	}
	if e.Stage < 0 || e.Stage >= len(s.Stages) || !containsPerson(s.Stages[e.Stage].Approvals(), r.Person) {
		return fmt.Errorf("%s of %q, who has no approval in stage %d", r.Event.Kind(), r.Person, e.Stage)
	}
	votes := s.Stages[e.Stage].Votes
	for i := range votes {
		if votes[i].Person == r.Person {
			votes[i].TakenBack = true
		}
	}
	return nil
}

func stageOf(e Event) int {
	switch e := e.(type) {
	case StageOpened:
		return e.Stage
	case RosterChanged:
		return e.Stage
	case StageReminded:
		return e.Stage
	case StageEscalated:
		return e.Stage
	case StageSatisfied:
		return e.Stage
	case StageTimedOut:
		return e.Stage
	case VoteRecorded:
		return e.Stage
	case RequestOpened:
		return e.Stage
	}
	return -1
}

// applyEnd gives the request its outcome. Two outcomes may follow another: an approved request can fail (the access could
// not be made) or be superseded (a vote was taken back before the grant started).
func (s *State) applyEnd(r *Record) error {
	var next Status
	switch e := r.Event.(type) {
	case Approved:
		if e.Digest != s.Asked.Digest {
			return fmt.Errorf("%s of another text than was asked", e.Kind())
		}
		next, s.Grant = StatusApproved, e.Grant
	case Denied:
		if err := s.checkDenied(r, e); err != nil {
			return err
		}
		next = StatusDenied
	case Withdrawn:
		next, s.Why = StatusWithdrawn, e.Why
	case TimedOut:
		next = StatusTimedOut
	case Superseded:
		next, s.Why, s.WhyCode = StatusSuperseded, e.Why, e.Code
	case Failed:
		next, s.Why = StatusFailed, e.Why
	default:
		return fmt.Errorf("%s does not belong to a request", r.Event.Kind())
	}
	after := s.Status == StatusApproved && (next == StatusFailed || next == StatusSuperseded)
	if s.Final() && !after {
		return fmt.Errorf("%s after the request was %s", r.Event.Kind(), s.Status)
	}
	if err := s.checkApproved(next); err != nil {
		return err
	}
	s.Status, s.EndedAt, s.EndedBy = next, r.At, r.Person
	s.dropStages(r.At)
	s.outdate(func(Offer) bool { return true })
	s.Current = len(s.Stages)
	return nil
}

// checkDenied holds that somebody denied, and, where denials are counted, that the quorum has become impossible.
func (s *State) checkDenied(r *Record, e Denied) error {
	if s.Final() {
		return fmt.Errorf("%s after the request was %s", r.Event.Kind(), s.Status)
	}
	if e.Stage != s.Current || e.Stage >= len(s.Stages) || len(s.Stages[e.Stage].Denials()) == 0 {
		return fmt.Errorf("denied at stage %d, where nobody denied", e.Stage+1)
	}
	st := &s.Stages[e.Stage]
	if st.Status == StageIsOpen && (s.isPossible(st) || st.Plan.Deny != DenyCounts) {
		return fmt.Errorf("denied at stage %d, whose quorum can still be met", e.Stage+1)
	}
	if st.Status == StageIsOpen {
		st.Status, st.ClosedAt = StageRefused, r.At
	}
	return nil
}

// isPossible tells whether those asked could still meet the quorum of the open stage, or others could be asked.
func (s *State) isPossible(st *StageState) bool {
	return st.hasMoreTiers() || st.ShiftsDone < len(st.ShiftsAt) ||
		st.Plan.missing(s.hope(st, s.Current, func(Seat) bool { return true })) == 0
}

// checkApproved is the invariant that the whole product stands on: no approval without each stage's quorum of distinct
// persons. applyVote has seen to it that each of them sat on the roster and does not stand behind the request.
func (s *State) checkApproved(next Status) error {
	if next != StatusApproved {
		return nil
	}
	for i := range s.Stages {
		st := &s.Stages[i]
		if st.Status != StageMet || st.Missing() > 0 || st.Plan.Quorum < 1 {
			return fmt.Errorf("approved although stage %d (%s) has %d of %d approvals", i+1, st.Plan.Name, len(st.Approvals()), st.Plan.Quorum)
		}
	}
	if len(s.Stages) == 0 && s.Auto == nil {
		return fmt.Errorf("approved without any stage, and by no rule")
	}
	return nil
}

func (s *State) dropStages(at Instant) {
	for i := range s.Stages {
		if st := &s.Stages[i]; st.Status == StageIsOpen || st.Status == StageWaiting {
			st.Status, st.ClosedAt = StageDropped, at
		}
	}
}

// applyOffer keeps the counter-offers.
func (s *State) applyOffer(r *Record) error {
	if s.Final() {
		return fmt.Errorf("%s after the request was %s", r.Event.Kind(), s.Status)
	}
	switch e := r.Event.(type) {
	case Countered:
		return s.applyCountered(r, e)
	case OfferAccepted:
		return s.settleOffer(r, e.Offer, OfferTaken)
	case OfferDeclined:
		return s.settleOffer(r, e.Offer, OfferDropped)
	}
	return nil
}

func (s *State) applyCountered(r *Record, e Countered) error {
	st := s.open()
	if st == nil || e.Stage != s.Current {
		return fmt.Errorf("%s for stage %d, which is not open", e.Kind(), e.Stage)
	}
	if _, no := s.pick(st, r.Person, e.ReceivedAt, Counter); no != nil {
		return fmt.Errorf("%s by %q, who could not decide stage %d", e.Kind(), r.Person, e.Stage)
	}
	if e.Offer == "" || s.offer(e.Offer) >= 0 {
		return fmt.Errorf("%s under the used or empty id %q", e.Kind(), e.Offer)
	}
	s.outdate(func(o Offer) bool { return o.By.Person == r.Person })
	s.Offers = append(s.Offers, Offer{
		ID: e.Offer, Stage: e.Stage, By: Acting{r.Actor, r.Person}, Terms: e.Terms, Reason: e.Reason, At: r.At, Status: OfferOpen, Authn: e.Authn,
	})
	return nil
}

func (s *State) settleOffer(r *Record, id, status string) error {
	i := s.offer(id)
	switch {
	case i < 0 || s.Offers[i].Status != OfferOpen:
		return fmt.Errorf("%s of offer %q, which does not stand", r.Event.Kind(), id)
	case r.Person != s.Requester.Person || r.Person == "":
		return fmt.Errorf("%s by %q, who did not ask", r.Event.Kind(), r.Person)
	}
	s.Offers[i].Status = status
	return nil
}

func (s *State) offer(id string) int {
	return slices.IndexFunc(s.Offers, func(o Offer) bool { return o.ID == id })
}

// outdate ends the offers that still stand and match.
func (s *State) outdate(match func(Offer) bool) {
	for i := range s.Offers {
		if s.Offers[i].Status == OfferOpen && match(s.Offers[i]) {
			s.Offers[i].Status = OfferOutdated
		}
	}
}
