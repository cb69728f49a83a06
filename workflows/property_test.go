package workflows_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

var crowd = []string{"ann", "bob", "carol", "dave", "erin", "zed"}

// randomChain draws a chain over a small crowd, so that people meet themselves in it.
func randomChain(t *rapid.T) string {
	people := func(name string, least int) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(crowd), least, len(crowd), rapid.ID[string]).Draw(t, name)
	}
	var stages []string
	for i := range rapid.IntRange(1, 3).Draw(t, "stages") {
		st := fmt.Sprintf("s%d(%s)x%d timeout %dm", i, strings.Join(people("roster", 2), " "), rapid.IntRange(1, 3).Draw(t, "quorum"), rapid.IntRange(30, 300).Draw(t, "timeout"))
		if rapid.Bool().Draw(t, "remind") {
			st += fmt.Sprintf(" remind %dm", rapid.IntRange(5, 200).Draw(t, "after"))
		}
		if rapid.Bool().Draw(t, "escalate") {
			st += fmt.Sprintf(" escalate %dm(%s)", rapid.IntRange(5, 200).Draw(t, "after"), strings.Join(people("wider", 1), " "))
		}
		if rapid.Bool().Draw(t, "repeat") {
			st += " repeat"
		}
		stages = append(stages, st)
	}
	return strings.Join(stages, " > ")
}

// randomStep draws a step of a story. Most are votes that could count; the rest is what goes wrong.
func randomStep(t *rapid.T) string {
	who := rapid.SampledFrom(crowd).Draw(t, "who") + rapid.SampledFrom([]string{"", "", "/2"}).Draw(t, "account")
	name, _, _ := strings.Cut(who, "/")
	return rapid.SampledFrom([]string{
		who + " approves", who + " approves", who + " approves", who + " approves", who + " approves", who + " denies",
		who + " approves stale", who + " approves stage 1", who + " approves stage 3", who + " approves @deadline-1us", who + " approves @deadline+1us",
		who + " approves untimed", who + " denies silently", who + " approves oddly", who + " takes back", who + " takes back", who + " withdraws",
		name + " leaves", name + " is guest", name + " is removed", name + " is unknown", name + " is unasked", name + " is asked", name + " returns",
		"directory down", "directory up", "groups down", "groups up", "directory up", "groups up",
		"17m", "17m", "1h", "tick", "bot sleeps", "bot wakes", "clock back 20m", "clock forward 20m", "told all", "untold all", "told " + name, "untold " + name,
		"stage 1 loses " + name, "chain gone", "access starts", "access fails",
	}).Draw(t, "step")
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
			step := randomStep(t)
			s, err := x.state()
			if err != nil {
				t.Fatal(err)
			}
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

type oracleStage struct {
	seats, approved map[workflows.PersonID]bool
	until           workflows.Stamp
	denied          bool
}

// oracle reads a history event by event and finds an approval that should not be there.
func oracle(h []workflows.Record) error {
	sub := h[0].Event.(workflows.Submitted)
	behind := func(p workflows.PersonID) bool {
		return p == "" || p == h[0].Person || p == sub.Subject.Person() || p == sub.Sponsor
	}
	stages := make([]oracleStage, len(sub.Plan))
	outcomes, grants := 0, 0
	for _, r := range h[1:] {
		switch e := r.Event.(type) {
		case workflows.StageOpened:
			stages[e.Stage] = oracleStage{seats: map[workflows.PersonID]bool{}, approved: map[workflows.PersonID]bool{}, until: e.TimesOutAt}
			seat(stages[e.Stage].seats, e.Roster)
		case workflows.RosterChanged:
			clear(stages[e.Stage].seats)
			seat(stages[e.Stage].seats, e.Roster)
		case workflows.StageEscalated:
			seat(stages[e.Stage].seats, e.Added)
		case workflows.VoteRecorded:
			st := &stages[e.Stage]
			switch {
			case outcomes > 0:
				return fmt.Errorf("vote of %s after the outcome", r.Person)
			case !st.seats[r.Person], behind(r.Person), e.ReceivedAt >= st.until, e.Digest != sub.Digest, st.approved[r.Person]:
				return fmt.Errorf("vote of %s in stage %d counts and should not", r.Person, e.Stage)
			case e.Verdict == workflows.Deny:
				st.denied = true
			default:
				st.approved[r.Person] = true
			}
		case workflows.VoteTakenBack:
			delete(stages[e.Stage].approved, r.Person)
		case workflows.Approved:
			if outcomes++; e.Grant != "" {
				grants++
			}
			if err := oracleApproved(sub, stages); err != nil {
				return err
			}
		case workflows.Denied, workflows.Withdrawn, workflows.TimedOut:
			outcomes++
		case workflows.Superseded, workflows.Failed:
			if outcomes++; grants > 0 {
				outcomes-- // may follow an approval, once
				grants += 10
			}
		}
	}
	if outcomes > 1 || (grants > 1 && grants != 11) {
		return fmt.Errorf("%d outcomes, %d grants", outcomes, grants)
	}
	return nil
}

func seat(seats map[workflows.PersonID]bool, list []workflows.Seat) {
	for _, s := range list {
		seats[s.Person] = true
	}
}

func oracleApproved(sub workflows.Submitted, stages []oracleStage) error {
	earlier := map[workflows.PersonID]bool{}
	for i, st := range stages {
		if st.denied || len(st.approved) < sub.Plan[i].Quorum {
			return fmt.Errorf("approved with %d of %d in stage %d", len(st.approved), sub.Plan[i].Quorum, i)
		}
		for p := range st.approved {
			if earlier[p] && !sub.Plan[i].Repeat {
				return fmt.Errorf("%s approved two stages", p)
			}
		}
		for p := range st.approved {
			earlier[p] = true
		}
	}
	return nil
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
