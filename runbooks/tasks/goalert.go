package tasks

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// GoAlertConfig says how GoAlert is asked.
type GoAlertConfig struct {
	Rest  rest.Config // URL and Roots
	Token runbooks.Secret
}

// GoAlert asks one installation about alerts, by its GraphQL API (POST /api/graphql). Its keys are made for one query, GoAlertQuery.
type GoAlert struct {
	grantless
	cfg GoAlertConfig
	api *rest.Client
}

// GoAlertQuery is the query that an API key of GoAlert is made for. The words are those of its schema (graphql2/schema.graphql).
const GoAlertQuery = `query($id: Int!) { alert(id: $id) { alertID status summary service { name labels { key value } } } }`

const goAlertPrefix = "ALERT-"

// OpenGoAlert reads the configuration; it calls nobody.
func OpenGoAlert(cfg GoAlertConfig) (*GoAlert, error) {
	switch {
	case cfg.Token.IsZero():
		return nil, errors.New("settings need token_file or token_env")
	case cfg.Rest.URL == "":
		return nil, errors.New("setting url is needed: where your GoAlert is")
	}
	cfg.Rest.Service = "GoAlert"
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(cfg.Token.Reveal()))
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return nil, err
	}
	return &GoAlert{grantless: grantless{"goalert"}, cfg: cfg, api: api}, nil
}

// Close ends idle connections.
func (g *GoAlert) Close() error { return g.api.Close() }

// Covers takes numbers of alerts with a prefix: "ALERT-123".
func (g *GoAlert) Covers(ref string) bool {
	number, ok := strings.CutPrefix(ref, goAlertPrefix)
	return ok && runbooks.Pattern(`[1-9][0-9]{0,8}`)(number)
}

// goAlert is what GoAlert answers.
type goAlert struct {
	Data struct {
		Alert *struct {
			AlertID int
			Status  string
			Summary string
			Service *struct {
				Name   string
				Labels []struct{ Key, Value string }
			}
		}
	}
	Errors []struct{ Message string }
}

// Task asks for the alert. How bad it is, GoAlert does not know by itself: a label of the service whose key ends in /severity says it, such
// as countersign/severity with SEV-2. An alert has no commander.
func (g *GoAlert) Task(ctx context.Context, ref string) (workflows.Task, error) {
	const what = "asking for the alert"
	none := workflows.Task{Ref: ref}
	id, err := strconv.Atoi(strings.TrimPrefix(ref, goAlertPrefix))
	if err != nil {
		return none, nil
	}
	var a goAlert
	body := rest.JSON(map[string]any{"query": GoAlertQuery, "variables": map[string]int{"id": id}})
	if _, err := g.api.Ask(ctx, what, rest.Call{Method: http.MethodPost, Path: "/api/graphql", Body: body}, &a); err != nil {
		return none, err
	}
	if len(a.Errors) > 0 {
		return none, runbooks.Errorf(runbooks.Broken, nil, "%s: GoAlert answers with an error (%s)", what, rest.Clean(a.Errors[0].Message, maxStatus))
	}
	x := a.Data.Alert
	if x == nil {
		return none, nil
	}
	status, known := strings.CutPrefix(x.Status, "Status")
	if !known || status == "" || x.AlertID != id {
		return none, runbooks.Errorf(runbooks.Broken, nil, "%s: GoAlert does not say in which state it is", what)
	}
	t := workflows.Task{Ref: ref, Exists: true, Open: status != "Closed", Status: strings.ToLower(status), Title: x.Summary, Link: g.api.Base() + "/alerts/" + strconv.Itoa(id)}
	if x.Service != nil {
		for _, l := range x.Service.Labels {
			if strings.HasSuffix(l.Key, "/severity") {
				t.Status += ", " + l.Value
			}
		}
	}
	return Clean(t), nil
}

// Probe asks for an alert that there is not: the answer shows that the key is accepted and made for our query.
func (g *GoAlert) Probe(ctx context.Context) []runbooks.Finding {
	if _, err := g.Task(ctx, goAlertPrefix+"1"); err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "make an API key in GoAlert for exactly this query, with the role user: " + GoAlertQuery}}
	}
	return []runbooks.Finding{{OK: true, What: "alerts can be asked for"}}
}
