package main

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	programs "github.com/countersign-bot/countersign/runbooks/command"
	"github.com/countersign-bot/countersign/runbooks/webhook"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// TestTheExampleCompanyIsOneThisProgramCouldServe: its targets name connectors that there are, with settings and parameters that they take.
func TestTheExampleCompanyIsOneThisProgramCouldServe(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]fs.FS{"start": library.FS(), "company": library.Company()} {
		f, err := spec.Load(folder, spec.Options{Connectors: connectorNames(), Params: connectorParams()})
		if err != nil {
			t.Fatalf("%s is refused:\n%v", name, err)
		}
		p, err := f.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range p.Targets {
			if err := takesSettings(target); err != nil {
				t.Errorf("%s: target %q: %v", name, target.ID, err)
			}
		}
	}
}

// takesSettings reads the settings of a target as serve does, without the secrets that they name.
func takesSettings(target spec.Target) error {
	switch target.Connector {
	case "command":
		_, err := programs.ReadSettings(target.Settings, func(string) (string, bool) { return "x", true })
		return err
	case "webhook":
		secret := runbooks.NewSecret("whsec_" + strings.Repeat("QUJD", 8))
		_, err := webhook.ReadSettings(target.Settings, secret, func(string) ([]byte, error) { return nil, nil })
		return err
	}
	return nil
}
