package workflows

import "strconv"

func askID(what string, stage int, p PersonID) string {
	return what + "/" + strconv.Itoa(stage) + "/" + string(p)
}

func number(n int) string { return strconv.Itoa(n) }

// Notices are the messages that are still owed. One that no longer matters (a reminder for a decided stage) is not owed.
func (s State) Notices() []Notice {
	var out []Notice
	owe := func(n Notice) {
		if _, done := s.Delivered[n.ID]; !done {
			out = append(out, n)
		}
	}
	if s.Asked.Card != "" {
		owe(Notice{ID: NoticeCard, What: NoticeCard, Channel: s.Asked.Card})
	}
	if st := s.open(); st != nil {
		for _, n := range s.asks(st) {
			owe(n)
		}
		for _, p := range s.untold(st.Told) {
			owe(Notice{ID: askID(NoticeTold, s.Current, p), What: NoticeTold, To: p, Stage: s.Current})
		}
	}
	for _, o := range s.Offers {
		if o.Status == OfferOpen {
			owe(Notice{ID: NoticeOffer + "/" + o.ID, What: NoticeOffer, To: s.Requester.Person, Stage: o.Stage, Offer: o.ID})
		}
	}
	if s.Final() && s.Status != StatusWithdrawn {
		for _, n := range s.outcomes() {
			owe(n)
		}
	}
	return out
}

// outcomes tell the end to who asked, and to those who are told without being asked.
func (s *State) outcomes() []Notice {
	var out []Notice
	if s.WhyCode != CodeCountered { // who accepted an offer knows what became of the request
		out = append(out, Notice{ID: NoticeOutcome + "/" + string(s.Status), What: NoticeOutcome, To: s.Requester.Person})
	}
	for _, p := range s.untold(s.Asked.Told) {
		if p != s.Requester.Person {
			out = append(out, Notice{ID: NoticeTold + "/" + string(s.Status) + "/" + string(p), What: NoticeTold, To: p, Stage: len(s.Stages)})
		}
	}
	return out
}

// untold is a list of people without doubles and blanks.
func (s *State) untold(list []PersonID) []PersonID {
	var out []PersonID
	for _, p := range list {
		if p != "" && !containsPerson(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (s *State) asks(st *StageState) []Notice {
	var out []Notice
	var seen roll
	var list []Seat
	for i, seat := range st.Roster {
		p, one := seat.Person, Seat{Person: seat.Person}
		if !s.mayDecide(st, seat) || !seen.add(list, one) {
			continue
		}
		list = append(list, one)
		what := NoticeAsk
		if i >= st.FirstAsked {
			what = NoticeEscalated
		}
		id := askID(NoticeAsk, s.Current, p)
		out = append(out, Notice{ID: id, What: what, To: p, Stage: s.Current, Urgent: what == NoticeEscalated, Due: seat.TellAt})
		if asked, ok := s.Delivered[id]; st.Reminded && i < st.FirstAsked && ok && asked.Seq < st.RemindedAt {
			out = append(out, Notice{ID: askID(NoticeRemind, s.Current, p), What: NoticeRemind, To: p, Stage: s.Current})
		}
	}
	return out
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return Notice{}, false
}

// Parties are all persons who asked for, hold, answer for, were asked or told about, or decided the request.
func (s State) Parties() []PersonID {
	var out []PersonID
	var seen roll
	var list []Seat
	add := func(p PersonID) {
		if one := (Seat{Person: p}); p != "" && len(list) < maxParties && seen.add(list, one) {
			list, out = append(list, one), append(out, p)
		}
	}
	add(s.Requester.Person)
	add(s.Asked.Subject.Person())
	add(s.Asked.Sponsor)
	for _, st := range s.Stages {
		for _, v := range st.Votes {
			add(v.Person)
		}
		for _, seat := range st.Roster {
			add(seat.Person)
			add(seat.For)
		}
		for _, p := range st.Told {
			add(p)
		}
	}
	for _, p := range s.Asked.Told {
		add(p)
	}
	return out
}
