package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
)

// watchedWorld is a world whose folder has these rules of watching.
func watchedWorld(t *testing.T, rules string) *world {
	t.Helper()
	w := newWorld(t, worldOptions{company: func(dir string) {
		mustSay(t, os.WriteFile(filepath.Join(dir, "watch.yaml"), []byte("rules:\n"+rules), 0o600))
		mustSay(t, os.WriteFile(filepath.Join(dir, "workflows", "quick.yaml"), []byte(strings.Replace(quickChain, "people: [jonas]", "people: [jonas, sofia, kenji]", 1)), 0o600))
	}})
	w.start()
	return w
}

// readAll opens a request from the menu of its card, in full, and approves it there.
func (w *world) readAll(person string, card slacksim.Message) {
	w.t.Helper()
	value, ok := optionValue(card.Blocks, "Read all, then decide")
	if !ok {
		w.t.Fatalf("the card has no option to read it all:\n%s", card.Visible())
	}
	w.check(did(person+" opens the request", func() slacksim.Delivery {
		return w.slack.Click(w.t.Context(), slacksim.Press{User: w.slackID(person), Channel: card.Channel, TS: card.TS, ActionID: screens.ActMore, Values: []string{value}})
	}))
	_, err := w.view(w.t.Context(), person, screens.CallDecide)
	w.check(err)
	w.recorded("request.opened", 1)
	w.check(w.submit(w.t.Context(), person, nil))
}

// TestReq_R76_AnApprovalInSecondsWithoutOpening: two requests are approved soon after their cards came; one was opened from the menu of its card
// before, the other was not. The rule finds the second alone. It tells the security channel what was not done, demands a stronger chain of what both
// ask next, and suspends who decided. What was opened is an entry that the vote names, and all of it verifies.
func TestReq_R76_AnApprovalInSecondsWithoutOpening(t *testing.T) {
	t.Parallel()
	w := watchedWorld(t, "  - {name: unread, signal: fast_approval, seconds: 600, unopened: true}\n"+
		"  - {name: unread-stronger, signal: fast_approval, seconds: 600, unopened: true, then: stronger, for: 2d}\n"+
		"  - {name: unread-suspend, signal: fast_approval, seconds: 600, unopened: true, then: suspend}\n")
	w.readAll("jonas", w.ask("maya", "quick", "1h", "to read the logs of the night"))
	first := w.granted("maya")
	w.later(6 * time.Minute)
	card := w.ask("maya", "quick", "1h", "to read the logs of the morning")
	w.click("jonas", card, screens.ActApprove)
	w.granted("maya", first)

	votes := w.recorded("vote.recorded", 2)
	opened := w.recorded("request.opened", 1)[0]
	if v := votes[0].Event.(workflows.VoteRecorded); v.Opened != opened.Seq || opened.Stream != votes[0].Stream || opened.Person != votes[0].Person {
		t.Errorf("the first vote names the opening %d, which is %d of %s by %s", v.Opened, opened.Seq, opened.Stream, opened.Person)
	}
	if v := votes[1].Event.(workflows.VoteRecorded); v.Opened != workflows.Unopened {
		t.Errorf("the second vote says that it was opened by entry %d", v.Opened)
	}

	w.later(6 * time.Minute)
	for _, r := range w.recorded("watch.found", 3) {
		e := r.Event.(workflows.WatchFound)
		if e.Identity != votes[1].Person.Identity() || e.About != votes[1].Stream || !e.Unopened || e.Suspends != (e.Then == workflows.ThenSuspend) || (e.Until != 0) != (e.Then == workflows.ThenStronger) {
			t.Errorf("found %+v", e)
		}
	}
	for _, rule := range []string{"unread", "unread-stronger", "unread-suspend"} {
		_, err := w.message(t.Context(), "security", "approved a request of Maya Chen within", "without opening it", "rule "+rule+",")
		w.check(err)
	}
	w.recorded("identity.watched", 2)
	w.recorded("identity.quarantined", 1)
	w.ask("maya", "quick", "1h", "to read the logs of the evening")
	asked := w.recorded("request.submitted", 3)[2].Event.(workflows.Submitted)
	if asked.Plan[0].Quorum != 2 || len(asked.Watched) != 1 || asked.Watched[0] != "unread-stronger" {
		t.Errorf("what is asked next: quorum %d by %q", asked.Plan[0].Quorum, asked.Watched)
	}
	w.verify()
}
