package main

import (
	"context"
	"fmt"
	"os"

	"github.com/countersign-bot/countersign/store/ledger/bundle/page"
)

// ledgerPage writes the verifier for a browser. It is not put into bundles: whoever changed the one would change the other.
func ledgerPage(_ context.Context, p proc) error {
	flags := p.flags("ledger page", "OUT.html [-vkey KEY]")
	pin := flags.String("vkey", "", "the ledger's public key, or a file with it: it then stands in the page, for those who trust you with it")
	words, err := p.parseMixed(flags, 1, 1)
	if err != nil {
		return err
	}
	keys, err := vkeyArgument(*pin)
	if err != nil {
		return err
	}
	text := page.HTML("")
	if len(keys) > 0 {
		text = page.HTML(keys[0])
	}
	f, err := os.OpenFile(words[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	fmt.Fprintf(p.out, "%s: %d bytes; open it in a browser and drop a bundle on it\n", words[0], len(text))
	fmt.Fprintln(p.err, "It needs no network and no server. Hand it out apart from bundles: somebody who changed a bundle could change a page beside it.")
	return nil
}
