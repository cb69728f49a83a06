package store

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// signing is what signs heads, and what is needed to read those of long ago. It is replaced as a whole when the key changes.
type signing struct {
	key       ledger.Key
	signers   []note.Signer  // the key's, then those of earlier keys that still sign for readers who pinned them
	current   note.Verifiers // the key alone: what a head must bear
	verifiers note.Verifiers // with all earlier ones
	vkeys     []string       // theirs
}

func newSigning(key ledger.Key, previous []ledger.Key, earlier []string) (*signing, error) {
	s := &signing{key: key}
	vkeys := []string{key.VKey()}
	for _, k := range append([]ledger.Key{key}, previous...) {
		if k.Origin() != key.Origin() {
			return nil, fmt.Errorf("an earlier key signs for %q, not for %q", k.Origin(), key.Origin())
		}
		signer, err := k.Signer()
		if err != nil {
			return nil, err
		}
		s.signers, vkeys = append(s.signers, signer), append(vkeys, k.VKey())
	}
	var err error
	if s.current, err = ledger.Verifiers(key.VKey()); err != nil {
		return nil, err
	}
	s.vkeys = distinct(append(vkeys, earlier...))
	s.verifiers, err = ledger.Verifiers(s.vkeys...)
	return s, err
}

// distinct drops repeated texts: a list of verifiers with a key twice believes neither.
func distinct(in []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range in {
		if !seen[s] {
			seen[s], out = true, append(out, s)
		}
	}
	return out
}

// settleKeys finds out which key signs, by what the ledger recorded of changes. A crash may have come between a change and whatever makes the
// new key the usual one: then Config.Next is the key.
func (s *Store) settleKeys(q *query) error {
	sg := s.signing.Load()
	if sg == nil || s.version < versionCosig {
		return nil
	}
	var earlier []string
	var since int64
	err := q.each(`SELECT idx, vkey FROM log_key ORDER BY idx`, func(scan func(...any) error) error {
		var vkey string
		err := scan(&since, &vkey)
		earlier = append(earlier, vkey)
		return err
	})
	if err != nil || len(earlier) == 0 {
		return err
	}
	first, err := genesisKey(q)
	if err != nil {
		return err
	}
	now, key, previous := earlier[len(earlier)-1], s.cfg.Key, s.cfg.Previous
	switch next := s.cfg.Next; {
	case key.VKey() == now:
	case next.Origin() != "" && next.VKey() == now:
		key, previous = next, append([]ledger.Key{key}, previous...)
	default:
		return fmt.Errorf("%w: since entry %d the key %s signs, the one given is %s", ErrDamaged, since, now, key.VKey())
	}
	if sg, err = newSigning(key, previous, append(append([]string{first}, earlier...), s.cfg.VKeys...)); err == nil {
		s.signing.Store(sg)
	}
	return err
}

// genesisKey is the key that entry 0 names.
func genesisKey(q *query) (string, error) {
	var leaf []byte
	if _, err := q.one(`SELECT leaf FROM log_entry WHERE idx = 0`, []any{&leaf}); err != nil {
		return "", err
	}
	l, err := ledger.Decode(leaf)
	if err != nil {
		return "", fmt.Errorf("%w: entry 0: %w", ErrDamaged, err)
	}
	vkey, _ := l.Fields["vkey"].(string)
	return vkey, nil
}

// Rotate lets next sign from the entry on that says so. decide is called as by Update and says whether it may be, by recording it; what it
// returns is committed with the change, or a refusal alone. next must lie safely before: when Rotate returns, heads bear its signature, and
// that of the key before it for as long as this process or a Config.Previous knows that one.
func (s *Store) Rotate(ctx context.Context, cause Cause, streams []workflows.StreamID, next ledger.Key, change KeyRotated,
	decide func(workflows.Facts) (workflows.Outcome, error),
) (res Result, err error) {
	defer wrap(&err, "changing the key of the ledger")
	if next.Origin() != s.Origin() {
		return res, fmt.Errorf("the new key signs for %q", next.Origin())
	}
	err = s.do(ctx, func(b *batch) (err error) {
		if b.next != nil {
			return errors.New("the key is changing just now")
		}
		res, err = b.rotate(string(cause), streams, next, change, decide)
		return err
	})
	return res, err
}

func (b *batch) rotate(cause string, streams []workflows.StreamID, next ledger.Key, change KeyRotated, decide func(workflows.Facts) (workflows.Outcome, error)) (Result, error) {
	now := b.s.signing.Load()
	fields, err := ledger.RotationFields(now.key, next)
	if err != nil {
		return Result{}, err
	}
	change.Cross, _ = fields["cross"].(string)
	change.Previous, change.VKey = now.key.VKey(), next.VKey()
	res, err := b.update(cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := decide(f)
		if err == nil && out.Refusal == nil {
			out.Add(workflows.SystemStream, workflows.Acting{Actor: workflows.SystemActor}, "", change)
		}
		return out, err
	})
	if err != nil || res.Refusal != nil || res.Replayed {
		return res, err
	}
	for _, r := range res.Records {
		if _, ok := r.Event.(KeyRotated); !ok {
			continue
		}
		if _, err := b.write(`INSERT INTO log_key (idx, vkey) VALUES ($1, $2)`, r.Index, change.VKey); err != nil {
			return res, err
		}
		b.next, err = newSigning(next, []ledger.Key{now.key}, append([]string{b.genesisVKey()}, b.s.cfg.VKeys...))
		return res, err
	}
	return res, errors.New("the change of keys was not recorded")
}

// genesisVKey is for reading heads of long ago only; without it those cannot be read until the next start.
func (b *batch) genesisVKey() string {
	vkey, err := genesisKey(b.query)
	if err != nil || vkey == "" {
		return b.s.VKey()
	}
	return vkey
}

// signers sign the head of this batch: from the entry that changes the key on, the new one.
func (b *batch) signers() []note.Signer {
	if b.next != nil {
		return b.next.signers
	}
	return b.s.signing.Load().signers
}

// VKeys gives the public keys that sign or have signed, as far as they are known: the one that signs now first.
func (s *Store) VKeys() []string {
	if sg := s.signing.Load(); sg != nil {
		return sg.vkeys
	}
	return nil
}
