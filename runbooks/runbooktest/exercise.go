package runbooktest

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// Factory makes one fresh system with its connector for a test, and gives the hands to try what was granted.
type Factory func(t *testing.T) System

// System is a connector and the target behind it.
type System struct {
	Connector runbooks.Connector

	// Grant gives the n-th grant, valid from now: another holder for each n, all of whom the target knows, none of whom
	// has the access yet. The same n gives the same grant.
	Grant func(n int) runbooks.Grant

	// Works tries the access on the real target as its holder. The receipt is that of the grant, or the zero value when
	// there is none.
	Works func(t *testing.T, g runbooks.Grant, r runbooks.Receipt) bool

	// Settle does what the target needs to confirm a revocation, such as hosts pulling a list. It may be nil.
	Settle func(t *testing.T)

	// Advance moves product time. It is needed when the connector declares native expiry.
	Advance func(d time.Duration)

	// Arrived reads back from the target, or from what was handed out, what became of a nasty string in one place of a
	// grant that was accepted. It may be nil when the target accepts none.
	Arrived func(t *testing.T, g runbooks.Grant, r runbooks.Receipt, place Place) string

	// More are further grants that are sound, with words that Grant(1) has not, so that every word that the connector understands has the
	// nasty strings put into it. It may be nil.
	More func(t *testing.T) []Sound

	// Words is the file that names every place that a string can stand in, one a line: "account", "param role", "field key". It is held against what was tried
	// here, and by a test of the program against what the connector declares. Empty: nothing is held.
	Words string

	// InProgress lets the target answer every further order of Grant and Revoke with "I am at it" n times before it is done; each
	// runs before every such answer. It is needed when the connector declares that it polls, and nil else.
	InProgress func(t *testing.T, n int, each func())

	// Foreign makes what g would make by the hand of another administrator, without us. It may be nil.
	Foreign func(t *testing.T, g runbooks.Grant)

	// Rotation gives a credential that the target has and that can be replaced. It may be nil.
	Rotation func(t *testing.T) Turning

	// Secrets are what was planted in every secret slot of the connector's settings (the bot's password, its token, its
	// key), of 8 bytes or more. They, and what is made for grants, are looked for in everything that the connector says.
	Secrets []string

	// Log gives what the connector and whatever it started wrote beside their answers. It may be nil.
	Log func() string

	safe  *Safe
	shown bool
}

// Sound is a grant that the connector makes, of another kind than System.Grant gives.
type Sound struct {
	Grant     runbooks.Grant
	Connector runbooks.Connector // nil: the system's
	Shown     bool               // the words that Grant(1) has not are only shown to the holder: one grant takes them all, one after another
	Arrived   func(t *testing.T, g runbooks.Grant, r runbooks.Receipt, place Place) string
}

// Place names where in a grant a string stands: Kind "account", "param" or "field".
type Place struct {
	Kind string
	Name string
}

// Exercise holds a connector to the contract of runbooks.Connector, on a fresh system for each part.
func Exercise(t *testing.T, factory Factory) {
	t.Helper()
	parts := []struct {
		name string
		run  func(*testing.T, System)
	}{
		{"describe", exerciseDescribe},
		{"grant and revoke", exerciseGrantAndRevoke},
		{"grant twice", exerciseGrantTwice},
		{"the end never moves", exerciseEnd},
		{"revoke nothing", exerciseRevokeNothing},
		{"others keep theirs", exerciseOthers},
		{"cancelled half-way", exerciseCancelled},
		{"all at once", exerciseConcurrent},
		{"expiry", exerciseExpiry},
		{"nasty strings", exerciseNasty},
		{"optional parts", exerciseOptional},
		{"list of access", exerciseLister},
		{"access made by hand", exerciseForeign},
		{"discovery", exerciseDiscoverer},
		{"catalogue", exerciseCatalog},
		{"plan", exercisePlanner},
		{"sessions", exerciseSessions},
		{"rotation", exerciseRotator},
		{"rotation in two halves", exerciseHalves},
		{"secrets", exerciseSecrets},
		{"a target that lies", exerciseLying},
		{"the answer is lost", exerciseLost},
		{"slow", exerciseSlow},
		{"in progress", exerciseInProgress},
		{"canary", exerciseCanary},
		{"a drill", exerciseDrill},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			s := factory(t)
			s.safe = NewSafe()
			part.run(t, s)
		})
	}
}

func exerciseDescribe(t *testing.T, s System) {
	caps := s.Connector.Describe()
	if caps.Name == "" || caps.Timeout <= 0 {
		t.Errorf("no name or no time-out: %+v", caps)
	}
	if !caps.EndsSessions && caps.RevokeLeaves == "" {
		t.Error("open sessions go on, but nothing tells the reader of the card so")
	}
	if again := s.Connector.Describe(); !reflect.DeepEqual(caps, again) {
		t.Errorf("Describe is not constant: %+v, then %+v", caps, again)
	}
}

func exerciseGrantAndRevoke(t *testing.T, s System) {
	g := s.Grant(1)
	s.wantPresence(t, g, runbooks.Absent)
	s.wantWorks(t, g, runbooks.Receipt{}, false)
	r := s.mustGrant(t, g)
	s.wantPresence(t, g, runbooks.Present)
	s.wantWorks(t, g, r, true)
	s.wantWorks(t, s.Grant(2), r, false) // somebody else, with the same receipt in hand
	checkReceipt(t, r)
	for range 2 {
		s.mustRevoke(t, g)
		s.settle(t)
		s.wantPresence(t, g, runbooks.Absent)
		s.wantWorks(t, g, r, false)
	}
}

func exerciseGrantTwice(t *testing.T, s System) {
	g := s.Grant(1)
	first := s.mustGrant(t, g)
	second := s.mustGrant(t, g)
	wantSame(t, "granting again", first, second)
	s.wantWorks(t, g, second, true)
	s.mustRevoke(t, g)
	s.settle(t)
	s.wantWorks(t, g, second, false) // once granted, once taken back
}

func exerciseEnd(t *testing.T, s System) {
	g := s.Grant(1)
	first := s.mustGrant(t, g)
	later := g.Clone()
	later.End = g.End.Add(24 * time.Hour)
	if r, err := s.Connector.Grant(t.Context(), s.armed(t, later)); err == nil {
		wantSame(t, "granting again with a later end", first, r)
	} else if runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("the same grant with a later end: %v, want a refusal or the first receipt", err)
	}
	if s.Advance != nil && s.Connector.Describe().NativeExpiry {
		s.Advance(g.End.Sub(g.Start))
		s.wantWorks(t, g, first, false)
	}
}

func exerciseRevokeNothing(t *testing.T, s System) {
	g := s.Grant(1)
	s.mustRevoke(t, g)
	s.mustRevoke(t, g)
	s.settle(t)
	s.wantPresence(t, g, runbooks.Absent)
	s.wantWorks(t, g, runbooks.Receipt{}, false)
}

func exerciseOthers(t *testing.T, s System) {
	a, b := s.Grant(1), s.Grant(2)
	ra, rb := s.mustGrant(t, a), s.mustGrant(t, b)
	s.mustRevoke(t, a)
	s.settle(t)
	s.wantWorks(t, a, ra, false)
	s.wantWorks(t, b, rb, true)
	s.wantPresence(t, b, runbooks.Present)
	s.wantWorks(t, s.Grant(3), rb, false)
}

// exerciseCancelled cuts calls short at many points; whatever was left behind, the next whole call finishes it.
func exerciseCancelled(t *testing.T, s System) {
	g := s.armed(t, s.Grant(1))
	cutShort(t, func(ctx context.Context) error { _, err := s.Connector.Grant(ctx, g); return err })
	r := s.mustGrant(t, g)
	s.wantPresence(t, g, runbooks.Present)
	s.wantWorks(t, g, r, true)
	wantSame(t, "granting again after calls that were cut short", r, s.mustGrant(t, g))
	cutShort(t, func(ctx context.Context) error { _, err := s.Connector.Check(ctx, g); return err })
	cutShort(t, func(ctx context.Context) error { _, err := s.Connector.Revoke(ctx, g); return err })
	s.mustRevoke(t, g)
	s.settle(t)
	s.wantPresence(t, g, runbooks.Absent)
	s.wantWorks(t, g, r, false)
}

// cutShort calls with contexts that end sooner and later; an error it gives must say "come again".
func cutShort(t *testing.T, call func(context.Context) error) {
	t.Helper()
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if err := call(dead); err == nil {
		t.Error("a call with a dead context succeeds: it cannot have heeded it")
	}
	for after := 100 * time.Microsecond; after < 30*time.Millisecond; after *= 3 {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		err := call(ctx)
		cancel()
		if err != nil && runbooks.ClassOf(err) != runbooks.Retry {
			t.Errorf("cut short after %s: %v is of class %s, want retry", after, err, runbooks.ClassOf(err))
		}
	}
}

func exerciseConcurrent(t *testing.T, s System) {
	g := s.armed(t, s.Grant(1))
	const callers = 6
	receipts, errs := make([]runbooks.Receipt, callers), make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { receipts[i], errs[i] = s.Connector.Grant(t.Context(), g) })
	}
	wg.Wait()
	for i := range callers {
		if errs[i] != nil && runbooks.ClassOf(errs[i]) != runbooks.Retry {
			t.Errorf("caller %d: %v", i, errs[i])
		}
	}
	r := s.mustGrant(t, g)
	for i := range callers {
		if errs[i] == nil {
			wantSame(t, fmt.Sprintf("caller %d", i), r, receipts[i])
		}
	}
	for i := range callers {
		wg.Go(func() { _, errs[i] = s.Connector.Revoke(t.Context(), g) })
	}
	wg.Wait()
	for i := range callers {
		if errs[i] != nil && runbooks.ClassOf(errs[i]) != runbooks.Retry {
			t.Errorf("caller %d: revoke: %v", i, errs[i])
		}
	}
	s.mustRevoke(t, g)
	s.settle(t)
	s.wantWorks(t, g, r, false)
}

// exerciseExpiry: where the target ends access by itself, it does so without a call from us.
func exerciseExpiry(t *testing.T, s System) {
	if !s.Connector.Describe().NativeExpiry {
		t.Skip("the target ends nothing by itself")
	}
	if s.Advance == nil {
		t.Fatal("native expiry is declared but the system cannot move time")
	}
	g := s.Grant(1)
	r := s.mustGrant(t, g)
	s.wantWorks(t, g, r, true)
	s.Advance(g.End.Sub(g.Start))
	s.wantWorks(t, g, r, false)
	s.wantPresence(t, g, runbooks.Absent)
	s.mustRevoke(t, g)
	s.wantPresence(t, g, runbooks.Absent)
}

func places(g runbooks.Grant) []Place {
	var out []Place
	if g.Account != "" {
		out = append(out, Place{Kind: "account"})
	}
	for name := range g.Params {
		out = append(out, Place{"param", name})
	}
	for name := range g.Fields {
		out = append(out, Place{"field", name})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Kind+" "+out[i].Name < out[j].Kind+" "+out[j].Name })
	return out
}

func put(g runbooks.Grant, place Place, text string) runbooks.Grant {
	g = g.Clone()
	switch place.Kind {
	case "account":
		g.Account = text
	case "param":
		g.Params[place.Name] = []string{text}
	case "field":
		g.Fields[place.Name] = text
	}
	return g
}

func exerciseOptional(t *testing.T, s System) {
	if p, ok := s.Connector.(runbooks.Prober); ok {
		findings := p.Probe(t.Context())
		if len(findings) == 0 {
			t.Error("a probe that finds nothing to say")
		}
		for _, f := range findings {
			if f.What == "" || !f.OK && f.Do == "" {
				t.Errorf("a finding without words: %+v", f)
			}
			if !f.OK {
				t.Errorf("the exercised system is not sound: %+v", f)
			}
		}
	}
	if l, ok := s.Connector.(runbooks.Sessions); ok {
		g := s.Grant(1)
		s.mustGrant(t, g)
		if _, err := l.ListSessions(t.Context(), g); err != nil {
			t.Errorf("listing sessions: %v", err)
		}
		s.mustRevoke(t, g)
	}
}

// checkReceipt holds a receipt to what the ledger and the card take.
func checkReceipt(t *testing.T, r runbooks.Receipt) {
	t.Helper()
	if r.Ref == "" {
		t.Error("the receipt has no name for what was made")
	}
	if len(r.Facts) > 20 || len(r.Personal) > 20 {
		t.Errorf("the receipt has %d facts and %d personal ones", len(r.Facts), len(r.Personal))
	}
	texts := append([]string{r.Ref, r.Use.Command, r.Use.Host}, r.Use.Steps...)
	for _, facts := range []map[string]string{r.Facts, r.Personal} {
		for k, v := range facts {
			texts = append(texts, k, v)
			if len(v) > 500 {
				t.Errorf("the fact %q has %d bytes", k, len(v))
			}
		}
	}
	for _, text := range texts {
		if runbooks.Redact(text, 1<<20) != text {
			t.Errorf("%q looks like a secret", text)
		}
	}
}

func wantSame(t *testing.T, what string, want, got runbooks.Receipt) {
	t.Helper()
	want.Handover, got.Handover = runbooks.Handover{}, runbooks.Handover{} // a target may have to make another one
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%s answers another receipt:\n%+v\nthe first one was\n%+v", what, got, want)
	}
}

func (s System) mustGrant(t *testing.T, g runbooks.Grant) runbooks.Receipt {
	t.Helper()
	r, err := s.Connector.Grant(t.Context(), s.armed(t, g))
	if err != nil {
		t.Fatalf("granting %s: %v", g.ID, err)
	}
	return r
}

// armed gives a grant the secret that the Runner would have had made for it: the same one for the same grant.
func (s System) armed(t *testing.T, g runbooks.Grant) runbooks.Grant {
	t.Helper()
	maker, ok := s.Connector.(runbooks.SecretMaker)
	if !ok {
		return g
	}
	kept, found, _ := s.safe.Kept(t.Context(), g.ID)
	if !found {
		var err error
		if kept, err = maker.MakeSecret(g.Clone()); err != nil {
			return g // as Grant refuses without a secret what makes none
		}
		if !kept.IsZero() {
			if err := s.safe.Keep(t.Context(), g.ID, kept); err != nil {
				t.Fatalf("keeping the secret of %s: %v", g.ID, err)
			}
		}
	}
	g.Secret = kept
	return g
}

func (s System) mustRevoke(t *testing.T, g runbooks.Grant) {
	t.Helper()
	if _, err := s.Connector.Revoke(t.Context(), g); err != nil {
		t.Fatalf("revoking %s: %v", g.ID, err)
	}
}

func (s System) settle(t *testing.T) {
	t.Helper()
	if s.Settle != nil {
		s.Settle(t)
	}
}

func (s System) wantPresence(t *testing.T, g runbooks.Grant, want runbooks.Presence) {
	t.Helper()
	if got, err := s.Connector.Check(t.Context(), g); got != want {
		t.Fatalf("reading %s back: %s (%v), want %s", g.ID, got, err, want)
	}
}

func (s System) wantWorks(t *testing.T, g runbooks.Grant, r runbooks.Receipt, want bool) {
	t.Helper()
	if got := s.Works(t, g, r); got != want {
		t.Fatalf("trying %s as its holder: works %v, want %v", g.ID, got, want)
	}
}

// safe makes a place's name a part of an id.
func safe(name string) string { return strings.ReplaceAll(name, " ", "_") }
