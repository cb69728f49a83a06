package kubernetes

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// The settings of a target that this connector understands.
const (
	SettingURL        = "url"        // of the API server
	SettingRoots      = "ca_file"    // its certificate authority in PEM, instead of the system's
	SettingToken      = "token"      // the bot's token: read from token_file or token_env at every call
	SettingNamespaces = "namespaces" // where access may be granted; all by default
	SettingGrants     = "grants"     // bindings (the default) or tokens
)

// The entitlement's words that this connector understands.
const (
	ParamNamespace      = "namespace"       // where; "*" is everywhere, for bindings of cluster roles
	ParamClusterRole    = "cluster_role"    // what is bound: this
	ParamRole           = "role"            // or this, a Role of the namespace
	ParamSubject        = "subject"         // User (the default) or ServiceAccount; such an account is written namespace/name
	ParamServiceAccount = "service_account" // for tokens: whose
	ParamAudience       = "audience"        // for tokens: whom it is for; the API server by default
)

// Config says how the bot reaches a cluster.
type Config struct {
	URL        string
	Roots      *x509.CertPool                  // nil: the system's
	Token      func() (runbooks.Secret, error) // asked for every call
	Namespaces []string                        // empty: all
	Tokens     bool                            // tokens of service accounts instead of bindings
	Now        func() time.Time                // product time; nil: time.Now
}

// ReadSettings reads the settings of a target. token gives what its file or variable holds; read reads a file.
func ReadSettings(settings map[string]string, token func() (runbooks.Secret, error), read func(string) ([]byte, error)) (Config, error) {
	err := runbooks.KnownSettings(settings, SettingURL, SettingRoots, SettingToken+"_file", SettingToken+"_env", SettingNamespaces, SettingGrants)
	if err != nil {
		return Config{}, err
	}
	cfg := Config{URL: settings[SettingURL], Token: token}
	cfg.Namespaces = strings.FieldsFunc(settings[SettingNamespaces], func(r rune) bool { return r == ',' || r == ' ' })
	switch settings[SettingGrants] {
	case "", "bindings":
	case "tokens":
		cfg.Tokens = true
	default:
		return cfg, fmt.Errorf("setting %s: %q is neither bindings nor tokens", SettingGrants, settings[SettingGrants])
	}
	cfg.Roots, err = rest.Roots(settings[SettingRoots], read)
	return cfg, err
}

// Connector grants access to one cluster. It is safe for concurrent use; between calls it keeps idle connections alone.
type Connector struct {
	cfg Config
	api *rest.Client
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Connector, error) {
	if len(cfg.Namespaces) > maxNamespaces {
		return nil, fmt.Errorf("setting %s: more than %d", SettingNamespaces, maxNamespaces)
	}
	for _, n := range cfg.Namespaces {
		if !isLabel(n) {
			return nil, fmt.Errorf("setting %s: %q is not the name of a namespace", SettingNamespaces, n)
		}
	}
	if cfg.Tokens && len(cfg.Namespaces) == 0 {
		return nil, fmt.Errorf("setting %s: tokens need the namespaces that are meant", SettingNamespaces)
	}
	if cfg.Token == nil {
		return nil, errors.New("settings token_file or token_env: the bot needs a token of its own")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	api, err := rest.Open(rest.Config{Service: "the cluster", URL: cfg.URL, Roots: cfg.Roots, Words: rest.Words("message"), Sign: signer(cfg.Token)})
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", SettingURL, err)
	}
	return &Connector{cfg, api}, nil
}

func signer(token func() (runbooks.Secret, error)) func(context.Context, *http.Request, []byte) error {
	return func(_ context.Context, r *http.Request, _ []byte) error {
		t, err := token()
		if err != nil {
			return runbooks.Errorf(runbooks.Broken, err, "the bot's token for the cluster cannot be read")
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(t.Reveal()))
		return nil
	}
}

// Close ends the connections that wait for a next call.
func (c *Connector) Close() error { return c.api.Close() }

// covers tells whether access may be granted in a namespace.
func (c *Connector) covers(namespace string) bool {
	return len(c.cfg.Namespaces) == 0 || slices.Contains(c.cfg.Namespaces, namespace)
}

// isLabel tells whether s can be the name of a namespace (RFC 1123, a label).
func isLabel(s string) bool {
	return s != "" && len(s) <= 63 && isDNS(s) && !strings.Contains(s, ".")
}

// isDNS tells whether s can be the name of most objects (RFC 1123, a subdomain).
func isDNS(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		bad := strings.ContainsFunc(label, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') })
		if label == "" || bad || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(s) <= maxName
}

// isSegment tells whether s can be the name of a role or a binding, which are laxer: whatever stands between two slashes.
func isSegment(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxName && !strings.ContainsAny(s, "/%")
}
