package workflows

import (
	"fmt"
	"strings"
)

// Explanation is why a request is where it is, as a tree that the card, the command line and the console render.
type Explanation struct {
	Name     string        `json:"name"`
	Status   string        `json:"status"` // approved, pending, skipped, denied, error
	Sentence string        `json:"sentence"`
	Children []Explanation `json:"children,omitempty"`
}

// Outlook is what the world outside the record can add to an explanation: names and local times. A nil function leaves ids.
type Outlook struct {
	Name func(PersonID) string
	When func(Stamp) string
}

func (o Outlook) name(p PersonID) string {
	if o.Name == nil {
		return string(p)
	}
	return o.Name(p)
}

func (o Outlook) names(list []PersonID) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = o.name(p)
	}
	return strings.Join(words, ", ")
}

func (o Outlook) when(s Stamp) string {
	if o.When == nil {
		return s.String()
	}
	return o.When(s)
}

// Explain says where the request stands and why: stage by stage, person by person.
func Explain(s State, o Outlook) Explanation {
	e := Explanation{Name: string(s.ID), Status: s.Status.verdict(), Sentence: s.sentence(o)}
	for i, st := range s.Stages {
		e.Children = append(e.Children, s.explainStage(i, st, o))
	}
	return e
}

func (s Status) verdict() string {
	switch s {
	case StatusApproved:
		return "approved"
	case StatusOpen:
		return "pending"
	case StatusDenied:
		return "denied"
	case StatusSuperseded, StatusFailed:
		return "error"
	default:
		return "skipped"
	}
}

func (s State) sentence(o Outlook) string {
	switch s.Status {
	case StatusOpen:
		if st := s.Open(); st != nil {
			return fmt.Sprintf("Waiting for %d more in stage %d of %d (%s), until %s.", st.Missing(), s.Current+1, len(s.Stages), st.Plan.Name, o.when(st.TimesOutAt))
		}
		return "Waiting."
	case StatusApproved:
		return "Approved by " + o.names(s.Voters()) + "."
	case StatusDenied:
		return "Denied by " + o.name(s.EndedBy) + "."
	case StatusWithdrawn:
		return "Withdrawn by " + o.name(s.EndedBy) + "."
	case StatusTimedOut:
		return "Timed out: not decided in time. This is not a denial."
	case StatusSuperseded:
		return "Superseded: " + s.Why
	default:
		return "Failed: " + s.Why
	}
}

func (s State) explainStage(i int, st StageState, o Outlook) Explanation {
	e := Explanation{Name: st.Plan.Name, Status: st.verdict()}
	e.Sentence = fmt.Sprintf("%d of %d approvals.", len(st.Approvals()), st.Plan.Quorum)
	switch st.Status {
	case StageWaiting:
		e.Sentence = fmt.Sprintf("Opens when stage %d is satisfied; needs %d.", i, st.Plan.Quorum)
	case StageOutOfTime:
		e.Sentence += " Nobody else decided by " + o.when(st.TimesOutAt) + "."
	case StageDropped:
		e.Sentence = "Closed: the request ended otherwise."
	}
	for j, seat := range st.Roster {
		e.Children = append(e.Children, s.explainSeat(i, st, seat, j >= st.FirstAsked, o))
	}
	for _, p := range st.Approvals() {
		if _, seated := st.Seat(p); !seated { // decided on shift and left: the vote stands
			e.Children = append(e.Children, s.explainSeat(i, st, Seat{Person: p}, false, o))
		}
	}
	return e
}

func (st StageState) verdict() string {
	switch st.Status {
	case StageMet:
		return "approved"
	case StageRefused:
		return "denied"
	case StageOutOfTime, StageDropped:
		return "skipped"
	default:
		return "pending"
	}
}

func (s State) explainSeat(stage int, st StageState, seat Seat, escalated bool, o Outlook) Explanation {
	e := Explanation{Name: o.name(seat.Person), Status: "pending", Sentence: "Asked: " + seat.Words() + "."}
	if escalated {
		e.Sentence = "Asked by escalation: " + seat.Words() + "."
	}
	for _, v := range st.Votes {
		switch {
		case v.Person != seat.Person:
		case v.TakenBack:
			e.Sentence = "Approved, and took it back."
		case v.Verdict == Approve:
			e.Status, e.Sentence = "approved", "Approved at "+o.when(v.At.UTC)+"."
		default:
			e.Status, e.Sentence = "denied", "Denied at "+o.when(v.At.UTC)+"."
		}
	}
	if d, ok := s.Delivered[askID(NoticeAsk, stage, seat.Person)]; ok && !d.OK && e.Status == "pending" {
		e.Status, e.Sentence = "error", "Could not be told: "+d.Why+"."
	}
	return e
}

// Words is why a person sits on a roster, as people read it.
func (s Seat) Words() string {
	kind, name, _ := strings.Cut(s.Why, ":")
	switch kind {
	case "named":
		return "named in the chain"
	case "group":
		return "member of group " + name
	case "chat":
		return "member of " + name + " in the chat"
	case "target_owner":
		return "owner of the target"
	case "identity_owner":
		return "owner of the identity"
	case "manager":
		return "manager of the requester"
	default:
		return s.Why
	}
}
