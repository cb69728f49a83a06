package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// front is where a pipeline asks, and how it proves who it is: with a token of its platform, or with a client certificate.
type front struct {
	address         string
	token, audience string // file of a token, empty: what the platform offers; what that is made for
	cert, key       string // files in PEM; empty: a token
	roots           string // file of authorities that may sign the bot's own certificate; empty: those of the system
}

// check refuses what does not go together.
func (f front) check() error {
	switch {
	case (f.cert == "") != (f.key == ""):
		return usageError{"-cert and -cert-key belong together"}
	case f.cert != "" && f.token != "":
		return usageError{"-cert or -token-file: a workload proves itself with one of them"}
	}
	return nil
}

// connect makes a client of its own. With a certificate that is read anew: those of workloads live for hours, and a session is good with one only.
func (f front) connect() (*http.Client, error) {
	if f.cert == "" && f.roots == "" {
		return &http.Client{Timeout: 2 * pipelinePoll}, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Clean(f.cert), filepath.Clean(f.key))
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if f.roots != "" {
		raw, err := os.ReadFile(filepath.Clean(f.roots))
		if err != nil {
			return nil, fmt.Errorf("-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("-ca: %s holds no certificate in PEM", f.roots)
		}
	}
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("there is no way to call over HTTP")
	}
	t = t.Clone()
	t.TLSClientConfig = config
	return &http.Client{Timeout: 2 * pipelinePoll, Transport: t}, nil
}

// reconnect closes what is open and calls with the certificate that lies there now.
func (x *pipeline) reconnect() error {
	client, err := x.front.connect()
	if err != nil {
		return err
	}
	x.client.CloseIdleConnections()
	x.client = client
	return nil
}
