package sshca_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
)

func TestPull(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	out := filepath.Join(t.TempDir(), "krl")
	if got := r.pull(t, "web-1", out); !got.Changed || !got.Confirmed || got.Serials != 0 {
		t.Fatalf("first pull: %+v", got)
	}
	if got := r.pull(t, "web-1", out); got.Changed || !got.Confirmed {
		t.Fatalf("nothing new: %+v", got)
	}
	g := r.grant("g_1", newHolder(t), nil)
	r.mustRevoke(t, g)
	if got := r.pull(t, "web-1", out); !got.Changed || !got.Confirmed || got.Serials != 1 || got.Version != 1 {
		t.Fatalf("one serial: %+v", got)
	}
	served, _ := r.KRL()
	if raw := read(t, out); !bytes.Equal(raw, served) {
		t.Fatal("the file is not the list")
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o644 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	r.clock.Advance(3 * time.Hour)
	if got := r.pull(t, "web-1", out); !got.Changed || got.Serials != 0 || got.Version != 2 {
		t.Fatalf("a serial that left as it should: %+v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".countersign-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Every answer that is not a later, whole, signed list leaves the file as it is.
func TestPullKeepsTheFile(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i := range 3 {
		r.mustRevoke(t, r.grant(number(i), newHolder(t), nil))
	}
	older, _ := r.KRL()
	r.mustRevoke(t, r.grant(number(3), newHolder(t), nil))
	mine, _ := r.KRL()
	lost := newRig(t, func(c *sshca.Config) { c.Now = r.clock.Now })
	for i := range 6 {
		lost.mustRevoke(t, lost.grant(number(100+i), newHolder(t), nil))
	}
	startedOver, _ := lost.KRL()
	few := newRig(t, func(c *sshca.Config) { c.Now = r.clock.Now })
	few.mustRevoke(t, few.grant(number(0), newHolder(t), nil))
	short, _ := few.KRL()
	foreign := sshca.List{Version: 99, Comment: "another maker"}.Encode()
	other := newRig(t, func(c *sshca.Config) { c.Seed = bytes.Repeat([]byte{9}, 32) })
	for i := range 9 {
		other.mustRevoke(t, other.grant(number(i), newHolder(t), nil))
	}
	otherCA, _ := other.KRL()

	cases := map[string]http.HandlerFunc{
		"older":        body(older),
		"shorter":      body(short),
		"started over": body(startedOver),
		"other CA":     body(otherCA),
		"foreign":      body(foreign),
		"cut":          body(mine[:len(mine)-3]),
		"empty":        body(nil),
		"page":         body([]byte("<html>sign in</html>")),
		"error":        func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) },
		"hangs up":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(mine[:20])
		},
	}
	for name, handler := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			out := filepath.Join(t.TempDir(), "krl")
			write(t, out, mine)
			result, err := sshca.Pull(t.Context(), server.URL, out, nil, "web-1")
			if err == nil {
				t.Fatalf("taken: %+v", result)
			}
			if !bytes.Equal(read(t, out), mine) {
				t.Fatal("the file was replaced")
			}
			if result.Version != 4 || result.Changed {
				t.Errorf("what is in place: %+v", result)
			}
		})
	}
}

func body(raw []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(raw) }
}

// With the CA's key, nobody between host and bot can change the list, or go on showing an old one.
func TestPullChecksTheSignature(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	impostor := newRig(t, func(c *sshca.Config) { c.Seed = bytes.Repeat([]byte{9}, 32) })
	out := filepath.Join(t.TempDir(), "krl")
	r.pull(t, "", out)
	r.mustRevoke(t, r.grant("g_1", newHolder(t), nil))
	before := read(t, out)
	if _, err := sshca.Pull(t.Context(), r.url, out, impostor.PublicKey(), ""); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("signed by another CA: %v", err)
	}

	// A recorder between the two repeats its first answer, whatever is asked.
	var recorded *http.Response
	var recordedBody []byte
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if recorded == nil {
			recorded, recordedBody = forward(t, r.url+req.URL.RequestURI(), req.Header)
		}
		for k, v := range recorded.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(recorded.StatusCode)
		_, _ = w.Write(recordedBody)
	}))
	defer between.Close()
	fresh := filepath.Join(t.TempDir(), "krl")
	if got, err := sshca.Pull(t.Context(), between.URL, fresh, r.PublicKey(), ""); err != nil || got.Serials != 1 {
		t.Fatalf("passed on: %+v, %v", got, err)
	}
	if _, err := sshca.Pull(t.Context(), between.URL, out, r.PublicKey(), ""); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("a repeated answer: %v", err)
	}
	if !bytes.Equal(read(t, out), before) {
		t.Error("the file was replaced")
	}
	// "Nothing changed" is signed, too.
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }))
	defer mute.Close()
	if _, err := sshca.Pull(t.Context(), mute.URL, out, r.PublicKey(), ""); err == nil {
		t.Error("an unsigned 304 was believed")
	}
}

func forward(t *testing.T, url string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
	}
	req.Header = header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return &http.Response{StatusCode: http.StatusBadGateway}, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp, raw
}

// A list that sshd could not read is replaced, and somebody is told.
func TestPullReplacesACorruptFile(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	out := filepath.Join(t.TempDir(), "krl")
	write(t, out, []byte("garbage"))
	got := r.pull(t, "web-1", out)
	want := "new list in place: version 0 with 0 revoked certificates; the list that was in place could not be used (reading a revocation list: cut short)"
	if !got.Changed || !got.Confirmed || got.String() != want {
		t.Errorf("%+v: %s", got, got)
	}
}

// After the bot lost its register an operator accepts the shorter list once, by hand.
func TestPullAcceptShorter(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	out := filepath.Join(t.TempDir(), "krl")
	r.mustRevoke(t, r.grant("g_1", newHolder(t), nil))
	r.pull(t, "", out)
	lost := newRig(t, nil)
	p := &sshca.Puller{URL: lost.url, Out: out, CA: lost.PublicKey()}
	if _, err := p.Pull(t.Context()); err == nil {
		t.Fatal("a shorter list was taken")
	}
	p.AcceptShorter = true
	if got, err := p.Pull(t.Context()); err != nil || got.Serials != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
}

// Only hosts that know the token are believed; everybody gets the list.
func TestReportsNeedTheToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sshca.Config) { c.Token = runbooks.NewSecret("host-token-canary") })
	g := r.grant("g_1", newHolder(t), nil)
	r.mustGrant(t, g)
	r.mustRevoke(t, g)
	for token, want := range map[string]bool{"": false, "wrong": false, "host-token-canary": true} {
		out := filepath.Join(t.TempDir(), "krl")
		p := &sshca.Puller{URL: r.url + sshca.PathKRL, Out: out, CA: r.PublicKey(), Host: "web-1", Token: runbooks.NewSecret(token)}
		got, err := p.Pull(t.Context())
		if err != nil || !got.Changed || got.Confirmed != want {
			t.Errorf("token %q: %+v, %v; want confirmed %v", token, got, err, want)
		}
	}
	wantPresence(t, r, g, runbooks.Absent)
}

// Nobody can confirm a version that was never made, or break the address.
func TestHandlerRefusesNonsense(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	g := r.grant("g_1", newHolder(t), nil)
	r.mustGrant(t, g)
	r.mustRevoke(t, g)
	for query, want := range map[string]int{
		"?host=web-1&have=18446744073709551615": 200, "?host=../../etc&have=1": 200, "?host=" + strings.Repeat("a", 300) + "&have=1": 200,
		"?host=a%00b&have=1": 200, "?have=x": 400, "?have=-1": 400, "?nonce=xyz": 400, "?nonce=" + strings.Repeat("ab", 40): 400,
	} {
		resp, _ := forward(t, r.url+sshca.PathKRL+query, nil)
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", query, resp.StatusCode, want)
		}
	}
	wantPresence(t, r, g, runbooks.Unconfirmed)
	if hosts := r.Hosts(); len(hosts) != 1 || hosts[0].Have != 0 {
		t.Errorf("hosts: %+v", hosts)
	}
	resp, raw := forward(t, r.url+sshca.PathCA, nil)
	if resp.StatusCode != 200 || !bytes.Equal(raw, ssh.MarshalAuthorizedKey(r.PublicKey())) {
		t.Errorf("ca.pub: %d %q", resp.StatusCode, raw)
	}
	post, err := http.Post(r.url+sshca.PathKRL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = post.Body.Close()
	if post.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", post.StatusCode)
	}
}
