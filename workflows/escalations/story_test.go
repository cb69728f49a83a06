package escalations_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// path is the one that every story walks: ann and bob for five minutes, the channel and a pager for ten, mia for thirty; twice.
func path() escalations.Path {
	return escalations.Path{Name: "on-call", Repeat: 1, Steps: []escalations.Step{
		{By: []string{escalations.ByDM, escalations.ByMail}, Wait: 5 * 60},
		{By: []string{escalations.ByChannel, escalations.ByPager}, Channel: "#security", Pager: "duty", Wait: 10 * 60},
		{By: []string{escalations.ByDM}, Wait: 30 * 60},
	}}
}

type desk struct {
	l      *storytest.Ledger
	people map[int][]workflows.PersonID // of each step
	over   bool
	id     string
}

func newDesk() *desk {
	return &desk{
		l:  storytest.New(workflows.EventKinds(), escalations.EventKinds()),
		id: escalations.IDOf(escalations.KindBreakGlass, "g_1"), people: map[int][]workflows.PersonID{1: {"p_ann", "p_bob"}, 3: {"p_mia"}},
	}
}

func (x *desk) rung(step, round int) escalations.Rung {
	s := path().Steps[step-1]
	return escalations.Rung{
		Step: step, Round: round, People: x.people[step], By: s.By, Channel: s.Channel, Pager: s.Pager, Until: x.l.Now.UTC.Add(s.Wait.Duration()),
	}
}

func (x *desk) stream() workflows.StreamID { return escalations.Stream(x.id) }

func (x *desk) state() escalations.State {
	s, err := escalations.Fold(x.l.Histories[x.stream()])
	if err != nil {
		panic(err)
	}
	return s
}

// TestStories: what becomes of an escalation, one line a story. "reached WHAT" and "missed WHAT" are deliveries; what is in quotes is refused.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"opened break_glass -> step 1 of 3; owes dm:ann dm:bob email:ann email:bob; wakes in 5m0s",
		"opened break_glass; reached all; ann acks -> acknowledged; owes nothing; over; wakes never",
		"opened break_glass; reached all; 4m; tick -> step 1 of 3; wakes in 1m0s",
		"opened break_glass; reached all; 5m; tick -> step 2 of 3; owes channel:#security pager:duty; because no acknowledgement",
		"opened break_glass; missed dm:ann email:ann dm:bob; tick -> step 1 of 3",
		"opened break_glass; missed all; tick -> step 2 of 3; because nobody could be told",
		"opened break_glass; missed dm:ann email:ann email:bob; reached dm:bob; tick -> step 1 of 3",
		"opened break_glass; reached all; 5m; tick; missed all; tick -> step 3 of 3; owes dm:mia; because nobody could be told",
		"opened break_glass; reached all; 5m; tick; reached all; 10m; tick; 30m; tick -> step 1 of 3, round 2; because no acknowledgement",
		"opened break_glass; reached all; 5m; tick; ann acks -> acknowledged; owes nothing; over; wakes never",
		"opened break_glass; all missed -> unanswered; told 0; wakes never",
		"opened break_glass; all missed; bob acks -> acknowledged; over",
		"nobody in 1; opened break_glass; tick -> step 2 of 3; because nobody could be told",
		"opened break_glass; zed acks 'self_approval' -> open",
		"opened break_glass; eve acks 'unknown' -> open",
		"opened break_glass; mia acks 'unknown' -> open",
		"opened break_glass; ann acks; ann acks 'decided'; bob acks -> acknowledged",
		"opened break_glass; sec security acks -> acknowledged",
		"opened failed_revocation; ann acks -> acknowledged; not over; wakes never",
		"opened failed_revocation; ann closes 'not_yours'; ann acks; ann closes -> closed; over",
		"opened failed_revocation; sec security closes -> closed",
		"opened failed_revocation; ann acks; ann briefly closes 'reason_needed' -> acknowledged",
		"opened failed_revocation; zed closes 'self_approval' -> open",
		"opened failed_revocation; reached all; gone; 5m; tick -> closed; over; owes nothing",
		"opened failed_revocation; ann acks; gone; tick -> closed",
		"opened leak; ann acks -> acknowledged; not over",
		"opened drill; reached dm:ann; ann acks -> acknowledged; proved",
		"opened drill; missed all; ann acks -> acknowledged; not proved",
		"opened drill; reached all; sec security acks -> acknowledged; not proved",
		"opened drill; reached all -> open; not proved",
		"opened break_glass; opened break_glass; reached all; ann acks; ann closes; ann acks 'decided' -> closed",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			x := newDesk()
			history, wants, _ := strings.Cut(line, " -> ")
			for step := range strings.SplitSeq(history, "; ") {
				step, want, _ := strings.Cut(step, " '")
				if got, err := x.step(strings.Fields(step)); err != nil || got != strings.TrimSuffix(want, "'") {
					t.Fatalf("at %q: refused with %q: %v", step, got, err)
				}
				x.check(t)
			}
			for want := range strings.SplitSeq(wants, "; ") {
				if got := x.says(want); got != want {
					t.Errorf("want %q, got %q", want, got)
				}
			}
		})
	}
}

// Taken steps come back with the same answers from their bytes, and with every free text erased.
func (x *desk) check(t *testing.T) {
	t.Helper()
	h := x.l.Histories[x.stream()]
	if len(h) == 0 {
		return
	}
	back, err := x.l.RoundTrip(h)
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string][]workflows.Record{"reread": back, "erased": storytest.Erase(h)} {
		s, err := escalations.Fold(other)
		if err != nil {
			t.Fatal(name, err)
		}
		if d := cmp.Diff(escalations.Pending(x.state()), escalations.Pending(s), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s, it owes something else:\n%s", name, d)
		}
	}
	s := x.state()
	if err := storytest.CheckJobs(escalations.Pending(s)); err != nil {
		t.Error(err)
	}
	if err := storytest.CheckListings(escalations.Listings(s)); err != nil {
		t.Error(err)
	}
}

func (x *desk) step(words []string) (string, error) {
	if d, ok := storytest.Duration(words[0]); ok {
		x.l.Pass(d)
		return "", nil
	}
	switch words[0] {
	case "opened":
		var out workflows.Outcome
		escalations.Open(x.l.Facts(), escalations.Opening{ID: x.id, By: workflows.Acting{Person: "p_zed"}, First: x.rung(1, 1), Event: escalations.Opened{
			About: words[1], Path: "on-call", Steps: 3, Repeat: 1, Whose: []workflows.PersonID{"p_zed"}, What: "Restart.", Drill: words[1] == escalations.KindDrill,
		}}, &out)
		x.l.Append(out)
		return "", nil
	case "nobody": // nobody in 1
		delete(x.people, int(words[2][0]-'0'))
		return "", nil
	case "gone":
		x.over = true
		return "", nil
	case "reached", "missed":
		x.deliver(words[0] == "reached", words[1:])
		return "", nil
	case "tick":
		return "", x.tick()
	case "all": // all missed: to the end of the path
		for x.state().Status() == "open" {
			x.deliver(false, []string{"all"})
			if err := x.tick(); err != nil {
				return "", err
			}
		}
		return "", nil
	}
	d := escalations.Doing{
		By:       workflows.Acting{Actor: workflows.ActorID("a_" + words[0]), Person: workflows.PersonID("p_" + words[0])},
		Standing: workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}, Security: slices.Contains(words, "security"),
		Words: "it was taken care of", Authn: "slack-click", Channel: "slack",
	}
	if slices.Contains(words, "briefly") {
		d.Words = "ok"
	}
	decide := escalations.Acknowledge
	if slices.Contains(words, "closes") {
		decide = escalations.Close
	}
	out, err := decide(x.l.Facts(), x.id, d)
	if out.Refusal != nil {
		return out.Refusal.Code, err
	}
	x.l.Append(out)
	return "", err
}

func (x *desk) tick() error {
	var next *escalations.Rung
	if step, round, more := x.state().Next(); more {
		r := x.rung(step, round)
		next = &r
	}
	out, err := escalations.Tick(x.l.Facts(), x.stream(), x.over, next)
	x.l.Append(out)
	return err
}

func (x *desk) deliver(ok bool, which []string) {
	for _, n := range x.state().Notices() {
		if !slices.Contains(which, "all") && !slices.Contains(which, short(n.ID)) {
			continue
		}
		var out workflows.Outcome
		if ok {
			out.Add(x.stream(), workflows.System, "", workflows.NoticeDelivered{Notice: n.ID, Via: "slack"})
		} else {
			out.Add(x.stream(), workflows.System, "", workflows.NoticeUndelivered{Notice: n.ID, Why: "nobody is there"})
		}
		x.l.Append(out)
	}
}

func short(notice string) string {
	means, to := escalations.MeansOf(notice)
	return means + ":" + strings.TrimPrefix(to, "p_")
}

func (x *desk) says(want string) string {
	s := x.state()
	switch word, _, _ := strings.Cut(want, " "); word {
	case "step":
		return s.Place()
	case "owes":
		var out []string
		for _, n := range s.Notices() {
			if s.Taken[len(s.Taken)-1].Step == 1 || n.Stage == len(s.Taken) {
				out = append(out, short(n.ID))
			}
		}
		slices.Sort(out)
		if len(out) == 0 {
			return "owes nothing"
		}
		return "owes " + strings.Join(out, " ")
	case "wakes":
		if at := escalations.NextWake(s); at != 0 {
			return "wakes in " + at.Sub(x.l.Now.UTC).String()
		}
		return "wakes never"
	case "because":
		return "because " + s.Taken[len(s.Taken)-1].Because
	case "over":
		return map[bool]string{true: "over", false: "not over"}[s.Over()]
	case "proved":
		return map[bool]string{true: "proved", false: "not proved"}[s.Proved()]
	case "not":
		if want == "not over" {
			return map[bool]string{true: "over", false: "not over"}[s.Over()]
		}
		return map[bool]string{true: "proved", false: "not proved"}[s.Proved()]
	case "told":
		return fmt.Sprintf("told %d", s.Reached())
	}
	return s.Status()
}

// TestThreat_T45_ATemplateIsFilledOnce: what somebody typed is data. It is not looked at again, and only the words there are stand for something.
func TestThreat_T45_ATemplateIsFilledOnce(t *testing.T) {
	t.Parallel()
	words := map[string]string{"what": "${why} {{.}} %s ${", "why": "secret"}
	for template, want := range map[string]string{
		"${what}":               "${why} {{.}} %s ${",
		"a ${why} b ${what}":    "a secret b ${why} {{.}} %s ${",
		"${nothing} ${why":      "${nothing} ${why",
		"{{.why}} $why ${ why}": "{{.why}} $why ${ why}",
		"${why}${why}":          "secretsecret",
		"${":                    "${",
		"":                      "",
	} {
		if got := escalations.Fill(template, words); got != want {
			t.Errorf("%q became %q, want %q", template, got, want)
		}
	}
	if got := escalations.Unknown("${what} ${nothing} ${why"); !slices.Equal(got, []string{"nothing", "why"}) {
		t.Errorf("unknown are %q", got)
	}
}

// Every kind has words that name only what there is.
func TestEveryKindHasWords(t *testing.T) {
	t.Parallel()
	for _, kind := range escalations.Kinds() {
		m := escalations.Plan{}.Says(kind)
		if m.Subject == "" || m.Text == "" || len(escalations.Unknown(m.Subject+m.Text)) > 0 {
			t.Errorf("%s says %+v", kind, m)
		}
	}
}
