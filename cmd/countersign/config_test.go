package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kelseyhightower/envconfig"
)

// What the environment says means what envconfig makes of it: the same names in the same order, the same values, the same defaults.
func TestSettingsAreThoseOfEnvconfig(t *testing.T) {
	var c Config
	var names bytes.Buffer
	if err := envconfig.Usagef(prefix, &c, &names, "{{range .}}{{usage_key .}}\n{{end}}"); err != nil {
		t.Fatal(err)
	}
	var ours []string
	eachVariable(func(name string, _ bool) { ours = append(ours, name) })
	if diff := cmp.Diff(strings.Fields(names.String()), ours); diff != "" {
		t.Fatalf("names (-envconfig +ours):\n%s", diff)
	}
	env := os.Environ()
	for i, name := range ours {
		if i%2 == 0 {
			continue
		}
		t.Setenv(name, "value of "+name)
		env = append(env, name+"=value of "+name)
	}
	var want Config
	if err := envconfig.Process(prefix, &want); err != nil {
		t.Fatal(err)
	}
	got, err := loadConfig(env)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-envconfig +ours):\n%s", diff)
	}
}
