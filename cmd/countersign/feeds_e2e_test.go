package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// taggedFeed answers with a text and its tag, and with 304 to whoever has it already.
type taggedFeed struct {
	*feedHost

	text        atomic.Value
	notModified atomic.Int64
}

func newTaggedFeed(t *testing.T, text string) *taggedFeed {
	t.Helper()
	f := &taggedFeed{feedHost: newFeedHost(t)}
	f.text.Store(text)
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.calls.Add(1)
		text := f.text.Load().(string)
		tag := fmt.Sprintf("%q", feedKey(text))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			f.notModified.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, text)
	})
	return f
}

// TestTheBotReadsFeedsByItself: rotations.yaml names an https address, and serve reads it: who is on shift by it is asked, what it says anew is in
// force without a reload, what it says in error or not at all changes nothing but is told, and a start without it goes by the last good copy.
func TestTheBotReadsFeedsByItself(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	daily := "RRULE:FREQ=DAILY"
	feed := newTaggedFeed(t, shifts("jonas", "20250105", daily))
	dir := ""
	w := newWorld(t, worldOptions{company: func(config string) {
		dir = config
		rotations := "rotations:\n  - name: duty\n    zone: Europe/Berlin\n    ics: " + feed.URL + "/private-1234/duty.ics\n    people: [jonas, priya]\n"
		mustSay(t, os.WriteFile(filepath.Join(config, "rotations.yaml"), []byte(rotations), 0o600))
		chain := strings.Replace(quickChain, "people: [jonas]", "rotations: [duty]", 1)
		mustSay(t, os.WriteFile(filepath.Join(config, "workflows", "quick.yaml"), []byte(chain), 0o600))
	}})
	reach := []string{"COUNTERSIGN_FEED_REACH=loopback", "COUNTERSIGN_FEED_CA=" + feed.ca}
	w.child.env = append(w.child.env, reach...)
	w.start()
	policies := len(w.entries(workflows.PolicyLoaded{}.Kind()))
	refresh := func(want ...string) {
		t.Helper()
		out, code := w.run("calendar", "refresh")
		for _, x := range want {
			if code != exitDone || !strings.Contains(out, x) {
				t.Errorf("refresh: exit %d, want %q in:\n%s", code, x, out)
			}
		}
		if strings.Contains(out, "private-1234") {
			t.Errorf("the address is shown: %s", out)
		}
	}
	asked := func(reason, who string) {
		t.Helper()
		w.ask("maya", "quick", "30m", reason)
		opened := w.entries(workflows.StageOpened{}.Kind())
		if seats := opened[len(opened)-1].Event.(workflows.StageOpened).Roster; len(seats) != 1 || seats[0].Why != "rotation:duty" {
			t.Errorf("%s: %+v were asked, want one on shift", reason, seats)
		}
		w.dmTo(who, reason)
	}

	asked("The first of them is on shift.", "jonas")
	before := feed.notModified.Load()
	refresh("rotation duty: the feed at 127.0.0.1", "was read less than a minute ago")
	if feed.notModified.Load() == before {
		t.Error("the host was not asked whether the feed is still what it was")
	}

	feed.text.Store(shifts("priya", "20250105", daily))
	refresh("was read less than a minute ago")
	asked("Somebody else took over meanwhile.", "priya")
	if n := len(w.entries(workflows.PolicyLoaded{}.Kind())); n != policies {
		t.Errorf("%d entries of loaded policies, want %d: who may be asked did not change", n, policies)
	}

	// Who keeps the feed says when, and not who.
	feed.text.Store(strings.Replace(shifts("priya", "20250105", daily), "END:VCALENDAR\n", "", 1) +
		"BEGIN:VEVENT\nUID:2@x\nDTSTAMP:20260101T000000Z\nDTSTART:20250105T060000Z\nDURATION:PT24H\n" + daily + "\nSUMMARY:maya\nEND:VEVENT\nEND:VCALENDAR\n")
	refresh("1 entry of it name")
	asked("A stranger to the rotation is in the feed.", "priya")

	// What cannot be used is told, and changes nothing.
	feed.text.Store("<!doctype html><title>Log in</title>")
	refresh("the last good copy stands: iCalendar: ")
	w.later(72 * time.Hour)
	refresh("was read 3 d ago", "the last good copy stands")
	asked("The feed is broken for three days.", "priya")
	w.card("The feed is broken for three days.", "The on-call feed of duty is 3 d old")
	w.dmTo("sofia", "the feed at 127.0.0.1", "was read 3 d ago")
	alarms := 0
	for _, r := range w.entries(workflows.AlarmRaised{}.Kind()) {
		if e := r.Event.(workflows.AlarmRaised); strings.HasPrefix(e.What, alarmFeed+"/127.0.0.1") {
			alarms++
		}
	}
	if alarms == 0 {
		t.Error("no alarm is on record")
	}
	if out, _ := w.run("health"); !strings.Contains(out, "OLD OR BROKEN: rotation duty") {
		t.Errorf("health: %s", out)
	}
	w.check(w.story.command(w.t.Context(), "jonas", "/access", "health"))
	if out, _ := w.run("doctor"); !strings.Contains(out, "NOT OK  rotation duty: the feed at 127.0.0.1") {
		t.Errorf("doctor: %s", out)
	}

	// A start without the feed goes by the last good copy; so does check, which says where there is none.
	feed.Close()
	w.restart()
	asked("The host of the feed is gone.", "priya")
	if out, code := w.run("check", "-no-tests", dir); code != exitDone || strings.Contains(out, "nothing of its feed is known") || !strings.Contains(out, "which count as nobody's") {
		t.Errorf("check with the copies: exit %d\n%s", code, out)
	}
	if out, errs, code := runHere(t, nil, "check", "-no-tests", dir); code != exitDone || !strings.Contains(errs, "rotation duty: nothing of its feed is known here, so it counts as empty") {
		t.Errorf("check without: exit %d\n%s%s", code, out, errs)
	}
	var list struct {
		Feeds []feedStatus `json:"feeds"`
	}
	out, code := w.run("calendar", "feeds", "-json", dir)
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != exitDone || len(list.Feeds) != 1 || list.Feeds[0].OK || list.Feeds[0].At == nil {
		t.Errorf("feeds -json: exit %d, %v\n%s", code, err, out)
	}
	if strings.Contains(w.log(), "private-1234") {
		t.Error("the log shows the address of the feed")
	}
	w.verify()
}
