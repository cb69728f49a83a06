package custody

import "time"

// The limits of this package.
const (
	Window       = 24 * time.Hour // a second person confirms within a day: longer, and nobody remembers what was looked at
	RekeyWindow  = time.Hour      // a key is changed by two people who talk to each other
	Disclosure   = 24 * time.Hour // an export that was agreed on is made within a day
	maxScopeText = 200            // runes of a field name or a list of streams
)
