package anchors

import "time"

// The limits of the room.
const (
	maxNote     = 64 << 10         // bytes of a note with its signatures; ours have below 2 KB
	maxRequest  = 80 << 10         // a note, 63 hashes and the old size
	maxProof    = 63               // hashes, by the protocol
	maxRounds   = 3                // of finding out where a witness stands: it may move on between two requests
	newestAsked = 16               // objects that a start looks at
	askTimeout  = 15 * time.Second // for one anchor
	maxLogs     = 1000             // ledgers that one witness may know
)
