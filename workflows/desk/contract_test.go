package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// R32, R48: what a vendor's identity is given ends with the contract at the latest, and without a sponsor and an end of the contract on record it is given
// nothing.
func TestReq_R32_NoGrantOutlivesAVendorsContract(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { brokered(d, "shell") })
	says := identities.Entry{
		Class: "integration", Owner: string(person("ivy")), Purpose: "Copies orders to the warehouse.", Environment: "production", Expires: x.now().Add(200 * 24 * time.Hour),
		ManagedBy: identities.ManagedVendor, Vendor: "Acme",
	}
	claim := func() {
		t.Helper()
		if _, err := x.desk.TakeIn(t.Context(), workflows.System, []desk.IdentityClaim{{ID: "svc-deploy", Claim: identities.Claimed{Source: identities.ImportSource("cmdb"), Says: says}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := x.desk.ChangeIdentity(t.Context(), desk.IdentityCommand{
			Cause: x.cause(), By: acting("sam"), Identity: "svc-deploy", Do: desk.DoClaim, To: string(person("ivy")), Says: identities.Entry{Purpose: says.Purpose}, Expires: says.Expires, Channel: "cli",
		}); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() desk.Submitted {
		s := x.submission("ivy", "shell")
		s.Subject = "svc-deploy"
		return x.submit(s)
	}
	claim()
	if out := ask(); code(out.Refusal) != workflows.CodeNotInInventory {
		t.Errorf("without a sponsor: %v", out.Refusal)
	}
	says.Sponsor, says.ContractEnd = person("ivy"), x.now().Add(30*time.Minute)
	claim()
	out := ask()
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	x.approve(out.ID, "ann")
	if _, h := x.hold(out.ID); h.Approved.EndsAt != says.ContractEnd {
		t.Errorf("it ends at %s, the contract at %s", h.Approved.EndsAt, says.ContractEnd)
	}
}
