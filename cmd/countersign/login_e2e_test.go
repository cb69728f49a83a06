package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// loginPlace is an identity provider at which whoever comes is logged in as the person whose address it was told.
type loginPlace struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu    sync.Mutex
	email string
	asked url.Values
}

func newLoginPlace(t *testing.T) *loginPlace {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	mustSay(t, err)
	p := &loginPlace{key: key}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = r.URL.Query()
		http.Redirect(w, r, p.asked.Get("redirect_uri")+"?"+url.Values{"code": {"c"}, "state": {p.asked.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", p.token)
	return p
}

func (p *loginPlace) token(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	claims, _ := json.Marshal(map[string]any{
		"iss": p.URL, "aud": "countersign", "sub": "sub-" + p.email, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "auth_time": now.Unix(),
		"nonce": p.asked.Get("nonce"), "email": p.email, "email_verified": true,
	})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "1"}}, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	raw, _ := signed.CompactSerialize()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": raw})
}

// logsIn opens a link in a browser of its own and logs in there as somebody.
func (p *loginPlace) logsIn(w *world, link, email string) *visitor {
	w.t.Helper()
	p.mu.Lock()
	p.email = email
	p.mu.Unlock()
	v := w.visitor()
	v.get(link)
	v.send("/login", nil)
	return v
}

// waitingSecrets is how many secrets lie in the store, sealed.
func (w *world) waitingSecrets() int {
	w.t.Helper()
	s, err := store.OpenReadOnly(w.t.Context(), storeConfig(Config{Data: w.data(), LedgerOrigin: demoOrigin}, w.clock, ledger.Key{}, w.demo.log))
	w.check(err)
	defer s.Close()
	list, err := s.Handovers(w.t.Context())
	w.check(err)
	return len(list)
}

// TestReq_R26_ALoginOpensWhatIsTheHoldersOnly: the identity provider says who somebody is. A colleague who has the link and logs in is refused and recorded
// by name, a stranger is nobody, and the holder sees the secret, once. What is not taken is destroyed when the access expires and when it is revoked.
func TestReq_R26_ALoginOpensWhatIsTheHoldersOnly(t *testing.T) {
	t.Parallel()
	place := newLoginPlace(t)
	w := portalWorld(t, "jonas", func(dir string) {
		path := filepath.Join(dir, "countersign.yaml")
		text, err := os.ReadFile(path)
		mustSay(t, err)
		mustSay(t, os.WriteFile(path, []byte(strings.Replace(string(text), "slack:\n", "slack:\n  link_by_email: true\n", 1)), 0o600))
	})
	w.stopBot()
	w.start(prefix+"_OIDC_ISSUER="+place.URL, prefix+"_OIDC_CLIENT_ID=countersign")
	ready := w.portalLogin("maya", "looking at order 4711 with the supplier")
	link := w.linkFor("maya", ready)

	if v := place.logsIn(w, link, "jonas@northwind.example"); v.status != http.StatusForbidden || strings.Contains(v.page, "cs_") {
		t.Errorf("a colleague with the link (%d):\n%s", v.status, v.page)
	}
	if v := place.logsIn(w, link, "eve@elsewhere.example"); v.status != http.StatusForbidden || !strings.Contains(v.page, "nobody") {
		t.Errorf("a stranger with the link (%d):\n%s", v.status, v.page)
	}
	holder := w.recorded(grants.Approved{}.Kind(), 1)[0].Event.(grants.Approved).Requester
	no := w.refusals("take secret")
	if len(no) == 0 || no[0].Person == "" || no[0].Person == holder {
		t.Errorf("the refusals on record: %+v", no)
	}
	if n := len(w.entries(grants.SecretTaken{}.Kind())); n != 0 {
		t.Fatalf("taken %d times before its holder came", n)
	}
	maya := place.logsIn(w, link, "maya@northwind.example")
	m := secretIn.FindStringSubmatch(maya.send("/reveal", nil))
	if m == nil {
		t.Fatalf("no password for the holder (%d):\n%s", maya.status, maya.page)
	}
	if taken := w.recorded(grants.SecretTaken{}.Kind(), 1)[0]; taken.Person != holder || !strings.Contains(taken.Event.(grants.SecretTaken).Authn, "oidc") {
		t.Errorf("the record: %+v", taken)
	}
	w.recorded(grants.SecretDestroyed{}.Kind(), 1)
	if found := w.haunted(m[1]); len(found) > 0 {
		t.Errorf("the password stands in %v", found)
	}

	for i, end := range []func(){
		func() { w.later(61 * time.Minute) },
		func() {
			w.check(w.story.command(t.Context(), "maya", "/access", "done"))
		},
	} {
		w.portalLogin("maya", []string{"looking at order 4712 with the supplier", "looking at order 4713 with the supplier"}[i])
		next, err := until(t.Context(), "the next message that says that it is ready", func() (slacksim.Message, bool) {
			m, ok := newest(w.slack.DM(w.slackID("maya")), []string{"Ready: ", "Supplier portal"})
			return m, ok && m.TS != ready.TS
		})
		w.check(err)
		ready = next
		link := w.linkFor("maya", ready)
		if n := w.waitingSecrets(); n != 1 {
			t.Errorf("%d secrets wait, want 1", n)
		}
		end()
		w.recorded(grants.Revoked{}.Kind(), i+2) // the access of before ends, too
		w.recorded(grants.SecretDestroyed{}.Kind(), i+2)
		if n := w.waitingSecrets(); n != 0 {
			t.Errorf("%d secrets lie in the store after the end of the access", n)
		}
		if v := place.logsIn(w, link, "maya@northwind.example"); v.status != http.StatusGone {
			t.Errorf("the link after the end of the access (%d):\n%s", v.status, v.page)
		}
	}
	w.verify()
}
