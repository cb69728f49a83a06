package ldap

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// The settings of a target that this connector understands.
const (
	SettingURL       = "url"               // ldaps://host[:port], or ldap:// with StartTLS; without TLS only on this machine
	SettingRoots     = "ca_file"           // certificate authorities in PEM, instead of the system's
	SettingBind      = "bind_dn"           // the bot's own account
	SettingPassword  = "password"          // its password: read from password_file or password_env
	SettingPeople    = "people"            // base DN of accounts
	SettingAccount   = "account_attribute" // what an account is called by; uid by default
	SettingGroups    = "groups"            // base DN of the groups that can be granted
	SettingDynamic   = "dynamic_under"     // base DN of groups of one grant that the directory ends by itself
	SettingPrograms  = "programs"          // base DN of programs' accounts, whose passwords the bot replaces
	SettingAccessLog = "accesslog"         // base DN of OpenLDAP's access log, such as cn=log
	SettingCanary    = "canary_password"   // of the account that drills use: read from canary_password_file or canary_password_env
	SettingReads     = "canary_reads"      // DN of an entry that members of the canary's group can read, and others cannot
)

// The entitlement's words that this connector understands.
const ParamGroup = "group" // the cn of the group; required

// Config says how the bot reaches a directory, and where in it accounts and groups are.
type Config struct {
	URL              string
	Roots            *x509.CertPool // nil: the system's
	BindDN           string
	Password         runbooks.Secret
	People, Groups   string // base DNs
	AccountAttribute string // "": uid
	Dynamic          string // base DN; "": standing groups
	AccessLog        string // base DN; "": none
	Programs         string // base DN; "": none
	CanaryPassword   runbooks.Secret
	CanaryReads      string // DN; "": drills read the group back and do not log in
}

// ReadSettings reads the settings of a target. password is what its file or variable holds; read reads a file.
func ReadSettings(settings map[string]string, password runbooks.Secret, read func(string) ([]byte, error)) (Config, error) {
	err := runbooks.KnownSettings(settings, SettingURL, SettingRoots, SettingBind, SettingPassword+"_file", SettingPassword+"_env",
		SettingPeople, SettingAccount, SettingGroups, SettingDynamic, SettingAccessLog, SettingPrograms, SettingCanary+"_file", SettingCanary+"_env", SettingReads)
	if err != nil {
		return Config{}, err
	}
	cfg := Config{
		URL: settings[SettingURL], BindDN: settings[SettingBind], Password: password, People: settings[SettingPeople],
		Groups: settings[SettingGroups], AccountAttribute: settings[SettingAccount], Dynamic: settings[SettingDynamic],
		AccessLog: settings[SettingAccessLog], Programs: settings[SettingPrograms], CanaryReads: settings[SettingReads],
	}
	if file := settings[SettingRoots]; file != "" {
		pem, err := read(file)
		if err != nil {
			return Config{}, fmt.Errorf("setting %s: %w", SettingRoots, err)
		}
		cfg.Roots = x509.NewCertPool()
		if len(pem) > maxRoots || !cfg.Roots.AppendCertsFromPEM(pem) {
			return Config{}, fmt.Errorf("setting %s: %q holds no certificates in PEM, or is larger than %d bytes", SettingRoots, file, maxRoots)
		}
	}
	return cfg, nil
}

// check finds the address; every error names the setting.
func (cfg Config) check() (*url.URL, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Path != "" && u.Path != "/" || u.User != nil {
		return nil, fmt.Errorf("setting %s: it is not an address such as ldaps://directory.example.org", SettingURL)
	}
	var errs []error
	for name, dn := range map[string]string{
		SettingBind: cfg.BindDN, SettingPeople: cfg.People, SettingGroups: cfg.Groups, SettingDynamic: cfg.Dynamic, SettingAccessLog: cfg.AccessLog,
		SettingPrograms: cfg.Programs, SettingReads: cfg.CanaryReads,
	} {
		if dn == "" && (name == SettingDynamic || name == SettingAccessLog || name == SettingPrograms || name == SettingReads) {
			continue
		}
		if parsed, err := ldap.ParseDN(dn); err != nil || len(parsed.RDNs) == 0 {
			errs = append(errs, fmt.Errorf("setting %s: %q is not a distinguished name such as ou=people,dc=example,dc=org", name, dn))
		}
	}
	if !isAttribute(cfg.AccountAttribute) {
		errs = append(errs, fmt.Errorf("setting %s: %q is not the name of an attribute", SettingAccount, cfg.AccountAttribute))
	}
	if cfg.CanaryPassword.IsZero() != (cfg.CanaryReads == "") {
		errs = append(errs, fmt.Errorf("settings %s_file (or _env) and %s belong together: a drill logs in as the canary and reads that entry", SettingCanary, SettingReads))
	}
	if cfg.Password.IsZero() {
		// An empty password binds as nobody at all, and succeeds (RFC 4513, 5.1.2).
		errs = append(errs, errors.New("the password of bind_dn is empty"))
	}
	return u, errors.Join(errs...)
}

// isAttribute tells whether s is a short name of an attribute (RFC 4512, descr).
func isAttribute(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '-')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isLoopback tells whether a host can only be this machine: a name could be changed to lead elsewhere.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// address is where to connect to.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": ldap.DefaultLdapPort, "ldaps": ldap.DefaultLdapsPort}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
