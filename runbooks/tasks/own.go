package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// OwnConfig says how a service of the operator's own is asked.
type OwnConfig struct {
	Rest    rest.Config // URL and Roots
	Pattern string      // RE2 that a whole reference must match
	Secret  runbooks.Secret
}

// Own asks one service.
type Own struct {
	grantless
	api     *rest.Client
	path    string
	pattern *regexp.Regexp
	key     []byte
}

// OpenOwn reads the configuration; it calls nobody.
func OpenOwn(cfg OwnConfig) (*Own, error) {
	if cfg.Pattern == "" || len(cfg.Pattern) > maxPattern {
		return nil, fmt.Errorf("setting pattern: it takes an expression for references, such as CHG-[0-9]{1,8}, of up to %d bytes", maxPattern)
	}
	pattern, err := regexp.Compile(`\A(?:` + cfg.Pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("setting pattern: %w", err)
	}
	k, err := key(cfg.Secret)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(cfg.Rest.URL)
	if err != nil {
		return nil, errors.New("the url is not an address such as https://changes.example.com/countersign")
	}
	path := u.EscapedPath()
	u.Path, u.RawPath = "", ""
	cfg.Rest.URL, cfg.Rest.Service = u.String(), "the service behind this target"
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, body []byte) error {
		signStandard(r.Header, k, time.Now(), body)
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return nil, err
	}
	return &Own{grantless: grantless{"tasks"}, api: api, path: path, pattern: pattern, key: k}, nil
}

// Close ends idle connections.
func (o *Own) Close() error { return o.api.Close() }

// Covers matches the pattern.
func (o *Own) Covers(ref string) bool { return len(ref) <= maxRef && o.pattern.MatchString(ref) }

// said is the service's answer. exists and open must be there: an empty object must not read as "closed".
type said struct {
	Exists    *bool     `json:"exists"`
	Open      *bool     `json:"open"`
	Status    string    `json:"status"`
	Title     string    `json:"title"`
	Link      string    `json:"link"`
	Assignees []string  `json:"assignees"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
}

// Task asks the service.
func (o *Own) Task(ctx context.Context, ref string) (workflows.Task, error) {
	const what = "asking for the task"
	none := workflows.Task{Ref: ref}
	var s said
	body := rest.JSON(map[string]any{"v": 1, "op": "task", "ref": ref})
	r, err := o.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: o.path, Body: body})
	if err != nil {
		return none, err
	}
	if err := o.api.Judge(what, r); err != nil {
		return none, err
	}
	if err := o.api.Into(what, r, &s); err != nil {
		return none, err
	}
	switch {
	case s.Exists != nil && !*s.Exists:
		return none, nil
	case s.Exists == nil, s.Open == nil:
		return none, runbooks.Errorf(runbooks.Broken, nil, "%s: the service does not say whether it exists and is open", what)
	case !s.Until.IsZero() && !s.Until.After(s.From):
		return none, runbooks.Errorf(runbooks.Broken, nil, "%s: the service gives a window that ends before it begins", what)
	}
	return Clean(workflows.Task{
		Ref: ref, Exists: true, Open: *s.Open, Status: s.Status, Title: s.Title, Link: s.Link, Assignees: s.Assignees, From: stamp(s.From), Until: stamp(s.Until),
	}), nil
}

// Hook verifies a webhook and gives the reference that it names.
func (o *Own) Hook(header http.Header, body []byte, now time.Time) ([]string, error) {
	if err := verifyStandard(header, o.key, now, body); err != nil {
		return nil, err
	}
	var event struct{ Ref string }
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, errors.New("the webhook cannot be read")
	}
	return covered(o, event.Ref), nil
}

// Probe says what is known: only a real question shows what the service does.
func (o *Own) Probe(ctx context.Context) []runbooks.Finding {
	if _, err := o.api.Do(ctx, rest.Call{Method: http.MethodHead, Path: o.path}); err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the url, the certificate and the network"}}
	}
	return []runbooks.Finding{{OK: true, What: o.api.Host() + " can be reached; what it knows of tasks is not seen from here"}}
}
