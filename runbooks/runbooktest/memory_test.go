package runbooktest_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

// exercised is a Memory made to pass: what it declares, it does.
func exercised(t *testing.T) (runbooktest.System, *runbooktest.Memory) {
	t.Helper()
	var mu sync.Mutex
	now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	m := &runbooktest.Memory{Now: clock, Caps: runbooks.Capabilities{NativeExpiry: true, EndsSessions: true, Timeout: time.Second}}
	start := clock()
	return runbooktest.System{
		Connector: m,
		Grant: func(n int) runbooks.Grant {
			id := workflows.GrantID("g_" + string(rune('a'+n)))
			return runbooks.Grant{
				ID: id, Request: "r_1", Identity: workflows.IdentityID("p_" + string(id)), Account: string(id), Target: "t", Entitlement: "e",
				Params: map[string][]string{"role": {"reader"}}, Fields: map[string]string{"note": "x"}, Start: start, End: start.Add(time.Hour),
			}
		},
		Works:   func(_ *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool { return m.Works(g.ID) },
		Foreign: func(_ *testing.T, g runbooks.Grant) { m.Foreign(g) },
		Advance: func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) },
		Arrived: func(_ *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
			held, _ := m.Held(g.ID)
			switch place.Kind {
			case "account":
				return held.Account
			case "param":
				return held.Params[place.Name][0]
			}
			return held.Fields[place.Name]
		},
	}, m
}

func TestMemoryPasses(t *testing.T) {
	t.Parallel()
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System { s, _ := exercised(t); return s })
}

func TestMemoryMisbehaves(t *testing.T) {
	t.Parallel()
	s, m := exercised(t)
	g := s.Grant(1)
	boom := errors.New("boom")
	m.Script(runbooktest.CallGrant, runbooktest.Fault{Before: boom}, runbooktest.Fault{After: boom}, runbooktest.Fault{})
	if _, err := m.Grant(t.Context(), g); !errors.Is(err, boom) || m.Works(g.ID) {
		t.Errorf("Before: %v, works %v", err, m.Works(g.ID))
	}
	if _, err := m.Grant(t.Context(), g); !errors.Is(err, boom) || !m.Works(g.ID) {
		t.Errorf("After: %v, works %v", err, m.Works(g.ID))
	}
	m.Always(runbooktest.CallRevoke, runbooktest.Fault{Lie: true})
	if _, err := m.Revoke(t.Context(), g); err != nil || !m.Works(g.ID) {
		t.Errorf("Lie: %v, works %v", err, m.Works(g.ID))
	}
	m.Always(runbooktest.CallCheck, runbooktest.Fault{Present: runbooks.Absent})
	if p, err := m.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("a lying check: %s, %v", p, err)
	}
	if m.Calls(runbooktest.CallGrant) != 2 || len(m.Seen()) != 2 || len(m.All()) != 1 {
		t.Errorf("%d calls, %d seen, %d held", m.Calls(runbooktest.CallGrant), len(m.Seen()), len(m.All()))
	}
}
