package workflows_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// The setting of a story is a chain, and after it what else the workflow says, in parts that begin with "|":
//
//	peers(ann bob)x2 remind 30m escalate 1h(dave) timeout 4h > owner(olga)x1 timeout 2h | rule small up 1h: peers | often 2 per 1d
//
// A stage is name(people)xN or, with parts, name[dba(ann bob)x1 & sec(carol)x1] (all of them) or name[a(ann)x1 / b(carol)x2] (any). Behind it
// stand remind, escalate (again for each further tier), timeout, repeat, apart(stages), deny counts, consent, offhours wait|awake,
// told(people), shift 4h(people): who is on the roster from then on.
//
// A person is "ann"; "dave~ann" is dave in the place of ann; "ann-" is on time off; "ann@2h" is to be told two hours after the start.

// setting is what a story plays in.
type setting struct {
	w       *workflows.Workflow
	rosters workflows.Rosters
	shifts  [][]shift // by stage
}

// shift is who a stage asks from a moment on, counted from the start of the story.
type shift struct {
	at    workflows.Stamp
	seats []workflows.Seat
}

func parseChain(text string) (*setting, error) {
	chain, rest, _ := strings.Cut(text, "|")
	x := &setting{w: &workflows.Workflow{
		ID: "prod-db", Title: "Production database", Kind: workflows.KindElevation, Owner: "p_olga",
		For:     []string{workflows.ForSelf, workflows.ForOwned, workflows.ForReports},
		Longest: 8 * 3600, Usual: 3600, ReasonMin: 5, Channel: "#access", SeenBy: workflows.SeenByMembers,
		Entitlements: []workflows.Entitlement{{
			Target: "pg-main", ID: "writer", TargetTitle: "Main database", Title: "Write", Owner: "p_olga", Connector: "postgres",
			Params: map[string][]string{"role": {"writer"}}, Longest: 4 * 3600, Action: workflows.ActionWrite, Breadth: workflows.BreadthSet,
		}},
	}}
	for _, part := range strings.Split(chain, ">") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if err := x.stage(part); err != nil {
			return nil, fmt.Errorf("chain %q: %w", text, err)
		}
	}
	for _, part := range strings.Split(rest, "|") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if err := x.word(part); err != nil {
			return nil, fmt.Errorf("chain %q: %w", text, err)
		}
	}
	return x, nil
}

// paren cuts "name(inside)rest" apart.
func paren(text, open, shut string) (name, inside, rest string, ok bool) {
	name, rest, ok1 := strings.Cut(text, open)
	inside, rest, ok2 := strings.Cut(rest, shut)
	return strings.TrimSpace(name), inside, strings.TrimSpace(rest), ok1 && ok2
}

func (x *setting) stage(text string) error {
	st := workflows.Stage{Timeout: 4 * 3600}
	var r workflows.StageRoster
	var rest string
	if at := strings.IndexAny(text, "(["); at >= 0 && text[at] == '[' {
		name, inside, after, ok := paren(text, "[", "]")
		if !ok {
			return fmt.Errorf("stage %q: want name[part & part]", text)
		}
		st.Name, rest = name, after
		if err := parts(inside, &st, &r); err != nil {
			return err
		}
	} else {
		name, people, after, ok := paren(text, "(", ")")
		after, isN := strings.CutPrefix(after, "x")
		if !ok || !isN {
			return fmt.Errorf("stage %q: want name(people)xN …", text)
		}
		n, after, _ := strings.Cut(after, " ")
		quorum, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		st.Name, st.Quorum, rest = name, quorum, after
		st.Approvers, r.Approvers = workflows.Selector{People: persons(people)}, seats(people)
	}
	x.w.Stages = append(x.w.Stages, st)
	x.rosters.Stages = append(x.rosters.Stages, r)
	x.shifts = append(x.shifts, nil)
	return x.stageWords(strings.TrimSpace(rest))
}

// parts reads "dba(ann bob)x1 & sec(carol)x1" or, for any of them, "a(ann)x1 / b(carol)x2".
func parts(text string, st *workflows.Stage, r *workflows.StageRoster) error {
	sep := "&"
	if strings.Contains(text, "/") {
		sep, st.AnyPart = "/", true
	}
	for i, part := range strings.Split(text, sep) {
		name, people, n, ok := paren(part, "(", ")")
		quorum, err := strconv.Atoi(strings.TrimPrefix(n, "x"))
		if !ok || err != nil {
			return fmt.Errorf("part %q: want name(people)xN", part)
		}
		st.Parts = append(st.Parts, workflows.Part{Name: name, Approvers: workflows.Selector{People: persons(people)}, Quorum: quorum})
		if st.AnyPart && i > 0 {
			st.Quorum = min(st.Quorum, quorum)
		} else {
			st.Quorum += quorum
		}
		r.Approvers = inPart(r.Approvers, seats(people), i)
	}
	return nil
}

// inPart adds people of a part to a roster; who sits there already sits in both.
func inPart(roster, more []workflows.Seat, part int) []workflows.Seat {
	for _, s := range more {
		at := slices.IndexFunc(roster, func(o workflows.Seat) bool { return o.Person == s.Person && o.For == s.For })
		if at < 0 {
			s.Parts = []int{part}
			roster = append(roster, s)
			continue
		}
		roster[at].Parts = append(slices.Clone(roster[at].Parts), part)
	}
	return roster
}

func (x *setting) stageWords(text string) error {
	i := len(x.w.Stages) - 1
	st, r := &x.w.Stages[i], &x.rosters.Stages[i]
	for text != "" {
		word, rest, _ := strings.Cut(text, " ")
		if name, inside, after, ok := paren(text, "(", ")"); ok && !strings.Contains(name, " ") { // apart(a b), told(ann)
			switch text = after; name {
			case "apart":
				st.DistinctFrom = strings.Fields(inside)
			case "told":
				r.Told = persons(inside)
			default:
				return fmt.Errorf("stage %s: %q", st.Name, name)
			}
			continue
		}
		arg, after, _ := strings.Cut(strings.TrimSpace(rest), " ")
		switch text = after; word {
		case "repeat":
			st.Repeat, text = true, strings.TrimSpace(rest)
		case "consent":
			st.Kind, text = workflows.StageConsent, strings.TrimSpace(rest)
		case "deny":
			st.Deny = arg
		case "offhours":
			st.OffHours = arg
		case "remind", "timeout":
			d, ok := storytest.Duration(arg)
			if !ok {
				return fmt.Errorf("stage %s: %s %q", st.Name, word, arg)
			}
			if word == "remind" {
				st.Remind = workflows.SpanOf(d)
			} else {
				st.Timeout = workflows.SpanOf(d)
			}
		case "escalate", "shift":
			after, inside, more, ok := paren(rest, "(", ")")
			d, isTime := storytest.Duration(after)
			if !ok || !isTime {
				return fmt.Errorf("stage %s: %s %q", st.Name, word, rest)
			}
			text = more
			if word == "shift" {
				x.shifts[i] = append(x.shifts[i], shift{storytest.Start().UTC.Add(d), seats(inside)})
				continue
			}
			widenBy(st, r, workflows.SpanOf(d), inside)
		default:
			return fmt.Errorf("stage %s: %q", st.Name, word)
		}
	}
	return nil
}

// widenBy adds a tier. In a stage with parts, "dave:1" puts a tier's person into the second part; without it they are in all.
func widenBy(st *workflows.Stage, r *workflows.StageRoster, after workflows.Span, people string) {
	tier := seats(people)
	for i := range tier {
		if name, part, ok := strings.Cut(string(tier[i].Person), ":"); ok {
			n, _ := strconv.Atoi(part)
			tier[i].Person, tier[i].Parts = workflows.PersonID(name), []int{n}
			continue
		}
		for k := range st.Parts {
			tier[i].Parts = append(tier[i].Parts, k)
		}
	}
	e := workflows.Escalation{After: after, Approvers: workflows.Selector{People: persons(people)}}
	if st.Escalate == nil {
		st.Escalate, r.Escalate = &e, tier
		return
	}
	st.Then, r.Then = append(st.Then, e), append(r.Then, tier)
}

// word reads what the workflow says besides its stages.
func (x *setting) word(text string) error {
	words := strings.Fields(text)
	span := func(i int) workflows.Span {
		d, _ := storytest.Duration(words[min(i, len(words)-1)])
		return workflows.SpanOf(d)
	}
	num := func(i int) int {
		n, _ := strconv.Atoi(words[min(i, len(words)-1)])
		return n
	}
	switch words[0] {
	case "rule":
		return x.rule(words[1:])
	case "tier": // tier high longest 1h approvers 2 for admin
		return x.tier(words[1:])
	case "choose":
		x.w.Choose = words[1]
	case "often": // often 2 per 1d
		x.w.Often = &workflows.Often{Times: num(1), Per: span(3)}
	case "extend":
		x.w.Extend = &workflows.Extend{Cap: span(1)}
	case "later":
		x.w.Later = span(1)
	case "only":
		x.w.Only = workflows.OnlyBusiness
	case "reasons":
		x.w.ReasonFor = words[1:]
	case "tell":
		x.rosters.Told = persons(strings.Join(words[1:], " "))
	case "ends": // ends with until date_time
		x.w.EndsWith = words[2]
		x.w.Fields = append(x.w.Fields, workflows.Field{Name: words[2], Label: words[2], Type: words[3], Optional: true})
	case "field": // field rows number 1 100
		f := workflows.Field{Name: words[1], Label: words[1], Type: words[2], Optional: true}
		if len(words) > 4 {
			f.Least, f.Most = words[3], words[4]
		}
		x.w.Fields = append(x.w.Fields, f)
	case "also": // also reader read one
		x.w.Entitlements = append(x.w.Entitlements, workflows.Entitlement{
			Target: "pg-main", ID: workflows.EntitlementID(words[1]), TargetTitle: "Main database", Title: words[1], Owner: "p_olga",
			Connector: "postgres", Action: words[2], Breadth: words[3],
		})
	case "window": // window 2 per 1d budget 5 lifetime 1h
		x.w.Kind = workflows.KindWindow
		x.w.Window = &workflows.WindowTerms{Hours: "Mon-Fri 22:00-04:00", Zone: "UTC", Times: num(1), Per: span(3), Budget: num(5), Lifetime: span(7)}
	case "for":
		x.w.For = words[1:]
	default:
		return fmt.Errorf("workflow says %q", text)
	}
	return nil
}

// rule reads "small up 1h: peers owner", "big terms 2", "quick auto 2 per 1d sample 50", "never refuse", "short longest 30m: peers".
func (x *setting) rule(words []string) error {
	r := workflows.Rule{Name: strings.TrimSuffix(words[0], ":")}
	stages := strings.HasSuffix(words[0], ":")
	for i := 1; i < len(words); i++ {
		word := strings.TrimSuffix(words[i], ":")
		if stages {
			r.Stages = append(r.Stages, word)
			continue
		}
		next := strings.TrimSuffix(words[min(i+1, len(words)-1)], ":")
		d, _ := storytest.Duration(next)
		n, _ := strconv.Atoi(next)
		switch word {
		case "up":
			r.UpTo, i = workflows.SpanOf(d), i+1
		case "longest":
			r.Longest, i = workflows.SpanOf(d), i+1
		case "terms":
			r.Terms, i = n, i+1
		case "auto": // auto 2 per 1d
			per, _ := storytest.Duration(words[i+3])
			r.Auto, i = &workflows.Auto{Times: n, Per: workflows.SpanOf(per)}, i+3
		case "sample":
			r.Auto.Sample, i = n, i+1
		case "refuse":
			r.Refuse = "Nobody may have this. Ask for a read replica."
		default:
			return fmt.Errorf("rule %s says %q", r.Name, word)
		}
		stages = strings.HasSuffix(words[i], ":")
	}
	x.w.Rules = append(x.w.Rules, r)
	return nil
}

// tier reads "high longest 1h approvers 2 for admin write": a tier, and the actions that are of it; "any" is a row that matches everything.
func (x *setting) tier(words []string) error {
	if x.w.Risk == nil {
		x.w.Risk = &workflows.RiskTable{}
	}
	t := workflows.Tier{Name: words[0]}
	row := workflows.RiskRow{Tier: t.Name}
	for i := 1; i+1 < len(words); i += 2 {
		d, _ := storytest.Duration(words[i+1])
		n, _ := strconv.Atoi(words[i+1])
		switch words[i] {
		case "longest":
			t.Longest = workflows.SpanOf(d)
		case "approvers":
			t.Approvers = n
		case "for":
			if words[i+1] != "any" {
				row.Action = strings.Split(words[i+1], ",")
			}
		case "stepup":
			t.StepUp = words[i+1] == "yes"
		case "principal":
			row.Principal = []string{words[i+1]}
		default:
			return fmt.Errorf("tier %s says %q", t.Name, words[i])
		}
	}
	x.w.Risk.Tiers, x.w.Risk.Rows = append(x.w.Risk.Tiers, t), append(x.w.Risk.Rows, row)
	return nil
}

func persons(names string) []workflows.PersonID {
	var out []workflows.PersonID
	for _, s := range seats(names) {
		out = append(out, s.Person)
	}
	return out
}

// seats reads "ann bob- dave~ann carol@2h".
func seats(names string) []workflows.Seat {
	var out []workflows.Seat
	for _, word := range strings.Fields(names) {
		s := workflows.Seat{Why: "named"}
		if name, at, ok := strings.Cut(word, "@"); ok {
			d, _ := storytest.Duration(at)
			word, s.TellAt = name, storytest.Start().UTC.Add(d)
		}
		word, s.Away = strings.CutSuffix(word, "-")
		word, place, _ := strings.Cut(word, "~")
		s.Person, s.For = person(word), person(place)
		out = append(out, s)
	}
	return out
}
