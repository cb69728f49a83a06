// Package store keeps the ledger and everything that follows from it in one database: entries, openings, documents, jobs,
// lists, surfaces, the inbox and the directory, on SQLite (the default) or PostgreSQL. It is the only room that talks SQL.
//
// One goroutine writes. It gathers waiting callbacks, runs them in one transaction, appends what they decided to the Merkle
// tree, signs the head, commits, writes the head to the witness file, and only then lets the callers go. An error of COMMIT
// means "unknown", never "no": the store is then poisoned, and the process is expected to end and look again.
//
// Called by desk through its Ledger interface, by bot and cmd for inbox, directory and surfaces, and by store/jobs through
// its Queue. It knows no kind of request: what follows from an event is in the Outcome that desk hands it.
//
// What an append costs. One call of a request (bench ledger) changes some nine rows in eleven trees: entry, place in its stream, openings,
// cause, jobs, lists. Two thirds of the writer's processor time is SQLite changing them, a sixth COMMIT writing pages to the log, a tenth
// encoding and sealing; what it would have to read first it remembers (standing.go). On a device whose sync takes a millisecond that is
// little for a lone caller. With 64 callers the processor is the limit, not the sync, and the ledger stays below the share of a plain
// file's rate that is aimed at: closing that gap takes fewer rows for each call, not faster statements.
package store
