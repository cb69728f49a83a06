package screens

// Bounds of what is drawn. Slack's own limits (blocks per message, characters per text object) stand above each of them.
const (
	maxBlocks       = 100  // of a Home page
	maxTexts        = 10   // in two columns of one section
	maxSection      = 2900 // characters of one text object; Slack takes 3,000
	maxLiveSessions = 5    // sessions named on a card
	maxFact         = 1900 // of one field of a section; Slack takes 2,000
	maxHeader       = 148
	maxOption       = 75
	maxLabel        = 150
	maxTitle        = 24  // of a modal, its submit and close button
	maxNotify       = 600 // runes of a notification: phones cut much earlier, screen readers read all of it
	maxWho          = 28  // runes of a name within a notification, so that its first 100 hold verb, who, what and how long
	maxWhat         = 46
	maxName         = 80  // runes of a person's name; Slack's own names end there
	shownRunes      = 300 // of a typed text on a card: more would push the decision out of sight, so it is cut and must be opened
	shownLines      = 6
	shownField      = 120
	halfCard        = 40 // runes that one of two columns shows without breaking a word that has no spaces
	wideFields      = 3  // long values that get a line of their own: each takes two of Slack's 50 blocks
	compactFields   = 5  // fields of a request on a Home page
	cardFields      = 10 // fields on a card: what decides and the buttons stay within a screen or two; the rest must be opened
	foldStages      = 4  // stages of a chain that a card shows whole; of longer ones only the stage that decides now
	foldedLines     = 3  // stages before it and after it that get a line; the rest is counted
	maxSeats        = 12 // people listed per stage; the rest is counted
	maxOptions      = 100
	maxSuggested    = 18_000  // bytes of what a search offers, below the 20 KB of an acknowledgement
	maxSent         = 200_000 // bytes of a document as it is sent: letters beyond ASCII take up to four, and Slack takes 250 KB of a view
	maxGroups       = 100
	maxFields       = 20      // inputs of a form besides ours
	homeLines       = 5       // entries per list on a Home page; the rest is counted and found with /access list
	listLines       = 20      // entries in an answer to /access list
	maxParts        = 20      // sections of a chain's manual in a message
	maxChanges      = 20      // changes of the documents in a message; the command line lists all
	maxProposals    = 2       // on a Home page; each has its own message too
	maxOffers       = 3       // counter-offers on a card that have buttons
	maxNotes        = 3       // comments on a card; the rest is in its thread and in the ledger
	maxWords        = 8 << 20 // bytes of the words of all languages, unpacked: they are 0.3 MB
	maxDocument     = 60      // sections of a document in a modal, 2,900 characters each; Slack takes 100 blocks and 250 KB
)
