package calendar

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Member is somebody of a team. Nil hours are hours that nobody wrote down: such a person is never counted as awake, and never as asleep.
type Member struct {
	Person workflows.PersonID
	Hours  *Hours
}

// Team is the people of a tier, in the order of its list, and how many of them it takes.
type Team struct {
	Members []Member
	Quorum  int
}

// Without is the team less those who do not count for a request: who asks, those in whose name, those who are excluded.
func (t Team) Without(people ...workflows.PersonID) Team {
	t.Members = slices.DeleteFunc(slices.Clone(t.Members), func(m Member) bool { return slices.Contains(people, m.Person) })
	return t
}

// check bounds what is walked.
func (t Team) check() error {
	if len(t.Members) > maxTeam {
		return fmt.Errorf("team: %d people, at most %d are allowed", len(t.Members), maxTeam)
	}
	seen := make(map[workflows.PersonID]bool, len(t.Members))
	for _, m := range t.Members {
		if seen[m.Person] {
			return fmt.Errorf("team: %q is in it twice: one would count for two", m.Person)
		}
		seen[m.Person] = true
	}
	return nil
}

// Presence is where somebody stands at a moment.
type Presence struct {
	Person workflows.PersonID
	Zone   *time.Location  // nil when it is not known
	Known  bool            // hours are written down
	Awake  bool            // within them
	Until  workflows.Stamp // awake: when they stop; zero when not within the days looked at
	Next   workflows.Stamp // the first moment from now on within their hours; zero when not within the days looked at
}

// Presence is where the person stands at t, looking so many days ahead.
func (m Member) Presence(t workflows.Stamp, days int) Presence {
	p := Presence{Person: m.Person}
	if m.Hours == nil {
		return p
	}
	days = max(0, min(days, maxAhead))
	p.Zone, p.Known = m.Hours.zone, true
	end := t.Add(time.Duration(days) * day)
	if next, ok := m.Hours.nextOpen(t, days); ok && next <= end {
		p.Next, p.Awake = next, next == t
	}
	if !p.Awake {
		return p
	}
	if until, ok := m.Hours.nextClose(t, days); ok && until <= end {
		p.Until = until
	}
	return p
}

// Forecast is who of a team can be reached, and when.
type Forecast struct {
	Now      workflows.Stamp
	Order    []Presence      // follow the sun: awake first, those who stay longest in front; then by who comes next; then the others
	Awake    int             // of them
	Together workflows.Stamp // the first moment at which a quorum is awake at once; zero when not within the days looked at
	Reached  workflows.Stamp // the first moment by which a quorum has been awake, one after the other; zero likewise
}

// Forecast looks so many days ahead from now, 400 at most.
func (t Team) Forecast(now workflows.Stamp, days int) (Forecast, error) {
	if err := t.check(); err != nil {
		return Forecast{}, err
	}
	f := Forecast{Now: now, Order: make([]Presence, 0, len(t.Members))}
	for _, m := range t.Members {
		f.Order = append(f.Order, m.Presence(now, days))
	}
	sort.SliceStable(f.Order, func(i, j int) bool { return followTheSun(f.Order[i], f.Order[j]) < 0 })
	for _, p := range f.Order {
		if p.Awake {
			f.Awake++
		}
	}
	if q := t.Quorum; q > 0 && q <= len(f.Order) {
		f.Reached = f.Order[q-1].Next
	}
	if f.Reached != 0 {
		f.Together = t.together(f.Reached, now.Add(time.Duration(min(days, maxAhead))*day))
	}
	return f, nil
}

func followTheSun(a, b Presence) int {
	rank := func(p Presence) int {
		switch {
		case p.Awake:
			return 0
		case p.Next != 0:
			return 1
		default:
			return 2
		}
	}
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	if !a.Awake {
		return cmp.Compare(a.Next, b.Next)
	}
	return cmp.Compare(uint64(b.Until)-1, uint64(a.Until)-1) // an end that is not seen is the longest, not zero
}

// Next is who comes next of those who are asleep; none when nobody does.
func (f Forecast) Next() (Presence, bool) {
	for _, p := range f.Order {
		if !p.Awake && p.Next != 0 {
			return p, true
		}
	}
	return Presence{}, false
}

// together is the first moment from one to another at which a quorum is awake at once; zero when there is none.
func (t Team) together(from, to workflows.Stamp) workflows.Stamp {
	for s := range t.levels(from, to) {
		if s.awake >= t.Quorum {
			return s.From
		}
	}
	return 0
}

// Local is a moment on somebody's own clock: "Mon 09:00 IST". A zone without letters shows its offset: "Mon 09:00 UTC+04".
func Local(t workflows.Stamp, zone *time.Location) string {
	at := t.Time().In(zone)
	name, _ := at.Zone()
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		name = "UTC" + name
	}
	return at.Format("Mon 15:04 ") + name
}

// City is what people call a zone: "Kolkata", "New York".
func City(zone *time.Location) string {
	name := zone.String()
	return strings.ReplaceAll(name[strings.LastIndexByte(name, '/')+1:], "_", " ")
}

// In is a duration in words, cut to minutes: "2 h 10 m", "3 d 4 h", "less than a minute".
func In(d time.Duration) string {
	m := int(d / time.Minute)
	switch {
	case d < 0:
		return "the past"
	case m == 0:
		return "less than a minute"
	case m < 60:
		return fmt.Sprintf("%d m", m)
	case m < 24*60 && m%60 == 0:
		return fmt.Sprintf("%d h", m/60)
	case m < 24*60:
		return fmt.Sprintf("%d h %d m", m/60, m%60)
	case m%(24*60) < 60:
		return fmt.Sprintf("%d d", m/(24*60))
	default:
		return fmt.Sprintf("%d d %d h", m/(24*60), m/60%24)
	}
}

// Words are where somebody stands, as an explanation shows it: "awake in Kolkata until Mon 18:30 IST", "next: Mon 09:00 IST in Kolkata, in
// 2 h 10 m".
func (p Presence) Words(now workflows.Stamp) string {
	switch {
	case !p.Known:
		return "working hours not known"
	case p.Awake && p.Until == 0:
		return "awake in " + City(p.Zone)
	case p.Awake:
		return fmt.Sprintf("awake in %s until %s", City(p.Zone), Local(p.Until, p.Zone))
	case p.Next == 0:
		return "away, in " + City(p.Zone)
	default:
		return fmt.Sprintf("next: %s in %s, in %s", Local(p.Next, p.Zone), City(p.Zone), In(p.Next.Sub(now)))
	}
}
