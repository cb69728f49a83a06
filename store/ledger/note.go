package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Head is the one row that says where the ledger stands; it is replaced in every commit by compare and swap on Size.
type Head struct {
	Size     int64
	Root     Hash
	Frontier []byte // see Tree.Frontier
	Note     []byte // the signed checkpoint for Size and Root
}

// Head signs the tree as it is and returns the row to be stored.
func (t *Tree) Head(origin string, signers ...note.Signer) (Head, error) {
	cp := Checkpoint{Origin: origin, Size: t.size, Root: t.Root()}
	msg, err := cp.Sign(signers...)
	if err != nil {
		return Head{}, err
	}
	return Head{Size: cp.Size, Root: cp.Root, Frontier: t.Frontier(), Note: msg}, nil
}

// Checkpoint is what a signed note states: this ledger has this root at this size. https://c2sp.org/tlog-checkpoint, without
// extension lines.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   Hash
}

// Body is the text that is signed.
func (c Checkpoint) Body() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

// Sign makes the signed note. During a change of keys both sign.
func (c Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	if err := CheckOrigin(c.Origin); err != nil {
		return nil, err
	}
	if len(signers) == 0 {
		return nil, fmt.Errorf("signing checkpoint %d: no key", c.Size)
	}
	msg, err := note.Sign(&note.Note{Text: c.Body()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing checkpoint %d: %w", c.Size, err)
	}
	return msg, nil
}

// ParseCheckpoint reads the body of a checkpoint in its one spelling. It says nothing about signatures.
func ParseCheckpoint(body string) (Checkpoint, error) {
	origin, rest, _ := strings.Cut(body, "\n")
	size, rest, _ := strings.Cut(rest, "\n")
	root, rest, ok := strings.Cut(rest, "\n")
	if !ok || rest != "" {
		return Checkpoint{}, errors.New("reading checkpoint: want three lines: origin, size, root")
	}
	if err := CheckOrigin(origin); err != nil {
		return Checkpoint{}, fmt.Errorf("reading checkpoint: %w", err)
	}
	n, ok := parseDigits([]byte(size))
	if !ok {
		return Checkpoint{}, fmt.Errorf("reading checkpoint: size %q is not a number in its shortest form", size)
	}
	h, err := parseHash(root)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("reading checkpoint: %w", err)
	}
	return Checkpoint{Origin: origin, Size: n, Root: h}, nil
}

// OpenCheckpoint reads a signed note that at least one of the keys has signed. Signatures by unknown keys are ignored; a wrong one by
// a known key is an error. origin must be the note's own, unless it is empty.
func OpenCheckpoint(msg []byte, origin string, keys note.Verifiers) (Checkpoint, error) {
	if len(msg) > maxNote {
		return Checkpoint{}, fmt.Errorf("reading checkpoint: %d bytes exceed the limit of %d", len(msg), maxNote)
	}
	n, err := note.Open(msg, keys)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("reading checkpoint: %w", translateNote(err))
	}
	cp, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if origin != "" && cp.Origin != origin {
		return Checkpoint{}, fmt.Errorf("reading checkpoint: it is of the ledger %q, not %q", cp.Origin, origin)
	}
	return cp, nil
}

// unverifiedCheckpoint reads a note without looking at its signatures.
func unverifiedCheckpoint(msg []byte) (Checkpoint, error) {
	text, _, ok := bytes.Cut(msg, []byte("\n\n"))
	if !ok || len(msg) > maxNote {
		return Checkpoint{}, errors.New("reading checkpoint: not a signed note")
	}
	return ParseCheckpoint(string(text) + "\n")
}

// Errors of signatures, for callers that branch on them.
var (
	ErrSignature = errors.New("the signature is not by the holder of the key")
	ErrNotSigned = errors.New("none of the known keys has signed this")
)

// translateNote keeps the errors of x/mod inside this package.
func translateNote(err error) error {
	if _, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return ErrSignature
	}
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return ErrNotSigned
	}
	return errors.New("not a signed note")
}

// CheckOrigin tells whether name can be the origin of a ledger, which is also the name of its keys:
// <domain the customer controls>/<path>, lower-case domain, no spaces, no plus; a further path element for each new epoch. The demo
// is demo.invalid/….
func CheckOrigin(name string) error {
	bad := func(why string) error {
		return fmt.Errorf("ledger origin %q: %s; want something like example.com/countersign/prod", name, why)
	}
	domain, path, ok := strings.Cut(name, "/")
	switch {
	case len(name) > maxOrigin:
		return bad(fmt.Sprintf("longer than %d bytes", maxOrigin))
	case !ok:
		return bad("there is no path behind the domain")
	case !strings.Contains(domain, "."):
		return bad("it does not begin with a domain")
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return bad("it does not begin with a domain in lower case")
		}
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || !isPathElement(part) {
			return bad(fmt.Sprintf("the path element %q is not made of letters, digits, '-', '_', '.', '~'", part))
		}
	}
	return nil
}

func isPathElement(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-_.~", c) < 0 {
			return false
		}
	}
	return true
}

const algEd25519 = 1 // https://c2sp.org/signed-note

// Key is a private key of a ledger. Its name is the origin.
type Key struct {
	origin string
	seed   [ed25519.SeedSize]byte
}

// GenerateKey makes a key for a ledger from 32 bytes of rand, which is crypto/rand.Reader outside of tests.
func GenerateKey(rand io.Reader, origin string) (Key, error) {
	k := Key{origin: origin}
	if err := CheckOrigin(origin); err != nil {
		return Key{}, err
	}
	if _, err := io.ReadFull(rand, k.seed[:]); err != nil {
		return Key{}, fmt.Errorf("making a key for %q: %w", origin, err)
	}
	return k, nil
}

// Origin is the ledger the key signs for.
func (k Key) Origin() string { return k.origin }

// VKey is the public half as people pin it: origin+hash+base64, see https://c2sp.org/signed-note.
func (k Key) VKey() string {
	pub := ed25519.NewKeyFromSeed(k.seed[:]).Public().(ed25519.PublicKey)
	v, err := note.NewEd25519VerifierKey(k.origin, pub)
	if err != nil {
		panic(fmt.Sprintf("ledger: a key of %d bytes: %v", len(pub), err)) // an Ed25519 public key has one length
	}
	return v
}

// SeedText is the private half as one line: PRIVATE+KEY+origin+hash+base64.
func (k Key) SeedText() string {
	hash, _ := cutVKey(k.VKey())
	raw := append([]byte{algEd25519}, k.seed[:]...)
	return "PRIVATE+KEY+" + k.origin + "+" + hash + "+" + base64.StdEncoding.EncodeToString(raw)
}

// cutVKey returns the hash and the base64 of a vkey or a seed text.
func cutVKey(vkey string) (hash, key string) {
	parts := strings.SplitN(strings.TrimPrefix(vkey, "PRIVATE+KEY+"), "+", 3)
	if len(parts) != 3 {
		return "", ""
	}
	return parts[1], parts[2]
}

// Signer is what signs notes with the key.
func (k Key) Signer() (note.Signer, error) {
	s, err := note.NewSigner(k.SeedText())
	if err != nil {
		return nil, fmt.Errorf("key of %q: %w", k.origin, err)
	}
	return s, nil
}

// String says which key it is without giving it away.
func (k Key) String() string { return "private key of " + k.VKey() }

// ParseKey reads what SeedText writes.
func ParseKey(text string) (Key, error) {
	rest, ok := strings.CutPrefix(text, "PRIVATE+KEY+")
	origin, _, _ := strings.Cut(rest, "+")
	_, b64 := cutVKey(text)
	raw, err := base64.StdEncoding.Strict().DecodeString(b64)
	if !ok || err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != algEd25519 {
		return Key{}, errors.New("reading key: not an Ed25519 key in the form PRIVATE+KEY+…")
	}
	if err := CheckOrigin(origin); err != nil {
		return Key{}, fmt.Errorf("reading key: %w", err)
	}
	k := Key{origin: origin, seed: [ed25519.SeedSize]byte(raw[1:])}
	if k.SeedText() != text {
		return Key{}, fmt.Errorf("reading key of %q: its checksum does not fit", origin)
	}
	return k, nil
}

const keyFileIntro = `# Private key of a Countersign ledger. Whoever holds it can sign another history: keep the file at mode 0600, out of
# backups of the database. The public half, to be pinned by whoever verifies:
`

// KeyFile gives the content of the file that keeps the key.
func (k Key) KeyFile() []byte {
	return []byte(keyFileIntro + "# " + k.VKey() + "\n" + k.SeedText() + "\n")
}

// ParseKeyFile reads a key file: lines beginning with # and one with the key.
func ParseKeyFile(text []byte) (Key, error) {
	var line string
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		if line != "" {
			return Key{}, errors.New("reading key file: more than one key")
		}
		line = l
	}
	if line == "" {
		return Key{}, errors.New("reading key file: no key in it")
	}
	return ParseKey(line)
}

// Verifiers makes the keys given as vkeys usable for OpenCheckpoint and Receipt.Verify. All must be Ed25519 keys.
func Verifiers(vkeys ...string) (note.Verifiers, error) {
	list := make([]note.Verifier, 0, len(vkeys))
	for _, v := range vkeys {
		k, err := newVerifier(v)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return note.VerifierList(list...), nil
}

func newVerifier(vkey string) (note.Verifier, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("verifier key %q: not in the form origin+hash+base64", vkey)
	}
	return v, nil
}
