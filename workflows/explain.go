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
	Children []Explanation `json:"children,omitempty"` // of a request: its stages, in order; of a stage: its seats in roster order, then those who left
	Notes    []Explanation `json:"notes,omitempty"`    // what stands beside: rules, risk, offers; of a stage: parts and tiers
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
	e := Explanation{Name: string(s.ID), Status: s.Status.verdict(), Sentence: s.sentence(o), Notes: s.notes(o)}
	for i := range s.Stages {
		e.Children = append(e.Children, s.explainStage(i, o))
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

func (s *State) sentence(o Outlook) string {
	switch s.Status {
	case StatusOpen:
		return s.waiting(o)
	case StatusApproved:
		switch {
		case s.Auto != nil:
			return fmt.Sprintf("Approved without people, by %s, for the %s time of %d within %s.", s.Auto.words(), nth(s.Auto.Used), s.Auto.Times, s.Auto.Per)
		case s.consented() != nil:
			return fmt.Sprintf("Approved by %s; %s told and nobody objected.", o.names(s.Voters()), heads(s.consented().Consent))
		}
		return "Approved by " + o.names(s.Voters()) + "."
	case StatusDenied:
		return "Denied by " + o.names(s.deniers()) + "."
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

func (s *State) waiting(o Outlook) string {
	st := s.open()
	switch {
	case st == nil:
		return "Waiting."
	case st.Plan.Kind == StageConsent:
		return fmt.Sprintf("Waiting for objections in stage %d of %d (%s), until %s.", s.Current+1, len(s.Stages), st.Plan.Name, o.when(st.TimesOutAt))
	}
	return fmt.Sprintf("Waiting for %d more in stage %d of %d (%s), until %s.", st.Missing(), s.Current+1, len(s.Stages), st.Plan.Name, o.when(st.TimesOutAt))
}

// words name what approved: a rule of the document, or a standing window.
func (a AutoApproved) words() string {
	if id, ok := strings.CutPrefix(a.Rule, "window "); ok {
		return "the standing window of request " + id
	}
	return "rule " + a.Rule
}

func heads(n int) string {
	if n == 1 {
		return "1 person was"
	}
	return number(n) + " people were"
}

func nth(n int) string {
	switch n {
	case 1:
		return "first"
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return number(n) + "th"
}

// consented is the last stage, if it waited for objections.
func (s *State) consented() *StageState {
	if n := len(s.Stages); n > 0 && s.Stages[n-1].Plan.Kind == StageConsent {
		return &s.Stages[n-1]
	}
	return nil
}

func (s *State) deniers() []PersonID {
	for i := range s.Stages {
		if d := s.Stages[i].Denials(); len(d) > 0 && s.Stages[i].Status == StageRefused {
			return d
		}
	}
	return []PersonID{s.EndedBy}
}

// notes are what stands beside the stages.
func (s *State) notes(o Outlook) []Explanation {
	var out []Explanation
	note := func(name, status, format string, args ...any) {
		out = append(out, Explanation{Name: name, Status: status, Sentence: fmt.Sprintf(format, args...)})
	}
	if s.Asked.Chosen != "" {
		note("rule", "approved", "Rule %s says how this is decided.", s.Asked.Chosen)
		for _, t := range s.Asked.Trace {
			status, words := "skipped", "does not match what was asked"
			if t.Matched {
				status, words = "approved", "matches what was asked"
			}
			last := &out[len(out)-1]
			last.Children = append(last.Children, Explanation{Name: t.Rule, Status: status, Sentence: "Rule " + t.Rule + " " + words + "."})
		}
	}
	if s.Asked.Risk != "" {
		note("risk", "approved", "The risk is %s, by row %d of the table.", s.Asked.Risk, s.Asked.RiskRow)
		if s.Asked.StepUp {
			out[len(out)-1].Sentence += " Approving takes more than a click: a login on the page of this request, a printed code, or the bot's host."
		}
	}
	if s.Asked.Already {
		note("standing access", "error", "The holder had this on the target already when it was asked for, by no grant of ours: approving it takes nothing away from that.")
	}
	if s.Asked.Extends != "" {
		note("extension", "approved", "More time for grant %s: extension %d of its row.", s.Asked.Extends, s.Asked.Renewal)
	}
	if s.Asked.NotBefore != 0 {
		note("start", "approved", "Access would begin at %s.", o.when(s.Asked.NotBefore))
	}
	switch {
	case s.Asked.NoLaterThan != 0:
		note("end", "approved", "Access would end at %s at the latest.", o.when(s.Asked.NoLaterThan))
	case s.Asked.Ticket != "":
		note("end", "approved", "Access would end when ticket %s is closed.", s.Asked.Ticket)
	}
	if s.Asked.Offer.Offer != "" {
		note("offer", "approved", "These are the terms that %s offered on request %s.", o.name(s.Asked.Offer.By), s.Asked.Offer.Request)
	}
	for _, f := range s.Offers {
		status := map[string]string{OfferOpen: "pending", OfferTaken: "approved"}[f.Status]
		if status == "" {
			status = "skipped"
		}
		note("offer", status, "%s offered %s: %s.", o.name(f.By.Person), f.Terms.words(o), f.words())
	}
	return out
}

func (f Offer) words() string {
	switch f.Status {
	case OfferOpen:
		return "not answered yet"
	case OfferTaken:
		return "accepted"
	case OfferDropped:
		return "declined"
	}
	return "no longer stands"
}

// words are the terms as people read them.
func (o Terms) words(l Outlook) string {
	var words []string
	if o.Entitlement != "" {
		words = append(words, string(o.Target)+"/"+string(o.Entitlement))
	}
	if o.Seconds != 0 {
		words = append(words, o.Seconds.String())
	}
	if o.NotBefore != 0 {
		words = append(words, "a start at "+l.when(o.NotBefore))
	}
	return strings.Join(words, ", ")
}

func (s *State) explainStage(i int, o Outlook) Explanation {
	st := &s.Stages[i]
	e := Explanation{Name: st.Plan.Name, Status: st.verdict(), Sentence: st.sentence(i, o), Notes: s.stageNotes(i, o)}
	for j, seat := range st.Roster {
		e.Children = append(e.Children, s.explainSeat(i, seat, j >= st.FirstAsked, o))
	}
	for _, p := range append(st.Approvals(), st.Denials()...) {
		if _, seated := seatIn(st.Roster, p); !seated { // decided on shift and left: the vote stands
			e.Children = append(e.Children, s.explainSeat(i, st.leaver(p), false, o))
		}
	}
	return e
}

// sentence is where a stage stands.
func (s *StageState) sentence(i int, o Outlook) string {
	count := fmt.Sprintf("%d of %d approvals.", s.Plan.Quorum-s.Missing(), s.Plan.Quorum)
	if s.Plan.Kind == StageConsent {
		count = "Nobody has objected."
		if len(s.Denials()) > 0 {
			count = "Objected to."
		}
	}
	switch s.Status {
	case StageWaiting:
		if s.Plan.Kind == StageConsent {
			return fmt.Sprintf("Opens when stage %d is satisfied; waits %s for objections.", i, s.Plan.Timeout)
		}
		return fmt.Sprintf("Opens when stage %d is satisfied; needs %d.", i, s.Plan.Quorum)
	case StageMet:
		if s.Plan.Kind == StageConsent {
			return fmt.Sprintf("%s told and nobody objected.", heads(s.Consent))
		}
	case StageOutOfTime:
		if s.Plan.Kind == StageConsent {
			return fmt.Sprintf("Too few of the %d who had to be told could be told by %s.", s.Plan.Quorum, o.when(s.TimesOutAt))
		}
		return count + " Nobody else decided by " + o.when(s.TimesOutAt) + "."
	case StageDropped:
		return "Closed: the request ended otherwise."
	}
	return count
}

// stageNotes are the parts of a stage, and the tiers that may still widen it.
func (s *State) stageNotes(i int, o Outlook) []Explanation {
	st := &s.Stages[i]
	var out []Explanation
	people := principals(st.voices())
	for k, part := range st.Plan.Parts {
		n := 0
		for _, parts := range people {
			for _, p := range parts {
				if p == k {
					n++
				}
			}
		}
		e := Explanation{Name: part.Name, Status: "pending", Sentence: fmt.Sprintf("Part %s: %d of %d approvals.", part.Name, min(n, part.Quorum), part.Quorum)}
		if n >= part.Quorum {
			e.Status = "approved"
		}
		out = append(out, e)
	}
	for k := range st.Plan.tiers() {
		e := Explanation{Name: "tier " + number(k+1), Status: "pending", Sentence: fmt.Sprintf("Tier %d is asked at its time.", k+1)}
		switch {
		case k < st.TierOpen:
			e.Status, e.Sentence = "approved", fmt.Sprintf("Tier %d is asked, too.", k+1)
		case st.Status != StageIsOpen && st.Status != StageWaiting:
			e.Status, e.Sentence = "skipped", fmt.Sprintf("Tier %d was not needed.", k+1)
		case k < len(st.TiersAt) && st.TiersAt[k] != 0:
			e.Sentence = fmt.Sprintf("Tier %d is asked at %s.", k+1, o.when(st.TiersAt[k]))
		}
		out = append(out, e)
	}
	if len(st.Told) > 0 {
		out = append(out, Explanation{Name: "told", Status: "approved", Sentence: "Told without being asked: " + o.names(st.Told) + "."})
	}
	if at := st.ShiftsDone; st.Status == StageIsOpen && at < len(st.ShiftsAt) {
		out = append(out, Explanation{Name: "shift", Status: "pending", Sentence: "The shift changes at " + o.when(st.ShiftsAt[at]) + "."})
	}
	return out
}

func (s *StageState) verdict() string {
	switch s.Status {
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

func (s *State) explainSeat(stage int, seat Seat, escalated bool, o Outlook) Explanation {
	st := &s.Stages[stage]
	e := Explanation{Name: o.name(seat.Person), Status: "pending", Sentence: "Asked: " + seat.spoken(o) + "."}
	switch {
	case escalated:
		e.Sentence = "Asked by escalation: " + seat.spoken(o) + "."
	case st.Plan.Kind == StageConsent:
		e.Sentence = "May object: " + seat.spoken(o) + "."
	}
	for _, v := range st.Votes {
		switch {
		case v.Person != seat.Person || v.For != seat.For:
		case v.TakenBack:
			e.Sentence = "Approved, and took it back."
		case v.Verdict == Approve:
			e.Status, e.Sentence = "approved", "Approved at "+o.when(v.At.UTC)+v.place(o)+"."
		default:
			e.Status, e.Sentence = "denied", "Denied at "+o.when(v.At.UTC)+v.place(o)+"."
		}
	}
	if e.Status != "pending" {
		return e
	}
	if d, ok := s.Delivered[askID(NoticeAsk, stage, seat.Person)]; ok && !d.OK {
		e.Status, e.Sentence = "error", "Could not be told: "+d.Why+"."
	} else if st.hasDecided(seat.voice()) && !st.HasVoted(seat.Person) {
		e.Status, e.Sentence = "skipped", "Counts as one with somebody who has decided: "+seat.spoken(o)+"."
	}
	return e
}

// place says whose seat a vote was given by.
func (v Vote) place(o Outlook) string {
	if v.For == "" {
		return ""
	}
	return " in the place of " + o.name(v.For)
}

// spoken is why a person sits on a roster, with all that is odd about the seat.
func (s Seat) spoken(o Outlook) string {
	words := s.Words()
	if s.For != "" {
		words = "in the place of " + o.name(s.For) + ", who is away and is " + words
	}
	if s.Away {
		words += "; away"
	}
	if s.TellAt != 0 {
		words += "; told at " + o.when(s.TellAt)
	}
	return words
}

// seatIn finds a person on a list of seats.
func seatIn(list []Seat, p PersonID) (Seat, bool) {
	for _, s := range list {
		if s.Person == p {
			return s, true
		}
	}
	return Seat{}, false
}

// leaver is the seat that somebody had who is no longer on the roster.
func (s *StageState) leaver(p PersonID) Seat {
	for _, l := range s.Left {
		if l.Seat.Person == p {
			return l.Seat
		}
	}
	return Seat{Person: p}
}

// Words is why a person sits on a roster, as people read it.
func (s Seat) Words() string {
	kind, name, _ := strings.Cut(s.Why, ":")
	switch kind {
	case "named":
		return "named in the chain"
	case "group":
		return "member of group " + name
	case "chat", "channel":
		return "member of " + name + " in the chat"
	case "rotation":
		return "on shift in rotation " + name
	case "target_owner":
		return "owner of the target"
	case "identity_owner":
		return "owner of the identity"
	case "manager":
		return "manager of the requester"
	case "fallback":
		return "asked because nobody else could be: " + Seat{Why: name}.Words()
	default:
		return s.Why
	}
}
