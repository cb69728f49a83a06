package streams_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/countersign-bot/countersign/store/streams"
	"github.com/countersign-bot/countersign/store/streams/s3test"
)

func client(t testing.TB) *http.Client {
	t.Helper()
	c, err := streams.NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// TestStandardWebhooksVector is the example that the reference implementations of Standard Webhooks test.
func TestStandardWebhooksVector(t *testing.T) {
	secret, err := streams.WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := streams.SignWebhook(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, bad := range []string{"", "whsec_", "whsec_%"} {
		if s, err := streams.WebhookSecret(bad); err == nil {
			t.Errorf("%q gave %q", bad, s)
		}
	}
}

// TestWebhook sends to a receiver that checks signatures and refuses every second delivery after having taken it: the worst receiver. What
// comes twice comes under the same id.
func TestWebhook(t *testing.T) {
	var mu sync.Mutex
	byID := map[string][]int64{}
	var order []string
	var calls int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		id := r.Header.Get("webhook-id")
		if want := streams.SignWebhook([]byte("shared"), id, r.Header.Get("webhook-timestamp"), string(body)); r.Header.Get("webhook-signature") != want {
			t.Errorf("signature %q, want %q", r.Header.Get("webhook-signature"), want)
		}
		var event struct {
			Type string
			Data struct{ Records []streams.Record }
		}
		if err := json.Unmarshal(body, &event); err != nil || event.Type != "ledger.entries" {
			t.Errorf("%v: %.100s", err, body)
		}
		mu.Lock()
		defer mu.Unlock()
		calls++
		if old, again := byID[id]; again && !slices.Equal(old, entries(event.Data.Records)) {
			t.Errorf("%s came again with other records", id)
		} else if !again {
			order = append(order, id)
		}
		byID[id] = entries(event.Data.Records)
		if calls%2 == 1 {
			http.Error(w, "not now\x1b[31m", http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	b := newBook(t)
	b.grow(600)
	p := &place{}
	s := &streams.Stream{Name: "hook", Source: b, Sink: &streams.Webhook{URL: srv.URL, Secret: []byte("shared"), Client: client(t)}, Cursor: p, Log: quiet()}
	stop := run(t, s)
	until(t, "a failure to be told", func() bool { return s.Status().Attempts > 0 || p.next() > 0 })
	until(t, "600 entries", func() bool { return p.next() == 600 })
	stop()
	var got []int64
	for _, id := range order {
		got = append(got, byID[id]...)
	}
	if diff := cmp.Diff(span(0, 600), got); diff != "" {
		t.Error(diff)
	}
	if st := s.Status(); st.Error != "" || !st.Failing.IsZero() || st.Lag() != 0 {
		t.Errorf("after success: %+v", st)
	}
}

// TestNoRedirect holds that a signed delivery goes to one receiver only.
func TestNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	b := newBook(t)
	w := streams.Webhook{URL: srv.URL, Secret: []byte("x"), Client: client(t)}
	if n, err := w.Send(t.Context(), b.records()); err == nil || n != 0 || !strings.Contains(err.Error(), "307") {
		t.Errorf("%d, %v", n, err)
	}
}

// TestRetryAfter reads how long a receiver wants to be left alone.
func TestRetryAfter(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "42")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	}))
	defer srv.Close()
	w := streams.Webhook{URL: srv.URL, Secret: []byte("x"), Client: client(t)}
	_, err := w.Send(t.Context(), newBook(t).records())
	var asked *streams.RetryError
	if !errors.As(err, &asked) || asked.After != 42*time.Second {
		t.Errorf("%v", err)
	}
}

// TestOTLP decodes what a collector gets with the types that the protocol defines.
func TestOTLP(t *testing.T) {
	var mu sync.Mutex
	var got []*logspb.LogRecord
	var reject bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if ct := r.Header.Get("Content-Type"); ct != "application/x-protobuf" || r.Header.Get("Authorization") != "Bearer t0ken" {
			t.Errorf("%v", r.Header)
		}
		var data logspb.LogsData
		if err := proto.Unmarshal(body, &data); err != nil || len(data.ResourceLogs) != 1 {
			t.Errorf("%v: %v", err, &data)
		}
		if a := data.ResourceLogs[0].Resource.Attributes; a[0].Value.GetStringValue() != "countersign" || a[1].Value.GetStringValue() != origin {
			t.Errorf("resource %v", a)
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, data.ResourceLogs[0].ScopeLogs[0].LogRecords...)
		if reject {
			partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
			partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), "too old")
			w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial))
		}
	}))
	defer srv.Close()
	b := newBook(t)
	b.grow(20)
	o := &streams.OTLP{URL: srv.URL, Token: "t0ken", Client: client(t)}
	rs := b.records()
	if n, err := o.Send(t.Context(), rs); n != 20 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	for i, l := range got {
		attr := map[string]any{}
		for _, a := range l.Attributes {
			attr[a.Key] = a.Value.GetStringValue()
			if a.Value.GetStringValue() == "" {
				attr[a.Key] = a.Value.GetIntValue()
			}
		}
		want := map[string]any{
			"log.record.uid": fmt.Sprintf("%s/%d", origin, i), "log.record.original": string(rs[i].Leaf), "countersign.stream": "test",
			"countersign.entry": int64(i), "countersign.previous": int64(i - 1), "countersign.size": int64(20), "countersign.leaf_hash": rs[i].LeafHash,
		}
		if i == 19 {
			want["countersign.checkpoint"] = rs[i].Note
		}
		if diff := cmp.Diff(want, attr); diff != "" || l.Body.GetStringValue() != rs[i].Sentence || l.EventName != rs[i].Type {
			t.Errorf("record %d: %s %v", i, diff, l.Body)
		}
		if at := time.Unix(0, int64(l.TimeUnixNano)).UTC().Format("2006-01-02T15:04:05.000000Z"); at != rs[i].Time {
			t.Errorf("record %d is of %s, want %s", i, at, rs[i].Time)
		}
	}
	mu.Lock()
	reject = true
	mu.Unlock()
	n, err := o.Send(t.Context(), rs)
	var no *streams.RejectedError
	if n != 20 || !errors.As(err, &no) || no.N != 2 || no.Why != "too old" {
		t.Errorf("%d, %v", n, err)
	}
}

func objects(t testing.TB, s *s3test.Store) (*streams.Objects, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &streams.Objects{URL: srv.URL + "/" + s.Bucket + "/some prefix/x+y", Region: s.Region, Key: s.Key, Secret: s.Secret, Client: client(t)}, srv
}

// TestObjects speaks with a store that checks each signature by AWS's description of it.
func TestObjects(t *testing.T) {
	store := s3test.New("audit", "eu-central-1", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	o, _ := objects(t, store)
	ctx := t.Context()
	for _, n := range []string{"heads/02", "heads/01", "heads/03", "other"} {
		if err := o.Put(ctx, n, "text/plain", map[string]string{"size": n}, []byte("body of "+n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Put(ctx, "heads/01", "text/plain", nil, []byte("again")); !errors.Is(err, streams.ErrExists) {
		t.Errorf("writing over: %v", err)
	}
	if b, err := o.Get(ctx, "heads/01"); err != nil || string(b) != "body of heads/01" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := o.Get(ctx, "heads/04"); !errors.Is(err, streams.ErrNoObject) {
		t.Errorf("%v", err)
	}
	if m, err := o.Head(ctx, "heads/02"); err != nil || m["size"] != "heads/02" {
		t.Errorf("%v, %v", m, err)
	}
	if names, err := o.After(ctx, "heads/", "heads/01", 1); err != nil || !slices.Equal(names, []string{"heads/02"}) {
		t.Errorf("%v, %v", names, err)
	}
	bad := *o
	bad.Secret = "another"
	if err := bad.Put(ctx, "x", "text/plain", nil, nil); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestObjectSink holds that batches never write over each other, and that another ledger in the same place is noticed.
func TestObjectSink(t *testing.T) {
	store := s3test.New("audit", "eu-central-1", "AKIDEXAMPLE", "secret")
	o, _ := objects(t, store)
	sink := streams.ObjectSink{Objects: o}
	b := newBook(t)
	b.grow(30)
	rs := b.records()
	if n, err := sink.Send(t.Context(), rs[:10]); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	// The process died before it remembered: the same entries come again, with more behind them.
	if n, err := sink.Send(t.Context(), rs); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := sink.Send(t.Context(), rs[10:]); n != 20 || err != nil {
		t.Fatal(n, err)
	}
	var all []byte
	for _, n := range store.Names() {
		all = append(all, store.Object(n)...)
	}
	if got := check(t, all, b.key.VKey()); got.Records != 30 || got.Duplicates != 0 || got.Proven != 30 || len(got.Problems) > 0 {
		t.Errorf("%v: %+v", store.Names(), got)
	}
	other := newBook(t)
	other.says = "another ledger"
	other.grow(30)
	if n, err := sink.Send(t.Context(), other.records()); n != 0 || err == nil || !strings.Contains(err.Error(), "rolled back, or another one writes there") {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := sink.Send(t.Context(), rs[:5]); n != 0 || err == nil || !strings.Contains(err.Error(), "which this ledger does not have yet") {
		t.Errorf("a shorter ledger: %d, %v", n, err)
	}
}
