package etcd

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// etcd keeps no comment of a user, so that a repeated call could not know its own: users are made by hand, and changed and closed here.

var (
	_ runbooks.AccountScoper = (*Connector)(nil)
	_ runbooks.AccountCloser = (*Connector)(nil)
)

// userOf refuses names that are no user's, and those that are not ours to change.
func (c *Connector) userOf(account string) error {
	if !isName(account) || account == c.user || account == "root" {
		return runbooks.Errorf(runbooks.Refuse, nil, "the account is not the name of a user, or is the bot's own or root")
	}
	return nil
}

// has reads the roles of a user; found is false where there is none of that name.
func (c *Connector) has(ctx context.Context, account string) (roles []string, found bool, err error) {
	out, err := c.names(ctx, "reading the user", "user/get", map[string]string{"name": account})
	if err != nil && strings.Contains(err.Error(), "user name not found") {
		return nil, false, nil
	}
	return out.Roles, err == nil, err
}

// ScopeAccount implements runbooks.AccountScoper: the user gets the role.
func (c *Connector) ScopeAccount(ctx context.Context, a runbooks.NewAccount) (string, error) {
	if err := c.userOf(a.Account); err != nil {
		return "", err
	}
	role, err := c.readTerms(a.Words())
	if err != nil {
		return "", err
	}
	if _, found, err := c.has(ctx, a.Account); err != nil || !found {
		return "", firstOf(err, runbooks.Errorf(runbooks.Refuse, nil, "there is no such user on the cluster"))
	}
	if _, err := c.change(ctx, "grant", "user", a.Account, role); err != nil {
		return "", err
	}
	roles, _, err := c.has(ctx, a.Account)
	if err == nil && !slices.Contains(roles, role) {
		err = runbooks.Errorf(runbooks.Retry, nil, "etcd says that it gave the role, but reading back does not find it")
	}
	return rest.Clean("role "+role, maxShown), err
}

// CloseAccount implements runbooks.AccountCloser: the user is deleted.
func (c *Connector) CloseAccount(ctx context.Context, account string) error {
	if err := c.userOf(account); err != nil {
		return err
	}
	_, found, err := c.has(ctx, account)
	if err != nil || !found {
		return err
	}
	if err := c.ask(ctx, "deleting the user", "user/delete", map[string]string{"name": account}, nil); err != nil && !strings.Contains(err.Error(), "not found") {
		return err
	}
	_, found, err = c.has(ctx, account)
	if err == nil && found {
		err = runbooks.Errorf(runbooks.Retry, nil, "etcd says that it deleted the user, and still has it")
	}
	return err
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
