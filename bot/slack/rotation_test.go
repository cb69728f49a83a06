package slack_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// rotating is a workspace whose app has token rotation, and the one file that a bot keeps.
type rotating struct {
	t      *testing.T
	sim    *slacksim.Workspace
	net    *pipeNet
	kept   []slack.Tokens
	broken error // what Save answers
	lost   int
}

func rotatingApp(t *testing.T) *rotating {
	t.Helper()
	sim, err := slacksim.New(slacksim.Config{App: slacksim.App{ClientID: "1.2", ClientSecret: "canary-secret", RefreshToken: "xoxe-1-first"}})
	if err != nil {
		t.Fatal(err)
	}
	x := &rotating{t: t, sim: sim, net: newPipeNet()}
	srv := &http.Server{Handler: sim.Handler()}
	stopped := make(chan struct{})
	go func() { _ = srv.Serve(x.net); close(stopped) }()
	t.Cleanup(func() { _ = srv.Close(); <-stopped; sim.Close() })
	return x
}

func (x *rotating) last() slack.Tokens {
	if len(x.kept) == 0 {
		return slack.Tokens{}
	}
	return x.kept[len(x.kept)-1]
}

// start is a bot that starts with what is kept. dial is the way to Slack; nil for the good one.
func (x *rotating) start(refresh string, dial func(context.Context, string, string) (net.Conn, error)) *slack.Rotation {
	x.t.Helper()
	if dial == nil {
		dial = x.net.dial
	}
	r, err := slack.NewRotation(slack.RotationOptions{
		Refresh: refresh, ClientID: "1.2", ClientSecret: "canary-secret", Stored: x.last(), APIURL: "http://127.0.0.1/api/", AllowLoopback: true, DialContext: dial,
		Save:   func(k slack.Tokens) error { x.save(k); return x.broken },
		OnLost: func(error) { x.lost++ },
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

func (x *rotating) save(k slack.Tokens) {
	if x.broken == nil {
		x.kept = append(x.kept, k)
	}
}

// works says whether Slack takes the rotation's token.
func (x *rotating) works(r *slack.Rotation) error {
	x.t.Helper()
	s, err := slack.NewSender(slack.SenderOptions{Rotation: r, APIURL: "http://127.0.0.1/api/", AllowLoopback: true, DialContext: x.net.dial})
	if err != nil {
		x.t.Fatal(err)
	}
	_, err = s.AuthTest(x.t.Context())
	return err
}

// TestRotationOutlivesItsTokens: over five days no call meets a token that ended, every exchange is ahead of the end, what is used is always what is
// kept, and the next start goes on with it.
func TestRotationOutlivesItsTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := rotatingApp(t)
		r := x.start("xoxe-1-first", nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		for hour := range 5 * 24 {
			synctest.Wait()
			if err := x.works(r); err != nil {
				t.Fatalf("hour %d: %v", hour, err)
			}
			if got := x.last(); got.Access != r.Token() || !got.Asked.IsZero() {
				t.Fatalf("hour %d: kept and used differ", hour)
			}
			if left := time.Until(r.Status().Until); left < time.Hour {
				t.Fatalf("hour %d: %v left", hour, left)
			}
			time.Sleep(time.Hour)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := len(x.kept); n < 22 || n > 26 { // one exchange in ten hours, two writes each
			t.Errorf("%d writes in five days", n)
		}
		time.Sleep(11 * time.Hour) // the machine was off
		if again := x.start("xoxe-1-first", nil); again.Refresh(t.Context()) != nil || x.works(again) != nil {
			t.Error("the next start does not go on with what is kept")
		}
		if x.lost != 0 {
			t.Errorf("%d alarms", x.lost)
		}
	})
}

// TestRotationIsNotCutShort: a bot that is told to stop while Slack is being asked keeps what Slack answers, and one that was told before asks no more.
func TestRotationIsNotCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := rotatingApp(t)
		ctx, cancel := context.WithCancel(t.Context())
		r := x.start("xoxe-1-first", func(dial context.Context, _, _ string) (net.Conn, error) {
			cancel()
			if err := dial.Err(); err != nil {
				return nil, err
			}
			return nil, &net.OpError{Op: "dial", Err: errors.New("no way")}
		})
		var away *slack.Unreached
		if err := r.Refresh(ctx); !errors.As(err, &away) || !strings.Contains(err.Error(), "no way") {
			t.Errorf("asking was cut short: %v", err)
		}
		kept := len(x.kept)
		if err := x.start("xoxe-1-first", nil).Refresh(ctx); !errors.Is(err, context.Canceled) || len(x.kept) != kept {
			t.Errorf("a bot that stops began an exchange: %v", err)
		}
	})
}

// TestRotationCrashes: a process that dies before it asks loses nothing. One that dies between Slack's answer and the disk keeps working with the
// token it has until that ends, says that it is lost, and goes on at once with a refresh token of a new installation.
func TestRotationCrashes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := rotatingApp(t)
		r := x.start("xoxe-1-first", nil)
		if err := r.Refresh(t.Context()); err != nil || x.works(r) != nil {
			t.Fatal(err)
		}
		unreached := x.start("xoxe-1-first", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New("no way")}
		})
		var away *slack.Unreached
		if err := unreached.Refresh(t.Context()); !errors.As(err, &away) || x.last().Asked.IsZero() {
			t.Fatalf("asked without a way: %v; kept %v", err, x.last().Asked)
		}
		if r = x.start("xoxe-1-first", nil); r.Refresh(t.Context()) != nil || x.works(r) != nil {
			t.Fatal("a start after a question that Slack never saw does not work")
		}
		before := x.last()
		if err := x.start("xoxe-1-first", nil).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		x.kept = append(x.kept, before) // the answer never reached the disk
		r = x.start("xoxe-1-first", nil)
		err := r.Refresh(t.Context())
		var no *slack.Permanent
		if !errors.As(err, &no) || no.Code != "invalid_refresh_token" || x.lost != 1 || !r.Status().Lost {
			t.Fatalf("a used refresh token: %v, lost %d", err, x.lost)
		}
		if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "xoxe") {
			t.Errorf("the error tells a secret: %v", err)
		}
		if err := x.works(r); err != nil {
			t.Errorf("the token in use is good until its end: %v", err)
		}
		if _ = r.Refresh(t.Context()); x.lost != 1 {
			t.Errorf("told %d times", x.lost)
		}
		fresh := x.sim.App().RefreshToken // what installing again gives
		if r = x.start(fresh, nil); r.Refresh(t.Context()) != nil || x.works(r) != nil || r.Status().Lost {
			t.Error("a new refresh token is not taken")
		}
	})
}

// TestRotationStoresFirst: where the disk takes nothing the one refresh token is not spent; where it fails after Slack answered, the old token is used
// until it ends, then the new one out of memory, and it is stored as soon as that works, without another exchange.
func TestRotationStoresFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := rotatingApp(t)
		r := x.start("xoxe-1-first", nil)
		x.broken = errors.New("the disk is full")
		if err := r.Refresh(t.Context()); !errors.Is(err, x.broken) || x.sim.App().RefreshToken != "xoxe-1-first" {
			t.Fatalf("a full disk: %v, the refresh token now %q", err, x.sim.App().RefreshToken)
		}
		x.broken = nil
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		old := r.Token()
		time.Sleep(11 * time.Hour)
		n := 0
		full := errors.New("the disk is full")
		half, err := slack.NewRotation(slack.RotationOptions{
			Refresh: "xoxe-1-first", ClientID: "1.2", ClientSecret: "canary-secret", Stored: x.last(), APIURL: "http://127.0.0.1/api/", AllowLoopback: true, DialContext: x.net.dial,
			Save: func(k slack.Tokens) error {
				if n++; n == 2 || n == 3 {
					return full
				}
				x.save(k)
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := half.Refresh(t.Context()); !errors.Is(err, full) || half.Token() != old {
			t.Fatalf("%v, and the token in use changed: %v", err, half.Token() != old)
		}
		time.Sleep(2 * time.Hour)
		if err := half.Refresh(t.Context()); !errors.Is(err, full) || half.Token() == old || x.works(half) != nil {
			t.Fatalf("after the old one's end: %v", err)
		}
		next := x.sim.App().RefreshToken
		if err := half.Refresh(t.Context()); err != nil || !cmp.Equal(x.last().Access, half.Token()) || x.sim.App().RefreshToken != next {
			t.Fatalf("storing later: %v", err)
		}
	})
}

func TestRotationNeedsItsSettings(t *testing.T) {
	t.Parallel()
	good := slack.RotationOptions{Refresh: "xoxe-1-a", ClientID: "1", ClientSecret: "s", Save: func(slack.Tokens) error { return nil }}
	if _, err := slack.NewRotation(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*slack.RotationOptions){
		"refresh": func(o *slack.RotationOptions) { o.Refresh = "" }, "id": func(o *slack.RotationOptions) { o.ClientID = "" },
		"secret": func(o *slack.RotationOptions) { o.ClientSecret = "" }, "save": func(o *slack.RotationOptions) { o.Save = nil },
		"address": func(o *slack.RotationOptions) { o.APIURL = "http://slack.example/api/" },
	} {
		o := good
		spoil(&o)
		if _, err := slack.NewRotation(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestRotationRenewsAtOnce: a token that Slack calls ended, hours before this machine thinks so, is exchanged by the first call that hears of it; the
// call goes through, calls beside it use the same exchange, and a Slack that refuses the exchange is not asked again by every call.
func TestRotationRenewsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := rotatingApp(t)
		ours := time.Now()
		r := x.start("xoxe-1-first", nil)
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		first, writes := r.Token(), len(x.kept)
		time.Sleep(13 * time.Hour)
		late := x.last() // a clock that stood still: by what is kept, the token is good for hours
		late.Until = ours.Add(48 * time.Hour)
		x.kept = append(x.kept, late)
		r = x.start("xoxe-1-first", nil)
		if r.Due() {
			t.Fatal("the test shows nothing: an exchange is due anyhow")
		}
		s, err := slack.NewSender(slack.SenderOptions{Rotation: r, APIURL: "http://127.0.0.1/api/", AllowLoopback: true, DialContext: x.net.dial})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 8)
		for range cap(done) {
			go func() {
				_, err := s.AuthTest(t.Context())
				done <- err
			}()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := x.last(); r.Token() == first || got.Access != r.Token() || !got.Asked.IsZero() || len(x.kept) != writes+3 {
			t.Errorf("%d writes, %+v", len(x.kept)-writes, got)
		}

		time.Sleep(13 * time.Hour) // and once more, with a refresh token that was used up elsewhere
		spent := x.last()
		spent.Refresh, spent.Until = "xoxe-1-used-up", time.Now().Add(48*time.Hour)
		x.kept = append(x.kept, spent)
		r = x.start("xoxe-1-first", nil)
		before := len(x.sim.Calls("oauth.v2.access"))
		var auth *slack.Auth
		for range 5 {
			if err := x.works(r); !errors.As(err, &auth) || auth.Code != "token_expired" {
				t.Errorf("a call with a token that cannot be renewed: %v", err)
			}
		}
		if n := len(x.sim.Calls("oauth.v2.access")) - before; n != 1 || x.lost != 1 {
			t.Errorf("%d exchanges were tried, %d alarms", n, x.lost)
		}
	})
}
