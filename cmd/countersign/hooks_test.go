package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks/tasks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

const changesSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// changeDesk is a service of the company's own that keeps its change tickets.
type changeDesk struct {
	*httptest.Server
	closed atomic.Bool
	more   atomic.Pointer[string] // further fields of its answer
	away   atomic.Bool
	asked  atomic.Int64
}

func newChanges(t *testing.T) *changeDesk {
	t.Helper()
	c := &changeDesk{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked.Add(1)
		if c.away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		more := ""
		if m := c.more.Load(); m != nil {
			more = *m
		}
		fmt.Fprintf(w, `{"exists":true,"open":%v,"status":"Scheduled","title":"Slow shop"%s}`, !c.closed.Load(), more)
	}))
	t.Cleanup(c.Close)
	return c
}

const changesTarget = `id: changes
title: Changes
connector: tasks
owner: jonas
environment: production
data_class: internal
settings:
  url: URL
  pattern: 'OPS-[0-9]{1,6}'
  secret_file: SECRET
`

// target is the service as a file of a configuration folder.
func (c *changeDesk) target(t *testing.T) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "changes.secret")
	mustSay(t, os.WriteFile(secret, []byte(changesSecret+"\n"), 0o600))
	return strings.NewReplacer("URL", c.URL, "SECRET", secret).Replace(changesTarget)
}

// postHook sends a webhook as the service does; sign false leaves the signature out.
func postHook(ctx context.Context, url, body string, sign bool) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	k, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(changesSecret, "whsec_"))
	if err != nil {
		return 0, err
	}
	mac := hmac.New(sha256.New, k)
	io.WriteString(mac, "m1."+stamp+"."+body)
	req.Header.Set("Webhook-Id", "m1")
	req.Header.Set("Webhook-Timestamp", stamp)
	if sign {
		req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// TestReq_R55_TaskClosedByHook: access that hangs on a ticket ends when the ticket's system says that it was closed, and not when somebody
// only says that it did.
func TestReq_R55_TaskClosedByHook(t *testing.T) {
	t.Parallel()
	system := newChanges(t)
	s := &story{demo: demoAsJonas(t, map[string]string{"workflows/talk.yaml": talkChain, "targets/changes.yaml": system.target(t)})}
	ctx := t.Context()
	key := filepath.Join(t.TempDir(), "id.pub")
	mustSay(t, os.WriteFile(key, []byte(s.people["jonas"].public()), 0o600))
	out, err := s.cli(ctx, "", "request", "talk", "-for-time", "15m", "-reason", "A short look only.", "-field", "key=@"+key, "-field", "ticket=OPS-7")
	mustSay(t, err)
	said(t, out, "Approved without people, by rule A look")
	_, err = until(ctx, "the access", func() (bool, bool) {
		out, err := s.ledger(ctx, "search", "grant.started", "-json")
		return true, err == nil && strings.Contains(out, `"grant.started"`)
	})
	mustSay(t, err)
	hook := func(body string, sign bool, want int) {
		t.Helper()
		got, err := postHook(ctx, s.child.url()+"/hooks/changes", body, sign)
		if err != nil || got != want {
			t.Errorf("%s: %d (%v), want %d", body, got, err, want)
		}
	}
	ended := func() int {
		out, _ := s.ledger(ctx, "search", "grant.ending", "-json") // exits with 1 when there is none
		return strings.Count(out, `"grant.ending"`)
	}
	hook(`{"ref":"OPS-7"}`, true, http.StatusNoContent) // still open there
	hook(`{"ref":"OPS-7"}`, false, http.StatusUnauthorized)
	system.away.Store(true)
	hook(`{"ref":"OPS-7"}`, true, http.StatusServiceUnavailable)
	system.away.Store(false)
	if n := ended(); n != 0 {
		t.Fatalf("%d ended before the ticket was closed", n)
	}
	system.closed.Store(true)
	hook(`{"ref":"OPS-7","open":true}`, true, http.StatusNoContent)
	if n := ended(); n != 1 {
		t.Errorf("%d ended after the ticket was closed", n)
	}
	_, err = until(ctx, "the access to be taken back", func() (bool, bool) {
		out, err := s.ledger(ctx, "search", "grant.revoked", "-json")
		return true, err == nil && strings.Contains(out, `"grant.revoked"`)
	})
	mustSay(t, err)
	hook(`{"ref":"OPS-7"}`, true, http.StatusNoContent) // said twice
	if n := ended(); n != 1 {
		t.Errorf("%d ended after it was said twice", n)
	}
	if got, err := postHook(ctx, s.child.url()+"/hooks/nothing", `{}`, true); err != nil || got != http.StatusUnauthorized {
		t.Errorf("a target that is none: %d (%v)", got, err)
	}
}

// TestReq_R55_TaskClosedWithoutAWord: access that hangs on a ticket ends within a minute after that was closed, though its system never says so: it is
// asked every half minute.
func TestReq_R55_TaskClosedWithoutAWord(t *testing.T) {
	t.Parallel()
	system := newChanges(t)
	s := &story{demo: demoAsJonas(t, map[string]string{"workflows/talk.yaml": talkChain, "targets/changes.yaml": system.target(t)})}
	ctx := t.Context()
	key := filepath.Join(t.TempDir(), "id.pub")
	mustSay(t, os.WriteFile(key, []byte(s.people["jonas"].public()), 0o600))
	out, err := s.cli(ctx, "", "request", "talk", "-for-time", "15m", "-reason", "A short look only.", "-field", "key=@"+key, "-field", "ticket=OPS-7")
	mustSay(t, err)
	said(t, out, "Approved without people, by rule A look")
	has := func(kind string) func() (bool, bool) {
		return func() (bool, bool) {
			out, err := s.ledger(ctx, "search", kind, "-json")
			return true, err == nil && strings.Contains(out, `"`+kind+`"`)
		}
	}
	_, err = until(ctx, "the access", has("grant.started"))
	mustSay(t, err)
	asked := system.asked.Load()
	mustSay(t, s.advance(ctx, 46*time.Second))
	_, err = until(ctx, "a look at the ticket", func() (bool, bool) { return true, system.asked.Load() > asked })
	mustSay(t, err)
	if _, ended := has("grant.ending")(); ended {
		t.Fatal("it ended before the ticket was closed")
	}
	system.closed.Store(true)
	mustSay(t, s.advance(ctx, 46*time.Second))
	_, err = until(ctx, "the access to be taken back", has("grant.revoked"))
	mustSay(t, err)
	out, err = s.ledger(ctx, "search", "grant.ending", "-json")
	mustSay(t, err)
	said(t, out, "OPS-7")
}

// TestReq_R55_TheRequestersTicketInItsWindow: a chain that wants the ticket to be the requester's and in its change window refuses another one in words
// that say which, takes the right one, and ends the access as soon as the ticket's system says that it is somebody else's now.
func TestReq_R55_TheRequestersTicketInItsWindow(t *testing.T) {
	t.Parallel()
	system := newChanges(t)
	chain := strings.Replace(talkChain, "ends_with: ticket\n", "ends_with: ticket\ntask: {source: changes, assignee: requester, window: true}\n", 1)
	s := &story{demo: demoAsJonas(t, map[string]string{"workflows/talk.yaml": chain, "targets/changes.yaml": system.target(t)})}
	ctx := t.Context()
	key := filepath.Join(t.TempDir(), "id.pub")
	mustSay(t, os.WriteFile(key, []byte(s.people["jonas"].public()), 0o600))
	answer := func(who, from, until string) {
		more := `,"assignees":["` + who + `"],"from":"` + from + `","until":"` + until + `"`
		system.more.Store(&more)
	}
	ask := func(ticket string) (string, error) {
		return s.cli(ctx, "", "request", "talk", "-for-time", "15m", "-reason", "A short look only.", "-field", "key=@"+key, "-field", "ticket="+ticket)
	}
	system.away.Store(true)
	out, err := ask("OPS-4")
	if err == nil {
		t.Errorf("a ticket of which nobody can tell was taken:\n%s", out)
	}
	said(t, out, "The source of ticket OPS-4 does not answer", "nothing can be asked for")
	system.away.Store(false)
	out, err = ask("OPS-1")
	if err == nil {
		t.Errorf("a ticket without a window was taken:\n%s", out)
	}
	said(t, out, "OPS-1 has no change window", "with a change window that covers the start, assigned to you")
	answer("maya@northwind.example", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z")
	if out, err = ask("OPS-2"); err == nil {
		t.Errorf("somebody else's ticket was taken:\n%s", out)
	}
	said(t, out, "OPS-2 is not assigned to whoever asks")
	answer("Jonas@northwind.example", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z")
	if out, err = ask("OPS-3"); err == nil {
		t.Errorf("a ticket whose window is over was taken:\n%s", out)
	}
	said(t, out, "Ticket OPS-3: its window was over at 2021-01-01 00:00 UTC")
	answer("Jonas@northwind.example", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z")
	out, err = ask("OPS-7")
	mustSay(t, err)
	said(t, out, "Approved without people, by rule A look")
	_, err = until(ctx, "the access", func() (bool, bool) {
		out, err := s.ledger(ctx, "search", "grant.started", "-json")
		return true, err == nil && strings.Contains(out, `"grant.started"`)
	})
	mustSay(t, err)
	answer("maya@northwind.example", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z")
	if got, err := postHook(ctx, s.child.url()+"/hooks/changes", `{"ref":"OPS-7"}`, true); err != nil || got != http.StatusNoContent {
		t.Fatalf("the hook: %d %v", got, err)
	}
	_, err = until(ctx, "the access to be taken back", func() (bool, bool) {
		out, err := s.ledger(ctx, "search", "grant.revoked", "-json")
		return true, err == nil && strings.Contains(out, `"grant.revoked"`)
	})
	mustSay(t, err)
	out, err = s.ledger(ctx, "search", "grant.ending", "-json")
	mustSay(t, err)
	said(t, out, "OPS-7 is not assigned to whoever asks")
	out, err = s.cli(ctx, "", "ledger", "verify")
	mustSay(t, err)
	said(t, out, "intact")
}

// TestTaskSources: systems of tasks are found among the targets; one that is down covers what no other does and cannot tell.
func TestTaskSources(t *testing.T) {
	t.Parallel()
	system := newChanges(t)
	secret := filepath.Join(t.TempDir(), "secret")
	mustSay(t, os.WriteFile(secret, []byte(changesSecret), 0o600))
	targets := []spec.Target{
		{ID: "later", Connector: "jira", Settings: map[string]string{"url": "https://jira.example.com", "projects": "PAY", "token_file": secret + ".missing"}},
		{ID: "changes", Connector: "tasks", Settings: map[string]string{"url": system.URL, "pattern": "OPS-[0-9]+", "secret_file": secret}},
		{ID: "github", Connector: "github", Settings: map[string]string{"scope": "northwind", "token_file": secret}},
		{ID: "code", Connector: "github", Settings: map[string]string{"scope": "northwind", "token_file": secret, "tasks": "true"}},
	}
	conns := openTargets(Config{}, nil, jobs.NewSystem(), targets, slog.New(slog.DiscardHandler))
	defer conns.Close()
	var names []string
	sources := taskSources(conns, targets, time.Now)
	for _, s := range sources {
		names = append(names, s.Name())
	}
	if got := strings.Join(names, " "); got != "changes code later" {
		t.Fatalf("the sources are %s", got)
	}
	for ref, want := range map[string]string{"OPS-1": "changes", "northwind/shop#3": "code", "anything": "later"} {
		for _, s := range sources {
			if s.Covers(ref) {
				if s.Name() != want {
					t.Errorf("%s is covered by %s, want %s", ref, s.Name(), want)
				}
				break
			}
		}
	}
	if got, err := sources[0].Task(t.Context(), "OPS-1"); err != nil || got.Source != "changes" || !got.Open {
		t.Errorf("%+v (%v)", got, err)
	}
	if _, err := sources[2].Task(t.Context(), "PAY-1"); err == nil {
		t.Error("a system that could not be opened answers")
	}
	mustSay(t, os.WriteFile(secret+".missing", []byte("tok"), 0o600)) // it can be opened a while later; not within the same second
	if sources[2].Covers("PAY-1") != true {
		t.Error("Jira does not cover its project")
	}
}

// TestHooksAtOnce: more webhooks at a time than are dealt with are told to come again.
func TestHooksAtOnce(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}, maxHooks), make(chan struct{})
	h := &hooks{
		slots: make(chan struct{}, maxHooks), log: func(string, string, int, error) {},
		close: func(context.Context, workflows.Cause, string) (int, error) { return 0, errors.New("not reached") },
		sources: []taskSource{{name: "x", Memory: tasks.Remember(nil, nil), hook: func(http.Header, []byte, time.Time) ([]string, error) {
			inside <- struct{}{}
			<-release
			return nil, nil
		}}},
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/{target}", h)
	answers := make(chan int, maxHooks)
	post := func() int {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/hooks/x", strings.NewReader("{}")))
		return w.Code
	}
	for range maxHooks {
		go func() { answers <- post() }()
	}
	for range maxHooks {
		<-inside
	}
	if got := post(); got != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered %d", got)
	}
	close(release)
	for range maxHooks {
		if got := <-answers; got != http.StatusNoContent {
			t.Errorf("one that fits is answered %d", got)
		}
	}
}
