package kubernetes

import "time"

const (
	// callTimeout bounds one call of the contract, of up to six requests; each took 5 ms when it was tried.
	callTimeout = 20 * time.Second

	// minTTL is the least that the API server gives a token (TokenRequest, spec.expirationSeconds).
	minTTL = 10 * time.Minute

	// tokenLatency is how long the API server goes on taking a token whose Secret is gone: it remembers answers for that long.
	tokenLatency = 10 * time.Second

	// page is how many objects are asked for at once; maxPages bounds a list, so that a server that turns pages for ever does not
	// hold the sweep for ever.
	page     = 200
	maxPages = 5_000

	// maxName is the longest name of an object; maxAccount bounds a user's name, which can be an e-mail address or a DN.
	maxName    = 253
	maxAccount = 250

	// maxNamespaces bounds the setting, since each is asked by itself.
	maxNamespaces = 100

	// maxToken bounds a token that the server makes; a usual one has 1.2 KB.
	maxToken = 16 << 10
)
