package workflows_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// The oracle reads a history event by event and finds an approval that should not be there. It knows nothing of Fold and shares no code with
// the engine: people are counted by colouring a graph, parts are filled by trying everything.

type oracleStage struct {
	plan          workflows.PlannedStage
	seats         []workflows.Seat
	left          map[string]workflows.Stamp // seat -> until when it could be voted by
	votes         []oracleVote
	until         workflows.Stamp
	tiers, shifts int
	shiftsAt      []workflows.Stamp
	told          map[workflows.PersonID]bool
	met           bool
	opened        bool
}

type oracleVote struct {
	person, place workflows.PersonID
	parts         []int
	deny          bool
}

func seatKey(p, place workflows.PersonID) string { return string(p) + " for " + string(place) }

// same tells whether two decisions are of one principal.
func (v oracleVote) same(o oracleVote) bool {
	mine := []workflows.PersonID{v.person, v.place}
	for _, p := range []workflows.PersonID{o.person, o.place} {
		if p != "" && slices.Contains(mine, p) {
			return true
		}
	}
	return false
}

// oracle reads what the engine recorded: nobody even sits on a roster who may not decide.
func oracle(h []workflows.Record) error { return run(h, true) }

// lenient reads what anybody may have recorded: who sits on a roster by forgery matters when they decide.
func lenient(h []workflows.Record) error { return run(h, false) }

func run(h []workflows.Record, strict bool) error {
	sub, ok := h[0].Event.(workflows.Submitted)
	if !ok {
		return errors.New("it does not begin with a submission")
	}
	o := &oracleRun{strict: strict, sub: sub, requester: h[0].Person, stages: make([]oracleStage, len(sub.Plan)), current: 0}
	for i, p := range sub.Plan {
		o.stages[i] = oracleStage{plan: p, left: map[string]workflows.Stamp{}, told: map[workflows.PersonID]bool{}}
	}
	for _, r := range h[1:] {
		if err := o.event(r); err != nil {
			return fmt.Errorf("seq %d, %s: %w", r.Seq, r.Event.Kind(), err)
		}
	}
	return nil
}

type oracleRun struct {
	sub       workflows.Submitted
	requester workflows.PersonID
	stages    []oracleStage
	current   int
	outcome   string
	after     int // outcomes behind the first
	alone     bool
	strict    bool
}

func (o *oracleRun) behind(p workflows.PersonID) bool {
	return p != "" && (p == o.requester || p == o.sub.Subject.Person() || p == o.sub.Sponsor)
}

func (o *oracleRun) event(r workflows.Record) error {
	if i, ok := stageIn(r.Event); ok && (i < 0 || i >= len(o.stages)) {
		return errors.New("no such stage")
	}
	switch e := r.Event.(type) {
	case workflows.StageOpened:
		st := &o.stages[e.Stage]
		if e.Stage != o.current || st.opened || o.outcome != "" {
			return errors.New("opened out of turn")
		}
		st.opened, st.seats, st.until, st.shiftsAt = true, e.Roster, e.TimesOutAt, e.ShiftsAt
		return o.clean(st, e.Stage, e.Roster)
	case workflows.StageEscalated:
		st := &o.stages[e.Stage]
		if st.tiers++; st.tiers > len(st.plan.Tiers) {
			return errors.New("more tiers than planned")
		}
		st.seats = append(slices.Clone(st.seats), e.Added...)
		return o.clean(st, e.Stage, e.Added)
	case workflows.RosterChanged:
		return o.shift(&o.stages[e.Stage], e, r.At.UTC)
	case workflows.NoticeDelivered:
		o.delivered(e.Notice)
	case workflows.VoteRecorded:
		return o.vote(r, e)
	case workflows.VoteTakenBack:
		st := &o.stages[e.Stage]
		st.votes = slices.DeleteFunc(slices.Clone(st.votes), func(v oracleVote) bool { return v.person == r.Person && !v.deny })
	case workflows.StageSatisfied:
		st := &o.stages[e.Stage]
		if st.met, o.current = true, o.current+1; st.plan.Kind == workflows.StageConsent && r.At.UTC < st.until {
			return errors.New("silence taken for consent before its time")
		}
	case workflows.AutoApproved:
		o.alone = e.Used >= 1 && e.Used <= e.Times && (e.Rule == o.sub.Chosen || e.Rule == "window "+o.sub.Window)
	case workflows.Approved:
		if err := o.end("approved"); err != nil {
			return err
		}
		return o.approved()
	case workflows.Denied, workflows.Withdrawn, workflows.TimedOut, workflows.Superseded, workflows.Failed:
		return o.end(r.Event.Kind())
	}
	return nil
}

// stageIn is the stage that an event is about.
func stageIn(e workflows.Event) (int, bool) {
	switch e := e.(type) {
	case workflows.StageOpened:
		return e.Stage, true
	case workflows.StageEscalated:
		return e.Stage, true
	case workflows.RosterChanged:
		return e.Stage, true
	case workflows.VoteRecorded:
		return e.Stage, true
	case workflows.VoteTakenBack:
		return e.Stage, true
	case workflows.StageSatisfied:
		return e.Stage, true
	}
	return 0, false
}

// end: one outcome; only an approved request may fail or be superseded afterwards, once.
func (o *oracleRun) end(kind string) error {
	switch {
	case o.outcome == "":
		o.outcome = kind
	case o.outcome == "approved" && o.after == 0 && (kind == "request.superseded" || kind == "request.failed"):
		o.after++
	default:
		return fmt.Errorf("%s after %s", kind, o.outcome)
	}
	return nil
}

// clean: nobody is seated who stands behind the request or approved a stage that this one is kept apart from.
func (o *oracleRun) clean(st *oracleStage, stage int, seats []workflows.Seat) error {
	for _, s := range seats {
		if !o.strict {
			return nil
		}
		if o.behind(s.Person) || o.behind(s.For) || s.Person == s.For || s.Person == "" {
			return fmt.Errorf("%s sits on the roster", seatKey(s.Person, s.For))
		}
		if o.spent(st, stage, oracleVote{person: s.Person, place: s.For}) {
			return fmt.Errorf("%s sits on the roster and has approved before", seatKey(s.Person, s.For))
		}
	}
	return nil
}

func (o *oracleRun) spent(st *oracleStage, stage int, v oracleVote) bool {
	for i := range stage {
		apart := len(st.plan.Apart) == 0 || slices.Contains(st.plan.Apart, i)
		if !apart || st.plan.Repeat {
			continue
		}
		if slices.ContainsFunc(o.stages[i].votes, func(w oracleVote) bool { return !w.deny && w.same(v) }) {
			return true
		}
	}
	return false
}

func (o *oracleRun) shift(st *oracleStage, e workflows.RosterChanged, at workflows.Stamp) error {
	due := st.shifts < len(st.shiftsAt) && at >= st.shiftsAt[st.shifts]
	has := func(list []workflows.Seat, s workflows.Seat) bool {
		return slices.ContainsFunc(list, func(x workflows.Seat) bool { return x.Person == s.Person && x.For == s.For })
	}
	for _, s := range e.Roster {
		stands := s.For != "" && has(st.seats, workflows.Seat{Person: s.For}) // in the place of somebody who is asked
		if !has(st.seats, s) && !due && !stands {
			return fmt.Errorf("%s came on without a shift", s.Person)
		}
	}
	for _, s := range st.seats {
		if !has(e.Roster, s) {
			st.left[seatKey(s.Person, s.For)] = at
		}
	}
	for st.shifts < len(st.shiftsAt) && at >= st.shiftsAt[st.shifts] {
		st.shifts++
	}
	st.seats = e.Roster
	return o.clean(st, e.Stage, e.Roster)
}

func (o *oracleRun) delivered(notice string) {
	if o.current >= len(o.stages) {
		return
	}
	for _, s := range o.stages[o.current].seats {
		if notice == fmt.Sprintf("ask/%d/%s", o.current, s.Person) {
			o.stages[o.current].told[s.Person] = true
		}
	}
}

func (o *oracleRun) vote(r workflows.Record, e workflows.VoteRecorded) error {
	st := &o.stages[e.Stage]
	v := oracleVote{person: r.Person, place: e.For, deny: e.Verdict == workflows.Deny}
	at := slices.IndexFunc(st.seats, func(s workflows.Seat) bool { return s.Person == r.Person && s.For == e.For })
	switch until, left := st.left[seatKey(r.Person, e.For)]; {
	case at >= 0:
		v.parts = st.seats[at].Parts
	case !left || e.ReceivedAt >= until:
		return fmt.Errorf("vote of %s, who has no seat", seatKey(r.Person, e.For))
	}
	switch {
	case o.outcome != "" || e.Stage != o.current || !st.opened:
		return errors.New("vote in a stage that is not open")
	case o.behind(r.Person) || o.behind(e.For):
		return fmt.Errorf("vote of %s, who stands behind the request", seatKey(r.Person, e.For))
	case e.ReceivedAt >= st.until:
		return fmt.Errorf("late vote of %s", r.Person)
	case e.Digest != o.sub.Digest:
		return errors.New("vote on another text")
	case slices.ContainsFunc(st.votes, func(w oracleVote) bool { return w.person == r.Person }):
		return fmt.Errorf("second vote of %s", r.Person)
	case o.spent(st, e.Stage, v):
		return fmt.Errorf("vote of %s, who approved before", r.Person)
	case !v.deny && st.plan.Kind == workflows.StageConsent:
		return errors.New("approval of silence")
	}
	st.votes = append(st.votes, v)
	return nil
}

// approved holds every stage to its quorum.
func (o *oracleRun) approved() error {
	if len(o.stages) == 0 && !o.alone {
		return errors.New("nobody and no rule approved")
	}
	for i := range o.stages {
		st := &o.stages[i]
		if !st.met {
			return fmt.Errorf("stage %d was never met", i)
		}
		if st.plan.Kind == workflows.StageConsent {
			if err := st.silent(i, len(o.stages)); err != nil {
				return err
			}
			continue
		}
		if err := st.enough(); err != nil {
			return fmt.Errorf("stage %d: %w", i, err)
		}
	}
	return nil
}

func (st *oracleStage) silent(i, n int) error {
	var told []oracleVote
	for _, s := range st.seats {
		if st.told[s.Person] && !slices.ContainsFunc(told, func(v oracleVote) bool { return v.person == s.Person }) {
			told = append(told, oracleVote{person: s.Person, place: s.For})
		}
	}
	if i == 0 || i != n-1 || len(st.votes) > 0 || len(colours(told)) < st.plan.Quorum {
		return fmt.Errorf("stage %d took the silence of %d for consent of %d", i, len(colours(told)), st.plan.Quorum)
	}
	return nil
}

// colours groups decisions into principals, each with all parts that its people may count for.
func colours(votes []oracleVote) [][]int {
	colour := make([]int, len(votes))
	for i := range colour {
		colour[i] = i
	}
	for range votes { // as often as there are votes: then every path has been walked
		for i := range votes {
			for j := range votes {
				if votes[i].same(votes[j]) {
					colour[i] = min(colour[i], colour[j])
				}
			}
		}
	}
	var out [][]int
	for c := range votes {
		var parts []int
		any := false
		for i, v := range votes {
			if colour[i] == c {
				any, parts = true, append(parts, v.parts...)
			}
		}
		if any {
			out = append(out, parts)
		}
	}
	return out
}

func (st *oracleStage) enough() error {
	var yes []oracleVote
	for _, v := range st.votes {
		if v.deny {
			if st.plan.Deny != workflows.DenyCounts {
				return fmt.Errorf("%s denied", v.person)
			}
			continue
		}
		if !slices.ContainsFunc(st.votes, func(w oracleVote) bool { return w.deny && w.same(v) }) {
			yes = append(yes, v)
		}
	}
	people := colours(yes)
	ok := len(people) >= st.plan.Quorum && st.plan.Quorum > 0
	switch {
	case len(st.plan.Parts) > 0 && st.plan.AnyPart:
		ok = slices.ContainsFunc(slices.Collect(parted(st.plan.Parts)), func(want []int) bool { return canFill(people, want) })
	case len(st.plan.Parts) > 0:
		want := make([]int, len(st.plan.Parts))
		for i, p := range st.plan.Parts {
			want[i] = p.Quorum
		}
		ok = canFill(people, want)
	}
	if !ok {
		return fmt.Errorf("%d people for a quorum of %d in %d parts", len(people), st.plan.Quorum, len(st.plan.Parts))
	}
	return nil
}

// parted gives, for each part, what is wanted if that part alone is enough.
func parted(parts []workflows.PlannedPart) func(func([]int) bool) {
	return func(yield func([]int) bool) {
		for i, p := range parts {
			want := make([]int, len(parts))
			want[i] = p.Quorum
			if !yield(want) {
				return
			}
		}
	}
}

// canFill tries everything: the first person takes no part, or any of theirs.
func canFill(people [][]int, want []int) bool {
	if !slices.ContainsFunc(want, func(n int) bool { return n > 0 }) {
		return true
	}
	if len(people) == 0 {
		return false
	}
	for _, p := range people[0] {
		if p < len(want) && want[p] > 0 {
			rest := slices.Clone(want)
			rest[p]--
			if canFill(people[1:], rest) {
				return true
			}
		}
	}
	return canFill(people[1:], want)
}
