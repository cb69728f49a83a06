package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

// membership is one row of pg_auth_members for an account and a role.
type membership struct {
	grantor string
	ours    bool // granted by the bot's account, or by a role that it acts for
}

const membershipsSQL = `
SELECT
  COALESCE(pg_get_userbyid(m.grantor), ''),
  pg_has_role(current_user, m.grantor, 'USAGE')
FROM pg_auth_members AS m
JOIN pg_roles AS granted ON granted.oid = m.roleid
JOIN pg_roles AS member ON member.oid = m.member
WHERE granted.rolname = $1
  AND member.rolname = $2
ORDER BY m.grantor`

// memberships lists the direct memberships; none when a role does not exist.
func memberships(ctx context.Context, conn *pgx.Conn, t terms) ([]membership, error) {
	rows, err := conn.Query(ctx, membershipsSQL, t.role, t.account)
	if err != nil {
		return nil, classify("reading the memberships", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m membership, err error) {
		return m, row.Scan(&m.grantor, &m.ours)
	})
	return out, classify("reading the memberships", err)
}

// rolesSQL gives what decides whether a grant may be made: the account's own attributes, and those of every role that
// the granted one stands for (itself and what it is a member of), since SET ROLE reaches them all.
const rolesSQL = `
WITH RECURSIVE reached(oid) AS (
  SELECT oid FROM pg_roles WHERE rolname = $1
  UNION
  SELECT m.roleid FROM pg_auth_members AS m JOIN reached ON m.member = reached.oid
)
SELECT r.rolname::text, 'role', r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls, false
FROM pg_roles AS r JOIN reached ON r.oid = reached.oid
UNION ALL
SELECT a.rolname::text, 'account', a.rolsuper, NOT a.rolcanlogin
FROM pg_roles AS a
WHERE a.rolname = $2
UNION ALL
SELECT current_user::text, 'bot', false, false`

// role is one row of rolesSQL.
type role struct {
	name, what     string
	strong, locked bool
}

// checkRoles refuses what must not be granted, or not to this account.
func checkRoles(ctx context.Context, conn *pgx.Conn, t terms) error {
	rows, err := conn.Query(ctx, rolesSQL, t.role, t.account)
	if err != nil {
		return classify("reading the roles", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r role, err error) {
		return r, row.Scan(&r.name, &r.what, &r.strong, &r.locked)
	})
	if err != nil {
		return classify("reading the roles", err)
	}
	var haveRole, haveAccount bool
	for _, r := range all {
		if err := checkRole(r, t); err != nil {
			return err
		}
		haveRole = haveRole || r.what == "role" && r.name == t.role
		haveAccount = haveAccount || r.what == "account"
	}
	switch {
	case !haveRole:
		return refuse("there is no role %.63q on the database", t.role)
	case !haveAccount:
		return refuse("there is no account %.63q on the database", t.account)
	}
	return nil
}

func checkRole(r role, t terms) error {
	switch {
	case r.what == "bot" && r.name == t.account:
		return refuse("the account is the bot's own")
	case r.what == "account" && r.strong:
		return refuse("the account is a superuser: it has every right already, and nothing can be taken back from it")
	case r.what == "account" && r.locked:
		return refuse("the account cannot log in")
	case r.what == "role" && (r.strong || isAdministrative(r.name)):
		return refuse("the role reaches %.63q, which administers the server: that is not granted in chat", r.name)
	}
	return nil
}

// isAdministrative tells whether a predefined role gives more than reading and writing data. Names that begin with pg_
// are reserved for the server, so a new one of a later version is refused until it is known.
func isAdministrative(name string) bool {
	return strings.HasPrefix(name, "pg_") && !slices.Contains(harmless(), name)
}

// harmless are the predefined roles that read and write data and no more.
func harmless() []string {
	return []string{
		"pg_read_all_data", "pg_write_all_data", "pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables",
	}
}

const existSQL = `SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ($1, $2)`

// bothExist tells whether there is anything to revoke.
func bothExist(ctx context.Context, conn *pgx.Conn, t terms) (exist bool, err error) {
	err = conn.QueryRow(ctx, existSQL, t.role, t.account).Scan(&exist)
	return exist, classify("reading the roles", err)
}

// sessionsFrom is the part of a query that finds the sessions of the account and of those who can act as the account,
// as far as they do not hold the role some other way. $1 is the role, $2 the account.
const sessionsFrom = `
WITH RECURSIVE acting(oid) AS (
  SELECT oid FROM pg_roles WHERE rolname = $2
  UNION
  SELECT m.member FROM pg_auth_members AS m JOIN acting ON m.roleid = acting.oid
), session AS (
  SELECT s.pid, s.usename, s.client_addr, s.backend_start, s.application_name
  FROM pg_stat_activity AS s
  JOIN acting ON acting.oid = s.usesysid
  WHERE s.pid <> pg_backend_pid()
)`

const doomedSQL = sessionsFrom + `
SELECT session.pid
FROM session
JOIN pg_roles AS login ON login.rolname = session.usename
WHERE NOT pg_has_role(login.oid, (SELECT oid FROM pg_roles WHERE rolname = $1), 'MEMBER')`

const leftSQL = `SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)`

// endSessions ends every session that could still be in the role, and waits until they are gone. Sessions that begin
// later cannot take the role on any more. Sessions are told apart by their process id and not by when they began:
// without pg_read_all_stats the bot's account does not see that.
func endSessions(ctx context.Context, conn *pgx.Conn, t terms) (int, error) {
	const what = "ending sessions"
	rows, err := conn.Query(ctx, doomedSQL, t.role, t.account)
	if err != nil {
		return 0, classify(what, err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return 0, classify(what, err)
	}
	return len(pids), terminate(ctx, conn, pids)
}

func serverVersion(ctx context.Context, conn *pgx.Conn) (int, error) {
	var text string
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')").Scan(&text); err != nil {
		return 0, classify("reading the version", err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, runbooks.Errorf(runbooks.Broken, err, "reading the version: it is not a number")
	}
	return n, nil
}

const probeSQL = `
SELECT
  current_setting('server_version_num')::int,
  rolsuper,
  rolcreaterole,
  rolbypassrls OR rolreplication,
  pg_has_role(current_user, 'pg_signal_backend', 'MEMBER'),
  pg_is_in_recovery(),
  pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
FROM pg_roles
WHERE rolname = current_user`

// Probe tells whether the bot's account can do what it must, and no more.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	conn, err := c.connect(ctx, "countersign probe")
	if err != nil {
		return []runbooks.Finding{{What: words(err), Do: "check the connection string, the network and pg_hba.conf"}}
	}
	defer closeConn(ctx, conn)
	var version int
	var super, create, more, signal, standby, stats bool
	if err := conn.QueryRow(ctx, probeSQL).Scan(&version, &super, &create, &more, &signal, &standby, &stats); err != nil {
		return []runbooks.Finding{{What: words(classify("probing", err)), Do: "let the bot's account read pg_roles"}}
	}
	return []runbooks.Finding{
		finding(version >= minVersion, "the server is version 14 or later", "the server is older than version 14", "upgrade PostgreSQL"),
		finding(!standby, "the server takes writes", "the server is a standby", "point the connection string at the primary"),
		finding(!super, "the bot's account is not a superuser", "the bot's account is a superuser", "ALTER ROLE … NOSUPERUSER CREATEROLE"),
		finding(!more, "the bot's account cannot replicate or bypass row security", "the bot's account can replicate or bypass row security", "ALTER ROLE … NOREPLICATION NOBYPASSRLS"),
		finding(super || create, "the bot's account can grant roles (CREATEROLE)", "the bot's account cannot grant roles", "ALTER ROLE … CREATEROLE (on 16 and later also GRANT each role WITH ADMIN OPTION)"),
		seesOrigin(super || stats),
		finding(super || signal, "the bot's account can end sessions (pg_signal_backend)", "the bot's account cannot end sessions", "GRANT pg_signal_backend TO …"),
	}
}

// seesOrigin is no defect either way: without it sessions are listed without where they come from.
func seesOrigin(sees bool) runbooks.Finding {
	if sees {
		return runbooks.Finding{OK: true, What: "the bot's account sees where sessions come from (pg_read_all_stats)"}
	}
	return runbooks.Finding{OK: true, What: "the bot's account does not see where sessions come from and since when; GRANT pg_read_all_stats TO … lets it"}
}

func finding(ok bool, good, bad, do string) runbooks.Finding {
	if ok {
		return runbooks.Finding{OK: true, What: good}
	}
	return runbooks.Finding{What: bad, Do: do}
}

func words(err error) string {
	var e *runbooks.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return "the database could not be asked"
}
