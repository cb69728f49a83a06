package main

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/targets"
)

const (
	drillLasts   = 10 * time.Minute // of the canary's access: where the target ends access by itself, that is the net under a crash
	drillConfirm = 3 * time.Minute  // for a target that confirms late: hosts pull a list each minute
	drillLook    = 2 * time.Second
	drillGrace   = time.Second // for a call that is on its way when the bot stops
)

// The steps of a drill.
const (
	stepConfigure = "configure"
	stepGrant     = "grant"
	stepUse       = "use"
	stepRevoke    = "revoke"
	stepRefuse    = "refuse"
)

// canary is the order of a drill: what the target's settings name, for a holder that is nobody.
func (w *sweeper) canary(t workflows.TargetID, set watchSettings, id workflows.GrantID, now time.Time) (runbooks.Grant, error) {
	ent, ok := w.entitlement(t, set.entitlement)
	if !ok {
		return runbooks.Grant{}, fmt.Errorf("no workflow grants %q on target %q, which %s names", set.entitlement, t, settingDrillOf)
	}
	fields, err := w.drills.FillCanary(string(t), id, ent.Params)
	if err != nil {
		return runbooks.Grant{}, err
	}
	g := runbooks.Grant{
		ID: id, Identity: "countersign-canary", Holder: "Countersign revocation drill", Account: set.account, Target: t, Entitlement: ent.ID,
		Params: withFields(ent.Params, fields), Fields: fields, Start: now, End: now.Add(drillLasts + w.drills.Settles(string(t))),
	}
	if missing := filled(ent.Params, fields); missing != "" {
		return runbooks.Grant{}, fmt.Errorf("%q on target %q takes %q from a form, which a drill does not fill in: name another entitlement", ent.ID, t, missing)
	}
	return g, nil
}

// entitlement finds one of a target in the documents that govern.
func (w *sweeper) entitlement(t workflows.TargetID, id workflows.EntitlementID) (workflows.Entitlement, bool) {
	for _, v := range w.desk.Policy().Workflows {
		if e, ok := v.Workflow.Entitlement(t, id); ok {
			return e, true
		}
	}
	return workflows.Entitlement{}, false
}

// drill makes access for nobody, reads it back, uses it where the connector can, takes it back, and makes sure that it is gone. Every step's
// trouble is recorded; whatever happens, taking back is tried.
func (w *sweeper) drill(ctx context.Context, t workflows.TargetID, id workflows.GrantID, by workflows.Acting) (targets.Drilled, error) {
	mine := w.one(t) // a sweep beside it would find the canary
	mine.Lock()
	defer mine.Unlock()
	set, err := watchOf(w.desk.Policy().Targets[t].Settings)
	if err != nil {
		return targets.Drilled{}, err
	}
	e := targets.Drilled{Entitlement: set.entitlement, Grant: id}
	g, err := w.canary(t, set, id, w.clock.Now().Wall)
	if err != nil {
		e.Step, e.Text = stepConfigure, err.Error()
	} else {
		defer w.safe.forget(id)
		e = w.rehearse(ctx, t, g, e)
	}
	e.OK = e.Step == ""
	if err := w.desk.RecordDrill(context.WithoutCancel(ctx), "", t, by, e); err != nil {
		return e, err
	}
	return e, nil
}

func (w *sweeper) rehearse(ctx context.Context, t workflows.TargetID, g runbooks.Grant, e targets.Drilled) targets.Drilled {
	name := string(t)
	failed := func(step string, err error) targets.Drilled {
		if e.Proof = ""; e.Step == "" {
			e.Step, e.Text = step, unread(err)
		}
		return e
	}
	before := time.Now()
	receipt, err := w.drills.Start(ctx, name, g)
	e.GrantMS = time.Since(before).Milliseconds()
	if err != nil {
		e = failed(stepGrant, err)
	} else if works, can, err := w.drills.Try(ctx, name, g, receipt); can && (err != nil || !works) {
		e = failed(stepUse, orWords(err, "the target has the access and does not let its holder in"))
	} else if e.Proof = targets.ProofRead; can {
		e.Proof = targets.ProofUsed
	}
	before = time.Now()
	ctx, cancel := w.lasting(ctx, drillConfirm+w.drills.Settles(name))
	defer cancel()
	if err := w.takeBackCanary(ctx, name, g); err != nil {
		return failed(stepRevoke, err)
	}
	e.RevokeMS = time.Since(before).Milliseconds()
	if works, err := w.stillIn(ctx, name, g, receipt); err != nil || works {
		return failed(stepRefuse, orWords(err, "the access was taken back and the target still lets its holder in"))
	}
	return e
}

// stillIn tells whether the canary is still let in, after as long as the target may take to hear of its own change.
func (w *sweeper) stillIn(ctx context.Context, name string, g runbooks.Grant, receipt runbooks.Receipt) (bool, error) {
	settled := time.NewTimer(w.drills.Settles(name))
	defer settled.Stop()
	for {
		works, can, err := w.drills.Try(ctx, name, g, receipt)
		if err != nil || !works || !can {
			return false, err
		}
		select {
		case <-ctx.Done():
			return true, nil
		case <-settled.C:
			works, _, err := w.drills.Try(ctx, name, g, receipt)
			return works, err
		case <-time.After(drillLook):
		}
	}
}

func orWords(err error, words string) error {
	if err != nil {
		return err
	}
	return runbooks.Errorf(runbooks.Broken, nil, "%s", words)
}

// lasting gives a context that outlives whoever asked, and the bot's stop by as little as it takes to ask a target once more: what is left of a canary ends
// by itself where the target can do that, and a sweep finds it where it cannot.
func (w *sweeper) lasting(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-w.stopping:
		}
		select {
		case <-ctx.Done():
		case <-time.After(drillGrace):
			cancel()
		}
	}()
	return ctx, cancel
}

// takeBackCanary takes back until the target confirms it.
func (w *sweeper) takeBackCanary(ctx context.Context, name string, g runbooks.Grant) error {
	tick := time.NewTicker(drillLook)
	defer tick.Stop()
	for {
		_, presence, err := w.drills.Stop(ctx, name, g)
		if err == nil && presence == runbooks.Absent {
			return nil
		}
		select {
		case <-ctx.Done():
			return orWords(err, "the target does not confirm that the access is gone")
		case <-w.stopping:
			return orWords(err, "the bot was stopped before the target confirmed that the access is gone")
		case <-tick.C:
		}
	}
}

func (s *serving) drillOnce(ctx context.Context, t workflows.TargetID) error {
	_, err := s.sweeper.drill(ctx, t, workflows.GrantID(clockIDs{s.clock}.New("g_")), workflows.Acting{})
	return err
}
