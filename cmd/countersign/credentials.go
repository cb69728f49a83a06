package main

import (
	"bytes"
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

// boxes are the installation's, the one in use first, and then the one that waits to follow it: after a crash while copies were sealed anew, some are
// in either. None where it has no key that seals yet, as before the first start.
func (c Config) boxes() (out []seal.Box, err error) {
	keys := &keyring{dir: c.keysDir()}
	for _, name := range []string{keySealing, keySealing + suffixNext} {
		if _, err := os.Lstat(filepath.Join(keys.dir, name)); c.Data == "" || err != nil {
			continue
		}
		key, err := keys.seed(name)
		if err != nil {
			return nil, err
		}
		box, err := seal.NewBox(key)
		if err != nil {
			return nil, err
		}
		out = append(out, box)
	}
	if len(out) == 0 {
		return nil, fs.ErrNotExist
	}
	return out, nil
}

func (k credentialCopy) keep(s runbooks.Secret) error {
	boxes, err := k.c.boxes()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(k.path()), 0o700)
	}
	if err == nil {
		err = writeCopy(k.path(), k.row(), boxes[0], []byte(s.Reveal()))
	}
	if err != nil {
		return fmt.Errorf("keeping a sealed copy of %s: %w", k.ref, err)
	}
	return nil
}

func (k credentialCopy) open() (runbooks.Secret, error) {
	boxes, err := k.c.boxes()
	if err != nil {
		return runbooks.Secret{}, err
	}
	raw, err := os.ReadFile(k.path())
	if err != nil {
		return runbooks.Secret{}, err
	}
	_, sealed := readCopy(raw)
	clear, err := openCopy(boxes, k.row(), sealed) // whatever row the file claims, it must be this one's
	if err != nil {
		return runbooks.Secret{}, err
	}
	defer clearBytes(clear)
	return runbooks.NewSecret(string(clear)), nil
}

// writeCopy writes a copy: its row in a line, so that it can be sealed anew, and what is sealed for that row.
func writeCopy(path, row string, box seal.Box, clear []byte) error {
	return writeKey(path, row+"\n"+string(box.Seal(row, clear)))
}

// readCopy takes a file apart. One of a release that wrote no row has none.
func readCopy(raw []byte) (row string, sealed []byte) {
	if line, rest, ok := bytes.Cut(raw, []byte("\n")); ok && bytes.HasPrefix(line, []byte("credential ")) {
		return string(line), rest
	}
	return "", raw
}

// openCopy tries the keys in turn; the error is that of the first.
func openCopy(boxes []seal.Box, row string, sealed []byte) ([]byte, error) {
	var first error
	for _, box := range boxes {
		clear, err := box.Open(row, sealed)
		if err == nil {
			return clear, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// resealCopies seals every copy with the key that is about to follow, so that a start while Vault is away finds them. It may be repeated after a crash. What
// cannot be opened is left: Vault's next answer writes over it.
func (c Config) resealCopies() (n int, err error) {
	boxes, err := c.boxes()
	if err != nil || len(boxes) < 2 {
		return 0, err
	}
	files, err := filepath.Glob(filepath.Join(c.Data, "credentials", "*"))
	if err != nil {
		return 0, err
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			return n, fmt.Errorf("sealing copies of credentials anew: %w", err)
		}
		row, sealed := readCopy(raw)
		clear, err := openCopy(boxes, row, sealed)
		if err != nil {
			continue
		}
		err = writeCopy(path, row, boxes[1], clear)
		clearBytes(clear)
		if err != nil {
			return n, fmt.Errorf("sealing copies of credentials anew: %w", err)
		}
		n++
	}
	return n, nil
}
