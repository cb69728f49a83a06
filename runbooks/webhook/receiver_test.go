package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/webhook"
	"github.com/countersign-bot/countersign/workflows"
)

// Two secrets, as an operator would make them.
const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD9IHkrnVhYDs="
)

var start = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func order(id string) runbooks.Grant {
	return runbooks.Grant{
		ID: workflows.GrantID(id), Request: "r_1", Identity: "p_1", Holder: "Maya Chen", Account: "maya", Target: "crm", Entitlement: "support",
		Params: map[string][]string{"team": {"support"}}, Fields: map[string]string{"reason": "on call"}, Start: start, End: start.Add(time.Hour),
	}
}

// receiver is a real little service: it verifies every call and keeps what was granted.
type receiver struct {
	*httptest.Server
	secret string

	mu    sync.Mutex
	held  map[string]string // grant -> order without its op
	calls []call
	turn  func(w http.ResponseWriter, c call) bool // answers instead of the service, when it gives true
}

// call is one that was received and whose signature is good.
type call struct {
	Method, Path, ID string
	Body             []byte
	Op, Grant        string
}

func newReceiver(t testing.TB, secret string) *receiver {
	t.Helper()
	r := &receiver{secret: secret, held: map[string]string{}}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP verifies as the specification says, in words of its own, and acts.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if why := verify(r.secret, req.Header, body); why != "" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"text":%q}`, why)
		return
	}
	c := call{Method: req.Method, Path: req.URL.Path, ID: req.Header.Get("webhook-id"), Body: body}
	var o map[string]any
	if len(body) > 0 && json.Unmarshal(body, &o) == nil {
		c.Op, _ = o["op"].(string)
		c.Grant, _ = o["grant"].(string)
	}
	r.mu.Lock()
	r.calls = append(r.calls, c)
	turn := r.turn
	r.mu.Unlock()
	if turn != nil && turn(w, c) {
		return
	}
	r.act(w, c)
}

// act does what an order says.
func (r *receiver) act(w http.ResponseWriter, c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	content := strings.Replace(string(c.Body), `"op":"`+c.Op+`"`, "", 1)
	held, there := r.held[c.Grant]
	switch {
	case c.Op == "grant" && there && held != content:
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"text":"this grant was made with other contents"}`)
	case c.Op == "grant":
		r.held[c.Grant] = content
		fmt.Fprintf(w, `{"ref":"seat %s","facts":{"team":"support"},"use":{"steps":["Sign in as always."]}}`, c.Grant)
	case c.Op == "revoke":
		delete(r.held, c.Grant)
		w.WriteHeader(http.StatusNoContent)
	case (c.Op == "check" || c.Op == "try") && there:
		fmt.Fprint(w, `{"presence":"present"}`)
	case c.Op == "check" || c.Op == "try":
		fmt.Fprint(w, `{"presence":"absent"}`)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func verify(secret string, h http.Header, body []byte) string {
	at, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return "the timestamp is bad"
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "the secret is bad"
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", h.Get("webhook-id"), at, body)
	for _, s := range strings.Split(h.Get("webhook-signature"), " ") {
		version, signature, _ := strings.Cut(s, ",")
		got, err := base64.StdEncoding.DecodeString(signature)
		if version == "v1" && err == nil && hmac.Equal(got, mac.Sum(nil)) {
			return ""
		}
	}
	return "no signature is good"
}

// answer lets fixed answers come before the service's own, in this order.
func (r *receiver) answer(turns ...func(w http.ResponseWriter, c call) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn = func(w http.ResponseWriter, c call) bool {
		r.mu.Lock()
		if len(turns) == 0 {
			r.mu.Unlock()
			return false
		}
		turn := turns[0]
		turns = turns[1:]
		r.mu.Unlock()
		return turn(w, c)
	}
}

// inProgress lets the service take orders to grant and to revoke, be at each for n answers, and carry it out with the one after.
func (r *receiver) inProgress(n int, each func()) {
	taken, answers := map[string]call{}, map[string]int{} // by message
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn = func(w http.ResponseWriter, c call) bool {
		if c.Op == "check" || c.Op == "try" {
			return false
		}
		r.mu.Lock()
		if c.Method == http.MethodPost {
			taken[c.ID] = c
		}
		o, known := taken[c.ID]
		answers[c.ID]++
		busy := answers[c.ID] <= n
		r.mu.Unlock()
		switch {
		case !known:
			return says(http.StatusNotFound, "")(w, c)
		case busy:
			each()
			return says(http.StatusAccepted, `{"poll":"/jobs/17"}`)(w, c)
		default:
			r.act(w, o)
			return true
		}
	}
}

// says is a fixed answer.
func says(status int, body string) func(http.ResponseWriter, call) bool {
	return func(w http.ResponseWriter, _ call) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

func (r *receiver) received() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

func (r *receiver) order(t testing.TB, id workflows.GrantID) (map[string]any, bool) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	held, ok := r.held[string(id)]
	if !ok {
		return nil, false
	}
	var o map[string]any
	if err := json.Unmarshal([]byte(strings.Replace(held, `"v":1,,`, `"v":1,`, 1)), &o); err != nil {
		t.Fatalf("%v in %s", err, held)
	}
	return o, true
}

// config is that of a target on this machine.
func (r *receiver) config(t testing.TB) webhook.Config {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := webhook.Config{
		URL: r.URL + "/orders", LoopbackHost: u.Hostname(), Secrets: []runbooks.Secret{runbooks.NewSecret(r.secret)},
		Timeout: time.Minute, Poll: time.Millisecond,
	}
	if cert := r.Certificate(); cert != nil {
		cfg.Roots = x509.NewCertPool()
		cfg.Roots.AddCert(cert)
	}
	return cfg
}

func open(t testing.TB, cfg webhook.Config) *webhook.Connector {
	t.Helper()
	c, err := webhook.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// said is the class and the words of an error, or "done".
func said(err error) string {
	if err == nil {
		return "done"
	}
	return runbooks.ClassOf(err).String() + ": " + err.Error()
}
