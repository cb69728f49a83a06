// Package library holds ready-made runbook documents. `countersign init` copies them into a company's folder, where they
// are edited and approved; nothing reads them from here at run time.
package library

import "embed"

// Files holds the documents, each as NAME.md at the top.
//
//go:embed *.md
var Files embed.FS
