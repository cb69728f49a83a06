package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// What is found on GitHub is taken off it again: a personal token is revoked, a deploy key is deleted. An App is uninstalled by people: GitHub lets no
// organisation do that by its API, for an App uninstalls itself only.

var (
	_ runbooks.AccountCloser = (*Connector)(nil)
	_ runbooks.KillTeller    = (*Connector)(nil)
)

// Kinds of what Discover names.
const (
	refApp   = "app "
	refToken = "token "
	refKey   = "deploy key "
)

// inOrg reads a name that Discover gave to something of an organisation: "app org/id", "token org/id".
func (c *Connector) inOrg(kind, ref string) (org, id string, err error) {
	name, ok := strings.CutPrefix(ref, kind)
	org, id, cut := strings.Cut(name, "/")
	if !ok || !cut || !isLogin(org) || digits("", id) != nil {
		return "", "", refuse("that is nothing that this target lists")
	}
	if !c.inScope(terms{org: org}) {
		return "", "", refuse("%s lies outside of what the target stands for (its setting scope)", org)
	}
	return org, id, nil
}

// HowKilled implements runbooks.KillTeller.
func (c *Connector) HowKilled(account string) (string, bool) {
	switch {
	case strings.HasPrefix(account, refApp):
		org, id, err := c.inOrg(refApp, account)
		if err != nil {
			return "", false
		}
		return fmt.Sprintf("an owner of %s uninstalls it on GitHub, at /organizations/%s/settings/installations/%s: GitHub lets nobody else do that; the list of installed Apps is read back", org, org, id), false
	case strings.HasPrefix(account, refToken):
		return "GitHub revokes the token for the organisation, and the list of tokens is read back", c.cred.key != nil
	case strings.HasPrefix(account, refKey):
		return "the deploy key is deleted, and read back", true
	}
	return "", false
}

// CloseAccount implements runbooks.AccountCloser for what Discover names.
func (c *Connector) CloseAccount(ctx context.Context, account string) error {
	switch {
	case strings.HasPrefix(account, refToken):
		return c.revokeToken(ctx, account)
	case strings.HasPrefix(account, refKey):
		return c.deleteKey(ctx, account)
	}
	return refuse("GitHub lets only people take that away")
}

func (c *Connector) revokeToken(ctx context.Context, ref string) error {
	org, id, err := c.inOrg(refToken, ref)
	switch {
	case err != nil:
		return err
	case c.cred.key == nil:
		return refuse("GitHub lets only an App revoke tokens: give the target an App's credentials")
	}
	const what = "revoking the token"
	call := rest.Call{Method: http.MethodPost, Path: rest.Path("orgs", org, "personal-access-tokens", id), Body: rest.JSON(map[string]string{"action": "revoke"})}
	r, err := c.api.Do(ctx, call)
	if err != nil {
		return err
	}
	if r.Status != http.StatusNotFound { // gone already, or not ours to see: the list tells
		if err := c.api.Judge(what, r); err != nil {
			return err
		}
	}
	for x, err := range pages[personalToken](ctx, c.api, "reading the tokens back", rest.Path("orgs", org, "personal-access-tokens"), url.Values{}) {
		if err != nil {
			return err
		}
		if strconv.FormatInt(x.ID, 10) == id {
			return runbooks.Errorf(runbooks.Retry, nil, "GitHub says that it revoked the token, and still lists it")
		}
	}
	return nil
}

func (c *Connector) deleteKey(ctx context.Context, ref string) error {
	t, id, err := c.keyOf(ref)
	if err != nil {
		return err
	}
	if err := c.remove(ctx, "deleting the deploy key", t.keys(id)); err != nil {
		return err
	}
	for x, err := range pages[deployKey](ctx, c.api, "reading the deploy keys back", t.keys(), url.Values{}) {
		if err != nil {
			return err
		}
		if strconv.FormatInt(x.ID, 10) == id {
			return runbooks.Errorf(runbooks.Retry, nil, "GitHub says that it deleted the deploy key, and still lists it")
		}
	}
	return nil
}
