package main

import (
	"cmp"
	"path/filepath"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

// TestReq_R109_TheStateOfTheClock: each start says in the ledger whether the machine's clock is kept to the time of others, and every row that an
// auditor draws says so of its time: also that the clock was set since, that nobody knows, and that it is a demonstration's.
func TestReq_R109_TheStateOfTheClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state, status int
		want          string
	}{{0, 0x2001, clockKept}, {1, 0, clockKept}, {0, 0x41, clockAlone}, {5, 0x40, clockAlone}, {5, 0, clockAlone}} {
		if got := clockWord(c.state, c.status); got != c.want {
			t.Errorf("state %d, status %#x: %q, want %q", c.state, c.status, got, c.want)
		}
	}
	var s syncState
	for i, c := range []struct {
		event workflows.Event
		want  string
	}{
		{store.Genesis{}, "not known"},
		{store.InstanceStarted{Clock: clockKept}, clockKept},
		{store.AnchorPublished{}, clockKept},
		{store.ClockJumped{From: 1, To: 2}, "was set"},
		{store.AnchorPublished{}, "was set"},
		{store.InstanceStarted{Clock: clockAlone}, clockAlone},
		{store.InstanceStarted{}, "not known"}, // by an older program
		{store.Genesis{Virtual: true}, clockVirtual},
		{store.InstanceStarted{Clock: clockKept}, clockVirtual},
	} {
		if got := s.of(workflows.Record{Event: c.event}); got != c.want {
			t.Errorf("entry %d, %T: %q, want %q", i, c.event, got, c.want)
		}
	}
	drawn := func(data string) string {
		rows, _ := sampled(t, "-data", data, "-of", "instance.started", "-n", "all")
		if len(rows) == 0 {
			t.Fatal("no start is in the ledger")
		}
		return rows[0][len(rows[0])-1]
	}
	if got := drawn(thaw(t, "0.1.0-heads", false)); got != clockVirtual {
		t.Errorf("of a demonstration's start: %q", got)
	}
	org, data := filepath.Join(t.TempDir(), "org"), filepath.Join(t.TempDir(), "data")
	if err := writeDemoConfig(org, "22"); err != nil {
		t.Fatal(err)
	}
	if err := makeFixture(t.Context(), []string{"ledger", org, data}); err != nil {
		t.Fatal(err)
	}
	if got, want := drawn(data), cmp.Or(machineClock(), "not known"); got != want {
		t.Errorf("of a start on this machine: %q, the kernel says %q", got, want)
	}
	if got := storeConfig(Config{DemoClock: "x"}, nil, readKey(t, data), nil).MachineClock; got != clockVirtual {
		t.Errorf("a demonstration is told %q", got)
	}
}
