package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// handsOver tells whether access to an entitlement of a target may come with a secret that is handed over.
func handsOver(t spec.Target, e workflows.Entitlement) bool {
	switch t.Connector {
	case "webhook":
		return t.Settings["comes_with"] != ""
	case "redis", "vault":
		return true
	case "x509":
		return len(e.Params["key_field"]) == 0
	case "postgres":
		return len(e.Params["login"]) > 0
	}
	return false
}

// needPage names the workflows whose access comes with a secret, by what they grant.
func needPage(p spec.Policies) (out []string) {
	targets := map[workflows.TargetID]spec.Target{}
	for _, t := range p.Targets {
		targets[t.ID] = t
	}
	for _, w := range p.Workflows {
		for _, e := range w.Workflow.Entitlements {
			if t, ok := targets[e.Target]; ok && handsOver(t, e) {
				out = append(out, fmt.Sprintf("workflow %s grants %s, which comes with a secret", w.Workflow.ID, e.Name()))
			}
		}
	}
	slices.Sort(out)
	return out
}

// checkHandover refuses a folder, for an installation that the environment describes, with a workflow whose secret nobody could take on a page.
func checkHandover(c Config, folder *spec.Folder) error {
	if c.LedgerOrigin == "" || c.pageURL() != "" {
		return nil // a folder by itself, as in a pull request: where it will be served is not known
	}
	p, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		return err
	}
	if list := needPage(p); len(list) > 0 {
		return hint(errors.New(strings.Join(list, "; ")+": there is no page on which its holder could take it"),
			"set %s_PUBLIC_URL to https://… and %s_TLS_CERT with %s_TLS_KEY, or %s_TLS_PROXY=yes where a proxy ends TLS", prefix, prefix, prefix, prefix)
	}
	return nil
}
