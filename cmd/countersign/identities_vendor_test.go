package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestReq_R32_AVendorLeaves: off-boarding a vendor lists every credential that they hold, also one that was registered by hand, and is over only when there
// is evidence that each is closed.
func TestReq_R32_AVendorLeaves(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	end := d.clock.Now().Wall.AddDate(0, 3, 0).Format(time.DateOnly)
	const head = "id,kind,name,owner,purpose,expires,managed_by,vendor,sponsor,contract_end\n"
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", head+
		"acme-sync,integration,Acme sync,maya,Copies orders to the warehouse.,"+end+",vendor,Acme Logistics,maya,"+end+"\n"+
		"other-sync,integration,Other sync,maya,Copies invoices to the bank.,"+end+",vendor,Acme Bank,maya,"+end+"\n"), "-source", "cmdb"), "2 new")
	said(t, d.identityCLI(t, "import", fileOf(t, "hand.csv", head+"acme-vpn,certificate,VPN of Acme,maya,Lets the people of Acme reach the test site.,"+end+",vendor,Acme Logistics,maya,"+end+"\n"), "-source", "by-hand"), "1 new")
	said(t, d.identityCLI(t, "vendor", "acme logistics"), "acme-sync", "acme-vpn", "known from import/by-hand", "holds 2 identities; 2 of them are not closed")
	if out, err := d.cli(t.Context(), "", "identities", "vendor", "Nobody"); err == nil || !strings.Contains(out, "No identity of the inventory has the vendor") {
		t.Errorf("a vendor that there is not: %v\n%s", err, out)
	}
	said(t, d.identityCLI(t, "offboard-vendor", "Acme Logistics", "-reason", "the contract was ended"), "evidence wanted: the app is uninstalled", "the vendor confirmed that nothing of it is kept")
	if strings.Contains(d.identityCLI(t, "show", "other-sync"), "To do:") {
		t.Error("another vendor of a similar name goes, too")
	}
	for _, id := range []string{"acme-sync", "acme-vpn"} {
		_, err := until(t.Context(), "its access to be gone", func() (string, bool) {
			out := d.identityCLI(t, "show", id)
			return out, !strings.Contains(out, "(grants)")
		})
		mustSay(t, err)
		if out, err := d.cli(t.Context(), "", "identities", "retired-item", id, "vendor", "-evidence", "ok"); err == nil {
			t.Errorf("closed without evidence:\n%s", out)
		}
		for _, item := range []string{"account", "secret", "vendor"} {
			d.identityCLI(t, "retired-item", id, item, "-evidence", "letter of the vendor, DOC-77")
		}
	}
	var r reply
	mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "vendor", "Acme Logistics", "-json")), &r))
	var rows []vendorHeld
	mustSay(t, json.Unmarshal(r.Data, &rows))
	for _, x := range rows {
		if x.State != "retired" || len(x.Left) != 0 || x.Evidence < 4 {
			t.Errorf("after it: %+v", x)
		}
	}
	if len(rows) != 2 {
		t.Errorf("%d rows", len(rows))
	}
}
