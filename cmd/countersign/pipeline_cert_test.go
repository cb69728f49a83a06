package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// corporate is an authority for servers and workloads, which publishes what it revoked.
type corporate struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
	next int64
	crl  *httptest.Server

	mu   sync.Mutex
	gone []x509.RevocationListEntry
}

func newCorporate(t *testing.T) *corporate {
	t.Helper()
	x := &corporate{t: t, dir: t.TempDir()}
	self := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Corp CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	var err error
	x.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustSay(t, err)
	raw, err := x509.CreateCertificate(rand.Reader, self, self, x.key.Public(), x.key)
	mustSay(t, err)
	x.cert, err = x509.ParseCertificate(raw)
	mustSay(t, err)
	x.write("ca.pem", "CERTIFICATE", raw)
	x.crl = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		x.mu.Lock()
		defer x.mu.Unlock()
		raw, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour), RevokedCertificateEntries: x.gone,
		}, x.cert, x.key)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(raw)
	}))
	t.Cleanup(x.crl.Close)
	return x
}

func (x *corporate) revoke(serial *big.Int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = append(x.gone, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now()})
}

func (x *corporate) file(name string) string { return filepath.Join(x.dir, name) }

func (x *corporate) write(name, kind string, raw []byte) {
	x.t.Helper()
	mustSay(x.t, os.WriteFile(x.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600))
}

// sign writes name.pem and name.key: a certificate of a DNS name.
func (x *corporate) sign(name, dns string, use x509.ExtKeyUsage) *big.Int {
	x.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustSay(x.t, err)
	x.next++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + x.next), DNSNames: []string{dns}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, x.cert, key.Public(), x.key)
	mustSay(x.t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	mustSay(x.t, err)
	x.write(name+".pem", "CERTIFICATE", raw)
	x.write(name+".key", "PRIVATE KEY", der)
	return c.SerialNumber
}

// overTLS lets the bot of a demo end TLS itself from its next start, which is now.
func (x *corporate) overTLS(d *demo) (address string) {
	x.t.Helper()
	_, port, err := net.SplitHostPort(d.child.listen)
	mustSay(x.t, err)
	address = "https://localhost:" + port
	x.sign("bot", "localhost", x509.ExtKeyUsageServerAuth)
	d.child.mu.Lock()
	d.child.env = append(d.child.env, prefix+"_TLS_CERT="+x.file("bot.pem"), prefix+"_TLS_KEY="+x.file("bot.key"), prefix+"_TLS_PROXY=", prefix+"_PUBLIC_URL="+address)
	cmd := d.child.cmd
	d.child.mu.Unlock()
	mustSay(x.t, cmd.Process.Kill()) // its keeper starts it again
	roots := x509.NewCertPool()
	roots.AddCert(x.cert)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	_, err = until(x.t.Context(), "the bot to speak TLS", func() (int, bool) {
		resp, err := client.Get(address + "/readyz")
		if err != nil {
			return 0, false
		}
		resp.Body.Close()
		return resp.StatusCode, resp.StatusCode == http.StatusOK
	})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(d.dir, "serve.log"))
		x.t.Fatalf("%v: its log ends with\n%s", err, log[max(0, len(log)-2000):])
	}
	return address
}

// TestReq_R58_APipelineWithAClientCertificate: a job without any token proves itself with a client certificate of the company's own authority, over TLS that
// the bot ends itself: its command has the access that a person gave, and it is gone with the command. With a certificate that the authority revoked, one of
// another name, or without one nothing opens, and the claim is named. A certificate without its key, or beside a token, is a mistake of the caller.
func TestReq_R58_APipelineWithAClientCertificate(t *testing.T) {
	t.Parallel()
	x := newCorporate(t)
	x.sign("build", "build-7.corp.example.com", x509.ExtKeyUsageClientAuth)
	stolen := x.sign("stolen", "build-7.corp.example.com", x509.ExtKeyUsageClientAuth)
	x.sign("other", "build-8.corp.example.com", x509.ExtKeyUsageClientAuth)
	x.revoke(stolen)
	ca, err := os.ReadFile(x.file("ca.pem"))
	mustSay(t, err)
	own, err := demoFiles.ReadFile("demo/org/identities.yaml")
	mustSay(t, err)
	d := demoAsJonas(t, map[string]string{"workflows/robot.yaml": robotChain, "identities.yaml": string(own) + fmt.Sprintf(
		"    workloads:\n      - issuer: tls://corp-ca\n        audience: localhost\n        subject: dns:build-7.corp.example.com\n        crl: %s/corp.crl\n        keys: |\n          %s\n",
		x.crl.URL, strings.ReplaceAll(strings.TrimSpace(string(ca)), "\n", "\n          "))})
	s := &story{demo: d}
	ctx := t.Context()
	base := x.overTLS(d)
	job := func(cert string, more ...string) (int, string) {
		var out bytes.Buffer
		args := []string{"request", "robot", "-api", base, "-ca", x.file("ca.pem"), "-reason", "The release of the shop hangs.", "-field", "key=" + d.people["maya"].public()}
		if cert != "" {
			args = append(args, "-cert", x.file(cert+".pem"), "-cert-key", x.file(cert+".key"))
		}
		code := run(ctx, proc{args: append(args, more...), env: []string{"PATH=" + os.Getenv("PATH")}, in: strings.NewReader(""), out: &out, err: &out})
		return code, out.String()
	}
	type ended struct {
		code int
		out  string
	}
	done := make(chan ended, 1)
	go func() {
		code, out := job("build", "-wait", "--", "sh", "-c", `echo "grant $COUNTERSIGN_GRANT"; exit 7`)
		done <- ended{code, out}
	}()
	card, err := s.message(ctx, "access", "The release of the shop hangs.")
	mustSay(t, err)
	said(t, card.Visible(), "svc-deploy", "Maya Chen")
	mustSay(t, s.press(ctx, "sofia", card, screens.ActApprove))
	if e := <-done; e.code != 7 || !strings.Contains(e.out, "grant g_") {
		t.Fatalf("the job ended with %d, want that of its command:\n%s", e.code, e.out)
	}
	_, err = until(ctx, "the end of the access", func() (bool, bool) {
		out, err := d.cli(ctx, "", "ledger", "search", "grant.revoked", "-json")
		return true, err == nil && strings.Contains(out, "svc-deploy")
	})
	mustSay(t, err)
	said(t, s.mustCLI(t, "ledger", "search", "identity.authenticated", "-json"), "mutual-tls")

	for _, c := range []struct {
		name, cert, word string
		more             []string
		code             int
	}{
		{"revoked", "stolen", "revoked by the authority", nil, exitFailed},
		{"of another name", "other", "no identity takes certificates of this name", nil, exitFailed},
		{"nothing at all", "", "there is no token", nil, exitFailed},
		{"a key that is not there", "nobody", "reading the client certificate", nil, exitFailed},
		{"without its key", "", "-cert and -cert-key belong together", []string{"-cert", x.file("build.pem")}, exitUsage},
		{"beside a token", "build", "one of them", []string{"-token-file", x.file("ca.pem")}, exitUsage},
		{"no authorities", "build", "holds no certificate in PEM", []string{"-ca", x.file("build.key")}, exitFailed},
	} {
		if code, out := job(c.cert, c.more...); code != c.code || !strings.Contains(out, c.word) {
			t.Errorf("%s: %d %s", c.name, code, out)
		}
	}
	s.verified(t)
}
