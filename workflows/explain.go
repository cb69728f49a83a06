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
	Say  func(format string, args ...any) string // puts a sentence of ours into the reader's language; nil: English
}

// say is a sentence of ours. Its format is what catalogues of other languages know it by.
func (o Outlook) say(format string, args ...any) string {
	if o.Say == nil {
		return fmt.Sprintf(format, args...)
	}
	return o.Say(format, args...)
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
			return o.say("Approved without people, by %s, for the %s time of %d within %s.", s.Auto.words(o), nth(s.Auto.Used, o), s.Auto.Times, s.Auto.Per)
		case s.consented() != nil:
			return o.say("Approved by %s; %s", o.names(s.Voters()), unopposed(s.consented().Consent, o))
		}
		return o.say("Approved by %s.", o.names(s.Voters()))
	case StatusDenied:
		return o.say("Denied by %s.", o.names(s.deniers()))
	case StatusWithdrawn:
		return o.say("Withdrawn by %s.", o.name(s.EndedBy))
	case StatusTimedOut:
		return o.say("Timed out: not decided in time. This is not a denial.")
	case StatusSuperseded:
		return o.say("Superseded: %s", s.Why)
	default:
		return o.say("Failed: %s", s.Why)
	}
}

func (s *State) waiting(o Outlook) string {
	st := s.open()
	switch {
	case st == nil:
		return o.say("Waiting.")
	case st.Plan.Kind == StageConsent:
		return o.say("Waiting for objections in stage %d of %d (%s), until %s.", s.Current+1, len(s.Stages), st.Plan.Name, o.when(st.TimesOutAt))
	}
	return o.say("Waiting for %d more in stage %d of %d (%s), until %s.", st.Missing(), s.Current+1, len(s.Stages), st.Plan.Name, o.when(st.TimesOutAt))
}

// words name what approved: a rule of the document, or a standing window.
func (a AutoApproved) words(o Outlook) string {
	if id, ok := strings.CutPrefix(a.Rule, "window "); ok {
		return o.say("the standing window of request %s", id)
	}
	return o.say("rule %s", a.Rule)
}

func unopposed(told int, o Outlook) string {
	if told == 1 {
		return o.say("1 person was told and nobody objected.")
	}
	return o.say("%d people were told and nobody objected.", told)
}

func nth(n int, o Outlook) string {
	switch n {
	case 1:
		return o.say("first")
	case 2:
		return o.say("second")
	case 3:
		return o.say("third")
	}
	return o.say("%dth", n)
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
		out = append(out, Explanation{Name: name, Status: status, Sentence: o.say(format, args...)})
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
	if len(s.Asked.Watched) > 0 {
		note("watching", "approved", "Watching found something (rule %s), so one more person approves than usual, and nothing goes without people.", strings.Join(s.Asked.Watched, ", "))
	}
	if s.Asked.Already {
		note("standing access", "error", "The holder had this on the target already when it was asked for, by no grant of ours: approving it takes nothing away from that.")
	}
	if s.Asked.Extends != "" {
		if s.Asked.Since == 0 {
			note("extension", "approved", "More time for grant %s: extension %d of its row.", s.Asked.Extends, s.Asked.Renewal)
		} else {
			note("extension", "approved", "More time for grant %s: extension %d of its row, which began at %s.", s.Asked.Extends, s.Asked.Renewal, o.when(s.Asked.Since))
		}
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
		note("offer", status, "%s offered %s: %s.", o.name(f.By.Person), f.Terms.words(o), f.words(o))
	}
	return out
}

func (f Offer) words(o Outlook) string {
	switch f.Status {
	case OfferOpen:
		return o.say("not answered yet")
	case OfferTaken:
		return o.say("accepted")
	case OfferDropped:
		return o.say("declined")
	}
	return o.say("no longer stands")
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
		words = append(words, l.say("a start at %s", l.when(o.NotBefore)))
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
	count := o.say("%d of %d approvals.", s.Plan.Quorum-s.Missing(), s.Plan.Quorum)
	if s.Plan.Kind == StageConsent {
		count = o.say("Nobody has objected.")
		if len(s.Denials()) > 0 {
			count = o.say("Objected to.")
		}
	}
	switch s.Status {
	case StageWaiting:
		if s.Plan.Kind == StageConsent {
			return o.say("Opens when stage %d is satisfied; waits %s for objections.", i, s.Plan.Timeout)
		}
		return o.say("Opens when stage %d is satisfied; needs %d.", i, s.Plan.Quorum)
	case StageMet:
		if s.Plan.Kind == StageConsent {
			return unopposed(s.Consent, o)
		}
	case StageOutOfTime:
		if s.Plan.Kind == StageConsent {
			return o.say("Too few of the %d who had to be told could be told by %s.", s.Plan.Quorum, o.when(s.TimesOutAt))
		}
		return o.say("%s Nobody else decided by %s.", count, o.when(s.TimesOutAt))
	case StageDropped:
		return o.say("Closed: the request ended otherwise.")
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
		e := Explanation{Name: part.Name, Status: "pending", Sentence: o.say("Part %s: %d of %d approvals.", part.Name, min(n, part.Quorum), part.Quorum)}
		if n >= part.Quorum {
			e.Status = "approved"
		}
		out = append(out, e)
	}
	for k := range st.Plan.tiers() {
		e := Explanation{Name: "tier " + number(k+1), Status: "pending", Sentence: o.say("Tier %d is asked at its time.", k+1)}
		switch {
		case k < st.TierOpen:
			e.Status, e.Sentence = "approved", o.say("Tier %d is asked, too.", k+1)
		case st.Status != StageIsOpen && st.Status != StageWaiting:
			e.Status, e.Sentence = "skipped", o.say("Tier %d was not needed.", k+1)
		case k < len(st.TiersAt) && st.TiersAt[k] != 0:
			e.Sentence = o.say("Tier %d is asked at %s.", k+1, o.when(st.TiersAt[k]))
		}
		out = append(out, e)
	}
	if len(st.Told) > 0 {
		out = append(out, Explanation{Name: "told", Status: "approved", Sentence: o.say("Told without being asked: %s.", o.names(st.Told))})
	}
	if at := st.ShiftsDone; st.Status == StageIsOpen && at < len(st.ShiftsAt) {
		out = append(out, Explanation{Name: "shift", Status: "pending", Sentence: o.say("The shift changes at %s.", o.when(st.ShiftsAt[at]))})
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
	e := Explanation{Name: o.name(seat.Person), Status: "pending", Sentence: o.say("Asked: %s.", seat.spoken(o))}
	switch {
	case escalated:
		e.Sentence = o.say("Asked by escalation: %s.", seat.spoken(o))
	case st.Plan.Kind == StageConsent:
		e.Sentence = o.say("May object: %s.", seat.spoken(o))
	}
	for _, v := range st.Votes {
		switch {
		case v.Person != seat.Person || v.For != seat.For:
		case v.TakenBack:
			e.Sentence = o.say("Approved, and took it back.")
		case v.Verdict == Approve:
			e.Status, e.Sentence = "approved", o.say("Approved at %s%s.", o.when(v.At.UTC), v.place(o))
		default:
			e.Status, e.Sentence = "denied", o.say("Denied at %s%s.", o.when(v.At.UTC), v.place(o))
		}
	}
	if e.Status != "pending" {
		return e
	}
	if d, ok := s.Delivered[askID(NoticeAsk, stage, seat.Person)]; ok && !d.OK {
		e.Status, e.Sentence = "error", o.say("Could not be told: %s.", d.Why)
	} else if st.hasDecided(seat.voice()) && !st.HasVoted(seat.Person) {
		e.Status, e.Sentence = "skipped", o.say("Counts as one with somebody who has decided: %s.", seat.spoken(o))
	}
	return e
}

// place says whose seat a vote was given by.
func (v Vote) place(o Outlook) string {
	if v.For == "" {
		return ""
	}
	return o.say(" in the place of %s", o.name(v.For))
}

// spoken is why a person sits on a roster, with all that is odd about the seat.
func (s Seat) spoken(o Outlook) string {
	words := s.words(o)
	if s.For != "" {
		words = o.say("in the place of %s, who is away and is %s", o.name(s.For), words)
	}
	if s.Away {
		words += o.say("; away")
	}
	if s.TellAt != 0 {
		words += o.say("; told at %s", o.when(s.TellAt))
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
func (s Seat) Words() string { return s.words(Outlook{}) }

func (s Seat) words(o Outlook) string {
	kind, name, _ := strings.Cut(s.Why, ":")
	switch kind {
	case "named":
		return o.say("named in the chain")
	case "group":
		return o.say("member of group %s", name)
	case "chat", "channel":
		return o.say("member of %s in the chat", name)
	case "rotation":
		return o.say("on shift in rotation %s", name)
	case "target_owner":
		return o.say("owner of the target")
	case "identity_owner":
		return o.say("owner of the identity")
	case "manager":
		return o.say("manager of the requester")
	case "fallback":
		return o.say("asked because nobody else could be: %s", Seat{Why: name}.words(o))
	default:
		return s.Why
	}
}
