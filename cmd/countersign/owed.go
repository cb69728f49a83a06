package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// The jobs and lists beside the ledger are not hashed into it: they follow from its entries. Whoever deletes a row of them takes no entry
// away, but the end of an access that nothing wakes up for would never come. So they are compared with what the entries say.

const owedTries = 5 // readings of a stream that moves on while it is read

// astray says what is wrong with the jobs or lists of a stream, and nothing when they are what its entries demand. Only a missing job is
// wrong: one too many finds that it is not owed. Later says that what is missing are rows that the program which wrote the stream did not keep:
// since, which is asked only then, gives the first entry of one that does.
func astray(ctx context.Context, s *store.Store, stream workflows.StreamID, since func() (int64, error)) (what string, later bool, err error) {
	for range owedTries {
		h, err := s.History(ctx, stream)
		if err != nil {
			return "", false, err
		}
		what, err := compared(ctx, s, stream, h, nil)
		if what == "" || err != nil {
			return "", false, err
		}
		after, err := s.History(ctx, stream)
		if err != nil || len(after) != len(h) {
			if err != nil {
				return "", false, err
			}
			continue
		}
		from, err := since()
		if err != nil || len(h) == 0 || h[len(h)-1].Index > from {
			return what, false, err
		}
		rest, err := compared(ctx, s, stream, h, laterRows())
		if rest != "" {
			what = rest
		}
		return what, rest == "", err
	}
	return "", false, nil // it is in use: its next entry sets right what is wrong
}

// compared gives the first thing that differs, but for rows that may be missing.
func compared(ctx context.Context, s *store.Store, stream workflows.StreamID, h []workflows.Record, without *rowsSince) (string, error) {
	o, err := desk.Outstanding(stream, h)
	if err != nil {
		return fmt.Sprintf("its entries do not follow from each other: %v", err), nil
	}
	lists, err := s.Listings(ctx, stream)
	if err != nil {
		return "", err
	}
	if !sameLists(lists, without.lists(lists, o.Lists)) {
		return "the lists that people read differ from what its entries say", nil
	}
	row, err := without.row(ctx, s, stream, o.Row)
	if err != nil {
		return "", err
	}
	if what, err := sameRow(ctx, s, stream, row); what != "" || err != nil {
		return what, err
	}
	rows, err := s.JobsOf(ctx, stream)
	if err != nil {
		return "", err
	}
	now, err := productNow(ctx, s)
	if err != nil {
		return "", err
	}
	for n, want := range o.Jobs {
		if slices.ContainsFunc(o.Jobs[:n], func(j workflows.Job) bool { return j.Kind == want.Kind && j.Key == want.Key }) {
			continue // asked for twice: the first counts
		}
		i := slices.IndexFunc(rows, func(j store.JobStatus) bool { return j.Kind == want.Kind && j.Key == want.Key })
		switch {
		case i < 0 && without.job(stream, want):
		case i < 0:
			return fmt.Sprintf("a job that its entries demand is missing: %s %s", want.Kind, want.Key), nil
		case rows[i].Due > want.Due:
			return fmt.Sprintf("a job is set for %s, its entries demand %s: %s %s", rows[i].Due, want.Due, want.Kind, want.Key), nil
		case rows[i].Next > max(now, want.Due).Add(longestWait):
			return fmt.Sprintf("a job is put off until %s, its entries demand %s: %s %s", rows[i].Next, want.Due, want.Kind, want.Key), nil
		case without == nil && (rows[i].Lane != want.Lane || rows[i].Pace != want.Pace):
			return fmt.Sprintf("a job waits in another lane than its entries demand, or keeps to another's pace: %s %s", want.Kind, want.Key), nil
		}
	}
	return "", nil
}

// productNow is the time by the clock of whoever reads, or by the newest entry: that of a demonstration is ahead.
func productNow(ctx context.Context, s *store.Store) (workflows.Stamp, error) {
	now := workflows.StampOf(s.Clock().Now().Wall)
	head, err := s.Head(ctx)
	if err != nil || head.Size == 0 {
		return now, err
	}
	last, err := s.Entries(ctx, head.Size-1, head.Size)
	if err != nil || len(last) == 0 {
		return now, err
	}
	return max(now, last[0].At.UTC), nil
}

// longestWait is more than any job waits between two attempts.
const longestWait = time.Hour

// setRight makes the jobs and lists again that somebody took away, so that every access ends when it should.
func (s *serving) setRight(ctx context.Context) error {
	for _, kind := range []string{workflows.KindGrant, workflows.KindRequest, workflows.KindReview, workflows.KindRunbook, workflows.KindRun, workflows.KindCampaign, workflows.KindSheet, workflows.KindIncident, workflows.KindEscalation, workflows.KindTarget, workflows.KindPolicy, workflows.KindPerson, workflows.KindIdentity} {
		for after := int64(-1); ; {
			streams, err := s.store.Streams(ctx, kind, after)
			if err != nil || len(streams) == 0 {
				if err != nil {
					return err
				}
				break
			}
			for _, stream := range streams {
				h, err := s.setRightOne(ctx, stream)
				if err != nil {
					return err
				}
				after = h[0].Index
			}
		}
	}
	return nil
}

func (s *serving) setRightOne(ctx context.Context, stream workflows.StreamID) ([]workflows.Record, error) {
	what, later, err := astray(ctx, s.store, stream, func() (int64, error) { return rulesSince(ctx, s.store) })
	switch {
	case err != nil || what == "":
	case later:
		s.log.Info("rows that an earlier program did not keep are made", "stream", stream, "what", what)
		err = s.desk.Restate(ctx, stream)
	default:
		s.log.Error("the rows beside the ledger were changed by somebody else; they are made again", "stream", stream, "what", what)
		err = s.desk.Restate(ctx, stream)
	}
	if err != nil {
		return nil, fmt.Errorf("looking at what %q owes: %w", stream, err)
	}
	return s.store.History(ctx, stream)
}
