package workflows

import "fmt"

// Status says where a request is.
type Status string

// The statuses of a request. All but StatusOpen are outcomes; an outcome is final.
const (
	StatusOpen       Status = "open"
	StatusApproved   Status = "approved"
	StatusDenied     Status = "denied"
	StatusWithdrawn  Status = "withdrawn"
	StatusTimedOut   Status = "timed_out"
	StatusSuperseded Status = "superseded"
	StatusFailed     Status = "failed"
)

// State is a request as its recorded events say. It is made by Fold and never changed afterwards.
type State struct {
	ID        RequestID
	Asked     Submitted
	Requester Acting
	Policy    DocHash
	At        Instant
	Stages    []StageState
	Current   int // index of the open stage; len(Stages) when the request is final
	Status    Status
	EndedAt   Instant
	EndedBy   PersonID // empty for the system
	Why       string   // words of a superseded or failed request
	WhyCode   string
	Grant     GrantID
	Delivered map[string]Delivery // by notice id
	Seq       int64
}

// Delivery is what became of one notice.
type Delivery struct {
	OK    bool
	Via   string
	Place string
	Why   string
	At    Instant
	Seq   int64 // of the event that says so
}

// StageStatus says where a stage is.
type StageStatus string

// The statuses of a stage.
const (
	StageWaiting   StageStatus = "waiting"
	StageIsOpen    StageStatus = "open"
	StageMet       StageStatus = "satisfied"
	StageRefused   StageStatus = "denied"
	StageOutOfTime StageStatus = "timed_out"
	StageDropped   StageStatus = "closed" // the request ended otherwise while the stage was open or waiting
)

// StageState is one stage as recorded.
type StageState struct {
	Plan       PlannedStage
	Status     StageStatus
	Roster     []Seat
	OpenedAt   Instant
	ClosedAt   Instant
	RemindAt   Stamp
	EscalateAt Stamp
	TimesOutAt Stamp
	Reminded   bool
	RemindedAt int64 // seq of the reminder: whoever was asked later than this is not reminded too
	Escalated  bool
	FirstAsked int // how many seats the stage opened with; those behind it came by escalation
	Votes      []Vote
}

// Vote is one recorded decision; TakenBack votes stay on record and count for nothing.
type Vote struct {
	Person    PersonID
	Verdict   Verdict
	Reason    string
	At        Instant
	TakenBack bool
}

// Final tells whether the request has its outcome.
func (s State) Final() bool { return s.Status != StatusOpen }

// Open is the stage that waits for votes, or nil.
func (s State) Open() *StageState {
	if s.Final() || s.Current >= len(s.Stages) || s.Stages[s.Current].Status != StageIsOpen {
		return nil
	}
	return &s.Stages[s.Current]
}

// Approvals are the distinct persons whose approval stands.
func (s StageState) Approvals() []PersonID {
	var out []PersonID
	for _, v := range s.Votes {
		if v.Verdict == Approve && !v.TakenBack && !containsPerson(out, v.Person) {
			out = append(out, v.Person)
		}
	}
	return out
}

// Seat finds a person on the roster.
func (s StageState) Seat(p PersonID) (Seat, bool) {
	for _, seat := range s.Roster {
		if seat.Person == p {
			return seat, true
		}
	}
	return Seat{}, false
}

// HasVoted tells whether a vote of the person stands in this stage.
func (s StageState) HasVoted(p PersonID) bool {
	for _, v := range s.Votes {
		if v.Person == p && !v.TakenBack {
			return true
		}
	}
	return false
}

// Missing is how many approvals the stage still wants.
func (s StageState) Missing() int { return max(0, s.Plan.Quorum-len(s.Approvals())) }

// Asker tells whether the person stands behind the request: asked for it, would hold it, or answers for the holder. Such
// a person never decides it.
func (s State) Asker(p PersonID) bool {
	return p != "" && (p == s.Requester.Person || p == s.Asked.Subject.Person() || p == s.Asked.Sponsor)
}

// CanVote lists who could decide the open stage now, in roster order.
func (s State) CanVote() []PersonID {
	st := s.Open()
	if st == nil {
		return nil
	}
	var out []PersonID
	for _, seat := range st.Roster {
		if !s.Asker(seat.Person) && !st.HasVoted(seat.Person) && !s.spent(seat.Person) {
			out = append(out, seat.Person)
		}
	}
	return out
}

// spent tells whether the person approved an earlier stage and so may not decide the open one.
func (s State) spent(p PersonID) bool {
	if s.Current < len(s.Stages) && s.Stages[s.Current].Plan.Repeat {
		return false
	}
	for i := 0; i < s.Current && i < len(s.Stages); i++ {
		if containsPerson(s.Stages[i].Approvals(), p) {
			return true
		}
	}
	return false
}

// Voters are all distinct persons whose approval stands, in any stage.
func (s State) Voters() []PersonID {
	var out []PersonID
	for _, st := range s.Stages {
		for _, p := range st.Approvals() {
			if !containsPerson(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Fold turns a request's history into its state. It refuses a gap, a foreign event, and anything after the end that
// could change the outcome: those mean a damaged ledger, not a state.
func Fold(h []Record) (State, error) {
	if len(h) == 0 {
		return State{}, ErrNoStream
	}
	if err := CheckSeq(h); err != nil {
		return State{}, err
	}
	s := State{Status: StatusOpen, Delivered: map[string]Delivery{}}
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return State{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

// ErrNoStream is what folding an empty history answers: nothing was ever recorded under that id.
var ErrNoStream = fmt.Errorf("no such stream")

func (s *State) apply(r Record) error {
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
	case StageOpened, RosterChanged, StageReminded, StageEscalated, StageSatisfied, StageTimedOut, VoteRecorded, VoteTakenBack:
		return s.applyStage(r)
	default:
		return s.applyEnd(r)
	}
}

func (s *State) applySubmitted(r Record, e Submitted) error {
	if s.ID != "" {
		return fmt.Errorf("request.submitted twice")
	}
	s.ID = RequestID(r.Stream.Rest())
	s.Asked, s.Policy, s.At = e, r.Policy, r.At
	s.Requester = Acting{Actor: r.Actor, Person: r.Person}
	s.Stages = make([]StageState, len(e.Plan))
	for i, p := range e.Plan {
		s.Stages[i] = StageState{Plan: p, Status: StageWaiting}
	}
	return nil
}

func (s *State) applyStage(r Record) error {
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
		st.Status, st.Roster, st.OpenedAt = StageIsOpen, widen(nil, opened.Roster), r.At
		st.FirstAsked = len(st.Roster)
		st.RemindAt, st.EscalateAt, st.TimesOutAt = opened.RemindAt, opened.EscalateAt, opened.TimesOutAt
		return nil
	}
	if st.Status != StageIsOpen {
		return fmt.Errorf("%s while stage %d is %s", r.Event.Kind(), i, st.Status)
	}
	return s.applyOpen(st, r)
}

// applyOpen changes the open stage.
func (s *State) applyOpen(st *StageState, r Record) error {
	switch e := r.Event.(type) {
	case RosterChanged:
		st.Roster = widen(nil, e.Roster)
	case StageReminded:
		st.Reminded, st.RemindedAt = true, r.Seq
	case StageEscalated:
		st.Escalated = true
		st.Roster = append(append([]Seat(nil), st.Roster...), widen(st.Roster, e.Added)...)
	case StageSatisfied:
		if st.Missing() > 0 {
			return fmt.Errorf("stage %d satisfied with %d approvals missing", e.Stage, st.Missing())
		}
		st.Status, st.ClosedAt = StageMet, r.At
		s.Current++
	case StageTimedOut:
		st.Status, st.ClosedAt = StageOutOfTime, r.At
	case VoteRecorded:
		return s.applyVote(st, r, e)
	}
	return nil
}

// applyVote holds every vote against the roster as it stood when the vote was recorded: a shift that changes later takes
// nothing away from it.
func (s *State) applyVote(st *StageState, r Record, e VoteRecorded) error {
	_, seated := st.Seat(r.Person)
	switch {
	case !seated, s.Asker(r.Person), st.HasVoted(r.Person), s.spent(r.Person):
		return fmt.Errorf("vote of %q, who could not decide stage %d", r.Person, e.Stage)
	case e.Verdict != Approve && e.Verdict != Deny:
		return fmt.Errorf("vote with verdict %q", e.Verdict)
	}
	st.Votes = append(st.Votes, Vote{Person: r.Person, Verdict: e.Verdict, Reason: e.Reason, At: r.At})
	if e.Verdict == Deny {
		st.Status, st.ClosedAt = StageRefused, r.At
	}
	return nil
}

func (s *State) applyTakenBack(r Record, e VoteTakenBack) error {
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
	}
	return -1
}

// applyEnd gives the request its outcome. Two outcomes may follow another: an approved request can fail (the access could
// not be made) or be superseded (a vote was taken back before the grant started).
func (s *State) applyEnd(r Record) error {
	var next Status
	switch e := r.Event.(type) {
	case Approved:
		next, s.Grant = StatusApproved, e.Grant
	case Denied:
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
	s.Current = len(s.Stages)
	return nil
}

// checkApproved is the invariant that the whole product stands on: no approval without each stage's quorum of distinct
// persons. applyVote has seen to it that each of them sat on the roster and does not stand behind the request.
func (s *State) checkApproved(next Status) error {
	if next != StatusApproved {
		return nil
	}
	for i, st := range s.Stages {
		if st.Status != StageMet || st.Missing() > 0 || st.Plan.Quorum < 1 {
			return fmt.Errorf("approved although stage %d (%s) has %d of %d approvals", i+1, st.Plan.Name, len(st.Approvals()), st.Plan.Quorum)
		}
	}
	if len(s.Stages) == 0 {
		return fmt.Errorf("approved without any stage")
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

func containsPerson(list []PersonID, p PersonID) bool {
	for _, x := range list {
		if x == p {
			return true
		}
	}
	return false
}
