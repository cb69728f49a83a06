package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/posture"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/web"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

type deskPerson = desk.Person

// serving is the running bot: every part, in the order in which it is started.
type serving struct {
	cfg       Config
	log       *slog.Logger
	clock     jobs.Clock
	keys      *keyring
	store     *store.Store
	sender    *slack.Sender
	rotation  *slack.Rotation // nil: the bot token does not end
	install   slack.Installation
	botUser   string
	confirmed bool // Slack said so at this start; else install and botUser are remembered
	deep      deepCheck
	identity  *bot.Identity
	desk      *desk.Desk
	friction  *friction
	verifier  *verifier
	posture   *posture.Receiver // nil: nobody may report
	leaks     *leakHook         // nil: no scanner may report
	bot       *bot.Bot
	conns     *connectors
	tasks     []taskSource
	runner    *runbooks.Runner
	hand      *handovers
	sweeper   *sweeper
	took      *latency
	pages     *web.Server // nil where no browser can reach them safely
	worker    *jobs.Worker
	intake    *slack.Intake
	transport *slack.Transport // nil without an app-level token
	receiver  *slack.Receiver  // nil without a signing secret
	reloader  *reloader
	feeds     *feedKeeper
	clockHeld *clockHold
	names     *slack.Names
	settings  specSettings
	raised    raised
	seldom    seldom
	out       outflow
	found     ledgerWatch
	wait      sync.WaitGroup // alarms on their way
	mail      *mailer        // nil: no relay
	pager     *pagerClient
	called    sync.Map    // escalations of which the log said whom to call
	gone      atomic.Bool // Slack said that the app was uninstalled or its tokens revoked
}

// stopWithin is how long a stop may take before the process is left to its supervisor.
const stopWithin = 10 * time.Second

func serveCommand(ctx context.Context, p proc) error {
	flags := p.flags("serve", "[-accept-rollback REASON]")
	reason := flags.String("accept-rollback", "", "when the ledger is behind what somebody remembers: your word, as an owner, that entries are gone; another owner confirms it with countersign ledger accept-rollback confirm")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	c, err := loadConfig(p.env)
	if err != nil {
		return err
	}
	if err := c.checkServe(); err != nil {
		return hint(err, "countersign config -example documents every setting; countersign demo needs none")
	}
	syscall.Umask(0o077)
	if err := noCores(); err != nil {
		return fmt.Errorf("keeping secrets out of core files: %w", err)
	}
	log := c.logger(p.err)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if c.DemoClock != "" {
		go func() { io.Copy(io.Discard, p.in); stop() }() // the demo that started us is gone
	}
	return serve(ctx, c, log, *reason)
}

// serve runs the bot. accept is the word of whoever starts it that entries are gone; usually empty.
func serve(ctx context.Context, c Config, log *slog.Logger, accept string) (err error) {
	defer tuneHeap()()
	s := &serving{cfg: c, log: log}
	if s.clock, err = clockOf(c); err != nil {
		return err
	}
	if s.keys, err = openKeys(c.keysDir()); err != nil {
		return err
	}
	s.keys.given = c.LedgerKey
	key, err := s.keys.ledger(c.LedgerOrigin)
	if err != nil {
		return err
	}
	var failed bool
	s.store, failed, err = openHealthy(ctx, c, s.clock, key, log)
	for failed { // until two people accept the loss, if it is one, and the ledger opens
		accepted, why := s.revokeUntil(ctx, key, err, accept)
		if !accepted {
			return why
		}
		accept = ""
		s.store, failed, err = openHealthy(ctx, c, s.clock, key, log)
	}
	if err != nil {
		return err
	}
	defer func() {
		if e := s.store.Close(); err == nil {
			err = e
		}
	}()
	s.keys.announce(log, s.store.VKey())
	if err := s.keys.settle(s.store.VKey()); err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return errors.Join(err, s.conns.Close())
	}
	defer s.conns.Close()
	if pending, err := s.store.Unreconciled(ctx); err != nil {
		return err
	} else if pending {
		if err := s.reconcile(ctx); err != nil {
			return fmt.Errorf("asking the targets after entries were lost: %w", err)
		}
	}
	s.alarmDownTargets()
	return s.run(ctx)
}

// build joins the rooms.
func (s *serving) build(ctx context.Context) (err error) {
	s.conns = &connectors{}
	if s.feeds, err = openFeeds(s.cfg, s.clock, s.log); err != nil {
		return err
	}
	folder, err := s.feeds.read(ctx, s.cfg.Config)
	if err != nil {
		return err
	}
	policy, compiled, err := compile(ctx, s.store, folder)
	if err != nil {
		return err
	}
	policy.Author = authorOf(ctx, s.cfg.Config)
	s.settings = compiled.Settings
	if err := s.promoteKeys(ctx, compiled.Targets); err != nil {
		return err
	}
	if err := s.openOutflow(ctx, folder.Ledger()); err != nil {
		return err
	}
	if compiled.Targets, err = governedTargets(ctx, s.store, compiled.Targets); err != nil {
		return err
	}
	kept, err := openSafe(ctx, s.store, s.keys) // before the targets: credentials out of Vault are kept sealed
	if err != nil {
		return err
	}
	s.conns = openTargets(s.cfg, s.keys, s.clock, compiled.Targets, s.log)
	s.runner = newRunner(s.conns, s.log)
	s.runner.KeepIn(kept)
	if err := s.connectSlack(ctx, compiled.Settings.LinkByEmail); err != nil {
		return err
	}
	if s.mail, err = openMail(s.cfg); err != nil {
		return err
	}
	s.pager = newPagerClient()
	s.took = newLatency(s.clock)
	s.friction, s.verifier = newFriction(s.store), newVerifier()
	s.tasks = taskSources(s.conns, compiled.Targets, wall(s.clock))
	if s.leaks, err = s.openLeakHook(); err != nil {
		return err
	}
	if s.posture, err = s.openPosture(); err != nil {
		return err
	}
	s.desk = desk.New(desk.Config{
		Ledger: s.friction, Directory: s.identity, IDs: clockIDs{s.clock}, Log: s.log, Tasks: deskTasks(s.tasks), Postures: s.postures(),
		Feeds: s.feeds, Abilities: targetAbilities{s.runner}, Standing: standingAccess{s}, Prints: s.keyedPrints, Reader: standingReader{s.runner, s.clock, newCatalogue(s.runner)}, OnPolicy: func(p *desk.Policy) { s.identity.SetPeople(listed(p.People)); s.verifier.poke(); s.keepTreeOf(p) },
	})
	s.hand = &handovers{kept, s.desk}
	if err := s.buildBot(); err != nil {
		return err
	}
	if n, err := s.store.RecordDebts(ctx); err != nil {
		return err
	} else if n > 0 {
		s.log.Warn("what a revoke-only start took back was recorded", "count", n)
	}
	marks, err := s.keys.lateSeed(keyFindings, false)
	if err != nil {
		return err
	}
	s.sweeper = newSweeper(s, marks)
	if err := s.holdClock(ctx); err != nil {
		return err
	}
	s.reloader = &reloader{cfg: s.cfg, store: s.store, desk: s.desk, feeds: s.feeds, log: s.log}
	if err := s.desk.Load(ctx, policy); err != nil {
		return err
	}
	return s.buildJobs(ctx)
}

// connectSlack finds out who we are there; without that no payload could be told from a foreign one.
func (s *serving) connectSlack(ctx context.Context, linkByEmail bool) (err error) {
	s.sender, s.rotation, err = openSlack(ctx, s.cfg, s.tokenLost, s.log)
	if err != nil {
		return err
	}
	if _, ever := readIdentity(s.cfg.identityFile()); !ever { // no start came this far, so no button was ever marked; the next one must not miss the key
		if _, err := s.keys.lateSeed(keyButtons, false); err != nil {
			return err
		}
	}
	me, asked, err := whoAmI(ctx, s.cfg, s.sender, s.log)
	if err != nil {
		return err
	}
	s.confirmed = asked
	s.install, s.botUser = me.Installation, me.UserID
	s.names = slack.NewNames(s.sender)
	s.identity = bot.NewIdentity(bot.IdentityConfig{
		Slack: s.sender, Accounts: accounts{s.store}, Persons: accounts{s.store}, Finder: s.names, Installation: s.install,
		LinkByEmail: linkByEmail, Log: s.log,
	})
	return nil
}

func (s *serving) buildBot() error {
	mac, err := s.keys.seed(keyButtons)
	if err != nil {
		return err
	}
	s.bot, err = bot.New(bot.Config{
		Desk: s.desk, Slack: s.sender, Identity: s.identity, Surfaces: surfaces{s.store}, Inbox: inbox{s.store},
		Histories: s.store, Finder: s.names, Buttons: &bot.Buttons{Key: mac}, BotUser: s.botUser,
		Now: func() workflows.Stamp { return workflows.StampOf(s.clock.Now().Wall) }, Leaves: s.leaves, Handover: botHandover{s}, Decide: s.decideURL, Emergency: s.emergencyURL, Whose: whose{s}, Log: s.log, Sweep: s.sweepAsked, Silent: func(target string) bool { return !s.runner.TellsSessions(target) }, Health: s.conditions, Uninstalled: s.uninstalled,
	})
	if err != nil {
		return err
	}
	s.intake, err = slack.NewIntake(slack.IntakeOptions{
		Inbox: inbox{s.store}, Handler: s.bot, Installation: s.install, Late: s.bot.Late, NotRecorded: s.bot.NotRecorded,
		OnForeign: s.foreign, OnMalformed: s.malformed, OnPanic: s.panicked, Wanted: s.bot.Wanted, Censor: bot.CensorLeaks(whose{s}.Keys), Log: s.log,
	})
	if err != nil {
		return err
	}
	if err := s.buildPages(); err != nil {
		return err
	}
	return s.connectTransports()
}

func (s *serving) leaves(target string) string {
	c, ok := s.runner.Connector(target)
	if !ok {
		return ""
	}
	return c.Describe().RevokeLeaves
}

// run starts everything that moves, in the order in which each needs the others, and stops it in reverse.
func (s *serving) run(ctx context.Context) error {
	if err := s.drain(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("opening %s_LISTEN: %w", prefix, err)
	}
	if l, err = s.cfg.secured(l, counterOffice{s}.Doors); err != nil {
		return err
	}
	sock, err := listenControl(s.cfg.socketPath())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	people, err := listenPeople(s.cfg)
	if err != nil {
		return errors.Join(err, l.Close(), sock.Close())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.sweeper.stopping = ctx.Done()
	var wg sync.WaitGroup
	part := func(name string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s stopped: %w", name, err))
			}
		})
	}
	part("the jobs", s.worker.Run)
	part("the connection to Slack", s.listenToSlack)
	part("the interactions left over", s.finishLeft)
	part("the name in Slack", s.confirmIdentity)
	part("the web server", func(ctx context.Context) error { return serveHTTP(ctx, l, s.front(s.mux()), s.log) })
	part("the control socket", func(ctx context.Context) error {
		return serveHTTP(ctx, sock, http.MaxBytesHandler(s.control().handler(), maxHTTPBody), s.log)
	})
	part("the people's socket", func(ctx context.Context) error {
		return serveHTTP(ctx, people, s.peopleHandler(), s.log)
	})
	if s.rotation != nil {
		if st := s.rotation.Status(); st.Lost {
			s.tokenLost(st.Err)
		}
		part("the exchange of Slack tokens", s.rotation.Run)
	}
	part("the signals", s.reloadOnHangup)
	part("the count of strangers", s.sweepStrangers)
	part("the watch on the clock", s.watchClock)
	part("the feeds of shifts and holidays", s.keepFeeds)
	part("the watch on access", s.verifyAccess)
	part("the watch on the targets", s.watch)
	part("the watch on sessions", s.watchSessions)
	part("the watch on what waits at targets", s.watchWaiting)
	part("the check of the whole ledger", func(ctx context.Context) error { return s.keepChecking(ctx, wholeEvery) })
	s.runOutflow(part)
	s.log.Info("countersign serves", "version", version(), "ledger", s.store.Origin(), "vkey", s.store.VKey(), "listen", l.Addr().String(), "hosts_pull_from", s.cfg.publicURL())
	select {
	case <-ctx.Done():
	case <-s.store.Poisoned():
		cancel(codeError{exitUnknown, s.store.PoisonedBy()})
	}
	s.bot.Close()
	err = context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, waitAll(&wg, stopWithin), waitAll(&s.wait, stopWithin/4))
}

func (s *serving) reloadOnHangup(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			if err := s.reloader.reload(ctx); err != nil {
				s.log.Error("the old configuration stays in force", "err", err)
			}
		}
	}
}

func (s *serving) mux() *http.ServeMux {
	mux := http.NewServeMux()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.metrics()...)
	reg.MustRegister(s.friction.collectors()...)
	reg.MustRegister(s.took.collectors()...)
	routes(mux, s.checks(), reg)
	s.conns.routes(mux)
	s.postureRoute(mux)
	s.scimRoute(mux)
	s.leakRoute(mux)
	if s.pages != nil {
		s.pages.Routes(mux)
	}
	mux.Handle("POST /hooks/{target}", newHooks(s, s.tasks))
	machines := s.apiServer()
	mux.Handle("/v1/", machines)
	mux.Handle("/mcp", machines)
	return mux
}

func (s *serving) control() control {
	return control{reload: s.reloader.reload, held: s.held, clock: s.clock, anchor: s.anchorNow, retain: s.retain, drills: s.drillHealth, behind: s.clockHealth, feeds: s.refeed, health: func() healthReport { return reportOf(s.checks()) }, publish: func(ctx context.Context) (string, error) {
		c, _, err := s.store.Publish(ctx)
		return string(c.Note), err
	}}
}

// buildJobs is the table of jobs: what each kind does, how many at once, and how it is tried again.
func (s *serving) buildJobs(ctx context.Context) error {
	e := effects{s.desk, s.runner, s.clock, s.log, s.hand, s.took, s.clockHeld, &making{done: map[workflows.GrantID]chan struct{}{}}, s.knownBy}
	kinds := map[string]jobs.Kind{
		workflows.JobNotice: {Handle: s.notice, Workers: 8, Urgent: 4, Longest: 5 * time.Minute},
		workflows.JobPaint:  {Handle: s.paint, Workers: 4, Longest: 5 * time.Minute},
		grants.JobDestroy:   {Handle: s.hand.destroy, Workers: 2},
		jobCheckpoint:       {Handle: s.postCheckpoint, Workers: 1},
		jobPrune:            {Handle: s.prune, Workers: 1},
		jobGlassWatch:       {Handle: s.glassWatch, Workers: 1},
		jobShifts:           {Handle: s.shifts, Workers: 1},
		jobLedgerWatch:      {Handle: s.watchLedger, Workers: 1},
		jobCampaigns:        {Handle: s.beginCampaigns, Workers: 1},
		jobDigest:           {Handle: s.sendDigests, Workers: 1},
		jobSurvey:           {Handle: s.survey, Workers: 1},
		jobUnused:           {Handle: s.suspendUnused, Workers: 1},
		jobRotations:        {Handle: s.carryRotations, Workers: 1},
		runs.JobStep:        {Handle: e.step, Key: stepTarget, Workers: 8},
		incidents.JobSettle: {Handle: s.settleIncident, Workers: 2},
		runs.JobUndo:        {Handle: e.undo, Key: stepTarget, Workers: 8},
		runs.JobDestroy:     {Handle: e.destroy, Workers: 2},
	}
	maps.Copy(kinds, s.grantJobs(e))
	s.worker = jobs.New(jobs.Config{Queue: s.store, Clock: s.clock, Log: s.log, Kinds: s.withIdentityJobs(kinds)})
	s.store.Attach(s.worker)
	if err := s.store.Schedule(ctx, jobPrune, "17 3 * * *", "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobGlassWatch, "0 7 * * 1", "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobShifts, shiftsCron, "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobExceptions, exceptionsCron, "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobLedgerWatch, watchCron, "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobDigest, digestCron, "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobSurvey, surveyCron, "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobUnused, unusedCron, "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobRotations, campaignsCron, "UTC"); err != nil {
		return err
	}
	if err := s.store.Schedule(ctx, jobCampaigns, campaignsCron, "UTC"); err != nil {
		return err
	}
	return s.store.Schedule(ctx, jobCheckpoint, s.out.conf.Publish.Schedule, s.out.conf.Publish.Zone)
}
