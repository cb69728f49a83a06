package ledger

import (
	"crypto/sha256"
	"crypto/subtle"
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
	sum := commitSum(salt, field, value)
	return hex.EncodeToString(sum[:])
}

// commitSum is HMAC written out (RFC 2104): a verifier of a million openings would spend most of its time making and copying the states
// that crypto/hmac keeps for longer messages. TestCommitIsHMAC holds it to that package.
func commitSum(salt Salt, field, value string) [sha256.Size]byte {
	var room [1024]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	for i := range sha256.BlockSize {
		room[i], outer[i] = 0x36, 0x5C
	}
	for i, b := range salt {
		room[i] ^= b
		outer[i] ^= b
	}
	inner := append(room[:sha256.BlockSize], commitPrefix...)
	inner = append(append(append(inner, field...), 0), value...)
	sum := sha256.Sum256(inner)
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
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
func Open(commitment string, o Opening) bool { return opens(commitment, o) }

func opens[S string | []byte](commitment S, o Opening) bool {
	var text [2 * sha256.Size]byte
	sum := commitSum(o.Salt, o.Field, o.Value)
	hex.Encode(text[:], sum[:])
	return isSealedName(o.Field) && subtle.ConstantTimeCompare(text[:], []byte(commitment)) == 1
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
