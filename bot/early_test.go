package bot_test

import (
	"testing"
	"time"
)

// TestClickBeforeTheSurfaceIsKept: a message can be clicked as soon as Slack has it, which is before the row that says it is ours. That click
// counts; a forged one does not gain anything by the wait (T13 covers that).
func TestClickBeforeTheSurfaceIsKept(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.m.mu.Lock()
	kept := w.m.surfaces
	w.m.surfaces = nil
	w.m.mu.Unlock()
	back := time.AfterFunc(150*time.Millisecond, func() {
		w.m.mu.Lock()
		defer w.m.mu.Unlock()
		w.m.surfaces = kept
	})
	defer back.Stop()
	w.click("jonas", card, "request.approve")
	if got := w.votes(id); got != 1 {
		t.Errorf("%d votes count, want the one that was clicked early", got)
	}
}
