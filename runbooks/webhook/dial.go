package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
)

// errAddress is the refusal of an address that a name resolved to.
var errAddress = errors.New("the name leads to an address that is not to be called")

// reach says which addresses may be called.
type reach int

const (
	reachPublic   reach = iota // the open internet only
	reachPrivate               // private networks as well
	reachLoopback              // this machine only
)

// never is called whatever is configured: clouds answer on these addresses with the machine's own credentials, or an
// IPv4 address hides in an IPv6 one, or nothing is there by definition.
var never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),     // link-local: the metadata of most clouds
	netip.MustParsePrefix("192.0.0.0/24"),       // protocol assignments: Oracle's metadata
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba's metadata
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure's wire server
	netip.MustParsePrefix("192.0.2.0/24"),       // documentation
	netip.MustParsePrefix("198.51.100.0/24"),    // documentation
	netip.MustParsePrefix("203.0.113.0/24"),     // documentation
	netip.MustParsePrefix("198.18.0.0/15"),      // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),        // reserved, broadcast
	netip.MustParsePrefix("::/96"),              // unspecified, IPv4-compatible
	netip.MustParsePrefix("64:ff9b::/96"),       // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),     // local NAT64
	netip.MustParsePrefix("100::/64"),           // discard
	netip.MustParsePrefix("2001::/32"),          // Teredo
	netip.MustParsePrefix("2001:db8::/32"),      // documentation
	netip.MustParsePrefix("2002::/16"),          // 6to4
	netip.MustParsePrefix("fd00:ec2::254/128"),  // Amazon's metadata
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google's metadata
	netip.MustParsePrefix("fe80::/10"),          // link-local
	netip.MustParsePrefix("fec0::/10"),          // site-local, of old
}

// carrier is shared address space (RFC 6598): inside a provider's or an overlay's network.
var carrier = netip.MustParsePrefix("100.64.0.0/10")

// allows says whether an address may be called.
func (r reach) allows(ip netip.Addr) bool {
	ip = ip.WithZone("").Unmap()
	if ip.IsLoopback() || r == reachLoopback {
		return ip.IsLoopback() && r == reachLoopback
	}
	for _, p := range never {
		if p.Contains(ip) {
			return false
		}
	}
	if ip.IsPrivate() || carrier.Contains(ip) {
		return r == reachPrivate
	}
	return ip.IsGlobalUnicast()
}

// control stands in the socket's creation, after the resolver and before the connection: a name that changes between a
// check and the call cannot slip past.
func (r reach) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !r.allows(ap.Addr()) {
		return errAddress
	}
	return nil
}

// client makes calls that go where they are sent and nowhere else: no redirects, and no proxy from the environment, since
// a proxy would connect to addresses that nobody checks.
func client(r reach, tlsConfig *tls.Config, resolver *net.Resolver) (*http.Client, func(context.Context, string, string) (net.Conn, error)) {
	dial := (&net.Dialer{Timeout: connectTimeout, Control: r.control, Resolver: resolver}).DialContext
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: connectTimeout, ForceAttemptHTTP2: true,
			MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: idle, MaxResponseHeaderBytes: maxHeader,
		},
	}, dial
}

// Caller makes single calls to addresses that somebody typed, with the same care as those of a target: of the open internet, with reach "private"
// of private networks as well, with "loopback" of this machine only; no redirects, no proxy. roots nil: the system's.
func Caller(how string, roots *x509.CertPool) (*http.Client, error) {
	r, ok := map[string]reach{"public": reachPublic, "private": reachPrivate, "loopback": reachLoopback}[how]
	if !ok {
		return nil, fmt.Errorf("%q says nothing of what may be called: public, private or loopback", how)
	}
	c, _ := client(r, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil)
	return c, nil
}
