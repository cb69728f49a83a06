package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows/library"
)

// exampleCompany writes the example company of the library to a folder that is in no git.
func exampleCompany(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "company")
	mustSay(t, os.CopyFS(dir, library.Company()))
	return dir
}

// TestManualOfTheLibrary holds the manual of the example company to its golden file. Whoever changes it reads it as somebody who has never seen a
// configuration file.
func TestManualOfTheLibrary(t *testing.T) {
	out, errs, code := runHere(t, nil, "docs", exampleCompany(t))
	if code != exitDone || errs != "" {
		t.Fatalf("ended with %d, %q", code, errs)
	}
	golden(t, "manual.golden.md", out)
	for _, word := range []string{"p_", "workflows.", "%!", "<nil>"} { // words of ours
		if strings.Contains(strings.ReplaceAll(out, "http_", ""), word) {
			t.Errorf("the manual says %q", word)
		}
	}
}

// TestReq_R42_PolicyTestsInCI: the example company's policy tests are played by check and by simulate, and each rule that is taken away is missed by
// one of them at least.
func TestReq_R42_PolicyTestsInCI(t *testing.T) {
	dir := exampleCompany(t)
	out, errs, code := runHere(t, nil, "simulate", dir)
	if code != exitDone || !strings.Contains(out, "came out as expected.") {
		t.Fatalf("ended with %d\n%s%s", code, out, errs)
	}
	if out, _, code := runHere(t, nil, "check", dir); code != exitDone || !strings.Contains(out, "came out as expected.") {
		t.Errorf("check does not play the tests: %d\n%s", code, out)
	}
	file := filepath.Join(dir, "workflows", "cloud-admin.yaml")
	text, err := os.ReadFile(file)
	mustSay(t, err)
	for from, to := range map[string]string{"fields.accounts > 20": "fields.accounts > 39", "groups: [security]": "groups: [leads]"} {
		if !strings.Contains(string(text), from) {
			t.Fatalf("cloud-admin.yaml does not say %q any more", from)
		}
		mustSay(t, os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
		if out, errs, code := runHere(t, nil, "simulate", dir); code != exitFailed || !strings.Contains(out, "tests/cloud-admin.yaml:") {
			t.Errorf("%s instead of %s: ended with %d\n%s%s", to, from, code, out, errs)
		}
	}
}
