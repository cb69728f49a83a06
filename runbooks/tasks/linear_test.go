package tasks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/tasks"
)

// TestReq_R55_Linear: on npm's emulate, which answers Linear's GraphQL and keeps its issues.
func TestReq_R55_Linear(t *testing.T) {
	t.Parallel()
	base := runbooktest.Emulate(t, "linear", map[string]any{"linear": map[string]any{
		"users":         []any{map[string]any{"email": "maya@northwind.example", "name": "Maya"}},
		"teams":         []any{map[string]any{"key": "OPS", "name": "Operations", "states": []any{map[string]string{"name": "Todo", "type": "unstarted"}, map[string]string{"name": "Done", "type": "completed"}}}},
		"issues":        []any{map[string]any{"team": "OPS", "title": "Shop is slow", "state": "Todo", "assignee": "maya@northwind.example"}},
		"tokens":        []any{map[string]any{"token": "lin_bot", "user": "maya@northwind.example", "scopes": []string{"read", "write"}}},
		"strict_scopes": true,
	}})
	open := func(token string) *tasks.Linear {
		s, err := tasks.OpenLinear(tasks.LinearConfig{
			Rest: rest.Config{URL: base}, Token: runbooks.NewSecret(token), Teams: []string{"OPS", "SECRET"}, HookSecret: runbooks.NewSecret(hookSecret),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s := open("lin_bot")
	got, err := s.Task(t.Context(), "OPS-1")
	if err != nil || !got.Exists || !got.Open || got.Status != "Todo" || got.Title != "Shop is slow" || len(got.Assignees) != 1 || got.Assignees[0] != "maya@northwind.example" {
		t.Fatalf("%+v (%v)", got, err)
	}
	closeIssue(t, base)
	if got, err := s.Task(t.Context(), "OPS-1"); err != nil || !got.Exists || got.Open || got.Status != "Done" {
		t.Errorf("closed: %+v (%v)", got, err)
	}
	if got, err := s.Task(t.Context(), "OPS-99"); err != nil || got.Exists {
		t.Errorf("one that is not there: %+v (%v)", got, err)
	}
	if _, err := s.Task(t.Context(), "SECRET-1"); err == nil || !strings.Contains(err.Error(), "cannot be told") {
		t.Errorf("of a team that we do not see: %v", err)
	}
	body := `{"type":"Issue","action":"update","data":{"identifier":"OPS-1"},"webhookTimestamp":` + fmt.Sprint(time.Now().UnixMilli()) + `}`
	refs, err := s.Hook(http.Header{"Linear-Signature": {sign(body)}}, []byte(body), time.Now())
	if err != nil || len(refs) != 1 || refs[0] != "OPS-1" {
		t.Errorf("the hook: %q (%v)", refs, err)
	}
	if _, err := s.Hook(http.Header{"Linear-Signature": {sign(body)}}, []byte(body), time.Now().Add(time.Hour)); err == nil {
		t.Error("a hook of an hour ago is heard")
	}
}

// closeIssue moves the issue to Done, as a person does.
func closeIssue(t *testing.T, base string) {
	t.Helper()
	var states struct {
		Data struct {
			WorkflowStates struct{ Nodes []struct{ ID, Type string } }
			Issue          struct{ ID string }
		}
	}
	ask := func(query string, out any) {
		if err := runbooktest.CallJSON(t.Context(), http.MethodPost, base+"/graphql", "lin_bot", map[string]string{"query": query}, out); err != nil {
			t.Fatal(err)
		}
	}
	ask(`{ workflowStates { nodes { id type } } issue(id: "OPS-1") { id } }`, &states)
	for _, x := range states.Data.WorkflowStates.Nodes {
		if x.Type == "completed" {
			var out map[string]any
			ask(fmt.Sprintf(`mutation { issueUpdate(id: %q, input: { stateId: %q }) { success } }`, states.Data.Issue.ID, x.ID), &out)
			return
		}
	}
	t.Fatalf("no state is called completed: %+v", states)
}

// TestLinearErrors: Linear's own errors, as documented, which the emulator does not give.
func TestLinearErrors(t *testing.T) {
	t.Parallel()
	code := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Query string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		if strings.Contains(body.Query, "teams") {
			fmt.Fprint(w, `{"data":{"teams":{"nodes":[{"key":"OPS"}]}}}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"data":null,"errors":[{"message":"Entity not found: Issue","extensions":{"type":"invalid input","code":%q}}]}`, code)
	}))
	defer srv.Close()
	s, err := tasks.OpenLinear(tasks.LinearConfig{Rest: rest.Config{URL: srv.URL}, Token: runbooks.NewSecret("x"), Teams: []string{"OPS"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		code  string
		ok    bool
		class runbooks.Class
	}{
		{"INPUT_ERROR", true, 0}, {"RATELIMITED", false, runbooks.Retry}, {"AUTHENTICATION_ERROR", false, runbooks.Broken}, {"INTERNAL", false, runbooks.Retry},
	} {
		code = x.code
		got, err := s.Task(t.Context(), "OPS-1")
		if (err == nil) != x.ok || got.Exists || err != nil && runbooks.ClassOf(err) != x.class {
			t.Errorf("%s: %+v (%v)", x.code, got, err)
		}
	}
}
