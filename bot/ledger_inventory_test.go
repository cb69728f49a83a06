package bot_test

import (
	"cmp"
	"context"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Inventory implements desk.Ledger: every identity is folded anew.
func (m *memory) Inventory(_ context.Context, q workflows.InventoryQuery) ([]workflows.InventoryRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []workflows.InventoryRow
	for stream, h := range m.histories {
		if stream.Kind() != workflows.KindIdentity {
			continue
		}
		o, err := desk.Outstanding(stream, h)
		if err != nil {
			return nil, err
		}
		if o.Row != nil && q.Matches(*o.Row) {
			out = append(out, *o.Row)
		}
	}
	slices.SortFunc(out, func(a, b workflows.InventoryRow) int { return cmp.Compare(a.ID, b.ID) })
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

// SharedKeys implements desk.Ledger: nothing here shares a secret.
func (m *memory) SharedKeys(context.Context, string) ([]workflows.IdentityID, error) { return nil, nil }
