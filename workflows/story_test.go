package workflows_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// TestStories plays testdata/stories: the engine's specification, one line a story. A step that is refused carries "!code".
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	total := 0
	for _, f := range files {
		stories, err := storytest.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		total += len(stories)
		for _, s := range stories {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				play(t, s)
			})
		}
	}
	if total < 80 {
		t.Errorf("%d stories; the engine's specification has at least 80", total)
	}
}

func play(t *testing.T, story storytest.Story) {
	t.Helper()
	x, err := newWorld(story.Setting)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range story.Steps {
		words, want := storytest.Words(step)
		got, err := x.step(words)
		if err != nil {
			t.Fatalf("%s\n  at %q: %v", story.Text, step, err)
		}
		if got != want {
			t.Fatalf("%s\n  at %q: refused with %q, want %q", story.Text, step, got, want)
		}
		x.check(t)
	}
	for _, want := range story.Wants {
		if err := x.holds(want); err != nil {
			t.Errorf("%s\n  %v", story.Text, err)
		}
	}
}

// step plays one step and gives the code it was refused with.
func (x *world) step(words []string) (string, error) {
	if d, ok := storytest.Duration(words[0]); ok {
		return "", x.pass(d)
	}
	rest := words[1:]
	switch line := strings.Join(words, " "); {
	case words[0] == "expect":
		return "", x.holds(strings.Join(rest, " "))
	case line == "tick":
		return "", x.tick()
	case line == "bot sleeps":
		x.asleep = true
	case line == "bot wakes":
		x.asleep = false
		return "", x.pass(0)
	case words[0] == "clock":
		d, _ := storytest.Duration(words[2])
		if words[1] == "back" {
			d = -d
		}
		x.l.Step(d)
	case line == "directory down", line == "directory up":
		x.down = words[1] == "down"
	case line == "groups down", line == "groups up":
		x.noRosters = words[1] == "down"
	case line == "access starts":
		x.started = true
	case line == "access fails":
		x.l.Append(outcomeOf(x.stream(), workflows.System, workflows.Failed{Why: "the target said no"}))
	case line == "chain gone":
		x.gone = "The chain was removed while the request was open."
	case words[0] == "told" || words[0] == "untold":
		return "", x.tell(words[0] == "told", rest)
	case words[0] == "stage":
		return "", x.change(rest)
	default:
		return x.act(acting(words[0]), rest)
	}
	return "", nil
}

func outcomeOf(s workflows.StreamID, by workflows.Acting, e workflows.Event) workflows.Outcome {
	var out workflows.Outcome
	out.Add(s, by, policyHash, e)
	return out
}

// tell delivers what is owed to some people, or to all; or fails to.
func (x *world) tell(ok bool, names []string) error {
	s, err := x.state()
	if err != nil {
		return err
	}
	n := 0
	for _, notice := range s.Notices() {
		if names[0] != "all" && !slices.Contains(names, strings.TrimPrefix(string(notice.To), "p_")) {
			continue
		}
		n++
		var e workflows.Event = workflows.NoticeDelivered{Notice: notice.ID, Via: "slack", Place: "D1/1.2"}
		if !ok {
			e = workflows.NoticeUndelivered{Notice: notice.ID, Why: "account_inactive"}
		}
		x.l.Append(outcomeOf(x.stream(), workflows.System, e))
	}
	if n == 0 {
		return fmt.Errorf("nothing is owed to %v", names)
	}
	return nil
}

// change sets who a stage's selectors yield from here on: "1 escalates to dave", "2 asks olga", "2 asks nobody"; or replaces the
// roster of the open stage: "1 roster ann carol"; or takes somebody off it: "1 loses ann".
func (x *world) change(words []string) error {
	i, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	who := seats(strings.ReplaceAll(strings.Join(words[2:], " "), "nobody", ""))
	st := slices.Clone(x.rosters.Stages)
	switch words[1] {
	case "asks":
		st[i-1].Approvers = who
	case "widens":
		st[i-1].Escalate = who
	case "roster":
		x.l.Append(outcomeOf(x.stream(), workflows.System, workflows.RosterChanged{Stage: i - 1, Roster: who, Why: "shift change"}))
	case "loses":
		s, err := x.state()
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(s.Stages[i-1].Roster), func(seat workflows.Seat) bool { return seat.Person == who[0].Person })
		x.l.Append(outcomeOf(x.stream(), workflows.System, workflows.RosterChanged{Stage: i - 1, Roster: left, Why: "left"}))
	default:
		return fmt.Errorf("unknown change %q", words)
	}
	x.rosters.Stages = st
	return nil
}

func (x *world) act(by workflows.Acting, words []string) (string, error) {
	switch words[0] {
	case "submits":
		return x.submit(by, words[1:])
	case "approves", "denies":
		return x.vote(by, words)
	case "withdraws":
		return x.take(workflows.Withdraw(x.l.Facts(), x.id, workflows.Change{By: by, Channel: "cli", Why: "solved"}))
	case "takes":
		c := workflows.Change{By: by, Channel: "cli", Why: "looked again", Started: x.started}
		return x.take(workflows.TakeBack(x.l.Facts(), x.id, c))
	case "leaves", "is", "returns":
		return "", x.becomes(by.Person, words[len(words)-1])
	}
	return "", fmt.Errorf("unknown step %q", words)
}

func (x *world) becomes(p workflows.PersonID, what string) error {
	s := usual
	switch what {
	case "leaves":
		s.Active = false
	case "guest":
		s.Member = false
	case "bot":
		s.Human = false
	case "unlinked":
		s.Linked = false
	case "removed":
		s.Selected = false
	case "unknown":
		s = workflows.Standing{}
	case "unasked":
		x.unasked[p] = true
	case "asked":
		delete(x.unasked, p)
	case "returns":
	default:
		return fmt.Errorf("nobody is %q", what)
	}
	x.people[p] = s
	return nil
}

func (x *world) submit(by workflows.Acting, words []string) (string, error) {
	a := x.ask(by)
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "again":
		case "for":
			i++
			a.Subject, a.Sponsor, a.Owned, a.Report = workflows.IdentityID(words[i]), by.Person, true, true
		case "sponsor":
			i++
			a.Sponsor = person(words[i])
		case "unowned":
			a.Owned = false
		case "runbook":
			i++
			x.w.Kind, a.Runbook, a.Document, a.Subject = workflows.KindPreapprove, workflows.RunbookID(words[i]), "sha256:text", ""
		case "open":
			i++
			a.Open, _ = strconv.Atoi(words[i])
		case "long":
			a.Form.Seconds = 9 * 3600
		default:
			return "", fmt.Errorf("submits %q", words[i])
		}
	}
	return x.take(x.w.Submit(x.l.Facts(), a))
}

// vote reads "approves", "denies" and what is odd about the click: "stale", "stage 2", "silently", "@deadline", "@deadline-1us".
func (x *world) vote(by workflows.Acting, words []string) (string, error) {
	v := workflows.Approve
	if words[0] == "denies" {
		v = workflows.Deny
	}
	b := x.ballot(by, v)
	id := x.id
	for i := 1; i < len(words); i++ {
		switch word := words[i]; {
		case word == "again":
		case word == "stale":
			b.Shown = "what was shown before"
		case word == "stage":
			i++
			n, err := strconv.Atoi(words[i])
			if err != nil {
				return "", err
			}
			b.Stage = n - 1
		case word == "silently":
			b.Reason = " \n"
		case word == "elsewhere":
			id = "r_other"
		case word == "untimed":
			b.ReceivedAt = 0
		case word == "oddly":
			b.Verdict = "maybe"
		case strings.HasPrefix(word, "@"):
			at, err := x.moment(word[1:])
			if err != nil {
				return "", err
			}
			b.ReceivedAt = at
		default:
			return "", fmt.Errorf("votes %q", word)
		}
	}
	return x.take(x.w.Vote(x.l.Facts(), id, b))
}

// moment reads "deadline", "deadline-1us", "deadline+1us" of the stage that is or was current, and "3h" after the start.
func (x *world) moment(word string) (workflows.Stamp, error) {
	s, err := x.state()
	if err != nil {
		return 0, err
	}
	rest, ok := strings.CutPrefix(word, "deadline")
	if !ok {
		d, err := time.ParseDuration(word)
		return storytest.Start().UTC.Add(d), err
	}
	at := s.Stages[min(s.Current, len(s.Stages)-1)].TimesOutAt
	if rest == "" {
		return at, nil
	}
	d, err := time.ParseDuration(strings.TrimPrefix(rest, "+"))
	return at.Add(d), err
}
