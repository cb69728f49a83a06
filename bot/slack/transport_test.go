package slack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/countersign-bot/countersign/bot/slack"
)

func TestTransport_CommandIsDurableThenAnsweredInTheAcknowledgement(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(_ context.Context, in slack.Interaction) (slack.Reply, error) {
			if rows := w.inbox.stored(); len(rows) != 1 || in.InboxID != "in_1" {
				t.Errorf("handler ran with %d rows, inbox id %q; want it after one row was kept", len(rows), in.InboxID)
			}
			return slack.Reply{Payload: map[string]string{"text": "done"}}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		s.send(command("e1", "t1"))
		if a := s.next(t); a.ID != "e1" || string(a.Payload) != `{"text":"done"}` {
			t.Fatalf("ack = %q %s", a.ID, a.Payload)
		}
		row := w.inbox.stored()[0]
		if row.Transport != "socket" || row.Kind != slack.KindCommand || len(row.Keys) != 2 {
			t.Fatalf("row = %+v", row)
		}
		if strings.Contains(strings.Join(row.Keys, " "), "t1") {
			t.Fatalf("keys %q show the trigger id", row.Keys)
		}
		again, err := slack.Decode(row.Kind, row.Body)
		if err != nil || again.Command != "/x" || again.UserID != "U1" || again.Digest != w.seen()[0].Digest {
			t.Fatalf("a stored row decodes to %+v, %v", again, err)
		}
	})
}

func TestFault_F23_ARefreshLosesNothingOnTheOldSocket(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"warning", "refresh_requested"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.start()()
			old := w.slack.socket()
			old.send(command("e1", "t1"))
			old.disconnect(reason)
			next := w.slack.socket()
			old.send(command("e2", "t2"))
			old.send(click("e3", "3.0"))
			old.send(event("e4", "Ev4", "app_home_opened"))
			next.send(command("e5", "t5"))
			got := map[string]bool{}
			for range 4 {
				got[old.next(t).ID] = true
			}
			if a := next.next(t); a.ID != "e5" || !got["e1"] || !got["e2"] || !got["e3"] || !got["e4"] {
				t.Fatalf("acks on the old socket %v and %q on the new; each must come on its own", got, a.ID)
			}
			if st := w.tr.Stats(); st.Lingering != 1 || st.Live != 1 || st.Refreshes != 1 {
				t.Fatalf("stats = %+v", st)
			}
			// Slack forgets to end the old one: it is not kept for ever.
			select {
			case <-old.ended:
			case <-time.After(3 * time.Minute):
				t.Fatal("the old connection was kept for ever")
			}
			next.send(command("e6", "t6"))
			if a := next.next(t); a.ID != "e6" {
				t.Fatalf("ack = %q", a.ID)
			}
		})
	}
}

func TestFault_F23_ASlowConsumerStopsNeitherReaderNorPings(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(ctx context.Context, _ slack.Interaction) (slack.Reply, error) {
			select {
			case <-time.After(30 * time.Second):
			case <-ctx.Done():
			}
			return slack.Reply{}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		start := time.Now()
		for i := range 80 {
			s.send(click(fmt.Sprint("e", i), fmt.Sprint(i, ".0")))
		}
		for range 80 {
			if a := s.next(t); a.At.Sub(start) > 2*time.Second {
				t.Fatalf("%s was acknowledged after %v", a.ID, a.At.Sub(start))
			}
		}
		time.Sleep(40 * time.Second) // of the bubble's clock: long enough for unanswered pings to show
		if n := len(w.slack.opened()); n != 1 || len(w.seen()) != 80 {
			t.Fatalf("%d connections, %d handled; want 1 and 80", n, len(w.seen()))
		}
	})
}

func TestFault_F23_RefusalsAreAnsweredWithPatience(t *testing.T) {
	t.Parallel()
	refuse := map[string]func(*fakeSlack){
		"too_many_websockets": func(f *fakeSlack) { f.connect = func(s *fakeSocket) { s.disconnect("too_many_websockets") } },
		"link_disabled":       func(f *fakeSlack) { f.connect = func(s *fakeSocket) { s.disconnect("link_disabled") } },
		"hello, then refused": func(f *fakeSlack) {
			f.connect = func(s *fakeSocket) { s.hello(1, "A111"); s.disconnect("too_many_websockets") }
		},
		"hello, then gone": func(f *fakeSlack) { f.connect = func(s *fakeSocket) { s.hello(1, "A111"); _ = s.ws.Close() } },
		"gone":             func(f *fakeSlack) { f.connect = func(s *fakeSocket) { _ = s.ws.Close() } },
		"HTTP 500":         func(f *fakeSlack) { f.open = func(int) (int, http.Header, string) { return 500, nil, "<html>" } },
		"HTTP 404":         func(f *fakeSlack) { f.open = func(int) (int, http.Header, string) { return 404, nil, "" } },
		"unknown code": func(f *fakeSlack) {
			f.open = func(int) (int, http.Header, string) { return 200, nil, `{"ok":false,"error":"new"}` }
		},
		"not JSON": func(f *fakeSlack) { f.open = func(int) (int, http.Header, string) { return 200, nil, "<html>" } },
		"plain ws elsewhere": func(f *fakeSlack) {
			f.open = func(int) (int, http.Header, string) { return 200, nil, `{"ok":true,"url":"ws://example.com/link"}` }
		},
	}
	for name, with := range refuse {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, o *slack.TransportOptions) { o.Connections = 2; with(w.slack) })
				defer w.start()()
				begin := time.Now()
				time.Sleep(2 * time.Second)
				if n := len(w.slack.opened()); n > 5 || n == 0 {
					t.Fatalf("%d connections in two seconds of refusals, want 1 to 5", n)
				}
				time.Sleep(10 * time.Minute)
				opened := w.slack.opened()
				last := begin
				for _, at := range opened {
					if gap := at.Sub(last); gap > 30*time.Second+time.Second {
						t.Fatalf("a pause of %v, want at most 30 s", gap)
					}
					last = at
				}
				if n := len(opened); n < 20 || n > 60 {
					t.Fatalf("%d attempts in ten minutes", n)
				}
				w.slack.mu.Lock()
				w.slack.connect, w.slack.open = nil, nil
				w.slack.mu.Unlock()
				time.Sleep(2 * time.Minute)
				if st := w.tr.Stats(); st.Live != 2 || !w.tr.Ready() {
					t.Fatalf("after the refusals ended: %+v", st)
				}
				if strings.Contains(w.log.String(), "secret-ticket") || strings.Contains(w.log.String(), "xapp-") {
					t.Fatalf("the log shows a secret:\n%s", w.log)
				}
			})
		})
	}
}

func TestFault_F19_RateLimitedOpeningWaitsAsLongAsAsked(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *slack.TransportOptions) {
			w.slack.open = func(n int) (int, http.Header, string) {
				if n == 1 {
					return 429, http.Header{"Retry-After": {"77"}}, ""
				}
				return 200, nil, `{"ok":true,"url":"ws://127.0.0.1/link"}`
			}
		})
		defer w.start()()
		w.slack.socket()
		if at := w.slack.opened(); at[1].Sub(at[0]) < 77*time.Second || at[1].Sub(at[0]) > 80*time.Second {
			t.Fatalf("asked again after %v, want 77 s", at[1].Sub(at[0]))
		}
	})
}

func TestTransport_InvalidCredentialsAreFatal(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"invalid_auth", "token_revoked", "account_inactive", "not_authed", "missing_scope", "not_allowed_token_type"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, func(w *world, o *slack.TransportOptions) {
				w.slack.open = func(int) (int, http.Header, string) {
					return 200, nil, fmt.Sprintf(`{"ok":false,"error":%q,"needed":"connections:write"}`, code)
				}
			})
			defer w.start()()
			var auth *slack.Auth
			if err := w.wait(); !errors.As(err, &auth) || auth.Code != code {
				t.Fatalf("Run returned %v, want an Auth error with %q", err, code)
			}
			if n := len(w.slack.opened()); n != 1 {
				t.Fatalf("%d attempts with a dead token", n)
			}
		})
	}
}

func TestTransport_AnotherAppsTokenIsFatal(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *slack.TransportOptions) {
			w.slack.connect = func(s *fakeSocket) { s.hello(1, "A999"); s.send(command("e1", "t1")) }
		})
		defer w.start()()
		var auth *slack.Auth
		if err := w.wait(); !errors.As(err, &auth) || !strings.Contains(err.Error(), "A999") {
			t.Fatalf("Run returned %v", err)
		}
	})
}

func TestFault_F22_UnknownIsAcknowledgedAndCounted(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.start()()
		s := w.slack.socket()
		for i, frame := range []string{
			event("e0", "Ev0", "an_event_of_next_year"),
			`{"type":"interactive","envelope_id":"e1","payload":{"type":"hologram_actions","api_app_id":"A111"}}`,
			`{"type":"telepathy","envelope_id":"e2","payload":{"x":1}}`,
			`{"type":"events_api","envelope_id":"e3","payload":{"type":"event_callback","team_id":"T111","event":{"type":"x"}}}`,
			`{"type":"slash_commands","envelope_id":"e4"}`,
			`{"type":"events_api","envelope_id":"e5","payload":{"type":"event_callback","type":"event_callback"}}`,
		} {
			s.send(frame)
			if a := s.next(t); a.ID != fmt.Sprint("e", i) {
				t.Fatalf("frame %d: ack %q", i, a.ID)
			}
		}
		s.send(`not JSON`)
		s.send(`[]`)
		s.send(command("e9", "t9"))
		if a := s.next(t); a.ID != "e9" {
			t.Fatalf("ack = %q", a.ID)
		}
		synctest.Wait()
		st := w.tr.Stats()
		if st.UnknownEnvelopes != 2 || st.Intake.UnknownKinds != 1 || st.Intake.Malformed != 1 || st.BadFrames != 3 || len(w.seen()) != 2 {
			t.Fatalf("stats = %+v, handled %d", st, len(w.seen()))
		}
	})
}

func TestFault_F22_ADropBetweenReceiveAndAckKeepsTheClick(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t)
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) {
			<-release
			return slack.Reply{Payload: slack.Notice{Text: "done"}}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		for i := range 40 { // slack-go's Ack blocks for ever after twenty
			s.send(command(fmt.Sprint("e", i), fmt.Sprint("t", i)))
		}
		synctest.Wait()
		_ = s.ws.Close()
		synctest.Wait()
		close(release)
		synctest.Wait()
		if got := len(w.inbox.stored()); got != 40 {
			t.Fatalf("%d of 40 kept", got)
		}
		if got := len(w.lateReplies()); got != 40 {
			t.Fatalf("%d answers went to Late, want all 40: the socket was gone", got)
		}
		// Slack sends the same event again on the next connection: one effect.
		next := w.slack.socket()
		next.send(command("e1", "t1"))
		next.next(t)
		if got := len(w.seen()); got != 40 {
			t.Fatalf("handled %d, want 40", got)
		}
	})
}

func TestFault_F23_AnAnswerTooLargeForAnAckGoesLate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(_ context.Context, in slack.Interaction) (slack.Reply, error) {
			n := 21_000
			if in.TriggerID == "t2" {
				n = 19_000
			}
			return slack.Reply{Payload: slack.Notice{Text: strings.Repeat("x", n)}}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		s.send(command("e1", "t1"))
		if a := s.next(t); a.Payload != nil {
			t.Fatalf("an ack of %d bytes was sent; Slack drops it without a word", a.Size)
		}
		s.send(command("e2", "t2"))
		if a := s.next(t); a.Payload == nil || a.Size >= 20_000 {
			t.Fatalf("ack of %d bytes, want the answer in it and less than 20,000", a.Size)
		}
		synctest.Wait()
		if len(w.lateReplies()) != 1 || w.tr.Stats().Intake.AckTooLarge != 1 {
			t.Fatalf("late %d, stats %+v", len(w.lateReplies()), w.tr.Stats())
		}
	})
}

func TestFault_F20_AHalfOpenSocketIsFoundAndReplaced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *slack.TransportOptions) {
			w.slack.connect = func(s *fakeSocket) { s.deaf = s.n == 1; s.hello(1, "A111") }
		})
		defer w.start()()
		start := time.Now()
		w.slack.socket()
		w.slack.socket()
		if d := time.Since(start); d < 15*time.Second || d > 25*time.Second {
			t.Fatalf("replaced after %v, want about 20 s", d)
		}
		time.Sleep(10 * time.Minute)
		if n := len(w.slack.opened()); n != 2 {
			t.Fatalf("%d connections, want the second kept: it answers pings", n)
		}
	})
}

func TestFault_F20_TheAckDoesNotWaitForTheHandler(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.inbox.delay = 800 * time.Millisecond
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) {
			time.Sleep(9 * time.Second) // a Web API call that hangs
			return slack.Reply{Payload: slack.Notice{Text: "at last"}}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		start := time.Now()
		s.send(command("e1", "t1"))
		if a := s.next(t); a.At.Sub(start) > 2500*time.Millisecond || a.Payload != nil {
			t.Fatalf("acknowledged after %v with %s", a.At.Sub(start), a.Payload)
		}
		time.Sleep(10 * time.Second)
		if len(w.lateReplies()) != 1 {
			t.Fatalf("late answers: %d, want 1", len(w.lateReplies()))
		}
	})
}

func TestFault_F34_NoFileDescriptorsThenSome(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.slack.net.setFail(syscall.EMFILE)
		defer w.start()()
		time.Sleep(5 * time.Minute)
		if w.tr.Ready() {
			t.Fatal("ready without a connection")
		}
		w.slack.net.setFail(nil)
		s := w.slack.socket()
		s.send(command("e1", "t1"))
		if a := s.next(t); a.ID != "e1" {
			t.Fatalf("ack = %q", a.ID)
		}
	})
}

func TestThreat_T05_ASecondConsumerIsNoticed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, o *slack.TransportOptions) {
			o.Connections = 2
			w.slack.connect = func(s *fakeSocket) {
				extra := 0
				if s.n == 2 {
					extra = 1
				}
				s.hello(s.n+extra, "A111")
			}
		})
		defer w.start()()
		w.slack.socket()
		w.slack.socket()
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.ghosts) != 1 || w.ghosts[0] != [2]int{2, 3} {
			t.Fatalf("ghosts = %v, want one call with 2 expected and 3 counted", w.ghosts)
		}
	})
}

func TestFault_F35_StoppingAcknowledgesWhatWasReceived(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, o *slack.TransportOptions) { o.Connections = 2 })
		w.inbox.delay = 500 * time.Millisecond
		w.handle = func(ctx context.Context, in slack.Interaction) (slack.Reply, error) {
			d := 500 * time.Millisecond
			if in.TriggerID == "t-slow" {
				d = time.Hour
			}
			select {
			case <-time.After(d):
				return slack.Reply{Payload: slack.Notice{Text: "ok"}}, nil
			case <-ctx.Done():
				return slack.Reply{}, ctx.Err()
			}
		}
		stop := w.start()
		s := w.slack.socket()
		w.slack.socket()
		for i := range 20 {
			s.send(command(fmt.Sprint("e", i), fmt.Sprint("t", i)))
		}
		s.send(command("e-slow", "t-slow"))
		synctest.Wait()
		start := time.Now()
		w.cancel()
		if err := w.wait(); err != nil {
			t.Fatalf("Run returned %v after its context ended", err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Fatalf("stopping took %v", d)
		}
		answered := 0
		for range 21 {
			if a := s.next(t); a.Payload != nil {
				answered++
			}
		}
		if answered != 20 {
			t.Fatalf("%d of 20 answers came with their acknowledgement", answered)
		}
		stop()
	})
}

func TestFault_F23_EndlessRefreshesAreFollowedAtAPace(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, o *slack.TransportOptions) {
			o.Connections = 2
			w.slack.connect = func(s *fakeSocket) { s.hello(1, "A111"); s.disconnect("refresh_requested") }
		})
		defer w.start()()
		time.Sleep(2 * time.Second)
		if n := len(w.slack.opened()); n > 5 {
			t.Fatalf("%d connections in two seconds of refreshes", n)
		}
		time.Sleep(10 * time.Minute)
		if n := len(w.slack.opened()); n > 310 || n < 100 {
			t.Fatalf("%d connections in ten minutes", n)
		}
		if st := w.tr.Stats(); st.Lingering > 130 {
			t.Fatalf("%d old connections are kept", st.Lingering)
		}
	})
}

func TestTransport_SlacksPingsAreAnswered(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		pongs := make(chan string, 1)
		w := newWorld(t, func(w *world, _ *slack.TransportOptions) {
			w.slack.connect = func(s *fakeSocket) {
				s.ws.SetPongHandler(func(data string) error { pongs <- data; return nil })
				s.hello(1, "A111")
			}
		})
		defer w.start()()
		s := w.slack.socket()
		if err := s.ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-pongs:
			if got != "are you there" {
				t.Fatalf("pong %q", got)
			}
		case <-time.After(3 * time.Second):
			t.Fatal("Slack's ping was not answered; it would end the connection")
		}
		time.Sleep(10 * time.Second)
		if st := w.tr.Stats(); st.Silence > 6*time.Second || st.Live != 1 {
			t.Fatalf("stats %+v", st)
		}
	})
}

func TestFault_F35_WhatCrossesTheGoodbyeIsKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *slack.TransportOptions) {
			w.slack.connect = func(s *fakeSocket) {
				s.ws.SetCloseHandler(func(int, string) error {
					s.send(command("crossing", "t1"))
					return s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
				})
				s.hello(1, "A111")
			}
		})
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) {
			return slack.Reply{Payload: slack.Notice{Text: "done"}}, nil
		}
		stop := w.start()
		w.slack.socket()
		synctest.Wait()
		stop()
		if len(w.inbox.stored()) != 1 || len(w.lateReplies()) != 1 || w.intake.Stats().AckFails != 1 {
			t.Fatalf("kept %d, late %d, stats %+v", len(w.inbox.stored()), len(w.lateReplies()), w.intake.Stats())
		}
	})
}

func TestFault_F23_ATurnedDownSocketStillGetsItsAck(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) {
			time.Sleep(time.Second)
			return slack.Reply{Payload: slack.Notice{Text: "done"}}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		s.send(command("e1", "t1"))
		s.disconnect("link_disabled")
		if a := s.next(t); a.ID != "e1" || a.Payload == nil {
			t.Fatalf("ack %q %s", a.ID, a.Payload)
		}
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
			t.Fatal("a connection Slack turned down was kept")
		}
	})
}
