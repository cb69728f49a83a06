package slacksim_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

func TestCommandReachesTheAppAndItsAnswerIsShown(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	got := make(chan object, 1)
	f.serve(func(e envelope) any {
		got <- e.Payload
		return object{"text": "Here you are"}
	})
	d := f.Command(t.Context(), "ann", "general", "/help-me", "with this")
	if d.Err != nil || !d.Acked {
		t.Fatalf("delivery: %+v", d)
	}
	p := <-got
	if p["command"] != "/help-me" || p["text"] != "with this" || p["user_id"] != f.UserID("ann") {
		t.Errorf("payload: %v", p)
	}
	list := f.Ephemerals("ann", "general")
	if len(list) != 1 || list[0].Text != "Here you are" {
		t.Errorf("ephemerals of ann: %+v", list)
	}
	if others := f.Ephemerals("bob", "general"); len(others) != 0 {
		t.Errorf("bob sees %+v", others)
	}
}

func TestCommandAnswerInChannelAndBadAnswer(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	answers := []object{
		{"response_type": "in_channel", "text": "for all"},
		{"blocks": []any{object{"type": "header", "text": plain(strings.Repeat("x", 151))}}},
	}
	f.serve(func(envelope) any {
		a := answers[0]
		answers = answers[1:]
		return a
	})
	if d := f.Command(t.Context(), "ann", "general", "/help-me", ""); d.Err != nil {
		t.Fatal(d.Err)
	}
	if list := f.Messages("general"); len(list) != 1 || list[0].Text != "for all" {
		t.Errorf("channel: %+v", list)
	}
	if d := f.Command(t.Context(), "ann", "general", "/help-me", ""); !errors.Is(d.Err, slacksim.ErrBadResponse) {
		t.Errorf("bad blocks in an answer: %v", d.Err)
	}
}

func TestWithoutAnybodyConnectedTheActFails(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	d := f.Command(t.Context(), "ann", "general", "/help-me", "")
	if !errors.Is(d.Err, slacksim.ErrDispatchFailed) || d.Acked {
		t.Fatalf("delivery: %+v", d)
	}
	if n := f.Notices("ann"); len(n) != 1 || !strings.Contains(n[0].Text, "dispatch_failed") {
		t.Errorf("notices: %+v", n)
	}
	d = f.Command(t.Context(), "ann", "general", "/unknown", "")
	if d.Err == nil || !strings.Contains(d.Err.Error(), "not a valid command") {
		t.Errorf("unknown command: %v", d.Err)
	}
}

func TestAnInteractivePayloadIsNeverRetried(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.AckTimeout = 50 * time.Millisecond })
	sink := make(chan envelope, 8)
	a := f.connect(sink)
	f.invite()
	ts := f.post(button("go", "Go", "1"))
	d := f.Click(t.Context(), slacksim.Press{User: "ann", Channel: "general", TS: ts, ActionID: "go"})
	if !errors.Is(d.Err, slacksim.ErrOperationTimeout) {
		t.Fatalf("delivery: %+v", d)
	}
	e := next(t, sink)
	a.ackFor(e.ID, nil) // too late
	f.until(func() bool { return f.SocketStats().UnknownAcks == 1 })
	if got := f.SocketStats().Delivered; got != 1 {
		t.Errorf("%d envelopes delivered, want 1", got)
	}
	if n := f.Notices("ann"); len(n) != 1 || !strings.Contains(n[0].Text, "operation_timeout") {
		t.Errorf("notices: %+v", n)
	}
}

func TestEventsAreRetriedThreeTimesAndKeepTheirID(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) {
		c.AckTimeout = 30 * time.Millisecond
		c.EventRetries = []time.Duration{0, time.Millisecond, time.Millisecond}
	})
	sink := make(chan envelope, 8)
	f.connect(sink)
	f.OpenHome(t.Context(), "ann")
	var ids []any
	for want := range 4 {
		e := next(t, sink)
		if e.Attempt != want || (want > 0) != (e.Reason != "") {
			t.Errorf("attempt %d reason %q, want attempt %d", e.Attempt, e.Reason, want)
		}
		ids = append(ids, e.Payload["event_id"])
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("event ids %v", ids)
		}
	}
	f.until(func() bool { return f.SocketStats().AbandonedEvent == 1 })
}

func TestAnAckedEventIsNotRetried(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.EventRetries = []time.Duration{0, 0, 0} })
	f.serve(func(envelope) any { return nil })
	for range 20 {
		f.OpenHome(t.Context(), "ann")
	}
	f.until(func() bool { s := f.SocketStats(); return s.PendingEvents == 0 && s.Acked == 20 })
	if s := f.SocketStats(); s.Delivered != 20 {
		t.Errorf("%d deliveries of 20 events", s.Delivered)
	}
}

func TestEachEnvelopeGoesToExactlyOneConnection(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	sinks := []chan envelope{make(chan envelope, 64), make(chan envelope, 64)}
	for i, s := range sinks {
		if a := f.connect(s); a.hello.Conns != i+1 {
			t.Errorf("num_connections of connection %d: %d", i+1, a.hello.Conns)
		}
	}
	for range 40 {
		f.OpenHome(t.Context(), "ann")
	}
	seen := map[string]int{}
	share := [2]int{}
	for range 40 {
		var e envelope
		select {
		case e = <-sinks[0]:
			share[0]++
		case e = <-sinks[1]:
			share[1]++
		case <-time.After(10 * time.Second):
			t.Fatal("no envelope came")
		}
		seen[e.ID]++
		e.ack(nil)
	}
	if len(seen) != 40 || share[0] == 0 || share[1] == 0 {
		t.Errorf("%d envelopes, shared %v", len(seen), share)
	}
}

func TestAckOnTheWrongConnectionDoesNotCount(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.AckTimeout = 2 * time.Second })
	sink := make(chan envelope, 8)
	apps := []*app{f.connect(sink), f.connect(sink)}
	result := make(chan slacksim.Delivery, 1)
	go func() { result <- f.Command(t.Context(), "ann", "general", "/help-me", "") }()
	e := next(t, sink)
	for _, a := range apps {
		if a != e.on {
			a.ackFor(e.ID, nil)
		}
	}
	f.until(func() bool { return f.SocketStats().MisplacedAcks == 1 })
	if d := <-result; !errors.Is(d.Err, slacksim.ErrOperationTimeout) {
		t.Errorf("delivery: %+v", d)
	}
}

func TestALargeAckIsDroppedWithoutAWord(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.AckTimeout = 200 * time.Millisecond })
	f.serve(func(envelope) any { return object{"text": strings.Repeat("x", 20<<10)} })
	d := f.Command(t.Context(), "ann", "general", "/help-me", "")
	if !errors.Is(d.Err, slacksim.ErrOperationTimeout) {
		t.Errorf("delivery %+v", d)
	}
	f.until(func() bool { return f.SocketStats().OversizeAcks == 1 })
}

func TestTheEleventhConnectionIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for range 10 {
		f.connect(nil)
	}
	a, err := f.dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.hello.Type != "disconnect" || a.hello.Disco != "too_many_websockets" {
		t.Errorf("first frame: %s", a.hello.raw)
	}
}

func TestATicketOpensOneConnection(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, path := range []string{"/socket", "/socket?ticket=invented"} {
		resp, err := http.Get(f.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

func TestAWarnedConnectionStillDelivers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	sink := make(chan envelope, 8)
	f.connect(sink)
	if n := f.WarnConnections(time.Minute); n != 1 {
		t.Fatalf("%d connections warned", n)
	}
	if e := next(t, sink); e.Type != "disconnect" || e.Disco != "warning" {
		t.Fatalf("frame: %s", e.raw)
	}
	f.OpenHome(t.Context(), "ann")
	e := next(t, sink)
	e.ack(nil)
	f.until(func() bool { return f.SocketStats().Acked == 1 })
}

func TestConnectionsEndAsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*fixture) int
		want string
	}{
		"warning": {func(f *fixture) int { return f.WarnConnections(time.Millisecond) }, "warning"},
		"refresh": {func(f *fixture) int { return f.RefreshConnections() }, "refresh_requested"},
		"link":    {func(f *fixture) int { return f.DisableLink() }, "link_disabled"},
		"cut":     {func(f *fixture) int { return f.CutConnections() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			sink := make(chan envelope, 8)
			f.connect(sink)
			c.end(f)
			f.until(func() bool { return f.SocketStats().Open == 0 })
			if c.want == "" {
				select {
				case e := <-sink:
					t.Errorf("a cut connection said %s", e.raw)
				default:
				}
				return
			}
			if e := next(t, sink); e.Disco != c.want {
				t.Errorf("frame: %s", e.raw)
			}
		})
	}
}

// invite puts the app into general.
func (f *fixture) invite() {
	f.t.Helper()
	if err := f.Join(f.App().BotUserID, "general"); err != nil {
		f.t.Fatal(err)
	}
}

// post sends a message with these elements to general and returns its ts.
func (f *fixture) post(elements ...any) string {
	f.t.Helper()
	o := f.ok("chat.postMessage", "channel", f.ChannelID("general"), "text", "hello", "blocks", blocks(section("hello"), actions("act", elements...)))
	ts, _ := o["ts"].(string)
	return ts
}

func TestPingsAreSent(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.PingEvery = 5 * time.Millisecond })
	_, o := f.callAs(f.App().AppToken, "apps.connections.open")
	pings := make(chan string, 1)
	a, err := f.dialURL(fmt.Sprint(o["url"]), pings)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	select {
	case p := <-pings:
		if !strings.HasPrefix(p, "Ping from ") {
			t.Errorf("ping %q", p)
		}
	case <-time.After(10 * time.Second):
		t.Error("no ping came")
	}
}
