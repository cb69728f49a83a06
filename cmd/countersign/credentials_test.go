package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/countersign-bot/countersign/runbooks/seal"
)

// keeper is Vault's key-value engine, with one token and one answer to every path.
type keeper struct {
	*httptest.Server
	value  atomic.Pointer[string]
	status atomic.Int64 // instead of an answer
	asked  atomic.Int64
}

func newKeeper(t *testing.T, value string) *keeper {
	t.Helper()
	k := &keeper{}
	k.value.Store(&value)
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.asked.Add(1)
		if s := int(k.status.Load()); s != 0 || r.Header.Get("X-Vault-Token") != "hvs.reader" {
			w.WriteHeader(max(s, http.StatusForbidden))
			fmt.Fprint(w, `{"errors":["no"]}`)
			return
		}
		fmt.Fprintf(w, `{"data":{"data":{"secret":%q},"metadata":{}}}`, *k.value.Load())
	}))
	t.Cleanup(k.Close)
	return k
}

const changesRef = "secret/data/countersign/changes#secret"

// TestReq_R74_VaultAndItsSealedCopy: a credential of Vault is read afresh; a sealed copy stands in for it while Vault is away, and only then: not when it
// is refused, not for another path, and not when it was moved. The folder shows nothing of it.
func TestReq_R74_VaultAndItsSealedCopy(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, "credential-canary-55aa")
	data, token := t.TempDir(), filepath.Join(t.TempDir(), "token")
	mustSay(t, os.WriteFile(token, []byte("hvs.reader\n"), 0o600))
	env := []string{prefix + "_DATA=" + data, prefix + "_VAULT_URL=" + k.URL, prefix + "_VAULT_TOKEN_FILE=" + token}
	read := func(ref, want string) {
		t.Helper()
		if s, err := vaultSecret(env, ref); err != nil || s.Reveal() != want {
			t.Fatalf("%s: %v, want %q", ref, err, want)
		}
	}
	refused := func(ref, words string) {
		t.Helper()
		if s, err := vaultSecret(env, ref); err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "canary") {
			t.Fatalf("%s: %q %v, want %q", ref, s.Reveal(), err, words)
		}
	}
	read(changesRef, "credential-canary-55aa") // before there is a key that seals: nothing is kept
	k.status.Store(http.StatusServiceUnavailable)
	refused(changesRef, "there is no copy of it")
	k.status.Store(0)
	keys, err := openKeys(filepath.Join(data, "keys"))
	mustSay(t, err)
	_, err = keys.lateSeed(keySealing, false)
	mustSay(t, err)
	read(changesRef, "credential-canary-55aa")
	next := "credential-canary-66bb"
	k.value.Store(&next) // replaced in Vault
	read(changesRef, next)
	k.status.Store(http.StatusServiceUnavailable)
	read(changesRef, next)
	refused("secret/data/countersign/other#secret", "there is no copy of it")
	k.status.Store(http.StatusForbidden) // the token was withdrawn: that is an answer
	refused(changesRef, "from Vault")
	k.status.Store(http.StatusServiceUnavailable)
	copies, err := filepath.Glob(filepath.Join(data, "credentials", "*"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("%q %v", copies, err)
	}
	other := credentialCopy{Config{Data: data, VaultURL: k.URL}, "secret/data/countersign/other#secret"}
	mustSay(t, os.Rename(copies[0], other.path()))
	refused("secret/data/countersign/other#secret", "was changed, belongs to another row")
	mustSay(t, filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("canary")) {
			t.Errorf("%s holds the credential", path)
		}
		if info, _ := e.Info(); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others", path)
		}
		return err
	}))
}

// TestReq_R74_CopiesFollowTheSealingKey: with the key that seals, the copies of credentials are sealed anew: they open while Vault is away, before, at
// every step between and after, and with the new key alone; the old key opens none of them.
func TestReq_R74_CopiesFollowTheSealingKey(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, "credential-canary-77cc")
	data := t.TempDir()
	keys, err := openKeys(filepath.Join(data, "keys"))
	mustSay(t, err)
	old, err := keys.lateSeed(keySealing, false)
	mustSay(t, err)
	c := Config{Data: data, VaultURL: k.URL, VaultToken: "hvs.reader"}
	refs := []string{changesRef, "secret/data/countersign/other#secret"}
	env := []string{prefix + "_DATA=" + data, prefix + "_VAULT_URL=" + k.URL, prefix + "_VAULT_TOKEN=hvs.reader"}
	both := func(when string) {
		t.Helper()
		for _, ref := range refs {
			if s, err := vaultSecret(env, ref); err != nil || s.Reveal() != "credential-canary-77cc" {
				t.Errorf("%s, %s: %q %v", when, ref, s.Reveal(), err)
			}
		}
	}
	both("from Vault")
	k.status.Store(http.StatusServiceUnavailable)
	both("sealed by the first key")
	if n, err := c.resealCopies(); n != 0 || err != nil {
		t.Errorf("with no key that waits: %d %v", n, err)
	}
	_, err = keys.lateSeed(keySealing+suffixNext, false)
	mustSay(t, err)
	both("with a key that waits")
	before, err := os.ReadFile(credentialCopy{c, refs[0]}.path())
	mustSay(t, err)
	for range 2 { // once, and again after a crash right before the key was taken
		if n, err := c.resealCopies(); n != len(refs) || err != nil {
			t.Fatalf("sealed anew: %d %v", n, err)
		}
		both("sealed anew, before the key is taken")
	}
	mustSay(t, os.WriteFile(credentialCopy{c, refs[0]}.path(), before, 0o600)) // a crash between the two copies
	both("one of two sealed anew")
	_, err = c.resealCopies()
	mustSay(t, err)
	if taken, err := keys.promote(keySealing); !taken || err != nil {
		t.Fatal(taken, err)
	}
	both("with the new key")
	box, err := seal.NewBox(old)
	mustSay(t, err)
	for _, ref := range refs {
		raw, err := os.ReadFile(credentialCopy{c, ref}.path())
		mustSay(t, err)
		if row, sealed := readCopy(raw); row == "" {
			t.Error("a copy does not say whose it is")
		} else if _, err := box.Open(row, sealed); err == nil {
			t.Error("the old key still opens a copy")
		}
	}
}

// TestReq_R74_ATargetsCredentialInVault: serve opens a target whose credential lies in Vault, and settings that name several places or no path are refused.
func TestReq_R74_ATargetsCredentialInVault(t *testing.T) {
	t.Parallel()
	k, system := newKeeper(t, changesSecret), newChanges(t)
	target := strings.NewReplacer("URL", system.URL, "secret_file: SECRET", "secret_vault: "+changesRef).Replace(changesTarget)
	d := demoAsJonasWith(t, map[string]string{"targets/changes.yaml": target}, map[string]string{"VAULT_URL": k.URL, "VAULT_TOKEN": "hvs.reader"})
	if k.asked.Load() == 0 {
		t.Error("Vault was not asked")
	}
	if got, err := postHook(t.Context(), d.child.url()+"/hooks/changes", `{"ref":"OPS-7"}`, true); err != nil || got != http.StatusNoContent {
		t.Errorf("a hook that is signed with the secret of Vault: %d %v", got, err)
	}
	if got, err := postHook(t.Context(), d.child.url()+"/hooks/changes", `{"ref":"OPS-7"}`, false); err != nil || got != http.StatusUnauthorized {
		t.Errorf("one that is not signed: %d %v", got, err)
	}
	for _, both := range []map[string]string{{"x_vault": changesRef, "x_file": "y"}, {"x_vault": changesRef, "x_env": "Y"}, {}} {
		if _, err := settingSecret(both, "x"); err == nil || !strings.Contains(err.Error(), "need one of x_file, x_env and x_vault") {
			t.Errorf("%v: %v", both, err)
		}
	}
	for _, c := range []struct {
		cfg  Config
		says string
	}{
		{Config{}, ""},
		{Config{VaultURL: "https://vault.example.com", VaultToken: "x"}, ""},
		{Config{VaultURL: "https://vault.example.com"}, "VAULT_TOKEN is needed"},
		{Config{VaultToken: "x"}, "VAULT_URL is needed"},
		{Config{VaultURL: "http://vault.example.com", VaultToken: "x"}, "not https"},
	} {
		if err := c.cfg.checkVault(); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.cfg.VaultURL, err)
		}
	}
}
