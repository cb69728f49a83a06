package runbooks_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

// givesID starts, reads and stops a grant of any id: a connector hears of it only when it can stand as a file's name, inside of one folder, as it is.
func givesID(t *testing.T, id string) {
	t.Helper()
	m := &runbooktest.Memory{}
	r := runbooks.NewRunner(map[string]runbooks.Connector{"t": m}, nil)
	g := grantOf(1)
	g.ID = workflows.GrantID(id)
	_, started := r.Start(t.Context(), "t", g)
	_, read := r.Read(t.Context(), "t", g)
	_, _, stopped := r.Stop(t.Context(), "t", g)
	heard := m.Calls(runbooktest.CallGrant) + m.Calls(runbooktest.CallRevoke) + m.Calls(runbooktest.CallCheck)
	plain := filepath.IsLocal(id) && filepath.Base(id) == id && strings.HasPrefix(id, "g_") && !strings.ContainsAny(id, "\\:\x00 \n.%~$*?") && len(id) <= 256
	switch {
	case heard > 0 && !plain:
		t.Errorf("connectors are given the id %q", id)
	case heard == 0 && (started == nil || read == nil || stopped == nil):
		t.Errorf("%q: nobody was asked, and it went well: %v, %v, %v", id, started, read, stopped)
	}
}

// TestThreat_T58_OnlyOurIdsReachAConnector: none of them is given an id that could lead to another file than its own.
func TestThreat_T58_OnlyOurIdsReachAConnector(t *testing.T) {
	t.Parallel()
	for _, s := range runbooktest.Nasty() {
		for _, id := range []string{s, "g_" + s, "g_../" + s, "g_1/../../" + s, "g_1" + s, `g_1\..\` + s} {
			givesID(t, id)
		}
	}
	m := &runbooktest.Memory{}
	if _, err := runbooks.NewRunner(map[string]runbooks.Connector{"t": m}, nil).Start(t.Context(), "t", grantOf(1)); err != nil || m.Calls(runbooktest.CallGrant) == 0 {
		t.Errorf("an id of ours is refused: %v", err)
	}
}

func FuzzGrantID(f *testing.F) {
	for _, s := range []string{"g_1", "g_01JABC-x_9", "../x", "g_../x", "g_\x00", "g_1/..", "G_1", "g_é", "g_", ""} {
		f.Add(s)
	}
	f.Fuzz(givesID)
}
