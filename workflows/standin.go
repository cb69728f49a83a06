package workflows

import "slices"

// StandIn adds, to the open stage, whoever a person on its roster named to decide in their place from now on. The person stays on the roster:
// who is away may still decide, and the two count as one. Where the delegate cannot decide it, nothing changes.
func StandIn(f Facts, id RequestID, away, delegate PersonID) (Outcome, error) {
	s, err := Fold(f.Histories[RequestStream(id)])
	if err != nil {
		return Outcome{}, err
	}
	st := s.open()
	if st == nil {
		return Outcome{}, nil
	}
	i := slices.IndexFunc(st.Roster, func(x Seat) bool { return x.Person == away && x.For == "" })
	if i < 0 || !s.mayDecide(st, st.Roster[i]) || slices.ContainsFunc(st.Roster, func(x Seat) bool { return x.Person == delegate }) {
		return Outcome{}, nil
	}
	seat := st.Roster[i]
	seat.Person, seat.For, seat.Away, seat.TellAt = delegate, away, false, 0
	if !s.mayDecide(st, seat) {
		return Outcome{}, nil
	}
	t := newTurn(s, id, f.Now)
	t.add(System, RosterChanged{Stage: t.Current, Roster: append(slices.Clone(st.Roster), seat), Why: "delegation"})
	return t.done()
}
