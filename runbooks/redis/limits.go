package redis

import "time"

const (
	// maxName bounds the name of an account.
	maxName = 256

	// callTimeout bounds one call, connectTimeout the connection alone; a call took a millisecond when it was tried.
	callTimeout    = 15 * time.Second
	connectTimeout = 5 * time.Second

	// maxRules and maxRule bound an entitlement; a rule is a pattern of keys or the name of a command.
	maxRules = 64
	maxRule  = 200

	// maxBulk, maxItems and maxDepth bound what a server may answer: the list of 10,000 clients has 4 MB.
	maxBulk  = 64 << 20
	maxItems = 1 << 20
	maxDepth = 8
	maxLine  = 64 << 10

	// maxRoots bounds a file with certificate authorities.
	maxRoots = 1 << 20
)
