package awsiam

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// document is an IAM policy.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Action    list
	Resource  list
	Condition map[string]map[string]list `json:",omitempty"`
}

// list is one text or several: IAM takes both and gives back what it was given.
type list []string

// UnmarshalJSON reads either.
func (l *list) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

const (
	allow  = "Allow"
	deny   = "Deny"
	policy = "2012-10-17" // the version of the language

	prefixGrant = "countersign-"
	prefixEnded = "countersign-ended-"
	sidEnds     = "Until" // and the second after which a denial is of no use
)

// until is how a policy says its end: cut to the second, and the last second does not count.
func until(end time.Time) string { return end.UTC().Truncate(time.Second).Format(time.RFC3339) }

// policyOf is what a grant's policy says.
func (t terms) policyOf(g runbooks.Grant) document {
	s := statement{
		Sid: "Countersign", Effect: allow, Action: t.actions, Resource: t.resources,
		Condition: map[string]map[string]list{"DateLessThan": {"aws:CurrentTime": {until(g.End)}}},
	}
	if t.role != "" {
		s.Action, s.Resource = list{"sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"}, list{t.role}
		s.Condition["StringEquals"] = map[string]list{"sts:RoleSessionName": {string(g.ID)}}
	}
	return document{Version: policy, Statement: []statement{s}}
}

// denial ends the sessions of a role that bear the grant's id.
func denial(g runbooks.Grant, now time.Time) document {
	return document{Version: policy, Statement: []statement{{
		Sid: sidEnds + strconv.FormatInt(now.Add(longestSession).Unix(), 10), Effect: deny, Action: list{"*"}, Resource: list{"*"},
		Condition: map[string]map[string]list{"StringLike": {"aws:userid": {"*:" + string(g.ID)}}},
	}}}
}

// isSpent tells whether a denial has outlived every session.
func (d document) isSpent(now time.Time) bool {
	if len(d.Statement) != 1 {
		return false
	}
	digits, ok := strings.CutPrefix(d.Statement[0].Sid, sidEnds)
	at, err := strconv.ParseInt(digits, 10, 64)
	return ok && err == nil && now.Unix() > at
}

func (d document) encode() string {
	raw, err := json.Marshal(d)
	if err != nil {
		panic("awsiam: " + err.Error()) // texts always encode
	}
	return string(raw)
}

// decode reads a policy as IAM gives it: percent-encoded.
func decode(s string) (document, error) {
	var d document
	if err := decodeInto(s, &d); err != nil {
		return document{}, err
	}
	return d, nil
}

func decodeInto(s string, v any) error {
	raw, err := url.PathUnescape(s)
	if err != nil {
		raw = s
	}
	if err := json.Unmarshal([]byte(raw), v); err != nil {
		return fmt.Errorf("a policy cannot be read: %w", err)
	}
	return nil
}

// holds tells whether a list has every one of the wanted, or everything.
func (l list) holds(wanted list) bool {
	return slices.Contains(l, "*") || !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(l, w) })
}

// end finds when a policy of ours ends.
func (d document) end() (time.Time, bool) {
	if len(d.Statement) != 1 {
		return time.Time{}, false
	}
	when := d.Statement[0].Condition["DateLessThan"]["aws:CurrentTime"]
	if len(when) != 1 {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, when[0])
	return t, err == nil
}

// checkActions refuses what would outlive the grant, and what nobody could explain on a card.
func checkActions(actions []string) error {
	if len(actions) > maxActions {
		return refuse("the entitlement's parameter %q has more than %d values", ParamActions, maxActions)
	}
	lasting := []string{"iam", "sts", "organizations", "sso", "sso-directory", "identitystore", "identitystore-auth", "account", "aws-portal", "signin", "ram"}
	for _, a := range actions {
		service, _, _ := strings.Cut(strings.ToLower(a), ":")
		if slices.Contains(lasting, service) {
			return refuse("the entitlement's parameter %q names %q: what %s makes outlives the grant", ParamActions, a, service)
		}
	}
	return nil
}
