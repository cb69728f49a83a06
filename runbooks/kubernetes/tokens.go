package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// tokenRequest is authentication.k8s.io/v1.
type tokenRequest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Audiences         []string `json:"audiences,omitempty"`
		ExpirationSeconds int64    `json:"expirationSeconds"`
		BoundObjectRef    struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
			UID        string `json:"uid"`
		} `json:"boundObjectRef"`
	} `json:"spec"`
	Status struct {
		Token               string    `json:"token"`
		ExpirationTimestamp time.Time `json:"expirationTimestamp"`
	} `json:"status,omitzero"`
}

func (o order) markPath() string { return place(core, o.namespace, "configmaps") }

func (o order) secretPath() string { return place(core, o.namespace, "secrets") }

func (o order) object(kind string) plain {
	return plain{APIVersion: "v1", Kind: kind, Metadata: meta{Name: objectName(o.Grant), Labels: map[string]string{labelManaged: managed}, Annotations: o.notes()}}
}

// issue makes the mark, the Secret and the token bound to it. Called again it takes the first token back and gives another.
func (c *Connector) issue(ctx context.Context, o order) (runbooks.Receipt, error) {
	ttl := o.End.Sub(c.cfg.Now()).Truncate(time.Second)
	if ttl < minTTL {
		return runbooks.Receipt{}, refuse("a cluster gives tokens for at least %d minutes, and the access would be over before that", int(minTTL.Minutes()))
	}
	if err := c.mark(ctx, o); err != nil {
		return runbooks.Receipt{}, err
	}
	secret, err := c.anew(ctx, o)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	token, err := c.request(ctx, o, secret, ttl)
	if err == nil {
		err = c.noteID(ctx, o, token)
	}
	if err != nil {
		if runbooks.ClassOf(err) != runbooks.Retry {
			_ = c.withdraw(ctx, o) // nothing half-done stays; if this fails, too, revoking the failed grant finds it
		}
		return runbooks.Receipt{}, err
	}
	r := o.receipt()
	r.Handover = runbooks.Handover{Title: "Token of the service account " + o.namespace + "/" + o.service, Parts: []runbooks.Part{{Name: "Token", Value: token, File: "token"}}}
	return r, nil
}

// mark makes the ConfigMap that says what the token of this grant is.
func (c *Connector) mark(ctx context.Context, o order) error {
	const what = "marking the grant"
	var got plain
	made, err := c.create(ctx, what, o.markPath(), o.object("ConfigMap"), &got)
	if err != nil || made {
		return err
	}
	there, err := c.get(ctx, what, o.markPath()+rest.Path(objectName(o.Grant)), &got)
	if err != nil {
		return err
	}
	if !there {
		return runbooks.Errorf(runbooks.Retry, nil, "%s: it was there, and then it was not", what)
	}
	if !o.isSame(got.Metadata) {
		return otherContents()
	}
	return nil
}

// anew makes the Secret of this grant; one that is there goes first, and with it the token that was bound to it.
func (c *Connector) anew(ctx context.Context, o order) (plain, error) {
	const what = "making the Secret to which the token is bound"
	s := o.object("Secret")
	s.Type = "countersign.dev/grant"
	for range 2 {
		var got plain
		made, err := c.create(ctx, what, o.secretPath(), s, &got)
		if err != nil || made {
			return got, err
		}
		if err := c.remove(ctx, what, o.secretPath()+rest.Path(objectName(o.Grant))); err != nil {
			return got, err
		}
	}
	return plain{}, runbooks.Errorf(runbooks.Retry, nil, "%s: another call makes it at the same time", what)
}

func (c *Connector) request(ctx context.Context, o order, bound plain, ttl time.Duration) (runbooks.Secret, error) {
	const what = "requesting the token"
	req := tokenRequest{APIVersion: "authentication.k8s.io/v1", Kind: "TokenRequest"}
	if o.audience != "" {
		req.Spec.Audiences = []string{o.audience}
	}
	req.Spec.ExpirationSeconds = int64(ttl / time.Second)
	ref := &req.Spec.BoundObjectRef
	ref.APIVersion, ref.Kind, ref.Name, ref.UID = "v1", "Secret", bound.Metadata.Name, bound.Metadata.UID
	var got tokenRequest
	r, err := c.api.Ask(ctx, what, rest.Call{Method: http.MethodPost, Path: place(core, o.namespace, "serviceaccounts") + rest.Path(o.service, "token"), Body: rest.JSON(req)}, &got)
	if err != nil && isBoundGone(r) {
		return runbooks.Secret{}, runbooks.Errorf(runbooks.Retry, err, "%s: another call takes it back at the same time", what)
	}
	if err != nil {
		return runbooks.Secret{}, err
	}
	token := got.Status.Token
	switch {
	case token == "" || len(token) > maxToken:
		return runbooks.Secret{}, runbooks.Errorf(runbooks.Broken, nil, "%s: the cluster gave none, or one of more than %d bytes", what, maxToken)
	case got.Status.ExpirationTimestamp.After(o.End.Add(time.Minute)):
		return runbooks.Secret{}, runbooks.Errorf(runbooks.Broken, nil, "%s: the cluster gave one that outlives the grant", what)
	}
	return runbooks.NewSecret(token), nil
}

// isBoundGone tells whether a refusal is about the Secret that the token was to be bound to.
func isBoundGone(r rest.Reply) bool {
	var status struct {
		Details struct {
			Kind string `json:"kind"`
		} `json:"details"`
	}
	_ = json.Unmarshal(r.Body, &status)
	return r.Status == http.StatusConflict || r.Status == http.StatusNotFound && strings.EqualFold(status.Details.Kind, "secrets")
}

// noteID writes the token's id, which is no secret, beside the grant: the audit log names it wherever the token is used.
func (c *Connector) noteID(ctx context.Context, o order, token runbooks.Secret) error {
	id := tokenID(token.Reveal())
	if id == "" {
		return nil
	}
	patch := plain{Metadata: meta{Annotations: map[string]string{noteTokenID: "JTI=" + id}}}
	_, err := c.api.Ask(ctx, "noting the token's id", rest.Call{
		Method: http.MethodPatch, Path: o.markPath() + rest.Path(objectName(o.Grant)), Type: "application/merge-patch+json", Body: rest.JSON(patch),
	}, nil)
	return err
}

// tokenID reads the claim jti of a JWT that the cluster has just made, without verifying it.
func tokenID(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		JTI string `json:"jti"`
	}
	if err != nil || json.Unmarshal(raw, &claims) != nil || len(claims.JTI) > 100 {
		return ""
	}
	return claims.JTI
}

// withdraw deletes the Secret first: that is what ends the token. The mark goes last, so that a call that stops in between is
// seen.
func (c *Connector) withdraw(ctx context.Context, o order) error {
	name := rest.Path(objectName(o.Grant))
	if err := c.remove(ctx, "deleting the Secret to which the token is bound", o.secretPath()+name); err != nil {
		return err
	}
	return c.remove(ctx, "removing the mark of the grant", o.markPath()+name)
}

// isIssued tells whether a token of this grant may still be taken. Whether the Secret is there is asked without reading it: by
// making it, dry.
func (c *Connector) isIssued(ctx context.Context, o order) (bool, error) {
	if !c.cfg.Now().Before(o.End) {
		return false, nil // the token's own end, which the cluster holds to, is no later
	}
	var got plain
	marked, err := c.get(ctx, "reading the mark of the grant", o.markPath()+rest.Path(objectName(o.Grant)), &got)
	if err != nil || marked {
		return marked, err
	}
	s := o.object("Secret")
	s.Type = "countersign.dev/grant"
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: o.secretPath(), Query: map[string][]string{"dryRun": {"All"}}, Body: rest.JSON(s)})
	switch {
	case err != nil:
		return false, err
	case r.Status == http.StatusConflict:
		return true, nil
	}
	return false, c.api.Judge("looking for the Secret to which the token is bound", r)
}

// tokenKey names the access of a token.
func tokenKey(namespace, name, service, audience string) string {
	return short("token " + namespace + "/" + name + " of " + service + " for " + audience)
}

// lent is what the mark of a token tells.
func lent(m plain) runbooks.Access {
	notes := m.Metadata.Annotations
	a := runbooks.Access{
		Key:     tokenKey(m.Metadata.Namespace, m.Metadata.Name, notes[noteAccount], notes[noteAudience]),
		Account: m.Metadata.Namespace + "/" + notes[noteAccount], What: short("a token of the service account " + m.Metadata.Namespace + "/" + notes[noteAccount]),
		Params: map[string][]string{ParamNamespace: {m.Metadata.Namespace}, ParamServiceAccount: {notes[noteAccount]}},
		Ours:   true, Grant: grantID(notes[noteGrant]), Ends: endOf(m.Metadata),
	}
	if notes[noteAudience] != "" {
		a.Params[ParamAudience] = []string{notes[noteAudience]}
	}
	a.MadeBy, a.MadeAt = maker(m.Metadata)
	return a
}

// CanTry tells whether grants come with a token: what a binding opens, only its subject can use.
func (c *Connector) CanTry() bool { return c.cfg.Tokens }

// CanTryGrant tells whether the token is for the cluster itself.
func (c *Connector) CanTryGrant(g runbooks.Grant) bool {
	o, err := c.readOrder(g)
	return err == nil && o.audience == ""
}

// Try shows the cluster the canary's token. Whether that may do anything there is up to the service account; who it is the cluster says first.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, _ runbooks.Receipt) (bool, error) {
	if len(g.Secret.Parts) == 0 {
		return false, runbooks.Errorf(runbooks.Broken, nil, "no token was kept for the canary")
	}
	const what = "using the canary's token"
	token := func() (runbooks.Secret, error) { return g.Secret.Parts[0].Value, nil }
	api, err := rest.Open(rest.Config{Service: "the cluster", URL: c.cfg.URL, Roots: c.cfg.Roots, Words: rest.Words("message"), Sign: signer(token)})
	if err != nil {
		return false, runbooks.Errorf(runbooks.Broken, err, "%s: the cluster cannot be called", what)
	}
	defer api.Close()
	r, err := api.Do(ctx, rest.Call{Method: http.MethodGet, Path: core})
	switch {
	case err != nil:
		return false, err
	case r.Status == http.StatusUnauthorized:
		return false, nil
	case r.Status >= http.StatusInternalServerError:
		return false, api.Judge(what, r)
	}
	return true, nil
}
