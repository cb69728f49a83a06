package postgres

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

// offerSQL gives the roles that people are made members of: they do not log in themselves, and neither they nor what they
// reach administers the server.
const offerSQL = `
SELECT r.rolname::text, COALESCE(shobj_description(r.oid, 'pg_authid'), '')
FROM pg_roles AS r
WHERE NOT r.rolcanlogin
  AND r.oid >= 16384
  AND r.rolname > $1
  AND NOT EXISTS (
    WITH RECURSIVE reached(oid) AS (
      SELECT r.oid
      UNION
      SELECT m.roleid FROM pg_auth_members AS m JOIN reached ON m.member = reached.oid
    )
    SELECT
    FROM reached
    JOIN pg_roles AS x ON x.oid = reached.oid
    WHERE x.rolsuper OR x.rolcreaterole OR x.rolreplication OR x.rolbypassrls
       OR x.rolname LIKE 'pg\_%' AND x.rolname <> ALL ($3::text[])
  )
ORDER BY r.rolname
LIMIT $2`

type offered struct{ Name, Comment string }

// ListOffers streams the roles whose membership Grant would give.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return paged(ctx, c, "listing roles", offerSQL, func(r offered) (runbooks.Offer, string) {
		return runbooks.Offer{
			Name: shown(r.Name), Params: map[string][]string{ParamRole: {shown(r.Name)}},
			Description: runbooks.Redact(shown(r.Comment), maxComment), Account: true,
		}, r.Name
	}, harmless())
}

// identitySQL gives everything that logs in, but the bot, and what it is a member of.
const identitySQL = `
SELECT
  r.rolname::text,
  r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls,
  COALESCE(shobj_description(r.oid, 'pg_authid'), ''),
  CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil END,
  (SELECT max(s.backend_start) FROM pg_stat_activity AS s WHERE s.usesysid = r.oid),
  ARRAY(
    SELECT g.rolname::text
    FROM pg_auth_members AS m
    JOIN pg_roles AS g ON g.oid = m.roleid
    WHERE m.member = r.oid
    ORDER BY g.rolname
    LIMIT 20
  )
FROM pg_roles AS r
WHERE r.rolcanlogin
  AND r.rolname <> current_user
  AND r.rolname > $1
ORDER BY r.rolname
LIMIT $2`

type identified struct {
	Name        string
	Strong      bool
	Comment     string
	Until, Used *time.Time
	Roles       []string
}

// Discover streams the roles that log in. The server does not tell when one was made, nor who last used it unless a session of
// it lives; a comment "owner: …" is taken as a hint.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return paged(ctx, c, "listing logins", identitySQL, func(r identified) (runbooks.Discovered, string) {
		d := runbooks.Discovered{
			Ref: "role " + shown(r.Name), Name: shown(r.Name), Owner: ownerIn(r.Comment), Expires: timeOf(r.Until), LastUsed: timeOf(r.Used),
			Strong: r.Strong, Grant: grantIn(r.Comment),
		}
		if base := baseIn(r.Comment); base != "" { // programs know it by the role whose place it takes
			d.Name = shown(base)
		}
		for _, role := range r.Roles {
			d.Grants = append(d.Grants, memberOf+shown(role))
		}
		if r.Comment != "" {
			d.Facts = map[string]string{"comment": runbooks.Redact(shown(r.Comment), maxComment)}
		}
		return d, r.Name
	})
}

func ownerIn(comment string) string {
	_, rest, ok := strings.Cut(strings.ToLower(comment), "owner:")
	if !ok {
		return ""
	}
	owner, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return runbooks.Redact(shown(strings.TrimRight(owner, ",;.")), maxShown)
}

// Plan reads what granting would change. A refusal is the one that Grant would give.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	var plan runbooks.Plan
	err := c.with(ctx, g, func(conn *pgx.Conn, t terms) error {
		if t.login {
			return c.planLogin(ctx, conn, g, t, &plan)
		}
		if err := checkRoles(ctx, conn, t); err != nil {
			return err
		}
		held, err := memberships(ctx, conn, t)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			plan.Changes = []string{"The account " + t.account + " becomes a member of the role " + t.role + " on " + t.host + "."}
		}
		for _, m := range held {
			if !m.ours {
				plan.Standing = append(plan.Standing, "The account is a member of the role already, granted by "+shown(m.grantor)+".")
			}
		}
		others, err := pathsTo(ctx, conn, t)
		plan.Standing = append(plan.Standing, others...)
		plan.Notes = []string{c.Describe().RevokeLeaves}
		return err
	})
	if err != nil {
		return runbooks.Plan{}, err
	}
	return plan, nil
}

// pathsSQL gives the roles that the account is a member of and that reach the role: standing access by another way.
const pathsSQL = `
SELECT g.rolname::text
FROM pg_auth_members AS m
JOIN pg_roles AS g ON g.oid = m.roleid
JOIN pg_roles AS a ON a.oid = m.member
WHERE a.rolname = $2
  AND g.rolname <> $1
  AND pg_has_role(g.oid, (SELECT oid FROM pg_roles WHERE rolname = $1), 'MEMBER')
ORDER BY 1
LIMIT 10`

func pathsTo(ctx context.Context, conn *pgx.Conn, t terms) ([]string, error) {
	rows, err := conn.Query(ctx, pathsSQL, t.role, t.account)
	if err != nil {
		return nil, classify("looking for standing access", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for i, n := range names {
		names[i] = "The account reaches the role already, as a member of " + shown(n) + "."
	}
	return names, classify("looking for standing access", err)
}

func (c *Connector) planLogin(ctx context.Context, conn *pgx.Conn, g runbooks.Grant, t terms, plan *runbooks.Plan) error {
	if err := checkGranted(ctx, conn, t); err != nil {
		return err
	}
	l, err := readLogin(ctx, conn, t.account)
	if err != nil {
		return err
	}
	if err := l.check(g); err != nil {
		return err
	}
	if !l.exists {
		plan.Changes = []string{
			"A login " + t.account + " is made on " + t.host + ", member of the role " + t.role + ", with a password that only the holder gets.",
			"The server refuses it from " + g.End.UTC().Format("2006-01-02 15:04 UTC") + " on, and it is dropped then.",
		}
	}
	plan.Notes = []string{c.Describe().RevokeLeaves}
	return nil
}
