package workflows

// WhyYou is one sentence for the card of a person: what they have to do with the request now. It is empty for somebody who has no part in it.
func WhyYou(s State, p PersonID, o Outlook) string {
	switch {
	case p == "":
		return ""
	case p == s.Requester.Person:
		return o.say("You asked for this, so others decide it.")
	case s.behind(p):
		return o.say("This would be yours, or you answer for its holder, so others decide it.")
	}
	if word := s.yourVote(p, o); word != "" {
		return word
	}
	st := s.open()
	if st == nil {
		return ""
	}
	if seat, ok := s.SeatOf(p, 1<<62); ok {
		return s.yourSeat(st, seat, o)
	}
	if seat, ok := seatIn(st.Roster, p); ok {
		if s.spent(s.Current, seat.voice()) {
			return o.say("You approved an earlier stage; this one wants somebody else.")
		}
		return o.say("Somebody who counts as one with you has decided this stage; you can still deny it.")
	}
	if containsPerson(st.Told, p) {
		return o.say("You are told about this; you are not asked to decide it.")
	}
	return ""
}

// yourVote is what the person has said already.
func (s *State) yourVote(p PersonID, o Outlook) string {
	for i := len(s.Stages) - 1; i >= 0; i-- {
		for _, v := range s.Stages[i].Votes {
			if v.Person != p || v.TakenBack || i < s.Current && s.open() != nil && s.Stages[s.Current].seats(p) {
				continue
			}
			if v.Verdict == Deny {
				return o.say("You denied stage %d (%s)%s at %s.", i+1, s.Stages[i].Plan.Name, v.place(o), o.when(v.At.UTC))
			}
			return o.say("You approved stage %d (%s)%s at %s.", i+1, s.Stages[i].Plan.Name, v.place(o), o.when(v.At.UTC))
		}
	}
	return ""
}

// seats tells whether somebody sits on the roster.
func (s *StageState) seats(p PersonID) bool {
	_, ok := seatIn(s.Roster, p)
	return ok
}

func (s *State) yourSeat(st *StageState, seat Seat, o Outlook) string {
	because := o.say("you are %s", seat.words(o))
	if seat.For != "" {
		because = o.say("%s is away and named you; they are %s", o.name(seat.For), seat.words(o))
	}
	if st.Plan.Kind == StageConsent {
		return o.say("You may object in stage %d of %d (%s) because %s; if you do not by %s, it goes through.", s.Current+1, len(s.Stages), st.Plan.Name, because, o.when(st.TimesOutAt))
	}
	return o.say("You are asked in stage %d of %d (%s) because %s; it still wants %d of those asked.", s.Current+1, len(s.Stages), st.Plan.Name, because, st.Missing())
}
