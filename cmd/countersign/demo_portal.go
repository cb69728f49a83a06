package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// demoPortal is a web application that knows passwords only: the demo's system whose access comes with a secret. It takes orders as runbooks/
// webhook describes them and keeps the hash of each password, as a company's own receiver would.
type demoPortal struct {
	srv    *http.Server
	url    string
	secret []byte

	mu     sync.Mutex
	logins map[string][32]byte // login name -> hash of its password
	of     map[string]string   // grant -> login name
}

func newDemoPortal(dir string) (*demoPortal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the portal's folder: %w", err)
	}
	l, err := rememberedListener(filepath.Join(dir, "portal.address"))
	if err != nil {
		return nil, fmt.Errorf("opening the portal: %w", err)
	}
	p := &demoPortal{url: "http://" + l.Addr().String(), secret: make([]byte, 32), logins: map[string][32]byte{}, of: map[string]string{}}
	rand.Read(p.secret) // never fails: crypto/rand ends the program instead
	mux := http.NewServeMux()
	mux.HandleFunc("POST /countersign", p.order)
	mux.HandleFunc("GET /{$}", p.page)
	mux.HandleFunc("POST /{$}", p.page)
	p.srv = &http.Server{Handler: http.MaxBytesHandler(mux, maxHTTPBody), ReadHeaderTimeout: readHeaderTimeout}
	go p.srv.Serve(l)
	return p, os.WriteFile(p.secretFile(dir), []byte("whsec_"+base64.StdEncoding.EncodeToString(p.secret)+"\n"), 0o600)
}

// rememberedListener listens where it did the last time, so that a company that is opened again has not changed.
func rememberedListener(file string) (net.Listener, error) {
	if b, err := os.ReadFile(file); err == nil {
		if l, err := net.Listen("tcp", strings.TrimSpace(string(b))); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return l, os.WriteFile(file, []byte(l.Addr().String()+"\n"), 0o600)
}

func (p *demoPortal) secretFile(dir string) string { return filepath.Join(dir, "portal.secret") }

// configure adds the portal and its chain to a company.
func (p *demoPortal) configure(config, dir string) error {
	for from, to := range map[string]string{"target.yaml": "targets/portal.yaml", "workflow.yaml": "workflows/portal-login.yaml"} {
		b, err := fs.ReadFile(demoFiles, "demo/portal/"+from)
		if err != nil {
			return err
		}
		text := strings.NewReplacer("{{URL}}", p.url, "{{SECRET}}", p.secretFile(dir)).Replace(string(b))
		if err := os.WriteFile(filepath.Join(config, filepath.FromSlash(to)), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing the demo's configuration: %w", err)
		}
	}
	return nil
}

func (p *demoPortal) close() {
	if p != nil {
		p.srv.Close()
	}
}

// order is what the bot asks for, signed as Standard Webhooks says.
func (p *demoPortal) order(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var o struct {
		Op, Grant, Account string
		Secret             map[string]string
	}
	if err != nil || !p.signed(r.Header, body) || json.Unmarshal(body, &o) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name, there := p.of[o.Grant]
	switch {
	case o.Op == "grant":
		name = o.Secret["login"]
		p.of[o.Grant], p.logins[name] = name, sha256.Sum256([]byte(o.Secret["password"]))
		fmt.Fprintf(w, `{"ref":"login %s","use":{"steps":["Open %s and log in as %s with the password that you were handed."]}}`, name, p.url, name)
	case o.Op == "revoke":
		delete(p.logins, name)
		delete(p.of, o.Grant)
		w.WriteHeader(http.StatusNoContent)
	case there:
		io.WriteString(w, `{"presence":"present"}`)
	default:
		io.WriteString(w, `{"presence":"absent"}`)
	}
}

func (p *demoPortal) signed(h http.Header, body []byte) bool {
	at, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, p.secret)
	fmt.Fprintf(mac, "%s.%d.%s", h.Get("webhook-id"), at, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, got := range strings.Fields(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return true
		}
	}
	return false
}

// opens tells whether a password lets a login in.
func (p *demoPortal) opens(name, password string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	want, ok := p.logins[name]
	got := sha256.Sum256([]byte(password))
	return ok && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

const (
	portalTop = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Supplier portal</title>
<style>body{font:17px/1.5 system-ui;max-width:26rem;margin:4rem auto;padding:0 1rem}input,button{font:inherit;width:100%;padding:.5rem;margin:.2rem 0 1rem;box-sizing:border-box}</style>
<h1>Supplier portal</h1>`
	portalForm = `
<form method="post"><label>Login <input name="name" autocomplete="off"></label><label>Password <input name="password" type="password" autocomplete="off"></label><button>Log in</button></form>`
)

func (p *demoPortal) page(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("name")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case p.opens(name, r.PostFormValue("password")):
		io.WriteString(w, portalTop+"<p><strong>Welcome, "+html.EscapeString(name)+". Your orders are on their way.</strong></p>")
	case r.Method == http.MethodPost:
		io.WriteString(w, portalTop+"<p><strong>That login does not exist, or the password is wrong.</strong></p>"+portalForm)
	default:
		io.WriteString(w, portalTop+portalForm)
	}
}
