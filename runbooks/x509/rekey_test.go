package x509_test

import (
	stdx509 "crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks/x509"
)

// TestAnAuthorityIsFollowed: the next key's certificate is fetched beside the old one's; it signs nothing before everything that the old one signed
// is over, what was revoked included; then servers that trust both go on, the list goes on, and the old key opens nothing any more.
func TestAnAuthorityIsFollowed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	next := []byte("fedcba9876543210fedcba9876543210")
	key := newKey(t)
	one, two := b.grantOf("one", request(t, key)), b.grantOf("two", request(t, key))
	for _, err := range []error{second(b.Grant(t.Context(), one)), second(b.Grant(t.Context(), two)), second(b.Revoke(t.Context(), two))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	reopen := func(seed []byte) error {
		con, err := x509.Open(x509.Config{Seed: seed, Dir: b.dir, Now: b.now, PublicURL: b.http.URL})
		if err == nil {
			b.Connector = con
			t.Cleanup(func() { _ = con.Close() })
		}
		return err
	}
	unexpired := func(want int) {
		t.Helper()
		if n, err := x509.Unexpired(b.dir, b.now()); err != nil || n != want {
			t.Fatalf("%d certificates are not over, %v; want %d", n, err, want)
		}
	}
	if err := reopen(next); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("a key that nobody announced: %v", err)
	}
	if err := b.Announce(next); err != nil {
		t.Fatal(err)
	}
	if err := b.Announce(next); err != nil { // a start says it again
		t.Fatal(err)
	}
	trusted := certificates(t, b.fetch(t, x509.PathCA))
	if len(trusted) != 2 || !trusted[0].Equal(b.ca) {
		t.Fatalf("servers fetch %d certificates", len(trusted))
	}
	unexpired(2)
	b.advance(8*time.Hour + time.Second) // both are over, but not yet for a server whose clock is behind
	if err := reopen(next); err == nil || !strings.Contains(err.Error(), "not over") {
		t.Errorf("too early: %v", err)
	}
	if err := reopen(seed()); err != nil {
		t.Fatalf("the old key, put back: %v", err)
	}
	b.advance(48 * time.Hour)
	unexpired(0)
	before, err := stdx509.ParseRevocationList(b.List())
	if err != nil {
		t.Fatal(err)
	}
	if err := reopen(next); err != nil {
		t.Fatal(err)
	}
	list, err := stdx509.ParseRevocationList(b.List())
	if err != nil || list.CheckSignatureFrom(trusted[1]) != nil || list.Number.Cmp(before.Number) <= 0 {
		t.Errorf("the list does not go on: %v, number %v after %v", err, list.Number, before.Number)
	}
	three := b.grantOf("three", request(t, key))
	r, err := b.Grant(t.Context(), three)
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, r)
	if err := cert.CheckSignatureFrom(trusted[1]); err != nil {
		t.Errorf("a server that fetched both does not take it: %v", err)
	}
	if err := reopen(seed()); err == nil {
		t.Error("the old key opens the new authority's register")
	}
	names := []string{}
	for _, s := range [][]byte{seed(), next} {
		n, err := x509.Name(s)
		if err != nil || n == "" || slices.Contains(names, n) {
			t.Errorf("the name %q, %v", n, err)
		}
		names = append(names, n)
	}
}

func second[T any](_ T, err error) error { return err }

func certificates(t *testing.T, text []byte) (out []*stdx509.Certificate) {
	t.Helper()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := stdx509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}
