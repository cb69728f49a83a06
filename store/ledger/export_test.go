package ledger

// GlimpseError tells what the verifier's fast reader thinks of the bytes of a leaf.
func GlimpseError(b []byte) error {
	var g glimpse
	return g.read(b)
}

// IsHash is how leaves tell a commitment.
func IsHash[S string | []byte](s S) bool { return isHash(s) }

// CommitmentOf is what the verifier's fast reader finds of a field.
func CommitmentOf(b []byte, field string) (string, error) {
	var g glimpse
	err := g.read(b)
	return string(g.commitment(field)), err
}
