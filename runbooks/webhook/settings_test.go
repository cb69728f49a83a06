package webhook_test

import (
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/webhook"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	read := func(name string) ([]byte, error) {
		if name != "/etc/ca.pem" {
			return nil, errors.New("another file")
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}), nil
	}
	cfg, err := webhook.ReadSettings(map[string]string{
		"url": r.URL + "/orders", "secret_file": "/etc/secret", "ca_file": "/etc/ca.pem", "loopback_host": "127.0.0.1", "timeout_seconds": "50",
		"poll_seconds": "3", "revoke_leaves": "Open pages stay.",
	}, runbooks.NewSecret(oldSecret), read)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, cfg)
	want := runbooks.Capabilities{Name: "webhook", Polls: true, RevokeLatency: 3 * time.Second, RevokeLeaves: "Open pages stay.", Timeout: 50 * time.Second}
	if got := c.Describe(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := c.Grant(t.Context(), order("g_1")); err != nil {
		t.Error(err)
	}
}

// TestBadSettings: every mistake is found at the start, in words that name it.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, value, want string }{
		{"url", "http://hooks.example.com", "the url is not https (http is for this machine only, with loopback_host)"},
		{"url", "hooks.example.com", "the url is not an address such as https://hooks.example.com/countersign"},
		{"url", "https://me:canary@hooks.example.com", "the url holds a user, a password or a fragment, which are of no use here"},
		{"private_host", "hooks.example.org", `"hooks.example.org" is not the host of the url, which is "hooks.example.com": name the host that is meant`},
		{"timeout_seconds", "301", `setting timeout_seconds: "301" is not a number of seconds from 1 to 300`},
		{"poll_seconds", "0", `setting poll_seconds: "0" is not a number of seconds from 1 to 60`},
		{"ca_file", "/etc/none", "setting ca_file: open /etc/none: file does not exist"},
		{"ca_file", "/etc/empty", `setting ca_file: "/etc/empty" holds no certificates in PEM, or is larger than 1048576 bytes`},
		{"header", "x", `setting "header" is not one of url, secret_file, secret_env, ca_file, private_host, loopback_host, timeout_seconds, poll_seconds, revoke_leaves, comes_with, lists, tries`},
	}
	read := func(name string) ([]byte, error) {
		if name == "/etc/empty" {
			return []byte("nothing"), nil
		}
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	for _, row := range rows {
		settings := map[string]string{"url": "https://hooks.example.com/x", "secret_env": "HOOK", row.name: row.value}
		cfg, err := webhook.ReadSettings(settings, runbooks.NewSecret(oldSecret), read)
		if err == nil {
			_, err = webhook.Open(cfg)
		}
		if err == nil || err.Error() != row.want || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s %q:\n%v, want\n%s", row.name, row.value, err, row.want)
		}
	}
}
