package redis

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

var (
	_ runbooks.AccountMaker  = (*Connector)(nil)
	_ runbooks.AccountScoper = (*Connector)(nil)
	_ runbooks.AccountCloser = (*Connector)(nil)
)

// accountMark is the pattern of a key that nobody uses: the server keeps no comment of an account, and by it a repeated call knows its own.
func accountMark(order string) string { return "~countersign:identity:" + order }

// onAccount reads what an account is, and runs do for it. found is false where the server has none of that name.
func (c *Connector) onAccount(ctx context.Context, name string, do func(conn *conn, have user, found bool) error) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return runbooks.Errorf(runbooks.Refuse, nil, "%.60q cannot be the name of an account of this server", name)
	}
	if name == "default" || name == c.user || strings.HasPrefix(name, prefix) || strings.HasPrefix(name, prefixRole) {
		return runbooks.Errorf(runbooks.Refuse, nil, "the account %.60q is the server's default one, the bot's own, a role, or a grant's", name)
	}
	conn, err := c.dial(ctx, c.user, c.password)
	if err != nil {
		return err
	}
	defer conn.end()
	users, err := conn.users()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u user) bool { return u.name == name })
	if i < 0 {
		return do(conn, user{name: name}, false)
	}
	return do(conn, users[i], true)
}

// rulesOf are the rules that an entitlement's parameters mean.
func (c *conn) rulesOf(a runbooks.NewAccount) ([]string, error) {
	rules, err := readRules(a.Words())
	if err == nil && len(rules) == 0 {
		return c.roleRules(a.Params[ParamRole][0])
	}
	return rules, err
}

// MakeAccount implements runbooks.AccountMaker: an account that is on, with the entitlement's rules and without a password, so that nobody logs in before a
// rotation makes the first. Redis has no end of its own for it.
func (c *Connector) MakeAccount(ctx context.Context, a runbooks.NewAccount) (string, error) {
	err := c.onAccount(ctx, a.Account, func(conn *conn, have user, found bool) error {
		mark := accountMark(a.Order)
		if found && !slices.Contains(have.rules, mark) {
			return runbooks.Errorf(runbooks.Refuse, nil, "the server has an account %.60q already, which was not made for this", a.Account)
		}
		if found {
			return nil
		}
		rules, err := conn.rulesOf(a)
		if err != nil {
			return err
		}
		if _, err := conn.do(append([]string{"ACL", "SETUSER", a.Account, "reset", "on", mark}, rules...)...); err != nil {
			return err
		}
		return conn.save()
	})
	if err != nil {
		return "", err
	}
	return "user " + a.Account, c.onAccount(ctx, a.Account, func(_ *conn, have user, found bool) error {
		if !found || have.open || !slices.Contains(have.rules, "on") {
			return runbooks.Errorf(runbooks.Retry, nil, "the server says that it made the account, but reading back does not find it as it was asked for")
		}
		return nil
	})
}

// ScopeAccount implements runbooks.AccountScoper: an account that the bot made gets the entitlement's rules in the place of those that it had
// before, in one command; to one that somebody else made they are added, since of its commands the server does not tell whose they are.
func (c *Connector) ScopeAccount(ctx context.Context, a runbooks.NewAccount) (string, error) {
	var rules []string
	missing := runbooks.Errorf(runbooks.Refuse, nil, "there is no account %.60q on the server", a.Account)
	err := c.onAccount(ctx, a.Account, func(conn *conn, have user, found bool) (err error) {
		if !found {
			return missing
		}
		if rules, err = conn.rulesOf(a); err != nil {
			return err
		}
		set := []string{"ACL", "SETUSER", a.Account}
		mark := slices.IndexFunc(have.rules, func(r string) bool { return strings.HasPrefix(r, accountMark("")) })
		switch {
		case mark >= 0 && len(a.Was) > 0:
			set = append(set, "resetkeys", "resetchannels", "-@all", have.rules[mark])
		case len(a.Was) > 0:
			return runbooks.Errorf(runbooks.Refuse, nil, "the account was not made by the bot, which cannot tell what of it is to be taken away: change its rules by hand")
		}
		if _, err := conn.do(append(set, rules...)...); err != nil {
			return err
		}
		return conn.save()
	})
	if err != nil {
		return "", err
	}
	err = c.onAccount(ctx, a.Account, func(_ *conn, have user, found bool) error {
		keys := slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r[0] != '~' && r[0] != '&' }) // of commands the server keeps its own shorter list
		if !found || slices.ContainsFunc(keys, func(r string) bool { return !slices.Contains(have.rules, r) && !slices.Contains(have.rules, r[:1]+"*") }) {
			return runbooks.Errorf(runbooks.Retry, nil, "the server says that it changed the account, but reading back does not find that")
		}
		if slices.ContainsFunc(a.Was, func(r string) bool { return !slices.Contains(rules, r) && slices.Contains(have.rules, r) }) {
			return runbooks.Errorf(runbooks.Retry, nil, "the server says that it changed the account, but reading back finds what it had before")
		}
		return nil
	})
	return cut("rules " + strings.Join(rules, " ")), err
}

// CloseAccount implements runbooks.AccountCloser: the account is deleted, which closes its connections.
func (c *Connector) CloseAccount(ctx context.Context, account string) error {
	err := c.onAccount(ctx, account, func(conn *conn, _ user, found bool) error {
		if !found {
			return nil
		}
		return conn.remove(account)
	})
	if err != nil {
		return err
	}
	return c.onAccount(ctx, account, func(_ *conn, _ user, found bool) error {
		if found {
			return runbooks.Errorf(runbooks.Retry, nil, "the server says that it deleted the account, and still has it")
		}
		return nil
	})
}
