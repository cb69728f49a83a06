package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"github.com/countersign-bot/countersign/runbooks"
)

// The settings of a target that this connector understands.
const (
	SettingURL      = "url"      // rediss://host[:port]; redis:// without TLS on this machine alone
	SettingRoots    = "ca_file"  // certificate authorities in PEM, instead of the system's
	SettingUser     = "username" // the bot's own account
	SettingPassword = "password" // its password: read from password_file or password_env
)

// Open reads the settings of a target; it does not connect. password is what its file or variable holds; read reads a file.
func Open(settings map[string]string, password runbooks.Secret, read func(string) ([]byte, error)) (*Connector, error) {
	err := runbooks.KnownSettings(settings, SettingURL, SettingRoots, SettingUser, SettingPassword+"_file", SettingPassword+"_env")
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(settings[SettingURL])
	if err != nil || u.Hostname() == "" || u.Scheme != "redis" && u.Scheme != "rediss" || u.User != nil || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("setting %s: it is not an address such as rediss://cache.example.org:6379", SettingURL)
	}
	if a, err := netip.ParseAddr(u.Hostname()); u.Scheme == "redis" && (err != nil || !a.Unmap().IsLoopback()) {
		return nil, fmt.Errorf("setting %s: redis:// sends passwords in clear and is for 127.0.0.1 alone: use rediss://", SettingURL)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "6379")
	}
	if settings[SettingUser] == "" || password.IsZero() {
		return nil, errors.New("settings username and password_file or password_env: the bot needs an account of its own with a password")
	}
	c := &Connector{url: u, user: settings[SettingUser], password: password}
	if u.Scheme == "rediss" {
		c.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	}
	if file := settings[SettingRoots]; file != "" && c.tls != nil {
		pem, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("setting %s: %w", SettingRoots, err)
		}
		c.tls.RootCAs = x509.NewCertPool()
		if len(pem) > maxRoots || !c.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("setting %s: %q holds no certificates in PEM, or is larger than %d bytes", SettingRoots, file, maxRoots)
		}
	}
	return c, nil
}
