package workflows

import "slices"

// voice is one person's say in a stage. No two voices that are counted together are of the same person.
type voice struct {
	person PersonID
	place  PersonID // in whose place; empty: their own
	parts  []int    // which parts of the stage it may count for
}

// isOne tells whether two voices count as one: somebody who is away and whoever decides in their place are one principal, as are two who
// decide in the place of the same person.
func (v voice) isOne(o voice) bool {
	return v.person == o.person || v.place != "" && (v.place == o.person || v.place == o.place) || o.place != "" && o.place == v.person
}

// principals gives, for each principal among the voices, the parts that it may count for. The rule is transitive: if ann stands for bob and
// bob for carol, the three are one, so that a row of delegates never makes a quorum.
func principals(voices []voice) [][]int {
	root := make([]int, len(voices))
	for i := range root {
		root[i] = i
	}
	for i, v := range voices {
		if v.place == "" {
			continue // whoever stands for this one finds it
		}
		for j, o := range voices {
			if i != j && v.isOne(o) {
				join(root, i, j)
			}
		}
	}
	var out [][]int
	at := make([]int, len(voices))
	for i, r := range root {
		if r == i {
			at[i] = len(out)
			out = append(out, slices.Clone(voices[i].parts))
		}
	}
	for i, r := range root {
		for _, p := range voices[i].parts {
			if !slices.Contains(out[at[r]], p) {
				out[at[r]] = append(out[at[r]], p)
			}
		}
	}
	return out
}

// join makes two groups one; the root of a group is its least member.
func join(root []int, i, j int) {
	a, b := min(root[i], root[j]), max(root[i], root[j])
	for k := range root {
		if root[k] == b {
			root[k] = a
		}
	}
}

// missing is how many approvals the stage still wants when these voices approve.
func (p PlannedStage) missing(voices []voice) int {
	if len(p.Parts) == 0 && !slices.ContainsFunc(voices, func(v voice) bool { return v.place != "" }) {
		return max(0, p.Quorum-len(voices))
	}
	people := principals(voices)
	switch {
	case len(p.Parts) == 0:
		return max(0, p.Quorum-len(people))
	case p.AnyPart:
		return p.missingAny(people)
	}
	want := 0
	for _, part := range p.Parts {
		want += part.Quorum
	}
	return want - p.filled(people)
}

// missingAny is how many approvals the part that is nearest to its quorum still wants.
func (p PlannedStage) missingAny(people [][]int) int {
	least := -1
	for i, part := range p.Parts {
		n := part.Quorum
		for _, parts := range people {
			if slices.Contains(parts, i) {
				n--
			}
		}
		if n = max(0, n); least < 0 || n < least {
			least = n
		}
	}
	return max(0, least)
}

// filled is how many of the places of all parts the people can take, each person one place: a maximum matching, found by augmenting paths. A
// first come, first served count would let the order of votes decide whether a stage is satisfied.
func (p PlannedStage) filled(people [][]int) int {
	takes := make([]int, len(people)) // part of each person, or -1
	for i := range takes {
		takes[i] = -1
	}
	n := 0
	for part, want := range p.Parts {
		for range want.Quorum {
			if !place(part, people, takes, make([]bool, len(people))) {
				break
			}
			n++
		}
	}
	return n
}

// place seats one more person in a part, moving others to another part of theirs where that helps.
func place(part int, people [][]int, takes []int, seen []bool) bool {
	for i, parts := range people {
		if seen[i] || takes[i] == part || !slices.Contains(parts, part) {
			continue
		}
		seen[i] = true
		if takes[i] < 0 || place(takes[i], people, takes, seen) {
			takes[i] = part
			return true
		}
	}
	return false
}

// voices are the approvals that stand. A principal of whom somebody denied does not approve: whoever is away overrules their delegate.
func (s *StageState) voices() []voice {
	var out []voice
	for i := range s.Votes {
		if v := &s.Votes[i]; v.Verdict == Approve && !v.TakenBack && !s.deniedBy(v.voice()) {
			out = append(out, v.voice())
		}
	}
	return out
}

func (s *StageState) deniedBy(v voice) bool {
	for i := range s.Votes {
		if s.Votes[i].Verdict == Deny && s.Votes[i].isOne(v) {
			return true
		}
	}
	return false
}

// hope are the voices that a stage could come to have: those that stand, and one for everybody on the roster who could still decide and whose
// seat passes. A person's own seat goes before one in somebody's place, as when they vote.
func (s *State) hope(st *StageState, stage int, pass func(Seat) bool) []voice {
	out := append(make([]voice, 0, len(st.Roster)), st.voices()...)
	for _, own := range []bool{true, false} {
		for _, seat := range st.Roster {
			v := seat.voice()
			if (v.place == "") != own || st.HasVoted(v.person) || !s.eligible(stage, seat) || st.deniedBy(v) || !pass(seat) {
				continue
			}
			if own || !slices.ContainsFunc(out, func(o voice) bool { return o.person == v.person }) {
				out = append(out, v)
			}
		}
	}
	return out
}

// isOne is voice.isOne of a vote, without copying it.
func (v *Vote) isOne(o voice) bool {
	return v.Person == o.person || v.For != "" && (v.For == o.person || v.For == o.place) || o.place != "" && o.place == v.Person
}

func (v Vote) voice() voice { return voice{v.Person, v.For, v.Parts} }

func (s Seat) voice() voice { return voice{s.Person, s.For, s.Parts} }

// Enough tells whether the stage would be satisfied if everybody on these seats approved: whether so many different people, where it has parts
// so placed in them, are its quorum.
func (s Stage) Enough(seats []Seat) bool {
	plan := (&Workflow{Stages: []Stage{s}}).planOf()[0]
	var all []voice
	for _, seat := range seats {
		i := slices.IndexFunc(all, func(v voice) bool { return v.person == seat.Person })
		if i < 0 {
			all = append(all, seat.voice())
			continue
		}
		if seat.For == "" { // who has a seat of their own counts by it
			all[i].place = ""
		}
		all[i].parts = slices.Concat(all[i].parts, seat.Parts)
	}
	return plan.missing(all) == 0
}
