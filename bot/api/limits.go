package api

import "time"

const (
	maxBody       = 64 << 10 // bytes of a request: a form with an SSH key fits many times
	maxToken      = 16 << 10 // bytes of an identity token: those of big clusters have 4 KiB
	maxTokenLife  = 24 * time.Hour
	maxSPIFFELife = time.Hour            // a SPIFFE token lives minutes; one that lives longer is not what the trust domain issues
	maxSVIDLife   = 25 * time.Hour       // of an X.509-SVID: a day, and what clocks are off; SPIRE gives an hour
	maxCertLife   = 398 * 24 * time.Hour // of another client certificate: what public authorities give at most
	skew          = time.Minute          // between the issuer's clock and ours
	sessionLife   = time.Hour            // then a fresh token is asked for
	maxSessions   = 10_000               // open at once, of all; the oldest go first
	maxWait       = 50 * time.Second     // of one long poll: under the time the web server gives an answer
	lookEvery     = 250 * time.Millisecond
	maxWaiting    = 2_000 // long polls at once
	maxIdempotent = 64    // characters of an Idempotency-Key

	perIdentity  = 600 // calls a minute of one identity, all its sessions together
	perAddress   = 120 // sessions a minute asked for from one address
	maxCounted   = 20_000
	fetchTimeout = 10 * time.Second // for an issuer's keys
	maxFetched   = 1 << 20
	maxCRL       = 8 << 20          // of a list of revoked certificates: 200,000 of them
	crlEvery     = 5 * time.Minute  // so late at most a certificate that was revoked is noticed
	crlAgain     = 15 * time.Second // after a list that could not be fetched
	maxChain     = 8                // certificates between a workload's and its authority: trust domains have one or two
)
