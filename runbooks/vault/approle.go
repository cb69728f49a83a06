package vault

import (
	"context"
	"net/http"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// A program's AppRole has a role id, which stays, and secret ids, of which several work at once: the next one stands beside the old one until it has logged in.

// prefixSecretID begins the name of a secret id; its accessor follows, which opens nothing.
const prefixSecretID = "secret id "

// roleOf reads an account, "approle/ci": the mount of the method, and the role.
func roleOf(account string) (mount, role string, err error) {
	at := strings.LastIndex(account, "/")
	if at < 0 || !isPath(account) || !isPath(account[:at]) || !isPath(account[at+1:]) {
		return "", "", refuse("the account is not a role of AppRole, as approle/ci: the method's mount, and the role")
	}
	return account[:at], account[at+1:], nil
}

// rolePath is below the role of an order.
func rolePath(r runbooks.Rotation, below string) (string, error) {
	mount, role, err := roleOf(r.Account)
	return "auth/" + mount + "/role/" + role + below, err
}

// Renew adds the next secret id. It is the order's own secret, so that a repeated call finds it.
func (c *client) Renew(ctx context.Context, r runbooks.Rotation) (runbooks.Renewed, error) {
	path, err := rolePath(r, "")
	if err != nil {
		return runbooks.Renewed{}, err
	}
	if r.Secret.IsZero() {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Broken, nil, "no secret id was made for the role")
	}
	var role struct {
		Data struct {
			Uses int `json:"secret_id_num_uses"`
		} `json:"data"`
	}
	if _, err := c.api.Ask(ctx, "reading the role", rest.Call{Method: http.MethodGet, Path: v1(path)}, &role); err != nil {
		return runbooks.Renewed{}, err
	}
	if role.Data.Uses != 0 {
		return runbooks.Renewed{}, refuse("the role's secret ids are good for %d logins only: who makes them anew does not rotate them", role.Data.Uses)
	}
	accessor, err := c.accessorOf(ctx, r)
	if err == nil && accessor == "" {
		var made struct {
			Data struct {
				Accessor string `json:"secret_id_accessor"`
			} `json:"data"`
		}
		_, err = c.post(ctx, "adding the secret id", path+"/custom-secret-id", map[string]string{"secret_id": r.Secret.Reveal()}, runbooks.Secret{}, &made)
		accessor = made.Data.Accessor
	}
	switch {
	case err != nil:
		return runbooks.Renewed{}, err
	case !isName(accessor):
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Broken, nil, "adding the secret id: Vault names no accessor")
	}
	return runbooks.Renewed{Ref: prefixSecretID + accessor, Facts: map[string]string{"role": r.Account}}, nil
}

// accessorOf is the accessor of the order's secret id; empty when the role has none such.
func (c *client) accessorOf(ctx context.Context, r runbooks.Rotation) (string, error) {
	const what = "looking for the secret id"
	path, err := rolePath(r, "/secret-id/lookup")
	if err != nil {
		return "", err
	}
	reply, err := c.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: v1(path), Body: rest.JSON(map[string]string{"secret_id": r.Secret.Reveal()})})
	if err != nil || reply.Status == http.StatusNoContent || reply.Status == http.StatusNotFound {
		return "", err
	}
	if err := c.api.Judge(what, reply); err != nil {
		return "", err
	}
	var found struct {
		Data struct {
			Accessor string `json:"secret_id_accessor"`
		} `json:"data"`
	}
	err = c.api.Into(what, reply, &found)
	return found.Data.Accessor, err
}

// Prove logs in with the next secret id, as the program does, and out again.
func (c *client) Prove(ctx context.Context, r runbooks.Rotation, _ runbooks.Renewed) error {
	path, err := rolePath(r, "/role-id")
	if err != nil {
		return err
	}
	mount, _, err := roleOf(r.Account)
	if err != nil {
		return err
	}
	var id struct {
		Data struct {
			ID string `json:"role_id"`
		} `json:"data"`
	}
	if _, err := c.api.Ask(ctx, "reading the role's id", rest.Call{Method: http.MethodGet, Path: v1(path)}, &id); err != nil {
		return err
	}
	var in struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	login := map[string]string{"role_id": id.Data.ID, "secret_id": r.Secret.Reveal()}
	if _, err := c.post(ctx, "logging in with the secret id", "auth/"+mount+"/login", login, runbooks.Secret{}, &in); err != nil {
		return err
	}
	if in.Auth.Token == "" {
		return runbooks.Errorf(runbooks.Broken, nil, "logging in with the secret id: Vault gave no token")
	}
	_, err = c.post(ctx, "logging out again", "auth/token/revoke-self", map[string]string{}, runbooks.NewSecret(in.Auth.Token), nil)
	return err
}

// Retire destroys the old secret id, or, where none was named, every other one of the role. Tokens that were made with it live until their own end.
func (c *client) Retire(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	const what = "destroying the old secret id"
	path, err := rolePath(r, "/secret-id")
	if err != nil {
		return err
	}
	next, ok := strings.CutPrefix(n.Ref, prefixSecretID)
	if !ok || next == "" {
		return runbooks.Errorf(runbooks.Broken, nil, "%s: the new one is not known", what)
	}
	all, _, err := c.keys(ctx, what, path)
	if err != nil {
		return err
	}
	old, named := strings.CutPrefix(r.Old, prefixSecretID)
	if named && old == next {
		return refuse("%s: it is the new one", what)
	}
	for _, accessor := range all {
		if accessor == next || named && accessor != old {
			continue
		}
		if _, err := c.post(ctx, what, path+"-accessor/destroy", map[string]string{"secret_id_accessor": accessor}, runbooks.Secret{}, nil); err != nil {
			return err
		}
	}
	return nil
}
