package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// TestReq_R4_CardsSayWhoIsAtWork: a card tells of each person who is still asked when they work, on their own clock; nothing of those who have
// decided, nor of those whose hours are not written down. It is Sunday, 14:00 in UTC.
func TestReq_R4_CardsSayWhoIsAtWork(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		for _, x := range []struct{ key, zone, hours string }{
			{"jonas", "Asia/Jerusalem", "Sun-Thu 09:00-18:00"},
			{"sofia", "Asia/Kathmandu", "10:00-17:00"},
			{"priya", "Asia/Kolkata", ""},
		} {
			who := p.People[w.people[x.key]]
			who.Zone, who.Hours = x.zone, x.hours
			p.People[who.ID] = who
			if h, err := desk.PersonHours(who, nil); err != nil {
				t.Fatal(err)
			} else if h != nil {
				p.Hours[who.ID] = h
			}
		}
	})
	w.ask("maya", "deploy hotfix for the login page")
	card := w.card("access")
	wantIn(t, card.Visible(), "Asked: owner of the target. At work until Sun 18:00 IST in Jerusalem (")
	w.click("jonas", card, "request.approve")
	w.run()
	text := w.card("access").Visible()
	wantIn(t, text, "Asked: member of @security in the chat. Off work until Mon 10:00 UTC+0545 in Kathmandu (")
	for _, not := range []string{"Jerusalem", "Kolkata"} {
		if strings.Contains(text, not) {
			t.Errorf("the card speaks of %s:\n%s", not, text)
		}
	}
	// Waiting changes nothing on it, until it is another day there: the distance is counted by the client.
	w.m.pass(20 * time.Minute)
	w.run()
	if again := w.card("access").Visible(); again != text {
		t.Errorf("the card was\n%s\nand is\n%s", text, again)
	}
}
