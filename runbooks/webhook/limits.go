package webhook

import "time"

const (
	// defaultTimeout and maxTimeout bound one call with all its polls. What takes longer is asked for again by the job
	// that called, under the same webhook-id.
	defaultTimeout = 30 * time.Second
	maxTimeout     = 5 * time.Minute

	// connectTimeout bounds the connection and the TLS handshake, each, so that one dead address does not use up a call.
	connectTimeout = 10 * time.Second

	// defaultPoll and maxPoll are the time between two questions whether it is done.
	defaultPoll = 2 * time.Second
	maxPoll     = 60 * time.Second

	// maxConns bounds the connections to one receiver; 5,000 grants may end in one second.
	maxConns = 16

	// idle is how long a connection is kept for the next call.
	idle = 30 * time.Second

	// maxURL bounds an address: the receiver's own, and where it lets us poll.
	maxURL = 2000

	// maxSecrets bounds the secrets in use at once: the old and the new one during a rotation, and a spare.
	maxSecrets = 4

	// minSecret and maxSecret bound a secret in bytes, as the specification of Standard Webhooks does.
	minSecret = 24
	maxSecret = 64

	// maxRoots bounds a file of certificate authorities: a whole system's bundle has 230 KB.
	maxRoots = 1 << 20

	// maxHeader bounds the headers that are read; none of them is used.
	maxHeader = 16 << 10
)
