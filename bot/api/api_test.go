package api_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

type problem struct {
	Code, Claim, Detail string
	Fields              []struct{ Field, Text string }
}

func problemOf(t *testing.T, body []byte) (p problem) {
	t.Helper()
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return p
}

// TestThreat_T21_TokensAreNotTaken presents tokens with everything wrong that can be: each is refused, its claim named, and reported.
func TestThreat_T21_TokensAreNotTaken(t *testing.T) {
	w := start(t)
	now := time.Now()
	stranger := newIssuer(t)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(w.issuer.token(nil), ".")[1] + "."
	w.issuer.mu.Lock()
	public := w.issuer.keys["k1"].Public().(*rsa.PublicKey)
	w.issuer.mu.Unlock()
	confused := sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: public.N.Bytes()}, map[string]any{"iss": w.issuer.server.URL, "sub": subject, "aud": audience, "exp": now.Add(time.Minute).Unix()})
	good := w.issuer.token(nil)
	for name, c := range map[string]struct{ token, claim string }{
		"nothing":                {"", "token"},
		"no token":               {"hello", "alg"},
		"algorithm none":         {unsigned, "alg"},
		"HMAC with a public key": {confused, "alg"},
		"enormous":               {strings.Repeat("a", 20<<10), "token"},
		"another issuer":         {stranger.token(nil), "iss"},
		"another issuer's key":   {stranger.token(map[string]any{"iss": w.issuer.server.URL}), "signature"},
		"signature cut":          {good[:len(good)-4], "signature"},
		"expired":                {w.issuer.token(map[string]any{"exp": now.Add(-time.Second).Unix()}), "exp"},
		"for ever":               {w.issuer.token(map[string]any{"exp": nil}), "exp"},
		"for a year":             {w.issuer.token(map[string]any{"exp": now.Add(365 * 24 * time.Hour).Unix()}), "exp"},
		"a year, no date":        {w.issuer.token(map[string]any{"exp": now.Add(365 * 24 * time.Hour).Unix(), "iat": nil}), "exp"},
		"not yet":                {w.issuer.token(map[string]any{"nbf": now.Add(time.Hour).Unix()}), "nbf"},
		"from the future":        {w.issuer.token(map[string]any{"iat": now.Add(time.Hour).Unix()}), "iat"},
		"another audience":       {w.issuer.token(map[string]any{"aud": "sts.amazonaws.com"}), "aud"},
		"no audience":            {w.issuer.token(map[string]any{"aud": nil}), "aud"},
		"another repository":     {w.issuer.token(map[string]any{"repository_id": "4712"}), "repository_id"},
		"a number for a text":    {w.issuer.token(map[string]any{"repository_id": 47.11}), "repository_id"},
		"no repository":          {w.issuer.token(map[string]any{"repository_id": nil}), "repository_id"},
		"another environment":    {w.issuer.token(map[string]any{"environment": "staging"}), "environment"},
		"a fork":                 {w.issuer.token(map[string]any{"sub": "repo:evil/shop:environment:production"}), "iss"},
		"subject in capitals":    {w.issuer.token(map[string]any{"sub": strings.ToUpper(subject)}), "iss"},
		"a list as the claim":    {w.issuer.token(map[string]any{"environment": []string{"production"}}), "environment"},
	} {
		before := len(w.office.turned)
		code, body := w.call("POST", "/v1/session", c.token, nil)
		p := problemOf(t, body)
		if code != http.StatusUnauthorized || p.Claim != c.claim || p.Detail == "" {
			t.Errorf("%s: %d %+v, want 401 about %s", name, code, p, c.claim)
		}
		if len(w.office.turned) != before+1 {
			t.Errorf("%s: not reported", name)
		}
	}
	if code, body := w.call("POST", "/v1/session", good, nil); code != http.StatusCreated {
		t.Errorf("the good token: %d %s", code, body)
	}
}

// TestReq_R38_AReplayedTokenIsRefused presents a good token twice.
func TestReq_R38_AReplayedTokenIsRefused(t *testing.T) {
	w := start(t)
	token := w.issuer.token(nil)
	if code, body := w.call("POST", "/v1/session", token, nil); code != http.StatusCreated {
		t.Fatalf("%d %s", code, body)
	}
	code, body := w.call("POST", "/v1/session", token, nil)
	if p := problemOf(t, body); code != http.StatusForbidden || p.Code != workflows.CodeReplayed {
		t.Errorf("%d %s", code, body)
	}
}

// TestReq_R58_KeysRotate replaces the issuer's key, takes the issuer away, and brings it back.
func TestReq_R58_KeysRotate(t *testing.T) {
	w := start(t)
	old := w.issuer.token(nil)
	w.session()
	w.issuer.rotate("k2")
	w.session() // signed by a key that was not known: fetched
	if code, body := w.call("POST", "/v1/session", old, nil); code != http.StatusUnauthorized || problemOf(t, body).Claim != "signature" {
		t.Errorf("a token of the key that was replaced: %d %s", code, body)
	}
	w.issuer.rotate("k3")
	w.issuer.mu.Lock()
	w.issuer.down = true
	w.issuer.mu.Unlock()
	if code, body := w.call("POST", "/v1/session", w.issuer.token(nil), nil); code != http.StatusServiceUnavailable {
		t.Errorf("while the issuer is away: %d %s", code, body)
	}
}

// TestReq_R112_SPIFFE takes JWT-SVIDs under pinned keys: the trust domain is the subject's, tokens live an hour at most, are for this
// bot, and are taken once, although they need not have an id.
func TestReq_R112_SPIFFE(t *testing.T) {
	w := start(t)
	set, err := json.Marshal(w.issuer.set())
	if err != nil {
		t.Fatal(err)
	}
	w.office.doors = append(w.office.doors, api.Door{Identity: "svc-shop", Workload: desk.Workload{
		Issuer: "spiffe://prod.example.com", Audience: audience, Subject: "spiffe://prod.example.com/ns/shop/sa/web", Keys: string(set),
	}})
	svid := func(sub string, life time.Duration) string {
		return w.issuer.token(map[string]any{"iss": nil, "jti": nil, "sub": sub, "exp": time.Now().Add(life).Unix()})
	}
	first := svid("spiffe://prod.example.com/ns/shop/sa/web", 5*time.Minute)
	code, body := w.call("POST", "/v1/session", first, nil)
	if code != http.StatusCreated || !strings.Contains(string(body), `"svc-shop"`) {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := w.call("POST", "/v1/session", first, nil); code != http.StatusForbidden || problemOf(t, body).Code != workflows.CodeReplayed {
		t.Errorf("again, and it has no id: %d %s", code, body)
	}
	elsewhere := w.issuer.token(map[string]any{"iss": nil, "jti": nil, "sub": "spiffe://prod.example.com/ns/shop/sa/web", "aud": "vault.example.com", "exp": time.Now().Add(time.Minute).Unix()})
	for name, c := range map[string]struct {
		token, claim string
	}{
		"for another service":  {elsewhere, "aud"},
		"lives too long":       {svid("spiffe://prod.example.com/ns/shop/sa/web", 2*time.Hour), "exp"},
		"another workload":     {svid("spiffe://prod.example.com/ns/shop/sa/admin", time.Minute), "iss"},
		"another trust domain": {svid("spiffe://staging.example.com/ns/shop/sa/web", time.Minute), "iss"},
		"a longer name":        {svid("spiffe://prod.example.com.evil.org/ns/shop/sa/web", time.Minute), "iss"},
	} {
		if code, body := w.call("POST", "/v1/session", c.token, nil); code != http.StatusUnauthorized || problemOf(t, body).Claim != c.claim {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

// TestReq_R94_OneTokenActsAsOneIdentity refuses what fits two identities.
func TestReq_R94_OneTokenActsAsOneIdentity(t *testing.T) {
	w := start(t)
	twin := w.office.doors[0]
	twin.Identity, twin.Claims = "svc-other", map[string]string{"repository_id": "4711"}
	w.office.doors = append(w.office.doors, twin)
	if code, body := w.call("POST", "/v1/session", w.issuer.token(nil), nil); code != http.StatusUnauthorized || problemOf(t, body).Claim != "sub" {
		t.Errorf("%d %s", code, body)
	}
}

// TestASessionStandsAsLongAsItsDoor ends sessions when the entry is changed, and outside of its hours.
func TestASessionStandsAsLongAsItsDoor(t *testing.T) {
	w := start(t)
	s := w.session()
	if code, _ := w.call("GET", "/v1/me", s, nil); code != http.StatusOK {
		t.Fatal(code)
	}
	w.office.mu.Lock()
	w.office.doors[0].Claims = map[string]string{"repository_id": "4711", "environment": "staging"}
	w.office.mu.Unlock()
	if code, body := w.call("GET", "/v1/me", s, nil); code != http.StatusUnauthorized {
		t.Errorf("under another entry: %d %s", code, body)
	}
	yesterday := time.Now().UTC().Add(-24 * time.Hour).Weekday().String()[:3]
	w.office.mu.Lock()
	w.office.doors[0].Claims = nil
	w.office.doors[0].Hours, w.office.doors[0].Zone = yesterday+" 12:00-12:01", "UTC"
	w.office.mu.Unlock()
	if code, body := w.call("POST", "/v1/session", w.issuer.token(nil), nil); code != http.StatusUnauthorized || problemOf(t, body).Claim != "hours" {
		t.Errorf("outside of its hours: %d %s", code, body)
	}
}

// TestAskWaitTakeRelease walks the whole road of a pipeline.
func TestAskWaitTakeRelease(t *testing.T) {
	w := start(t)
	s := w.session()
	ask := api.Ask{Workflow: "deploy", Reason: "Release 4.2", Duration: "1h", Task: "SHOP-1"}
	code, body := w.call("POST", "/v1/requests", s, ask, "Idempotency-Key", "run-77")
	var r api.Request
	if code != http.StatusCreated || json.Unmarshal(body, &r) != nil || r.State != api.StatePending {
		t.Fatalf("%d %s", code, body)
	}
	if _, again := w.call("POST", "/v1/requests", s, ask, "Idempotency-Key", "run-77"); string(again) != string(body) || len(w.office.asked) != 1 {
		t.Errorf("the same key asked twice: %s", again)
	}
	done := make(chan []byte, 1)
	go func() {
		_, body := w.call("GET", "/v1/requests/"+r.ID+"?wait=50s", s, nil)
		done <- body
	}()
	w.office.set(r.ID, func(x *api.Request) { x.State = api.StateStarting })
	w.office.set(r.ID, func(x *api.Request) {
		end := time.Now().Add(time.Hour)
		x.State, x.EndsAt, x.Secret = api.StateActive, &end, true
	})
	w.office.mu.Lock()
	w.office.secrets[r.ID] = true
	w.office.mu.Unlock()
	if body := <-done; json.Unmarshal(body, &r) != nil || r.State != api.StateActive {
		t.Fatalf("%s", body)
	}
	if code, body := w.call("POST", "/v1/requests/"+r.ID+"/secret", s, nil); code != http.StatusOK || !strings.Contains(string(body), "hunter2") {
		t.Errorf("%d %s", code, body)
	}
	if code, body := w.call("POST", "/v1/requests/"+r.ID+"/secret", s, nil); code != http.StatusForbidden || strings.Contains(string(body), "hunter2") {
		t.Errorf("taken twice: %d %s", code, body)
	}
	if code, body := w.call("GET", "/v1/requests", s, nil); code != http.StatusOK || !strings.Contains(string(body), r.ID) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := w.call("POST", "/v1/requests/"+r.ID+"/release", s, nil); code != http.StatusOK || !strings.Contains(string(body), api.StateEnded) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := w.call("DELETE", "/v1/session", s, nil); code != http.StatusNoContent {
		t.Error(code)
	}
	if code, _ := w.call("GET", "/v1/me", s, nil); code != http.StatusUnauthorized {
		t.Error("a session that was ended goes on")
	}
}

// TestThreat_T39_OthersRequestsAreNotThere gives the same answer for a request of another identity and one that does not exist.
func TestThreat_T39_OthersRequestsAreNotThere(t *testing.T) {
	w := start(t)
	s := w.session()
	w.office.requests["r_00000000000000000000000009"] = api.Request{ID: "r_00000000000000000000000009", State: api.StateActive}
	w.office.of["r_00000000000000000000000009"] = "svc-other"
	for _, call := range [][2]string{{"GET", ""}, {"GET", "?wait=1s"}, {"POST", "/secret"}, {"POST", "/release"}} {
		code, theirs := w.call(call[0], "/v1/requests/r_00000000000000000000000009"+call[1], s, nil)
		none, nothing := w.call(call[0], "/v1/requests/r_00000000000000000000000008"+call[1], s, nil)
		if code != http.StatusNotFound || none != code || string(theirs) != string(nothing) {
			t.Errorf("%v: %d %s and %d %s", call, code, theirs, none, nothing)
		}
	}
}

func TestBadCalls(t *testing.T) {
	w := start(t)
	s := w.session()
	for name, c := range map[string]struct {
		method, path, bearer string
		body                 any
		code                 int
		word                 string
	}{
		"no session":        {"GET", "/v1/me", "", nil, 401, "no_session"},
		"made up":           {"GET", "/v1/me", "cs_session_AAAA", nil, 401, "no_session"},
		"a token instead":   {"GET", "/v1/me", w.issuer.token(nil), nil, 401, "no_session"},
		"no JSON":           {"POST", "/v1/requests", s, "{", 400, "bad_body"},
		"unknown field":     {"POST", "/v1/requests", s, `{"workflow":"deploy","reason":"because","approve":true}`, 400, "bad_body"},
		"two bodies":        {"POST", "/v1/requests", s, `{"workflow":"deploy","reason":"because"}{}`, 400, "bad_body"},
		"too large":         {"POST", "/v1/requests", s, `{"reason":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "too_large"},
		"no reason":         {"POST", "/v1/requests", s, `{"workflow":"deploy"}`, 422, workflows.CodeBadField},
		"waits too long":    {"GET", "/v1/requests/r_1?wait=1h", s, nil, 400, "bad_wait"},
		"waits for nothing": {"GET", "/v1/requests/r_1?wait=soon", s, nil, 400, "bad_wait"},
		"nothing there":     {"POST", "/v1/approve", s, nil, 404, "not_found"},
	} {
		code, body := w.call(c.method, c.path, c.bearer, c.body)
		if p := problemOf(t, body); code != c.code || p.Code != c.word {
			t.Errorf("%s: %d %s, want %d %s", name, code, body, c.code, c.word)
		}
	}
	w.office.fail = errors.New("the ledger says no: secret-detail")
	for _, path := range []string{"/v1/me", "/v1/requests"} {
		if code, body := w.call("GET", path, s, nil); code != http.StatusServiceUnavailable || strings.Contains(string(body), "secret-detail") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// TestThreat_T07_FloodsAreSlowedDown holds the limits per identity and per address.
func TestThreat_T07_FloodsAreSlowedDown(t *testing.T) {
	w := start(t)
	s := w.session()
	var codes []int
	for range 1300 { // two minutes' worth, should the minute turn
		code, _ := w.call("GET", "/v1/requests/r_1", s, nil)
		codes = append(codes, code)
	}
	if !slices.Contains(codes, http.StatusTooManyRequests) || codes[0] != http.StatusNotFound {
		t.Error("an identity may call without end")
	}
	codes = nil
	for range 300 {
		code, _ := w.call("POST", "/v1/session", "nonsense", nil)
		codes = append(codes, code)
	}
	if !slices.Contains(codes, http.StatusTooManyRequests) {
		t.Error("an address may try tokens without end")
	}
}

// TestTheDocumentKnowsEveryRoute asks each documented operation for something.
func TestTheDocumentKnowsEveryRoute(t *testing.T) {
	w := start(t)
	n := 0
	for path, item := range w.doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			n++
			if code, body := w.call(strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "r_1"), "", nil); code == http.StatusNotFound || code == http.StatusMethodNotAllowed {
				t.Errorf("%s %s is documented and not there: %d %s", method, path, code, body)
			}
		}
	}
	if n != 10 {
		t.Errorf("%d operations", n)
	}
}
