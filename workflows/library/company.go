package library

import (
	"embed"
	"io/fs"
)

//go:embed company
var companyFiles embed.FS

// Company is a whole example: a company whose chains use every word of the language, each with its tests. `countersign init -example DIR`
// writes it. It is read-only.
func Company() fs.FS {
	sub, err := fs.Sub(companyFiles, "company")
	if err != nil {
		panic("library: the embedded folder is not there: " + err.Error()) // the embed pattern above makes it impossible
	}
	return sub
}
