package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
)

// deepCheck is what the check of the whole ledger after a start found. A start looks at the newest entries, the head and what the
// witness remembers; everything else is read beside the work, so that a large ledger delays nobody.
type deepCheck struct {
	state atomic.Int64 // 1 sound, 0 not finished, -1 not sound
	wrong atomic.Pointer[string]
}

// problem is the sentence for somebody who asks how the bot is; empty while nothing is wrong.
func (d *deepCheck) problem() string {
	if p := d.wrong.Load(); p != nil {
		return *p
	}
	return ""
}

func (d *deepCheck) fail(what string) {
	d.wrong.Store(&what)
	d.state.Store(-1)
}

// checkBeside looks at what lies beside the entries: guards of tables, consumed causes, accounts, texts. What contradicts them is an alarm.
func (s *serving) checkBeside(ctx context.Context) {
	d, err := s.store.Inspect(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.deep.fail(err.Error())
		s.log.Error("what lies beside the entries could not be looked at", "err", err)
	case d.Wrong > 0:
		s.deep.fail(d.Problems[0])
		s.log.Error("THE DATABASE CONTRADICTS ITS LEDGER: run countersign ledger verify, and keep a copy of the folder as evidence", "first", d.Problems[0], "count", d.Wrong)
	}
}

// checkWhole reads the pages and re-hashes every entry once. What it finds is an alarm, in the log, in /readyz and in the metrics: the
// bot goes on, because ending access goes on, and the next start is the one that refuses.
func (s *serving) checkWhole(ctx context.Context) error {
	begin := time.Now()
	err := s.store.CheckPages(ctx)
	var report ledger.Report
	if err == nil {
		report, err = s.store.Verify(ctx)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.deep.fail(err.Error())
		s.log.Error("THE LEDGER FAILS ITS CHECK: run countersign ledger verify, and keep a copy of the folder as evidence", "err", err)
	case !report.OK:
		s.deep.fail(report.First.Text)
		s.log.Error("THE LEDGER FAILS ITS CHECK: run countersign ledger verify, and keep a copy of the folder as evidence",
			"first", report.First.Text, "code", report.First.Code)
	default:
		s.deep.state.Store(1)
		s.checkBeside(ctx)
		s.log.Info("the whole ledger was checked", "entries", report.Size, "took", time.Since(begin).Round(time.Millisecond))
		if err := s.setRight(ctx); err != nil && ctx.Err() == nil {
			s.deep.fail(err.Error())
			s.log.Error("the rows beside the ledger could not be looked at", "err", err)
		}
	}
	return nil
}
