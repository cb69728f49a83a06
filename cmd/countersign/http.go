package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/countersign-bot/countersign/bot/screens"
)

// healthReport is what /readyz answers and `countersign health` prints.
type healthReport struct {
	Ready   bool         `json:"ready"`
	Version string       `json:"version"`
	Parts   []healthPart `json:"parts"`
}

type healthPart struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Say  string `json:"say"`
}

func (h healthReport) print(w io.Writer) {
	for _, p := range h.Parts {
		state := "ok"
		if !p.OK {
			state = "NOT OK"
		}
		fmt.Fprintf(w, "%-8s %-7s %s\n", p.Name, state, p.Say)
	}
}

// check is one part of being ready.
type check struct {
	name screens.Sentence
	look func() (bool, screens.Sentence)
	soft bool // somebody has to act, and the bot serves all the same: no balancer should take it out
}

func reportOf(checks []check) healthReport {
	h := healthReport{Ready: true, Version: version()}
	for _, c := range checks {
		ok, say := c.look()
		h.Ready = h.Ready && (ok || c.soft)
		h.Parts = append(h.Parts, healthPart{c.name.String(), ok, say.String()})
	}
	return h
}

// routes are the pages for machines: alive, ready, metrics. /healthz says only that the process answers; /readyz says whether
// it can do its work.
func routes(mux *http.ServeMux, checks []check, reg *prometheus.Registry) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		h := reportOf(checks)
		w.Header().Set("Content-Type", "application/json")
		if !h.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		json.NewEncoder(w).Encode(h)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
}

// Limits of the HTTP server: its clients are hosts and scrapers, which send small requests and read small answers.
const (
	maxHTTPBody       = 64 << 10
	maxHeader         = 16 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 60 * time.Second
)

// serveHTTP serves until ctx ends, then lets running answers finish for a moment. The handler bounds what it reads.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), ConnContext: withPeer,
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(last)
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
