package store_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// What people type reaches the database as a value and never as a part of the question, whichever filter it stands in: each reading answers as
// the rule in Go says, and everything is still there afterwards.
func TestThreat_T29_FiltersAreValues(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Config(t))
	row := workflows.InventoryRow{
		ID: "svc", State: workflows.IdentityActive, Kind: "api_key", Owner: "p_1", Backup: "p_2", Purpose: "rolls out releases", Target: "pg", Environment: "prod",
		ManagedBy: "internal", Expires: 5, LastUsed: 3, Words: []string{"svc"}, Keys: []string{"fp:1"}, Findings: []string{"no_end"},
	}
	if err := putRows(t, s, map[workflows.IdentityID]*workflows.InventoryRow{"svc": &row}); err != nil {
		t.Fatal(err)
	}
	before := countOf(t, s, workflows.InventoryQuery{})
	for _, hostile := range []string{
		`' OR '1'='1`, `' OR 1=1 --`, `'; DROP TABLE inventory; --`, `") OR ("1"="1`, `') UNION SELECT doc FROM inventory --`, `%`, `_`, `\`, `\'`, `svc'/*`, `$1`, `?`, "svc\x00", "=fp:1",
		`api_key' AND 'a'='a`, "prod' --", "‘ OR 1=1", "no_end' ",
	} {
		fields := reflect.TypeFor[workflows.InventoryQuery]()
		for i := range fields.NumField() {
			var q workflows.InventoryQuery
			v := reflect.ValueOf(&q).Elem().Field(i)
			switch {
			case v.Kind() == reflect.String:
				v.SetString(hostile)
			case v.Kind() == reflect.Slice:
				v.Set(reflect.ValueOf([]string{hostile}))
			default:
				continue
			}
			want := 0
			if q.Matches(row) {
				want = 1
			}
			if got := countOf(t, s, q); got != want {
				t.Errorf("%s = %q finds %d, want %d", fields.Field(i).Name, hostile, got, want)
			}
		}
		ctx := context.Background()
		if got, err := s.List(ctx, hostile, hostile, 5); err != nil || len(got) != 0 {
			t.Errorf("a list %q: %v, %v", hostile, got, err)
		}
		if got, err := s.Page(ctx, hostile, hostile, workflows.StreamID(hostile), 5); err != nil || len(got) != 0 {
			t.Errorf("a page of %q: %v, %v", hostile, got, err)
		}
		if got, err := s.Streams(ctx, hostile, 0); err != nil || len(got) != 0 {
			t.Errorf("streams of %q: %v, %v", hostile, got, err)
		}
		if p, err := s.PersonByKey(ctx, hostile); err != nil || p.Ref != "" {
			t.Errorf("a person %q: %+v, %v", hostile, p, err)
		}
		if _, err := s.Entry(ctx, hostile); err == nil {
			t.Errorf("there is an entry %q", hostile)
		}
	}
	if got := countOf(t, s, workflows.InventoryQuery{}); got != before {
		t.Errorf("%d identities are left of %d", got, before)
	}
}

func countOf(tb testing.TB, s *store.Store, q workflows.InventoryQuery) int {
	tb.Helper()
	rows, err := s.Inventory(context.Background(), q)
	if err != nil {
		tb.Errorf("%+v: %v", q, err)
	}
	return len(rows)
}
