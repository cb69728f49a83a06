package screens_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/screens"
)

// aboveButtons is what stands on a card before its buttons, and the buttons; and what stands below.
func aboveButtons(t *testing.T, m screens.Message) (above, below string, buttons []string) {
	t.Helper()
	part := &above
	for _, b := range m.Blocks {
		if a, ok := b.(*slackgo.ActionBlock); ok && a.BlockID == "buttons" {
			for _, e := range a.Elements.ElementSet {
				if x, ok := e.(*slackgo.ButtonBlockElement); ok {
					buttons = append(buttons, x.ActionID)
				}
			}
			part = &below
			continue
		}
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		*part += string(raw) + "\n"
	}
	return above, below, buttons
}

// TestALongChainIsFolded shows of a chain of twenty stages the one that decides now, with its people, above the buttons; its neighbours take a
// line each below them, the others are counted, and the status of the request shows them all.
func TestALongChainIsFolded(t *testing.T) {
	c := largeCard()
	m := c.Render()
	above, below, buttons := aboveButtons(t, m)
	if len(buttons) == 0 || !strings.Contains(above, "Stage 8 of 20") || strings.Count(above, "*Stage ") != 1 {
		t.Errorf("%d buttons; above them: %s", len(buttons), above)
	}
	if n := utf8.RuneCountInString(above); n > 16_000 || len(m.Blocks) > 30 {
		t.Errorf("%d characters above the buttons, %d blocks", n, len(m.Blocks))
	}
	for stage, in := range map[string]bool{"Stage 5 of": true, "Stage 7 of": true, "Stage 9 of": true, "Stage 11 of": true, "Stage 4 of": false, "Stage 12 of": false, "Stage 8 of": false} {
		if strings.Contains(below, stage) != in {
			t.Errorf("%s below the buttons: %v", stage, !in)
		}
	}
	for _, words := range []string{"… and 4 more", "… and 9 more", "/access status " + request} {
		if !strings.Contains(below, words) {
			t.Errorf("%q is missing below the buttons: %s", words, below)
		}
	}
	whole, _, _ := aboveButtons(t, screens.Status(c))
	if n := strings.Count(whole, "*Stage "); n != 20 {
		t.Errorf("the status shows %d of 20 stages", n)
	}
	c.Why.Children = c.Why.Children[5:9]
	if above, below, _ := aboveButtons(t, c.Render()); strings.Count(above, "*Stage ") != 4 || strings.Contains(below, "*Stage ") {
		t.Error("a chain of four stages is not shown whole")
	}
	c = largeCard()
	for i := range c.Why.Children {
		c.Why.Children[i].Status = "approved"
	}
	if above, below, _ := aboveButtons(t, c.Render()); strings.Contains(above, "*Stage ") || strings.Count(below, "*Stage ") != 3 || !strings.Contains(below, "Stage 20 of 20") {
		t.Error("of a chain that is through not the last three stages stand there")
	}
}

// TestThreat_T48_FoldedFieldsMustBeOpened takes the click that approves off a card on which not every field stands, however short each is.
func TestThreat_T48_FoldedFieldsMustBeOpened(t *testing.T) {
	c := usualCard()
	c.Fields = nil
	for _, last := range "abcdefghijk" {
		_, _, buttons := aboveButtons(t, c.Render())
		if all := strings.Join(buttons, " "); len(c.Fields) <= 10 && (!strings.Contains(all, screens.ActApprove) || strings.Contains(all, screens.ActRead)) {
			t.Errorf("with %d fields: %s", len(c.Fields), all)
		}
		c.Fields = append(c.Fields, screens.Pair{Label: "Field", Value: "value-" + string(last)})
	}
	above, _, buttons := aboveButtons(t, c.Render())
	if all := strings.Join(buttons, " "); strings.Contains(all, screens.ActApprove) || !strings.Contains(all, screens.ActRead) {
		t.Errorf("with 11 fields: %s", all)
	}
	if strings.Contains(above, "value-k") || !strings.Contains(above, "value-j") || !strings.Contains(above, "1 more field to read.") {
		t.Errorf("the card shows %s", above)
	}
	for name, screen := range map[string]any{"the form that decides": c.Decide("", "meta"), "the status": screens.Status(c)} {
		raw, err := json.Marshal(screen)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), "value-k") {
			t.Errorf("%s lacks the eleventh field", name)
		}
	}
}
