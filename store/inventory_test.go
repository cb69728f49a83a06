package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

func putRows(tb testing.TB, s *store.Store, rows map[workflows.IdentityID]*workflows.InventoryRow) error {
	tb.Helper()
	_, err := s.Update(context.Background(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		out := workflows.Outcome{Inventory: map[workflows.StreamID]*workflows.InventoryRow{}}
		for id, r := range rows {
			out.Inventory[workflows.IdentityStream(id)] = r
		}
		return out, nil
	})
	return err
}

func anyRow(t *rapid.T, id workflows.IdentityID) *workflows.InventoryRow {
	pick := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	r := &workflows.InventoryRow{
		ID: id, State: pick("state", workflows.IdentityUnclaimed, workflows.IdentityActive, workflows.IdentitySuspended, workflows.IdentityRetired),
		Kind: pick("kind", "api_key", "service_account"), Owner: pick("owner", "", "p_1", "group:dba"), Backup: pick("backup", "", "p_1"),
		Target: workflows.TargetID(pick("target", "", "pg")), Environment: pick("environment", "", "prod"), ManagedBy: pick("by", "internal", "vendor"),
		Purpose: pick("purpose", "rolls out releases", "moves money"), Expires: workflows.Stamp(rapid.IntRange(0, 3).Draw(t, "expires")),
		LastUsed: workflows.Stamp(rapid.IntRange(0, 3).Draw(t, "used")),
		Words:    rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"deploy", "dep", "svc", "a_b", "axb", "100%", "übung"}), 0, 4, rapid.ID[string]).Draw(t, "words"),
		Keys:     rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"subject:a b|c", "subject:a%20b|c", "fp:1"}), 0, 2, rapid.ID[string]).Draw(t, "keys"),
		Findings: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"unowned", "no_end", "no_endx"}), 0, 2, rapid.ID[string]).Draw(t, "findings"),
	}
	if r.State == workflows.IdentityActive {
		r.Owner, r.Expires = "p_1", max(r.Expires, 1)
	}
	return r
}

func anyQuery(t *rapid.T) workflows.InventoryQuery {
	pick := func(what string, of ...string) string { return rapid.SampledFrom(append(of, "", "", "")).Draw(t, what) }
	return workflows.InventoryQuery{
		Words: rapid.SliceOfN(rapid.SampledFrom([]string{"dep", "deploy", "s", "a_", "100%", "üb", "="}), 0, 2).Draw(t, "words"),
		Key:   pick("key", "subject:a b|c", "subject:a%20b|c", "fp:1", "fp:2"), State: pick("state", "active", "unclaimed"), Kind: pick("kind", "api_key"),
		Owner: pick("owner", "p_1", "group:dba"), Target: workflows.TargetID(pick("target", "pg")), Environment: pick("environment", "prod"),
		ManagedBy: pick("by", "vendor"), Finding: pick("finding", "no_end", "unowned"), EndsBefore: workflows.Stamp(rapid.IntRange(0, 3).Draw(t, "ends")),
		UsedBefore: workflows.Stamp(rapid.IntRange(0, 3).Draw(t, "used")), After: workflows.IdentityID(pick("after", "i3", "zz")),
		Limit: rapid.IntRange(0, 4).Draw(t, "limit"),
	}
}

// What SQL finds is what Matches says, however rows come, change and go.
func TestInventoryFindsWhatMatches(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Config(t))
	have := map[workflows.IdentityID]*workflows.InventoryRow{}
	rapid.Check(t, func(t *rapid.T) {
		change := map[workflows.IdentityID]*workflows.InventoryRow{}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			id := workflows.IdentityID(fmt.Sprintf("i%d", rapid.IntRange(0, 6).Draw(t, "id")))
			change[id] = nil
			if rapid.IntRange(0, 4).Draw(t, "what") > 0 {
				change[id] = anyRow(t, id)
			}
		}
		if err := putRows(nopTB{}, s, change); err != nil {
			t.Fatal(err)
		}
		for id, r := range change {
			delete(have, id)
			if r != nil {
				have[id] = r
			}
		}
		q := anyQuery(t)
		got, err := s.Inventory(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		var want []workflows.InventoryRow
		for _, r := range have {
			if q.Matches(*r) {
				want = append(want, *r)
			}
		}
		slices.SortFunc(want, func(a, b workflows.InventoryRow) int { return strings.Compare(string(a.ID), string(b.ID)) })
		if q.Limit > 0 && len(want) > q.Limit {
			want = want[:q.Limit]
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(workflows.InventoryRow{}, "Words", "Keys")); d != "" {
			t.Fatalf("%+v (-want +got):\n%s", q, d)
		}
	})
}

// Keys stand in the index of words: a search that begins with their mark would read them piece by piece, where only the whole name counts.
func TestNoWordFindsAKey(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Config(t))
	row := workflows.InventoryRow{ID: "svc", State: workflows.IdentityUnclaimed, Kind: "api_key", Words: []string{"svc"}, Keys: []string{"fp:1"}}
	if err := putRows(t, s, map[workflows.IdentityID]*workflows.InventoryRow{"svc": &row}); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]int{"=": 0, "=fp:1": 0, "sv": 1} {
		if got, err := s.Inventory(context.Background(), workflows.InventoryQuery{Words: []string{word}}); err != nil || len(got) != want {
			t.Errorf("%q finds %d (%v), want %d", word, len(got), err, want)
		}
	}
}

// nopTB lets helpers of tests be used inside a property.
type nopTB struct{ testing.TB }

func (nopTB) Helper() {}

// The database itself refuses an active identity without owner, purpose or end, whoever writes it (R23).
func TestReq_R23_TheDatabaseDemandsOwnerPurposeAndEnd(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	good := workflows.InventoryRow{ID: "svc", State: workflows.IdentityActive, Kind: "api_key", Owner: "p_1", Purpose: "rolls out releases", Expires: 5}
	if err := putRows(t, s, map[workflows.IdentityID]*workflows.InventoryRow{"svc": &good}); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*workflows.InventoryRow){
		"owner": func(r *workflows.InventoryRow) { r.Owner = "" }, "purpose": func(r *workflows.InventoryRow) { r.Purpose = "deploys" },
		"end": func(r *workflows.InventoryRow) { r.Expires = 0 }, "state": func(r *workflows.InventoryRow) { r.State = "fine" },
	} {
		bad := good
		spoil(&bad)
		if err := putRows(t, s, map[workflows.IdentityID]*workflows.InventoryRow{"svc": &bad}); err == nil || !strings.Contains(err.Error(), "CHECK") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(cfg.Dir, "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `UPDATE inventory SET owner = '' WHERE id = 'svc'`); err == nil || !strings.Contains(err.Error(), "constraint") {
		t.Errorf("another program takes the owner away: %v", err)
	}
}

// BenchmarkInventory keeps 100,000 rows and asks for pages of them in every way that a list or a search can: by each filter, common, rare and
// held by nobody, alone and beside others.
func BenchmarkInventory(b *testing.B) {
	s := storetest.Open(b, storetest.Config(b))
	const all = 100_000
	kinds := []string{"api_key", "service_account", "certificate"}
	b.Run("import", func(b *testing.B) {
		for b.Loop() {
			for from := 0; from < all; from += 200 {
				rows := map[workflows.IdentityID]*workflows.InventoryRow{}
				for i := from; i < from+200; i++ {
					id := workflows.IdentityID(fmt.Sprintf("svc-%06d", i))
					rows[id] = &workflows.InventoryRow{
						ID: id, State: workflows.IdentityActive, Kind: kinds[i%3], Owner: fmt.Sprintf("p_%d", i%500), Backup: fmt.Sprintf("p_b%d", i%700), Purpose: "rolls out releases of a service",
						Expires: workflows.Stamp(i + 1), LastUsed: workflows.Stamp(all - i), Target: "pg-main", Environment: "production", ManagedBy: "internal", Name: fmt.Sprintf("Service robot %d", i),
						Words:    []string{string(id), "service", "robot", fmt.Sprint(i), "svc", fmt.Sprintf("%06d", i), "production", "releases", kinds[i%3]},
						Findings: []string{"no_backup", "no_revocation"}[:i%3], Sources: []string{"import/cmdb"}, Keys: []string{fmt.Sprintf("fp:%064d", i)},
					}
				}
				rare := rows["svc-099000"]
				if rare != nil {
					rare.Findings, rare.State, rare.Kind, rare.Target, rare.Environment, rare.ManagedBy, rare.Backup = []string{"conflict"}, workflows.IdentityUnclaimed, "ai_agent", "ldap", "test", "vendor", "p_rare"
				}
				if err := putRows(b, s, rows); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	for _, q := range []struct {
		name string
		ask  workflows.InventoryQuery
	}{
		{"first page", workflows.InventoryQuery{}},
		{"last page", workflows.InventoryQuery{After: "svc-099900"}},
		{"word, rare", workflows.InventoryQuery{Words: []string{"099999"}}},
		{"word, common", workflows.InventoryQuery{Words: []string{"robot"}}},
		{"word, none", workflows.InventoryQuery{Words: []string{"nothing"}}},
		{"words, two common", workflows.InventoryQuery{Words: []string{"robot", "prod"}}},
		{"words, two that never meet", workflows.InventoryQuery{Words: []string{"certificate", "api"}}},
		{"words, common, of a rare kind", workflows.InventoryQuery{Words: []string{"robot", "service", "production"}, Kind: "ai_agent"}},
		{"key", workflows.InventoryQuery{Key: fmt.Sprintf("fp:%064d", 77)}},
		{"owner", workflows.InventoryQuery{Owner: "p_77"}},
		{"owner, only backs up", workflows.InventoryQuery{Owner: "p_rare"}},
		{"owner, none", workflows.InventoryQuery{Owner: "p_nobody"}},
		{"state, common", workflows.InventoryQuery{State: "active"}},
		{"state, rare", workflows.InventoryQuery{State: "unclaimed"}},
		{"state, none", workflows.InventoryQuery{State: "retired"}},
		{"kind, common", workflows.InventoryQuery{Kind: "api_key"}},
		{"kind, rare", workflows.InventoryQuery{Kind: "ai_agent"}},
		{"target, common", workflows.InventoryQuery{Target: "pg-main"}},
		{"target, rare", workflows.InventoryQuery{Target: "ldap"}},
		{"environment, rare", workflows.InventoryQuery{Environment: "test"}},
		{"managed by, rare", workflows.InventoryQuery{ManagedBy: "vendor"}},
		{"ends, rare", workflows.InventoryQuery{EndsBefore: 20}},
		{"ends, all", workflows.InventoryQuery{EndsBefore: all * 2}},
		{"used, rare", workflows.InventoryQuery{UsedBefore: 20}},
		{"used, all", workflows.InventoryQuery{UsedBefore: all * 2}},
		{"finding, common", workflows.InventoryQuery{Finding: "no_backup"}},
		{"finding, rare", workflows.InventoryQuery{Finding: "conflict"}},
		{"finding, none", workflows.InventoryQuery{Finding: "unowned"}},
		{"finding of a state, none", workflows.InventoryQuery{State: "active", Finding: "unowned"}},
		{"kind of a target, ends, none", workflows.InventoryQuery{Target: "pg-main", Kind: "certificate", EndsBefore: 1}},
	} {
		b.Run(q.name, func(b *testing.B) {
			q.ask.Limit = 50
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := s.Inventory(b.Context(), q.ask); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
