package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// The targets of a configuration, with how to reach them, are a document of the ledger like the chains are: when the folder does not compile,
// a revoke-only bot takes access back by the last one that did. It holds names of files and environment variables, never a secret.

// sourceTargets is the name of that document among the sources of a policy.
const sourceTargets = "targets"

type targetsDocument struct {
	Targets         []spec.Target
	SecurityChannel string
}

// addTargets puts the document into a policy.
func addTargets(out *desk.Policy, p spec.Policies) error {
	b, err := json.Marshal(targetsDocument{p.Targets, p.Settings.SecurityChannel})
	if err != nil {
		return fmt.Errorf("keeping the targets: %w", err)
	}
	hash := workflows.DocHash(ledger.DocumentHash(b))
	out.Loaded.Sources[sourceTargets] = hash
	out.Documents = append(out.Documents, workflows.Document{Hash: hash, Kind: "targets", Bytes: b})
	return nil
}

// lastTargets reads the newest one.
func lastTargets(ctx context.Context, s *store.Store) (spec.Policies, error) {
	var out spec.Policies
	h, err := s.History(ctx, workflows.PolicyStream)
	if err != nil {
		return out, err
	}
	var hash workflows.DocHash
	for _, r := range h {
		if e, ok := r.Event.(workflows.PolicyLoaded); ok {
			hash = e.Sources[sourceTargets]
		}
	}
	if hash == "" {
		return out, fmt.Errorf("the ledger does not hold the targets of an earlier configuration")
	}
	d, err := s.Document(ctx, hash)
	if err != nil {
		return out, err
	}
	var doc targetsDocument
	if err := json.Unmarshal(d.Bytes, &doc); err != nil {
		return out, fmt.Errorf("reading the targets of the last configuration: %w", err)
	}
	out.Targets, out.Settings.SecurityChannel = doc.Targets, doc.SecurityChannel
	return out, nil
}
