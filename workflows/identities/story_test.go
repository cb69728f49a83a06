package identities_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

var usual = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}

// office is the stream of one person and of one identity in a ledger in memory.
type office struct {
	l        *storytest.Ledger
	standing map[string]workflows.Standing
	leaves   int
	windows  int
	asking   workflows.Span
	shut     bool
	target   workflows.TargetID
}

const (
	annStream   workflows.StreamID = "person/p_ann"
	robotStream workflows.StreamID = "identity/svc-deploy"
)

func newOffice() *office {
	return &office{
		l: storytest.New(workflows.EventKinds(), identities.EventKinds()), standing: map[string]workflows.Standing{"ann": usual, "dave": usual, "nobody": usual},
		asking: 1800, target: "pg-main",
	}
}

// TestStories plays testdata/stories: time off, what was used, standing windows, one line a story.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"people", "windows"} {
		stories, err := storytest.Read("testdata/stories/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stories {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				x := newOffice()
				for _, step := range s.Steps {
					words, want := storytest.Words(step)
					got, err := x.step(words)
					if err != nil || got != want {
						t.Fatalf("%s\n  at %q: refused with %q, want %q: %v", s.Text, step, got, want, err)
					}
					x.check(t)
				}
				for _, want := range s.Wants {
					if got := x.says(strings.Fields(want)); got != want {
						t.Errorf("%s\n  want %q, got %q", s.Text, want, got)
					}
				}
			})
		}
	}
}

func (x *office) add(s workflows.StreamID, e workflows.Event) {
	var out workflows.Outcome
	out.Add(s, workflows.Acting{Actor: "a_ann", Person: "p_ann"}, "", e)
	x.l.Append(out)
}

func (x *office) take(out workflows.Outcome, err error) (string, error) {
	if err != nil {
		return "", err
	}
	x.l.Append(out)
	if out.Refusal != nil {
		return out.Refusal.Code, nil
	}
	return "", nil
}

func span(word string) time.Duration {
	d, _ := time.ParseDuration(word)
	return d
}

func (x *office) step(words []string) (string, error) {
	if d, ok := storytest.Duration(words[0]); ok {
		x.l.Pass(d)
		return "", nil
	}
	switch words[0] {
	case "clock":
		x.l.Step(-span(words[2]))
	case "guests":
		s := usual
		s.Member = false
		x.standing["ann"] = s
	case "dave":
		s := usual
		s.Member = false
		x.standing["dave"] = s
	case "linked":
		x.add(annStream, identities.Linked{Account: "a_1", Medium: "slack", Name: "Ann"})
	case "told":
		x.add(annStream, workflows.NoticeDelivered{Notice: "x"})
		x.add(annStream, workflows.NoticeUndelivered{Notice: "y"})
		x.add(robotStream, workflows.NoticeDelivered{Notice: "x"})
	case "refused":
		x.add(annStream, workflows.Refused{Command: "away", Code: "x"})
	case "used":
		return "", x.used(words[1:])
	case "registered":
		x.add(robotStream, identities.Registered{Class: "service_account", Owner: "p_ann"})
	case "removed":
		x.add(robotStream, identities.Removed{Why: "gone"})
	case "granted":
		x.granted(words)
	case "closed":
		x.add(robotStream, identities.WindowClosed{Window: words[1], Why: "done"})
	case "asking":
		x.asking = workflows.SpanOf(span(words[1]))
	case "shut":
		x.shut = true
	case "elsewhere":
		x.target = "pg-other"
	case "ann", "nobody":
		return x.moves(words[0], words[1:])
	default:
		return "", fmt.Errorf("unknown step %q", words)
	}
	return "", nil
}

// used reads "used auto quick", "used ask", and "used w1" of a window.
func (x *office) used(words []string) error {
	if strings.HasPrefix(words[0], "w") {
		x.add(robotStream, identities.WindowUsed{Window: words[0], Request: "r_1", Grant: "g_1"})
		return nil
	}
	u := identities.Used{What: words[0], Workflow: "prod-db", Request: "r_1"}
	if len(words) > 1 {
		u.Rule = words[1]
	}
	x.add(annStream, u)
	return nil
}

func (x *office) granted(words []string) {
	x.windows++
	terms := workflows.WindowTerms{Hours: "Mon-Fri 22:00-04:00", Zone: "UTC", Per: workflows.SpanOf(span(words[3])), Lifetime: workflows.SpanOf(span(words[7]))}
	_, _ = fmt.Sscan(words[1], &terms.Times)
	_, _ = fmt.Sscan(words[5], &terms.Budget)
	x.add(robotStream, identities.WindowGranted{
		Window: fmt.Sprintf("w%d", x.windows), Workflow: "night-jobs", Target: "pg-main", Entitlement: "writer", Terms: terms,
		Approvers: []workflows.PersonID{"p_olga"}, EndsAt: storytest.Start().UTC.Add(span(words[9])),
	})
}

// moves reads "goes 1h 3h for dave", "goes 0s 3h wordily", "goes 20 times", "comes back", "comes back w_1".
func (x *office) moves(who string, words []string) (string, error) {
	l := identities.Leave{
		By: workflows.Acting{Actor: workflows.ActorID("a_" + who), Person: workflows.PersonID("p_" + who)}, Standing: x.standing[who], Stand: x.standing["dave"],
		Reason: " a holiday ", Authn: "slack-click", Channel: "slack",
	}
	if who == "nobody" {
		l.By.Person = ""
	}
	if words[0] == "comes" {
		if len(words) > 2 {
			l.ID = words[2]
		}
		return x.take(identities.ComeBack(x.l.Facts(), l))
	}
	if len(words) > 2 && words[2] == "times" {
		for i := range 20 {
			l.ID, l.From, l.Until = fmt.Sprintf("w_n%d", i), x.l.Now.UTC.Add(time.Duration(i)*time.Hour), x.l.Now.UTC.Add(time.Duration(i+1)*time.Hour)
			if code, err := x.take(identities.GoAway(x.l.Facts(), l)); code != "" || err != nil {
				return code, err
			}
		}
		return "", nil
	}
	x.leaves++
	l.ID = fmt.Sprintf("w_%d", x.leaves)
	l.From, l.Until = x.l.Now.UTC.Add(span(words[1])), x.l.Now.UTC.Add(span(words[2]))
	switch rest := strings.Join(words[3:], " "); rest {
	case "for dave":
		l.Delegate = "p_dave"
	case "for ann":
		l.Delegate = "p_ann"
	case "wordily":
		l.Reason = strings.Repeat("ü", workflows.MaxReason+1)
	case "again":
		l.ID = fmt.Sprintf("w_%d", x.leaves-1)
	}
	return x.take(identities.GoAway(x.l.Facts(), l))
}

func (x *office) person() identities.PersonState {
	s, err := identities.FoldPerson(x.l.Histories[annStream])
	if err != nil {
		panic(err)
	}
	return s
}

func (x *office) robot() identities.IdentityState {
	s, err := identities.FoldIdentity(x.l.Histories[robotStream])
	if err != nil {
		panic(err)
	}
	return s
}

func (x *office) says(words []string) string {
	s, now := x.person(), x.l.Now.UTC
	presence := func(at workflows.Stamp) string {
		a, ok := s.AwayAt(at)
		switch {
		case !ok:
			return "here"
		case a.Delegate != "":
			return "away for " + strings.TrimPrefix(string(a.Delegate), "p_")
		}
		return "away"
	}
	switch words[0] {
	case "now":
		return "now " + presence(now)
	case "at":
		return "at " + words[1] + " " + presence(storytest.Start().UTC.Add(span(words[1])))
	case "coming":
		return fmt.Sprintf("coming %d", len(s.Coming(now)))
	case "links":
		return fmt.Sprintf("links %d", len(s.Links))
	case "since": // since 2h auto 3: of all rules; since 2h quick 2: of one
		what, rule := words[2], ""
		if what != identities.UsedAuto && what != identities.UsedAsk {
			what, rule = identities.UsedAuto, words[2]
		}
		return fmt.Sprintf("since %s %s %d", words[1], words[2], s.Count(what, "prod-db", rule, now.Add(-span(words[1]))))
	case "known":
		if x.robot().Registered == nil {
			return "known no"
		}
		return "known yes"
	case "windows":
		return fmt.Sprintf("windows %d", len(x.robot().Windows))
	case "covers":
		w, no := x.robot().WindowFor(x.target, "writer", x.asking, now, func(workflows.WindowTerms) bool { return !x.shut })
		switch {
		case w != nil:
			return fmt.Sprintf("covers %s used %d", w.Window, w.Recent(now))
		case no == nil:
			return "covers nothing"
		case no.Code != workflows.CodeWindow || no.Next == "":
			return fmt.Sprintf("covers no, with %+v", no)
		}
		want := strings.TrimPrefix(strings.Join(words, " "), "covers no: ")
		if strings.Contains(no.Sentence, strings.TrimPrefix(want, "it ")) {
			return strings.Join(words, " ")
		}
		return "covers no: " + no.Sentence
	}
	return "?"
}

// check holds after every step: what is recorded folds the same from its bytes, and decides the same with every opening erased.
func (x *office) check(t storytest.T) {
	t.Helper()
	for _, stream := range []workflows.StreamID{annStream, robotStream} {
		h := x.l.Histories[stream]
		reread, err := x.l.RoundTrip(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range [][]workflows.Record{reread, storytest.Erase(h)} {
			if stream == annStream {
				again, err := identities.FoldPerson(other)
				if err != nil {
					t.Fatal(err)
				}
				for i, a := range x.person().Aways {
					a.Reason, again.Aways[i].Reason = "", ""
					if d := cmp.Diff(a, again.Aways[i]); d != "" {
						t.Fatalf("folds to something else:\n%s", d)
					}
				}
				continue
			}
			again, err := identities.FoldIdentity(other)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(x.robot().Windows, again.Windows); d != "" {
				t.Fatalf("folds to something else:\n%s", d)
			}
		}
	}
}

// A history that breaks a promise does not fold, and on a damaged one nothing is decided.
func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	start := storytest.Start()
	record := func(s workflows.StreamID, events ...workflows.Event) []workflows.Record {
		var h []workflows.Record
		for i, e := range events {
			h = append(h, workflows.Record{Stream: s, Seq: int64(i) + 1, At: start, Event: e})
		}
		return h
	}
	away := identities.Away{Away: "w_1", From: start.UTC, Until: start.UTC + 1}
	for name, h := range map[string][]workflows.Record{
		"a foreign event":             record(annStream, workflows.Approved{}),
		"time off without an id":      record(annStream, identities.Away{From: 1, Until: 2}),
		"time off twice":              record(annStream, away, away),
		"time off that ends first":    record(annStream, identities.Away{Away: "w_1", From: 2, Until: 2}),
		"a delegate of themselves":    record(annStream, identities.Away{Away: "w_1", From: 1, Until: 2, Delegate: "p_ann"}),
		"back from nowhere":           record(annStream, identities.Back{Away: "w_1"}),
		"back twice":                  record(annStream, away, identities.Back{Away: "w_1"}, identities.Back{Away: "w_1"}),
		"a gap":                       record(annStream, away, identities.Back{Away: "w_1"})[1:],
		"a window on a person":        record(annStream, identities.WindowUsed{}),
		"an inventory entry of a man": record(annStream, identities.Registered{}),
	} {
		if _, err := identities.FoldPerson(h); err == nil {
			t.Errorf("%s folds", name)
		}
		l := newOffice().l
		l.Histories[annStream] = h
		leave := identities.Leave{By: workflows.Acting{Person: "p_ann"}, Standing: usual, ID: "w_9", Until: start.UTC + 1e9}
		if out, err := identities.GoAway(l.Facts(), leave); err == nil || len(out.Events) > 0 {
			t.Errorf("on %s time off is announced", name)
		}
		if out, err := identities.ComeBack(l.Facts(), leave); err == nil || len(out.Events) > 0 {
			t.Errorf("on %s somebody comes back", name)
		}
	}
	granted := identities.WindowGranted{Window: "w", Terms: workflows.WindowTerms{Times: 1, Per: 60, Budget: 1}, EndsAt: start.UTC + 1}
	for name, h := range map[string][]workflows.Record{
		"a foreign event":         record(robotStream, workflows.Approved{}),
		"a gap":                   record(robotStream, granted, identities.WindowClosed{Window: "w"})[1:],
		"a window without an id":  record(robotStream, identities.WindowGranted{}),
		"a window twice":          record(robotStream, granted, granted),
		"a use of no window":      record(robotStream, identities.WindowUsed{Window: "w"}),
		"a use past the budget":   record(robotStream, granted, identities.WindowUsed{Window: "w"}, identities.WindowUsed{Window: "w"}),
		"a use after the closing": record(robotStream, granted, identities.WindowClosed{Window: "w"}, identities.WindowUsed{Window: "w"}),
		"a closing of no window":  record(robotStream, identities.WindowClosed{Window: "w"}),
		"a closing twice":         record(robotStream, granted, identities.WindowClosed{Window: "w"}, identities.WindowClosed{Window: "w"}),
	} {
		if _, err := identities.FoldIdentity(h); err == nil {
			t.Errorf("%s folds", name)
		}
	}
	late := record(robotStream, granted, identities.WindowUsed{Window: "w"})
	late[1].At.UTC++
	if _, err := identities.FoldIdentity(late); err == nil {
		t.Error("a use after the end folds")
	}
	if s, err := identities.FoldPerson(nil); err != nil || s.ID != "" {
		t.Error(err)
	}
	if s, err := identities.FoldIdentity(nil); err != nil || s.ID != "" {
		t.Error(err)
	}
}
