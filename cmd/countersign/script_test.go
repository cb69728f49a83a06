package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script: one story for each subcommand, with every error text as a person reads it. Each script has
// the demo's company in $WORK/org.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), UpdateScripts: updating(), RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			return writeDemoConfig(filepath.Join(e.WorkDir, "org"), "22")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": wantCode, "perm": wantMode},
	})
}

// wantCode runs a command that must end with this exit code: "code 3 countersign ledger verify".
func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND …")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// wantMode compares a file's permission bits: "perm 600 data/countersign.db".
func wantMode(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: perm MODE FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strings.TrimPrefix(info.Mode().Perm().String(), "-"); (octal(got) == args[0]) == neg {
		ts.Fatalf("%s has mode %s", args[1], octal(got))
	}
}

// octal turns rwx------ into 700.
func octal(s string) string {
	var out strings.Builder
	for i := 0; i+3 <= len(s); i += 3 {
		n := 0
		for k, c := range s[i : i+3] {
			if c != '-' {
				n += 4 >> k
			}
		}
		out.WriteByte(byte('0' + n))
	}
	return out.String()
}

// TestEveryCommandHasItsStory holds that a new subcommand comes with a script.
func TestEveryCommandHasItsStory(t *testing.T) {
	for _, name := range commandNames() {
		if _, err := os.Stat(filepath.Join("testdata", "script", name+".txt")); err != nil {
			t.Errorf("no story for %q: %v", name, err)
		}
	}
}

func runHere(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), proc{args: args, env: env, in: strings.NewReader(""), out: &out, err: &errs})
	return out.String(), errs.String(), code
}

func TestGoldenHelp(t *testing.T) {
	out, _, code := runHere(t, nil, "help")
	if code != exitDone {
		t.Errorf("help ended with %d", code)
	}
	for _, c := range commands() {
		if c.name == "ledger" {
			for _, v := range ledgerVerbs() {
				verb := v.name
				h, _, _ := runHere(t, nil, "ledger", verb, "-h")
				out += "\n--- ledger " + verb + " -h\n" + h
			}
			continue
		}
		args := []string{c.name, "-h"}
		if c.name == "sshca" {
			args = []string{c.name, "pull", "-h"}
		}
		h, errs, code := runHere(t, nil, args...)
		if code != exitDone || errs != "" {
			t.Errorf("%v ended with %d and said %q on stderr", args, code, errs)
		}
		out += "\n--- " + strings.Join(args, " ") + "\n" + h
	}
	golden(t, "help.golden", regexp.MustCompile(`\(default "`+regexp.QuoteMeta(hostname())+`"\)`).ReplaceAllString(out, "(default this host's name)"))
}

func TestGoldenConfigExample(t *testing.T) {
	out, errs, code := runHere(t, nil, "config", "-example")
	if code != exitDone || errs != "" {
		t.Errorf("ended with %d, %q", code, errs)
	}
	golden(t, "config.golden", out)
}

// TestConfigExampleIsAccepted holds that the documented example, filled in, is a configuration.
func TestConfigExampleIsAccepted(t *testing.T) {
	out, _, _ := runHere(t, nil, "config", "-example")
	var env []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, prefix+"_") {
			env = append(env, strings.TrimSpace(line))
		}
	}
	c, err := loadConfig(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.checkServe(); err != nil {
		t.Errorf("the example is refused: %v", err)
	}
}
