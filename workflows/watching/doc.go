// Package watching finds in the entries of the ledger what an attentive colleague would ask about: access used after its end, bursts of
// requests, approvals that nobody can have read. It is pure: the same rules over the same entries find the same. It must not act on what it
// finds; that is wired in cmd.
package watching
