package slack_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
)

const signingSecret = "8f742231b10e8888abcd99yyyzzz85a5"

const goodSecret = "0123456789abcdef0123456789abcdef"

func sign(secret string, at time.Time, body string) (stamp, signature string) {
	stamp = strconv.FormatInt(at.Unix(), 10)
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("v0:" + stamp + ":" + body))
	return stamp, "v0=" + hex.EncodeToString(h.Sum(nil))
}

func TestThreat_T02_OnlyASigningSecretIsOne(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", " ", strings.Repeat(" ", 32), goodSecret[:31], goodSecret + "0", strings.ToUpper("abcdef" + goodSecret[6:]), signingSecret,
		"xoxb-23456789abcdef0123456789abc", "xapp-1-A111-0123456789abcdef0123", strings.Repeat("0", 32), goodSecret + "\n", "\"" + goodSecret[:30] + "\"",
	} {
		if _, err := slack.NewVerifier(bad, nil); err == nil {
			t.Errorf("%q was taken for a signing secret", bad)
		} else if bad != "" && strings.TrimSpace(bad) != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the refusal shows the secret: %v", err)
		}
	}
	if _, err := slack.NewVerifier(goodSecret, nil); err != nil {
		t.Error(err)
	}
}

// web is HTTP mode around a fake inbox and a clock that stands still.
type web struct {
	now     time.Time
	inbox   *fakeInbox
	r       *slack.Receiver
	handled []slack.Interaction
	reply   any
}

func newWeb(t testing.TB) *web {
	t.Helper()
	w := &web{now: time.Unix(1_700_000_000, 0), inbox: &fakeInbox{}}
	v, err := slack.NewVerifier(goodSecret, func() time.Time { return w.now })
	if err != nil {
		t.Fatal(err)
	}
	intake, err := slack.NewIntake(slack.IntakeOptions{Inbox: w.inbox, Installation: home(), Handler: handlerFunc(
		func(_ context.Context, in slack.Interaction) (slack.Reply, error) {
			w.handled = append(w.handled, in)
			return slack.Reply{Payload: w.reply}, nil
		})})
	if err != nil {
		t.Fatal(err)
	}
	if w.r, err = slack.NewReceiver(slack.ReceiverOptions{Intake: intake, Verifier: v}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *web) do(req *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.r.ServeHTTP(rec, req)
	return rec
}

func (w *web) request(path, kind, body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", kind)
	stamp, sig := sign(goodSecret, w.now, body)
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", sig)
	return req
}

const formType = "application/x-www-form-urlencoded"

// good returns one valid body per route.
func good(t testing.TB) map[string][2]string {
	t.Helper()
	payload := func(frame string) string { return frame[strings.Index(frame, `"payload":`)+10 : len(frame)-1] }
	cmd := url.Values{
		"command": {"/x"}, "text": {"hi there"}, "user_id": {"U1"}, "team_id": {"T111"}, "enterprise_id": {"E111"}, "channel_id": {"C1"}, "api_app_id": {"A111"},
		"trigger_id": {"t1"}, "response_url": {"https://hooks.slack.com/commands/T1/1/x"}, "is_enterprise_install": {"false"}, "token": {"legacy"},
	}
	bodies := [][2]string{
		{formType, cmd.Encode()},
		{formType, url.Values{"payload": {payload(click("e", "3.0"))}}.Encode()},
		{"application/json; charset=utf-8", payload(event("e", "Ev1", "user_change"))},
	}
	out := map[string][2]string{}
	for i, path := range slack.Routes() {
		out[path] = bodies[i%len(bodies)]
	}
	return out
}

func TestReceiver_EveryRouteTakesItsKind(t *testing.T) {
	t.Parallel()
	for path, b := range good(t) {
		w := newWeb(t)
		req := w.request(path, b[0], b[1])
		req.Header.Set("X-Slack-Retry-Num", "2")
		if rec := w.do(req); rec.Code != 200 || rec.Body.Len() != 0 {
			t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
		if len(w.handled) != 1 || w.handled[0].UserID != "U1" || w.handled[0].Retry != 2 {
			t.Fatalf("%s: handled %+v", path, w.handled)
		}
		row := w.inbox.stored()[0]
		if again, err := slack.Decode(row.Kind, row.Body); err != nil || again.Digest != w.handled[0].Digest || row.Transport != "http" {
			t.Fatalf("%s: the stored row reads as %+v, %v", path, again, err)
		}
		for other, o := range good(t) {
			if path == "/slack" {
				if rec := w.do(w.request(path, o[0], o[1])); rec.Code != 200 {
					t.Errorf("%s did not take the body of %s", path, other)
				}
			} else if o != b && w.do(w.request(path, o[0], o[1])).Code != http.StatusBadRequest {
				t.Errorf("%s took the body of %s", path, other)
			}
		}
	}
}

func TestThreat_T01_UnsignedIsRefusedBeforeParsing(t *testing.T) {
	t.Parallel()
	mutations := map[string]func(w *web, r *http.Request, body string) *http.Request{
		"no headers": func(_ *web, r *http.Request, _ string) *http.Request {
			r.Header.Del("X-Slack-Signature")
			r.Header.Del("X-Slack-Request-Timestamp")
			return r
		},
		"no signature": func(_ *web, r *http.Request, _ string) *http.Request { r.Header.Del("X-Slack-Signature"); return r },
		"no timestamp": func(_ *web, r *http.Request, _ string) *http.Request {
			r.Header.Del("X-Slack-Request-Timestamp")
			return r
		},
		"empty signature":  header("X-Slack-Signature", ""),
		"only the version": header("X-Slack-Signature", "v0="),
		"zero MAC":         header("X-Slack-Signature", "v0="+strings.Repeat("0", 64)),
		"other version":    header("X-Slack-Signature", "v1="+strings.Repeat("0", 64)),
		"not hex":          header("X-Slack-Signature", "v0="+strings.Repeat("g", 64)),
		"short MAC": func(_ *web, r *http.Request, _ string) *http.Request {
			h := r.Header
			h.Set("X-Slack-Signature", h.Get("X-Slack-Signature")[:66])
			return r
		},
		"long MAC": func(_ *web, r *http.Request, _ string) *http.Request {
			h := r.Header
			h.Set("X-Slack-Signature", h.Get("X-Slack-Signature")+"0")
			return r
		},
		"last bit": lastBit,
		"no version": func(_ *web, r *http.Request, _ string) *http.Request {
			h := r.Header
			h.Set("X-Slack-Signature", h.Get("X-Slack-Signature")[3:])
			return r
		},
		"two signatures": func(_ *web, r *http.Request, _ string) *http.Request {
			r.Header.Add("X-Slack-Signature", "v0="+strings.Repeat("0", 64))
			return r
		},
		"two timestamps": func(_ *web, r *http.Request, _ string) *http.Request {
			r.Header.Add("X-Slack-Request-Timestamp", "1")
			return r
		},
		"another secret": func(w *web, r *http.Request, b string) *http.Request {
			return resign(r, strings.Repeat("ab", 16), w.now, b)
		},
		"empty secret":      func(w *web, r *http.Request, b string) *http.Request { return resign(r, "", w.now, b) },
		"other body":        func(w *web, r *http.Request, b string) *http.Request { return resign(r, goodSecret, w.now, b+" ") },
		"empty body signed": func(w *web, r *http.Request, _ string) *http.Request { return resign(r, goodSecret, w.now, "") },
		"five minutes old": func(w *web, r *http.Request, b string) *http.Request {
			return resign(r, goodSecret, w.now.Add(-301*time.Second), b)
		},
		"five minutes early": func(w *web, r *http.Request, b string) *http.Request {
			return resign(r, goodSecret, w.now.Add(301*time.Second), b)
		},
		"timestamp moved":       header("X-Slack-Request-Timestamp", "1700000001"),
		"timestamp with a sign": header("X-Slack-Request-Timestamp", "+1700000000"),
		"timestamp in hex":      header("X-Slack-Request-Timestamp", "0x6553f100"),
		"timestamp blank":       header("X-Slack-Request-Timestamp", " "),
		"timestamp huge":        header("X-Slack-Request-Timestamp", strings.Repeat("9", 40)),
		"GET": func(_ *web, r *http.Request, _ string) *http.Request {
			g := httptest.NewRequest(http.MethodGet, r.URL.Path, nil)
			g.Header = r.Header
			return g
		},
		"PUT": func(_ *web, r *http.Request, _ string) *http.Request { r.Method = http.MethodPut; return r },
	}
	if len(mutations) < 20 {
		t.Fatal("too few mutations")
	}
	for path, b := range good(t) {
		for name, mutate := range mutations {
			w := newWeb(t)
			if rec := w.do(mutate(w, w.request(path, b[0], b[1]), b[1])); rec.Code != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d", path, name, rec.Code)
			}
			if st := w.r.Stats(); len(w.handled) != 0 || len(w.inbox.stored()) != 0 || st.Unverified != 1 || st.Intake.Received != 0 {
				t.Errorf("%s, %s: handled %d, stats %+v", path, name, len(w.handled), st)
			}
		}
	}
}

func header(name, value string) func(*web, *http.Request, string) *http.Request {
	return func(_ *web, r *http.Request, _ string) *http.Request { r.Header.Set(name, value); return r }
}

func lastBit(_ *web, r *http.Request, _ string) *http.Request {
	s := []byte(r.Header.Get("X-Slack-Signature"))
	if s[len(s)-1] == '0' {
		s[len(s)-1] = '1'
	} else {
		s[len(s)-1] = '0'
	}
	r.Header.Set("X-Slack-Signature", string(s))
	return r
}

func resign(r *http.Request, secret string, at time.Time, body string) *http.Request {
	stamp, sig := sign(secret, at, body)
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", sig)
	return r
}

func TestThreat_T03_AReplayHasOneEffect(t *testing.T) {
	t.Parallel()
	for path, b := range good(t) {
		w := newWeb(t)
		for i := range 1000 {
			req := w.request(path, b[0], b[1])
			if i%2 == 1 {
				sig := req.Header.Get("X-Slack-Signature")
				req.Header.Set("X-Slack-Signature", "v0="+strings.ToUpper(sig[3:]))
			}
			if i == 500 { // a new process on the same inbox
				inbox, handled := w.inbox, w.handled
				w = newWeb(t)
				*w.inbox = fakeInbox{rows: inbox.rows, byKey: inbox.byKey}
				w.handled = handled
				req = w.request(path, b[0], b[1])
			}
			if rec := w.do(req); rec.Code != 200 || rec.Body.Len() != 0 {
				t.Fatalf("%s, replay %d: %d %s", path, i, rec.Code, rec.Body)
			}
		}
		if len(w.handled) != 1 {
			t.Errorf("%s: %d effects of 1,000 sendings", path, len(w.handled))
		}
	}
	// The MAC alone is enough where nothing in the payload names it.
	w := newWeb(t)
	b := good(t)[slack.Routes()[0]]
	for range 2 {
		w.do(w.request(slack.Routes()[0], b[0], b[1]))
	}
	keys := w.inbox.stored()[0].Keys
	if !strings.HasPrefix(keys[0], "mac:") || len(keys[0]) != 4+64 {
		t.Fatalf("keys %q", keys)
	}
}

func TestThreat_T38_BodiesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWeb(t)
	path := slack.Routes()[2]
	pad := func(n int) string {
		b := good(t)[path][1]
		return b[:len(b)-1] + strings.Repeat(" ", n-len(b)) + "}"
	}
	if rec := w.do(w.request(path, "application/json", pad(1<<20))); rec.Code != 200 {
		t.Errorf("a body of 1 MiB: %d", rec.Code)
	}
	if rec := w.do(w.request(path, "application/json", pad(1<<20+1))); rec.Code != http.StatusRequestEntityTooLarge || len(w.handled) != 1 {
		t.Errorf("a body of 1 MiB and a byte: %d, handled %d", rec.Code, len(w.handled))
	}
	broken := httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader("{"), failing{}))
	if rec := w.do(broken); rec.Code != http.StatusBadRequest {
		t.Errorf("a cut body: %d", rec.Code)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cut") }

func TestReceiver_ThePayloadIsNeverTakenFromTheQuery(t *testing.T) {
	t.Parallel()
	w := newWeb(t)
	commands, interactions := slack.Routes()[0], slack.Routes()[1]
	forged := url.Values{"payload": {strings.ReplaceAll(`{"type":"block_actions","user":{"id":"U-FORGED"}}`, " ", "")}}.Encode()
	b := good(t)[interactions]
	if rec := w.do(w.request(interactions+"?"+forged, b[0], b[1])); rec.Code != 200 || w.handled[0].UserID != "U1" {
		t.Fatalf("%d, handled %+v", rec.Code, w.handled)
	}
	c := good(t)[commands]
	if rec := w.do(w.request(interactions+"?"+forged, c[0], c[1])); rec.Code != http.StatusBadRequest || len(w.handled) != 1 {
		t.Fatalf("a signed command replayed with a payload in the query: %d, handled %d", rec.Code, len(w.handled))
	}
	for _, body := range []string{b[1] + "&" + b[1], c[1] + "&user_id=U2", c[1] + "&payload=%7B%7D", "a=%zz", ""} {
		if rec := w.do(w.request(commands, formType, body)); rec.Code != http.StatusBadRequest {
			t.Errorf("form %.40q: %d", body, rec.Code)
		}
	}
	if rec := w.do(w.request(commands, "text/plain", c[1])); rec.Code != http.StatusBadRequest {
		t.Errorf("another content type: %d", rec.Code)
	}
}

func TestReceiver_ProbesAndVerification(t *testing.T) {
	t.Parallel()
	w := newWeb(t)
	events, commands := slack.Routes()[2], slack.Routes()[0]
	ask := `{"type":"url_verification","token":"x","challenge":"3eZb\"Q"}`
	if rec := w.do(w.request(events, "application/json", ask)); rec.Code != 200 || rec.Body.String() != `{"challenge":"3eZb\"Q"}` {
		t.Errorf("url_verification: %d %s", rec.Code, rec.Body)
	}
	unsigned := httptest.NewRequest(http.MethodPost, events, strings.NewReader(ask))
	unsigned.Header.Set("Content-Type", "application/json")
	if rec := w.do(unsigned); rec.Code != http.StatusUnauthorized || strings.Contains(rec.Body.String(), "3eZb") {
		t.Errorf("url_verification without a signature: %d %s", rec.Code, rec.Body)
	}
	for _, req := range []*http.Request{
		httptest.NewRequest(http.MethodGet, commands+"?ssl_check=1&token=x", nil), w.request(commands, formType, "ssl_check=1&token=x"),
	} {
		if rec := w.do(req); rec.Code != 200 || rec.Body.Len() != 0 {
			t.Errorf("ssl_check by %s: %d %s", req.Method, rec.Code, rec.Body)
		}
	}
	if len(w.handled) != 0 || w.r.Stats().Probes != 2 {
		t.Errorf("handled %d, stats %+v", len(w.handled), w.r.Stats())
	}
}

func TestReceiver_AnswersAndRefusals(t *testing.T) {
	t.Parallel()
	commands, interactions, events := slack.Routes()[0], slack.Routes()[1], slack.Routes()[2]
	w := newWeb(t)
	w.reply = slack.Notice{ResponseType: "ephemeral", Text: "help"}
	b := good(t)[commands]
	rec := w.do(w.request(commands, b[0], b[1]))
	if want := `{"response_type":"ephemeral","text":"help","replace_original":false}`; rec.Body.String() != want || !strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
		t.Errorf("answer %s (%s)", rec.Body, rec.Header().Get("Content-Type"))
	}
	w = newWeb(t)
	w.inbox.setErr(errors.New("disk full"))
	for path, want := range map[string]int{commands: 200, interactions: 503, events: 503} {
		b := good(t)[path]
		rec := w.do(w.request(path, b[0], b[1]))
		if rec.Code != want || path == commands && !strings.Contains(rec.Body.String(), "Not recorded") {
			t.Errorf("%s while nothing can be kept: %d %s", path, rec.Code, rec.Body)
		}
	}
	if len(w.handled) != 0 {
		t.Errorf("handled %d", len(w.handled))
	}
}

func FuzzVerify(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	v, err := slack.NewVerifier(goodSecret, func() time.Time { return now })
	if err != nil {
		f.Fatal(err)
	}
	stamp, sig := sign(goodSecret, now, "body")
	f.Add(stamp, sig, []byte("body"))
	f.Add(stamp, strings.ToUpper(sig), []byte("body"))
	f.Add("1700000299", sig, []byte(""))
	f.Add("", "v0=", []byte("x"))
	f.Fuzz(func(t *testing.T, stamp, signature string, body []byte) {
		h := http.Header{"X-Slack-Request-Timestamp": {stamp}, "X-Slack-Signature": {signature}}
		mac, err := v.Verify(h, body)
		m := hmac.New(sha256.New, []byte(goodSecret))
		fmt.Fprintf(m, "v0:%s:%s", stamp, body)
		want := m.Sum(nil)
		if err != nil {
			if mac != [32]byte{} {
				t.Fatal("a MAC was returned for a request that is not verified")
			}
			if signature == "v0="+hex.EncodeToString(want) && stamp == "1700000000" {
				t.Fatalf("a good signature was refused")
			}
			return
		}
		seconds, perr := strconv.ParseInt(stamp, 10, 64)
		if perr != nil || !hmac.Equal(want, mac[:]) || now.Unix()-seconds > 300 || seconds-now.Unix() > 300 {
			t.Fatalf("accepted %q %q", stamp, signature)
		}
	})
}
