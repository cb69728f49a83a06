package x509

import "time"

const (
	// callTimeout bounds one call, which only writes a file.
	callTimeout = 10 * time.Second

	// maxLife is the longest that a certificate may last: a server that never fetches the list lets one in for as long.
	maxLife = 24 * time.Hour

	// backdate is how far before the grant a certificate begins to be good, for servers whose clock is behind; margin is how long
	// after its end it stays on the list, for the same.
	backdate = time.Minute
	margin   = time.Hour

	// listLife is how long a list counts as fresh (nextUpdate), and listAge after how long a new one is signed though nothing
	// changed: a server that fetches every few hours always has a fresh one.
	listLife = 24 * time.Hour
	listAge  = time.Hour

	// caLife is how long the authority's own certificate lasts.
	caLife = 10 * 365 * 24 * time.Hour

	// tryTimeout bounds a drill's connection, and answerTimeout how long it waits for a word of a server that let the certificate in. maxRoots bounds the
	// file of authorities in bytes.
	tryTimeout    = 15 * time.Second
	answerTimeout = 3 * time.Second
	maxRoots      = 1 << 20

	// every is how often servers are expected to fetch the list.
	every = 5 * time.Minute

	// maxRequest bounds a certificate request: one of an RSA key of 8,192 bits has 2.7 KB.
	maxRequest = 8 << 10

	// maxIssued bounds the live certificates, and maxRegister the file that keeps them: 1.5 KB each.
	maxIssued   = 20_000
	maxRegister = 64 << 20

	// maxRenewals bounds how often the certificate of one grant, which lasts a day at most, can be replaced.
	maxRenewals = 20

	// maxName is the longest common name and organization (RFC 5280, appendix A.1: ub-common-name), maxNames how many
	// organizations there may be.
	maxName  = 64
	maxNames = 16

	// maxSPIFFE is the longest SPIFFE ID (SPIFFE-ID, 2.3).
	maxSPIFFE = 2048

	// minRSA and maxRSA bound RSA keys in bits: a larger one takes servers a second to check.
	minRSA = 2048
	maxRSA = 8192
)
