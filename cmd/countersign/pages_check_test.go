package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestReq_R26_CheckRefusesWhatNeedsAPageAndHasNone: for an installation; a folder by itself is not told where it will be served.
func TestReq_R26_CheckRefusesWhatNeedsAPageAndHasNone(t *testing.T) {
	t.Parallel()
	dir, host := t.TempDir(), t.TempDir()
	portal, err := newDemoPortal(host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(portal.close)
	config := filepath.Join(dir, "config")
	if err := writeDemoConfig(config, "22"); err != nil {
		t.Fatal(err)
	}
	if err := portal.configure(config, host); err != nil {
		t.Fatal(err)
	}
	const origin = "COUNTERSIGN_LEDGER_ORIGIN=example.com/countersign/main"
	for name, tc := range map[string]struct {
		env  []string
		good bool
	}{
		"by itself":        {nil, true},
		"no address":       {[]string{origin}, false},
		"no TLS":           {[]string{origin, "COUNTERSIGN_PUBLIC_URL=http://countersign.example.com"}, false},
		"TLS not said":     {[]string{origin, "COUNTERSIGN_PUBLIC_URL=https://countersign.example.com"}, false},
		"behind a proxy":   {[]string{origin, "COUNTERSIGN_PUBLIC_URL=https://countersign.example.com", "COUNTERSIGN_TLS_PROXY=yes"}, true},
		"a certificate":    {[]string{origin, "COUNTERSIGN_PUBLIC_URL=https://countersign.example.com", "COUNTERSIGN_TLS_CERT=a", "COUNTERSIGN_TLS_KEY=b"}, true},
		"of a demo ledger": {[]string{"COUNTERSIGN_LEDGER_ORIGIN=demo.invalid/x", "COUNTERSIGN_PUBLIC_URL=http://127.0.0.1:1"}, true},
	} {
		_, stderr, code := runHere(t, tc.env, "check", "-no-tests", config)
		if (code == exitDone) != tc.good || !tc.good && !strings.Contains(stderr, "workflow portal-login grants portal/buyer, which comes with a secret") {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
}
