// Package ledger is the format of the ledger: entries, the Merkle tree over them, signed checkpoints, proofs, verification. It does
// no I/O of its own, reads no clock and knows no database; the store translates events to leaves and keeps the rows.
package ledger
