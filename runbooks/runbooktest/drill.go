package runbooktest

import (
	"context"
	"maps"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
)

// exerciseDrill: what a drill uses as the canary is refused before it is granted, let in while it is there, and refused once it is taken back; being asked changes
// nothing. A target that cannot be told from here is an error, and not a "no".
func exerciseDrill(t *testing.T, s System) {
	r := runbooks.NewRunner(map[string]runbooks.Connector{"drilled": s.Connector}, nil)
	r.KeepIn(s.safe)
	if !r.CanTry("drilled") {
		t.Skip("drills on this target read back, and do not log in")
	}
	g := s.Grant(1)
	fields, err := r.FillCanary("drilled", g.ID, g.Params)
	if err != nil {
		t.Fatalf("filling in the canary's form: %v", err)
	}
	if g.Fields == nil && len(fields) > 0 {
		g.Fields = map[string]string{}
	}
	maps.Copy(g.Fields, fields)
	receipt, err := r.Start(t.Context(), "drilled", g)
	if err != nil {
		t.Fatalf("starting a drill: %v", err)
	}
	for range 2 {
		in, can, err := r.Try(t.Context(), "drilled", g, receipt)
		if !can && err == nil {
			t.Skip("of this kind of access only its holder has the secret")
		}
		if err != nil || !in {
			t.Fatalf("the canary has the access and is not let in (%v)", err)
		}
	}
	s.wantPresence(t, g, runbooks.Present)
	s.mustRevoke(t, g)
	s.settle(t)
	if in, _, err := r.Try(t.Context(), "drilled", g, receipt); err != nil || in {
		t.Errorf("the access was taken back, and the canary is let in: %v (%v)", in, err)
	}
	s.wantPresence(t, g, runbooks.Absent)
	dead, cancel := expired(t)
	defer cancel()
	if in, _, err := r.Try(dead, "drilled", g, receipt); err == nil || in {
		t.Errorf("a canary that could not be tried is told as let in (%v), or as refused", in)
	}
}

// expired gives a context that is over.
func expired(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}
