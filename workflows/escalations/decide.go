package escalations

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// Rung is what the world answered about the step that may be taken next.
type Rung struct {
	Step    int // which step of the path was asked about
	Round   int
	People  []workflows.PersonID
	By      []string
	Channel string
	Pager   string
	Until   workflows.Stamp
}

// Opening is an escalation about to begin.
type Opening struct {
	ID    string
	By    workflows.Acting // who did what it is about; the system when the bot found it
	Event Opened
	First Rung
}

// Open begins an escalation and takes its first step. What is escalated already stays as it is.
func Open(f workflows.Facts, o Opening, out *workflows.Outcome) {
	stream := Stream(o.ID)
	if len(f.Histories[stream]) > 0 {
		return
	}
	o.Event.What, o.Event.Why = cut(o.Event.What), cut(o.Event.Why)
	out.Add(stream, o.By, "", o.Event)
	out.Add(stream, workflows.System, "", o.First.taken(BecauseOpened))
}

func cut(s string) string {
	if r := []rune(s); len(r) > maxWords {
		return string(r[:maxWords])
	}
	return s
}

func (r Rung) taken(because string) StepTaken {
	return StepTaken{
		Step: r.Step, Round: r.Round, People: r.People[:min(len(r.People), maxPeople)], By: r.By, Channel: r.Channel, Pager: r.Pager,
		Until: r.Until, Because: because,
	}
}

// Tick takes the next step when the last one's wait is over or nobody of it could be told. over: what it is about has ended. next is what the
// world says of the step that comes; nil: the path does not have it any more.
func Tick(f workflows.Facts, stream workflows.StreamID, over bool, next *Rung) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil || s.Closed != nil {
		return out, err
	}
	if over {
		out.Add(stream, workflows.System, "", Closed{How: HowOver})
		return out, nil
	}
	wake := NextWake(s)
	if wake == 0 || wake > f.Now.UTC {
		return out, nil
	}
	step, round, more := s.Next()
	switch {
	case !more || next == nil:
		out.Add(stream, workflows.System, "", Exhausted{Rounds: s.Taken[len(s.Taken)-1].Round, Told: s.Reached()})
	case next.Step != step || next.Round != round:
		return out, workflows.ErrAskAgain // a step was taken meanwhile
	default:
		because := BecauseSilence
		if _, failed := s.failed(); failed {
			because = BecauseUndelivered
		}
		out.Add(stream, workflows.System, "", next.taken(because))
	}
	return out, nil
}

// Doing is somebody acknowledging or closing an escalation.
type Doing struct {
	By       workflows.Acting
	Standing workflows.Standing
	Security bool // who acts is of security
	Words    string
	Authn    string
	Channel  string
}

// Acknowledge records that somebody looks after it. Who was asked does, or security; never whose doing it is.
func Acknowledge(f workflows.Facts, id string, d Doing) (workflows.Outcome, error) {
	return decide(f, id, d, "acknowledge", func(s State) (workflows.Event, *workflows.Refusal) {
		switch {
		case slices.Contains(s.Opened.Whose, d.By.Person):
			return nil, workflows.Refuse(workflows.CodeSelfApproval, "It is about what you did, so somebody else acknowledges it.", "")
		case slices.ContainsFunc(s.Acks, func(a Ack) bool { return a.By == d.By.Person }):
			return nil, workflows.Refuse(workflows.CodeDecided, "You acknowledged this already.", "")
		case utf8.RuneCountInString(d.Words) > maxNote:
			return nil, workflows.Refusef(workflows.CodeTooLong, "", "A note has at most %d characters.", maxNote)
		}
		return Acknowledged{Note: d.Words, Authn: d.Authn, Channel: d.Channel}, nil
	})
}

// Close records that nothing is left to do. Who acknowledged it says so, or security.
func Close(f workflows.Facts, id string, d Doing) (workflows.Outcome, error) {
	return decide(f, id, d, "close an escalation", func(s State) (workflows.Event, *workflows.Refusal) {
		n := utf8.RuneCountInString(d.Words)
		switch {
		case slices.Contains(s.Opened.Whose, d.By.Person):
			return nil, workflows.Refuse(workflows.CodeSelfApproval, "It is about what you did, so somebody else closes it.", "")
		case !d.Security && !slices.ContainsFunc(s.Acks, func(a Ack) bool { return a.By == d.By.Person }):
			return nil, workflows.Refuse(workflows.CodeNotYours, "Who looks after it closes it, or security.", "Acknowledge it first.")
		case n < leastWhy || n > maxWhy:
			return nil, workflows.Refusef(workflows.CodeReasonNeeded, "", "Say how it ended, in %d to %d characters.", leastWhy, maxWhy)
		}
		return Closed{How: HowByHand, Why: d.Words, Authn: d.Authn, Channel: d.Channel}, nil
	})
}

// decide does what is the same for both: who, and whether there is such an escalation for them.
func decide(f workflows.Facts, id string, d Doing, command string, fn func(State) (workflows.Event, *workflows.Refusal)) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := Stream(id)
	d.Words = strings.TrimSpace(d.Words)
	s, err := Fold(f.Histories[stream])
	if err != nil && !errors.Is(err, workflows.ErrNoStream) {
		return out, err
	}
	no := d.Standing.Refusal()
	var e workflows.Event
	switch {
	case no != nil:
	case err != nil, !d.Security && !slices.Contains(s.Asked(), d.By.Person) && !slices.Contains(s.Opened.Whose, d.By.Person):
		no = workflows.Unknown() // the same answer whether or not there is one
		stream = workflows.SystemStream
	case s.Closed != nil:
		no = workflows.Refuse(workflows.CodeDecided, "This escalation is closed.", "")
	default:
		e, no = fn(s)
	}
	if no != nil {
		return workflows.RefuseOn(stream, d.By, command, d.Channel, id, no), nil
	}
	out.Add(stream, d.By, "", e)
	return out, nil
}
