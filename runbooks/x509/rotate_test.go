package x509_test

import (
	stdx509 "crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/x509"
	"github.com/countersign-bot/countersign/workflows"
)

// letIn shows the bench's server what a rotation handed over, or a certificate with its key.
func (b *bench) letIn(t *testing.T, bundle string) bool {
	t.Helper()
	key, rest := pem.Decode([]byte(bundle))
	if key == nil {
		t.Fatal("no key was handed over")
	}
	parsed, err := stdx509.ParsePKCS8PrivateKey(key.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return b.greeted(t, map[string]string{"client.pem": string(rest)}, parsed) != ""
}

// isListed tells whether servers find a serial number on the list that they fetch.
func (b *bench) isListed(t *testing.T, serial *big.Int) bool {
	t.Helper()
	list, err := stdx509.ParseRevocationList(b.fetch(t, x509.PathList))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(list.RevokedCertificateEntries, func(e stdx509.RevocationListEntry) bool { return e.SerialNumber.Cmp(serial) == 0 })
}

func (b *bench) credentials(t *testing.T) (refs []string) {
	t.Helper()
	for x, err := range b.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, x.Ref)
	}
	return refs
}

// TestReq_R41_CertificatesAreRotated: a certificate is replaced by one for a new key that says the same and ends when it did; a real server lets the new one in
// and refuses the old one, whose serial number is on the list that it fetched. Done again, nothing changes; after a restart it is all still so; and taking the
// grant back ends the new certificate as well.
func TestReq_R41_CertificatesAreRotated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := newKey(t)
	g := b.grantOf("leaf", request(t, key))
	old, err := b.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	first := "certificate " + fmt.Sprintf("%x", x509.Serial(g.ID))
	safe := runbooktest.NewSafe()
	rotate := func(id string, fields map[string]string) (runbooks.Receipt, string, error) {
		r := runbooks.NewRunner(map[string]runbooks.Connector{"edge": b.drilled(t, b.tls.Addr().String())}, nil)
		r.KeepIn(safe)
		order := runbooks.Grant{
			ID: workflows.GrantID(id), Identity: "svc-edge", Holder: "Edge", Account: "alice", Target: "edge", Entitlement: "rotation", Fields: fields,
			Start: b.now(), End: b.now().Add(time.Hour),
		}
		receipt, err := r.Rotate(t.Context(), "edge", order)
		kept, _, _ := safe.Kept(t.Context(), order.ID)
		secret := ""
		for _, p := range kept.Parts {
			secret = p.Value.Reveal()
		}
		return receipt, secret, err
	}
	made, bundle, err := rotate("g_rot1", map[string]string{"old": first})
	if err != nil {
		t.Fatal(err)
	}
	if again, same, err := rotate("g_rot1", map[string]string{"old": first}); err != nil || again.Ref != made.Ref || same != bundle {
		t.Errorf("rotated again: %+v (%v), want %+v and the same secret", again, err, made)
	}
	if !b.letIn(t, bundle) {
		t.Error("the new certificate is refused")
	}
	if b.greeted(t, old.Use.Files, key) != "" || !b.isListed(t, x509.Serial(g.ID)) {
		t.Error("the old certificate is let in, or is not on the list")
	}
	if refs := b.credentials(t); !slices.Equal(refs, []string{made.Ref}) || made.Ref == first {
		t.Errorf("the authority tells of %q, want %q alone", refs, made.Ref)
	}
	block, _ := pem.Decode([]byte(bundle[strings.Index(bundle, "-----BEGIN CERTIFICATE"):]))
	next, err := stdx509.ParseCertificate(block.Bytes)
	before := parse(t, old)
	if err != nil || next.Subject.String() != before.Subject.String() || !next.NotAfter.Equal(before.NotAfter) {
		t.Errorf("the new certificate says %v until %v, the old one %v until %v (%v)", next.Subject, next.NotAfter, before.Subject, before.NotAfter, err)
	}
	n := 0
	for a, err := range b.ListAccess(t.Context()) {
		if n++; err != nil || a.Key != b.AccessKey(g) || a.Grant != g.ID {
			t.Errorf("listed: %+v (%v)", a, err)
		}
	}
	if p, err := b.Check(t.Context(), g); n != 1 || p != runbooks.Present || err != nil {
		t.Errorf("%d listed; the grant reads %s (%v)", n, p, err)
	}
	b.open(t) // as after a restart
	second, bundle2, err := rotate("g_rot2", nil)
	if err != nil || b.letIn(t, bundle) || !b.letIn(t, bundle2) || second.Ref == made.Ref {
		t.Errorf("by the account's name, after a restart: %+v (%v)", second, err)
	}
	if _, err := b.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if p, _ := b.Check(t.Context(), g); p != runbooks.Absent || b.letIn(t, bundle2) || len(b.credentials(t)) != 0 {
		t.Errorf("the grant was taken back and its new certificate is let in (%s)", p)
	}
	if _, _, err := rotate("g_rot3", map[string]string{"old": first}); runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
		t.Errorf("a certificate whose grant is over was replaced: %v", err)
	}
}

// TestARenewalIsNotTwice: a call whose secret was lost lists what nobody has the key of; only what the order made lets the old one be retired; and what is not
// clear is refused.
func TestARenewalIsNotTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	target := b.drilled(t, b.tls.Addr().String())
	g := b.grantOf("one", request(t, newKey(t)))
	if _, err := target.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	order := runbooks.Rotation{ID: "rot_1", Account: "alice", Secret: runbooks.NewPassword()}
	lost, err := target.Renew(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	next, err := target.Renew(t.Context(), order)
	if err != nil || next.Ref == lost.Ref || b.letIn(t, lost.Secret.Reveal()) || !b.letIn(t, next.Secret.Reveal()) {
		t.Errorf("after a lost secret: %q, then %q (%v)", lost.Ref, next.Ref, err)
	}
	if err := target.Prove(t.Context(), order, lost); err == nil {
		t.Error("a certificate on the list was proven")
	}
	for what, n := range map[string]runbooks.Renewed{"lost": lost, "made up": {Ref: "certificate 00"}, "the old one": {Ref: fmt.Sprintf("certificate %x", x509.Serial(g.ID))}} {
		if err := target.Retire(t.Context(), order, n); runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
			t.Errorf("retired for %s: %v", what, err)
		}
	}
	if b.isListed(t, x509.Serial(g.ID)) {
		t.Error("the old certificate is on the list before the new one was retired to")
	}
	if err := target.Retire(t.Context(), order, next); err != nil || !b.isListed(t, x509.Serial(g.ID)) {
		t.Errorf("retiring: %v", err)
	}
	if _, err := target.Grant(t.Context(), b.grantOf("two", request(t, newKey(t)))); err != nil {
		t.Fatal(err)
	}
	for what, r := range map[string]runbooks.Rotation{
		"several": {ID: "rot_2", Account: "alice"}, "nobody": {ID: "rot_3", Account: "bob"}, "unknown": {ID: "rot_4", Old: "certificate 00"},
	} {
		if _, err := target.Renew(t.Context(), r); runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
