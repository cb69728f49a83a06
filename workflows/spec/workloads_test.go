package spec_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows/spec"
)

// TestReq_R91_TrustInTokensIsPinned holds that the folder cannot trust more tokens than it means: no pattern for a subject, no token of an
// issuer that signs for everybody without the ids that say for whom, no token without an audience, no two identities for one token.
func TestReq_R91_TrustInTokensIsPinned(t *testing.T) {
	t.Parallel()
	const end = "    expires: 2027-06-30\n"
	entry := func(lines ...string) string {
		return end + "    workloads:\n      - " + strings.Join(lines, "\n        ") + "\n"
	}
	iss, aud, sub := "issuer: https://ci.example.com", "audience: bot.example.com", "subject: repo:northwind/shop"
	actions := "issuer: https://token.actions.githubusercontent.com"
	for name, c := range map[string]struct{ text, says string }{
		"as it should be":          {entry(iss, aud, sub), ""},
		"of everybody's issuer":    {entry(actions, aud, sub, `claims: {repository_id: "4711", environment: production}`), ""},
		"any subject":              {entry(iss, aud, "subject: repo:northwind/*"), "looks like a pattern"},
		"any claim":                {entry(iss, aud, sub, `claims: {ref: "refs/heads/*"}`), "looks like a pattern"},
		"everybody's repositories": {entry(actions, aud, sub, "claims: {environment: production}"), "the claim repository_id must be pinned"},
		"every environment":        {entry(actions, aud, sub, `claims: {repository_id: "4711"}`), "the claim environment must be pinned"},
		"no audience":              {entry(iss, sub), "audience is missing"},
		"no subject":               {entry(iss, aud), "subject is missing"},
	} {
		f := org(t)
		edit(t, f, "identities.yaml", end, c.text)
		_, err := spec.Load(f, connectors())
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
