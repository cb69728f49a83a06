package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// LinearConfig says how Linear is asked.
type LinearConfig struct {
	Rest       rest.Config // URL ("": Linear's own) and Roots
	Token      runbooks.Secret
	Teams      []string // keys of the teams whose issues count: "ENG"
	HookSecret runbooks.Secret
}

// Linear asks one workspace.
type Linear struct {
	grantless
	cfg LinearConfig
	api *rest.Client
}

// OpenLinear reads the configuration; it calls nobody.
func OpenLinear(cfg LinearConfig) (*Linear, error) {
	team := runbooks.Pattern(`[A-Z][A-Z0-9]{0,14}`)
	switch {
	case cfg.Token.IsZero():
		return nil, errors.New("settings need token_file or token_env")
	case len(cfg.Teams) == 0 || slices.ContainsFunc(cfg.Teams, func(t string) bool { return !team(t) }):
		return nil, errors.New("setting teams: it takes keys of teams such as ENG, with spaces between; at least one")
	}
	if err := hookSecret(cfg.HookSecret); err != nil {
		return nil, err
	}
	if cfg.Rest.URL == "" {
		cfg.Rest.URL = "https://api.linear.app"
	}
	cfg.Rest.Service = "Linear"
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", strings.TrimSpace(cfg.Token.Reveal())) // a key as it is; an OAuth token with "Bearer " before it
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return nil, err
	}
	return &Linear{grantless: grantless{"linear"}, cfg: cfg, api: api}, nil
}

// Close ends idle connections.
func (l *Linear) Close() error { return l.api.Close() }

// Covers takes identifiers of the teams' issues: "ENG-12".
func (l *Linear) Covers(ref string) bool {
	team, number, ok := strings.Cut(ref, "-")
	return ok && slices.Contains(l.cfg.Teams, team) && runbooks.Pattern(`[1-9][0-9]{0,9}`)(number)
}

const (
	linearIssue = `query($id: String!) { issue(id: $id) { identifier title url state { name type } assignee { email displayName } } }`
	linearTeams = `query { teams(first: 250) { nodes { key } } }`
)

// answer is what GraphQL gives. Linear answers 200 or 400 with errors in the body.
type answer struct {
	Data struct {
		Issue *struct {
			Identifier, Title, URL string
			State                  struct{ Name, Type string }
			Assignee               *struct{ Email, DisplayName string }
		}
		Teams struct{ Nodes []struct{ Key string } }
	}
	Errors []struct {
		Extensions struct{ Type, Code string }
	}
}

func (l *Linear) ask(ctx context.Context, what, query, id string) (answer, error) {
	body := map[string]any{"query": query}
	if id != "" {
		body["variables"] = map[string]string{"id": id}
	}
	var a answer
	r, err := l.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: "/graphql", Body: rest.JSON(body)})
	if err != nil {
		return a, err
	}
	if json.Unmarshal(r.Body, &a) == nil && len(a.Errors) > 0 {
		return a, a.classed(what)
	}
	if err := l.api.Judge(what, r); err != nil {
		return a, err
	}
	return a, l.api.Into(what, r, &a)
}

// errInput is the cause of an error that says that the question was about something that is not there.
var errInput = errors.New("invalid input")

func (a answer) classed(what string) error {
	code := a.Errors[0].Extensions.Code
	switch strings.ToUpper(code) {
	case "INPUT_ERROR":
		return runbooks.Errorf(runbooks.Refuse, errInput, "%s: Linear does not know what was asked for", what)
	case "RATELIMITED":
		return runbooks.Errorf(runbooks.Retry, nil, "%s: Linear asks to come again later", what)
	case "AUTHENTICATION_ERROR", "FORBIDDEN":
		return runbooks.Errorf(runbooks.Broken, nil, "%s: Linear does not accept our token", what)
	}
	return runbooks.Errorf(runbooks.Retry, nil, "%s: Linear answers with an error (%s)", what, rest.Clean(code, maxStatus))
}

// Task asks for the issue. That it is not there is believed when its team can be seen.
func (l *Linear) Task(ctx context.Context, ref string) (workflows.Task, error) {
	none := workflows.Task{Ref: ref}
	a, err := l.ask(ctx, "asking for the issue", linearIssue, ref)
	if err != nil && !errors.Is(err, errInput) {
		return none, err
	}
	i := a.Data.Issue
	if err != nil || i == nil {
		team, _, _ := strings.Cut(ref, "-")
		return none, l.seeTeam(ctx, team)
	}
	if i.Identifier != ref { // it was moved to another team
		return none, nil
	}
	t := workflows.Task{
		Ref: ref, Exists: true, Title: i.Title, Link: i.URL, Status: i.State.Name,
		Open: !slices.Contains([]string{"completed", "canceled", "duplicate"}, i.State.Type),
	}
	if i.State.Type == "" {
		return none, runbooks.Errorf(runbooks.Broken, nil, "asking for the issue: Linear does not say in which state it is")
	}
	if i.Assignee != nil && i.Assignee.Email != "" {
		t.Assignees = []string{i.Assignee.Email}
	}
	return Clean(t), nil
}

func (l *Linear) seeTeam(ctx context.Context, key string) error {
	a, err := l.ask(ctx, "looking for the team "+key, linearTeams, "")
	if err != nil {
		return err
	}
	for _, t := range a.Data.Teams.Nodes {
		if t.Key == key {
			return nil
		}
	}
	return runbooks.Errorf(runbooks.Broken, nil, "Linear does not show us the team %s: whether the issue exists cannot be told", key)
}

// Hook verifies a webhook of Linear and gives the issue that it is about.
func (l *Linear) Hook(header http.Header, body []byte, now time.Time) ([]string, error) {
	if err := bodySignature(l.cfg.HookSecret, header.Get("Linear-Signature"), "", body); err != nil {
		return nil, err
	}
	var event struct {
		Type             string
		Data             struct{ Identifier string }
		WebhookTimestamp int64
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, errors.New("the webhook cannot be read")
	}
	if at := event.WebhookTimestamp; at != 0 && now.Sub(time.UnixMilli(at)).Abs() > hookAge {
		return nil, errSignature
	}
	if event.Type != "Issue" {
		return nil, nil
	}
	return covered(l, event.Data.Identifier), nil
}

// Probe looks for the teams. What else the key may do Linear does not tell.
func (l *Linear) Probe(ctx context.Context) []runbooks.Finding {
	var out []runbooks.Finding
	for _, team := range l.cfg.Teams {
		if err := l.seeTeam(ctx, team); err != nil {
			out = append(out, runbooks.Finding{What: err.Error(), Do: "look at the token, and at the setting teams"})
			continue
		}
		out = append(out, runbooks.Finding{OK: true, What: "the team " + team + " can be read; what else the key may do Linear does not tell: make it with the permission Read alone"})
	}
	return out
}
