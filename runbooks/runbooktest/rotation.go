package runbooktest

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// Turning is a credential of the target that can be replaced, and the hands to try it there.
type Turning struct {
	Order runbooks.Rotation // names the credential to retire

	// Account is how the inventory names the credential where a rotation is opened by itself; empty: as the order does. An account by its
	// name, a key, token or certificate as Discover names it.
	Account string

	// Old tells whether the target lets the old credential in.
	Old func(t *testing.T) bool

	// New tells whether the target lets in what was handed over. The login is the one that was handed over with the secret; empty: none was.
	New func(t *testing.T, secret, login string) bool
}

// exerciseRotator: the old credential is not touched before the new one is proven, and every step can be repeated.
func exerciseRotator(t *testing.T, s System) {
	x, ok := s.Connector.(runbooks.Rotator)
	if !ok || s.Rotation == nil {
		t.Skip("the connector does not rotate credentials, or the system has none to rotate")
	}
	r := s.Rotation(t).Order
	n, err := x.Renew(t.Context(), r)
	if err != nil || n.Ref == "" {
		t.Fatalf("renewing: %+v (%v)", n, err)
	}
	if !r.Secret.IsZero() {
		again, err := x.Renew(t.Context(), r)
		if err != nil || !reflect.DeepEqual(n, again) {
			t.Errorf("renewing again: %+v, then %+v (%v)", n, again, err)
		}
	}
	if err := x.Prove(t.Context(), r, n); err != nil {
		t.Fatalf("proving: %v", err)
	}
	for range 2 {
		if err := x.Retire(t.Context(), r, n); err != nil {
			t.Fatalf("retiring: %v", err)
		}
	}
	if err := x.Prove(t.Context(), r, n); err != nil {
		t.Errorf("the new credential died with the old one: %v", err)
	}
}

// errBroke is what a network says that broke before a call, or after its effect.
var errBroke = errors.New("the network broke")

// faulty hands the calls of a rotation on, and breaks the next one of a name.
type faulty struct {
	runbooks.Connector
	by    runbooks.Rotator
	next  string
	after bool // its effect comes first
}

func (f *faulty) step(name string, do func() error) error {
	breaks := f.next == name
	if breaks {
		f.next = ""
	}
	if breaks && !f.after {
		return errBroke
	}
	if err := do(); err != nil || !breaks {
		return err
	}
	return errBroke
}

func (f *faulty) Renew(ctx context.Context, r runbooks.Rotation) (n runbooks.Renewed, err error) {
	if err = f.step("renew", func() (err error) { n, err = f.by.Renew(ctx, r); return err }); err != nil {
		return runbooks.Renewed{}, err
	}
	return n, nil
}

func (f *faulty) Prove(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	return f.step("prove", func() error { return f.by.Prove(ctx, r, n) })
}

func (f *faulty) Retire(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	return f.step("retire", func() error { return f.by.Retire(ctx, r, n) })
}

// halves is a rotation as a run carries it out: one order, two steps, and the place where secrets are kept.
type halves struct {
	t    *testing.T
	turn Turning
	by   *faulty
	run  *runbooks.Runner
	safe *Safe
	g    runbooks.Grant
}

// has holds what the target lets in.
func (h halves) has(when string, old, fresh bool) {
	h.t.Helper()
	if in := h.turn.Old(h.t); in != old {
		h.t.Errorf("%s: the old credential is let in: %t, want %t", when, in, old)
	}
	if in := h.fresh(); in != fresh {
		h.t.Errorf("%s: what was handed over is let in: %t, want %t", when, in, fresh)
	}
}

func (h halves) fresh() bool {
	kept, ok, err := h.safe.Kept(h.t.Context(), h.g.ID)
	if err != nil || !ok || len(kept.Parts) == 0 {
		h.t.Fatalf("nothing is kept of the new credential: %v %v", ok, err)
	}
	login := ""
	for _, p := range kept.Parts {
		if p.Public {
			login = p.Value.Reveal()
		}
	}
	return h.turn.New(h.t, kept.Parts[0].Value.Reveal(), login)
}

// breaks has the next call of a name break, carries a half out, and holds that it says so and is to be tried again.
func (h halves) breaks(name string, after bool, do func() error) string {
	h.t.Helper()
	h.by.next, h.by.after = name, after
	when := name + " broke before its effect"
	if after {
		when = name + " broke after its effect"
	}
	if err := do(); err == nil || runbooks.ClassOf(err) != runbooks.Retry || h.by.next != "" {
		h.t.Errorf("%s: %v, want an error that says to come again", when, err)
	}
	return when
}

// exerciseHalves: a rotation in two halves as a run carries it out (R41), with the network broken at every call, before and after its effect. The old
// credential is let in until retiring it had its effect, both are while readers move, and afterwards the new one alone; the target no longer lists the old one.
func exerciseHalves(t *testing.T, s System) {
	x, ok := s.Connector.(runbooks.Rotator)
	if !ok || s.Rotation == nil {
		t.Skip("the connector does not rotate credentials, or the system has none to rotate")
	}
	by := &faulty{Connector: s.Connector, by: x}
	h := halves{t: t, turn: s.Rotation(t), by: by, safe: NewSafe(), run: runbooks.NewRunner(map[string]runbooks.Connector{"t": by}, slog.New(slog.DiscardHandler))}
	h.run.KeepIn(h.safe)
	sound := s.Grant(1)
	h.g = runbooks.Grant{
		ID: "g_halves" + workflows.GrantID(strings.TrimPrefix(h.turn.Order.ID, "rot_")), Request: "r_halves", Identity: "svc-halves", Holder: "A program", Account: h.turn.Account, Target: "t",
		Entitlement: "rotation", Params: h.turn.Order.Params, Start: sound.Start, End: sound.End,
	}
	if h.g.Account == "" {
		h.g.Account, h.g.Fields = h.turn.Order.Account, map[string]string{"old": h.turn.Order.Old}
	}
	var made runbooks.Receipt
	renew := func() (err error) { made, err = h.run.Renew(t.Context(), "t", h.g); return err }
	retire := func() error { _, err := h.run.Retire(t.Context(), "t", h.g, made); return err }

	if !h.turn.Old(t) {
		t.Fatal("the old credential is not let in before anything was done")
	}
	for _, call := range []string{"renew", "prove"} {
		for _, after := range []bool{false, true} {
			when := h.breaks(call, after, renew)
			if !h.turn.Old(t) {
				t.Errorf("%s: the old credential is refused", when)
			}
		}
	}
	if err := renew(); err != nil {
		t.Fatalf("renewing after all that: %v", err)
	}
	h.has("while readers move", true, true)
	before := made.Ref
	if err := renew(); err != nil || made.Ref != before { // a crash before it was recorded
		t.Errorf("renewed again: %q, want %q (%v)", made.Ref, before, err)
	}
	for _, call := range []string{"prove", "retire"} {
		h.has(h.breaks(call, false, retire), true, true)
	}
	h.has(h.breaks("retire", true, retire), false, true)
	for range 2 {
		if err := retire(); err != nil {
			t.Errorf("retiring: %v", err)
		}
	}
	h.has("at the end", false, true)
	h.wantUnlisted(s.Connector, made.Ref)
}

// wantUnlisted holds that a target which lists its credentials tells of the new one and not of the old one. An account that has another password now stays.
func (h halves) wantUnlisted(c runbooks.Connector, made string) {
	h.t.Helper()
	d, ok := c.(runbooks.Discoverer)
	if !ok {
		return
	}
	found, old := false, false
	for x, err := range d.Discover(h.t.Context()) {
		if err != nil {
			h.t.Fatal(err)
		}
		found = found || x.Ref == made || strings.HasPrefix(made, x.Ref+" password ")
		old = old || x.Ref == h.turn.Order.Old && !strings.HasPrefix(made, x.Ref+" password ")
	}
	if !found || old {
		h.t.Errorf("the target lists the new credential %q: %t, and the old one %q: %t", made, found, h.turn.Order.Old, old)
	}
}
