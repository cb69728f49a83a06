package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// relay is an SMTP server that wants STARTTLS and a password, as a company's does.
type relay struct {
	addr, roots string
	mu          sync.Mutex
	got         []received
	refuse      bool // takes no message
}

type received struct {
	from, to string
	head     mail.Header
	text     string
	secured  bool
	user     string
}

const relayPassword = "correct horse 8471"

func newRelay(t *testing.T, starttls bool) *relay {
	t.Helper()
	cert, roots := selfSigned(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustSay(t, err)
	r := &relay{addr: l.Addr().String(), roots: roots}
	srv := smtp.NewServer(r)
	srv.Domain, srv.ErrorLog, srv.AllowInsecureAuth = "relay.test", log.New(io.Discard, "", 0), !starttls
	if starttls {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return r
}

func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustSay(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	mustSay(t, err)
	path := filepath.Join(t.TempDir(), "roots.pem")
	mustSay(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// NewSession implements smtp.Backend.
func (r *relay) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &relaySession{relay: r, conn: c}, nil
}

type relaySession struct {
	relay          *relay
	conn           *smtp.Conn
	from, to, user string
}

func (s *relaySession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *relaySession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != relayPassword {
			return errors.New("wrong password")
		}
		s.user = user
		return nil
	}), nil
}
func (s *relaySession) Reset()        {}
func (s *relaySession) Logout() error { return nil }
func (s *relaySession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *relaySession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *relaySession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		return err
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if s.relay.refuse {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	_, secured := s.conn.TLSConnectionState()
	s.relay.got = append(s.relay.got, received{s.from, s.to, m.Header, string(text), secured, s.user})
	return nil
}

func (r *relay) mails() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func (r *relay) env() map[string]string {
	return map[string]string{"SMTP_URL": "smtp://bot@" + r.addr, "SMTP_PASSWORD": relayPassword, "SMTP_FROM": "Countersign <countersign@northwind.example>", "SMTP_CA": r.roots}
}

func (r *relay) config() Config {
	e := r.env()
	return Config{SMTP: e["SMTP_URL"], SMTPPassword: e["SMTP_PASSWORD"], SMTPFrom: e["SMTP_FROM"], SMTPRoots: e["SMTP_CA"]}
}

// TestMailGoesOverTLS: the relay is spoken to over STARTTLS with a certificate that is checked, and nothing typed adds a header.
func TestMailGoesOverTLS(t *testing.T) {
	t.Parallel()
	r := newRelay(t, true)
	m, err := openMail(r.config())
	mustSay(t, err)
	l := letterOut{to: "frida@northwind.example", subject: "Größe\r\nBcc: mallory@example.com", text: "Zeile eins\n.\nZeile drei = Ü\n", id: "e_1.page.1", at: time.Now()}
	mustSay(t, m.send(t.Context(), l))
	got := r.mails()
	if len(got) != 1 || !got[0].secured || got[0].user != "bot" || got[0].to != "frida@northwind.example" || got[0].head.Get("Bcc") != "" {
		t.Fatalf("the relay got %+v", got)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got[0].head.Get("Subject"))
	if err != nil || subject != "Größe Bcc: mallory@example.com" || got[0].head.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("subject %q (%v), head %v", subject, err, got[0].head)
	}
	if text := strings.ReplaceAll(got[0].text, "\r\n", "\n"); strings.TrimSpace(text) != strings.TrimSpace(l.text) {
		t.Errorf("the text became %q", text)
	}

	other := r.config()
	_, other.SMTPRoots = selfSigned(t)
	m, err = openMail(other)
	mustSay(t, err)
	if err := m.send(t.Context(), l); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a relay with another certificate was believed: %v", err)
	}
	clear := newRelay(t, false)
	m, err = openMail(clear.config())
	mustSay(t, err)
	m.clear = false // as if it were another machine
	if err := m.send(t.Context(), l); err == nil || !strings.Contains(err.Error(), "nothing is sent in clear") || len(clear.mails()) != 0 {
		t.Errorf("sent in clear: %v", err)
	}
	if len(r.mails()) != 1 {
		t.Errorf("%d messages arrived", len(r.mails()))
	}
}

func TestMailSettingsAreStrict(t *testing.T) {
	t.Parallel()
	ok := Config{SMTP: "smtp://mail.example.com", SMTPFrom: "bot@example.com"}
	for want, change := range map[string]func(*Config){
		"want smtp://":         func(c *Config) { c.SMTP = "https://mail.example.com" },
		"holds a password":     func(c *Config) { c.SMTP = "smtp://a:b@mail.example.com" },
		"both or neither":      func(c *Config) { c.SMTP = "smtp://a@mail.example.com" },
		"SMTP_FROM":            func(c *Config) { c.SMTPFrom = "bot" },
		"SMTP_URL is needed":   func(c *Config) { c.SMTP = "" },
		"no such file":         func(c *Config) { c.SMTPRoots = "/nowhere.pem" },
		"holds no certificate": func(c *Config) { c.SMTPRoots = os.DevNull },
	} {
		c := ok
		change(&c)
		if _, err := openMail(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for url, port := range map[string]string{"smtp://mail.example.com": "587", "smtps://mail.example.com": "465", "smtp://mail.example.com:25": "25"} {
		c := ok
		c.SMTP = url
		if m, err := openMail(c); err != nil || m.port != port || m.clear {
			t.Errorf("%s: %+v (%v)", url, m, err)
		}
	}
}
