package x509_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	stdx509 "crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/x509"
	"github.com/countersign-bot/countersign/workflows"
)

// bench is an authority with its address, a clock, and a TLS server that trusts it.
type bench struct {
	*x509.Connector
	dir  string
	http *httptest.Server
	tls  net.Listener
	own  tls.Certificate // of that server

	lists http.Handler // of the connector that was opened last
	mu    sync.Mutex
	at    time.Time
	pool  *stdx509.CertPool
	ca    *stdx509.Certificate
}

func seed() []byte { return []byte("0123456789abcdef0123456789abcdef") }

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{dir: filepath.Join(t.TempDir(), "x509"), at: time.Now().UTC().Truncate(time.Second), pool: stdx509.NewCertPool()}
	mux := http.NewServeMux()
	b.http = httptest.NewServer(mux)
	t.Cleanup(b.http.Close)
	b.open(t)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { b.serving().ServeHTTP(w, r) })
	block, _ := pem.Decode(b.fetch(t, x509.PathCA))
	var err error
	if b.ca, err = stdx509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	b.pool.AddCert(b.ca)
	b.serveTLS(t)
	return b
}

func (b *bench) open(t testing.TB) {
	t.Helper()
	var err error
	if b.Connector, err = x509.Open(x509.Config{Seed: seed(), Dir: b.dir, Now: b.now, PublicURL: b.http.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lists = b.Handler()
}

func (b *bench) serving() http.Handler {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lists
}

func (b *bench) fetch(t testing.TB, path string) []byte {
	t.Helper()
	resp, err := http.Get(b.http.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return raw
}

// serveTLS runs a server that lets in whom the authority certified and has not taken back, and greets by name.
func (b *bench) serveTLS(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &stdx509.Certificate{SerialNumber: b.ca.SerialNumber, NotBefore: b.at.Add(-time.Hour), NotAfter: b.at.Add(1000 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := stdx509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	b.own = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	b.tls, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{b.own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: b.pool, Time: b.now,
		VerifyConnection: func(s tls.ConnectionState) error { return b.refused(t, s.PeerCertificates[0]) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.tls.Close() })
	go func() {
		for {
			conn, err := b.tls.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if c := conn.(*tls.Conn); c.Handshake() == nil {
					_, _ = io.WriteString(c, "hello "+c.ConnectionState().PeerCertificates[0].Subject.String())
				}
			}()
		}
	}()
}

// refused fetches the list, as a server would, and looks the certificate up.
func (b *bench) refused(t testing.TB, cert *stdx509.Certificate) error {
	list, err := stdx509.ParseRevocationList(b.fetch(t, x509.PathList))
	if err != nil {
		return err
	}
	if err := list.CheckSignatureFrom(b.ca); err != nil {
		return err
	}
	if b.now().After(list.NextUpdate) {
		return errors.New("the list is stale")
	}
	if slices.ContainsFunc(list.RevokedCertificateEntries, func(e stdx509.RevocationListEntry) bool { return e.SerialNumber.Cmp(cert.SerialNumber) == 0 }) {
		return errors.New("revoked")
	}
	return nil
}

// greeted connects with a certificate and gives what the server says; "" when it does not let in.
func (b *bench) greeted(t testing.TB, files map[string]string, key crypto.PrivateKey) string {
	t.Helper()
	block, _ := pem.Decode([]byte(files["client.pem"]))
	if block == nil {
		return ""
	}
	conn, err := tls.Dial("tcp", b.tls.Addr().String(), &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, // what is tried is whom the server lets in
		Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
	})
	if err != nil {
		return ""
	}
	defer conn.Close()
	raw, _ := io.ReadAll(conn)
	return string(raw)
}

// request makes a certificate request for a key.
func request(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := stdx509.CreateCertificateRequest(rand.Reader, &stdx509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (b *bench) grantOf(id, csr string) runbooks.Grant {
	return runbooks.Grant{
		ID: workflows.GrantID("g_" + id), Request: workflows.RequestID("r_" + id), Identity: "p_1", Holder: "Alice Ng", Account: "alice", Target: "edge",
		Entitlement: "operator", Params: map[string][]string{"organization": {"edge-operators"}}, Fields: map[string]string{"csr": csr},
		Start: b.now(), End: b.now().Add(8 * time.Hour),
	}
}

// TestThreat_T44_Exercise holds the connector to the contract with a real TLS server as the target.
func TestThreat_T44_Exercise(t *testing.T) {
	t.Parallel()
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		b := newBench(t)
		keys := map[workflows.GrantID]*ecdsa.PrivateKey{}
		made := map[int]runbooks.Grant{}
		return runbooktest.System{
			Connector: b.drilled(t, b.tls.Addr().String()),
			Secrets:   []string{string(seed())},
			Grant: func(n int) runbooks.Grant {
				if _, ok := made[n]; !ok {
					key := newKey(t)
					g := b.grantOf(fmt.Sprintf("ex%d", n), request(t, key))
					g.Account = fmt.Sprintf("alice-%d", n) // another holder each time
					made[n] = g
					keys[made[n].ID] = key
				}
				return made[n].Clone()
			},
			Works: func(t *testing.T, g runbooks.Grant, r runbooks.Receipt) bool {
				return b.greeted(t, r.Use.Files, keys[g.ID]) != ""
			},
			Advance: b.advance,
			Arrived: func(t *testing.T, _ runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
				cert := parse(t, r)
				if place.Kind == "account" {
					return cert.Subject.CommonName
				}
				return strings.Join(cert.Subject.Organization, "\x00")
			},
			More: func(t *testing.T) []runbooktest.Sound {
				csr := request(t, newKey(t))
				one := func(id, word, value string) runbooks.Grant {
					g := b.grantOf(id, csr)
					g.Params = map[string][]string{word: {value}}
					return g
				}
				made := one("made", x509.ParamKey, "made")
				made.Fields = nil
				return []runbooktest.Sound{
					{Grant: one("named", x509.ParamName, "db-1"), Connector: newBench(t).Connector, Arrived: func(t *testing.T, _ runbooks.Grant, r runbooks.Receipt, _ runbooktest.Place) string {
						return parse(t, r).Subject.CommonName
					}},
					{Grant: one("svid", x509.ParamSPIFFE, "spiffe://northwind.example/edge"), Arrived: func(t *testing.T, _ runbooks.Grant, r runbooks.Receipt, _ runbooktest.Place) string {
						return parse(t, r).URIs[0].String()
					}},
					{Grant: one("field", x509.ParamField, "csr")},
					{Grant: made},
				}
			},
			Words: filepath.Join("testdata", "words.txt"),
			Rotation: func(t *testing.T) runbooktest.Turning {
				key := newKey(t)
				g := b.grantOf("rotated", request(t, key))
				r, err := b.Grant(t.Context(), g)
				if err != nil {
					t.Fatal(err)
				}
				old := fmt.Sprintf("certificate %x", x509.Serial(g.ID))
				return runbooktest.Turning{
					Order: runbooks.Rotation{ID: "rot_1", Account: g.Account, Old: old}, Account: old,
					Old: func(t *testing.T) bool { return b.greeted(t, r.Use.Files, key) != "" },
					New: func(t *testing.T, secret, _ string) bool { return b.letIn(t, secret) },
				}
			},
		}
	})
}

func parse(t testing.TB, r runbooks.Receipt) *stdx509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(r.Use.Files["client.pem"]))
	cert, err := stdx509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestReq_R72_TheServersLogLeadsToTheGrant: what a server sees names grant and holder, and the serial is computed of the grant.
func TestReq_R72_TheServersLogLeadsToTheGrant(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := newKey(t)
	r, err := b.Grant(t.Context(), b.grantOf("l0gged", request(t, key)))
	if err != nil {
		t.Fatal(err)
	}
	said := b.greeted(t, r.Use.Files, key)
	for _, want := range []string{"CN=alice", "SERIALNUMBER=g_l0gged", "O=edge-operators"} {
		if !strings.Contains(said, want) {
			t.Errorf("the server says %q, without %q", said, want)
		}
	}
	if cert := parse(t, r); cert.SerialNumber.Cmp(x509.Serial("g_l0gged")) != 0 || !slices.Contains(cert.CRLDistributionPoints, b.http.URL+"/x509/crl") {
		t.Errorf("serial %s, list at %q", cert.SerialNumber, cert.CRLDistributionPoints)
	}
}

// TestReq_R60_ItEndsByItself: without a call, and never after the grant; and the certificate can do nothing else.
func TestReq_R60_ItEndsByItself(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := newKey(t)
	g := b.grantOf("end", request(t, key))
	r, err := b.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, r)
	if !cert.NotAfter.Equal(g.End.Add(-time.Second)) || cert.IsCA || cert.KeyUsage != stdx509.KeyUsageDigitalSignature || !cmp.Equal(cert.ExtKeyUsage, []stdx509.ExtKeyUsage{stdx509.ExtKeyUsageClientAuth}) ||
		len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.EmailAddresses)+len(cert.URIs) > 0 {
		t.Errorf("the certificate says more than it should: %+v", cert)
	}
	b.advance(8*time.Hour - time.Second)
	if b.greeted(t, r.Use.Files, key) == "" {
		t.Error("it ends too early")
	}
	b.advance(2 * time.Second)
	if b.greeted(t, r.Use.Files, key) != "" {
		t.Error("it does not end")
	}
	long := b.grantOf("long", request(t, key))
	long.End = long.Start.Add(25 * time.Hour)
	_, err = b.Grant(t.Context(), long)
	wantError(t, err, runbooks.Refuse, "24 hours")
}

// TestReq_R62_RevokedCertificatesAreRefused: also after a restart, also one that the register lost, and by OpenSSL as well.
func TestReq_R62_RevokedCertificatesAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key, other := newKey(t), newKey(t)
	g, o := b.grantOf("rev", request(t, key)), b.grantOf("other", request(t, other))
	r, err := b.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	ro, err := b.Grant(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	openssl(t, b, r, "OK")
	if _, err := b.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	openssl(t, b, r, "revoked")
	openssl(t, b, ro, "OK")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	if b.greeted(t, r.Use.Files, key) != "" || b.greeted(t, ro.Use.Files, other) == "" {
		t.Error("a restart changed who is let in")
	}
	if _, err := b.Grant(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("granting what was taken back: %v", err)
	}
	lost := b.grantOf("lost", request(t, key))
	if _, err := b.Revoke(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	list, err := stdx509.ParseRevocationList(b.List())
	if err != nil || !slices.ContainsFunc(list.RevokedCertificateEntries, func(e stdx509.RevocationListEntry) bool { return e.SerialNumber.Cmp(x509.Serial("g_lost")) == 0 }) {
		t.Errorf("a certificate that the register does not know is not listed: %v", err)
	}
}

// openssl has a verifier that nobody here wrote judge the certificate with the list, where there is one.
func openssl(t *testing.T, b *bench, r runbooks.Receipt, want string) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("no openssl here: it is not asked")
		return
	}
	dir := t.TempDir()
	files := map[string]string{"crl.pem": string(b.fetch(t, x509.PathPEM)), "ca.pem": string(b.fetch(t, x509.PathCA)), "client.pem": r.Use.Files["client.pem"]}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, "verify", "-crl_check", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "client.pem")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if !strings.Contains(string(out), want) || (err == nil) != (want == "OK") {
		t.Errorf("openssl says %q (%v), want %q", out, err, want)
	}
}

// TestTheListGoesOn: a list that is old is signed anew, its number only grows, and it forgets what is long over.
func TestTheListGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	g := b.grantOf("list", request(t, newKey(t)))
	read := func() *stdx509.RevocationList {
		list, err := stdx509.ParseRevocationList(b.List())
		if err != nil || list.CheckSignatureFrom(b.ca) != nil {
			t.Fatal(err)
		}
		return list
	}
	if _, err := b.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	first := read()
	if _, err := b.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	second := read()
	if len(first.RevokedCertificateEntries) != 0 || len(second.RevokedCertificateEntries) != 1 || second.Number.Cmp(first.Number) <= 0 {
		t.Fatalf("lists %v with %d, then %v with %d", first.Number, len(first.RevokedCertificateEntries), second.Number, len(second.RevokedCertificateEntries))
	}
	b.advance(8 * time.Hour)
	if third := read(); len(third.RevokedCertificateEntries) != 1 || third.Number.Cmp(second.Number) <= 0 || !third.NextUpdate.After(b.now()) {
		t.Errorf("a certificate leaves the list before its end is sure everywhere: %+v", third)
	}
	b.advance(time.Hour)
	if last := read(); len(last.RevokedCertificateEntries) != 0 {
		t.Error("the list only grows")
	}
}

// TestSVID: the certificate is one by the letter of X509-SVID, 3 to 5.
func TestSVID(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := newKey(t)
	g := b.grantOf("svid", request(t, key))
	g.Account = ""
	g.Params = map[string][]string{"spiffe_id": {"spiffe://example.org/payments/api"}}
	r, err := b.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, r)
	if len(cert.URIs) != 1 || cert.URIs[0].String() != "spiffe://example.org/payments/api" || cert.IsCA || cert.KeyUsage&(stdx509.KeyUsageCertSign|stdx509.KeyUsageCRLSign) != 0 ||
		cert.KeyUsage&stdx509.KeyUsageDigitalSignature == 0 || !slices.Contains(cert.ExtKeyUsage, stdx509.ExtKeyUsageServerAuth) {
		t.Errorf("not an X.509-SVID: %+v", cert)
	}
	if b.greeted(t, r.Use.Files, key) == "" {
		t.Error("it does not let in")
	}
	for _, bad := range []string{
		"https://example.org/x", "spiffe://", "spiffe://example.org", "spiffe://example.org/", "spiffe://Example.org/x", "spiffe://example.org//x", "spiffe://example.org/./x",
		"spiffe://example.org/../x", "spiffe://example.org/x/", "spiffe://example.org:80/x", "spiffe://u@example.org/x", "spiffe://example.org/x?y", "spiffe://example.org/x#y",
		"spiffe://example.org/%61", "spiffe://example.org/" + strings.Repeat("a", 2048),
	} {
		g.Params = map[string][]string{"spiffe_id": {bad}}
		_, err := b.Grant(t.Context(), g)
		wantError(t, err, runbooks.Refuse, `"spiffe_id"`)
	}
}

// A key that is made here is in what is handed over and nowhere else, and it is the key of the certificate.
func TestMadeKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	g := b.grantOf("made", "")
	g.Params["key"] = []string{"made"}
	_, err := b.Grant(t.Context(), g)
	wantError(t, err, runbooks.Broken, "no private key")
	if g.Secret, err = b.MakeSecret(g); err != nil {
		t.Fatal(err)
	}
	r, err := b.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(g.Secret.Parts[0].Value.Reveal()))
	key, err := stdx509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || b.greeted(t, r.Use.Files, key) == "" {
		t.Errorf("the key does not open: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(b.dir, "register.json"))
	if err != nil || strings.Contains(string(raw), "PRIVATE") || strings.Contains(fmt.Sprint(r), "PRIVATE") {
		t.Errorf("the key stayed here: %v", err)
	}
	if again, err := b.Grant(t.Context(), g); err != nil || !cmp.Equal(r, again) {
		t.Errorf("granting again: %v", err)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := request(t, newKey(t))
	block, _ := pem.Decode([]byte(good))
	forged := slices.Clone(block.Bytes)
	forged[len(forged)-1] ^= 1
	damaged := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: forged}))
	for csr, words := range map[string]string{
		"": "empty", "nonsense": "not one certificate request", good + good: "not one certificate request", good + "more": "not one certificate request",
		strings.Repeat("a", 9000): "not one certificate request", damaged: "damaged, or not signed", request(t, small): "of no kind", request(t, odd): "of no kind",
		strings.ReplaceAll(good, "CERTIFICATE REQUEST", "PRIVATE KEY"): "not one certificate request",
	} {
		_, err := b.Grant(t.Context(), b.grantOf("bad", csr))
		wantError(t, err, runbooks.Refuse, words)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range []crypto.Signer{edwards, large} {
		r, err := b.Grant(t.Context(), b.grantOf(fmt.Sprintf("good%d", i), request(t, key)))
		if err != nil || b.greeted(t, r.Use.Files, key) == "" {
			t.Errorf("a key of type %T: %v", key, err)
		}
	}
	for name, x := range map[string]struct {
		param string
		words string
	}{"key": {"mine", `"key"`}, "nmae": {"x", `"nmae"`}, "common_name": {strings.Repeat("a", 65), `"common_name"`}, "csr_field": {"other", `"other"`}} {
		g := b.grantOf("bad", good)
		g.Params[name] = []string{x.param}
		_, err := b.Grant(t.Context(), g)
		wantError(t, err, runbooks.Refuse, x.words)
	}
}

func wantError(t *testing.T, err error, class runbooks.Class, words string) {
	t.Helper()
	var e *runbooks.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(e.Text, words) {
		t.Errorf("error %v (%s), want %s with %q", err, runbooks.ClassOf(err), class, words)
	}
}

// A register of another key, of a later version, or damaged stops the authority: an empty list would let everybody in again.
func TestFault_F05_RegisterThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.Grant(t.Context(), b.grantOf("x", request(t, newKey(t)))); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	file := filepath.Join(b.dir, "register.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.Open(x509.Config{Seed: []byte("another seed of thirty-two bytes"), Dir: b.dir}); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("another key: %v", err)
	}
	for name, text := range map[string]string{
		"empty": "", "cut": string(raw[:len(raw)/2]), "later": strings.Replace(string(raw), `"format":1`, `"format":2`, 1), "unknown": strings.Replace(string(raw), `"number"`, `"nmuber"`, 1),
		"no certificate": strings.Replace(string(raw), `"ca":"`, `"ca":"AAAA`, 1),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := x509.Open(x509.Config{Seed: seed(), Dir: b.dir}); err == nil {
			_ = c.Close()
			t.Errorf("%s: it opens", name)
		}
	}
	if _, err := x509.Open(x509.Config{Seed: seed()[:31], Dir: b.dir}); err == nil {
		t.Error("a short seed is taken")
	}
}

// R69: the certificates that work are credentials of the inventory, known by their serial and fingerprint, until they are revoked.
func TestReq_R69_IssuedCertificatesAreDiscovered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	kept, gone := b.grantOf("g_1", request(t, newKey(t))), b.grantOf("g_2", request(t, newKey(t)))
	r, err := b.Grant(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := second(b.Grant(t.Context(), gone)); err != nil {
		t.Fatal(err)
	}
	if err := second(b.Revoke(t.Context(), gone)); err != nil {
		t.Fatal(err)
	}
	cert := parse(t, r)
	sum := sha256.Sum256(cert.Raw)
	var found []runbooks.Discovered
	for x, err := range b.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, x)
	}
	if len(found) != 1 || found[0].Kind != "certificate" || found[0].Grant != kept.ID || !found[0].Expires.Equal(cert.NotAfter) ||
		found[0].Fingerprint != "SHA256:"+base64.RawStdEncoding.EncodeToString(sum[:]) || found[0].Facts["serial"] != hex.EncodeToString(cert.SerialNumber.Bytes()) {
		t.Errorf("%+v", found)
	}
}
