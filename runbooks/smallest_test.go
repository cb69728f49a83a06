package runbooks_test

import (
	"os"
	"strings"
	"testing"
)

// The page that says how a connector is written shows one whose whole contract is under 150 lines of code.
func TestSmallestConnectorIsUnder150Lines(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("redis/connector.go")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, method := range []string{"Describe()", "Grant(ctx", "Revoke(ctx", "Check(ctx"} {
		if !strings.Contains(text, "func (c *Connector) "+method) {
			t.Errorf("the contract's %s) is in another file", method)
		}
	}
	n := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	if n >= 150 {
		t.Errorf("%d lines", n)
	}
	t.Logf("%d lines of code", n)
}
