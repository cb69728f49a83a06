package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// Leases grants dynamic credentials. It is safe for concurrent use.
type Leases struct{ *client }

// Describe says what leases can do.
func (l *Leases) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name: "vault", NativeExpiry: true, Mints: true, RevokeLatency: 2 * time.Second, Timeout: callTimeout,
		RevokeLeaves: "Vault removes the credentials; whether a session that is open with them ends depends on the engine (a database's on its revocation statements).",
	}
}

// terms are a grant read and found sound.
type terms struct {
	path     string
	policies []string
}

func (l *Leases) readTerms(g runbooks.Grant) (terms, error) {
	p, err := g.ReadWords(
		runbooks.Word{Name: ParamPath, Needed: true, Is: "a path such as database/creds/orders-read", Match: isPath},
		runbooks.Word{Name: ParamPolicies, Needed: true, Many: true, Is: "the name of a policy (not root)", Match: isName},
	)
	if err != nil {
		return terms{}, err
	}
	if len(p[ParamPolicies]) > maxPolicies {
		return terms{}, refuse("the entitlement's parameter %q has more than %d values", ParamPolicies, maxPolicies)
	}
	return terms{p[ParamPath][0], p[ParamPolicies]}, nil
}

// Grant makes a token for the grant and reads the credentials with it. What an earlier call made is taken back first: its
// secret was never seen by anybody.
func (l *Leases) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := l.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	release, err := l.hold(ctx, g.ID)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer release()
	rec, known, err := l.load(g.ID)
	switch {
	case err != nil:
		return runbooks.Receipt{}, err
	case known && rec.Digest != g.Digest():
		return runbooks.Receipt{}, refuse("this grant was made already, with another end or other contents")
	case known:
		if err := l.end(ctx, rec); err != nil {
			return runbooks.Receipt{}, err
		}
	}
	token, rec, err := l.makeToken(ctx, g, t)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	hand, err := l.read(ctx, g, token, &rec)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	out := runbooks.Receipt{
		Ref: t.path, Facts: map[string]string{"path": t.path, "ends": g.End.UTC().Format(time.RFC3339)}, Personal: map[string]string{"holder": g.Holder},
		Handover: hand, Use: runbooks.Use{Steps: l.steps()},
	}
	if rec.Pending != "" {
		out.Facts["control_group"] = rest.Clean(rec.Pending, maxWords)
		out.Use.Steps = []string{"Vault wants people to authorise it first: " + authorise(rec.Pending), "Then what is handed over gives the credentials once: vault unwrap TOKEN."}
	}
	return out, nil
}

func (l *Leases) steps() []string {
	if l.cfg.Wrap > 0 {
		return []string{"What is handed over is a token that gives the credentials once: vault unwrap TOKEN.", "If Vault says that it was used already, somebody else took them: tell security at once."}
	}
	return []string{"The credentials are handed over to you; they are yours alone and end with the grant."}
}

// makeToken writes the accessor down before the token is used: nothing that hangs on it can be lost.
func (l *Leases) makeToken(ctx context.Context, g runbooks.Grant, t terms) (runbooks.Secret, record, error) {
	left, err := l.seconds(g)
	if err != nil {
		return runbooks.Secret{}, record{}, err
	}
	var out struct {
		Auth struct {
			Token    string `json:"client_token"`
			Accessor string `json:"accessor"`
		} `json:"auth"`
	}
	in := map[string]any{
		"policies": t.policies, "no_default_policy": true, "renewable": false, "display_name": string(g.ID),
		"ttl": strconv.Itoa(left) + "s", "explicit_max_ttl": strconv.Itoa(left) + "s",
		"meta": map[string]string{"grant": string(g.ID), "request": string(g.Request), "holder": g.Holder},
	}
	if _, err := l.post(ctx, "making the grant's token", "auth/token/create/"+l.cfg.TokenRole, in, runbooks.Secret{}, &out); err != nil {
		return runbooks.Secret{}, record{}, err
	}
	if out.Auth.Token == "" || out.Auth.Accessor == "" {
		return runbooks.Secret{}, record{}, runbooks.Errorf(runbooks.Broken, nil, "making the grant's token: Vault gave none")
	}
	rec := record{Grant: g.ID, Account: g.Account, Path: t.path, Digest: g.Digest(), Accessor: out.Auth.Accessor, End: g.End.UTC().Format(time.RFC3339)}
	return runbooks.NewSecret(out.Auth.Token), rec, l.save(rec)
}

// secret is Vault's answer to a read.
type secret struct {
	Lease string         `json:"lease_id"`
	Data  map[string]any `json:"data"`
	Wrap  *wrapping      `json:"wrap_info"`
}

type wrapping struct {
	Token    string `json:"token"`
	Accessor string `json:"accessor"`
	TTL      int    `json:"ttl"`
}

// read reads the credentials, and makes the hand-over of them.
func (l *Leases) read(ctx context.Context, g runbooks.Grant, token runbooks.Secret, rec *record) (runbooks.Handover, error) {
	var s secret
	call := rest.Call{Method: http.MethodGet, Path: v1(rec.Path), Header: http.Header{"X-Vault-Token": {token.Reveal()}}}
	if _, err := l.api.Ask(ctx, "reading the credentials", call, &s); err != nil {
		return runbooks.Handover{}, err
	}
	if s.Lease == "" && s.Wrap != nil && s.Wrap.Token != "" { // a control group wants people to authorise it first
		rec.Pending = s.Wrap.Accessor
		return l.wrapped(g, *s.Wrap), l.save(*rec)
	}
	if s.Lease == "" {
		return runbooks.Handover{}, refuse("what lies at the entitlement's path comes without a lease: it could not be taken back")
	}
	rec.Lease = s.Lease
	if err := l.save(*rec); err != nil {
		return runbooks.Handover{}, err
	}
	if l.cfg.Wrap > 0 {
		return l.wrap(ctx, g, s.Data)
	}
	return handover(g, s.Data)
}

// wrap has Vault keep the credentials behind a token that gives them once.
func (l *Leases) wrap(ctx context.Context, g runbooks.Grant, data map[string]any) (runbooks.Handover, error) {
	var s secret
	call := rest.Call{
		Method: http.MethodPost, Path: v1("sys/wrapping/wrap"), Body: rest.JSON(data),
		Header: http.Header{"X-Vault-Wrap-Ttl": {strconv.Itoa(int(l.cfg.Wrap / time.Second))}},
	}
	if _, err := l.api.Ask(ctx, "wrapping the credentials", call, &s); err != nil {
		return runbooks.Handover{}, err
	}
	if s.Wrap == nil || s.Wrap.Token == "" {
		return runbooks.Handover{}, runbooks.Errorf(runbooks.Broken, nil, "wrapping the credentials: Vault gave no token")
	}
	return l.wrapped(g, *s.Wrap), nil
}

func (l *Leases) wrapped(g runbooks.Grant, w wrapping) runbooks.Handover {
	return runbooks.Handover{
		Title: "Token for the credentials of " + string(g.Entitlement), Wrapped: true, Until: l.now().Add(time.Duration(w.TTL) * time.Second).UTC(),
		Parts: []runbooks.Part{{Name: "Wrapping token", Value: runbooks.NewSecret(w.Token)}},
	}
}

// handover makes parts of what was read: names and numbers as they are, everything else as JSON.
func handover(g runbooks.Grant, data map[string]any) (runbooks.Handover, error) {
	h := runbooks.Handover{Title: "Credentials of " + string(g.Entitlement)}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		text, ok := data[name].(string)
		if !ok {
			raw, err := json.Marshal(data[name])
			if err != nil {
				return runbooks.Handover{}, runbooks.Errorf(runbooks.Broken, nil, "the credentials cannot be read")
			}
			text = string(raw)
		}
		if text == "" || text == "null" || len(h.Parts) == maxParts {
			continue
		}
		h.Parts = append(h.Parts, runbooks.Part{Name: name, Value: runbooks.NewSecret(text), Public: name == "username" || name == "access_key"})
	}
	if h.IsZero() {
		return h, runbooks.Errorf(runbooks.Broken, nil, "the credentials are empty")
	}
	return h, nil
}

// Revoke ends the lease and the grant's token. What the register does not know was never read, or has ended with its token.
func (l *Leases) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := l.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	release, err := l.hold(ctx, g.ID)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer release()
	out := runbooks.Receipt{Ref: t.path, Facts: map[string]string{"path": t.path}}
	if err := ctx.Err(); err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short")
	}
	rec, known, err := l.load(g.ID)
	if err != nil || !known {
		return out, err
	}
	if err := l.end(ctx, rec); err != nil {
		return runbooks.Receipt{}, err
	}
	return out, l.forget(g.ID)
}

// end ends the lease first, and waits for that (sync), then the token with whatever else hangs on it.
func (l *Leases) end(ctx context.Context, rec record) error {
	if rec.Lease != "" {
		r, err := l.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: v1("sys/leases/revoke"), Body: rest.JSON(map[string]any{"lease_id": rec.Lease, "sync": true})})
		if err != nil {
			return err
		}
		if !isGone(r) {
			if err := l.api.Judge("ending the lease", r); err != nil {
				return err
			}
		}
	}
	if rec.Accessor == "" {
		return nil
	}
	r, err := l.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: v1("auth/token/revoke-accessor"), Body: rest.JSON(map[string]string{"accessor": rec.Accessor})})
	if err != nil || isGone(r) {
		return err
	}
	return l.api.Judge("ending the grant's token", r)
}

// isGone tells whether Vault says that a lease or a token is not there (any more). It has no code of its own for that, and
// its status is 400, 403 or 404, by version: only its words tell it from a right that we lack.
func isGone(r rest.Reply) bool {
	said := words(r.Body)
	return r.Status >= 400 && r.Status < 500 && (strings.Contains(said, "invalid lease") || strings.Contains(said, "invalid accessor") || strings.Contains(said, "lease not found"))
}

// Check looks for the lease; for credentials that wait for a control group, at how their request stands.
func (l *Leases) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	if _, err := l.readTerms(g); err != nil {
		return runbooks.Unconfirmed, err
	}
	rec, known, err := l.load(g.ID)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	if !known {
		return runbooks.Absent, ctxError(ctx)
	}
	path, in := "sys/leases/lookup", map[string]string{"lease_id": rec.Lease}
	if rec.Lease == "" {
		path, in = "auth/token/lookup-accessor", map[string]string{"accessor": rec.Accessor}
	}
	r, err := l.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: v1(path), Body: rest.JSON(in)})
	switch {
	case err != nil:
		return runbooks.Unconfirmed, err
	case isGone(r):
		return runbooks.Absent, nil
	}
	if err := l.api.Judge("looking for the lease", r); err != nil {
		return runbooks.Unconfirmed, err
	}
	if rec.Pending != "" {
		return l.checkPending(ctx, rec)
	}
	if rec.Lease == "" {
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil, "the grant's token is there, and nothing was read with it yet")
	}
	return runbooks.Present, nil
}

// ctxError makes a dead context an error where nothing else was asked.
func ctxError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "the call was cut short")
	}
	return nil
}

func (l *Leases) checkPending(ctx context.Context, rec record) (runbooks.Presence, error) {
	var out struct{ Data struct{ Approved bool } }
	if _, err := l.post(ctx, "asking how the control group's request stands", "sys/control-group/request", map[string]string{"accessor": rec.Pending}, runbooks.Secret{}, &out); err != nil {
		return runbooks.Unconfirmed, err
	}
	if out.Data.Approved {
		return runbooks.Present, nil
	}
	return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil, "people must authorise it in Vault first: control group request %s", rest.Clean(rec.Pending, maxWords))
}

// AccessKey is the grant's id: a lease has a name of its own only after it was made.
func (l *Leases) AccessKey(g runbooks.Grant) string {
	if _, err := l.readTerms(g); err != nil {
		return ""
	}
	return "grant " + string(g.ID)
}

// ListAccess lists the leases below the paths of scope, ours by the register. Whose the others are Vault does not tell.
func (l *Leases) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		ours := map[string]record{}
		for r, err := range l.records() {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			ours[r.Lease] = r
		}
		for _, path := range l.cfg.Scope {
			leases, _, err := l.keys(ctx, "listing the leases", "sys/leases/lookup/"+path)
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			for _, id := range leases {
				a, live, err := l.access(ctx, path+"/"+id, ours)
				if err != nil {
					yield(runbooks.Access{}, err)
					return
				}
				if live && !yield(a, nil) {
					return
				}
			}
		}
		if err := ctxError(ctx); err != nil {
			yield(runbooks.Access{}, err)
		}
	}
}

func (l *Leases) access(ctx context.Context, lease string, ours map[string]record) (runbooks.Access, bool, error) {
	var out struct {
		Data struct {
			Issued  time.Time `json:"issue_time"`
			Expires time.Time `json:"expire_time"`
		}
	}
	r, err := l.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: v1("sys/leases/lookup"), Body: rest.JSON(map[string]string{"lease_id": lease})})
	if err != nil || isGone(r) {
		return runbooks.Access{}, false, err
	}
	if err := l.api.Judge("looking at a lease", r); err != nil {
		return runbooks.Access{}, false, err
	}
	if err := l.api.Into("looking at a lease", r, &out); err != nil {
		return runbooks.Access{}, false, err
	}
	path := lease[:strings.LastIndex(lease, "/")]
	a := runbooks.Access{
		Key: "lease " + lease, Account: "unknown", What: "credentials of " + path, Params: map[string][]string{ParamPath: {path}},
		MadeAt: out.Data.Issued.UTC(), Ends: out.Data.Expires.UTC(),
	}
	if rec, ok := ours[lease]; ok {
		a.Key, a.Account, a.Ours, a.Grant, a.MadeBy = "grant "+string(rec.Grant), rec.Account, true, rec.Grant, "countersign"
	}
	if a.Account == "" {
		a.Account = string(a.Grant)
	}
	return a, true, nil
}

// RemoveAccess ends a lease that is listed.
func (l *Leases) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	out := runbooks.Receipt{Ref: a.Key}
	if lease, ok := strings.CutPrefix(a.Key, "lease "); ok && isPath(lease) {
		return out, l.end(ctx, record{Lease: lease})
	}
	if a.Grant == "" || a.Key != "grant "+string(a.Grant) || !runbooks.Pattern(`g_[0-9A-Za-z_-]{1,120}`)(string(a.Grant)) {
		return runbooks.Receipt{}, refuse("that is no access as this target lists it")
	}
	release, err := l.hold(ctx, a.Grant)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer release()
	rec, known, err := l.load(a.Grant)
	if err != nil || !known {
		return out, err
	}
	if err := l.end(ctx, rec); err != nil {
		return runbooks.Receipt{}, err
	}
	return out, l.forget(a.Grant)
}

// PendingRequests lists the grants that wait for a control group, with the accessor under which people find the request.
func (l *Leases) PendingRequests(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for r, err := range l.records() {
		if err != nil {
			return nil, err
		}
		if r.Pending == "" {
			continue
		}
		if p, err := l.checkPending(ctx, r); p != runbooks.Present && runbooks.ClassOf(err) == runbooks.Retry {
			out[string(r.Grant)] = r.Pending
		}
	}
	return out, nil
}

// Waiting lists the grants that wait for a control group, with what people do about them.
func (l *Leases) Waiting(ctx context.Context) (map[workflows.GrantID]string, error) {
	pending, err := l.PendingRequests(ctx)
	out := map[workflows.GrantID]string{}
	for id, accessor := range pending {
		out[workflows.GrantID(id)] = authorise(accessor)
	}
	return out, err
}

// authorise is what people do about a control group's request.
func authorise(accessor string) string {
	return "people of its control group run: vault write sys/control-group/authorize accessor=" + rest.Clean(accessor, maxWords)
}

// Probe asks Vault what the token may do.
func (l *Leases) Probe(ctx context.Context) []runbooks.Finding {
	need := []string{"auth/token/create/" + l.cfg.TokenRole, "auth/token/revoke-accessor", "auth/token/lookup-accessor", "sys/leases/lookup", "sys/leases/revoke"}
	if l.cfg.Wrap > 0 {
		need = append(need, "sys/wrapping/wrap")
	}
	out := l.probe(ctx, need)
	pending, err := l.PendingRequests(ctx)
	for _, id := range slices.Sorted(maps.Keys(pending)) {
		out = append(out, runbooks.Finding{OK: true, What: fmt.Sprintf("grant %s waits for people to authorise it in Vault: control group request %s", id, rest.Clean(pending[id], maxWords))})
	}
	if err != nil {
		out = append(out, runbooks.Finding{What: err.Error(), Do: "look at the register below the data folder"})
	}
	return out
}
