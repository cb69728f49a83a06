package grants_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// grantsAfter plays steps and gives what the next grant would be.
func grantsAfter(t *testing.T, steps, next string) (*holder, grants.Approved) {
	t.Helper()
	x := newHolder("own")
	for _, step := range strings.Split(steps, "; ") {
		if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
			t.Fatal(step, code, err)
		}
	}
	words := strings.Fields(next)
	return x, x.options(x.approved(workflows.GrantID(words[0]), words[2]), words[3:])
}

// A row of extensions never passes its cap, whatever an entry says (T53).
func TestThreat_T53_NoEntryExtendsPastTheCap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, steps, next string
		bend              func(*grants.Approved)
		folds             bool
	}{
		{"as far as the cap", "g1 granted 1h; 30m", "g2 granted 210m extending g1 cap 4h", nil, true},
		{"a microsecond further", "g1 granted 1h; 30m", "g2 granted 210m extending g1 cap 4h", func(a *grants.Approved) { a.EndsAt++ }, false},
		{"with another beginning", "g1 granted 1h; 30m", "g2 granted 1h extending g1 cap 4h", func(a *grants.Approved) { a.First++ }, false},
		{"without a cap", "g1 granted 1h; 30m", "g2 granted 1h extending g1", nil, false},
		{"of what is not there", "g1 granted 1h; 30m", "g2 granted 1h extending g7 cap 4h", nil, false},
		{"of itself", "g1 granted 1h; 30m", "g2 granted 1h extending g2 cap 4h", nil, false},
		{"of what has ended", "g1 granted 1h; 60m", "g2 granted 1h extending g1 cap 4h", nil, false},
		{"of what failed", "g1 granted 1h; g1 fails", "g2 granted 1h extending g1 cap 4h", nil, false},
		{"in a second step", "g1 granted 1h; 30m; g2 granted 1h extending g1 cap 2h; 30m", "g3 granted 61m extending g2 cap 2h", nil, false},
		{"in a second step, to the cap", "g1 granted 1h; 30m; g2 granted 1h extending g1 cap 2h; 30m", "g3 granted 60m extending g2 cap 2h", nil, true},
		{"that ends before it begins", "g1 granted 1h", "g2 granted 1h in 2h", func(a *grants.Approved) { a.EndsAt = a.StartsAt }, false},
		{"that begins later", "g1 granted 1h", "g2 granted 1h in 2h", nil, true},
		{"twice", "g1 granted 1h", "g1 granted 1h", nil, false},
	} {
		x, a := grantsAfter(t, c.steps, c.next)
		if c.bend != nil {
			c.bend(&a)
		}
		x.add(a)
		if _, err := grants.Fold(x.l.Histories[stream]); (err == nil) != c.folds {
			t.Errorf("an extension %s: %v", c.name, err)
		}
	}
}

// Whatever row of extensions folds ends within the cap of its first grant (T53, R57).
func TestReq_R57_RowsOfExtensionsEndAtTheirCap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := newHolder("own")
		cap := time.Duration(rapid.IntRange(1, 12).Draw(t, "cap")) * time.Hour
		x.add(x.approved("g0", "1h"))
		first, last := x.l.Now.UTC, workflows.GrantID("g0")
		for i := range rapid.IntRange(1, 20).Draw(t, "extensions") {
			if _, err := x.step([]string{rapid.SampledFrom([]string{"5m", "20m", "50m"}).Draw(t, "later")}); err != nil {
				t.Fatal(err)
			}
			id := workflows.GrantID("g" + string(rune('1'+i)))
			a := x.options(x.approved(id, rapid.SampledFrom([]string{"10m", "1h", "3h"}).Draw(t, "length")), []string{"extending", string(last), "cap", cap.String()})
			h := append(x.l.Histories[stream][:len(x.l.Histories[stream]):len(x.l.Histories[stream])], workflows.Record{
				Stream: stream, Seq: int64(len(x.l.Histories[stream])) + 1, At: x.l.Now, Event: a,
			})
			_, err := grants.Fold(h)
			hold, _ := x.state().Find(last)
			live := hold.Status == grants.StatusApproved || hold.Status == grants.StatusActive
			if want := live && a.EndsAt <= first.Add(cap); (err == nil) != want {
				t.Fatalf("extension %d to %s of a row from %s with a cap of %s: %v", i, a.EndsAt, first, cap, err)
			}
			if err == nil {
				x.add(a)
				last = id
			}
		}
		_, n := x.state().Row(last)
		if len(x.state().Holds) != n+1 {
			t.Fatalf("%d grants, %d extensions", len(x.state().Holds), n)
		}
	})
}

// A grant that is not there has no row.
func TestRowOfNothing(t *testing.T) {
	t.Parallel()
	if first, n := newHolder("own").state().Row("g9"); first != 0 || n != 0 {
		t.Errorf("%d, %d", first, n)
	}
}
