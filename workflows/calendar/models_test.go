package calendar_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// slow is somebody's hours, asked every five minutes: what the clock shows is held against the windows of today and of last night. It is right where
// windows do not touch a jump of the clocks, so it is asked in zones and months without one.
type slow struct {
	zone *time.Location
	plan calendar.Plan
}

func (s slow) works(at workflows.Stamp) bool {
	for _, o := range s.plan.Off {
		if o.Has(at) {
			return false
		}
	}
	local := at.Time().In(s.zone)
	c := calendar.Clock(local.Hour()*60 + local.Minute())
	today := calendar.DateAt(at, s.zone)
	return s.within(today, c) || s.within(today.Add(-1), c+calendar.EndOfDay)
}

func (s slow) within(d calendar.Date, c calendar.Clock) bool {
	if slices.Contains(s.plan.Holidays, d) {
		return false
	}
	for _, w := range s.plan.Week[d.Weekday()] {
		to := w.To
		if to <= w.From {
			to += calendar.EndOfDay
		}
		if w.From <= c && c < to {
			return true
		}
	}
	return false
}

// quiet is somebody in a zone whose clocks did not jump in the whole of 2026, with holidays and time off in November, on whole five minutes.
func quiet(t *rapid.T, id int) (calendar.Member, slow) {
	name := rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dubai", "Pacific/Kiritimati", "Pacific/Marquesas", "America/Bogota"}).Draw(t, "zone")
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	p := calendar.Plan{Zone: z, Week: anyWeek(t)}
	for range rapid.IntRange(0, 4).Draw(t, "holidays") {
		p.Holidays = append(p.Holidays, date2026(11, 1).Add(rapid.IntRange(-1, 31).Draw(t, "holiday")))
	}
	for range rapid.IntRange(0, 4).Draw(t, "times off") {
		from := november.Add(time.Duration(rapid.IntRange(-288, 31*288).Draw(t, "off")) * slot)
		p.Off = append(p.Off, calendar.Interval{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 800).Draw(t, "for")) * slot)})
	}
	h, err := calendar.NewHours(p)
	if err != nil {
		t.Fatal(err)
	}
	return calendar.Member{Person: workflows.PersonID(fmt.Sprint("p", id)), Hours: h}, slow{z, p}
}

var november = workflows.StampOf(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))

const (
	slot            = 5 * time.Minute // everything the models draw falls on one
	novemberSlots   = 30 * 24 * 12
	novemberMinutes = 30 * 24 * 60
)

// nth is the beginning of a slot of November.
func nth(i int) workflows.Stamp { return november.Add(time.Duration(i) * slot) }

// minute is the beginning of a minute of November.
func minute(i int) workflows.Stamp { return november.Add(time.Duration(i) * time.Minute) }

// sheet is who of the people works, for each slot of November.
func sheet(people []slow) []int {
	out := make([]int, novemberSlots)
	for i := range out {
		for _, p := range people {
			if p.works(nth(i)) {
				out[i]++
			}
		}
	}
	return out
}

// Hours answer for each slot of a month, and for sums of them, what looking at the clock in each answers.
func TestHoursAreWhatTheClockShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, s := quiet(t, 1)
		works := sheet([]slow{s})
		a := rapid.IntRange(0, novemberSlots-1).Draw(t, "a")
		b := rapid.IntRange(a, novemberSlots-1).Draw(t, "b")
		sum := 0
		for i := a; i < b; i++ {
			sum += works[i]
		}
		if got, ok := m.Hours.WorkingBetween(nth(a), nth(b)); !ok || got != time.Duration(sum)*slot {
			t.Fatalf("%s, holidays %v: from %s to %s %s, want %d slots", s.plan.Week, s.plan.Holidays, show(nth(a)), show(nth(b)), got, sum)
		}
		if got := m.Hours.IsOpen(nth(a)); got != (works[a] == 1) {
			t.Fatalf("%s: open at %s is %t", s.plan.Week, show(nth(a)), got)
		}
		for want, ask := range map[int]func(workflows.Stamp) (workflows.Stamp, bool){1: m.Hours.NextOpen, 0: m.Hours.NextClose} {
			i := a + slices.Index(append(slices.Clone(works[a:]), want), want)
			got, ok := ask(nth(a))
			if i < novemberSlots && (!ok || got != nth(i)) || i == novemberSlots && ok && got < nth(i) {
				t.Fatalf("%s: from %s on %d comes at %s, want %s", s.plan.Week, show(nth(a)), want, show(got), show(nth(i)))
			}
		}
	})
}

// Adding work and measuring it undo each other, from any moment at which somebody works.
func TestAddingAndMeasuringWorkUndoEachOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, s := quiet(t, 1)
		works := sheet([]slow{s})
		a := rapid.IntRange(0, novemberSlots-1).Draw(t, "a")
		var worked []int // the slots of work from a on
		for i := a; i < novemberSlots; i++ {
			if works[i] == 1 {
				worked = append(worked, i)
			}
		}
		if len(worked) == 0 {
			return
		}
		n := rapid.IntRange(1, len(worked)).Draw(t, "work")
		d := time.Duration(n) * slot
		end, ok := m.Hours.AddWorking(nth(a), d)
		if want := nth(worked[n-1] + 1); !ok || end != want {
			t.Fatalf("%s: %s of work from %s end at %s, want %s", s.plan.Week, d, show(nth(a)), show(end), show(want))
		}
		if back, ok := m.Hours.WorkingBetween(nth(a), end); !ok || back != d {
			t.Fatalf("%s of work were %s", d, back)
		}
		if again, _ := m.Hours.AddWorking(nth(a), d+time.Nanosecond*999); again != end {
			t.Fatalf("less than a microsecond of work moves the end to %s", show(again))
		}
	})
}

// A report of coverage is the list of runs of slots with too few people, and a forecast the first slot at which there are enough.
func TestCoverageAndForecastAreWhatTheClockShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		team := calendar.Team{Quorum: rapid.IntRange(1, 4).Draw(t, "quorum")}
		var people []slow
		for i := range rapid.IntRange(1, 4).Draw(t, "people") {
			m, s := quiet(t, i)
			team.Members, people = append(team.Members, m), append(people, s)
		}
		works := sheet(people)
		want := calendar.Coverage{Quorum: team.Quorum, Interval: calendar.Interval{From: november, To: nth(novemberSlots)}}
		for i, n := range works {
			if n >= team.Quorum {
				continue
			}
			if last := len(want.List) - 1; last >= 0 && want.List[last].To == nth(i) {
				want.List[last].To, want.List[last].Awake = nth(i+1), max(want.List[last].Awake, n)
			} else {
				want.List = append(want.List, calendar.Shortfall{Interval: calendar.Interval{From: nth(i), To: nth(i + 1)}, Awake: n})
			}
			want.Short += slot
		}
		for _, s := range want.List {
			if s.Length() > want.Longest.Length() {
				want.Longest = s
			}
		}
		got, err := team.Coverage(date2026(11, 1), 1)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("coverage (-slots +got):\n%s", d)
		}
		a := rapid.IntRange(0, novemberSlots-5*288).Draw(t, "now")
		f, err := team.Forecast(nth(a), 3)
		if err != nil {
			t.Fatal(err)
		}
		together := workflows.Stamp(0)
		for i := a; i < a+3*288 && together == 0; i++ {
			if works[i] >= team.Quorum {
				together = nth(i)
			}
		}
		if f.Together != together || f.Awake != works[a] {
			t.Fatalf("at %s: together %s, want %s; %d awake, want %d", show(nth(a)), show(f.Together), show(together), f.Awake, works[a])
		}
	})
}

// The order of a team decides nothing but who stands first of those who are equal; people without hours change no figure.
func TestTeamsDoNotDependOnTheirOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		team := globe(t, rapid.IntRange(1, 5).Draw(rt, "quorum"))
		now := minute(rapid.IntRange(0, novemberMinutes).Draw(rt, "now"))
		other := team
		other.Members = rapid.Permutation(append(slices.Clone(team.Members), calendar.Member{Person: "yan"})).Draw(rt, "members")
		a, err1 := team.Forecast(now, 5)
		b, err2 := other.Forecast(now, 5)
		if err1 != nil || err2 != nil || a.Awake != b.Awake || a.Together != b.Together || a.Reached != b.Reached {
			rt.Fatalf("%v, %v: %v, then %v", err1, err2, a, b)
		}
		c, _ := team.Coverage(date2026(11, 1), 1)
		d, _ := other.Coverage(date2026(11, 1), 1)
		if diff := cmp.Diff(c, d); diff != "" {
			rt.Fatalf("(-one order +another):\n%s", diff)
		}
		if len(other.Without("yan", "zoe").Members) != 5 || len(other.Members) != 7 {
			rt.Fatal("Without changed the team it was asked of")
		}
	})
}

// Time off is a set of moments: the order in which it is written, pieces of it and overlaps change nothing, and neither does the list of the caller
// after the hours were made.
func TestTimeOffIsASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, s := quiet(t, 1)
		var pieces []calendar.Interval
		for _, o := range s.plan.Off {
			cut := o.From + workflows.Stamp(rapid.Int64Range(1, int64(o.To-o.From)).Draw(t, "cut"))
			pieces = append(pieces, calendar.Interval{From: o.From, To: cut}, o)
			if cut < o.To {
				pieces = append(pieces, calendar.Interval{From: cut, To: o.To})
			}
		}
		p := s.plan
		if len(pieces) > 0 {
			p.Off = rapid.Permutation(pieces).Draw(t, "pieces")
		}
		p.Holidays = append(slices.Clone(p.Holidays), p.Holidays...)
		other, err := calendar.NewHours(p)
		if err != nil {
			t.Fatal(err)
		}
		clear(p.Off)
		for _, days := range []int{1, 3, 9, 30} {
			a, _ := m.Hours.WorkingBetween(november, minute(days*1440))
			b, _ := other.WorkingBetween(november, minute(days*1440))
			if a != b {
				t.Fatalf("%d days hold %s, or %s when time off is written in pieces", days, a, b)
			}
		}
	})
}

// What is frozen is what the list says, whatever its order: of the freezes that hold and are named, one that ends last.
func TestFreezesAreAsListed(t *testing.T) {
	t.Parallel()
	h := hours(t, "UTC", "09:00-17:00")
	rapid.Check(t, func(t *rapid.T) {
		var list []calendar.Freeze
		for range rapid.IntRange(0, 8).Draw(t, "freezes") {
			from := minute(rapid.IntRange(0, 60).Draw(t, "from"))
			list = append(list, calendar.Freeze{
				Name:     rapid.SampledFrom([]string{"sale", "audit", "year-end"}).Draw(t, "name"),
				Interval: calendar.Interval{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "length")) * time.Minute)},
			})
		}
		given := slices.Clone(list)
		b, err := calendar.NewBusiness("x", h, given)
		if err != nil {
			t.Fatal(err)
		}
		clear(given)
		names := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"sale", "audit", "year-end", "other"}), rapid.ID[string]).Draw(t, "names")
		for i := range 102 {
			at, until, left := minute(i), workflows.Stamp(0), 0
			for _, f := range list {
				if f.From <= at && at < f.To && slices.Contains(names, f.Name) {
					until = max(until, f.To)
				}
				if f.To > at {
					left++
				}
			}
			f, ok := b.Frozen(at, names)
			if ok != (until != 0) || f.To != until || ok && (!slices.Contains(names, f.Name) || !f.Has(at)) {
				t.Fatalf("%s for %v: %v, want until %s", show(at), names, f, show(until))
			}
			to := b.Freezes(at)
			if len(to) != left || !slices.IsSortedFunc(to, func(a, b calendar.Freeze) int { return int(a.From - b.From) }) {
				t.Fatalf("%s: %d freezes to come, want %d in order", show(at), len(to), left)
			}
			if len(to) > 0 {
				if to[0].Name = "changed"; b.Freezes(at)[0].Name == "changed" {
					t.Fatal("who asks for freezes can change them")
				}
			}
		}
	})
}

// Shifts are what counting dates says: who has taken the hand-over last, unless a stand-in holds.
func TestRotationsAreTheirMinutes(t *testing.T) {
	t.Parallel()
	people := []workflows.PersonID{"ann", "bob", "carol", "ann"}
	rapid.Check(t, func(t *rapid.T) {
		r := calendar.Rota{
			People: people[:rapid.IntRange(1, 4).Draw(t, "people")], Zone: time.UTC, First: date2026(10, 20).Add(rapid.IntRange(0, 20).Draw(t, "first")),
			At: calendar.Clock(rapid.IntRange(0, 1439).Draw(t, "at")), Days: rapid.IntRange(1, 9).Draw(t, "days"),
		}
		at := november
		for range rapid.IntRange(0, 4).Draw(t, "overrides") {
			from := at.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "from")) * time.Minute)
			at = from.Add(time.Duration(rapid.IntRange(1, 4000).Draw(t, "for")) * time.Minute)
			r.Overrides = append(r.Overrides, calendar.Override{Interval: calendar.Interval{From: from, To: at}, Person: rapid.SampledFrom(append([]workflows.PersonID{"eve"}, people...)).Draw(t, "who")})
		}
		begin := workflows.StampOf(time.Date(r.First.Year, r.First.Month, r.First.Day, 0, int(r.At), 0, 0, time.UTC))
		want := func(at workflows.Stamp) []workflows.PersonID {
			for _, o := range r.Overrides {
				if o.Has(at) {
					return []workflows.PersonID{o.Person}
				}
			}
			if at < begin {
				return nil
			}
			n := int(at.Sub(begin)/time.Minute) / (r.Days * 1440)
			return []workflows.PersonID{r.People[n%len(r.People)]}
		}
		shuffled := r
		if len(r.Overrides) > 0 {
			shuffled.Overrides = rapid.Permutation(r.Overrides).Draw(t, "order")
		}
		x, err := calendar.NewRotation(shuffled)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x.Changes(november, minute(novemberMinutes-1))
		if err != nil {
			t.Fatal(err)
		}
		on := want(november)
		for i := 1; i < novemberMinutes; i++ {
			now := want(minute(i))
			if slices.Equal(now, on) {
				continue
			}
			on = now
			if len(list) == 0 || list[0].At != minute(i) || !slices.Equal(list[0].On, now) || !slices.Equal(list[0].New, now) || !slices.Equal(x.On(minute(i)), now) {
				t.Fatalf("at %s it is %v's turn, told is %v, asked %v", show(minute(i)), now, list, x.On(minute(i)))
			}
			list = list[1:]
		}
		if len(list) > 0 {
			t.Fatalf("told, but not so: %v", list)
		}
		for _, s := range x.At(minute(rapid.IntRange(0, novemberMinutes-1).Draw(t, "asked"))) {
			if s.Overridden {
				continue
			}
			for _, at := range []workflows.Stamp{s.From, s.To - 1} {
				if !slices.Equal(want(at), []workflows.PersonID{s.Person}) {
					t.Fatalf("%s's shift from %s to %s, but at %s it is %v", s.Person, show(s.From), show(s.To), show(at), want(at))
				}
			}
		}
	})
}
