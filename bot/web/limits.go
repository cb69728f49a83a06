package web

import "time"

const (
	linkLife    = 5 * time.Minute  // of a link to a secret, from when it was asked for (R26)
	codeLife    = 5 * time.Minute  // of a code that was sent in the chat
	provenLife  = 5 * time.Minute  // how long a proof opens a secret: what is to be seen is seen at once
	sessionLife = 30 * time.Minute // of a session in all
	idleLife    = 10 * time.Minute // of a session that nobody uses
	desertLife  = 10 * time.Minute // of a session on the pages for emergencies, in all: one code opens that much

	maxSessions = 10_000 // some 5 MB; the oldest go first
	maxLinks    = 10_000
	maxTries    = 5  // codes typed for one link, right or wrong
	maxSends    = 3  // codes sent for one link
	maxGuesses  = 5  // wrong one-time codes of one name within guessSpan
	maxAnybody  = 60 // wrong one-time codes of all names within guessSpan
	guessSpan   = 15 * time.Minute

	maxForm  = 32 << 10 // bytes of a posted form: a reason of 1,000 characters and a key of 16,384 bits fit
	maxName  = 64       // characters of a request's id in an address; ours have 26 and a prefix
	maxShown = 50       // requests, runbooks that one page lists
)
