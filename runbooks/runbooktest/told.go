package runbooktest

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
)

// Told starts and stops a grant as the bot does, through the Runner, and holds what the target heard of it, both times, to name the grant and its holder. heard
// gives what its log has of each change since it was asked last.
func Told(t *testing.T, c runbooks.Connector, g runbooks.Grant, heard func() []string) {
	t.Helper()
	r := runbooks.NewRunner(map[string]runbooks.Connector{"told": c}, slog.New(slog.DiscardHandler))
	r.KeepIn(NewSafe())
	heard()
	for what, do := range []func() error{
		func() error { _, err := r.Start(t.Context(), "told", g); return err },
		func() error { _, _, err := r.Stop(t.Context(), "told", g); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		lines := heard()
		if len(lines) == 0 {
			t.Errorf("call %d changed nothing", what)
		}
		for _, line := range lines {
			for _, want := range []string{"grant=" + string(g.ID), "holder=" + strings.ReplaceAll(g.Holder, " ", "%20")} {
				if !strings.Contains(line, want) {
					t.Errorf("call %d: the target's log says %q, without %q", what, line, want)
				}
			}
		}
	}
}
