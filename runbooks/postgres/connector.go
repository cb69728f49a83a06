package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
)

// The entitlement's words that this connector understands.
const (
	ParamRole     = "role"     // the role whose membership is granted; required
	ParamHost     = "host"     // for the command that is shown, where people reach another address than the bot
	ParamPort     = "port"     // likewise
	ParamDatabase = "database" // likewise
)

// Config says how the bot reaches the database.
type Config struct {
	DSN runbooks.Secret // a URL or keywords; the account needs CREATEROLE and pg_signal_backend, and no more
}

// Connector grants memberships on one PostgreSQL server. It holds no connection between calls, so that a restart or a
// fail-over of the server costs nothing, and is safe for concurrent use.
type Connector struct {
	base *pgx.ConnConfig
}

// Open reads the configuration; it does not connect.
func Open(cfg Config) (*Connector, error) {
	base, err := pgx.ParseConfig(cfg.DSN.Reveal())
	if err != nil {
		// The parser's error quotes parts of the string.
		return nil, errors.New("reading the database's connection string: it is not a postgres:// address nor keywords such as host=… user=…")
	}
	base.ConnectTimeout = connectTimeout
	base.RuntimeParams["statement_timeout"] = milliseconds(statementTimeout)
	base.RuntimeParams["lock_timeout"] = milliseconds(lockTimeout)
	base.RuntimeParams["search_path"] = "pg_catalog"
	base.RuntimeParams["client_encoding"] = "UTF8"
	base.OnNotice = nil
	return &Connector{base: base}, nil
}

// Close has nothing to let go of; it is there so that every connector ends the same way.
func (c *Connector) Close() error { return nil }

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Describe says what role memberships can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name:          "postgres",
		NativeExpiry:  false,
		EndsSessions:  true,
		RevokeLatency: time.Second,
		Shared:        true,
		RevokeLeaves:  "What was read, created or granted to others while the role was held stays as it is.",
		Timeout:       callTimeout,
	}
}

// terms are a grant read and found sound.
type terms struct {
	role, account        string
	login                bool // the account is made by this grant and for it
	host, port, database string
}

// readTerms reads a grant; its errors are refusals in words for the requester.
func (c *Connector) readTerms(g runbooks.Grant) (terms, error) {
	t := terms{
		account: g.Account, host: c.base.Host, port: strconv.Itoa(int(c.base.Port)), database: c.base.Database,
	}
	if !isSafeID(string(g.ID), "g_") || g.Request != "" && !isSafeID(string(g.Request), "r_") {
		return t, refuse("the id of the grant or of its request is not one that we make")
	}
	for name, values := range g.Params {
		if len(values) != 1 {
			return t, refuse("the entitlement's parameter %q takes one value", name)
		}
		switch name {
		case ParamRole:
			t.role = values[0]
		case ParamHost:
			t.host = values[0]
		case ParamPort:
			t.port = values[0]
		case ParamDatabase:
			t.database = values[0]
		case ParamLogin:
			if values[0] != LoginEphemeral {
				return t, refuse("the entitlement's parameter %q has one value, %s", ParamLogin, LoginEphemeral)
			}
			if g.Account != "" {
				return t, refuse("a login that is made for one grant has no account of the holder's")
			}
			t.login, t.account = true, loginOf(g)
		default:
			return t, refuse("the entitlement has a parameter %q that a role membership does not know", name)
		}
	}
	return t, t.check()
}

func (t terms) check() error {
	for what, name := range map[string]string{"role": t.role, "account": t.account} {
		if err := checkIdentifier(what, name); err != nil {
			return err
		}
	}
	if t.role == t.account {
		return refuse("the account and the role are the same")
	}
	for what, s := range map[string]string{"host": t.host, "database": t.database} {
		if len(s) > maxShown || !isShown(s) || strings.HasPrefix(s, "-") {
			return refuse("the entitlement's %s cannot be shown in a command", what)
		}
	}
	if n, err := strconv.ParseUint(t.port, 10, 16); err != nil || n == 0 || t.port[0] == '+' {
		return refuse("the entitlement's port is not one")
	}
	return nil
}

// checkIdentifier takes any name that PostgreSQL can hold, however odd, and none that it would change.
func checkIdentifier(what, name string) error {
	switch {
	case name == "":
		return refuse("there is no %s", what)
	case len(name) > maxIdentifier:
		return refuse("the %s is longer than %d bytes", what, maxIdentifier)
	case !utf8.ValidString(name) || !isShown(name):
		return refuse("the %s holds characters that are no text", what)
	}
	return nil
}

// isShown tells whether a text is clean enough for a log line and a card.
func isShown(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 })
}

func isSafeID(id, prefix string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && rest != "" && len(rest) <= 120 && !strings.ContainsFunc(rest, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-')
	})
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

// tag is the comment that every statement for a grant carries: nothing in it can end the comment. An invocation of a runbook has no
// request.
func tag(g runbooks.Grant) string { return "/* " + g.TagFor() + " */ " }

// connect opens a connection that bears the grant's id in the server's pg_stat_activity and log.
func (c *Connector) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	cfg := c.base.Copy()
	cfg.RuntimeParams["application_name"] = name[:min(len(name), maxIdentifier)]
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, classify("connecting", err)
	}
	return conn, nil
}

// with runs do on a connection for the grant and closes it, also when ctx has ended meanwhile.
func (c *Connector) with(ctx context.Context, g runbooks.Grant, do func(*pgx.Conn, terms) error) error {
	t, err := c.readTerms(g)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return classify("connecting", err)
	}
	conn, err := c.connect(ctx, "countersign "+string(g.ID))
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	return do(conn, t)
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Grant makes the account a member of the role, once. It refuses roles that administer the server, and accounts that
// hold the role already by somebody else's hand: that access would not end with the grant.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	var receipt runbooks.Receipt
	err := c.with(ctx, g, func(conn *pgx.Conn, t terms) error {
		if t.login {
			receipt = t.loginReceipt(g)
			return c.grantLogin(ctx, conn, g, t)
		}
		if err := checkRoles(ctx, conn, t); err != nil {
			return err
		}
		held, err := memberships(ctx, conn, t)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(held, func(m membership) bool { return !m.ours }); i >= 0 {
			return refuse("the account holds the role already, granted outside of this system by %.63q: ask the owner to remove it there", held[i].grantor)
		}
		if len(held) == 0 {
			if err := grantMembership(ctx, conn, g, t); err != nil {
				return err
			}
		}
		receipt = t.receipt()
		return nil
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt, nil
}

// grantMembership gives neither the right to pass the role on nor more than the role.
func grantMembership(ctx context.Context, conn *pgx.Conn, g runbooks.Grant, t terms) error {
	sql := tag(g) + "GRANT " + quote(t.role) + " TO " + quote(t.account)
	version, err := serverVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version >= 160000 {
		// 16 made these explicit; before, INHERIT follows the account and SET is always allowed.
		sql += " WITH ADMIN FALSE, INHERIT TRUE, SET TRUE"
	}
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return classify("granting the role", err)
}

// Revoke takes the membership away and then ends the sessions that could have taken the role on: what they did with SET
// ROLE outlives REVOKE. It ends them also when there was no membership left, since an earlier call may have stopped in
// between.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	receipt := runbooks.Receipt{}
	err := c.with(ctx, g, func(conn *pgx.Conn, t terms) error {
		receipt.Ref = "role " + t.role
		if t.login {
			receipt.Ref = "login " + t.account
			return c.revokeLogin(ctx, conn, g, t, &receipt)
		}
		exist, err := bothExist(ctx, conn, t)
		if err != nil || !exist {
			return err
		}
		held, err := memberships(ctx, conn, t)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(held, func(m membership) bool { return m.ours }) {
			if err := revokeMembership(ctx, conn, g, t); err != nil {
				return err
			}
		}
		ended, err := endSessions(ctx, conn, t)
		if err != nil {
			return err
		}
		receipt.Facts = map[string]string{"role": t.role, "sessions_ended": strconv.Itoa(ended)}
		receipt.Personal = map[string]string{"account": t.account}
		return readBack(ctx, conn, t)
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt, nil
}

func revokeMembership(ctx context.Context, conn *pgx.Conn, g runbooks.Grant, t terms) error {
	_, err := conn.Exec(ctx, tag(g)+"REVOKE "+quote(t.role)+" FROM "+quote(t.account), pgx.QueryExecModeSimpleProtocol)
	return classify("revoking the role", err)
}

// readBack makes sure that what was ours is gone.
func readBack(ctx context.Context, conn *pgx.Conn, t terms) error {
	held, err := memberships(ctx, conn, t)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(held, func(m membership) bool { return m.ours }) {
		return runbooks.Errorf(runbooks.Retry, nil, "revoking the role: the membership is still there")
	}
	return nil
}

// Check reads the memberships. One that somebody else granted is access as well: a revocation after which it is there
// has not ended the access, whoever is to blame.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	presence := runbooks.Unconfirmed
	err := c.with(ctx, g, func(conn *pgx.Conn, t terms) error {
		if t.login {
			var err error
			presence, err = checkLogin(ctx, conn, t)
			return err
		}
		held, err := memberships(ctx, conn, t)
		switch {
		case err != nil:
			return err
		case len(held) > 0:
			presence = runbooks.Present
		default:
			presence = runbooks.Absent
		}
		return nil
	})
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	return presence, nil
}

// receipt is the same for every call of the same grant.
func (t terms) receipt() runbooks.Receipt {
	return runbooks.Receipt{
		Ref:      "role " + t.role,
		Facts:    map[string]string{"role": t.role, "database": t.database},
		Personal: map[string]string{"account": t.account},
		Use: runbooks.Use{
			Steps: []string{
				"Connect with your own account, as always.",
				"What the role may do works at once; to act as the role itself, run: SET ROLE " + quote(t.role) + ";",
			},
			Command: strings.Join([]string{
				"psql", "-h", shell(t.host), "-p", shell(t.port), "-U", shell(t.account), "-d", shell(t.database),
			}, " "),
			Host: t.host,
		},
	}
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// shell quotes a word for a POSIX shell, where it needs it.
func shell(word string) string {
	plain := word != "" && !strings.HasPrefix(word, "-") && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-@:/", r))
	})
	if plain {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
