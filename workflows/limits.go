package workflows

// Limits of a request. Each has its reason; more is refused with the number in the text.
const (
	MaxReason     = 1000      // runes: fits one Slack section with room for the words round it
	MaxFieldText  = 1000      // runes of one free-text field
	MaxSSHKey     = 16384 / 2 // bytes of a pasted key line: RSA-16384 fits, a file does not
	MaxCSR        = 3000      // bytes of a pasted certificate request: one of RSA-8192 fits, and a field of Slack takes no more
	MaxStages     = 20
	MaxRoster     = 500 // people asked in one stage, after escalation
	MaxOpenPerson = 20  // open requests of one person
	MaxDenyReason = 1000

	MaxShifts   = 100 // changes of shift while one stage is open: hourly ones for four days
	MaxComments = 100 // of one request: a card shows the last few, a longer talk belongs into a channel
	MaxOffers   = 50  // counter-offers of one request

	maxID      = 63        // bytes of the id of a target or an identity
	maxNumber  = 1<<53 - 1 // of a number field: what every JSON reader keeps whole
	maxParties = 1500      // people who may see a request by their part in it: of a roll; a chain of 20 stages with 70 people each
	maxAbout   = 100       // bytes of an id in a refusal: ours have 28
)
