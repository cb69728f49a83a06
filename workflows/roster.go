package workflows

// roll finds a seat that is on a list already without sorting and without a map: rosters of hundreds are folded with every decision. It
// has more than twice as many slots as a roster has seats, so that there is always an empty one. Ids are random, so a few of their bytes tell
// most of them apart.
type roll struct{ slots [2048]uint16 }

// add puts the seat that will stand at the end of the list on the roll; false means that the list has it already.
func (r *roll) add(list []Seat, s Seat) bool {
	at, found := r.find(list, s)
	if !found {
		r.slots[at] = uint16(len(list)) + 1
	}
	return !found
}

// has tells whether a list that was put on the roll seat by seat has the seat.
func (r *roll) has(list []Seat, s Seat) bool {
	_, found := r.find(list, s)
	return found
}

// find gives the slot of the seat, or the one where it would go.
func (r *roll) find(list []Seat, s Seat) (slot uint64, found bool) {
	h := spread(string(s.Person), 14695981039346656037)
	if s.For != "" {
		h = spread(string(s.For), h)
	}
	for slot = h % uint64(len(r.slots)); r.slots[slot] != 0; slot = (slot + 1) % uint64(len(r.slots)) {
		if o := list[r.slots[slot]-1]; o.Person == s.Person && o.For == s.For {
			return slot, true
		}
	}
	return slot, false
}

// spread is FNV-1a over the last bytes of an id.
func spread(id string, h uint64) uint64 {
	for i := max(0, len(id)-6); i < len(id); i++ {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}

// free leaves out of a roster whoever may not decide the stage, and doubles.
func (s *State) free(stage int, seats []Seat) []Seat {
	out := make([]Seat, 0, min(len(seats), MaxRoster))
	var seen roll
	for _, seat := range seats {
		if len(out) < MaxRoster && s.eligible(stage, seat) && seen.add(out, seat) {
			out = append(out, seat)
		}
	}
	return out
}

// single gives a recorded roster without doubles, as far as there is room. Almost every one is as it should be and is not copied: rosters
// are never changed in place.
func single(seats []Seat) []Seat {
	var seen roll
	for i := range seats {
		if i >= MaxRoster || !seen.add(seats[:i], seats[i]) {
			return widen(nil, seats)
		}
	}
	return seats[:len(seats):len(seats)]
}

// widen gives those of more who are not on the roster yet, each once, as far as there is room.
func widen(roster, more []Seat) []Seat {
	var seen roll
	all := make([]Seat, 0, min(len(roster)+len(more), MaxRoster))
	for _, list := range [][]Seat{roster, more} {
		for _, s := range list {
			if len(all) < MaxRoster && seen.add(all, s) {
				all = append(all, s)
			}
		}
	}
	return all[min(len(roster), len(all)):]
}

// eligible tells whether somebody may decide a stage by a seat: neither they nor the person in whose place they sit stands behind the
// request or has approved a stage that this one must be distinct from.
func (s *State) eligible(stage int, seat Seat) bool {
	return seat.Person != "" && seat.Person != seat.For && !s.behind(seat.Person) && !s.behind(seat.For) && !s.spent(stage, seat.voice())
}

// spent tells whether a voice, or somebody it counts as one with, approved a stage from whose approvers this one is kept apart.
func (s *State) spent(stage int, v voice) bool {
	if stage >= len(s.Stages) || s.Stages[stage].Plan.Repeat {
		return false
	}
	for i := range stage {
		if !s.Stages[stage].Plan.isApartFrom(i) {
			continue
		}
		votes := s.Stages[i].Votes
		for k := range votes {
			if votes[k].Verdict == Approve && !votes[k].TakenBack && votes[k].isOne(v) {
				return true
			}
		}
	}
	return false
}

// isApartFrom tells whether those who approved an earlier stage do not count in this one.
func (p PlannedStage) isApartFrom(stage int) bool {
	if len(p.Apart) == 0 {
		return true
	}
	for _, i := range p.Apart {
		if i == stage {
			return true
		}
	}
	return false
}

// behind is Asker without copying the state.
func (s *State) behind(p PersonID) bool {
	return p != "" && (p == s.Requester.Person || p == s.Asked.Subject.Person() || p == s.Asked.Sponsor)
}

// isAvailable tells whether somebody counts as there: not on time off, and, where a stage looks at that, at work.
func (p PlannedStage) isAvailable(s Seat) bool {
	return !s.Away && (p.OffHours != OffHoursAwake || s.TellAt == 0)
}

// tiers is how many escalations were planned.
func (p PlannedStage) tiers() int {
	if len(p.Tiers) == 0 && p.Escalate > 0 { // entries older than Tiers
		return 1
	}
	return len(p.Tiers)
}

// hasMoreTiers tells whether the stage can still be widened.
func (s *StageState) hasMoreTiers() bool { return s.TierOpen < s.Plan.tiers() }

// tier is whom an escalation would add.
func (r StageRoster) tier(i int) []Seat {
	switch {
	case i == 0:
		return r.Escalate
	case i-1 < len(r.Then):
		return r.Then[i-1]
	}
	return nil
}

// everybody is whom the stage could ask at most.
func (r StageRoster) everybody() []Seat {
	out := append(append([]Seat(nil), r.Approvers...), r.Escalate...)
	for _, t := range r.Then {
		out = append(out, t...)
	}
	return out
}

// stage is the roster of one stage; empty where nobody was asked about it.
func (r Rosters) stage(i int) StageRoster {
	if i < 0 || i >= len(r.Stages) {
		return StageRoster{}
	}
	return r.Stages[i]
}

// seatsOf are the seats by which a person could decide what they sent at a moment: those on the roster, and those they have left since then.
// Who is on shift is judged when a vote is received. Their own seat comes first.
func (s *StageState) seatsOf(p PersonID, received Stamp) []Seat {
	var own, placed []Seat
	keep := func(seat *Seat) {
		if seat.For == "" {
			own = append(own, *seat)
		} else {
			placed = append(placed, *seat)
		}
	}
	for i := range s.Roster {
		if s.Roster[i].Person == p && p != "" {
			keep(&s.Roster[i])
		}
	}
	for i := range s.Left {
		if s.Left[i].Seat.Person == p && p != "" && received < s.Left[i].At {
			keep(&s.Left[i].Seat)
		}
	}
	return append(own, placed...)
}

// SeatOf is the seat by which a person would decide the open stage with something they sent at a moment: their own, or one in whose
// place nobody has decided yet.
func (s State) SeatOf(p PersonID, received Stamp) (Seat, bool) {
	st := s.Open()
	if st == nil {
		return Seat{}, false
	}
	seat, r := s.pick(st, p, received, Approve)
	return seat, r == nil
}

// pick finds the seat that a decision is given by, or says why there is none.
func (s *State) pick(st *StageState, p PersonID, received Stamp, v Verdict) (Seat, *Refusal) {
	var first *Refusal
	for _, seat := range st.seatsOf(p, received) {
		r := s.refuseSeat(st, seat, v)
		if r == nil {
			return seat, nil
		}
		if first == nil {
			first = r
		}
	}
	if first == nil {
		first = Refusef(CodeNotApprover, "The card names who can.", "You are not among those asked to decide stage %d (%s).", s.Current+1, st.Plan.Name)
	}
	return Seat{}, first
}

func (s *State) refuseSeat(st *StageState, seat Seat, v Verdict) *Refusal {
	switch {
	case st.HasVoted(seat.Person):
		return Refuse(CodeAlreadyVoted, "Your decision on this stage is already recorded.", "You can take it back until the access starts.")
	case s.behind(seat.For):
		return Refuse(CodeSelfApproval, "You would decide in the place of somebody who stands behind this request.", "Somebody else on the list has to.")
	case s.spent(s.Current, seat.voice()):
		return Refuse(CodeRepeat, "You approved an earlier stage, or somebody did in whose place you stand; this chain wants somebody else here.", "")
	case v != Deny && st.hasDecided(seat.voice()):
		return Refuse(CodeAlreadyVoted, "Somebody has already decided this stage in your place, or the person in whose place you stand has.", "You can still deny it.")
	}
	return nil
}

// hasDecided tells whether a vote stands that counts as one with the voice.
func (s *StageState) hasDecided(v voice) bool {
	for i := range s.Votes {
		if !s.Votes[i].TakenBack && s.Votes[i].isOne(v) {
			return true
		}
	}
	return false
}
