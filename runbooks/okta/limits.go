package okta

import "time"

const (
	// callTimeout bounds one call with its pages.
	callTimeout = 30 * time.Second

	// maxLogin is the longest login that Okta takes.
	maxLogin = 100

	// pageSize is what Okta recommends for members; maxPages bounds a list: 100,000 members.
	pageSize = 200
	maxPages = 500

	// maxEvents is Okta's largest page of the system log: the latest changes of one group are told with who made them.
	maxEvents = 1000

	// logDays is how long Okta keeps its log.
	logDays = 90

	// maxShown bounds what the inventory shows of one identity.
	maxShown = 200

	// maxScopes is what the contract of discovery takes of one application.
	maxScopes = 20

	// maxChange bounds a sentence of a plan; the ledger takes 500 bytes.
	maxChange = 480
)
