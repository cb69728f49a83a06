package spec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

const feedAt = "https://calendar.example.com/sre.ics"

// shift is an entry of a feed: a day's shift from 06:00 UTC, every day from 2025 on.
func shift(uid, who string) string {
	return "BEGIN:VEVENT\nUID:" + uid + "\nDTSTAMP:20250101T000000Z\nDTSTART:20250105T060000Z\nDURATION:PT24H\nRRULE:FREQ=DAILY\nSUMMARY:" + who + "\nEND:VEVENT\n"
}

func ical(events ...string) []byte {
	return []byte("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//EN\n" + strings.Join(events, "") + "END:VCALENDAR\n")
}

// fedFolder is the company with the shifts of its SREs and some holidays in feeds.
func fedFolder(t *testing.T, copies map[string][]byte) *spec.Folder {
	t.Helper()
	f := company(t)
	edit(t, f, "rotations.yaml", "    ics: calendars/sre.ics\n", "    ics: "+feedAt+"\n    people: [ada, tiago]\n")
	edit(t, f, "calendars.yaml", "    ics: calendars/company.ics\n", "    ics: "+feedAt+"\n")
	delete(f, "calendars/sre.ics")
	delete(f, "calendars/company.ics")
	opts := connectors()
	opts.Feed = func(address string) []byte { return copies[address] }
	folder, err := spec.Load(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func keyed(key string) workflows.PersonID { return workflows.PersonID("p_" + key) }

func onDuty(t *testing.T, f *spec.Folder, at time.Time) []workflows.PersonID {
	t.Helper()
	p, err := f.Compile(keyed)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Rotations {
		if r.Feed != "" {
			if diff := cmp.Diff([]workflows.PersonID{"p_ada", "p_tiago"}, r.People); diff != "" {
				t.Errorf("who may ever be on shift is what the folder says:\n%s", diff)
			}
			return r.Rotation.On(workflows.StampOf(at))
		}
	}
	t.Fatal("no rotation goes by a feed")
	return nil
}

// TestAFeedSaysWhenAndNotWho holds that a feed puts nobody on shift whom the folder does not name for it, that none, or one that cannot be read, is
// nobody on shift and no reason to refuse the folder, and that what it says anew needs no reading of the folder.
func TestAFeedSaysWhenAndNotWho(t *testing.T) {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for name, x := range map[string]struct {
		copy    []byte
		on      []workflows.PersonID
		strange int
		warns   string
	}{
		"never read":          {warns: "rotation sre-duty: nothing of its feed is known here"},
		"a login page":        {copy: []byte("<!doctype html>"), warns: "rotation sre-duty: nothing of its feed is known here"},
		"by key":              {copy: ical(shift("1", "ada")), on: []workflows.PersonID{"p_ada"}},
		"two at once":         {copy: ical(shift("1", "ada"), shift("2", "tiago")), on: []workflows.PersonID{"p_ada", "p_tiago"}},
		"another of the list": {copy: ical(shift("1", "ravi")), strange: 1, warns: "its feed has shifts of others"},
		"a stranger beside":   {copy: ical(shift("1", "mallory"), shift("2", "tiago")), on: []workflows.PersonID{"p_tiago"}, strange: 1, warns: `"mallory"`},
		"too much at once":    {copy: ical(strings.Repeat(shift("1", "ada"), 6000)), warns: "nothing of its feed is known here"},
	} {
		t.Run(name, func(t *testing.T) {
			f := fedFolder(t, map[string][]byte{feedAt: x.copy})
			if diff := cmp.Diff(x.on, onDuty(t, f, noon)); diff != "" {
				t.Errorf("on duty:\n%s", diff)
			}
			feeds := f.Feeds()
			if len(feeds) != 1 || feeds[0].Address != feedAt || len(feeds[0].Uses) != 2 {
				t.Fatalf("feeds: %+v", feeds)
			}
			if got := f.Strange(feeds[0]); len(got) != x.strange {
				t.Errorf("strange: %q, want %d", got, x.strange)
			}
			var warned strings.Builder
			for _, w := range f.Warnings() {
				warned.WriteString(w.Text + "\n")
			}
			if x.warns == "" && strings.Contains(warned.String(), "feed") || !strings.Contains(warned.String(), x.warns) {
				t.Errorf("warnings: %s", warned.String())
			}
		})
	}

	copies := map[string][]byte{feedAt: ical(shift("1", "ada"))}
	f := fedFolder(t, copies)
	fresh, err := f.Refeed(func(string) []byte { return ical(shift("1", "tiago")) })
	if err != nil {
		t.Fatal(err)
	}
	if got := onDuty(t, fresh, noon); len(got) != 1 || got[0] != "p_tiago" {
		t.Errorf("fed anew: %v", got)
	}
	if got := onDuty(t, f, noon); len(got) != 1 || got[0] != "p_ada" {
		t.Errorf("the folder before was changed: %v", got)
	}
	a, err := f.Compile(keyed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := fresh.Compile(keyed)
	if err != nil {
		t.Fatal(err)
	}
	for id, w := range a.Workflows {
		if b.Workflows[id].Hash != w.Hash {
			t.Errorf("a feed changed the hash of %s", id)
		}
	}
}

// TestTryFeed: what is taken for a feed and what is not, with the reason.
func TestTryFeed(t *testing.T) {
	f := fedFolder(t, nil)
	feed := f.Feeds()[0]
	now := workflows.StampOf(time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC))
	once := func(who, day string) string {
		return "BEGIN:VEVENT\nUID:1\nDTSTAMP:20250101T000000Z\nDTSTART:" + day + "T060000Z\nDURATION:PT24H\nSUMMARY:" + who + "\nEND:VEVENT\n"
	}
	for _, x := range []struct {
		body []byte
		want string // empty: taken
	}{
		{ical(shift("1", "ada")), ""},
		{ical(shift("1", "mallory"), shift("2", "ada")), ""},
		{ical(once("ada", "20260901")), ""},
		{ical(once("ada", "20260304")), ""}, // on shift now, and nothing after
		{nil, "iCalendar: "},
		{[]byte("<!doctype html>"), "iCalendar: "},
		{ical(), "in the coming year it has no shift of anybody"},
		{ical(once("ada", "20200105")), "in the coming year it has no shift of anybody"},
		{ical(shift("1", "mallory")), `line 4: "mallory" is somebody else`},
		{ical(strings.Repeat(shift("1", "ada"), 6000)), "iCalendar: "},
	} {
		err := f.TryFeed(feed, x.body, now)
		switch {
		case x.want == "" && err != nil:
			t.Errorf("%.200s\nwas refused: %v", x.body, err)
		case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%.200s\ngot %v, want %q", x.body, err, x.want)
		}
	}
}
