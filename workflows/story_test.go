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
	if total < 600 {
		t.Errorf("%d stories; the engine's specification has at least 600", total)
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
	case line == "freeze begins", line == "freeze ends":
		x.frozen = ""
		if words[1] == "begins" {
			x.frozen = "year-end"
		}
	case line == "conflict arises", line == "conflict ends":
		x.conflict = ""
		if words[1] == "arises" {
			x.conflict = "Whoever pays may not order."
		}
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
	case "counters":
		return x.counter(by, words[1:])
	case "accepts", "declines":
		return x.answer(by, words)
	case "comments":
		r := workflows.Remark{By: by, Text: strings.Join(words[1:], " "), Channel: "slack"}
		switch r.Text {
		case "at length":
			r.Text = strings.Repeat("ü", workflows.MaxReason+1)
		case "oddly":
			r.Text = "see\u202ethis"
		}
		return x.take(workflows.Comment(x.l.Facts(), x.id, r))
	case "withdraws":
		return x.take(workflows.Withdraw(x.l.Facts(), x.id, workflows.Change{By: by, Channel: "cli", Why: "solved"}))
	case "takes":
		c := workflows.Change{By: by, Channel: "cli", Why: "looked again", Started: x.started, NeedsReason: x.w.Demands(workflows.VerbTakeBack)}
		if words[len(words)-1] == "silently" {
			c.Why = ""
		}
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

// submit reads what is odd about the ask. Of a workflow with rules, "matching 01" says which of them match; without it all do.
func (x *world) submit(by workflows.Acting, words []string) (string, error) {
	if x.matched == nil && len(x.w.Rules) > 0 {
		x.matched = slices.Repeat([]bool{true}, len(x.w.Rules))
	}
	for i, word := range words {
		if word == "matching" {
			for k, c := range words[i+1] {
				x.matched[k] = c == '1'
			}
		}
	}
	x.planned = nil
	seconds := form().Seconds
	if i := slices.Index(words, "lasting"); i >= 0 {
		d, _ := storytest.Duration(words[i+1])
		seconds = workflows.SpanOf(d)
	}
	if c, r := x.w.Pick(x.matched, seconds); r == nil && x.matched != nil {
		x.planned = c.Stages
	}
	a := x.ask(by)
	a.Matched = x.matched
	if err := x.options(&a, by, words); err != nil {
		return "", err
	}
	return x.take(x.w.Submit(x.l.Facts(), a))
}

func (x *world) options(a *workflows.Ask, by workflows.Acting, words []string) error {
	for i := 0; i < len(words); i++ {
		arg := words[min(i+1, len(words)-1)]
		d, _ := storytest.Duration(arg)
		n, _ := strconv.Atoi(arg)
		switch words[i] {
		case "again":
			continue
		case "unowned":
			a.Owned = false
			continue
		case "unreported":
			a.Report = false
			continue
		case "unsponsored":
			a.Sponsor = ""
			continue
		case "long":
			a.Form.Seconds = 9 * 3600
			continue
		case "outside": // business hours
			a.Closed = true
			continue
		case "unworked": // conditions that could not be worked out
			a.Matched = nil
			continue
		case "matching":
		case "for":
			a.Subject, a.Sponsor, a.Owned, a.Report = workflows.IdentityID(arg), by.Person, true, true
			if !a.Subject.IsPerson() {
				a.Principal = "service_account"
			}
		case "sponsor":
			a.Sponsor = person(arg)
		case "runbook":
			x.w.Kind, a.Runbook, a.Document, a.Subject = workflows.KindPreapprove, workflows.RunbookID(arg), "sha256:text", ""
		case "open":
			a.Open = n
		case "lasting":
			a.Form.Seconds = workflows.SpanOf(d)
		case "of":
			a.Form.Entitlement = workflows.EntitlementID(arg)
		case "later":
			a.NotBefore = x.l.Now.UTC.Add(d)
		case "asked":
			a.Asked = n
		case "auto":
			a.Auto = n
		case "nonce":
			a.Nonce = arg
		case "with": // with until=6h, with rows=7
			name, v, _ := strings.Cut(arg, "=")
			if d, ok := storytest.Duration(v); ok && strings.HasSuffix(v, "h") && name == "until" {
				v = x.l.Now.UTC.Add(d).String()
			}
			a.Form.Values = map[string]string{name: v}
		case "without": // what only the world could find wrong
			a.Problems = []workflows.FieldProblem{{Field: arg, Text: "There is none of that name."}}
		case "held": // held 2h: the same access ends in two hours
			a.Held = workflows.Held{Grant: "g_held", Ends: x.l.Now.UTC.Add(d), Started: x.l.Now.UTC.Add(-time.Hour), Renewals: 2}
		case "extends":
			a.Extends = workflows.GrantID(arg)
		case "twin":
			a.Twin = workflows.RequestID(arg)
		case "within": // a standing window: used so often, approved by two
			a.Window = workflows.WindowAsk{ID: "r_w", Terms: workflows.WindowTerms{Times: 3, Per: 86400}, Used: n, Approvers: 2}
		case "uncovered":
			a.WindowNo = "The standing window is open at night."
			i--
		default:
			return fmt.Errorf("submits %q", words[i])
		}
		i++
	}
	return nil
}

// terms reads "30m", "later 2h", "of reader", and several of them.
func (x *world) terms(words []string) (workflows.Terms, error) {
	var t workflows.Terms
	for i := 0; i < len(words); i++ {
		if d, ok := storytest.Duration(words[i]); ok {
			t.Seconds = workflows.SpanOf(d)
			continue
		}
		if i+1 == len(words) {
			return t, fmt.Errorf("terms %q", words)
		}
		switch words[i] {
		case "later":
			d, _ := storytest.Duration(words[i+1])
			t.NotBefore = x.l.Now.UTC.Add(d)
		case "of":
			t.Target, t.Entitlement = "pg-main", workflows.EntitlementID(words[i+1])
		case "on":
			t.Target = workflows.TargetID(words[i+1])
		default:
			return t, fmt.Errorf("terms %q", words)
		}
		i++
	}
	return t, nil
}

// counter reads "counters 30m", "counters later 2h silently", "counters 30m stale".
func (x *world) counter(by workflows.Acting, words []string) (string, error) {
	b := x.ballot(by, workflows.Counter)
	b.Reason, b.Offer = "half will do", fmt.Sprintf("o_%d", len(x.l.Histories[x.stream()]))
	if i := slices.Index(words, "by"); i >= 0 && i+1 < len(words) { // by oidc: how they proved who they are
		b.Authn = words[i+1]
		words = slices.Delete(slices.Clone(words), i, i+2)
	}
	odd := func(word string) bool {
		i := slices.Index(words, word)
		if i >= 0 {
			words = slices.Delete(slices.Clone(words), i, i+1)
		}
		return i >= 0
	}
	if odd("silently") {
		b.Reason = ""
	}
	if odd("stale") {
		b.Shown = "what was shown before"
	}
	if odd("late") {
		s, err := x.state()
		if err != nil {
			return "", err
		}
		b.ReceivedAt = s.Open().TimesOutAt
	}
	t, err := x.terms(words)
	if err != nil {
		return "", err
	}
	b.Terms = t
	return x.take(x.w.Counter(x.l.Facts(), x.id, b))
}

// offered finds the last offer of somebody.
func (x *world) offered(who string) (workflows.Offer, error) {
	s, err := x.state()
	if err != nil && err != workflows.ErrNoStream {
		return workflows.Offer{}, err
	}
	for i := len(s.Offers) - 1; i >= 0; i-- {
		if s.Offers[i].By.Person == person(who) {
			return s.Offers[i], nil
		}
	}
	return workflows.Offer{ID: "o_none"}, nil
}

// answer reads "accepts ann" and "declines ann". A story goes on with the request that an accepted offer opens; "old" is the one before.
func (x *world) answer(by workflows.Acting, words []string) (string, error) {
	o, err := x.offered(words[1])
	if err != nil {
		return "", err
	}
	if words[0] == "declines" {
		return x.take(workflows.Decline(x.l.Facts(), x.id, workflows.OfferAnswer{By: by, Offer: o.ID, Channel: "slack"}))
	}
	old := x.id
	x.id = "r_2"
	a := x.ask(by)
	a.Matched, a.Twin, a.Open = x.matched, old, workflows.MaxOpenPerson
	if s, err := workflows.Fold(x.l.Histories[workflows.RequestStream(old)]); err == nil {
		a.Form.Target, a.Form.Entitlement, a.Form.Seconds = s.Asked.Target, s.Asked.Entitlement, s.Asked.Seconds
		a.Subject, a.Sponsor, a.Owned, a.Report = s.Asked.Subject, s.Asked.Sponsor, true, true
		a.Runbook, a.Document, a.NotBefore = s.Asked.Runbook, s.Asked.Document, max(s.Asked.NotBefore, o.Terms.NotBefore)
	}
	a.Form = o.Terms.With(a.Form)
	if err := x.options(&a, by, words[2:]); err != nil {
		return "", err
	}
	f := x.final()
	f.Grant = "g_offer"
	out, err := x.w.Accept(x.l.Facts(), old, workflows.Acceptance{
		By: by, Offer: o.ID, Ask: a, Offerer: x.standing(o.By.Person), Final: f, Authn: "slack-click", Channel: "slack",
	})
	code, err := x.take(out, err)
	x.old, x.before = old, workflows.State{}
	if code != "" || err != nil {
		x.id, x.old = old, ""
	}
	return code, err
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
		case word == "by" && i+1 < len(words): // by oidc: how they proved who they are
			i++
			b.Authn = words[i]
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
		case word == "reasoned":
			b.Reason = "looks right"
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
