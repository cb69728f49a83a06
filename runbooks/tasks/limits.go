package tasks

import "time"

const (
	// fresh is how long an answer is given again: a hundred grants on one ticket ask once. The contract allows 60 s.
	fresh = 30 * time.Second

	// maxKept bounds the answers that are kept.
	maxKept = 1000

	// askTimeout bounds one question.
	askTimeout = 10 * time.Second

	// maxRef bounds a reference; maxStatus, maxTitle and maxLink bound what is said of a task, maxAssignees whom it names.
	maxRef       = 200
	maxStatus    = 60
	maxTitle     = 200
	maxLink      = 500
	maxAssignees = 50
	maxAssignee  = 256

	// hookAge is how old a signature with a time may be, as Standard Webhooks recommends.
	hookAge = 5 * time.Minute

	// maxPattern bounds a pattern of the settings.
	maxPattern = 200

	// minSecret is the fewest bytes of a secret that signs hooks.
	minSecret = 16
)
