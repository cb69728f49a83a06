package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/anchors"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// anchorage is one anchor while the bot runs: it gets every head that is published, the last one if several were missed.
type anchorage struct {
	anchors.Anchor
	conf  spec.Outlet
	serve *serving
	poke  chan struct{} // a head was published

	mu    sync.Mutex
	at    store.Outlet
	head  int64     // size of the last published head
	since time.Time // when the head that it does not have was first seen
}

// Alarms of anchors.
const (
	alarmAnchor  = "anchor.behind"
	alarmForked  = "anchor.refused"
	alarmQuorum  = "anchor.quorum"
	alarmUnasked = "anchor.unasked"
)

const (
	anchorLook  = time.Second // between two looks at the last published head
	anchorFirst = 2 * time.Second
	anchorMost  = 5 * time.Minute
)

// openAnchors makes the anchors.
func (s *serving) openAnchors(ctx context.Context, conf spec.Ledger) error {
	for _, o := range conf.Anchors {
		a, err := anchorOf(o, s.store.VKeys())
		if err != nil {
			return fmt.Errorf("anchor %q: %w", o.ID, err)
		}
		if a == nil {
			continue
		}
		x := &anchorage{Anchor: a, conf: o, serve: s, poke: make(chan struct{}, 1)}
		if x.at, err = s.store.Outlet(ctx, "anchor/"+o.ID); err != nil {
			return err
		}
		s.out.anchors = append(s.out.anchors, x)
	}
	return nil
}

// run gives heads away until ctx ends.
func (a *anchorage) run(ctx context.Context) error {
	wait := anchorFirst
	for {
		pause := anchorLook
		if err := a.step(ctx); err != nil && ctx.Err() == nil {
			a.failed(ctx, err)
			pause, wait = wait, min(2*wait, anchorMost)
		} else {
			wait = anchorFirst
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.poke:
		case <-time.After(pause):
		}
	}
}

// step gives the last published head away, if the anchor does not have it.
func (a *anchorage) step(ctx context.Context) error {
	c, found, err := a.serve.store.LastCheckpoint(ctx)
	if err != nil || !found {
		return err
	}
	a.mu.Lock()
	a.head = c.Size
	behind := a.at.Next < c.Size
	switch {
	case !behind:
		a.since = time.Time{}
	case a.since.IsZero():
		a.since = time.Now()
	}
	a.mu.Unlock()
	if !behind {
		return nil
	}
	h := anchors.Head{Origin: a.serve.store.Origin(), Size: c.Size, Root: c.Root, Note: c.Note}
	given, err := a.Give(ctx, a.serve.store, h)
	if err != nil {
		return err
	}
	return a.arrived(ctx, c, given)
}

// arrived remembers that the anchor has the head, and what it signed.
func (a *anchorage) arrived(ctx context.Context, c store.Checkpoint, given anchors.Given) error {
	for _, g := range given.Cosignatures {
		if err := a.serve.store.AddCosignature(ctx, store.Cosignature{Size: c.Size, KeyName: g.Name, KeyID: g.Hash, Line: g.Line}); err != nil {
			return err
		}
	}
	cause := workflows.Cause(fmt.Sprintf("anchor/%s/%d", a.conf.ID, c.Size))
	if _, err := a.serve.store.Update(ctx, cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", store.AnchorPublished{
			Size: c.Size, Root: c.Root.String(), Sink: a.conf.Kind + "/" + a.conf.ID, Place: given.Place,
		})
		return out, nil
	}); err != nil {
		return err
	}
	o := store.Outlet{Name: "anchor/" + a.conf.ID, Next: c.Size, SentAt: workflows.StampOf(time.Now())}
	a.mu.Lock()
	a.at, a.since = o, time.Time{}
	a.mu.Unlock()
	return a.serve.store.PutOutlet(ctx, o)
}

// failed remembers a failure. An anchor that says it has seen another ledger is an alarm at once: somebody must look.
func (a *anchorage) failed(ctx context.Context, err error) {
	a.mu.Lock()
	if a.at.Failing == 0 {
		a.at.Failing = workflows.StampOf(time.Now())
	}
	a.at.Attempts++
	a.at.Error = printable(err.Error())
	o := a.at
	a.mu.Unlock()
	o.Name = "anchor/" + a.conf.ID
	s := a.serve
	s.log.Warn("an anchor does not take the head", "anchor", a.conf.ID, "attempt", o.Attempts, "err", err)
	if errors.Is(err, ledger.ErrFork) || errors.Is(err, ledger.ErrRollback) {
		s.alarm(alarmForked+"/"+a.conf.ID, o.Error, screens.Sentencef(
			"The anchor %q refuses the ledger's head: %s. Either this ledger was rolled back or changed, or somebody else signs with its key. Keep everything as it is and look.", a.conf.ID, o.Error))
	}
	if err := s.store.PutOutlet(ctx, o); err != nil && ctx.Err() == nil {
		s.log.Error("an anchor's place cannot be kept", "anchor", a.conf.ID, "err", err)
	}
}

// state tells how many entries under the last published head the anchor does not have.
func (a *anchorage) state() (lag int64, failing bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, a.head-a.at.Next), a.at.Failing != 0
}

// late is for how long a published head has been missing there.
func (a *anchorage) late() (time.Duration, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return sinceOrZero(a.since), a.at.Error
}

// lookAtAnchors raises alarms for anchors and witnesses that are missing too long. Nothing stops for it: decisions go on, and whoever needs a
// witnessed head waits for one.
func (s *serving) lookAtAnchors(ctx context.Context) {
	limit := time.Duration(s.out.conf.Alarm) * time.Second
	var witnesses []string
	oldest := time.Duration(0)
	for _, a := range s.out.anchors {
		late, why := a.late()
		if late > limit {
			s.alarm(alarmAnchor+"/"+a.conf.ID, fmt.Sprintf("late by %v", late.Round(time.Second)), screens.Sentencef(
				"The anchor %q has not taken the ledger's head for %s. What it says: %s", a.conf.ID, lasting(late), orDash(why)))
		}
		if a.conf.Kind == "witness" {
			witnesses = append(witnesses, a.conf.VKey)
			oldest = max(oldest, late)
		}
	}
	if have := s.cosigners(); len(witnesses) > 0 && have < s.out.conf.Quorum && oldest > limit {
		s.alarm(alarmQuorum, fmt.Sprintf("%d of %d", have, s.out.conf.Quorum), screens.Sentencef(
			"The last published head of the ledger bears the signatures of %d witnesses; %d are wanted.", have, s.out.conf.Quorum))
	}
}

// cosigners is how many of the configured witnesses have signed the last published head.
func (s *serving) cosigners() int {
	ctx, cancel := context.WithTimeout(context.Background(), metricPatience)
	defer cancel()
	c, found, err := s.store.LastCheckpoint(ctx)
	if err != nil || !found {
		return 0
	}
	list, err := s.store.Cosignatures(ctx, c.Size)
	if err != nil {
		return 0
	}
	var signed, witnesses []string
	for _, x := range list {
		signed = append(signed, x.KeyName)
	}
	for _, a := range s.out.anchors {
		if a.conf.Kind == "witness" {
			witnesses = append(witnesses, a.conf.VKey)
		}
	}
	return anchors.Quorum(signed, witnesses)
}

// anchorNow publishes the head and waits a moment for those who take it: countersign ledger anchor.
func (s *serving) anchorNow(ctx context.Context) (string, error) {
	c, grew, err := s.store.Publish(ctx)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if !grew {
		fmt.Fprintf(&out, "The ledger has not grown since its head over %d entries was published.\n", c.Size)
	}
	for _, a := range s.out.anchors {
		select {
		case a.poke <- struct{}{}:
		default:
		}
	}
	if channel := s.out.conf.Publish.Channel; channel != "" && grew {
		if err := s.tellHead(ctx, c, workflows.Cause(fmt.Sprintf("anchor/slack/%d", c.Size))); err != nil {
			fmt.Fprintf(&out, "slack: %s\n", printable(err.Error()))
		} else {
			fmt.Fprintf(&out, "slack: posted in %s\n", channel)
		}
	}
	deadline := time.Now().Add(anchorPatience)
	for _, a := range s.out.anchors {
		fmt.Fprintf(&out, "%s: %s\n", a.conf.ID, a.await(ctx, c.Size, deadline))
	}
	fmt.Fprintf(&out, "\n%s", c.Note)
	return out.String(), nil
}

const anchorPatience = 15 * time.Second // for all anchors, while somebody waits at a terminal

// await waits until the anchor has the head, or has said why not.
func (a *anchorage) await(ctx context.Context, size int64, deadline time.Time) string {
	a.mu.Lock()
	before := a.at.Attempts
	a.mu.Unlock()
	for {
		a.mu.Lock()
		at := a.at
		a.mu.Unlock()
		switch {
		case at.Next >= size:
			return fmt.Sprintf("has the head over %d entries", at.Next)
		case at.Attempts > before || ctx.Err() != nil || time.Now().After(deadline):
			return "does not have it yet: " + orDash(at.Error)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// askAnchors gathers what those outside remember of the ledger, before it is opened for writing. unasked are those that did not answer.
func askAnchors(ctx context.Context, c Config, conf spec.Ledger, cfg store.Config) (remembered []ledger.Anchor, unasked []spec.Outlet, err error) {
	if len(conf.Anchors) == 0 {
		return nil, nil, nil
	}
	head := anchors.Head{Origin: cfg.Key.Origin()}
	vkeys := vkeysOf(cfg)
	var prove anchors.Ledger = nothingToProve{}
	s, err := store.OpenReadOnly(ctx, cfg)
	switch {
	case errors.Is(err, store.ErrNotFound): // a new ledger, or one that was deleted: that is what is asked
	case err != nil:
		return nil, nil, nil // opening it for writing says what is wrong, better
	default:
		defer s.Close()
		if h, err := s.Head(ctx); err == nil { // an empty database has none, as a new one, or one that was emptied
			head.Size, head.Root, head.Note = h.Size, h.Root, h.Note
			vkeys, prove = s.VKeys(), s
		}
	}
	for _, o := range conf.Anchors {
		a, err := askable(c, o, vkeys)
		if err != nil {
			return nil, nil, fmt.Errorf("anchor %q: %w", o.ID, err)
		}
		got, answered := askOne(ctx, a, prove, head, o, cfg.Log)
		remembered = append(remembered, got...)
		if !answered {
			unasked = append(unasked, o)
		}
	}
	return remembered, unasked, nil
}

// askable is an anchor as a start asks it.
func askable(c Config, o spec.Outlet, vkeys []string) (anchors.Anchor, error) {
	if o.Kind != "slack" {
		return anchorOf(o, vkeys)
	}
	keys, err := ledger.Verifiers(vkeys...)
	return &auditChannel{cfg: c, channel: o.Channel, keys: keys}, err
}

// askOne asks one anchor. What it says about a rollback or a fork is passed on as what it remembers: whoever opens the ledger judges it.
func askOne(ctx context.Context, a anchors.Anchor, l anchors.Ledger, h anchors.Head, o spec.Outlet, log *slog.Logger) ([]ledger.Anchor, bool) {
	got, err := a.Ask(ctx, l, h)
	if back, ok := errors.AsType[*ledger.RollbackError](err); ok {
		return []ledger.Anchor{back.Anchor}, true
	}
	if fork, ok := errors.AsType[*ledger.ForkError](err); ok {
		return []ledger.Anchor{fork.Anchor}, true
	}
	if err != nil && !errors.Is(err, anchors.ErrMute) {
		log.Warn("an anchor could not be asked whether the ledger was rolled back", "anchor", o.ID, "required", o.Required, "err", err)
		return nil, false
	}
	return got, true
}

// vkeysOf are the public keys that the data folder knows.
func vkeysOf(cfg store.Config) []string {
	out := []string{cfg.Key.VKey()}
	for _, k := range append([]ledger.Key{cfg.Next}, cfg.Previous...) {
		if k.Origin() != "" {
			out = append(out, k.VKey())
		}
	}
	return out
}

type nothingToProve struct{}

// ProveConsistency implements anchors.Ledger.
func (nothingToProve) ProveConsistency(context.Context, int64, int64) ([]ledger.Hash, error) {
	return nil, errors.New("there is no ledger yet")
}

// unaskedError says that an anchor without whose word nothing may be decided did not answer.
type unaskedError struct{ ids []string }

func (e unaskedError) Error() string {
	return "required anchors do not answer, so nobody can say whether the ledger was rolled back: " + strings.Join(e.ids, ", ")
}

// required finds those that the configuration does not do without.
func required(unasked []spec.Outlet) error {
	var ids []string
	for _, o := range unasked {
		if o.Required {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) > 0 {
		return unaskedError{ids}
	}
	return nil
}

const askAgain = 10 * time.Second // between two rounds of asking required anchors

// revokeUntil takes back what is due while the ledger may not be written. When that is only because a required anchor does not answer, or because
// the witness file takes nothing, it ends with that, and the ledger is opened again.
func (s *serving) revokeUntil(ctx context.Context, key ledger.Key, why error, accept string) (again bool, err error) {
	cfg := storeConfig(s.cfg, s.clock, key, s.log)
	var no unaskedError
	var over func(context.Context) bool
	switch {
	case errors.As(why, &no):
		over = func(ctx context.Context) bool {
			_, err := remembrance(ctx, s.cfg, cfg)
			return !errors.As(err, &no)
		}
	case errors.Is(why, store.ErrWitness):
		over = func(context.Context) bool { return store.WitnessTakes(cfg) == nil }
	default:
		return revokeOnly(ctx, s.cfg, s.clock, s.keys, key, s.log, why, accept)
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for inner.Err() == nil {
			select {
			case <-inner.Done():
			case <-time.After(askAgain):
				if over(inner) {
					stop()
				}
			}
		}
	}()
	_, err = revokeOnly(inner, s.cfg, s.clock, s.keys, key, s.log, why, accept)
	return ctx.Err() == nil, err
}

// remembrance is what those outside remember of the ledger, by the configuration folder. The error is an unaskedError when one did not answer
// without whose word nothing may be decided.
func remembrance(ctx context.Context, c Config, cfg store.Config) ([]ledger.Anchor, error) {
	if c.Config == "" || store.CheckModes(cfg) != nil {
		return nil, nil // files that others can read are refused when the ledger is opened, and not touched before
	}
	folder, err := readFolder(c.Config)
	if err != nil {
		return nil, nil // said when the bot is put together; a ledger that fails a check must get as far as taking access back
	}
	remembered, unasked, err := askAnchors(ctx, c, folder.Ledger(), cfg)
	if err != nil {
		return nil, err
	}
	return remembered, required(unasked)
}

// ledgerAnchor makes the running bot publish its head now.
func ledgerAnchor(ctx context.Context, p proc) error {
	flags := p.flags("ledger anchor", "[-data DIR]")
	data := flags.String("data", "", "data folder of the running bot; default: COUNTERSIGN_DATA")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	c, err := p.dataConfig(*data)
	if err != nil {
		return err
	}
	text, err := callControl(ctx, c.socketPath(), "/anchor")
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(p.out, text)
	return err
}
