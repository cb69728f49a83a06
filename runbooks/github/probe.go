package github

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// Probe tells whether the bot's rights are what it needs and no more, as far as GitHub says.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	out := []runbooks.Finding{}
	for _, s := range c.scope {
		path, what := rest.Path("orgs", s), "the organisation "+s
		if owner, name, ok := strings.Cut(s, "/"); ok {
			path, what = rest.Path("repos", owner, name, "collaborators"), "the collaborators of "+s
		}
		r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: path})
		if err == nil {
			err = c.api.Judge("reading "+what, r)
		}
		if err != nil {
			out = append(out, runbooks.Finding{What: err.Error(), Do: "look at the setting scope, at the credentials, and at what they may see"})
			continue
		}
		out = append(out, runbooks.Finding{OK: true, What: c.api.Host() + " lets the bot read " + what})
		if c.cred.key == nil {
			out = append(out, scopes(r.Header.Get("X-Oauth-Scopes"))...)
		}
	}
	if c.cred.key != nil && len(out) > 0 && out[0].OK {
		out = append(out, permissions(c.cred.permissions())...)
	}
	return out
}

// permissions holds an App to what the package's comment asks for.
func permissions(may map[string]string) []runbooks.Finding {
	needed := map[string]string{"administration": "write", "members": "write", "metadata": "read"}
	useful := map[string]string{"personal_access_tokens": "read", "organization_personal_access_tokens": "read", "organization_administration": "read", "issues": "read", "pull_requests": "read"} // for the discoverer, and for tasks
	var out []runbooks.Finding
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		ok := may[name] == needed[name]
		f := runbooks.Finding{OK: ok, What: "the App has the permission " + name + ": " + needed[name]}
		if !ok {
			f.What = "the App lacks the permission " + name + ": " + needed[name]
			f.Do = "set it in the App's settings, and let the organisation's owner accept the change"
		}
		out = append(out, f)
	}
	for _, name := range slices.Sorted(maps.Keys(may)) {
		if needed[name] == may[name] || useful[name] == may[name] {
			continue
		}
		out = append(out, runbooks.Finding{
			What: rest.Clean("the App has the permission "+name+": "+may[name]+", which the bot does not need", maxFinding),
			Do:   "take it away in the App's settings",
		})
	}
	return out
}

// scopes judges a classic token; of a fine-grained one GitHub says nothing.
func scopes(header string) []runbooks.Finding {
	if header == "" {
		return []runbooks.Finding{{OK: true, What: "what else the token may do GitHub does not tell: give it Administration and Members, both write, and nothing else"}}
	}
	var out []runbooks.Finding
	for _, scope := range strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' }) {
		if slices.Contains([]string{"repo", "admin:org", "write:org", "read:org"}, scope) {
			continue
		}
		out = append(out, runbooks.Finding{
			What: rest.Clean("the token has the scope "+scope+", which the bot does not need", maxFinding), Do: "make one with repo and admin:org, or better an App",
		})
	}
	if len(out) == 0 {
		out = append(out, runbooks.Finding{OK: true, What: "the classic token has no scopes beyond repo and admin:org; an App would have less"})
	}
	return out
}
