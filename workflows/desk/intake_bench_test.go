package desk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// BenchmarkTakeIn takes 100,000 identities in from one source, each an entry of its own with its row and its words, and goes through all of them
// once for their findings. Issue 6 wants at most 60 s and 10 s.
func BenchmarkTakeIn(b *testing.B) {
	const all = 100_000
	end := workflows.StampOf(time.Now().AddDate(0, 6, 0))
	claims := make([]desk.IdentityClaim, all)
	for i := range claims {
		claims[i] = desk.IdentityClaim{ID: workflows.IdentityID(fmt.Sprintf("svc-%06d", i)), Claim: identities.Claimed{
			Source: identities.ImportSource("cmdb"), HasPath: true, Path: "runbook off", Says: identities.Entry{
				Class: "service_account", Name: fmt.Sprintf("Robot %d", i), Owner: fmt.Sprintf("p_%d", i%500), Backup: "p_1", Purpose: "rolls out releases of the shop",
				Environment: "production", Target: "pg-main", Scope: []string{"role:app"}, Expires: end, LastUsed: end - 1, Mark: fmt.Sprintf("hmac:%032x", i),
			},
		}}
	}
	for b.Loop() {
		cfg := storetest.Config(b)
		cfg.Kinds, cfg.Clock = append(workflows.EventKinds(), identities.EventKinds()...), jobs.NewSystem()
		s, err := store.Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		d := desk.New(desk.Config{Ledger: s, IDs: new(counter)})
		began := time.Now()
		if _, err := d.TakeIn(b.Context(), workflows.System, claims); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s/import")
		began = time.Now()
		found := 0
		err = d.EachIdentity(b.Context(), workflows.InventoryQuery{}, func(r workflows.InventoryRow) error {
			found += len(identities.Findings(r, end, nil))
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s/sweep")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
