package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/kelseyhightower/envconfig"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/ledger"
)

// Config is what the environment says. Every variable begins with COUNTERSIGN_; one that is not listed here is an error, so
// that a misspelled one is never silently ignored. A secret may be given by the name of a file that holds it.
type Config struct {
	Config         string `envconfig:"CONFIG" desc:"folder with people.yaml, roles.yaml, targets/, workflows/, runbooks/, and ledger.yaml for where the ledger goes" example:"/etc/countersign"`
	Data           string `envconfig:"DATA" desc:"folder for the database, the keys and the witness file; mode 0700" example:"/var/lib/countersign"`
	Database       string `envconfig:"DATABASE" secret:"url" desc:"where the ledger lives: empty for SQLite in the data folder, or postgres://…" example:""`
	LedgerOrigin   string `envconfig:"LEDGER_ORIGIN" desc:"name of the ledger, fixed for ever at the first start: a domain you control and a path" example:"example.com/countersign/main"`
	LedgerKey      string `envconfig:"LEDGER_KEY" secret:"key" desc:"the ledger's private key, if it is not to lie in the data folder: the line PRIVATE+KEY+… of a key file" example:""`
	Witness        string `envconfig:"WITNESS" desc:"file that every signed head is written to, best on another disk; empty: witness.log in the data folder" example:""`
	Listen         string `envconfig:"LISTEN" default:"127.0.0.1:8484" desc:"address for health, metrics and the lists that hosts pull" example:"127.0.0.1:8484"`
	Socket         string `envconfig:"SOCKET" desc:"Unix socket through which people of this machine act without Slack; empty: people.sock in the data folder, for the bot's own user" example:"/run/countersign/people.sock"`
	PublicURL      string `envconfig:"PUBLIC_URL" desc:"address under which hosts and people reach LISTEN, if it is not the same" example:""`
	TLSCert        string `envconfig:"TLS_CERT" desc:"file with the certificate and its chain, where LISTEN speaks TLS itself; the pages on which secrets are taken need TLS" example:""`
	TLSKey         string `envconfig:"TLS_KEY" desc:"file with the private key of TLS_CERT; mode 0600" example:""`
	TLSProxy       string `envconfig:"TLS_PROXY" desc:"yes: a proxy in front of LISTEN speaks TLS, so that pages may be served although TLS_CERT is empty" example:""`
	OIDCIssuer     string `envconfig:"OIDC_ISSUER" desc:"identity provider at which people log in before they are shown a secret; without it they prove who they are by a code in Slack" example:""`
	OIDCClient     string `envconfig:"OIDC_CLIENT_ID" desc:"id of this application there; its redirect address is PUBLIC_URL/web/login" example:""`
	OIDCSecret     string `envconfig:"OIDC_CLIENT_SECRET" secret:"token" desc:"secret of this application there; empty for a public client" example:""`
	SlackBot       string `envconfig:"SLACK_BOT_TOKEN" secret:"token" desc:"bot token of the Slack app, xoxb-…; not needed with SLACK_REFRESH_TOKEN" example:"xoxb-…"`
	SlackRefresh   string `envconfig:"SLACK_REFRESH_TOKEN" secret:"token" desc:"refresh token of a Slack app with token rotation, xoxe-…: the bot exchanges it two hours before its token ends and keeps what it gets, sealed, in DATA/keys/slack-tokens; set it anew only after installing the app again" example:""`
	SlackClient    string `envconfig:"SLACK_CLIENT_ID" desc:"client id of the Slack app, for token rotation" example:""`
	SlackClientKey string `envconfig:"SLACK_CLIENT_SECRET" secret:"token" desc:"client secret of the Slack app, for token rotation" example:""`
	SlackApp       string `envconfig:"SLACK_APP_TOKEN" secret:"token" desc:"app-level token with connections:write, xapp-…" example:"xapp-…"`
	SlackSecret    string `envconfig:"SLACK_SIGNING_SECRET" secret:"token" desc:"signing secret of the Slack app, for HTTP mode: Slack then sends to PUBLIC_URL/slack; with it no app-level token is needed" example:""`
	SlackAPI       string `envconfig:"SLACK_API_URL" desc:"another address of the Slack Web API; only loopback addresses" example:""`
	SSHToken       string `envconfig:"SSHCA_TOKEN" secret:"token" desc:"when set, only hosts that send it are believed about which revocation list they have" example:""`
	SCIMToken      string `envconfig:"SCIM_TOKEN" secret:"token" desc:"bearer token, at least 32 characters, with which an identity provider (Okta, Entra) says on PUBLIC_URL/scim/v2 that somebody left or has another role" example:""`
	PostureSecret  string `envconfig:"POSTURE_SECRET" secret:"token" desc:"secret of the webhook (Standard Webhooks, whsec_…) by which an endpoint manager reports the posture of devices to PUBLIC_URL/posture" example:""`
	PostureKeys    string `envconfig:"POSTURE_KEYS" desc:"file with the Ed25519 public keys of device agents that report signed claims there: a key id and base64 in each line" example:""`
	LeakSecret     string `envconfig:"LEAK_SECRET" secret:"token" desc:"secret, at least 24 characters, with which a secret scanner signs what it finds as GitHub signs webhooks (X-Hub-Signature-256) and posts it to PUBLIC_URL/leaks" example:""`
	LeakKeys       string `envconfig:"LEAK_KEYS" desc:"file with the public keys with which GitHub signs secret scanning partner alerts, as https://api.github.com/meta/public_keys/secret_scanning gives them" example:""`
	SMTP           string `envconfig:"SMTP_URL" desc:"relay for the e-mail of escalations: smtp://[USER@]HOST:PORT with STARTTLS, or smtps://; without it steps by email go on to the next" example:"smtp://mail.example.com:587"`
	SMTPPassword   string `envconfig:"SMTP_PASSWORD" secret:"token" desc:"password of the user in SMTP_URL" example:""`
	SMTPFrom       string `envconfig:"SMTP_FROM" desc:"address that the e-mail comes from" example:"countersign@example.com"`
	SMTPRoots      string `envconfig:"SMTP_CA" desc:"file with the certificate of the authority that signed the relay's, where the system does not know it" example:""`
	FeedReach      string `envconfig:"FEED_REACH" default:"public" desc:"which addresses may be called for iCalendar feeds: public, private (networks of your own as well) or loopback (this machine)" example:"public"`
	FeedRoots      string `envconfig:"FEED_CA" desc:"file with the certificate of the authority that signed the feeds' hosts, where the system does not know it" example:""`
	VaultURL       string `envconfig:"VAULT_URL" desc:"address of Vault or OpenBao, for credentials that targets name as NAME_vault: PATH#FIELD" example:""`
	VaultToken     string `envconfig:"VAULT_TOKEN" secret:"token" desc:"token that may read those paths, and nothing else" example:""`
	VaultNamespace string `envconfig:"VAULT_NAMESPACE" desc:"namespace of Vault Enterprise or OpenBao, where the paths lie in one" example:""`
	VaultRoots     string `envconfig:"VAULT_CA" desc:"file with the certificate of the authority that signed Vault's, where the system does not know it" example:""`
	KeepTexts      string `envconfig:"KEEP_TEXTS" desc:"how long free text and names beside the ledger are kept, such as 730d, at least 90d; empty: until somebody asks for their erasure" example:"730d"`
	LogLevel       string `envconfig:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error" example:"info"`
	LogFormat      string `envconfig:"LOG_FORMAT" default:"json" desc:"json or text" example:"json"`
	DemoClock      string `envconfig:"DEMO_CLOCK" desc:"file with an offset that moves product time; only for ledgers under demo.invalid/" example:""`
}

const prefix = "COUNTERSIGN"

// loadConfig reads the environment strictly: envconfig fills in values and defaults, and what it does not do is added here, namely that no name is
// misspelt, that secrets may lie in files, and that a caller may give another environment than the process's own.
func loadConfig(env []string) (Config, error) {
	var c Config
	vars, err := environment(env)
	if err != nil {
		return c, err
	}
	if err := envconfig.Process(prefix, &c); err != nil {
		return Config{}, err
	}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := prefix + "_" + f.Tag.Get("envconfig")
		value, ok := vars[name]
		if !ok {
			value = f.Tag.Get("default")
		}
		if path := vars[name+"_FILE"]; path != "" && f.Tag.Get("secret") != "" {
			if value != "" {
				return c, fmt.Errorf("%s and %s_FILE are both set: use one", name, name)
			}
			if value, err = readSecret(path); err != nil {
				return c, fmt.Errorf("%s_FILE: %w", name, err)
			}
		}
		v.Field(i).SetString(value)
	}
	return c, nil
}

// environment keeps our variables and refuses those nobody reads.
func environment(env []string) (map[string]string, error) {
	known := map[string]bool{}
	eachVariable(func(name string, secret bool) {
		known[name] = true
		if secret {
			known[name+"_FILE"] = true
		}
	})
	out := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, prefix+"_") {
			continue
		}
		if !known[name] {
			err := fmt.Errorf("environment variable %s is not known", name)
			if plain, ok := strings.CutSuffix(name, "_FILE"); ok && known[plain] {
				return nil, hint(err, "%s has no _FILE form, only secrets have", plain)
			}
			if near := nearest(name, slices.Collect(keysOf(known))); near != "" {
				return nil, hint(err, "did you mean %s?", near)
			}
			return nil, hint(err, "countersign config -example lists them all")
		}
		out[name] = value
	}
	return out, nil
}

// eachVariable names the settings as envconfig does, whose tags they have; TestSettingsAreThoseOfEnvconfig holds both to each other. Its own list of
// names goes through text/template, and a program that executes one keeps every exported method of everything it links.
func eachVariable(f func(name string, secret bool)) {
	for field := range reflect.TypeFor[Config]().Fields() {
		f(prefix+"_"+field.Tag.Get("envconfig"), field.Tag.Get("secret") != "")
	}
}

func keysOf(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

const maxSecret = 64 << 10 // bytes of a secret file; a key or a token is far smaller

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("%s is larger than %d bytes: not a secret", path, maxSecret)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s holds nothing", path)
	}
	return secret, nil
}

// demo tells whether the ledger is one that may run on a clock that moves.
func (c Config) demo() bool { return strings.HasPrefix(c.LedgerOrigin, "demo.invalid/") }

// checkServe says what serve needs and does not have.
func (c Config) checkServe() error {
	var errs []error
	need := func(value, name, what string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s_%s is needed: %s", prefix, name, what))
		}
	}
	need(c.Config, "CONFIG", "the folder with people, targets and workflows (countersign init writes one)")
	need(c.Data, "DATA", "the folder for the ledger and its keys")
	need(c.LedgerOrigin, "LEDGER_ORIGIN", "the name of the ledger, such as example.com/countersign/main")
	need(c.SlackBot+c.SlackRefresh, "SLACK_BOT_TOKEN", "the bot token of the Slack app")
	if c.SlackRefresh != "" {
		need(c.SlackClient, "SLACK_CLIENT_ID", "with a refresh token, to exchange it")
		need(c.SlackClientKey, "SLACK_CLIENT_SECRET", "with a refresh token, to exchange it")
	}
	need(c.SlackApp+c.SlackSecret, "SLACK_APP_TOKEN", "the app-level token of the Slack app, or its signing secret for HTTP mode")
	if c.LedgerOrigin != "" {
		if err := ledger.CheckOrigin(c.LedgerOrigin); err != nil {
			errs = append(errs, fmt.Errorf("%s_LEDGER_ORIGIN: %w", prefix, err))
		}
	}
	for _, path := range []string{c.socketPath(), c.peopleSocket()} {
		if len(path) > maxSocketPath {
			errs = append(errs, fmt.Errorf("%s: a socket's path has at most %d bytes, this one has %d: take a shorter %s_DATA or %s_SOCKET", path, maxSocketPath, len(path), prefix, prefix))
		}
	}
	errs = append(errs, c.checkTokens()...)
	if c.DemoClock != "" && !c.demo() {
		errs = append(errs, fmt.Errorf("%s_DEMO_CLOCK is only for ledgers under demo.invalid/: nobody may move a real ledger's clock", prefix))
	}
	if c.SlackAPI != "" && !loopbackURL(c.SlackAPI) {
		errs = append(errs, fmt.Errorf("%s_SLACK_API_URL may only name this machine: the tokens would go anywhere else", prefix))
	}
	errs = append(errs, c.checkPages()...)
	if _, err := openMail(c); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.keepTexts(); err != nil {
		errs = append(errs, err)
	}
	if err := c.checkVault(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, c.checkLog())...)
}

func (c Config) checkTokens() []error {
	var errs []error
	if c.SlackRefresh != "" && !strings.HasPrefix(c.SlackRefresh, "xoxe-") {
		errs = append(errs, fmt.Errorf("%s_SLACK_REFRESH_TOKEN does not start with xoxe-: it is another kind of token", prefix))
	}
	if strings.HasPrefix(c.SlackBot, "xoxe.xoxb-") && c.SlackRefresh == "" {
		errs = append(errs, fmt.Errorf("%s_SLACK_BOT_TOKEN is one that ends after twelve hours: set %s_SLACK_REFRESH_TOKEN, or turn token rotation off", prefix, prefix))
	}
	if c.SlackBot != "" && !strings.HasPrefix(strings.TrimPrefix(c.SlackBot, "xoxe."), "xoxb-") {
		errs = append(errs, fmt.Errorf("%s_SLACK_BOT_TOKEN does not start with xoxb-: it is another kind of token", prefix))
	}
	if c.SlackApp != "" && !strings.HasPrefix(c.SlackApp, "xapp-") {
		errs = append(errs, fmt.Errorf("%s_SLACK_APP_TOKEN does not start with xapp-: it is another kind of token", prefix))
	}
	if c.SlackSecret != "" {
		if err := slack.CheckSigningSecret(c.SlackSecret); err != nil {
			errs = append(errs, fmt.Errorf("%s_SLACK_SIGNING_SECRET: %w", prefix, err))
		}
	}
	return errs
}

func (c Config) checkLog() error {
	var errs []error
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		errs = append(errs, fmt.Errorf("%s_LOG_LEVEL is %q: want debug, info, warn or error", prefix, c.LogLevel))
	}
	if c.LogFormat != "json" && c.LogFormat != "text" {
		errs = append(errs, fmt.Errorf("%s_LOG_FORMAT is %q: want json or text", prefix, c.LogFormat))
	}
	return errors.Join(errs...)
}

func loopbackURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}

// logger writes structured lines for operators. Secrets never reach it: they travel as runbooks.Secret or not at all.
func (c Config) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

const maxLogValue = 4096 // bytes of one logged value

// redact is the last net under the log: whatever looks like a secret does not get out.
func redact(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(runbooks.Redact(v, maxLogValue))
	case error:
		a.Value = slog.StringValue(runbooks.Redact(v.Error(), maxLogValue))
	}
	return a
}

const maxSocketPath = 107 // bytes: unix(7); some systems take 103, where opening it says so

func (c Config) keysDir() string    { return filepath.Join(c.Data, "keys") }
func (c Config) socketPath() string { return filepath.Join(c.Data, "control.sock") }

// peopleSocket is where people of this machine act without Slack.
func (c Config) peopleSocket() string {
	if c.Socket != "" {
		return c.Socket
	}
	return filepath.Join(c.Data, "people.sock")
}

// publicURL is where hosts reach the lists.
func (c Config) publicURL() string {
	if c.PublicURL != "" {
		return strings.TrimRight(c.PublicURL, "/")
	}
	return "http://" + c.Listen
}

func configCommand(_ context.Context, p proc) error {
	fs := p.flags("config", "[-example]")
	example := fs.Bool("example", false, "print a documented example instead")
	if err := p.parse(fs, 0, 0); err != nil {
		return err
	}
	if *example {
		printExample(p.out)
		return nil
	}
	c, err := loadConfig(p.env)
	if err != nil {
		return err
	}
	return printConfig(p.out, c)
}

func printExample(w io.Writer) {
	t := reflect.TypeFor[Config]()
	fmt.Fprint(w, "# Countersign reads its settings from the environment. A secret may also be given as NAME_FILE, the name of a file\n# that holds it.\n")
	i := 0
	eachVariable(func(name string, secret bool) {
		f := t.Field(i)
		i++
		fmt.Fprintf(w, "\n# %s\n", f.Tag.Get("desc"))
		if d := f.Tag.Get("default"); d != "" {
			fmt.Fprintf(w, "# default: %s\n", d)
		}
		if secret {
			fmt.Fprintf(w, "# or: %s_FILE=/run/secrets/…\n", name)
		}
		fmt.Fprintf(w, "%s=%s\n", name, f.Tag.Get("example"))
	})
}

func printConfig(out io.Writer, c Config) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	v, t, i := reflect.ValueOf(c), reflect.TypeFor[Config](), 0
	eachVariable(func(name string, secret bool) {
		value := v.Field(i).String()
		if value != "" && secret {
			value = "[set]"
		}
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, value, t.Field(i).Tag.Get("desc"))
		i++
	})
	return w.Flush()
}
