package awsapi

import "time"

const (
	// margin is how long before their end credentials of an assumed role are replaced.
	margin = 5 * time.Minute

	// roleLife is how long such credentials are asked for: the shortest that AWS gives, in seconds.
	roleLife = "900"

	// maxWords bounds what AWS says in its own words and we repeat.
	maxWords = 200
)
