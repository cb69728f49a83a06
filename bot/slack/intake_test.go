package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/bot/slack"
)

func TestFault_F22_DuplicatesInAnyOrderHaveOneEffect(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		things := []func(envelope string) string{
			func(e string) string { return command(e, "t1") },
			func(e string) string { return click(e, "3.0") },
			func(e string) string { return click(e, "4.0") },
			func(e string) string { return submission(e, "V1", "x") },
			func(e string) string { return event(e, "Ev1", "user_change") },
		}
		order := rapid.SliceOfN(rapid.IntRange(0, len(things)-1), 1, 30).Draw(rt, "order")
		sameEnvelope := rapid.Bool().Draw(rt, "same envelope")
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.start()()
			s := w.slack.socket()
			distinct := map[int]bool{}
			for i, k := range order {
				distinct[k] = true
				e := fmt.Sprint("e", i)
				if sameEnvelope {
					e = fmt.Sprint("k", k)
				}
				s.send(things[k](e))
				if a := s.next(t); a.ID != e {
					t.Fatalf("ack %q for %q", a.ID, e)
				}
			}
			synctest.Wait()
			if got := len(w.seen()); got != len(distinct) || len(w.inbox.stored()) != got {
				t.Fatalf("%d effects of %d different interactions (%v)", got, len(distinct), order)
			}
		})
	})
}

func TestIntake_ACorrectedFormIsNoDuplicate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		refuse := true
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) {
			if refuse {
				return slack.Reply{Payload: map[string]any{"response_action": "errors", "errors": map[string]string{"why": "too short"}}}, nil
			}
			return slack.Reply{}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		for i, text := range []string{"x", "longer", "longer"} { // corrected, then pressed again unchanged
			s.send(submission(fmt.Sprint("e", i), "V1", text))
			if a := s.next(t); !strings.Contains(string(a.Payload), "too short") {
				t.Fatalf("submission %d: ack %s", i, a.Payload)
			}
		}
		refuse = false
		s.send(submission("e8", "V1", "longer"))
		s.next(t)
		s.send(submission("e9", "V1", "longer"))
		s.next(t)
		if n := len(w.seen()); n != 4 {
			t.Fatalf("handled %d, want 4: each try once, the repetition of the accepted one not", n)
		}
	})
}

func TestIntake_WhatIsNotRecordedIsNotPretended(t *testing.T) {
	t.Parallel()
	faults := map[string]func(*fakeInbox){
		"error": func(b *fakeInbox) { b.setErr(errors.New("disk full")) },
		"hangs": func(b *fakeInbox) { b.delay = time.Hour },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				fault(w.inbox)
				defer w.start()()
				s := w.slack.socket()
				start := time.Now()
				s.send(command("e1", "t1"))
				a := s.next(t)
				if !strings.Contains(string(a.Payload), "Not recorded") || a.At.Sub(start) > 2*time.Second {
					t.Fatalf("a command was answered %s after %v", a.Payload, a.At.Sub(start))
				}
				s.send(submission("e2", "V1", "x"))
				if a := s.next(t); !strings.Contains(string(a.Payload), `"why":"Not recorded`) {
					t.Fatalf("a form was answered %s", a.Payload)
				}
				s.send(click("e3", "3.0"))
				s.send(event("e4", "Ev4", "user_change"))
				s.none(t, 5*time.Second)
				w.mu.Lock()
				defer w.mu.Unlock()
				if len(w.handled) != 0 || len(w.unwritten) != 1 {
					t.Fatalf("handled %d, told through the hook %d; want 0 and 1 (the click)", len(w.handled), len(w.unwritten))
				}
				if st := w.intake.Stats(); st.InboxErrors != 4 || st.Unacked != 2 {
					t.Fatalf("stats %+v", st)
				}
			})
		})
	}
}

func TestFault_F30_BeyondTheLimitPeopleAreTold(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		block := make(chan struct{})
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) { <-block; return slack.Reply{}, nil }
		defer w.start()()
		s := w.slack.socket()
		const limit = 2048
		for i := range limit {
			s.send(command(fmt.Sprint("e", i), fmt.Sprint("t", i)))
		}
		for range limit {
			s.next(t)
		}
		s.send(command("over", "over"))
		if a := s.next(t); a.ID != "over" || !strings.Contains(string(a.Payload), "Not recorded") {
			t.Fatalf("beyond the limit: %q %s", a.ID, a.Payload)
		}
		s.send(click("silent", "1.0"))
		s.none(t, time.Second)
		if st := w.intake.Stats(); st.Busy != 2 || st.InFlight != limit || st.Recorded != limit {
			t.Fatalf("stats %+v", st)
		}
		close(block)
		synctest.Wait()
		s.send(command("after", "after"))
		if a := s.next(t); a.ID != "after" || a.Payload != nil || w.intake.Stats().InFlight != 0 {
			t.Fatalf("after the jam: %q %s, in flight %d", a.ID, a.Payload, w.intake.Stats().InFlight)
		}
	})
}

// TestFault_F30_AStormWhileSomethingHangs: 4,000 clicks in two seconds, of which each two-hundredth asks something that hangs for nine seconds, and
// an inbox that is slow. Each is recorded and acknowledged, on its own socket, p99 within a second and none after two and a half. The clock is
// virtual: what is shown is that nothing waits for what hangs, on any machine.
func TestFault_F30_AStormWhileSomethingHangs(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.inbox.delay = 20 * time.Millisecond
		var handled atomic.Int64
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) {
			if handled.Add(1)%200 == 0 {
				time.Sleep(9 * time.Second)
			}
			return slack.Reply{}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		const storm, second = 4000, 2000
		sent := make(map[string]time.Time, storm)
		var lags []time.Duration
		for i := range storm {
			id := fmt.Sprint("e", i)
			sent[id] = time.Now()
			s.send(click(id, fmt.Sprint(1000+i, ".0")))
			time.Sleep(time.Second / second)
		}
		for range storm {
			a := s.next(t)
			at, ok := sent[a.ID]
			if !ok {
				t.Fatalf("%q was acknowledged twice, or never sent", a.ID)
			}
			delete(sent, a.ID)
			lags = append(lags, a.At.Sub(at))
		}
		slices.Sort(lags)
		if p99, most := lags[len(lags)*99/100], lags[len(lags)-1]; p99 > time.Second || most > 2500*time.Millisecond || most < time.Second {
			t.Errorf("acknowledged: p99 %v, latest %v; something has to hang for this to show anything", p99, most)
		}
		if st := w.intake.Stats(); st.Recorded != storm || st.Busy != 0 || st.Unacked != 0 {
			t.Errorf("stats %+v", st)
		}
		time.Sleep(10 * time.Second)
	})
}

func TestThreat_T43_APanicEndsOneInteractionOnly(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(_ context.Context, in slack.Interaction) (slack.Reply, error) {
			if in.Kind == slack.KindCommand && in.TriggerID != "fine" {
				panic("boom")
			}
			if in.Kind == slack.KindBlockActions {
				return slack.Reply{}, errors.New("boom")
			}
			return slack.Reply{}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		for i := range 10 {
			s.send(command(fmt.Sprint("e", i), fmt.Sprint("t", i)))
			a := s.next(t)
			var n slack.Notice
			if err := json.Unmarshal(a.Payload, &n); err != nil || !strings.HasPrefix(n.Text, "Something went wrong (ref ") {
				t.Fatalf("ack %s", a.Payload)
			}
			ref := strings.TrimPrefix(strings.SplitN(n.Text, ")", 2)[0], "Something went wrong (ref ")
			if !strings.Contains(w.log.String(), "ref="+ref) || strings.Contains(n.Text, "boom") {
				t.Fatalf("the person sees %q, the log must have ref %q:\n%s", n.Text, ref, w.log)
			}
		}
		s.send(click("c1", "1.0"))
		if a := s.next(t); a.Payload != nil {
			t.Fatalf("a click's ack carries %s, which Slack shows to nobody", a.Payload)
		}
		synctest.Wait()
		if late := w.lateReplies(); len(late) != 1 {
			t.Fatalf("a click that failed was told %d times through Late", len(late))
		}
		for i, r := range recordings(t) {
			s.send(fmt.Sprintf(`{"type":"interactive","envelope_id":"r%d","payload":%s}`, i, r.body))
			s.next(t)
		}
		s.send(command("last", "fine"))
		if a := s.next(t); a.ID != "last" || a.Payload != nil {
			t.Fatalf("ack %q %s", a.ID, a.Payload)
		}
		if st := w.intake.Stats(); st.Panics != 10 || st.HandlerErrors < 11 || st.InFlight != 0 {
			t.Fatalf("stats %+v", st)
		}
		if n := len(w.panics); n != 10 || w.panics[0] != "command" {
			t.Fatalf("the operator is told of %v", w.panics)
		}
	})
}

// TestFault_F24_WhatCannotBeReadIsRefusedAndTold: a payload that lost a field that a decision rests on, or has it in another type, is
// acknowledged, kept nowhere, handled by nobody, and told to the operator; the next good one works.
func TestFault_F24_WhatCannotBeReadIsRefusedAndTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ frame, class string }{
		"no user":          {strings.Replace(click("e1", "1.0"), `"user":{"id":"U1","team_id":"T111"},`, "", 1), "interactive"},
		"user is a text":   {strings.Replace(click("e1", "1.0"), `"user":{"id":"U1","team_id":"T111"}`, `"user":"U1"`, 1), "interactive"},
		"no actions":       {strings.Replace(click("e1", "1.0"), `"actions":[`, `"acts":[`, 1), "interactive"},
		"form without id":  {strings.Replace(submission("e1", "V1", "x"), `"id":"V1",`, "", 1), "interactive"},
		"command, no user": {strings.Replace(command("e1", "t"), `"user_id":"U1",`, "", 1), "command"},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.start()()
			s := w.slack.socket()
			s.send(c.frame)
			if a := s.next(t); a.ID != "e1" {
				t.Errorf("%s: acknowledged %q", name, a.ID)
			}
			synctest.Wait()
			if len(w.seen()) != 0 || len(w.inbox.stored()) != 0 || w.intake.Stats().Malformed != 1 || !slices.Equal(w.malformed, []string{c.class}) {
				t.Errorf("%s: handled %d, kept %d, told %v, stats %+v", name, len(w.seen()), len(w.inbox.stored()), w.malformed, w.intake.Stats())
			}
			s.send(click("e2", "2.0"))
			s.next(t)
			synctest.Wait()
			if len(w.seen()) != 1 || len(w.malformed) != 1 {
				t.Errorf("%s: afterwards %d were handled and %v told", name, len(w.seen()), w.malformed)
			}
		})
	}
}

// TestThreat_T04_ForeignPayloadsAreDropped flips every claim of where a payload belongs, one at a time, in every kind.
func TestThreat_T04_ForeignPayloadsAreDropped(t *testing.T) {
	t.Parallel()
	shortcut := `{"type":"interactive","envelope_id":"e1","payload":{"type":"shortcut","api_app_id":"A111","team":{"id":"T111","enterprise_id":"E111"},"user":{"id":"U1","team_id":"T111"},"callback_id":"c","trigger_id":"t","action_ts":"1"}}`
	frames := map[string]string{
		"command": command("e1", "t"), "block_actions": click("e1", "3.0"), "view_submission": submission("e1", "V1", "x"),
		"view_closed": strings.Replace(submission("e1", "V1", "x"), "view_submission", "view_closed", 1),
		"event":       strings.Replace(event("e1", "Ev1", "user_change"), `"api_app_id"`, `"enterprise_id":"E111","api_app_id"`, 1),
		"shortcut":    shortcut, "message_action": strings.Replace(shortcut, `"shortcut"`, `"message_action","channel":{"id":"C1"},"message_ts":"1.1"`, 1),
	}
	claims := []string{
		"api_app_id", "team.id", "team_id", "team.enterprise_id", "enterprise_id", "view.app_installed_team_id", "authorizations.0.team_id",
	}
	flips := map[string]int{}
	for name, frame := range frames {
		for _, claim := range claims {
			flipped, there := flip(t, frame, claim)
			if !there {
				continue
			}
			flips[claim]++
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.start()()
				s := w.slack.socket()
				s.send(flipped)
				if a := s.next(t); a.Payload != nil {
					t.Errorf("%s, %s: ack carries %s", name, claim, a.Payload)
				}
				synctest.Wait()
				if len(w.seen()) != 0 || len(w.inbox.stored()) != 0 || len(w.foreign) != 1 || w.intake.Stats().Foreign != 1 {
					t.Errorf("%s with another %s: handled %d, kept %d, foreign %v", name, claim, len(w.seen()), len(w.inbox.stored()), w.foreign)
				}
				s.send(strings.Replace(frame, `"e1"`, `"e2"`, 1))
				s.next(t)
				synctest.Wait()
				if len(w.seen()) != 1 || w.seen()[0].External {
					t.Errorf("%s as it should be: handled %d, foreign %v", name, len(w.seen()), w.foreign)
				}
			})
		}
	}
	for _, c := range claims {
		if flips[c] == 0 {
			t.Errorf("no payload has %s", c)
		}
	}
}

// flip changes one claim of a frame's payload to somebody else's.
func flip(t *testing.T, frame, claim string) (string, bool) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal([]byte(frame), &root); err != nil {
		t.Fatal(err)
	}
	v, path := root["payload"], strings.Split(claim, ".")
	for _, step := range path[:len(path)-1] {
		if list, ok := v.([]any); ok {
			v = list[0]
		} else if m, ok := v.(map[string]any); ok {
			v = m[step]
		}
	}
	m, ok := v.(map[string]any)
	last := path[len(path)-1]
	was, there := m[last].(string)
	if !ok || !there {
		return "", false
	}
	m[last] = was[:1] + "999"
	raw, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), true
}

func TestIntake_AnOutsiderIsMarked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frame    string
		external bool
	}{
		"colleague":             {submission("e1", "V1", "x"), false},
		"Slack Connect":         {strings.NewReplacer(`"team_id":"T111"`, `"team_id":"T9"`, `"team":{"id":"T111","enterprise_id":"E111"}`, `"team":{"id":"T9","enterprise_id":"E9"}`).Replace(submission("e1", "V1", "x")), true},
		"guest from elsewhere":  {strings.NewReplacer(`"team_id":"T111"`, `"team_id":"T9"`, `,"enterprise_id":"E111"`, "").Replace(click("e1", "1.0")), true},
		"another team, our org": {strings.Replace(click("e1", "1.0"), `"team_id":"T111"`, `"team_id":"T112"`, 1), false},
		"shared channel event":  {strings.NewReplacer(`"team_id":"T111","api_app_id"`, `"team_id":"T9","is_ext_shared_channel":true,"api_app_id"`).Replace(strings.ReplaceAll(event("e1", "Ev1", "message"), "\n", "")), true},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.start()()
			s := w.slack.socket()
			s.send(c.frame)
			s.next(t)
			synctest.Wait()
			if seen := w.seen(); len(seen) != 1 || seen[0].External != c.external {
				t.Errorf("%s: handled %d %+v, want external %v; foreign %+v", name, len(seen), seen, c.external, w.foreign)
			}
		})
	}
}

func TestIntake_OrganisationWideInstallation(t *testing.T) {
	t.Parallel()
	closed := `{"type":"interactive","envelope_id":"e1","payload":{"type":"view_closed","team":null,"user":{"id":"W1","team_id":"T5"},"api_app_id":"A111","view":{"id":"V1","hash":"h",
"app_installed_team_id":"T7"},"is_enterprise_install":true,"enterprise":{"id":"E111"}}}`
	happened := `{"type":"events_api","envelope_id":"e1","payload":{"type":"event_callback","team_id":"T7","api_app_id":"A111","event_id":"Ev1","event":{"type":"app_home_opened","user":"W1"},
"authorizations":[{"enterprise_id":"E111","team_id":null,"user_id":"U2","is_bot":true,"is_enterprise_install":true}]}}`
	for frame, want := range map[string]int{
		closed: 1, strings.Replace(closed, "E111", "E999", 1): 0, happened: 1, strings.Replace(happened, "E111", "E999", 1): 0,
		strings.Replace(happened, `"is_enterprise_install":true`, `"is_enterprise_install":false`, 1): 0,
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, func(w *world, o *slack.TransportOptions) {
				in, err := slack.NewIntake(slack.IntakeOptions{
					Inbox: w.inbox, Handler: handlerFunc(w.Handle), Installation: slack.Installation{AppID: "A111", EnterpriseID: "E111", OrgWide: true},
				})
				if err != nil {
					t.Fatal(err)
				}
				o.Intake = in
			})
			defer w.start()()
			s := w.slack.socket()
			s.send(frame)
			s.next(t)
			synctest.Wait()
			if len(w.seen()) != want {
				t.Errorf("%s: handled %d, want %d", frame, len(w.seen()), want)
			}
		})
	}
}

func TestIntake_SuggestionsAreNotKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(_ context.Context, in slack.Interaction) (slack.Reply, error) {
			return slack.Reply{Payload: map[string]any{"options": []string{in.Actions[0].Value}}}, nil
		}
		defer w.start()()
		s := w.slack.socket()
		for i := range 3 {
			s.send(fmt.Sprintf(`{"type":"interactive","envelope_id":"e%d","accepts_response_payload":true,"payload":{"type":"block_suggestion","api_app_id":"A111","team":{"id":"T111"},
"user":{"id":"U1","team_id":"T111"},"action_id":"a","block_id":"b","value":"pro","container":{"type":"view","view_id":"V1"}}}`, i))
			if a := s.next(t); string(a.Payload) != `{"options":["pro"]}` {
				t.Fatalf("ack %s", a.Payload)
			}
		}
		if len(w.inbox.stored()) != 0 {
			t.Fatal("keystrokes were kept")
		}
	})
}

func TestFault_F22_ADuplicateInFlightGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, o *slack.TransportOptions) { o.Connections = 2 })
		w.handle = func(context.Context, slack.Interaction) (slack.Reply, error) {
			time.Sleep(time.Second)
			return slack.Reply{Payload: map[string]any{"response_action": "errors", "errors": map[string]string{"why": "too short"}}}, nil
		}
		defer w.start()()
		a, b := w.slack.socket(), w.slack.socket()
		a.send(submission("e1", "V1", "x"))
		b.send(submission("e1", "V1", "x"))
		first, second := a.next(t), b.next(t)
		if !strings.Contains(string(first.Payload), "too short") || string(first.Payload) != string(second.Payload) {
			t.Fatalf("answers %s and %s; an empty one would close the form", first.Payload, second.Payload)
		}
		synctest.Wait()
		if len(w.seen()) != 1 {
			t.Fatalf("handled %d", len(w.seen()))
		}
		time.Sleep(10 * time.Second)
		b.send(submission("e1", "V1", "x")) // long after: the envelope is known, the form has moved on
		if late := b.next(t); late.Payload != nil {
			t.Fatalf("answer %s", late.Payload)
		}
	})
}
