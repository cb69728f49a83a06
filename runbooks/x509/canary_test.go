package x509_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/x509"
)

// drilled is the authority as a target whose drills connect to a server with the bench's certificate.
func (b *bench) drilled(t testing.TB, address string) *x509.Target {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.own.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := b.For(map[string]string{x509.SettingCanary: address, x509.SettingCanaryRoots: file})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// web is a server of HTTP over TLS that trusts the authority in one of the ways that servers have.
func (b *bench) web(t *testing.T, cfg *tls.Config, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(answer)
	cfg.Certificates, cfg.ClientCAs, cfg.Time = []tls.Certificate{b.own}, b.pool, b.now
	s.TLS, s.Config.ErrorLog = cfg, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "https://")
}

// TestReq_R68_ACanaryShowsItsCertificate: a drill connects as the canary, with a key of its own or one that was made with the grant, to servers that refuse during
// the handshake, after it (TLS 1.3), and in words of HTTP; each lets it in while the certificate is good, and not when it is on the list. A server that asks for
// no certificate, or that is another one, is an error and not a "no".
func TestReq_R68_ACanaryShowsItsCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	greet := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) } // let in, and nothing there
	judged := func(s tls.ConnectionState) error { return b.refused(t, s.PeerCertificates[0]) }
	asNginx := func(w http.ResponseWriter, r *http.Request) {
		if b.refused(t, r.TLS.PeerCertificates[0]) != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}
	for name, address := range map[string]string{
		"handshake": b.tls.Addr().String(),
		"tls13":     b.web(t, &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, VerifyConnection: judged}, greet),
		"http":      b.web(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, asNginx),
	} {
		for _, words := range []map[string][]string{{}, {x509.ParamKey: {"made"}}, {x509.ParamField: {"request"}}} {
			target := b.drilled(t, address)
			r := runbooks.NewRunner(map[string]runbooks.Connector{"edge": target}, nil)
			r.KeepIn(runbooktest.NewSafe())
			g := b.grantOf("canary"+name+strings.Join(words[x509.ParamKey], "")+strings.Join(words[x509.ParamField], ""), "")
			g.Params = words
			var err error
			if g.Fields, err = r.FillCanary("edge", g.ID, g.Params); err != nil {
				t.Fatal(err)
			}
			receipt, err := r.Start(t.Context(), "edge", g)
			if err != nil {
				t.Fatal(err)
			}
			if in, can, err := r.Try(t.Context(), "edge", g, receipt); !in || !can || err != nil {
				t.Errorf("%s %v: let in: %v %v %v", name, words, in, can, err)
			}
			if _, err := target.Revoke(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			if in, can, err := r.Try(t.Context(), "edge", g, receipt); in || !can || err != nil {
				t.Errorf("%s %v: after the revocation: %v %v %v", name, words, in, can, err)
			}
		}
	}
	g := b.grantOf("open", "")
	var err error
	if g.Fields, err = b.CanaryFields(g.ID, g.Params); err != nil {
		t.Fatal(err)
	}
	receipt, err := b.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	other := newBench(t)
	for what, address := range map[string]string{
		"asks for none": b.web(t, &tls.Config{}, greet), "another server": other.tls.Addr().String(), "nobody": closed(t),
	} {
		if in, err := b.drilled(t, address).Try(t.Context(), g, receipt); in || err == nil {
			t.Errorf("%s: %v %v", what, in, err)
		}
	}
	if _, err := b.For(map[string]string{x509.SettingCanary: "edge.example.org"}); err == nil {
		t.Error("an address without a port was taken")
	}
	if runbooks.CanTry(must(b.For(nil))) {
		t.Error("drills would connect to nothing")
	}
}

func must(target *x509.Target, err error) *x509.Target {
	if err != nil {
		panic(err)
	}
	return target
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
