package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
)

// Ledger is the one way to change anything. Package store implements it.
type Ledger interface {
	// Update gives decide the histories of the named streams inside one write transaction and appends what it returns,
	// together with the jobs, lists and surfaces that follow. It is durable when it returns. An error from decide means
	// "could not decide": nothing is written. A Refusal is part of the Outcome: its event is committed, then it is
	// returned in the Result. cause is the inbox row, job or call being consumed: a consumed cause returns its first
	// result and decide is not called. decide may run more than once: no side effects; ids, salts and keys are made
	// before Update or by append. Events may also go to streams that were not named (a refusal to "system"): they get the
	// next seq there, and pending jobs and lists of such a stream stay as they are. Facts.Histories has an entry for every
	// named stream, also for one that is still empty.
	Update(ctx context.Context, cause Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (Result, error)

	// History reads one stream as committed.
	History(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error)

	// List reads a named list of one member, highest Sort first. limit 0 means the store's own cap.
	List(ctx context.Context, list, member string, limit int) ([]workflows.StreamID, error)

	// Page reads a named list of one member by name of stream, behind a given one: for going through all of a list in constant memory.
	// Fewer than limit means that there are no more.
	Page(ctx context.Context, list, member string, after workflows.StreamID, limit int) ([]workflows.StreamID, error)

	// Inventory reads what the inventory lists, in the order of ids.
	Inventory(ctx context.Context, q workflows.InventoryQuery) ([]workflows.InventoryRow, error)
	SharedKeys(ctx context.Context, prefix string) ([]workflows.IdentityID, error)

	// Document reads an immutable text by its hash.
	Document(ctx context.Context, h workflows.DocHash) (workflows.Document, error)
}

// Cause and Result are workflows' own, so that a store need not know the desk to satisfy Ledger.
type (
	Cause  = workflows.Cause
	Result = workflows.Result
)
