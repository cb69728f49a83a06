package tasks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/tasks"
	"github.com/countersign-bot/countersign/workflows"
)

// jira answers as the REST API of Jira, version 2, is documented: there is none that could be started here.
type jira struct {
	*httptest.Server
	mu     sync.Mutex
	issues map[string]string // key -> fields
	down   bool
	powers []string
}

func newJira(t *testing.T) *jira {
	t.Helper()
	j := &jira{issues: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rest/api/2/issue/{key}", func(w http.ResponseWriter, r *http.Request) {
		j.mu.Lock()
		defer j.mu.Unlock()
		fields, ok := j.issues[r.PathValue("key")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errorMessages":["Issue does not exist or you do not have permission to see it."]}`)
			return
		}
		fmt.Fprintf(w, `{"key":%q,"fields":%s}`, r.PathValue("key"), fields)
	})
	mux.HandleFunc("GET /rest/api/2/project/{key}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("key") != "OPS" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	mux.HandleFunc("GET /rest/api/2/mypermissions", func(w http.ResponseWriter, r *http.Request) {
		var out []string
		for p := range strings.SplitSeq(r.URL.Query().Get("permissions"), ",") {
			out = append(out, fmt.Sprintf(`%q:{"havePermission":%v}`, p, strings.Contains(strings.Join(j.powers, ","), p)))
		}
		fmt.Fprintf(w, `{"permissions":{%s}}`, strings.Join(out, ","))
	})
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, token, ok := r.BasicAuth()
		j.mu.Lock()
		down := j.down
		j.mu.Unlock()
		switch {
		case down:
			w.WriteHeader(http.StatusBadGateway)
		case !ok || user != "bot@northwind.example" || token != "tok":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(j.Close)
	return j
}

const hookSecret = "a secret that nobody guesses"

func (j *jira) open(t *testing.T, projects ...string) *tasks.Jira {
	t.Helper()
	s, err := tasks.OpenJira(tasks.JiraConfig{
		Rest: rest.Config{URL: j.URL}, User: "bot@northwind.example", Token: runbooks.NewSecret("tok"), Projects: projects,
		From: "customfield_1", Until: "customfield_2", HookSecret: runbooks.NewSecret(hookSecret),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestReq_R55_Jira: state, assignee and change window of an issue; what is not there; and when it cannot be told.
func TestReq_R55_Jira(t *testing.T) {
	t.Parallel()
	j := newJira(t)
	s := j.open(t, "OPS", "HIDDEN")
	j.issues["OPS-1"] = `{"summary":"Shop\u202e is\nslow","status":{"name":"In Progress","statusCategory":{"key":"indeterminate"}},"assignee":{"emailAddress":"Maya@Northwind.example"},
		"customfield_1":"2027-03-01T20:00:00.000+0100","customfield_2":"2027-03-01T23:00:00.000+0100"}`
	j.issues["OPS-2"] = `{"summary":"x","status":{"name":"Won't do","statusCategory":{"key":"done"}},"assignee":null}`
	j.issues["OPS-3"] = `{"status":{"name":"Open","statusCategory":{"key":"new"}},"customfield_1":"tomorrow"}`
	j.issues["OPS-4"] = `{"summary":"no status"}`
	at := func(s string) workflows.Stamp {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return workflows.StampOf(v)
	}
	for ref, want := range map[string]workflows.Task{
		"OPS-1": {
			Ref: "OPS-1", Exists: true, Open: true, Status: "In Progress", Assignees: []string{"maya@northwind.example"}, Title: "Shop  is slow",
			From: at("2027-03-01T19:00:00Z"), Until: at("2027-03-01T22:00:00Z"),
		},
		"OPS-2": {Ref: "OPS-2", Exists: true, Status: "Won't do", Title: "x"},
		"OPS-9": {Ref: "OPS-9"},
	} {
		got, err := s.Task(t.Context(), ref)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", ref, err, diff)
		}
	}
	for ref, words := range map[string]string{
		"OPS-3": "cannot be read", "OPS-4": "cannot be read", // a window or a state that is not understood is not an open one
		"HIDDEN-1": "whether the issue exists cannot be told",
	} {
		if _, err := s.Task(t.Context(), ref); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %s", ref, err, words)
		}
	}
	j.mu.Lock()
	j.down = true
	j.mu.Unlock()
	if _, err := s.Task(t.Context(), "OPS-1"); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("Jira is away: %v", err)
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	s := newJira(t).open(t, "OPS")
	for ref, want := range map[string]bool{
		"OPS-1": true, "OPS-1234567": true, "ops-1": false, "PAY-1": false, "OPS-0": false, "OPS-01": false, "OPS-": false, "OPS": false,
		"OPS-1/../x": false, "OPS-1\n": false, "": false, " OPS-1": false, "OPS-99999999999999": false,
	} {
		if got := s.Covers(ref); got != want {
			t.Errorf("%q: %v", ref, got)
		}
	}
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// TestReq_R55_Hooks: only what is signed with the agreed secret is heard, and it is believed in nothing but whom to ask about.
func TestReq_R55_Hooks(t *testing.T) {
	t.Parallel()
	body := `{"issue":{"key":"OPS-1"},"webhookEvent":"jira:issue_updated"}`
	s := newJira(t).open(t, "OPS")
	for name, x := range map[string]struct {
		header, body string
		want         []string
		ok           bool
	}{
		"signed":          {"sha256=" + sign(body), body, []string{"OPS-1"}, true},
		"not signed":      {"", body, nil, false},
		"another body":    {"sha256=" + sign(body), strings.Replace(body, "OPS-1", "OPS-2", 1), nil, false},
		"not hexadecimal": {"sha256=zz", body, nil, false},
		"another project": {"sha256=" + sign(`{"issue":{"key":"PAY-1"}}`), `{"issue":{"key":"PAY-1"}}`, []string{}, true},
		"no JSON":         {"sha256=" + sign("x"), "x", nil, false},
	} {
		got, err := s.Hook(http.Header{"X-Hub-Signature": {x.header}}, []byte(x.body), time.Now())
		if (err == nil) != x.ok || !cmp.Equal(got, x.want) {
			t.Errorf("%s: %q (%v)", name, got, err)
		}
	}
	unset, err := tasks.OpenJira(tasks.JiraConfig{Rest: rest.Config{URL: "http://127.0.0.1:1"}, Token: runbooks.NewSecret("x"), Projects: []string{"OPS"}})
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, nil)
	mac.Write([]byte(body))
	if _, err := unset.Hook(http.Header{"X-Hub-Signature": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}, []byte(body), time.Now()); err == nil {
		t.Error("without a secret, a hook that is signed with nothing is heard")
	}
	ref, err := tasks.GitHubHook(runbooks.NewSecret(hookSecret), http.Header{"X-Hub-Signature-256": {"sha256=" + sign(`{"action":"closed","pull_request":{"number":7},"repository":{"full_name":"northwind/shop"}}`)}},
		[]byte(`{"action":"closed","pull_request":{"number":7},"repository":{"full_name":"northwind/shop"}}`), time.Now())
	if err != nil || ref != "northwind/shop#7" {
		t.Errorf("GitHub's hook: %q (%v)", ref, err)
	}
}

// TestReq_R75_JiraRights: doctor tells what the token can do beyond reading.
func TestReq_R75_JiraRights(t *testing.T) {
	t.Parallel()
	j := newJira(t)
	s := j.open(t, "OPS")
	for _, f := range s.Probe(t.Context()) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
	j.powers = []string{"TRANSITION_ISSUES"}
	found := 0
	for _, f := range s.Probe(t.Context()) {
		if !f.OK && strings.Contains(f.What, "TRANSITION_ISSUES") && f.Do != "" {
			found++
		}
	}
	if found != 1 {
		t.Error("a token that closes issues is fine for doctor")
	}
}

// TestMemory: an answer is given again for half a minute at most, an error never; a hook has it asked anew.
func TestMemory(t *testing.T) {
	t.Parallel()
	j := newJira(t)
	j.issues["OPS-1"] = `{"status":{"name":"Open","statusCategory":{"key":"new"}}}`
	now := time.Now()
	m := tasks.Remember(j.open(t, "OPS"), func() time.Time { return now })
	want := func(open bool) {
		t.Helper()
		if got, err := m.Task(t.Context(), "OPS-1"); err != nil || got.Open != open {
			t.Fatalf("%+v (%v)", got, err)
		}
	}
	closed := `{"status":{"name":"Done","statusCategory":{"key":"done"}}}`
	want(true)
	j.issues["OPS-1"] = closed
	want(true)
	now = now.Add(29 * time.Second)
	want(true)
	now = now.Add(2 * time.Second)
	want(false)
	j.issues["OPS-1"] = `{"status":{"name":"Open","statusCategory":{"key":"new"}}}`
	m.Forget("OPS-1")
	want(true)
	j.down = true
	m.Forget("OPS-1")
	if _, err := m.Task(t.Context(), "OPS-1"); err == nil {
		t.Error("Jira is away, and there is an answer")
	}
	j.down = false
	want(true)
}
