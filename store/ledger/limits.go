package ledger

// The limits of the format. Those of leaves are frozen with it: a looser one would let an old verifier refuse a new ledger.
const (
	MaxLeafBytes = 65535              // one length fits two bytes, as C2SP tlog-tiles entry bundles want it
	MinLeafBytes = 2                  // "{}"
	MaxDocBytes  = 4 << 20            // a compiled policy with every roster it names stays far below; a verifier holds one in memory
	MaxDepth     = 16                 // of nested objects and arrays, the root counted; keeps recursion of every reader small
	MaxInt       = 1<<53 - 1          // larger integers do not survive a JSON reader that uses doubles (RFC 8785, 3.2.2.3)
	maxName      = 128                // bytes of a type, an id, a name of a sealed field, an actor, a person, a cause
	maxStream    = 512                // bytes of a stream name: grant/<identity>/<entitlement> joins two names
	maxTime      = 253402300799999999 // 9999-12-31T23:59:59.999999Z: the last instant with a year of four digits

	maxOrigin         = 200     // an origin stands in every checkpoint and in every signature line
	maxNote           = 1 << 16 // a checkpoint with a hundred cosignatures of the large kind is below 400 KB; ours carry at most a few
	maxExporter       = 256     // who made a bundle: a name, a number, a host
	maxProofHashes    = 63      // the height of the largest tree whose size fits an int64
	maxWitnessLine    = 4096    // one line with a note of two signatures has some 500 bytes
	maxWitnessLines   = 1 << 16 // the newest are kept; more than a day of commits at one a second
	maxMilestones     = 1 << 17 // checkpoints and anchors one verification compares: fifteen years of hourly ones
	maxPolicies       = 1 << 16 // distinct documents one verification looks up
	maxRotations      = 1024    // key rotations one ledger may hold: one a month for eighty years
	maxProblems       = 100     // problems a report names; the rest is counted
	maxChunkBytes     = 1 << 19 // leaves handed to one hasher at a time, rounded up to a whole tile of 256
	maxChunkTiles     = 4       // tiles in one chunk, so that small leaves do not make long chunks
	maxChunksInFlight = 5       // read ahead of the slowest hasher: bounds memory, not speed
)
