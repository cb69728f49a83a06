package ldap

import "time"

const (
	// callTimeout bounds one call; each of its up to eight questions took a millisecond when it was tried.
	callTimeout = 20 * time.Second

	// connectTimeout bounds the connection with TLS and bind alone, so that one host that is down does not use up the call.
	connectTimeout = 10 * time.Second

	// maxName bounds accounts and names of groups: the longest that directories take as a common name is 64 by X.520, and
	// those that are laxer stop at 255.
	maxName = 255

	// maxRoots bounds a file with certificate authorities.
	maxRoots = 1 << 20

	// page is how many groups or people are asked for at once. A group comes with its members, 100 bytes each.
	page = 50

	// maxGroups and maxLog bound what is listed in one run, so that a directory that turns pages for ever does not hold the
	// sweep for ever.
	maxGroups = 100_000

	// maxMarks bounds the marks of one group that are read: one for each grant that lives.
	maxMarks = 20_000

	// maxLog bounds the entries of the access log that are looked at for one group.
	maxLog = 10_000

	// maxKey bounds the key of an access: what the ledger keeps of a finding.
	maxKey = 500

	// probeTTL is how long the group of a probe would live if the probe died.
	probeTTL = time.Minute

	// maxTTL is the longest that RFC 2589 allows.
	maxTTL = 31_557_600 * time.Second

	// maxPrograms bounds the accounts of programs that are looked through for one of them.
	maxPrograms = 2000
)
