package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/runbooks"
	programs "github.com/countersign-bot/countersign/runbooks/command" // "command" is a subcommand here
	"github.com/countersign-bot/countersign/runbooks/postgres"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/runbooks/webhook"
	"github.com/countersign-bot/countersign/runbooks/x509"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// connectorKind is one kind of target: the words that it understands in an entitlement, and how one is opened. Those whose words are nil
// take any: what they make of them is up to what stands behind them.
type connectorKind struct {
	params *spec.Params
	open   func(opening) (runbooks.Connector, error)
}

// opening is what a connector is opened with.
type opening struct {
	cfg    Config
	keys   *keyring // nil when nothing is to be signed: doctor
	clock  jobs.Clock
	target spec.Target
	all    *connectors // those that are open already
}

// connectorKinds are the kinds of target that this program can drive; a configuration that names another is refused. Each has a file of its
// own, connectors_NAME.go, or stands below.
func connectorKinds() map[string]connectorKind {
	return map[string]connectorKind{
		"awsiam":     {awsiamParams(), openAWSIAM},
		"awssso":     {awsssoParams(), openAWSSSO},
		"command":    {open: openCommand},
		"etcd":       {etcdParams(), openEtcd},
		"github":     {githubParams(), openGitHub},
		"jira":       {grantlessParams(), openJira},
		"kubernetes": {kubernetesParams(), openKubernetes},
		"ldap":       {ldapParams(), openLDAP},
		"linear":     {grantlessParams(), openLinear},
		"pagerduty":  {grantlessParams(), openPagerDuty},
		"goalert":    {grantlessParams(), openGoAlert},
		"okta":       {oktaParams(), openOkta},
		"postgres":   {postgresParams(), openPostgres},
		"redis":      {redisParams(), openRedis},
		"sshca":      {sshcaParams(), openSSHCA},
		"x509":       {x509Params(), openX509},
		"tasks":      {grantlessParams(), openOwnTasks},
		"vault":      {vaultParams(), openVault},
		"webhook":    {open: openWebhook},
	}
}

func connectorNames() []string { return slices.Sorted(maps.Keys(connectorKinds())) }

func connectorParams() map[string]spec.Params {
	out := map[string]spec.Params{}
	for name, kind := range connectorKinds() {
		if kind.params != nil {
			out[name] = *kind.params
		}
	}
	return out
}

func postgresParams() *spec.Params {
	return &spec.Params{
		Known:  []string{postgres.ParamRole, postgres.ParamHost, postgres.ParamPort, postgres.ParamDatabase, postgres.ParamLogin},
		Needed: []string{postgres.ParamRole},
		Lists:  []string{postgres.ParamRole},
		Makes:  true,
		Scopes: true,
	}
}

// connectors are the targets of a configuration, each by its id, and what they serve to hosts.
type connectors struct {
	byTarget map[string]runbooks.Connector
	ssh      *sshca.Connector // nil when no target uses it
	x509     *x509.Connector  // likewise
	sshHosts sshHosts         // what all targets of the CA say of its hosts
	down     []*downTarget    // that could not be opened at the start

	mu    sync.Mutex
	close []func() error
}

// closing remembers what is to be closed at the end.
func (o *connectors) closing(f func() error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.close = append(o.close, f)
}

func openConnectors(c Config, keys *keyring, clock jobs.Clock, targets []spec.Target) (*connectors, error) {
	out := &connectors{byTarget: map[string]runbooks.Connector{}}
	out.sshHosts.collect(targets)
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
	kind, ok := connectorKinds()[t.Connector]
	if !ok {
		return nil, fmt.Errorf("there is no connector %q", t.Connector)
	}
	t.Settings = withoutWatch(t.Settings)
	con, err := kind.open(opening{cfg: c, keys: keys, clock: clock, target: t, all: o})
	if err != nil {
		return nil, err
	}
	_, certified := con.(*x509.Target)
	if closer, ok := con.(io.Closer); ok && con != runbooks.Connector(o.ssh) && !certified { // one CA serves all its targets, and is closed once
		o.closing(closer.Close)
	}
	return con, nil
}

func openPostgres(at opening) (runbooks.Connector, error) {
	dsn, err := settingSecret(at.target.Settings, "dsn")
	if err != nil {
		return nil, err
	}
	return opened(postgres.Open(postgres.Config{DSN: dsn}))
}

func openCommand(at opening) (runbooks.Connector, error) {
	cfg, err := programs.ReadSettings(at.target.Settings, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	return opened(programs.Open(cfg))
}

func openWebhook(at opening) (runbooks.Connector, error) {
	secret, err := settingSecret(at.target.Settings, webhook.SettingSecret)
	if err != nil {
		return nil, err
	}
	cfg, err := webhook.ReadSettings(at.target.Settings, secret, os.ReadFile)
	if err != nil {
		return nil, err
	}
	return opened(webhook.Open(cfg))
}

// opened keeps a nil pointer from becoming a connector that is not nil.
func opened[C runbooks.Connector](con C, err error) (runbooks.Connector, error) {
	if err != nil {
		return nil, err
	}
	return con, nil
}

// knownSettings refuses a setting that a connector does not know; secrets are known with _file and _env behind them.
func knownSettings(settings map[string]string, secrets []string, plain ...string) error {
	known := slices.Clone(plain)
	for _, s := range secrets {
		known = append(known, s+"_file", s+"_env", s+"_vault")
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("setting %q is not one of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// settingSecretOr reads a secret that may be missing.
func settingSecretOr(settings map[string]string, name string) (runbooks.Secret, error) {
	if settings[name+"_file"]+settings[name+"_env"]+settings[name+"_vault"] == "" {
		return runbooks.Secret{}, nil
	}
	return settingSecret(settings, name)
}

// settingSecret reads a secret of a target from the file, the environment variable or the path of Vault that the target's settings name.
func settingSecret(settings map[string]string, name string) (runbooks.Secret, error) {
	file, env, ref := settings[name+"_file"], settings[name+"_env"], settings[name+"_vault"]
	places := slices.DeleteFunc([]string{file, env, ref}, func(p string) bool { return p == "" })
	switch {
	case len(places) != 1:
		return runbooks.Secret{}, fmt.Errorf("settings need one of %s_file, %s_env and %s_vault", name, name, name)
	case ref != "":
		s, err := vaultSecret(os.Environ(), ref)
		if err != nil {
			return s, fmt.Errorf("%s_vault: %w", name, err)
		}
		return s, nil
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
	o.sshRoutes(mux)
	o.x509Routes(mux)
}
