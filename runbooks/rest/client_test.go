package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

func open(t *testing.T, url string) *rest.Client {
	t.Helper()
	c, err := rest.Open(rest.Config{Service: "Service", URL: url, Words: rest.Words("message"), Sign: func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", "Bearer hidden-token")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for url, words := range map[string]string{
		"": "not an address", "api.example.com": "not an address", "http://example.com": "not https", "http://127.0.0.1.example.com": "not https",
		"https://user:pw@example.com": "a user, a password", "https://example.com/?x=1": "a question", "https://example.com/#x": "a fragment", "ftp://127.0.0.1": "not https",
	} {
		if _, err := rest.Open(rest.Config{URL: url}); err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v, want %q", url, err, words)
		}
	}
}

// TestPathKeepsSegments: whatever a segment holds, the server gets it as that one segment.
func TestPathKeepsSegments(t *testing.T) {
	t.Parallel()
	var got string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{name}/groups", func(_ http.ResponseWriter, r *http.Request) { got = r.PathValue("name") })
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("somewhere else was asked: %q", r.URL.Path) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	c := open(t, srv.URL)
	for _, s := range runbooktest.Nasty() {
		if len(s) > 1000 {
			continue // longer than an address may be
		}
		got = ""
		_, err := c.Ask(t.Context(), "asking", rest.Call{Method: http.MethodGet, Path: rest.Path("users", s, "groups")}, nil)
		want := s
		if s == "" || s == "." || s == ".." {
			want = "\uFFFD" // no server has such a thing
		}
		if err != nil || got != want {
			t.Errorf("%q arrived as %q (%v)", s, got, err)
		}
	}
}

// TestNothingIsFollowed: neither a redirect nor a link of the next page takes the credentials to another host.
func TestNothingIsFollowed(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was called, with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/far":
			w.Header().Set("Link", `<`+other.URL+`/list?after=2>; rel="next"`)
		case "/near":
			w.Header().Add("Link", `<http://`+r.Host+`/near>; rel="self"`)
			w.Header().Add("Link", `<http://`+r.Host+`/near?after=a%2Fb&limit=2>; rel="next"`)
		}
	}))
	t.Cleanup(srv.Close)
	c := open(t, srv.URL)
	if _, err := c.Ask(t.Context(), "asking", rest.Call{Method: http.MethodGet, Path: "/moved"}, nil); runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("a redirect: %v", err)
	}
	far, err := c.Do(t.Context(), rest.Call{Method: http.MethodGet, Path: "/far"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Next(far); runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("a next page elsewhere: %v", err)
	}
	near, err := c.Do(t.Context(), rest.Call{Method: http.MethodGet, Path: "/near"})
	if err != nil {
		t.Fatal(err)
	}
	if path, query, err := c.Next(near); err != nil || path != "/near" || query.Get("after") != "a/b" || query.Get("limit") != "2" {
		t.Errorf("a next page here: %q %v (%v)", path, query, err)
	}
}

// TestStatusIsClassed: what to do about each status, in words that hold neither secrets nor control characters.
func TestStatusIsClassed(t *testing.T) {
	t.Parallel()
	status, header := 0, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"no\n\u001b[2J token=ghp_0123456789abcdef0123"}`)
	}))
	t.Cleanup(srv.Close)
	c := open(t, srv.URL)
	for _, x := range []struct {
		status int
		header string
		class  runbooks.Class
	}{
		{400, "", runbooks.Refuse},
		{401, "", runbooks.Broken},
		{403, "", runbooks.Broken},
		{403, "60", runbooks.Retry},
		{404, "", runbooks.Refuse},
		{405, "", runbooks.Broken},
		{408, "", runbooks.Retry},
		{409, "", runbooks.Refuse},
		{422, "", runbooks.Refuse},
		{429, "", runbooks.Retry},
		{500, "", runbooks.Retry},
		{503, "", runbooks.Retry},
		{301, "", runbooks.Broken},
	} {
		status, header = x.status, x.header
		_, err := c.Ask(t.Context(), "asking", rest.Call{Method: http.MethodGet, Path: "/x"}, nil)
		if err == nil || runbooks.ClassOf(err) != x.class {
			t.Errorf("%d %s: %v is of class %s", x.status, x.header, err, runbooks.ClassOf(err))
		}
		if strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "ghp_") {
			t.Errorf("%d: %q", x.status, err)
		}
	}
	status, header = 200, ""
	if _, err := c.Do(t.Context(), rest.Call{Method: http.MethodGet, Path: "/" + strings.Repeat("a", 9000)}); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("an address that is too long: %v", err)
	}
}

// TestFault_F25_TooMuch: an answer without end is given up, and one that never comes ends with the context.
func TestFault_F25_TooMuch(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/never" {
			<-r.Context().Done()
			return
		}
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	c := open(t, srv.URL)
	if _, err := c.Do(t.Context(), rest.Call{Method: http.MethodGet, Path: "/endless"}); runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("an answer without end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer cancel(); _, _ = c.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/endless"}) }()
	if _, err := c.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/never"}); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("an answer that never comes: %v", err)
	}
}

// TestThreat_T35_ARefusalLosesWhatTheCallCarried: a service that says again what it was sent does so without what the call proved itself with, in whatever
// header and form; a good answer is left as it is.
func TestThreat_T35_ARefusalLosesWhatTheCallCarried(t *testing.T) {
	t.Parallel()
	secret := "00kT9-canary_0123456789abcdef"
	for name, sign := range map[string]func(*http.Request){
		"SSWS":   func(r *http.Request) { r.Header.Set("Authorization", "SSWS "+secret) },
		"bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) },
		"basic":  func(r *http.Request) { r.SetBasicAuth("bot", secret) },
		"aws": func(r *http.Request) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+secret+"/20261122/eu/iam/aws4_request, Signature=12")
		},
		"own":   func(r *http.Request) { r.Header.Set("X-Vault-Token", secret) },
		"added": func(r *http.Request) { r.Header.Set("X-Odd-Key", secret) },
	} {
		for _, status := range []int{http.StatusOK, http.StatusFound, http.StatusUnauthorized, http.StatusInternalServerError} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, password, _ := r.BasicAuth()
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"message":"we got %v %s, and we do not like it"}`, r.Header, password)
			}))
			c, err := rest.Open(rest.Config{Service: "it", URL: srv.URL, Words: rest.Words("message"), Sign: func(_ context.Context, r *http.Request, _ []byte) error {
				sign(r)
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			for what, call := range map[string]rest.Call{
				"signed":                 {Method: http.MethodGet, Path: "/x"},
				"in the caller's header": {Method: http.MethodGet, Path: "/x", Header: http.Header{"X-Api-Token": {secret}}},
			} {
				r, err := c.Do(t.Context(), call)
				if err != nil {
					t.Fatal(err)
				}
				if stands := strings.Contains(string(r.Body), secret); stands != (status == http.StatusOK) {
					t.Errorf("%s, %s, %d: the credential stands there: %v", name, what, status, stands)
				}
				if err := c.Judge("asking", r); err != nil && (strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "we got")) && status >= 400 {
					t.Errorf("%s, %s, %d: %v", name, what, status, err)
				}
			}
			srv.Close()
		}
	}
}
