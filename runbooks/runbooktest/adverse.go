package runbooktest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// minCanary is the shortest text that is looked for as a secret: a shorter one is found by chance.
const minCanary = 8

// mischief hands calls on to a real connector and misreports what came of the next one: it lies as a target does, and fails
// as a network does after the effect. Only what the Runner needs goes through: the three calls and the making of secrets.
type mischief struct {
	inner runbooks.Connector

	mu      sync.Mutex
	next    map[string]Fault
	late    map[string]delay
	effects map[string]int // calls that the target saw
	minted  []runbooks.Handover
}

func (m *mischief) Describe() runbooks.Capabilities { return m.inner.Describe() }

func (m *mischief) MakeSecret(g runbooks.Grant) (runbooks.Handover, error) {
	maker, ok := m.inner.(runbooks.SecretMaker)
	if !ok {
		return runbooks.Handover{}, nil
	}
	h, err := maker.MakeSecret(g)
	m.saw(h)
	return h, err
}

func (m *mischief) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	f := m.take(CallGrant)
	if f.Lie {
		return runbooks.Receipt{Ref: "made-up", Handover: madeUp(m.inner)}, nil
	}
	late := m.takeDelay(CallGrant)
	r, err := m.inner.Grant(late.before(ctx), g)
	m.saw(r.Handover)
	if err = late.after(err); err != nil {
		return runbooks.Receipt{}, err
	}
	if f.After != nil && err == nil {
		return runbooks.Receipt{}, f.After
	}
	return r, err
}

func (m *mischief) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	f := m.take(CallRevoke)
	if f.Lie {
		return runbooks.Receipt{Ref: "made-up"}, nil
	}
	late := m.takeDelay(CallRevoke)
	r, err := m.inner.Revoke(late.before(ctx), g)
	if err = late.after(err); err != nil {
		return runbooks.Receipt{}, err
	}
	if f.After != nil && err == nil {
		return runbooks.Receipt{}, f.After
	}
	return r, err
}

func (m *mischief) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	return m.inner.Check(ctx, g)
}

// do lets the next call of one kind misbehave.
func (m *mischief) do(call string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next[call] = f
}

func (m *mischief) take(call string) Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.next[call]
	delete(m.next, call)
	if !f.Lie {
		m.effects[call]++
	}
	return f
}

func (m *mischief) saw(h runbooks.Handover) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.minted = append(m.minted, h)
}

// made is every secret that was made so far for the grants of this target.
func (m *mischief) made() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, h := range m.minted {
		for _, p := range h.Parts {
			if !p.Public {
				out = append(out, p.Value.Reveal())
			}
		}
	}
	return out
}

// madeUp is what a lying target that mints secrets would hand over.
func madeUp(c runbooks.Connector) runbooks.Handover {
	if !c.Describe().Mints {
		return runbooks.Handover{}
	}
	return runbooks.Handover{Title: "made up", Parts: []runbooks.Part{{Name: "Password", Value: runbooks.NewSecret("made-up-by-a-liar")}}}
}

// field is the exercised connector behind mischief, under a Runner that writes down everything that it would log.
type field struct {
	*mischief
	*runbooks.Runner
	safe *Safe
	log  lockedBuffer
}

func (s System) field() *field {
	f := &field{mischief: &mischief{inner: s.Connector, next: map[string]Fault{}, late: map[string]delay{}, effects: map[string]int{}}}
	log := slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.Runner = runbooks.NewRunner(map[string]runbooks.Connector{"exercised": f.mischief}, log)
	f.safe = NewSafe()
	f.KeepIn(f.safe)
	return f
}

// held is a receipt with the secret that the Runner kept for the grant, as its holder has both.
func (f *field) held(t *testing.T, g runbooks.Grant, r runbooks.Receipt) runbooks.Receipt {
	t.Helper()
	kept, ok, err := f.safe.Kept(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		r.Handover = kept
	}
	return r
}

func (f *field) start(t *testing.T, g runbooks.Grant) (runbooks.Receipt, error) {
	t.Helper()
	return f.Start(t.Context(), "exercised", g)
}

func (f *field) stop(t *testing.T, g runbooks.Grant) (runbooks.Presence, error) {
	t.Helper()
	_, p, err := f.Stop(t.Context(), "exercised", g)
	return p, err
}

// ended stops a grant as the job does, settles, and holds that it is gone.
func (f *field) ended(t *testing.T, s System, g runbooks.Grant, r runbooks.Receipt) {
	t.Helper()
	if p, err := f.stop(t, g); err != nil || p == runbooks.Present {
		t.Fatalf("stopping: %s, %v", p, err)
	}
	s.settle(t)
	if p, err := f.stop(t, g); err != nil || p != runbooks.Absent {
		t.Fatalf("stopping again once the target has settled: %s, %v", p, err)
	}
	s.wantWorks(t, g, r, false)
}

// exerciseLying: a target that says "done" and did nothing is not believed, neither when it gives nor when it takes.
func exerciseLying(t *testing.T, s System) {
	f, g := s.field(), s.Grant(1)
	f.do(CallGrant, Fault{Lie: true})
	if r, err := f.start(t, g); err == nil || runbooks.ClassOf(err) == runbooks.Refuse {
		t.Fatalf("the target made nothing, and the Runner says %+v, %v", r, err)
	}
	s.wantWorks(t, g, runbooks.Receipt{}, false)
	r, err := f.start(t, g)
	if err != nil {
		t.Fatalf("the next try: %v", err)
	}
	s.wantWorks(t, g, f.held(t, g, r), true)
	f.do(CallRevoke, Fault{Lie: true})
	if p, err := f.stop(t, g); p == runbooks.Absent || p == runbooks.Present && err == nil {
		t.Fatalf("the target took nothing back, and the Runner says %s, %v", p, err)
	}
	s.wantWorks(t, g, f.held(t, g, r), true)
	f.ended(t, s, g, r)
}

// exerciseLost: the answer is lost after the effect. What was made is found and described, not made a second time; what was
// taken back stays gone, and the order is repeated until its answer arrives.
func exerciseLost(t *testing.T, s System) {
	f, g := s.field(), s.Grant(1)
	for _, lost := range []error{context.DeadlineExceeded, runbooks.Errorf(runbooks.Retry, nil, "the connection broke")} {
		f.do(CallGrant, Fault{After: lost})
		r, err := f.start(t, g)
		if err != nil {
			t.Fatalf("the access is there and its receipt is not found: %v", err)
		}
		s.wantWorks(t, g, f.held(t, g, r), true)
		again, err := f.start(t, g)
		if err != nil {
			t.Fatalf("starting again: %v", err)
		}
		wantSame(t, "starting again after a lost answer", r, again)
		if s.Connector.Describe().Mints {
			r = again // the first secret may have been replaced
		}
		f.do(CallRevoke, Fault{After: lost})
		if p, err := f.stop(t, g); err == nil || p == runbooks.Present {
			t.Fatalf("the answer of the revocation was lost: %s, %v", p, err)
		}
		f.ended(t, s, g, r)
		g = s.Grant(2) // another round on another holder
	}
}

// exerciseCanary: none of the secrets that the connector was opened with, or that were made for a grant, is said in a
// receipt, an error, a finding, a list, a plan, a log, or when somebody prints the connector.
func exerciseCanary(t *testing.T, s System) {
	var said strings.Builder
	say := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&said, "%v\n%+v\n%#v\n%q\n", v, v, v, fmt.Sprint(v))
			raw, _ := json.Marshal(v)
			said.Write(raw)
			for err, ok := v.(error); ok && err != nil; err = errors.Unwrap(err) {
				fmt.Fprintf(&said, "%s\n", err.Error())
			}
		}
	}
	say(s.Connector, s.Connector.Describe()) // before a test's own watcher has anything to remember
	f, g := s.field(), s.Grant(1)
	f.do(CallGrant, Fault{After: context.DeadlineExceeded})
	r, err := f.start(t, g)
	say(r, err)
	say(s.Connector.Check(t.Context(), g))
	sayParts(t, s, g, say)
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	early, cancelEarly := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancelEarly()
	for _, ctx := range []context.Context{dead, early} {
		armed := s.armed(t, s.Grant(2))
		f.saw(armed.Secret)
		_, err := f.Grant(ctx, armed)
		say(err)
		_, err = s.Connector.Revoke(ctx, armed)
		say(err)
		_, err = s.Connector.Check(ctx, armed)
		say(err)
	}
	for _, place := range places(g) {
		for _, text := range Nasty()[:40] {
			bad := put(s.Grant(3), place, text)
			bad.ID += "-canary"
			bad = s.armed(t, bad)
			f.saw(bad.Secret)
			r, err := f.Grant(t.Context(), bad)
			say(r, err)
			if err == nil {
				s.mustRevoke(t, bad)
			}
		}
	}
	_, p, err := f.Stop(t.Context(), "exercised", g)
	say(p, err, f.log.String())
	if s.Log != nil {
		said.WriteString(s.Log())
	}
	secrets := append(f.made(), s.Secrets...)
	wantNowhere(t, said.String(), secrets)
	t.Logf("%d secrets looked for in %d bytes", len(secrets), said.Len())
}

// sayParts calls the optional parts that tell something.
func sayParts(t *testing.T, s System, g runbooks.Grant, say func(...any)) {
	t.Helper()
	if p, ok := s.Connector.(runbooks.Prober); ok {
		say(p.Probe(t.Context()))
	}
	if l, ok := s.Connector.(runbooks.Sessions); ok {
		list, err := l.ListSessions(t.Context(), g)
		say(list, err)
	}
	if l, ok := s.Connector.(runbooks.Lister); ok {
		list, err := drain(l.ListAccess(t.Context()))
		say(list, err)
	}
	if l, ok := s.Connector.(runbooks.Catalog); ok {
		list, err := drain(l.ListOffers(t.Context()))
		say(list, err)
	}
}

// wantNowhere looks for secrets as they are and in the dresses in which protocols carry them.
func wantNowhere(t *testing.T, said string, secrets []string) {
	t.Helper()
	for i, secret := range secrets {
		if len(secret) < minCanary {
			t.Errorf("secret %d has %d bytes: too short to be looked for", i, len(secret))
			continue
		}
		for dress, worn := range map[string]string{
			"as it is": secret, "in base64": base64.StdEncoding.EncodeToString([]byte(secret)), "in base64 for addresses": base64.RawURLEncoding.EncodeToString([]byte(secret)),
			"in hex": hex.EncodeToString([]byte(secret)), "escaped": url.QueryEscape(secret), "as bytes": strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
		} {
			if at := strings.Index(said, worn); at >= 0 {
				t.Errorf("secret %d is said, %s: …%s[here]", i, dress, said[max(0, at-200):at])
			}
		}
	}
}
