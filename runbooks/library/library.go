// Package library holds ready-made runbook documents that go with the start in workflows/library. `countersign init`
// copies them into a company's folder, where they are edited and approved; nothing reads them from here at run time.
package library

import (
	"embed"
	"io/fs"
)

//go:embed *.md
var files embed.FS

// FS holds the documents, each as NAME.md at the top. It is read-only.
func FS() fs.FS { return files }
