package workflows

import (
	"fmt"
	"time"
)

// Stamp is a point in time in microseconds since 1970 UTC. In JSON it is RFC 3339 in UTC with exactly six decimals,
// the only spelling of time in a leaf. The zero Stamp means "none" and is left out of events.
type Stamp int64

const stampLayout = "2006-01-02T15:04:05.000000Z"

// StampOf cuts t to whole microseconds.
func StampOf(t time.Time) Stamp { return Stamp(t.UnixMicro()) }

// Time is the same point as a time.Time in UTC.
func (s Stamp) Time() time.Time { return time.UnixMicro(int64(s)).UTC() }

// Add moves the point; durations below a microsecond are cut.
func (s Stamp) Add(d time.Duration) Stamp { return s + Stamp(d.Microseconds()) }

// Sub is the duration from o to s.
func (s Stamp) Sub(o Stamp) time.Duration { return time.Duration(s-o) * time.Microsecond }

// LastDay is the last day, in UTC, before an end: what ends at midnight after the 31st is there until the 31st.
func (s Stamp) LastDay() string { return s.Add(-time.Second).Time().Format(time.DateOnly) }

// IsZero tells whether no time was set.
func (s Stamp) IsZero() bool { return s == 0 }

// String is the JSON spelling.
func (s Stamp) String() string { return s.Time().Format(stampLayout) }

// MarshalText gives the one spelling that leaves use.
func (s Stamp) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts that spelling and no other.
func (s *Stamp) UnmarshalText(b []byte) error {
	t, err := time.Parse(stampLayout, string(b))
	if err != nil {
		return fmt.Errorf("time %q: want RFC 3339 in UTC with six decimals", b)
	}
	*s = StampOf(t)
	return nil
}

// Instant is a moment on two clocks: wall time, which people mean and administrators can set, and the ledger's own
// monotonic time, which only ever grows and is carried over restarts. A grant ends when the first of the two says so.
type Instant struct {
	UTC  Stamp `json:"utc"`
	Mono int64 `json:"mono"` // nanoseconds
}

// Add moves both clocks.
func (i Instant) Add(d time.Duration) Instant {
	return Instant{UTC: i.UTC.Add(d), Mono: i.Mono + d.Nanoseconds()}
}

// IsZero tells whether no moment was set.
func (i Instant) IsZero() bool { return i.UTC == 0 && i.Mono == 0 }

// Reached tells whether either clock has come to the deadline; a zero deadline is never reached.
func (i Instant) Reached(deadline Instant) bool {
	if deadline.IsZero() {
		return false
	}
	return i.UTC >= deadline.UTC || i.Mono >= deadline.Mono
}

// After tells whether the wall clock has come to the deadline; a zero deadline is never reached.
func (s Stamp) After(deadline Stamp) bool { return deadline != 0 && s >= deadline }
