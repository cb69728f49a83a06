package vault_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// fake is as much of Vault's HTTP API as is called: tokens with accessors, policies and ends; leases that hang on tokens; single-use
// wrapping; a database engine, over real PostgreSQL where there is one; the SSH and the PKI engine; a control group.
type fake struct {
	*httptest.Server
	t  *testing.T
	mu sync.Mutex

	now      time.Time
	tokens   map[string]*token   // by token
	leases   map[string]*lease   // by id
	wrapped  map[string][]byte   // by wrapping token
	requests map[string]*request // of control groups, by accessor
	certs    map[string]int64    // revocation time by serial
	pems     map[string]string   // certificates by serial
	users    users
	n        int
	heard    []string // who called, of changes
	down     bool
	roleUses int                 // of secret ids of the role "ci"
	secrets  map[string]string   // its secret ids, by accessor
	caps     map[string][]string // what the bot's token may do more than it must
	ca       ssh.Signer
	key      ed25519.PrivateKey
}

type token struct {
	accessor, name string
	policies       []string
	end            time.Time
	meta           map[string]string
}

type lease struct {
	token string
	user  string
	made  time.Time
	end   time.Time
}

type request struct {
	approved bool
	wrap     string
}

// users is what stands behind the database engine.
type users interface {
	Make(name, password string, end time.Time) error
	Drop(name string) error
}

const botToken = "hvs.bot-token-of-the-fake"

func newFake(t *testing.T, u users) *fake {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{
		t: t, now: time.Now().UTC().Truncate(time.Second), tokens: map[string]*token{}, leases: map[string]*lease{}, wrapped: map[string][]byte{}, users: u,
		requests: map[string]*request{}, secrets: map[string]string{"acc-old": "secret-old"}, certs: map[string]int64{}, pems: map[string]string{}, caps: map[string][]string{}, ca: ca, key: key,
	}
	f.tokens[botToken] = &token{accessor: "bot", policies: []string{"countersign"}, end: f.now.AddDate(10, 0, 0)}
	mux := http.NewServeMux()
	for path, h := range map[string]func(http.ResponseWriter, *http.Request, *token, map[string]any){
		"POST /v1/auth/token/create/countersign": f.create, "POST /v1/auth/token/revoke-accessor": f.revokeAccessor,
		"POST /v1/auth/token/lookup-accessor": f.lookupAccessor, "POST /v1/sys/leases/lookup": f.lookup, "POST /v1/sys/leases/revoke": f.revoke,
		"LIST /v1/sys/leases/lookup/database/creds/{role}": f.list, "GET /v1/database/creds/{role}": f.creds, "GET /v1/guarded/creds/{role}": f.guarded,
		"GET /v1/secret/{name}": f.static, "POST /v1/sys/wrapping/wrap": f.wrap, "POST /v1/sys/control-group/request": f.control,
		"POST /v1/sys/capabilities-self": f.capabilities, "POST /v1/ssh/sign/{role}": f.signSSH, "POST /v1/pki/sign/{role}": f.signPKI,
		"LIST /v1/database/roles": f.roles, "LIST /v1/ssh/roles": f.roles, "LIST /v1/pki/roles": f.roles, "GET /v1/database/roles/{role}": f.role,
		"GET /v1/ssh/roles/{role}": f.role, "GET /v1/pki/roles/{role}": f.role,
		"LIST /v1/pki/certs": f.listCerts, "POST /v1/pki/revoke": f.revokeCert, "GET /v1/pki/cert/{serial}": f.cert,
		"GET /v1/auth/approle/role/ci": f.approle, "POST /v1/auth/approle/role/ci/custom-secret-id": f.addSecretID, "GET /v1/auth/approle/role/ci/role-id": f.roleID,
		"POST /v1/auth/approle/role/ci/secret-id/lookup": f.lookupSecretID, "LIST /v1/auth/approle/role/ci/secret-id": f.listSecretIDs,
		"POST /v1/auth/approle/role/ci/secret-id-accessor/destroy": f.destroySecretID, "POST /v1/auth/approle/login": f.login,
		"POST /v1/auth/token/revoke-self": f.revokeSelf,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if r.Method == http.MethodPost && !strings.Contains(r.URL.Path, "lookup") {
				f.heard = append(f.heard, r.UserAgent())
			}
			who, ok := f.tokens[r.Header.Get("X-Vault-Token")]
			var in map[string]any
			_ = json.NewDecoder(r.Body).Decode(&in)
			switch {
			case f.down:
				fail(w, http.StatusServiceUnavailable, "Vault is sealed")
			case !ok || !f.now.Before(who.end):
				fail(w, http.StatusForbidden, "permission denied")
			default:
				h(w, r, who, in)
			}
		})
	}
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func fail(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
}

func answer(w http.ResponseWriter, v map[string]any) { _ = json.NewEncoder(w).Encode(v) }

func (f *fake) name(prefix string) string {
	f.n++
	return fmt.Sprintf("%s%d-%s", prefix, f.n, strings.ToLower(rand.Text()[:8]))
}

func text(in map[string]any, key string) string { s, _ := in[key].(string); return s }

func (f *fake) create(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	ttl, err := time.ParseDuration(text(in, "explicit_max_ttl"))
	var policies []string
	for _, p := range in["policies"].([]any) {
		policies = append(policies, p.(string))
		if p != "orders-read" { // the token role's allowed_policies
			fail(w, http.StatusBadRequest, `token policies must be subset of the role's allowed policies`)
			return
		}
	}
	if err != nil || ttl <= 0 {
		fail(w, http.StatusBadRequest, "no ttl")
		return
	}
	id := f.name("hvs.child-")
	meta := map[string]string{}
	for k, v := range in["meta"].(map[string]any) {
		meta[k], _ = v.(string)
	}
	f.tokens[id] = &token{accessor: f.name("acc-"), name: "token-" + text(in, "display_name"), policies: policies, end: f.now.Add(ttl), meta: meta}
	answer(w, map[string]any{"auth": map[string]any{"client_token": id, "accessor": f.tokens[id].accessor}})
}

// byAccessor gives the token, and its id.
func (f *fake) byAccessor(accessor string) (string, *token) {
	for id, t := range f.tokens {
		if t.accessor == accessor && f.now.Before(t.end) {
			return id, t
		}
	}
	return "", nil
}

func (f *fake) revokeAccessor(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	id, t := f.byAccessor(text(in, "accessor"))
	if t == nil {
		fail(w, http.StatusForbidden, "1 error occurred:\n\t* invalid accessor\n\n")
		return
	}
	f.endToken(id)
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) lookupAccessor(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	if _, t := f.byAccessor(text(in, "accessor")); t == nil {
		fail(w, http.StatusForbidden, "1 error occurred:\n\t* invalid accessor\n\n")
		return
	}
	answer(w, map[string]any{"data": map[string]any{}})
}

func (f *fake) endToken(id string) {
	delete(f.tokens, id)
	for l, x := range f.leases {
		if x.token == id {
			f.endLease(l)
		}
	}
}

func (f *fake) endLease(id string) {
	if err := f.users.Drop(f.leases[id].user); err != nil {
		f.t.Errorf("dropping %s: %v", f.leases[id].user, err)
	}
	delete(f.leases, id)
}

// advance moves time and does what Vault does by itself.
func (f *fake) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	for id, t := range f.tokens {
		if !f.now.Before(t.end) {
			f.endToken(id)
		}
	}
}

func (f *fake) clock() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now }

func (f *fake) creds(w http.ResponseWriter, r *http.Request, who *token, _ map[string]any) {
	if r.PathValue("role") != "orders-read" {
		fail(w, http.StatusBadRequest, "unknown role: "+r.PathValue("role"))
		return
	}
	if len(who.policies) != 1 || who.policies[0] != r.PathValue("role") {
		fail(w, http.StatusForbidden, "permission denied")
		return
	}
	user, password := f.name("v-"+who.name+"-"), rand.Text()
	if err := f.users.Make(user, password, who.end); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/v1/") + "/" + rand.Text()
	f.leases[id] = &lease{token: r.Header.Get("X-Vault-Token"), user: user, made: f.now, end: who.end}
	answer(w, map[string]any{"lease_id": id, "data": map[string]any{"username": user, "password": password}})
}

// guarded is a path with a control group: what was to be read waits behind a wrapping token until people authorised it.
func (f *fake) guarded(w http.ResponseWriter, _ *http.Request, _ *token, _ map[string]any) {
	accessor, wrap := f.name("cg-"), f.name("hvs.control-")
	f.requests[accessor] = &request{wrap: wrap}
	answer(w, map[string]any{"wrap_info": map[string]any{"token": wrap, "accessor": accessor, "ttl": 86400}})
}

func (f *fake) control(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	r, ok := f.requests[text(in, "accessor")]
	if !ok {
		fail(w, http.StatusBadRequest, "invalid request")
		return
	}
	answer(w, map[string]any{"data": map[string]any{"approved": r.approved}})
}

func (f *fake) static(w http.ResponseWriter, _ *http.Request, _ *token, _ map[string]any) {
	answer(w, map[string]any{"lease_id": "", "data": map[string]any{"password": "for ever"}})
}

func (f *fake) wrap(w http.ResponseWriter, r *http.Request, _ *token, in map[string]any) {
	ttl, err := time.ParseDuration(r.Header.Get("X-Vault-Wrap-Ttl") + "s")
	raw, err2 := json.Marshal(in)
	if err != nil || err2 != nil {
		fail(w, http.StatusBadRequest, "endpoint requires response wrapping to be used")
		return
	}
	id := f.name("hvs.wrap-")
	f.wrapped[id] = raw
	answer(w, map[string]any{"wrap_info": map[string]any{"token": id, "accessor": f.name("acc-"), "ttl": int(ttl / time.Second)}})
}

// unwrap gives what lies behind a wrapping token, once.
func (f *fake) unwrap(id string) (map[string]string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, ok := f.wrapped[id]
	delete(f.wrapped, id)
	var out map[string]string
	_ = json.Unmarshal(raw, &out)
	return out, ok
}

func (f *fake) lookup(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	l, ok := f.leases[text(in, "lease_id")]
	if !ok || !f.now.Before(l.end) {
		fail(w, http.StatusBadRequest, "invalid lease")
		return
	}
	answer(w, map[string]any{"data": map[string]any{"issue_time": l.made, "expire_time": l.end}})
}

func (f *fake) revoke(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	if _, ok := f.leases[text(in, "lease_id")]; !ok {
		fail(w, http.StatusBadRequest, "invalid lease")
		return
	}
	f.endLease(text(in, "lease_id"))
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) list(w http.ResponseWriter, r *http.Request, _ *token, _ map[string]any) {
	prefix, keys := "database/creds/"+r.PathValue("role")+"/", []string{}
	for id := range f.leases {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			keys = append(keys, rest)
		}
	}
	if len(keys) == 0 {
		fail(w, http.StatusNotFound, "")
		return
	}
	answer(w, map[string]any{"data": map[string]any{"keys": keys}})
}

func (f *fake) capabilities(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	out := map[string]any{}
	for _, p := range in["paths"].([]any) {
		path := p.(string)
		switch more, ok := f.caps[path]; {
		case ok:
			out[path] = more
		case strings.HasPrefix(path, "sys/policies"), strings.HasPrefix(path, "sys/auth"), strings.HasPrefix(path, "sys/mounts"), path == "auth/token/create", strings.HasPrefix(path, "identity"):
			out[path] = []string{"deny"}
		default:
			out[path] = []string{"update"}
		}
	}
	answer(w, out)
}

func (f *fake) signSSH(w http.ResponseWriter, r *http.Request, _ *token, in map[string]any) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text(in, "public_key")))
	ttl, err2 := time.ParseDuration(text(in, "ttl"))
	if err != nil || err2 != nil || r.PathValue("role") != "deploy" {
		fail(w, http.StatusBadRequest, "failed to parse public_key as SSH key, or unknown role")
		return
	}
	f.n++
	cert := &ssh.Certificate{
		Key: key, Serial: uint64(f.n), CertType: ssh.UserCert, KeyId: text(in, "key_id"), ValidPrincipals: strings.Split(text(in, "valid_principals"), ","),
		ValidAfter: uint64(f.now.Add(-30 * time.Second).Unix()), ValidBefore: uint64(f.now.Add(ttl).Unix()),
	}
	if err := cert.SignCert(rand.Reader, f.ca); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, map[string]any{"data": map[string]any{"serial_number": fmt.Sprintf("%x", cert.Serial), "signed_key": string(ssh.MarshalAuthorizedKey(cert))}})
}

func (f *fake) signPKI(w http.ResponseWriter, r *http.Request, _ *token, in map[string]any) {
	block, _ := pem.Decode([]byte(text(in, "csr")))
	ttl, err := time.ParseDuration(text(in, "ttl"))
	if block == nil || err != nil || r.PathValue("role") != "clients" {
		fail(w, http.StatusBadRequest, "the certificate request could not be parsed, or unknown role")
		return
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		fail(w, http.StatusBadRequest, "the certificate request could not be parsed")
		return
	}
	f.n++
	subject := csr.Subject
	subject.CommonName = text(in, "common_name")
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(f.n)), Subject: subject, NotBefore: f.now.Add(-30 * time.Second), NotAfter: f.now.Add(ttl)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, csr.PublicKey, f.key)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	serial := fmt.Sprintf("%02x", f.n)
	f.certs[serial], f.pems[serial] = 0, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	answer(w, map[string]any{"data": map[string]any{"serial_number": serial, "certificate": f.pems[serial]}})
}

func (f *fake) revokeCert(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	serial := text(in, "serial_number")
	if _, ok := f.certs[serial]; !ok {
		fail(w, http.StatusBadRequest, "certificate with serial "+serial+" not found")
		return
	}
	f.certs[serial] = f.now.Unix()
	answer(w, map[string]any{"data": map[string]any{"revocation_time": f.now.Unix()}})
}

func (f *fake) cert(w http.ResponseWriter, r *http.Request, _ *token, _ map[string]any) {
	at, ok := f.certs[r.PathValue("serial")]
	if !ok {
		fail(w, http.StatusNotFound, "")
		return
	}
	answer(w, map[string]any{"data": map[string]any{"revocation_time": at, "certificate": f.pems[r.PathValue("serial")]}})
}

// listCerts lists what was ever signed, revoked or not, as Vault does.
func (f *fake) listCerts(w http.ResponseWriter, _ *http.Request, _ *token, _ map[string]any) {
	answer(w, map[string]any{"data": map[string]any{"keys": slices.Sorted(maps.Keys(f.certs))}})
}

// roles are one for each engine, and one of ssh that signs nothing.
func (f *fake) roles(w http.ResponseWriter, r *http.Request, _ *token, _ map[string]any) {
	mount := strings.Split(r.URL.Path, "/")[2]
	if mount == "ssh" {
		answer(w, map[string]any{"data": map[string]any{"keys": []string{"deploy", "once"}, "key_info": map[string]any{"deploy": map[string]string{"key_type": "ca"}, "once": map[string]string{"key_type": "otp"}}}})
		return
	}
	answer(w, map[string]any{"data": map[string]any{"keys": map[string][]string{"database": {"orders-read"}, "pki": {"clients"}}[mount]}})
}

func (f *fake) role(w http.ResponseWriter, r *http.Request, _ *token, _ map[string]any) {
	if !slices.Contains([]string{"orders-read", "deploy", "clients"}, r.PathValue("role")) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[]}`)
		return
	}
	answer(w, map[string]any{"data": map[string]any{"db_name": "orders"}})
}
