package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/slack"
)

const botToken = "xoxb-1-secret-token"

// fakeAPI answers Web API calls from a function and keeps what was sent.
type fakeAPI struct {
	net *pipeNet
	srv *http.Server
	s   *slack.Sender
	wg  sync.WaitGroup

	mu    sync.Mutex
	calls []apiCall
}

type apiCall struct {
	Method string
	Auth   string
	Form   url.Values
	Body   string
}

// newAPI must be used in a bubble; call the returned function before it ends.
func newAPI(t testing.TB, answer func(w http.ResponseWriter, method string, n int)) (*fakeAPI, func()) {
	t.Helper()
	f := &fakeAPI{net: newPipeNet()}
	f.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.wg.Add(1)
		defer f.wg.Done()
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		for k, v := range r.URL.Query() {
			form[k] = v
		}
		f.mu.Lock()
		f.calls = append(f.calls, apiCall{strings.TrimPrefix(r.URL.Path, "/api/"), r.Header.Get("Authorization"), form, string(body)})
		n := len(f.calls)
		f.mu.Unlock()
		answer(w, strings.TrimPrefix(r.URL.Path, "/api/"), n)
	})}
	f.wg.Go(func() { _ = f.srv.Serve(f.net) })
	s, err := slack.NewSender(slack.SenderOptions{Token: botToken, APIURL: "http://127.0.0.1/api/", AllowLoopback: true, DialContext: f.net.dial})
	if err != nil {
		t.Fatal(err)
	}
	f.s = s
	return f, func() {
		_ = f.srv.Close()
		_ = f.net.Close()
		f.wg.Wait()
	}
}

func (f *fakeAPI) last() apiCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[len(f.calls)-1]
}

func (f *fakeAPI) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func says(body string) func(http.ResponseWriter, string, int) {
	return func(w http.ResponseWriter, _ string, _ int) { _, _ = io.WriteString(w, body) }
}

func post(s *slack.Sender) error {
	_, err := s.PostMessage(context.Background(), "C1", slack.Message{Text: "hello"})
	return err
}

func TestFault_F19_EveryAnswerHasAClass(t *testing.T) {
	t.Parallel()
	type answer struct {
		status int
		header http.Header
		body   string
	}
	for name, c := range map[string]struct {
		answer
		want error
	}{
		"429":                 {answer{429, http.Header{"Retry-After": {"7"}}, ""}, &slack.RateLimited{Method: "chat.postMessage", RetryAfter: 7 * time.Second}},
		"429 without a time":  {answer{429, nil, ""}, &slack.RateLimited{Method: "chat.postMessage", RetryAfter: 30 * time.Second}},
		"429 with nonsense":   {answer{429, http.Header{"Retry-After": {"soon"}}, ""}, &slack.RateLimited{Method: "chat.postMessage", RetryAfter: 30 * time.Second}},
		"429 for a year":      {answer{429, http.Header{"Retry-After": {"31536000"}}, ""}, &slack.RateLimited{Method: "chat.postMessage", RetryAfter: time.Hour}},
		"429 in the body":     {answer{200, nil, `{"ok":false,"error":"ratelimited"}`}, &slack.RateLimited{Method: "chat.postMessage", RetryAfter: 30 * time.Second}},
		"500":                 {answer{500, nil, "<html>"}, &slack.Ambiguous{Method: "chat.postMessage", Code: "http_500"}},
		"502":                 {answer{502, nil, "<html>"}, &slack.Ambiguous{Method: "chat.postMessage", Code: "http_502"}},
		"302":                 {answer{302, http.Header{"Location": {"http://127.0.0.1/api/elsewhere"}}, ""}, &slack.Permanent{Method: "chat.postMessage", Code: "http_302"}},
		"404":                 {answer{404, nil, ""}, &slack.Permanent{Method: "chat.postMessage", Code: "http_404"}},
		"HTML with 200":       {answer{200, nil, "<html>"}, &slack.Ambiguous{}},
		"empty with 200":      {answer{200, nil, ""}, &slack.Ambiguous{}},
		"ok:false, no code":   {answer{200, nil, `{"ok":false}`}, &slack.Ambiguous{Method: "chat.postMessage", Code: "no_error_code"}},
		"no ok":               {answer{200, nil, `{"ts":"1.2","channel":"C1"}`}, &slack.Ambiguous{Method: "chat.postMessage", Code: "no_error_code"}},
		"ok without a ts":     {answer{200, nil, `{"ok":true}`}, &slack.Ambiguous{Method: "chat.postMessage", Code: "no_timestamp"}},
		"fatal_error":         {answer{200, nil, `{"ok":false,"error":"fatal_error"}`}, &slack.Ambiguous{Method: "chat.postMessage", Code: "fatal_error"}},
		"internal_error":      {answer{200, nil, `{"ok":false,"error":"internal_error"}`}, &slack.Ambiguous{Method: "chat.postMessage", Code: "internal_error"}},
		"channel_not_found":   {answer{200, nil, `{"ok":false,"error":"channel_not_found"}`}, &slack.Permanent{Method: "chat.postMessage", Code: "channel_not_found"}},
		"code of next year":   {answer{200, nil, `{"ok":false,"error":"moon_phase"}`}, &slack.Permanent{Method: "chat.postMessage", Code: "moon_phase"}},
		"invalid_blocks":      {answer{200, nil, `{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be less than 76 characters [json-pointer:/blocks/0/text]"]}}`}, &slack.Permanent{Method: "chat.postMessage", Code: "invalid_blocks", Details: []string{"[ERROR] must be less than 76 characters [json-pointer:/blocks/0/text]"}}},
		"missing_scope":       {answer{200, nil, `{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"users:read"}`}, &slack.Auth{Method: "chat.postMessage", Code: "missing_scope", Needed: "chat:write", Provided: "users:read"}},
		"token_revoked":       {answer{200, nil, `{"ok":false,"error":"token_revoked"}`}, &slack.Auth{Method: "chat.postMessage", Code: "token_revoked"}},
		"a body of 9 MiB":     {answer{200, nil, `{"ok":true,"x":"` + strings.Repeat("x", 9<<20) + `"}`}, &slack.Ambiguous{}},
		"ok":                  {answer{200, nil, `{"ok":true,"ts":"1.2","channel":"C1"}`}, nil},
		"errors not an array": {answer{200, nil, `{"ok":true,"ts":"1.2","channel":"C1","errors":"odd"}`}, nil},
	} {
		bubble(t, func(t *testing.T) {
			f, stop := newAPI(t, func(w http.ResponseWriter, _ string, _ int) {
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			defer stop()
			err := post(f.s)
			if fmt.Sprintf("%T", err) != fmt.Sprintf("%T", c.want) && name != "errors not an array" {
				t.Fatalf("%s: %T %v, want %T", name, err, err, c.want)
			}
			var a *slack.Ambiguous
			if !(errors.As(err, &a) && a.Err != nil) {
				if d := cmp.Diff(c.want, err); d != "" && name != "errors not an array" {
					t.Fatalf("%s: %s", name, d)
				}
			}
			if f.count() != 1 {
				t.Fatalf("%s: %d calls, want one: trying again is the job queue's", name, f.count())
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Fatalf("%s: the error shows the token: %v", name, err)
			}
		})
	}
}

func TestFault_F20_CallsEndInTenSeconds(t *testing.T) {
	t.Parallel()
	hang := func(w http.ResponseWriter, _ string, _ int) { time.Sleep(time.Minute) }
	drip := func(w http.ResponseWriter, _ string, _ int) {
		for range 60 {
			if _, err := w.Write([]byte(" ")); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Second)
		}
	}
	cut := func(w http.ResponseWriter, _ string, _ int) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"ok":true,"ts":"1.2"`)
	}
	reset := func(w http.ResponseWriter, _ string, _ int) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.Close()
		}
	}
	for name, fault := range map[string]func(http.ResponseWriter, string, int){"hang": hang, "2 B/s": drip, "cut body": cut, "reset": reset} {
		bubble(t, func(t *testing.T) {
			f, stop := newAPI(t, fault)
			defer stop()
			start := time.Now()
			err := post(f.s)
			var a *slack.Ambiguous
			if !errors.As(err, &a) {
				t.Errorf("%s: %T %v, want Ambiguous", name, err, err)
			}
			if d := time.Since(start); d > 11*time.Second {
				t.Errorf("%s: ended after %v", name, d)
			}
			if f.count() != 1 {
				t.Errorf("%s: called %d times", name, f.count())
			}
		})
	}
}

func TestFault_F34_AnUnreachedCallDidNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		f, stop := newAPI(t, says(`{"ok":true,"ts":"1.2","channel":"C1"}`))
		defer stop()
		f.net.setFail(syscall.EMFILE)
		var u *slack.Unreached
		if err := post(f.s); !errors.As(err, &u) || !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("%T %v, want Unreached", err, err)
		}
		f.net.setFail(nil)
		if err := post(f.s); err != nil {
			t.Fatalf("after descriptors came back: %v", err)
		}
	})
}

func TestSender_EveryPublishedCodeHasAClass(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(shared(t, "slack", "methods.json"))
	if err != nil {
		t.Fatal(err)
	}
	var methods map[string]struct{ Errors []string }
	if err := json.Unmarshal(raw, &methods); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"channel_not_found": "permanent", "is_archived": "permanent", "user_not_found": "permanent", "msg_too_long": "permanent", "hash_conflict": "conflict",
		"expired_trigger_id": "expired", "exchanged_trigger_id": "expired", "rate_limited": "rate limited", "update_failed": "ambiguous", "forbidden_team": "auth",
	}
	n := 0
	for method, m := range methods {
		for _, code := range m.Errors {
			n++
			got := slack.CodeClass(code)
			if got == "" {
				t.Errorf("%s: %q has no class", method, code)
			}
			if w := want[code]; w != "" && got != w {
				t.Errorf("%q is %s, want %s", code, got, w)
			}
		}
	}
	if n < 270 || slack.CodeClass("moon_phase") != "" {
		t.Errorf("%d codes; an unknown one is %q", n, slack.CodeClass("moon_phase"))
	}
}

func TestSender_MessagesAsSlackNeedsThem(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		f, stop := newAPI(t, says(`{"ok":true,"ts":"1.2","channel":"C1","message_ts":"1.2"}`))
		defer stop()
		ctx := context.Background()
		block := slackgo.NewSectionBlock(slackgo.NewTextBlockObject("plain_text", "hi", false, false), nil, nil)
		msg := slack.Message{
			Text: "ann asks <x>", Blocks: []slackgo.Block{block}, ThreadTS: "0.9", Broadcast: true,
			Metadata: slack.Metadata{EventType: "thing", Payload: map[string]any{"id": "r1"}},
		}
		at, err := f.s.PostMessage(ctx, "C1", msg)
		if err != nil || at != (slack.Posted{Channel: "C1", TS: "1.2"}) {
			t.Fatal(at, err)
		}
		got := f.last()
		if got.Auth != "Bearer "+botToken || got.Form.Has("token") {
			t.Errorf("the token must be in the header alone: %q, form %v", got.Auth, got.Form)
		}
		for k, want := range map[string]string{
			"channel": "C1", "text": "ann asks <x>", "thread_ts": "0.9", "reply_broadcast": "true", "unfurl_links": "false", "unfurl_media": "false",
			"metadata": `{"event_type":"thing","event_payload":{"id":"r1"}}`, "blocks": `[{"type":"section","text":{"type":"plain_text","text":"hi","emoji":false}}]`,
		} {
			if v := got.Form.Get(k); v != want {
				t.Errorf("%s = %q, want %q", k, v, want)
			}
		}
		if err := f.s.UpdateMessage(ctx, at, slack.Message{Text: "done", ThreadTS: "0.9"}); err != nil {
			t.Fatal(err)
		}
		if got := f.last(); got.Method != "chat.update" || got.Form.Get("ts") != "1.2" || got.Form.Get("blocks") != "[]" || got.Form.Has("thread_ts") {
			t.Errorf("an update without blocks must clear the old buttons: %+v", got)
		}
		if err := f.s.Ephemeral(ctx, "C1", "U1", msg); err != nil {
			t.Fatal(err)
		}
		if got := f.last(); got.Method != "chat.postEphemeral" || got.Form.Get("user") != "U1" {
			t.Errorf("ephemeral: %+v", got)
		}
	})
}

func TestSender_ViewsAndTheirErrors(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		reply := `{"ok":true,"view":{"id":"V1","hash":"h2","external_id":"x"}}`
		f, stop := newAPI(t, func(w http.ResponseWriter, _ string, _ int) { _, _ = io.WriteString(w, reply) })
		defer stop()
		ctx := context.Background()
		view := slackgo.ModalViewRequest{Type: slackgo.VTModal, Title: slackgo.NewTextBlockObject("plain_text", "t", false, false)}
		want := slack.ViewRef{ID: "V1", Hash: "h2", ExternalID: "x"}
		calls := map[string]func() (slack.ViewRef, error){
			"views.open": func() (slack.ViewRef, error) { return f.s.OpenView(ctx, "trig-secret", view) },
			"views.push": func() (slack.ViewRef, error) { return f.s.PushView(ctx, "trig-secret", view) },
			"views.update": func() (slack.ViewRef, error) {
				return f.s.UpdateView(ctx, slack.ViewRef{ID: "V1", Hash: "h1", ExternalID: "x"}, view)
			},
			"views.publish": func() (slack.ViewRef, error) {
				return f.s.PublishHome(ctx, "U1", "h1", slackgo.HomeTabViewRequest{Type: slackgo.VTHomeTab})
			},
		}
		for method, call := range calls {
			ref, err := call()
			if err != nil || ref != want || f.last().Method != method || f.last().Auth != "Bearer "+botToken {
				t.Errorf("%s: %+v, %v, called %q", method, ref, err, f.last().Method)
			}
		}
		_, _ = calls["views.update"]()
		if body := f.last().Body; !strings.Contains(body, `"hash":"h1"`) || strings.Contains(body, "external_id") {
			t.Errorf("views.update sent %s", body)
		}
		for code, want := range map[string]string{"hash_conflict": "*slack.Conflict", "expired_trigger_id": "*slack.Expired", "exchanged_trigger_id": "*slack.Expired", "view_too_large": "*slack.Permanent", "push_limit_reached": "*slack.Permanent"} {
			reply = fmt.Sprintf(`{"ok":false,"error":%q}`, code)
			for method, call := range calls {
				if _, err := call(); fmt.Sprintf("%T", err) != want || strings.Contains(err.Error(), "trig-secret") {
					t.Errorf("%s with %s: %T %v", method, code, err, err)
				}
			}
		}
		if _, err := f.s.OpenView(ctx, "", view); fmt.Sprintf("%T", err) != "*slack.Permanent" {
			t.Errorf("no trigger: %T %v", err, err)
		}
	})
}

func TestSender_PeopleAndPlaces(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		f, stop := newAPI(t, func(w http.ResponseWriter, method string, n int) {
			body := map[string]string{
				"users.info":            `{"ok":true,"user":{"id":"U1","team_id":"T1","name":"ann","real_name":"Ann A","tz":"Asia/Tokyo","tz_offset":32400,"locale":"ja-JP","is_restricted":true,"is_stranger":true,"is_email_confirmed":false,"enterprise_user":{"enterprise_id":"E1"},"profile":{"email":"ann@example.com","display_name":"annie"}}}`,
				"users.lookupByEmail":   `{"ok":true,"user":{"id":"U2","team_id":"T1","deleted":true,"is_bot":true}}`,
				"usergroups.users.list": `{"ok":true,"users":["U1","U2"]}`,
				"conversations.info":    `{"ok":true,"channel":{"id":"C1","name":"ops","is_member":true,"is_ext_shared":true,"pending_shared":["T9"]}}`,
				"conversations.open":    `{"ok":true,"channel":{"id":"D1"}}`,
				"chat.getPermalink":     `{"ok":true,"permalink":"https://x.slack.com/archives/C1/p12"}`,
				"auth.test":             `{"ok":true,"team_id":"T1","user_id":"UB","bot_id":"B1","url":"https://x.slack.com/","team":"X"}`,
				"bots.info":             `{"ok":true,"bot":{"id":"B1","app_id":"A1"}}`,
				"conversations.members": `{"ok":true,"members":["U1"],"response_metadata":{"next_cursor":"more"}}`,
			}[method]
			if n > 1 && method == "conversations.members" {
				body = strings.Replace(body, "more", "", 1)
			}
			w.Header().Set("X-OAuth-Scopes", "chat:write")
			_, _ = io.WriteString(w, body)
		})
		defer stop()
		ctx := context.Background()
		members, err := f.s.ConversationMembers(ctx, "C1")
		if err != nil || len(members) != 2 {
			t.Errorf("members %v, %v", members, err)
		}
		u, err := f.s.UserInfo(ctx, "U1")
		want := slack.User{
			ID: "U1", TeamID: "T1", EnterpriseID: "E1", Name: "ann", RealName: "Ann A", DisplayName: "annie", Email: "ann@example.com", TZ: "Asia/Tokyo", TZOffset: 32400,
			Locale: "ja-JP", Flags: slack.Flags{Restricted: true, Stranger: true, EmailConfirmedKnown: true},
		}
		if d := cmp.Diff(want, u); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
		if _, err := f.s.UserInfo(ctx, "U7"); err == nil {
			t.Error("another user than asked for was accepted")
		}
		if u, err := f.s.LookupByEmail(ctx, "x@example.com"); err != nil || !u.Flags.Deleted || !u.Flags.Bot || u.Flags.EmailConfirmedKnown {
			t.Errorf("%+v %v", u, err)
		}
		if ids, err := f.s.UsergroupMembers(ctx, "S1"); err != nil || len(ids) != 2 {
			t.Errorf("%v %v", ids, err)
		}
		if c, err := f.s.ConversationInfo(ctx, "C1"); err != nil || !c.ExtShared || !c.PendingExtShared || !c.Member || c.Name != "ops" {
			t.Errorf("%+v %v", c, err)
		}
		if id, err := f.s.OpenDM(ctx, "U1"); err != nil || id != "D1" {
			t.Errorf("%q %v", id, err)
		}
		if link, err := f.s.Permalink(ctx, slack.Posted{Channel: "C1", TS: "1.2"}); err != nil || !strings.HasSuffix(link, "/p12") {
			t.Errorf("%q %v", link, err)
		}
		me, err := f.s.AuthTest(ctx)
		if err != nil || me.AppID != "A1" || me.TeamID != "T1" || me.UserID != "UB" || me.Scopes != "chat:write" {
			t.Errorf("%+v %v", me, err)
		}
	})
}

func TestFault_F20_AnAmbiguousPostIsFoundByItsMetadata(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		page := `{"ok":true,"has_more":%t,"response_metadata":{"next_cursor":%q},"messages":[%s]}`
		ours := `{"user":"UB","ts":"5.0","metadata":{"event_type":"thing","event_payload":{"id":"r1"}}}`
		forged := `{"user":"U9","ts":"6.0","metadata":{"event_type":"thing","event_payload":{"id":"r1"}}}`
		f, stop := newAPI(t, func(w http.ResponseWriter, _ string, n int) {
			if n == 1 {
				fmt.Fprintf(w, page, true, "c2", forged+`,{"user":"UB","ts":"7.0"}`)
				return
			}
			fmt.Fprintf(w, page, n > 3, "more", ours)
		})
		defer stop()
		at, ok, err := f.s.FindByMetadata(context.Background(), "C1", "UB", "thing", "id", "r1", "4.0")
		if err != nil || !ok || at.TS != "5.0" || f.last().Form.Get("cursor") != "c2" || f.last().Form.Get("include_all_metadata") != "1" {
			t.Errorf("%+v %v %v", at, ok, err)
		}
		if _, ok, err := f.s.FindByMetadata(context.Background(), "C1", "UB", "thing", "id", "r2", ""); ok || err != nil {
			t.Errorf("a message that is not there: %v %v", ok, err)
		}
		if _, ok, err := f.s.FindByMetadata(context.Background(), "C1", "UB", "thing", "id", "r2", ""); ok || err == nil {
			t.Error("a search that was cut short must not say no")
		}
	})
}

func TestThreat_T46_ResponseURLsLeadToSlackOnly(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "http://hooks.slack.com/x", "https://hooks.slack.com.evil.com/x", "https://evil.com/hooks.slack.com", "https://hooks.slack.com@evil.com/x",
		"https://user@hooks.slack.com/x", "https://hooks.slack.com:8443/x", "//hooks.slack.com/x", "https:hooks.slack.com/x", "https://HOOKS.SLACK.COM.evil/x",
		"https://127.0.0.1/x", "https://169.254.169.254/latest/meta-data", "http://[::ffff:169.254.169.254]/", "https://[::1]/", "https://10.0.0.1/", "https://0x7f000001/",
		"http://127.0.0.1:81/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://localhost/x", "http://127.0.0.1/%zz",
	} {
		bubble(t, func(t *testing.T) {
			f, stop := newAPI(t, says("ok"))
			defer stop()
			err := f.s.Respond(context.Background(), bad, slack.Response{Text: "x"})
			var p *slack.Permanent
			if !errors.As(err, &p) || f.count() != 0 {
				t.Errorf("%q: %v after %d calls", bad, err, f.count())
			}
		})
	}
	bubble(t, func(t *testing.T) {
		f, stop := newAPI(t, func(w http.ResponseWriter, method string, _ int) {
			switch {
			case strings.HasSuffix(method, "moved"):
				w.Header().Set("Location", "http://127.0.0.1/elsewhere")
				w.WriteHeader(307)
			case strings.HasSuffix(method, "old"):
				w.WriteHeader(404)
				_, _ = io.WriteString(w, "expired_url")
			case strings.HasSuffix(method, "no"):
				_, _ = io.WriteString(w, `{"ok":false,"error":"invalid_blocks"}`)
			default:
				_, _ = io.WriteString(w, "ok")
			}
		})
		defer stop()
		ctx := context.Background()
		if err := f.s.Respond(ctx, "http://127.0.0.1/actions/secret", slack.Response{Text: "x", ReplaceOriginal: true}); err != nil {
			t.Fatal(err)
		}
		if got := f.last(); got.Auth != "" || !strings.Contains(got.Body, `"replace_original":true`) || !strings.Contains(got.Body, `"response_type":"ephemeral"`) {
			t.Errorf("sent %+v; the token must not go to a response URL", got)
		}
		for _, path := range []string{"moved", "old", "no"} {
			before := f.count()
			err := f.s.Respond(ctx, "http://127.0.0.1/secret/"+path, slack.Response{Text: "x"})
			var p *slack.Permanent
			if !errors.As(err, &p) || f.count() != before+1 || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v after %d calls", path, err, f.count()-before)
			}
		}
	})
}

func TestThreat_T46_NoAddressInsideIsDialled(t *testing.T) {
	t.Parallel()
	for _, inside := range []string{
		"127.0.0.1:443", "10.1.2.3:443", "172.16.0.1:443", "192.168.1.1:443", "169.254.169.254:443", "[::1]:443", "[fd00::1]:443", "[fe80::1]:443", "0.0.0.0:443",
		"100.64.0.1:443", "[::ffff:127.0.0.1]:443", "[::ffff:100.64.0.1]:443", "[::ffff:169.254.169.254]:443", "[64:ff9b::7f00:1]:443", "[2002:7f00:1::]:443", "224.0.0.1:443", "255.255.255.255:443", "x", "",
	} {
		if slack.OutsideOnly(inside) == nil {
			t.Errorf("%s would be dialled", inside)
		}
	}
	for _, outside := range []string{"3.68.124.168:443", "[2600:1f18::1]:443"} {
		if err := slack.OutsideOnly(outside); err != nil {
			t.Errorf("%s: %v", outside, err)
		}
	}
}

func TestSender_OptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]slack.SenderOptions{
		"no token": {}, "http": {Token: "x", APIURL: "http://slack.example/api/"}, "http loopback, not allowed": {Token: "x", APIURL: "http://127.0.0.1/api/"},
		"http elsewhere, loopback allowed": {Token: "x", APIURL: "http://10.0.0.1/api/", AllowLoopback: true}, "query": {Token: "x", APIURL: "https://slack.com/api/?a=b"},
		"no URL": {Token: "x", APIURL: "slack.com"},
	} {
		if _, err := slack.NewSender(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if slack.PaceKey("C1") == slack.PaceKey("C2") {
		t.Error("two channels share a pace key")
	}
}

func TestTransport_OnlyTLSOrLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"wss://wss-primary.slack.com/link?ticket=s": true, "ws://127.0.0.1:9/x": true, "ws://[::1]:9/x": true, "ws://localhost/x": true,
		"ws://wss-primary.slack.com/link?ticket=s": false, "https://slack.com/": false, "": false, "ws://127.0.0.1.evil.com/": false, "ws://10.0.0.1/": false, "wss:///x": false,
	} {
		err := slack.CheckSocketURL(address, true)
		if (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "ticket") {
			t.Errorf("the error shows the ticket: %v", err)
		}
		if strings.HasPrefix(address, "ws:") && slack.CheckSocketURL(address, false) == nil {
			t.Errorf("%q was accepted outside tests", address)
		}
	}
}
