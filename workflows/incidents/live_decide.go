package incidents

import (
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// What somebody does with an incident.
const (
	ActOpen     = "open"
	ActJoin     = "join"
	ActSeverity = "severity"
	ActHandOver = "handover"
	ActClose    = "close"
)

// Doing is somebody doing something with an incident.
type Doing struct {
	By       workflows.Acting
	Standing workflows.Standing
	Act      string // ActOpen …
	ID       string
	Text     string // the title, or why
	Severity int
	Room     string             // ActOpen
	Person   workflows.PersonID // ActJoin, ActHandOver: whom; empty in ActJoin: oneself
	Other    workflows.Standing // of Person, if it is somebody else
	Role     string             // ActJoin
	Security bool               // who acts is of security: may take over and close
	Barred   bool               // ActOpen: who acts is not among those who may open incidents
	Unfit    bool               // who would command it is not among those who may command incidents
	Authn    string
	Channel  string
}

// Do decides what somebody wants to do with an incident. What is refused stands on the incident's stream, or on the system's where there is none.
func Do(f workflows.Facts, d Doing) (workflows.Outcome, error) {
	stream := StreamOf(d.ID)
	h := f.Histories[stream]
	if d.Act == ActOpen {
		return d.open(stream, len(h) > 0), nil
	}
	s, err := FoldIncident(h)
	if err != nil {
		return workflows.Outcome{}, err
	}
	e, no := d.event(s)
	if no != nil {
		return workflows.RefuseOn(workflows.SystemStream, d.By, "incident "+d.Act, d.Channel, d.ID, no), nil
	}
	var out workflows.Outcome
	if e != nil {
		out.Add(stream, d.By, "", e)
	}
	return out, nil
}

func (d Doing) open(stream workflows.StreamID, there bool) workflows.Outcome {
	no := d.Standing.Refusal()
	switch {
	case no != nil:
	case !IsIncidentName(d.ID):
		no = workflows.Refuse(workflows.CodeBadField, "An incident is named like INC-7: capital letters, a hyphen, a number.", "Leave the name out, and the next number is taken.")
	case d.Barred:
		no = workflows.Refuse(workflows.CodeNotEligible, "You are not among those who may open an incident.", "Tell somebody who is; countersign.yaml names them under incidents.open.")
	case there:
		no = workflows.Refuse(workflows.CodeDecided, "There is an incident of this name already.", "Leave the name out, and the next number is taken.")
	default:
		no = d.said("Say what is wrong in a few words; it becomes the incident's title.")
	}
	if no == nil {
		no = d.grave()
	}
	if no != nil {
		return workflows.RefuseOn(workflows.SystemStream, d.By, "incident open", d.Channel, d.ID, no)
	}
	var out workflows.Outcome
	out.Add(stream, d.By, "", IncidentOpened{Title: d.Text, Severity: d.Severity, Room: d.Room, Authn: d.Authn, Channel: d.Channel, Uncommanded: d.Unfit})
	return out
}

func (d Doing) grave() *workflows.Refusal {
	if d.Severity < 1 || d.Severity > mildest {
		return workflows.Refusef(workflows.CodeBadField, "1 is the worst.", "A severity is a number from 1 to %d.", mildest)
	}
	return nil
}

// said wants words from whoever acts.
func (d Doing) said(next string) *workflows.Refusal {
	n := utf8.RuneCountInString(strings.TrimSpace(d.Text))
	switch {
	case n < 3:
		return workflows.Refuse(workflows.CodeReasonNeeded, "A word about it is needed.", next)
	case n > workflows.MaxReason:
		return workflows.Refusef(workflows.CodeTooLong, "", "It has at most %d characters.", workflows.MaxReason)
	}
	return nil
}

// event is what an act on an open incident comes to; nil when it changes nothing.
func (d Doing) event(s Live) (workflows.Event, *workflows.Refusal) {
	if no := d.Standing.Refusal(); no != nil {
		return nil, no
	}
	if s.Closed != nil {
		return nil, workflows.Refuse(workflows.CodeDecided, "Incident "+s.ID+" is closed.", "Open a new one if it has come back.")
	}
	switch d.Act {
	case ActJoin:
		return d.join(s)
	case ActSeverity:
		return d.severity(s)
	case ActHandOver:
		return d.handOver(s)
	case ActClose:
		no := d.said("Say how it ended.")
		if d.By.Person != s.Commander && !d.Security {
			no = workflows.Refuse(workflows.CodeNotYours, "Only the commander closes an incident, or security.", "Ask for it to be handed over to you.")
		}
		return IncidentClosed{Why: d.Text, Authn: d.Authn, Channel: d.Channel}, no
	}
	return nil, workflows.Refuse(workflows.CodeBadField, "There is no such thing to do with an incident.", "It is open, join, severity, handover or close.")
}

func (d Doing) join(s Live) (workflows.Event, *workflows.Refusal) {
	who := d.Person
	if who == "" {
		who = d.By.Person
	}
	switch {
	case d.Role != RoleExecutor && d.Role != RoleScribe:
		return nil, workflows.Refuse(workflows.CodeBadField, "The roles are executor and scribe.", "Command is handed over, with handover.")
	case who != d.By.Person && d.By.Person != s.Commander:
		return nil, workflows.Refuse(workflows.CodeNotYours, "Only the commander gives roles to others.", "Everybody joins for themselves.")
	case who != d.By.Person && d.Other.Refusal() != nil:
		return nil, workflows.Refuse(workflows.CodeNotEligible, "This person cannot act here now.", d.Other.Refusal().Sentence)
	}
	before := s
	before.Executors, before.Scribes = append([]workflows.PersonID(nil), s.Executors...), append([]workflows.PersonID(nil), s.Scribes...)
	e := IncidentJoined{Person: who, Role: d.Role, Authn: d.Authn, Channel: d.Channel}
	before.take(e)
	if len(before.Executors)+len(before.Scribes) == len(s.Executors)+len(s.Scribes) {
		return nil, nil // has it already
	}
	return e, nil
}

func (d Doing) severity(s Live) (workflows.Event, *workflows.Refusal) {
	no := d.grave()
	switch {
	case !s.Crew(d.By.Person) && !d.Security:
		no = workflows.Refuse(workflows.CodeNotYours, "Only who works on an incident says how bad it is.", "Join it first.")
	case no == nil && d.Severity == s.Severity:
		return nil, nil
	case no == nil:
		no = d.said("Say why it is worse or better than it was.")
	}
	return SeverityChanged{From: s.Severity, To: d.Severity, Why: d.Text, Authn: d.Authn, Channel: d.Channel}, no
}

func (d Doing) handOver(s Live) (workflows.Event, *workflows.Refusal) {
	no := d.said("Say where the incident stands: whoever takes it over reads that first.")
	takes := (d.Security || s.Commander == "") && d.Person == d.By.Person // one without a commander is taken over by whoever may command
	switch {
	case d.By.Person != s.Commander && !takes:
		no = workflows.Refuse(workflows.CodeNotYours, "Only the commander hands an incident over; somebody of security can take it over.", "")
	case d.Person == "":
		no = workflows.Refuse(workflows.CodeUnknown, "There is no such person in the people file.", "Name them by their key.")
	case d.Person == s.Commander:
		return nil, nil
	case d.Unfit:
		no = workflows.Refuse(workflows.CodeNotEligible, "This person is not among those who may command an incident.", "countersign.yaml names them under incidents.command.")
	case d.Person != d.By.Person && d.Other.Refusal() != nil:
		no = workflows.Refuse(workflows.CodeNotEligible, "This person cannot act here now, so the incident would be without a commander.", d.Other.Refusal().Sentence)
	}
	return HandedOver{From: s.Commander, To: d.Person, Summary: d.Text, Authn: d.Authn, Channel: d.Channel}, no
}

// Settle records that what a closed incident had given is being ended.
func Settle(f workflows.Facts, id string, grants int) (workflows.Outcome, error) {
	s, err := FoldIncident(f.Histories[StreamOf(id)])
	var out workflows.Outcome
	if err == nil && s.Closed != nil && s.Settled == nil {
		out.Add(StreamOf(id), workflows.System, "", IncidentSettled{Grants: grants})
	}
	return out, err
}
