// Package custody holds what nobody does to the ledger alone: erasing texts, giving texts away, accepting that entries were lost. One
// person who answers for the bot proposes, another one confirms within a day, and both acts are entries. It is pure: no clock, no I/O. The
// store carries out what was confirmed in the transaction that records it; cmd asks who acts and what role they have.
package custody
