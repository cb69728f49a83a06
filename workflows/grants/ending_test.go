package grants_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// played gives a stream after some steps, none of which is refused.
func played(t storytest.T, setting string, steps ...string) *holder {
	t.Helper()
	x := newHolder(setting)
	for _, step := range steps {
		if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
			t.Fatalf("%s: %q, %v", step, code, err)
		}
	}
	return x
}

// Every refusal to end access says why; the attempt is kept on the access's own stream, or on the system's when there is no such access, so that
// nobody learns which there are.
func TestEndIsRefusedInItsWords(t *testing.T) {
	t.Parallel()
	noSuch := workflows.Refusal{
		Code: workflows.CodeNotYours, Sentence: "There is no such access, or it is not yours to end.", Next: "Its holder, the target's owner, those who approved it and security can.",
	}
	for _, c := range []struct {
		steps, id, who, how string
		on                  workflows.StreamID
		want                workflows.Refusal
	}{
		{"g1 granted 1h", "g1", "eve", grants.HowRevoked, stream, noSuch},
		{"g1 granted 1h", "g2", "olga", grants.HowRevoked, workflows.SystemStream, noSuch},
		{"g1 granted 1h; g1 fails", "g1", "eve", grants.HowRevoked, stream, noSuch},
		{"g1 granted 1h; g1 fails", "g1", "olga", grants.HowRevoked, stream, workflows.Refusal{Code: workflows.CodeNotActive, Sentence: "This access has already ended."}},
		{"g1 granted 1h; 1h", "g1", "zed", grants.HowReturned, stream, workflows.Refusal{Code: workflows.CodeNotActive, Sentence: "This access has already ended."}},
		{"g1 granted 1h", "g1", "olga", grants.HowRevoked, stream, workflows.Refusal{Code: workflows.CodeReasonNeeded, Sentence: "Revoking this needs a reason."}},
		{"g1 granted 1h", "g1", "ann", grants.HowReturned, stream, workflows.Refusal{
			Code: workflows.CodeNotYours, Sentence: "This is somebody else's access, so you cannot be done with it.", Next: "You can revoke it, and say why.",
		}},
	} {
		x := played(t, "own", strings.Split(c.steps, "; ")...)
		by := grants.EndBy{
			By:  workflows.Acting{Actor: workflows.ActorID("a_" + c.who), Person: workflows.PersonID("p_" + c.who)},
			How: c.how, Why: "\t \n", Channel: "cli", NeedsReason: true,
		}
		out, err := grants.End(x.l.Facts(), stream, workflows.GrantID(c.id), by)
		if d := cmp.Diff(&c.want, out.Refusal); err != nil || d != "" {
			t.Errorf("%s, %s %s %s: %v (-want +got):\n%s", c.steps, c.who, c.how, c.id, err, d)
		}
		want := []workflows.StreamEvent{{
			Stream: c.on, Actor: by.By.Actor, Person: by.By.Person,
			Event: workflows.Refused{Command: c.how, Code: c.want.Code, Channel: "cli", About: c.id},
		}}
		if d := cmp.Diff(want, out.Events); d != "" {
			t.Errorf("%s, %s %s %s is recorded (-want +got):\n%s", c.steps, c.who, c.how, c.id, d)
		}
	}
}

// Either clock ends a grant at its last tick and not one before, and each alarm is raised at its microsecond.
func TestEndsAndAlarmsAtTheirLastTick(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		now   func(h grants.Hold) workflows.Instant
		back  func(i *workflows.Instant)
		want  workflows.Event
	}{
		{
			"the wall clock",
			[]string{"g1 granted 1h"},
			func(h grants.Hold) workflows.Instant { return workflows.Instant{UTC: h.Ends.UTC, Mono: h.At.Mono} },
			func(i *workflows.Instant) { i.UTC-- },
			grants.Ending{Grant: "g1", How: grants.HowExpired},
		},
		{
			"the other clock",
			[]string{"g1 granted 1h"},
			func(h grants.Hold) workflows.Instant { return workflows.Instant{UTC: h.At.UTC, Mono: h.Ends.Mono} },
			func(i *workflows.Instant) { i.Mono-- },
			grants.Ending{Grant: "g1", How: grants.HowExpired},
		},
		{
			"the first alarm",
			[]string{"g1 granted 1h", "1h"},
			func(h grants.Hold) workflows.Instant { return h.EndingAt.Add(time.Minute) },
			func(i *workflows.Instant) { i.UTC-- },
			grants.Overdue{Grant: "g1", Level: 1},
		},
		{
			"the second alarm",
			[]string{"g1 granted 1h", "1h", "60s"},
			func(h grants.Hold) workflows.Instant { return h.EndingAt.Add(5 * time.Minute) },
			func(i *workflows.Instant) { i.UTC-- },
			grants.Overdue{Grant: "g1", Level: 2},
		},
	} {
		x := played(t, "own", c.steps...)
		h, _ := x.state().Find("g1")
		x.l.Now = c.now(h)
		c.back(&x.l.Now)
		if out, err := grants.Tick(x.l.Facts(), stream); err != nil || len(out.Events) != 0 {
			t.Errorf("%s, one before: %v, %v", c.name, out.Events, err)
		}
		x.l.Now = c.now(h)
		out, err := grants.Tick(x.l.Facts(), stream)
		if d := cmp.Diff([]workflows.StreamEvent{{Stream: stream, Actor: workflows.System.Actor, Event: c.want}}, out.Events); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, d)
		}
	}
}

// The alarm goes to the owner, then to the approvers too, each once, and to the channel both times; what a person holds who did not ask for it
// themselves is told to who holds it.
func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	x := newHolder("own")
	a := x.approved("g1", "1h")
	a.Identity, a.Alarm, a.Approvers = "p_maya", "#alarms", []workflows.PersonID{"p_olga", "p_ann", "", "p_ann"}
	x.add(a)
	told := func() string {
		var list []string
		for _, n := range x.state().Notices() {
			if n.Grant != "g1" || n.Urgent != (n.What != workflows.NoticeEnded) {
				t.Errorf("%+v", n)
			}
			list = append(list, n.ID)
		}
		return strings.Join(list, " ")
	}
	for _, c := range []struct{ step, want string }{
		{"g1 starts", "ready/g1/p_maya"},
		{"1h", ""},
		{"60s", "overdue/g1/p_olga overdue/g1/#alarms"},
		{"4m", "overdue/g1/p_olga overdue/g1/p_ann overdue/g1/#alarms"},
		{"g1 gone", "ended/g1/p_maya"},
	} {
		if _, err := x.step(strings.Fields(c.step)); err != nil {
			t.Fatal(err)
		}
		if got := told(); got != c.want {
			t.Errorf("after %s %q, want %q", c.step, got, c.want)
		}
	}
}

// A stream stands on the lists of those who hold something of it now, and by its grants' ids for ever.
func TestListings(t *testing.T) {
	t.Parallel()
	for steps, want := range map[string]string{
		"g1 granted 1h":                                            "grants.active: grants.active:p_zed grants.id:g1 grants.target:pg-main",
		"g1 granted 1h; 1h":                                        "grants.active: grants.active:p_zed grants.id:g1 grants.target:pg-main",
		"g1 granted 1h; 1h; g1 gone":                               "grants.id:g1",
		"g1 granted 1h; g1 fails":                                  "grants.id:g1",
		"g1 granted 1h; g1 fails; g2 granted 1h":                   "grants.active: grants.active:p_zed grants.id:g1 grants.id:g2 grants.target:pg-main",
		"g1 granted 1h ticket A; g2 granted 1h":                    "grants.active: grants.active:p_zed grants.id:g1 grants.id:g2 grants.target:pg-main grants.ticket:A",
		"g1 granted 1h ticket A; g1 fails; g2 granted 1h ticket B": "grants.active: grants.active:p_zed grants.id:g1 grants.id:g2 grants.target:pg-main grants.ticket:B",
	} {
		var got []string
		for _, l := range grants.Listings(played(t, "own", strings.Split(steps, "; ")...).state()) {
			got = append(got, l.List+":"+l.Member)
		}
		slices.Sort(got)
		if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s (-want +got):\n%s", steps, d)
		}
	}
}

// What is held longest, and when the stream wakes next, does not depend on the order in which grants were approved.
func TestHeldAndWakeWhateverTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.SliceOfNDistinct(rapid.IntRange(1, 90), 1, 6, rapid.ID[int]).Draw(t, "minutes")
		x := newHolder("own")
		for _, m := range minutes {
			x.add(x.approved(workflows.GrantID(fmt.Sprintf("g%d", m)), fmt.Sprintf("%dm", m)))
		}
		at := rapid.IntRange(0, 95).Draw(t, "at")
		now, longest := x.l.Now.UTC.Add(time.Duration(at)*time.Minute), slices.Max(minutes)
		h, ok := x.state().Held(now)
		if ok != (at < longest) || ok && h.Approved.Grant != workflows.GrantID(fmt.Sprintf("g%d", longest)) {
			t.Fatalf("after %dm of %v: %q, %t", at, minutes, h.Approved.Grant, ok)
		}
		if got, want := grants.NextWake(x.state()), x.l.Now.UTC.Add(time.Duration(slices.Min(minutes))*time.Minute); got != want {
			t.Fatalf("wakes at %s, want %s", got, want)
		}
	})
}

// Who asked on behalf of an identity finds it on their list as long as what they asked for lives, not as long as somebody else's does.
func TestListedForWhoAskedWhileItLives(t *testing.T) {
	t.Parallel()
	x := newHolder("robot")
	for id, who := range map[workflows.GrantID]workflows.PersonID{"g1": "p_zed", "g2": "p_maya"} {
		a := x.approved(id, "1h")
		a.Requester = who
		x.add(a)
	}
	listed := func() string {
		var who []string
		for _, l := range grants.Listings(x.state()) {
			if l.List == grants.ListActive && l.Member != "" {
				who = append(who, l.Member)
			}
		}
		slices.Sort(who)
		return strings.Join(who, " ")
	}
	for _, c := range []struct{ step, want string }{
		{"g9 fails", "p_maya p_zed"}, {"g1 fails", "p_maya"}, {"g2 called off", "p_maya"}, {"g2 gone", ""},
	} {
		if _, err := x.step(strings.Fields(c.step)); err != nil {
			t.Fatal(err)
		}
		if got := listed(); got != c.want {
			t.Errorf("after %s %q, want %q", c.step, got, c.want)
		}
	}
}
