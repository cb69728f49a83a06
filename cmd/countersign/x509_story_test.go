package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
)

const edgeTarget = `id: edge
title: Edge servers
connector: x509
owner: jonas
environment: production
data_class: internal
entitlements:
  - id: operator
    title: Operator of the edge
    description: A client certificate that the edge servers let in as an operator.
    business_task: Looking at an edge server when something is wrong.
    review_date: 2036-01-01
    longest: 8h
    action: write
    breadth: one
    params: {organization: edge-operators, common_name: maya}
`

// A certificate request is pasted into the form, approved, and the certificate for its key comes with the message; one that names somebody, or is no
// request, is refused on its field.
func TestACertificateRequestIsPastedAndCertified(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{
		"targets/edge.yaml": edgeTarget,
		"workflows/edge.yaml": strings.NewReplacer("id: solo", "id: edge-operator", "bastion/deploy", "edge/operator",
			"name: key, label: SSH public key, type: ssh_key", "name: csr, label: Certificate request, type: csr").Replace(soloChain),
	})
	s, ctx := &story{demo: d}, t.Context()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustSay(t, err)
	request := func(names pkix.Name) string {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: names}, key)
		mustSay(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	send := func(csr string) error {
		mustSay(t, s.command(ctx, "maya", "/access", "request edge-operator"))
		return s.submit(ctx, "maya", map[string]any{"duration": "1h", "reason": "An edge server answers 502.", screens.FieldBlock + "csr": csr})
	}
	if err := send(request(pkix.Name{CommonName: "Maya Chen"})); err == nil || !strings.Contains(err.Error(), "Make one without names") {
		t.Errorf("a request with a name: %v", err)
	}
	mustSay(t, send(request(pkix.Name{})))
	card, err := s.message(ctx, "access", "An edge server answers 502.")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	ready, err := s.dm(ctx, "maya", "ready: you can use", "BEGIN CERTIFICATE")
	mustSay(t, err)
	var got *x509.Certificate
	for _, part := range strings.SplitAfter(ready.Visible(), "-----END CERTIFICATE-----") { // the authority's own comes with it
		block, _ := pem.Decode([]byte(part[max(strings.Index(part, "-----BEGIN"), 0):] + "\n"))
		if block == nil {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		mustSay(t, err)
		if !cert.IsCA {
			got = cert
		}
	}
	if got == nil || !key.PublicKey.Equal(got.PublicKey) || got.Subject.CommonName != "maya" {
		t.Errorf("not her certificate: %+v, in %q", got, ready.Visible())
	}
	said(t, s.mustCLI(t, "ledger", "verify"), "intact")
}
