package main

import "testing"

// TestACopyNobodyNamesGoes: what the folder does not name any more may hold names of people, and is not kept.
func TestACopyNobodyNamesGoes(t *testing.T) {
	t.Parallel()
	d := feedStore{t.TempDir()}
	for _, a := range []string{"https://calendar.example/oncall.ics", "https://calendar.example/former.ics"} {
		if err := d.put(a, feedNote{At: 1, Body: []byte("BEGIN:VCALENDAR")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.prune([]string{"https://calendar.example/oncall.ics"}); err != nil {
		t.Fatal(err)
	}
	if d.copyOf("https://calendar.example/oncall.ics") == nil || d.copyOf("https://calendar.example/former.ics") != nil {
		t.Error("want the copy that is named, and no other")
	}
	if err := (feedStore{d.dir + "/none"}).prune(nil); err != nil {
		t.Errorf("before there is any: %v", err)
	}
}
