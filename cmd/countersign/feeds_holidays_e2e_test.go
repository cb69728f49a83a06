package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// holidays is a feed with days that count as a whole.
func holidays(days ...time.Time) string {
	var out strings.Builder
	out.WriteString("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//EN\n")
	for i, d := range days {
		fmt.Fprintf(&out, "BEGIN:VEVENT\nUID:%d@x\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:%s\nSUMMARY:Town day\nEND:VEVENT\n", i, d.Format("20060102"))
	}
	out.WriteString("END:VCALENDAR\n")
	return out.String()
}

// nextTuesday moves the world's clock, before the bot starts, to a Tuesday at 20:00 UTC: in Berlin work is over, and the next two days are workdays.
func (w *world) nextTuesday() time.Time {
	w.t.Helper()
	now := w.clock.Now().Wall.UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), 20, 0, 0, 0, time.UTC)
	for at.Before(now) || at.Weekday() != time.Tuesday {
		at = at.AddDate(0, 0, 1)
	}
	w.check(w.clock.advance(at.Sub(now)))
	return at
}

// TestReq_R4_AHolidayOfAFeedMovesWhoIsAskedWhen: calendars.yaml names an https address, and what it says is a holiday is one for those who go by that
// calendar: the card says when they are at work again, an escalation that waits for their working time waits over it, and so does a reminder. What the
// feed says anew counts from the next request on, without a reload; an old copy is said on the card and wherever the bot tells how it is.
func TestReq_R4_AHolidayOfAFeedMovesWhoIsAskedWhen(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	feed := newTaggedFeed(t, holidays())
	w := newWorld(t, worldOptions{company: func(config string) {
		calendars := "calendars:\n  - name: town\n    zone: Europe/Berlin\n    ics: " + feed.URL + "/private-1234/holidays.ics\n"
		mustSay(t, os.WriteFile(filepath.Join(config, "calendars.yaml"), []byte(calendars), 0o600))
		people, err := os.ReadFile(filepath.Join(config, "people.yaml"))
		mustSay(t, err)
		there := strings.Replace(string(people), "slack: U0JONAS01\n", "slack: U0JONAS01\n    calendar: town\n", 1)
		mustSay(t, os.WriteFile(filepath.Join(config, "people.yaml"), []byte(there), 0o600))
		chain := strings.Replace(quickChain, "    timeout: 8h\n", "    escalate:\n      after: 2wh\n      approvers: {people: [sofia]}\n    timeout: 5d\n", 1)
		mustSay(t, os.WriteFile(filepath.Join(config, "workflows", "quick.yaml"), []byte(chain), 0o600))
	}})
	tuesday := w.nextTuesday()
	w.child.env = append(w.child.env, "COUNTERSIGN_FEED_REACH=loopback", "COUNTERSIGN_FEED_CA="+feed.ca)
	w.start()
	berlin, err := time.LoadLocation("Europe/Berlin")
	w.check(err)
	morning := func(days, hour int) time.Time {
		d := tuesday.AddDate(0, 0, days)
		return time.Date(d.Year(), d.Month(), d.Day(), hour, 0, 0, 0, berlin)
	}
	asked := func(reason string, escalates time.Time, card string) {
		t.Helper()
		w.ask("maya", "quick", "30m", reason)
		w.card(card, reason)
		opened := w.entries(workflows.StageOpened{}.Kind())
		e := opened[len(opened)-1].Event.(workflows.StageOpened)
		if got := e.EscalateAt.Time(); !got.Equal(escalates) {
			t.Errorf("%s: escalates at %s, want %s", reason, got.In(berlin), escalates)
		}
	}
	refresh := func(want string) {
		t.Helper()
		if out, code := w.run("calendar", "refresh"); code != exitDone || !strings.Contains(out, want) || strings.Contains(out, "private-1234") {
			t.Errorf("refresh: exit %d, want %q in:\n%s", code, want, out)
		}
	}

	asked("The feed knows no holiday.", morning(1, 11), "Berlin, Wed 09:00")
	feed.text.Store(holidays(morning(1, 0)))
	refresh("calendar town: the feed at 127.0.0.1")
	asked("Wednesday is a holiday by the feed.", morning(2, 11), "Berlin, Thu 09:00")

	// On the holiday the first escalates, as was recorded when it opened; the second does not, and nobody is reminded of either.
	w.later(morning(1, 12).Sub(w.clock.Now().Wall))
	w.dmTo("sofia", "The feed knows no holiday.")
	escalated := func() int { return len(w.entries(workflows.StageEscalated{}.Kind())) }
	if n := escalated(); n != 1 {
		t.Errorf("%d stages escalated on the holiday, want 1", n)
	}
	w.later(morning(2, 12).Sub(w.clock.Now().Wall))
	w.dmTo("sofia", "Wednesday is a holiday by the feed.")
	reminded, err := until(t.Context(), "reminders", func() (list []workflows.Record, ok bool) {
		for _, r := range w.entries(workflows.NoticeDelivered{}.Kind()) {
			if strings.HasPrefix(r.Event.(workflows.NoticeDelivered).Notice, workflows.NoticeRemind+"/") {
				list = append(list, r)
			}
		}
		return list, len(list) > 0
	})
	w.check(err)
	for _, r := range reminded {
		if at := r.At.UTC.Time(); at.Before(morning(2, 9)) {
			t.Errorf("reminded at %s, on or before the holiday", at.In(berlin))
		}
	}

	feed.text.Store("<!doctype html><title>Log in</title>")
	refresh("the last good copy stands: iCalendar: ")
	w.later(5 * 24 * time.Hour) // Tuesday again, at noon
	refresh("calendar town: the feed at 127.0.0.1")
	w.ask("maya", "quick", "30m", "The feed is broken for days.")
	w.card("The feed is broken for days.", "The holiday feed of town is", "old: it was last read at")
	w.dmTo("sofia", "the feed at 127.0.0.1", "the last good copy stands")
	if out, _ := w.run("health"); !strings.Contains(out, "OLD OR BROKEN: calendar town") {
		t.Errorf("health: %s", out)
	}
	if out, code := w.run("explain", "-workflow", "quick", "-as", "maya"); code != exitDone || !strings.Contains(out, "the holiday feed of town is") {
		t.Errorf("explain: exit %d\n%s", code, out)
	}
	w.verify()
}
