// Package rest makes calls to web services for connectors and task sources: over TLS, bounded, never redirected, without
// a proxy that nobody named, secrets in headers only, and every error classed once for all (runbooks.Error). It knows no
// service; who calls it says what a status means where that differs.
package rest
