package store

import "runtime"

// zoneVersion says which time zone data the program decides with. Go does not name the release of the data it embeds; it is fixed
// by the toolchain, so that is what is recorded.
func zoneVersion() string { return "embedded in " + runtime.Version() }
