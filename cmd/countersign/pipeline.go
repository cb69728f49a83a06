package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/countersign-bot/countersign/bot/api"
)

// A pipeline asks for access over the API, waits, runs one command with what it got, and gives it back: `countersign request -api URL -wait
// -- COMMAND`. It proves who it is with a token of its own platform or a client certificate, never with a secret of ours.

const (
	pipelinePoll    = 50 * time.Second // of one long poll; the server allows no more
	pipelineAgain   = 3 * time.Second  // after a call that did not come through
	pipelinePatient = 5 * time.Minute  // of calls that do not come through, before giving up
	releaseWithin   = 30 * time.Second
	maxAPIAnswer    = 1 << 20
)

// pipeline is a client of the API.
type pipeline struct {
	p       proc
	front   front
	session string
	client  *http.Client
}

// apiProblem is an error that the API explained.
type apiProblem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Fields []struct {
		Field string `json:"field"`
		Text  string `json:"text"`
	} `json:"fields"`
}

func (e *apiProblem) Error() string {
	var b strings.Builder
	b.WriteString(cmp.Or(e.Detail, e.Title))
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "\n  %s: %s", f.Field, f.Text)
	}
	return b.String()
}

func (p proc) getenv(name string) string {
	for i := len(p.env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(p.env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// identityToken gets a fresh token of the platform that the pipeline runs on.
func (x *pipeline) identityToken(ctx context.Context) (string, error) {
	if x.front.token != "" {
		b, err := os.ReadFile(x.front.token)
		if err != nil {
			return "", fmt.Errorf("reading the token: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	if u := x.p.getenv("ACTIONS_ID_TOKEN_REQUEST_URL"); u != "" {
		return x.actionsToken(ctx, u)
	}
	if t := x.p.getenv(prefix + "_TOKEN"); t != "" {
		return t, nil
	}
	return "", hint(errors.New("there is no token that says who this pipeline is"),
		"name a file with -token-file, a client certificate with -cert and -cert-key, give the job `permissions: id-token: write` (GitHub Actions), or put the platform's ID token into %s_TOKEN", prefix)
}

// actionsToken asks GitHub Actions for an ID token made for the audience.
func (x *pipeline) actionsToken(ctx context.Context, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("asking the platform for a token: %w", err)
	}
	q := u.Query()
	q.Set("audience", x.front.audience)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+x.p.getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
	resp, err := x.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking the platform for a token: %w", err)
	}
	defer resp.Body.Close()
	var out struct{ Value string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAPIAnswer)).Decode(&out); err != nil || out.Value == "" {
		return "", fmt.Errorf("asking the platform for a token: it answered %s without one", resp.Status)
	}
	return out.Value, nil
}

// begin opens a session.
func (x *pipeline) begin(ctx context.Context) error {
	token := ""
	var err error
	if x.front.cert != "" {
		err = x.reconnect()
	} else {
		token, err = x.identityToken(ctx)
	}
	if err != nil {
		return err
	}
	x.session = token // the bearer of this one call
	var out struct{ Session string }
	err = x.once(ctx, http.MethodPost, "/v1/session", nil, nil, &out)
	x.session = out.Session
	return err
}

// once makes one call.
func (x *pipeline) once(ctx context.Context, method, path string, header http.Header, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, x.front.address+path, body)
	if err != nil {
		return err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if x.session != "" {
		req.Header.Set("Authorization", "Bearer "+x.session)
	}
	resp, err := x.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAPIAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		p := &apiProblem{Status: resp.StatusCode, Title: "the API answered " + resp.Status}
		_ = json.Unmarshal(raw, p) // a proxy's page stays "the API answered 502"
		return p
	}
	if out == nil || len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// call makes a call that may be made again: a session that ended is opened anew, and what does not come through is repeated for a while.
func (x *pipeline) call(ctx context.Context, method, path string, header http.Header, in, out any) error {
	until, renewed := time.Now().Add(pipelinePatient), false
	for {
		err := x.once(ctx, method, path, header, in, out)
		var p *apiProblem
		explained := errors.As(err, &p)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case explained && p.Code == "no_session" && !renewed:
			renewed = true
			if err := x.begin(ctx); err != nil {
				return err
			}
			continue
		case explained && p.Status < http.StatusInternalServerError && p.Status != http.StatusTooManyRequests, time.Now().After(until):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pipelineAgain):
		}
	}
}

// ask submits and, if told to, waits until access is there or never will be.
func (x *pipeline) ask(ctx context.Context, a api.Ask, wait bool) (r api.Request, err error) {
	if err := x.begin(ctx); err != nil {
		return r, err
	}
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	if err := x.call(ctx, http.MethodPost, "/v1/requests", http.Header{"Idempotency-Key": {hex.EncodeToString(key[:])}}, a, &r); err != nil {
		return r, err
	}
	said := ""
	for wait && !r.Settled() {
		if r.Sentence != said {
			said = r.Sentence
			fmt.Fprintf(x.p.err, "%s: %s %s\n", r.ID, r.State, said)
		}
		if err := x.call(ctx, http.MethodGet, "/v1/requests/"+r.ID+"?wait="+pipelinePoll.String(), nil, nil, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// asked is what a pipeline asks for, as its command line says.
type asked struct {
	workflow, what, reason, long, confirm string
	fields                                pairs
}

// overAPI asks as a workload.
func (x *person) overAPI(ctx context.Context, f front, wait bool, command []string, a asked) error {
	u, err := url.Parse(f.address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" {
		return usageError{"-api: want https:// and the bot's address, got " + printable(f.address)}
	}
	if len(command) > 0 && !wait {
		return usageError{"-- COMMAND needs -wait: there is no access before somebody decided"}
	}
	target, entitlement, _ := strings.Cut(a.what, "/")
	if err := f.check(); err != nil {
		return err
	}
	f.address, f.audience = strings.TrimSuffix(f.address, "/"), cmp.Or(f.audience, u.Hostname())
	c := &pipeline{p: x.p, front: f}
	if c.client, err = f.connect(); err != nil {
		return err
	}
	ask := api.Ask{Workflow: a.workflow, Target: target, Entitlement: entitlement, Duration: a.long, Reason: a.reason, Fields: a.fields, Confirm: a.confirm}
	return c.through(ctx, ask, wait, command, func(r api.Request) error {
		if *x.asJSON {
			enc := json.NewEncoder(x.p.out)
			enc.SetIndent("", "  ")
			return enc.Encode(r)
		}
		_, err := fmt.Fprintf(x.p.out, "%s: %s. %s\n", r.ID, r.State, r.Sentence)
		return err
	})
}

// release gives access back, or withdraws, whatever became of the command; its own context, since the pipeline may have been told to stop.
func (x *pipeline) release(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), releaseWithin)
	defer cancel()
	var r api.Request
	if err := x.call(ctx, http.MethodPost, "/v1/requests/"+id+"/release", nil, nil, &r); err != nil {
		return fmt.Errorf("giving the access back (it ends by itself, too): %w", err)
	}
	return nil
}

// through runs a request over the API: with a command, everything until it is given back.
func (x *pipeline) through(ctx context.Context, a api.Ask, wait bool, command []string, print func(api.Request) error) (err error) {
	r, err := x.ask(ctx, a, wait)
	if ctx.Err() != nil && r.ID != "" {
		return errors.Join(errors.New("told to stop while waiting"), x.release(r.ID))
	}
	if err != nil {
		return err
	}
	if !wait || r.State != api.StateActive || len(command) == 0 {
		if err := print(r); err != nil || !wait || r.State == api.StateActive {
			return err
		}
		if r.State == api.StateTimedOut {
			return errors.New("nobody decided in time, which is not a denial")
		}
		return errors.New("there is no access: " + r.State)
	}
	defer func() { err = errors.Join(err, x.release(r.ID)) }()
	return x.run(ctx, r, command)
}

// run runs the command with the credential in its environment.
func (x *pipeline) run(ctx context.Context, r api.Request, command []string) error {
	dir, err := os.MkdirTemp("", "countersign-") // 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	env := []string{prefix + "_REQUEST=" + r.ID, prefix + "_GRANT=" + r.Grant}
	if len(r.Use) > 0 {
		env = append(env, prefix+"_USE="+string(r.Use))
	}
	if r.Secret {
		var s api.Secret
		if err := x.once(ctx, http.MethodPost, "/v1/requests/"+r.ID+"/secret", nil, nil, &s); err != nil {
			return fmt.Errorf("taking the credential: %w", err)
		}
		more, err := secretEnv(dir, s)
		if err != nil {
			return err
		}
		env = append(env, more...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = releaseWithin
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.p.in, x.p.out, x.p.err
	for _, v := range x.p.env {
		if !strings.HasPrefix(v, prefix+"_TOKEN=") && !strings.HasPrefix(v, "ACTIONS_ID_TOKEN_REQUEST_") { // the command acts with what was granted, and as nobody
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return codeError{exit.ExitCode(), fmt.Errorf("%s ended with %d", filepath.Base(command[0]), exit.ExitCode())}
	}
	return err
}

// secretEnv turns the parts of a secret into variables, COUNTERSIGN_SECRET_PASSWORD and so on; what is a file is written into dir, and its
// variable, with _FILE, names it.
func secretEnv(dir string, s api.Secret) (env []string, err error) {
	for _, p := range s.Parts {
		name := prefix + "_SECRET_" + strings.Map(func(r rune) rune {
			if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return unicode.ToUpper(r)
			}
			return '_'
		}, p.Name)
		if p.File == "" {
			env = append(env, name+"="+p.Value)
			continue
		}
		path := filepath.Join(dir, filepath.Base(p.File))
		if err := writeNew(path, p.Value); err != nil {
			return nil, err
		}
		env = append(env, name+"_FILE="+path)
	}
	return env, nil
}
