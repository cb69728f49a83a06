// Package reconcile compares what a target has with what the ledger says, in memory that grows with neither: both are streamed,
// and what was met is remembered in filters of fixed size. It acts on nothing; package cmd calls it, records what it finds and
// has taken away what the target's settings say.
package reconcile
