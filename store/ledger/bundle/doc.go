// Package bundle is a ledger as files: what `countersign ledger export` writes, and a ledger.Source that verifies it. It knows the
// layout and what a hostile bundle may try; it does not know what entries mean, and it never looks outside the file it is given.
//
// # Layout
//
//	checkpoint            the signed head (C2SP tlog-checkpoint)
//	tile/<L>/<N>          hashes of the tree; tile/<L>/<N>.p/<W> at the right edge (C2SP tlog-tiles)
//	tile/entries/<N>      256 entries, each behind its length in two bytes, most significant first; .p/<W> at the right edge
//	documents/<hex>       policies, runbooks, sources: each named by the SHA-256 of its bytes
//	published.jsonl       checkpoints that left the process, one ledger.Anchor a line, by rising size
//	witness.jsonl         what the witness file remembers, likewise
//	openings.jsonl        texts that are disclosed: {"entry":6,"field":"reason","salt":"…","value":"…"}, by entry, then field
//	people.jsonl          names of people whose texts are disclosed: {"name":"…","person":"p_…"}; the exporter's word, not proven
//	index.html, pages/*   the same for people, one sentence an entry
//	README.txt            how to verify it
//	MANIFEST.json         what was asked, number of rows, when, by whom and which program, SHA-256 of every other file but the next
//	custody               a signed note over the manifest: who made the bundle and when (ledger.Custody); only where the key was at hand
//	SHA256SUMS            SHA-256 of every other file, as sha256sum writes and checks them
//
// The folder and the zip hold the same bytes. Everything but MANIFEST.json, custody and SHA256SUMS follows from the head of the ledger and from
// what is disclosed, not from the time of the export. The checkpoint, the tiles and the entries are what any client of tlog-tiles
// reads, under the folder as prefix.
//
// # A verifier of your own
//
// This package and store/ledger need the standard library and golang.org/x/mod, nothing else: both can be copied into another
// program. It is this long:
//
//	b, err := bundle.Open(path)
//	if err != nil {
//		return err // not a whole and plain bundle
//	}
//	defer b.Close()
//	wrong, err := b.CheckFiles(ctx) // against SHA256SUMS and the manifest
//	if err != nil {
//		return err
//	}
//	report, err := ledger.Verify(ctx, b, ledger.Options{Keys: []string{vkey}}) // report.OK, report.First.Text
//
// Package page is the same for a browser, testdata/verify/verify.py for Python; .ci/oracle has verifiers that nobody here wrote.
//
// # Hostile bundles
//
// Only the names above are accepted, each with a limit of its own, so no path leads outside and no file is larger than it may be.
// A zip must be plain: stored or deflated, one disk, nothing before, between or behind its members, no member over another, no name
// twice, the same name in front of the data as in the directory, no links, no encryption, not more than a hundred times its size when
// unpacked. Nothing is unpacked to disk. What breaks a rule is refused with the file's name: ErrMalformed.
package bundle
