package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Job is one leased row. (Stream, Kind, Key) is its name; ID and Gen say which asking of it this is.
type Job struct {
	ID        int64
	Gen       int64 // rises whenever the job is asked for anew, so that a finish never swallows a later asking
	Stream    workflows.StreamID
	Kind      string
	Key       string
	Due       workflows.Stamp // when it was wanted; zero: at once
	Lane      workflows.Lane
	Pace      string
	Attempts  int    // earlier runs that ended with an error or left the job outstanding
	LastError string // of the last of them, cut
}

// Cause names the run for Ledger.Update: the same asking of the same job consumes once, a later asking is another cause.
func (j Job) Cause() string { return fmt.Sprintf("job/%d.%d.%d", j.ID, j.Gen, j.Attempts) }

// Handler acts on one job. It must look at the fold before acting: the row may be obsolete by the time it runs. Its answers:
//
//	nil         the handler did its part. If the fold no longer asks for the job, the row is gone already; if it does, it runs
//	            again when it is due, or after a back-off if that is now
//	Done        the row is finished although no fold says so (paint, recurring work)
//	RetryAfter  the receiver asked to wait; not counted as an attempt
//	other error tried again after the back-off of its kind, for ever
//
// A panic counts as an error.
type Handler func(ctx context.Context, j Job) error

// Done is what a handler returns to finish a job that no fold removes.
//
//lint:ignore ST1012 it is an answer, not a failure, and reads as fs.SkipDir does
var Done = errors.New("done")

// RetryAfter asks to run the job again after D of real time. Pace, when set, holds back every job with that pace key as long.
type RetryAfter struct {
	D    time.Duration
	Pace string
	Why  string
}

// Error says how long and why.
func (r *RetryAfter) Error() string { return fmt.Sprintf("asked to retry after %v: %s", r.D, r.Why) }

// Kind says how jobs of one kind are run.
type Kind struct {
	Handle Handler

	// Key groups jobs that share a fate, such as one target: each group has Workers handlers of its own, so a group that hangs
	// delays no other. Nil: the whole kind is one group.
	Key func(Job) string

	Workers int           // handlers at once per group; zero: 4
	Urgent  int           // beside them, for the urgent lane alone, so that it never waits for routine ones that hang; zero: none
	First   time.Duration // back-off after the first error; zero: 1 s; doubles with jitter
	Longest time.Duration // cap of the back-off; zero: 60 s
}

// Verdict is how a run ended, for the Queue.
type Verdict struct {
	Ended Ending
	After time.Duration // Retried, Postponed: how long to wait
	Error string        // Retried: why, cut
}

// Ending is one of the four ways a run ends.
type Ending int

// The endings.
const (
	Returned    Ending = iota // the handler returned nil: keep the row if the fold still asks for it
	Finished                  // Done: delete the row unless it was asked for anew
	Retried                   // an error: again After, one attempt more
	Postponed                 // not counted: RetryAfter, a crowded key, not started before the stop
	Interrupted               // by the stop while it ran: due at once, one attempt more, since what it did may have been done
)

// Queue is where the rows are. Package store implements it.
type Queue interface {
	// Claim leases up to limit due jobs, urgent first, then by due time. Fewer than limit means no more are due now.
	Claim(ctx context.Context, limit int) ([]Job, error)

	// NextDue is the earliest instant at which a job that is not leased is due; zero when there is none.
	NextDue(ctx context.Context) (workflows.Stamp, error)

	// Settle records how the run of a leased job ended and gives up the lease.
	Settle(ctx context.Context, j Job, v Verdict) error
}
