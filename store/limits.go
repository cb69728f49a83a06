package store

import "time"

// The limits of the store.
const (
	maxBatch      = 256         // callbacks in one transaction: 256 entries are one tile, and a commit stays below 10 ms
	maxWaiting    = 4096        // callers waiting for the writer; beyond that Update waits in the caller, which slows intake down
	maxStreams    = 64          // streams one Update may name: a request touches three or four
	maxEvents     = 256         // events one Update may append; the largest real one opens a stage for each of some entitlements
	maxPending    = 1024        // jobs one stream may owe: a notice to each of 500 approvers and one wake
	maxListings   = 1024        // lists one stream may stand on: one for each approver
	maxHistory    = 65536       // entries of one stream read for a decision; the system stream is read by page instead
	maxDocument   = 4 << 20     // as ledger.MaxDocBytes
	maxInboxBody  = 1 << 20     // Slack's largest payloads are some 250 KB
	maxInboxKeys  = 8           // ways in which one delivery can be recognised again
	maxListRead   = 1000        // rows one List returns when the caller names no limit
	maxRangeRead  = 4096        // entries one Entries call returns
	maxUndone     = 1000        // inbox rows one Undone returns; the caller asks again
	maxPersonData = 16 << 10    // bytes of erasable JSON about a person
	maxSurfaces   = 1000        // surfaces of one stream: a card, and a direct message for each approver
	minSealed     = 12 + 16 + 1 // bytes of a sealed secret: nonce, tag and something
	maxSealed     = 512 << 10   // the largest that a connector hands over is 64 KB before it is encoded
	maxDebts      = 65536       // lines of debts.jsonl: every grant of a large company revoked while the ledger was broken

	maxSearchWords = 8 // of one search: more restrict nothing that a person typed

	gatherYields = 8 // times the writer lets others run before it takes it that nobody else is coming

	cacheStandings = 4096 // streams of which the writer knows jobs and lists: some 8 MB at worst

	cacheStreams = 4096  // histories kept decoded, as many as standings: the open requests and the access of a large company
	cacheRecords = 65536 // records in them all together: some 60 MB at worst

	jumpLimit      = 5 * time.Second  // a wall clock this far from where the monotonic clock puts it was set, not slewed
	busyTimeout    = 5 * time.Second  // for a backup or a sqlite3 shell that holds the lock
	closeTimeout   = 8 * time.Second  // finishing what waits; SIGTERM leaves ten seconds
	witnessSync    = time.Second      // how far the witness file may lag behind on disk
	foldEvery      = time.Second      // a log of a busy second is some 10 MB
	boundLog       = 1 << 13          // pages (32 MiB) from which on the writer waits for the last of them to be folded
	boundRest      = 1 << 12          // pages it waits for at most: some 20 ms
	writerCache    = 16 << 20         // bytes of pages the writer keeps: the right edges of all trees, and what is open
	longLog        = 1 << 14          // pages (64 MiB) that wait to be folded before the operator is told
	leaseTime      = 10 * time.Second // PostgreSQL: a replica silent this long has lost its jobs
	leaseBeat      = 3 * time.Second  // renewed this often: two beats may fail
	inboxRetention = 30 * 24 * time.Hour
	scrubWait      = 20 * time.Second       // for readers, after an erasure: a verification of a large ledger takes longer and is waited for at night
	scrubPause     = 100 * time.Millisecond // between two looks
	maxWitness     = 16384                  // lines of the witness file (8 MB) before it is cut to the newest: reading them delays a start by 0.1 s
	keepWitness    = 4096                   // lines that stay then
	pulledRows     = 64                     // rows fetched at a time when a ledger is read as a whole: some 30 KB
	maxPooled      = 256                    // texts of statements kept prepared: all there are
	forkPatience   = 100 * time.Millisecond // for a second connection that a verification can do without
	readers        = 4                      // read connections; reads are short
	checkPages     = 1 << 15                // pages up to which the start runs a quick_check (128 MiB, some 0.2 s)
)

// far is the due time of a leased row, so that one index on due serves "what is next" without looking at leases.
const far = 253402300799999999
