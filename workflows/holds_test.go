package workflows_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// holds reads what a story wants: a status, or one of the sentences below.
func (x *world) holds(want string) error {
	words := strings.Fields(want)
	s, err := x.state()
	if err == workflows.ErrNoStream {
		if want == "nothing" {
			return nil
		}
		return fmt.Errorf("want %s, but nothing was submitted", want)
	}
	if err != nil {
		return err
	}
	got := ""
	switch words[0] {
	case "status":
		got = "status " + string(s.Status)
	case "stage": // stage 1 satisfied
		i, _ := strconv.Atoi(words[1])
		got = "stage " + words[1] + " " + string(s.Stages[i-1].Status)
	case "voters":
		got = join("voters", s.Voters())
	case "waiting": // who could decide now
		got = join("waiting", s.CanVote())
	case "roster": // roster 1 ann bob
		i, _ := strconv.Atoi(words[1])
		var list []workflows.PersonID
		for _, seat := range s.Stages[i-1].Roster {
			list = append(list, seat.Person)
		}
		got = join("roster "+words[1], list)
	case "asks", "reminds", "widens": // who is owed a message of this kind
		what := map[string]string{"asks": workflows.NoticeAsk, "reminds": workflows.NoticeRemind, "widens": workflows.NoticeEscalated}
		var list []workflows.PersonID
		for _, n := range s.Notices() {
			if n.What == what[words[0]] {
				list = append(list, n.To)
			}
		}
		got = join(words[0], list)
	case "owes":
		got = "owes nothing"
		if _, ok := s.FindNotice(words[1]); ok {
			got = "owes " + words[1]
		}
	case "wake": // wake 30m, after the start
		got = "wake never"
		if at := workflows.NextWake(s); at != 0 {
			got = "wake " + wordsOf(at)
		}
	case "refused":
		got = "refused " + strings.Join(x.refused, " ")
	case "code":
		got = "code " + s.WhyCode
	case "events":
		got = join("events", x.kinds(len(words)-1))
	case "grants":
		n := 0
		for _, r := range x.l.Histories[x.stream()] {
			if e, ok := r.Event.(workflows.Approved); ok && e.Grant != "" {
				n++
			}
		}
		got = fmt.Sprintf("grants %d", n)
	default:
		got = string(s.Status)
	}
	if got != strings.Join(words, " ") {
		return fmt.Errorf("want %q, got %q\n  record: %s", want, got, strings.Join(x.kinds(1000), " "))
	}
	return nil
}

func wordsOf(at workflows.Stamp) string {
	if at == 1 {
		return "now"
	}
	text := at.Sub(storytest.Start().UTC).String() // "30m0s", "4h0m0s"
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func join[S ~string](head string, list []S) string {
	out := []string{head}
	for _, p := range list {
		out = append(out, strings.TrimPrefix(string(p), "p_"))
	}
	if len(list) == 0 {
		out = append(out, "nobody")
	}
	return strings.Join(out, " ")
}

// kinds are the last n kinds of event on record.
func (x *world) kinds(n int) []string {
	var out []string
	for _, r := range x.l.Histories[x.stream()] {
		out = append(out, r.Event.Kind())
	}
	return slices.Clone(out[max(0, len(out)-n):])
}
