// Package ledger is the format of the ledger: entries, the Merkle tree over them, signed checkpoints, proofs, verification. It does
// no I/O of its own, reads no clock and knows no database; the store translates events to leaves and keeps the rows, cmd and the
// auditor's tools verify them. Everything it writes is frozen from the first entry on: testdata holds the bytes.
//
// # Entries
//
// An entry is a Leaf in canonical JSON (RFC 8785) of a narrow profile: objects, arrays, strings, booleans and integers within
// ±(2^53-1); no null, no fractions; at most 16 levels and 65,535 bytes; times as 2026-11-22T01:02:03.456789Z. What is stored is what is
// hashed: nobody encodes an entry twice. Decode accepts the one encoding only. The genesis of a ledger, each line broken at
// a backslash:
//
//	{"format":1,"id":"e00000000","mono":"1000000",\
//	"origin":"demo.invalid/countersign/test","seq":1,"stream":"system",\
//	"time":"2026-11-22T01:02:03.456789Z","type":"genesis","v":1,\
//	"vkey":"demo.invalid/countersign/test+e366e70a+AeRVbMPb0Mc8BKfgu71oAf54Ot4QNrLMEnZA/v3rzprA"}
//
// # Sealed fields
//
// Names, addresses and free text do not stand in entries. The entry holds, under sealed, HMAC-SHA256(salt,
// "countersign/commit/v1" || field || 0x00 || value) in hexadecimal; salt and value lie beside the ledger and can be erased,
// after which nobody can tell what was there and every hash still holds. The field reason with the value "on call" and a salt of 32
// zero bytes (never use one) gives
//
//	608c87d6265cfc36bec6edb811b5f868fb03dd0de67e1f5d8885285d3359d8c9
//
// # Tree
//
// Entries are the leaves of the Merkle tree of RFC 6962: SHA-256(0x00 || leaf), SHA-256(0x01 || left || right). Full tiles of 256 hashes
// are kept as C2SP tlog-tiles describes them, height 8. The hash of the entry above, and the frontier of a ledger that holds nothing else
// (Tree.Frontier: the roots of the complete subtrees, then four bytes for each entry behind the last full tile):
//
//	9a940fcbbe191c2a6b1705a1a0904c657a9b7880a8273f37f0dee1e4666a9d6b
//
//	9a940fcbbe191c2a6b1705a1a0904c657a9b7880a8273f37f0dee1e4666a9d6b9a940fcb
//
// # Checkpoints
//
// Each commit signs a checkpoint (C2SP tlog-checkpoint, signed-note with Ed25519) and keeps it in the head row:
//
//	demo.invalid/countersign/test
//	1
//	mpQPy74ZHCprFwWhoJBMZXqbeICoJz838N7h5GZqnWs=
//
//	— demo.invalid/countersign/test 42bnCn+gtwCQovJNw0dgpUjop1fj+JzEscCPjjSrUWn+EWEL868ryzH+fiwj/yboDOfUCNQ4ZMvI2uvnrCyt2Dg58gY=
//
// The key is named in the genesis entry; an entry key.rotated, signed by the old key and the new one, replaces it (RotationFields).
// A Receipt (C2SP tlog-proof) carries a checkpoint and the way from one entry to its root.
//
// # Bundles
//
// An exported ledger is a folder, or a zip of it, laid out as C2SP tlog-tiles wants: checkpoint, tile/<L>/<N>, tile/entries/<N> (each entry
// behind its length in two bytes). The first bytes of tile/entries/000.p/1 of the ledger above: 01 0a, as its genesis has 266 bytes,
// then {"format". Beside them lie documents/<SHA-256>, the openings that are disclosed, what was published and witnessed, one Anchor.Line
// each, pages for people, a manifest and sums. Package bundle describes, writes and reads it. It is a Source and an EdgeSource: Verify does
// not know whether it reads a database or a bundle.
//
// # What a verification proves
//
// Verify recomputes all of it. Without the key nobody can change, remove, add or reorder an entry unseen. Somebody who holds the
// key and the database can write another history; only what left the machine shows it: a pinned key, published checkpoints, the
// witness file, auditors' notes (Anchor). The report says how far such memories reach.
package ledger
