// Package workflows holds the words of Countersign and the pure engine of requests.
//
// A request is a stream of recorded events. Fold turns the events into a State; Submit, Vote, TakeBack, Withdraw and
// Tick turn a State and recorded facts into further events; Pending and NextWake say what is outstanding; Explain says
// why. Nothing here reads a clock, a network, a database or a random source: the same inputs give the same answer
// years later, which is what lets a verifier replay every decision from the ledger alone.
//
// The package must not import anything but the standard library (a test in cmd/countersign holds that wall). It is
// called by workflows/desk, which gathers the facts, and by verifiers, which replay them.
package workflows
