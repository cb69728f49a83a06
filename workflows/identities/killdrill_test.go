package identities_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// A drill lifts the quarantine that it made, and no other: one that somebody made meanwhile stays, and so does its own when something went wrong.
func TestADrillLiftsItsOwnQuarantineAlone(t *testing.T) {
	t.Parallel()
	ann := workflows.Acting{Actor: "a_ann", Person: "p_ann"}
	lock := func(drill bool) workflows.Event { return identities.Quarantined{Channel: "cli", Drill: drill} }
	for name, c := range map[string]struct {
		before []workflows.Event
		e      identities.KillDrilled
		ok, on bool
	}{
		"its own":            {[]workflows.Event{lock(true)}, identities.KillDrilled{OK: true, For: 1}, true, false},
		"failed":             {[]workflows.Event{lock(true)}, identities.KillDrilled{For: 1, Step: identities.KillStepRevoke}, false, true},
		"somebody's":         {[]workflows.Event{lock(false)}, identities.KillDrilled{OK: true, For: 1}, false, true},
		"somebody's, during": {[]workflows.Event{lock(true), lock(false)}, identities.KillDrilled{OK: true, For: 1}, false, true},
		"failed before": {
			[]workflows.Event{lock(true), identities.KillDrilled{For: 1, Step: identities.KillStepRevoke}}, identities.KillDrilled{OK: true, For: 1}, false, true,
		},
		"none": {nil, identities.KillDrilled{OK: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := workflows.IdentityStream("agent")
			var h []workflows.Record
			add := func(e workflows.Event) {
				h = append(h, workflows.Record{Stream: stream, Seq: int64(len(h) + 1), Event: e, Actor: ann.Actor, Person: ann.Person})
			}
			for _, e := range c.before {
				add(e)
			}
			out, err := identities.EndDrill(workflows.Facts{Histories: map[workflows.StreamID][]workflows.Record{stream: h}}, "agent", ann, c.e)
			if err != nil || len(out.Events) != 1 {
				t.Fatal(out, err)
			}
			if e := out.Events[0].Event.(identities.KillDrilled); e.OK != c.ok || !e.OK && e.Step == "" {
				t.Errorf("recorded %+v", e)
			}
			add(out.Events[0].Event)
			s, err := identities.FoldIdentity(h)
			if err != nil || s.Quarantine.On != c.on || (s.Life.KillDrill != nil) != c.ok {
				t.Errorf("quarantined %v, drilled %v, %v", s.Quarantine.On, s.Life.KillDrill, err)
			}
		})
	}
}
