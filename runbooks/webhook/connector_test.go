package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/webhook"
)

// TestThreat_T44_WebhookExercise holds the connector to the contract with a real little service over TLS. In its part
// "nasty strings" each string reaches the service byte for byte, or is refused.
func TestThreat_T44_WebhookExercise(t *testing.T) {
	t.Parallel()
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		r := newReceiver(t, oldSecret)
		cfg := r.config(t)
		cfg.Tries = true
		return runbooktest.System{
			Connector: open(t, cfg),
			Words:     filepath.Join("testdata", "words.txt"),
			Secrets:   []string{oldSecret, strings.TrimPrefix(oldSecret, "whsec_")},
			Grant: func(n int) runbooks.Grant {
				g := order(fmt.Sprintf("g_%d", n))
				g.Account = fmt.Sprintf("maya%d", n)
				return g
			},
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				o, ok := r.order(t, g.ID)
				return ok && o["account"] == g.Account
			},
			InProgress: func(_ *testing.T, n int, each func()) { r.inProgress(n, each) },
			Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
				o, _ := r.order(t, g.ID)
				text := o["account"]
				switch place.Kind {
				case "param":
					text = o["params"].(map[string]any)[place.Name].([]any)[0]
				case "field":
					text = o["fields"].(map[string]any)[place.Name]
				}
				return text.(string)
			},
		}
	})
}

func TestOrder(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	g := order("g_1")
	g.End = g.End.Add(999 * time.Millisecond)
	receipt, err := open(t, r.config(t)).Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(runbooks.Receipt{
		Ref: "seat g_1", Facts: map[string]string{"team": "support"}, Use: runbooks.Use{Steps: []string{"Sign in as always."}},
	}, receipt); diff != "" {
		t.Errorf("receipt:\n%s", diff)
	}
	if diff := cmp.Diff([]call{{
		Method: "POST", Path: "/orders", ID: "grant_g_1", Op: "grant", Grant: "g_1",
		Body: []byte(`{"v":1,"op":"grant","grant":"g_1","request":"r_1","identity":"p_1","holder":"Maya Chen","account":"maya","target":"crm",` +
			`"entitlement":"support","params":{"team":["support"]},"fields":{"reason":"on call"},"start":"2027-03-01T09:00:00Z","end":"2027-03-01T10:00:00Z"}`),
	}}, r.received()); diff != "" {
		t.Errorf("calls:\n%s", diff)
	}
}

// TestMessageIDs: asking again for the same effect is the same message, and looking is a new one each time.
func TestMessageIDs(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	c := open(t, r.config(t))
	for range 2 {
		_, err1 := c.Grant(t.Context(), order("g_1"))
		_, err2 := c.Revoke(t.Context(), order("g_1"))
		_, err3 := c.Check(t.Context(), order("g_1"))
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[string]int{}
	for _, c := range r.received() {
		if strings.Contains(c.ID, ".") {
			t.Errorf("the id %q holds the sign that separates it", c.ID)
		}
		ids[c.ID]++
	}
	if ids["grant_g_1"] != 2 || ids["revoke_g_1"] != 2 || len(ids) != 4 {
		t.Errorf("%v", ids)
	}
}

// TestAnswers: status and body, and what becomes of them.
func TestAnswers(t *testing.T) {
	t.Parallel()
	rows := []struct {
		status int
		body   string
		want   string
	}{
		{200, ``, "ref g_1"},
		{200, `{"ref":"x"}`, "ref x"},
		{201, `{"ref":"x"}`, "ref x"},
		{204, ``, "ref g_1"},
		{200, `<html>`, "broken: the service says that it is done, but its answer cannot be read: it is not a JSON object"},
		{200, `{"ref":"x","facts":{"n":1}}`, "broken: the service says that it is done, but its answer cannot be read: it is not a JSON object of the keys ref, facts, personal, use, text, presence and poll"},
		{202, ``, "retry: the service is still at it"},
		{202, `{`, "broken: the service says that it is at it, but its answer cannot be read: it is not a JSON object of the keys ref, facts, personal, use, text, presence and poll"},
		{206, ``, "broken: the service answers with a status that says nothing (206)"},
		{302, ``, "broken: the service sends us elsewhere (302), and we do not follow"},
		{400, ``, "refuse: the service refuses (400)"},
		{401, ``, "broken: the service does not accept our signature (401)"},
		{404, `<html>not found</html>`, "broken: the service takes no orders at this address (404)"},
		{409, `{"text":"no free seat"}`, "refuse: the service refuses (409): no free seat"},
		{422, `{"text":"token=abcdefgh12345678"}`, "refuse: the service refuses (422): token=[redacted]"},
		{429, ``, "retry: the service asks to come again (429)"},
		{500, `{"text":"a\nb\u001b[2J"}`, "retry: the service fails (500): a b [2J"},
		{503, ``, "retry: the service fails (503)"},
	}
	r := newReceiver(t, oldSecret)
	c := open(t, r.config(t))
	for _, row := range rows {
		r.answer(says(row.status, row.body))
		receipt, err := c.Grant(t.Context(), order("g_1"))
		got := said(err)
		if err == nil {
			got = "ref " + receipt.Ref
		}
		if got != row.want {
			t.Errorf("%d %s: %q, want %q", row.status, row.body, got, row.want)
		}
	}
}

func TestCheckAnswers(t *testing.T) {
	t.Parallel()
	rows := []struct {
		status int
		body   string
		want   string
	}{
		{200, `{"presence":"present"}`, "present, done"},
		{200, `{"presence":"absent"}`, "absent, done"},
		{200, `{"presence":"unconfirmed","text":"2 of 3 regions have it"}`, "unconfirmed, retry: 2 of 3 regions have it"},
		{200, `{"presence":"unconfirmed"}`, "unconfirmed, retry: the service cannot tell yet"},
		{200, `{"presence":"gone"}`, "unconfirmed, broken: the service's answer to check is none of present, absent and unconfirmed"},
		{200, ``, "unconfirmed, broken: the service's answer to check is none of present, absent and unconfirmed"},
		{200, `absent`, "unconfirmed, broken: the service's answer to check cannot be read: it is not a JSON object"},
		{500, `{"presence":"absent"}`, "unconfirmed, retry: the service fails (500)"},
		{404, `{"presence":"absent"}`, "unconfirmed, broken: the service takes no orders at this address (404)"},
	}
	r := newReceiver(t, oldSecret)
	c := open(t, r.config(t))
	for _, row := range rows {
		r.answer(says(row.status, row.body))
		p, err := c.Check(t.Context(), order("g_1"))
		if got := string(p) + ", " + said(err); got != row.want {
			t.Errorf("%d %s: %q, want %q", row.status, row.body, got, row.want)
		}
	}
	r.answer(says(200, "gone!"))
	if rec, err := c.Revoke(t.Context(), order("g_1")); err != nil || rec.Facts["answer"] != "could not be read: it is not a JSON object" {
		t.Errorf("an unreadable answer to revoke: %+v, %v", rec, err)
	}
}

// TestPolls: a receiver that is at it is asked, with signed calls that it verifies, until it is done, fails, or time is up.
func TestPolls(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	c := open(t, r.config(t))
	at := says(202, `{"poll":"/jobs/17"}`)
	rows := []struct {
		name    string
		answers []func(http.ResponseWriter, call) bool
		want    string
		paths   string
	}{
		{
			"done",
			[]func(http.ResponseWriter, call) bool{at, says(202, ""), says(202, `{"poll":"18"}`), says(200, `{"ref":"seat 17"}`)},
			"done", "POST /orders, GET /jobs/17, GET /jobs/17, GET /18",
		},
		{"refused", []func(http.ResponseWriter, call) bool{at, says(409, `{"text":"no seat"}`)}, "refuse: the service refuses (409): no seat", "POST /orders, GET /jobs/17"},
		{"fails", []func(http.ResponseWriter, call) bool{at, says(500, "")}, "retry: the service fails (500)", "POST /orders, GET /jobs/17"},
		{"an absolute address of its own", []func(http.ResponseWriter, call) bool{says(202, fmt.Sprintf(`{"poll":%q}`, r.URL+"/x")), says(200, "")}, "done", "POST /orders, GET /x"},
	}
	for _, row := range rows {
		before := len(r.received())
		r.answer(row.answers...)
		_, err := c.Grant(t.Context(), order("g_1"))
		var paths []string
		for _, c := range r.received()[before:] {
			paths = append(paths, c.Method+" "+c.Path)
			if c.ID != "grant_g_1" || c.Method == "GET" && len(c.Body) > 0 {
				t.Errorf("%s: %s %s has the id %q and the body %q", row.name, c.Method, c.Path, c.ID, c.Body)
			}
		}
		if got := said(err); got != row.want || strings.Join(paths, ", ") != row.paths {
			t.Errorf("%s: %q by way of %q, want %q by way of %q", row.name, got, paths, row.want, row.paths)
		}
	}
}

// TestFault_F25_EndlessProgress: a receiver that is at it for ever does not hold the call for ever.
func TestFault_F25_EndlessProgress(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	polls := 0
	r.mu.Lock()
	r.turn = func(w http.ResponseWriter, c call) bool { // one call at a time: each waits for the one before
		if polls++; polls == 5 {
			cancel()
		}
		return says(202, `{"poll":"/jobs/17"}`)(w, c)
	}
	r.mu.Unlock()
	_, err := open(t, r.config(t)).Grant(ctx, order("g_1"))
	if runbooks.ClassOf(err) != runbooks.Retry || !errors.Is(err, context.Canceled) || len(r.received()) != 5 {
		t.Errorf("%v after %d calls", err, len(r.received()))
	}
}

// TestFault_F25_OwnTimeout: the connector does not rely on its caller's deadline.
func TestFault_F25_OwnTimeout(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	r.mu.Lock()
	r.turn = says(202, `{"poll":"/jobs/17"}`)
	r.mu.Unlock()
	cfg := r.config(t)
	cfg.Timeout = 100 * time.Millisecond
	p, err := open(t, cfg).Check(t.Context(), order("g_1"))
	if p != runbooks.Unconfirmed || runbooks.ClassOf(err) != runbooks.Retry || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s, %v", p, err)
	}
}

// TestFault_F25_SilentReceiver: one that takes the call and says nothing is left at the deadline.
func TestFault_F25_SilentReceiver(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	r.answer(func(http.ResponseWriter, call) bool { close(arrived); <-release; return true })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := open(t, r.config(t))
	failed := make(chan error, 1)
	go func() { _, err := c.Grant(ctx, order("g_1")); failed <- err }()
	<-arrived
	cancel()
	if err := <-failed; said(err) != "retry: the service did not answer in time" || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestFault_F26_FailsAfterEffect: the access is made and the answer is lost; reading back finds it, and the second call,
// under the same id, gives its receipt.
func TestFault_F26_FailsAfterEffect(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(http.ResponseWriter){
		"500":        func(w http.ResponseWriter) { w.WriteHeader(500) },
		"hung up":    func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"cut answer": func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, `{"ref`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, oldSecret)
			r.answer(func(w http.ResponseWriter, c call) bool {
				r.act(httptest.NewRecorder(), c)
				lose(w)
				return true
			})
			rec, err := runbooks.NewRunner(map[string]runbooks.Connector{"crm": open(t, r.config(t))}, nil).Start(t.Context(), "crm", order("g_1"))
			if err != nil || rec.Ref != "seat g_1" {
				t.Errorf("%+v, %v", rec, err)
			}
			for _, c := range r.received() {
				if c.Op == "grant" && c.ID != "grant_g_1" {
					t.Errorf("the id %q", c.ID)
				}
			}
		})
	}
}

// TestThreat_T54_LyingReceiver: "done" is not believed when reading back says otherwise.
func TestThreat_T54_LyingReceiver(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"crm": open(t, r.config(t))}, nil)
	if _, err := runner.Start(t.Context(), "crm", order("g_1")); err != nil {
		t.Fatal(err)
	}
	r.answer(says(204, ""))
	if _, p, err := runner.Stop(t.Context(), "crm", order("g_1")); p != runbooks.Present || err == nil {
		t.Errorf("%s, %v", p, err)
	}
	if _, p, err := runner.Stop(t.Context(), "crm", order("g_1")); p != runbooks.Absent || err != nil {
		t.Errorf("%s, %v", p, err)
	}
}

// TestBodyLimits: what is too long is not read on.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	r.answer(func(w http.ResponseWriter, _ call) bool {
		for range 1 << 20 {
			if _, err := w.Write([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")); err != nil {
				return true // hung up, as it should be
			}
		}
		t.Error("64 MiB were taken")
		return true
	})
	_, err := open(t, r.config(t)).Grant(t.Context(), order("g_1"))
	if runbooks.ClassOf(err) != runbooks.Broken || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v", err)
	}
}

// TestThreat_T35_WebhookSecretsStayInside: neither the secret nor the address's path is in what is printed or said.
func TestThreat_T35_WebhookSecretsStayInside(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	cfg := r.config(t)
	cfg.URL = r.URL + "/canary-path"
	c := open(t, cfg)
	printed := fmt.Sprintf("%+v %#v %+v", cfg.Secrets, c, c.Describe())
	r.answer(says(500, `{"text":"password=canary-text"}`), says(200, `{"ref":"token=canary-ref","facts":{"x":"Bearer canary-fact"},"use":{"files":{"k":"-----BEGIN PRIVATE KEY-----canary"}}}`))
	_, err := c.Grant(t.Context(), order("g_1"))
	receipt, _ := c.Grant(t.Context(), order("g_1"))
	r.Close()
	_, closed := c.Grant(t.Context(), order("g_1"))
	said := fmt.Sprintf("%v %v %+v %v %v", err, errors.Unwrap(err), receipt, closed, errors.Unwrap(closed))
	for _, secret := range []string{"canary", oldSecret, "MfKQ9r8", "31f290f6bf06", "31 f2 90"} {
		if strings.Contains(said, secret) || secret != "canary" && strings.Contains(printed, secret) {
			t.Errorf("%q is in:\n%s\n%s", secret, said, printed)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	c := open(t, r.config(t))
	if f := c.Probe(t.Context()); !f[0].OK {
		t.Errorf("%+v", f)
	}
	if n := len(r.received()); n != 0 {
		t.Errorf("a probe sent %d calls", n)
	}
	untrusted := r.config(t)
	untrusted.Roots = nil
	if f := open(t, untrusted).Probe(t.Context()); f[0].OK || !strings.Contains(f[0].What, "certificate") {
		t.Errorf("%+v", f)
	}
	r.Close()
	if f := c.Probe(t.Context()); f[0].OK || !strings.Contains(f[0].What, "could not be reached") {
		t.Errorf("%+v", f)
	}
}

// TestHTTPOnThisMachine: http works with loopback_host, and only so.
func TestHTTPOnThisMachine(t *testing.T) {
	t.Parallel()
	r := &receiver{secret: oldSecret, held: map[string]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	c := open(t, r.config(t))
	if _, err := c.Grant(t.Context(), order("g_1")); err != nil {
		t.Error(err)
	}
	if f := c.Probe(t.Context()); !f[0].OK {
		t.Errorf("%+v", f)
	}
	cfg := r.config(t)
	cfg.LoopbackHost = ""
	if _, err := webhook.Open(cfg); err == nil {
		t.Error("http without loopback_host")
	}
	// A TLS call to a server without is for the operator.
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg = r.config(t)
	cfg.URL = "https://" + net.JoinHostPort(u.Hostname(), u.Port())
	if _, err := open(t, cfg).Grant(t.Context(), order("g_2")); runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("%v", err)
	}
}

func BenchmarkGrant(b *testing.B) {
	c := open(b, newReceiver(b, oldSecret).config(b))
	for b.Loop() {
		if _, err := c.Grant(b.Context(), order("g_1")); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOffers: a receiver that lists what it can grant is asked, signed like every call; one that is not said to is not asked.
func TestOffers(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, oldSecret)
	r.answer(says(200, `{"offers":[{"name":"support","params":{"team":["support"]},"description":"Answers customers.","account":true}]}`))
	for _, lists := range []bool{false, true} {
		cfg := r.config(t)
		cfg.Lists = lists
		n := 0
		for o, err := range open(t, cfg).ListOffers(t.Context()) {
			if err != nil || o.Name != "support" || o.Params["team"][0] != "support" {
				t.Fatalf("%+v (%v)", o, err)
			}
			n++
		}
		if calls := r.received(); n != len(calls) || n != map[bool]int{true: 1}[lists] || n == 1 && calls[0].Op != "offers" {
			t.Errorf("lists %v: %d offers, asked %+v", lists, n, calls)
		}
	}
	r.answer(says(200, `{"offers":[{}]}`))
	cfg := r.config(t)
	cfg.Lists = true
	for o, err := range open(t, cfg).ListOffers(t.Context()) {
		if runbooks.ClassOf(err) != runbooks.Broken {
			t.Errorf("%+v (%v)", o, err)
		}
	}
}
