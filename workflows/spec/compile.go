package spec

import (
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// Compile turns the folder into policy versions. ids answers the id of the person with a key, the same one every time;
// an empty or repeated answer is an error. Two compilations of one folder with the same ids are equal byte for byte.
func (f *Folder) Compile(ids func(personKey string) workflows.PersonID) (Policies, error) {
	c := compiler{f: f, ids: map[string]workflows.PersonID{}}
	used := map[workflows.PersonID]string{}
	for _, p := range f.people {
		id := ids(p.key)
		if other, taken := used[id]; taken || id == "" {
			return Policies{}, fmt.Errorf("compiling: person %q has the id %q, like %q", p.key, id, other)
		}
		c.ids[p.key], used[id] = id, p.key
	}
	out := Policies{
		Settings:    c.settings(),
		Workflows:   map[workflows.WorkflowID]Policy{},
		Runbooks:    map[workflows.RunbookID]RunbookPolicy{},
		People:      c.people(),
		Groups:      c.groups(),
		Roles:       c.roles(),
		Identities:  c.identities(),
		Calendars:   c.calendars(),
		Rotations:   c.rotations(),
		Risk:        f.table,
		Watch:       c.watch(),
		Escalations: c.escalations(),
		Campaigns:   c.campaigns(),
		Tests:       c.tests(),
	}
	for _, s := range f.stories {
		out.Stories = append(out.Stories, StoryFile{File: s.name, Text: s.raw})
	}
	c.targets(&out)
	for _, w := range f.workflows {
		p, err := c.policy(w)
		if err != nil {
			return Policies{}, fmt.Errorf("compiling workflow %q: %w", w.id, err)
		}
		out.Workflows[p.Workflow.ID] = p
	}
	for _, b := range f.runbooks {
		p, err := c.runbookPolicy(b)
		if err != nil {
			return Policies{}, fmt.Errorf("compiling runbook %q: %w", b.id, err)
		}
		out.Runbooks[p.Runbook.ID] = p
	}
	return out, nil
}

type compiler struct {
	f   *Folder
	ids map[string]workflows.PersonID
}

// id is the person that a checked key or e-mail address means.
func (c *compiler) id(ref string) workflows.PersonID {
	if id, ok := c.ids[ref]; ok {
		return id
	}
	return c.ids[c.f.index.keyOf(ref)]
}

func (c *compiler) list(v *value, key string) (out []workflows.PersonID) {
	for _, s := range v.strs(key) {
		out = append(out, c.id(s))
	}
	return out
}

func (c *compiler) settings() Settings {
	v := c.f.company
	slack, cp, unused := v.get("slack"), v.get("checkpoint"), v.get("unused")
	return Settings{
		UnusedAfter: unused.span("suspend_after", 0), UnusedWarn: unused.warning(),
		Organisation:    v.str("organisation"),
		LinkByEmail:     slack.flag("link_by_email"),
		SecurityChannel: slack.str("security_channel"),
		Language:        slack.str("language"),
		IncidentsOpen:   c.optional(v.get("incidents"), "open"), IncidentsCommand: c.optional(v.get("incidents"), "command"),
		Checkpoint: Checkpoint{
			Schedule: orElse(cp.str("schedule"), defaultSchedule),
			Zone:     orElse(cp.str("zone"), defaultZone),
			Channel:  cp.str("channel"),
		},
	}
}

func (c *compiler) people() (out []Person) {
	for _, p := range c.f.people {
		out = append(out, Person{
			ID: c.ids[p.key], Key: p.key, Name: p.str("name"), Email: p.str("email"), Phone: p.str("phone"), Slack: p.str("slack"), Unix: p.str("unix"),
			Zone: p.str("timezone"), Hours: p.str("working_hours"), Manager: c.id(p.str("manager")), Accounts: accounts(p.value),
			Calendar: p.str("calendar"), TimeOff: timeOff(p), Sponsor: c.id(p.get("contractor").str("sponsor")), ContractUntil: p.get("contractor").str("until"),
		})
	}
	return out
}

func accounts(v *value) map[workflows.TargetID]string {
	out := map[workflows.TargetID]string{}
	if a := v.get("accounts"); a != nil {
		for _, e := range a.entries {
			out[workflows.TargetID(e.key)] = e.value.scalar()
		}
	}
	return out
}

func (c *compiler) groups() (out []workflows.Group) {
	for _, g := range c.f.groups {
		out = append(out, c.group(g))
	}
	return out
}

func (c *compiler) group(g *group) workflows.Group {
	members := make([]workflows.PersonID, 0, len(g.members))
	for _, m := range g.members {
		members = append(members, c.id(m.scalar()))
	}
	return workflows.Group{Name: g.name, Members: members}
}

func (c *compiler) roles() Roles {
	v := c.f.roles
	return Roles{
		Owner: c.selector(v.get("owner")), Security: c.selector(v.get("security")),
		Auditor: c.selector(v.get("auditor")), Operator: c.selector(v.get("operator")),
	}
}

func (c *compiler) identities() (out []Identity) {
	for _, i := range c.f.identities {
		out = append(out, Identity{
			ID: workflows.IdentityID(i.str("id")), Kind: i.str("kind"), Name: i.str("name"), Owner: c.id(i.str("owner")),
			Backup: c.id(i.str("backup")), Purpose: i.str("purpose"), Environment: i.str("environment"),
			Expires: i.str("expires"), Accounts: accounts(i), Workloads: c.workloads(i),
		})
	}
	return out
}

func (c *compiler) targets(out *Policies) {
	for _, t := range c.f.targets {
		settings := map[string]string{}
		if s := t.get("settings"); s != nil {
			for _, e := range s.entries {
				settings[e.key] = e.value.scalar()
			}
		}
		out.Targets = append(out.Targets, Target{
			ID: workflows.TargetID(t.id), Title: t.str("title"), Connector: t.str("connector"), Owner: c.id(t.str("owner")),
			Backup: c.id(t.str("backup")), Environment: t.str("environment"), DataClass: t.str("data_class"), Settings: settings,
		})
		for _, e := range t.entitlements {
			out.Entitlements = append(out.Entitlements, c.entitlement(grantable{t, e}))
		}
	}
}

func (c *compiler) entitlement(g grantable) workflows.Entitlement {
	params := map[string][]string{}
	if p := g.get("params"); p != nil {
		for _, e := range p.entries {
			params[e.key] = p.strs(e.key)
		}
	}
	t := g.on
	return workflows.Entitlement{
		Target: workflows.TargetID(t.id), ID: workflows.EntitlementID(g.str("id")), TargetTitle: t.str("title"),
		Title: g.str("title"), Description: g.str("description"), BusinessTask: g.str("business_task"),
		Owner: c.id(t.str("owner")), Backup: c.id(t.str("backup")), Environment: t.str("environment"),
		DataClass: t.str("data_class"), ReviewDate: g.str("review_date"), Connector: t.str("connector"), Params: params,
		Longest: g.span("longest", 0), Shared: g.flag("shared"), Account: g.flag("account"),
		Action: g.str("action"), Breadth: g.str("breadth"), Conflicts: c.f.conflictsOf(t.id + "/" + g.str("id")),
		Brokered: t.flag("brokered"), ActsAs: workflows.IdentityID(g.str("acts_as")),
	}
}
