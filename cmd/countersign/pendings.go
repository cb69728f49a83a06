package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks"
)

// waitingEvery is the time between two looks at what waits for people at the targets themselves: who authorises it there is not to wait longer.
const waitingEvery = 20 * time.Second

// alarmWaiting announces a grant that waits for people at its target. It is said again every hour for as long as it waits.
const alarmWaiting = "target.waits"

// watchWaiting announces what waits for people at the targets themselves, such as a control group of Vault, in the security channel and in the ledger: the target
// tells nobody by itself.
func (s *serving) watchWaiting(ctx context.Context) error {
	for {
		for _, target := range s.runner.Names() {
			s.announceWaiting(ctx, target)
		}
		if err := s.clock.Wait(ctx, s.clock.Now().Wall.Add(waitingEvery), nil); err != nil {
			return nil
		}
	}
}

func (s *serving) announceWaiting(ctx context.Context, target string) {
	list, ok, err := s.runner.Waiting(ctx, target)
	if err != nil && ctx.Err() == nil {
		s.log.Warn("what waits for people at the target could not be asked", "target", target, "err", err)
	}
	if !ok || err != nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(list)) {
		s.alarm(alarmWaiting+"/"+string(id), target+": "+list[id], screens.Sentencef("Access %s on %s was approved here and waits for people there: %s.", string(id), target, runbooks.Redact(list[id], maxWaiting)))
	}
}

// maxWaiting bounds a target's words in a message.
const maxWaiting = 400
