package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// PagerDutyConfig says how PagerDuty is asked.
type PagerDutyConfig struct {
	Rest       rest.Config // URL ("": PagerDuty's own; the EU has another) and Roots
	Token      runbooks.Secret
	HookSecret runbooks.Secret
}

// PagerDuty asks one account about incidents, by the REST API version 2: GET /incidents/{id}, whose answer is documented at
// https://developer.pagerduty.com/api-reference (Incidents, Get an incident).
type PagerDuty struct {
	grantless
	cfg PagerDutyConfig
	api *rest.Client
}

const pagerDutyAccept = "application/vnd.pagerduty+json;version=2"

// OpenPagerDuty reads the configuration; it calls nobody.
func OpenPagerDuty(cfg PagerDutyConfig) (*PagerDuty, error) {
	if cfg.Token.IsZero() {
		return nil, errors.New("settings need token_file or token_env")
	}
	if err := hookSecret(cfg.HookSecret); err != nil {
		return nil, err
	}
	if cfg.Rest.URL == "" {
		cfg.Rest.URL = "https://api.pagerduty.com"
	}
	cfg.Rest.Service = "PagerDuty"
	cfg.Rest.Words = rest.Words("error", "message")
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", "Token token="+strings.TrimSpace(cfg.Token.Reveal()))
		r.Header.Set("Accept", pagerDutyAccept)
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return nil, err
	}
	return &PagerDuty{grantless: grantless{"pagerduty"}, cfg: cfg, api: api}, nil
}

// Close ends idle connections.
func (p *PagerDuty) Close() error { return p.api.Close() }

// Covers takes ids of incidents, as they stand in their addresses: "PT4KHLK", "Q0ZNH7219M5J6D".
func (p *PagerDuty) Covers(ref string) bool { return runbooks.Pattern(`[PQ][0-9A-Z]{6,13}`)(ref) }

// pagerIncident is what PagerDuty says of an incident, as far as it is read.
type pagerIncident struct {
	Incident struct {
		ID       string
		Title    string
		Status   string
		HTMLURL  string `json:"html_url"`
		Priority *struct{ Name, Summary string }

		Assignments []struct {
			Assignee struct{ Email string }
		}
	}
}

// Task asks for the incident. Its status carries the priority ("triggered, P2"), and whom it is assigned to comes first: who runs it.
func (p *PagerDuty) Task(ctx context.Context, ref string) (workflows.Task, error) {
	const what = "asking for the incident"
	none := workflows.Task{Ref: ref}
	r, err := p.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("incidents", ref), Query: url.Values{"include[]": {"assignees"}}})
	if err != nil {
		return none, err
	}
	if r.Status == http.StatusNotFound {
		return none, nil
	}
	if err := p.api.Judge(what, r); err != nil {
		return none, err
	}
	var a pagerIncident
	if err := p.api.Into(what, r, &a); err != nil {
		return none, err
	}
	i := a.Incident
	switch i.Status {
	case "triggered", "acknowledged", "resolved":
	default:
		return none, runbooks.Errorf(runbooks.Broken, nil, "%s: PagerDuty does not say in which state it is", what)
	}
	if i.ID != ref { // merged into another one
		return none, nil
	}
	t := workflows.Task{Ref: ref, Exists: true, Open: i.Status != "resolved", Status: i.Status, Title: i.Title, Link: i.HTMLURL}
	if i.Priority != nil {
		name := i.Priority.Name
		if name == "" {
			name = i.Priority.Summary
		}
		t.Status += ", " + name
	}
	for _, x := range i.Assignments {
		t.Assignees = append(t.Assignees, x.Assignee.Email)
	}
	return Clean(t), nil
}

// Hook verifies a webhook of version 3 and gives the incident that it is about. While a secret is being changed there are two signatures.
func (p *PagerDuty) Hook(header http.Header, body []byte, _ time.Time) ([]string, error) {
	ok := false
	for s := range strings.SplitSeq(header.Get("X-PagerDuty-Signature"), ",") {
		ok = ok || bodySignature(p.cfg.HookSecret, strings.TrimSpace(s), "v1=", body) == nil
	}
	if !ok {
		return nil, errSignature
	}
	var event struct {
		Event struct {
			Data struct{ ID, Type string }
		}
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, errors.New("the webhook cannot be read")
	}
	if event.Event.Data.Type != "incident" {
		return nil, nil
	}
	return covered(p, event.Event.Data.ID), nil
}

// Probe asks what the account may do, which every token may.
func (p *PagerDuty) Probe(ctx context.Context) []runbooks.Finding {
	var out struct{ Abilities []string }
	if _, err := p.api.Ask(ctx, "asking for the abilities of the account", rest.Call{Method: http.MethodGet, Path: "/abilities"}, &out); err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the token: a read-only key of the REST API is enough"}}
	}
	return []runbooks.Finding{{OK: true, What: "incidents can be asked for; make the key a read-only one"}}
}
