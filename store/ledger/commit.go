package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"unicode/utf8"
)

// commitPrefix separates these HMACs from any other use of a salt, and one version of the scheme from the next.
const commitPrefix = "countersign/commit/v1"

// Salt hides one sealed value. It is random, never used for two values, and erased with the value: what then remains in the leaf
// says nothing about it, not even to somebody who can guess it.
type Salt [32]byte

// NewSalt reads a salt from rand, which is crypto/rand.Reader outside of tests.
func NewSalt(rand io.Reader) (Salt, error) {
	var s Salt
	if _, err := io.ReadFull(rand, s[:]); err != nil {
		return Salt{}, fmt.Errorf("making a salt: %w", err)
	}
	return s, nil
}

// MarshalText writes the salt as 64 lower-case hexadecimal digits.
func (s Salt) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Salt) UnmarshalText(b []byte) error {
	if !isHash(string(b)) {
		return fmt.Errorf("reading salt: want 64 lower-case hexadecimal digits, have %d bytes", len(b))
	}
	_, err := hex.Decode(s[:], b)
	return err
}

// Opening is what turns a commitment back into a value; it lies beside the ledger and can be erased.
type Opening struct {
	Field string `json:"field"`
	Salt  Salt   `json:"salt"`
	Value string `json:"value"`
}

// Commit gives the commitment that a leaf carries for a sealed field: HMAC-SHA256(salt, "countersign/commit/v1" || field || 0x00
// || value) as 64 lower-case hexadecimal digits. The field is part of it, so that a commitment cannot be moved to another field.
// A name with a zero byte would blur that border: Encode and Open refuse it.
func Commit(salt Salt, field, value string) string {
	mac := hmac.New(sha256.New, salt[:])
	buf := make([]byte, 0, 256)
	buf = append(append(append(append(buf, commitPrefix...), field...), 0), value...)
	mac.Write(buf)
	return hex.EncodeToString(mac.Sum(buf[:0]))
}

// Seal makes a salt and returns the commitment for the leaf together with its opening.
func Seal(rand io.Reader, field, value string) (string, Opening, error) {
	salt, err := NewSalt(rand)
	if err != nil {
		return "", Opening{}, fmt.Errorf("sealing %q: %w", field, err)
	}
	if !isSealedName(field) {
		return "", Opening{}, fmt.Errorf("sealing %q: not a name of a sealed field", field)
	}
	return Commit(salt, field, value), Opening{Field: field, Salt: salt, Value: value}, nil
}

// Open tells whether o opens the commitment.
func Open(commitment string, o Opening) bool {
	return isSealedName(o.Field) && hmac.Equal([]byte(Commit(o.Salt, o.Field, o.Value)), []byte(commitment))
}

func isSealedName[S string | []byte](s S) bool {
	if len(s) == 0 || len(s) > maxStream {
		return false
	}
	ascii := true
	for i := range len(s) {
		if s[i] == 0 {
			return false
		}
		ascii = ascii && s[i] < 0x80
	}
	return ascii || utf8.ValidString(string(s))
}

const documentPrefix = "sha256:"

// DocumentHash names a document: "sha256:" and the SHA-256 of its bytes as 64 lower-case hexadecimal digits.
func DocumentHash(b []byte) string {
	h := sha256.Sum256(b)
	return documentPrefix + hex.EncodeToString(h[:])
}

func isDocumentHash[S string | []byte](s S) bool {
	const n = len(documentPrefix)
	return len(s) > n && string(s[:n]) == documentPrefix && isHash(s[n:])
}
