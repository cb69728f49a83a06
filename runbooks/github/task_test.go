package github_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// TestReq_R55_PullRequestsAndWhoHasThem: GitHub's answers as it documents them, for what the emulator does not do. A pull request is open until it is merged or closed,
// those it is assigned to are named, and while GitHub is away, or says nothing that is understood, nothing is told.
func TestReq_R55_PullRequestsAndWhoHasThem(t *testing.T) {
	t.Parallel()
	var status atomic.Int32
	var body atomic.Pointer[string]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/repos/northwind/shop/issues/7" || r.Header.Get("Authorization") != "Bearer "+ownerToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, *body.Load())
	}))
	defer srv.Close()
	c, err := github.Open(github.Config{Rest: rest.Config{URL: srv.URL}, Token: runbooks.NewSecret(ownerToken), Scope: []string{"northwind"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(code int32, text string) (workflows.Task, error) {
		status.Store(code)
		body.Store(&text)
		return c.Task(t.Context(), "northwind/shop#7")
	}
	const pull = `{"title":"Faster shop","state":"STATE","html_url":"https://github.example/northwind/shop/pull/7","assignees":[{"login":"Maya"},{"login":"jonas"}],"pull_request":{"merged_at":MERGED}}`
	want := workflows.Task{
		Ref: "northwind/shop#7", Exists: true, Open: true, Status: "open", Title: "Faster shop", Link: "https://github.example/northwind/shop/pull/7", Assignees: []string{"maya", "jonas"},
	}
	for _, x := range []struct {
		state, merged, status string
		open                  bool
	}{{"open", "null", "open", true}, {"closed", "null", "closed", false}, {"closed", `"2026-11-22T09:00:00Z"`, "merged", false}} {
		want.Open, want.Status = x.open, x.status
		got, err := ask(http.StatusOK, strings.NewReplacer("STATE", x.state, "MERGED", x.merged).Replace(pull))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s, %s: %v %s", x.state, x.merged, err, diff)
		}
	}
	for text, code := range map[string]int32{`{"title":"x"}`: http.StatusOK, `{"state":"half open"}`: http.StatusOK, `not JSON`: http.StatusOK, `{}`: http.StatusBadGateway, `{"message":"no"}`: http.StatusForbidden} {
		if got, err := ask(code, text); err == nil || got.Open {
			t.Errorf("%d %s: %+v", code, text, got)
		}
	}
}
