package api

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// revocations are the lists of revoked certificates that doors name. A list is fetched when it is first needed and again every few minutes; one that
// cannot be fetched is used as long as it says itself that it is good. It is safe for concurrent use.
type revocations struct {
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex
	lists map[string]*published // by address
}

// published is what was last fetched from one address.
type published struct {
	mu    sync.Mutex
	next  time.Time // when it is asked for again
	lists []revokedList
	err   error // of the last time
}

// revokedList is a list of one authority, its serial numbers for looking up.
type revokedList struct {
	*x509.RevocationList
	serials map[string]bool
}

func newRevocations(client *http.Client, now func() time.Time) *revocations {
	if client == nil {
		client = &http.Client{Timeout: fetchTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &revocations{client: client, now: now, lists: map[string]*published{}}
}

// check holds a certificate, under each chain to an authority that it was verified by, against the lists that its door names. The authority that signed it
// has to have signed a list that is in force: what cannot be told is not taken. Its errors are *TokenError, or a list that could not be fetched.
func (v *revocations) check(ctx context.Context, d Door, chains [][]*x509.Certificate) error {
	if d.CRL == "" {
		return nil
	}
	lists, err := v.of(d.CRL).get(ctx, v, d.CRL)
	if err != nil {
		return err
	}
	told := false
	for _, chain := range chains {
		for i, c := range chain[:len(chain)-1] {
			for _, l := range lists {
				if !bytes.Equal(l.RawIssuer, c.RawIssuer) || l.CheckSignatureFrom(chain[i+1]) != nil {
					continue
				}
				if l.serials[c.SerialNumber.String()] {
					return wrong("revoked", "the certificate was revoked by the authority that signed it (serial %x)", c.SerialNumber)
				}
				if err := inForce(l.RevocationList, v.now()); err != nil {
					return err
				}
				told = told || i == 0
			}
		}
	}
	if !told {
		return wrong("crl", "the authority that signed this certificate signed no list of revoked ones at %s, so that nobody can tell whether it was revoked", d.CRL)
	}
	return nil
}

// inForce tells whether a list is whole, and of today.
func inForce(l *x509.RevocationList, now time.Time) error {
	switch {
	case now.Add(skew).Before(l.ThisUpdate):
		return wrong("crl", "the authority's list of revoked certificates is from the future (this update)")
	case l.NextUpdate.IsZero() || !now.Before(l.NextUpdate):
		return wrong("crl", "the authority's list of revoked certificates is out of date (next update), so that nobody can tell whether this one was revoked")
	}
	for _, e := range l.Extensions {
		if e.Critical { // of a part, a difference or another's: reading it as a whole would miss what it leaves out
			return wrong("crl", "the authority's list of revoked certificates is not a whole one of its own (extension %s)", e.Id)
		}
	}
	return nil
}

func (v *revocations) of(address string) *published {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.lists[address]
	if p == nil {
		p = &published{}
		v.lists[address] = p
	}
	return p
}

func (p *published) get(ctx context.Context, v *revocations, address string) ([]revokedList, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v.now().Before(p.next) {
		return p.answer()
	}
	lists, err := v.fetch(context.WithoutCancel(ctx), address) // who asked may leave; the next one needs it, too
	if p.err = err; err != nil {
		p.next = v.now().Add(crlAgain)
		return p.answer()
	}
	p.lists, p.next = lists, v.now().Add(crlEvery)
	return p.answer()
}

func (p *published) answer() ([]revokedList, error) {
	if p.lists == nil {
		return nil, p.err
	}
	return p.lists, nil
}

func (v *revocations) fetch(ctx context.Context, address string) ([]revokedList, error) {
	lists, err := v.read(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("fetching the list of revoked certificates at %s: %w", address, err)
	}
	return lists, nil
}

func (v *revocations) read(ctx context.Context, address string) ([]revokedList, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxCRL+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered %s", resp.Status)
	case len(raw) > maxCRL:
		return nil, fmt.Errorf("it has more than %d bytes", maxCRL)
	}
	return parseLists(raw)
}

// parseLists reads one list in DER, or several in PEM.
func parseLists(raw []byte) (out []revokedList, err error) {
	blocks := [][]byte{raw}
	if b, rest := pem.Decode(raw); b != nil {
		for blocks = nil; b != nil; b, rest = pem.Decode(rest) {
			blocks = append(blocks, b.Bytes)
		}
	}
	for _, der := range blocks {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, errors.New("this is no list of revoked certificates in DER or PEM")
		}
		x := revokedList{l, make(map[string]bool, len(l.RevokedCertificateEntries))}
		for _, e := range l.RevokedCertificateEntries {
			x.serials[e.SerialNumber.String()] = true
		}
		out = append(out, x)
	}
	return out, nil
}
