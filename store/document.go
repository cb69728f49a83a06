package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Document reads what an Outcome recorded. ErrNotFound when the ledger never named it; ErrDamaged when its bytes have another hash.
func (s *Store) Document(ctx context.Context, h workflows.DocHash) (d workflows.Document, err error) {
	defer wrap(&err, "reading document %q", h)
	d, found, err := readDocument(s.reader(ctx), h)
	if err == nil && !found {
		err = ErrNotFound
	}
	if err == nil && ledger.DocumentHash(d.Bytes) != string(h) {
		err = fmt.Errorf("%w: its bytes have another hash", ErrDamaged)
	}
	return d, err
}

func readDocument(q *query, h workflows.DocHash) (workflows.Document, bool, error) {
	d := workflows.Document{Hash: h}
	found, err := q.one(`SELECT kind, bytes FROM document WHERE hash = $1`, []any{&d.Kind, &d.Bytes}, string(h))
	return d, found, err
}

// putDocument writes a document once. The same bytes again, under any kind, are the same document.
func (b *batch) putDocument(d workflows.Document) error {
	if len(d.Bytes) > maxDocument {
		return fmt.Errorf("document %q: %d bytes exceed the limit of %d", d.Hash, len(d.Bytes), maxDocument)
	}
	if ledger.DocumentHash(d.Bytes) != string(d.Hash) {
		return fmt.Errorf("document %q: its bytes have the hash %q", d.Hash, ledger.DocumentHash(d.Bytes))
	}
	if b.w.docs[string(d.Hash)] {
		return nil
	}
	have, found, err := readDocument(b.query, d.Hash)
	if err != nil {
		return err
	}
	if found {
		b.w.docs[string(d.Hash)] = true
		if !bytes.Equal(have.Bytes, d.Bytes) {
			return fmt.Errorf("%w: document %q has other bytes", ErrDamaged, d.Hash)
		}
		return nil
	}
	_, err = b.write(`INSERT INTO document (hash, kind, bytes) VALUES ($1, $2, $3)`, string(d.Hash), d.Kind, d.Bytes)
	b.w.docs[string(d.Hash)] = err == nil
	return err
}

// knowPolicy refuses an entry that would name a document the ledger does not hold: no verifier could judge by it.
func (b *batch) knowPolicy(h workflows.DocHash) error {
	if h == "" || b.w.docs[string(h)] {
		return nil
	}
	var n int64
	found, err := b.one(`SELECT 1 FROM document WHERE hash = $1`, []any{&n}, string(h))
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("policy %q is not recorded: it belongs into the Documents of the outcome that first names it", h)
	}
	b.w.docs[string(h)] = true
	return nil
}
