package bot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// remindOwner lets the first stage remind after half an hour.
func remindOwner(_ *slacksim.Config, p *desk.Policy, w *world) {
	chain := *p.Workflows["bastion-shell"].Workflow
	chain.Stages[0].Remind = 1800
	w.add(p, chain)
}

// remind runs the reminders that are due and says what the first of them said.
func (w *world) remind() error {
	w.t.Helper()
	var first error
	for stream, list := range w.m.due() {
		for _, j := range list {
			if j.Kind != workflows.JobNotice || !strings.HasPrefix(j.Key, workflows.NoticeRemind) {
				continue
			}
			cause := desk.Cause(fmt.Sprintf("job/%s/%s/%s", stream, j.Key, w.m.clock()))
			if err := w.bot.Notify(w.ctx, stream, j.Key, cause, 0); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

func (w *world) wake() {
	w.t.Helper()
	for stream, list := range w.m.due() {
		for _, j := range list {
			if j.Kind == workflows.JobWake {
				w.job(stream, j)
			}
		}
	}
}

// Several reminders come as one message, and not again within half an hour; each counts as told.
func TestRemindersComeTogether(t *testing.T) {
	w := start(t, remindOwner)
	a := w.ask("maya", "deploy hotfix number one")
	b := w.ask("sofia", "deploy hotfix number two")
	w.m.pass(31 * time.Minute)
	w.wake()
	before := len(w.sim.DM("jonas"))
	if err := w.remind(); err != nil {
		t.Fatal(err)
	}
	got := w.sim.DM("jonas")[before:]
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	wantIn(t, got[0].Visible(), "2 requests still wait for you", "Maya Chen", "Sofia Rossi", "open the card")
	for _, id := range []workflows.RequestID{a, b} {
		if d := w.state(id).State.Delivered["remind/0/"+string(w.people["jonas"])]; !d.OK {
			t.Errorf("%s: %+v", id, d)
		}
	}
	w.ask("priya", "deploy hotfix number three")
	w.m.pass(20 * time.Minute)
	w.ask("kenji", "deploy hotfix number four")
	w.m.pass(11 * time.Minute) // priya's is due, and it is 31 minutes since the last
	w.wake()
	if err := w.remind(); err != nil {
		t.Fatal(err)
	}
	w.m.pass(20 * time.Minute)
	w.wake()
	var later *bot.Later
	if err := w.remind(); !errors.As(err, &later) || later.D > 11*time.Minute {
		t.Errorf("a reminder twenty minutes after the last: %v", err)
	}
}

// A reminder that was due is not sent when somebody decided meanwhile.
func TestRemindersStopWhenDecided(t *testing.T) {
	w := start(t, remindOwner)
	w.ask("maya", "deploy hotfix now")
	w.m.pass(31 * time.Minute)
	w.wake()
	w.click("jonas", w.card("access"), "request.approve")
	before := len(w.sim.DM("jonas"))
	if err := w.remind(); err != nil || len(w.sim.DM("jonas")) != before {
		t.Errorf("%v, %d messages", err, len(w.sim.DM("jonas"))-before)
	}
}

// Reminders wait while somebody has set do not disturb, and outside of their hours; asking and break glass do not.
func TestQuietHoursHoldBackRemindersOnly(t *testing.T) {
	w := start(t, remindOwner)
	if err := w.sim.SetUser("jonas", func(u *slacksim.User) { u.DoNotDisturb = true }); err != nil {
		t.Fatal(err)
	}
	w.ask("maya", "deploy hotfix now")
	wantIn(t, w.dm("jonas").Visible(), "deploy hotfix now") // asked in spite of it: Slack itself keeps the phone silent
	w.m.pass(31 * time.Minute)
	w.wake()
	var later *bot.Later
	if err := w.remind(); !errors.As(err, &later) || !strings.Contains(later.Why, "do not disturb") {
		t.Fatalf("a reminder to somebody who wants quiet: %v", err)
	}
	if err := w.sim.SetUser("jonas", func(u *slacksim.User) { u.DoNotDisturb = false }); err != nil {
		t.Fatal(err)
	}
	if err := w.remind(); err != nil {
		t.Fatal(err)
	}
	wantIn(t, w.dm("jonas").Text, "Still waiting")
	w.preapprove()
	if err := w.sim.SetUser("sofia", func(u *slacksim.User) { u.DoNotDisturb = true }); err != nil {
		t.Fatal(err)
	}
	w.glass("maya", "restart-db INC-7 it hangs", nil)
	w.run()
	wantIn(t, w.dm("sofia").Visible(), "INC-7")
}

// Who is off work is reminded when they are back; who could be woken is not.
func TestReq_R4_RemindersWaitForWorkingHours(t *testing.T) {
	week, err := calendar.ParseHours("Mon-Fri 09:00-17:00")
	if err != nil {
		t.Fatal(err)
	}
	hours, err := calendar.NewHours(calendar.Plan{Zone: time.UTC, Week: week})
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(c *slacksim.Config, p *desk.Policy, w *world) {
		remindOwner(c, p, w)
		p.Hours[w.people["jonas"]] = hours
	})
	w.ask("maya", "deploy hotfix now") // on a Sunday
	w.m.pass(31 * time.Minute)
	w.wake()
	var later *bot.Later
	if err := w.remind(); !errors.As(err, &later) || !strings.Contains(later.Why, "off work") {
		t.Fatalf("a reminder on a Sunday: %v", err)
	}
}

// Forty groups asked once a minute are one call of Slack's second tier, not forty.
func TestFortyGroupsAreOneCall(t *testing.T) {
	w := start(t, func(c *slacksim.Config, _ *desk.Policy, _ *world) {
		for i := range 40 {
			c.Groups = append(c.Groups, slacksim.Group{Handle: fmt.Sprintf("team%02d", i), Name: fmt.Sprintf("Team %d", i), Members: []string{"sofia"}})
		}
	})
	for i := range 40 {
		got, err := w.identity.ChatGroup(w.ctx, fmt.Sprintf("@team%02d", i))
		if err != nil || len(got) != 1 || got[0] != w.people["sofia"] {
			t.Fatalf("team %d: %v %v", i, got, err)
		}
	}
	if n := len(w.sim.Calls("usergroups.list")) + len(w.sim.Calls("usergroups.users.list")); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// A card says what the requester asked for lately, and who decided the same thing last time.
func TestCardsTellThePast(t *testing.T) {
	w := start(t, nil)
	w.ask("maya", "deploy the first hotfix")
	wantIn(t, w.dm("jonas").Visible(), "asked for nothing else")
	w.click("jonas", w.card("access"), "request.deny")
	w.submit("jonas", map[string]map[string]any{"reason": {"value": "not today"}})
	w.m.pass(24 * time.Hour)
	w.real.Add(int64(24 * time.Hour))
	w.ask("maya", "deploy the second hotfix")
	wantIn(t, w.dm("jonas").Visible(), "asked once (0 approved, 1 denied), 1 of them for this", "denied by", "Jonas Weber")
}

// When a channel becomes shared its open cards go on elsewhere; nothing of them stays where strangers read.
func TestThreat_T11_CardsMoveWhenAChannelBecomesShared(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, _ *world) { p.Settings.SecurityChannel = "#incidents" })
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	if err := w.sim.ShareChannel("access"); err != nil {
		t.Fatal(err)
	}
	err := w.sim.Until(w.ctx, func() bool {
		for _, m := range w.sim.Messages("access") {
			if m.TS == card.TS {
				return strings.Contains(m.Visible(), "taken down")
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, w.log)
	}
	for _, m := range w.sim.Messages("access") {
		if strings.Contains(m.Visible(), "deploy hotfix now") || strings.Contains(m.Text, "deploy hotfix now") || len(m.ActionIDs()) > 0 {
			t.Errorf("in the shared channel: %s", m.Visible())
		}
	}
	moved := w.card("incidents")
	wantIn(t, moved.Visible(), "deploy hotfix now")
	w.click("jonas", moved, "request.approve")
	if w.votes(id) != 1 {
		t.Error("the card in its new place does not work")
	}
	w.run()
	wantIn(t, w.card("incidents").Visible(), "Stage 2 of 2")
}
