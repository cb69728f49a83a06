package webhook

import (
	"net/netip"
	"testing"
)

// TestThreat_T46_WhichAddresses: who may be called, address by address: p public, i private as well, l this machine.
func TestThreat_T46_WhichAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"8.8.8.8": "pi", "2606:4700::1111": "pi", "::ffff:8.8.8.8": "pi",
		"10.1.2.3": "i", "172.16.0.1": "i", "192.168.1.1": "i", "::ffff:10.1.2.3": "i", "fd12:3456::1": "i", "100.64.0.1": "i",
		"127.0.0.1": "l", "127.255.255.254": "l", "::1": "l", "::ffff:127.0.0.1": "l",
		"169.254.169.254": "", "::ffff:169.254.169.254": "", "169.254.170.2": "", "fe80::1": "", "fe80::1%eth0": "", "fd00:ec2::254": "", "fd20:ce::254": "",
		"100.100.100.200": "", "168.63.129.16": "", "192.0.0.192": "", "0.0.0.0": "", "0.1.2.3": "", "::": "", "::127.0.0.1": "", "::a9fe:a9fe": "",
		"255.255.255.255": "", "224.0.0.1": "", "ff02::1": "", "240.0.0.1": "", "198.18.0.1": "", "192.0.2.1": "", "2001:db8::1": "", "fec0::1": "",
		"64:ff9b::a9fe:a9fe": "", "64:ff9b:1::1": "", "2002:7f00:1::1": "", "2001:0:7f00:1::1": "", "100::1": "",
	} {
		got := ""
		for letter, r := range map[string]reach{"p": reachPublic, "i": reachPrivate, "l": reachLoopback} {
			if r.allows(netip.MustParseAddr(address)) {
				got += letter
			}
		}
		if got != want && !(want == "pi" && got == "ip") {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "localhost:80", "999.1.1.1:80", "[::1]"} {
		if reachLoopback.control("tcp", address, nil) == nil {
			t.Errorf("%q was let through", address)
		}
	}
}
