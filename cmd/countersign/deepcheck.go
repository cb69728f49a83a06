package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
)

// deepCheck is what the checks of the whole ledger found, after a start and every day. A start looks at the newest entries, the head and what the
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

// wholeEvery is how often the whole ledger is checked while the bot runs: a file that somebody changes is known of within a day, on its own clock.
const (
	wholeEvery = 24 * time.Hour
	wholeAgain = 5 * time.Minute // where the first check could not be made
)

const alarmDamaged = "ledger.damaged"

// keepChecking checks the whole ledger after a start and again and again.
func (s *serving) keepChecking(ctx context.Context, every time.Duration) error {
	for {
		if err := s.checkWhole(ctx); err != nil {
			return err
		}
		wait := every
		if s.deep.state.Load() == 0 { // the database did not answer
			wait = min(every, wholeAgain)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// unanswered tells whether an error says nothing of the ledger: nothing can be written now, or the server of the database does not answer.
func (s *serving) unanswered(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || err != nil && s.cfg.Database != "" && !errors.Is(err, store.ErrDamaged)
}

// damaged remembers what a check found and raises the alarm.
func (s *serving) damaged(what string) {
	s.deep.fail(what)
	s.alarm(alarmDamaged, what, screens.Sentencef("The ledger fails its check: %s Run `countersign ledger verify` and keep a copy of the data folder: it is evidence. Ending access goes on.", what))
}

// checkBeside looks at what lies beside the entries: guards of tables, consumed causes, accounts, texts. What contradicts them is an alarm.
func (s *serving) checkBeside(ctx context.Context) {
	d, err := s.store.Inspect(ctx)
	switch {
	case ctx.Err() != nil:
	case s.unanswered(err):
		s.log.Warn("the ledger could not be checked now; a later check does", "err", err)
	case err != nil:
		s.damaged(err.Error())
		s.log.Error("what lies beside the entries could not be looked at", "err", err)
	case d.Wrong > 0:
		s.damaged(d.Problems[0])
		s.log.Error("THE DATABASE CONTRADICTS ITS LEDGER: run countersign ledger verify, and keep a copy of the folder as evidence", "first", d.Problems[0], "count", d.Wrong)
	}
}

// checkWhole reads the pages and re-hashes every entry once. What it finds is an alarm, in the security channel, in the ledger itself, in the log, in
// /readyz and in the metrics: the bot goes on, because ending access goes on, and the next start is the one that refuses.
func (s *serving) checkWhole(ctx context.Context) error {
	begin := time.Now()
	err := s.store.CheckPages(ctx)
	var report ledger.Report
	if err == nil {
		report, err = s.store.Verify(ctx)
	}
	switch {
	case ctx.Err() != nil:
	case s.unanswered(err):
		s.log.Warn("the ledger could not be checked now; a later check does", "err", err)
	case err != nil:
		s.damaged(err.Error())
		s.log.Error("THE LEDGER FAILS ITS CHECK: run countersign ledger verify, and keep a copy of the folder as evidence", "err", err)
	case !report.OK:
		s.damaged(report.First.Text)
		s.log.Error("THE LEDGER FAILS ITS CHECK: run countersign ledger verify, and keep a copy of the folder as evidence",
			"first", report.First.Text, "code", report.First.Code)
	default:
		s.deep.state.Store(1)
		s.checkBeside(ctx)
		s.log.Info("the whole ledger was checked", "entries", report.Size, "took", time.Since(begin).Round(time.Millisecond))
		switch err := s.setRight(ctx); {
		case err == nil || ctx.Err() != nil:
		case s.unanswered(err):
			s.log.Warn("the rows beside the ledger could not be looked at now; a later check does", "err", err)
		default:
			s.damaged(err.Error())
			s.log.Error("the rows beside the ledger could not be looked at", "err", err)
		}
	}
	return nil
}
