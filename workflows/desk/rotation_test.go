package desk_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// A rotation that the product demands is carried out by the routine of the identity's target, once, and is closed when the run is over: verified
// only if the target was read back. A step that somebody left out closes nothing.
func TestARotationIsCarriedOutByItsRoutine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		facts map[string]string
		skip  bool
		proof string
	}{
		{"read back", map[string]string{workflows.FactOldGone: "read back"}, false, identities.ProofVerified},
		{"not read back", nil, false, identities.ProofDeclared},
		{"left out", nil, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := routines(t)
			x.load(func(d *draft) {
				b := d.books["rotate"]
				b.Fields = nil
				b.Steps = []incidents.Step{{Title: "Replace the key", Action: incidents.ActRotate, Does: entitlement("bastion", "deploy"), Auto: true, Timeout: 60}}
			})
			ctx := t.Context()
			_, err := x.desk.TakeIn(ctx, workflows.System, []desk.IdentityClaim{{ID: "svc-deploy", Claim: identities.Claimed{
				Source: identities.ImportSource("cmdb"), Says: identities.Entry{Class: "service_account", Name: "Deployer", Owner: "p_ivy", Purpose: "rolls out releases", Target: "bastion"},
			}}})
			must(t, err)
			for range 2 { // demanded twice, and looked at twice: one rotation, one run
				a, err := x.desk.Rotate(ctx, x.cause(), "svc-deploy", identities.RotateBreakGlass)
				must(t, err)
				if a.Refusal != nil {
					t.Fatal(a.Refusal)
				}
				must(t, x.desk.CarryRotation(ctx, "svc-deploy"))
			}
			list, err := x.desk.Runs(ctx, runs.ListAll, "", 0)
			must(t, err)
			if due, err := x.desk.Rotating(ctx); err != nil || len(due) != 1 || len(list) != 1 || list[0].Opened.Subject != "svc-deploy" {
				t.Fatalf("rotating %v (%v), runs %+v", due, err, list)
			}
			if c.skip {
				must(t, x.desk.StepFailed(ctx, list[0], 1, "refuse", "no", true))
				res, err := x.desk.DoInRun(ctx, desk.InRun{Cause: x.cause(), By: acting("ivy"), Run: list[0].ID, Do: desk.DoSkip, Step: 1, Note: "done by hand instead"})
				must(t, err)
				if res.Refusal != nil {
					t.Fatal(res.Refusal)
				}
			} else {
				must(t, x.desk.StepSucceeded(ctx, x.cause(), list[0], runs.StepDone{Step: 1, Ref: "key 2", Facts: c.facts}))
			}
			for range 2 {
				must(t, x.desk.CarryRotation(ctx, "svc-deploy"))
			}
			h, err := x.store.History(ctx, workflows.IdentityStream("svc-deploy"))
			must(t, err)
			s, err := identities.FoldIdentity(h)
			must(t, err)
			last := s.Life.Rotations[len(s.Life.Rotations)-1]
			switch {
			case c.skip && last.Closed != nil:
				t.Errorf("closed although nothing was replaced: %+v", last.Closed)
			case !c.skip && (last.Closed == nil || last.Closed.Proof != c.proof || last.Closed.How != "connector"):
				t.Errorf("closed %+v, want %s", last.Closed, c.proof)
			}
		})
	}
}
