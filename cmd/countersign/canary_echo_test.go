package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

// echo is a target of every kind that gives back, as the words of its refusal, all that it was sent: a proxy in debug mode, a badly written server.
type echo struct {
	mu    sync.Mutex
	heard strings.Builder
}

func (e *echo) hear(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard.WriteString(text + "\n")
}

func (e *echo) said() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard.String()
}

// ServeHTTP refuses in the words of every API at once.
func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	text := fmt.Sprint(r.Method, " ", r.URL, " ", r.Header, " ", string(body))
	for _, h := range r.Header.Values("Authorization") {
		if basic, ok := strings.CutPrefix(h, "Basic "); ok {
			clear, _ := base64.StdEncoding.DecodeString(basic)
			text += " " + string(clear)
		}
	}
	e.hear(text)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"message": text, "error": text, "error_description": text, "errorSummary": text, "errors": []string{text}, "Message": text, "__type": "AccessDenied", "Code": text, "reason": text,
	})
}

// lines serves a protocol of words: what it hears it says again, in what answer makes of it.
func (e *echo) lines(t *testing.T, answer func(*bufio.Reader, net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustSay(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(bufio.NewReader(conn), conn)
			}()
		}
	}()
	return l.Addr().String()
}

// redis refuses the password in its own words.
func (e *echo) redis(r *bufio.Reader, conn net.Conn) {
	var words []string
	for len(words) < 7 { // AUTH user password: *3, and a length and a word each
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words = append(words, strings.TrimSpace(line))
	}
	e.hear(strings.Join(words, " "))
	fmt.Fprintf(conn, "-ERR invalid credentials %s\r\n", strings.Join(words, " "))
}

// ldap refuses a bind with all of it in the diagnostic message.
func (e *echo) ldap(r *bufio.Reader, conn net.Conn) {
	head, err := r.Peek(2)
	if err != nil || head[1] > 0x7f { // longer requests than a bind are not sent before it
		return
	}
	raw := make([]byte, 2+int(head[1]))
	if _, err := io.ReadFull(r, raw); err != nil {
		return
	}
	e.hear(string(raw))
	said := strings.ToValidUTF8(string(raw), "?")
	op := append([]byte{0x0a, 1, 53, 0x04, 0, 0x04, byte(len(said))}, said...) // unwillingToPerform
	msg := append([]byte{0x02, 1, 1, 0x61, 0x81, byte(len(op))}, op...)
	_, _ = conn.Write(append([]byte{0x30, 0x81, byte(len(msg))}, msg...))
	_, _ = io.Copy(io.Discard, r)
}

// provider is an identity provider that sends everybody back and refuses the secret in its own words.
func (e *echo) provider(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": srv.URL, "authorization_endpoint": srv.URL + "/authorize", "token_endpoint": srv.URL + "/token", "jwks_uri": srv.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		back, err := url.Parse(r.URL.Query().Get("redirect_uri"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		back.RawQuery = url.Values{"code": {"c-1"}, "state": {r.URL.Query().Get("state")}}.Encode()
		http.Redirect(w, r, back.String(), http.StatusFound)
	})
	mux.Handle("/token", e)
	return srv.URL
}

// canaries are the secrets of a run, by the slot that each was put in.
type canaries struct {
	t       *testing.T
	dir     string
	planted map[string]string
	sent    []string // those that a refusal is to have come back with
}

func (c *canaries) make(slot, before string) string {
	c.planted[slot] = before + "canary" + hex.EncodeToString(random(c.t, 12))
	return c.planted[slot]
}

// file is a new canary in a file.
func (c *canaries) file(slot, before string) string {
	path := filepath.Join(c.dir, slot)
	mustSay(c.t, os.WriteFile(path, []byte(c.make(slot, before)+"\n"), 0o600))
	c.sent = append(c.sent, slot)
	return path
}

// echoTargets are targets of all kinds that log in somewhere, each with an entitlement.
func echoTargets(t *testing.T, e *echo, c *canaries, url string) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(id, params string, settings ...string) {
		out["targets/"+id+".yaml"] = "id: " + id + "\ntitle: The " + id + "\nconnector: " + id + "\nowner: jonas\nenvironment: production\ndata_class: internal\nsettings:\n  " +
			strings.Join(append(settings, "drift_schedule: never"), "\n  ") +
			"\nentitlements:\n  - {id: use, title: Use the " + id + ", description: Uses it., business_task: Repairs., review_date: 2036-01-01, longest: 4h, " + params + "}\n"
	}
	add("redis", "params: {rules: ['~a:*', '+@read']}", "url: redis://"+e.lines(t, e.redis), "username: bot", "password_file: "+c.file("redis", ""))
	add("ldap", "shared: true, account: true, params: {group: dba}", "url: ldap://"+e.lines(t, e.ldap), "bind_dn: cn=b,dc=x", "password_file: "+c.file("ldap", ""),
		"people: ou=p,dc=x", "groups: ou=g,dc=x")
	add("etcd", "shared: true, account: true, params: {role: reader}", "url: "+url, "username: bot", "password_file: "+c.file("etcd", ""))
	add("kubernetes", "shared: true, account: true, params: {namespace: shop, cluster_role: view}", "url: "+url, "token_file: "+c.file("kubernetes", "eyJhbGciOiJSUzI1NiJ9."))
	add("github", "shared: true, account: true, params: {repository: acme/shop, role: pull}", "url: "+url, "token_file: "+c.file("github", "ghp_"), "scope: acme")
	add("okta", "shared: true, account: true, params: {group: 00gabcdefgh1}", "url: "+url, "token_file: "+c.file("okta", "00"), "scope: 00gabcdefgh1")
	add("vault", "params: {path: database/creds/read}", "url: "+url, "token_file: "+c.file("vault", "hvs."), "engine: leases", "role: countersign")
	for id, more := range map[string][2]string{
		"awsiam": {"shared: true, account: true, params: {actions: ['s3:GetObject'], resources: ['arn:aws:s3:::a/*']}", ""},
		"awssso": {"shared: true, account: true, params: {account: '123456789012', permission_set: 'arn:aws:sso:::permissionSet/ssoins-1/ps-1'}", "instance: arn:aws:sso:::instance/ssoins-1|identity_store: d-1111222233|scope: '123456789012'"},
	} {
		settings := []string{
			"region: eu-central-1", "endpoint: " + url, "access_key_id_file: " + c.file(id+"id", "AKIA"), "secret_access_key_file: " + c.file(id+"key", ""),
			"session_token_file: " + c.file(id+"token", ""),
		}
		if more[1] != "" {
			settings = append(settings, strings.Split(more[1], "|")...)
		}
		add(id, more[0], settings...)
	}
	return out
}

// TestThreat_T35_RefusalsThatEchoTheSecret: the slots that TestThreat_T35_EverySlotHoldsACanary has no room for (the ledger on PostgreSQL, a Slack app with
// rotating tokens in HTTP mode, an identity provider), and the credentials of nine more kinds of targets, at servers that say in their refusal all
// that they were sent. None of it stands in what the bot logs, records, exports, shows on a page or in a chat, or says to a command.
func TestThreat_T35_RefusalsThatEchoTheSecret(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t, "fsync=off")
	c := &canaries{t: t, dir: t.TempDir(), planted: map[string]string{}}
	e := &echo{}
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	password := c.make("DATABASE", "")
	pg.Exec(t, "postgres", "CREATE ROLE keeper LOGIN PASSWORD '"+password+"'", "CREATE DATABASE kept OWNER keeper")
	database := pg.URLFor("keeper", password, "kept")
	address, err := freeAddress()
	mustSay(t, err)
	signing := hex.EncodeToString(random(t, 16))
	c.planted["SLACK_SIGNING_SECRET"] = signing
	refresh, client, oidc := c.make("SLACK_REFRESH_TOKEN", "xoxe-1-"), c.make("SLACK_CLIENT_SECRET", ""), c.make("OIDC_CLIENT_SECRET", "")
	c.sent = append(c.sent, "OIDC_CLIENT_SECRET")
	host := t.TempDir()
	portal, err := newDemoPortal(host)
	mustSay(t, err)
	t.Cleanup(portal.close)
	w := newWorld(t, worldOptions{
		slack: func(s *slacksim.Config) {
			s.App.ClientID, s.App.ClientSecret, s.App.RefreshToken = "1.2", client, refresh
			s.RequestURL, s.App.SigningSecret = "http://"+address+"/slack", signing
		},
		company: func(dir string) {
			mustSay(t, portal.configure(dir, host))
			var grants []string
			for name, text := range echoTargets(t, e, c, srv.URL) {
				mustSay(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o600))
				grants = append(grants, strings.TrimSuffix(filepath.Base(name), ".yaml")+"/use")
			}
			mustSay(t, os.WriteFile(filepath.Join(dir, "workflows", "echo.yaml"), []byte(strings.NewReplacer("prod-db-read", "echo", "Read the main database", "Everything that echoes",
				"pg-main/readonly", strings.Join(grants, ", "), "for: [self, owned]", "for: [self]").Replace(pgWorkflow)), 0o600))
			canaryPeople(t, dir)
		},
	})
	w.demo.portal, w.child.listen = portal, address
	w.child.env = append(w.child.env, prefix+"_DATABASE="+database, prefix+"_LISTEN="+address, prefix+"_SLACK_APP_TOKEN=", prefix+"_SLACK_BOT_TOKEN=",
		prefix+"_SLACK_REFRESH_TOKEN="+refresh, prefix+"_SLACK_CLIENT_ID=1.2", prefix+"_SLACK_CLIENT_SECRET="+client, prefix+"_SLACK_SIGNING_SECRET="+signing,
		prefix+"_OIDC_ISSUER="+e.provider(t), prefix+"_OIDC_CLIENT_ID=countersign", prefix+"_OIDC_CLIENT_SECRET="+oidc)
	w.start(prefix + "_LOG_LEVEL=debug")
	c.planted["the bot token that Slack gave"], c.planted["the refresh token that it gave"] = w.slack.App().BotToken, w.slack.App().RefreshToken
	if c.planted["the refresh token that it gave"] == refresh {
		t.Error("the refresh token was not used")
	}
	page := w.loginThatFails()
	var said strings.Builder
	for _, args := range [][]string{
		{"config"},
		{"doctor"},
		{"drift", "-json"},
		{"identities", "discover"},
		{"health", "-json"},
		{"ledger", "show", "-json", "-last", "0"},
	} {
		out, _ := w.run(args...) // nearly all of it fails, and says so
		said.WriteString(out)
	}
	out := filepath.Join(w.dir, "export")
	if text, code := w.run("ledger", "export", "-out", out); code != exitDone {
		t.Errorf("exporting (exit %d): %s", code, text)
	}
	metrics, _ := w.get("/metrics")
	w.stopBot()
	for _, slot := range c.sent {
		if strings.HasSuffix(slot, "key") {
			continue // a key of AWS signs, and is never sent
		}
		if !strings.Contains(e.said(), c.planted[slot]) {
			t.Errorf("%s was sent nowhere, so nothing could have echoed it", slot)
		}
	}
	places := map[string]string{"what commands say": said.String(), "/metrics": metrics, "the page after the login": page, "what Slack shows": shown(w), "the database": dump(t, database)}
	readFilesOf(t, places, w.dir, filepath.Join(w.data(), "keys"))
	for place, text := range map[string]string{"what commands say": "drift.swept", "the database": "drift.swept", filepath.Join(w.dir, "serve.log"): "the identity provider refused it"} {
		if !strings.Contains(places[place], text) || len(places[place]) < 1000 {
			t.Errorf("%s says little, so the search shows little: %d bytes", place, len(places[place]))
		}
	}
	for slot := range notPlanted() {
		if c.planted[slot] == "" {
			t.Errorf("%s is planted nowhere", slot)
		}
	}
	c.search(places)
}

// search looks for every canary everywhere, as it is and in base64.
func (c *canaries) search(places map[string]string) {
	c.t.Helper()
	for slot, text := range c.planted {
		if len(text) < 12 {
			c.t.Errorf("%s is too short to be recognised: %d bytes", slot, len(text))
		}
		for place, holds := range places {
			for _, form := range []string{text, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "="), url.QueryEscape(text)} {
				if i := strings.Index(holds, form); i >= 0 {
					c.t.Errorf("%s stands in %s: …%q", slot, place, holds[max(0, i-80):i])
				}
			}
		}
	}
}

// loginThatFails has Maya ask for her password at the portal, go to the identity provider, and come back to a bot that is refused there.
func (w *world) loginThatFails() string {
	w.t.Helper()
	w.form("maya", "portal-login")
	reason := "A supplier cannot see her orders."
	w.check(w.submit(w.t.Context(), "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: reason}))
	w.click("jonas", w.dmTo("jonas", reason), screens.ActApprove)
	v := w.visitor()
	v.get(w.linkFor("maya", w.dmTo("maya", "Ready: ", "Supplier portal")))
	return v.send("/login", nil)
}

// canaryPeople lets this machine's user be Jonas, and gives Maya accounts.
func canaryPeople(t *testing.T, dir string) {
	t.Helper()
	me, err := user.Current()
	mustSay(t, err)
	path := filepath.Join(dir, "people.yaml")
	b, err := os.ReadFile(path)
	mustSay(t, err)
	accounts := "    accounts: {ldap: maya, etcd: maya, kubernetes: maya, github: maya, okta: maya, awsiam: maya, awssso: maya}\n"
	text := strings.Replace(string(b), "    unix: maya\n", accounts, 1)
	mustSay(t, os.WriteFile(path, []byte(strings.Replace(text, "    slack: U0JONAS01\n", "    slack: U0JONAS01\n    unix: "+me.Username+"\n", 1)), 0o600))
}

// shown is all that people see in Slack. What the bot proves itself with to Slack stands in its calls, and is meant to.
func shown(w *world) string {
	var out strings.Builder
	for _, person := range demoOrder {
		fmt.Fprintln(&out, w.slack.DM(w.slackID(person)))
	}
	for _, channel := range []string{"access", "incidents", "security", "access-audit"} {
		fmt.Fprintln(&out, w.slack.Messages(channel))
	}
	return out.String()
}

// dump is every row of every table.
func dump(t *testing.T, database string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	mustSay(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()`)
	mustSay(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	mustSay(t, err)
	var out strings.Builder
	for _, table := range tables {
		rows, err := conn.Query(t.Context(), `SELECT encode(convert_to(t::text, 'UTF8'), 'escape') FROM `+table+` t`)
		mustSay(t, err)
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		mustSay(t, err)
		for _, text := range texts {
			out.WriteString(text + "\n")
			for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(`(),"\`, r) }) {
				if raw, err := hex.DecodeString(strings.TrimPrefix(word, "x")); err == nil && len(raw) > 8 {
					out.Write(append(raw, '\n')) // what stands in columns of bytes
				}
			}
		}
	}
	return out.String()
}

// readFilesOf reads every file of a folder but those below another.
func readFilesOf(t *testing.T, places map[string]string, dir, but string) {
	t.Helper()
	mustSay(t, filepath.WalkDir(dir, func(path string, f fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case f.IsDir() && path == but:
			return filepath.SkipDir
		case !f.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		places[path] = string(b)
		return err
	}))
}
