package incidents

import (
	"fmt"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// The tiers of an invocation.
const (
	TierPreapproved = "preapproved" // every condition holds: it is granted at once
	TierChain       = "chain"       // one does not: people are asked
	TierBreakGlass  = "break_glass" // one does not, and somebody of a short list goes around it
)

// Names of the conditions.
const (
	CondApproved  = "approved"    // this exact text, not expired, uses left
	CondIncident  = "incident"    // known and open
	CondSeverity  = "severity"    // bad enough
	CondCommander = "commander"   // who invokes commands the incident
	CondShift     = "on_shift"    // who invokes is on shift
	CondCooldown  = "cooldown"    // the last use is long enough ago
	CondReviewed  = "reviewed"    // the text was looked at in time
	CondDrilled   = "drilled"     // it was practised in time
	CondInvoker   = "invoker"     // who invokes is on the list of invokers
	CondExecutor  = "executor"    // somebody else carries it out
	CondBarred    = "not_misused" // no review found misuse by who invokes
)

// Situation is what the world answered about an invocation before it was decided.
type Situation struct {
	Incident Incident
	OnShift  bool // in one of the runbook's rotations
	Listed   bool // among those who may break the glass
	Executor workflows.PersonID
	MayDo    bool                 // the executor is on one of the runbook's lists
	Reviews  []ReviewFact         // open ones, and those of the invoker's uses lately
	Others   []workflows.PersonID // who could be the second person
	Told     []workflows.PersonID
	Alarm    string
}

// Incident is what is known of an incident when it is asked about.
type Incident struct {
	Known     bool // somebody who keeps incidents answered and has it
	Open      bool
	Severity  int // 1 is the worst; 0: nobody said
	Title     string
	Commander workflows.PersonID
	Executors []workflows.PersonID
	Channel   string
	Source    string // who answered, in a word: "countersign", "pagerduty"
	Why       string // when it is not known: why not, in a sentence
}

// ReviewFact is what an invocation needs to know of a review.
type ReviewFact struct {
	ID       workflows.ReviewID
	Runbooks []workflows.RunbookID
	Incident string
	Invokers []Used
	Open     bool
	Drill    bool
	DueAt    workflows.Stamp
	Reviews  []workflows.PersonID // who may give the verdict
}

// Used is one use that a review is about.
type Used struct {
	By workflows.PersonID
	At workflows.Stamp
}

// Assessment is whether a runbook may be invoked now, by somebody, and how.
type Assessment struct {
	Conditions []Condition
	Approved   bool     // the exact text stands approved, whatever else fails
	Needed     []string // why a second listed person is needed; empty: none is
	Left       int      // uses
	Until      workflows.Stamp
	Last       workflows.Stamp    // use that was no drill
	Drilled    workflows.Stamp    // last time
	Review     workflows.ReviewID // that a further use in the same incident falls under; empty: a new one
}

// Ready tells whether every condition holds.
func (a Assessment) Ready() bool { return len(a.Failed()) == 0 }

// Failed are the conditions that do not hold.
func (a Assessment) Failed() []Condition {
	return slices.DeleteFunc(slices.Clone(a.Conditions), func(c Condition) bool { return c.OK })
}

// Assess re-checks every condition of a runbook.
func (s State) Assess(in Invocation, now workflows.Stamp) Assessment {
	var a Assessment
	b, w := in.Book, in.Situation
	say := func(name string, ok bool, yes, no string) {
		c := Condition{Name: name, OK: ok, Says: yes}
		if !ok {
			c.Says = no
		}
		a.Conditions = append(a.Conditions, c)
	}
	standing, left, no := s.Readiness(b.Document, now)
	a.Left, a.Until, a.Approved = left, standing.Until, standing.Document == b.Document && b.Document != ""
	words := ""
	if no != nil {
		words = no.Sentence
	}
	say(CondApproved, no == nil, fmt.Sprintf("This exact text is approved until %s UTC, %d uses are left.", clock(standing.Until), left), words)
	if in.Standing.Selected || w.Listed || in.Drill {
		say(CondInvoker, in.Standing.Selected || in.Drill && w.Listed, "You are on its list of invokers.", "You are not on this runbook's list of invokers, only on the short list for emergencies.")
	}
	a.Last, a.Drilled = s.lastUse(false), s.lastUse(true)
	if !in.Drill {
		s.assessIncident(b, in, say)
	}
	s.assessTimes(b, in, now, a, say)
	if b.Apart {
		say(CondExecutor, w.Executor != "" && w.Executor != in.By.Person && w.MayDo, "Somebody else carries it out.",
			"Who invokes this runbook does not carry it out: name an executor who is on its lists, with executor=KEY.")
	}
	if !in.Drill {
		a.Needed, a.Review = second(b, in, now), joins(in)
	}
	return a
}

func (s State) assessIncident(b Runbook, in Invocation, say func(name string, ok bool, yes, no string)) {
	inc := in.Situation.Incident
	if b.IncidentLive {
		no := fmt.Sprintf("Incident %s is not open any more.", in.Incident)
		if !inc.Known {
			no = fmt.Sprintf("Incident %s is not known: %s.", in.Incident, orElse(inc.Why, "nobody who keeps incidents has it"))
		}
		say(CondIncident, inc.Known && inc.Open, fmt.Sprintf("Incident %s is open (%s).", in.Incident, inc.Source), no)
	}
	if b.SeverityMin > 0 {
		say(CondSeverity, inc.Known && inc.Severity > 0 && inc.Severity <= b.SeverityMin, fmt.Sprintf("The incident is of severity %d.", inc.Severity),
			fmt.Sprintf("The incident is of severity %s, and this runbook is for severity %d or worse.", severityWord(inc.Severity), b.SeverityMin))
	}
	if b.Commander {
		say(CondCommander, inc.Known && inc.Commander == in.By.Person && in.By.Person != "", "You command the incident.", "Only the commander of the incident invokes this runbook.")
	}
	if len(b.OnShift) > 0 {
		say(CondShift, in.Situation.OnShift, "You are on shift.", "You are not on shift now.")
	}
	if by, ok := s.Barred[in.By.Person]; ok {
		say(CondBarred, false, "", fmt.Sprintf("Review %s found misuse by you: you may invoke this runbook again once its text is approved anew.", by))
	}
}

func (s State) assessTimes(b Runbook, in Invocation, now workflows.Stamp, a Assessment, say func(name string, ok bool, yes, no string)) {
	if b.Cooldown > 0 && !in.Drill {
		again := a.Last.Add(b.Cooldown.Duration())
		say(CondCooldown, a.Last == 0 || now >= again || s.within(in.Incident), "It was not used just now.", fmt.Sprintf("It was used a moment ago; it may be used again from %s UTC.", clock(again)))
	}
	if b.ReviewEvery > 0 {
		due := s.ReviewDue(b)
		if due == 0 {
			say(CondReviewed, false, "", "Nobody has looked at this text yet.")
		} else {
			say(CondReviewed, now <= due, fmt.Sprintf("Its text was looked at in time; next by %s UTC.", clock(due)), fmt.Sprintf("Its text should have been looked at again by %s UTC.", clock(due)))
		}
	}
	if b.DrillEvery > 0 && !in.Drill {
		due := s.DrillDue(b)
		no := fmt.Sprintf("It should have been practised by %s UTC.", clock(due))
		if u := s.unproved(); u != 0 {
			no = fmt.Sprintf("It should have been practised by %s UTC. The drill of %s UTC does not count: nobody who was alerted acknowledged it.", clock(due), clock(u))
		}
		if due == 0 {
			say(CondDrilled, false, "", "It was never practised.")
		} else {
			say(CondDrilled, now <= due, fmt.Sprintf("It was practised in time; next by %s UTC.", clock(due)), no)
		}
	}
}

// within tells whether the runbook was used in the incident already: a cooldown keeps nobody from working on.
func (s State) within(incident string) bool {
	return slices.ContainsFunc(s.Uses, func(u Use) bool { return u.Incident == incident && !u.Drill })
}

func (s State) lastUse(drill bool) workflows.Stamp {
	var out workflows.Stamp
	for _, u := range s.Uses {
		if u.Drill == drill && (!drill || u.Counts()) {
			out = max(out, u.At.UTC)
		}
	}
	return out
}

// unproved is when a drill was held last whose alerts were never shown to fire, and none after it counted; zero: there is none.
func (s State) unproved() (out workflows.Stamp) {
	for _, u := range s.Uses {
		switch {
		case u.Counts():
			out = 0
		case u.Drill:
			out = u.At.UTC
		}
	}
	return out
}

// reviewedAt is when somebody last looked at the text: the day that it says itself, or the last approval of exactly it.
func (s State) reviewedAt(b Runbook) workflows.Stamp {
	var at workflows.Stamp
	if t, err := time.Parse(time.DateOnly, b.LastReviewed); err == nil {
		at = workflows.StampOf(t)
	}
	for _, a := range s.Approvals {
		if a.Document == b.Document {
			at = max(at, a.At.UTC)
		}
	}
	return at
}

// ReviewDue is when the text has to be looked at again; zero when it never has to, and while nobody has looked at it once.
func (s State) ReviewDue(b Runbook) workflows.Stamp {
	if b.ReviewEvery == 0 {
		return 0
	}
	at := s.reviewedAt(b)
	if at == 0 {
		return 0
	}
	return at.Add(b.ReviewEvery.Duration())
}

// DrillDue is when the runbook has to be practised next; zero when it never has to. Before the first drill the time counts from the first
// approval of any of its texts; zero before that, too.
func (s State) DrillDue(b Runbook) workflows.Stamp {
	if b.DrillEvery == 0 {
		return 0
	}
	at := s.lastUse(true)
	if at == 0 && len(s.Approvals) > 0 {
		at = s.Approvals[0].At.UTC
	}
	if at == 0 {
		return 0
	}
	return at.Add(b.DrillEvery.Duration())
}

// second says why a second listed person is needed: never a dead end, but louder, and not alone.
func second(b Runbook, in Invocation, now workflows.Stamp) []string {
	var out []string
	person, all := 0, 0
	for _, r := range in.Situation.Reviews {
		mine := slices.ContainsFunc(r.Invokers, func(u Used) bool { return u.By == in.By.Person })
		about := slices.Contains(r.Runbooks, b.ID)
		if r.Open && !r.Drill && (mine || about) && now.After(r.DueAt) {
			out = append(out, fmt.Sprintf("Review %s is overdue since %s UTC.", r.ID, clock(r.DueAt)))
		}
		for _, u := range r.Invokers {
			if r.Drill || r.Incident == in.Incident {
				continue // within one incident, uses fall under one review and count once
			}
			if u.By == in.By.Person && now.Sub(u.At) < b.personOften().Per.Duration() {
				person++
			}
			if b.Often != nil && about && now.Sub(u.At) < b.Often.Per.Duration() {
				all++
			}
		}
	}
	if o := b.personOften(); person >= o.Times {
		out = append(out, fmt.Sprintf("You broke the glass %d times in the last %s.", person, o.Per))
	}
	if b.Often != nil && all >= b.Often.Times {
		out = append(out, fmt.Sprintf("This runbook was used %d times in the last %s.", all, b.Often.Per))
	}
	return out
}

// joins finds the open review of the same incident that a further use falls under: one whose reviewers are others than who invokes.
func joins(in Invocation) workflows.ReviewID {
	ended := in.Situation.Incident.Known && !in.Situation.Incident.Open
	for _, r := range in.Situation.Reviews {
		if r.Open && !r.Drill && r.Incident == in.Incident && in.Incident != "" && !ended && suits(r.Reviews, in) {
			return r.ID
		}
	}
	return ""
}

// suits tells whether some of those who review already would be asked to review this use, too, and who invokes or executes is not among them.
func suits(reviewers []workflows.PersonID, in Invocation) bool {
	return slices.ContainsFunc(reviewers, func(p workflows.PersonID) bool { return slices.Contains(in.Reviewers, p) }) &&
		!slices.Contains(reviewers, in.By.Person) && !slices.Contains(reviewers, in.Situation.Executor)
}

func clock(s workflows.Stamp) string { return s.Time().Format("2006-01-02 15:04") }

func severityWord(n int) string {
	if n == 0 {
		return "unknown"
	}
	return fmt.Sprint(n)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
