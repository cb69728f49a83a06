package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// A ledger that fails a check decides nothing any more, but access that is due must still end: that is the safe direction.
// revokeOnly opens it for reading, takes back what is due, writes what it did to a file beside the witness, refuses all else with
// the reason, and says so loudly. The next healthy start records the debts first.

type revoking struct {
	cfg    Config
	log    *slog.Logger
	clock  jobs.Clock
	store  *store.Store
	desk   *desk.Desk
	runner *runbooks.Runner
	why    error
	people spec.Policies // who may act on the people's socket; empty when the folder does not compile
	debts  string        // file
	count  atomic.Int64
	live   []desk.Holding // every grant that is not over; nil before they were read

	mu    sync.Mutex
	busy  map[workflows.TargetID]bool // a sweep of this target is under way
	done  map[workflows.GrantID]bool  // taken back by this process
	noted map[string]bool             // written down, also by earlier ones

	accept acceptance
}

const revokeEvery = time.Second

// revokeOnly takes back what is due. accept is the word of whoever started it that entries are gone. It runs until ctx ends, or until two people accepted that entries are gone: then accepted is true and the ledger can be opened.
func revokeOnly(ctx context.Context, c Config, clock jobs.Clock, keys *keyring, key ledger.Key, log *slog.Logger, why error, accept string) (accepted bool, err error) {
	log.Error("THE LEDGER FAILS A CHECK: nothing is decided or granted; only what is due is revoked", "why", why)
	cfg := storeConfig(c, clock, key, log)
	r := &revoking{
		cfg: c, log: log, clock: clock, why: why, debts: cfg.DebtsFile(), done: map[workflows.GrantID]bool{}, busy: map[workflows.TargetID]bool{},
	}
	if r.noted, err = notedDebts(r.debts); err != nil {
		return false, brokenError{errors.Join(why, err)}
	}
	if r.store, err = store.OpenReadOnly(ctx, cfg); err != nil {
		return false, brokenError{errors.Join(why, fmt.Errorf("reading it for revocations: %w", err))}
	}
	defer r.store.Close()
	if r.people, err = r.configuration(ctx); err != nil {
		return false, brokenError{errors.Join(why, err)}
	}
	conns := openTargets(c, keys, clock, r.people.Targets, log)
	defer conns.Close()
	r.runner = newRunner(conns, log)
	r.desk = desk.New(desk.Config{Ledger: r.store, IDs: clockIDs{clock}, Log: log})
	if err := r.beginAcceptance(ctx, cfg, accept); err != nil {
		return false, brokenError{errors.Join(why, err)}
	}
	accepted = r.serve(ctx, conns)
	return accepted, brokenError{why}
}

// configuration reads the folder. When it does not compile, the targets that the ledger holds of the last good one are enough to take access back.
func (r *revoking) configuration(ctx context.Context) (spec.Policies, error) {
	folder, err := readFolder(r.cfg.Config)
	var compiled spec.Policies
	if err == nil {
		compiled, err = folder.Compile(func(key string) workflows.PersonID {
			p, err := r.store.PersonByKey(ctx, "people:"+key)
			if err != nil || p.Ref == "" {
				return workflows.PersonID("p_" + key)
			}
			return p.Ref
		})
	}
	if err == nil {
		return compiled, nil
	}
	r.log.Error("the configuration folder is not good either: access is taken back by the last configuration that the ledger holds", "err", err)
	last, lastErr := lastTargets(ctx, r.store)
	if lastErr != nil {
		return last, errors.Join(err, lastErr)
	}
	return last, nil
}

// serve runs until ctx ends or the loss is accepted; how the process then exits says that the ledger is broken.
func (r *revoking) serve(ctx context.Context, conns *connectors) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	if l, err := net.Listen("tcp", r.cfg.Listen); err == nil {
		mux := http.NewServeMux()
		routes(mux, []check{{name: screens.Sentencef("ledger"), look: func() (bool, screens.Sentence) {
			return false, screens.Plain(fmt.Sprintf("revoke-only: %v; %d grants taken back", r.why, r.count.Load()))
		}}}, prometheus.NewRegistry())
		conns.routes(mux)
		wg.Go(func() { serveHTTP(ctx, l, http.MaxBytesHandler(mux, maxHTTPBody), r.log) })
	} else {
		r.log.Error("the web server does not start", "err", err)
	}
	if l, err := listenPeople(r.cfg); err == nil {
		wg.Go(func() { serveHTTP(ctx, l, orders(r.obey, r.log, r.clock), r.log) })
	} else {
		r.log.Error("the people's socket does not open", "err", err)
	}
	wg.Go(func() { r.refuseInSlack(ctx, r.people.Settings.SecurityChannel) })
	accepted := false
	for ctx.Err() == nil && !accepted {
		r.sweep(ctx, &wg)
		select {
		case <-ctx.Done():
		case <-r.accept.done:
			accepted = true
		case <-time.After(revokeEvery):
		}
	}
	stop()
	if err := waitAll(&wg, stopWithin); err != nil {
		r.log.Warn("stopping", "err", err)
	}
	return accepted
}

// sweep takes back every live grant whose end has come, each target on its own: one that hangs delays no other. A failure stays due and is
// tried again, for ever.
func (r *revoking) sweep(ctx context.Context, wg *sync.WaitGroup) {
	if r.live == nil { // it is not written: what lives in it now is all that ever will
		live, err := liveHoldings(ctx, r.store)
		if err != nil {
			r.log.Error("grants cannot be read", "err", err)
			return
		}
		r.live = live
	}
	now := workflows.StampOf(r.clock.Now().Wall)
	due := map[workflows.TargetID][]grants.Hold{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.live {
		target := g.Hold.Approved.Target
		if !r.busy[target] && !r.done[g.Hold.Approved.Grant] && (g.Hold.Status == grants.StatusEnding || now.After(g.Hold.Ends.UTC)) {
			due[target] = append(due[target], g.Hold)
		}
	}
	for target, holds := range due {
		r.busy[target] = true
		wg.Go(func() {
			defer func() {
				r.mu.Lock()
				r.busy[target] = false
				r.mu.Unlock()
			}()
			r.sweepTarget(ctx, holds, now)
		})
	}
}

// liveHoldings reads every grant that is not over from the streams themselves: a list is bounded, and beside the ledger.
func liveHoldings(ctx context.Context, s *store.Store) ([]desk.Holding, error) {
	out := []desk.Holding{}
	for after := int64(-1); ; {
		streams, err := s.Streams(ctx, workflows.KindGrant, after)
		if err != nil || len(streams) == 0 {
			return out, err
		}
		for _, stream := range streams {
			h, err := s.History(ctx, stream)
			if err != nil {
				return nil, err
			}
			st, err := grants.Fold(h)
			if err != nil {
				return nil, fmt.Errorf("folding %q: %w", stream, err)
			}
			for _, hold := range st.Holds {
				if hold.Live() {
					out = append(out, desk.Holding{Stream: stream, Hold: hold})
				}
			}
			after = h[0].Index
		}
	}
}

func (r *revoking) sweepTarget(ctx context.Context, holds []grants.Hold, now workflows.Stamp) {
	gate := make(chan struct{}, sweepAtOnce)
	var wg sync.WaitGroup
	for _, h := range holds {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			r.takeBack(ctx, h, now)
		})
	}
	wg.Wait()
}

const sweepAtOnce = 4 // calls to one target at once: one grant that hangs does not hold up the others of its target

func (r *revoking) takeBack(ctx context.Context, h grants.Hold, now workflows.Stamp) {
	id := h.Approved.Grant
	receipt, presence, err := r.runner.Stop(ctx, connectorOf(h), grantOf(h))
	if err != nil {
		if ctx.Err() == nil {
			r.log.Error("a revocation did not succeed and is tried again", "grant", id, "target", h.Approved.Target, "err", err)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.noted[string(id)] {
		said := string(presence) + " " + receipt.Ref
		if err := store.AppendDebt(r.debts, store.DebtRecorded{What: debtRevoked, Grant: string(id), Said: said, AtRun: now}); err != nil {
			r.log.Error("a revocation could not be written down: the next healthy start takes it back once more, and records it", "grant", id, "err", err)
		} else {
			r.noted[string(id)] = true
		}
	}
	r.done[id] = true
	r.count.Add(1)
}

const debtRevoked = "revoked"

// notedDebts are the grants that an earlier revoke-only process wrote down. They are taken back once more, because a target may
// have been put back too, but they are recorded once.
func notedDebts(file string) (map[string]bool, error) {
	out := map[string]bool{}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was taken back before: %w", err)
	}
	for line := range bytes.Lines(b) {
		var d store.DebtRecorded
		if json.Unmarshal(line, &d) == nil && d.What == debtRevoked { // a torn line was the last thing a process did: it is done again
			out[d.Grant] = true
		}
	}
	return out, nil
}

// refuseInSlack answers everybody who acts with the reason, and tells the security channel once.
func (r *revoking) refuseInSlack(ctx context.Context, channel string) {
	sender, rotation, err := openSlack(ctx, r.cfg, nil, r.log)
	if err != nil {
		r.log.Error("Slack cannot be told", "err", err)
		return
	}
	if rotation != nil {
		keep, stop := context.WithCancel(ctx)
		var wait sync.WaitGroup
		wait.Go(func() { _ = rotation.Run(keep) }) // it ends with keep, and only so
		defer func() { stop(); wait.Wait() }()
	}
	me, _, err := whoAmI(ctx, r.cfg, sender, r.log)
	if err != nil {
		r.log.Error("Slack cannot be told", "err", err)
		return
	}
	if channel != "" {
		text := "Countersign stopped deciding: its ledger fails a check. Access that is due is still taken back. An operator must look: " + runbooks.Redact(r.why.Error(), 500)
		if _, err := sender.PostMessage(ctx, channel, slack.Message{Text: text}); err != nil {
			r.log.Error("the security channel could not be told", "err", err)
		}
	}
	intake, err := slack.NewIntake(slack.IntakeOptions{Inbox: nowhere{}, Handler: closed{sender, r.log}, Installation: me.Installation, Log: r.log})
	if err != nil {
		r.log.Error("Slack cannot be answered", "err", err)
		return
	}
	transport, err := slack.NewTransport(slack.TransportOptions{
		AppToken: r.cfg.SlackApp, APIURL: r.cfg.SlackAPI, Intake: intake, AllowLoopback: r.cfg.SlackAPI != "", Log: r.log,
	})
	if err != nil {
		r.log.Error("Slack cannot be answered", "err", err)
		return
	}
	if err := transport.Run(ctx); err != nil {
		r.log.Error("the connection to Slack stopped", "err", err)
	}
}

// nowhere keeps nothing: there is nothing that could be recorded, and nothing will be done.
type nowhere struct{}

// Put implements slack.Inbox.
func (nowhere) Put(context.Context, slack.Received) (string, bool, error) {
	return "closed", false, nil
}

// closed refuses everything with the reason.
type closed struct {
	sender *slack.Sender
	log    *slog.Logger
}

const closedText = "Not recorded. The ledger failed a check at the last start, so nothing can be asked for, decided or granted until an operator has looked. Access that is due to end is still taken back."

// Handle implements slack.Handler.
func (c closed) Handle(ctx context.Context, in slack.Interaction) (slack.Reply, error) {
	if in.Kind == slack.KindCommand {
		return slack.Reply{Payload: map[string]string{"response_type": "ephemeral", "text": closedText}}, nil
	}
	if in.ResponseURL != "" {
		if err := c.sender.Respond(ctx, in.ResponseURL, slack.Response{Text: closedText}); err != nil {
			c.log.Warn("a refusal was not delivered", "err", err)
		}
	}
	return slack.Reply{}, nil
}
