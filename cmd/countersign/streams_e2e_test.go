package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
)

// far is what receivers outside of the house have got, each entry once, and whether any came twice or out of order.
type far struct {
	mu   sync.Mutex
	next map[string]int64
	gaps []string
}

// got notes an entry of a stream; what was there already is a duplicate, which is allowed.
func (f *far) got(stream string, entry int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if entry > f.next[stream] {
		f.gaps = append(f.gaps, fmt.Sprintf("%s: entry %d after %d", stream, entry, f.next[stream]-1))
	}
	f.next[stream] = max(f.next[stream], entry+1)
}

func (f *far) reached(stream string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next[stream]
}

func (f *far) webhook(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		if streams.SignWebhook([]byte("shared"), r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), string(body)) != r.Header.Get("webhook-signature") {
			t.Error("a delivery with a wrong signature")
		}
		var event struct {
			Data struct{ Records []streams.Record }
		}
		if err := json.Unmarshal(body, &event); err != nil {
			t.Error(err)
		}
		for _, x := range event.Data.Records {
			f.got("hook", x.Entry)
		}
	}
}

func (f *far) collector(t *testing.T) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var data logspb.LogsData
		if err := proto.Unmarshal(body, &data); err != nil {
			t.Error(err)
		}
		for _, l := range data.ResourceLogs[0].ScopeLogs[0].LogRecords {
			for _, a := range l.Attributes {
				if a.Key == "countersign.entry" {
					f.got("collector", a.Value.GetIntValue())
				}
			}
		}
	}
}

// syslog reads octet counted messages for their index.
func (f *far) syslog(t *testing.T, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for br := bufio.NewReader(c); ; {
				var size int
				if _, err := fmt.Fscanf(br, "%d ", &size); err != nil {
					return
				}
				msg := make([]byte, size)
				if _, err := io.ReadFull(br, msg); err != nil {
					return
				}
				_, after, _ := strings.Cut(string(msg), ` index="`)
				digits, _, _ := strings.Cut(after, `"`)
				n, err := strconv.ParseInt(digits, 10, 64)
				if err != nil {
					t.Errorf("%.200q", msg)
				}
				f.got("siem", n)
			}
		}()
	}
}

// vkey is the public key of the world's ledger.
func (w *world) vkey() string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.data(), "keys", keyLedger))
	w.check(err)
	key, err := ledger.ParseKeyFile(b)
	w.check(err)
	return key.VKey()
}

// ledgerFile writes ledger.yaml. The audit channel of the company stands in countersign.yaml.
func (w *world) ledgerFile(text string) {
	w.t.Helper()
	w.check(os.WriteFile(filepath.Join(w.dir, "config", "ledger.yaml"), []byte(text), 0o600))
}

// arrived waits until every stream has everything.
func (w *world) arrived() []outletStatus {
	w.t.Helper()
	list, err := until(w.t.Context(), "all streams to have everything", func() ([]outletStatus, bool) {
		out, code := w.run("streams", "status", "-json")
		var list []outletStatus
		if code != exitDone || json.Unmarshal([]byte(out), &list) != nil {
			return nil, false
		}
		for _, o := range list {
			if strings.HasPrefix(o.Name, "stream/") && (o.Lag != 0 || o.State != "ok") {
				return list, false
			}
		}
		return list, len(list) > 0
	})
	w.check(err)
	return list
}

// TestReq_R101_EntriesLeaveTheHouse runs the whole product with four streams, kills it in the middle, and holds what receivers got against the
// ledger: nothing is missing, nobody's name or reason went out, and the file proves itself.
func TestReq_R101_EntriesLeaveTheHouse(t *testing.T) {
	t.Parallel()
	f := &far{next: map[string]int64{}}
	hook, collector := httptest.NewServer(f.webhook(t)), httptest.NewServer(f.collector(t))
	defer hook.Close()
	defer collector.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go f.syslog(t, l)

	w := newWorld(t, worldOptions{})
	file := filepath.Join(w.dir, "entries.jsonl")
	w.ledgerFile(fmt.Sprintf(`streams:
  - {id: archive, kind: file, path: %s}
  - {id: hook, kind: webhook, url: %q, secret_env: HOOK_SECRET}
  - {id: collector, kind: otlp, url: %q}
  - {id: siem, kind: syslog, url: "tcp://%s"}
`, file, hook.URL, collector.URL, l.Addr()))
	w.start("HOOK_SECRET=shared")
	w.grant("maya", "1h", "A reason that stays in the house.")
	w.bot.kill()
	w.start("HOOK_SECRET=shared")
	w.grant("kenji", "1h", "Another reason that stays in the house.")
	size := int64(len(w.records())) // what is written later, as that a message arrived, may wait for the next start
	for _, o := range w.arrived() {
		if strings.HasPrefix(o.Name, "stream/") && o.Next < 10 {
			t.Errorf("%+v", o)
		}
	}
	for _, id := range []string{"archive", "hook", "collector", "siem"} {
		if got := w.metric(`countersign_stream_lag_entries{stream="` + id + `"}`); got != "0" {
			t.Errorf("the metric of %s is %q", id, got)
		}
	}
	w.stopBot()
	for _, id := range []string{"hook", "collector", "siem"} {
		if n := f.reached(id); n < size {
			t.Errorf("%s has %d of %d entries", id, n, size)
		}
	}
	if len(f.gaps) > 0 {
		t.Errorf("gaps: %v", f.gaps)
	}
	out, code := w.run("streams", "check", file, "-vkey", w.vkey())
	if code != exitDone || !strings.Contains(out, "are all there, unchanged") || !strings.Contains(out, "by the key that you gave") {
		t.Errorf("exit %d: %s", code, out)
	}
	text, err := os.ReadFile(file)
	w.check(err)
	for _, private := range []string{"stays in the house", w.people["maya"].name, w.people["kenji"].name} {
		if strings.Contains(string(text), private) {
			t.Errorf("%q went out", private)
		}
	}
	if !strings.Contains(string(text), `"sentence":"p_`) {
		t.Errorf("no sentence in %.600s", text)
	}
	w.tamper(file, text)
}

// tamper changes one approval in the received file.
func (w *world) tamper(file string, text []byte) {
	w.t.Helper()
	changed := strings.Replace(string(text), `"verdict":"approve"`, `"verdict":"deny"`, 1)
	if changed == string(text) {
		w.t.Fatal("there is no approval in the file")
	}
	w.check(os.WriteFile(file, []byte(changed), 0o600))
	if out, code := w.run("streams", "check", file); code != exitLedger || !strings.Contains(out, "NOT AS SENT") {
		w.t.Errorf("a changed file: exit %d: %s", code, out)
	}
	lines := strings.SplitAfter(string(text), "\n")
	w.check(os.WriteFile(file, []byte(strings.Join(append(lines[:4:4], lines[6:]...), "")), 0o600))
	if out, code := w.run("streams", "check", file); code != exitFailed || !strings.Contains(out, "MISSING     entries 4 to 5") {
		w.t.Errorf("a file with a gap: exit %d: %s", code, out)
	}
}

// TestStreamWithNames holds that names go out only where the configuration says so, and that the ledger says so, too.
func TestStreamWithNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	file := filepath.Join(w.dir, "entries.jsonl")
	w.ledgerFile("streams:\n  - {id: insiders, kind: file, path: " + file + ", names: true}\n")
	w.start()
	w.grant("maya", "1h", "A reason for insiders.")
	w.arrived()
	text, err := os.ReadFile(file)
	w.check(err)
	if !strings.Contains(string(text), "A reason for insiders.") || !strings.Contains(string(text), w.people["maya"].name+" asked for") {
		t.Errorf("neither names nor reasons: %.900s", text)
	}
	if e := w.recorded("stream.opened", 1)[0].Event.(store.StreamOpened); e.Stream != "insiders" || e.Sink != "file" {
		t.Errorf("%+v", e)
	}
	if out, code := w.run("streams", "check", file, "-vkey", w.vkey()); code != exitDone {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestReq_R109_AStreamWithoutItsSecretIsNoStream refuses to start rather than to run without a control that was asked for.
func TestReq_R109_AStreamWithoutItsSecretIsNoStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.ledgerFile("streams:\n  - {id: hook, kind: webhook, url: \"http://127.0.0.1:1/\", secret_env: NOWHERE_SET}\n")
	p := w.spawn(nil)
	code, err := p.wait(time.Minute)
	if err != nil || code != exitFailed || !strings.Contains(w.log(), `stream "hook": environment variable NOWHERE_SET, named by secret_env, is not set`) {
		t.Errorf("exit %d, %v: %s", code, err, w.log())
	}
}

// TestReq_R109_AlarmForAStream raises an alarm for a receiver that is away for longer than allowed, in the ledger and in the security channel.
func TestReq_R109_AlarmForAStream(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	s := &streams.Stream{Name: "siem", Source: failing{}, Sink: &streams.File{Path: filepath.Join(t.TempDir(), "x")}, Cursor: cursor{o.store, "stream/siem", false}, Log: o.log}
	x := &outstream{Stream: s}
	x.conf.ID, x.conf.Alarm = "siem", 0
	o.out.streams = []*outstream{x}
	done := make(chan error, 1)
	ctx, cancel := contextWithCancel(t)
	go func() { done <- s.Run(ctx) }()
	_, err := until(t.Context(), "a failure", func() (bool, bool) { return true, s.Status().Attempts > 0 })
	o.check(err)
	o.lookAtStream(x)
	o.lookAtStream(x) // once an hour is enough
	o.wait.Wait()
	cancel()
	o.check(<-done)
	head, err := o.store.Head(t.Context())
	o.check(err)
	records, err := o.store.Entries(t.Context(), 0, head.Size)
	o.check(err)
	n := 0
	for _, r := range records {
		if strings.Contains(detail(r.Event), "stream.lagging/siem") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d alarms", n)
	}
	if st, err := o.store.Outlet(t.Context(), "stream/siem"); err != nil || st.Failing == 0 || st.Error == "" {
		t.Errorf("%+v, %v", st, err)
	}
}

var errAway = errors.New("the ledger is away")

// failing is a source that cannot be read.
type failing struct{}

// Read implements streams.Source.
func (failing) Read(context.Context, int64, int, int) ([]streams.Record, int64, error) {
	return nil, 0, errAway
}

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
