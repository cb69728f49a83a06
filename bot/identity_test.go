package bot_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// links lists how the accounts of a person were linked, as the ledger says.
func (w *world) links(p workflows.PersonID) []string {
	var out []string
	h, _ := w.m.History(w.ctx, workflows.PersonStream(p))
	for _, r := range h {
		if e, ok := r.Event.(identities.Linked); ok {
			out = append(out, e.How)
		}
	}
	return out
}

func (w *world) who(user string) workflows.Acting {
	w.t.Helper()
	by, err := w.identity.Resolve(w.ctx, slack.Interaction{TeamID: w.sim.Team().ID, UserID: w.sim.UserID(user)})
	if err != nil {
		w.t.Fatal(err)
	}
	return by
}

func TestLinking(t *testing.T) {
	w := start(t, nil)
	if got := w.who("maya").Person; got != w.people["maya"] {
		t.Errorf("maya is %s", got)
	}
	eve := w.who("eve")
	if eve.Person == "" || w.who("eve") != eve {
		t.Errorf("eve is %+v, then %+v", eve, w.who("eve"))
	}
	if got := fmt.Sprint(w.links(w.people["maya"]), w.links(eve.Person)); got != "[people file] [first seen]" {
		t.Errorf("recorded %s", got)
	}
	// the file lists eve from now on, and maya no longer
	w.identity.SetPeople([]bot.Listed{{Person: "p_eve", Name: "Eve Newcomer", Slack: w.sim.Team().ID + "/" + w.sim.UserID("eve")}})
	if got := w.who("eve").Person; got != "p_eve" {
		t.Errorf("eve is %s after she was listed", got)
	}
	if got := w.who("maya").Person; got != w.people["maya"] {
		t.Errorf("maya became %s: what she did stays hers", got)
	}
	s, err := w.identity.Standing(w.ctx, w.who("maya"))
	if err != nil || s.Linked {
		t.Errorf("maya may still decide: %+v %v", s, err)
	}
}

// E-mail links only when the operator said so, only confirmed addresses of full members, and only who is not listed by Slack id.
func TestLinkingByEmail(t *testing.T) {
	w := start(t, nil)
	at := slack.Installation{AppID: w.sim.App().ID, TeamID: w.sim.Team().ID}
	people := []bot.Listed{
		{Person: "p_eve", Name: "Eve", Email: "EVE@example.com"},
		{Person: "p_gus", Name: "Gus", Email: "gus@agency.example"},
		{Person: "p_jonas", Name: "Jonas", Email: "jonas@example.com", Slack: "U0SOMEBODYELSE"},
	}
	for _, allowed := range []bool{false, true} {
		m := newMemory()
		now := time.Now()
		id := bot.NewIdentity(bot.IdentityConfig{Slack: w.sender, Accounts: tables{m}, Persons: tables{m}, Installation: at, LinkByEmail: allowed, Now: func() time.Time { return now }})
		id.SetPeople(people)
		person := func(user string) workflows.PersonID {
			by, err := id.Resolve(w.ctx, slack.Interaction{TeamID: at.TeamID, UserID: w.sim.UserID(user)})
			if err != nil {
				t.Fatal(err)
			}
			return by.Person
		}
		if got := person("eve") == "p_eve"; got != allowed {
			t.Errorf("allowed %v: eve is linked %v", allowed, got)
		}
		if person("gus") == "p_gus" || person("jonas") == "p_jonas" {
			t.Error("a guest, or somebody whose Slack id is another, was linked by e-mail")
		}
		if !allowed {
			continue
		}
		now = now.Add(2 * time.Minute)
		w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "users.info", Count: 3})
		if got := person("eve"); got != "p_eve" {
			t.Errorf("eve is %s while Slack cannot be asked", got)
		}
		if err := w.sim.SetUser("eve", func(u *slacksim.User) { u.Email = "mallory@example.com" }); err != nil {
			t.Fatal(err)
		}
		id.Forget(w.sim.UserID("eve"))
		if got := person("eve"); got == "p_eve" {
			t.Error("eve stays linked although her address is another now")
		}
	}
}

func TestChatGroups(t *testing.T) {
	w := start(t, nil)
	got, err := w.identity.ChatGroup(w.ctx, "@security")
	if err != nil || len(got) != 2 || got[0] != w.people["sofia"] || got[1] != w.people["priya"] {
		t.Fatal(got, err)
	}
	if _, err := w.identity.ChatGroup(w.ctx, "@nobody"); err == nil {
		t.Error("a group that does not exist is empty instead of an error")
	}
	calls := len(w.sim.Calls("usergroups.list"))
	if _, err := w.identity.ChatGroup(w.ctx, "@security"); err != nil || len(w.sim.Calls("usergroups.list")) != calls {
		t.Error("a Tier 2 method was called again within a minute", err)
	}
	w.identity.ForgetGroups()
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "usergroups.list"})
	if got, err := w.identity.ChatGroup(w.ctx, "@security"); err == nil {
		t.Errorf("an outage yields %v", got)
	}
	if err := w.sim.SetGroup("security", "priya", "eve"); err != nil {
		t.Fatal(err)
	}
	got, err = w.identity.ChatGroup(w.ctx, "@security")
	if err != nil || len(got) != 2 || got[0] != w.people["priya"] {
		t.Error(got, err)
	}
}

func TestStandingOfAPerson(t *testing.T) {
	w := start(t, nil)
	s, err := w.identity.StandingOf(w.ctx, w.people["jonas"])
	if err != nil || s.Refusal() != nil {
		t.Errorf("jonas, who has not acted yet: %+v %v", s, err)
	}
	s, err = w.identity.StandingOf(w.ctx, w.people["gus"])
	if err != nil || s.Refusal() == nil {
		t.Errorf("gus: %+v %v", s, err)
	}
	s, err = w.identity.StandingOf(w.ctx, "p_nobody")
	if err != nil || s.Refusal() == nil {
		t.Errorf("nobody: %+v %v", s, err)
	}
	w.identity.SetPeople([]bot.Listed{{Person: "p_cli", Name: "Cli"}})
	if s, err = w.identity.StandingOf(w.ctx, "p_cli"); err != nil || s.Refusal() != nil {
		t.Errorf("somebody who only uses the command line: %+v %v", s, err)
	}
	if err := w.m.putAccount(w.ctx, "unix", "1000", "p_cli"); err != nil {
		t.Fatal(err)
	}
	if s, err = w.identity.Standing(w.ctx, workflows.Acting{Actor: "a_1000", Person: "p_cli"}); err != nil || s.Refusal() != nil {
		t.Errorf("their command: %+v %v", s, err)
	}
	if s, err = w.identity.Standing(w.ctx, workflows.Acting{Actor: "a_none", Person: "p_cli"}); err != nil || s.Refusal() == nil {
		t.Errorf("an account that was never made: %+v %v", s, err)
	}
}

// T10, R5: an account of this machine is as active as its person is in Slack; while Slack cannot be asked, as its entry in the people file.
func TestThreat_T10_AccountOfTheMachine(t *testing.T) {
	w := start(t, nil)
	if err := w.m.putAccount(w.ctx, "unix", "jonas", w.people["jonas"]); err != nil {
		t.Fatal(err)
	}
	by := workflows.Acting{Actor: "a_jonas", Person: w.people["jonas"]}
	ask := func() workflows.Standing {
		t.Helper()
		w.identity.Forget(w.sim.UserID("jonas"))
		s, err := w.identity.Standing(w.ctx, by)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if r := ask().Refusal(); r != nil {
		t.Errorf("a full member: %v", r)
	}
	for want, change := range map[string]func(*slacksim.User){
		workflows.CodeInactive: func(u *slacksim.User) { u.Deleted = true },
		workflows.CodeGuest:    func(u *slacksim.User) { u.Restricted = true },
	} {
		var before slacksim.User
		if err := w.sim.SetUser("jonas", func(u *slacksim.User) { before = *u; change(u) }); err != nil {
			t.Fatal(err)
		}
		if r := ask().Refusal(); r == nil || r.Code != want {
			t.Errorf("%s in Slack: %v", want, r)
		}
		if err := w.sim.SetUser("jonas", func(u *slacksim.User) { *u = before }); err != nil {
			t.Fatal(err)
		}
	}
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "users.info", Count: -1, Status: 503})
	if r := ask().Refusal(); r != nil {
		t.Errorf("while Slack cannot be asked: %v", r)
	}
	w.identity.SetPeople(nil)
	if r := ask().Refusal(); r == nil {
		t.Error("the people file does not list them any more")
	}
}

// R5: Slack takes the question and never answers. The time that a decision has is not all spent on waiting for it.
func TestReq_R5_SilentSlackLeavesTimeToDecide(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	if err := w.m.putAccount(w.ctx, "unix", "jonas", w.people["jonas"]); err != nil {
		t.Fatal(err)
	}
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultHang, Match: "users.info", Count: -1})
	ctx, cancel := context.WithTimeout(w.ctx, 9*time.Second) // less than a call to Slack may take
	defer cancel()
	s, err := w.identity.Standing(ctx, workflows.Acting{Actor: "a_jonas", Person: w.people["jonas"]})
	if err != nil || s.Refusal() != nil || ctx.Err() != nil {
		t.Errorf("%+v, %v; the time for deciding: %v", s, err, ctx.Err())
	}
}

func (m *memory) putAccount(ctx context.Context, kind, key string, p workflows.PersonID) error {
	a, err := tables{m}.Ensure(ctx, kind, key)
	if err != nil {
		return err
	}
	return tables{m}.Link(ctx, a.Actor, p)
}

// 300 entitlements, 40 fields' worth of text, an approver group of 40: the form opens, the request is sent, the card is drawn.
func TestLargeDocuments(t *testing.T) {
	w := start(t, func(c *slacksim.Config, p *desk.Policy, w *world) {
		x := *p.Workflows["bastion-shell"].Workflow
		e := x.Entitlements[0]
		x.Entitlements = nil
		for i := range 300 {
			e.ID, e.Title = workflows.EntitlementID(fmt.Sprintf("role-%d", i)), fmt.Sprintf("role %d %s", i, strings.Repeat("with a long title ", 5))
			x.Entitlements = append(x.Entitlements, e)
		}
		var members []string
		for i := range 40 {
			name := fmt.Sprintf("member%d", i)
			c.Users = append(c.Users, slacksim.User{Name: name, RealName: "Member " + fmt.Sprint(i)})
			members = append(members, name)
		}
		c.Groups = append(c.Groups, slacksim.Group{Handle: "crowd", Members: members})
		x.Stages[0].Approvers = workflows.Selector{ChatGroups: []string{"@crowd"}, People: []workflows.PersonID{w.people["jonas"]}}
		w.add(p, x)
	})
	w.command("maya", "/access", "")
	w.do(w.sim.Select(w.ctx, slacksim.Press{User: "maya", ActionID: "form.pick", Values: []string{"bastion-shell"}}))
	w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{
		"entitlement": {"value": "250"}, "duration": {"value": "1h"}, "reason": {"value": strings.Repeat("because <&> \n", 70)}, "field:ticket": {"value": "OPS-12"},
	}))
	w.run()
	card := w.card("access")
	wantIn(t, card.Visible(), "role 250", "characters, sha256 ", "… and 29 more")
	if contains(card.ActionIDs(), "request.approve") {
		t.Error("a request that is not shown in full can be approved")
	}
	w.click("jonas", card, "request.read")
	v, _ := w.sim.View("jonas")
	wantIn(t, v.Visible(), strings.TrimSpace(strings.Repeat("because <&> \n", 70)))
	w.click("eve", card, "request.read")
	wantIn(t, w.heard("eve"), "not yours to see")
}

// BenchmarkClick is a click from the decoded interaction to the answer: routing, the button, the person, the decision, the words.
func BenchmarkClick(b *testing.B) {
	w := start(b, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	in := slack.Interaction{
		Kind: slack.KindBlockActions, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("sofia"), ChannelID: card.Channel, MessageTS: card.TS,
		Actions: []slack.Action{{Input: slack.Input{ActionID: "request.approve", Value: buttonValue(b, card, "request.approve")}}},
	}
	n := 0
	for b.Loop() {
		n++
		in.InboxID = w.row(fmt.Sprint("bench", n))
		if _, err := w.bot.Handle(w.ctx, in); err != nil {
			b.Fatal(err)
		}
		w.m.mu.Lock()
		h := w.m.histories[workflows.RequestStream(id)]
		w.m.histories[workflows.RequestStream(id)] = h[:4:4] // the refusals that this click leaves would make every fold longer
		w.m.mu.Unlock()
	}
}
