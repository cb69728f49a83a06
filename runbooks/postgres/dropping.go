package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign-bot/countersign/runbooks"
)

const ownedSQL = `
SELECT DISTINCT d.datname::text
FROM pg_shdepend AS s
JOIN pg_database AS d ON d.oid = s.dbid
WHERE s.refclassid = 'pg_authid'::regclass
  AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)
  AND d.datallowconn
ORDER BY 1`

const sessionsOfSQL = `SELECT pid FROM pg_stat_activity WHERE usename = $1 AND pid <> pg_backend_pid()`

// dropLogin takes a login of ours away in the order that leaves nothing open: no new session, no living session, nothing
// owned, no role. After DROP ROLE a session that still lived would go on and could no longer be found by its name.
func (c *Connector) dropLogin(ctx context.Context, conn *pgx.Conn, name string) (map[string]string, error) {
	facts := map[string]string{"login": name}
	if _, err := conn.Exec(ctx, "ALTER ROLE "+quote(name)+" NOLOGIN PASSWORD NULL", pgx.QueryExecModeSimpleProtocol); err != nil {
		if isMissing(err) {
			return facts, nil
		}
		return facts, classify("locking the login", err)
	}
	pids, err := sessionsOf(ctx, conn, name)
	if err != nil {
		return facts, err
	}
	if err := terminate(ctx, conn, pids); err != nil {
		return facts, err
	}
	facts["sessions_ended"] = strconv.Itoa(len(pids))
	err = dropRole(ctx, conn, name)
	if !hasCode(err, "2BP01") {
		return facts, classify("dropping the login", ignoreMissing(err))
	}
	if err := c.handOver(ctx, conn, name); err != nil {
		return facts, err
	}
	facts["objects"] = "what it had created belongs to the bot's account now"
	return facts, classify("dropping the login", ignoreMissing(dropRole(ctx, conn, name)))
}

func sessionsOf(ctx context.Context, conn *pgx.Conn, name string) ([]int32, error) {
	rows, err := conn.Query(ctx, sessionsOfSQL, name)
	if err != nil {
		return nil, classify("listing sessions", err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	return pids, classify("listing sessions", err)
}

func dropRole(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "DROP ROLE IF EXISTS "+quote(name), pgx.QueryExecModeSimpleProtocol)
	return err
}

// handOver gives what the login owns to the bot's account, in each database: nothing that people made is lost, and nobody
// gains from it. The bot is a member of the login for as long as that takes.
func (c *Connector) handOver(ctx context.Context, conn *pgx.Conn, name string) error {
	const what = "handing over what the login owns"
	if _, err := conn.Exec(ctx, "GRANT "+quote(name)+" TO CURRENT_USER", pgx.QueryExecModeSimpleProtocol); err != nil {
		return classify(what, err)
	}
	rows, err := conn.Query(ctx, ownedSQL, name)
	if err != nil {
		return classify(what, err)
	}
	databases, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return classify(what, err)
	}
	for _, database := range append(databases, c.base.Database) { // the last for what is shared by all
		if err := c.handOverIn(ctx, database, name); err != nil {
			return classify(what, err)
		}
	}
	return nil
}

func (c *Connector) handOverIn(ctx context.Context, database, name string) error {
	cfg := c.base.Copy()
	cfg.Database = database
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	for _, sql := range []string{"REASSIGN OWNED BY " + quote(name) + " TO CURRENT_USER", "DROP OWNED BY " + quote(name)} {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// terminate ends sessions and waits until they are gone.
func terminate(ctx context.Context, conn *pgx.Conn, pids []int32) error {
	const what = "ending sessions"
	if len(pids) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids); err != nil {
		return classify(what, err)
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		var left int
		if err := conn.QueryRow(ctx, leftSQL, pids).Scan(&left); err != nil {
			return classify(what, err)
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return runbooks.Errorf(runbooks.Retry, ctx.Err(), "%s: %d of them do not end", what, left)
		case <-ticker.C:
		}
	}
}

func hasCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// isMissing: somebody was quicker.
func isMissing(err error) bool { return hasCode(err, "42704") }

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}
