package vault

import "time"

const (
	// callTimeout bounds one call; making and dropping a database user takes Vault up to some seconds.
	callTimeout = 30 * time.Second

	// maxPath bounds a path, maxPolicies the policies of a grant's token.
	maxPath     = 200
	maxPolicies = 10

	// maxWrap is the longest time that a wrapped secret may wait to be taken.
	maxWrap = 7 * 24 * time.Hour

	// maxParts bounds what is handed over of one answer: a database gives two, a cloud four.
	maxParts = 10

	// maxRecord bounds a record of the register.
	maxRecord = 256 << 10

	// maxWords bounds what Vault says in its own words and we repeat.
	maxWords = 200

	// maxChange bounds a sentence of a plan; the ledger takes 500 bytes.
	maxChange = 480

	// young is how long after its making a certificate that the register does not know is passed over: longer than a call, and than the
	// half minute by which Vault dates certificates back.
	young = 2 * time.Minute

	// maxListed bounds the leases of one path, and the roles and certificates of one engine: Vault gives them all at once.
	maxListed = 20_000
)
