package bundle_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

// TestFrozenLayout holds every byte of a bundle: what one release exports, all later ones and other people's verifiers must read.
func TestFrozenLayout(t *testing.T) {
	dir := newWritten(t, 300).export("b")
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/layout.golden"
	if *update {
		if err := os.WriteFile(golden, sums, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sums, want) {
		t.Errorf("the bytes of a bundle have changed:\n%s", sums)
	}
	one, err := os.ReadFile(filepath.Join(newWritten(t, 1).export("b"), "tile/entries/000.p/1"))
	if err != nil || !bytes.HasPrefix(one, []byte("\x01\x0a{\"format\"")) || len(one) != 2+266 {
		t.Errorf("the file of a genesis begins with %q (%v): package ledger's example says otherwise", one[:10], err)
	}
}
