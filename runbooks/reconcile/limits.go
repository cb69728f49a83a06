package reconcile

import "time"

const (
	// filterBytes and filterHashes: of 10,000 keys one in two thousand million is taken for met by mistake, of a million one
	// in fifty, and each sweep errs about others.
	filterBytes  = 1 << 20
	filterHashes = 4

	// slack is how much later than its grant an access may end on the target: clocks differ, and some targets round up.
	slack = 2 * time.Minute

	// maxChecked bounds the grants that are read back one by one because a list did not have them: a target that lost
	// everything is found out by the first few hundred.
	maxChecked = 500
)
