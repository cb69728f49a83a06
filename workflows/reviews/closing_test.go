package reviews_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// play gives a desk after some steps, none of which is refused.
func play(t storytest.T, steps ...string) *desk {
	t.Helper()
	x := &desk{l: storytest.New(workflows.EventKinds(), reviews.EventKinds()), standing: usual}
	for _, step := range steps {
		if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
			t.Fatalf("%s: %q, %v", step, code, err)
		}
	}
	return x
}

func closing(person string, v reviews.Verdict) reviews.Closing {
	return reviews.Closing{
		By: workflows.Acting{Actor: workflows.ActorID("a_" + person), Person: workflows.PersonID("p_" + person)}, Standing: usual,
		Verdict: v, Note: "the database was really down", Authn: "slack-click", Channel: "slack",
	}
}

// Every refusal says what is wrong in its own words, and the ledger keeps who tried, with what and where, but nothing of the note.
func TestRefusalsInTheirWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		opened, who    string
		verdict        reviews.Verdict
		note           string
		code, sentence string
	}{
		{"opened ann", "zed", reviews.Misuse, "a long enough note", workflows.CodeReviewer, "You invoked this, so somebody else has to review it."},
		{"opened ann", "eve", reviews.Misuse, "a long enough note", workflows.CodeUnknown, workflows.Unknown().Sentence},
		{"opened ann", "ann", reviews.Proper, "a long enough note", workflows.CodeBadField, "Pick a verdict: emergency, drill or misuse."},
		{"opened ann", "ann", "", "a long enough note", workflows.CodeBadField, "Pick a verdict: emergency, drill or misuse."},
		{"opened ann", "ann", "Misuse", "a long enough note", workflows.CodeBadField, "Pick a verdict: emergency, drill or misuse."},
		{"sampled ann", "ann", reviews.Drill, "a long enough note", workflows.CodeBadField, "Pick a verdict: proper or misuse."},
		{"opened ann", "ann", reviews.Misuse, strings.Repeat(" ", 50) + "123456789", workflows.CodeReasonNeeded, "Say what you found, in 10 to 2000 characters."},
		{"opened ann", "ann", "", "", workflows.CodeBadField, "Pick a verdict: emergency, drill or misuse."},
	} {
		x := play(t, c.opened)
		in := closing(c.who, c.verdict)
		in.Note = c.note
		out, err := reviews.Close(x.l.Facts(), id, in)
		if err != nil || out.Refusal == nil || out.Refusal.Code != c.code || out.Refusal.Sentence != c.sentence {
			t.Errorf("%s closes %q: %+v, %v", c.who, c.verdict, out.Refusal, err)
		}
		want := []workflows.StreamEvent{{
			Stream: stream, Actor: in.By.Actor, Person: in.By.Person, Event: workflows.Refused{Command: "review", Code: c.code, Channel: "slack"},
		}}
		if d := cmp.Diff(want, out.Events); d != "" {
			t.Errorf("%s closes %q (-want +got):\n%s", c.who, c.verdict, d)
		}
	}
}

// What somebody's account lacks is said before anything about the review: the same whether they invoked it, own it, or it does not exist.
func TestStandingIsSaidFirst(t *testing.T) {
	t.Parallel()
	for code, spoil := range map[string]func(*workflows.Standing){
		workflows.CodeDirectory: func(s *workflows.Standing) { *s = workflows.Standing{} },
		workflows.CodeNotHuman:  func(s *workflows.Standing) { s.Human = false },
		workflows.CodeInactive:  func(s *workflows.Standing) { s.Active = false },
		workflows.CodeGuest:     func(s *workflows.Standing) { s.Member = false },
		workflows.CodeUnlinked:  func(s *workflows.Standing) { s.Linked = false },
	} {
		for _, steps := range [][]string{nil, {"opened ann"}, {"opened ann", "ann closes misuse"}} {
			for _, who := range []string{"ann", "zed", "eve"} {
				x, in := play(t, steps...), closing(who, "none")
				spoil(&in.Standing)
				out, err := reviews.Close(x.l.Facts(), id, in)
				if err != nil || out.Refusal == nil || out.Refusal.Code != code {
					t.Errorf("%s after %q: %+v, %v; want %s", who, steps, out.Refusal, err, code)
				}
			}
		}
	}
}

// The verdict is recorded as given, the note without the blanks round it, by whoever gave it.
func TestClosedIsWhatWasSaid(t *testing.T) {
	t.Parallel()
	x, in := play(t, "opened ann bob"), closing("bob", reviews.Drill)
	in.Note, in.Authn, in.Channel = "\n planned for the quarter\t", "cli-socket", "cli"
	out, err := reviews.Close(x.l.Facts(), id, in)
	want := []workflows.StreamEvent{{
		Stream: stream, Actor: "a_bob", Person: "p_bob",
		Event: reviews.Closed{Verdict: reviews.Drill, Note: "planned for the quarter", Authn: "cli-socket", Channel: "cli"},
	}}
	if d := cmp.Diff(want, out.Events); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// The deadline passes at its microsecond, not before, and only once.
func TestOverdueAtItsMicrosecond(t *testing.T) {
	t.Parallel()
	x := play(t, "opened ann")
	due := x.state().Opened.DueAt
	for _, c := range []struct {
		at   workflows.Stamp
		want int
	}{{due - 1, 0}, {due, 1}, {due + 1, 0}} {
		x.l.Now.UTC = c.at
		out, err := reviews.Tick(x.l.Facts(), stream)
		if err != nil || len(out.Events) != c.want {
			t.Errorf("%s from the deadline: %v, %v", c.at.Sub(due), out.Events, err)
		}
		x.l.Append(out)
	}
	if _, err := reviews.Tick(x.l.Facts(), "review/v_none"); err != workflows.ErrNoStream {
		t.Errorf("a review that is not there: %v", err)
	}
}

// Whoever tries what in whatever order: the first reviewer with a verdict that fits closes it, and nothing afterwards changes that.
func TestFirstFittingVerdictStands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"opened", "sampled"}).Draw(t, "kind")
		fits := map[string]string{"opened": "emergency drill misuse", "sampled": "proper misuse"}[kind]
		x, want := play(t, kind+" ann bob zed"), "closed nothing"
		for range rapid.IntRange(1, 12).Draw(t, "tries") {
			who := rapid.SampledFrom([]string{"ann", "bob", "zed", "eve"}).Draw(t, "who")
			verdict := rapid.SampledFrom([]string{"emergency", "drill", "misuse", "proper", "fine"}).Draw(t, "verdict")
			code, err := x.step([]string{who, "closes", verdict})
			closes := want == "closed nothing" && (who == "ann" || who == "bob") && strings.Contains(fits, verdict)
			if err != nil || (code == "") != closes {
				t.Fatalf("%s closes %s: %q, %v", who, verdict, code, err)
			}
			if closes {
				want = fmt.Sprintf("closed %s by %s", verdict, who)
			}
			if got := x.says("closed"); got != want {
				t.Fatalf("want %q, got %q", want, got)
			}
			x.check(t)
		}
	})
}
