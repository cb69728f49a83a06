package targets_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
	"github.com/countersign-bot/countersign/workflows/targets"
)

const (
	owner  = workflows.PersonID("p_owner")
	stream = workflows.StreamID("target/pg")
)

type fataler interface {
	Fatalf(format string, args ...any)
	Helper()
}

type world struct {
	t fataler
	l *storytest.Ledger
}

func newWorld(t fataler) *world {
	return &world{t, storytest.New(workflows.EventKinds(), targets.EventKinds())}
}

func (w *world) state() targets.State {
	w.t.Helper()
	s, err := targets.Fold(w.l.Histories[stream])
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return s
}

func (w *world) do(out workflows.Outcome, err error) workflows.Outcome {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	w.l.Append(out)
	w.state()
	return out
}

func (w *world) sweep(found ...string) {
	w.t.Helper()
	s := targets.Sweep{Seen: int64(len(found)), Owner: owner, Alarm: "#security"}
	for _, id := range found {
		s.Found = append(s.Found, targets.Found{Finding: id, Why: targets.WhyUnknown, Act: targets.ActReport, What: "member of x", Account: "mallory"})
	}
	w.do(targets.Record(w.l.Facts(), stream, s))
}

// tell delivers everything that is owed, and gives what it was.
func (w *world) tell() (ids []string) {
	w.t.Helper()
	for _, n := range w.state().Notices() {
		var out workflows.Outcome
		out.Add(stream, workflows.System, "", workflows.NoticeDelivered{Notice: n.ID, Via: "slack"})
		w.do(out, nil)
		ids = append(ids, n.ID)
	}
	return ids
}

// TestReq_R66_OwnersAreToldOnce: each thing found is told to the owner and the channel once, for as long as it stands; a sweep that finds the
// same writes nothing more until a day has gone by.
func TestReq_R66_OwnersAreToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sweep("f_1", "f_2")
	if told := w.tell(); len(told) != 2 {
		t.Fatalf("told %v", told)
	}
	n := len(w.l.Histories[stream])
	w.sweep("f_1", "f_2")
	if len(w.l.Histories[stream]) != n || len(w.tell()) != 0 {
		t.Errorf("the same again was written or told")
	}
	w.sweep("f_1", "f_2", "f_3")
	id := w.state().Notices()[0].ID
	if list := w.state().Told(id); len(list) != 1 || list[0].Found.Finding != "f_3" {
		t.Errorf("the message tells of %+v", list)
	}
	w.sweep("f_1", "f_2") // gone before anybody could be told: nothing to tell
	if told := w.tell(); len(told) != 0 {
		t.Errorf("told %v of what is over", told)
	}
	w.sweep("f_1", "f_2", "f_3") // back again: that is news
	if told := w.tell(); len(told) != 2 {
		t.Errorf("told %v", told)
	}
	n = len(w.l.Histories[stream])
	w.l.Now = w.l.Now.Add(25 * time.Hour)
	w.sweep("f_1", "f_2", "f_3")
	if len(w.l.Histories[stream]) != n+1 {
		t.Errorf("that sweeps go on is not on record after a day")
	}
}

// TestAnUnreadTargetClearsNothing: what did not come may be there.
func TestAnUnreadTargetClearsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sweep("f_1")
	w.do(targets.Record(w.l.Facts(), stream, targets.Sweep{Unread: "nobody answers", Owner: owner}))
	if s := w.state(); s.Standing() != 1 || s.Swept.Unread == "" {
		t.Errorf("%+v", s)
	}
}

// TestAnswering holds who may answer for what is found, and for what.
func TestAnswering(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sweep("f_1")
	w.do(targets.Record(w.l.Facts(), stream, targets.Sweep{Found: []targets.Found{
		{Finding: "f_1", Why: targets.WhyUnknown, Act: targets.ActReport}, {Finding: "f_2", Why: targets.WhyUnknown, Act: targets.ActRevoke},
	}, Owner: owner}))
	by := workflows.Acting{Actor: "a_1", Person: owner}
	for _, c := range []struct {
		a    targets.Answer
		code string
	}{
		{targets.Answer{By: by, Finding: "f_1", Reason: "x"}, workflows.CodeNotEligible},
		{targets.Answer{By: by, May: true, Finding: "f_9", Reason: "x"}, workflows.CodeUnknown},
		{targets.Answer{By: by, May: true, Finding: "f_1", Reason: " "}, workflows.CodeReasonNeeded},
		{targets.Answer{By: by, May: true, Finding: "f_1", Reason: strings.Repeat("x", 1001)}, workflows.CodeTooLong},
		{targets.Answer{By: by, May: true, Finding: "f_2", Reason: "x"}, workflows.CodeNotEligible},
		{targets.Answer{By: by, May: true, Finding: "f_1", Reason: "x"}, ""},
	} {
		out := w.do(targets.Accept(w.l.Facts(), stream, c.a))
		got := ""
		if out.Refusal != nil {
			got = out.Refusal.Code
		}
		if got != c.code {
			t.Errorf("%+v: %q, want %q", c.a, got, c.code)
		}
	}
	if s := w.state(); s.Standing() != 1 || !s.Open["f_1"].Accepted || s.Open["f_1"].By != owner {
		t.Errorf("%+v", s.Open)
	}
	if out := w.do(targets.Accept(w.l.Facts(), stream, targets.Answer{By: by, May: true, Finding: "f_1", Reason: "again"})); len(out.Events) != 0 {
		t.Error("answered twice")
	}
}

// TestTroubleIsRecordedOnce for each kind of it, so that a target that never lets go does not fill the ledger.
func TestTroubleIsRecordedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sweep("f_1")
	for range 100 {
		w.do(targets.Fail(w.l.Facts(), stream, targets.RemoveFailed{Finding: "f_1", Class: "retry", Text: "no answer"}))
	}
	w.do(targets.Fail(w.l.Facts(), stream, targets.RemoveFailed{Finding: "f_1", Class: "broken", Text: "no right"}))
	if n := len(w.l.Histories[stream]); n != 4 {
		t.Errorf("%d entries", n)
	}
	w.do(targets.Remove(w.l.Facts(), stream, "f_1", nil))
	if out := w.do(targets.Remove(w.l.Facts(), stream, "f_1", nil)); len(out.Events) != 0 || w.state().Standing() != 0 {
		t.Error("removed twice")
	}
}

// TestReq_R68_AFailedDrillIsTold until a better one follows.
func TestReq_R68_AFailedDrillIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	drill := func(ok bool) {
		var out workflows.Outcome
		out.Add(stream, workflows.System, "", targets.Drilled{Entitlement: "canary", OK: ok, Step: "revoke", Owner: owner, Alarm: "#security"})
		w.do(out, nil)
	}
	drill(true)
	if told := w.tell(); len(told) != 0 {
		t.Errorf("told %v", told)
	}
	drill(false)
	if told := w.tell(); len(told) != 2 || len(w.tell()) != 0 {
		t.Errorf("told %v", told)
	}
	drill(false) // again: again
	drill(true)
	if told := w.tell(); len(told) != 0 {
		t.Errorf("told %v of a drill that was followed by a better one", told)
	}
}

// TestSweepsAgainstAModel: after any row of sweeps the state stands for exactly what the last complete one found, and every finding was told.
func TestSweepsAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 12).Draw(t, "sweeps") {
			want := map[string]bool{}
			var found []string
			for i := range 6 {
				if rapid.Bool().Draw(t, "found") {
					found, want[fmt.Sprint("f_", i)] = append(found, fmt.Sprint("f_", i)), true
				}
			}
			w.sweep(found...)
			if rapid.Bool().Draw(t, "tell") {
				w.tell()
				if left := w.state().Notices(); len(left) != 0 {
					t.Fatalf("still owed after telling: %v", left)
				}
			}
			s := w.state()
			if len(s.Open) != len(want) {
				t.Fatalf("stands %v, found %v", s.Open, found)
			}
			for id := range want {
				if _, ok := s.Open[id]; !ok {
					t.Fatalf("%s does not stand", id)
				}
			}
			if (len(targets.Listings(s)) == 1) != (s.Standing() > 0) {
				t.Fatalf("listed %v, %d stand", targets.Listings(s), s.Standing())
			}
		}
	})
}

// TestFoldRefusesWhatDoesNotFollow.
func TestFoldRefusesWhatDoesNotFollow(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]workflows.Event{
		"over, never found": targets.Cleared{Finding: "f_1"}, "trouble, never found": targets.RemoveFailed{Finding: "f_1"},
		"accepted by nobody": targets.Accepted{Finding: "f_0"}, "foreign": workflows.Withdrawn{}, "no name": targets.Found{}, "twice": targets.Found{Finding: "f_0"},
	} {
		h := []workflows.Record{{Stream: stream, Seq: 1, Event: targets.Found{Finding: "f_0"}}, {Stream: stream, Seq: 2, Event: e}}
		if _, err := targets.Fold(h); err == nil {
			t.Errorf("%s: folded", name)
		}
	}
	if _, err := targets.Fold([]workflows.Record{{Stream: stream, Seq: 2, Event: targets.Swept{}}}); err == nil {
		t.Error("a gap was folded")
	}
}

// R52: access that somebody has for good and could ask for has an owner and a deadline: it is told when it is found, told once more when
// the deadline has passed, and never again; and it is over when it is gone.
func TestReq_R52_StandingAccessHasADeadline(t *testing.T) {
	w := newWorld(t)
	due := w.l.Now.UTC.Add(30 * 24 * time.Hour)
	sweep := func(there bool) {
		t.Helper()
		s := targets.Sweep{Seen: 1, Owner: owner, Alarm: "#security"}
		if there {
			s.Found = []targets.Found{{
				Finding: "f_1", Why: targets.WhyStanding, Act: targets.ActReport, What: "member of the role reader", Account: "maya_pg",
				Entitlement: "readonly", Owner: "p_jonas", Due: due,
			}}
		}
		w.do(targets.Record(w.l.Facts(), stream, s))
	}
	sweep(true)
	if got := w.tell(); len(got) != 2 {
		t.Fatalf("told %v, want the owner and the channel", got)
	}
	when := func(at workflows.Stamp) string { return at.Time().Format(time.DateOnly) }
	if text := w.state().Sorted()[0].Sentence(when); !strings.Contains(text, "for good, which readonly gives for a time") || !strings.Contains(text, "answer for it, by "+when(due)) {
		t.Error(text)
	}
	w.l.Pass(29 * 24 * time.Hour)
	sweep(true)
	if got := w.tell(); len(got) != 0 {
		t.Errorf("told %v before the deadline", got)
	}
	w.l.Pass(2 * 24 * time.Hour)
	sweep(true)
	if got := w.tell(); len(got) != 2 {
		t.Errorf("told %v, want both again", got)
	}
	if text := w.state().Sorted()[0].Sentence(when); !strings.Contains(text, "was to be gone") {
		t.Error(text)
	}
	w.l.Pass(40 * 24 * time.Hour)
	sweep(true)
	if got := w.tell(); len(got) != 0 {
		t.Errorf("told %v a third time", got)
	}
	sweep(false)
	if s := w.state(); s.Standing() != 0 {
		t.Errorf("it is gone, and stands: %+v", s.Open)
	}
}
