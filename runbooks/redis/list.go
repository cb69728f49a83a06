package redis

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// clients are the connections of accounts.
func (c *conn) clients(users []string) ([]runbooks.Session, error) {
	answer, err := c.do("CLIENT", "LIST")
	if err != nil {
		return nil, err
	}
	text, _ := answer.(string)
	var out []runbooks.Session
	for line := range strings.Lines(text) {
		if s, ok := session(line); ok && slices.Contains(users, s.Login) {
			out = append(out, s)
		}
	}
	return out, nil
}

// session reads one line of CLIENT LIST: "id=3 addr=127.0.0.1:52555 … name=x age=8 … user=alice …".
func session(line string) (s runbooks.Session, ok bool) {
	for word := range strings.FieldsSeq(line) {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "id":
			s.Ref = "client " + value
		case "addr":
			s.From = value
		case "name":
			s.With = value
		case "user":
			s.Login, ok = value, true
		case "age":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				s.Reckoned = true // a client's id is used once in the life of the server
				s.Since = time.Now().Add(-time.Duration(n) * time.Second).UTC().Truncate(time.Second)
			}
		}
	}
	return s, ok
}

// ListSessions tells which connections the account has now.
func (c *Connector) ListSessions(ctx context.Context, g runbooks.Grant) (out []runbooks.Session, err error) {
	err = c.with(ctx, g, func(conn *conn, _ []string) error {
		names, err := conn.accounts(g)
		if err == nil {
			out, err = conn.clients(names)
		}
		return err
	})
	return out, err
}

// EndSessions closes the connections and leaves the account.
func (c *Connector) EndSessions(ctx context.Context, g runbooks.Grant) (n int, err error) {
	err = c.with(ctx, g, func(conn *conn, _ []string) error {
		names, err := conn.accounts(g) // CLIENT KILL refuses an account that is not there
		for _, name := range names {
			killed, err := conn.do("CLIENT", "KILL", "USER", name)
			if err != nil {
				return err
			}
			if k, ok := killed.(int64); ok {
				n += int(k)
			}
		}
		return err
	})
	return n, err
}

// ListAccess gives every account but the server's default one, the bot's, and roles.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		users, err := c.users(ctx)
		if err != nil {
			yield(runbooks.Access{}, err)
			return
		}
		for _, u := range users {
			if u.name == "default" || u.name == c.user || u.isRole() {
				continue
			}
			if !yield(u.access(), nil) {
				return
			}
		}
	}
}

// user is one line of ACL LIST: "user alice on sanitize-payload #… ~app:* resetchannels -@all +@read".
type user struct {
	name  string
	rules []string // without passwords

	password bool
	open     bool // enabled, without a password
}

func (c *Connector) users(ctx context.Context) ([]user, error) {
	conn, err := c.dial(ctx, c.user, c.password)
	if err != nil {
		return nil, err
	}
	defer conn.end()
	return conn.users()
}

func (c *conn) users() ([]user, error) {
	answer, err := c.do("ACL", "LIST")
	if err != nil {
		return nil, err
	}
	lines, _ := answer.([]any)
	var out []user
	for _, l := range lines {
		text, _ := l.(string)
		if words := strings.Fields(text); len(words) > 1 && words[0] == "user" {
			rules := slices.DeleteFunc(slices.Clone(words[2:]), func(w string) bool { return strings.HasPrefix(w, "#") })
			out = append(out, user{words[1], rules, len(rules) < len(words)-2, slices.Contains(rules, "on") && slices.Contains(rules, "nopass")})
		}
	}
	return out, nil
}

func (u user) access() runbooks.Access {
	a := runbooks.Access{Key: keyOf(u.name), Account: u.name, What: cut("an account with the rules " + strings.Join(u.rules, " "))}
	for _, r := range u.rules {
		if strings.ContainsAny(r[:1], "~%&+-") {
			a.Params = map[string][]string{ParamRules: append(a.Params[ParamRules], r)}
		}
	}
	a.Grant, a.Ours = madeFor(u.name)
	return a
}

// AccessKey is the key of the grant's account.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	if _, err := readRules(g); err != nil {
		return ""
	}
	return keyOf(account(g))
}

// RemoveAccess deletes an account.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	if a.Account == "" || a.Account == "default" || a.Account == c.user || a.Key != keyOf(a.Account) {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, nil, "the account is the server's default one or the bot's own")
	}
	conn, err := c.dial(ctx, c.user, c.password)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer conn.end()
	return runbooks.Receipt{Ref: a.Account, Facts: map[string]string{"user": a.Account}}, conn.remove(a.Account)
}

// Discover gives the accounts, as what programs log in with.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		users, err := c.users(ctx)
		if err != nil {
			yield(runbooks.Discovered{}, err)
			return
		}
		for _, u := range users {
			x := runbooks.Discovered{Ref: cut("user " + u.name), Kind: "service_account", Name: u.name, Grants: []string{u.access().What}, Facts: map[string]string{"needs a password": strconv.FormatBool(!u.open)}}
			x.Strong = slices.Contains(u.rules, "+@all") || slices.Contains(u.rules, "+@admin") || slices.ContainsFunc(u.rules, func(r string) bool { return strings.HasPrefix(r, "+acl") })
			if a := u.access(); a.Ours {
				x.Kind, x.Grant = "", a.Grant
			}
			if !yield(x, nil) {
				return
			}
		}
	}
}

// Plan says which account is made.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (plan runbooks.Plan, err error) {
	err = c.with(ctx, g, func(conn *conn, rules []string) error {
		if len(rules) == 0 {
			var err error
			if rules, err = conn.roleRules(g.Params[ParamRole][0]); err != nil {
				return err
			}
		}
		names, err := conn.accounts(g)
		if err == nil && len(names) == 0 {
			plan.Changes = []string{cut(fmt.Sprintf("an account %s is made with the rules %s", account(g), strings.Join(rules, " ")))}
		}
		plan.Notes = []string{c.Describe().RevokeLeaves}
		return err
	})
	return plan, err
}

// Probe tells whether the bot's account can do what it must, and no more: ACL DRYRUN asks without doing.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	conn, err := c.dial(ctx, c.user, c.password)
	if err != nil {
		return []runbooks.Finding{{What: runbooks.Words(err), Do: "check the url, ca_file, username and password"}}
	}
	defer conn.end()
	const do = "give the bot's account the rules that the manual of this connector names"
	if _, err := conn.do("ACL", "DRYRUN", c.user, "PING"); err != nil {
		return []runbooks.Finding{{What: "what the bot's account may do is not told: the server is older than version 7, or denies acl|dryrun", Do: do}}
	}
	var out []runbooks.Finding
	for _, x := range []struct {
		must    bool
		command string
	}{
		{true, "ACL SETUSER x"},
		{true, "ACL DELUSER x"},
		{true, "ACL GETUSER x"},
		{true, "ACL LIST"},
		{true, "ACL SAVE"},
		{true, "CLIENT LIST"},
		{true, "CLIENT KILL USER x"},
		{false, "GET x"},
		{false, "SET x y"},
		{false, "KEYS *"},
		{false, "CONFIG GET *"},
		{false, "FLUSHALL"},
		{false, "SHUTDOWN"},
		{false, "PUBLISH x y"},
	} {
		answer, err := conn.do(append([]string{"ACL", "DRYRUN", c.user}, strings.Fields(x.command)...)...)
		may := err == nil && answer == "OK"
		can, cannot := "the bot's account may "+x.command, "the bot's account may not "+x.command
		if x.must {
			out = append(out, runbooks.FindingOf(may, can, cannot, do))
		} else {
			out = append(out, runbooks.FindingOf(!may, cannot, can+", which is more than it needs", do))
		}
	}
	return out
}
