package identities_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// Whatever was announced and ended, somebody is away at a moment exactly if a time off covers it that had not been ended by then.
func TestAwayIsWhatWasAnnouncedAndNotEnded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := newOffice()
		start := storytest.Start().UTC
		hours := [48]bool{} // what is known to be time off, by the hour
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now := int(x.l.Now.UTC.Sub(start).Hours())
			switch rapid.SampledFrom([]string{"goes", "goes", "back", "wait"}).Draw(t, "step") {
			case "goes":
				from, length := rapid.IntRange(0, 20).Draw(t, "from"), rapid.IntRange(1, 10).Draw(t, "length")
				code, err := x.step([]string{"ann", "goes", fmt.Sprintf("%dh", from-now), fmt.Sprintf("%dh", from+length-now)})
				if err != nil {
					t.Fatal(err)
				}
				if code == "" {
					for h := max(from, now); h < from+length; h++ {
						if hours[h] {
							t.Fatalf("away twice at %dh", h)
						}
						hours[h] = true
					}
				}
			case "back":
				before := slices.Clone(x.person().Aways)
				code, err := x.step([]string{"ann", "comes", "back"})
				if err != nil || (code == "") != hours[now] {
					t.Fatalf("coming back at %dh, away %t: %q, %v", now, hours[now], code, err)
				}
				for h := now; code == "" && h < len(hours) && hours[h] && x.calledOff(before, h); h++ {
					hours[h] = false
				}
			case "wait":
				x.l.Pass(time.Duration(rapid.IntRange(0, 3).Draw(t, "hours")) * time.Hour)
			}
			x.check(t)
			for h := int(x.l.Now.UTC.Sub(start).Hours()); h < len(hours); h++ {
				if _, away := x.person().AwayAt(start.Add(time.Duration(h) * time.Hour)); away != hours[h] {
					t.Fatalf("at %dh away is %t", h, away)
				}
			}
		}
	})
}

// calledOff tells whether a time off that has ended since covered an hour.
func (x *office) calledOff(before []identities.AwayState, hour int) bool {
	at := storytest.Start().UTC.Add(time.Duration(hour) * time.Hour)
	for i, a := range x.person().Aways {
		if a.From <= at && at < a.Until && a.Ended != 0 && before[i].Ended == 0 {
			return true
		}
	}
	return false
}

// A standing window never allows more than its terms in any period, nor more than its budget in all (R82).
func TestReq_R82_WindowsStayWithinTheirTerms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := newOffice()
		times, budget := rapid.IntRange(1, 3).Draw(t, "times"), rapid.IntRange(1, 8).Draw(t, "budget")
		per := time.Duration(rapid.IntRange(1, 5).Draw(t, "per")) * time.Hour
		if _, err := x.step([]string{"granted", fmt.Sprint(times), "per", per.String(), "budget", fmt.Sprint(budget), "lifetime", "1h", "until", "40h"}); err != nil {
			t.Fatal(err)
		}
		var uses []workflows.Stamp
		for range rapid.IntRange(1, 30).Draw(t, "asks") {
			x.l.Pass(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
			now := x.l.Now.UTC
			recent := 0
			for _, u := range uses {
				if u > now.Add(-per) {
					recent++
				}
			}
			want := recent < times && len(uses) < budget && now < storytest.Start().UTC.Add(40*time.Hour)
			w, no := x.robot().WindowFor("pg-main", "writer", 600, now, func(workflows.WindowTerms) bool { return true })
			if (w != nil) != want || (no == nil) != want {
				t.Fatalf("after %d uses, %d of them recent: %v, %v", len(uses), recent, w, no)
			}
			x.add(robotStream, identities.WindowUsed{Window: "w1"})
			if _, err := identities.FoldIdentity(x.l.Histories[robotStream]); (err == nil) != want {
				t.Fatalf("a use that is allowed %t: %v", want, err)
			}
			if want {
				uses = append(uses, now)
				continue
			}
			h := x.l.Histories[robotStream]
			x.l.Histories[robotStream] = h[:len(h)-1]
		}
	})
}
