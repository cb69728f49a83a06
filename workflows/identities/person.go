package identities

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// PersonState is the stream of one human as its recorded events say.
type PersonState struct {
	ID    workflows.PersonID
	Links []Linked
	Aways []AwayState // in order of announcement
	Used  []UsedAt
	Left  *Left // they are gone, or have another role, and did not return
	Since workflows.Instant
	Owes  int64 // the entry about that whose consequences are outstanding; zero: none
	Seq   int64

	Key        *KeySet   // what secrets for them are sealed to; nil: nothing
	Prints     []Print   // of every key that they put on record, also of those that were removed
	Codes      []CodeSet // in order of printing
	Quarantine Quarantine
	Watches    Watches
}

// AwayState is time off as announced. Ended is when it was called off or ended early; zero when it was not.
type AwayState struct {
	Away
	At    workflows.Instant
	Ended workflows.Stamp
}

// UsedAt is one use of what a workflow allows a person now and then.
type UsedAt struct {
	Used
	At workflows.Instant
}

// FoldPerson turns a person's history into its state; it refuses gaps and foreign events. No history is somebody about whom nothing was
// recorded yet.
func FoldPerson(h []workflows.Record) (PersonState, error) {
	var s PersonState
	if len(h) == 0 {
		return s, nil
	}
	if err := workflows.CheckSeq(h); err != nil {
		return PersonState{}, err
	}
	s.ID = workflows.PersonID(h[0].Stream.Rest())
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return PersonState{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

func (s *PersonState) apply(r workflows.Record) error {
	if ours, err := s.Quarantine.applies(r); ours {
		return err
	}
	if ours, err := s.Watches.applies(r); ours {
		return err
	}
	switch e := r.Event.(type) {
	case Linked:
		s.Links = append(s.Links, e)
	case Unlinked:
		return s.unlink(e)
	case Used:
		s.Used = append(s.Used, UsedAt{e, r.At})
	case Away:
		switch {
		case e.Away == "" || s.index(e.Away) >= 0:
			return fmt.Errorf("person.away under the used or empty id %q", e.Away)
		case e.From >= e.Until || e.Delegate == s.ID:
			return fmt.Errorf("person.away that ends before it begins, or names its own person")
		}
		s.Aways = append(s.Aways, AwayState{Away: e, At: r.At})
	case Back:
		i := s.index(e.Away)
		if i < 0 || s.Aways[i].Ended != 0 {
			return fmt.Errorf("person.back from %q, which was never announced or has ended", e.Away)
		}
		s.Aways[i].Ended = r.At.UTC
	case Left:
		s.Left, s.Since, s.Owes = &e, r.At, r.Seq
	case HandedOver:
		if e.For == s.Owes {
			s.Owes = 0
		}
	case Returned:
		s.Left = nil
	case workflows.Refused, workflows.NoticeDelivered, workflows.NoticeUndelivered:
	default:
		if ours, err := s.applyKey(r); ours {
			return err
		}
		return fmt.Errorf("%s does not belong to a person", r.Event.Kind())
	}
	return nil
}

func (s PersonState) index(away string) int {
	for i := range s.Aways {
		if s.Aways[i].Away.Away == away {
			return i
		}
	}
	return -1
}

// until is when the time off is over: as announced, or when it was ended early.
func (a AwayState) until() workflows.Stamp {
	if a.Ended != 0 && a.Ended < a.Until {
		return a.Ended
	}
	return a.Until
}

// Covers tells whether the moment lies within the time off.
func (a AwayState) Covers(at workflows.Stamp) bool { return a.From <= at && at < a.until() }

// AwayAt is the time off of a person at a moment, the one announced last where there are several.
func (s PersonState) AwayAt(at workflows.Stamp) (Away, bool) {
	for i := len(s.Aways) - 1; i >= 0; i-- {
		if s.Aways[i].Covers(at) {
			return s.Aways[i].Away, true
		}
	}
	return Away{}, false
}

// Coming are the times off that are not over at a moment, in order of announcement.
func (s PersonState) Coming(at workflows.Stamp) []AwayState {
	var out []AwayState
	for _, a := range s.Aways {
		if at < a.until() {
			out = append(out, a)
		}
	}
	return out
}

// Count is how often something was used since a moment, that moment included. An empty rule counts all rules.
func (s PersonState) Count(what string, w workflows.WorkflowID, rule string, since workflows.Stamp) int {
	n := 0
	for _, u := range s.Used {
		if u.What == what && u.Workflow == w && (rule == "" || u.Rule == rule) && u.At.UTC >= since {
			n++
		}
	}
	return n
}

// Limits of time off.
const (
	maxAhead  = 366 // days: a year's plan; what lies further ahead is forgotten by then
	maxComing = 20  // announced and not over, of one person
)

// Leave is somebody about to announce time off, with everything that was asked of the world.
type Leave struct {
	By       workflows.Acting
	Standing workflows.Standing // of the person
	ID       string             // "w_…", made by the caller
	From     workflows.Stamp    // zero, or in the past: now
	Until    workflows.Stamp
	Delegate workflows.PersonID // empty: nobody decides in their place
	Stand    workflows.Standing // of the delegate
	Reason   string
	Authn    string
	Channel  string
}

// GoAway announces time off. It lets nobody decide what they could not decide before: whether a delegate may is asked at every vote.
func GoAway(f workflows.Facts, l Leave) (workflows.Outcome, error) {
	stream := workflows.PersonStream(l.By.Person)
	if r := l.Standing.Refusal(); r != nil || l.By.Person == "" {
		if r == nil {
			r = workflows.Unknown()
		}
		return workflows.RefuseOn(workflows.SystemStream, l.By, "away", l.Channel, "", r), nil
	}
	s, err := FoldPerson(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	l.From = max(l.From, f.Now.UTC)
	if r := s.refuseLeave(l, f.Now.UTC); r != nil {
		return workflows.RefuseOn(stream, l.By, "away", l.Channel, "", r), nil
	}
	var out workflows.Outcome
	out.Add(stream, l.By, "", Away{
		Away: l.ID, From: l.From, Until: l.Until, Delegate: l.Delegate, Reason: strings.TrimSpace(l.Reason), Authn: l.Authn, Channel: l.Channel,
	})
	return out, nil
}

func (s PersonState) refuseLeave(l Leave, now workflows.Stamp) *workflows.Refusal {
	const next = "Type `/access away until 2026-12-01 09:00`, with `for @name` if somebody decides in your place."
	coming := s.Coming(now)
	switch {
	case l.ID == "" || s.index(l.ID) >= 0:
		return workflows.Refuse(workflows.CodeAway, "This time off is already recorded.", "")
	case l.From >= l.Until:
		return workflows.Refuse(workflows.CodeAway, "Your time off would be over before it begins.", next)
	case l.Until > now.Add(maxAhead*24*hour):
		return workflows.Refusef(workflows.CodeAway, next, "Time off can be announced for at most %d days ahead.", maxAhead)
	case l.Delegate == l.By.Person:
		return workflows.Refuse(workflows.CodeAway, "You cannot decide in your own place while you are away.", "Name somebody else, or nobody.")
	case len(coming) >= maxComing:
		return workflows.Refusef(workflows.CodeAway, "End one of them first.", "You have already announced %d times off.", len(coming))
	case utf8.RuneCountInString(l.Reason) > workflows.MaxReason:
		return workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxReason)
	}
	for _, a := range coming {
		if l.From < a.until() && a.From < l.Until {
			return workflows.Refusef(workflows.CodeAway, "End that first: `/access back`.", "You are already away from %s until %s then.", short(a.From), short(a.until()))
		}
	}
	if l.Delegate == "" {
		return nil
	}
	if r := l.Stand.Refusal(); r != nil {
		return workflows.Refuse(workflows.CodeAway, "Whom you named cannot decide here: "+r.Sentence, "Name an active full member who is in the people file.")
	}
	return nil
}

// ComeBack ends time off early, or calls it off: the one with that id, or with none given the one that runs now.
func ComeBack(f workflows.Facts, l Leave) (workflows.Outcome, error) {
	stream := workflows.PersonStream(l.By.Person)
	s, err := FoldPerson(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	var out workflows.Outcome
	for _, a := range s.Coming(f.Now.UTC) {
		if a.Ended == 0 && (a.Away.Away == l.ID || l.ID == "" && a.Covers(f.Now.UTC)) {
			out.Add(stream, l.By, "", Back{Away: a.Away.Away, Channel: l.Channel})
			return out, nil
		}
	}
	on := stream
	if l.By.Person == "" {
		on = workflows.SystemStream
	}
	r := workflows.Refuse(workflows.CodeAway, "You are not away, so there is nothing to come back from.", "")
	return workflows.RefuseOn(on, l.By, "back", l.Channel, "", r), nil
}
