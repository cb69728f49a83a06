package desk_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// TestGlass_18_ARotationIsOpenedWhenTheUseIsOver: the secret of an identity that a broken glass let somebody see is replaced by itself, not while the emergency goes on, and once for
// each use.
func TestGlass_18_ARotationIsOpenedWhenTheUseIsOver(t *testing.T) {
	t.Parallel()
	x, out := broken(t, func(d *draft) {
		d.books["failover"].Exposed = []incidents.Exposed{
			{What: "the replication password", Owner: "p_olga", Within: 24 * 3600, Identity: "svc-replica"}, {What: "the console", Owner: "p_olga", Within: 24 * 3600},
		}
	})
	ctx := t.Context()
	_, err := x.desk.TakeIn(ctx, workflows.System, []desk.IdentityClaim{{ID: "svc-replica", Claim: identities.Claimed{
		Source: identities.ImportSource("cmdb"), Says: identities.Entry{Class: "service_account", Name: "Replica", Owner: "p_olga", Purpose: "copies the database"},
	}}})
	must(t, err)
	rotations := func() []identities.Rotation {
		must(t, x.desk.RotateExposed(ctx))
		h, err := x.store.History(ctx, workflows.IdentityStream("svc-replica"))
		must(t, err)
		s, err := identities.FoldIdentity(h)
		must(t, err)
		return s.Life.Rotations
	}
	if got := rotations(); len(got) != 0 {
		t.Fatalf("opened while the emergency goes on: %+v", got)
	}
	_, err = x.desk.EndIncident(ctx, x.cause(), workflows.System, "INC-7")
	must(t, err)
	if got := rotations(); len(got) != 0 {
		t.Fatalf("opened while the access is still to be taken back: %+v", got)
	}
	h, err := x.desk.Grant(ctx, out.Grant)
	must(t, err)
	must(t, x.desk.GrantRevoked(ctx, "", h.Stream, grants.Revoked{Grant: out.Grant, Presence: "absent"}))
	rotations()
	if got := rotations(); len(got) != 1 || got[0].Why != identities.RotateBreakGlass || got[0].Closed != nil {
		t.Errorf("want one for the broken glass, got %+v", got)
	}
}
