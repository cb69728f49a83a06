package desk_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// edits of one unit each, as small as a folder can be changed.
func (d *draft) person(name string, edit func(*desk.Person)) {
	p := d.people[person(name)]
	edit(&p)
	d.people[person(name)] = p
}

func (d *draft) deployer(edit func(*desk.Identity)) {
	i := d.identities["svc-deploy"]
	edit(&i)
	d.identities["svc-deploy"] = i
}

func (d *draft) bastion(edit func(*desk.Target)) {
	x := d.targets["bastion"]
	x.Settings = maps.Clone(x.Settings)
	edit(&x)
	d.targets["bastion"] = x
}

func (d *draft) calendar(edit func(*desk.Calendar)) {
	c := d.calendars["berlin"]
	c.Holidays, c.Stops = slices.Clone(c.Holidays), slices.Clone(c.Stops)
	edit(&c)
	d.calendars["berlin"] = c
}

func (d *draft) turns(names ...string) {
	d.rotations["night"] = desk.Rotation{Name: "night", People: persons(names...), Shifts: always("ann")}
}

// compared is a folder with something of every unit in it.
func compared() *draft {
	d := standard()
	d.calendars["berlin"] = desk.Calendar{
		Name: "berlin", Zone: "Europe/Berlin", Week: "Mon-Fri 09:00-17:00",
		Holidays: []calendar.Date{{Year: 2026, Month: 12, Day: 25}}, Stops: []desk.Freeze{{Name: "winter", From: 1e9, To: 2e9}},
	}
	d.turns("ann", "bob")
	d.groups["ops"] = persons("ann", "bob", "cho") // which no chain names
	d.bastion(func(x *desk.Target) { x.Settings = map[string]string{"ca_key_file": "a"} })
	d.person("ann", func(p *desk.Person) { p.Slack, p.Unix = "U1", "ann" })
	return d
}

// unitCases are changes with their exact words in both directions: "+" loosens, "-" does not.
var unitCases = []struct {
	name, unit  string
	edit        func(*draft)
	there, back string
}{
	{"a member of a group", "group/ops", func(d *draft) { d.groups["ops"] = persons("ann", "bob", "cho", "gus") }, "+p_gus becomes a member", "-p_gus is no member any more"},
	{"one member for another", "group/ops", func(d *draft) { d.groups["ops"] = persons("ann", "bob", "gus") }, "+p_gus becomes a member|-p_cho is no member any more", "+p_cho becomes a member|-p_gus is no member any more"},
	{"a group", "group/new", func(d *draft) { d.groups["new"] = persons("gus") }, "+p_gus becomes a member", "-p_gus is no member any more"},
	{"a group of nobody", "", func(d *draft) { d.groups["new"] = nil }, "", ""},
	{"the order of a group", "", func(d *draft) { d.groups["ops"] = persons("cho", "bob", "ann") }, "", ""},
	{"a role", "role/operator", func(d *draft) { d.roles[desk.RoleOperator] = named("gus") }, "+who has the role: p_gus added", "-who has the role: p_gus taken out"},
	{"a holder of a role", "role/security", func(d *draft) { d.roles[desk.RoleSecurity] = named("sam", "gus") }, "+who has the role: p_gus added", "-who has the role: p_gus taken out"},
	{"a person", "people/p_new", func(d *draft) { d.people["p_new"] = desk.Person{ID: "p_new", Key: "new"} }, "+p_new is new in the people file", "-p_new is no longer in the people file"},
	{"a manager", "people/p_ann", func(d *draft) { d.person("ann", func(p *desk.Person) { p.Manager = "p_max" }) }, "+p_ann: the manager becomes p_max, was p_mia", "+p_ann: the manager becomes p_mia, was p_max"},
	{"no manager", "people/p_ann", func(d *draft) { d.person("ann", func(p *desk.Person) { p.Manager = "" }) }, "-p_ann: the manager becomes none, was p_mia", "+p_ann: the manager becomes p_mia, was none"},
	{"another chat account", "people/p_ann", func(d *draft) { d.person("ann", func(p *desk.Person) { p.Slack = "U2" }) }, "+p_ann: the slack account is another one", "+p_ann: the slack account is another one"},
	{"no chat account", "people/p_ann", func(d *draft) { d.person("ann", func(p *desk.Person) { p.Slack = "" }) }, "-p_ann: the slack account is gone", "+p_ann: the slack account is set"},
	{"no account on the host", "people/p_ann", func(d *draft) { d.person("ann", func(p *desk.Person) { p.Unix = "" }) }, "-p_ann: the unix account is gone", "+p_ann: the unix account is set"},
	{"no account on a target", "people/p_ann", func(d *draft) { d.person("ann", func(p *desk.Person) { p.Accounts = nil }) }, "-p_ann: the account on pg-main is gone", "+p_ann: the account on pg-main is set"},
	{"two accounts at once, in order", "people/p_ann", func(d *draft) { d.person("ann", func(p *desk.Person) { p.Slack, p.Unix = "U2", "" }) }, "+p_ann: the slack account is another one|-p_ann: the unix account is gone", "+p_ann: the slack account is another one|+p_ann: the unix account is set"},
	{"a name, hours and a zone", "", func(d *draft) {
		d.person("ann", func(p *desk.Person) { p.Name, p.Zone, p.Hours = "Ann", "Europe/Berlin", "Mon-Fri 09:00-17:00" })
	}, "", ""},
	{"an identity", "identity/svc-new", func(d *draft) {
		d.identities["svc-new"] = desk.Identity{ID: "svc-new", Owner: "p_ivy", Class: "bot"}
	}, "+it is new in the inventory, owned by p_ivy", "-it leaves the inventory"},
	{"an identity's owner", "identity/svc-deploy", func(d *draft) { d.deployer(func(i *desk.Identity) { i.Owner = "p_gus" }) }, "+the owner becomes p_gus, was p_ivy", "+the owner becomes p_ivy, was p_gus"},
	{"an identity's backup", "identity/svc-deploy", func(d *draft) { d.deployer(func(i *desk.Identity) { i.Backup = "" }) }, "-the backup owner becomes none, was p_ida", "+the backup owner becomes p_ida, was none"},
	{"an identity's kind", "identity/svc-deploy", func(d *draft) { d.deployer(func(i *desk.Identity) { i.Class = "bot" }) }, "+the kind becomes bot, was service_account", "+the kind becomes service_account, was bot"},
	{"an identity's environment", "identity/svc-deploy", func(d *draft) { d.deployer(func(i *desk.Identity) { i.Environment = "test" }) }, "+the environment becomes test, was production", "+the environment becomes production, was test"},
	{"an identity's words", "identity/svc-deploy", func(d *draft) { d.deployer(func(i *desk.Identity) { i.Name, i.Purpose = "D", "x" }) }, "-the name becomes D, was Deployer|-the purpose becomes x, was deploys", "-the name becomes Deployer, was D|-the purpose becomes deploys, was x"},
	{"when an identity expires", "identity/svc-deploy", func(d *draft) {
		d.deployer(func(i *desk.Identity) { i.Expires, i.ExpiresOn = i.Expires+1, "2027-01-01" })
	}, "+the day it expires becomes 2027-01-01, was 2026-12-31", "-the day it expires becomes 2026-12-31, was 2027-01-01"},
	{"an identity's account", "identity/svc-deploy", func(d *draft) { d.deployer(func(i *desk.Identity) { i.Accounts = nil }) }, "-svc-deploy: the account on pg-main is gone", "+svc-deploy: the account on pg-main is set"},
	{"a target", "target/new", func(d *draft) { d.targets["new"] = desk.Target{ID: "new", Title: "New"} }, `-a new target, "New"; chains say who gets what on it`, "-the target is gone"},
	{"a target's connector", "target/bastion", func(d *draft) { d.bastion(func(x *desk.Target) { x.Connector = "exec" }) }, "+the connector becomes exec, was sshca", "+the connector becomes sshca, was exec"},
	{"a target's setting", "target/bastion", func(d *draft) { d.bastion(func(x *desk.Target) { x.Settings["ca_key_file"] = "b" }) }, "+setting ca_key_file becomes b, was a", "+setting ca_key_file becomes a, was b"},
	{"a setting more", "target/bastion", func(d *draft) { d.bastion(func(x *desk.Target) { x.Settings["port"] = "22" }) }, "+setting port becomes 22, was none", "+setting port becomes none, was 22"},
	{"a target's owner", "target/bastion", func(d *draft) { d.bastion(func(x *desk.Target) { x.Owner = "p_gus" }) }, "+the owner becomes p_gus, was p_olga", "+the owner becomes p_olga, was p_gus"},
	{"a target's backup", "target/bastion", func(d *draft) { d.bastion(func(x *desk.Target) { x.Backup = "p_gus" }) }, "+the backup owner becomes p_gus, was none", "-the backup owner becomes none, was p_gus"},
	{"what a target holds", "target/bastion", func(d *draft) { d.bastion(func(x *desk.Target) { x.Environment, x.DataClass = "test", "pii" }) }, "+the environment becomes test, was production|+the data class becomes pii, was none", "+the environment becomes production, was test|+the data class becomes none, was pii"},
	{"a calendar", "calendar/new", func(d *draft) { d.calendars["new"] = desk.Calendar{Name: "new", Zone: "UTC"} }, "-a new calendar", "+the calendar is gone, and its freezes with it"},
	{"a calendar's zone", "calendar/berlin", func(d *draft) { d.calendar(func(c *desk.Calendar) { c.Zone = "UTC" }) }, "+the zone becomes UTC, was Europe/Berlin", "+the zone becomes Europe/Berlin, was UTC"},
	{"usual hours", "calendar/berlin", func(d *draft) { d.calendar(func(c *desk.Calendar) { c.Week = "" }) }, "+the hours becomes none, was Mon-Fri 09:00-17:00", "+the hours becomes Mon-Fri 09:00-17:00, was none"},
	{"a holiday", "calendar/berlin", func(d *draft) {
		d.calendar(func(c *desk.Calendar) { c.Holidays = append(c.Holidays, calendar.Date{Year: 2027, Month: 1, Day: 1}) })
	}, "-2027-01-01 becomes a holiday", "+2027-01-01 is no holiday any more"},
	{"a freeze", "calendar/berlin", func(d *draft) {
		d.calendar(func(c *desk.Calendar) { c.Stops = append(c.Stops, desk.Freeze{Name: "audit", From: 0, To: 5e6}) })
	}, `-freeze "audit" holds from 1970-01-01T00:00:00.000000Z to 1970-01-01T00:00:05.000000Z`, `+freeze "audit" no longer holds from 1970-01-01T00:00:00.000000Z to 1970-01-01T00:00:05.000000Z`},
	{"why a freeze is", "", func(d *draft) { d.calendar(func(c *desk.Calendar) { c.Stops[0].Why = "snow" }) }, "", ""},
	{"somebody takes turns", "rotation/night", func(d *draft) { d.turns("ann", "bob", "cho") }, "+p_cho takes turns from now on", "-p_cho takes turns no more"},
	{"the order of turns", "", func(d *draft) { d.turns("bob", "ann") }, "", ""},
	{"a rotation", "rotation/new", func(d *draft) { d.rotations["new"] = desk.Rotation{Name: "new", People: persons("gus")} }, "-a new rotation; chains say what it decides", "-the rotation is gone"},
	{"the organisation", "settings", func(d *draft) { d.settings.Organisation = "Example" }, "-the organisation becomes Example, was none", "-the organisation becomes none, was Example"},
	{"no channel of alarms", "settings", func(d *draft) { d.settings.SecurityChannel = "" }, "+the channel of alarms becomes none, was #security", "-the channel of alarms becomes #security, was none"},
	{"links by address", "settings", func(d *draft) { d.settings.LinkByEmail = true }, "+accounts of the chat are linked to people by e-mail address: true, was false", "-accounts of the chat are linked to people by e-mail address: false, was true"},
}

func signed(changes []workflows.PolicyChange) string {
	var out []string
	for _, c := range changes {
		sign := "-"
		if c.Loosens {
			sign = "+"
		}
		out = append(out, sign+c.Text)
	}
	return strings.Join(out, "|")
}

// Every unit is compared in exact words, there and back, and under its own name alone.
func TestUnitsThereAndBack(t *testing.T) {
	t.Parallel()
	before := compared().compile(t)
	for _, c := range unitCases {
		d := compared()
		c.edit(d)
		after := d.compile(t)
		there, back := desk.Compare(before, after), desk.Compare(after, before)
		same(t, c.name, c.there, signed(there))
		same(t, c.name+", taken back", c.back, signed(back))
		for _, x := range slices.Concat(there, back) {
			if x.Unit != c.unit {
				t.Errorf("%s: said of %q: %s", c.name, x.Unit, x.Text)
			}
		}
	}
}

// Edits of different units add up: a comparison says what each says alone, in the order of the units, however they were made.
func TestComparisonsAddUp(t *testing.T) {
	t.Parallel()
	before := compared().compile(t)
	alone := make([][]workflows.PolicyChange, len(unitCases))
	byUnit := map[string]int{}
	var last []int // the last case of each unit, so that no edit writes over another
	for i, c := range unitCases {
		d := compared()
		c.edit(d)
		alone[i] = desk.Compare(before, d.compile(t))
		if c.unit != "" {
			byUnit[c.unit] = i
		}
	}
	last = slices.Sorted(maps.Values(byUnit))
	rapid.Check(t, func(rt *rapid.T) {
		picked := rapid.SliceOfNDistinct(rapid.SampledFrom(last), 1, 6, rapid.ID[int]).Draw(rt, "edits")
		d := compared()
		want := map[workflows.PolicyChange]bool{}
		for _, i := range picked {
			unitCases[i].edit(d)
			for _, c := range alone[i] {
				want[c] = true
			}
		}
		after := d.compile(t)
		got := desk.Compare(before, after)
		for _, c := range got {
			if !want[c] {
				rt.Fatalf("%+v is of none of the edits", c)
			}
			delete(want, c)
		}
		if len(want) > 0 {
			rt.Fatalf("not said: %v", want)
		}
		if again := desk.Compare(before, after); !slices.Equal(got, again) {
			rt.Fatalf("said in another order: %v, then %v", got, again)
		}
	})
}

// A freeze is covered by one of the same name that holds at least as long, at each edge.
func TestFreezesAtTheirEdges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		now      desk.Freeze
		loosens  bool
		nothings bool
	}{
		{"as it was", desk.Freeze{Name: "winter", From: 10, To: 20}, false, true},
		{"begins earlier", desk.Freeze{Name: "winter", From: 9, To: 20}, false, false},
		{"begins later", desk.Freeze{Name: "winter", From: 11, To: 20}, true, false},
		{"ends later", desk.Freeze{Name: "winter", From: 10, To: 21}, false, false},
		{"ends earlier", desk.Freeze{Name: "winter", From: 10, To: 19}, true, false},
		{"moved", desk.Freeze{Name: "winter", From: 11, To: 21}, true, false},
		{"has another name", desk.Freeze{Name: "audit", From: 10, To: 20}, true, false},
	} {
		with := func(f desk.Freeze) *desk.Policy {
			d := standard()
			d.calendars["c"] = desk.Calendar{Name: "c", Zone: "UTC", Stops: []desk.Freeze{f}}
			return d.compile(t)
		}
		got := desk.Compare(with(desk.Freeze{Name: "winter", From: 10, To: 20}), with(c.now))
		if workflows.Loosens(got) != c.loosens || (len(got) == 0) != c.nothings {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// A moment is read as people type it, on their own clock.
func TestMomentsAsTyped(t *testing.T) {
	t.Parallel()
	d := standard()
	d.person("ann", func(p *desk.Person) { p.Zone = "Europe/Berlin" })
	d.person("bob", func(p *desk.Person) { p.Zone = "Asia/Kolkata" })
	d.person("cho", func(p *desk.Person) { p.Zone = "Mars/Olympus" })
	p := d.compile(t)
	for _, c := range []struct{ who, text, want string }{
		{"ann", "2026-11-22T15:04:05Z", "2026-11-22T15:04:05Z"},
		{"ann", "2026-11-22T15:04:05+02:00", "2026-11-22T13:04:05Z"}, // says its own zone
		{"ann", "2026-11-22 15:04", "2026-11-22T14:04:00Z"},
		{"ann", "2026-07-01 15:04", "2026-07-01T13:04:00Z"},
		{"ann", "  2026-11-22   15:04 ", "2026-11-22T14:04:00Z"},
		{"bob", "2026-11-22 15:04", "2026-11-22T09:34:00Z"},
		{"bob", "2026-11-22 00:00", "2026-11-21T18:30:00Z"},
		{"cho", "2026-11-22 15:04", "2026-11-22T15:04:00Z"}, // a zone that nobody knows
		{"dan", "2026-11-22 15:04", "2026-11-22T15:04:00Z"}, // none on file
		{"nobody", "2026-11-22 15:04", "2026-11-22T15:04:00Z"},
		{"ann", "2026-10-25 02:30", "2026-10-25T00:30:00Z"}, // twice: the first
		{"ann", "2026-03-29 02:30", "2026-03-29T01:00:00Z"}, // never: the first after the gap
		{"ann", "2026-11-22", ""},
		{"ann", "15:04", ""},
		{"ann", "2026-11-22 25:04", ""},
		{"ann", "2026-13-22 15:04", ""},
		{"ann", "2026-02-30 15:04", ""},
		{"ann", "tomorrow 15:04", ""},
		{"ann", "", ""},
	} {
		at, ok := p.Moment(c.text, person(c.who))
		got := ""
		if ok {
			got = at.Time().Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%q typed by %s is %q, want %q", c.text, c.who, got, c.want)
		}
	}
}

// Who reports to whom and who owns what is read off the documents, in order, and nobody is never somebody.
func TestReportsAndOwned(t *testing.T) {
	t.Parallel()
	d := standard()
	for name, x := range d.people {
		x.Manager = ""
		d.people[name] = x
	}
	d.person("zed", func(p *desk.Person) { p.Manager = "p_mia" })
	d.person("ann", func(p *desk.Person) { p.Manager = "p_mia" })
	d.person("mia", func(p *desk.Person) { p.Manager = "p_max" })
	d.identities["svc-a"] = desk.Identity{ID: "svc-a", Owner: "p_ida"}
	d.identities["svc-z"] = desk.Identity{ID: "svc-z", Owner: "p_ivy", Backup: "p_ivy"}
	p := d.compile(t)
	for who, want := range map[string][2][]workflows.IdentityID{
		"mia": {{workflows.PersonID("p_ann").Identity(), workflows.PersonID("p_zed").Identity()}, nil},
		"max": {{workflows.PersonID("p_mia").Identity()}, nil}, // not those of those
		"ivy": {nil, {"svc-deploy", "svc-z"}},
		"ida": {nil, {"svc-a", "svc-deploy"}},
		"zed": {nil, nil},
		"":    {nil, nil},
	} {
		same(t, "who reports to "+who, want[0], p.Reports(person(who)))
		same(t, "what "+who+" owns", want[1], p.Owned(person(who)))
	}
}
