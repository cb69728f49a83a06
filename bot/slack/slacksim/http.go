package slacksim

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// Handler serves the whole workspace: the Web API under /api/, Socket Mode at /socket, response_urls under /response/, uploads, the
// control API under /sim/, the host's panel under /panel/ and the browser page everywhere else.
func (w *Workspace) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", w.serveAPI)
	mux.HandleFunc("/socket", w.serveSocket)
	mux.HandleFunc("POST /response/", w.serveResponse)
	mux.HandleFunc("POST /upload/", w.serveUpload)
	w.mountSim(mux)
	w.mountPage(mux)
	if w.cfg.Panel != nil {
		mux.Handle("/panel/", w.cfg.Panel)
	}
	return mux
}

// baseOf is how the client of this request reaches us.
func (w *Workspace) baseOf(r *http.Request) string {
	if w.cfg.BaseURL != "" {
		return strings.TrimSuffix(w.cfg.BaseURL, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// Transport answers HTTP requests from the workspace itself, without a network: what tests on virtual time need. WebSockets need a
// real server.
func (w *Workspace) Transport() http.RoundTripper { return transport{w.Handler()} }

type transport struct{ h http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	clone := r.Clone(r.Context())
	if clone.Body == nil {
		clone.Body = http.NoBody
	}
	clone.Host = r.URL.Host
	if !serveUncut(t.h, rec, clone) {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{
		Status: http.StatusText(rec.status), StatusCode: rec.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.header, Body: readCloser(rec.body.Bytes()), ContentLength: int64(rec.body.Len()), Request: r,
	}, nil
}

// serveUncut reports false when the handler cut the connection, which it does by net/http's own panic.
func serveUncut(h http.Handler, rw http.ResponseWriter, r *http.Request) (whole bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			whole = false
		}
	}()
	h.ServeHTTP(rw, r)
	return true
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
