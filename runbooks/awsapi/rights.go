package awsapi

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

// Rights are what a connector's own identity must be allowed, and must not.
type Rights struct {
	Needed  []string // actions
	Bound   []string // of Needed, those that a condition binds: a simulation that names none denies them, and use shows that they work
	TooMuch []string // actions that would let it give away more than it is asked for
}

// Prove asks AWS to simulate the policies of an identity, as Whoami gives it. Where that may not be asked for, it is said.
func (r Rights) Prove(ctx context.Context, c *Client, arn string) []runbooks.Finding {
	form := url.Values{"PolicySourceArn": {sourceOf(arn)}}
	for i, a := range slices.Concat(r.Needed, r.TooMuch) {
		form.Set("ActionNames.member."+strconv.Itoa(i+1), a)
	}
	var out struct {
		Results []struct {
			Action   string `xml:"EvalActionName"`
			Decision string `xml:"EvalDecision"`
		} `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
	}
	err := c.Query(ctx, IAM, "SimulatePrincipalPolicy", form, &out)
	if err != nil || len(out.Results) == 0 {
		return []runbooks.Finding{{OK: true, What: "whether the bot has just the rights that it needs cannot be told: AWS does not let it simulate itself (iam:SimulatePrincipalPolicy)"}}
	}
	allowed := map[string]bool{}
	for _, x := range out.Results {
		allowed[x.Action] = x.Decision == "allowed"
	}
	return r.Judge(allowed)
}

// Judge makes findings of what a simulation allows.
func (r Rights) Judge(allowed map[string]bool) []runbooks.Finding {
	var out []runbooks.Finding
	for _, a := range r.Needed {
		if !allowed[a] && !slices.Contains(r.Bound, a) {
			out = append(out, runbooks.Finding{What: "the bot lacks the right " + a, Do: "add it to the policy of the bot's user or role"})
		}
	}
	for _, a := range r.TooMuch {
		if allowed[a] {
			out = append(out, runbooks.Finding{What: "the bot has the right " + a + ", which it does not need", Do: "take it out of the policy of the bot's user or role"})
		}
	}
	if len(out) == 0 {
		out = append(out, runbooks.Finding{OK: true, What: "by AWS's simulation the bot has the rights that it needs, and none of those that it must not have"})
	}
	return out
}

// sourceOf is the role behind a session's name, which a simulation takes.
func sourceOf(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) < 3 || !strings.Contains(arn, ":assumed-role/") {
		return arn
	}
	account := strings.Split(arn, ":")[4]
	return "arn:aws:iam::" + account + ":role/" + parts[1]
}
