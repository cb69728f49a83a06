package vault_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/vault"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
	"github.com/countersign-bot/countersign/workflows"
)

// inMemory and inPostgres are what stands behind the database engine.
type inMemory struct {
	mu    sync.Mutex
	users map[string]string
}

func (m *inMemory) Make(name, password string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users[name] = password
	return nil
}

func (m *inMemory) Drop(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.users, name)
	return nil
}

func (m *inMemory) works(_ *testing.T, user, password string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return password != "" && m.users[user] == password
}

type inPostgres struct{ server *pgtest.Server }

// run is called by the fake's handlers: it must not end the test from there.
func (p *inPostgres) run(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.server.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *inPostgres) Make(name, password string, end time.Time) error {
	return p.run(fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD '%s' VALID UNTIL '%s'`, pgx.Identifier{name}.Sanitize(), password, end.Format(time.RFC3339)))
}

func (p *inPostgres) Drop(name string) error {
	return p.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+name+`'`, `DROP ROLE IF EXISTS `+pgx.Identifier{name}.Sanitize())
}

func (p *inPostgres) works(t *testing.T, user, password string) bool {
	if user == "" {
		return false
	}
	conn, err := pgx.Connect(t.Context(), p.server.URLFor(user, password, "postgres"))
	if err != nil {
		return false
	}
	defer conn.Close(t.Context())
	var who string
	return conn.QueryRow(t.Context(), "SELECT current_user").Scan(&who) == nil && who == user
}

func open(t *testing.T, f *fake, engine string, wrap time.Duration) runbooks.Connector {
	t.Helper()
	scope := []string{"database/creds/orders-read"}
	if engine != vault.EngineLeases {
		scope = []string{engine + "/sign/deploy"}
	}
	c, err := vault.Open(vault.Config{
		Rest: rest.Config{URL: f.URL}, Token: runbooks.NewSecret(botToken), Engine: engine, TokenRole: "countersign", Wrap: wrap, Scope: scope,
		Dir: t.TempDir(), Now: f.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func grant(n int, f *fake, params map[string][]string, fields map[string]string) runbooks.Grant {
	start := f.clock()
	return runbooks.Grant{
		ID: workflows.GrantID(fmt.Sprintf("g_%d", n)), Request: "r_1", Identity: "p_1", Holder: "Maya Chen", Account: fmt.Sprintf("maya%d", n), Target: "vault", Entitlement: "orders-read",
		Params: params, Fields: fields, Start: start, End: start.Add(time.Hour),
	}
}

func creds() map[string][]string {
	return map[string][]string{vault.ParamPath: {"database/creds/orders-read"}, vault.ParamPolicies: {"orders-read"}}
}

// part is a piece of what was handed over.
func part(r runbooks.Receipt, name string) string {
	for _, p := range r.Handover.Parts {
		if p.Name == name {
			return p.Value.Reveal()
		}
	}
	return ""
}

// TestReq_R64_LeasesPass holds dynamic credentials to the contract of all connectors, on a fake of Vault: once with users in memory, and once with
// PostgreSQL roles that are really logged in with.
func TestReq_R64_LeasesPass(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		exerciseLeases(t, func(*testing.T) (users, func(*testing.T, string, string) bool) {
			m := &inMemory{users: map[string]string{}}
			return m, m.works
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := pgtest.Start(t, "fsync=off")
		exerciseLeases(t, func(t *testing.T) (users, func(*testing.T, string, string) bool) {
			p := &inPostgres{server}
			return p, p.works
		})
	})
}

func exerciseLeases(t *testing.T, backend func(t *testing.T) (users, func(*testing.T, string, string) bool)) {
	t.Helper()
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		u, works := backend(t)
		f := newFake(t, u)
		return runbooktest.System{
			More:      func(t *testing.T) []runbooktest.Sound { return moreWords(t, f) },
			Words:     filepath.Join("testdata", "words.txt"),
			Connector: open(t, f, vault.EngineLeases, 0),
			Secrets:   []string{botToken},
			Grant:     func(n int) runbooks.Grant { return grant(n, f, creds(), nil) },
			Rotation: func(*testing.T) runbooktest.Turning {
				return runbooktest.Turning{
					Order:   runbooks.Rotation{ID: "rot_1", Account: "approle/ci", Old: "secret id acc-old", Secret: runbooks.NewPassword()},
					Account: "approle/ci",
					Old:     func(*testing.T) bool { return f.opens("secret-old") },
					New:     func(_ *testing.T, secret, _ string) bool { return f.opens(secret) },
				}
			},
			Advance: f.advance,
			Works: func(t *testing.T, g runbooks.Grant, r runbooks.Receipt) bool {
				user := part(r, "username")
				return strings.Contains(user, "token-"+string(g.ID)+"-") && works(t, user, part(r, "password"))
			},
			Arrived: func(_ *testing.T, g runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
				if place.Kind == "account" { // only written down, to name the holder in a list
					return g.Account
				}
				return r.Facts["path"]
			},
		}
	})
}

// moreWords are grants of the engines that sign.
func moreWords(t *testing.T, f *fake) []runbooktest.Sound {
	t.Helper()
	key := grant(7, f, map[string][]string{vault.ParamPath: {"ssh/sign/deploy"}, vault.ParamPrincipals: {"deploy"}, vault.ParamField: {"key"}}, map[string]string{"key": publicKey(t)})
	csr := grant(8, f, map[string][]string{vault.ParamPath: {"pki/sign/clients"}, vault.ParamName: {"maya"}}, map[string]string{"csr": csrOf(t)})
	return []runbooktest.Sound{
		{Grant: key, Connector: open(t, f, vault.EngineSSH, 0), Arrived: func(t *testing.T, g runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
			signed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(r.Use.Files["key-cert.pub"]))
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(signed.(*ssh.Certificate).ValidPrincipals, "\x00")
		}},
		{Grant: csr, Connector: open(t, f, vault.EnginePKI, 0), Arrived: func(t *testing.T, _ runbooks.Grant, r runbooks.Receipt, _ runbooktest.Place) string {
			return certificate(t, r).Subject.CommonName
		}},
	}
}

// TestReq_R26_Wrapped: what is handed over gives the credentials once, and a second opening is noticed.
func TestReq_R26_Wrapped(t *testing.T) {
	t.Parallel()
	m := &inMemory{users: map[string]string{}}
	f := newFake(t, m)
	r, err := open(t, f, vault.EngineLeases, time.Hour).Grant(t.Context(), grant(1, f, creds(), nil))
	if err != nil || !r.Handover.Wrapped || !r.Handover.Until.Equal(f.clock().Add(time.Hour)) {
		t.Fatalf("%+v (%v)", r.Handover, err)
	}
	got, ok := f.unwrap(part(r, "Wrapping token"))
	if !ok || !m.works(t, got["username"], got["password"]) {
		t.Errorf("unwrapped: %v", ok)
	}
	if _, ok := f.unwrap(part(r, "Wrapping token")); ok {
		t.Error("unwrapped twice")
	}
}

// TestReq_R72_GrantInVault: the database's user and the token's record bear the grant's id.
func TestReq_R72_GrantInVault(t *testing.T) {
	t.Parallel()
	f := newFake(t, &inMemory{users: map[string]string{}})
	r, err := open(t, f, vault.EngineLeases, 0).Grant(t.Context(), grant(1, f, creds(), nil))
	if err != nil || !strings.HasPrefix(part(r, "username"), "v-token-g_1-") {
		t.Errorf("the user is called %q (%v)", part(r, "username"), err)
	}
	meta := map[string]string{}
	for _, x := range f.tokens {
		if x.name == "token-g_1" {
			meta = x.meta
		}
	}
	if meta["grant"] != "g_1" || meta["request"] != "r_1" || meta["holder"] != "Maya Chen" { // Vault's audit log has it with every use of the token
		t.Errorf("the token's record says %v", meta)
	}
	runbooktest.Told(t, open(t, f, vault.EngineLeases, 0), grant(2, f, creds(), nil), func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := f.heard
		f.heard = nil
		return out
	})
}

// TestFault_F26_CrashBetween: the bot dies after Vault made the credentials and before it knew. Asked again, there is one user and not two; and
// a revocation by a bot that was started anew ends it.
func TestFault_F26_CrashBetween(t *testing.T) {
	t.Parallel()
	m := &inMemory{users: map[string]string{}}
	f := newFake(t, m)
	dir := t.TempDir()
	start := func() runbooks.Connector {
		c, err := vault.Open(vault.Config{Rest: rest.Config{URL: f.URL}, Token: runbooks.NewSecret(botToken), Engine: vault.EngineLeases, TokenRole: "countersign", Dir: dir, Now: f.clock})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	g := grant(1, f, creds(), nil)
	if _, err := start().Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if _, err := start().Grant(t.Context(), g); err != nil || len(m.users) != 1 {
		t.Errorf("%d users (%v)", len(m.users), err)
	}
	if _, err := start().Revoke(t.Context(), g); err != nil || len(m.users) != 0 {
		t.Errorf("%d users after the revocation (%v)", len(m.users), err)
	}
}

// TestControlGroup: where people must authorise the read in Vault, the grant is unconfirmed, said under which accessor, and listed; when they
// did, it is there.
func TestControlGroup(t *testing.T) {
	t.Parallel()
	f := newFake(t, &inMemory{users: map[string]string{}})
	c := open(t, f, vault.EngineLeases, 0).(*vault.Leases)
	g := grant(1, f, creds(), nil)
	g.Params[vault.ParamPath] = []string{"guarded/creds/orders-read"}
	r, err := c.Grant(t.Context(), g)
	if err != nil || !r.Handover.Wrapped {
		t.Fatalf("%+v (%v)", r, err)
	}
	pending, err := c.PendingRequests(t.Context())
	if err != nil || len(pending) != 1 || pending["g_1"] == "" {
		t.Fatalf("pending: %v (%v)", pending, err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Unconfirmed || err == nil || !strings.Contains(err.Error(), pending["g_1"]) {
		t.Errorf("%s (%v)", p, err)
	}
	if waiting, err := c.Waiting(t.Context()); err != nil || !strings.HasSuffix(waiting["g_1"], "accessor="+pending["g_1"]) {
		t.Errorf("waiting: %v (%v)", waiting, err)
	}
	if steps := strings.Join(r.Use.Steps, " "); !strings.Contains(steps, "accessor="+pending["g_1"]) || r.Facts["control_group"] != pending["g_1"] {
		t.Errorf("the holder reads %q, the ledger %v", steps, r.Facts)
	}
	said := false
	for _, finding := range c.Probe(t.Context()) {
		said = said || strings.Contains(finding.What, pending["g_1"])
	}
	if !said {
		t.Error("doctor does not say what waits")
	}
	f.requests[pending["g_1"]].approved = true
	if p, err := c.Check(t.Context(), g); p != runbooks.Present || err != nil {
		t.Errorf("authorised: %s (%v)", p, err)
	}
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("revoked: %s (%v)", p, err)
	}
}

func publicKey(t *testing.T) string {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// TestReq_R60_SSH: what is signed is for the pasted key, the principals and the grant's time; taking it back is not claimed.
func TestReq_R60_SSH(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, f, vault.EngineSSH, 0)
	g := grant(1, f, map[string][]string{vault.ParamPath: {"ssh/sign/deploy"}, vault.ParamPrincipals: {"deploy", "app"}}, map[string]string{"key": publicKey(t)})
	r, err := c.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Grant(t.Context(), g)
	if err != nil || again.Use.Files["key-cert.pub"] != r.Use.Files["key-cert.pub"] {
		t.Errorf("asked again, another certificate (%v)", err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(r.Use.Files["key-cert.pub"]))
	if err != nil {
		t.Fatal(err)
	}
	cert := key.(*ssh.Certificate)
	if cert.KeyId != "countersign/g_1/Maya Chen" || strings.Join(cert.ValidPrincipals, " ") != "deploy app" || cert.ValidBefore != uint64(g.End.Unix()) {
		t.Errorf("%+v", cert)
	}
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Unconfirmed || err == nil || !strings.Contains(err.Error(), "no list of revoked") {
		t.Errorf("taken back before its end: %s (%v)", p, err)
	}
	if _, err := c.Grant(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("granted again after it was taken back: %v", err)
	}
	f.advance(time.Hour)
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("after its end: %s (%v)", p, err)
	}
}

func csrOf(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "root"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// TestReq_R62_PKI: a certificate for the pasted request, under the entitlement's name; a revocation puts it on the list.
func TestReq_R62_PKI(t *testing.T) {
	t.Parallel()
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		f := newFake(t, nil)
		csr := csrOf(t)
		return runbooktest.System{
			Connector: open(t, f, vault.EnginePKI, 0),
			Secrets:   []string{botToken},
			Grant: func(n int) runbooks.Grant {
				return grant(n, f, map[string][]string{vault.ParamPath: {"pki/sign/clients"}, vault.ParamName: {fmt.Sprintf("maya%d", n)}}, map[string]string{"csr": csr})
			},
			Advance: f.advance,
			Works: func(t *testing.T, g runbooks.Grant, r runbooks.Receipt) bool {
				cert := certificate(t, r)
				if cert == nil || cert.Subject.CommonName != g.Params[vault.ParamName][0] {
					return false
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				return f.certs[r.Facts["serial"]] == 0 && f.now.Before(cert.NotAfter)
			},
			Arrived: func(t *testing.T, g runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
				switch place.Name {
				case vault.ParamName:
					return certificate(t, r).Subject.CommonName
				case vault.ParamPath:
					return r.Facts["path"]
				}
				return g.Account // only written down
			},
		}
	})
}

func certificate(t *testing.T, r runbooks.Receipt) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(r.Use.Files["client.pem"]))
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestReq_R75_Rights: doctor tells a token that lacks something, one that could write policies, and a root token.
func TestReq_R75_Rights(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, f, vault.EngineLeases, time.Hour).(runbooks.Prober)
	bad := func() (out []string) {
		for _, finding := range c.Probe(t.Context()) {
			if !finding.OK {
				out = append(out, finding.What)
			}
		}
		return out
	}
	if got := bad(); len(got) != 0 {
		t.Errorf("a token with just what it needs: %q", got)
	}
	f.caps["sys/leases/revoke"] = []string{"deny"}
	f.caps["sys/policies/acl/countersign-probe"] = []string{"create", "update"}
	if got := strings.Join(bad(), " | "); got != "the token may not update sys/leases/revoke | the token has more than it needs: create, update on sys/policies/acl/countersign-probe" {
		t.Errorf("%s", got)
	}
	for _, path := range []string{"auth/token/create/countersign", "sys/leases/revoke"} {
		f.caps[path] = []string{"root"}
	}
	if got := strings.Join(bad(), " | "); got != "the bot's token is a root token: it can do everything" {
		t.Errorf("%s", got)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t, &inMemory{users: map[string]string{}})
	c := open(t, f, vault.EngineLeases, 0)
	for _, x := range []struct{ path, policy, words string }{
		{"secret/forever", "orders-read", "comes without a lease"},
		{"database/creds/orders-read", "root", `"policies" is not the name of a policy (not root)`},
		{"database/creds/orders-read", "admin", "must be subset"},
		{"sys/../auth/token/create", "orders-read", `"path" is not a path`},
	} {
		g := grant(1, f, map[string][]string{vault.ParamPath: {x.path}, vault.ParamPolicies: {x.policy}}, nil)
		if _, err := c.Grant(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s with %s: %v, want %s", x.path, x.policy, err, x.words)
		}
		if _, err := c.Revoke(t.Context(), g); err != nil && x.words == "comes without a lease" {
			t.Errorf("cleaning up after a refusal: %v", err)
		}
	}
	f.down = true
	if _, err := c.Grant(t.Context(), grant(2, f, creds(), nil)); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("a sealed Vault: %v", err)
	}
}

// TestRealVault runs against a server of Vault or OpenBao, where one is given: its token's rights are read.
func TestRealVault(t *testing.T) {
	addr, token := os.Getenv("COUNTERSIGN_TEST_VAULT_ADDR"), os.Getenv("COUNTERSIGN_TEST_VAULT_TOKEN")
	if addr == "" || token == "" {
		t.Skip("COUNTERSIGN_TEST_VAULT_ADDR and COUNTERSIGN_TEST_VAULT_TOKEN name no server: none can be built or fetched here")
	}
	c, err := vault.Open(vault.Config{Rest: rest.Config{URL: addr}, Token: runbooks.NewSecret(token), Engine: vault.EngineLeases, TokenRole: "countersign", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	path, policies := os.Getenv("COUNTERSIGN_TEST_VAULT_PATH"), strings.Fields(os.Getenv("COUNTERSIGN_TEST_VAULT_POLICIES"))
	for _, f := range c.(runbooks.Prober).Probe(t.Context()) {
		t.Logf("%+v", f)
	}
	if path == "" || len(policies) == 0 {
		t.Skip("COUNTERSIGN_TEST_VAULT_PATH and COUNTERSIGN_TEST_VAULT_POLICIES name nothing to read")
	}
	now := time.Now().UTC()
	g := runbooks.Grant{ID: "g_real", Identity: "p_1", Holder: "Test", Target: "vault", Entitlement: "e", Params: map[string][]string{vault.ParamPath: {path}, vault.ParamPolicies: policies}, Start: now, End: now.Add(5 * time.Minute)}
	if r, err := c.Grant(t.Context(), g); err != nil || r.Handover.IsZero() {
		t.Fatalf("granting: %v", err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Present || err != nil {
		t.Errorf("reading back: %s (%v)", p, err)
	}
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Errorf("revoking: %v", err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("after the revocation: %s (%v)", p, err)
	}
}
