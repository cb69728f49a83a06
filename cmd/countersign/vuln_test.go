package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// TestThreat_T60_KnownHolesAreLookedFor holds what looks for dependencies with known holes: the step of .ci/run with its positive control
// (a check that never found anything proves nothing), and the oldest slack-go that reads payloads safely.
func TestThreat_T60_KnownHolesAreLookedFor(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	m := regexp.MustCompile(`github\.com/slack-go/slack (v[0-9.]+)`).FindStringSubmatch(read("go.mod"))
	if m == nil || semver.Compare(m[1], "v0.35.0") < 0 {
		t.Errorf("go.mod requires slack-go %v: before v0.35.0 a signed request could be replayed with another payload", m)
	}
	ci := read(".ci/run")
	steps := regexp.MustCompile(`(?m)^STEPS=\((.*)\)$`).FindStringSubmatch(ci)
	if steps == nil || !strings.Contains(" "+steps[1]+" ", " vuln ") {
		t.Fatal(".ci/run does not run the step vuln")
	}
	for _, want := range []string{`govulncheck" -db`, "slack-go/slack@v0.22.0", "GO-2026-5410", "no database, skipped"} {
		if !strings.Contains(ci, want) {
			t.Errorf(".ci/run's step vuln lacks %q", want)
		}
	}
}
