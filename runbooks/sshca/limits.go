package sshca

import "time"

const (
	// seedSize is the length of an Ed25519 seed.
	seedSize = 32

	// maxPrincipals bounds a certificate's principals; OpenSSH itself stops at 256, a grant that needs more than a few
	// names a role too broad.
	maxPrincipals = 16

	// maxAddresses bounds the source-address list: it is scanned by the host at every login.
	maxAddresses = 32

	// maxForcedCommand bounds the command a certificate forces: it is one line of an entitlement, not a script.
	maxForcedCommand = 1000

	// maxHolder bounds the holder's name inside the KeyId, so that a host's log line stays readable.
	maxHolder = 64

	// maxPastedKey bounds the pasted line; an RSA key of 16,384 bits takes 2,800 bytes.
	maxPastedKey = 8 << 10

	// minRSABits is what ssh-keygen makes by default since OpenSSH 7.8, and what NIST SP 800-57 asks for beyond 2030.
	minRSABits = 3072

	// maxRSABits bounds the work a pasted key makes every host do.
	maxRSABits = 16384

	// skew is how long before a grant's start its certificate is valid, for hosts whose clock is behind ours.
	skew = 30 * time.Second

	// margin is how long after its end a revoked serial stays on the list, for hosts whose clock is behind ours.
	margin = time.Hour

	// maxIssued and maxRevoked bound the register: 100,000 live certificates are 100 times what a company of 10,000
	// people was seen to hold at once; beyond that something is wrong and the operator must look.
	maxIssued  = 100_000
	maxRevoked = 100_000

	// maxRegister bounds the register's file: 200,000 entries of about 100 bytes, doubled.
	maxRegister = 64 << 20

	// maxHosts bounds the hosts remembered: the report is made by whoever can reach the address.
	maxHosts = 5_000

	// namedHosts is how many hosts an error names; the rest are counted.
	namedHosts = 5

	// maxCommands and maxCommand bound what one grant may run with sudo: who needs more needs ALL, and people should see that.
	maxCommands = 16
	maxCommand  = 200

	// maxReport bounds what a host tells at once, maxTold its sessions and keys: a bastion has some hundred logins at a time.
	maxReport = 1 << 20
	maxTold   = 2_000

	// tellsFor is how long the word of a host about its sessions counts: it comes once a minute.
	tellsFor = 5 * time.Minute

	// maxLogTail bounds how much of sshd's log a host reads: 8 MiB are about 40,000 logins.
	maxLogTail = 8 << 20

	// maxKeysFile bounds an authorized_keys file that is looked at.
	maxKeysFile = 1 << 20

	// tryTimeout bounds the login of a drill.
	tryTimeout = 10 * time.Second

	// maxHostName is the longest name DNS allows.
	maxHostName = 253

	// maxKRL bounds a list on its way in: 100,000 serials of 8 bytes are 800 KB; a list of another maker may be larger.
	maxKRL = 16 << 20

	// maxSections bounds the sections of a list that is parsed, together with maxSpans its memory.
	maxSections = 10_000
	maxSpans    = 2_000_000

	// maxBitmapBits keeps a bitmap below the 16,384 bits that OpenSSH takes in one number.
	maxBitmapBits = 4096

	// pullTimeout bounds one pull when the caller's context has no earlier end: a host runs it every minute.
	pullTimeout = 30 * time.Second
)
