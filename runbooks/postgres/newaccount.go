package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

var _ runbooks.AccountMaker = (*Connector)(nil)

// accountComment is what a login made for an identity carries: by it a repeated call knows its own.
func accountComment(order string) string { return "countersign identity request=" + order }

// MakeAccount implements runbooks.AccountMaker: a login without a password and without any power of its own, a member of the entitlement's role. The
// server lets nobody in by it before a rotation gives it its first password, and by password never after its end.
func (c *Connector) MakeAccount(ctx context.Context, a runbooks.NewAccount) (string, error) {
	const what = "making the account of an identity"
	role := ""
	if len(a.Params[ParamRole]) == 1 {
		role = a.Params[ParamRole][0]
	}
	if role == "" || a.Account == "" || len(a.Account) > 63 || a.Until.IsZero() {
		return "", runbooks.Errorf(runbooks.Refuse, nil, "%s: the entitlement names no role, or there is no name or no end", what)
	}
	err := c.onAccount(ctx, func(conn *pgx.Conn) error {
		if err := checkGranted(ctx, conn, terms{role: role}); err != nil {
			return err
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return classify(what, err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		// Of two calls for one order the second waits, and finds what the first one made.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", a.Account); err != nil {
			return classify(what, err)
		}
		ours, exists, err := accountOf(ctx, tx, a)
		switch {
		case err != nil:
			return err
		case exists && !ours:
			return runbooks.Errorf(runbooks.Refuse, nil, "%s: the server has a role %q already, which was not made for this", what, a.Account)
		case exists:
			return nil
		}
		end := a.Until.UTC().Add(time.Second - time.Nanosecond).Truncate(time.Second).Format("2006-01-02 15:04:05+00")
		for _, sql := range []string{
			"CREATE ROLE " + quote(a.Account) + " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT VALID UNTIL " + literal(end) + " IN ROLE " + quote(role),
			"COMMENT ON ROLE " + quote(a.Account) + " IS " + literal(accountComment(a.Order)),
		} {
			if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return classify(what, err)
			}
		}
		return classify(what, tx.Commit(ctx))
	})
	if err != nil {
		return "", err
	}
	return "role " + a.Account, c.readsBack(ctx, a, role)
}

// accountOf tells whether a role of that name is there, and whether this order made it.
func accountOf(ctx context.Context, tx pgx.Tx, a runbooks.NewAccount) (ours, exists bool, err error) {
	var comment *string
	err = tx.QueryRow(ctx, "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", a.Account).Scan(&comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, classify("looking for an account", err)
	}
	return comment != nil && *comment == accountComment(a.Order), true, nil
}

// readsBack looks at what was made: a login that is a member of the role, and nothing more.
func (c *Connector) readsBack(ctx context.Context, a runbooks.NewAccount, role string) error {
	return c.onAccount(ctx, func(conn *pgx.Conn) error {
		var good bool
		err := conn.QueryRow(ctx, `
SELECT r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolcreaterole AND NOT r.rolcreatedb AND EXISTS (
  SELECT 1 FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname = $2)
FROM pg_roles r WHERE r.rolname = $1`, a.Account, role).Scan(&good)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !good {
			return runbooks.Errorf(runbooks.Retry, err, "the server says that it made the account, but reading back does not find it as it was asked for")
		}
		return classify("reading an account back", err)
	})
}

var _ runbooks.AccountScoper = (*Connector)(nil)

const (
	scoping  = "changing what an account may do"
	memberOf = "member of the role " // begins what Discover says of a membership
)

// ScopeAccount implements runbooks.AccountScoper: the account becomes a member of the entitlement's role, and of those that it had before no longer, or nothing
// changes. The logins that rotations made in its place act as the account, and have and lose it with it.
func (c *Connector) ScopeAccount(ctx context.Context, a runbooks.NewAccount) (string, error) {
	role := ""
	if len(a.Params[ParamRole]) == 1 {
		role = a.Params[ParamRole][0]
	}
	if role == "" || a.Account == "" {
		return "", runbooks.Errorf(runbooks.Refuse, nil, "%s: the entitlement names no role, or there is no account", scoping)
	}
	var gone []string
	err := c.onAccount(ctx, func(conn *pgx.Conn) error {
		if err := checkGranted(ctx, conn, terms{role: role}); err != nil {
			return err
		}
		have, err := readLogin(ctx, conn, a.Account)
		switch {
		case err != nil:
			return err
		case !have.exists || have.strong:
			return runbooks.Errorf(runbooks.Refuse, nil, "%s: the server has no role %.63q, or it administers the server", scoping, a.Account)
		}
		gone, err = rescope(ctx, conn, a, role)
		return err
	})
	what := memberOf + role
	if len(gone) > 0 {
		what += ", no longer of " + strings.Join(gone, ", ")
	}
	return what, err
}

// rescope makes the account a member of the role, and of what it had before no longer, in one transaction that it reads back before it ends.
func rescope(ctx context.Context, conn *pgx.Conn, a runbooks.NewAccount, role string) (gone []string, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, classify(scoping, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	roles, err := rolesOf(ctx, tx, a.Account)
	if err != nil {
		return nil, err
	}
	was := func(r string) bool {
		return r != role && (slices.Contains(a.Was, r) || slices.Contains(a.Was, memberOf+shown(r)))
	}
	tag := "/* countersign identity request=" + strings.ReplaceAll(a.Order, "*/", "") + " */ "
	todo := []string{"GRANT " + quote(role) + " TO " + quote(a.Account)}
	for _, r := range roles {
		if was(r) {
			gone = append(gone, shown(r))
			todo = append(todo, "REVOKE "+quote(r)+" FROM "+quote(a.Account))
		}
	}
	for i, sql := range todo {
		if _, err := tx.Exec(ctx, tag+sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			if err = classify(scoping, err); i > 0 && runbooks.ClassOf(err) == runbooks.Broken {
				err = runbooks.Errorf(runbooks.Refuse, err, "%s: the bot may not take away a role that the account had before, so nothing was changed: do it by hand", scoping)
			}
			return nil, err
		}
	}
	roles, err = rolesOf(ctx, tx, a.Account)
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(roles, role):
		return nil, runbooks.Errorf(runbooks.Retry, nil, "%s: the server says that it did, but reading back does not find it", scoping)
	case slices.ContainsFunc(roles, was):
		return nil, runbooks.Errorf(runbooks.Refuse, nil, "%s: the account stays a member of what it had before, which another administrator gave it: take that away by hand", scoping)
	}
	return gone, classify(scoping, tx.Commit(ctx))
}

// rolesOf reads what an account is itself a member of.
func rolesOf(ctx context.Context, tx pgx.Tx, account string) ([]string, error) {
	rows, err := tx.Query(ctx, `
SELECT DISTINCT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = $1 ORDER BY 1`, account)
	if err != nil {
		return nil, classify(scoping, err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return roles, classify(scoping, err)
}
