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
