package bot

import (
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// addHours says of each person who is still asked whether they work now and when that changes, as the people file has it. It explains and
// decides nothing: who may vote is not asked here.
func (b *Bot) addHours(e workflows.Explanation, s workflows.State) {
	st := s.Open()
	if st == nil {
		return
	}
	people, now := b.c.Desk.Policy().People, b.c.Now()
	seats := e.Children[s.Current].Children
	for i, seat := range st.Roster[:min(len(st.Roster), maxHours)] {
		if words := hours(people[seat.Person], now); words != "" && seats[i].Status == "pending" {
			seats[i].Sentence += " " + words
		}
	}
}

// hours is empty for people whose hours are not written down. What is written down was checked when the policy was loaded.
func hours(p desk.Person, now workflows.Stamp) string {
	if p.Zone == "" || p.Hours == "" {
		return ""
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return ""
	}
	week, err := calendar.ParseHours(p.Hours)
	if err != nil {
		return ""
	}
	h, err := calendar.NewHours(calendar.Plan{Zone: zone, Week: week})
	if err != nil {
		return ""
	}
	at := calendar.Member{Person: p.ID, Hours: h}.Presence(now, hoursAhead)
	x := screens.Presence{Working: at.Awake, City: calendar.City(zone), At: at.Next}
	if at.Awake {
		x.At = at.Until
	}
	if !x.At.IsZero() {
		x.Local = calendar.Local(x.At, zone)
	}
	return x.Sentence()
}
