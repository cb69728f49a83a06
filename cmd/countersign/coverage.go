package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/manual"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// Coverage: in which hours of the coming year does a stage have fewer people at work than it needs? Daylight saving, holidays, time off and
// rotations are counted, all tiers of the stage together, and whoever asks is left out: the one whose leaving hurts most.

const (
	coverageMonths = 12
	usualGap       = 72 * time.Hour // a weekend, with a day on which the office is closed: shorter gaps are in the table, without a warning
	maxAskers      = 200            // people tried as the requester of one stage; what more of them would show is the same gap
)

// stageCoverage is what a stage looks like over the year.
type stageCoverage struct {
	Workflow workflows.WorkflowID `json:"workflow"`
	Stage    string               `json:"stage"`
	Part     string               `json:"part,omitempty"`
	Needs    int                  `json:"needs"`
	Of       int                  `json:"of"`                 // people whose hours are on file, without the requester
	NoHours  []string             `json:"no_hours,omitempty"` // names of those whose hours are not: nobody can say when they are there
	NotHere  []string             `json:"not_here,omitempty"` // user groups and channels of the chat, and what depends on the request
	Asker    string               `json:"asker,omitempty"`    // who must not ask for it to be so
	Weekly   float64              `json:"weekly_hours"`       // in which enough are there, on average
	Gap      string               `json:"longest_gap"`        // in words
	GapFrom  *workflows.Stamp     `json:"longest_gap_from,omitempty"`
	GapHours float64              `json:"longest_gap_hours"`
	Timeout  workflows.Span       `json:"timeout"`

	longest time.Duration
}

// known tells whether the hours of enough people are on file to say anything.
func (s stageCoverage) known() bool { return len(s.NotHere) == 0 && len(s.NoHours) == 0 }

// warning is what is wrong with the stage; empty when nothing is.
func (s stageCoverage) warning(usual time.Duration) string {
	where := fmt.Sprintf("workflow %s, stage %s", s.Workflow, s.Stage)
	if s.Part != "" {
		where += ", part " + s.Part
	}
	if s.Asker != "" {
		where += " (when " + s.Asker + " asks)"
	}
	if !s.known() || s.longest <= usual || s.longest <= s.Timeout.Duration() {
		return ""
	}
	return fmt.Sprintf("%s: for %s there are too few to decide, and a request times out after %s: %s", where, calendar.In(s.longest), manual.Span(s.Timeout), s.Gap)
}

// coverer works out coverage for the stages of a folder, each set of people once.
type coverer struct {
	p      spec.Policies
	from   calendar.Date
	span   calendar.Interval
	people map[workflows.PersonID]spec.Person
	hours  map[workflows.PersonID]*calendar.Hours
	rotas  map[string]spec.Rotation
	name   manual.Names
	seen   map[string]calendar.Coverage
	err    error
}

// coverageOf looks at every stage of every workflow from a date on.
func coverageOf(p spec.Policies, from calendar.Date) ([]stageCoverage, error) {
	c := &coverer{
		p: p, from: from, people: map[workflows.PersonID]spec.Person{}, hours: map[workflows.PersonID]*calendar.Hours{}, rotas: map[string]spec.Rotation{},
		name: nameOf(p), seen: map[string]calendar.Coverage{},
		span: calendar.Interval{From: calendar.First(from, 0, time.UTC), To: calendar.First(from.AddMonths(coverageMonths), 0, time.UTC)},
	}
	for _, r := range p.Rotations {
		c.rotas[r.Name] = r
	}
	calendars := map[string]spec.Calendar{}
	for _, x := range p.Calendars {
		calendars[x.Name] = x
	}
	for _, x := range p.People {
		h, err := hoursOf(x, calendars[x.Calendar])
		if err != nil {
			return nil, err
		}
		c.people[x.ID], c.hours[x.ID] = x, h
	}
	var out []stageCoverage
	for _, id := range slices.Sorted(maps.Keys(p.Workflows)) {
		w := p.Workflows[id].Workflow
		for _, st := range w.Stages {
			out = append(out, c.stage(&w, st)...)
		}
	}
	return out, c.err
}

// hoursOf is when somebody works: their own hours, or those of their calendar; nil when neither is on file.
func hoursOf(p spec.Person, place spec.Calendar) (*calendar.Hours, error) {
	text := cmp.Or(p.Hours, place.Hours)
	if text == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return nil, fmt.Errorf("hours of %q: %w", p.Key, err)
	}
	week, err := calendar.ParseHours(text)
	if err != nil {
		return nil, fmt.Errorf("hours of %q: %w", p.Key, err)
	}
	return calendar.NewHours(calendar.Plan{Zone: zone, Week: week, Holidays: place.Holidays, Off: p.TimeOff})
}

// stage looks at the groups that have a quorum of their own. Where any of several parts is enough, the best of them counts.
func (c *coverer) stage(w *workflows.Workflow, st workflows.Stage) []stageCoverage {
	wider := slices.Clone(st.Then)
	if st.Escalate != nil {
		wider = append(wider, *st.Escalate)
	}
	if st.Kind == workflows.StageConsent {
		return nil // nobody has to be there: silence is enough, and who was told is recorded
	}
	if len(st.Parts) == 0 {
		return []stageCoverage{c.worst(w, st, "", st.Quorum, append(tiersOf(wider), st.Approvers))}
	}
	var out []stageCoverage
	for _, p := range st.Parts {
		out = append(out, c.worst(w, st, p.Name, p.Quorum, append(tiersOf(wider), p.Approvers)))
	}
	if st.AnyPart {
		return []stageCoverage{slices.MinFunc(out, func(a, b stageCoverage) int { return cmp.Compare(a.longest, b.longest) })}
	}
	return out
}

func tiersOf(list []workflows.Escalation) []workflows.Selector {
	var out []workflows.Selector
	for _, e := range list {
		out = append(out, e.Approvers)
	}
	return out
}

// crowd is whom selectors mean, as far as the folder says it.
type crowd struct {
	people   []workflows.PersonID
	rotas    []string
	manager  bool
	owners   bool
	notHere  []string
	excluded []workflows.PersonID
}

func crowdOf(list []workflows.Selector) crowd {
	var out crowd
	for i, s := range list {
		var people []workflows.PersonID
		people = append(people, s.People...)
		for _, g := range s.Groups {
			people = append(people, g.Members...)
		}
		if s.Fallback != nil && len(people) == 0 && !s.TargetOwner && !s.Manager {
			wider := crowdOf([]workflows.Selector{*s.Fallback})
			people, out.rotas = append(people, wider.people...), append(out.rotas, wider.rotas...)
		}
		isExcluded := func(p workflows.PersonID) bool { return slices.Contains(s.Exclude, p) }
		out.people = append(out.people, slices.DeleteFunc(people, isExcluded)...)
		out.rotas = append(out.rotas, s.Rotations...)
		out.notHere = append(append(out.notHere, s.ChatGroups...), s.ChatChannels...)
		if s.IdentityOwner {
			out.notHere = append(out.notHere, "the owner of the identity")
		}
		out.manager, out.owners = out.manager || s.Manager, out.owners || s.TargetOwner
		if out.excluded = slices.DeleteFunc(out.excluded, func(p workflows.PersonID) bool { return !isExcluded(p) }); i == 0 {
			out.excluded = slices.Clone(s.Exclude)
		}
	}
	return out
}

// worst finds the requester and the target that leave the longest gap.
func (c *coverer) worst(w *workflows.Workflow, st workflows.Stage, part string, quorum int, sel []workflows.Selector) stageCoverage {
	crowd := crowdOf(sel)
	out := stageCoverage{Workflow: w.ID, Stage: st.Name, Part: part, Needs: quorum, Timeout: st.Timeout, NotHere: crowd.notHere}
	first := true
	for _, owners := range ownersOf(w, crowd.owners) {
		for _, asker := range c.askers(w, crowd) {
			team, noHours := c.team(append(slices.Clone(crowd.people), owners...), crowd, asker)
			cov := c.cover(team, quorum)
			if first || cov.Longest.Length() > out.longest {
				first = false
				out.Of, out.NoHours, out.Asker = len(team.Members), noHours, c.nameOrNone(asker)
				c.describe(&out, cov)
			}
		}
	}
	return out
}

func (c *coverer) nameOrNone(p workflows.PersonID) string {
	if p == "" {
		return ""
	}
	return c.name(p)
}

// ownersOf are the owners of each thing that can be asked for, where the stage asks them.
func ownersOf(w *workflows.Workflow, asked bool) [][]workflows.PersonID {
	if !asked || len(w.Entitlements) == 0 {
		return [][]workflows.PersonID{nil}
	}
	var out [][]workflows.PersonID
	for _, e := range w.Entitlements {
		pair := []workflows.PersonID{e.Owner, e.Backup}
		if !slices.ContainsFunc(out, func(x []workflows.PersonID) bool { return slices.Equal(x, pair) }) {
			out = append(out, pair)
		}
	}
	return out
}

// askers are the people whose asking could matter to who is there: those who may ask and sit in the crowd themselves, everybody who may ask where
// managers decide, and somebody who has nothing to do with it.
func (c *coverer) askers(w *workflows.Workflow, crowd crowd) []workflows.PersonID {
	may := slices.Clone(w.Ask.People)
	for _, g := range w.Ask.Groups {
		may = append(may, g.Members...)
	}
	if w.Ask.Anyone {
		for _, p := range c.p.People {
			may = append(may, p.ID)
		}
	}
	in := slices.Clone(crowd.people)
	for _, r := range crowd.rotas {
		in = append(in, c.rotas[r].People...)
	}
	out := []workflows.PersonID{""}
	for _, p := range may {
		if (crowd.manager || crowd.owners || slices.Contains(in, p)) && !slices.Contains(w.Ask.Exclude, p) && !slices.Contains(out, p) && len(out) < maxAskers {
			out = append(out, p)
		}
	}
	if crowd.manager && len(out) > 1 {
		return out[1:] // without a requester there is no manager
	}
	return out
}

// team is who is left when somebody asks. A rotation is one member, at work whenever somebody is on shift.
func (c *coverer) team(people []workflows.PersonID, crowd crowd, asker workflows.PersonID) (calendar.Team, []string) {
	if crowd.manager {
		people = append(people, c.people[asker].Manager)
	}
	slices.Sort(people)
	var t calendar.Team
	var noHours []string
	for _, p := range slices.Compact(people) {
		_, listed := c.people[p]
		switch {
		case p == "" || p == asker || !listed || slices.Contains(crowd.excluded, p):
		case c.hours[p] == nil:
			noHours = append(noHours, c.name(p))
		default:
			t.Members = append(t.Members, calendar.Member{Person: p, Hours: c.hours[p]})
		}
	}
	for _, r := range crowd.rotas {
		h, err := c.onShift(c.rotas[r], asker)
		if err != nil {
			c.err = err
			return t, noHours
		}
		t.Members = append(t.Members, calendar.Member{Person: workflows.PersonID("rotation:" + r), Hours: h})
	}
	return t, noHours
}

// onShift is when somebody of a rotation who is neither the requester nor on time off has the shift.
func (c *coverer) onShift(r spec.Rotation, asker workflows.PersonID) (*calendar.Hours, error) {
	changes, err := r.Rotation.Changes(c.span.From, c.span.To)
	if err != nil {
		return nil, fmt.Errorf("rotation %q: %w", r.Name, err)
	}
	var off []calendar.Interval
	at, on := c.span.From, r.Rotation.On(c.span.From)
	changes = append(changes, calendar.Change{At: c.span.To})
	for _, x := range changes {
		off = append(off, c.absent(calendar.Interval{From: at, To: x.At}, on, asker)...)
		at, on = x.At, x.On
	}
	week, err := calendar.ParseHours("Mon-Sun 00:00-24:00")
	if err != nil {
		return nil, err
	}
	return calendar.NewHours(calendar.Plan{Zone: time.UTC, Week: week, Off: off})
}

// absent gives the parts of a time in which none of those on shift can decide.
func (c *coverer) absent(in calendar.Interval, on []workflows.PersonID, asker workflows.PersonID) []calendar.Interval {
	missing := []calendar.Interval{in}
	for _, p := range on {
		if p == asker {
			continue
		}
		var still []calendar.Interval
		for _, m := range missing {
			for _, o := range c.people[p].TimeOff {
				if both := (calendar.Interval{From: max(m.From, o.From), To: min(m.To, o.To)}); both.From < both.To {
					still = append(still, both)
				}
			}
		}
		missing = still
	}
	return slices.DeleteFunc(missing, func(i calendar.Interval) bool { return i.To <= i.From })
}

// cover asks the calendar, once for each set of people.
func (c *coverer) cover(t calendar.Team, quorum int) calendar.Coverage {
	t.Quorum = quorum
	var key strings.Builder
	fmt.Fprint(&key, quorum)
	for _, m := range t.Members {
		fmt.Fprintf(&key, " %s %p", m.Person, m.Hours)
	}
	if known, ok := c.seen[key.String()]; ok {
		return known
	}
	out, err := t.Coverage(c.from, coverageMonths)
	if err != nil && c.err == nil {
		c.err = err
	}
	c.seen[key.String()] = out
	return out
}

func (c *coverer) describe(s *stageCoverage, cov calendar.Coverage) {
	s.longest = cov.Longest.Length()
	s.GapHours = s.longest.Hours()
	whole := cov.Length()
	s.Weekly = (whole - cov.Short).Hours() / (whole.Hours() / 168)
	switch {
	case s.longest == 0:
		s.Gap = "never"
	case s.longest == whole:
		s.Gap = "always"
	default:
		from := cov.Longest.From
		s.GapFrom = &from
		s.Gap = "from " + from.Time().Format("Mon 2006-01-02 15:04 UTC") + " to " + cov.Longest.To.Time().Format("Mon 2006-01-02 15:04 UTC")
	}
}

// printCoverage is the table that check shows.
func printCoverage(w io.Writer, list []stageCoverage) error {
	fmt.Fprintf(w, "\nWho is there in the next %d months, with holidays, time off and changes of clocks, and without whoever asks:\n\n", coverageMonths)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "WORKFLOW\tSTAGE\tNEEDS\tTIMES OUT\tHOURS A WEEK\tLONGEST GAP")
	for _, s := range list {
		stage := s.Stage
		if s.Part != "" {
			stage += ": " + s.Part
		}
		hours, gap := fmt.Sprintf("%.0f", s.Weekly), calendar.In(s.longest)+", "+s.Gap
		switch {
		case len(s.NotHere) > 0:
			hours, gap = "?", "not known here: "+strings.Join(s.NotHere, ", ")
		case len(s.NoHours) > 0:
			hours, gap = "?", "no working hours on file: "+strings.Join(s.NoHours, ", ")
		case s.longest == 0:
			gap = "none"
		case s.Gap == "always":
			gap = "always"
		}
		if s.Asker != "" && hours != "?" && s.longest > 0 {
			gap += ", when " + s.Asker + " asks"
		}
		fmt.Fprintf(t, "%s\t%s\t%d of %d\t%s\t%s\t%s\n", s.Workflow, stage, s.Needs, s.Of, s.Timeout, hours, gap)
	}
	return t.Flush()
}

// gapHint is what can be done about a gap.
const gapHint = "ask or escalate to people elsewhere, or let it time out later"

// gapsOf are the stages in which a request can run out of time because too few people are there for longer than is usual.
func gapsOf(folder *spec.Folder, list []stageCoverage, usual time.Duration) []spec.Problem {
	var out []spec.Problem
	for _, s := range list {
		if text := s.warning(usual); text != "" {
			out = append(out, folder.AtStage(s.Workflow, s.Stage, gapHint, text))
		}
	}
	return out
}
