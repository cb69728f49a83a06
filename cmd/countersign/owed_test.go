package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestThreat_T26_RowsBesideTheLedger: whoever deletes the jobs or the lists, or edits the inventory, changes no entry, but nothing would wake up
// for the end of an access. The outsider's command says so; the bot makes them again, and the access ends when it should.
func TestThreat_T26_RowsBesideTheLedger(t *testing.T) {
	t.Parallel()
	for table, test := range map[string]struct{ do, want string }{
		"job":       {`DELETE FROM job`, "a job that its entries demand is missing: wake wake"},
		"listing":   {`DELETE FROM listing`, "the lists that people read differ"},
		"inventory": {`UPDATE inventory SET owner = 'p_somebody', purpose = 'Whatever is needed.'`, "what the inventory lists differs from what its entries say"},
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			w.start()
			cert := w.grant("maya", "1h", "Somebody will tamper with the end of this.")
			w.stopBot()
			db, err := sql.Open("sqlite", filepath.Join(w.data(), "countersign.db"))
			w.check(err)
			_, err = db.ExecContext(t.Context(), test.do)
			w.check(err)
			w.check(db.Close())
			out, err := w.ledger(t.Context(), "verify")
			if err == nil || !strings.HasPrefix(out, "NOT ALL IS WELL") || !strings.Contains(out, test.want) {
				t.Errorf("verify: %v; want %q:\n%s", err, test.want, out)
			}
			w.start()
			w.later(time.Hour)
			w.recorded("grant.revoked", 1)
			w.shutOut("maya", cert)
			_, err = until(t.Context(), "rows set right beside the work", func() (struct{}, bool) {
				_, err := w.ledger(t.Context(), "verify")
				return struct{}{}, err == nil
			})
			w.check(err)
			w.verify()
		})
	}
}
