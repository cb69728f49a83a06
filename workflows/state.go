package workflows

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

	Offers   []Offer // counter-offers, in the order in which they were made
	Comments []Note
	Auto     *AutoApproved // approved without people, and by which rule; nil: people decide
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

// Offer is one counter-offer.
type Offer struct {
	ID     string
	Stage  int
	By     Acting
	Terms  Terms
	Reason string
	At     Instant
	Status string // OfferOpen …
	Authn  string // of whoever made it
}

// What became of a counter-offer.
const (
	OfferOpen     = "open"
	OfferTaken    = "accepted"
	OfferDropped  = "declined"
	OfferOutdated = "gone" // its stage closed, whoever made it decided otherwise or made another, or the request ended
)

// Note is one comment.
type Note struct {
	By   PersonID
	At   Instant
	Text string
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
	EscalateAt Stamp // of the first tier
	TimesOutAt Stamp
	Reminded   bool
	RemindedAt int64 // seq of the reminder: whoever was asked later than this is not reminded too
	Escalated  bool
	FirstAsked int // how many seats of the roster were asked first; those behind them came by escalation
	Votes      []Vote

	TiersAt    []Stamp // of all tiers, the first included
	TierOpen   int     // how many tiers have been opened, those that added nobody included
	Hollow     bool    // the tier that was opened last added nobody who is available: the next one does not wait
	ShiftsAt   []Stamp
	ShiftsDone int
	Left       []Leaver // who came off shift
	Told       []PersonID
	Consent    int // StageConsent, once satisfied: how many were told and did not object
	Openings   []Opening
}

// Leaver is a seat that left the roster: what its person sent before that moment still counts.
type Leaver struct {
	Seat Seat
	At   Stamp
}

// Vote is one recorded decision; TakenBack votes stay on record and count for nothing.
type Vote struct {
	Person    PersonID
	Verdict   Verdict
	Reason    string
	At        Instant
	TakenBack bool
	For       PersonID // in whose place; empty: their own
	Parts     []int    // which parts of the stage it may count for
}

// Final tells whether the request has its outcome.
func (s State) Final() bool { return s.Status != StatusOpen }

// Open is the stage that waits for votes, or nil.
func (s State) Open() *StageState { return s.open() }

func (s *State) open() *StageState {
	if s.Status != StatusOpen || s.Current >= len(s.Stages) || s.Stages[s.Current].Status != StageIsOpen {
		return nil
	}
	return &s.Stages[s.Current]
}

// Approvals are the distinct persons whose approval stands. How many of them count together is another question: see Missing.
func (s StageState) Approvals() []PersonID {
	var out []PersonID
	for _, v := range s.Votes {
		if v.Verdict == Approve && !v.TakenBack && !containsPerson(out, v.Person) {
			out = append(out, v.Person)
		}
	}
	return out
}

// Denials are the distinct persons who denied.
func (s StageState) Denials() []PersonID {
	var out []PersonID
	for _, v := range s.Votes {
		if v.Verdict == Deny && !containsPerson(out, v.Person) {
			out = append(out, v.Person)
		}
	}
	return out
}

// Seat finds a person on the roster: their own seat before one in somebody's place.
func (s StageState) Seat(p PersonID) (Seat, bool) {
	seats := s.seatsOf(p, 1<<62)
	if len(seats) == 0 {
		return Seat{}, false
	}
	return seats[0], true
}

// HasVoted tells whether a vote of the person stands in this stage.
func (s *StageState) HasVoted(p PersonID) bool {
	for i := range s.Votes {
		if s.Votes[i].Person == p && !s.Votes[i].TakenBack {
			return true
		}
	}
	return false
}

// Missing is how many approvals the stage still wants; 0 for a stage that waits for objections.
func (s *StageState) Missing() int {
	if s.Plan.Kind == StageConsent {
		return 0
	}
	return s.Plan.missing(s.voices())
}

// Asker tells whether the person stands behind the request: asked for it, would hold it, or answers for the holder. Such
// a person never decides it, nor does anybody in their place.
func (s State) Asker(p PersonID) bool { return s.behind(p) }

// CanVote lists who could decide the open stage now, in roster order.
func (s State) CanVote() []PersonID {
	st := s.open()
	if st == nil {
		return nil
	}
	var out []PersonID
	var seen roll
	var list []Seat
	for _, seat := range st.Roster {
		one := Seat{Person: seat.Person}
		if s.mayDecide(st, seat) && seen.add(list, one) {
			list, out = append(list, one), append(out, seat.Person)
		}
	}
	return out
}

// mayDecide tells whether a seat of the roster could still decide: its person has not, and nobody who counts as one with them.
func (s *State) mayDecide(st *StageState, seat Seat) bool {
	return s.eligible(s.Current, seat) && !st.HasVoted(seat.Person) && !st.hasDecided(seat.voice())
}

// Voters are all distinct persons whose approval stands, in any stage.
func (s State) Voters() []PersonID {
	var out []PersonID
	for i := range s.Stages {
		for _, p := range s.Stages[i].Approvals() {
			if !containsPerson(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

func containsPerson(list []PersonID, p PersonID) bool {
	for _, x := range list {
		if x == p {
			return true
		}
	}
	return false
}
