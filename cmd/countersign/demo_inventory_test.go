package main

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"testing"
	"time"
)

// The inventory that a demo offers is taken in as it is, on any day, and shows one of each fault.
func TestDemoInventoryShowsEachFault(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	mustSay(t, d.advance(t.Context(), 53*24*time.Hour))
	mustSay(t, writeDemoInventory(d.dir, d.clock.Now().Wall))
	said(t, d.identityCLI(t, "import", filepath.Join(d.dir, demoInventoryFile), "-source", "cmdb"), "6 new")
	var r reply
	mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "report", "-json")), &r))
	var rep inventoryReport
	mustSay(t, json.Unmarshal(r.Data, &rep))
	want := map[string]int{
		"agent_incomplete": 1, "ends_soon": 1, "expired": 1, "no_backup": 2, "no_end": 1, "no_sponsor": 1, "over_scoped": 1, "too_old": 2, "unmanaged_secret": 1,
		"unowned": 1, "no_revocation": 1,
	}
	got := map[string]int{}
	for k, n := range rep.Findings {
		if n > 0 {
			got[string(k)] = n
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("findings %v, want %v", got, want)
	}
}
