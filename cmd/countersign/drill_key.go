package main

import (
	"crypto/ed25519"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
)

// canaryFields fills what an entitlement takes from a form, as far as a drill can: the public half of a key that is thrown away at once.
func canaryFields(e workflows.Entitlement) (map[string]string, error) {
	if e.Connector != "sshca" {
		return nil, nil
	}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("making the canary's key: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("making the canary's key: %w", err)
	}
	field := "ssh_key" // any name does: the connector finds the one key of a form
	if names := e.Params[sshca.ParamKeyField]; len(names) == 1 {
		field = names[0]
	}
	return map[string]string{field: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))}, nil
}
