package reviews_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const id workflows.ReviewID = "v_1"

var (
	stream = workflows.ReviewStream(id)
	usual  = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}
)

// desk is one review in a ledger in memory. zed broke the glass.
type desk struct {
	l        *storytest.Ledger
	standing workflows.Standing
}

// TestStories plays testdata/stories: what becomes of a review, one line a story.
func TestStories(t *testing.T) {
	t.Parallel()
	stories, err := storytest.Read("testdata/stories/reviews.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			x := &desk{l: storytest.New(workflows.EventKinds(), reviews.EventKinds()), standing: usual}
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

func (x *desk) step(words []string) (string, error) {
	if d, ok := storytest.Duration(words[0]); ok {
		x.l.Pass(d)
		return "", x.tick()
	}
	switch words[0] {
	case "sleep":
		d, _ := storytest.Duration(words[1])
		x.l.Pass(d)
		return "", nil
	case "clock": // clock back 2h
		d, _ := storytest.Duration(words[2])
		x.l.Step(-d)
		return "", nil
	case "opened", "sampled": // opened ann bob: owner and others; sampled ann: of a request that nobody decided
		var people []workflows.PersonID
		for _, p := range words[1:] {
			people = append(people, workflows.PersonID("p_"+p))
		}
		about := "runbook/failover"
		if words[0] == "sampled" {
			about = "request/r_1"
		}
		x.add(reviews.Opened{
			About: about, Incident: "INC-1", Grant: "g_1", Invoker: "p_zed", Owner: people[0], Others: people[1:],
			DueAt: x.l.Now.UTC.Add(24 * 3600e9), Document: "sha256:text",
		})
		return "", nil
	case "told", "untold":
		for _, n := range x.state().Notices() {
			if words[0] == "told" {
				x.add(workflows.NoticeDelivered{Notice: n.ID, Via: "slack", Place: "D1/1.2"})
			} else {
				x.add(workflows.NoticeUndelivered{Notice: n.ID, Why: "account_inactive"})
			}
		}
		return "", nil
	case "guests":
		x.standing.Member = false
		return "", nil
	}
	return x.close(words)
}

// close reads "ann closes emergency", "ann closes misuse briefly", "ann closes drill at length".
func (x *desk) close(words []string) (string, error) {
	if len(words) < 3 || words[1] != "closes" {
		return "", fmt.Errorf("unknown step %q", words)
	}
	c := reviews.Closing{
		By: workflows.Acting{Actor: workflows.ActorID("a_" + words[0]), Person: workflows.PersonID("p_" + words[0])}, Standing: x.standing,
		Verdict: reviews.Verdict(words[2]), Note: "the database was really down", Authn: "slack-click", Channel: "slack",
	}
	if words[0] == "nobody" {
		c.By.Person = ""
	}
	switch strings.Join(words[3:], " ") {
	case "briefly":
		c.Note = "  all fine  "
	case "shortest":
		c.Note = " 0123456789 "
	case "longest":
		c.Note = strings.Repeat("ü", 2000)
	case "at length":
		c.Note = strings.Repeat("ü", 2001)
	}
	out, err := reviews.Close(x.l.Facts(), id, c)
	if err != nil {
		return "", err
	}
	x.l.Append(out)
	if out.Refusal != nil {
		return out.Refusal.Code, nil
	}
	return "", nil
}

func (x *desk) tick() error {
	out, err := reviews.Tick(x.l.Facts(), stream)
	x.l.Append(out)
	return err
}

func (x *desk) add(e workflows.Event) {
	var out workflows.Outcome
	out.Add(stream, workflows.System, "", e)
	x.l.Append(out)
}

func (x *desk) state() reviews.State {
	s, err := reviews.Fold(x.l.Histories[stream])
	if err != nil && err != workflows.ErrNoStream {
		panic(err)
	}
	return s
}

func (x *desk) says(about string) string {
	s := x.state()
	list := []string{about}
	switch about {
	case "owes":
		for _, n := range s.Notices() {
			list = append(list, n.What+":"+strings.TrimPrefix(string(n.To), "p_"))
		}
	case "open": // who finds it on their list
		for _, l := range reviews.Listings(s) {
			if l.List == reviews.ListOpen && l.Member != "" {
				list = append(list, strings.TrimPrefix(l.Member, "p_"))
			}
		}
	case "late":
		return map[bool]string{true: "late", false: "not late"}[s.Late]
	case "closed":
		if s.Closed != nil {
			list = append(list, string(s.Closed.Verdict), "by", strings.TrimPrefix(string(s.ClosedBy), "p_"))
		}
	case "wake":
		if at := reviews.NextWake(s); at != 0 {
			list = append(list, at.Sub(storytest.Start().UTC).String())
		}
	case "events":
		for _, r := range x.l.Histories[stream] {
			list = append(list, r.Event.Kind())
		}
	case "system":
		for _, r := range x.l.Histories[workflows.SystemStream] {
			list = append(list, r.Event.(workflows.Refused).Code)
		}
	}
	if len(list) == 1 {
		list = append(list, "nothing")
	}
	return strings.Join(list, " ")
}

func (x *desk) check(t storytest.T) {
	t.Helper()
	h := x.l.Histories[stream]
	if len(h) == 0 {
		return
	}
	s, err := reviews.Fold(h)
	if err != nil {
		t.Fatal(err)
	}
	reread, err := x.l.RoundTrip(h)
	if err != nil {
		t.Fatal(err)
	}
	again, err := reviews.Fold(reread)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, again, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("folding the same from its bytes gives (-memory +bytes):\n%s", d)
	}
	erased, err := reviews.Fold(storytest.Erase(h))
	if err != nil {
		t.Fatal(err)
	}
	if s.Closed != nil {
		s.Closed.Note = ""
	}
	if d := cmp.Diff(s, erased, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(reviews.State{}, "Delivered")); d != "" {
		t.Fatalf("erasing the openings changes what was decided:\n%s", d)
	}
	jobs := reviews.Pending(s)
	if err := storytest.CheckJobs(jobs); err != nil {
		t.Fatal(err)
	}
	if err := storytest.CheckListings(reviews.Listings(s)); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if n, ok := s.FindNotice(j.Key); j.Kind == workflows.JobNotice && (!ok || n.Job() != j) {
			t.Fatalf("job %q is owed but its notice is not", j.Key)
		}
	}
	if _, ok := s.FindNotice("nothing"); ok {
		t.Fatal("a notice that is not owed was found")
	}
}

// A review folds from its beginning and ends once.
func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	x := &desk{l: storytest.New(workflows.EventKinds(), reviews.EventKinds()), standing: usual}
	for _, step := range []string{"opened ann bob", "24h", "ann closes emergency"} {
		if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
			t.Fatal(step, code, err)
		}
	}
	h := x.l.Histories[stream]
	if _, err := reviews.Fold(nil); err != workflows.ErrNoStream {
		t.Errorf("no history: %v", err)
	}
	with := func(h []workflows.Record, e workflows.Event) []workflows.Record {
		r := workflows.Record{Stream: stream, Seq: int64(len(h)) + 1, Event: e}
		return append(slices.Clone(h), r)
	}
	for name, bad := range map[string][]workflows.Record{
		"gap":              {h[0], h[2]},
		"late before open": {with(nil, h[1].Event)[0]},
		"told before open": with(nil, workflows.NoticeDelivered{Notice: "x"}),
		"opened twice":     with(h[:1], h[0].Event),
		"late twice":       with(h[:2], h[1].Event),
		"late after close": with(with(h[:1], h[2].Event), h[1].Event),
		"closed twice":     with(h, h[2].Event),
		"foreign":          with(h, workflows.Approved{}),
	} {
		if _, err := reviews.Fold(bad); err == nil {
			t.Errorf("%s: folds", name)
		}
	}
	x.l.Histories[stream] = with(h, h[2].Event)
	if out, err := reviews.Close(x.l.Facts(), id, reviews.Closing{}); err == nil || len(out.Events) > 0 {
		t.Errorf("closing on a damaged history: %v, %v", out, err)
	}
	if out, err := reviews.Tick(x.l.Facts(), stream); err == nil || len(out.Events) > 0 {
		t.Errorf("ticking on a damaged history: %v, %v", out, err)
	}
}
