package runbooks

import "time"

const (
	// maxName bounds ids, names and accounts: the longest that any target here takes (a DNS name).
	maxName = 256

	// maxParams and maxValues bound an entitlement's own words; they come from configuration, and a mistake there must
	// not become a request of many megabytes.
	maxParams = 32
	maxValues = 256
	maxValue  = 4 << 10

	// maxFields and maxField bound what a form hands over: a pasted RSA key of 16,384 bits takes 2.8 KB.
	maxFields = 32
	maxField  = 16 << 10

	// maxSpan bounds how long a grant may last; anything longer is standing access under another name.
	maxSpan = 366 * 24 * time.Hour

	// maxFacts, maxFact bound what goes into the ledger's leaves for ever.
	maxFacts = 20
	maxFact  = 500

	// maxSteps, maxStep, maxFiles and maxFile bound how-to-use: it is shown on a card, a certificate is 3 KB at most.
	maxSteps = 20
	maxStep  = 1000
	maxFiles = 5
	maxFile  = 16 << 10

	// maxTold bounds the holder's name in a target's own log: a User-Agent of some hundred bytes goes through everywhere.
	maxTold = 120

	// maxErrorText bounds an error's words: they are shown on a card and kept in the ledger.
	maxErrorText = 500

	// maxStack bounds the stack of a panic in the log: the frames of the connector are the first ones.
	maxStack = 4 << 10

	// maxParts and maxSecretPart bound what is handed over: a private key with its chain of certificates takes 12 KB.
	maxParts      = 8
	maxSecretPart = 32 << 10
	maxHandover   = 64 << 10

	// minScrub is the least length of a part that is taken out of foreign texts: a shorter one stands in them
	// by chance, and is no secret.
	minScrub = 8

	// defaultTimeout is for a connector that declares none.
	defaultTimeout = 30 * time.Second

	// grace is how long a call may take to come back after its context ended, before it counts as hanging.
	grace = 2 * time.Second

	// maxHanging bounds the calls to one connector that never came back: each holds a goroutine and perhaps a socket.
	maxHanging = 16

	// maxDocument and maxDocumentLine bound a runbook document: it is read by people during an incident (64 KiB are 30
	// printed pages), and the Markdown parser takes time in the square of the depth of nesting (250 KiB of "> " in one
	// line took 19 s, of "[a](" 36 s).
	maxDocument     = 64 << 10
	maxDocumentLine = 2000

	// maxDocumentSteps bounds the steps of a document; one of more than 200 steps helps nobody at night.
	maxDocumentSteps = 200

	// maxStepText bounds one step as plain text, so that it fits a chat message (Slack: 3,000 characters in a section).
	maxStepText = 2900

	// maxSessions bounds the sessions of one grant that are shown and recorded.
	maxSessions = 200

	// maxOffers bounds what of a target's catalogue is kept for forms: who has more roles than these needs entitlements in files.
	maxOffers = 5_000

	// listTimeout bounds the reading of a whole target; the sweep after it reads it again.
	listTimeout = 5 * time.Minute
)
