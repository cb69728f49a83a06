package github_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// TestReq_R85_InvitationAndRole: write access to a repository as a resource that is asked for. Somebody from outside is invited: that counts
// as made and as unconfirmed. A revocation takes back an invitation, and a role that grew out of one.
func TestReq_R85_InvitationAndRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	c := open(t, f, repo)
	g := grant(0, map[string][]string{github.ParamRepository: {repo}, github.ParamRole: {"push"}})
	g.Account = "extern"
	want := func(p runbooks.Presence, words string) {
		t.Helper()
		got, err := c.Check(t.Context(), g)
		if got != p || (words == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), words) {
			t.Fatalf("reading back: %s (%v), want %s (%q)", got, err, p, words)
		}
	}
	must := func(_ runbooks.Receipt, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Grant(t.Context(), g))
	want(runbooks.Unconfirmed, "the invitation has not been accepted yet")
	must(c.Grant(t.Context(), g))
	if n := f.asked("PUT /repos/" + repo + "/collaborators/extern"); n != 1 {
		t.Errorf("invited %d times", n)
	}
	must(c.Revoke(t.Context(), g))
	want(runbooks.Absent, "")
	f.accept(t, "extern") // of an invitation that is gone: nothing
	want(runbooks.Absent, "")

	must(c.Grant(t.Context(), g))
	f.accept(t, "extern")
	want(runbooks.Present, "")
	other := grant(0, map[string][]string{github.ParamRepository: {repo}, github.ParamRole: {"admin"}})
	other.Account = "extern"
	if _, err := c.Grant(t.Context(), other); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("a second role over the first one: %v", err)
	}
	must(c.Revoke(t.Context(), g))
	want(runbooks.Absent, "")
}

// TestApp: calls are made as an App's installation, whose token is asked for once; what it may do is told by doctor, and what is too much.
func TestReq_R75_App(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	c, err := github.Open(github.Config{
		Rest: rest.Config{URL: f.URL}, App: strconv.Itoa(appID), Installation: strconv.Itoa(installed), Key: runbooks.NewSecret(string(pemOf(w.key))), Scope: []string{repo},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, finding := range c.Probe(t.Context()) {
			if !finding.OK {
				t.Errorf("%+v", finding)
			}
		}
	}
	if n := f.asked("POST /app/installations/"); n != 1 {
		t.Errorf("asked for a token %d times", n)
	}
	wrong, err := github.Open(github.Config{
		Rest: rest.Config{URL: f.URL}, App: strconv.Itoa(appID), Installation: "1", Key: runbooks.NewSecret(string(pemOf(w.key))), Scope: []string{repo},
	})
	if err != nil {
		t.Fatal(err)
	}
	if findings := wrong.Probe(t.Context()); len(findings) != 1 || findings[0].OK || !strings.Contains(findings[0].What, "look at app_id and installation_id") {
		t.Errorf("with another installation's number: %+v", findings)
	}
}

// TestReq_R75_TooMuch: doctor names scopes of a classic token that the bot does not need.
func TestReq_R75_TooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	f.scopes = "repo, delete_repo, admin:enterprise"
	var bad []string
	for _, finding := range open(t, f, repo).Probe(t.Context()) {
		if !finding.OK {
			bad = append(bad, finding.What)
		}
	}
	want := []string{"the token has the scope delete_repo, which the bot does not need", "the token has the scope admin:enterprise, which the bot does not need"}
	if !slices.Equal(bad, want) {
		t.Errorf("%q", bad)
	}
}

// TestReq_R66_Discover: what is no person's own is found with its rights and last use.
func TestReq_R66_Discover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	got := map[string]runbooks.Discovered{}
	for d, err := range open(t, f, "northwind", repo).Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[d.Ref] = d
	}
	app, key := got["app northwind/9"], got["deploy key "+repo+"/7"]
	if !app.Strong || app.Kind != "integration" || !slices.Equal(app.Grants, []string{"administration: write", "contents: read"}) {
		t.Errorf("the App: %+v", app)
	}
	if key.Kind != "ssh_key" || key.Fingerprint != deployKeyPrint || key.Owner != "owner" || key.LastUsed.Format("2006-01-02") != "2026-10-01" || !slices.Equal(key.Grants, []string{"writes to " + repo}) {
		t.Errorf("the deploy key: %+v", key)
	}
}

// TestReq_R66_StandingCollaborator: who was added by hand is listed, and can be taken away.
func TestReq_R66_StandingCollaborator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	hand(t, http.MethodPut, w.emulator+"/repos/"+repo+"/collaborators/sofia", map[string]string{"permission": "maintain"}, nil)
	c := open(t, f, repo)
	n := 0
	for a, err := range c.ListAccess(t.Context()) {
		if err != nil || a.Account != "sofia" || a.Ours || a.Params[github.ParamRole][0] != "maintain" {
			t.Fatalf("%+v (%v)", a, err)
		}
		n++
		if _, err := c.RemoveAccess(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 {
		t.Errorf("%d listed", n)
	}
	for a := range c.ListAccess(t.Context()) {
		t.Errorf("still there: %+v", a)
	}
}

// TestFault_F26_ServiceDown: an answer that says nothing is "come again", and reading back cannot tell.
func TestFault_F26_ServiceDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	c := open(t, f, repo)
	g := grant(0, map[string][]string{github.ParamRepository: {repo}, github.ParamRole: {"pull"}})
	f.mu.Lock()
	f.down = true
	f.mu.Unlock()
	if _, err := c.Grant(t.Context(), g); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("granting: %v", err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Unconfirmed || err == nil {
		t.Errorf("reading back: %s (%v)", p, err)
	}
}

// TestReq_R74_SettingsWrong: what is missing or doubled is told; nothing falls back to another credential.
func TestReq_R74_SettingsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  github.Config
		want string
	}{
		{github.Config{Scope: []string{"a"}}, "settings need token_file or token_env, or app_id, installation_id and app_key_file"},
		{github.Config{Scope: []string{"a"}, Token: runbooks.NewSecret("x"), App: "1"}, "settings name a token and an App; only one can be meant"},
		{github.Config{Scope: []string{"a"}, App: "1x", Installation: "2", Key: runbooks.NewSecret("x")}, `setting app_id: "1x" is not a number`},
		{github.Config{Scope: []string{"a"}, App: "1", Installation: "2", Key: runbooks.NewSecret("x")}, "setting app_key: it is not a private key in PEM"},
		{github.Config{Token: runbooks.NewSecret("x")}, "setting scope: it takes names of organisations, and of repositories as owner/name, with spaces between; at least one"},
		{github.Config{Token: runbooks.NewSecret("x"), Scope: []string{"a"}, Rest: rest.Config{URL: "http://example.com"}}, "the url is not https (http is for this machine only)"},
	} {
		if _, err := github.Open(c.cfg); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestOutside: nothing outside of the target's scope is granted.
func TestOutside(t *testing.T) {
	t.Parallel()
	c, err := github.Open(github.Config{Rest: rest.Config{URL: "http://127.0.0.1:1"}, Token: runbooks.NewSecret("x"), Scope: []string{"northwind", "owner/shop"}})
	if err != nil {
		t.Fatal(err)
	}
	for params, want := range map[string]runbooks.Class{
		"repository=other/shop": runbooks.Refuse, "repository=owner/other": runbooks.Refuse, "team=other/x": runbooks.Refuse,
		"repository=owner/shop": runbooks.Retry, "repository=Northwind/any": runbooks.Retry, "team=northwind/x": runbooks.Retry, // nobody answers there
	} {
		name, value, _ := strings.Cut(params, "=")
		g := grant(0, map[string][]string{name: {value}})
		if name == github.ParamRepository {
			g.Params[github.ParamRole] = []string{"pull"}
		}
		if _, err := c.Grant(t.Context(), g); err == nil || runbooks.ClassOf(err) != want {
			t.Errorf("%s: %v", params, err)
		}
		var classed *runbooks.Error
		if _, err := c.Grant(t.Context(), g); !errors.As(err, &classed) {
			t.Errorf("%s: %v is not classed", params, err)
		}
	}
}

// TestReq_R55_IssuesAndPullRequests: an issue of the scope is open until it is closed; one that is not there is not; and what cannot be seen
// cannot be told.
func TestReq_R55_IssuesAndPullRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	c := open(t, f, repo, "owner/hidden")
	hand(t, http.MethodPost, w.emulator+"/repos/"+repo+"/issues", map[string]any{"title": "Shop is slow", "assignees": []string{"maya"}}, nil)
	ref := repo + "#1"
	if !c.Covers(ref) || c.Covers("other/shop#1") || c.Covers(repo) || c.Covers(repo+"#0") {
		t.Error("what the target covers")
	}
	if got, err := c.Task(t.Context(), ref); err != nil || !got.Exists || !got.Open || got.Title != "Shop is slow" {
		t.Fatalf("%+v (%v)", got, err)
	}
	hand(t, http.MethodPatch, w.emulator+"/repos/"+repo+"/issues/1", map[string]any{"state": "closed"}, nil)
	if got, err := c.Task(t.Context(), ref); err != nil || !got.Exists || got.Open {
		t.Errorf("closed: %+v (%v)", got, err)
	}
	if got, err := c.Task(t.Context(), repo+"#99"); err != nil || got.Exists {
		t.Errorf("one that is not there: %+v (%v)", got, err)
	}
	if _, err := c.Task(t.Context(), "owner/hidden#1"); err == nil {
		t.Error("of a repository that we do not see, it is told that there is no such issue")
	}
}
