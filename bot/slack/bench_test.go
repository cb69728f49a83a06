package slack_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
)

// benchSocket is a transport connected over real loopback TCP to a fake Slack, with an inbox in memory.
func benchSocket(b *testing.B) *fakeSocket {
	b.Helper()
	f := &fakeSlack{t: b, joined: make(chan *fakeSocket, 10)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/apps.connections.open", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"ok":true,"url":"ws://%s/link"}`, l.Addr())
	})
	mux.HandleFunc("/link", f.serveLink)
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(l) }()
	intake, err := slack.NewIntake(slack.IntakeOptions{Inbox: &fakeInbox{}, Installation: home(), Handler: handlerFunc(
		func(context.Context, slack.Interaction) (slack.Reply, error) { return slack.Reply{}, nil })})
	if err != nil {
		b.Fatal(err)
	}
	tr, err := slack.NewTransport(slack.TransportOptions{
		AppToken: "xapp-1-A111-test", APIURL: "http://" + l.Addr().String() + "/api", AllowLoopback: true, Connections: 1, Intake: intake,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		_ = srv.Close()
	})
	return f.socket()
}

// BenchmarkEnvelopeToAck measures one click from the socket to its acknowledgement on it.
func BenchmarkEnvelopeToAck(b *testing.B) {
	s := benchSocket(b)
	i := 0
	for b.Loop() {
		i++
		s.send(click(fmt.Sprint("e", i), fmt.Sprint(i, ".0")))
		if a := <-s.acks; a.ID == "" {
			b.Fatal("no acknowledgement")
		}
	}
}

// BenchmarkBurst sends a thousand clicks without waiting and reports the time to the 99th acknowledgement of a hundred.
func BenchmarkBurst(b *testing.B) {
	const burst = 1000
	s := benchSocket(b)
	i := 0
	var lags []time.Duration
	for b.Loop() {
		sent := make(map[string]time.Time, burst)
		for range burst {
			i++
			id := fmt.Sprint("e", i)
			sent[id] = time.Now()
			s.send(click(id, fmt.Sprint(i, ".0")))
		}
		for range burst {
			a := <-s.acks
			lags = append(lags, a.At.Sub(sent[a.ID]))
		}
	}
	slices.Sort(lags)
	b.ReportMetric(float64(lags[len(lags)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "median-ms")
}

func BenchmarkDecode(b *testing.B) {
	frame := submission("e", "V1", strings.Repeat("why ", 100))
	raw := []byte(frame[strings.Index(frame, `"payload":`)+10 : len(frame)-1])
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := slack.Decode("interactive", raw); err != nil {
			b.Fatal(err)
		}
	}
}
