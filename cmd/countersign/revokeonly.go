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

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
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
	debts  string                     // file
	done   map[workflows.GrantID]bool // taken back by this process
	noted  map[string]bool            // written down, also by earlier ones
	count  atomic.Int64
}

const revokeEvery = time.Second

func revokeOnly(ctx context.Context, c Config, clock jobs.Clock, keys *keyring, key ledger.Key, log *slog.Logger, why error) error {
	log.Error("THE LEDGER FAILS A CHECK: nothing is decided or granted; only what is due is revoked", "why", why)
	r := &revoking{cfg: c, log: log, clock: clock, why: why, debts: storeConfig(c, clock, key, log).DebtsFile(), done: map[workflows.GrantID]bool{}}
	var err error
	if r.noted, err = notedDebts(r.debts); err != nil {
		return brokenError{errors.Join(why, err)}
	}
	if r.store, err = store.OpenReadOnly(ctx, storeConfig(c, clock, key, log)); err != nil {
		return brokenError{errors.Join(why, fmt.Errorf("reading it for revocations: %w", err))}
	}
	defer r.store.Close()
	folder, err := readFolder(c.Config)
	if err != nil {
		return brokenError{errors.Join(why, err)}
	}
	compiled, err := folder.Compile(func(key string) workflows.PersonID {
		p, err := r.store.PersonByKey(ctx, "people:"+key)
		if err != nil || p.Ref == "" {
			return workflows.PersonID("p_" + key)
		}
		return p.Ref
	})
	if err != nil {
		return brokenError{errors.Join(why, err)}
	}
	conns, err := openConnectors(c, keys, clock, compiled.Targets)
	if err != nil {
		return brokenError{errors.Join(why, err)}
	}
	defer conns.Close()
	r.runner = newRunner(conns, log)
	r.desk = desk.New(desk.Config{Ledger: r.store, IDs: clockIDs{clock}, Log: log})
	r.serve(ctx, conns, compiled.Settings)
	return brokenError{why}
}

// serve runs until ctx ends; how it then exits says that the ledger is broken.
func (r *revoking) serve(ctx context.Context, conns *connectors, settings specSettings) {
	var wg sync.WaitGroup
	if l, err := net.Listen("tcp", r.cfg.Listen); err == nil {
		mux := http.NewServeMux()
		routes(mux, []check{{"ledger", func() (bool, string) {
			return false, fmt.Sprintf("revoke-only: %v; %d grants taken back", r.why, r.count.Load())
		}}}, prometheus.NewRegistry())
		conns.routes(mux)
		wg.Go(func() { serveHTTP(ctx, l, mux, r.log) })
	} else {
		r.log.Error("the web server does not start", "err", err)
	}
	wg.Go(func() { r.refuseInSlack(ctx, settings.SecurityChannel) })
	for ctx.Err() == nil {
		r.sweep(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(revokeEvery):
		}
	}
	if err := waitAll(&wg, stopWithin); err != nil {
		r.log.Warn("stopping", "err", err)
	}
}

// sweep takes back every live grant whose end has come. A failure stays due and is tried again, for ever.
func (r *revoking) sweep(ctx context.Context) {
	list, err := r.desk.Grants(ctx, "", 0)
	if err != nil {
		r.log.Error("grants cannot be read", "err", err)
		return
	}
	now := workflows.StampOf(r.clock.Now().Wall)
	for _, g := range list {
		id := g.Hold.Approved.Grant
		if r.done[id] || !(g.Hold.Status == grants.StatusEnding || now.After(g.Hold.Ends.UTC)) {
			continue
		}
		receipt, presence, err := r.runner.Stop(ctx, connectorOf(g.Hold), grantOf(g.Hold))
		if err != nil {
			r.log.Error("a revocation did not succeed and is tried again", "grant", id, "err", err)
			continue
		}
		if !r.noted[string(id)] {
			said := string(presence) + " " + receipt.Ref
			if err := store.AppendDebt(r.debts, store.DebtRecorded{What: debtRevoked, Grant: string(id), Said: said, AtRun: now}); err != nil {
				r.log.Error("a revocation could not be written down", "grant", id, "err", err)
				continue
			}
			r.noted[string(id)] = true
		}
		r.done[id] = true
		r.count.Add(1)
	}
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
	sender, err := slack.NewSender(slack.SenderOptions{Token: r.cfg.SlackBot, APIURL: r.cfg.SlackAPI, AllowLoopback: r.cfg.SlackAPI != ""})
	if err != nil {
		r.log.Error("Slack cannot be told", "err", err)
		return
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
