package kubernetes

import (
	"context"

	"github.com/countersign-bot/countersign/runbooks"
)

// Probe asks the API server what the bot may do: what it must, and what it must not.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	const do = "give the bot's service account the rules that the manual of this connector names"
	if _, err := c.may(ctx, review{Verb: "get", Resource: "pods"}); err != nil {
		return []runbooks.Finding{{What: runbooks.Words(err), Do: "check the url, ca_file and the token"}}
	}
	var out []runbooks.Finding
	for _, namespace := range c.each() {
		for _, r := range c.needs(namespace) {
			may, err := c.may(ctx, r)
			out = append(out, runbooks.FindingOf(may && err == nil, "the bot may "+r.words(), "the bot may not "+r.words(), do))
		}
	}
	for _, r := range c.excess() {
		may, err := c.may(ctx, r)
		out = append(out, runbooks.FindingOf(!may && err == nil, "the bot may not "+r.words(), "the bot may "+r.words()+", which is more than it needs", "take it away"))
	}
	return out
}

// needs is what the bot must be allowed in a namespace.
func (c *Connector) needs(namespace string) (out []review) {
	add := func(group, resource string, verbs ...string) {
		for _, verb := range verbs {
			out = append(out, review{Group: group, Resource: resource, Verb: verb, Namespace: namespace})
		}
	}
	add("", "serviceaccounts", "list")
	if !c.cfg.Tokens {
		add(groupRBAC, "rolebindings", "create", "get", "list", "update", "delete")
		return out
	}
	add("", "secrets", "create", "delete")
	add("", "configmaps", "create", "get", "list", "patch", "delete")
	return out
}

// excess is what would let the bot, or who has its token, give itself or others anything.
func (c *Connector) excess() []review {
	out := []review{
		{Group: "*", Resource: "*", Verb: "*"},
		{Group: groupRBAC, Resource: "clusterroles", Verb: "escalate"},
		{Group: groupRBAC, Resource: "clusterroles", Verb: "bind", Name: "cluster-admin"},
		{Group: groupRBAC, Resource: "clusterroles", Verb: "create"},
		{Resource: "users", Verb: "impersonate"},
		{Resource: "secrets", Verb: "get"},
		{Resource: "secrets", Verb: "list"},
		{Resource: "pods", Subresource: "exec", Verb: "create"},
		{Resource: "pods", Verb: "create"},
	}
	for _, namespace := range c.cfg.Namespaces {
		out = append(out, review{Resource: "secrets", Verb: "get", Namespace: namespace}, review{Resource: "pods", Verb: "create", Namespace: namespace})
	}
	if c.cfg.Tokens {
		return append(out, review{Group: groupRBAC, Resource: "rolebindings", Verb: "create"})
	}
	return append(out, review{Resource: "serviceaccounts", Subresource: "token", Verb: "create"})
}
