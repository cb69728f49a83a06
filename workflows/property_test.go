package workflows_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

var (
	crowd     = []string{"ann", "bob", "carol", "dave", "erin", "zed"}
	delegates = []string{"ann", "bob", "zed", "gail", "gail", "hugo", "hugo"} // two of them sit in nobody's place but others'
)

// randomPeople draws a roster over a small crowd, so that people meet themselves in it: some are away, some sit in the place of others.
func randomPeople(t *rapid.T, name string, least int) string {
	people := rapid.SliceOfNDistinct(rapid.SampledFrom(crowd), least, len(crowd), rapid.ID[string]).Draw(t, name)
	for i, p := range people {
		switch rapid.IntRange(0, 9).Draw(t, "seat") {
		case 0:
			people[i] += "-"
		case 1, 3:
			people[i] += "- " + rapid.SampledFrom(delegates).Draw(t, "delegate") + "~" + p
		case 2:
			people[i] += "@" + rapid.SampledFrom([]string{"10m", "2h"}).Draw(t, "tell")
		}
	}
	return strings.Join(people, " ")
}

func randomStage(t *rapid.T, i int, last bool) string {
	st := fmt.Sprintf("s%d(%s)x%d", i, randomPeople(t, "roster", 2), rapid.SampledFrom([]int{1, 1, 2, 2, 3}).Draw(t, "quorum"))
	consent := last && i > 0 && rapid.IntRange(0, 2).Draw(t, "consent") == 0
	if !consent && rapid.IntRange(0, 2).Draw(t, "parts") == 0 {
		var list []string
		for k := range rapid.IntRange(2, 3).Draw(t, "how many") {
			list = append(list, fmt.Sprintf("p%d(%s)x%d", k, randomPeople(t, "part", 1), rapid.IntRange(1, 2).Draw(t, "part quorum")))
		}
		st = fmt.Sprintf("s%d[%s]", i, strings.Join(list, rapid.SampledFrom([]string{" & ", " / "}).Draw(t, "all or any")))
	}
	st += fmt.Sprintf(" timeout %dm", rapid.IntRange(30, 300).Draw(t, "timeout"))
	for _, word := range []string{"consent", "repeat", "deny counts", "offhours awake", "apart(s0)"} {
		if word == "consent" && consent || word != "consent" && rapid.IntRange(0, 3).Draw(t, word) == 0 {
			st += " " + word
		}
	}
	if rapid.Bool().Draw(t, "remind") {
		st += fmt.Sprintf(" remind %dm", rapid.IntRange(5, 200).Draw(t, "after"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "tiers") {
		st += fmt.Sprintf(" escalate %dm(%s)", rapid.IntRange(5, 200).Draw(t, "after"), randomPeople(t, "wider", 1))
	}
	if !strings.Contains(st, "[") {
		at := 0
		for range rapid.IntRange(0, 2).Draw(t, "shifts") {
			at += rapid.IntRange(5, 100).Draw(t, "shift")
			st += fmt.Sprintf(" shift %dm(%s)", at, randomPeople(t, "on shift", 1))
		}
	}
	return st
}

// randomChain draws a chain of one to three stages.
func randomChain(t *rapid.T) string {
	var stages []string
	n := rapid.IntRange(1, 3).Draw(t, "stages")
	for i := range n {
		stages = append(stages, randomStage(t, i, i == n-1))
	}
	return strings.Join(stages, " > ")
}

// randomStep draws a step of a story. Most are votes that could count; the rest is what goes wrong.
func randomStep(t *rapid.T) string {
	who := rapid.SampledFrom(append(delegates[3:5:5], crowd...)).Draw(t, "who") + rapid.SampledFrom([]string{"", "", "/2"}).Draw(t, "account")
	name, _, _ := strings.Cut(who, "/")
	return rapid.SampledFrom([]string{
		who + " approves", who + " approves", who + " approves", who + " approves", who + " approves", who + " approves", who + " denies",
		who + " approves stale", who + " approves stage 1", who + " approves stage 3", who + " approves @deadline-1us", who + " approves @deadline+1us",
		who + " approves untimed", who + " denies silently", who + " approves oddly", who + " takes back", who + " takes back", who + " withdraws",
		who + " approves @10m", who + " approves @60m", who + " counters 30m", who + " comments hm",
		name + " leaves", name + " is guest", name + " is removed", name + " is unknown", name + " is unasked", name + " is asked", name + " returns",
		"directory down", "directory up", "groups down", "groups up", "directory up", "groups up", "freeze begins", "freeze ends", "conflict arises", "conflict ends",
		"17m", "17m", "1h", "tick", "bot sleeps", "bot wakes", "clock back 20m", "clock forward 20m", "told all", "untold all", "told " + name, "untold " + name,
		"stage 1 loses " + name, "chain gone", "access starts", "access fails",
	}).Draw(t, "step")
}

// nextStep draws a step that brings the story on as often as not: somebody who can decide approves, those asked are told, time goes by.
func nextStep(t *rapid.T, s workflows.State) string {
	can := s.CanVote()
	switch n := rapid.IntRange(0, 9).Draw(t, "on"); {
	case n < 4 && len(can) > 0:
		return strings.TrimPrefix(string(rapid.SampledFrom(can).Draw(t, "able")), "p_") + " approves"
	case n == 4:
		return rapid.SampledFrom([]string{"told all", "told all", "40m"}).Draw(t, "go on")
	case n == 5 && s.Open() != nil && s.Open().Plan.Kind == workflows.StageConsent:
		return "5h"
	}
	return randomStep(t)
}

// TestNoApprovalWithoutItsQuorum plays random stories over random chains, requesters with twin accounts and sponsors, and holds
// what the ledger says afterwards against an oracle that reads the raw events and knows nothing of Fold.
func TestNoApprovalWithoutItsQuorum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld(randomChain(t))
		if err != nil {
			t.Fatal(err)
		}
		first := rapid.SampledFrom(crowd).Draw(t, "requester") + " submits"
		if rapid.Bool().Draw(t, "robot") {
			first += " for svc-deploy sponsor " + rapid.SampledFrom(crowd).Draw(t, "sponsor")
		}
		story := []string{first}
		if _, err := x.step(strings.Fields(first)); err != nil {
			t.Fatal(err)
		}
		if len(x.l.Histories[x.stream()]) == 0 {
			return // nobody could approve it
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			s, err := x.state()
			if err != nil {
				t.Fatal(err)
			}
			step := nextStep(t, s)
			if skip(s, step, x) {
				continue
			}
			story = append(story, step)
			if _, err := x.step(strings.Fields(step)); err != nil && !strings.HasPrefix(err.Error(), "nothing is owed") {
				t.Fatalf("%s: %v", strings.Join(story, "; "), err)
			}
			x.check(t)
			if err := oracle(x.l.Histories[x.stream()]); err != nil {
				t.Fatalf("%s: %v", strings.Join(story, "; "), err)
			}
		}
	})
}

// skip leaves out what only the caller of the engine could do wrong: events of its own at a moment at which it may not.
func skip(s workflows.State, step string, x *world) bool {
	switch {
	case strings.HasPrefix(step, "stage 1 loses"):
		return s.Open() == nil || s.Current != 0
	case step == "access fails", step == "access starts":
		return s.Status != workflows.StatusApproved || x.started
	}
	return false
}

// TestFoldRefusesDamage takes random histories of the engine and damages them: a gap, two entries swapped, an entry of another
// stream, an entry twice, something after the end.
func TestFoldRefusesDamage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld(randomChain(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.step([]string{"zed", "submits"}); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			if step := randomStep(t); !strings.Contains(step, "loses") && !strings.Contains(step, "access") {
				_, _ = x.step(strings.Fields(step)) // what was not owed is not told
			}
		}
		h := x.l.Histories[x.stream()]
		if len(h) < 2 {
			return
		}
		i := rapid.IntRange(0, len(h)-2).Draw(t, "at")
		bad := slices.Clone(h)
		switch rapid.SampledFrom([]string{"gap", "swap", "foreign", "twice", "beginning", "submitted again", "alien"}).Draw(t, "damage") {
		case "gap":
			bad = slices.Delete(bad, i, i+1)
		case "swap":
			bad[i], bad[i+1] = bad[i+1], bad[i]
		case "foreign":
			bad[i+1].Stream = "request/r_2"
		case "twice":
			bad = slices.Insert(bad, i, bad[i])
		case "beginning":
			bad = renumber(bad[1:])
		case "submitted again":
			bad = renumber(append(bad, bad[0]))
		case "alien":
			bad[i+1].Event = workflows.PolicyLoaded{}
		}
		if s, err := workflows.Fold(bad); err == nil {
			t.Fatalf("a damaged history folds to %s", s.Status)
		}
	})
}

func renumber(h []workflows.Record) []workflows.Record {
	h = slices.Clone(h)
	for i := range h {
		h[i].Seq = int64(i) + 1
	}
	return h
}

// Nothing that could change an outcome folds after it, and nothing that the engine could not have recorded folds at all.
func TestFoldRefusesImpossible(t *testing.T) {
	t.Parallel()
	x, err := newWorld("peers(ann bob carol)x2 timeout 4h > owner(olga)x1 timeout 1h")
	if err != nil {
		t.Fatal(err)
	}
	add := func(h []workflows.Record, p workflows.PersonID, e workflows.Event) []workflows.Record {
		return append(slices.Clone(h), workflows.Record{Stream: x.stream(), Seq: int64(len(h)) + 1, At: x.l.Now, Person: p, Event: e})
	}
	at := func(steps string) []workflows.Record {
		x.l = storytest.New(workflows.EventKinds())
		for _, step := range strings.Split(steps, "; ") {
			if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
				t.Fatal(step, code, err)
			}
		}
		return x.l.Histories[x.stream()]
	}
	vote := func(stage int, v workflows.Verdict) workflows.Event {
		return workflows.VoteRecorded{Stage: stage, Verdict: v}
	}
	refused := func(steps string, p workflows.PersonID, e workflows.Event) {
		t.Helper()
		if s, err := workflows.Fold(add(at(steps), p, e)); err == nil {
			t.Errorf("%s; then %s %+v: folds to %s", steps, e.Kind(), e, s.Status)
		}
	}
	open := "zed submits"
	refused(open, "p_zed", vote(0, workflows.Approve))
	refused(open, "p_eve", vote(0, workflows.Approve))
	refused(open, "", vote(0, workflows.Approve))
	refused(open, "p_ann", vote(0, "counter"))
	refused(open, "p_ann", vote(1, workflows.Approve))
	refused(open, "p_ann", vote(-1, workflows.Approve))
	refused(open, "p_ann", vote(9, workflows.Approve))
	refused(open, "p_ann", workflows.VoteTakenBack{Stage: 0})
	refused(open, "p_ann", workflows.VoteTakenBack{Stage: 9})
	refused(open, "", workflows.StageSatisfied{Stage: 0})
	refused(open, "", workflows.StageOpened{Stage: 0})
	refused(open, "", workflows.StageOpened{Stage: 1})
	refused(open, "", workflows.StageTimedOut{Stage: 1})
	refused(open, "", workflows.Approved{})
	refused(open+"; ann approves", "p_ann", vote(0, workflows.Approve))
	refused(open+"; ann approves", "", workflows.StageSatisfied{Stage: 0})
	refused(open+"; ann approves", "p_bob", workflows.VoteTakenBack{Stage: 0})
	refused(open+"; ann approves; bob approves", "", workflows.Approved{})
	refused(open+"; ann approves; bob approves", "p_ann", vote(1, workflows.Approve))
	refused(open+"; ann approves; bob approves", "p_carol", vote(0, workflows.Approve))
	for end, status := range map[string]workflows.Status{
		"ann approves; bob approves; olga approves": workflows.StatusApproved, "ann denies": workflows.StatusDenied,
		"zed withdraws": workflows.StatusWithdrawn, "4h": workflows.StatusTimedOut, "chain gone; ann approves; bob approves": workflows.StatusSuperseded,
		"ann approves; bob approves; olga approves; access fails": workflows.StatusFailed,
	} {
		x.gone = ""
		h := at(open + "; " + end)
		if s, err := workflows.Fold(h); err != nil || s.Status != status {
			t.Fatalf("%s: %s, %v", end, s.Status, err)
		}
		for _, e := range []workflows.Event{
			workflows.Approved{},
			workflows.Denied{},
			workflows.Withdrawn{},
			workflows.TimedOut{},
			workflows.Superseded{},
			workflows.Failed{},
			vote(0, workflows.Approve), vote(2, workflows.Approve),
			workflows.StageOpened{Stage: 2},
			workflows.StageReminded{},
			workflows.StageEscalated{},
			workflows.VoteTakenBack{Stage: 0},
			workflows.RosterChanged{},
			workflows.StageSatisfied{Stage: 1},
			workflows.StageTimedOut{},
		} {
			_, err := workflows.Fold(add(h, "p_dave", e))
			follows := e.Kind() == "request.superseded" || e.Kind() == "request.failed"
			if status == workflows.StatusApproved && follows {
				if err != nil {
					t.Errorf("an approved request cannot become %s: %v", e.Kind(), err)
				}
			} else if err == nil {
				t.Errorf("%s folds after %s", e.Kind(), status)
			}
		}
	}
	if _, err := workflows.Fold([]workflows.Record{{Stream: "request/r_1", Seq: 1, Event: workflows.StageReminded{}}}); err == nil {
		t.Error("a request without a submission folds")
	}
	none := add(nil, "p_zed", workflows.Submitted{})
	if _, err := workflows.Fold(add(none, "", workflows.Approved{})); err == nil {
		t.Error("a request without stages is approved")
	}
	free := add(nil, "p_zed", workflows.Submitted{Plan: []workflows.PlannedStage{{Quorum: 0}}})
	free = add(add(free, "", workflows.StageOpened{}), "", workflows.StageSatisfied{})
	if _, err := workflows.Fold(add(free, "", workflows.Approved{})); err == nil {
		t.Error("a stage that asks for nobody is approved")
	}
}

// On a damaged history nothing is decided.
func TestDamagedHistoryDecidesNothing(t *testing.T) {
	t.Parallel()
	x, err := newWorld("peers(ann)x1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.step([]string{"zed", "submits"}); err != nil {
		t.Fatal(err)
	}
	b := x.ballot(acting("ann"), workflows.Approve)
	x.l.Histories[x.stream()] = x.l.Histories[x.stream()][1:]
	f := x.l.Facts()
	for name, call := range map[string]func() (workflows.Outcome, error){
		"vote": func() (workflows.Outcome, error) { return x.w.Vote(f, x.id, b) },
		"withdraw": func() (workflows.Outcome, error) {
			return workflows.Withdraw(f, x.id, workflows.Change{By: acting("zed")})
		},
		"take back": func() (workflows.Outcome, error) {
			return workflows.TakeBack(f, x.id, workflows.Change{By: acting("ann")})
		},
		"tick": func() (workflows.Outcome, error) { return workflows.Tick(f, x.id, workflows.Rosters{}) },
	} {
		if out, err := call(); err == nil || err == workflows.ErrNoStream || len(out.Events) > 0 {
			t.Errorf("%s decided %v, %v", name, out, err)
		}
	}
}

// What a stage still wants is what trying everything says, whoever stands for whom and in whatever order they came (T07).
func TestThreat_T07_PeopleAreCountedNotSeats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		st := workflows.StageState{Plan: randomPlan(t)}
		o := oracleStage{plan: st.Plan}
		for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(append(delegates[3:6:6], crowd...)), 0, 8, rapid.ID[string]).Draw(t, "voters") {
			v := workflows.Vote{Person: person(p), Verdict: workflows.Approve}
			if rapid.Bool().Draw(t, "delegate") {
				if v.For = person(rapid.SampledFrom(crowd).Draw(t, "for")); v.For == v.Person {
					v.For = ""
				}
			}
			if st.Plan.Deny == workflows.DenyCounts && rapid.IntRange(0, 4).Draw(t, "deny") == 0 {
				v.Verdict = workflows.Deny
			}
			for k := range st.Plan.Parts {
				if rapid.Bool().Draw(t, "in part") {
					v.Parts = append(v.Parts, k)
				}
			}
			st.Votes = append(st.Votes, v)
			o.votes = append(o.votes, oracleVote{person: v.Person, place: v.For, parts: v.Parts, deny: v.Verdict == workflows.Deny})
		}
		err := o.enough()
		if (st.Missing() == 0) != (err == nil) {
			t.Fatalf("%+v misses %d: %v", st, st.Missing(), err)
		}
		st.Votes = rapid.Permutation(st.Votes).Draw(t, "order")
		if (st.Missing() == 0) != (err == nil) {
			t.Fatalf("in another order, %+v misses %d: %v", st, st.Missing(), err)
		}
	})
}

func randomPlan(t *rapid.T) workflows.PlannedStage {
	p := workflows.PlannedStage{Quorum: rapid.IntRange(1, 4).Draw(t, "quorum"), Deny: rapid.SampledFrom([]string{"", workflows.DenyCounts}).Draw(t, "deny")}
	p.AnyPart = rapid.Bool().Draw(t, "any")
	for k := range rapid.IntRange(0, 3).Draw(t, "parts") {
		part := workflows.PlannedPart{Quorum: rapid.IntRange(1, 3).Draw(t, "part quorum")}
		if p.Parts = append(p.Parts, part); k == 0 {
			p.Quorum = 0
		}
		p.Quorum += part.Quorum
	}
	if p.AnyPart && len(p.Parts) > 0 {
		p.Quorum = slices.MinFunc(p.Parts, func(a, b workflows.PlannedPart) int { return a.Quorum - b.Quorum }).Quorum
	}
	return p
}

// However the clicks of a request arrive (late, twice, in any order), nothing is approved that should not be, and a click that came before
// changes nothing when it comes again.
func TestClicksInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld(randomChain(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.step([]string{"zed", "submits"}); err != nil || len(x.l.Histories[x.stream()]) == 0 {
			return
		}
		var clicks []workflows.Ballot
		for range rapid.IntRange(1, 12).Draw(t, "clicks") {
			b := x.ballot(acting(rapid.SampledFrom(crowd).Draw(t, "who")), rapid.SampledFrom([]workflows.Verdict{workflows.Approve, workflows.Approve, workflows.Deny}).Draw(t, "verdict"))
			b.Stage = rapid.IntRange(0, len(x.w.Stages)-1).Draw(t, "stage")
			s, _ := x.state()
			b.Shown = s.Shown(b.Stage)
			b.ReceivedAt = x.l.Now.UTC.Add(time.Duration(rapid.IntRange(-10, 300).Draw(t, "received")) * time.Minute)
			clicks = append(clicks, b, b)
		}
		for _, b := range rapid.Permutation(clicks).Draw(t, "order") {
			if rapid.IntRange(0, 3).Draw(t, "wait") == 0 {
				x.l.Pass(9 * time.Minute)
			}
			for range 2 {
				before, _ := x.state()
				b.Voters, b.Rosters = x.final().Voters, x.roster()
				if _, err := x.take(x.w.Vote(x.l.Facts(), x.id, b)); err != nil {
					t.Fatal(err)
				}
				x.check(t)
				if now, _ := x.state(); len(now.Voters()) < len(before.Voters()) {
					t.Fatalf("a click took an approval away")
				}
			}
			if err := oracle(x.l.Histories[x.stream()]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Nothing that is put into a history by hand makes an approval: it does not fold, or the oracle finds nothing wrong with it either.
func TestFoldRefusesForgery(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld(randomChain(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.step([]string{"zed", "submits"}); err != nil || len(x.l.Histories[x.stream()]) == 0 {
			return
		}
		for range rapid.IntRange(0, 10).Draw(t, "steps") {
			s, _ := x.state()
			if step := nextStep(t, s); !skip(s, step, x) {
				_, _ = x.step(strings.Fields(step)) // what was not owed is not told
			}
		}
		h := x.l.Histories[x.stream()]
		for range rapid.IntRange(1, 4).Draw(t, "forgeries") {
			at := rapid.IntRange(1, len(h)).Draw(t, "at")
			h = renumber(slices.Insert(slices.Clone(h), at, forged(t, h[at-1], h[0].Event.(workflows.Submitted).Digest)))
		}
		s, err := workflows.Fold(h)
		if err != nil {
			return
		}
		if err := lenient(h); err != nil {
			t.Fatalf("folds to %s, but %v", s.Status, err)
		}
	})
}

// forged is an entry that somebody with the database and the keys could write.
func forged(t *rapid.T, before workflows.Record, digest string) workflows.Record {
	p := person(rapid.SampledFrom(append(delegates[3:6:6], crowd...)).Draw(t, "by"))
	place := rapid.SampledFrom([]workflows.PersonID{"", "", person(rapid.SampledFrom(crowd).Draw(t, "place"))}).Draw(t, "for")
	stage := rapid.IntRange(0, 2).Draw(t, "in stage")
	seats := []workflows.Seat{{Person: p, Why: "named", For: place}, {Person: "p_bob", Parts: []int{0, 1}}, {Person: "p_carol"}}
	r := workflows.Record{Stream: before.Stream, At: before.At, Person: p, Actor: "a_forger"}
	r.Event = rapid.SampledFrom([]workflows.Event{
		workflows.VoteRecorded{Stage: stage, Verdict: workflows.Approve, For: place, Digest: digest},
		workflows.VoteRecorded{Stage: stage, Verdict: workflows.Approve, For: place, ReceivedAt: before.At.UTC, Digest: digest},
		workflows.VoteRecorded{Stage: stage, Verdict: workflows.Deny, For: place, Digest: digest},
		workflows.VoteTakenBack{Stage: stage},
		workflows.StageOpened{Stage: stage, Roster: seats, TimesOutAt: before.At.UTC.Add(time.Hour)},
		workflows.RosterChanged{Stage: stage, Roster: seats},
		workflows.RosterChanged{Stage: stage, Roster: seats[1:]},
		workflows.StageEscalated{Stage: stage, Added: seats},
		workflows.StageEscalated{Stage: stage, Added: seats, Tier: 1},
		workflows.StageSatisfied{Stage: stage},
		workflows.StageSatisfied{Stage: stage, Consent: 2},
		workflows.AutoApproved{Rule: "r", Used: 1, Times: 2},
		workflows.Approved{Grant: "g_forged", Digest: digest},
		workflows.Denied{Stage: stage},
		workflows.OfferAccepted{Offer: "o_4", Request: "r_9"},
		workflows.Superseded{Code: "x"},
		workflows.NoticeDelivered{Notice: fmt.Sprintf("ask/%d/%s", stage, p)},
	}).Draw(t, "event")
	return r
}
