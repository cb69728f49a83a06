package awsiam

import "time"

const (
	// callTimeout bounds one call with its pages.
	callTimeout = 30 * time.Second

	// settling is how long IAM takes, typically, to know a change everywhere.
	settling = 10 * time.Second

	// maxName is the longest name of a user; maxPolicyName that of a policy.
	maxName       = 64
	maxPolicyName = 128

	// maxActions and maxResources keep a policy within what a user's inline policies may take together.
	maxActions   = 20
	maxResources = 10
	maxPolicy    = 2048

	// pageSize and maxPages bound lists: 100,000 users.
	pageSize = "100"
	maxPages = 1000

	// longestSession is the longest that a session of any role lasts: after it a denial is of no use any more.
	longestSession = 12 * time.Hour

	// maxShown bounds what the inventory shows of one identity.
	maxShown  = 200
	maxGrants = 20

	// maxChange bounds a sentence of a plan; the ledger takes 500 bytes.
	maxChange = 480
)
