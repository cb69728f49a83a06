// Package streams sends every entry of a ledger out of the house, in order and at least once: to syslog, a file, a webhook, an object store,
// an OpenTelemetry collector. It decides nothing and reads nothing but what it is given; cmd wires it to the ledger and keeps its place there.
//
// Every record carries what a receiver needs to notice that something is missing or was changed on the way: the index of the entry, the
// one sent before it, the hash of the leaf, and the size of the ledger it was read from. The record that ends a ledger as it was read also
// carries the signed head, so that a receiver who has all records since the first can rebuild the tree and compare (Checker).
//
// What a receiver must expect, by kind, when this process or the receiver is killed:
//
//	file      nothing twice, nothing lost: the end of the file says where to go on, a torn line is cut off first
//	s3        nothing twice: an object is never written over, and one that is there already says how far it reaches
//	webhook   the last batch twice, under the same webhook-id
//	otlp      the last batch twice
//	syslog    over tcp and tls: after a connection broke, what was written to it in the last 30 seconds (8 MiB at most), as syslog
//	          acknowledges nothing; what lies in the buffers when the power fails on both sides is lost, and seen as a gap;
//	          over udp: what the network loses is lost, likewise; unixgram: the last message twice
package streams
