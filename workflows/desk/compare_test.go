package desk_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Every part of the documents that changes is said in words, with the direction in which it goes.
func TestComparePolicies(t *testing.T) {
	t.Parallel()
	berlin := desk.Calendar{Name: "berlin", Zone: "Europe/Berlin", Week: "Mon-Fri 09:00-17:00", Holidays: []calendar.Date{{Year: 2026, Month: 12, Day: 25}}, Stops: []desk.Freeze{{Name: "winter", From: 10, To: 20}}}
	for _, c := range []struct {
		name   string
		before func(*draft)
		edit   func(*draft)
		loose  bool
		says   string
	}{
		{"nothing", nil, nil, false, ""},
		{"a runbook is gone", nil, func(d *draft) { delete(d.books, "failover") }, false, "runbook/failover: the runbook is gone"},
		{"a new runbook", func(d *draft) { delete(d.books, "failover") }, func(d *draft) { d.books["failover"] = standard().books["failover"] }, false, "a new runbook"},
		{"a runbook's text", nil, func(d *draft) { d.texts["failover"] += "x" }, false, "its text changes"},
		{"what a runbook gives", nil, func(d *draft) {
			b := *d.books["failover"]
			b.Grant.Params = map[string][]string{"principals": {"root"}}
			d.books["failover"] = &b
		}, true, "root"},
		{"who may invoke a runbook", nil, func(d *draft) {
			b := *d.books["failover"]
			b.Invokers = named("zed", "rita", "gus")
			d.books["failover"] = &b
		}, true, "who may invoke it: p_gus added"},
		{"who may review a runbook", nil, func(d *draft) {
			b := *d.books["failover"]
			b.Reviewers = named("rita", "rob", "lea", "gus")
			d.books["failover"] = &b
		}, true, "who may review it: p_gus added"},
		{"something else of a runbook", nil, func(d *draft) { b := *d.books["failover"]; b.Longest *= 2; d.books["failover"] = &b }, true, "no words yet"},
		{"an account is set", nil, func(d *draft) { x := d.people["p_ann"]; x.Unix = "root"; d.people["p_ann"] = x }, true, "p_ann: the unix account is set"},
		{"an account on a target", nil, func(d *draft) {
			x := d.people["p_ann"]
			x.Accounts = map[workflows.TargetID]string{"pg-main": "root"}
			d.people["p_ann"] = x
		}, true, "p_ann: the account on pg-main is another one"},
		{"an address where nothing is linked by it", nil, func(d *draft) { x := d.people["p_ann"]; x.Email = "a@example.com"; d.people["p_ann"] = x }, false, ""},
		{"an address where accounts are linked by it", func(d *draft) { d.settings.LinkByEmail = true }, func(d *draft) { x := d.people["p_ann"]; x.Email = "a@example.com"; d.people["p_ann"] = x }, true, "the email account is set"},
		{"accounts are linked by address", nil, func(d *draft) { d.settings.LinkByEmail = true }, true, "linked to people by e-mail address: true"},
		{"no more", func(d *draft) { d.settings.LinkByEmail = true }, func(d *draft) { d.settings.LinkByEmail = false }, false, "false, was true"},
		{"a first channel of alarms", func(d *draft) { d.settings.SecurityChannel = "" }, func(d *draft) { d.settings.SecurityChannel = "#x" }, false, "the channel of alarms becomes #x, was none"},
		{"an identity lives longer", nil, func(d *draft) {
			i := d.identities["svc-deploy"]
			i.Expires++
			i.ExpiresOn = "2028-01-01"
			d.identities["svc-deploy"] = i
		}, true, "the day it expires becomes 2028-01-01"},
		{"an identity lives shorter", nil, func(d *draft) {
			i := d.identities["svc-deploy"]
			i.Expires--
			i.ExpiresOn = "2026-12-30"
			d.identities["svc-deploy"] = i
		}, false, "the day it expires"},
		{"an identity's account", nil, func(d *draft) {
			i := d.identities["svc-deploy"]
			i.Accounts = map[workflows.TargetID]string{"pg-main": "root"}
			d.identities["svc-deploy"] = i
		}, true, "the account on pg-main is another one"},
		{"tokens act as an identity", nil, func(d *draft) {
			i := d.identities["svc-deploy"]
			i.Workloads = []desk.Workload{{Issuer: "https://ci.example.com", Audience: "bot", Subject: "repo:x"}}
			d.identities["svc-deploy"] = i
		}, true, `tokens of https://ci.example.com for "repo:x" act as it`},
		{"tokens act as an identity no longer", func(d *draft) {
			i := d.identities["svc-deploy"]
			i.Workloads = []desk.Workload{{Issuer: "https://ci.example.com", Audience: "bot", Subject: "repo:x"}}
			d.identities["svc-deploy"] = i
		}, func(d *draft) {
			i := d.identities["svc-deploy"]
			i.Workloads = nil
			d.identities["svc-deploy"] = i
		}, false, "no longer"},
		{"a target is gone", nil, func(d *draft) { delete(d.targets, "bastion") }, false, "the target is gone"},
		{"a target's title", nil, func(d *draft) { x := d.targets["bastion"]; x.Title = "B"; d.targets["bastion"] = x }, false, "the title becomes B"},
		{"a calendar is gone", func(d *draft) { d.calendars["berlin"] = berlin }, func(d *draft) { delete(d.calendars, "berlin") }, true, "the calendar is gone"},
		{"a holiday more", func(d *draft) { d.calendars["berlin"] = berlin }, func(d *draft) {
			c := berlin
			c.Holidays = append(slices.Clone(c.Holidays), calendar.Date{Year: 2026, Month: 12, Day: 26})
			d.calendars["berlin"] = c
		}, false, "2026-12-26 becomes a holiday"},
		{"a holiday less", func(d *draft) { d.calendars["berlin"] = berlin }, func(d *draft) { c := berlin; c.Holidays = nil; d.calendars["berlin"] = c }, true, "2026-12-25 is no holiday any more"},
		{"a longer freeze", func(d *draft) { d.calendars["berlin"] = berlin }, func(d *draft) {
			c := berlin
			c.Stops = []desk.Freeze{{Name: "winter", From: 5, To: 25}}
			d.calendars["berlin"] = c
		}, false, `freeze "winter" holds from`},
		{"other hours", func(d *draft) { d.calendars["berlin"] = berlin }, func(d *draft) { c := berlin; c.Week = "Mon-Sun 00:00-24:00"; d.calendars["berlin"] = c }, true, "the hours becomes"},
		{"a rotation is gone", func(d *draft) { d.rotations["r"] = desk.Rotation{Name: "r", People: persons("ann")} }, func(d *draft) { delete(d.rotations, "r") }, false, "the rotation is gone"},
		{"a new rotation", nil, func(d *draft) { d.rotations["r"] = desk.Rotation{Name: "r", People: persons("ann")} }, false, "a new rotation"},
		{"fewer take turns", func(d *draft) { d.rotations["r"] = desk.Rotation{Name: "r", People: persons("ann", "bob")} }, func(d *draft) { d.rotations["r"] = desk.Rotation{Name: "r", People: persons("ann")} }, false, "p_bob takes turns no more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := standard()
			if c.before != nil {
				c.before(d)
			}
			before := d.compile(t)
			if c.edit != nil {
				c.edit(d)
			}
			changes := desk.Compare(before, d.compile(t))
			if workflows.Loosens(changes) != c.loose || (c.says == "") != (len(changes) == 0) {
				t.Fatalf("%+v", changes)
			}
			var all []string
			for _, x := range changes {
				all = append(all, x.Unit+": "+x.Text)
			}
			if !strings.Contains(strings.Join(all, "\n"), c.says) {
				t.Errorf("%q is not in %q", c.says, all)
			}
			if back := desk.Compare(before, before); len(back) != 0 {
				t.Errorf("a policy differs from itself: %+v", back)
			}
		})
	}
}

// A role that two selectors name is held to those whom both name, in every part of a selector.
func TestAHeldRoleIsTheNarrowerOne(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.dir.group("@sec", "gus")
	x.load(func(d *draft) {
		d.groups["sec"], d.groups["ops"] = persons("ann", "bob"), persons("cho")
		s := groups("sec", "ops")
		s.People, s.ChatGroups = persons("sam", "dan"), []string{"@sec", "@old"}
		x.dir.group("@old", "ida")
		d.roles[desk.RoleSecurity] = s
	})
	x.propose(func(d *draft) {
		d.groups["sec"] = persons("bob", "mia")
		s := groups("sec")
		s.People, s.ChatGroups, s.Exclude = persons("sam", "zed"), []string{"@sec"}, persons("gus")
		d.roles[desk.RoleSecurity] = s
	})
	for who, want := range map[string]bool{"sam": true, "bob": true, "dan": false, "zed": false, "ann": false, "mia": false, "cho": false, "gus": false, "ida": false} {
		x.must("held", func(x *office) error { return x.roleIs(who, desk.RoleSecurity, want) })
	}
}

// A change in more places than anybody reads is said in part, and approved as a whole.
func TestAFolderThatChangesEverywhere(t *testing.T) {
	t.Parallel()
	x := open(t)
	many := func(n int) func(*draft) {
		return func(d *draft) {
			for i := range n {
				id := workflows.PersonID(fmt.Sprintf("p_new%d", i))
				d.people[id] = desk.Person{ID: id, Key: string(id[2:])}
			}
		}
	}
	x.propose(many(500))
	p, _ := x.proposal()
	if len(p.Changes) != 201 || !strings.Contains(p.Changes[200].Text, "and 300 more") || !p.Changes[200].Loosens || len(p.Units) != 201 {
		t.Fatalf("%d changes of %d units, the last %+v", len(p.Changes), len(p.Units), p.Changes[len(p.Changes)-1])
	}
	x.restart()
	if again, _ := x.proposal(); again.Proposal != p.Proposal {
		t.Error("proposed anew")
	}
	x.propose(many(501))
	last, _ := x.proposal()
	if last.Proposal == p.Proposal {
		t.Error("one more is the same change")
	}
	if got := x.votePolicy("max", last.Proposal, workflows.Approve); got != "" || len(x.desk.Policy().People) < 501 {
		t.Errorf("%q, %d people", got, len(x.desk.Policy().People))
	}
}

// documents reads some documents as others, or not at all.
type documents struct {
	desk.Ledger
	as func(workflows.Document) (workflows.Document, error)
}

// Document implements desk.Ledger.
func (l documents) Document(ctx context.Context, h workflows.DocHash) (workflows.Document, error) {
	d, err := l.Ledger.Document(ctx, h)
	if err != nil {
		return d, err
	}
	return l.as(d)
}

// A start on a ledger whose documents are damaged puts nothing in force.
func TestALoadOnDamagedDocuments(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.calendars["c"] = desk.Calendar{Name: "c", Zone: "UTC"}
		d.rotations["r"] = desk.Rotation{Name: "r", People: persons("ann")}
	})
	kinds := map[string]string{
		"workflow": `"stages"`, "runbook": `"invokers"`, "text": "Fail over", "people": `"marks"`, "identities": `"expires_at"`, "groups": `"dba"`,
		"role": `"people":["p_sam"]`, "target": `"connector":"sshca","owner"`, "calendar": `"zone":"UTC"`, "rotation": `{"name":"r"`, "settings": `"security_channel"`,
	}
	for what, holds := range kinds {
		for name, as := range map[string]func(workflows.Document) (workflows.Document, error){
			"gone":  func(d workflows.Document) (workflows.Document, error) { return d, errDisk },
			"other": func(d workflows.Document) (workflows.Document, error) { d.Bytes = append(d.Bytes, ' '); return d, nil },
		} {
			if what == "text" && name == "other" {
				continue // the text of a runbook is compared with its approval when it is used
			}
			l := documents{x.tap, func(d workflows.Document) (workflows.Document, error) {
				if strings.Contains(string(d.Bytes), holds) {
					return as(d)
				}
				return d, nil
			}}
			d := desk.New(desk.Config{Ledger: l, Directory: x.dir, IDs: x.ids, Log: x.log()})
			if err := d.Load(t.Context(), x.draft.compile(t)); err == nil || len(d.Policy().Workflows) != 0 {
				t.Errorf("%s %s: in force: %v", what, name, err)
			}
		}
	}
}

// Calendars and hours that cannot be reckoned with are errors.
func TestCalendarsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]desk.Calendar{
		"zone": {Zone: "Mars/Olympus"}, "hours": {Zone: "UTC", Week: "always"}, "freeze": {Zone: "UTC", Stops: []desk.Freeze{{Name: "x", From: 2, To: 1}}},
	} {
		if _, err := desk.NewCalendar(c); err == nil {
			t.Errorf("%s: a calendar was made", name)
		}
	}
	if h, err := desk.PersonHours(desk.Person{Zone: "UTC"}, nil); h != nil || err != nil {
		t.Errorf("%v %v", h, err)
	}
	if _, err := desk.PersonHours(desk.Person{Zone: "Mars/Olympus", Hours: "09:00-17:00"}, nil); err == nil {
		t.Error("hours without a zone")
	}
	made, err := desk.NewCalendar(desk.Calendar{Name: "x", Zone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := desk.PersonHours(desk.Person{Zone: "Asia/Kolkata"}, &made); err != nil || h.Week().String() != "Mon-Fri 09:00-17:00" || h.Zone().String() != "Asia/Kolkata" {
		t.Errorf("%v %v", h, err)
	}
}

// Whoever stands beside a stage is told, and a list that cannot be asked keeps nobody from deciding.
func TestToldWithoutBeingAsked(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.dir.group("#watch", "gus")
	x.load(func(d *draft) {
		st := stage("one", 1, named("ann"))
		st.Tell = &workflows.Selector{ChatChannels: []string{"#watch"}, People: persons("sam")}
		flow(d, "x", func(w *workflows.Workflow) {
			w.Tell = &workflows.Selector{ChatChannels: []string{"#watch"}, People: persons("aud")}
		}, st)
	})
	s := x.state(x.ask("zed", "x"))
	same(t, "of the stage", persons("sam", "gus"), s.Stages[0].Told)
	same(t, "of the outcome", persons("aud", "gus"), s.Asked.Told)
	x.dir.mute("#watch", true)
	id := x.ask("zed", "x")
	same(t, "of the stage, as far as could be asked", persons("sam"), x.state(id).Stages[0].Told)
	x.approve(id, "ann")
}

// A change of the documents is for those who have to do with it.
func TestWhoSeesAProposal(t *testing.T) {
	t.Parallel()
	x := open(t)
	p := desk.Proposal{PolicyProposed: workflows.PolicyProposed{By: "p_zed", Ask: persons("ann")}}
	for who, want := range map[string]bool{"zed": true, "ann": true, "max": true, "sam": true, "aud": true, "gus": false, "": false} {
		if got := x.desk.SeesProposal(t.Context(), person(who), p); got != want {
			t.Errorf("%q: %t", who, got)
		}
	}
}
