// Package seal closes secrets: at rest with a key of the installation, bound to the grant that they belong to, and for a person with that
// person's own age or SSH key. It decides nothing and keeps nothing; package cmd joins it to the store.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
)

// maxPublicKey bounds a pasted key: an RSA key of 16,384 bits takes 2.8 KB.
const maxPublicKey = 8 << 10

// Box seals at rest: AES-256-GCM with a random nonce in front, and the name of the row as what is authenticated beside it, so that a sealed
// secret that is moved to another row opens no more.
type Box struct{ aead cipher.AEAD }

// NewBox takes a key of 32 bytes that serves no other purpose.
func NewBox(key []byte) (Box, error) {
	if len(key) != 32 {
		return Box{}, fmt.Errorf("a key that seals has 32 bytes, not %d", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Box{}, err
	}
	aead, err := cipher.NewGCM(block)
	return Box{aead}, err
}

func beside(row string) []byte { return []byte("countersign/handover/v1\x00" + row) }

// Seal closes a clear text for a row.
func (b Box) Seal(row string, clear []byte) []byte {
	nonce := make([]byte, b.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return b.aead.Seal(nonce, nonce, clear, beside(row))
}

// Open opens what Seal closed for the same row. Its error holds nothing of it.
func (b Box) Open(row string, sealed []byte) ([]byte, error) {
	n := b.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("opening a sealed secret: it is cut short")
	}
	clear, err := b.aead.Open(nil, sealed[:n], sealed[n:], beside(row))
	if err != nil {
		return nil, fmt.Errorf("opening the sealed secret of %q: it was changed, belongs to another row, or was sealed with another key", row)
	}
	return clear, nil
}

// Fingerprint names a secret so that who has the secret and the key can recognise it, and nobody else can try guesses: "hmac256:" and half of
// an HMAC-SHA256.
func Fingerprint(key []byte, secret string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("countersign/fingerprint/v1\x00"))
	h.Write([]byte(strings.TrimSpace(secret)))
	return "hmac256:" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Fingerprints are those of the parts that are secret, by name.
func Fingerprints(key []byte, h runbooks.Handover) map[string]string {
	out := map[string]string{}
	for _, p := range h.Parts {
		if !p.Public {
			out[p.Name] = Fingerprint(key, p.Value.Reveal())
		}
	}
	return out
}

// Key is a person's own public key.
type Key struct {
	Medium      string // "age", or the kind of an SSH key: "ssh-ed25519", "ssh-rsa"
	Text        string // as it is kept: one line, without options
	Fingerprint string // "SHA256:…", of an SSH key as ssh-keygen -l prints it
	recipient   age.Recipient
}

// ParseKey reads "age1…" or a line of an authorized_keys file or an .pub file. Errors are sentences for the person.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > maxPublicKey || strings.ContainsAny(text, "\r\n"):
		return Key{}, errors.New("a key is one line of at most 8 KB")
	case strings.Contains(text, "PRIVATE KEY") || strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY"):
		return Key{}, errors.New("that is a private key: make a new one now, since this one has been sent around, and give the public half")
	case strings.HasPrefix(text, "age1"):
		return parseAge(text)
	}
	return parseSSH(text)
}

func parseAge(text string) (Key, error) {
	r, err := age.ParseX25519Recipient(text)
	if err != nil {
		return Key{}, errors.New("that is not an age key: age-keygen -y prints it, and it begins with age1")
	}
	sum := sha256.Sum256([]byte(r.String()))
	return Key{"age", r.String(), "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), r}, nil
}

func parseSSH(text string) (Key, error) {
	pub, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return Key{}, errors.New("that is neither an age key (age1…) nor the one line of an SSH public key (ssh-ed25519 …)")
	}
	r, err := agessh.ParseRecipient(text)
	if err != nil {
		return Key{}, fmt.Errorf("a secret cannot be sealed to a key of kind %s: take ssh-ed25519, ssh-rsa of at least 2048 bits, or age", pub.Type())
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)) + " " + comment)
	return Key{pub.Type(), strings.Join(strings.Fields(line), " "), ssh.FingerprintSHA256(pub), r}, nil
}

// SealTo closes a handover for a person: armoured age, which age -d -i KEYFILE opens. What is inside is text: each part behind its name.
func SealTo(k Key, h runbooks.Handover) (string, error) {
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, k.recipient)
	if err != nil {
		return "", fmt.Errorf("sealing to key %s: %w", k.Fingerprint, err)
	}
	if _, err := w.Write([]byte(Text(h))); err != nil {
		return "", fmt.Errorf("sealing to key %s: %w", k.Fingerprint, err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("sealing to key %s: %w", k.Fingerprint, err)
	}
	if err := a.Close(); err != nil {
		return "", fmt.Errorf("sealing to key %s: %w", k.Fingerprint, err)
	}
	return out.String(), nil
}

// Text is a handover as its holder reads it in a terminal. It holds the secret: it goes to the holder and nowhere else.
func Text(h runbooks.Handover) string {
	var b strings.Builder
	if h.Title != "" {
		fmt.Fprintln(&b, h.Title)
	}
	if h.Wrapped {
		fmt.Fprintln(&b, "A single-use token: the target gives the secret for it once. If it says that the token was used, somebody else had it: tell security.")
	}
	for _, p := range h.Parts {
		if strings.Contains(p.Value.Reveal(), "\n") {
			fmt.Fprintf(&b, "%s:\n%s\n", p.Name, strings.TrimRight(p.Value.Reveal(), "\n"))
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", p.Name, p.Value.Reveal())
	}
	return b.String()
}
