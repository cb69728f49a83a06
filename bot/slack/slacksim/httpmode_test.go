package slacksim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// received is one request as the app got it.
type received struct {
	kind, body string
	header     http.Header
	verified   error
}

// listen is an app in HTTP mode that verifies with slack-go.
func listen(t *testing.T, secret string, answer func(received, http.ResponseWriter)) (address string, got chan received) {
	t.Helper()
	got = make(chan received, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		v, err := slack.NewSecretsVerifier(r.Header, secret)
		if err == nil {
			_, _ = v.Write(body)
			err = v.Ensure()
		}
		rec := received{kind: r.Header.Get("Content-Type"), body: string(body), header: r.Header, verified: err}
		answer(rec, rw)
		got <- rec
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

func TestHTTPModeIsSignedAndAnswered(t *testing.T) {
	t.Parallel()
	address, got := listen(t, "shhh", func(r received, rw http.ResponseWriter) {
		if strings.Contains(r.body, "command=") {
			_, _ = io.WriteString(rw, "plain words")
		}
	})
	f := start(t, func(c *slacksim.Config) { c.RequestURL, c.App.SigningSecret = address, "shhh" })
	f.invite()
	if d := f.Command(t.Context(), "ann", "general", "/help-me", "now & then"); d.Err != nil {
		t.Fatal(d.Err)
	}
	r := <-got
	form, err := url.ParseQuery(r.body)
	if r.verified != nil || err != nil || form.Get("text") != "now & then" || form.Get("command") != "/help-me" {
		t.Errorf("command: %v %v %v", r.verified, err, form)
	}
	if e := f.Ephemerals("ann", "general"); len(e) != 1 || e[0].Text != "plain words" {
		t.Errorf("the plain answer: %+v", e)
	}
	ts := f.post(button("go", "Go", "1"))
	if d := f.Click(t.Context(), slacksim.Press{User: "ann", Channel: "general", TS: ts, ActionID: "go"}); d.Err != nil || !d.Acked {
		t.Fatalf("click: %+v", d)
	}
	r = <-got
	form, _ = url.ParseQuery(r.body)
	if !strings.Contains(form.Get("payload"), `"block_actions"`) || r.verified != nil {
		t.Errorf("click: %v %s", r.verified, r.body)
	}
	f.OpenHome(t.Context(), "ann")
	r = <-got
	if r.kind != "application/json" || !strings.Contains(r.body, `"app_home_opened"`) || r.verified != nil || r.header.Get("X-Slack-Retry-Num") != "" {
		t.Errorf("event: %+v", r)
	}
}

func TestHTTPModeFailures(t *testing.T) {
	t.Parallel()
	var noRetry atomic.Bool
	address, got := listen(t, "s", func(_ received, rw http.ResponseWriter) {
		if noRetry.Load() {
			rw.Header().Set("X-Slack-No-Retry", "1")
		}
		rw.WriteHeader(http.StatusInternalServerError)
	})
	f := start(t, func(c *slacksim.Config) {
		c.RequestURL, c.EventRetries = address, []time.Duration{0, 0, 0}
	})
	if d := f.Command(t.Context(), "ann", "general", "/help-me", ""); !errors.Is(d.Err, slacksim.ErrDispatchFailed) {
		t.Errorf("500: %v", d.Err)
	}
	<-got
	f.OpenHome(t.Context(), "ann")
	for want := range 4 {
		r := <-got
		if num := r.header.Get("X-Slack-Retry-Num"); (want == 0) != (num == "") || (want > 0 && r.header.Get("X-Slack-Retry-Reason") != "http_error") {
			t.Errorf("attempt %d: %q %q", want, num, r.header.Get("X-Slack-Retry-Reason"))
		}
	}
	f.until(func() bool { return f.SocketStats().AbandonedEvent == 1 })
	noRetry.Store(true)
	f.OpenHome(t.Context(), "ann")
	<-got
	f.until(func() bool { return f.SocketStats().PendingEvents == 0 })
	if len(got) != 0 {
		t.Error("X-Slack-No-Retry was not heeded")
	}
}

func TestTheRequestURLIsVerified(t *testing.T) {
	t.Parallel()
	var silent atomic.Bool
	address, _ := listen(t, "s", func(r received, rw http.ResponseWriter) {
		if !silent.Load() {
			_, _ = io.WriteString(rw, r.body)
		}
	})
	f := start(t, func(c *slacksim.Config) { c.RequestURL = address })
	if err := f.VerifyURL(t.Context()); err != nil {
		t.Error(err)
	}
	silent.Store(true)
	if err := f.VerifyURL(t.Context()); !errors.Is(err, slacksim.ErrBadResponse) {
		t.Errorf("a lost challenge: %v", err)
	}
}

// handlerTransport answers requests with a handler, inside a bubble of virtual time.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() { defer close(done); t.h.ServeHTTP(rec, r) }()
	select {
	case <-done:
		return rec.Result(), nil
	case <-r.Context().Done():
		<-done
		return nil, r.Context().Err()
	}
}

func TestHTTPModeInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		cfg := slacksim.Sample()
		cfg.RequestURL = "http://app.invalid/"
		cfg.HTTPClient = &http.Client{Transport: handlerTransport{http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			attempts++
			<-r.Context().Done() // never answers
		})}}
		w, err := slacksim.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		began := time.Now()
		if d := w.Command(context.Background(), "ann", "general", "/help-me", ""); !errors.Is(d.Err, slacksim.ErrOperationTimeout) {
			t.Errorf("delivery %+v", d)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("timed out after %v", took)
		}
		w.OpenHome(context.Background(), "ann")
		if err := w.Until(context.Background(), func() bool { return w.SocketStats().AbandonedEvent == 1 }); err != nil {
			t.Fatal(err)
		}
		// 3 s, at once, 3 s, a minute, 3 s, five minutes, 3 s.
		if took := time.Since(began); took != 6*time.Minute+5*3*time.Second || attempts != 5 {
			t.Errorf("%d attempts in %v", attempts, took)
		}
	})
}
