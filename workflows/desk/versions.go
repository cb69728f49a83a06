package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/countersign-bot/countersign/workflows"
)

// versions keeps decoded policy versions: they are immutable, so the cache needs no expiry, only a bound.
type versions struct {
	mu   sync.Mutex
	docs map[workflows.DocHash]*workflows.Workflow
}

const maxVersions = 1000 // policy versions kept decoded; a company has tens

// version gives the workflow as it bound a request.
func (d *Desk) version(ctx context.Context, h workflows.DocHash) (*workflows.Workflow, error) {
	d.versions.mu.Lock()
	w, ok := d.versions.docs[h]
	d.versions.mu.Unlock()
	if ok {
		return w, nil
	}
	doc, err := d.ledger.Document(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("reading policy %q: %w", h, err)
	}
	if workflows.HashDocument(doc.Bytes) != h {
		return nil, fmt.Errorf("reading policy %q: its text has another hash", h)
	}
	w = new(workflows.Workflow)
	if err := json.Unmarshal(doc.Bytes, w); err != nil {
		return nil, fmt.Errorf("decoding policy %q: %w", h, err)
	}
	d.versions.mu.Lock()
	defer d.versions.mu.Unlock()
	if d.versions.docs == nil || len(d.versions.docs) >= maxVersions {
		d.versions.docs = map[workflows.DocHash]*workflows.Workflow{}
	}
	d.versions.docs[h] = w
	return w, nil
}
