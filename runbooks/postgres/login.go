package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

// An entitlement with the parameter login: ephemeral is a login role of its own for each grant: it is made with the grant, is a
// member of the role, ends by itself (VALID UNTIL, for logins by password) and is dropped when the grant ends. Nobody needs an
// account on the server beforehand, and the server's log names the grant in every line.

// ParamLogin says that each grant makes a login of its own; its only value is LoginEphemeral.
const (
	ParamLogin     = "login"
	LoginEphemeral = "ephemeral"
)

const (
	loginPrefix  = "cs_"
	partLogin    = "User name"
	partPassword = "Password"
)

// loginOf is the name of a grant's login: the grant's id with another prefix, so that a log line leads back to it.
func loginOf(g runbooks.Grant) string {
	return loginPrefix + strings.TrimPrefix(string(g.ID), "g_")
}

// MakeSecret makes the password of the login that a grant makes; nothing for membership of the holder's own account.
func (c *Connector) MakeSecret(g runbooks.Grant) (runbooks.Handover, error) {
	t, err := c.readTerms(g)
	if err != nil || !t.login {
		return runbooks.Handover{}, err
	}
	return runbooks.Handover{
		Title: "Password of the login " + t.account + " on " + t.host, Until: g.End,
		Parts: []runbooks.Part{
			{Name: partLogin, Value: runbooks.NewSecret(t.account), Public: true},
			{Name: partPassword, Value: runbooks.NewPassword()},
		},
	}, nil
}

// grantLogin makes the login, once. The password goes to the server as a verifier, so that no log of statements holds it.
func (c *Connector) grantLogin(ctx context.Context, conn *pgx.Conn, g runbooks.Grant, t terms) error {
	const what = "making the login"
	password := ""
	for _, p := range g.Secret.Parts {
		if p.Name == partPassword {
			password = p.Value.Reveal()
		}
	}
	if password == "" {
		return runbooks.Errorf(runbooks.Broken, nil, "%s: no password was made for it", what)
	}
	if err := checkGranted(ctx, conn, t); err != nil {
		return err
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "%s: no random numbers", what)
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return classify(what, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	// Of two calls for one grant the second waits, and finds the login that the first one made.
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", t.account); err != nil {
		return classify(what, err)
	}
	have, err := readLogin(ctx, tx, t.account)
	if err != nil {
		return err
	}
	if err := have.check(g); err != nil {
		return err
	}
	for _, sql := range loginStatements(g, t, verifier, have.exists) {
		if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return classify(what, err)
		}
	}
	return classify(what, tx.Commit(ctx))
}

// loginStatements make the login with everything it must have, or give the password again to one that is there: the call that made
// it may have been cut short before anybody heard of it.
func loginStatements(g runbooks.Grant, t terms, verifier string, exists bool) []string {
	if exists {
		return []string{tag(g) + "ALTER ROLE " + quote(t.account) + " PASSWORD " + literal(verifier)}
	}
	create := fmt.Sprintf("%sCREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT CONNECTION LIMIT %d PASSWORD %s VALID UNTIL %s IN ROLE %s",
		tag(g), quote(t.account), maxLoginSessions, literal(verifier), literal(until(g)), quote(t.role))
	comment := commentMark + string(g.ID) + " request=" + string(g.Request) + " holder=" + g.Holder
	return []string{create, tag(g) + "COMMENT ON ROLE " + quote(t.account) + " IS " + literal(comment)}
}

// until is the end in the server's words: the whole second after it, since the server must not end earlier than what was approved.
func until(g runbooks.Grant) string {
	return g.End.UTC().Add(time.Second - time.Nanosecond).Truncate(time.Second).Format("2006-01-02 15:04:05+00")
}

// literal quotes a text for a statement that takes no parameters. standard_conforming_strings may be off: E” reads the same always.
func literal(s string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// login is a role under the name of a grant's login, as the server has it.
type login struct {
	exists, canLogin, strong bool
	comment                  string
	until                    *time.Time
}

const loginSQL = `
SELECT
  true,
  rolcanlogin,
  rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls OR rolcreatedb,
  COALESCE(shobj_description(oid, 'pg_authid'), ''),
  CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END
FROM pg_roles
WHERE rolname = $1`

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func readLogin(ctx context.Context, q querier, name string) (login, error) {
	rows, err := q.Query(ctx, loginSQL, name)
	if err != nil {
		return login{}, classify("reading the login", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l login, err error) {
		return l, row.Scan(&l.exists, &l.canLogin, &l.strong, &l.comment, &l.until)
	})
	if err != nil || len(all) == 0 {
		return login{}, classify("reading the login", err)
	}
	return all[0], nil
}

// check refuses a role that bears the name and is not what this grant made.
func (l login) check(g runbooks.Grant) error {
	switch {
	case !l.exists:
		return nil
	case grantIn(l.comment) != g.ID || l.strong || !l.canLogin:
		return refuse("there is a role %.63q already, which this grant did not make", loginOf(g))
	case l.until == nil || l.until.UTC().Format("2006-01-02 15:04:05+00") != until(g):
		return refuse("this grant was already made, with another end")
	}
	return nil
}

// checkGranted refuses a role that administers the server, or is not there.
func checkGranted(ctx context.Context, conn *pgx.Conn, t terms) error {
	err := checkRoles(ctx, conn, terms{role: t.role, account: "pg_monitor"}) // any account that is there and nobody: only the role is looked at
	if err != nil && strings.Contains(err.Error(), "cannot log in") {
		return nil
	}
	return err
}

// checkLogin reads the login back. One that has passed its end cannot log in any more, and its sessions are ended by Revoke.
func checkLogin(ctx context.Context, conn *pgx.Conn, t terms) (runbooks.Presence, error) {
	l, err := readLogin(ctx, conn, t.account)
	switch {
	case err != nil:
		return runbooks.Unconfirmed, err
	case !l.exists || !l.canLogin:
		return runbooks.Absent, nil
	}
	return runbooks.Present, nil
}

// revokeLogin drops what this grant made, and nothing else that bears the name.
func (c *Connector) revokeLogin(ctx context.Context, conn *pgx.Conn, g runbooks.Grant, t terms, receipt *runbooks.Receipt) error {
	l, err := readLogin(ctx, conn, t.account)
	if err != nil || !l.exists {
		return err
	}
	if grantIn(l.comment) != g.ID {
		return runbooks.Errorf(runbooks.Broken, nil, "the role %.63q does not say that this grant made it: look at it on the server", t.account)
	}
	receipt.Facts, err = c.dropLogin(ctx, conn, t.account)
	return err
}

// scramVerifier is what the server keeps of a password (RFC 5802, RFC 7677), in the form that CREATE ROLE takes instead of it. Our
// passwords are letters and digits, which SASLprep leaves as they are.
func scramVerifier(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramRounds, sha256.Size)
	if err != nil {
		return "", err
	}
	sign := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramRounds, b64(salt), b64(stored[:]), b64(sign("Server Key"))), nil
}

// loginReceipt tells how to use it; the password is handed over by itself.
func (t terms) loginReceipt(g runbooks.Grant) runbooks.Receipt {
	r := t.receipt()
	r.Ref = "login " + t.account
	r.Facts["login"] = t.account
	r.Personal = nil
	r.Use.Steps = []string{
		"Take the password where the message with this card says: it is shown once.",
		"Log in as " + t.account + ". The login is yours alone and ends at " + g.End.UTC().Format("2006-01-02 15:04 UTC") + ".",
	}
	return r
}

// Try logs in with a canary's login. Membership of an account whose password is not ours cannot be tried.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, _ runbooks.Receipt) (bool, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return false, err
	}
	if !t.login {
		return false, runbooks.Errorf(runbooks.Refuse, nil, "trying it: the password of the account is its holder's")
	}
	cfg := c.base.Copy()
	cfg.User, cfg.Password, cfg.RuntimeParams["application_name"] = t.account, "", "countersign drill"
	for _, p := range g.Secret.Parts {
		if p.Name == partPassword {
			cfg.Password = p.Value.Reveal()
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		if hasCode(err, "28P01") || hasCode(err, "28000") {
			return false, nil
		}
		return false, classify("logging in", err)
	}
	closeConn(ctx, conn)
	return true, nil
}
