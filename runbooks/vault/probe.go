package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// tooMuch are paths on which the bot's token must have nothing.
func tooMuch() []string {
	return []string{"sys/policies/acl/countersign-probe", "sys/auth/countersign-probe", "sys/mounts/countersign-probe", "auth/token/create", "identity/entity"}
}

// probe asks for the token's capabilities on the paths that the connector writes to, and on some that it must not.
func (c *client) probe(ctx context.Context, need []string) []runbooks.Finding {
	var out map[string]json.RawMessage
	call := rest.Call{Method: http.MethodPost, Path: v1("sys/capabilities-self"), Body: rest.JSON(map[string]any{"paths": append(slices.Clone(need), tooMuch()...)})}
	if _, err := c.api.Ask(ctx, "asking what the token may do", call, &out); err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the url, the token (it may have ended) and the network"}}
	}
	can := func(path string) []string {
		var list []string
		_ = json.Unmarshal(out[path], &list) // a path that is not answered counts as nothing
		return list
	}
	var findings []runbooks.Finding
	for _, path := range need {
		if have := can(path); slices.Contains(have, "root") {
			return append(findings, runbooks.Finding{What: "the bot's token is a root token: it can do everything", Do: "revoke it, and make one with the policy of the connector's page"})
		} else if !slices.Contains(have, "update") {
			findings = append(findings, runbooks.Finding{What: "the token may not update " + path, Do: `path "` + path + `" { capabilities = ["update"] }`})
		}
	}
	for _, path := range tooMuch() {
		if have := slices.DeleteFunc(can(path), func(s string) bool { return s == "deny" }); len(have) > 0 {
			findings = append(findings, runbooks.Finding{
				What: rest.Clean("the token has more than it needs: "+strings.Join(have, ", ")+" on "+path, maxWords), Do: "take it out of the token's policies",
			})
		}
	}
	if len(findings) == 0 {
		findings = append(findings, runbooks.Finding{OK: true, What: "the token may do what it must, and may not change policies, mounts, logins or entities"})
	}
	return findings
}
