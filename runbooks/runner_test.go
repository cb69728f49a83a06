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
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

// tries is a Runner on a target in memory, with its log.
type tries struct {
	*runbooks.Runner
	m   *runbooktest.Memory
	log *bytes.Buffer
	g   runbooks.Grant
}

func newTries() *tries {
	s := &tries{
		m: &runbooktest.Memory{Caps: runbooks.Capabilities{Timeout: 10 * time.Second}}, log: &bytes.Buffer{},
		g: grantOf(1),
	}
	s.Runner = runbooks.NewRunner(map[string]runbooks.Connector{"memory": s.m}, slog.New(slog.NewTextHandler(s.log, nil)))
	return s
}

func grantOf(n int) runbooks.Grant {
	start := time.Now()
	return runbooks.Grant{
		ID: workflows.GrantID(fmt.Sprintf("g_%d", n)), Request: "r_1", Identity: "p_1", Holder: "Alice Ng", Account: "alice",
		Target: "pg-main", Entitlement: "reader", Params: map[string][]string{"role": {"reader"}}, Start: start, End: start.Add(time.Hour),
	}
}

func (s *tries) start(t *testing.T) (runbooks.Receipt, error) {
	t.Helper()
	return s.Start(t.Context(), "memory", s.g)
}

func wantError(t *testing.T, err error, class runbooks.Class, words string) {
	t.Helper()
	var e *runbooks.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(e.Text, words) {
		t.Fatalf("error %v (%s), want %s with %q", err, runbooks.ClassOf(err), class, words)
	}
}

func TestRunnerGrantsAndTakesBack(t *testing.T) {
	t.Parallel()
	s := newTries()
	first, err := s.start(t)
	if err != nil || !s.m.Works(s.g.ID) {
		t.Fatalf("%v, works %v", err, s.m.Works(s.g.ID))
	}
	second, err := s.start(t)
	if err != nil || !cmp.Equal(first, second) {
		t.Fatalf("again: %v\n%s", err, cmp.Diff(first, second))
	}
	for range 2 {
		_, presence, err := s.Stop(t.Context(), "memory", s.g)
		if err != nil || presence != runbooks.Absent || s.m.Works(s.g.ID) {
			t.Fatalf("stop: %s, %v", presence, err)
		}
	}
	if s.m.Calls(runbooktest.CallCheck) != 4 {
		t.Errorf("%d checks after 2 grants and 2 revocations", s.m.Calls(runbooktest.CallCheck))
	}
	if p, err := s.Read(t.Context(), "memory", s.g); p != runbooks.Absent || err != nil {
		t.Errorf("read: %s, %v", p, err)
	}
}

// TestFault_F25_HangingConnector: a connector that neither answers nor heeds its deadline costs the deadline and no
// more; the outcome is unknown; nothing claims otherwise until the call came back; the callers do not pile up.
func TestFault_F25_HangingConnector(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTries()
		s.m.Script(runbooktest.CallGrant, runbooktest.Fault{Hang: true, Late: true})
		before := time.Now()
		_, err := s.start(t)
		wantError(t, err, runbooks.Retry, "did not answer within 10s")
		if took := time.Since(before); took > 13*time.Second {
			t.Errorf("waited for %s", took)
		}
		if _, err = s.start(t); err == nil {
			t.Error("a second call was made while the first hangs")
		}
		wantError(t, err, runbooks.Retry, "not come back")

		// It may still take effect, so a revocation now cannot be the last word.
		_, presence, err := s.Stop(t.Context(), "memory", s.g)
		if presence != runbooks.Unconfirmed {
			t.Errorf("presence %s while a call may still make the access", presence)
		}
		wantError(t, err, runbooks.Retry, "may still appear")
		s.m.Release()
		synctest.Wait()
		if !s.m.Works(s.g.ID) {
			t.Fatal("the late effect of this test did not come")
		}
		_, presence, err = s.Stop(t.Context(), "memory", s.g)
		if presence != runbooks.Absent || err != nil || s.m.Works(s.g.ID) {
			t.Errorf("after it came back: %s, %v", presence, err)
		}
		if !strings.Contains(s.log.String(), "does not come back") || !strings.Contains(s.log.String(), "came back late") {
			t.Errorf("log: %s", s.log)
		}
	})
}

func TestFault_F25_HangingCallsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTries()
		s.m.Always(runbooktest.CallRevoke, runbooktest.Fault{Hang: true})
		s.m.Always(runbooktest.CallCheck, runbooktest.Fault{Hang: true})
		for range 40 {
			_, presence, err := s.Stop(t.Context(), "memory", s.g)
			if presence != runbooks.Unconfirmed || runbooks.ClassOf(err) != runbooks.Retry || err == nil {
				t.Fatalf("%s, %v", presence, err)
			}
		}
		if n := s.m.Calls(runbooktest.CallRevoke) + s.m.Calls(runbooktest.CallCheck); n > 16 {
			t.Errorf("%d calls hang", n)
		}
		s.m.Always(runbooktest.CallRevoke, runbooktest.Fault{})
		s.m.Always(runbooktest.CallCheck, runbooktest.Fault{})
		s.m.Release()
		synctest.Wait()
		if _, presence, err := s.Stop(t.Context(), "memory", s.g); presence != runbooks.Absent || err != nil {
			t.Errorf("after they came back: %s, %v", presence, err)
		}
	})
}

// A connector that is slow but heeds its context costs the deadline without the grace.
func TestFault_F25_SlowConnector(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTries()
		s.m.Script(runbooktest.CallGrant, runbooktest.Fault{Delay: time.Hour})
		before := time.Now()
		_, err := s.start(t)
		wantError(t, err, runbooks.Retry, "in time")
		if took := time.Since(before); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
		if s.m.Calls(runbooktest.CallCheck) != 1 {
			t.Error("the doubt was not settled by reading back")
		}
		if _, err := s.start(t); err != nil {
			t.Errorf("the next try: %v", err)
		}
	})
}

// TestFault_F26_EffectButError: fault x what reading back finds -> what the caller hears, how often Grant was called.
func TestFault_F26_EffectButError(t *testing.T) {
	t.Parallel()
	boom := errors.New("connection reset by peer")
	refuse := runbooks.Errorf(runbooks.Refuse, nil, "no such role")
	broken := runbooks.Errorf(runbooks.Broken, nil, "permission denied")
	cases := []struct {
		name   string
		grant  []runbooktest.Fault
		check  []runbooktest.Fault
		ok     bool
		class  runbooks.Class
		grants int
		works  bool
	}{
		{"effect, then error", []runbooktest.Fault{{After: boom}}, nil, true, 0, 2, true},
		{"effect, then broken", []runbooktest.Fault{{After: broken}}, nil, true, 0, 2, true},
		{"no effect", []runbooktest.Fault{{Before: boom}}, nil, false, runbooks.Retry, 1, false},
		{"refused", []runbooktest.Fault{{Before: refuse}}, nil, false, runbooks.Refuse, 1, false},
		{"broken", []runbooktest.Fault{{Before: broken}}, nil, false, runbooks.Broken, 1, false},
		{"panic", []runbooktest.Fault{{Panic: "nil map"}}, nil, false, runbooks.Retry, 1, false},
		{"effect, error, cannot read back", []runbooktest.Fault{{After: boom}}, []runbooktest.Fault{{Before: boom}}, false, runbooks.Retry, 1, true},
		{"effect, error twice", []runbooktest.Fault{{After: boom}, {After: boom}}, nil, false, runbooks.Retry, 2, true},
		{"effect, error, nonsense read back", []runbooktest.Fault{{After: boom}}, []runbooktest.Fault{{Present: "perhaps"}}, false, runbooks.Retry, 1, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTries()
			s.m.Script(runbooktest.CallGrant, c.grant...)
			s.m.Script(runbooktest.CallCheck, c.check...)
			receipt, err := s.start(t)
			if (err == nil) != c.ok || err != nil && runbooks.ClassOf(err) != c.class {
				t.Errorf("error %v (%s)", err, runbooks.ClassOf(err))
			}
			if (receipt.Ref != "") != c.ok {
				t.Errorf("receipt %+v", receipt)
			}
			if n := s.m.Calls(runbooktest.CallGrant); n != c.grants || s.m.Works(s.g.ID) != c.works {
				t.Errorf("%d grants, works %v; want %d, %v", n, s.m.Works(s.g.ID), c.grants, c.works)
			}
			if err != nil && c.class != runbooks.Refuse {
				if _, err := s.start(t); err != nil || !s.m.Works(s.g.ID) {
					t.Errorf("the next try: %v", err)
				}
			}
		})
	}
}

// TestFault_F27_RevocationIsNeverDropped: whatever the connector says, Stop asks to come again, and a later try that the
// target heeds ends it. Even a refusal is turned into a fault of the target, because nothing entitles it to refuse.
func TestFault_F27_RevocationIsNeverDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTries()
		if _, err := s.start(t); err != nil {
			t.Fatal(err)
		}
		faults := []runbooktest.Fault{
			{Before: errors.New("connection refused")},
			{Before: runbooks.Errorf(runbooks.Refuse, nil, "not today")},
			{Before: runbooks.Errorf(runbooks.Broken, nil, "permission denied")},
			{Panic: "index out of range"},
			{Delay: time.Hour},
			{Lie: true},
		}
		s.g.End = s.g.Start.AddDate(0, 10, 0)
		if _, err := s.start(t); err == nil {
			t.Fatal("the end of a grant moved")
		}
		s.m.Add(s.g)
		// 30 days of failure at one try a minute.
		for i := range 30 * 24 * 60 {
			fault := faults[0] // all kinds at first, then the one that costs least to fake
			if i < 600 {
				fault = faults[i%len(faults)]
			}
			s.m.Script(runbooktest.CallRevoke, fault)
			_, presence, err := s.Stop(t.Context(), "memory", s.g)
			if err == nil || runbooks.ClassOf(err) == runbooks.Refuse || presence != runbooks.Present {
				t.Fatalf("try %d: %s, %v (%s)", i, presence, err, runbooks.ClassOf(err))
			}
			s.log.Reset()
		}
		if n := s.m.Calls(runbooktest.CallRevoke); n != 30*24*60 {
			t.Errorf("%d calls reached the target", n)
		}
		if _, presence, err := s.Stop(t.Context(), "memory", s.g); presence != runbooks.Absent || err != nil {
			t.Errorf("at last: %s, %v", presence, err)
		}
	})
}

// A grant that breaks a limit cannot be revoked either, but nobody may take that for the end of the duty.
func TestFault_F27_StopNeverRefuses(t *testing.T) {
	t.Parallel()
	s := newTries()
	bad := s.g
	bad.Account = "a\x00b"
	_, presence, err := s.Stop(t.Context(), "memory", bad)
	if presence != runbooks.Unconfirmed {
		t.Errorf("presence %s", presence)
	}
	wantError(t, err, runbooks.Broken, "control character")
	_, _, err = s.Stop(t.Context(), "mamory", s.g)
	wantError(t, err, runbooks.Broken, `no connector "mamory"`)
}

// TestThreat_T54_LyingRevocation: "done" is not believed, reading back is.
func TestThreat_T54_LyingRevocation(t *testing.T) {
	t.Parallel()
	s := newTries()
	if _, err := s.start(t); err != nil {
		t.Fatal(err)
	}
	s.m.Script(runbooktest.CallRevoke, runbooktest.Fault{Lie: true})
	_, presence, err := s.Stop(t.Context(), "memory", s.g)
	if presence != runbooks.Present {
		t.Errorf("presence %s", presence)
	}
	wantError(t, err, runbooks.Retry, "still finds it")
	if _, presence, err = s.Stop(t.Context(), "memory", s.g); presence != runbooks.Absent || err != nil {
		t.Fatalf("an honest try: %s, %v", presence, err)
	}
	s.m.Add(s.g) // behind our back
	if p, err := s.Read(t.Context(), "memory", s.g); p != runbooks.Present || err != nil {
		t.Errorf("access that came back: %s, %v", p, err)
	}
}

// TestFault_F28_LyingConnector: fault x call -> what the caller hears. What a connector says about an effect is never
// the last word; only a target whose reading back lies as well gets through, and sweeps compare it with the ledger.
func TestFault_F28_LyingConnector(t *testing.T) {
	t.Parallel()
	s := newTries()
	s.m.Script(runbooktest.CallGrant, runbooktest.Fault{Lie: true})
	receipt, err := s.start(t)
	wantError(t, err, runbooks.Retry, "does not find it")
	if receipt.Ref != "" || s.m.Works(s.g.ID) {
		t.Errorf("a receipt for nothing: %+v", receipt)
	}
	if _, err := s.start(t); err != nil || !s.m.Works(s.g.ID) {
		t.Fatalf("an honest try: %v", err)
	}
	s.m.Script(runbooktest.CallCheck, runbooktest.Fault{Before: errors.New("not now")})
	if _, err := s.start(t); err != nil {
		t.Errorf("a target that cannot tell is no liar: %v", err)
	}
	s.m.Script(runbooktest.CallRevoke, runbooktest.Fault{Lie: true})
	if _, presence, err := s.Stop(t.Context(), "memory", s.g); presence != runbooks.Present || err == nil {
		t.Errorf("stop: %s, %v", presence, err)
	}
}

// An invocation of a runbook has no request behind it; it is granted all the same.
func TestRunnerTakesAGrantWithoutARequest(t *testing.T) {
	t.Parallel()
	s := newTries()
	s.g.Request = ""
	if _, err := s.start(t); err != nil {
		t.Error(err)
	}
}

// What the target cannot confirm is said in words, and is not an error.
func TestStopUnconfirmed(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]runbooktest.Fault{
		"with words": {Before: runbooks.Errorf(runbooks.Retry, nil, "2 of 3 hosts are behind")},
		"without":    {Present: runbooks.Unconfirmed},
	} {
		s := newTries()
		s.m.Always(runbooktest.CallCheck, f)
		r, presence, err := s.Stop(t.Context(), "memory", s.g)
		if presence != runbooks.Unconfirmed || err != nil || r.Facts["unconfirmed"] == "" {
			t.Errorf("%s: %s, %v, %v", name, presence, err, r.Facts)
		}
		if name == "with words" && r.Facts["unconfirmed"] != "2 of 3 hosts are behind" {
			t.Errorf("words: %v", r.Facts)
		}
	}
}

// The end of the caller's context is not a fault of the target: nothing is read back while the process stops.
func TestRunnerHeedsItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTries()
		s.m.Script(runbooktest.CallGrant, runbooktest.Fault{Delay: 5 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Start(ctx, "memory", s.g)
		wantError(t, err, runbooks.Retry, "")
		if s.m.Calls(runbooktest.CallCheck) != 0 {
			t.Error("read back though the caller is gone")
		}
	})
}

// TestThreat_T28_WhatWasHandedOverIsWhatRuns: concurrent grants with canaries in every place, whose owners change their
// copies right afterwards; each effect carries its own canary, and never another one's.
func TestThreat_T28_WhatWasHandedOverIsWhatRuns(t *testing.T) {
	t.Parallel()
	s := newTries()
	const n = 10_000
	var wg sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			g := grantOf(i)
			canary := fmt.Sprintf("canary-%d", i)
			g.Account, g.Params["role"][0], g.Fields = canary, canary, map[string]string{"key": canary}
			digest := g.Digest()
			r, err := s.Start(context.Background(), "memory", g)
			g.Params["role"][0], g.Fields["key"] = "changed", "changed"
			if err != nil || r.Facts["digest"] != digest {
				t.Errorf("%s: %v, ran %s instead of %s", g.ID, err, r.Facts["digest"], digest)
			}
		})
	}
	wg.Wait()
	for i := range n {
		held, ok := s.m.Held(workflows.GrantID(fmt.Sprintf("g_%d", i)))
		want := fmt.Sprintf("canary-%d", i)
		if !ok || held.Account != want || held.Params["role"][0] != want || held.Fields["key"] != want {
			t.Fatalf("grant %d: %+v", i, held)
		}
	}
}

// Everything that a connector is told is part of the digest.
func TestThreat_T28_DigestCoversEverything(t *testing.T) {
	t.Parallel()
	base := grantOf(1)
	base.Fields = map[string]string{"a": "b"}
	seen := map[string]string{base.Digest(): "base"}
	for name, change := range map[string]func(*runbooks.Grant){
		"ID": func(g *runbooks.Grant) { g.ID += "x" }, "Request": func(g *runbooks.Grant) { g.Request += "x" },
		"Identity": func(g *runbooks.Grant) { g.Identity += "x" }, "Holder": func(g *runbooks.Grant) { g.Holder += "x" },
		"Account": func(g *runbooks.Grant) { g.Account += "x" }, "Target": func(g *runbooks.Grant) { g.Target += "x" },
		"Entitlement": func(g *runbooks.Grant) { g.Entitlement += "x" }, "Params": func(g *runbooks.Grant) { g.Params["role"] = []string{"reader", ""} },
		"Params name": func(g *runbooks.Grant) { g.Params = map[string][]string{"rol": {"ereader"}} },
		"Fields":      func(g *runbooks.Grant) { g.Fields["a"] = "c" }, "Fields name": func(g *runbooks.Grant) { g.Fields = map[string]string{"ab": ""} },
		"Start": func(g *runbooks.Grant) { g.Start = g.Start.Add(1) }, "End": func(g *runbooks.Grant) { g.End = g.End.Add(1) },
	} {
		g := base.Clone()
		change(&g)
		if d := g.Digest(); seen[d] != "" {
			t.Errorf("%s: the same digest as %s", name, seen[d])
		} else {
			seen[d] = name
		}
	}
	zone := base.Clone()
	zone.Start = zone.Start.In(time.FixedZone("x", 3600))
	if zone.Digest() != base.Digest() {
		t.Error("the zone in which an instant is written changes the digest")
	}
}

func TestRunnerRefusesWhatIsOutOfBounds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*runbooks.Grant){
		"no id":           func(g *runbooks.Grant) { g.ID = "" },
		"foreign id":      func(g *runbooks.Grant) { g.ID = "../x" },
		"no target":       func(g *runbooks.Grant) { g.Target = "" },
		"no end":          func(g *runbooks.Grant) { g.End = time.Time{} },
		"backwards":       func(g *runbooks.Grant) { g.End = g.Start },
		"two years":       func(g *runbooks.Grant) { g.End = g.Start.AddDate(2, 0, 0) },
		"far away":        func(g *runbooks.Grant) { g.Start, g.End = g.Start.AddDate(9000, 0, 0), g.End.AddDate(9000, 0, 0) },
		"long holder":     func(g *runbooks.Grant) { g.Holder = strings.Repeat("x", 300) },
		"dash account":    func(g *runbooks.Grant) { g.Account = "-oProxyCommand=id" },
		"NUL account":     func(g *runbooks.Grant) { g.Account = "a\x00" },
		"escape":          func(g *runbooks.Grant) { g.Holder = "\x1b[2J" },
		"not UTF-8":       func(g *runbooks.Grant) { g.Account = "\xff" },
		"line in a param": func(g *runbooks.Grant) { g.Params["role"] = []string{"a\nb"} },
		"long param":      func(g *runbooks.Grant) { g.Params["role"] = []string{strings.Repeat("x", 5000)} },
		"many values":     func(g *runbooks.Grant) { g.Params["role"] = make([]string, 300) },
		"many params":     func(g *runbooks.Grant) { g.Params = many[[]string](40) },
		"many fields":     func(g *runbooks.Grant) { g.Fields = many[string](40) },
		"long field":      func(g *runbooks.Grant) { g.Fields = map[string]string{"key": strings.Repeat("x", 20_000)} },
		"NUL field":       func(g *runbooks.Grant) { g.Fields = map[string]string{"key": "a\x00"} },
		"nameless field":  func(g *runbooks.Grant) { g.Fields = map[string]string{"": "a"} },
	} {
		s := newTries()
		change(&s.g)
		_, err := s.start(t)
		if err == nil || runbooks.ClassOf(err) != runbooks.Refuse || s.m.Calls(runbooktest.CallGrant) != 0 {
			t.Errorf("%s: %v, %d calls", name, err, s.m.Calls(runbooktest.CallGrant))
		}
	}
}

func many[V any](n int) map[string]V {
	m := map[string]V{}
	for i := range n {
		var zero V
		m[fmt.Sprint("x", i)] = zero
	}
	return m
}

// TestThreat_T45_UserTextIsNeverATemplate: what looks like a template in a grant reaches the target as it is.
func TestThreat_T45_UserTextIsNeverATemplate(t *testing.T) {
	t.Parallel()
	s := newTries()
	for i, text := range []string{"{{.ID}}", "${holder}", "$HOME", "%s%n", "<%= x %>", "#{x}", "{{range .}}"} {
		g := grantOf(i)
		g.Account, g.Holder, g.Params, g.Fields = text, text, map[string][]string{"role": {text}}, map[string]string{"note": text}
		if _, err := s.Start(t.Context(), "memory", g); err != nil {
			t.Fatal(err)
		}
		held, _ := s.m.Held(g.ID)
		if d := cmp.Diff(g.Digest(), held.Digest()); d != "" {
			t.Errorf("%q arrived changed: %+v", text, held)
		}
	}
}

// R108: what is brokered goes to a connector that enforces it, or nowhere.
func TestReq_R108_ABrokeredGrantNeedsAConnectorThatEnforcesIt(t *testing.T) {
	t.Parallel()
	s := newTries()
	s.g.Brokered = true
	_, err := s.start(t)
	wantError(t, err, runbooks.Refuse, "brokered")
	s.m.Caps.Brokers = true
	if _, err := s.start(t); err != nil {
		t.Errorf("a connector that enforces it: %v", err)
	}
	s.m.Caps.Brokers = false
	if _, presence, err := s.Stop(t.Context(), "memory", s.g); err != nil || presence != runbooks.Absent {
		t.Errorf("taking it back has to go on: %s %v", presence, err)
	}
}
