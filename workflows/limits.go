package workflows

// Limits of a request. Each has its reason; more is refused with the number in the text.
const (
	MaxReason     = 1000      // runes: fits one Slack section with room for the words round it
	MaxFieldText  = 1000      // runes of one free-text field
	MaxSSHKey     = 16384 / 2 // bytes of a pasted key line: RSA-16384 fits, a file does not
	MaxStages     = 20
	MaxRoster     = 500 // people asked in one stage, after escalation
	MaxOpenPerson = 20  // open requests of one person
	MaxDenyReason = 1000

	maxAbout = 100 // bytes of an id in a refusal: ours have 28
)
