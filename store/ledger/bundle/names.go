package bundle

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Names of the files that exist once.
const (
	fileCheckpoint = "checkpoint"
	filePublished  = "published.jsonl"
	fileWitness    = "witness.jsonl"
	fileOpenings   = "openings.jsonl"
	filePeople     = "people.jsonl"
	fileManifest   = "MANIFEST.json"
	fileSums       = "SHA256SUMS"
	fileCustody    = "custody"

	// FileIndex and FileReadme are for people.
	FileIndex  = "index.html"
	FileReadme = "README.txt"

	dirEntries   = "tile/entries/"
	dirDocuments = "documents/"
	dirPages     = "pages/"
)

// limitOf says how large a file of this name may be; ok is false for a name that is not part of a bundle.
func limitOf(name string) (limit int64, ok bool) {
	if len(name) > maxName {
		return 0, false
	}
	switch name {
	case fileCheckpoint, fileCustody:
		return maxNote, true
	case filePublished, fileWitness, fileOpenings, filePeople:
		return maxLines, true
	case fileManifest, fileSums:
		return maxIndex, true
	case FileIndex:
		return maxPage, true
	case FileReadme:
		return maxText, true
	}
	if hex, ok := strings.CutPrefix(name, dirDocuments); ok {
		return ledger.MaxDocBytes, isHex(hex, 64)
	}
	if page, ok := strings.CutPrefix(name, dirPages); ok {
		digits, ok := strings.CutSuffix(page, ".html")
		return maxPage, ok && len(digits) == 6 && strings.Trim(digits, "0123456789") == ""
	}
	if rest, ok := strings.CutPrefix(name, dirEntries); ok {
		_, _, width, err := ledger.ParseTilePath("tile/0/" + rest)
		return int64(width) * (2 + ledger.MaxLeafBytes), err == nil && width > 0 && width <= ledger.TileWidth
	}
	_, _, width, err := ledger.ParseTilePath(name)
	return int64(width) * hashBytes, err == nil && width > 0 && width <= ledger.TileWidth
}

const hashBytes = ledger.TileBytes / ledger.TileWidth

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// entriesPath is where C2SP tlog-tiles keeps entries n*256 and on.
func entriesPath(n int64, width int) string {
	return dirEntries + strings.TrimPrefix(ledger.TilePath(0, n, width), "tile/0/")
}

// PageName is the file of the n-th page for people.
func PageName(n int) string { return fmt.Sprintf("%s%06d.html", dirPages, n) }

// documentPath is the file of a document's hash, empty for what is not such a hash.
func documentPath(hash string) string {
	hex, ok := strings.CutPrefix(hash, "sha256:")
	if !ok || !isHex(hex, 64) {
		return ""
	}
	return dirDocuments + hex
}

// wanted tells whether a tile or a file of entries belongs to a ledger of this size.
func wanted(name string, size int64) bool {
	if rest, ok := strings.CutPrefix(name, dirEntries); ok {
		name = "tile/0/" + rest
	}
	if !strings.HasPrefix(name, "tile/") {
		return true
	}
	level, n, width, err := ledger.ParseTilePath(name)
	if err != nil {
		return false
	}
	nodes := size >> (ledger.TileHeight * level)
	return n < nodes>>ledger.TileHeight && width == ledger.TileWidth ||
		n == nodes>>ledger.TileHeight && width < ledger.TileWidth && int64(width) == nodes%ledger.TileWidth
}
