package store_test

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// FuzzThreat_T29_Filters: whatever stands in the filters of a list, it finds nothing that the rule in Go does not find, it is no error, and everything is
// there afterwards.
func FuzzThreat_T29_Filters(f *testing.F) {
	s := storetest.Open(f, storetest.Config(f))
	row := workflows.InventoryRow{
		ID: "svc", State: workflows.IdentityActive, Kind: "api_key", Owner: "p_1", Backup: "p_2", Purpose: "rolls out releases", Target: "pg", Environment: "prod",
		ManagedBy: "internal", Expires: 5, Words: []string{"svc"}, Keys: []string{"fp:1"}, Findings: []string{"no_end"},
	}
	if err := putRows(f, s, map[workflows.IdentityID]*workflows.InventoryRow{"svc": &row}); err != nil {
		f.Fatal(err)
	}
	for i, seed := range []string{`' OR '1'='1`, `'; DROP TABLE inventory; --`, `p_1' --`, `$1`, `%`, "fp:1", "no_end", "prod"} {
		f.Add(seed, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, field uint8) {
		if text == "" || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return // no such text comes in: forms, orders and files refuse it
		}
		var q workflows.InventoryQuery
		switch field % 8 {
		case 0:
			q.State = text
		case 1:
			q.Kind = text
		case 2:
			q.Owner = text
		case 3:
			q.Target = workflows.TargetID(text)
		case 4:
			q.Environment = text
		case 5:
			q.ManagedBy = text
		case 6:
			q.Finding = text
		case 7:
			q.Key = text
		}
		want := 0
		if q.Matches(row) {
			want = 1
		}
		if got := countOf(t, s, q); got != want {
			t.Errorf("%+v finds %d, want %d", q, got, want)
		}
		if list, err := s.List(context.Background(), text, text, 5); err != nil || len(list) != 0 {
			t.Errorf("a list %q: %v, %v", text, list, err)
		}
		if countOf(t, s, workflows.InventoryQuery{}) != 1 {
			t.Error("something is gone, or there is more")
		}
	})
}
