package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// feedHost answers as the calendar of another company does.
type feedHost struct {
	*httptest.Server

	answer atomic.Pointer[func(w http.ResponseWriter)]
	calls  atomic.Int64
	ca     string // file
}

func newFeedHost(t *testing.T) *feedHost {
	t.Helper()
	h := &feedHost{ca: filepath.Join(t.TempDir(), "ca.pem")}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.calls.Add(1)
		(*h.answer.Load())(w)
	}))
	t.Cleanup(h.Close)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	if err := os.WriteFile(h.ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *feedHost) says(f func(w http.ResponseWriter)) { h.answer.Store(&f) }

func (h *feedHost) has(text string) {
	h.says(func(w http.ResponseWriter) { fmt.Fprint(w, text) })
}

// shifts is a feed with one daily shift of somebody, from a date on.
func shifts(person, from, rule string) string {
	return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//EN\nBEGIN:VEVENT\nUID:1@x\nDTSTAMP:20260101T000000Z\nDTSTART:" + from +
		"T060000Z\nDURATION:PT24H\n" + rule + "\nSUMMARY:" + person + "\nEND:VEVENT\nEND:VCALENDAR\n"
}

// TestCalendarFetch keeps the calendar of a rotation like a feed. What is not good in any way leaves the folder byte for byte as it was, and no
// message, file or note holds the address, which is a secret with many vendors.
func TestCalendarFetch(t *testing.T) {
	t.Parallel()
	h := newFeedHost(t)
	dir := filepath.Join(t.TempDir(), "conf")
	if out, errs, code := runHere(t, nil, "init", "-example", dir); code != exitDone {
		t.Fatal(out, errs)
	}
	calendars := filepath.Join(dir, "calendars")
	file := filepath.Join(calendars, "sre.ics")
	from := filepath.Join(t.TempDir(), "address")
	if err := os.WriteFile(from, []byte(h.URL+"/private-1234/basic.ics\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fetch := func(want int, more ...string) string {
		t.Helper()
		out, errs, code := runHere(t, nil, append([]string{"calendar", "fetch", file, "-from", "@" + from, "-reach", "loopback", "-ca", h.ca}, more...)...)
		if code != want {
			t.Errorf("ended with %d, want %d: %s%s", code, want, out, errs)
		}
		if strings.Contains(out+errs, "private-1234") {
			t.Errorf("the address is shown: %s%s", out, errs)
		}
		return out + errs
	}
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	before := read()
	daily := "RRULE:FREQ=DAILY"
	for name, bad := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"an error": {func(w http.ResponseWriter) {
			http.Error(w, shifts("ada", "20260105", daily), http.StatusInternalServerError)
		}, "it answered 500"},
		"a redirect":   {func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) }, "a feed that has moved is not followed"},
		"a login page": {func(w http.ResponseWriter) { fmt.Fprint(w, "<!doctype html><title>Log in</title>") }, "iCalendar: "},
		"too much":     {func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat("x", maxFetched+1)) }, "larger than 1024 KiB"},
		"half of it": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "9999")
			fmt.Fprint(w, shifts("ada", "20260105", daily))
		}, "reading the feed"},
		"nothing ahead":     {func(w http.ResponseWriter) { fmt.Fprint(w, shifts("ada", "20200105", "COMMENT:once")) }, "has nothing in the coming year"},
		"a stranger's turn": {func(w http.ResponseWriter) { fmt.Fprint(w, shifts("mallory", "20260105", daily)) }, "the configuration folder would not be good"},
	} {
		calls := h.calls.Load()
		h.says(bad.answer)
		if got := fetch(exitFailed); !strings.Contains(got, bad.want) || !strings.Contains(got, "stays as it is") {
			t.Errorf("%s: %s", name, got)
		}
		if h.calls.Load() != calls+1 {
			t.Errorf("%s: asked %d times", name, h.calls.Load()-calls)
		}
		if read() != before {
			t.Errorf("%s: the file was changed", name)
		}
		if left, _ := filepath.Glob(filepath.Join(calendars, ".*")); len(left) > 0 {
			t.Errorf("%s: left behind %v", name, left)
		}
	}

	good := shifts("tiago", "20260105", daily)
	h.has(good)
	if got := fetch(exitDone); !strings.Contains(got, "was replaced") || read() != good {
		t.Errorf("the feed was not taken: %s\n%s", got, read())
	}
	if out, errs, code := runHere(t, nil, "check", "-no-tests", dir); code != exitDone {
		t.Errorf("the folder is not good: %s%s", out, errs)
	}
	var again fetched
	if err := json.Unmarshal([]byte(fetch(exitDone, "-json")), &again); err != nil || again.Changed || again.Ahead < 365 {
		t.Errorf("fetched again: %+v, %v", again, err)
	}
	note := filepath.Join(calendars, ".sre.ics"+suffixFetched)
	b, err := os.ReadFile(note)
	if err != nil || strings.Contains(string(b), "private-1234") {
		t.Errorf("the note for doctor: %s, %v", b, err)
	}

	// A calendar that a rotation names and that was never fetched.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := fetch(exitDone); !strings.Contains(got, "was replaced") || read() != good {
		t.Errorf("the first time: %s", got)
	}

	// Doctor says how old the copy is, and that it is too old.
	for age, mark := range map[time.Duration]string{time.Hour: "ok      calendar sre.ics", fetchedStale: "NOT OK  calendar sre.ics"} {
		var said strings.Builder
		d := &doctor{p: proc{out: &said}, cfg: Config{Config: dir}}
		d.feeds(again.At.Add(age + time.Minute))
		if !strings.Contains(said.String(), mark) {
			t.Errorf("after %s, doctor: %s", age, said.String())
		}
	}
}
