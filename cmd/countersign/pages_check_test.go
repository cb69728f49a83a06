package main

import (
	"os"
	"path/filepath"
	"regexp"
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
	const origin = originSetting
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

// TestReq_R30_CheckWantsAWayToStepUp: a chain whose risk wants more than a click needs a page, or enough approvers who are users of the host.
func TestReq_R30_CheckWantsAWayToStepUp(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "config")
	if err := writeDemoConfig(config, "22"); err != nil {
		t.Fatal(err)
	}
	highRisk(t)(config)
	for name, tc := range map[string]struct {
		env  []string
		unix []string // who becomes a user of the host
		says string
	}{
		"by itself":         {nil, nil, ""},
		"nobody can":        {[]string{originSetting}, nil, "workflow prod-shell can be of risk high, where approving takes more than a click: there is no page for that, and of those whom stage Platform names 0 people have"},
		"half of the chain": {[]string{originSetting}, []string{"jonas"}, "stage Security names 0 people have a user on the bot's host, where it needs 1"},
		"on the host":       {[]string{originSetting}, []string{"jonas", "sofia", "frida"}, ""},
		"on a page":         {[]string{originSetting, "COUNTERSIGN_PUBLIC_URL=https://countersign.example.com", "COUNTERSIGN_TLS_PROXY=yes"}, nil, ""},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(config)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "people.yaml")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := regexp.MustCompile(`(?m)^    unix: .*\n`).ReplaceAllString(string(b), "")
		for _, who := range tc.unix {
			text = strings.Replace(text, "  - key: "+who+"\n", "  - key: "+who+"\n    unix: "+who+"\n", 1)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, code := runHere(t, tc.env, "check", "-no-tests", dir)
		if (code == exitDone) != (tc.says == "") || !strings.Contains(stderr, tc.says) {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
}

const originSetting = "COUNTERSIGN_LEDGER_ORIGIN=example.com/countersign/main"
