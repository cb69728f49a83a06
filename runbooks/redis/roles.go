package redis

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

// A server that administrators keep roles on: accounts called role:NAME that nobody can log in with, whose rules are what a grant of the role gets.

// ParamRole names a role, without the prefix of its account. It stands in place of ParamRules.
const ParamRole = "role"

// prefixRole begins the names of accounts that are roles.
const prefixRole = "role:"

// isRole tells whether an account is a role that can be granted: off, without a password, with rules that can be repeated.
func (u user) isRole() bool {
	return strings.HasPrefix(u.name, prefixRole) && slices.Contains(u.rules, "off") && !u.password && !slices.Contains(u.rules, "nopass") &&
		!slices.ContainsFunc(u.rules, func(r string) bool { return strings.HasPrefix(r, "(") }) && len(u.plain()) > 0
}

// plain are the rules that ACL SETUSER takes after "reset".
func (u user) plain() []string {
	return slices.DeleteFunc(slices.Clone(u.rules), func(r string) bool { return !strings.ContainsAny(r[:1], "~%&+-") })
}

// roleRules gives the rules of a role as the server has them now.
func (c *conn) roleRules(name string) ([]string, error) {
	users, err := c.users()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(users, func(u user) bool { return u.name == prefixRole+name })
	switch {
	case i < 0:
		return nil, runbooks.Errorf(runbooks.Refuse, nil, "the server has no role %.60q: an account %s%.60s that is off", name, prefixRole, name)
	case !users[i].isRole():
		return nil, runbooks.Errorf(runbooks.Refuse, nil, "the account %s%.60s of the server is no role: it is on, has a password, or has selectors", prefixRole, name)
	case len(users[i].plain()) > maxRules:
		return nil, runbooks.Errorf(runbooks.Refuse, nil, "the role %.60q has more than %d rules", name, maxRules)
	}
	return append(users[i].plain(), "-@admin"), nil
}

// ListOffers gives the server's roles.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		users, err := c.users(ctx)
		if err != nil {
			yield(runbooks.Offer{}, err)
			return
		}
		for _, u := range users {
			name := strings.TrimPrefix(u.name, prefixRole)
			if !u.isRole() || !isRoleName(name) {
				continue
			}
			if !yield(runbooks.Offer{Name: name, Params: map[string][]string{ParamRole: {name}}, Description: cut(strings.Join(u.plain(), " "))}, nil) {
				return
			}
		}
	}
}

// isRoleName takes what the server takes within the name of an account, and shows itself as it is.
func isRoleName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f })
}
