package streams

import "time"

// The limits of the room.
const (
	maxBatch      = 256       // records of one batch
	maxBatchBytes = 1 << 20   // of their leaves: what most receivers take in one request
	maxLine       = 256 << 10 // bytes of one JSONL line: a leaf of 64 KiB, its openings and a note
	maxAnswer     = 64 << 10  // bytes of a receiver's answer that are read
	maxComplaint  = 200       // bytes of it that are told
	maxCA         = 1 << 20   // bytes of a file of certificates

	shortestSecret = 16 // bytes of a word of a call's proof that is taken out of complaints: an access key's id has as many, names of regions fewer

	unsureFor   = 30 * time.Second // what was written to a syslog connection so long ago has been read from the receiver's buffers
	unsureBytes = 8 << 20          // of such messages that are kept; more is on its way only in a burst
	sendTimeout = 30 * time.Second // for one batch
	pollEvery   = time.Second      // the ledger is looked at this often; a look costs one indexed read
	firstWait   = time.Second      // after a failure; doubled up to longestWait
	longestWait = 5 * time.Minute
	mostAsked   = time.Hour   // the longest a receiver may ask us to wait
	linger      = time.Minute // object stores: a batch waits so long for company
	keptHashes  = 1 << 16     // of earlier records, for telling a duplicate from a forgery
	mostTrouble = 100         // problems a report names; the rest is counted
)
