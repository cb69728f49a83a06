package runs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const id = workflows.RunID("u_1")

var (
	stream = workflows.RunStream(id)
	usual  = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true, Selected: true}
)

// room is one run in a ledger in memory: a look by hand, a command that is tried three times and can be taken back, one that begins by
// itself, and a look by somebody else that wants evidence.
type room struct {
	l      *storytest.Ledger
	apart  bool
	closed bool
}

func steps() []incidents.Step {
	does := workflows.Entitlement{Target: "tool", ID: "promote"}
	return []incidents.Step{
		{Title: "Look", Text: "never in the ledger"},
		{Title: "Promote", Action: incidents.ActCommand, Does: does, Retries: 2, Rollback: true, Timeout: 60},
		{Title: "Tell", Action: incidents.ActWebhook, Does: does, Auto: true, Retries: 0, OnFailure: incidents.OnFailureRollback, Rollback: true, Timeout: 60},
		{Title: "See", Second: true, Evidence: true},
	}
}

func open(t storytest.T, apart bool) *room {
	t.Helper()
	x := &room{l: storytest.New(workflows.EventKinds(), runs.EventKinds()), apart: apart}
	var out workflows.Outcome
	err := runs.Open(x.l.Facts(), id, acting("zed"), "sha256:book", runs.Opened{
		Runbook: "failover", Mode: runs.KindIncident, Incident: "INC-1", Invoker: "p_zed", Executor: "p_ann", Steps: steps(), Apart: apart,
		Channel: "#incidents", EndsAt: x.l.Now.UTC.Add(time.Hour),
	}, &out)
	if err != nil {
		t.Fatalf("%v", err)
	}
	x.l.Append(out)
	return x
}

func acting(who string) workflows.Acting {
	return workflows.Acting{Actor: workflows.ActorID("a_" + who), Person: workflows.PersonID("p_" + who)}
}

func (x *room) doing(who string, step int, note string) runs.Doing {
	return runs.Doing{Acting: runs.Acting{By: acting(who), Standing: usual, Closed: x.closed, Authn: "slack-click", Channel: "slack"}, Step: step, Note: note}
}

// play does one step of a story: "ann done 1", "ann run 2", "target fails 2", "target does 2", "target undoes 2", "zed finishes", "61m".
func (x *room) play(line string) (string, error) {
	w := strings.Fields(line)
	if d, ok := storytest.Duration(w[0]); ok {
		x.l.Pass(d)
		return "", nil
	}
	n := 0
	if len(w) > 2 {
		fmt.Sscan(w[2], &n)
	}
	f, note := x.l.Facts(), strings.Join(w[min(3, len(w)):], " ")
	var out workflows.Outcome
	var err error
	switch w[1] {
	case "done":
		out, err = runs.Finish(f, id, x.doing(w[0], n, note))
	case "run":
		out, err = runs.Begin(f, id, x.doing(w[0], n, note))
	case "skip":
		out, err = runs.Skip(f, id, x.doing(w[0], n, note))
	case "fails":
		out, err = runs.Fail(f, stream, n, "retry", "no answer", len(w) > 3)
	case "does":
		out, err = runs.Succeed(f, stream, runs.StepDone{Step: n, Ref: "job 7"}, x.closed)
	case "undoes":
		out, err = runs.Undo(f, stream, runs.StepUndone{Step: n, Presence: "absent"})
	case "rollback":
		out, err = runs.RollBack(f, id, x.doing(w[0], 0, "").Acting, "the wrong standby")
	case "finishes":
		out, err = runs.Close(f, id, x.doing(w[0], 0, "").Acting, strings.Join(w[2:], " "))
	case "ticks":
		out, err = runs.Tick(f, stream)
	case "closed":
		x.closed = true
		return "", nil
	default:
		return "", fmt.Errorf("unknown step %q", line)
	}
	if err != nil {
		return "", err
	}
	x.l.Append(out)
	if out.Refusal != nil {
		return out.Refusal.Code, nil
	}
	return "", nil
}

func (x *room) state(t storytest.T) runs.State {
	t.Helper()
	s, err := runs.Fold(x.l.Histories[stream])
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := storytest.CheckJobs(runs.Pending(s)); err != nil {
		t.Fatalf("%v", err)
	}
	if err := storytest.CheckListings(runs.Listings(s)); err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

func says(s runs.State) string {
	var out []string
	for _, st := range s.Steps {
		out = append(out, string(st.Status))
	}
	for _, j := range runs.Pending(s) {
		if j.Kind == runs.JobStep || j.Kind == runs.JobUndo {
			out = append(out, j.Kind+"/"+j.Key)
		}
	}
	if s.Closed != nil {
		out = append(out, s.Closed.How)
	}
	return strings.Join(out, " ")
}

// R8: a run is carried on by whoever is there, step by step; nothing is done twice, nothing is done out of turn, and each outcome stands in
// the ledger with who made it.
func TestReq_R8_ARunIsCarriedOnByAnybodyOnTheList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ story, want string }{
		{"ann done 1", "done waiting waiting waiting"},
		{"ann run 1 !runbook", "waiting waiting waiting waiting"},
		{"ann run 2 !runbook", "waiting waiting waiting waiting"},
		{"ann done 1; ann done 1 !runbook", "done waiting waiting waiting"},
		{"ann done 1; ann run 2; bob run 2 !runbook", "done running waiting waiting run.step/2"},
		{"ann done 1; ann run 2; target fails 2; target does 2", "done done running waiting run.step/3"},
		{"ann done 1; bob run 2; target does 2; target does 3; ann done 4 it serves", "done done done done"},
		{"ann done 1; ann run 2; target does 2; target does 3; ann done 4 !reason_needed", "done done done waiting"},
		{"ann done 1; ann run 2; target does 2; target does 3; zed done 4 it serves !runbook", "done done done waiting"},
		{"ann skip 1 !reason_needed; ann skip 1 no host left", "skipped waiting waiting waiting"},
		{"ann done 1; ann run 2; target fails 2; target fails 2; target fails 2", "done failed waiting waiting"},
		{"ann done 1; ann run 2; target fails 2 useless", "done failed waiting waiting"},
		{"ann done 1; ann run 2; target fails 2 useless; cho run 2; target does 2", "done done running waiting run.step/3"},
		{"ann done 1; ann run 2; target fails 2 useless; ann skip 2 by hand instead", "done skipped running waiting run.step/3"},
		{"ann done 1; ann run 2; target does 2; target fails 3", "done done failed waiting run.undo/3"},
		{"ann done 1; ann run 2; target does 2; target fails 3; target undoes 3; target undoes 2", "done undone undone waiting"},
		{"ann done 1; ann run 2; ann rollback !runbook", "done running waiting waiting run.step/2"},
		{"ann done 1; ann run 2; target fails 2 useless; bob rollback; target undoes 2", "done undone waiting waiting"},
		{"ann finishes !reason_needed; ann finishes writes work again", "waiting waiting waiting waiting stopped"},
		{"ann finishes writes work again; ann done 1 !decided", "waiting waiting waiting waiting stopped"},
		{"61m; ann done 1; ann run 2 !late; ann skip 2 no time left", "done skipped waiting waiting"},
		{"24h; x ticks; 61m; x ticks", "waiting waiting waiting waiting ran_out"},
		{"incident closed; ann done 1; ann run 2 !runbook", "done waiting waiting waiting"},
	} {
		x := open(t, false)
		for step := range strings.SplitSeq(c.story, ";") {
			words, want, _ := strings.Cut(strings.TrimSpace(step), " !")
			got, err := x.play(words)
			if err != nil || got != want {
				t.Fatalf("%s\n  at %q: %q, want %q: %v", c.story, step, got, want, err)
			}
		}
		if got := says(x.state(t)); got != c.want {
			t.Errorf("%s\n  want %q\n  got  %q", c.story, c.want, got)
		}
	}
}

// An order keeps its id through every attempt, so that a target that did it already does nothing twice; texts of the document stay there.
func TestOrdersAndTexts(t *testing.T) {
	t.Parallel()
	x := open(t, false)
	for _, step := range []string{"ann done 1", "ann run 2", "target fails 2", "target fails 2", "target fails 2", "bob run 2"} {
		if code, err := x.play(step); code != "" || err != nil {
			t.Fatal(step, code, err)
		}
	}
	var orders []workflows.GrantID
	for _, r := range x.l.Histories[stream] {
		if e, ok := r.Event.(runs.StepStarted); ok {
			orders = append(orders, e.Order)
		}
		if e, ok := r.Event.(runs.Opened); ok && e.Steps[0].Text != "" {
			t.Error("the text of a step is in the ledger")
		}
	}
	if !slices.Equal(orders, []workflows.GrantID{"g_1-s2", "g_1-s2"}) {
		t.Errorf("orders %q", orders)
	}
	if st := x.state(t).Steps[1]; st.Attempt != 4 || st.Earlier != 3 {
		t.Errorf("attempt %d, %d before somebody let it begin again", st.Attempt, st.Earlier)
	}
}

// Where the document wants two people, who invoked it does nothing but read and attach.
func TestGlass_25_WhoInvokedDoesNotCarryItOut(t *testing.T) {
	t.Parallel()
	x := open(t, true)
	for _, step := range []string{"zed done 1", "zed skip 1 no host left", "zed finishes it is over now"} {
		if code, err := x.play(step); code != workflows.CodeNotYours || err != nil {
			t.Errorf("%s: %q, %v", step, code, err)
		}
	}
	if code, err := x.play("ann done 1"); code != "" || err != nil {
		t.Errorf("the executor: %q, %v", code, err)
	}
}

// Evidence is a text, a link or a file's hash, by whom, and also after the end.
func TestGlass_17_EvidenceIsAttached(t *testing.T) {
	t.Parallel()
	x := open(t, false)
	a := x.doing("ann", 0, "").Acting
	hash := "sha256:" + strings.Repeat("0f", 32)
	for _, c := range []struct {
		e    runs.EvidenceAdded
		want string
	}{
		{runs.EvidenceAdded{What: runs.EvidenceText, Text: "LSN 0/3000060", Step: 2}, ""},
		{runs.EvidenceAdded{What: runs.EvidenceText, Text: " "}, workflows.CodeReasonNeeded},
		{runs.EvidenceAdded{What: runs.EvidenceLink, Text: "https://example.com/recording/7"}, ""},
		{runs.EvidenceAdded{What: runs.EvidenceLink, Text: "javascript:alert(1)"}, workflows.CodeBadField},
		{runs.EvidenceAdded{What: runs.EvidenceFile, Text: "session.cast", Hash: hash}, ""},
		{runs.EvidenceAdded{What: runs.EvidenceFile, Text: "session.cast", Hash: "sha256:short"}, workflows.CodeBadField},
		{runs.EvidenceAdded{What: "picture", Text: "x"}, workflows.CodeBadField},
		{runs.EvidenceAdded{What: runs.EvidenceText, Text: "x", Step: 9}, workflows.CodeBadField},
	} {
		out, err := runs.Attach(x.l.Facts(), id, a, c.e)
		if err != nil {
			t.Fatal(err)
		}
		x.l.Append(out)
		got := ""
		if out.Refusal != nil {
			got = out.Refusal.Code
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.e, got, c.want)
		}
	}
	if s := x.state(t); len(s.Evidence) != 3 || s.Evidence[2].Hash != hash || s.Evidence[0].By != "p_ann" {
		t.Errorf("attached %+v", s.Evidence)
	}
}

// However people and targets act, the fold holds, nothing is owed twice, a step that is over stays so, and erasing texts changes no decision.
func TestAnyOrderOfEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := open(t, rapid.Bool().Draw(t, "apart"))
		over := map[int]bool{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			who := rapid.SampledFrom([]string{"ann", "zed", "bob"}).Draw(t, "who")
			n := rapid.IntRange(0, 5).Draw(t, "n")
			verb := rapid.SampledFrom([]string{"done", "run", "skip", "fails", "does", "undoes", "rollback", "finishes", "ticks"}).Draw(t, "verb")
			line := fmt.Sprintf("%s %s %d because it is so", who, verb, n)
			if verb == "rollback" || verb == "ticks" {
				line = who + " " + verb
			}
			if _, err := x.play(line); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			s := x.state(t)
			for _, st := range s.Steps {
				if over[st.Number] && !st.Over() {
					t.Fatalf("step %d is open again after %s", st.Number, line)
				}
				over[st.Number] = st.Over()
			}
		}
		erased, err := runs.Fold(storytest.Erase(x.l.Histories[stream]))
		if err != nil || says(erased) != says(x.state(t)) {
			t.Fatalf("erased: %v, %q", err, says(erased))
		}
	})
}
