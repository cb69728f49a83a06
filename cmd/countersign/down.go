package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// openTargets opens every target that can be opened. One that cannot is down: what it is asked fails and is asked again, and it is opened as
// soon as that works. A bot that stopped for it would leave the access on all others without an end.
func openTargets(c Config, keys *keyring, clock jobs.Clock, targets []spec.Target, log *slog.Logger) *connectors {
	out := &connectors{byTarget: map[string]runbooks.Connector{}}
	out.sshHosts.collect(targets)
	for _, t := range targets {
		con, err := out.open(c, keys, clock, t)
		if err != nil {
			log.Error("A TARGET CANNOT BE OPENED: nothing is granted there, and what is due to end is tried again until it works", "target", t.ID, "err", err)
			d := &downTarget{target: t, why: err, open: func() (runbooks.Connector, error) { return out.open(c, keys, clock, t) }, log: log}
			out.down = append(out.down, d)
			con = d
		}
		out.byTarget[string(t.ID)] = con
	}
	return out
}

const reopenEvery = 5 * time.Second // a target that is asked more often meanwhile gets the last answer

// downTarget stands in for a target that could not be opened.
type downTarget struct {
	target spec.Target
	open   func() (runbooks.Connector, error)
	log    *slog.Logger

	mu   sync.Mutex
	why  error
	last time.Time
	con  runbooks.Connector // once it could be opened
}

// connector gives the target, opening it if it has been a while since that was tried.
func (d *downTarget) connector() (runbooks.Connector, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.con != nil {
		return d.con, nil
	}
	if time.Since(d.last) >= reopenEvery {
		d.last = time.Now()
		if d.con, d.why = d.open(); d.why == nil {
			d.log.Info("a target that was down could be opened", "target", d.target.ID)
			return d.con, nil
		}
		d.con = nil
	}
	return nil, runbooks.Errorf(runbooks.Broken, d.why, "the target cannot be opened: %v", d.why)
}

// problem says why the target is down, or nothing.
func (d *downTarget) problem() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.con != nil {
		return ""
	}
	return fmt.Sprintf("target %s cannot be opened: %v", d.target.ID, d.why)
}

// Describe implements runbooks.Connector.
func (d *downTarget) Describe() runbooks.Capabilities {
	if con, err := d.connector(); err == nil {
		return con.Describe()
	}
	return runbooks.Capabilities{Name: d.target.Connector}
}

// Grant implements runbooks.Connector.
func (d *downTarget) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	con, err := d.connector()
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return con.Grant(ctx, g)
}

// Revoke implements runbooks.Connector.
func (d *downTarget) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	con, err := d.connector()
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return con.Revoke(ctx, g)
}

// Check implements runbooks.Connector.
func (d *downTarget) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	con, err := d.connector()
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	return con.Check(ctx, g)
}

const alarmDown = "target.down"

// alarmDownTargets tells an operator which targets could not be opened at the start.
func (s *serving) alarmDownTargets() {
	for _, d := range s.conns.down {
		if what := d.problem(); what != "" {
			s.alarm(alarmDown+"/"+string(d.target.ID), string(d.target.ID), screens.Sentencef("Target %s cannot be opened. Nothing is granted there; what is due to end is tried again until it works. The log says why.", string(d.target.ID)))
		}
	}
}

// Opened gives the target as it was opened, whose optional parts can be asked; itself while it is down.
func (d *downTarget) Opened() runbooks.Connector {
	if con, err := d.connector(); err == nil {
		return con
	}
	return d
}
