package bundle_test

import (
	"context"
	"fmt"
	"log"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
)

// A verifier for a program of one's own. It needs this package and store/ledger: the standard library and golang.org/x/mod beside them.
func Example() {
	w := newExample() // a bundle, and the ledger's public key as it is known from elsewhere
	b, err := bundle.Open(w.path)
	if err != nil {
		log.Fatal(err) // not a whole and plain bundle
	}
	defer b.Close()
	wrong, err := b.CheckFiles(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	report, err := ledger.Verify(context.Background(), b, ledger.Options{Keys: []string{w.vkey}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.OK && len(wrong) == 0, report.Size, "entries, the key is the pinned one:", report.KeyPinned)
	// Output: true 12 entries, the key is the pinned one: true
}
