package runbooktest

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// CallList is the name of ListAccess, for Script, Always and Calls.
const CallList = "list"

// Foreign makes access by the hand of another administrator: it is listed with who made it, and not as ours.
func (m *Memory) Foreign(g runbooks.Grant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(g)
	if m.foreign == nil {
		m.foreign = map[workflows.GrantID]bool{}
	}
	m.foreign[g.ID] = true
}

// ListAccess lists what the target has now.
func (m *Memory) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		f, release := m.begin(CallList)
		var all []runbooks.Access
		err := m.act(ctx, f, release, func() error {
			for _, id := range slices.Sorted(maps.Keys(m.access)) {
				if g := m.access[id]; m.now().Before(g.End) {
					all = append(all, m.accessOf(g))
				}
			}
			return nil
		})
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
		if err != nil {
			yield(runbooks.Access{}, err)
		}
	}
}

// accessOf is a grant as it is listed; the caller holds mu.
func (m *Memory) accessOf(g runbooks.Grant) runbooks.Access {
	x := runbooks.Access{
		Key: m.AccessKey(g), Account: g.Account, Params: g.Clone().Params, What: "the entitlement " + string(g.Entitlement),
		Ours: true, Grant: g.ID, Ends: g.End, MadeBy: "countersign", MadeAt: g.Start,
	}
	if x.Account == "" {
		x.Account = string(g.Identity)
	}
	if m.foreign[g.ID] {
		x.Key, x.Ours, x.Grant, x.MadeBy = "by hand "+string(g.ID), false, "", "root"
	}
	return x
}

// AccessKey is the grant's id.
func (m *Memory) AccessKey(g runbooks.Grant) string { return string(g.ID) }

// RemoveAccess takes away what is listed under the key.
func (m *Memory) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	f, release := m.begin(CallRevoke)
	err := m.act(ctx, f, release, func() error {
		maps.DeleteFunc(m.access, func(_ workflows.GrantID, g runbooks.Grant) bool { return m.accessOf(g).Key == a.Key })
		return nil
	})
	return runbooks.Receipt{Ref: "memory/" + a.Key}, err
}
