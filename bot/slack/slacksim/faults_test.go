package slacksim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// post2 makes a raw Web API call, for answers that are no JSON.
func (f *fixture) raw(ctx context.Context, method string) (*http.Response, string, error) {
	form := url.Values{"channel": {f.ChannelID("general")}, "text": {"hello"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/api/"+method, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+f.App().BotToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return resp, string(data), err
}

func TestFaultsOfTheWebAPI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   slacksim.Fault
		status  int
		body    string
		effects int // messages in the channel after the faulty call
	}{
		"429":         {slacksim.Fault{Kind: slacksim.FaultRateLimit, RetryAfter: 7}, 429, "ratelimited", 0},
		"429 after":   {slacksim.Fault{Kind: slacksim.FaultRateLimit, After: true}, 429, "ratelimited", 1},
		"500 html":    {slacksim.Fault{Kind: slacksim.FaultHTTP}, 500, "<html>", 0},
		"502 after":   {slacksim.Fault{Kind: slacksim.FaultHTTP, Status: 502, Body: "bad gateway", After: true}, 502, "bad gateway", 1},
		"fatal_error": {slacksim.Fault{Kind: slacksim.FaultError}, 200, "fatal_error", 0},
		"internal after": {
			slacksim.Fault{Kind: slacksim.FaultError, Code: "internal_error", After: true, Match: "chat.*"}, 200, "internal_error", 1,
		},
		"slow":      {slacksim.Fault{Kind: slacksim.FaultSlow, DelayMS: 5}, 200, `"ok":true`, 1},
		"slow body": {slacksim.Fault{Kind: slacksim.FaultSlowBody, Delay: 8 * time.Millisecond}, 200, `"ok":true`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			f.invite()
			f.Inject(c.fault)
			resp, body, err := f.raw(t.Context(), "chat.postMessage")
			if err != nil || resp.StatusCode != c.status || !strings.Contains(body, c.body) {
				t.Errorf("answer %v %q, %v", resp, body, err)
			}
			if c.fault.RetryAfter != 0 && resp.Header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
			if n := len(f.Messages("general")); n != c.effects {
				t.Errorf("%d messages, want %d", n, c.effects)
			}
			f.ok("chat.postMessage", "channel", f.ChannelID("general"), "text", "and then well")
			if left := f.Faults(); len(left) != 0 {
				t.Errorf("faults left: %+v", left)
			}
		})
	}
}

func TestACutAnswerAndAHangingOne(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	f.Inject(slacksim.Fault{Kind: slacksim.FaultCutBody, After: true})
	if _, body, err := f.raw(t.Context(), "chat.postMessage"); err == nil {
		t.Errorf("a cut answer was read whole: %q", body)
	}
	if len(f.Messages("general")) != 1 {
		t.Error("the cut call had no effect")
	}
	f.Inject(slacksim.Fault{Kind: slacksim.FaultCutBody})
	if resp, err := f.Transport().RoundTrip(f.request(t)); err == nil {
		_ = resp.Body.Close()
		t.Error("the transport hides a cut")
	}
	f.Inject(slacksim.Fault{Kind: slacksim.FaultHang})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, _, err := f.raw(ctx, "chat.postMessage"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging: %v", err)
	}
}

func (f *fixture) request(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://slack.invalid/api/auth.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.App().BotToken)
	return req
}

func TestFaultsSkipAndCount(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "auth.test", Skip: 1, Count: 2})
	var got []any
	for range 4 {
		got = append(got, f.call("auth.test")["ok"])
	}
	if want := []any{true, false, false, true}; jsonText(got) != jsonText(want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	f.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "auth.test", Count: -1})
	for range 5 {
		f.refused("fatal_error", "auth.test")
	}
	f.ok("team.info")
	f.ClearFaults()
	f.ok("auth.test")
}

func TestFaultsOfEnvelopes(t *testing.T) {
	t.Parallel()
	command := func(f *fixture) slacksim.Delivery {
		return f.Command(f.t.Context(), "ann", "general", "/help-me", "")
	}
	for name, c := range map[string]struct {
		fault     slacksim.Fault
		acked     bool
		delivered int
		open      int
	}{
		"drop":       {slacksim.Fault{Kind: slacksim.FaultDrop}, false, 0, 2},
		"duplicate":  {slacksim.Fault{Kind: slacksim.FaultDuplicate}, true, 2, 2},
		"delay":      {slacksim.Fault{Kind: slacksim.FaultDelay, Delay: 10 * time.Millisecond}, true, 1, 2},
		"late":       {slacksim.Fault{Kind: slacksim.FaultDelay, Delay: 2500 * time.Millisecond}, false, 1, 2},
		"reorder":    {slacksim.Fault{Kind: slacksim.FaultReorder}, true, 1, 2},
		"lose ack":   {slacksim.Fault{Kind: slacksim.FaultLoseAck}, false, 1, 2},
		"cut before": {slacksim.Fault{Kind: slacksim.FaultCutBefore}, false, 0, 1},
		"cut after":  {slacksim.Fault{Kind: slacksim.FaultCutAfter}, false, 1, 1},
		"warn":       {slacksim.Fault{Kind: slacksim.FaultWarn, Delay: 50 * time.Millisecond}, true, 1, 1},
		"other":      {slacksim.Fault{Kind: slacksim.FaultDrop, Match: "block_actions"}, true, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *slacksim.Config) { c.AckTimeout = 1500 * time.Millisecond })
			f.serve(func(envelope) any { return nil })
			f.serve(func(envelope) any { return nil })
			f.Inject(c.fault)
			d := command(f)
			if d.Acked != c.acked || (!c.acked && !errors.Is(d.Err, slacksim.ErrOperationTimeout)) {
				t.Errorf("delivery %+v", d)
			}
			f.until(func() bool { return f.SocketStats().Open == c.open && f.SocketStats().Delivered == c.delivered })
		})
	}
}

func TestAReorderedEventIsOvertaken(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	sink := make(chan envelope, 8)
	f.connect(sink)
	f.Inject(slacksim.Fault{Kind: slacksim.FaultReorder})
	f.OpenHome(t.Context(), "ann")
	f.OpenHome(t.Context(), "bob")
	first, second := next(t, sink), next(t, sink)
	if first.event()["user"] != f.UserID("bob") || second.event()["user"] != f.UserID("ann") {
		t.Errorf("order: %v, %v", first.event()["user"], second.event()["user"])
	}
}

func TestFaultsOfConnecting(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.Inject(slacksim.Fault{Kind: slacksim.FaultRefuseSocket, Status: 503})
	if _, err := f.dial(nil); err == nil {
		t.Error("a refused handshake connected")
	}
	for _, kind := range []slacksim.FaultKind{slacksim.FaultTooMany, slacksim.FaultLinkDisabled} {
		f.Inject(slacksim.Fault{Kind: kind})
		a, err := f.dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.hello.Type != "disconnect" || a.hello.Disco != string(kind) {
			t.Errorf("%s: %s", kind, a.hello.raw)
		}
	}
	f.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "apps.connections.open", Code: "internal_error"})
	if _, o := f.callAs(f.App().AppToken, "apps.connections.open"); o["error"] != "internal_error" {
		t.Errorf("apps.connections.open: %v", o)
	}
	if s := f.SocketStats(); s.Refused != 3 || s.Connected != 0 {
		t.Errorf("stats %+v", s)
	}
	f.connect(nil)
}

func TestGhostsSwallowEnvelopesAndAreCounted(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.AckTimeout = 30 * time.Millisecond })
	f.SetGhosts(3)
	sink := make(chan envelope, 64)
	a := f.connect(sink)
	if a.hello.Conns != 4 {
		t.Errorf("num_connections %d, want 4", a.hello.Conns)
	}
	lost := 0
	for range 20 {
		before := f.SocketStats().Delivered
		d := f.Command(t.Context(), "ann", "general", "/help-me", "")
		if errors.Is(d.Err, slacksim.ErrOperationTimeout) && f.SocketStats().Delivered == before {
			lost++
		}
	}
	if lost == 0 || lost == 20 {
		t.Errorf("%d of 20 vanished", lost)
	}
}

func TestChaosIsRepeatable(t *testing.T) {
	t.Parallel()
	run := func() (faults []string) {
		f := start(t, nil)
		f.serve(func(envelope) any { return nil })
		f.SetChaos(slacksim.Chaos{Drop: .2, Duplicate: .3, Delay: .2, MaxDelay: time.Millisecond})
		for range 40 {
			f.OpenHome(t.Context(), "ann")
		}
		for _, r := range f.Traffic() {
			if r.Kind == "socket" && r.Fault != "" {
				faults = append(faults, r.Fault)
			}
		}
		return faults
	}
	first, second := run(), run()
	if jsonText(first) != jsonText(second) || len(first) < 5 {
		t.Errorf("two runs of one seed:\n%v\n%v", first, second)
	}
}
