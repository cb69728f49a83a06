package bot_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack"
)

// T13: a form that was sent with one leaf changed decides nothing but what the untouched form decided: its denial is on record already, so that
// every further vote, on any request, by anybody, is one that the change brought about.
func TestThreat_T13_MutatedFormsDecideNothingElse(t *testing.T) {
	w := start(t, nil)
	id, other := w.ask("maya", "deploy hotfix now"), w.ask("sofia", "deploy something else")
	w.click("jonas", w.sim.DM("jonas")[0], "request.deny")
	w.submit("jonas", map[string]map[string]any{"reason": {"value": "not on a Friday"}})
	before, others := w.votes(id), w.votes(other)
	if before != 1 || others != 0 {
		t.Fatalf("%d and %d votes", before, others)
	}
	var form any
	for _, row := range w.m.inbox {
		var v any
		if row.in.Kind == slack.KindViewSubmission && json.Unmarshal(row.in.Body, &v) == nil && strings.Contains(string(row.in.Body), "not on a Friday") {
			form = v
		}
	}
	if form == nil {
		t.Fatal("no form is on file")
	}
	pool := []string{string(id), string(other), "request.approve", "request.deny", "request.decide", "form.fill", "", "block_actions", "view_closed", "T0ELSEWHERE"}
	for _, u := range []string{"maya", "jonas", "sofia", "priya", "kenji", "gus"} {
		pool = append(pool, w.sim.UserID(u), string(w.people[u]))
	}
	for _, m := range append(w.sim.DM("jonas"), w.sim.Messages("access")...) {
		for _, a := range []string{"request.approve", "request.deny", "request.read"} {
			if contains(m.ActionIDs(), a) {
				pool = append(pool, buttonValue(t, m, a))
			}
		}
	}
	rng := rand.New(rand.NewPCG(13, 13))
	all, read := leaves(form, nil), 0
	for i := range 800 {
		place := all[rng.IntN(len(all))]
		var leaf any = pool[rng.IntN(len(pool))]
		switch old, _ := leafAt(form, place).(string); rng.IntN(6) {
		case 0:
			leaf = nil
		case 1:
			leaf = rng.Int64()
		case 2:
			if old != "" {
				b := []byte(old)
				b[rng.IntN(len(b))] ^= byte(1 << rng.IntN(7))
				leaf = string(b)
			}
		}
		raw, err := json.Marshal(changed(form, place, leaf))
		if err != nil {
			t.Fatal(err)
		}
		in, err := slack.Decode("interactive", raw)
		if err != nil {
			continue
		}
		read++
		in.InboxID, in.ResponseURL = w.row(fmt.Sprint("form", i)), ""
		if _, err := w.bot.Handle(w.ctx, in); err != nil && !strings.Contains(err.Error(), "names nobody") {
			t.Errorf("%s: %v", raw, err)
		}
		if a, b := w.votes(id), w.votes(other); a != before || b != others {
			t.Fatalf("decided something: %d and %d votes, after %s", a, b, raw)
		}
	}
	t.Logf("%d of 800 were read and handled", read)
	if read < 150 {
		t.Errorf("only %d could be read", read)
	}
}
