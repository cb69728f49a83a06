package posture

import "time"

// The limits of the register.
const (
	maxBody     = 16 << 10        // bytes of a delivery: twenty claims fit many times
	maxClaims   = 20              // in one delivery, and of one subject: what a workflow may need
	maxSubjects = 50_000          // holders: every laptop and workload of a large company; some 20 MB
	maxValid    = 24 * time.Hour  // longest that an observation counts: what is older proves nothing
	usualValid  = time.Hour       // where the sender does not say
	skew        = 5 * time.Minute // between our clock and the sender's, as Standard Webhooks has it
	ahead       = time.Minute     // how far in the future an observation may lie
)
