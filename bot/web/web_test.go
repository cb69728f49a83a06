package web_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/countersign-bot/countersign/bot/web"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// world is the pages with a secret that waits for p_ann, a chat that keeps what was sent, and a ledger that counts refusals.
type world struct {
	t       *testing.T
	web     *web.Server
	srv     *httptest.Server
	mu      sync.Mutex
	clock   time.Time
	sent    []string
	refused []string // command and about of what was refused
	taken   int
	issuer  *issuer
}

func newWorld(t *testing.T, idp *issuer) *world {
	t.Helper()
	w := &world{t: t, clock: time.Now(), issuer: idp}
	mux := http.NewServeMux()
	w.srv = httptest.NewServer(mux)
	t.Cleanup(w.srv.Close)
	cfg := web.Config{
		Base: w.srv.URL, Insecure: true, Secrets: w, Messages: w, Accounts: w, Codes: w, Now: w.now, Product: func() workflows.Stamp { return workflows.StampOf(w.now()) },
		Desk: desk.New(desk.Config{Ledger: ledger{w: w}}),
	}
	if idp != nil {
		cfg.Provider = &web.Provider{Issuer: idp.srv.URL, ClientID: "countersign", Secret: "client-secret", Client: idp.srv.Client()}
	}
	var err error
	if w.web, err = web.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.web.Routes(mux)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) Waiting(context.Context, workflows.GrantID) (web.Waiting, bool, error) {
	return web.Waiting{What: "Orders – login", Holder: "p_ann"}, w.taken == 0, nil
}

func (w *world) Take(_ context.Context, x web.Taking) (web.Secret, *workflows.Refusal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.By.Person != "p_ann" || w.taken > 0 {
		w.refused = append(w.refused, "take "+string(x.By.Person))
		return web.Secret{}, workflows.Refuse(workflows.CodeNotYours, "There is no such secret, or it is not yours.", ""), nil
	}
	w.taken++
	return web.Secret{Title: "Login", Parts: []web.Part{{Name: "Password", Value: "<b>correct</b>&horse"}}}, nil, nil
}

func (w *world) SendCode(_ context.Context, p workflows.PersonID, code string) (workflows.Acting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, code)
	return workflows.Acting{Actor: "a_" + workflows.ActorID(p), Person: p}, nil
}

func (w *world) Known(_ context.Context, c web.Claims) (workflows.Acting, *workflows.Refusal, error) {
	if c.Subject == "nobody" || c.Issuer != w.issuer.srv.URL {
		return workflows.Acting{}, workflows.Refuse(workflows.CodeUnlinked, "This login is nobody's.", ""), nil
	}
	return workflows.Acting{Actor: "a_oidc", Person: workflows.PersonID("p_" + c.Subject)}, nil, nil
}

func (w *world) SignIn(_ context.Context, _, code, _ string) (workflows.Acting, *workflows.Refusal, error) {
	return workflows.Acting{}, workflows.Refuse(workflows.CodeBadCode, "This is no code of yours: "+code, ""), nil
}

// ledger takes refusals and nothing else.
type ledger struct {
	desk.Ledger
	w *world
}

func (l ledger) Update(_ context.Context, _ desk.Cause, streams []workflows.StreamID, fn func(workflows.Facts) (workflows.Outcome, error)) (desk.Result, error) {
	h := map[workflows.StreamID][]workflows.Record{}
	for _, s := range streams {
		h[s] = nil
	}
	out, err := fn(workflows.Facts{Histories: h})
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for _, e := range out.Events {
		if r, ok := e.Event.(workflows.Refused); ok {
			l.w.refused = append(l.w.refused, r.Command+" "+r.About)
		}
	}
	return desk.Result{Refusal: out.Refusal}, err
}

// History implements desk.Ledger: there are no requests.
func (ledger) History(context.Context, workflows.StreamID) ([]workflows.Record, error) {
	return nil, workflows.ErrNoStream
}

// visitor is a browser without scripts.
type visitor struct {
	w      *world
	client *http.Client
	page   string
	at     *url.URL
	status int
	header http.Header
	change func(*http.Request, url.Values)
}

func (w *world) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	if w.issuer != nil {
		client.Transport = w.issuer.srv.Client().Transport
	}
	return &visitor{w: w, client: client}
}

func (v *visitor) do(req *http.Request) string {
	v.w.t.Helper()
	res, err := v.client.Do(req)
	if err != nil {
		v.w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.w.t.Fatal(err)
	}
	v.page, v.at, v.status, v.header = string(b), res.Request.URL, res.StatusCode, res.Header
	return v.page
}

func (v *visitor) get(address string) string {
	v.w.t.Helper()
	req, err := http.NewRequestWithContext(v.w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		v.w.t.Fatal(err)
	}
	return v.do(req)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

func (v *visitor) send(ending string, values url.Values) string {
	v.w.t.Helper()
	for _, form := range strings.Split(v.page, "<form ")[1:] {
		form, _, _ = strings.Cut(form, "</form>")
		action := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(form)
		if action == nil || !strings.HasSuffix(action[1], ending) {
			continue
		}
		data := url.Values{}
		for _, m := range hidden.FindAllStringSubmatch(form, -1) {
			data.Set(m[1], html.UnescapeString(m[2]))
		}
		maps.Copy(data, values)
		to, err := v.at.Parse(action[1])
		if err != nil {
			v.w.t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(v.w.t.Context(), http.MethodPost, to.String(), nil)
		if err != nil {
			v.w.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.w.srv.URL)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if v.change != nil {
			v.change(req, data)
		}
		body := data.Encode()
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		return v.do(req)
	}
	v.w.t.Fatalf("no form to …%s on (%d):\n%s", ending, v.status, v.page)
	return ""
}

func (w *world) code() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return regexp.MustCompile(`[A-Z2-9]{4}-[A-Z2-9]{4}`).FindString(w.sent[len(w.sent)-1])
}

// proven is a visitor who has typed the code that was sent to the holder.
func (w *world) proven(link string) *visitor {
	w.t.Helper()
	v := w.visitor()
	v.get(link)
	v.send("/code", nil)
	v.send("/prove", url.Values{"code": {w.code()}})
	return v
}

// The secret is shown once, escaped, and the link is dead after it.
func TestReq_R26_OneView(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	link := w.web.NewLink("g_1", "p_ann")
	v := w.proven(link)
	if page := v.send("/reveal", nil); v.status != http.StatusOK || !strings.Contains(page, "&lt;b&gt;correct&lt;/b&gt;&amp;horse") {
		t.Fatalf("%d %s", v.status, page)
	}
	for _, x := range []*visitor{v, w.visitor()} {
		if x.get(link); x.status != http.StatusGone {
			t.Errorf("after the view: %d", x.status)
		}
	}
	if w.taken != 1 {
		t.Errorf("taken %d times", w.taken)
	}
}

// A link dies after five minutes, and when another one is made; a proof ages; a code is good for its own session, for five minutes, and a link
// lets five be tried and three be sent.
func TestReq_R26_LinksAndCodesDie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	old := w.web.NewLink("g_1", "p_ann")
	link := w.web.NewLink("g_1", "p_ann")
	v := w.visitor()
	if v.get(old); v.status != http.StatusGone {
		t.Errorf("the link before this one: %d", v.status)
	}
	v = w.proven(link)
	w.later(5*time.Minute + time.Second)
	if v.send("/reveal", nil); v.status != http.StatusGone || w.taken != 0 {
		t.Errorf("after five minutes: %d", v.status)
	}
	link = w.web.NewLink("g_1", "p_ann")
	v = w.visitor()
	v.get(link)
	v.send("/code", nil)
	right := w.code()
	for range 5 {
		v.get(link)
		if v.send("/prove", url.Values{"code": {"AAAA-2222"}}); v.status != http.StatusForbidden {
			t.Errorf("a wrong code: %d", v.status)
		}
	}
	v.get(link)
	if v.status == http.StatusOK {
		v.send("/prove", url.Values{"code": {right}})
	}
	if v.status == http.StatusOK || w.taken != 0 {
		t.Errorf("the sixth try: %d", v.status)
	}
	if len(w.refused) < 5 {
		t.Errorf("%d refusals recorded", len(w.refused))
	}
	link = w.web.NewLink("g_2", "p_ann")
	v, before := w.visitor(), len(w.sent)
	for range 5 {
		if v.get(link); v.status == http.StatusOK {
			v.send("/code", nil)
		}
	}
	if got := len(w.sent) - before; got != 3 {
		t.Errorf("%d codes were sent for one link", got)
	}
}

// TestReq_R105_SessionsAndForgery: 256 random bits in a cookie that no script reads; another one after the proof; a POST from elsewhere, with
// another session's token, without one, or cross-site does nothing.
func TestReq_R105_SessionsAndForgery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	link := w.web.NewLink("g_1", "p_ann")
	v := w.visitor()
	v.get(link)
	set := v.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie %q lacks %s", set, want)
		}
	}
	if value := v.client.Jar.Cookies(v.at)[0].Value; len(value) != 64 {
		t.Errorf("a session of %d digits", len(value))
	}
	other := w.visitor()
	other.get(link)
	foreign := hidden.FindStringSubmatch(other.page)[2]
	for name, change := range map[string]func(*http.Request, url.Values){
		"no origin":      func(r *http.Request, _ url.Values) { r.Header.Del("Origin") },
		"other origin":   func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "https://evil.example") },
		"null origin":    func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "null") },
		"cross-site":     func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same site only": func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"no token":       func(_ *http.Request, d url.Values) { d.Del("token") },
		"other's token":  func(_ *http.Request, d url.Values) { d.Set("token", foreign) },
		"no cookie":      func(r *http.Request, _ url.Values) { r.Header.Set("Cookie", "countersign=x") },
		"too long":       func(_ *http.Request, d url.Values) { d.Set("pad", strings.Repeat("x", 40<<10)) },
	} {
		v.get(link)
		v.change = change
		if name == "no cookie" {
			v.client.Jar, _ = cookiejar.New(nil)
		}
		if v.send("/code", nil); v.status != http.StatusForbidden || len(w.sent) != 0 {
			t.Errorf("%s: %d, %d codes sent", name, v.status, len(w.sent))
		}
		v.change = nil
	}
	for _, path := range []string{"/secret/" + strings.Repeat("0", 32), "/emergency", "/web/login", "/web/style.css"} {
		v.get(w.srv.URL + path)
		for name, want := range map[string]string{"Cache-Control": "no-store", "Content-Security-Policy": "frame-ancestors 'none'", "Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex"} {
			if !strings.Contains(v.header.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, v.header.Get(name))
			}
		}
	}
}

// Over TLS the cookie is for this host and for TLS only, and pages need it to be said.
func TestPagesNeedTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, base := range []string{"http://countersign.example.com", "https://x.example/path", "countersign.example.com", ""} {
		if _, err := web.New(web.Config{Base: base, Secrets: w, Messages: w, Desk: desk.New(desk.Config{}), Now: w.now, Product: func() workflows.Stamp { return 0 }}); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
	s, err := web.New(web.Config{Base: "https://countersign.example.com", Secrets: w, Messages: w, Desk: desk.New(desk.Config{}), Now: w.now, Product: func() workflows.Stamp { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.Routes(mux)
	rec := httptest.NewRecorder()
	link := s.NewLink("g_1", "p_ann")
	mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(link, "https://countersign.example.com"), nil))
	if c := rec.Header().Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-countersign=") || !strings.Contains(c, "Secure") || rec.Header().Get("Strict-Transport-Security") == "" {
		t.Errorf("the cookie %q", c)
	}
	rec = httptest.NewRecorder() // no codes were given: no pages for emergencies
	if mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/emergency", nil)); rec.Code != http.StatusNotFound {
		t.Errorf("/emergency: %d", rec.Code)
	}
}

// Wrong one-time codes are counted by name, and nobody tries a sixth within a quarter of an hour.
func TestEmergencyCodesAreNotGuessed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	v := w.visitor()
	try := func() int {
		v.get(w.srv.URL + "/emergency")
		v.send("/emergency/login", url.Values{"name": {"Ann "}, "code": {"aaaa-bbbb cccc-dddd"}})
		return v.status
	}
	for i := range 5 {
		if got := try(); got != http.StatusForbidden || !strings.Contains(v.page, "AAAABBBBCCCCDDDD") {
			t.Errorf("try %d: %d", i, got)
		}
	}
	if got := try(); got != http.StatusTooManyRequests {
		t.Errorf("the sixth: %d", got)
	}
	w.later(16 * time.Minute)
	if got := try(); got != http.StatusForbidden {
		t.Errorf("a quarter of an hour later: %d", got)
	}
	if v.get(w.srv.URL + "/emergency/runbook/x"); !strings.Contains(v.page, "one-time codes") {
		t.Errorf("a page without a session: %s", v.page)
	}
}

// issuer is an identity provider: discovery, a login that asks nothing, tokens signed with its key.
type issuer struct {
	srv     *httptest.Server
	key     *rsa.PrivateKey
	mu      sync.Mutex
	subject string
	forge   func(claims map[string]any) // changes what the token says
	asked   url.Values
	used    map[string]bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, subject: "ann", used: map[string]bool{}}
	mux := http.NewServeMux()
	i.srv = httptest.NewServer(mux)
	t.Cleanup(i.srv.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": i.srv.URL, "authorization_endpoint": i.srv.URL + "/authorize", "token_endpoint": i.srv.URL + "/token", "jwks_uri": i.srv.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asked = r.URL.Query()
		back, _ := url.Parse(i.asked.Get("redirect_uri"))
		back.RawQuery = url.Values{"code": {"c-" + i.asked.Get("nonce")}, "state": {i.asked.Get("state")}}.Encode()
		http.Redirect(w, r, back.String(), http.StatusFound)
	})
	mux.HandleFunc("/token", i.token)
	return i
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.PostFormValue("code_verifier") == "" || i.used[r.PostFormValue("code")] || r.PostFormValue("code") != "c-"+i.asked.Get("nonce") {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	i.used[r.PostFormValue("code")] = true
	now := time.Now()
	claims := map[string]any{
		"iss": i.srv.URL, "aud": "countersign", "sub": i.subject, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "auth_time": now.Unix(), "nonce": i.asked.Get("nonce"),
		"email": i.subject + "@example.com", "email_verified": true,
	}
	if i.forge != nil {
		i.forge(claims)
	}
	signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	body, _ := json.Marshal(claims)
	signed, _ := signer.Sign(body)
	raw, _ := signed.CompactSerialize()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": raw})
}

// A login at the identity provider proves the holder; another person is refused and recorded; a token for another audience, nonce, issuer,
// from an old login or of an old time proves nothing.
func TestReq_R26_ALoginAtTheIdentityProvider(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		subject string
		forge   func(map[string]any)
		shown   bool
	}{
		"the holder":        {"ann", nil, true},
		"somebody else":     {"bob", nil, false},
		"nobody":            {"nobody", nil, false},
		"another audience":  {"ann", func(c map[string]any) { c["aud"] = "other" }, false},
		"another nonce":     {"ann", func(c map[string]any) { c["nonce"] = "other" }, false},
		"another issuer":    {"ann", func(c map[string]any) { c["iss"] = "https://evil.example" }, false},
		"expired":           {"ann", func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }, false},
		"an old login":      {"ann", func(c map[string]any) { c["auth_time"] = time.Now().Add(-10 * time.Minute).Unix() }, false},
		"no time of login":  {"ann", func(c map[string]any) { delete(c, "auth_time") }, false},
		"login to be tried": {"ann", func(c map[string]any) { c["auth_time"] = time.Now().Add(time.Hour).Unix() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := newIssuer(t)
			idp.subject, idp.forge = tc.subject, tc.forge
			w := newWorld(t, idp)
			v := w.visitor()
			v.get(w.web.NewLink("g_1", "p_ann"))
			if csp := v.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' "+idp.srv.URL) {
				t.Errorf("the browser would not go to the provider: %s", csp)
			}
			v.send("/login", nil)
			if idp.asked.Get("prompt") != "login" || idp.asked.Get("max_age") != "300" || idp.asked.Get("code_challenge_method") != "S256" || len(idp.asked.Get("state")) != 32 {
				t.Errorf("asked for %v", idp.asked)
			}
			shown := v.status == http.StatusOK && strings.Contains(v.page, "Show it to me, once")
			if shown != tc.shown {
				t.Fatalf("%d %s", v.status, v.page)
			}
			if tc.shown {
				v.send("/reveal", nil)
			}
			if (w.taken == 1) != tc.shown {
				t.Errorf("taken %d times", w.taken)
			}
			if want := tc.subject != "ann"; want != (len(w.refused) > 0) {
				t.Errorf("recorded refusals: %v", w.refused)
			}
		})
	}
}

// The answer of a provider belongs to the session that asked: another browser cannot use it, and it is good once.
func TestReq_R105_ALoginBelongsToItsSession(t *testing.T) {
	t.Parallel()
	idp := newIssuer(t)
	w := newWorld(t, idp)
	link := w.web.NewLink("g_1", "p_ann")
	v := w.visitor()
	v.get(link)
	v.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.Path, "/web/login") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	v.send("/login", nil)
	back := v.header.Get("Location")
	victim := w.visitor()
	victim.get(link)
	if victim.get(back); victim.status != http.StatusForbidden {
		t.Errorf("another browser: %d", victim.status)
	}
	if v.get(strings.Replace(back, "state=", "state=0", 1)); v.status != http.StatusForbidden {
		t.Errorf("another state: %d", v.status)
	}
	if v.get(back); v.status != http.StatusForbidden {
		t.Errorf("after a wrong state the login must begin anew: %d", v.status)
	}
}

// The page of one request: a login opens it and no other page, for five minutes; who is nobody is refused and recorded; what was not proved,
// or was for another request, decides nothing.
func TestReq_R105_ARequestIsDecidedAfterALogin(t *testing.T) {
	t.Parallel()
	idp := newIssuer(t)
	idp.subject = "ann"
	w := newWorld(t, idp)
	v := w.visitor()
	address := w.web.DecideURL("r_1")
	if !strings.HasPrefix(address, w.srv.URL+"/decide/") {
		t.Fatal(address)
	}
	v.get(address)
	if v.status != http.StatusOK || !strings.Contains(v.page, "Prove who you are") || !strings.Contains(v.page, "one-time code") {
		t.Fatalf("%d %s", v.status, v.page)
	}
	asking := v.page
	v.send("/r_1/login", nil)
	if v.at.Path != "/decide/r_1" || v.status != http.StatusNotFound || !strings.Contains(v.page, "not for your eyes") {
		t.Fatalf("after the login: %s %d %s", v.at, v.status, v.page)
	}
	for _, other := range []string{"/decide/r_2", "/emergency"} {
		if v.get(w.srv.URL + other); strings.Contains(v.page, "not for your eyes") || !strings.Contains(v.page, "<form ") {
			t.Errorf("%s is open after it: %d %s", other, v.status, v.page)
		}
	}
	v.page = asking
	if v.send("/r_1/login", nil); v.status != http.StatusForbidden {
		t.Errorf("a form of a session that went on: %d", v.status)
	}

	idp.mu.Lock()
	idp.subject = "nobody"
	idp.mu.Unlock()
	v = w.visitor()
	v.get(address)
	if v.send("/r_1/login", nil); v.status != http.StatusForbidden || !strings.Contains(v.page, "nobody") {
		t.Errorf("a login that is nobody's: %d %s", v.status, v.page)
	}
	if len(w.refused) != 1 || w.refused[0] != "vote approve r_1" {
		t.Errorf("recorded refusals: %v", w.refused)
	}

	idp.mu.Lock()
	idp.subject = "ann"
	idp.mu.Unlock()
	v = w.visitor()
	v.get(address)
	v.send("/r_1/login", nil)
	w.later(5*time.Minute + time.Second)
	if v.get(address); v.status != http.StatusOK || !strings.Contains(v.page, "Prove who you are") {
		t.Errorf("five minutes after the login: %d %s", v.status, v.page)
	}
	if v.get(w.srv.URL + "/decide/r_" + strings.Repeat("0", 80)); v.status != http.StatusNotFound {
		t.Errorf("an endless id: %d", v.status)
	}
	v = w.visitor()
	v.get(address)
	if v.send("/r_1/code", url.Values{"name": {"ann"}, "code": {"aaaa"}}); v.status != http.StatusForbidden || !strings.Contains(v.page, "AAAA") {
		t.Errorf("a wrong code: %d %s", v.status, v.page)
	}
}
