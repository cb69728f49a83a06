package calendar_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// crowd is 200 people all over the world. away leaves all but the first off for 13 days, so that the search really goes through them.
func crowd(b *testing.B, now workflows.Stamp, away bool) calendar.Team {
	zones := []string{"America/New_York", "Europe/London", "Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"}
	team := calendar.Team{Quorum: 20}
	for i := range 200 {
		p := calendar.Plan{Zone: zone(b, zones[i%len(zones)]), Week: week(b, "Mon-Fri 09:00-12:30,13:30-17:30")}
		if away && i > 0 {
			p.Off = []calendar.Interval{{From: now.Add(-time.Hour), To: now.Add(13*day + time.Duration(i)*time.Minute)}}
		}
		h, err := calendar.NewHours(p)
		if err != nil {
			b.Fatal(err)
		}
		team.Members = append(team.Members, calendar.Member{Person: workflows.PersonID(fmt.Sprint("p_", i)), Hours: h})
	}
	return team
}

func BenchmarkForecast200(b *testing.B) {
	now := utc(b, "2026-10-21 22:00")
	for name, away := range map[string]bool{"usual": false, "away": true} {
		team := crowd(b, now, away)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := team.Forecast(now, 14); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCoverage200OneYear(b *testing.B) {
	team := crowd(b, 0, false)
	from := date(b, "2026-10-21")
	for b.Loop() {
		if _, err := team.Coverage(from, 12); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAddWorking(b *testing.B) {
	h, now := hours(b, "America/New_York", "09:00-17:30"), utc(b, "2026-10-30 22:00")
	for b.Loop() {
		if _, ok := h.AddWorking(now, 80*time.Hour); !ok {
			b.Fatal("never")
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	z, d, c := zone(b, "America/New_York"), date(b, "2026-11-01"), clock(b, "01:30")
	for b.Loop() {
		calendar.First(d, c, z)
	}
}

func BenchmarkShiftsOfACalendarFile(b *testing.B) {
	var events []string
	for i := range 14 {
		events = append(events, fmt.Sprintf("SUMMARY:p%d\nDTSTART;TZID=Europe/Berlin:202601%02dT090000\nDURATION:P1D\nRRULE:FREQ=DAILY;INTERVAL=14", i, i+1))
	}
	r, now := feedRotation(b, nil, events...), utc(b, "2026-10-21 22:00")
	for b.Loop() {
		if len(r.On(now)) != 1 {
			b.Fatal("nobody")
		}
	}
}
