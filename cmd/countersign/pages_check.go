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

// checkHandover refuses a folder, for an installation that the environment describes, with a workflow whose secret nobody could take on a page,
// or whose risk nobody could approve without one.
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
	if list := beyondClicks(p); len(list) > 0 {
		return hint(errors.New(strings.Join(list, "; ")),
			"set %s_PUBLIC_URL to https://… with TLS, so that approvers can prove who they are on a page, or give them a unix user in people.yaml", prefix)
	}
	return nil
}

// beyondClicks names the workflows whose risk wants more than a click of those who approve, and too few of them can do that without a page: on
// the bot's host, as a user of its own.
func beyondClicks(p spec.Policies) (out []string) {
	onHost := map[workflows.PersonID]bool{}
	for _, x := range p.People {
		onHost[x.ID] = x.Unix != ""
	}
	for _, w := range p.Workflows {
		tier := stepUpTier(&w.Workflow, p.Identities)
		if tier == "" {
			continue
		}
		for _, s := range w.Workflow.Stages {
			if able := ableOnHost(s, onHost); s.Kind != workflows.StageConsent && able < s.Quorum {
				out = append(out, fmt.Sprintf("workflow %s can be of risk %s, where approving takes more than a click: there is no page for that, and of those whom stage %s names %s have a user on the bot's host, where it needs %d",
					w.Workflow.ID, tier, s.Name, quantity(able, "person", "people"), s.Quorum))
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// stepUpTier is a tier of the workflow's asks that wants more than a click; empty when none does.
func stepUpTier(w *workflows.Workflow, all []spec.Identity) string {
	kinds := []string{"person"}
	for _, i := range all {
		kinds = append(kinds, i.Kind)
	}
	for _, e := range w.Entitlements {
		for _, k := range kinds {
			if t, _, ok := w.TierOf(e, k); ok && t.StepUp {
				return t.Name
			}
		}
	}
	return ""
}

// ableOnHost counts who has a user on the bot's host among those whom a stage may ask. Whom only the moment tells (owners, managers, the chat,
// shifts) may be anybody of the people file.
func ableOnHost(s workflows.Stage, onHost map[workflows.PersonID]bool) int {
	found, open := map[workflows.PersonID]bool{}, false
	var add func(workflows.Selector)
	add = func(sel workflows.Selector) {
		open = open || sel.TargetOwner || sel.IdentityOwner || sel.Manager || len(sel.ChatGroups)+len(sel.ChatChannels)+len(sel.Rotations) > 0
		for _, x := range sel.People {
			found[x] = true
		}
		for _, g := range sel.Groups {
			for _, x := range g.Members {
				found[x] = true
			}
		}
		if sel.Fallback != nil {
			add(*sel.Fallback)
		}
	}
	add(s.Approvers)
	for _, part := range s.Parts {
		add(part.Approvers)
	}
	for _, e := range append(slices.Clone(s.Then), escalationOf(s)...) {
		add(e.Approvers)
	}
	n := 0
	for id, ok := range onHost {
		if ok && (open || found[id]) {
			n++
		}
	}
	return n
}

func escalationOf(s workflows.Stage) []workflows.Escalation {
	if s.Escalate == nil {
		return nil
	}
	return []workflows.Escalation{*s.Escalate}
}
