package redis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

// A Redis account may have several passwords at once, so the next one stands beside the old one until programs have it.

// rotated reads an order and runs do on a connection of the bot's.
func (c *Connector) rotated(ctx context.Context, r runbooks.Rotation, do func(conn *conn, user, hash string) error) error {
	name := strings.TrimPrefix(r.Old, "user ")
	if name == "" {
		name = r.Account
	}
	switch {
	case name == "" || len(name) > maxName || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return runbooks.Errorf(runbooks.Refuse, nil, "that is no account of this server")
	case name == "default" || name == c.user || strings.HasPrefix(name, prefix):
		return runbooks.Errorf(runbooks.Refuse, nil, "the account %.60q is the server's default one, the bot's own, or a grant's", name)
	case r.Secret.IsZero():
		return runbooks.Errorf(runbooks.Broken, nil, "no password was made for the account")
	}
	conn, err := c.dial(ctx, c.user, c.password)
	if err != nil {
		return err
	}
	defer conn.end()
	if found, err := conn.do("ACL", "GETUSER", name); err != nil {
		return err
	} else if found == nil {
		return runbooks.Errorf(runbooks.Refuse, nil, "there is no account %.60q on the server", name)
	}
	sum := sha256.Sum256([]byte(r.Secret.Reveal()))
	return do(conn, name, "#"+hex.EncodeToString(sum[:]))
}

// Renew adds the next password.
func (c *Connector) Renew(ctx context.Context, r runbooks.Rotation) (out runbooks.Renewed, err error) {
	err = c.rotated(ctx, r, func(conn *conn, user, hash string) error {
		out = runbooks.Renewed{Ref: cut("user " + user + " password " + hash[1:13]), Facts: map[string]string{"user": user}}
		_, err := conn.do("ACL", "SETUSER", user, hash)
		if err == nil {
			err = conn.save()
		}
		return err
	})
	if err != nil {
		return runbooks.Renewed{}, err
	}
	return out, nil
}

// Prove logs in with it.
func (c *Connector) Prove(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	conn, err := c.dial(ctx, n.Facts["user"], r.Secret)
	if err != nil {
		return err
	}
	conn.end()
	return nil
}

// Retire takes every other password away, and closes the connections: those of programs that have the next one come back.
func (c *Connector) Retire(ctx context.Context, r runbooks.Rotation, _ runbooks.Renewed) error {
	return c.rotated(ctx, r, func(conn *conn, user, hash string) error {
		if _, err := conn.do("ACL", "SETUSER", user, "resetpass", hash); err != nil {
			return err
		}
		if err := conn.save(); err != nil {
			return err
		}
		_, err := conn.do("CLIENT", "KILL", "USER", user)
		return err
	})
}
