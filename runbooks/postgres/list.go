package postgres

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// listed is one row of what the server has.
type listed struct {
	Cursor, Kind           string // "member", "login" (one of ours) or "superuser"
	Role, Account, Grantor string
	Ours, Group            bool
	Comment                string
	MadeAt, Used, Until    *time.Time
}

const (
	kindMember    = "member"
	kindLogin     = "login"
	kindSuperuser = "superuser"
)

// accessBody gives all access, each with a cursor of its own. Left out is what belongs to the server (oids below
// 16384), the bot's account, what superusers are members of, what a login of ours got with its grant, and
// the logins of rotations, which are the accounts that were there before. A membership keeps no
// time; pg_xact_commit_timestamp tells it where track_commit_timestamp is on, and only for lately made ones.
const accessBody = `
WITH used AS (
  SELECT usesysid, max(backend_start) AS at
  FROM pg_stat_activity
  GROUP BY usesysid
), login AS (
  SELECT oid, COALESCE(shobj_description(oid, 'pg_authid'), '') AS comment
  FROM pg_roles
  WHERE rolname LIKE 'cs\_%'
    AND rolcanlogin
    AND NOT rolsuper
    AND shobj_description(oid, 'pg_authid') LIKE 'countersign grant=%'
), has AS (
  SELECT
    'm' || lpad(m.roleid::text, 10, '0') || lpad(m.member::text, 10, '0') || lpad(m.grantor::text, 10, '0') AS cursor,
    'member' AS kind,
    granted.rolname::text AS role,
    member.rolname::text AS account,
    member.oid AS account_oid,
    COALESCE(pg_get_userbyid(m.grantor), '')::text AS grantor,
    pg_has_role(current_user, m.grantor, 'USAGE') AS ours,
    NOT member.rolcanlogin AS is_group,
    '' AS comment,
    CASE WHEN current_setting('track_commit_timestamp') = 'on' THEN pg_xact_commit_timestamp(m.xmin) END AS made_at,
    NULL::timestamptz AS until
  FROM pg_auth_members AS m
  JOIN pg_roles AS granted ON granted.oid = m.roleid
  JOIN pg_roles AS member ON member.oid = m.member
  WHERE NOT member.rolsuper
    AND member.oid >= 16384
    AND member.rolname <> current_user
    AND NOT (pg_has_role(current_user, m.grantor, 'USAGE') AND member.oid IN (SELECT oid FROM login))
    AND NOT (pg_has_role(current_user, m.grantor, 'USAGE') AND COALESCE(shobj_description(member.oid, 'pg_authid'), '') LIKE 'countersign rotation=%')
  UNION ALL
  SELECT
    CASE WHEN r.rolsuper THEN 's' ELSE 'l' END || lpad(r.oid::text, 10, '0'),
    CASE WHEN r.rolsuper THEN 'superuser' ELSE 'login' END,
    '',
    r.rolname::text,
    r.oid,
    '',
    NOT r.rolsuper,
    NOT r.rolcanlogin,
    COALESCE(login.comment, ''),
    NULL::timestamptz,
    CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil END
  FROM pg_roles AS r
  LEFT JOIN login ON login.oid = r.oid
  WHERE r.oid >= 16384
    AND r.rolname <> current_user
    AND (r.rolsuper OR login.oid IS NOT NULL)
)
SELECT cursor, kind, role, account, grantor, ours, is_group, comment, made_at, used.at, until
FROM has
LEFT JOIN used ON used.usesysid = has.account_oid`

const accessSQL = accessBody + `
WHERE cursor > $1
ORDER BY cursor
LIMIT $2`

// findSQL gives the rows of one account, so that what is removed is what was listed.
const findSQL = accessBody + `
WHERE account = $1
ORDER BY cursor`

// ListAccess streams the memberships of roles, the logins that grants made, and superusers beside the first one. What is
// granted on single tables, and to whom a role belongs that nobody is a member of, is not access of this connector's kinds.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return paged(ctx, c, "listing access", accessSQL, func(row listed) (runbooks.Access, string) { return row.access(), row.Cursor })
}

// paged streams the rows of a query that takes a cursor and a limit, one page in memory at a time: while somebody looks at a
// page, no statement is open that a time-out of the server could cut.
func paged[R, T any](ctx context.Context, c *Connector, what, sql string, read func(R) (T, string), more ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := ctx.Err(); err != nil {
			yield(none, classify(what, err))
			return
		}
		conn, err := c.connect(ctx, "countersign list")
		if err != nil {
			yield(none, err)
			return
		}
		defer closeConn(ctx, conn)
		for cursor := ""; ; {
			rows, err := conn.Query(ctx, sql, append([]any{cursor, listPage}, more...)...)
			if err != nil {
				yield(none, classify(what, err))
				return
			}
			page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[R])
			if err != nil {
				yield(none, classify(what, err))
				return
			}
			for _, row := range page {
				var x T
				if x, cursor = read(row); !yield(x, nil) {
					return
				}
			}
			if len(page) < listPage {
				return
			}
		}
	}
}

// access is a row in the contract's words. Two rows of one server never have the same key, since names and grantors differ.
func (l listed) access() runbooks.Access {
	x := runbooks.Access{
		Account: shown(l.Account), MadeBy: shown(l.Grantor), Ours: l.Ours, Group: l.Group,
		MadeAt: timeOf(l.MadeAt), LastUsed: timeOf(l.Used), Ends: timeOf(l.Until),
	}
	switch l.Kind {
	case kindMember:
		x.Key, x.What = memberKey(l.Account, l.Role), "member of the role "+shown(l.Role)
		x.Params = map[string][]string{ParamRole: {shown(l.Role)}}
		if !l.Ours {
			x.Key += " by " + quote(l.Grantor)
		}
	case kindLogin:
		x.Key, x.What, x.Grant = loginKey(l.Account), "a login that was made for one grant", grantIn(l.Comment)
	default:
		x.Key, x.What = kindSuperuser+" "+quote(l.Account), "superuser"
	}
	x.Key = shown(x.Key)
	return x
}

func memberKey(account, role string) string {
	return kindMember + " " + quote(account) + " of " + quote(role)
}

func loginKey(account string) string { return kindLogin + " " + quote(account) }

// AccessKey names the membership, or the login, that the grant makes.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	t, err := c.readTerms(g)
	if err != nil {
		return ""
	}
	if t.login {
		return loginKey(t.account)
	}
	return shown(memberKey(t.account, t.role))
}

// grantIn reads the grant out of the comment that a login of ours bears. Anybody who may comment on roles can write one.
func grantIn(comment string) workflows.GrantID {
	rest, ok := strings.CutPrefix(comment, commentMark)
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, " ")
	if !isSafeID(id, "g_") {
		return ""
	}
	return workflows.GrantID(id)
}

const commentMark = "countersign grant="

// shown is a name as it can stand on a card: a server's names may hold anything.
func shown(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// RemoveAccess takes one listed membership away, whoever granted it, or drops a login of ours, and ends the sessions that could
// go on with it. A superuser is nothing that the bot's account can touch: that is refused.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	receipt := runbooks.Receipt{Ref: a.Key}
	if strings.ContainsRune(a.Key, '\uFFFD') {
		return receipt, refuse("a name in it holds characters that are no text: take it away on the server")
	}
	if err := ctx.Err(); err != nil {
		return receipt, classify("connecting", err)
	}
	conn, err := c.connect(ctx, "countersign drift")
	if err != nil {
		return receipt, err
	}
	defer closeConn(ctx, conn)
	row, found, err := findAccess(ctx, conn, a)
	if err != nil || !found {
		return receipt, err
	}
	if receipt.Facts, err = c.removeRow(ctx, conn, row); err != nil {
		return receipt, err
	}
	if _, found, err = findAccess(ctx, conn, a); err == nil && found {
		err = runbooks.Errorf(runbooks.Retry, nil, "taking access away: it is still there")
	}
	return receipt, err
}

func findAccess(ctx context.Context, conn *pgx.Conn, a runbooks.Access) (listed, bool, error) {
	rows, err := conn.Query(ctx, findSQL, a.Account)
	if err != nil {
		return listed{}, false, classify("finding access", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[listed])
	if err != nil {
		return listed{}, false, classify("finding access", err)
	}
	for _, row := range all {
		if row.access().Key == a.Key {
			return row, true, nil
		}
	}
	return listed{}, false, nil
}

func (c *Connector) removeRow(ctx context.Context, conn *pgx.Conn, row listed) (map[string]string, error) {
	switch row.Kind {
	case kindMember:
		t := terms{role: row.Role, account: row.Account}
		sql := "/* countersign drift */ REVOKE " + quote(row.Role) + " FROM " + quote(row.Account)
		version, err := serverVersion(ctx, conn)
		if err != nil {
			return nil, err
		}
		if version >= 160000 && row.Grantor != "" {
			sql += " GRANTED BY " + quote(row.Grantor) // since 16 each grantor's membership is one of its own
		}
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return nil, classify("revoking the role", err)
		}
		ended, err := endSessions(ctx, conn, t)
		return map[string]string{"role": row.Role, "sessions_ended": strconv.Itoa(ended)}, err
	case kindLogin:
		return c.dropLogin(ctx, conn, row.Account)
	}
	return nil, refuse("%.63q is a superuser: only another superuser can take that away", row.Account)
}
