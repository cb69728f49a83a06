package bundle

import "github.com/countersign-bot/countersign/store/ledger"

// What a bundle may hold. A reader allocates for none of it before it has been checked.
const (
	maxFiles     = 1 << 17                                      // 16 million entries and their tiles; a directory of them takes some 20 MB
	maxZipFiles  = 65_000                                       // beyond them a zip needs its 64-bit form, which is refused: a folder does
	maxZipBytes  = 1<<32 - 1<<20                                // likewise
	maxName      = 128                                          // the longest name we write has 90 bytes
	maxEntries   = ledger.TileWidth * (2 + ledger.MaxLeafBytes) // of one file of entries
	maxNote      = 1 << 16                                      // a checkpoint with its signatures, as in package ledger
	maxLine      = 1 << 19                                      // one opening: its text has been in a leaf of 64 KB once, and escapes double it and more
	maxText      = 1 << 20                                      // README.txt
	maxPage      = 64 << 20                                     // a page of a thousand entries has some 400 KB, with texts of the largest kind 64 MB
	maxIndex     = 32 << 20                                     // MANIFEST.json and SHA256SUMS: some 200 bytes a file
	maxLines     = 1 << 36                                      // of a file of lines, which are read one at a time
	maxInflation = 100                                          // entries of a ledger deflate to a tenth, pages to a thirtieth
	maxAnchors   = 1 << 17                                      // remembered heads, as one verification compares
	maxPeople    = 1 << 20                                      // names that are disclosed
)
