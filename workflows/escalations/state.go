package escalations

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// State is an escalation as its recorded events say.
type State struct {
	ID        string // "e_…"
	Opened    Opened
	At        workflows.Instant
	By        workflows.PersonID // who did what it is about; empty: nobody, the bot found it
	Taken     []Taken
	Acks      []Ack
	Exhausted workflows.Stamp // zero: not yet
	Closed    *Closed
	ClosedAt  workflows.Stamp
	ClosedBy  workflows.PersonID
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Taken is a step that was taken.
type Taken struct {
	StepTaken
	At workflows.Stamp
}

// Ack is somebody who looks after it.
type Ack struct {
	By   workflows.PersonID
	At   workflows.Stamp
	Note string
	Via  string // by which way it was said
}

// Stream is the stream of an escalation.
func Stream(id string) workflows.StreamID {
	return workflows.StreamID(workflows.KindEscalation + "/" + id)
}

// IDOf names the escalation of one kind about one thing: the same thing is escalated once, however often it is asked for.
func IDOf(kind, about string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + about))
	return "e_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
}

// Fold turns the history of an escalation into its state.
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
	if e, ok := r.Event.(Opened); ok {
		if s.ID != "" {
			return fmt.Errorf("%s twice", e.Kind())
		}
		s.ID, s.Opened, s.At, s.By = r.Stream.Rest(), e, r.At, r.Person
		return nil
	}
	if s.ID == "" {
		return fmt.Errorf("%s before it was opened", r.Event.Kind())
	}
	switch e := r.Event.(type) {
	case StepTaken:
		step, round, more := s.Next()
		if s.Quiet() || !more || e.Step != step || e.Round != round {
			return fmt.Errorf("step %d of round %d was not the next one", e.Step, e.Round)
		}
		s.Taken = append(slices.Clip(s.Taken), Taken{e, r.At.UTC})
	case Acknowledged:
		if s.Closed != nil {
			return fmt.Errorf("acknowledged after its end")
		}
		s.Acks = append(slices.Clip(s.Acks), Ack{r.Person, r.At.UTC, e.Note, e.Channel})
	case Exhausted:
		if s.Quiet() {
			return fmt.Errorf("exhausted, and nothing was asked any more")
		}
		s.Exhausted = r.At.UTC
	case Closed:
		if s.Closed != nil {
			return fmt.Errorf("closed twice")
		}
		s.Closed, s.ClosedAt, s.ClosedBy = &e, r.At.UTC, r.Person
	case workflows.Refused:
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
	default:
		return fmt.Errorf("%s does not belong to an escalation", r.Event.Kind())
	}
	return nil
}

// Quiet tells whether nobody is asked any more: somebody looks after it, the path ended, or it is closed.
func (s State) Quiet() bool { return len(s.Acks) > 0 || s.Exhausted != 0 || s.Closed != nil }

// Over tells whether nothing is left to do. To read of a break glass, a drill or a hand-over is all there is to it; a leak and access that
// does not go away are over when somebody says so, or when they are.
func (s State) Over() bool {
	if s.Closed != nil {
		return true
	}
	return len(s.Acks) > 0 && s.Opened.About != KindLeak && s.Opened.About != KindRevocation
}

// Status is where it stands, in a word.
func (s State) Status() string {
	switch {
	case s.Closed != nil:
		return "closed"
	case len(s.Acks) > 0:
		return "acknowledged"
	case s.Exhausted != 0:
		return "unanswered"
	}
	return "open"
}

// Next is the step that would be taken next; false when the path has been walked as often as it says.
func (s State) Next() (step, round int, ok bool) {
	if len(s.Taken) == 0 {
		return 1, 1, s.Opened.Steps > 0
	}
	last := s.Taken[len(s.Taken)-1]
	if last.Step < s.Opened.Steps {
		return last.Step + 1, last.Round, len(s.Taken) < maxTaken
	}
	return 1, last.Round + 1, last.Round <= s.Opened.Repeat && len(s.Taken) < maxTaken
}

// Asked are all who were asked, in the order in which they were.
func (s State) Asked() (out []workflows.PersonID) {
	for _, t := range s.Taken {
		for _, p := range t.People {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// What the notices of an escalation are.
const (
	NoticePage = "page"      // asks to acknowledge
	NoticeTold = "page_told" // tells, and asks nothing
)

// Pages are the notices of a step that was taken, by its place in Taken: delivered or not.
func (s State) Pages(k int) (out []workflows.Notice) {
	t := s.Taken[k]
	add := func(means, to string, n workflows.Notice) {
		n.ID, n.What, n.Stage, n.Urgent = fmt.Sprintf("%s/%d/%s/%s", NoticePage, k+1, means, to), NoticePage, k+1, true
		out = append(out, n)
	}
	for _, means := range t.By {
		switch means {
		case ByChannel:
			add(means, t.Channel, workflows.Notice{Channel: t.Channel})
		case ByPager:
			add(means, t.Pager, workflows.Notice{})
		default:
			for _, p := range t.People {
				add(means, string(p), workflows.Notice{To: p})
			}
		}
	}
	return out
}

// MeansOf is how a notice of an escalation is delivered, and to whom or what: from its id.
func MeansOf(id string) (means, to string) {
	rest, ok := strings.CutPrefix(id, NoticePage+"/")
	if !ok {
		return "", ""
	}
	_, rest, _ = strings.Cut(rest, "/")
	means, to, _ = strings.Cut(rest, "/")
	return means, to
}

// Notices are the messages that are still owed. Once somebody looks after it, nobody else is woken.
func (s State) Notices() (out []workflows.Notice) {
	owe := func(n workflows.Notice) {
		if _, done := s.Delivered[n.ID]; !done {
			out = append(out, n)
		}
	}
	if len(s.Acks) == 0 && s.Closed == nil {
		for k := range s.Taken {
			for _, n := range s.Pages(k) {
				owe(n)
			}
		}
	}
	for _, p := range s.Opened.Told {
		owe(workflows.Notice{ID: NoticeTold + "/" + string(p), What: NoticeTold, To: p, Urgent: true})
	}
	if s.Opened.Channel != "" {
		owe(workflows.Notice{ID: NoticeTold + "/" + s.Opened.Channel, What: NoticeTold, Channel: s.Opened.Channel, Urgent: true})
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

// Reached counts the pages that were delivered.
func (s State) Reached() (n int) {
	for k := range s.Taken {
		for _, p := range s.Pages(k) {
			if s.Delivered[p.ID].OK {
				n++
			}
		}
	}
	return n
}

// failed tells whether nobody of the last step could be told, and since when.
func (s State) failed() (workflows.Stamp, bool) {
	if len(s.Taken) == 0 {
		return 0, false
	}
	last := len(s.Taken) - 1
	at := s.Taken[last].At
	for _, n := range s.Pages(last) {
		d, done := s.Delivered[n.ID]
		if !done || d.OK {
			return 0, false
		}
		at = max(at, d.At.UTC)
	}
	return at, true
}

// NextWake is when the next step is due: at the end of the wait, or at once when nobody of the last step could be told. Zero: never.
func NextWake(s State) workflows.Stamp {
	if s.Quiet() || len(s.Taken) == 0 {
		return 0
	}
	if at, failed := s.failed(); failed {
		return at
	}
	return s.Taken[len(s.Taken)-1].Until
}

// Pending is everything the escalation still owes to the world.
func Pending(s State) (out []workflows.Job) {
	if at := NextWake(s); at != 0 {
		out = append(out, workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: at, Lane: workflows.LaneUrgent})
	}
	for _, n := range s.Notices() {
		j := n.Job()
		if means, to := MeansOf(n.ID); means == ByMail || means == ByPager {
			j.Pace = means + ":" + to
		}
		out = append(out, j)
	}
	return out
}

// The lists of escalations.
const (
	ListAll    = "escalations.all"
	ListOpen   = "escalations.open"   // not over; member: who was asked, "" for all
	ListDrills = "escalations.drills" // member: the path; drills that were delivered and acknowledged
)

// Listings are the lists the escalation stands on.
func Listings(s State) []workflows.Listing {
	at := int64(s.At.UTC)
	out := []workflows.Listing{{List: ListAll, Sort: at}}
	if s.Proved() {
		out = append(out, workflows.Listing{List: ListDrills, Member: s.Opened.Path, Sort: at})
	}
	if s.Over() {
		return out
	}
	out = append(out, workflows.Listing{List: ListOpen, Sort: at})
	for _, p := range s.Asked() {
		out = append(out, workflows.Listing{List: ListOpen, Member: string(p), Sort: at})
	}
	return out
}

// Proved tells whether a drill showed that the path works: a message was delivered, and somebody who was asked acknowledged it.
func (s State) Proved() bool {
	return s.Opened.Drill && s.Reached() > 0 && slices.ContainsFunc(s.Acks, func(a Ack) bool { return slices.Contains(s.Asked(), a.By) })
}

// Parties are all who were asked, told or acknowledged.
func (s State) Parties() []workflows.PersonID {
	out := append(s.Asked(), s.Opened.Told...)
	for _, a := range s.Acks {
		out = append(out, a.By)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(p workflows.PersonID) bool { return p == "" })
}

// Place says where in the walk it is: "step 2 of 3, round 1".
func (s State) Place() string {
	if len(s.Taken) == 0 {
		return "not begun"
	}
	last := s.Taken[len(s.Taken)-1]
	out := "step " + strconv.Itoa(last.Step) + " of " + strconv.Itoa(s.Opened.Steps)
	if last.Round > 1 {
		out += ", round " + strconv.Itoa(last.Round)
	}
	return out
}
