package jobs

import "time"

// The limits of the worker.
const (
	maxReady   = 16384 // leased jobs held in memory: some 5 MB; more stay in the database until these have run
	claimBatch = 512   // rows one claim leases: long enough to amortise its commit, short enough not to hold up decisions
	maxRunning = 256   // handlers at once over all kinds; each may hold a connection to somebody
	urgentRoom = 32    // of those, kept free for the urgent lane, so that a break glass never waits for routine work

	maxErrorBytes = 500 // of a handler's error kept in the row, for `jobs` listings; the whole text is in the log

	defaultWorkers = 4                // handlers at once per concurrency key
	defaultPace    = time.Second      // Slack's "one message per second per channel"
	urgentAhead    = 2                // urgent jobs of one pace key ahead of their pace: Slack lets short bursts pass, and its bucket holds some three
	calmAfter      = 10               // times the pace after the receiver asked to wait: only then ahead of it again
	firstBackoff   = time.Second      // after the first error
	longestBackoff = 60 * time.Second // a target that comes back is noticed within a minute
	crowdedDelay   = time.Second      // a job put back because its key holds half of maxReady comes again after this,
	crowdedLongest = 30 * time.Second // and after this at the most: doubled whenever the key started fewer than
	crowdedWorth   = 1024             // so many meanwhile, since looking again costs a write for each
	claimRetry     = time.Second      // after the database refused a claim
	farAhead       = 24 * time.Hour   // the longest sleep; looking once a day costs nothing and survives any mistake here
	settleTimeout  = 5 * time.Second  // for writing how a run ended, also while stopping
)
