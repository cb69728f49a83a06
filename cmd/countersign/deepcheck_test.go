package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// lines keeps what a log writes.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestReq_R109_AChangeOfTheFileRaisesAnAlarm: the whole ledger is checked after the start and again and again. An entry that is changed behind the
// running bot, which no start has read, is an alarm: in the log, in the bot's health and in the ledger itself, once an hour and not at each check.
func TestReq_R109_AChangeOfTheFileRaisesAnAlarm(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	log := &lines{}
	o.log = slog.New(slog.NewTextHandler(log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.keepChecking(ctx, time.Millisecond) }()
	_, err := until(t.Context(), "two checks of a sound ledger", func() (bool, bool) {
		return true, strings.Count(log.String(), "the whole ledger was checked") > 1
	})
	o.check(err)
	if ok, say := o.ledgerHealth(); !ok {
		t.Errorf("a sound ledger: %s", say)
	}
	o.check(damage(t.Context(), o.data, "edit"))
	_, err = until(t.Context(), "two checks of a changed one", func() (bool, bool) {
		return true, strings.Count(log.String(), "THE LEDGER FAILS ITS CHECK") > 1
	})
	o.check(err)
	cancel()
	o.check(<-done)
	o.wait.Wait()
	if ok, say := o.ledgerHealth(); ok || !strings.Contains(say.String(), "was changed") {
		t.Errorf("health says %t, %s", ok, say)
	}
	h, err := o.store.History(t.Context(), workflows.SystemStream)
	o.check(err)
	alarms := 0
	for _, r := range h {
		if e, ok := r.Event.(workflows.AlarmRaised); ok && e.What == alarmDamaged && e.Detail != "" {
			alarms++
		}
	}
	if alarms != 1 && alarms != 2 { // two where the hour ended meanwhile
		t.Errorf("%d alarms are in the ledger", alarms)
	}
}
