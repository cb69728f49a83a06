package incidents_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const text = "---\nid: failover\n---\n1. Fail over.\n"

var (
	stream = workflows.RunbookStream("failover")
	usual  = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true, Selected: true}
)

// shelf is one runbook in a ledger in memory.
type shelf struct {
	l        *storytest.Ledger
	standing workflows.Standing
	book     incidents.Runbook
	uses     int
	owner    workflows.PersonID // who would review
	skipped  []workflows.PersonID
	problems []workflows.FieldProblem
	account  string
	drill    bool
}

func newShelf() *shelf {
	return &shelf{
		l: storytest.New(workflows.EventKinds(), incidents.EventKinds()), standing: usual, owner: "p_rita",
		skipped: []workflows.PersonID{"p_ann", "p_bob"},
		book: incidents.Runbook{
			ID: "failover", Title: "Fail over", Grant: workflows.Entitlement{Target: "pg-main", ID: "admin", TargetTitle: "Main database"},
			Longest: 1800, IncidentPattern: "INC-[0-9]{1,7}", Notify: "#incidents", Document: workflows.HashDocument([]byte(text)),
		},
	}
}

// TestStories plays testdata/stories: who may break the glass, and when, one line a story.
func TestStories(t *testing.T) {
	t.Parallel()
	stories, err := storytest.Read("testdata/stories/incidents.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			x := newShelf()
			for _, step := range s.Steps {
				words, want := storytest.Words(step)
				got, err := x.step(words)
				if err != nil || got != want {
					t.Fatalf("%s\n  at %q: refused with %q, want %q: %v", s.Text, step, got, want, err)
				}
				x.check(t)
			}
			for _, want := range s.Wants {
				if got := x.says(strings.Fields(want)[0]); got != want {
					t.Errorf("%s\n  want %q, got %q", s.Text, want, got)
				}
			}
		})
	}
}

func (x *shelf) step(words []string) (string, error) {
	if d, ok := storytest.Duration(words[0]); ok {
		x.l.Pass(d)
		return "", nil
	}
	switch line := strings.Join(words, " "); {
	case words[0] == "approved": // approved 2 uses 30d
		var uses int
		if _, err := fmt.Sscan(words[1], &uses); err != nil {
			return "", err
		}
		d, _ := storytest.Duration(words[3])
		x.add(incidents.Preapproved{
			Document: x.book.Document, Request: "r_1", Approvers: []workflows.PersonID{"p_ann"}, Until: x.l.Now.UTC.Add(d), Uses: uses,
		})
	case words[0] == "clock":
		d, _ := storytest.Duration(words[2])
		x.l.Step(-d)
	case line == "text changes by a byte":
		x.book.Document = workflows.HashDocument([]byte(text + "\n"))
	case line == "text is restored":
		x.book.Document = workflows.HashDocument([]byte(text))
	case line == "drill":
		x.drill = true
	case line == "drill over":
		x.drill = false
	case words[0] == "reviewer":
		x.owner = workflows.PersonID(strings.TrimSuffix("p_"+words[1], "p_nobody"))
	case words[0] == "skips":
		x.skipped = nil
		for _, p := range words[1:] {
			x.skipped = append(x.skipped, workflows.PersonID("p_"+p))
		}
	case line == "needs account":
		x.book.Grant.Account = true
	case line == "has account":
		x.account = "zed"
	case line == "field missing":
		x.problems = []workflows.FieldProblem{{Field: "host", Text: "This is needed."}}
	case line == "no channel":
		x.book.Notify = ""
	case line == "told", line == "untold":
		for _, n := range x.state().Notices() {
			if line == "told" {
				x.add(workflows.NoticeDelivered{Notice: n.ID, Via: "slack"})
			} else {
				x.add(workflows.NoticeUndelivered{Notice: n.ID, Why: "channel_not_found"})
			}
		}
	case line == "zed is removed":
		x.standing.Selected = false
	case line == "zed leaves":
		x.standing.Active = false
	case line == "directory down":
		x.standing = workflows.Standing{}
	default:
		return x.invoke(words)
	}
	return "", nil
}

// invoke reads "zed breaks INC-1", "zed breaks" and "zed breaks INC-1 wordily".
func (x *shelf) invoke(words []string) (string, error) {
	if len(words) < 2 || words[1] != "breaks" {
		return "", fmt.Errorf("unknown step %q", words)
	}
	in := incidents.Invocation{
		By:       workflows.Acting{Actor: workflows.ActorID("a_" + words[0]), Person: workflows.PersonID("p_" + words[0])},
		Standing: x.standing, Book: x.book, Policy: "sha256:front", Grant: workflows.GrantID(fmt.Sprintf("g_%d", x.uses+1)), Review: "v_1",
		Skipped: x.skipped, Owner: x.owner, Authn: "slack-click", Channel: "slack", Drill: x.drill, Fields: x.problems, Account: x.account,
		Reason: "database is down",
	}
	if len(words) > 2 {
		in.Incident = words[2]
	}
	if len(words) > 3 {
		in.Reason = strings.Repeat("ü", workflows.MaxReason+1)
	}
	out, err := incidents.Invoke(x.l.Facts(), in)
	if err != nil {
		return "", err
	}
	x.l.Append(out)
	if out.Refusal != nil {
		return out.Refusal.Code, nil
	}
	x.uses++
	return "", nil
}

func (x *shelf) add(e workflows.Event) {
	var out workflows.Outcome
	out.Add(stream, workflows.System, "", e)
	x.l.Append(out)
}

func (x *shelf) state() incidents.State {
	s, err := incidents.Fold(x.l.Histories[stream])
	if err != nil {
		panic(err)
	}
	return s
}

func (x *shelf) says(about string) string {
	s := x.state()
	_, left, no := s.Readiness(x.book.Document, x.l.Now.UTC)
	switch about {
	case "left":
		return fmt.Sprintf("left %d", left)
	case "uses":
		return fmt.Sprintf("uses %d", len(s.Uses))
	case "ready":
		if no == nil {
			return "ready"
		}
		return "not ready: " + no.Sentence
	case "changed", "nobody", "ran", "spent":
		if no == nil {
			return "ready"
		}
		for word, part := range map[string]string{"changed": "was changed", "nobody": "Nobody has approved", "ran": "ran out", "spent": "are spent"} {
			if strings.Contains(no.Sentence, part) {
				return word
			}
		}
		return no.Sentence
	case "owes":
		list := []string{"owes"}
		for _, n := range s.Notices() {
			list = append(list, n.What+":"+strings.TrimPrefix(string(n.To)+n.Channel, "p_"))
		}
		if len(list) == 1 {
			list = append(list, "nothing")
		}
		return strings.Join(list, " ")
	}
	return "?"
}

func (x *shelf) check(t storytest.T) {
	t.Helper()
	h := x.l.Histories[stream]
	s, err := incidents.Fold(h)
	if err != nil {
		t.Fatal(err)
	}
	reread, err := x.l.RoundTrip(h)
	if err != nil {
		t.Fatal(err)
	}
	again, err := incidents.Fold(reread)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, again, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("folding the same from its bytes gives (-memory +bytes):\n%s", d)
	}
	erased, err := incidents.Fold(storytest.Erase(h))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, erased, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(incidents.Invoked{}, "Reason"), cmpopts.IgnoreFields(workflows.Delivery{}, "Place")); d != "" {
		t.Fatalf("erasing the openings changes what was decided:\n%s", d)
	}
	jobs := incidents.Pending(s)
	if err := storytest.CheckJobs(jobs); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if n, ok := s.FindNotice(j.Key); !ok || n.Job() != j {
			t.Fatalf("job %q is owed but its notice is not", j.Key)
		}
	}
	if listed := len(incidents.Listings(s)) == 1; listed != (len(h) > 0) {
		t.Fatalf("listed: %t, with %d entries", listed, len(h))
	}
	for _, u := range s.Uses {
		if got, ok := s.UseOf(u.Grant); !ok || got.Seq != u.Seq {
			t.Fatalf("use of %q is not found", u.Grant)
		}
	}
	_, use := s.UseOf("g_none")
	_, notice := s.FindNotice("none")
	if use || notice {
		t.Fatal("what is not there was found")
	}
}

// A runbook's history folds whole or not at all, and on a damaged one nobody breaks the glass.
func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	x := newShelf()
	for _, step := range []string{"approved 2 uses 30d", "zed breaks INC-1"} {
		if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
			t.Fatal(step, code, err)
		}
	}
	h := x.l.Histories[stream]
	if _, err := incidents.Fold(h[1:]); err == nil {
		t.Error("a history without its beginning folds")
	}
	foreign := slices.Clone(h)
	foreign[1].Event = workflows.Approved{}
	if _, err := incidents.Fold(foreign); err == nil {
		t.Error("a foreign event folds")
	}
	x.l.Histories[stream] = foreign
	if code, err := x.step([]string{"zed", "breaks", "INC-1"}); err == nil || code != "" {
		t.Errorf("the glass breaks on a damaged history: %q", code)
	}
}

func TestMatchesIncident(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, incident string
		want              bool
	}{
		{"INC-[0-9]{1,7}", "INC-1", true},
		{"INC-[0-9]{1,7}", "INC-12345678", false},
		{"INC-[0-9]{1,7}", "xINC-1", false},
		{"INC-[0-9]{1,7}", "INC-1x", false},
		{"INC-[0-9]{1,7}", "INC-1\n", false},
		{"INC-[0-9]{1,7}", " INC-1", false},
		{"INC-[0-9]{1,7}", "inc-1", false},
		{"INC-[0-9]{1,7}", "INC-१", false},
		{"INC-[0-9]{1,7}", "", false},
		{"", "INC-1", false},
		{".*", strings.Repeat("x", 60), true},
		{".*", strings.Repeat("x", 61), false},
		{"INC-1|.*", "anything", true},
		{"INC)|(.*", "anything", false}, // stands alone nowhere: must not loosen our anchors
		{"(?m)INC-1$", "INC-1", true},
		{"(", "(", false},
	} {
		if got := incidents.MatchesIncident(c.pattern, c.incident); got != c.want {
			t.Errorf("%q %q: %t", c.pattern, c.incident, got)
		}
	}
}
