package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// KVConfig says how secrets of the bot's own are read from the key-value engine (version 1 or 2) of Vault or OpenBao.
type KVConfig struct {
	Rest      rest.Config // URL and Roots
	Token     runbooks.Secret
	Namespace string
}

// CheckKV tells whether a reference has the form PATH#FIELD, such as secret/data/countersign/pg-main#dsn.
func CheckKV(ref string) error {
	path, field, ok := strings.Cut(ref, "#")
	if !ok || !isPath(path) || !isPath(field) || strings.Contains(field, "/") || !strings.Contains(path, "/") {
		return fmt.Errorf("%q is not a path of Vault and a field, such as secret/data/countersign/pg-main#dsn", ref)
	}
	return nil
}

// ReadKV reads one field of a secret. It makes no other call than the one that reads, and keeps nothing.
func ReadKV(ctx context.Context, cfg KVConfig, ref string) (runbooks.Secret, error) {
	var none runbooks.Secret
	if err := CheckKV(ref); err != nil {
		return none, err
	}
	if cfg.Token.IsZero() {
		return none, errors.New("there is no token for Vault")
	}
	cfg.Rest.Service, cfg.Rest.Words = "Vault", words
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("X-Vault-Token", strings.TrimSpace(cfg.Token.Reveal()))
		if cfg.Namespace != "" {
			r.Header.Set("X-Vault-Namespace", cfg.Namespace)
		}
		r.Header.Set("X-Vault-Request", "true")
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return none, err
	}
	defer api.Close()
	path, field, _ := strings.Cut(ref, "#")
	var out struct{ Data map[string]json.RawMessage }
	if _, err := api.Ask(ctx, "reading "+path, rest.Call{Method: http.MethodGet, Path: v1(path)}, &out); err != nil {
		return none, err
	}
	fields := out.Data
	if inner, v2 := fields["data"]; v2 { // version 2 has its fields one level below, beside metadata
		var of map[string]json.RawMessage
		if json.Unmarshal(inner, &of) == nil && fields["metadata"] != nil {
			fields = of
		}
	}
	var value string
	if raw, ok := fields[field]; !ok || json.Unmarshal(raw, &value) != nil || value == "" {
		return none, runbooks.Errorf(runbooks.Refuse, nil, "%s has no text in the field %q", path, field)
	}
	return runbooks.NewSecret(value), nil
}
