package reviews

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// State is a review as its recorded events say.
type State struct {
	ID        workflows.ReviewID
	Opened    Opened
	At        workflows.Instant
	Late      bool
	Closed    *Closed
	ClosedAt  workflows.Instant
	ClosedBy  workflows.PersonID
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Fold turns a review's history into its state; it refuses gaps, foreign events and anything after the verdict.
func Fold(h []workflows.Record) (State, error) {
	s := State{Delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, workflows.ErrNoStream
	}
	if err := workflows.CheckSeq(h); err != nil {
		return State{}, err
	}
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return State{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

func (s *State) apply(r workflows.Record) error {
	if _, opens := r.Event.(Opened); s.ID == "" && !opens {
		return fmt.Errorf("%s before review.opened", r.Event.Kind())
	}
	switch e := r.Event.(type) {
	case Opened:
		if s.ID != "" {
			return fmt.Errorf("review.opened twice")
		}
		s.ID, s.Opened, s.At = workflows.ReviewID(r.Stream.Rest()), e, r.At
	case Overdue:
		if s.Closed != nil || s.Late {
			return fmt.Errorf("review.overdue although it was closed or overdue already")
		}
		s.Late = true
	case Closed:
		if s.Closed != nil {
			return fmt.Errorf("review.closed twice")
		}
		if !s.MayReview(r.Person) {
			return fmt.Errorf("review.closed by %q, who may not review it", r.Person)
		}
		s.Closed, s.ClosedAt, s.ClosedBy = &e, r.At, r.Person
	case workflows.Refused:
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
	default:
		return fmt.Errorf("%s does not belong to a review", r.Event.Kind())
	}
	return nil
}

// Closing is a verdict about to be given.
type Closing struct {
	By       workflows.Acting
	Standing workflows.Standing
	Verdict  Verdict
	Note     string
	Authn    string
	Channel  string
}

const maxNote = 2000 // runes: one Slack input field holds 3,000

// Close gives the verdict. The invoker never reviews; the owner, the other reviewers and nobody else do.
func Close(f workflows.Facts, id workflows.ReviewID, c Closing) (workflows.Outcome, error) {
	stream := workflows.ReviewStream(id)
	s, err := Fold(f.Histories[stream])
	if err == workflows.ErrNoStream {
		// Who cannot decide anything gets the same answer whether or not there is such a review.
		r := c.Standing.Refusal()
		if r == nil {
			r = workflows.Unknown()
		}
		return workflows.RefuseOn(workflows.SystemStream, c.By, "review", c.Channel, string(id), r), nil
	}
	if err != nil {
		return workflows.Outcome{}, err
	}
	if r := s.refuse(c); r != nil {
		return workflows.RefuseOn(stream, c.By, "review", c.Channel, "", r), nil
	}
	var out workflows.Outcome
	out.Add(stream, c.By, "", Closed{Verdict: c.Verdict, Note: strings.TrimSpace(c.Note), Authn: c.Authn, Channel: c.Channel})
	return out, nil
}

func (s State) refuse(c Closing) *workflows.Refusal {
	if r := c.Standing.Refusal(); r != nil {
		return r
	}
	note := []rune(strings.TrimSpace(c.Note))
	switch {
	case c.By.Person == s.Opened.Invoker:
		return workflows.Refuse(workflows.CodeReviewer, "You invoked this, so somebody else has to review it.", "")
	case !s.MayReview(c.By.Person):
		return workflows.Unknown()
	case s.Closed != nil:
		return workflows.Refuse(workflows.CodeDecided, "This review is already closed.", "")
	case s.Opened.sample() && !slices.Contains([]Verdict{Proper, Misuse}, c.Verdict):
		return workflows.Refuse(workflows.CodeBadField, "Pick a verdict: proper or misuse.", "")
	case !s.Opened.sample() && !slices.Contains([]Verdict{Emergency, Drill, Misuse}, c.Verdict):
		return workflows.Refuse(workflows.CodeBadField, "Pick a verdict: emergency, drill or misuse.", "")
	case len(note) < 10 || len(note) > maxNote:
		return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say what you found, in 10 to %d characters.", maxNote)
	}
	return nil
}

// MayReview tells whether the person is among the reviewers.
func (s State) MayReview(p workflows.PersonID) bool {
	if p == "" || p == s.Opened.Invoker {
		return false
	}
	for _, o := range s.Opened.Others {
		if o == p {
			return true
		}
	}
	return p == s.Opened.Owner
}

// Tick records that the deadline passed.
func Tick(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if s.Closed == nil && !s.Late && f.Now.UTC.After(s.Opened.DueAt) {
		out.Add(stream, workflows.System, "", Overdue{DueAt: s.Opened.DueAt})
	}
	return out, nil
}

// NextWake is the deadline, until it has passed or a verdict is in.
func NextWake(s State) workflows.Stamp {
	if s.Closed != nil || s.Late {
		return 0
	}
	return s.Opened.DueAt
}

// Pending is everything the review still owes to the world.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	if at := NextWake(s); at != 0 {
		out = append(out, workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: at, Lane: workflows.LaneUrgent})
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Notices are the messages that are still owed.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	owe := func(what string, to workflows.PersonID) {
		n := workflows.Notice{ID: what + "/" + string(to), What: what, To: to, Urgent: true}
		twice := slices.ContainsFunc(out, func(o workflows.Notice) bool { return o.ID == n.ID })
		if _, done := s.Delivered[n.ID]; !done && !twice && to != "" {
			out = append(out, n)
		}
	}
	switch {
	case s.Closed != nil:
		owe(workflows.NoticeClosed, s.Opened.Invoker)
	case s.Late:
		owe(workflows.NoticeLate, s.Opened.Owner)
		for _, p := range s.Opened.Others {
			owe(workflows.NoticeLate, p)
		}
	default:
		owe(workflows.NoticeReview, s.Opened.Owner)
	}
	return out
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// The lists of reviews.
const (
	ListOpen = "reviews.open" // member: a person who may give the verdict; "" for all
	ListAll  = "reviews.all"
)

// Listings are the lists the review stands on.
func Listings(s State) []workflows.Listing {
	at := int64(s.At.UTC)
	out := []workflows.Listing{{List: ListAll, Sort: at}}
	if s.Closed != nil {
		return out
	}
	out = append(out, workflows.Listing{List: ListOpen, Sort: at})
	seen := map[workflows.PersonID]bool{}
	for _, p := range append([]workflows.PersonID{s.Opened.Owner}, s.Opened.Others...) {
		if s.MayReview(p) && !seen[p] {
			seen[p] = true
			out = append(out, workflows.Listing{List: ListOpen, Member: string(p), Sort: at})
		}
	}
	return out
}
