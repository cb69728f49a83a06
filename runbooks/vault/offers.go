package vault

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// mounts are the engines that the setting scope names, each once: what lies before /creds or /sign/.
func (c *client) mounts(word string) []string {
	var out []string
	seen := map[string]bool{}
	for _, path := range c.cfg.Scope {
		mount, _, ok := strings.Cut(path+"/", "/"+word+"/")
		if ok && mount != "" && !seen[mount] {
			seen[mount] = true
			out = append(out, mount)
		}
	}
	return out
}

// keys is a list as Vault gives it; an empty one is answered with 404.
func (c *client) keys(ctx context.Context, what, path string) ([]string, map[string]struct {
	Type string `json:"key_type"`
}, error,
) {
	var out struct {
		Data struct {
			Keys []string `json:"keys"`
			Info map[string]struct {
				Type string `json:"key_type"`
			} `json:"key_info"`
		} `json:"data"`
	}
	r, err := c.api.Do(ctx, rest.Call{Method: "LIST", Path: v1(path)})
	if err != nil || r.Status == http.StatusNotFound {
		return nil, nil, err
	}
	if err := c.api.Judge(what, r); err != nil {
		return nil, nil, err
	}
	if err := c.api.Into(what, r, &out); err != nil {
		return nil, nil, err
	}
	if len(out.Data.Keys) > maxListed {
		return nil, nil, runbooks.Errorf(runbooks.Broken, nil, "%s: there are more than %d below %s", what, maxListed, path)
	}
	return out.Data.Keys, out.Data.Info, nil
}

// offers gives the roles of the scope's engines, as the paths that are read or written for them.
func (c *client) offers(ctx context.Context, word string) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		for _, mount := range c.mounts(word) {
			names, info, err := c.keys(ctx, "listing the roles of "+mount, mount+"/roles")
			if err != nil {
				yield(runbooks.Offer{}, err)
				return
			}
			for _, name := range names {
				path := mount + "/" + word + "/" + name
				if !isPath(path) || info[name].Type == "otp" { // a folder of roles, or one that signs nothing
					continue
				}
				o := runbooks.Offer{Name: path, Params: map[string][]string{ParamPath: {path}}, Description: "the role " + name + " of the engine " + mount}
				if !yield(o, nil) {
					return
				}
			}
		}
		if err := ctxError(ctx); err != nil {
			yield(runbooks.Offer{}, err)
		}
	}
}

// ListOffers gives the roles that credentials are made for, of the engines that scope names. Which policies the grant's token needs for
// one is for the files to say.
func (l *Leases) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return l.offers(ctx, "creds")
}

// ListOffers gives the roles that keys or requests are signed for, of the engines that scope names.
func (s *Signed) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return s.offers(ctx, "sign")
}

// IsUnlisted tells that a path is of an engine that scope does not name.
func (c *client) IsUnlisted(_ context.Context, params map[string][]string) bool {
	if len(params[ParamPath]) != 1 {
		return true
	}
	path := params[ParamPath][0]
	for _, word := range []string{"creds", "sign"} {
		for _, mount := range c.mounts(word) {
			if strings.HasPrefix(path, mount+"/"+word+"/") {
				return false
			}
		}
	}
	return true
}

// seeRole refuses a role that Vault says it does not have. A token that may not read roles, and an engine that keeps none, say nothing.
func (c *client) seeRole(ctx context.Context, path, word string) error {
	mount, name, ok := strings.Cut(path, "/"+word+"/")
	if !ok {
		return nil
	}
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: v1(mount + "/roles/" + name)})
	if err == nil && r.Status == http.StatusNotFound && words(r.Body) == "" {
		return refuse("Vault has no role %.100q in the engine %.100s", name, mount)
	}
	return err
}

// Plan says which credentials are made.
func (l *Leases) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	t, err := l.readTerms(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{l.Describe().RevokeLeaves}}
	if done, err := l.isMade(g); done || err != nil {
		return plan, err
	}
	if err := l.seeRole(ctx, t.path, "creds"); err != nil {
		return runbooks.Plan{}, err
	}
	plan.Changes = []string{
		rest.Clean(fmt.Sprintf("Vault makes credentials at %s for this grant alone, which end at %s", t.path, ends(g)), maxChange),
		rest.Clean(fmt.Sprintf("they hang on a token of their own, with the policies %s", strings.Join(t.policies, ", ")), maxChange),
	}
	if l.cfg.Wrap > 0 {
		plan.Notes = append(plan.Notes, "they are handed over wrapped: Vault gives them once")
	}
	return plan, ctxError(ctx)
}

// Plan says what is signed.
func (s *Signed) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	o, err := s.readOrder(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{s.Describe().RevokeLeaves}}
	if done, err := s.isMade(g); done || err != nil {
		return plan, err
	}
	if err := s.seeRole(ctx, o.path, "sign"); err != nil {
		return runbooks.Plan{}, err
	}
	what := "a certificate in the name of " + o.name
	if s.engine == EngineSSH {
		what = "the pasted SSH key for " + strings.Join(o.principals, ", ")
	}
	plan.Changes = []string{rest.Clean(fmt.Sprintf("Vault signs %s at %s, until %s", what, o.path, ends(g)), maxChange)}
	return plan, ctxError(ctx)
}

// isMade tells whether the grant was made already, and refuses one that was made as something else.
func (c *client) isMade(g runbooks.Grant) (bool, error) {
	rec, known, err := c.load(g.ID)
	if err == nil && known && (rec.Digest != g.Digest() || rec.Revoked) {
		return false, refuse("this grant was made already, with another end or other contents, or was taken back")
	}
	return known, err
}

func ends(g runbooks.Grant) string { return g.End.UTC().Format(time.RFC3339) }
