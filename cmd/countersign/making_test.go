package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// TestTakingBackWaitsForWhatIsBeingMade: a revocation comes after the start of the same access has been recorded, so that it is told once; a target
// that hangs holds it up for a moment only, and other access not at all.
func TestTakingBackWaitsForWhatIsBeingMade(t *testing.T) {
	for name, x := range map[string]struct {
		of    workflows.GrantID
		takes time.Duration // the start, from its beginning to its record
		waits time.Duration
	}{
		"made and recorded":    {"g_1", time.Second, time.Second},
		"a target that hangs":  {"g_1", time.Hour, makingPatience},
		"another access":       {"g_2", time.Hour, 0},
		"nothing is made here": {"", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &making{done: map[workflows.GrantID]chan struct{}{}}
				if x.of != "" {
					end := m.begin(x.of)
					go func() {
						time.Sleep(x.takes) // the bubble's time
						end()
					}()
				}
				from := time.Now()
				m.wait(t.Context(), "g_1")
				if got := time.Since(from); got != x.waits {
					t.Errorf("waited %v, want %v", got, x.waits)
				}
				time.Sleep(2 * time.Hour)
				if len(m.done) != 0 {
					t.Error("what was made is not forgotten")
				}
			})
		})
	}
}
