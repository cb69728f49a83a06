package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

// A login has one password, so a new one beside the old one is another login: a generated member of the role that programs knew as
// their login, which takes that role's place at every log-in (ALTER ROLE … SET role), so that what it makes belongs to the same role as
// before. Programs get the new name with the password. The first rotation leaves the old login as a role that nobody logs in as; later
// ones drop the generated login before.

const (
	rotationMark = "countersign rotation="
	refRole      = "role " // as Discover gives it
)

// generation is what a rotation is about: the role behind the logins, the login to retire, and the one to make.
type generation struct {
	base, old, next string
}

// readRotation reads an order; base is known once the server was asked.
func readRotation(r runbooks.Rotation) (generation, error) {
	old, ok := strings.CutPrefix(r.Old, refRole)
	if !ok {
		old = r.Account
	}
	if err := checkIdentifier("login", old); err != nil {
		return generation{}, err
	}
	if !strings.HasPrefix(r.ID, "rot_") || !isSafeID(r.ID, "rot_") {
		return generation{}, refuse("the id of the rotation is not one that we make")
	}
	return generation{old: old}, nil
}

// nextName is the login that a rotation makes: the same each time it is tried.
func nextName(base, id string) string {
	sum := sha256.Sum256([]byte(id))
	const suffix = 1 + 10
	return base[:min(len(base), maxIdentifier-suffix)] + "_" + hex.EncodeToString(sum[:5])
}

func rotationComment(id, base string) string { return rotationMark + id + " of=" + base }

// baseIn is the role behind a generated login; empty when no rotation made it.
func baseIn(comment string) string {
	rest, ok := strings.CutPrefix(comment, rotationMark)
	_, base, found := strings.Cut(rest, " of=")
	if !ok || !found {
		return ""
	}
	return base
}

// rotating runs do for a rotation whose old login was read.
func (c *Connector) rotating(ctx context.Context, r runbooks.Rotation, do func(*pgx.Conn, generation, login) error) error {
	g, err := readRotation(r)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return classify("connecting", err)
	}
	conn, err := c.connect(ctx, "countersign "+r.ID)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	old, err := readLogin(ctx, conn, g.old)
	if err != nil {
		return err
	}
	if g.base = baseIn(old.comment); g.base == "" {
		g.base = g.old
	}
	g.next = nextName(g.base, r.ID)
	return do(conn, g, old)
}

// Renew makes the next login. Its password is r.Secret, which goes to the server as a verifier.
func (c *Connector) Renew(ctx context.Context, r runbooks.Rotation) (out runbooks.Renewed, err error) {
	const what = "making the next login"
	err = c.rotating(ctx, r, func(conn *pgx.Conn, g generation, old login) error {
		switch {
		case !old.exists:
			return refuse("there is no login %.63q on the database", g.old)
		case old.strong:
			return refuse("the login %.63q administers the server: its password is changed by hand", g.old)
		case r.Secret.IsZero():
			return runbooks.Errorf(runbooks.Broken, nil, "%s: no password was made for it", what)
		}
		have, err := readLogin(ctx, conn, g.next)
		if err != nil {
			return err
		}
		if have.exists && have.comment != rotationComment(r.ID, g.base) {
			return refuse("there is a role %.63q already, which this rotation did not make", g.next)
		}
		verifier, err := scramVerifier(r.Secret.Reveal())
		if err != nil {
			return runbooks.Errorf(runbooks.Retry, err, "%s: no random numbers", what)
		}
		out = runbooks.Renewed{Ref: refRole + g.next, Facts: map[string]string{"login": g.next, "role": g.base}}
		return inOne(ctx, conn, what, nextStatements(r, g, verifier, have.exists))
	})
	if err != nil {
		return runbooks.Renewed{}, err
	}
	return out, nil
}

func nextStatements(r runbooks.Rotation, g generation, verifier string, exists bool) []string {
	tag := "/* countersign rotation=" + r.ID + " */ "
	end := ""
	if !r.Expires.IsZero() {
		end = " VALID UNTIL " + literal(r.Expires.UTC().Format("2006-01-02 15:04:05+00"))
	}
	if exists {
		return []string{tag + "ALTER ROLE " + quote(g.next) + " LOGIN PASSWORD " + literal(verifier) + end}
	}
	return []string{
		tag + "CREATE ROLE " + quote(g.next) + " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT PASSWORD " + literal(verifier) + end + " IN ROLE " + quote(g.base),
		tag + "ALTER ROLE " + quote(g.next) + " SET role TO " + quote(g.base),
		tag + "COMMENT ON ROLE " + quote(g.next) + " IS " + literal(rotationComment(r.ID, g.base)),
	}
}

// inOne carries out statements in one transaction.
func inOne(ctx context.Context, conn *pgx.Conn, what string, statements []string) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return classify(what, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return classify(what, err)
		}
	}
	return classify(what, tx.Commit(ctx))
}

// Prove logs in as programs would, and finds itself in the place of the role that they had.
func (c *Connector) Prove(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	const what = "logging in with the new password"
	next, ok := strings.CutPrefix(n.Ref, refRole)
	if !ok || r.Secret.IsZero() {
		return runbooks.Errorf(runbooks.Broken, nil, "%s: there is nothing to log in with", what)
	}
	cfg := c.base.Copy()
	cfg.User, cfg.Password = next, r.Secret.Reveal()
	cfg.RuntimeParams["application_name"] = "countersign " + r.ID
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return classify(what, err)
	}
	defer closeConn(ctx, conn)
	var who string
	if err := conn.QueryRow(ctx, "SELECT current_user::text").Scan(&who); err != nil {
		return classify(what, err)
	}
	if who != n.Facts["role"] {
		return runbooks.Errorf(runbooks.Broken, nil, "%s: it does not take the place of the role %.63q", what, n.Facts["role"])
	}
	return nil
}

// Retire ends the old login: one that a rotation made is dropped, the first one stays as the role that owns what it owned.
func (c *Connector) Retire(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	return c.rotating(ctx, r, func(conn *pgx.Conn, g generation, old login) error {
		next, err := readLogin(ctx, conn, strings.TrimPrefix(n.Ref, refRole))
		switch {
		case err != nil:
			return err
		case n.Ref == refRole+g.old || !next.canLogin:
			return refuse("there is no new login in the place of %.63q", g.old)
		case !old.exists:
			return nil
		case g.old != g.base:
			if _, err := c.dropLogin(ctx, conn, g.old); err != nil {
				return err
			}
			return c.dropOthers(ctx, conn, g.base, n)
		}
		if _, err := conn.Exec(ctx, "ALTER ROLE "+quote(g.old)+" NOLOGIN PASSWORD NULL", pgx.QueryExecModeSimpleProtocol); err != nil {
			return classify("ending the old login", err)
		}
		pids, err := sessionsOf(ctx, conn, g.old)
		if err != nil {
			return err
		}
		if err := terminate(ctx, conn, pids); err != nil {
			return err
		}
		return c.dropOthers(ctx, conn, g.base, n)
	})
}

const generationsSQL = `
SELECT r.rolname::text, d.description
FROM pg_roles AS r
JOIN pg_shdescription AS d ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
WHERE starts_with(d.description, $1)
ORDER BY r.rolname`

// generationsOf are the logins that rotations made in the place of a role.
func generationsOf(ctx context.Context, conn *pgx.Conn, base string) (out []string, err error) {
	const what = "listing the logins that rotations made"
	rows, err := conn.Query(ctx, generationsSQL, rotationMark)
	if err != nil {
		return nil, classify(what, err)
	}
	var name, comment string
	_, err = pgx.ForEachRow(rows, []any{&name, &comment}, func() error {
		if baseIn(comment) == base {
			out = append(out, name)
		}
		return nil
	})
	return out, classify(what, err)
}

// dropOthers drops every login that an earlier rotation made: an order that names the account alone does not know which was the last.
func (c *Connector) dropOthers(ctx context.Context, conn *pgx.Conn, base string, n runbooks.Renewed) error {
	list, err := generationsOf(ctx, conn, base)
	if err != nil {
		return err
	}
	for _, name := range list {
		if refRole+name == n.Ref {
			continue
		}
		if _, err := c.dropLogin(ctx, conn, name); err != nil {
			return err
		}
	}
	return nil
}
