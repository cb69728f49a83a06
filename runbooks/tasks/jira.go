package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// JiraConfig says how Jira is asked.
type JiraConfig struct {
	Rest        rest.Config // URL and Roots
	User        string      // with Jira Cloud, the e-mail address that the token belongs to; empty: a personal access token
	Token       runbooks.Secret
	Projects    []string // keys of the projects whose issues count: "OPS"
	From, Until string   // fields of a change window: "customfield_10100"; may be empty
	HookSecret  runbooks.Secret
}

// Jira asks one site, Cloud or Data Center, by the part of the REST API (version 2) that both have.
type Jira struct {
	grantless
	cfg JiraConfig
	api *rest.Client
}

// OpenJira reads the configuration; it calls nobody.
func OpenJira(cfg JiraConfig) (*Jira, error) {
	project, field := runbooks.Pattern(`[A-Z][A-Z0-9_]{1,30}`), runbooks.Pattern(`[A-Za-z][A-Za-z0-9_]{0,60}`)
	switch {
	case cfg.Token.IsZero():
		return nil, errors.New("settings need token_file or token_env")
	case len(cfg.Projects) == 0 || slices.ContainsFunc(cfg.Projects, func(p string) bool { return !project(p) }):
		return nil, errors.New("setting projects: it takes keys of projects such as OPS, with spaces between; at least one")
	case cfg.From != "" && !field(cfg.From), cfg.Until != "" && !field(cfg.Until):
		return nil, errors.New("settings window_from and window_until: they take ids of fields such as customfield_10100")
	}
	if err := hookSecret(cfg.HookSecret); err != nil {
		return nil, err
	}
	cfg.Rest.Service = "Jira"
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, _ []byte) error {
		if cfg.User != "" {
			r.SetBasicAuth(cfg.User, cfg.Token.Reveal())
			return nil
		}
		r.Header.Set("Authorization", "Bearer "+cfg.Token.Reveal())
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return nil, err
	}
	return &Jira{grantless: grantless{"jira"}, cfg: cfg, api: api}, nil
}

// Close ends idle connections.
func (j *Jira) Close() error { return j.api.Close() }

// Covers takes keys of the projects' issues: "OPS-12".
func (j *Jira) Covers(ref string) bool {
	project, number, ok := strings.Cut(ref, "-")
	return ok && slices.Contains(j.cfg.Projects, project) && runbooks.Pattern(`[1-9][0-9]{0,9}`)(number)
}

// issue is what is read of one.
type issue struct {
	Key    string                     `json:"key"`
	Fields map[string]json.RawMessage `json:"fields"`
}

// Task asks for the issue. Jira answers 404 also for what the token may not see: that the project can be seen is asked
// before an issue is said not to exist. A key that was moved elsewhere is answered under its new name, and counts as gone.
func (j *Jira) Task(ctx context.Context, ref string) (workflows.Task, error) {
	const what = "asking for the issue"
	none := workflows.Task{Ref: ref}
	query := url.Values{"fields": {strings.Trim(strings.Join([]string{"summary,status,assignee", j.cfg.From, j.cfg.Until}, ","), ",")}}
	r, err := j.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("rest", "api", "2", "issue", ref), Query: query})
	if err != nil {
		return none, err
	}
	if r.Status == http.StatusNotFound {
		project, _, _ := strings.Cut(ref, "-")
		return none, j.project(ctx, project)
	}
	if err := j.api.Judge(what, r); err != nil {
		return none, err
	}
	var i issue
	if err := j.api.Into(what, r, &i); err != nil {
		return none, err
	}
	if i.Key != ref {
		return none, nil
	}
	t, err := j.read(i)
	if err != nil {
		return none, runbooks.Errorf(runbooks.Broken, err, "%s: the answer of Jira cannot be read", what)
	}
	return Clean(t), nil
}

func (j *Jira) project(ctx context.Context, key string) error {
	r, err := j.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("rest", "api", "2", "project", key)})
	if err != nil {
		return err
	}
	if err := j.api.Judge("looking for the project "+key, r); err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "%s: whether the issue exists cannot be told", err)
	}
	return nil
}

func (j *Jira) read(i issue) (workflows.Task, error) {
	var status struct {
		Name           string
		StatusCategory struct{ Key string }
	}
	var who struct{ EmailAddress, Name, DisplayName string }
	t := workflows.Task{Ref: i.Key, Exists: true, Link: j.api.Base() + "/browse/" + i.Key}
	if err := json.Unmarshal(i.Fields["status"], &status); err != nil || status.StatusCategory.Key == "" {
		return t, fmt.Errorf("no status: %w", err)
	}
	_ = json.Unmarshal(i.Fields["assignee"], &who) // null: nobody
	_ = json.Unmarshal(i.Fields["summary"], &t.Title)
	t.Open, t.Status = status.StatusCategory.Key != "done", status.Name
	if a := who.EmailAddress; a != "" {
		t.Assignees = []string{a}
	} else if a := who.Name; a != "" {
		t.Assignees = []string{a}
	}
	var err1, err2 error
	t.From, err1 = window(i.Fields, j.cfg.From)
	t.Until, err2 = window(i.Fields, j.cfg.Until)
	return t, errors.Join(err1, err2)
}

// window reads one end of a change window. A field that is empty is no end; one that is no time is a mistake of the
// settings, and must not be taken for an open window.
func window(fields map[string]json.RawMessage, name string) (workflows.Stamp, error) {
	raw := fields[name]
	if name == "" || len(raw) == 0 || string(raw) == "null" {
		return 0, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return 0, fmt.Errorf("the field %s is no time", name)
	}
	for _, layout := range []string{"2006-01-02T15:04:05.000-0700", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return stamp(t), nil
		}
	}
	return 0, fmt.Errorf("the field %s is no time", name)
}

// Hook verifies a webhook of Jira and gives the issue that it is about.
func (j *Jira) Hook(header http.Header, body []byte, _ time.Time) ([]string, error) {
	if err := bodySignature(j.cfg.HookSecret, header.Get("X-Hub-Signature"), "sha256=", body); err != nil {
		return nil, err
	}
	var event struct{ Issue struct{ Key string } }
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, errors.New("the webhook cannot be read")
	}
	return covered(j, event.Issue.Key), nil
}

// covered keeps what is one of the system's.
func covered(s System, refs ...string) []string {
	return slices.DeleteFunc(slices.Clone(refs), func(ref string) bool { return len(ref) > maxRef || !s.Covers(ref) })
}

// Probe asks who the token is and for each project. What else the token may do Jira tells as a list of permissions.
func (j *Jira) Probe(ctx context.Context) []runbooks.Finding {
	var out []runbooks.Finding
	for _, p := range j.cfg.Projects {
		if err := j.project(ctx, p); err != nil {
			out = append(out, runbooks.Finding{What: err.Error(), Do: "look at the url, the token, the setting projects and the permission Browse projects"})
			continue
		}
		out = append(out, runbooks.Finding{OK: true, What: "the project " + p + " can be read"})
	}
	return append(out, j.tooMuch(ctx)...)
}

func (j *Jira) tooMuch(ctx context.Context) []runbooks.Finding {
	powers := []string{"ADMINISTER", "ADMINISTER_PROJECTS", "EDIT_ISSUES", "TRANSITION_ISSUES", "DELETE_ISSUES"}
	var have struct {
		Permissions map[string]struct{ HavePermission bool }
	}
	_, err := j.api.Ask(ctx, "asking what the token may do", rest.Call{
		Method: http.MethodGet, Path: "/rest/api/2/mypermissions", Query: url.Values{"permissions": {strings.Join(powers, ",")}},
	}, &have)
	if err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the token"}}
	}
	var out []runbooks.Finding
	for _, p := range powers {
		if have.Permissions[p].HavePermission {
			out = append(out, runbooks.Finding{What: "the token has Jira's permission " + p + ", which the bot does not need", Do: "use an account that may only browse the projects"})
		}
	}
	if len(out) == 0 {
		out = append(out, runbooks.Finding{OK: true, What: "the token can neither administer Jira nor change issues"})
	}
	return out
}
