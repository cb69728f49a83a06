package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

var (
	_ runbooks.AccountWatcher = (*Connector)(nil)
	_ runbooks.AccountLocker  = (*Connector)(nil)
)

// Without pg_read_all_stats the bot's account sees of others only that they are there: then nobody can tell where from, which is an error and not an empty
// address.
const accountUseSQL = `
SELECT 'pid ' || s.pid, host(s.client_addr), s.application_name, s.backend_start
FROM pg_stat_activity AS s
WHERE s.usename = ANY ($1) AND s.pid <> pg_backend_pid()
ORDER BY s.backend_start`

// AccountUse implements runbooks.AccountWatcher.
func (c *Connector) AccountUse(ctx context.Context, account string) (out []runbooks.Session, err error) {
	const what = "listing the sessions of an account"
	err = c.onAccount(ctx, func(conn *pgx.Conn) error {
		var sees bool
		if err := conn.QueryRow(ctx, `SELECT pg_has_role('pg_read_all_stats', 'USAGE') OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)`).Scan(&sees); err != nil {
			return classify(what, err)
		}
		if !sees {
			return &runbooks.Error{Class: runbooks.Refuse, Text: what + ": the bot's account does not see where others come from: GRANT pg_read_all_stats TO it"}
		}
		made, err := generationsOf(ctx, conn, account)
		if err != nil {
			return err
		}
		rows, err := conn.Query(ctx, accountUseSQL, append(made, account))
		if err != nil {
			return classify(what, err)
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (runbooks.Session, error) {
			var from, with *string
			var since *time.Time
			s := runbooks.Session{Login: account}
			err := row.Scan(&s.Ref, &from, &with, &since)
			if from != nil {
				s.From = *from
			}
			if with != nil {
				s.With = *with
			}
			if since != nil {
				s.Since = since.UTC()
			}
			return s, err
		})
		return classify(what, err)
	})
	return out, err
}

// LockAccount implements runbooks.AccountLocker. The logins that rotations made in the place of the account are locked with it.
func (c *Connector) LockAccount(ctx context.Context, account string) error {
	return c.onAccount(ctx, func(conn *pgx.Conn) error {
		made, err := generationsOf(ctx, conn, account)
		if err != nil {
			return err
		}
		for _, login := range append(made, account) {
			if err := c.mayLogin(ctx, conn, login, "NOLOGIN"); err != nil {
				return err
			}
			pids, err := sessionsOf(ctx, conn, login)
			if err != nil {
				return err
			}
			if err := terminate(ctx, conn, pids); err != nil {
				return err
			}
		}
		return nil
	})
}

// UnlockAccount implements runbooks.AccountLocker. Of an account that was rotated the generated login is unlocked: nobody logs in as the first one.
func (c *Connector) UnlockAccount(ctx context.Context, account string) error {
	return c.onAccount(ctx, func(conn *pgx.Conn) error {
		logins, err := generationsOf(ctx, conn, account)
		if err != nil {
			return err
		}
		if len(logins) == 0 {
			logins = []string{account}
		}
		for _, login := range logins {
			if err := c.mayLogin(ctx, conn, login, "LOGIN"); err != nil {
				return err
			}
		}
		return nil
	})
}

// mayLogin changes whether a role logs in, and reads it back. A role that is not there does not.
func (c *Connector) mayLogin(ctx context.Context, conn *pgx.Conn, account, word string) error {
	const what = "changing whether an account logs in"
	if _, err := conn.Exec(ctx, "ALTER ROLE "+quote(account)+" "+word, pgx.QueryExecModeSimpleProtocol); err != nil {
		if isMissing(err) && word == "NOLOGIN" {
			return nil
		}
		return classify(what, err)
	}
	var can bool
	if err := conn.QueryRow(ctx, "SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", account).Scan(&can); err != nil {
		return classify(what, err)
	}
	if can != (word == "LOGIN") {
		return &runbooks.Error{Class: runbooks.Retry, Text: what + ": the server says otherwise when it is read back"}
	}
	return nil
}

func (c *Connector) onAccount(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := c.connect(ctx, "countersign account")
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	return do(conn)
}
