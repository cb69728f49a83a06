package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/runbooks"
	programs "github.com/countersign-bot/countersign/runbooks/command" // "command" is a subcommand here
	"github.com/countersign-bot/countersign/runbooks/postgres"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/runbooks/webhook"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// connectorNames are the kinds of target that this program can drive; a configuration that names another is refused.
func connectorNames() []string { return []string{"command", "postgres", "sshca", "webhook"} }

// connectorParams are the words that each understands in an entitlement. What command and webhook make of them is up to what stands
// behind them, so they take any.
func connectorParams() map[string]spec.Params {
	return map[string]spec.Params{
		"sshca": {
			Known: []string{
				sshca.ParamPrincipals, sshca.ParamExtensions, sshca.ParamForceCommand, sshca.ParamSourceAddress, sshca.ParamHost, sshca.ParamPort,
				sshca.ParamUser, sshca.ParamKeyField,
			},
			Needed: []string{sshca.ParamPrincipals},
		},
		"postgres": {
			Known:  []string{postgres.ParamRole, postgres.ParamHost, postgres.ParamPort, postgres.ParamDatabase},
			Needed: []string{postgres.ParamRole},
		},
	}
}

// connectors are the targets of a configuration, each by its id, and what they serve to hosts.
type connectors struct {
	byTarget map[string]runbooks.Connector
	ssh      *sshca.Connector // nil when no target uses it
	hosts    []string         // that must have pulled a list before a revocation counts as confirmed
	down     []*downTarget    // that could not be opened at the start

	mu    sync.Mutex
	close []func() error
}

// nameHosts collects the hosts of all CAs: one CA and one list serve all of them.
func (o *connectors) nameHosts(targets []spec.Target) {
	for _, t := range targets {
		if t.Connector == "sshca" {
			o.hosts = append(o.hosts, words(t.Settings["hosts"])...)
		}
	}
}

// closing remembers what is to be closed at the end.
func (o *connectors) closing(f func() error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.close = append(o.close, f)
}

func openConnectors(c Config, keys *keyring, clock jobs.Clock, targets []spec.Target) (*connectors, error) {
	out := &connectors{byTarget: map[string]runbooks.Connector{}}
	out.nameHosts(targets)
	for _, t := range targets {
		con, err := out.open(c, keys, clock, t)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("target %q: %w", t.ID, err), out.Close())
		}
		out.byTarget[string(t.ID)] = con
	}
	return out, nil
}

func (o *connectors) open(c Config, keys *keyring, clock jobs.Clock, t spec.Target) (runbooks.Connector, error) {
	switch t.Connector {
	case "sshca":
		if o.ssh != nil {
			return o.ssh, nil
		}
		seed, err := keys.seed(keySSHCA)
		if err != nil {
			return nil, err
		}
		o.ssh, err = sshca.Open(sshca.Config{
			Seed: seed, Dir: filepath.Join(c.Data, "sshca"), Now: wall(clock), Hosts: o.hosts, Token: runbooks.NewSecret(c.SSHToken),
		})
		if err != nil {
			return nil, err
		}
		o.closing(o.ssh.Close)
		return o.ssh, nil
	case "postgres":
		dsn, err := settingSecret(t.Settings, "dsn")
		if err != nil {
			return nil, err
		}
		con, err := postgres.Open(postgres.Config{DSN: dsn})
		if err != nil {
			return nil, err
		}
		o.closing(con.Close)
		return con, nil
	case "command":
		cfg, err := programs.ReadSettings(t.Settings, os.LookupEnv)
		if err != nil {
			return nil, err
		}
		con, err := programs.Open(cfg)
		if err != nil {
			return nil, err
		}
		o.closing(con.Close)
		return con, nil
	case "webhook":
		return o.openWebhook(t)
	}
	return nil, fmt.Errorf("there is no connector %q", t.Connector)
}

func (o *connectors) openWebhook(t spec.Target) (runbooks.Connector, error) {
	secret, err := settingSecret(t.Settings, webhook.SettingSecret)
	if err != nil {
		return nil, err
	}
	cfg, err := webhook.ReadSettings(t.Settings, secret, os.ReadFile)
	if err != nil {
		return nil, err
	}
	con, err := webhook.Open(cfg)
	if err != nil {
		return nil, err
	}
	o.closing(con.Close)
	return con, nil
}

// settingSecret reads a secret of a target from the file or the environment variable that the target's settings name.
func settingSecret(settings map[string]string, name string) (runbooks.Secret, error) {
	file, env := settings[name+"_file"], settings[name+"_env"]
	switch {
	case file != "" && env != "", file == "" && env == "":
		return runbooks.Secret{}, fmt.Errorf("settings need either %s_file or %s_env", name, name)
	case env != "":
		v, ok := os.LookupEnv(env)
		if !ok || v == "" {
			return runbooks.Secret{}, fmt.Errorf("environment variable %s, named by %s_env, is not set", env, name)
		}
		return runbooks.NewSecret(v), nil
	}
	v, err := readSecret(file)
	if err != nil {
		return runbooks.Secret{}, fmt.Errorf("%s_file: %w", name, err)
	}
	return runbooks.NewSecret(v), nil
}

func words(s string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }), func(w string) bool { return w == "" })
}

// Close lets every target go.
func (o *connectors) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, f := range slices.Backward(o.close) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// routes adds what hosts pull.
func (o *connectors) routes(mux *http.ServeMux) {
	if o.ssh != nil {
		mux.Handle(sshca.PathKRL, o.ssh.Handler())
		mux.Handle(sshca.PathCA, o.ssh.Handler())
	}
}
