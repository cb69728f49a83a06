// Package anchors gives signed heads of a ledger to those who remember them outside of its host, and asks them at a start whether the ledger is
// still the one they saw: an object store, a webhook, witnesses as https://c2sp.org/tlog-witness describes them. It also is such a witness
// (Keeper). It holds no ledger and no database; cmd wires it.
//
// What each is worth: a webhook proves something only as far as its receiver keeps what it got, and cannot be asked; an object store whose
// objects are locked proves what was given to it; a witness under other hands signs only what continues all it has signed before, so that
// whoever holds its signature knows that everybody else was shown the same ledger.
package anchors
