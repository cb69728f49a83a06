// Package storetest is the conformance suite of package store: what holds on SQLite must hold on PostgreSQL. After every
// test the whole ledger is verified from outside.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Origin is the ledger of the suite.
const Origin = "test.invalid/countersign/storetest"

// Config is a SQLite ledger in a fresh folder, with a clock that stands still and the events of this package.
func Config(t testing.TB) store.Config {
	t.Helper()
	key, err := ledger.GenerateKey(rand.Reader, Origin)
	if err != nil {
		t.Fatal(err)
	}
	return store.Config{Dir: filepath.Join(t.TempDir(), "data"), Kinds: EventKinds(), Clock: NewClock(), Key: key}
}

// Open opens the ledger, and verifies and closes it when the test ends.
func Open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.PoisonedBy() == nil {
			Check(t, s)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Reopen closes the ledger and opens it again, as a restart does.
func Reopen(t testing.TB, s *store.Store, cfg store.Config) *store.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return Open(t, cfg)
}

// Check verifies the whole ledger.
func Check(t testing.TB, s *store.Store) {
	t.Helper()
	r, err := s.Verify(context.Background())
	if errors.Is(err, store.ErrClosed) {
		return // by the test itself, which opened it again
	}
	if err != nil {
		t.Error(err)
		return
	}
	if !r.OK {
		t.Errorf("the ledger does not verify: %+v", r.Problems)
	}
}

// Append is a decision that adds the given events to one stream.
func Append(stream workflows.StreamID, events ...workflows.Event) func(workflows.Facts) (workflows.Outcome, error) {
	return func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		for _, e := range events {
			out.Add(stream, workflows.Acting{Actor: "a_1", Person: "p_1"}, "", e)
		}
		return out, nil
	}
}

// Must appends events to a stream and fails the test when that does not work.
func Must(t testing.TB, s *store.Store, cause store.Cause, stream workflows.StreamID, events ...workflows.Event) store.Result {
	t.Helper()
	res, err := s.Update(context.Background(), cause, []workflows.StreamID{stream}, Append(stream, events...))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Run runs the suite. fresh gives the configuration of an empty database, another one at each call.
func Run(t *testing.T, fresh func(t *testing.T) store.Config) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Config)
	}{
		{"history", testHistory},
		{"cause", testCause},
		{"refusal", testRefusal},
		{"undecided", testUndecided},
		{"isolation", testIsolation},
		{"fifty votes at once", testFiftyVotes},
		{"batch sees itself", testBatchSeesItself},
		{"documents", testDocuments},
		{"erasure", testErasure},
		{"time", testTime},
		{"publish", testPublish},
		{"append only", testAppendOnly},
		{"reads", testReads},
		{"jobs", testJobs},
		{"claim and settle", testSettle},
		{"leases after a restart", testLeases},
		{"many due at once", testManyDue},
		{"handed over", testHanded},
		{"schedule", testSchedule},
		{"rebuild", testRebuild},
		{"lists", testLists},
		{"count", testCount},
		{"surfaces", testSurfaces},
		{"inbox", testInbox},
		{"directory", testDirectory},
		{"debts", testDebts},
		{"limits", testLimits},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, fresh(t))
		})
	}
}
