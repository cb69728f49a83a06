package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are made in memory, so that time can be virtual.
type pipes struct {
	next chan net.Conn
	done chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// T38: who sends a head, or a body, a byte a second holds a connection for seconds only and reaches no handler; a head beyond the bound is refused.
func TestThreat_T38_SlowSendersAreHungUpOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, drip string
		within      time.Duration
	}{
		"a head by bytes": {"POST /slack HTTP/1.1\r\n", "X-A: b\r\n", readHeaderTimeout},
		"no head at all":  {"", "", readHeaderTimeout},
		"a body by bytes": {"POST /slack HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "a", readTimeout},
		"a giant head":    {"POST /slack HTTP/1.1\r\nX-A: " + strings.Repeat("a", maxHeader+8<<10), "", readHeaderTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			l := &pipes{next: make(chan net.Conn), done: make(chan struct{})}
			var whole atomic.Int64
			served := make(chan error, 1)
			go func() {
				served <- serveHTTP(ctx, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err == nil {
						whole.Add(1)
					}
				}), slog.New(slog.DiscardHandler))
			}()
			ours, theirs := net.Pipe()
			l.next <- theirs
			start := time.Now()
			var sender sync.WaitGroup
			sender.Go(func() {
				if _, err := io.WriteString(ours, c.first); err != nil {
					return
				}
				for c.drip != "" {
					if _, err := io.WriteString(ours, c.drip); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			})
			_, _ = io.Copy(io.Discard, ours) // until they hang up
			if took := time.Since(start); took > c.within+2*time.Second {
				t.Errorf("%s: held for %v, want at most %v", name, took, c.within)
			}
			if whole.Load() != 0 {
				t.Errorf("%s: a handler read it whole", name)
			}
			ours.Close()
			sender.Wait()
			cancel()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}
