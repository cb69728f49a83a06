package ledger

// GlimpseError tells what the verifier's fast reader thinks of the bytes of a leaf.
func GlimpseError(b []byte) error {
	var g glimpse
	return g.read(b)
}
