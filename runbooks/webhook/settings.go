package webhook

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// The settings of a target that this connector understands.
const (
	SettingURL      = "url"             // where orders are posted
	SettingSecret   = "secret"          // read from secret_file or secret_env: whsec_…, several during a change
	SettingRoots    = "ca_file"         // certificate authorities in PEM, instead of the system's
	SettingPrivate  = "private_host"    // the url's host again: it may lie in a private network
	SettingLoopback = "loopback_host"   // the url's host again: it lies on this machine, and http will do
	SettingTimeout  = "timeout_seconds" // of one call with its polls; 30 by default
	SettingPoll     = "poll_seconds"    // between two polls; 2 by default
	SettingLeaves   = "revoke_leaves"   // what revoking does not end, in a sentence for the card
	SettingTries    = "tries"           // "true": the receiver uses a canary's access when a drill asks it to
	SettingLists    = "lists"           // "true": the receiver tells what it can grant
	SettingPassword = "comes_with"      // "password": each grant comes with a password that we make, and its holder is handed
)

const passwordMake = "password"

// Config says whom to call, and how.
type Config struct {
	URL          string
	Secrets      []runbooks.Secret // each signs every call
	PrivateHost  string            // must be the URL's host: private addresses are allowed as well
	LoopbackHost string            // must be the URL's host: only this machine, and http is allowed
	Roots        *x509.CertPool    // nil: the system's
	Resolver     *net.Resolver     // nil: the system's
	Timeout      time.Duration     // of one call with its polls; 0: 30 s
	Poll         time.Duration     // between two polls; 0: 2 s
	Leaves       string            // what revoking does not end; empty: that it is not known
	Tries        bool              // the receiver uses a canary's access
	Lists        bool              // the receiver tells what it can grant
	Password     bool              // each grant comes with a password
}

// ReadSettings reads the settings of a target. secret is what its file or variable holds; read reads a file.
func ReadSettings(settings map[string]string, secret runbooks.Secret, read func(string) ([]byte, error)) (Config, error) {
	known := []string{
		SettingURL, SettingSecret + "_file", SettingSecret + "_env", SettingRoots, SettingPrivate, SettingLoopback, SettingTimeout, SettingPoll, SettingLeaves,
		SettingPassword, SettingLists, SettingTries,
	}
	for name := range settings {
		if !slices.Contains(known, name) {
			return Config{}, fmt.Errorf("setting %q is not one of %s", name, strings.Join(known, ", "))
		}
	}
	cfg := Config{
		URL: settings[SettingURL], PrivateHost: settings[SettingPrivate], LoopbackHost: settings[SettingLoopback],
		Leaves: strings.TrimSpace(settings[SettingLeaves]), Password: settings[SettingPassword] == passwordMake, Lists: settings[SettingLists] == "true", Tries: settings[SettingTries] == "true",
	}
	var errs [6]error
	for _, name := range []string{SettingLists, SettingTries} {
		if v := settings[name]; v != "" && v != "true" && v != "false" {
			errs[5] = errors.Join(errs[5], fmt.Errorf("setting %s: %q is neither true nor false", name, v))
		}
	}
	if v := settings[SettingPassword]; v != "" && v != passwordMake {
		errs[4] = fmt.Errorf("setting %s: %q is not %s", SettingPassword, v, passwordMake)
	}
	cfg.Secrets, errs[0] = ReadSecrets(secret)
	cfg.Timeout, errs[1] = seconds(SettingTimeout, settings[SettingTimeout], maxTimeout)
	cfg.Poll, errs[2] = seconds(SettingPoll, settings[SettingPoll], maxPoll)
	if file := settings[SettingRoots]; file != "" {
		cfg.Roots, errs[3] = roots(file, read)
	}
	return cfg, errors.Join(errs[:]...)
}

func roots(file string, read func(string) ([]byte, error)) (*x509.CertPool, error) {
	pem, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", SettingRoots, err)
	}
	pool := x509.NewCertPool()
	if len(pem) > maxRoots || !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("setting %s: %q holds no certificates in PEM, or is larger than %d bytes", SettingRoots, file, maxRoots)
	}
	return pool, nil
}

func seconds(name, s string, longest time.Duration) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > int(longest/time.Second) {
		return 0, fmt.Errorf("setting %s: %q is not a number of seconds from 1 to %d", name, s, int(longest/time.Second))
	}
	return time.Duration(n) * time.Second, nil
}

// check finds the address and how far it may reach.
func (cfg Config) check() (*url.URL, reach, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || len(cfg.URL) > maxURL {
		return nil, 0, errors.New("the url is not an address such as https://hooks.example.com/countersign")
	}
	if u.User != nil || u.Fragment != "" {
		return nil, 0, errors.New("the url holds a user, a password or a fragment, which are of no use here")
	}
	r := reachPublic
	switch {
	case cfg.LoopbackHost != "" && cfg.PrivateHost != "":
		return nil, 0, errors.New("of loopback_host and private_host only one can be true")
	case cfg.LoopbackHost != "":
		r = reachLoopback
	case cfg.PrivateHost != "":
		r = reachPrivate
	}
	if host := cfg.LoopbackHost + cfg.PrivateHost; r != reachPublic && host != u.Hostname() {
		return nil, 0, fmt.Errorf("%q is not the host of the url, which is %q: name the host that is meant", host, u.Hostname())
	}
	if u.Scheme != "https" && (u.Scheme != "http" || r != reachLoopback) {
		return nil, 0, errors.New("the url is not https (http is for this machine only, with loopback_host)")
	}
	if cfg.Timeout < 0 || cfg.Timeout > maxTimeout || cfg.Poll < 0 || cfg.Poll > maxPoll {
		return nil, 0, fmt.Errorf("a call takes up to %s, and up to %s lie between two polls", maxTimeout, maxPoll)
	}
	return u, r, nil
}
