package bot

import "time"

// Bounds of the room.
const (
	// factSteps is how many steps of a routine a card names: who wants to see all of them reads the text.
	factSteps = 8

	standingAge  = 60 * time.Second // how old an answer about a person may be when it decides (T10)
	userWait     = 3 * time.Second  // for one answer about a person: a decision on this machine goes on without a Slack that is silent (R5)
	nameAge      = time.Hour        // of a name on a screen, which decides nothing; an event says so when it changes
	groupAge     = 60 * time.Second // the same for user groups, which are Tier 2: 20 calls a minute
	channelAge   = 5 * time.Minute  // whether a channel is shared; an event says so at once
	maxCached    = 10_000           // people kept in memory; a larger workspace is asked more often
	maxGroups    = 500              // user groups kept in memory
	maxChannels  = 1000
	keepWait     = 5 * time.Second  // to write down what Slack has taken, also when the bot is told to stop
	answerWait   = 10 * time.Second // for what is said after a decision; the decision itself is long durable then
	minSuffix    = 4                // characters of an id that may stand for it: 20 bits, and ambiguity refuses
	maxUnix      = 1 << 33          // seconds since 1970 that a picker may send: the year 2242
	previewNames = 6                // people of a stage that a form names before it is sent
	maxNotes     = 100              // comments of a request that are drawn; a card shows the last three
	crowdFrom    = 5                // requests that escalate to somebody at once from which on they come as one message: each buzzes a phone
	crowdAtOnce  = 12               // of them in one message: all of its lines are seen
	maxListed    = 50               // requests read for one answer
	maxDrifts    = 8                // targets compared for one answer: five blocks each, of the fifty that a message has
	driftWait    = 20 * time.Second // for one target
	maxFindings  = 10               // findings of a target named in one message; the command line lists all
	maxLine      = 3000             // characters of a command that are looked at
	maxDrawn     = 20_000           // messages of which we remember what they show: 1 MB
	maxThread    = 50               // lines written into a card's thread by one repaint
	maxHours     = 20               // people of a stage whose working hours are looked up; a card lists twelve
	hoursAhead   = 14               // days in which somebody's next hour of work is looked for
	macBytes     = 16
	shownDigits  = 32 // hex digits of the shown hash in a button: 128 bits
	minKeyBytes  = 32
	ourMetadata  = "countersign" // event type of message metadata
	maxButton    = 400           // characters of a button's value that are decoded
	slackAccount = "slack"       // kind of account

	// surfaceLooks and surfaceEvery bound how long a click on a message of ours waits for the row that says so: the row follows the message
	// by milliseconds, and the acknowledgement waits 1.5 s.
	surfaceLooks = 20
	surfaceEvery = 50 * time.Millisecond
)

// Bounds of what people do in Slack besides deciding.
const (
	linkAge       = 10 * time.Minute // of a code that links two accounts
	maxClaims     = 1000             // codes that are out at once
	maxWrongCodes = 5                // of an account in an hour: forty bits cannot be guessed so
	maxPlace      = 64               // "C…/ts" of a message that a form was opened on
	linkKept      = 24 * time.Hour   // of a message's address, which does not change
)
