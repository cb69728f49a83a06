package calendar_test

import (
	"archive/zip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // a machine without zone files gets the same answers

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// allZones are the zones that Go ships and embeds, read from its archive so that no zone is forgotten and no other release is tested.
func allZones(t testing.TB) []*time.Location {
	t.Helper()
	list, err := shipped()
	if err != nil {
		t.Skipf("the zone archive of Go is not there: %v", err)
	}
	if len(list) < 590 {
		t.Fatalf("the zone archive of Go holds %d zones only", len(list))
	}
	return list
}

var shipped = sync.OnceValues(func() ([]*time.Location, error) {
	root := os.Getenv("GOROOT")
	if root == "" {
		out, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return nil, err
		}
		root = strings.TrimSpace(string(out))
	}
	r, err := zip.OpenReader(filepath.Join(root, "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var list []*time.Location
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		rc, err := f.Open()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(rc)
		rc.Close()
		if err != nil {
			return nil, err
		}
		z, err := time.LoadLocationFromTZData(f.Name, b)
		if err != nil {
			return nil, err
		}
		list = append(list, z)
	}
	return list, nil
})

// transitions are the instants within the years [from, to) at which the zone's offset changes. They are searched for: Time.ZoneBounds also
// names the ends of years, and one of the 365th day of leap years that lies before the moment asked about.
func transitions(z *time.Location, from, to int) []time.Time {
	var out []time.Time
	offset := func(unix int64) int {
		_, off := time.Unix(unix, 0).In(z).Zone()
		return off
	}
	const day = 86400
	end := time.Date(to, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for a := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); a < end; a += day {
		was := offset(a)
		if offset(a+day) == was {
			continue
		}
		i := sort.Search(day, func(i int) bool { return offset(a+int64(i)) != was })
		out = append(out, time.Unix(a+int64(i), 0).In(z))
	}
	return out
}

func date(t testing.TB, s string) calendar.Date {
	t.Helper()
	d, err := calendar.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func clock(t testing.TB, s string) calendar.Clock {
	t.Helper()
	c, err := calendar.ParseClock(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// utc reads "2026-11-01 05:30" or with seconds.
func utc(t testing.TB, s string) workflows.Stamp {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02 15:04:05.000000"} {
		if at, err := time.Parse(layout, s); err == nil {
			return workflows.StampOf(at)
		}
	}
	t.Fatalf("no time: %q", s)
	return 0
}

func show(s workflows.Stamp) string { return s.Time().Format("2006-01-02 15:04:05") }
