package etcd

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// each gives every role of every user, or every role there is when of is "role". The bot's own user is left out.
func (c *Connector) each(ctx context.Context, of string, yield func(user, role string, err error) bool) {
	all, err := c.names(ctx, "listing the "+of+"s", of+"/list", map[string]string{})
	if err != nil {
		yield("", "", err)
		return
	}
	for _, role := range all.Roles {
		if role != "root" && !yield("", role, nil) {
			return
		}
	}
	for _, user := range all.Users {
		has, err := c.names(ctx, "reading a user", "user/get", map[string]string{"name": user})
		if err != nil {
			yield("", "", err)
			return
		}
		for _, role := range has.Roles {
			if user != c.user && !yield(user, role, nil) {
				return
			}
		}
	}
}

// ListAccess gives who has which role.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		c.each(ctx, "user", func(user, role string, err error) bool {
			_, ours := c.made.Load(key(user, role))
			return yield(runbooks.Access{
				Key: key(user, role), Account: user, What: rest.Clean("has the role "+role, maxShown), Params: map[string][]string{ParamRole: {role}}, Ours: ours,
			}, err)
		})
	}
}

// AccessKey is the user and the role.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	role, err := c.readTerms(g)
	if err != nil {
		return ""
	}
	return key(g.Account, role)
}

// RemoveAccess takes a role away, whoever gave it.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	role := a.Params[ParamRole]
	if len(role) != 1 || a.Key != key(a.Account, role[0]) || a.Account == c.user {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, nil, "that is no access as this target lists it")
	}
	c.made.Delete(a.Key)
	return c.change(ctx, "revoke", "name", a.Account, role[0])
}

// ListOffers gives the roles of the cluster.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		c.each(ctx, "role", func(_, role string, err error) bool {
			if err == nil && !isName(role) {
				return true
			}
			return yield(runbooks.Offer{Name: role, Params: map[string][]string{ParamRole: {role}}, Account: true}, err)
		})
	}
}

// logNote is what cannot be had here: neither a user nor a role has a comment, and no call carries one.
const logNote = "etcd's own log says when this user got the role and lost it, and has no place for the grant: that is found here, by user and time."

// Plan reads what granting would change, and refuses what etcd does not have.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	role, err := c.readTerms(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves, logNote}}
	has, err := c.names(ctx, "reading the user", "user/get", map[string]string{"name": g.Account})
	if err == nil && !slices.Contains(has.Roles, role) {
		plan.Changes = []string{g.Account + " gets the role " + role + " on " + c.api.Host()}
		err = c.ask(ctx, "reading the role", "role/get", map[string]string{"role": role}, nil)
	}
	if err != nil {
		return runbooks.Plan{}, err
	}
	return plan, nil
}

// Probe tells whether the bot can do what it must; that it can do everything is etcd's way, and is said.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	var found []runbooks.Finding
	c.each(ctx, "user", func(user, role string, err error) bool {
		if err != nil {
			found = append(found, runbooks.Finding{What: runbooks.Words(err), Do: "check the url, ca_file, username and password, that the user has the role root, and that auth is enabled"})
		} else if role == "root" {
			found = append(found, runbooks.Finding{What: rest.Clean("the user "+user+" has the role root as well, for ever", maxShown), Do: "take it away: etcdctl user revoke-role " + rest.Clean(user, maxShown) + " root"})
		}
		return true
	})
	if len(found) == 0 {
		found = append(found, runbooks.FindingOf(true, "the bot reads and changes who has which role; etcd gives that to the role root alone, so its password opens everything there", "", ""))
	}
	return found
}

// etcd keeps no comment of a user, so that a repeated call could not know its own: users are made by hand, and changed and closed here.

var (
	_ runbooks.AccountScoper = (*Connector)(nil)
	_ runbooks.AccountCloser = (*Connector)(nil)
)

// userOf refuses names that are no user's, and those that are not ours to change.
func (c *Connector) userOf(account string) error {
	if !isName(account) || account == c.user || account == "root" {
		return runbooks.Errorf(runbooks.Refuse, nil, "the account is not the name of a user, or is the bot's own or root")
	}
	return nil
}

// has reads the roles of a user; found is false where there is none of that name.
func (c *Connector) has(ctx context.Context, account string) (roles []string, found bool, err error) {
	out, err := c.names(ctx, "reading the user", "user/get", map[string]string{"name": account})
	if err != nil && strings.Contains(err.Error(), "user name not found") {
		return nil, false, nil
	}
	return out.Roles, err == nil, err
}

// ScopeAccount implements runbooks.AccountScoper: the user gets the role, and then loses those that it had before.
func (c *Connector) ScopeAccount(ctx context.Context, a runbooks.NewAccount) (string, error) {
	if err := c.userOf(a.Account); err != nil {
		return "", err
	}
	role, err := c.readTerms(a.Words())
	if err != nil {
		return "", err
	}
	had, found, err := c.has(ctx, a.Account)
	if err != nil || !found {
		return "", firstOf(err, runbooks.Errorf(runbooks.Refuse, nil, "there is no such user on the cluster"))
	}
	if _, err := c.change(ctx, "grant", "user", a.Account, role); err != nil {
		return "", err
	}
	was := func(r string) bool { return r != role && slices.Contains(a.Was, r) }
	what := "role " + role
	for _, r := range had {
		if was(r) {
			if _, err := c.change(ctx, "revoke", "name", a.Account, r); err != nil {
				return "", err
			}
			what += ", no longer " + r
		}
	}
	roles, _, err := c.has(ctx, a.Account)
	if err == nil && (!slices.Contains(roles, role) || slices.ContainsFunc(roles, was)) {
		err = runbooks.Errorf(runbooks.Retry, nil, "etcd says that it changed the roles, but reading back finds others")
	}
	return rest.Clean(what, maxShown), err
}

// CloseAccount implements runbooks.AccountCloser: the user is deleted.
func (c *Connector) CloseAccount(ctx context.Context, account string) error {
	if err := c.userOf(account); err != nil {
		return err
	}
	_, found, err := c.has(ctx, account)
	if err != nil || !found {
		return err
	}
	if err := c.ask(ctx, "deleting the user", "user/delete", map[string]string{"name": account}, nil); err != nil && !strings.Contains(err.Error(), "not found") {
		return err
	}
	_, found, err = c.has(ctx, account)
	if err == nil && found {
		err = runbooks.Errorf(runbooks.Retry, nil, "etcd says that it deleted the user, and still has it")
	}
	return err
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Canary is how a drill uses a role: it logs in as the canary's user and reads a key that the role lets it read.
type Canary struct {
	Password runbooks.Secret // of the user of drill_account
	Reads    string          // the key
}

// Drill says how drills use what a canary was granted; it is called before anything else. Without a canary they read the user's roles back.
func (c *Connector) Drill(canary Canary) error {
	if canary.Password.IsZero() != (canary.Reads == "") {
		return errors.New("settings canary_password_file (or _env) and canary_reads belong together: a drill logs in as the canary and reads that key")
	}
	c.canary = canary
	return nil
}

// CanTry tells whether drills know the canary's password.
func (c *Connector) CanTry() bool { return c.canary.Reads != "" }

// Try logs in as the canary and reads the key that the role lets it read. Whether there is such a key does not matter: who may not read it is refused.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, _ runbooks.Receipt) (bool, error) {
	if _, err := c.readTerms(g); err != nil {
		return false, err
	}
	var out struct{ Token string }
	in := rest.JSON(map[string]string{"name": g.Account, "password": c.canary.Password.Reveal()})
	_, err := c.api.Ask(ctx, "logging in as the canary", rest.Call{Method: http.MethodPost, Path: "/v3/auth/authenticate", Body: in}, &out)
	if err != nil {
		return false, err
	}
	key := rest.JSON(map[string][]byte{"key": []byte(c.canary.Reads)})
	_, err = c.api.Ask(ctx, "reading as the canary", rest.Call{Method: http.MethodPost, Path: "/v3/kv/range", Body: key, Header: http.Header{"Authorization": {out.Token}}}, nil)
	if err != nil && strings.Contains(err.Error(), "permission denied") {
		return false, nil
	}
	return err == nil, err
}
