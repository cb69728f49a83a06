package vault

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// Signed grants signed SSH keys or certificates: nothing secret is handed over. It is safe for concurrent use.
type Signed struct {
	*client
	engine string
}

// Describe says what certificates can do.
func (s *Signed) Describe() runbooks.Capabilities {
	caps := runbooks.Capabilities{Name: "vault", NativeExpiry: true, RevokeLatency: time.Minute, Timeout: callTimeout}
	if s.engine == EngineSSH {
		caps.RevokeLeaves = "Vault cannot take a signed SSH key back: it opens new sessions until the grant's end, and open ones go on until they are closed."
	} else {
		caps.RevokeLeaves = "Who does not read Vault's list of revoked certificates takes this one until the grant's end; open connections go on until they are closed."
	}
	return caps
}

// order is a grant read and found sound.
type order struct {
	path       string
	principals []string
	name       string
	material   string // the key or the request
}

func (s *Signed) readOrder(g runbooks.Grant) (order, error) {
	word := []runbooks.Word{
		{Name: ParamPath, Needed: true, Is: "a path such as " + s.engine + "/sign/deploy", Match: func(p string) bool { return isPath(p) && strings.Contains(p, "/sign/") }},
		{Name: ParamField, Is: "the name of a field of the form", Match: runbooks.Pattern(`[a-z][a-z0-9_]{0,62}`)},
	}
	if s.engine == EngineSSH {
		word = append(word, runbooks.Word{Name: ParamPrincipals, Needed: true, Many: true, Is: "a user on the hosts", Match: runbooks.Pattern(`[a-z_][a-z0-9_.-]{0,31}`)})
	} else {
		word = append(word, runbooks.Word{Name: ParamName, Needed: true, Is: "a common name", Match: runbooks.Pattern(`[A-Za-z0-9][A-Za-z0-9.@_-]{0,62}`)})
	}
	p, err := g.ReadWords(word...)
	if err != nil {
		return order{}, err
	}
	o := order{path: p[ParamPath][0], principals: p[ParamPrincipals]}
	field := map[string]string{EngineSSH: "key", EnginePKI: "csr"}[s.engine]
	if f := p[ParamField]; len(f) == 1 {
		field = f[0]
	}
	if n := p[ParamName]; len(n) == 1 {
		o.name = n[0]
	}
	o.material = strings.TrimSpace(g.Fields[field])
	if s.engine == EngineSSH && (strings.ContainsAny(o.material, "\r\n") || !runbooks.Pattern(`(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*(?: [^\x00-\x1f\x7f]*)?`)(o.material)) {
		return o, refuse("the form's field %q holds no SSH public key on one line", field)
	}
	if s.engine == EnginePKI && (!strings.HasPrefix(o.material, "-----BEGIN CERTIFICATE REQUEST-----") || strings.Contains(o.material, "PRIVATE KEY")) {
		return o, refuse("the form's field %q holds no certificate request in PEM", field)
	}
	return o, nil
}

// Grant has the key or the request signed, once: the same grant gets the same certificate.
func (s *Signed) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	o, err := s.readOrder(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	release, err := s.hold(ctx, g.ID)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer release()
	if err := ctxError(ctx); err != nil {
		return runbooks.Receipt{}, err
	}
	rec, known, err := s.load(g.ID)
	switch {
	case err != nil:
		return runbooks.Receipt{}, err
	case known && (rec.Digest != g.Digest() || rec.Revoked):
		return runbooks.Receipt{}, refuse("this grant was made already, with another end or other contents, or was taken back")
	case known:
		return s.receipt(rec, g), nil
	}
	left, err := s.seconds(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	in := map[string]any{"ttl": strconv.Itoa(left) + "s"}
	if s.engine == EngineSSH {
		in["public_key"], in["valid_principals"], in["cert_type"] = o.material, strings.Join(o.principals, ","), "user"
		in["key_id"] = "countersign/" + string(g.ID) + "/" + rest.Clean(g.Holder, maxPath)
	} else {
		in["csr"], in["common_name"] = o.material, o.name
	}
	var out struct {
		Data struct {
			Key         string `json:"signed_key"`
			Certificate string `json:"certificate"`
			Serial      string `json:"serial_number"`
		}
	}
	if _, err := s.post(ctx, "having it signed", o.path, in, runbooks.Secret{}, &out); err != nil {
		return runbooks.Receipt{}, err
	}
	rec = record{
		Grant: g.ID, Account: g.Account, Path: o.path, Digest: g.Digest(), Serial: out.Data.Serial, Signed: out.Data.Key + out.Data.Certificate,
		End: g.End.UTC().Format(time.RFC3339),
	}
	if rec.Signed == "" || rec.Serial == "" || !runbooks.Pattern(`[0-9a-fA-F:]{1,128}`)(rec.Serial) {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Broken, nil, "having it signed: Vault's answer holds no certificate with a serial number")
	}
	if err := s.save(rec); err != nil {
		return runbooks.Receipt{}, err
	}
	return s.receipt(rec, g), nil
}

func (s *Signed) receipt(rec record, g runbooks.Grant) runbooks.Receipt {
	r := runbooks.Receipt{
		Ref: "serial " + rec.Serial, Facts: map[string]string{"serial": rec.Serial, "path": rec.Path, "ends": rec.End}, Personal: map[string]string{"holder": g.Holder},
	}
	if s.engine == EngineSSH {
		r.Use = runbooks.Use{Steps: []string{"Save the certificate beside your key, as KEY-cert.pub.", "Then log in as always."}, Files: map[string]string{"key-cert.pub": rec.Signed}}
	} else {
		r.Use = runbooks.Use{Steps: []string{"Save the certificate beside your private key."}, Files: map[string]string{"client.pem": rec.Signed}}
	}
	return r
}

// Revoke puts a certificate on the list of revoked ones. An SSH certificate cannot be taken back: that it should have been is
// written down, so that Check does not call it present nor gone before its end.
func (s *Signed) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	o, err := s.readOrder(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	release, err := s.hold(ctx, g.ID)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer release()
	if err := ctxError(ctx); err != nil {
		return runbooks.Receipt{}, err
	}
	rec, known, err := s.load(g.ID)
	if err != nil || !known {
		return runbooks.Receipt{Ref: o.path}, err
	}
	return runbooks.Receipt{Ref: "serial " + rec.Serial, Facts: map[string]string{"serial": rec.Serial}}, s.end(ctx, rec)
}

// end revokes what can be, and remembers that it should be gone. The caller holds the grant.
func (s *Signed) end(ctx context.Context, rec record) error {
	if s.engine == EnginePKI {
		if err := s.revokeSerial(ctx, rec); err != nil {
			return err
		}
	}
	if s.ended(rec) {
		return s.forget(rec.Grant)
	}
	rec.Revoked = true
	return s.save(rec)
}

// mount is the part of the path before /sign/.
func (r record) mount() string {
	mount, _, _ := strings.Cut(r.Path, "/sign/")
	return mount
}

func (s *Signed) revokeSerial(ctx context.Context, rec record) error {
	r, err := s.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: v1(rec.mount() + "/revoke"), Body: rest.JSON(map[string]string{"serial_number": rec.Serial})})
	if err != nil {
		return err
	}
	if r.Status == http.StatusBadRequest && s.ended(rec) { // tidied away after its end
		return nil
	}
	return s.api.Judge("revoking the certificate", r)
}

// ended tells whether the certificate is out of date, by the end that was written down.
func (s *Signed) ended(rec record) bool {
	end, err := time.Parse(time.RFC3339, rec.End)
	return err == nil && !s.now().Before(end)
}

// Check asks the pki engine about the certificate; for SSH, what was signed is known, and its end.
func (s *Signed) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	if _, err := s.readOrder(g); err != nil {
		return runbooks.Unconfirmed, err
	}
	if err := ctxError(ctx); err != nil {
		return runbooks.Unconfirmed, err
	}
	rec, known, err := s.load(g.ID)
	switch {
	case err != nil:
		return runbooks.Unconfirmed, err
	case !known, s.ended(rec):
		return runbooks.Absent, nil
	case s.engine == EngineSSH && rec.Revoked:
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil, "the signed key opens sessions until %s: Vault keeps no list of revoked SSH certificates", rec.End)
	case s.engine == EngineSSH:
		return runbooks.Present, nil
	}
	var out struct {
		Data struct {
			Revoked int64 `json:"revocation_time"`
		}
	}
	const what = "looking for the certificate"
	r, err := s.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: v1(rec.mount() + "/cert/" + rec.Serial)})
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	if err := s.api.Judge(what, r); err != nil {
		return runbooks.Unconfirmed, err
	}
	if err := s.api.Into(what, r, &out); err != nil {
		return runbooks.Unconfirmed, err
	}
	if out.Data.Revoked > 0 {
		return runbooks.Absent, nil
	}
	return runbooks.Present, nil
}

// Probe asks Vault what the token may do.
func (s *Signed) Probe(ctx context.Context) []runbooks.Finding {
	need := slices.Clone(s.cfg.Scope)
	return s.probe(ctx, need)
}
