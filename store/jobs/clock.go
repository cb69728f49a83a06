package jobs

import (
	"context"
	"time"
)

// Clock is product time: it stamps entries and wakes jobs. Network deadlines, signatures and back-off use real time.
type Clock interface {
	// Now is the wall time and the monotonic time since some fixed moment of this process; the second never goes back.
	Now() Reading

	// Wait returns when the wall time has reached t or wake has a value; then it returns nil. It returns ctx.Err() when
	// ctx ends first. A clock that can jump returns as soon as the jump reaches t.
	Wait(ctx context.Context, t time.Time, wake <-chan struct{}) error
}

// Reading is one look at a clock.
type Reading struct {
	Wall time.Time
	Mono time.Duration
}
