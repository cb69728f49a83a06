package redis

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// ParamRules are the rules of the account, as ACL SETUSER takes them: patterns of keys and channels, commands, categories.
const ParamRules = "rules"

// prefix begins the names of accounts that the bot makes.
const prefix = "countersign:"

// partPassword is the secret part of what is handed over.
const partPassword = "Password"

// Connector makes accounts on one server. It holds no connection between calls and is safe for concurrent use.
type Connector struct {
	url      *url.URL
	tls      *tls.Config // nil: none
	user     string
	password runbooks.Secret
}

// Describe says what ACL users can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name: "redis", EndsSessions: true, RevokeLatency: 100 * time.Millisecond, Timeout: callTimeout,
		RevokeLeaves: "What was read or written with the account stays as it is.",
	}
}

// MakeSecret makes the password of the grant's account.
func (c *Connector) MakeSecret(g runbooks.Grant) (runbooks.Handover, error) {
	return runbooks.Handover{Title: "Account on " + c.url.Host, Parts: []runbooks.Part{
		{Name: "User name", Value: runbooks.NewSecret(account(g)), Public: true}, {Name: partPassword, Value: runbooks.NewPassword()},
	}}, nil
}

// readRules refuses what is not one plain rule each, and gives none where a role is named. Selectors are refused since what we take away does
// not hold within them.
func readRules(g runbooks.Grant) ([]string, error) {
	rules := g.Params[ParamRules]
	g = g.Clone()
	delete(g.Params, ParamRules)
	words, err := runbooks.ReadTerms(g, ParamRole)
	switch role, named := words[ParamRole]; {
	case err != nil:
		return nil, err
	case named && (len(rules) > 0 || !isRoleName(role)):
		return nil, runbooks.Errorf(runbooks.Refuse, nil, "the entitlement's params: %q is the name of a role, and stands alone", ParamRole)
	case named:
		return nil, nil
	}
	if len(rules) == 0 || len(rules) > maxRules {
		return nil, runbooks.Errorf(runbooks.Refuse, nil, "the entitlement's params: %q takes 1 to %d rules", ParamRules, maxRules)
	}
	for _, r := range rules {
		plain := len(r) > 1 && len(r) <= maxRule && strings.ContainsAny(r[:1], "~%&+-") && !strings.ContainsFunc(r, func(c rune) bool { return c <= ' ' || c >= 0x7f })
		if !plain {
			return nil, runbooks.Errorf(runbooks.Refuse, nil, "the entitlement's params: a rule of %q begins with ~, %%, &, + or - and holds no spaces; %.60q does not", ParamRules, r)
		}
	}
	return append(slices.Clone(rules), "-@admin"), nil // whoever can change accounts could keep the access
}

// with runs do on a connection for the grant.
func (c *Connector) with(ctx context.Context, g runbooks.Grant, do func(*conn, []string) error) error {
	rules, err := readRules(g)
	if err != nil {
		return err
	}
	conn, err := c.dial(ctx, c.user, c.password)
	if err != nil {
		return err
	}
	defer conn.end()
	return do(conn, rules)
}

// Grant makes the account, or makes it again as it was: one command, which the server carries out whole or not at all.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	err := c.with(ctx, g, func(conn *conn, rules []string) error {
		i := slices.IndexFunc(g.Secret.Parts, func(p runbooks.Part) bool { return p.Name == partPassword })
		if i < 0 {
			return runbooks.Errorf(runbooks.Broken, nil, "no password was made for the account, and one without is open to everybody")
		}
		if len(rules) == 0 {
			var err error
			if rules, err = conn.roleRules(g.Params[ParamRole][0]); err != nil {
				return err
			}
		}
		sum := sha256.Sum256([]byte(g.Secret.Parts[i].Value.Reveal()))
		args := append([]string{"ACL", "SETUSER", account(g), "reset", "on", "#" + hex.EncodeToString(sum[:])}, rules...)
		_, err := conn.do(args...)
		var said refusal
		if errors.As(err, &said) && strings.Contains(string(said), "Error in ACL SETUSER modifier") {
			return runbooks.Errorf(runbooks.Refuse, said, "the entitlement's params: the server does not take the rule %q", blamed(string(said), rules))
		}
		return err
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	host, port := c.url.Hostname(), c.url.Port()
	use := runbooks.Use{Steps: []string{"Take the password where it is handed over.", "Log in with it; the program asks for it."}, Host: host}
	use.Command = "redis-cli -h " + host + " -p " + port + " --user " + account(g) + " --askpass"
	if c.tls != nil {
		use.Command += " --tls"
	}
	return runbooks.Receipt{Ref: account(g), Facts: map[string]string{"user": account(g), "rules": cut(strings.Join(slices.Concat(g.Params[ParamRules], g.Params[ParamRole]), " "))}, Use: use}, nil
}

// blamed finds the rule that an error is about.
func blamed(said string, rules []string) string {
	i := slices.IndexFunc(rules, func(r string) bool { return strings.Contains(said, "'"+r+"'") })
	return rules[max(i, 0)]
}

// cut keeps a text within what a fact may hold.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), 500)], "") }

// Revoke deletes the account, which closes its connections, and saves the server's file of accounts if it has one.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	receipt := runbooks.Receipt{Ref: account(g), Facts: map[string]string{"user": account(g)}}
	err := c.with(ctx, g, func(conn *conn, _ []string) error {
		names, err := conn.accounts(g)
		if err != nil {
			return err
		}
		sessions, err := conn.clients(names)
		if err != nil {
			return err
		}
		receipt.Facts["sessions_ended"] = strconv.Itoa(len(sessions))
		return conn.remove(names...)
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt, nil
}

// Check looks for the account.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	presence := runbooks.Unconfirmed
	err := c.with(ctx, g, func(conn *conn, _ []string) error {
		names, err := conn.accounts(g)
		if err == nil {
			presence = map[bool]runbooks.Presence{true: runbooks.Absent, false: runbooks.Present}[len(names) == 0]
		}
		return err
	})
	return presence, err
}
