package bundle_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

type example struct{ path, vkey string }

// newExample makes the bundle of the example, in a folder that the system clears.
func newExample() example {
	t := &exampleT{}
	w := newWritten(t, 12)
	return example{w.export("b.zip"), w.key.VKey()}
}

// exampleT stands for a test where there is none.
type exampleT struct{ testing.TB }

func (*exampleT) Helper()           {}
func (*exampleT) Fatal(args ...any) { panic(args) }
func (*exampleT) TempDir() string {
	dir, err := os.MkdirTemp("", "countersign-example-")
	if err != nil {
		panic(err)
	}
	return dir
}

// TestReq_R36_AThirdPartyCanVendorTheVerifier holds what a verifier of somebody else's needs: this package, store/ledger, the standard library
// and x/mod. No database, no network, no word of our domain.
func TestReq_R36_AThirdPartyCanVendorTheVerifier(t *testing.T) {
	const module = "github.com/countersign-bot/countersign/"
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	var foreign []string
	for line := range strings.Lines(string(out)) {
		switch path := strings.TrimSpace(line); {
		case path == module+"store/ledger", path == module+"store/ledger/bundle", strings.HasPrefix(path, "golang.org/x/mod/"):
		default:
			foreign = append(foreign, path)
		}
	}
	if len(foreign) > 0 || !bytes.Contains(out, []byte("golang.org/x/mod/sumdb/tlog")) {
		t.Errorf("the verifier needs %q", foreign)
	}
	std, err := exec.Command("go", "list", "-deps", "-f", "{{if .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(std)) {
		if path := strings.TrimSpace(line); path == "net" || path == "database/sql" || path == "os/exec" || path == "net/http" {
			t.Errorf("the verifier of files reaches for %s", path)
		}
	}
}

// TestReq_R36_TheVendoredVerifierBuildsAlone copies the two packages and x/mod's to a module of somebody else's, as `go mod vendor` would, and
// builds a verifier there without any other module.
func TestReq_R36_TheVendoredVerifierBuildsAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir := t.TempDir()
	mod, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/mod").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	copyGo := func(from, to string) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(from, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("nothing in %s: %v", from, err)
		}
		if err := os.MkdirAll(filepath.Join(dir, to), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			b, err := os.ReadFile(f)
			if err == nil {
				b = bytes.ReplaceAll(b, []byte(`"github.com/countersign-bot/countersign/store/ledger`), []byte(`"verifier.invalid/verifier/ledger`))
				b = bytes.ReplaceAll(b, []byte(`"golang.org/x/mod/`), []byte(`"verifier.invalid/verifier/`))
				err = os.WriteFile(filepath.Join(dir, to, filepath.Base(f)), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	copyGo(".", "ledger/bundle")
	copyGo("..", "ledger")
	for _, p := range []string{"sumdb/note", "sumdb/tlog"} {
		copyGo(filepath.Join(strings.TrimSpace(string(mod)), p), p)
	}
	const program = `package main

import (
	"context"
	"fmt"
	"os"

	"verifier.invalid/verifier/ledger"
	"verifier.invalid/verifier/ledger/bundle"
)

func main() {
	b, err := bundle.Open(os.Args[1])
	if err == nil {
		var r ledger.Report
		r, err = ledger.Verify(context.Background(), b, ledger.Options{Keys: os.Args[2:]})
		fmt.Println(r.OK, r.Read)
	}
	if err != nil {
		fmt.Println(err)
	}
}
`
	for name, text := range map[string]string{"go.mod": "module verifier.invalid/verifier\n\ngo 1.26\n", "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "verifier", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("it does not build alone: %v\n%s", err, out)
	}
	w := newWritten(t, 300)
	out, err := exec.Command(filepath.Join(dir, "verifier"), w.export("b.zip"), w.key.VKey()).CombinedOutput()
	if err != nil || string(out) != "true 300\n" {
		t.Errorf("it says %s, %v", out, err)
	}
	out, err = exec.Command(filepath.Join(dir, "verifier"), w.export("b"), testKey(t, "stranger").VKey()).CombinedOutput()
	if err != nil || string(out) != "false 300\n" {
		t.Errorf("with another key it says %s, %v", out, err)
	}
}
