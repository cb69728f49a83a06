package bot

import (
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// addHours says of each person who is still asked whether they work now and when that changes, as the people file has it. It explains and
// decides nothing: who may vote is not asked here.
func (b *Bot) addHours(e workflows.Explanation, s workflows.State, l screens.Locale) {
	st := s.Open()
	if st == nil {
		return
	}
	at, now := b.c.Desk.Policy().Hours, b.c.Now()
	seats := e.Children[s.Current].Children
	for i, seat := range st.Roster[:min(len(st.Roster), maxHours)] {
		if h := at[seat.Person]; h != nil && seats[i].Status == "pending" {
			seats[i].Sentence += " " + presence(l, seat.Person, h, now)
		}
	}
}

// presence says whether somebody works now and when that changes.
func presence(l screens.Locale, who workflows.PersonID, h *calendar.Hours, now workflows.Stamp) string {
	at := calendar.Member{Person: who, Hours: h}.Presence(now, hoursAhead)
	x := screens.Presence{In: l, Working: at.Awake, City: calendar.City(h.Zone()), At: at.Next}
	if at.Awake {
		x.At = at.Until
	}
	if !x.At.IsZero() {
		x.Local = calendar.Local(x.At, h.Zone())
	}
	return x.Sentence()
}
