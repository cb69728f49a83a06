package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

// ListSessions tells which sessions hold or can take on the role through the account: who logged in, from where, with what.
// Where from and since when is empty unless the bot's account may see it (pg_read_all_stats).
func (c *Connector) ListSessions(ctx context.Context, g runbooks.Grant) ([]runbooks.Session, error) {
	var out []runbooks.Session
	err := c.with(ctx, g, func(conn *pgx.Conn, t terms) error {
		if t.login {
			var err error
			out, err = listSessions(ctx, conn, sessionsOfLogin, t.account)
			return err
		}
		held, err := memberships(ctx, conn, t)
		if err != nil || len(held) == 0 {
			return err
		}
		out, err = listSessions(ctx, conn, sessionsFrom+`
SELECT session.pid, session.usename::text, COALESCE(host(session.client_addr), ''), session.backend_start, COALESCE(session.application_name, '')
FROM session
WHERE $1::text IS NOT NULL
ORDER BY session.pid
LIMIT `+strconv.Itoa(maxSessions), t.role, t.account)
		return err
	})
	return out, err
}

var sessionsOfLogin = `
SELECT pid, usename::text, COALESCE(host(client_addr), ''), backend_start, COALESCE(application_name, '')
FROM pg_stat_activity
WHERE usename = $1
ORDER BY pid
LIMIT ` + strconv.Itoa(maxSessions)

func listSessions(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]runbooks.Session, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, classify("listing sessions", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s runbooks.Session, err error) {
		var pid int32
		var since *time.Time
		err = row.Scan(&pid, &s.Login, &s.From, &since, &s.With)
		s.Ref, s.Since = fmt.Sprintf("pid %d", pid), timeOf(since)
		s.Login, s.With = shown(s.Login), shown(s.With)
		return s, err
	})
	return out, classify("listing sessions", err)
}

// EndSessions ends the sessions of the account and of those who can act as it. The membership stays, so they may log in again.
func (c *Connector) EndSessions(ctx context.Context, g runbooks.Grant) (n int, err error) {
	err = c.with(ctx, g, func(conn *pgx.Conn, t terms) error {
		if t.login {
			pids, err := sessionsOf(ctx, conn, t.account)
			if err != nil {
				return err
			}
			n = len(pids)
			return terminate(ctx, conn, pids)
		}
		rows, err := conn.Query(ctx, sessionsFrom+` SELECT session.pid FROM session WHERE $1::text IS NOT NULL`, t.role, t.account)
		if err != nil {
			return classify("listing sessions", err)
		}
		pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil {
			return classify("listing sessions", err)
		}
		n = len(pids)
		return terminate(ctx, conn, pids)
	})
	return n, err
}
