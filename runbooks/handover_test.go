package runbooks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

// logins is a target whose logins need a password that we choose.
type logins struct {
	*runbooktest.Memory
	mu        sync.Mutex
	passwords []string
	say       func(password string) (runbooks.Receipt, error) // what the target answers; nil: a good receipt
	makes     func() (runbooks.Handover, error)
}

func (l *logins) MakeSecret(runbooks.Grant) (runbooks.Handover, error) {
	if l.makes != nil {
		return l.makes()
	}
	return runbooks.Handover{Title: "Password of a login", Parts: []runbooks.Part{
		{Name: "Login", Value: runbooks.NewSecret("cs_login_1"), Public: true},
		{Name: "Password", Value: runbooks.NewPassword()},
	}}, nil
}

func (l *logins) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	password := ""
	for _, p := range g.Secret.Parts {
		if p.Name == "Password" {
			password = p.Value.Reveal()
		}
	}
	l.mu.Lock()
	l.passwords = append(l.passwords, password)
	l.mu.Unlock()
	if password == "" {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, nil, "no password came with the order")
	}
	r, err := l.Memory.Grant(ctx, g)
	if l.say != nil {
		return l.say(password)
	}
	return r, err
}

// target puts logins behind a Runner with a safe.
func target(t *testing.T, l *logins) (*runbooks.Runner, *runbooktest.Safe, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"db": l}, slog.New(slog.NewJSONHandler(&log, nil)))
	safe := runbooktest.NewSafe()
	runner.KeepIn(safe)
	return runner, safe, &log
}

func loginGrant(id string) runbooks.Grant {
	now := time.Now().UTC().Add(-time.Minute)
	return runbooks.Grant{
		ID: workflows.GrantID("g_1-" + safeWord(id)), Identity: "p_ann", Holder: "Ann", Target: "db", Entitlement: "login",
		Start: now, End: now.Add(time.Hour),
	}
}

func safeWord(s string) string { return strings.ReplaceAll(s, " ", "_") }

// TestReq_R16_TheSecretIsSealedBeforeTheTargetHearsOfIt: made once, kept first, the same one at every retry, in no receipt.
func TestReq_R16_TheSecretIsSealedBeforeTheTargetHearsOfIt(t *testing.T) {
	t.Parallel()
	l := &logins{Memory: &runbooktest.Memory{}}
	runner, safe, log := target(t, l)
	g := loginGrant("retry")
	l.Script(runbooktest.CallGrant, runbooktest.Fault{Before: errors.New("connection reset")}, runbooktest.Fault{After: errors.New("connection reset")})
	if _, err := runner.Start(t.Context(), "db", g); err == nil {
		t.Fatal("the first call was to fail")
	}
	receipt, err := runner.Start(t.Context(), "db", g) // has its effect, fails, reads back, asks for the receipt
	if err != nil {
		t.Fatal(err)
	}
	if len(l.passwords) != 3 || l.passwords[0] != l.passwords[1] || l.passwords[1] != l.passwords[2] {
		t.Errorf("the target was told %d passwords, want the same one three times", len(l.passwords))
	}
	kept, ok, err := safe.Kept(t.Context(), g.ID)
	if err != nil || !ok || kept.Parts[1].Value.Reveal() != l.passwords[0] {
		t.Errorf("what is kept is not what the target was told: %v %v", ok, err)
	}
	if other, _ := runner.Start(t.Context(), "db", loginGrant("other")); other.Ref == "" || l.passwords[3] == l.passwords[0] {
		t.Error("another grant got the same password")
	}
	if said := fmt.Sprintf("%+v %s", receipt, log); strings.Contains(said, l.passwords[0]) {
		t.Error("the receipt or the log says the password")
	}
}

// A target that repeats what it was told is cleaned: in the receipt, in the error's words and in the cause for the log.
func TestReq_R16_WhatTheTargetRepeatsIsTakenOut(t *testing.T) {
	t.Parallel()
	l := &logins{Memory: &runbooktest.Memory{}}
	l.say = func(p string) (runbooks.Receipt, error) {
		return runbooks.Receipt{
			Ref: "login " + p, Facts: map[string]string{"statement": "ROLE x WITH " + p, "login": "cs_login_1"}, Personal: map[string]string{"note": p},
			Use: runbooks.Use{Steps: []string{"type " + p}, Command: "psql -W " + p, Host: p, Files: map[string]string{"pgpass": "h:1:d:u:" + p}},
		}, nil
	}
	runner, _, log := target(t, l)
	receipt, err := runner.Start(t.Context(), "db", loginGrant("echo"))
	if err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprintf("%+v", receipt); strings.Contains(said, l.passwords[0]) {
		t.Errorf("the receipt repeats the password: %s", strings.ReplaceAll(said, l.passwords[0], "<PASSWORD>"))
	}
	if receipt.Facts["login"] != "cs_login_1" {
		t.Errorf("a public part was taken out as well: %q", receipt.Facts["login"])
	}
	l.say = func(p string) (runbooks.Receipt, error) {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, fmt.Errorf("near %q", p), "syntax error at %s", p)
	}
	_, err = runner.Start(t.Context(), "db", loginGrant("fails"))
	last := l.passwords[len(l.passwords)-1]
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), last) {
			t.Errorf("an error repeats the password: %s", strings.ReplaceAll(e.Error(), last, "<PASSWORD>"))
		}
	}
	if strings.Contains(log.String(), last) {
		t.Error("the log repeats the password")
	}
}

// Nothing is made at the target when its secret could not be kept.
func TestThreat_T31_NoAccessWithoutAKeptSecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*runbooks.Runner, *runbooktest.Safe, *logins)
		class   runbooks.Class
	}{
		"no safe":        {func(r *runbooks.Runner, _ *runbooktest.Safe, _ *logins) { r.KeepIn(nil) }, runbooks.Broken},
		"safe fails":     {func(_ *runbooks.Runner, s *runbooktest.Safe, _ *logins) { s.Fail = errors.New("disk full") }, runbooks.Retry},
		"unkeepable":     {func(_ *runbooks.Runner, _ *runbooktest.Safe, l *logins) { l.makes = tooLong }, runbooks.Broken},
		"cannot be made": {func(_ *runbooks.Runner, _ *runbooktest.Safe, l *logins) { l.makes = refused }, runbooks.Refuse},
		"maker panics": {func(_ *runbooks.Runner, _ *runbooktest.Safe, l *logins) {
			l.makes = func() (runbooks.Handover, error) { panic("boo") }
		}, runbooks.Retry},
		"bad name of one": {func(_ *runbooks.Runner, _ *runbooktest.Safe, l *logins) { l.makes = twice }, runbooks.Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &logins{Memory: &runbooktest.Memory{}}
			runner, safe, _ := target(t, l)
			tc.prepare(runner, safe, l)
			_, err := runner.Start(t.Context(), "db", loginGrant(name))
			if err == nil || runbooks.ClassOf(err) != tc.class {
				t.Errorf("%v, want class %s", err, tc.class)
			}
			if len(l.passwords) != 0 || l.Calls(runbooktest.CallGrant) != 0 {
				t.Error("the target was asked all the same")
			}
		})
	}
}

func tooLong() (runbooks.Handover, error) {
	return runbooks.Handover{Parts: []runbooks.Part{{Name: "k", Value: runbooks.NewSecret(strings.Repeat("x", 33<<10))}}}, nil
}

func refused() (runbooks.Handover, error) {
	return runbooks.Handover{}, runbooks.Errorf(runbooks.Refuse, nil, "this role has no password")
}

func twice() (runbooks.Handover, error) {
	p := runbooks.Part{Name: "Password", Value: runbooks.NewPassword()}
	return runbooks.Handover{Parts: []runbooks.Part{p, p}}, nil
}

// minter is a target that makes the secret itself, and tells it.
type minter struct {
	*runbooktest.Memory
	tell []string
}

func (m *minter) Describe() runbooks.Capabilities {
	caps := m.Memory.Describe()
	caps.Mints = true
	return caps
}

func (m *minter) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	r, err := m.Memory.Grant(ctx, g)
	if err == nil && len(m.tell) > 0 {
		r.Handover = runbooks.Handover{Title: "Access key", Parts: []runbooks.Part{{Name: "Secret key", Value: runbooks.NewSecret(m.tell[0])}}}
		r.Facts = map[string]string{"note": "made " + m.tell[0]}
		m.tell = m.tell[1:]
	}
	return r, err
}

// What a target makes is sealed before its receipt goes on; a later one takes its place, none leaves it.
func TestReq_R16_WhatTheTargetMakesIsSealed(t *testing.T) {
	t.Parallel()
	m := &minter{Memory: &runbooktest.Memory{}, tell: []string{"first-secret-1", "second-secret-2"}}
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"aws": m}, nil)
	safe := runbooktest.NewSafe()
	runner.KeepIn(safe)
	g := loginGrant("minted")
	for i, want := range []string{"first-secret-1", "second-secret-2"} {
		r, err := runner.Start(t.Context(), "aws", g)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Handover.IsZero() || strings.Contains(fmt.Sprint(r), "-secret-") {
			t.Errorf("call %d: the receipt says it: %v", i, r)
		}
		kept, ok, err := safe.Kept(t.Context(), g.ID)
		if err != nil || !ok || kept.Parts[0].Value.Reveal() != want {
			t.Errorf("call %d: another secret is kept, or none: %v %v", i, ok, err)
		}
	}
	if _, err := runner.Start(t.Context(), "aws", loginGrant("unsaid")); err == nil || runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("a target that does not say its secret: %v, want it to be broken", err)
	}
	safe.Fail = errors.New("disk full")
	m.tell = []string{"third-secret-3", "fourth-secret-4"}
	if _, err := runner.Start(t.Context(), "aws", loginGrant("lost")); err == nil || runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("a secret that could not be kept: %v, want to come again", err)
	}
}

// A handover comes back from its bytes as it went in; printed in any way it says nothing.
func TestHandoverEncoding(t *testing.T) {
	t.Parallel()
	in := runbooks.Handover{Title: "Key", Wrapped: true, Until: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), Parts: []runbooks.Part{
		{Name: "Login", Value: runbooks.NewSecret("ann"), Public: true},
		{Name: "Private key", Value: runbooks.NewSecret("-----BEGIN\nü\x7f"), File: "key.pem"},
	}}
	raw, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out, err := runbooks.DecodeHandover(raw)
	reveal := cmp.Transformer("reveal", func(s runbooks.Secret) string { return s.Reveal() })
	if d := cmp.Diff(in, out, reveal); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if s := fmt.Sprintf(verb, in); strings.Contains(s, "BEGIN") || strings.Contains(s, "42454749") {
			t.Errorf("%s says the secret: %s", verb, s)
		}
	}
	if _, err := runbooks.DecodeHandover([]byte(`{"title":"hunter2-leak`)); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("damaged bytes: %v", err)
	}
	if _, err := runbooks.DecodeHandover([]byte(`{"title":"x","parts":[{"name":"a","value":"b","file":"../x"}]}`)); err == nil {
		t.Error("a file name that leaves its folder was taken")
	}
}

func TestNewPassword(t *testing.T) {
	t.Parallel()
	seen, letters := map[string]bool{}, map[rune]int{}
	for range 2000 {
		p := runbooks.NewPassword().Reveal()
		if len(p) != 28 || seen[p] || strings.ContainsAny(p, "0O1lI'\"\\ $") {
			t.Fatalf("a bad password of %d letters", len(p))
		}
		seen[p] = true
		for _, r := range p {
			letters[r]++
		}
	}
	if len(letters) != 56 {
		t.Errorf("%d letters are used, want 56", len(letters))
	}
	for r, n := range letters { // 1000 each; 5 sigma are 157
		if n < 800 || n > 1200 {
			t.Errorf("%q is there %d times of 56,000, want about 1,000", r, n)
		}
	}
}
