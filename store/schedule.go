package store

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

// Schedule makes sure that the next occurrence of kind is a job of the system stream. spec is a cron line of five fields (or
// @hourly …) read in the named zone. Occurrences that were missed while nothing ran are collapsed into one, which runs at once.
// The handler of kind returns jobs.Done; the next occurrence is written in the transaction that ends this one.
func (s *Store) Schedule(ctx context.Context, kind, spec, zone string) (err error) {
	defer wrap(&err, "scheduling %q", kind)
	cron, err := jobs.ParseCron(spec, zone)
	if err != nil {
		return err
	}
	s.schedMu.Lock()
	s.schedules[kind] = cron
	s.schedMu.Unlock()
	now := s.nowStamp()
	return s.do(ctx, func(b *batch) error {
		var n int64
		_, err := b.one(`SELECT COUNT(*) FROM job WHERE stream = $1 AND kind = $2 AND made_by = $3`, []any{&n},
			string(workflows.SystemStream), kind, madeBySchedule)
		if err != nil || n > 0 {
			return err
		}
		return b.scheduleNext(now, kind)
	})
}

// scheduleNext writes the occurrence after now. A kind that is no longer scheduled ends here.
func (b *batch) scheduleNext(now workflows.Stamp, kind string) error {
	b.s.schedMu.Lock()
	cron, ok := b.s.schedules[kind]
	b.s.schedMu.Unlock()
	if !ok {
		return nil
	}
	next, err := cron.Next(now.Time())
	if err != nil {
		return fmt.Errorf("next occurrence of %q: %w", kind, err)
	}
	_, err = b.insertJob(now, workflows.SystemStream, workflows.Job{
		Kind: kind, Key: next.UTC().Format(time.RFC3339), Due: workflows.StampOf(next),
	}, madeBySchedule)
	return err
}
