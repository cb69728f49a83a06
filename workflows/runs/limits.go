package runs

import "time"

const (
	// maxNote bounds what somebody says about a step, in characters: one Slack input field holds 3,000.
	maxNote = 2000

	// leastWhy is how much somebody says who leaves a step out or ends a run early, in characters.
	leastWhy = 5

	// maxEvidence bounds what is attached to one run: a report of more pages is read by nobody.
	maxEvidence = 200

	// firstAgain and longestAgain are the waits between attempts of a step; they double. A person stands beside it and can skip.
	firstAgain   = 5 * time.Second
	longestAgain = 2 * time.Minute

	// runOut is how long a run may stand still after its time before it is closed: a colleague in the next time zone can still go on.
	runOut = 24 * time.Hour
)
