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
		var ok bool
		if got, ok = x.says(s, words); !ok {
			got = string(s.Status)
		}
	}
	if got != strings.Join(words, " ") {
		return fmt.Errorf("want %q, got %q\n  record: %s", want, got, strings.Join(x.kinds(1000), " "))
	}
	return nil
}

// says is what a state says about the parts of the approval language; false when the words are none of them.
func (x *world) says(s workflows.State, words []string) (string, bool) {
	list := func(head string, each []string) (string, bool) { return join(head, each), true }
	switch words[0] {
	case "old": // old superseded countered
		o, err := workflows.Fold(x.l.Histories[workflows.RequestStream(x.old)])
		if err != nil {
			return "old nothing", true
		}
		return strings.TrimSpace("old " + string(o.Status) + " " + o.WhyCode), true
	case "plan":
		return list("plan", s.StageNames())
	case "chosen":
		return "chosen " + s.Asked.Chosen, true
	case "risk":
		return fmt.Sprintf("risk %s %d", s.Asked.Risk, s.Asked.RiskRow), true
	case "auto": // auto 2 of 3, auto 2 of 3 sampled
		if s.Auto == nil {
			return "auto no", true
		}
		word := fmt.Sprintf("auto %d of %d", s.Auto.Used, s.Auto.Times)
		if s.Auto.Sampled {
			word += " sampled"
		}
		return word, true
	case "missing":
		return fmt.Sprintf("missing %d", s.Open().Missing()), true
	case "tiers": // tiers 1 2: of stage 1, two are open
		i, _ := strconv.Atoi(words[1])
		return fmt.Sprintf("tiers %s %d", words[1], s.Stages[i-1].TierOpen), true
	case "shifts":
		i, _ := strconv.Atoi(words[1])
		return fmt.Sprintf("shifts %s %d", words[1], s.Stages[i-1].ShiftsDone), true
	case "consent":
		return fmt.Sprintf("consent %d", s.Stages[len(s.Stages)-1].Consent), true
	case "votes": // votes ann dave~bob -carol: approvals, in whose place, denials
		return list("votes", votesOf(s))
	case "offers": // offers ann:open bob:gone
		var each []string
		for _, o := range s.Offers {
			each = append(each, strings.TrimPrefix(string(o.By.Person), "p_")+":"+o.Status)
		}
		return list("offers", each)
	case "standing":
		return fmt.Sprintf("standing %d", len(workflows.OffersOf(s))), true
	case "notes":
		return fmt.Sprintf("notes %d", len(s.Comments)), true
	case "starts", "ends": // of the access, if it were approved now
		start, end := s.Lasts(x.l.Now, 0)
		if words[0] == "starts" && start == 0 {
			return "starts now", true
		}
		return words[0] + " " + wordsOf(map[string]workflows.Stamp{"starts": start, "ends": end.UTC}[words[0]]), true
	case "renewal":
		return fmt.Sprintf("renewal %d", s.Asked.Renewal), true
	case "ticket":
		return "ticket " + s.Asked.Ticket, true
	case "field":
		return "field " + words[1] + " " + s.Asked.Fields[words[1]], true
	case "told", "offered": // who is owed such a message
		what := map[string]string{"told": workflows.NoticeTold, "offered": workflows.NoticeOffer}[words[0]]
		var each []string
		for _, n := range s.Notices() {
			if n.What == what {
				each = append(each, string(n.To))
			}
		}
		return list(words[0], each)
	case "telling": // telling ann 2h: when ann is told that she is asked
		for _, n := range s.Notices() {
			if n.What == workflows.NoticeAsk && n.To == person(words[1]) {
				if n.Job().Due == 0 {
					return "telling " + words[1] + " now", true
				}
				return "telling " + words[1] + " " + wordsOf(n.Job().Due), true
			}
		}
		return "telling " + words[1] + " never", true
	case "why": // the last reasons of escalation
		var each []string
		for _, r := range x.l.Histories[x.stream()] {
			if e, ok := r.Event.(workflows.StageEscalated); ok {
				each = append(each, strings.ReplaceAll(e.Why, " ", "-"))
			}
		}
		return list("why", each)
	case "skipped":
		var each []string
		for _, r := range x.l.Histories[x.stream()] {
			if e, ok := r.Event.(workflows.StageEscalated); ok && e.Skipped != "" {
				each = append(each, strconv.Itoa(e.Tier))
			}
		}
		return list("skipped", each)
	}
	return "", false
}

func votesOf(s workflows.State) []string {
	var out []string
	for _, st := range s.Stages {
		for _, v := range st.Votes {
			word := strings.TrimPrefix(string(v.Person), "p_")
			if v.For != "" {
				word += "~" + strings.TrimPrefix(string(v.For), "p_")
			}
			if v.Verdict == workflows.Deny {
				word = "-" + word
			}
			if !v.TakenBack {
				out = append(out, word)
			}
		}
	}
	return out
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
