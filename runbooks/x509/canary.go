package x509

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// canary is the server that drills connect to; its zero value is none.
type canary struct {
	address, host string
	roots         *x509.CertPool // nil: the system's
}

func readCanary(address, roots string) (canary, error) {
	if address == "" && roots == "" {
		return canary{}, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return canary{}, fmt.Errorf("setting %s: %q is not the address of a server such as edge.example.org:443", SettingCanary, address)
	}
	c := canary{address: address, host: host}
	if roots == "" {
		return c, nil
	}
	raw, err := os.ReadFile(roots)
	if err != nil {
		return canary{}, fmt.Errorf("setting %s: %w", SettingCanaryRoots, err)
	}
	c.roots = x509.NewCertPool()
	if len(raw) > maxRoots || !c.roots.AppendCertsFromPEM(raw) {
		return canary{}, fmt.Errorf("setting %s: %q holds no certificates in PEM, or is larger than %d bytes", SettingCanaryRoots, roots, maxRoots)
	}
	return c, nil
}

// CanaryFields gives the certificate request of a canary. Its private key is derived again from the authority's when the drill connects: nothing is kept.
func (c *Connector) CanaryFields(id workflows.GrantID, params map[string][]string) (map[string]string, error) {
	if len(params[ParamKey]) > 0 {
		return nil, nil // the key is made with the grant
	}
	key, err := c.canaryKey(id)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("making the canary's certificate request: %w", err)
	}
	field := "csr"
	if named := params[ParamField]; len(named) == 1 {
		field = named[0]
	}
	return map[string]string{field: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))}, nil
}

func (c *Connector) canaryKey(id workflows.GrantID) (*ecdsa.PrivateKey, error) {
	raw, err := c.signer.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making the canary's key: %w", err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("countersign x509 canary v1\x00" + string(id)))
	sum := mac.Sum(nil)
	for range 100 {
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum); err == nil {
			return key, nil
		}
		next := sha256.Sum256(sum)
		sum = next[:]
	}
	return nil, errors.New("making the canary's key: no number below the order of the curve was found")
}

// CanTry tells whether there is a server for drills to connect to.
func (t *Target) CanTry() bool { return t.canary.address != "" }

// Try connects with the canary's certificate.
func (t *Target) Try(ctx context.Context, g runbooks.Grant, r runbooks.Receipt) (bool, error) {
	pair, err := t.canaryPair(g, r)
	if err != nil {
		return false, err
	}
	return t.show(ctx, pair)
}

// show tells whether the server for drills lets a certificate in.
func (t *Target) show(ctx context.Context, pair tls.Certificate) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	// Up to TLS 1.2 the server judges the certificate before the handshake ends; after it with TLS 1.3.
	in, err := t.canary.connect(ctx, pair, tls.VersionTLS12)
	if err != nil && strings.Contains(err.Error(), "protocol version not supported") {
		in, err = t.canary.connect(ctx, pair, tls.VersionTLS13)
	}
	if err != nil {
		return false, runbooks.Errorf(runbooks.Retry, err, "the server for drills could not be connected to, or its own certificate is not to be trusted")
	}
	return in, nil
}

// canaryPair is the canary's certificate with its key: the one that was made with the grant, or the one of CanaryFields.
func (t *Target) canaryPair(g runbooks.Grant, r runbooks.Receipt) (tls.Certificate, error) {
	block, _ := pem.Decode([]byte(r.Use.Files[fileCert]))
	if block == nil {
		return tls.Certificate{}, runbooks.Errorf(runbooks.Broken, nil, "there is no certificate to try")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return tls.Certificate{}, runbooks.Errorf(runbooks.Broken, err, "the certificate to try cannot be read")
	}
	key, err := privateKey(g)
	if err == nil && key == nil {
		key, err = t.canaryKey(g.ID)
	}
	if err != nil {
		return tls.Certificate{}, runbooks.Errorf(runbooks.Broken, nil, "the canary's key could not be made or read")
	}
	if public, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return tls.Certificate{}, refuse("the certificate is not for the canary's key")
	}
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key, Leaf: leaf}, nil
}

// connect shows the server a certificate and tells whether it is let in. An error means that this cannot be told.
func (c canary) connect(ctx context.Context, pair tls.Certificate, highest uint16) (bool, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	asked := false
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: highest, RootCAs: c.roots, ServerName: c.host,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { asked = true; return &pair, nil },
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		if asked && isRefusal(err) {
			return false, nil
		}
		return false, err
	}
	if !asked {
		return false, errors.New("the server asks for no certificate, so it lets everybody in")
	}
	_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", c.host) // what it says is read in any case
	_ = conn.SetReadDeadline(time.Now().Add(answerTimeout))
	first := bufio.NewReader(conn)
	_, err = first.Peek(1)
	var late net.Error
	switch {
	case err == nil:
		return isWelcome(first), nil
	case isRefusal(err):
		return false, nil
	case errors.As(err, &late) && late.Timeout() && ctx.Err() == nil:
		return true, nil // a server of another protocol that waits for its client: what refuses has said so by now
	case highest == tls.VersionTLS12 && errors.Is(err, io.EOF):
		return true, nil // it had let the certificate in, and hung up on HTTP
	}
	return false, err
}

// isRefusal tells whether the server ended the connection because of the certificate.
func isRefusal(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && !strings.Contains(err.Error(), "protocol version")
}

// isWelcome tells whether a first answer lets the client in: servers of HTTP may refuse a certificate in their own words (nginx does, with 400 or 495).
func isWelcome(r *bufio.Reader) bool {
	if start, _ := r.Peek(5); string(start) != "HTTP/" {
		return true
	}
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return true
	}
	_ = answer.Body.Close()
	return !slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, 495, 496}, answer.StatusCode)
}
