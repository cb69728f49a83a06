package awssso

import "time"

const (
	// callTimeout bounds one call with its polls: AWS takes 5 to 60 seconds for an assignment.
	callTimeout = 90 * time.Second

	// pollEvery is the time between two questions whether it is done; AWS allows 20 calls a second for an organisation.
	pollEvery = 2 * time.Second

	// pageSize is AWS's largest page, and maxPages bounds a list.
	pageSize = 100
	maxPages = 1000

	// maxUserName is the longest name of a user in an identity store.
	maxUserName = 128

	// maxReason bounds AWS's words about what failed.
	maxReason = 200

	// maxNames bounds the names of users that are kept while listing: they are looked up one by one.
	maxNames = 10_000

	// maxGroups bounds the groups that are asked about for a plan; there are a handful on a permission set.
	maxGroups = 50

	// maxGroupPages bounds the groups of one user: 1,000, which is what AWS allows.
	maxGroupPages = 10

	// maxChange bounds a sentence of a plan; the ledger takes 500 bytes.
	maxChange = 480
)
