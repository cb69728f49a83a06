package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/tasks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// The settings of systems of tasks, which stand among the targets and grant nothing.
const (
	settingURL         = "url"
	settingRoots       = "ca_file"
	settingToken       = "token"       // read from _file or _env
	settingUser        = "user"        // of Jira Cloud
	settingProjects    = "projects"    // of Jira
	settingTeams       = "teams"       // of Linear
	settingFrom        = "window_from" // of Jira: the field where a change window begins
	settingUntil       = "window_until"
	settingPattern     = "pattern"     // of a service of one's own
	settingSecretName  = "secret"      // likewise; read from _file or _env
	settingHookSecret  = "hook_secret" // read from _file or _env: the system posts its webhooks to /hooks/TARGET
	settingGitHubTasks = "tasks"       // of a target on GitHub: true when its issues and pull requests count as tasks
)

func grantlessParams() *spec.Params { return &spec.Params{Grantless: true} }

func openJira(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	err := knownSettings(s, []string{settingToken, settingHookSecret}, settingURL, settingUser, settingProjects, settingFrom, settingUntil, settingRoots)
	if err != nil {
		return nil, err
	}
	r, token, hook, err := taskAccess(s)
	if err != nil {
		return nil, err
	}
	return opened(tasks.OpenJira(tasks.JiraConfig{
		Rest: r, User: s[settingUser], Token: token, Projects: words(s[settingProjects]), From: s[settingFrom], Until: s[settingUntil], HookSecret: hook,
	}))
}

func openLinear(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	if err := knownSettings(s, []string{settingToken, settingHookSecret}, settingURL, settingTeams, settingRoots); err != nil {
		return nil, err
	}
	r, token, hook, err := taskAccess(s)
	if err != nil {
		return nil, err
	}
	return opened(tasks.OpenLinear(tasks.LinearConfig{Rest: r, Token: token, Teams: words(s[settingTeams]), HookSecret: hook}))
}

func openPagerDuty(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	if err := knownSettings(s, []string{settingToken, settingHookSecret}, settingURL, settingRoots); err != nil {
		return nil, err
	}
	r, token, hook, err := taskAccess(s)
	if err != nil {
		return nil, err
	}
	return opened(tasks.OpenPagerDuty(tasks.PagerDutyConfig{Rest: r, Token: token, HookSecret: hook}))
}

func openGoAlert(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	if err := knownSettings(s, []string{settingToken}, settingURL, settingRoots); err != nil {
		return nil, err
	}
	r, token, _, err := taskAccess(s)
	if err != nil {
		return nil, err
	}
	return opened(tasks.OpenGoAlert(tasks.GoAlertConfig{Rest: r, Token: token}))
}

func openOwnTasks(at opening) (runbooks.Connector, error) {
	s := at.target.Settings
	if err := knownSettings(s, []string{settingSecretName}, settingURL, settingPattern, settingRoots); err != nil {
		return nil, err
	}
	secret, err1 := settingSecret(s, settingSecretName)
	roots, err2 := rest.Roots(s[settingRoots], os.ReadFile)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return opened(tasks.OpenOwn(tasks.OwnConfig{Rest: rest.Config{URL: s[settingURL], Roots: roots}, Pattern: s[settingPattern], Secret: secret}))
}

func taskAccess(s map[string]string) (r rest.Config, token, hook runbooks.Secret, err error) {
	token, err1 := settingSecret(s, settingToken)
	hook, err2 := settingSecretOr(s, settingHookSecret)
	roots, err3 := rest.Roots(s[settingRoots], os.ReadFile)
	return rest.Config{URL: s[settingURL], Roots: roots}, token, hook, errors.Join(err1, err2, err3)
}

// taskSource is a system of tasks as the desk asks it.
type taskSource struct {
	name string
	*tasks.Memory
	hook func(http.Header, []byte, time.Time) ([]string, error) // nil: it posts no webhooks
}

// Name is the target's id.
func (s taskSource) Name() string { return s.name }

// Task asks, and names the source.
func (s taskSource) Task(ctx context.Context, ref string) (workflows.Task, error) {
	t, err := s.Memory.Task(ctx, ref)
	t.Source = s.name
	return t, err
}

// taskSources finds the systems of tasks among the targets. Those that could not be opened stand last: they cover what no other does, and
// cannot tell, until they can be opened; to leave them out would take every ticket as typed.
func taskSources(conns *connectors, targets []spec.Target, now func() time.Time) []taskSource {
	var up, down []taskSource
	for _, t := range targets {
		if t.Connector == "github" && t.Settings[settingGitHubTasks] != "true" || t.Connector != "github" && !isGrantless(t.Connector) {
			continue
		}
		switch con := conns.byTarget[string(t.ID)].(type) {
		case *downTarget:
			down = append(down, taskSource{name: string(t.ID), Memory: tasks.Remember(downTasks{con}, now), hook: downTasks{con}.hook(t)})
		case tasks.System:
			up = append(up, taskSource{name: string(t.ID), Memory: tasks.Remember(con, now), hook: hookOf(con, t)})
		}
	}
	return append(up, down...)
}

func isGrantless(connector string) bool {
	p := connectorKinds()[connector].params
	return p != nil && p.Grantless
}

// hookOf gives what verifies a system's webhooks. GitHub's secret is a setting of the target, since the connector has no other use for it.
func hookOf(s tasks.System, t spec.Target) func(http.Header, []byte, time.Time) ([]string, error) {
	if h, ok := s.(tasks.Hooked); ok {
		return h.Hook
	}
	return func(header http.Header, body []byte, now time.Time) ([]string, error) {
		secret, err := settingSecret(t.Settings, settingHookSecret)
		if err != nil {
			return nil, err
		}
		ref, err := tasks.GitHubHook(secret, header, body, now)
		if err != nil || !s.Covers(ref) {
			return nil, err
		}
		return []string{ref}, nil
	}
}

// downTasks is a system that could not be opened at the start.
type downTasks struct{ d *downTarget }

func (s downTasks) system() (tasks.System, error) {
	con, err := s.d.connector()
	if err != nil {
		return nil, err
	}
	system, ok := con.(tasks.System)
	if !ok {
		return nil, fmt.Errorf("target %s keeps no tasks", s.d.target.ID)
	}
	return system, nil
}

// Covers takes everything while nobody knows better.
func (s downTasks) Covers(ref string) bool {
	system, err := s.system()
	return err != nil || system.Covers(ref)
}

// Task asks, if the system can be opened by now.
func (s downTasks) Task(ctx context.Context, ref string) (workflows.Task, error) {
	system, err := s.system()
	if err != nil {
		return workflows.Task{Ref: ref}, err
	}
	return system.Task(ctx, ref)
}

func (s downTasks) hook(t spec.Target) func(http.Header, []byte, time.Time) ([]string, error) {
	return func(header http.Header, body []byte, now time.Time) ([]string, error) {
		system, err := s.system()
		if err != nil {
			return nil, err
		}
		return hookOf(system, t)(header, body, now)
	}
}

// deskTasks are the sources as the desk takes them.
func deskTasks(sources []taskSource) []desk.TaskSource {
	out := make([]desk.TaskSource, 0, len(sources))
	for _, s := range sources {
		out = append(out, s)
	}
	return out
}
