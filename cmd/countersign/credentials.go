package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/seal"
	"github.com/countersign-bot/countersign/runbooks/vault"
)

// A credential of a target may lie in Vault or OpenBao: NAME_vault: PATH#FIELD in the target's settings, read with VAULT_TOKEN at VAULT_URL. What was
// read is kept in the data folder, sealed, for starts while Vault is away: a bot that could not open its targets then would leave access on them
// without an end.

const vaultWait = 10 * time.Second // for one credential: a start waits for all of them

// kvConfig is how credentials are read.
func (c Config) kvConfig() (vault.KVConfig, error) {
	if c.VaultURL == "" || c.VaultToken == "" {
		return vault.KVConfig{}, fmt.Errorf("a credential in Vault needs %s_VAULT_URL and %s_VAULT_TOKEN", prefix, prefix)
	}
	roots, err := rest.Roots(c.VaultRoots, os.ReadFile)
	return vault.KVConfig{Rest: rest.Config{URL: c.VaultURL, Roots: roots}, Token: runbooks.NewSecret(c.VaultToken), Namespace: c.VaultNamespace}, err
}

// checkVault says what is wrong with the settings of Vault, without calling it.
func (c Config) checkVault() error {
	switch {
	case c.VaultURL == "" && c.VaultToken+c.VaultRoots+c.VaultNamespace == "":
		return nil
	case c.VaultURL == "":
		return fmt.Errorf("%s_VAULT_URL is needed with the other settings of Vault", prefix)
	case c.VaultToken == "":
		return fmt.Errorf("%s_VAULT_TOKEN is needed to read credentials from Vault; %s_VAULT_TOKEN_FILE may name the file that an agent of Vault keeps fresh", prefix, prefix)
	}
	kv, err := c.kvConfig()
	if err == nil {
		_, err = rest.Open(kv.Rest)
	}
	if err != nil {
		return fmt.Errorf("%s_VAULT_URL: %w", prefix, err)
	}
	return nil
}

// vaultSecret reads a credential from Vault, or, while that does not answer, from the sealed copy of the last time. A refusal is no silence: what
// Vault does not give any more is not used.
func vaultSecret(env []string, ref string) (runbooks.Secret, error) {
	c, err := loadConfig(env) // again at each call: an agent of Vault writes its token anew
	if err != nil {
		return runbooks.Secret{}, err
	}
	kv, err := c.kvConfig()
	if err != nil {
		return runbooks.Secret{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), vaultWait)
	defer cancel()
	copied := credentialCopy{c, ref}
	secret, err := vault.ReadKV(ctx, kv, ref)
	if err == nil {
		return secret, copied.keep(secret)
	}
	if runbooks.ClassOf(err) != runbooks.Retry {
		return runbooks.Secret{}, fmt.Errorf("reading %s from Vault: %w", ref, err)
	}
	kept, kerr := copied.open()
	if kerr != nil {
		return runbooks.Secret{}, fmt.Errorf("reading %s from Vault: %w; and there is no copy of it: %w", ref, err, kerr)
	}
	slog.New(c.logger(os.Stderr).Handler()).Warn("Vault does not answer: the sealed copy of a credential is used", "credential", ref, "err", err)
	return kept, nil
}

// credentialCopy is the sealed copy of one credential.
type credentialCopy struct {
	c   Config
	ref string
}

func (k credentialCopy) row() string {
	return "credential " + k.c.VaultURL + " " + k.c.VaultNamespace + " " + k.ref
}

func (k credentialCopy) path() string {
	sum := sha256.Sum256([]byte(k.row()))
	return filepath.Join(k.c.Data, "credentials", hex.EncodeToString(sum[:16]))
}

// box is the installation's; none where it has no key that seals yet, as before the first start.
func (k credentialCopy) box() (seal.Box, error) {
	keys := &keyring{dir: k.c.keysDir()}
	if _, err := os.Lstat(filepath.Join(keys.dir, keySealing)); k.c.Data == "" || err != nil {
		return seal.Box{}, fs.ErrNotExist
	}
	key, err := keys.seed(keySealing)
	if err != nil {
		return seal.Box{}, err
	}
	return seal.NewBox(key)
}

func (k credentialCopy) keep(s runbooks.Secret) error {
	box, err := k.box()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(k.path()), 0o700)
	}
	if err == nil {
		err = writeKey(k.path(), string(box.Seal(k.row(), []byte(s.Reveal()))))
	}
	if err != nil {
		return fmt.Errorf("keeping a sealed copy of %s: %w", k.ref, err)
	}
	return nil
}

func (k credentialCopy) open() (runbooks.Secret, error) {
	box, err := k.box()
	if err != nil {
		return runbooks.Secret{}, err
	}
	sealed, err := os.ReadFile(k.path())
	if err != nil {
		return runbooks.Secret{}, err
	}
	clear, err := box.Open(k.row(), sealed)
	if err != nil {
		return runbooks.Secret{}, err
	}
	defer clearBytes(clear)
	return runbooks.NewSecret(string(clear)), nil
}
