package spec

import (
	"slices"
	"strconv"
)

// seats is one stage with who can sit on it.
type seats struct {
	stage  *value
	quorum int
	who    *yield // nil: a problem was reported, or it cannot be said
	more   *yield // after escalation; nil when there is none
	unsure bool   // the escalation had a problem
	repeat bool

	apart   []string // names of the earlier steps whose approvers do not count; nil: all of them
	consent bool
	parts   []seats // groups with quorums of their own
	any     bool    // one of them is enough
}

// others tells whether nobody who approved one of the steps before counts here: then its people are further ones.
func (s seats) others(before []seats) bool {
	return !s.repeat && (len(s.apart) == 0 || !slices.ContainsFunc(before, func(b seats) bool { return !slices.Contains(s.apart, b.stage.str("name")) }))
}

// all is everybody who can be asked at the stage, and whether that is known for sure.
func (s seats) all() (map[string]bool, bool) {
	if s.who == nil || s.unsure || !s.who.fixed() || s.more != nil && !s.more.fixed() {
		return nil, false
	}
	out := map[string]bool{}
	for k := range s.who.people {
		out[k] = true
	}
	if s.more != nil {
		for k := range s.more.people {
			out[k] = true
		}
	}
	return out, true
}

// inPlans holds every way through a chain to what can be done: there are people for it, and a consent comes last.
func (c *checker) inPlans(x chain) {
	for _, p := range x.plans {
		way := make([]seats, 0, len(p.stages))
		for _, i := range p.stages {
			way = append(way, x.stages[i])
		}
		c.consent(x.w, p, way)
		c.feasible(x.w, way, x.askers)
	}
}

// consent refuses silence as the only yes, and a yes after it.
func (c *checker) consent(w *workflow, p plan, way []seats) {
	for i, s := range way {
		of := ""
		if p.rule != nil {
			of = " under rule " + strconv.Quote(p.rule.str("name"))
		}
		switch {
		case !s.consent:
		case len(way) == 1:
			c.at(s.stage.or("kind"), "silence alone never approves: put a step of approval before it", "step %q is the only one%s", s.stage.str("name"), of)
		case i < len(way)-1:
			c.at(s.stage.or("kind"), "a consent is the last step", "step %q is followed by another%s", s.stage.str("name"), of)
		}
	}
}

// feasible refuses a chain that nobody who may ask could ever pass: approvers who are only the requester, or too few
// different people for all the stages together.
func (c *checker) feasible(w *workflow, chain []seats, askers *yield) {
	if askers == nil || len(askers.people) == 0 {
		return
	}
	for i := range chain {
		set, known := chain[i].all()
		if !known {
			continue
		}
		if c.everybody(askers, func(k string) bool { return without(set, k) < chain[i].quorum }) {
			c.at(chain[i].stage.or("approvers"), "the requester never counts: name more people",
				"%s.approvers: too few without the one who asks; nobody who may ask could ever be approved", chain[i].stage.path)
			return
		}
	}
	if c.everybody(askers, func(k string) bool { return !matches(chain, k) }) {
		c.at(w.or("stages"), "one person counts in one stage only, unless repeat is true",
			"the stages of %q need more different people than they name", w.id)
	}
}

func (c *checker) everybody(y *yield, f func(key string) bool) bool {
	for k := range y.people {
		if !f(k) {
			return false
		}
	}
	return true
}

func without(set map[string]bool, k string) int {
	if set[k] {
		return len(set) - 1
	}
	return len(set)
}

// rows is the sets of seats that must all be filled: the groups of a step that wants all of them, each with those of the escalation, or the
// step itself.
func (s seats) rows() []seats {
	if len(s.parts) == 0 || s.any {
		return []seats{s}
	}
	out := make([]seats, len(s.parts))
	for i, p := range s.parts {
		p.more, p.unsure = s.more, s.unsure
		out[i] = p
	}
	return out
}

// matches tells whether the stages can be filled with different people, none of them the requester: a matching of
// people to seats, found by augmenting paths. Stages that may repeat people or are not known for sure are left out.
func matches(chain []seats, requester string) bool {
	var rows [][]string // one row a seat: who can take it
	for i, s := range chain {
		if s.consent || !s.others(chain[:i]) {
			continue
		}
		for _, part := range s.rows() {
			set, known := part.all()
			if !known {
				continue
			}
			var who []string
			for k := range set {
				if k != requester {
					who = append(who, k)
				}
			}
			for range part.quorum {
				rows = append(rows, who)
			}
		}
	}
	if len(rows) > maxMembers {
		return true // not worth the time; the engine refuses what cannot complete
	}
	seat := map[string]int{}
	for i := range rows {
		if !seatOne(rows, i, seat, map[string]bool{}) {
			return false
		}
	}
	return true
}

func seatOne(rows [][]string, i int, seat map[string]int, tried map[string]bool) bool {
	slices.Sort(rows[i])
	for _, who := range rows[i] {
		if tried[who] {
			continue
		}
		tried[who] = true
		if j, taken := seat[who]; !taken || seatOne(rows, j, seat, tried) {
			seat[who] = i
			return true
		}
	}
	return false
}
