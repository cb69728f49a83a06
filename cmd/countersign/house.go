package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// The walls keep desk and store apart; this is where they meet.
var _ desk.Ledger = (*store.Store)(nil)

// eventKinds are the events of all rooms, for decoding.
func eventKinds() []workflows.EventKind {
	return slices.Concat(
		workflows.EventKinds(), workflows.PolicyEventKinds(), workflows.SystemEventKinds(), grants.EventKinds(), reviews.EventKinds(), runs.EventKinds(), campaigns.EventKinds(),
		incidents.EventKinds(), escalations.EventKinds(), identities.EventKinds(), targets.EventKinds(),
	)
}

// clockOf is product time: the machine's, or the demo's that jumps.
func clockOf(c Config) (jobs.Clock, error) {
	if c.DemoClock == "" {
		return jobs.NewSystem(), nil
	}
	return newDemoClock(c.DemoClock)
}

// diskReserve is some two hundred entries with their jobs, and the log is folded every second: enough to take back what is due on a full
// disk for as long as it takes somebody to make room.
const diskReserve = 8 << 20

// storeConfig is how serve and the ledger commands open the ledger.
func storeConfig(c Config, clock jobs.Clock, key ledger.Key, log *slog.Logger) store.Config {
	next, previous := besideKey(c, key)
	machine := clockVirtual
	if c.DemoClock == "" {
		machine = machineClock()
	}
	return store.Config{
		DSN: c.Database, Dir: c.Data, WitnessPath: c.Witness, Kinds: eventKinds(), Clock: clock, Key: key, Next: next, Previous: previous,
		Virtual: c.DemoClock != "", Version: version(), Rules: rulesNow, MachineClock: machine, Log: log, Reserve: diskReserve,
	}
}

// clockIDs makes time-ordered random ids: ten characters of milliseconds, sixteen of randomness, in the alphabet of
// Crockford's base 32, as ULID does.
type clockIDs struct{ clock jobs.Clock }

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// New implements desk.IDs.
func (i clockIDs) New(prefix string) string {
	var r [16]byte
	rand.Read(r[:]) // never fails: crypto/rand ends the program instead
	ms := uint64(i.clock.Now().Wall.UnixMilli())
	var b [26]byte
	for k := range 10 {
		b[9-k] = crockford[ms&31]
		ms >>= 5
	}
	for k := range 16 {
		b[10+k] = crockford[r[k]&31]
	}
	return prefix + string(b[:])
}

// Nonce implements desk.IDs.
func (clockIDs) Nonce() string {
	var r [16]byte
	rand.Read(r[:])
	return hex.EncodeToString(r[:])
}

// openHealthy opens the ledger for writing. The error says whether it is one that leaves revoking as the only thing to do.
func openHealthy(ctx context.Context, c Config, clock jobs.Clock, key ledger.Key, log *slog.Logger) (*store.Store, bool, error) {
	cfg := storeConfig(c, clock, key, log)
	cfg.Instance, _ = os.Hostname()
	if cfg.Instance == "" {
		cfg.Instance = "countersign"
	}
	said, err := store.ReadAcceptance(cfg.AcceptanceFile())
	if err != nil {
		return nil, false, err
	}
	if said.ConfirmedBy != "" {
		cfg.Accept = &said
	}
	if cfg.Remembered, err = remembrance(ctx, c, cfg); err != nil {
		var no unaskedError
		return nil, errors.As(err, &no), err
	}
	s, err := store.Open(ctx, cfg)
	if err == nil {
		return s, false, nil
	}
	var rollback *ledger.RollbackError
	var fork *ledger.ForkError
	failed := errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrWitness) || errors.As(err, &rollback) || errors.As(err, &fork)
	return nil, failed, err
}

// reloader reads the configuration folder again and puts it in force as a whole, or not at all.
type reloader struct {
	mu    sync.Mutex
	cfg   Config
	store *store.Store
	desk  *desk.Desk
	feeds *feedKeeper
	log   *slog.Logger
}

func (r *reloader) reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	folder, err := r.feeds.read(ctx, r.cfg.Config)
	if err != nil {
		return err
	}
	return r.load(ctx, folder, authorOf(ctx, r.cfg.Config))
}

// take loads a folder that was read before, with what its feeds say now.
func (r *reloader) take(ctx context.Context, folder *spec.Folder) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.load(ctx, folder, r.desk.Policy().Author)
}

func (r *reloader) load(ctx context.Context, folder *spec.Folder, author desk.Author) error {
	policy, _, err := compile(ctx, r.store, folder)
	if err != nil {
		return err
	}
	policy.Author = author
	if err := r.desk.Load(ctx, policy); err != nil {
		return err
	}
	r.log.Info("configuration loaded", "workflows", len(policy.Workflows), "people", len(policy.People), "waits_for_approval", r.desk.Holds())
	return nil
}

// runner joins every target to its connector.
func newRunner(c *connectors, log *slog.Logger) *runbooks.Runner {
	return runbooks.NewRunner(c.byTarget, log)
}

// waitAll waits for goroutines, at most as long as a stop may take.
func waitAll(wg *sync.WaitGroup, most time.Duration) error {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(most):
		return fmt.Errorf("something did not stop within %v", most)
	}
}
