// Package jobs runs durable side effects: it takes what is due from a Queue (package store implements it), paces it, hands it
// to the handler of its kind, and tells the Queue how it went. A job runs at least once; what makes its effect happen once is
// the handler, which folds before it acts and finishes by recording an event.
//
// The database is the only queue: what this package holds in memory are leases that a restart gives up. It must not know SQL,
// the ledger or any kind of job; cmd joins kinds to handlers in a table.
package jobs
