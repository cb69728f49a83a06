package desk_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// oracle knows, by other means than the desk and the engine, who may decide what: it keeps its own books of groups, shifts and time off, and
// counts heads by trying all of them.
type oracle struct {
	x        *office
	asker    string
	stages   []oracleStage
	groups   map[string][]string // as they stood when the request was bound
	away     map[string]string   // who is away, and who stands in for them ("" for nobody)
	excluded []string
}

// oracleStage is a stage in words: each part a list of sources ("ann", "group:dba", "rotation:r") and how many it needs.
type oracleStage struct {
	parts []oraclePart
	any   bool
}

type oraclePart struct {
	sources []string
	quorum  int
}

// yields tells whether a source names somebody, as the world is now.
func (o *oracle) yields(source, who string) bool {
	kind, name, ok := strings.Cut(source, ":")
	if !ok {
		return source == who
	}
	switch kind {
	case "group": // bound and still
		return slices.Contains(o.groups[name], who) && slices.Contains(o.x.draft.groups[name], person(who))
	case "rotation":
		return slices.Contains(o.x.draft.rotations[name].On(o.x.now()), person(who))
	}
	return false
}

// parts are the parts of a stage that somebody may decide: by themselves, or in the place of somebody who is away.
func (o *oracle) parts(stage int, who string) (own, placed map[int]bool, places []string) {
	own, placed = map[int]bool{}, map[int]bool{}
	for i, p := range o.stages[stage].parts {
		for _, s := range p.sources {
			if o.yields(s, who) {
				own[i] = true
			}
			for away, delegate := range o.away {
				if delegate == who && away != who && away != o.asker && o.yields(s, away) {
					placed[i] = true
					places = append(places, away)
				}
			}
		}
	}
	return own, placed, places
}

func (o *oracle) may(stage int, who string) bool {
	if who == o.asker || slices.Contains(o.excluded, who) {
		return false
	}
	own, placed, _ := o.parts(stage, who)
	return len(own)+len(placed) > 0
}

// met tries every way to give each of some principals one part, until each part has its quorum.
func (s oracleStage) met(principals [][]int) bool {
	need := make([]int, len(s.parts))
	for i, p := range s.parts {
		need[i] = p.quorum
	}
	if s.any {
		for i := range need {
			n := 0
			for _, parts := range principals {
				if slices.Contains(parts, i) {
					n++
				}
			}
			if n >= need[i] {
				return true
			}
		}
		return false
	}
	var try func(k int) bool
	try = func(k int) bool {
		if !slices.ContainsFunc(need, func(n int) bool { return n > 0 }) {
			return true
		}
		if k == len(principals) {
			return false
		}
		for _, p := range principals[k] {
			if need[p] > 0 {
				need[p]--
				if try(k + 1) {
					return true
				}
				need[p]++
			}
		}
		return try(k + 1)
	}
	return try(0)
}

// accepted is a vote that the desk took, with the parts and the places that the oracle saw for it at that moment.
type accepted struct {
	stage  int
	who    string
	place  string
	parts  []int
	denied bool
}

// No story that goes through the desk reaches approved unless the document allowed it: by people who were named at the moment of their vote,
// each counted once, never who asks, none twice over stages, in every part enough.
func TestNothingIsApprovedThatTheDocumentDidNotAllow(t *testing.T) {
	t.Parallel()
	approved := 0
	rapid.Check(t, func(r *rapid.T) {
		if story(t, r) {
			approved++
		}
	})
	if approved == 0 {
		t.Error("no story reached an approval: the property holds nothing")
	}
}

var crew = []string{"zed", "ann", "bob", "cho", "dan", "gus"}

func story(t *testing.T, r *rapid.T) bool {
	o := &oracle{away: map[string]string{}, groups: map[string][]string{}}
	x := on(t, monday, func(d *draft) {
		d.groups["g"] = persons(rapid.SliceOfNDistinct(rapid.SampledFrom(crew), 1, 4, rapid.ID[string]).Draw(r, "group")...)
		var turns []string
		for range 6 {
			turns = append(turns, strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(crew), 1, 2, rapid.ID[string]).Draw(r, "shift"), " "))
		}
		d.rotations["r"] = desk.Rotation{Name: "r", People: persons(crew...), Shifts: shifts{workflows.StampOf(monday), turns}}
		flow(d, "x", nil, o.draw(r)...)
	})
	o.x = x
	for _, p := range x.draft.groups["g"] {
		o.groups["g"] = append(o.groups["g"], strings.TrimPrefix(string(p), "p_"))
	}
	o.asker = rapid.SampledFrom(crew).Draw(r, "asker")
	var id workflows.RequestID
	var votes []accepted
	for range rapid.IntRange(8, 30).Draw(r, "steps") {
		if id == "" {
			if rapid.Bool().Draw(r, "away first") {
				o.leave(r)
				continue
			}
			out := x.submit(x.submission(o.asker, "x"))
			if out.Refusal != nil {
				return false
			}
			id = out.ID
			continue
		}
		o.step(r, id, &votes)
	}
	if id == "" || x.state(id).Status != workflows.StatusApproved {
		return false
	}
	if err := o.judge(votes); err != nil {
		r.Fatalf("approved although %v; votes %+v; stages %+v", err, votes, o.stages)
	}
	return true
}

// draw makes one or two stages, of one to three parts.
func (o *oracle) draw(r *rapid.T) []workflows.Stage {
	var out []workflows.Stage
	for i := range rapid.IntRange(1, 2).Draw(r, "stages") {
		st := stage(fmt.Sprintf("s%d", i), 1, workflows.Selector{})
		st.Timeout = 24 * 3600
		var os oracleStage
		for j := range rapid.IntRange(1, 3).Draw(r, "parts") {
			part := oraclePart{sources: rapid.SliceOfN(rapid.SampledFrom(append([]string{"group:g", "group:g", "group:g", "rotation:r", "rotation:r"}, crew...)), 1, 4).Draw(r, "sources"), quorum: rapid.SampledFrom([]int{1, 1, 2}).Draw(r, "quorum")}
			os.parts = append(os.parts, part)
			st.Parts = append(st.Parts, workflows.Part{Name: fmt.Sprint(j), Approvers: selectorOf(part.sources), Quorum: part.quorum})
		}
		os.any = len(os.parts) > 1 && rapid.Bool().Draw(r, "any")
		st.AnyPart, st.Quorum = os.any, 0
		least := 0
		for _, p := range os.parts {
			st.Quorum += p.quorum
			if least == 0 || p.quorum < least {
				least = p.quorum
			}
		}
		if os.any {
			st.Quorum = least
		}
		if len(os.parts) == 1 && rapid.Bool().Draw(r, "plain") {
			st.Approvers, st.Parts = st.Parts[0].Approvers, nil
		}
		o.stages, out = append(o.stages, os), append(out, st)
	}
	return out
}

func selectorOf(sources []string) workflows.Selector {
	var s workflows.Selector
	for _, x := range sources {
		switch kind, name, _ := strings.Cut(x, ":"); kind {
		case "group":
			s.Groups = append(s.Groups, workflows.Group{Name: name})
		case "rotation":
			s.Rotations = append(s.Rotations, name)
		default:
			s.People = append(s.People, person(x))
		}
	}
	return s
}

// leave announces time off, or ends it.
func (o *oracle) leave(r *rapid.T) {
	people := slices.Clone(crew)
	if gone := slices.Sorted(maps.Keys(o.away)); len(gone) > 0 && rapid.Bool().Draw(r, "somebody comes back") {
		people = gone
	}
	who := rapid.SampledFrom(people).Draw(r, "who leaves")
	if _, away := o.away[who]; away {
		a, err := o.x.desk.ComeBack(o.x.t.Context(), desk.Leave{Cause: o.x.cause(), By: acting(who), Channel: "slack"})
		if err == nil && a.Refusal == nil {
			delete(o.away, who)
		}
		return
	}
	delegate := rapid.SampledFrom(append([]string{""}, crew...)).Draw(r, "delegate")
	a, err := o.x.desk.GoAway(o.x.t.Context(), desk.Leave{Cause: o.x.cause(), By: acting(who), Until: o.x.now().Add(240 * time.Hour), Delegate: person(delegate), Channel: "slack"})
	if err == nil && a.Refusal == nil {
		o.away[who] = delegate
	}
}

func (o *oracle) step(r *rapid.T, id workflows.RequestID, votes *[]accepted) {
	switch rapid.SampledFrom([]string{"vote", "vote", "vote", "deny", "leave", "leave", "time", "group", "back"}).Draw(r, "step") {
	case "vote":
		o.vote(r, id, workflows.Approve, votes)
	case "deny":
		if rapid.IntRange(0, 3).Draw(r, "really") == 0 {
			o.vote(r, id, workflows.Deny, votes)
		}
	case "leave":
		o.leave(r)
	case "time":
		o.x.clock.Add(time.Hour)
		if rapid.Bool().Draw(r, "the timer runs in time") {
			o.x.tick(workflows.RequestStream(id))
		}
	case "group":
		members := rapid.SliceOfNDistinct(rapid.SampledFrom(crew), 0, 4, rapid.ID[string]).Draw(r, "members")
		o.x.load(func(d *draft) { d.groups["g"] = persons(members...) })
	case "back":
		who := rapid.SampledFrom(crew).Draw(r, "who takes back")
		if a := o.x.takeBack(who, id); a.Refusal == nil {
			*votes = slices.DeleteFunc(*votes, func(v accepted) bool { return v.who == who })
		}
	}
}

func (o *oracle) vote(r *rapid.T, id workflows.RequestID, verdict workflows.Verdict, votes *[]accepted) {
	s := o.x.state(id)
	stage, voters := s.Current, slices.Clone(crew)
	if st := s.Open(); st != nil { // those who were asked once, mostly: they are who could still get through
		for range 3 {
			for _, seat := range st.Roster {
				voters = append(voters, strings.TrimPrefix(string(seat.Person), "p_"))
			}
		}
	}
	who := rapid.SampledFrom(voters).Draw(r, "who votes")
	a := o.x.vote(o.x.ballot(who, id, verdict))
	if a.Refusal != nil {
		return
	}
	if a.Ended() { // too late for a vote: the access exists, and somebody who may end it said no (T20)
		if verdict != workflows.Deny || s.Status != workflows.StatusApproved || slices.ContainsFunc(a.Records, isVote) {
			r.Fatalf("%s ended access of a request that is %q by %q: %+v", who, s.Status, verdict, a.Records)
		}
		return
	}
	if !o.may(stage, who) {
		r.Fatalf("%s decided stage %d of %+v; away %v, group %v", who, stage, o.stages, o.away, o.x.draft.groups["g"])
	}
	v, _ := a.Records[0].Event.(workflows.VoteRecorded)
	own, placed, places := o.parts(stage, who)
	x := accepted{stage: stage, who: who, denied: verdict == workflows.Deny}
	from := own
	if v.For != "" {
		if x.place = strings.TrimPrefix(string(v.For), "p_"); !slices.Contains(places, x.place) {
			r.Fatalf("%s decided in the place of %s", who, x.place)
		}
		from = placed
	}
	for p := range from {
		x.parts = append(x.parts, p)
	}
	*votes = append(*votes, x)
}

func isVote(r workflows.Record) bool {
	_, ok := r.Event.(workflows.VoteRecorded)
	return ok
}

// judge counts again whether each stage had its quorum of distinct people.
func (o *oracle) judge(votes []accepted) error {
	spent := map[string]bool{}
	for i, st := range o.stages {
		var principals [][]int
		one := map[string]bool{}
		for _, v := range votes {
			if v.stage != i {
				continue
			}
			if v.denied {
				return fmt.Errorf("%s denied stage %d", v.who, i)
			}
			for _, p := range []string{v.who, v.place} {
				if p != "" && spent[p] {
					return fmt.Errorf("%s decided two stages", p)
				}
			}
			if one[v.who] || v.place != "" && one[v.place] {
				continue // counts as one with somebody counted already
			}
			one[v.who] = true
			if v.place != "" {
				one[v.place] = true
			}
			principals = append(principals, v.parts)
		}
		for p := range one {
			spent[p] = true
		}
		if !st.met(principals) {
			return fmt.Errorf("stage %d had %v for %+v", i, principals, st)
		}
	}
	return nil
}
