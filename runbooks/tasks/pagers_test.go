package tasks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/tasks"
)

// pagerDutyExample is the vendor's published example of an answer, cut to a few members more than are read.
const pagerDutyExample = `{"incident":{"id":"PT4KHLK","type":"incident","summary":"[#1234] The server is on fire.","self":"https://api.pagerduty.com/incidents/PT4KHLK",
"html_url":"https://subdomain.pagerduty.com/incidents/PT4KHLK","incident_number":1234,"title":"The server is on fire.","created_at":"2015-10-06T21:30:42Z",
"status":%q,"incident_key":"baf7cf21b1da41b4b0221008339ff357","service":{"id":"PIJ90N7","type":"service_reference","summary":"My Mail Service"},
"assignments":[{"at":"2015-11-10T00:31:52Z","assignee":{"id":"PXPGF42","type":"user","name":"Earline Greenholt","email":"Earline.Greenholt@example.com"}}],
"priority":{"id":"P53ZZH5","type":"priority","summary":"P2","name":"P2"},"urgency":"high"}}`

// TestReq_R53_IncidentsOfPagerDuty: an incident is asked for as the API documents it; what is not found is not there, what cannot be asked is
// not known, and a webhook of version 3 names its incident when it is signed.
func TestReq_R53_IncidentsOfPagerDuty(t *testing.T) {
	t.Parallel()
	status, code := "triggered", http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Token token=u+key":
			w.WriteHeader(http.StatusUnauthorized)
		case r.Header.Get("Accept") != "application/vnd.pagerduty+json;version=2" || r.URL.Query().Get("include[]") != "assignees":
			w.WriteHeader(http.StatusBadRequest)
		case r.URL.Path != "/incidents/PT4KHLK":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":{"message":"Not Found","code":2100}}`)
		case code != http.StatusOK:
			w.WriteHeader(code)
		default:
			fmt.Fprintf(w, pagerDutyExample, status)
		}
	}))
	t.Cleanup(srv.Close)
	open := func(token string) *tasks.PagerDuty {
		p, err := tasks.OpenPagerDuty(tasks.PagerDutyConfig{Rest: rest.Config{URL: srv.URL}, Token: runbooks.NewSecret(token), HookSecret: runbooks.NewSecret(hookSecret)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	p := open("u+key")
	got, err := p.Task(t.Context(), "PT4KHLK")
	if err != nil || !got.Exists || !got.Open || got.Status != "triggered, P2" || got.Title != "The server is on fire." || !slices.Equal(got.Assignees, []string{"earline.greenholt@example.com"}) {
		t.Errorf("%+v (%v)", got, err)
	}
	status = "resolved"
	if got, err := p.Task(t.Context(), "PT4KHLK"); err != nil || !got.Exists || got.Open {
		t.Errorf("resolved: %+v (%v)", got, err)
	}
	status = "postponed"
	if _, err := p.Task(t.Context(), "PT4KHLK"); err == nil {
		t.Error("a state that there is not was believed")
	}
	status = "triggered"
	if got, err := p.Task(t.Context(), "PNOTHERE1"); err != nil || got.Exists {
		t.Errorf("one that is not there: %+v (%v)", got, err)
	}
	for _, code = range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusForbidden} {
		if got, err := p.Task(t.Context(), "PT4KHLK"); err == nil || got.Exists {
			t.Errorf("%d: %+v", code, got)
		}
	}
	code = http.StatusOK
	if _, err := open("other").Task(t.Context(), "PT4KHLK"); err == nil || runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("with another token: %v", err)
	}
	for ref, want := range map[string]bool{"PT4KHLK": true, "Q0ZNH7219M5J6D": true, "INC-7": false, "PT4": false, "PT4KHLK/../users": false, "pt4khlk": false} {
		if p.Covers(ref) != want {
			t.Errorf("%q: %t", ref, !want)
		}
	}
	body := `{"event":{"id":"5ac64822-4adc-4fda-ade0-410becf0de4f","event_type":"incident.resolved","resource_type":"incident","data":{"id":"PT4KHLK","type":"incident","status":"resolved"}}}`
	refs, err := p.Hook(http.Header{"X-Pagerduty-Signature": {"v1=00, v1=" + sign(body)}}, []byte(body), time.Now())
	if err != nil || !slices.Equal(refs, []string{"PT4KHLK"}) {
		t.Errorf("the hook: %q (%v)", refs, err)
	}
	for _, signature := range []string{"", "v1=", "v1=00", sign(body), "v0=" + sign(body)} {
		if _, err := p.Hook(http.Header{"X-Pagerduty-Signature": {signature}}, []byte(body), time.Now()); err == nil {
			t.Errorf("signed with %q it is heard", signature)
		}
	}
}

// TestReq_R53_AlertsOfGoAlert: an alert is asked for with the one query that the key is made for, in the words of GoAlert's schema.
func TestReq_R53_AlertsOfGoAlert(t *testing.T) {
	t.Parallel()
	state := "StatusUnacknowledged"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Query     string
			Variables struct{ ID *int }
		}
		_ = json.NewDecoder(r.Body).Decode(&q)
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/api/graphql":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "Bearer key":
			w.WriteHeader(http.StatusUnauthorized)
		case q.Query != tasks.GoAlertQuery || q.Variables.ID == nil:
			fmt.Fprint(w, `{"errors":[{"message":"wrong query for API key"}],"data":null}`)
		case *q.Variables.ID != 17:
			fmt.Fprint(w, `{"data":{"alert":null}}`)
		default:
			fmt.Fprintf(w, `{"data":{"alert":{"alertID":17,"status":%q,"summary":"Disk is full","service":{"name":"shop","labels":[{"key":"team/name","value":"web"},{"key":"countersign/severity","value":"SEV-2"}]}}}}`, state)
		}
	}))
	t.Cleanup(srv.Close)
	g, err := tasks.OpenGoAlert(tasks.GoAlertConfig{Rest: rest.Config{URL: srv.URL}, Token: runbooks.NewSecret("key")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	for _, x := range []struct {
		state, status string
		open          bool
	}{{"StatusUnacknowledged", "unacknowledged, SEV-2", true}, {"StatusAcknowledged", "acknowledged, SEV-2", true}, {"StatusClosed", "closed, SEV-2", false}} {
		state = x.state
		got, err := g.Task(t.Context(), "ALERT-17")
		if err != nil || !got.Exists || got.Open != x.open || got.Status != x.status || got.Title != "Disk is full" {
			t.Errorf("%s: %+v (%v)", x.state, got, err)
		}
	}
	state = "Gone"
	if _, err := g.Task(t.Context(), "ALERT-17"); err == nil {
		t.Error("a state that there is not was believed")
	}
	if got, err := g.Task(t.Context(), "ALERT-18"); err != nil || got.Exists {
		t.Errorf("one that is not there: %+v (%v)", got, err)
	}
	for ref, want := range map[string]bool{"ALERT-17": true, "ALERT-0": false, "ALERT-": false, "17": false, "ALERT-1234567890": false} {
		if g.Covers(ref) != want {
			t.Errorf("%q: %t", ref, !want)
		}
	}
	bad, err := tasks.OpenGoAlert(tasks.GoAlertConfig{Rest: rest.Config{URL: srv.URL}, Token: runbooks.NewSecret("other")})
	if err != nil {
		t.Fatal(err)
	}
	if f := bad.Probe(t.Context()); len(f) != 1 || f[0].OK || !strings.Contains(f[0].Do, "alert(id: $id)") {
		t.Errorf("the probe of another key: %+v", f)
	}
}
