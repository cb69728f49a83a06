package spec

// For tests of what has no exported door.
var (
	Canonical = canonical
	NotNFC    = notNFC
	Near      = nearest
)
