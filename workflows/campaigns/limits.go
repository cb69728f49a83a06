package campaigns

import "time"

const (
	// MaxItems bounds what one sheet holds: an entry of the ledger has some 64 KiB, and nobody looks at more in one sitting.
	MaxItems = 100

	// MaxSheets bounds the sheets of one run, which its first entry names.
	MaxSheets = 400

	// MaxPage is how many items somebody is shown at once: what stands on one screen can have been looked at.
	MaxPage = 10

	// MinReason is how many characters say why something is not kept as it is.
	MinReason = 10

	// SilenceTogether is how long security waits to hear of a sheet that lapsed: the others of the same deadline lapse meanwhile, and are told with it.
	SilenceTogether = 5 * time.Minute

	// narrowWithin is how long the owner has to narrow a scope before the identity is suspended.
	narrowWithin = 7 * 24 * time.Hour
)
