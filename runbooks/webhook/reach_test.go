package webhook_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/webhook"
)

const notToBeCalled = "broken: the service's name leads to an address that is not to be called (private networks need private_host, this machine loopback_host)"

// TestThreat_T46_InsideIsNotDialled: this machine is not called by any of its names unless it is named, and nobody notices
// a connection.
func TestThreat_T46_InsideIsNotDialled(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	r := &receiver{secret: oldSecret, held: map[string]string{}}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ConnState = func(net.Conn, http.ConnState) { seen.Add(1) }
	r.StartTLS()
	t.Cleanup(r.Close)
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "localhost", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::7f00:1"} {
		for _, private := range []bool{false, true} {
			cfg := r.config(t)
			cfg.URL, cfg.LoopbackHost = "https://"+net.JoinHostPort(host, u.Port())+"/orders", ""
			if private {
				cfg.PrivateHost = host
			}
			if _, err := open(t, cfg).Grant(t.Context(), order("g_1")); said(err) != notToBeCalled {
				t.Errorf("%s, private %v: %s", host, private, said(err))
			}
		}
	}
	if n := seen.Load(); n != 0 {
		t.Errorf("%d connections were seen", n)
	}
	if _, err := open(t, r.config(t)).Grant(t.Context(), order("g_1")); err != nil || seen.Load() == 0 {
		t.Errorf("when it is named: %v, %d connections", err, seen.Load())
	}
}

// TestThreat_T46_NoRedirects: a receiver cannot send an order, and its signature, to somebody else.
func TestThreat_T46_NoRedirects(t *testing.T) {
	t.Parallel()
	r, other := newReceiver(t, oldSecret), newReceiver(t, oldSecret)
	c := open(t, r.config(t))
	for _, status := range []int{301, 302, 303, 307, 308} {
		r.answer(func(w http.ResponseWriter, _ call) bool {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
			return true
		})
		if _, err := c.Grant(t.Context(), order("g_1")); runbooks.ClassOf(err) != runbooks.Broken {
			t.Errorf("%d: %v", status, err)
		}
	}
	if n := len(other.received()); n != 0 {
		t.Errorf("%d calls went elsewhere", n)
	}
}

// TestThreat_T46_PollsStayAtHome: only the receiver's own origin is polled.
func TestThreat_T46_PollsStayAtHome(t *testing.T) {
	t.Parallel()
	r, other := newReceiver(t, oldSecret), newReceiver(t, oldSecret)
	c := open(t, r.config(t))
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, poll := range []string{
		other.URL + "/x", "//" + strings.TrimPrefix(other.URL, "https://"), "http://" + u.Host + "/x", "https://me:pw@" + u.Host + "/x", "https://169.254.169.254/latest",
		"https://" + u.Hostname() + "/x", "https://" + u.Host + ".evil.example/x", "mailto:x", "javascript:alert(1)", "file:///etc/passwd", "https://%zz", "/" + strings.Repeat("a", 2000),
	} {
		r.answer(says(202, fmt.Sprintf(`{"poll":%q}`, poll)))
		before := len(r.received())
		_, err := c.Grant(t.Context(), order("g_1"))
		if said(err) != "broken: the service wants to be polled at another place than its own" || len(r.received()) != before+1 {
			t.Errorf("%.60s: %v", poll, err)
		}
	}
	if n := len(other.received()); n != 0 {
		t.Errorf("%d calls went elsewhere", n)
	}
}

// TestThreat_T46_RebindingName: a name that changes after a good call leads nowhere, because every connection is checked.
func TestThreat_T46_RebindingName(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	dns := newNames(t)
	cfg := r.config(t)
	cfg.URL, cfg.LoopbackHost, cfg.Resolver = "https://example.com:"+u.Port(), "example.com", dns.resolver
	c := open(t, cfg)
	dns.set(net.IPv4(127, 0, 0, 1))
	if _, err := c.Grant(t.Context(), order("g_1")); err != nil {
		t.Fatal(err)
	}
	for _, ip := range []net.IP{net.IPv4(169, 254, 169, 254), net.IPv4(10, 0, 0, 1), net.IPv4(8, 8, 8, 8)} {
		dns.set(ip)
		if err := c.Close(); err != nil { // ends the connection that is kept, so that the name is asked for again
			t.Fatal(err)
		}
		if _, err := c.Grant(t.Context(), order("g_1")); said(err) != notToBeCalled {
			t.Errorf("%s: %s", ip, said(err))
		}
	}
}

// TestThreat_T46_NoProxyFromTheEnvironment: a proxy would connect to addresses that nobody checks. It runs before the
// parallel tests, since net/http reads the environment once.
func TestThreat_T46_NoProxyFromTheEnvironment(t *testing.T) {
	var seen atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { seen.Add(1); w.WriteHeader(http.StatusBadGateway) }))
	defer proxy.Close()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	r := newReceiver(t, oldSecret)
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	dns := newNames(t)
	dns.set(net.IPv4(127, 0, 0, 1))
	cfg := r.config(t)
	cfg.URL, cfg.LoopbackHost, cfg.Resolver = "https://example.com:"+u.Port(), "example.com", dns.resolver
	if _, err := open(t, cfg).Grant(t.Context(), order("g_1")); err != nil || seen.Load() != 0 {
		t.Errorf("%v, and the proxy saw %d calls", err, seen.Load())
	}
}

// TestThreat_T46_Addresses: what may be written down at all.
func TestThreat_T46_Addresses(t *testing.T) {
	t.Parallel()
	rows := []struct {
		url, private, loopback string
		ok                     bool
	}{
		{url: "https://hooks.example.com/x", ok: true},
		{url: "https://hooks.example.com:8443/x?y=z", ok: true},
		{url: "https://hooks.internal/x", private: "hooks.internal", ok: true},
		{url: "http://127.0.0.1:8080", loopback: "127.0.0.1", ok: true},
		{url: "http://[::1]:8080", loopback: "::1", ok: true},
		{url: "https://hooks.internal/x", private: "hooks.internal.example"},
		{url: "https://hooks.internal/x", private: "hooks.internal", loopback: "hooks.internal"},
		{url: "http://hooks.internal/x", private: "hooks.internal"},
		{url: "http://hooks.example.com/x"},
		{url: "ftp://hooks.example.com/x", loopback: "hooks.example.com"},
		{url: "https://me:pw@hooks.example.com/x"},
		{url: "https://hooks.example.com/x#y"},
		{url: "https:///x"},
		{url: "https:hooks.example.com"},
		{url: "hooks.example.com"},
		{url: ""},
		{url: "https://hooks.example.com/" + strings.Repeat("a", 2000)},
	}
	for _, row := range rows {
		_, err := webhook.Open(webhook.Config{
			URL: row.url, PrivateHost: row.private, LoopbackHost: row.loopback, Secrets: []runbooks.Secret{runbooks.NewSecret(oldSecret)},
		})
		if (err == nil) != row.ok {
			t.Errorf("%.60s: %v", row.url, err)
		}
	}
}

// names is a name server that gives every name one address.
type names struct {
	resolver *net.Resolver

	mu sync.Mutex
	ip net.IP
}

func newNames(t *testing.T) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{}
	n.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1500)
		for {
			m, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(n.reply(buf[:m]), from)
		}
	})
	t.Cleanup(func() { _ = conn.Close(); wg.Wait() })
	return n
}

func (n *names) set(ip net.IP) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ip = ip.To4()
}

// reply answers a question (RFC 1035): the address for A, nothing for the rest.
func (n *names) reply(question []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root, type and class
	out := append([]byte(nil), question[:end]...)
	out[2], out[3] = 0x81, 0x80
	clear(out[6:12])
	if binary.BigEndian.Uint16(question[end-4:]) != 1 {
		return out
	}
	out[7] = 1
	out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(out, n.ip...)
}
