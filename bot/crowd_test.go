package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// TestFault_F31_ManyEscalationsAreAFewMessages: nobody answers, and many requests escalate to one person at once: they are told of all of them in a
// few messages that lead to the cards, each request has it on record, and nobody is told of one twice. A few come one by one, with their buttons.
func TestFault_F31_ManyEscalationsAreAFewMessages(t *testing.T) {
	for _, c := range []struct{ each, least, most int }{{1, 3, 3}, {10, 3, 7}} {
		t.Run(fmt.Sprintf("%d each", c.each), func(t *testing.T) {
			w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
				chain := *p.Workflows["bastion-shell"].Workflow
				chain.Stages = slices.Clone(chain.Stages)
				chain.Stages[0].Escalate = chain.Stages[1].Escalate
				w.add(p, chain)
			})
			var ids []workflows.RequestID
			for i := range c.each {
				for _, who := range []string{"maya", "sofia", "priya"} {
					ids = append(ids, w.ask(who, fmt.Sprintf("deploy hotfix number %d of %s", i, who)))
				}
			}
			w.run()
			before := len(w.sim.DM("kenji"))
			w.m.pass(61 * time.Minute)
			w.run()
			got := w.sim.DM("kenji")[before:]
			if len(got) < c.least || len(got) > c.most {
				t.Errorf("%d messages about %d requests, want %d to %d", len(got), len(ids), c.least, c.most)
			}
			seen := 0
			for _, m := range got {
				seen += strings.Count(m.Visible(), "open the card")
				if strings.Contains(m.Visible(), "passed on to you") {
					continue
				}
				seen++
				if len(m.ActionIDs()) == 0 {
					t.Errorf("a single one has no buttons:\n%s", m.Visible())
				}
			}
			if seen != len(ids) {
				t.Errorf("%d requests are in the messages, of %d", seen, len(ids))
			}
			for _, id := range ids {
				if d := w.state(id).State.Delivered["ask/0/"+string(w.people["kenji"])]; !d.OK {
					t.Errorf("%s: kenji is not on record as told: %+v", id, d)
				}
			}
		})
	}
}
