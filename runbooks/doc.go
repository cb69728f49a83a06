// Package runbooks acts: it holds the contract of connectors to target systems, the Runner that executes grants and
// revocations on them, and the reading of runbook documents. It decides nothing and remembers nothing; jobs in cmd call
// it and record what it answers. Each connector is a package below this one and imports no other.
//
// # Writing a connector
//
// A connector is one folder here, one file in cmd/countersign, and two rows. Before writing one, see whether a program
// (runbooks/command) or a service of your own (runbooks/webhook) behind the bot is enough: both need no Go.
//
// The folder holds a type with the four methods of Connector. runbooks/etcd is the one to copy: etcd.go is a whole connector in under 150 lines of code, with
// how it logs in, what it refuses and its limits; list.go beside it has the optional parts, in under 150 again. runbooks/redis is one that speaks a protocol of its
// own and hands a password over; its contract is connector.go, under 150 lines as well. Larger ones have these files:
//
//	doc.go        what it grants, what a revocation leaves, which rights the bot needs, an example of a target's file
//	limits.go     every bound, with its reason
//	settings.go   the settings of a target; an unknown one is an error that names it (KnownSettings)
//	connector.go  Describe, Grant, Revoke, Check
//	list.go       the optional parts that the system allows: Lister, Discoverer, Catalog, Planner, Sessions
//	probe.go      Prober, for countersign doctor
//
// What the contract asks, and how connectors do it:
//
// Idempotence by the grant. Make a name out of g.ID (redis: countersign:g_…) or find what you made by a mark (ldap). "Exists
// already" and "is not there" are successes, after looking whether it is yours: what somebody else made is neither taken for
// yours (Grant refuses, since it would not end) nor taken away by Revoke, and Check reports it as Present, since it is access.
//
// The end never moves. Write g.End where the system ends access by itself, and keep it with the mark: the same id with
// another end or other words is refused. A target that gives more time than it was asked for is an error.
//
// Order against crashes. A call can be cut off between any two of its steps, and the next one finishes it. So begin with
// what gives nothing (a group without its holder, a Secret without a token), and take away first what opens (the role, then its
// sessions, then the mark). Nothing half-done stays after a refusal.
//
// Work that goes on after the answer. Where the system takes an order and works on it, ask until it is done and declare Capabilities.Polls (awssso); who does not
// declare it is held to being done when the call is back.
//
// Reading back. Check asks the target, every time. "I could not look" is an error with Unconfirmed, and a place that is hidden
// from the bot is not an empty one.
//
// Foreign text. Use ReadTerms for the entitlement's words and g.Tag for what the target logs; give text to the system as a value
// (a parameter, an escaped filter, JSON, one argument of argv), never as a part of a command. A name that the target would
// change or cut is refused. Its answers and errors are foreign as well: quote their codes, not their words.
//
// Errors. Retry: come again (the network, a lock, an unknown outcome; what is not classed counts as this). Refuse: it will never
// do this as asked, and the requester reads the text. Broken: our rights or settings are wrong, and the operator reads it. The
// text is a sentence without secrets; the cause goes to the log.
//
// Secrets. Best is none: membership of the holder's own account, a certificate for the holder's own key. Else implement
// SecretMaker, where we may choose it, and send the target its hash where it takes one; or answer Receipt.Handover with
// Capabilities.Mints, where the target makes it. The bot's own credentials come as a Secret or as a function that reads them anew.
//
// Honesty. Capabilities.RevokeLeaves is the sentence that the card shows: what stays after a revocation, and for how long.
//
// The test calls runbooktest.Exercise with the real system, started by the test, and skips with the reason where it is not
// installed (.ci/run install puts it there). Exercise tries what is said above and more: all of it at once, cut off at many
// points, and 200 hostile strings through every word, which testdata/words.txt names. Where the system cannot be had, a small faithful fake stands in, the
// package says so, and the same tests run on a real one when an address is given (runbooks/kubernetes).
//
// The target's own log. Calls carry the grant's id and the holder's name in their context (Told), and runbooks/rest says them as the caller's user agent; what
// speaks another protocol writes Grant.TagFor where its target logs it.
//
// In cmd/countersign: connectors_NAME.go with the words of its entitlements and how one is opened, its row in connectorKinds
// and in builtIn of the tests, and a row in the walls of houserules_test.go.
package runbooks
