package redis

import (
	"context"
	"errors"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// account is what the grant's account is called: countersign:GRANT:HOLDER, since the name of an account is all that the server's own lists and logs
// have of it. The holder's name may be erased here while the account stands there, so an account is always found by its grant alone.
func account(g runbooks.Grant) string {
	if _, holder, ok := strings.Cut(g.TagFor(), " holder="); ok {
		return prefix + string(g.ID) + ":" + holder
	}
	return prefix + string(g.ID)
}

// keyOf is the Key of an account in lists: without the holder's name where a grant made it.
func keyOf(name string) string {
	if id, ok := madeFor(name); ok {
		name = prefix + string(id)
	}
	return cut("user " + name)
}

// madeFor is the grant that an account says it was made for.
func madeFor(name string) (workflows.GrantID, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	id, _, _ := strings.Cut(rest, ":")
	if !ok {
		return "", false
	}
	return workflows.GrantID(id), true
}

// accounts are those that the server has for the grant: one, or none.
func (c *conn) accounts(g runbooks.Grant) (names []string, err error) {
	users, err := c.users()
	for _, u := range users {
		if id, ok := madeFor(u.name); ok && id == g.ID {
			names = append(names, u.name)
		}
	}
	return names, err
}

// remove deletes accounts, if they are there, and has the server remember that.
func (c *conn) remove(users ...string) error {
	for _, user := range users {
		if _, err := c.do("ACL", "DELUSER", user); err != nil {
			return err
		}
	}
	return c.save()
}

// save writes the server's file of accounts, if it has one.
func (c *conn) save() error {
	_, err := c.do("ACL", "SAVE")
	var said refusal
	if errors.As(err, &said) && strings.Contains(string(said), "not configured to use an ACL file") {
		return nil
	}
	return err
}

// Try logs in as the canary.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, _ runbooks.Receipt) (bool, error) {
	for _, p := range g.Secret.Parts {
		if p.Name != partPassword {
			continue
		}
		conn, err := c.dial(ctx, account(g), p.Value)
		var said refusal
		if errors.As(err, &said) && said.code() == "WRONGPASS" {
			return false, nil
		}
		if err == nil {
			conn.end()
		}
		return err == nil, err
	}
	return false, runbooks.Errorf(runbooks.Broken, nil, "no password was kept for the account")
}
