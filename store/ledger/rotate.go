package ledger

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Types of entries that the verification itself understands.
const (
	TypeGenesis    = "genesis"     // entry 0, and no other
	TypeKeyRotated = "key.rotated" // from this entry on another key signs
)

// FormatVersion is the version of everything this package writes, recorded in the genesis entry.
const FormatVersion = 1

// GenesisFields are the fields that the genesis entry must carry, beside those of the caller.
func GenesisFields(k Key) map[string]any {
	return map[string]any{"format": FormatVersion, "origin": k.origin, "vkey": k.VKey()}
}

const rotationHeader = "countersign key rotation v1\n"

// RotationFields are the fields of the entry by which a ledger changes its key: previous and vkey, the old and the new public
// key, and cross, a note stating both that both have signed. Neither key alone can bring the other into a ledger.
//
// The head that covers the entry and all later ones need the new key's signature; while auditors still pin the old key, both
// sign. Checkpoints that do not cover it stand on the old key.
func RotationFields(old, next Key) (map[string]any, error) {
	if old.origin != next.origin || old == next {
		return nil, fmt.Errorf("changing the key of %q: the new key must be another one for the same ledger", old.origin)
	}
	a, err := old.Signer()
	if err != nil {
		return nil, err
	}
	b, err := next.Signer()
	if err != nil {
		return nil, err
	}
	cross, err := note.Sign(&note.Note{Text: rotationText(old.VKey(), next.VKey())}, a, b)
	if err != nil {
		return nil, fmt.Errorf("changing the key of %q: %w", old.origin, err)
	}
	return map[string]any{"cross": string(cross), "previous": old.VKey(), "vkey": next.VKey()}, nil
}

func rotationText(old, next string) string { return rotationHeader + old + "\n" + next + "\n" }

// keySpan is one key and the sizes of checkpoints it signs for: after < size <= until.
type keySpan struct {
	vkey     string
	verifier note.Verifier
	after    int64
	until    int64
}

// keyChain is the succession of a ledger's keys, read from its own entries.
type keyChain struct {
	origin string
	spans  []keySpan
}

// genesis begins the chain with the key that entry 0 names.
func (c *keyChain) genesis(l Leaf) error {
	origin, _ := l.Fields["origin"].(string)
	vkey, _ := l.Fields["vkey"].(string)
	if format, _ := l.Fields["format"].(int64); format != FormatVersion {
		return fmt.Errorf("it is of format %v, this program reads %d", l.Fields["format"], FormatVersion)
	}
	v, err := newVerifier(vkey)
	if err != nil {
		return err
	}
	if v.Name() != origin {
		return fmt.Errorf("its key is named %q, the ledger %q", v.Name(), origin)
	}
	c.origin = origin
	c.spans = []keySpan{{vkey: vkey, verifier: v, after: -1, until: math.MaxInt64}}
	return nil
}

// rotate adds the key that the entry at idx brings in, if both the present key and the new one have signed it.
func (c *keyChain) rotate(idx int64, l Leaf) error {
	if len(c.spans) == 0 {
		return errors.New("a key cannot follow where no key was named")
	}
	if len(c.spans) > maxRotations {
		return fmt.Errorf("more than %d changes of keys", maxRotations)
	}
	now := &c.spans[len(c.spans)-1]
	vkey, _ := l.Fields["vkey"].(string)
	cross, _ := l.Fields["cross"].(string)
	if l.Fields["previous"] != now.vkey {
		return errors.New("it does not follow the key that signs at this point")
	}
	next, err := newVerifier(vkey)
	if err != nil {
		return err
	}
	if next.Name() != c.origin || next.KeyHash() == now.verifier.KeyHash() {
		return errors.New("the new key is the old one, or for another ledger")
	}
	for _, v := range []note.Verifier{now.verifier, next} {
		n, err := note.Open([]byte(cross), note.VerifierList(v))
		if err != nil {
			return fmt.Errorf("one of the two keys has not signed the change: %w", translateNote(err))
		}
		if n.Text != rotationText(now.vkey, vkey) {
			return errors.New("the signatures are about another change of keys")
		}
	}
	now.until = idx
	c.spans = append(c.spans, keySpan{vkey: vkey, verifier: next, after: idx, until: math.MaxInt64})
	return nil
}

// trust tells whether the chain contains one of the keys somebody outside has pinned: each link vouches for both its ends.
func (c *keyChain) trust(pinned []string) bool {
	for _, s := range c.spans {
		for _, p := range pinned {
			if strings.TrimSpace(p) == s.vkey {
				return true
			}
		}
	}
	return false
}

// open reads a checkpoint and demands the signature of the key that was in force at its size.
func (c *keyChain) open(msg []byte) (Checkpoint, error) {
	cp, err := unverifiedCheckpoint(msg)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, s := range c.spans {
		if cp.Size > s.after && cp.Size <= s.until {
			return OpenCheckpoint(msg, c.origin, note.VerifierList(s.verifier))
		}
	}
	return Checkpoint{}, fmt.Errorf("checkpoint %d: %w", cp.Size, ErrNotSigned)
}

// Keys is the succession of a ledger's keys as its own entries state it, for readers that see the entries one by one: a receiver of a stream,
// a store that opens heads of long ago. The zero value knows no key yet.
type Keys struct{ chain keyChain }

// Follow takes the entry at idx. Entries other than genesis and changes of keys change nothing; a change that the key in force and the new one
// have not both signed is an error.
func (k *Keys) Follow(idx int64, l Leaf) error {
	switch {
	case l.Type == TypeGenesis && idx == 0:
		return k.chain.genesis(l)
	case l.Type == TypeKeyRotated:
		return k.chain.rotate(idx, l)
	}
	return nil
}

// Known tells whether any key is known: entry 0 was among those that were followed.
func (k *Keys) Known() bool { return len(k.chain.spans) > 0 }

// VKeys gives the keys in the order in which they signed; the last one signs now.
func (k *Keys) VKeys() (out []string) {
	for _, s := range k.chain.spans {
		out = append(out, s.vkey)
	}
	return out
}

// Trusts tells whether one of the keys that somebody has pinned is among them: each change vouches for both its ends.
func (k *Keys) Trusts(pinned ...string) bool { return k.chain.trust(pinned) }

// Open reads a checkpoint and demands the signature of the key that was in force at its size.
func (k *Keys) Open(msg []byte) (Checkpoint, error) { return k.chain.open(msg) }
