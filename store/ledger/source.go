package ledger

import (
	"context"
	"errors"
	"iter"
)

// Source is a ledger to be verified: the store's tables, or an exported bundle. Nothing it gives is trusted. An error it returns means
// that the rows could not be read and ends the verification without a verdict; rows that are wrong or missing are given, or left out, as
// they are. Loops are left early, and never nested, so one database connection is enough. A consistent snapshot is the source's business.
type Source interface {
	// Head gives the head row.
	Head(ctx context.Context) (Head, error)
	// Entries yields the stored entries with from <= Index < to by rising Index. The leaf may be reused after each turn of the loop.
	Entries(ctx context.Context, from, to int64) iter.Seq2[Entry, error]
	// Tiles yields all stored tiles by rising level, then n.
	Tiles(ctx context.Context) iter.Seq2[Tile, error]
	// Checkpoints yields the notes that left the process, by rising size.
	Checkpoints(ctx context.Context) iter.Seq2[Published, error]
	// Openings yields the openings of entries with from <= Index < to that have not been erased, by rising Index.
	Openings(ctx context.Context, from, to int64) iter.Seq2[EntryOpening, error]
	// Document gives the bytes of a document, or ErrNoDocument.
	Document(ctx context.Context, hash string) ([]byte, error)
}

// ForkingSource is a Source that can be read twice at the same time: openings beside entries.
type ForkingSource interface {
	Source
	// Fork gives another view of the same ledger, to be closed by the caller. It may be of a later moment: the entries below the size of
	// Head are the same, and an opening may be gone meanwhile. ErrNoFork says that there is none to be had just now.
	Fork(ctx context.Context) (ClosingSource, error)
}

// ErrNoFork is what ForkingSource.Fork returns when a Source has to do alone.
var ErrNoFork = errors.New("no second view of the ledger just now")

// ClosingSource is a Source that holds something until it is closed.
type ClosingSource interface {
	Source
	Close() error
}

// EdgeSource is a Source that keeps the unfinished tiles of the right edge instead of a frontier, as C2SP tlog-tiles has them. Head then
// gives no frontier.
type EdgeSource interface {
	Source
	// Edge gives the unfinished tiles, at most one for each level.
	Edge(ctx context.Context) ([]Tile, error)
}

// Entry is a stored row.
type Entry struct {
	Index int64
	Leaf  []byte
}

// Published is a stored note that left the process, with the size of its row.
type Published struct {
	Size int64
	Note []byte
}

// EntryOpening is a stored opening of a sealed field of the entry at Index.
type EntryOpening struct {
	Index int64
	Opening
}

// ErrNoDocument is what Source.Document returns for a hash it does not have.
var ErrNoDocument = errors.New("no such document")
