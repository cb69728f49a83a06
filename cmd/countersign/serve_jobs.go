package main

import (
	"context"
	"errors"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/spec"
)

type specSettings = spec.Settings

// Kinds of job that belong to no stream of a request or grant.
const (
	jobVerify     = grants.JobVerify
	jobCheckpoint = "ledger.checkpoint" // hourly: give the signed head to readers outside
	jobPrune      = "inbox.prune"       // nightly: raw interactions older than thirty days
)

// notice tells somebody something that a stream owes.
func (s *serving) notice(ctx context.Context, j jobs.Job) error {
	if j.Lane != workflows.LaneUrgent {
		ctx = slack.Patient(ctx)
	}
	if j.Stream.Kind() == workflows.KindEscalation {
		return s.page(ctx, j)
	}
	return paced(j, s.bot.Notify(ctx, j.Stream, j.Key, desk.Cause(j.Cause()), j.Attempts))
}

// paint brings one message or Home page up to date.
func (s *serving) paint(ctx context.Context, j jobs.Job) error {
	ctx = slack.Patient(ctx)
	f, err := s.store.Surface(ctx, j.Key)
	if errors.Is(err, store.ErrNotFound) {
		return jobs.Done
	}
	if err != nil {
		return err
	}
	if err := s.bot.Paint(ctx, surfaceOf(f)); err != nil {
		return paced(j, err)
	}
	if err := s.store.Painted(ctx, f.ID, f.Wanted); err != nil {
		return err
	}
	return jobs.Done
}

// paced translates what Slack says about its limits into what the queue understands.
func paced(j jobs.Job, err error) error {
	var later *bot.Later
	if errors.As(err, &later) {
		return &jobs.RetryAfter{D: later.D, Why: later.Why}
	}
	var limited *slack.RateLimited
	if errors.As(err, &limited) {
		return &jobs.RetryAfter{D: limited.RetryAfter, Pace: j.Pace, Why: limited.Error()}
	}
	return err
}

// postCheckpoint gives the signed head to the audit channel, if the ledger has grown since the last time.
func (s *serving) postCheckpoint(ctx context.Context, j jobs.Job) error {
	c, grew, err := s.store.Publish(ctx)
	if err != nil {
		return err
	}
	if !grew || s.out.conf.Publish.Channel == "" {
		return jobs.Done
	}
	err = s.tellHead(ctx, c, workflows.Cause(j.Cause()))
	var permanent *slack.Permanent
	if errors.As(err, &permanent) {
		s.log.Error("the signed head cannot be posted", "channel", s.out.conf.Publish.Channel, "err", err)
		return jobs.Done
	}
	if err != nil {
		return paced(j, err)
	}
	return jobs.Done
}

// tellHead posts a published head to the audit channel and records that it did.
func (s *serving) tellHead(ctx context.Context, c store.Checkpoint, cause workflows.Cause) error {
	place, err := s.bot.AnnounceExact(ctx, s.out.conf.Publish.Channel, checkpointWords(c), string(c.Note))
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", store.AnchorPublished{Size: c.Size, Root: c.Root.String(), Sink: "slack", Place: place})
		return out, nil
	})
	if err != nil {
		return err
	}
	for _, a := range s.out.conf.Anchors {
		if a.Kind == "slack" {
			return s.store.PutOutlet(ctx, store.Outlet{Name: "anchor/" + a.ID, Next: c.Size, SentAt: workflows.StampOf(time.Now())})
		}
	}
	return nil
}

func checkpointWords(c store.Checkpoint) screens.Sentence {
	return screens.Sentencef("Ledger head after %d entries. Keep this message: a ledger that does not continue it has been changed.", int(c.Size))
}

// prune removes raw interactions that are done and older than thirty days.
func (s *serving) prune(ctx context.Context, _ jobs.Job) error {
	for {
		n, err := s.store.PruneInbox(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			if _, err := s.retain(ctx); err != nil {
				return err
			}
			return jobs.Done
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond): // the writer has other things to do
		}
	}
}
