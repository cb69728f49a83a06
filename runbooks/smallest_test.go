package runbooks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// linesOf counts the lines of code of a room's files that are no tests, without comments and empty ones.
func linesOf(t *testing.T, room string) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(room, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files (%v)", room, err)
	}
	out := map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				out[filepath.Base(file)]++
			}
		}
	}
	return out
}

// TestSmallestConnectorsAreUnder150Lines: the page that says how a connector is written shows two: etcd, of which one file alone grants, takes back, reads back, logs in
// and has its limits, and redis, whose contract is one file.
func TestSmallestConnectorsAreUnder150Lines(t *testing.T) {
	t.Parallel()
	for room, file := range map[string]string{"etcd": "etcd.go", "redis": "connector.go"} {
		raw, err := os.ReadFile(filepath.Join(room, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"Describe()", "Grant(ctx", "Revoke(ctx", "Check(ctx"} {
			if !strings.Contains(string(raw), "func (c *Connector) "+method) {
				t.Errorf("%s: the contract's %s) is in another file", room, method)
			}
		}
		if n := linesOf(t, room)[file]; n >= 150 {
			t.Errorf("%s: %d lines in %s", room, n, file)
		}
		t.Logf("%s: %v", room, linesOf(t, room))
	}
	// What the four methods of etcd call lies in the same file, doc.go has no code, and list.go can be left out: no method of etcd.go names what it declares.
	whole := linesOf(t, "etcd")
	if len(whole) != 3 || whole["doc.go"] != 1 {
		t.Errorf("etcd is %v: it was to be one file of code, one of optional parts and the page", whole)
	}
	raw, err := os.ReadFile(filepath.Join("etcd", "etcd.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, optional := range []string{"ListAccess", "ListOffers", "RemoveAccess", "AccessKey", "Plan(", "Probe(", ".each("} {
		if strings.Contains(string(raw), optional) {
			t.Errorf("etcd.go needs %s of list.go", optional)
		}
	}
}
