// Package library holds the ready-made start of a configuration folder: a small remote team in four time zones, two
// targets, three chains. `countersign init DIR` copies it out; every key in it is explained beside it. The runbooks that
// go with it stand in runbooks/library. It must not hold code: what it says is data, read by workflows/spec.
package library

import (
	"embed"
	"io/fs"
)

//go:embed start
var files embed.FS

// FS is the folder as `countersign init` writes it: countersign.yaml, people.yaml, roles.yaml, identities.yaml, targets/
// and workflows/. It is read-only.
func FS() fs.FS {
	sub, err := fs.Sub(files, "start")
	if err != nil {
		panic("library: the embedded folder is not there: " + err.Error()) // the embed pattern above makes it impossible
	}
	return sub
}
