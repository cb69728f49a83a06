package anchors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
)

// Head is a signed head of a ledger.
type Head struct {
	Origin string
	Size   int64
	Root   ledger.Hash
	Note   []byte // the signed checkpoint
}

// Ledger is what is anchored.
type Ledger interface {
	// ProveConsistency proves that the first old entries are the beginning of the first size ones.
	ProveConsistency(ctx context.Context, old, size int64) ([]ledger.Hash, error)
}

// Given is what came of giving a head away.
type Given struct {
	Place        string // where it lies, if the anchor said so
	Cosignatures []Cosignature
}

// Cosignature is the signature of a witness over a head.
type Cosignature struct {
	Name string // of the key
	Hash uint32
	Line string // as it stands behind the head's other signatures, newline included
}

// Anchor remembers heads outside of the ledger's host.
type Anchor interface {
	// Give gives a head away. An error that is ledger.ErrFork or ledger.ErrRollback says that the anchor has seen another ledger, any other
	// that it did not take the head. Giving the same head again succeeds.
	Give(ctx context.Context, l Ledger, h Head) (Given, error)

	// Ask compares the ledger with what the anchor remembers of it, given the present head: what it remembers is returned for a comparison
	// with the entries, and an error that is ledger.ErrFork or ledger.ErrRollback where the anchor itself can tell. ErrMute when it is one
	// that cannot be asked; any other error says that it did not answer.
	Ask(ctx context.Context, l Ledger, h Head) ([]ledger.Anchor, error)
}

// ErrMute says that an anchor only takes.
var ErrMute = errors.New("it cannot be asked")

// Hook gives heads to a webhook as an event ledger.checkpoint {origin, size, root, note}.
type Hook struct {
	ID   string
	Post *streams.Webhook
}

// Give implements Anchor.
func (a *Hook) Give(ctx context.Context, _ Ledger, h Head) (Given, error) {
	id := fmt.Sprintf("checkpoint_%x_%d", originHash(h.Origin), h.Size)
	return Given{Place: id}, a.Post.Post(ctx, id, "ledger.checkpoint", map[string]any{
		"origin": h.Origin, "size": h.Size, "root": h.Root.String(), "note": string(h.Note),
	})
}

// Ask implements Anchor.
func (a *Hook) Ask(context.Context, Ledger, Head) ([]ledger.Anchor, error) { return nil, ErrMute }

// Vault keeps each head as an object of its own that is never written over: heads/<2^63-1 less the size>-<size>, so that a list begins with
// the newest. Buckets with object lock keep what was given even from those who hold the key.
type Vault struct {
	ID      string
	Objects *streams.Objects
	Keys    note.Verifiers // of the ledger: what they have not signed was put there by somebody else
}

func vaultName(size int64) string { return fmt.Sprintf("heads/%019d-%d", math.MaxInt64-size, size) }

// Give implements Anchor.
func (a *Vault) Give(ctx context.Context, _ Ledger, h Head) (Given, error) {
	name := vaultName(h.Size)
	err := a.Objects.Put(ctx, name, "text/plain; charset=utf-8", nil, h.Note)
	if errors.Is(err, streams.ErrExists) {
		var old ledger.Anchor
		if old, err = a.read(ctx, name, h.Origin); err == nil && old.Root != h.Root {
			err = &ledger.ForkError{Root: h.Root, Anchor: old}
		}
	}
	return Given{Place: name}, err
}

// read reads one head that lies there.
func (a *Vault) read(ctx context.Context, name, origin string) (ledger.Anchor, error) {
	b, err := a.Objects.Get(ctx, name)
	if err != nil {
		return ledger.Anchor{}, err
	}
	cp, err := ledger.OpenCheckpoint(b, origin, a.Keys)
	if err != nil {
		return ledger.Anchor{}, fmt.Errorf("%s: %w", name, err)
	}
	if vaultName(cp.Size) != name {
		return ledger.Anchor{}, fmt.Errorf("%s: it is of %d entries", name, cp.Size)
	}
	return ledger.Anchor{Size: cp.Size, Root: cp.Root, Note: string(b), From: "the object store " + a.ID}, nil
}

// Ask implements Anchor.
func (a *Vault) Ask(ctx context.Context, _ Ledger, h Head) ([]ledger.Anchor, error) {
	names, err := a.Objects.After(ctx, "heads/", "", newestAsked)
	if err != nil {
		return nil, err
	}
	var out []ledger.Anchor
	var strange error
	for _, n := range names {
		got, err := a.read(ctx, n, h.Origin)
		if err != nil {
			strange = errors.Join(strange, err)
			continue // what the ledger never signed says nothing about it
		}
		out = append(out, got)
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, strange
}

// Quorum tells how many of the witnesses have signed, each counted once however many keys it has used.
func Quorum(cosigners []string, witnesses []string) (n int) {
	have := map[string]bool{}
	for _, c := range cosigners {
		have[c] = true
	}
	for _, w := range witnesses {
		if name, _, _ := strings.Cut(w, "+"); have[name] {
			n++
		}
	}
	return n
}
