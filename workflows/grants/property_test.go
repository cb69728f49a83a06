package grants_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// target is a system that does what it is told, late: a call takes effect at some moment before its answer is recorded, or
// never, when the process that made it died. What the engine cannot know is left out: a start that takes effect after the
// revocation was recorded and whose answer is then lost. Only reading back finds that.
type target struct {
	holder
	has      map[string]bool // what is there: a grant id, or "" for the shared membership
	calls    []call
	approved int
	revoked  int // revocations that were reported: every other one could not be read back
}

type call struct {
	kind   string
	id     workflows.GrantID
	landed bool
}

func (m *target) artefact(id workflows.GrantID) string {
	if m.shared {
		return ""
	}
	return string(id)
}

// idle gives the owed calls that nobody is making: the queue leases a job to one worker.
func (m *target) idle() []call {
	var out []call
	for _, j := range grants.Pending(m.state()) {
		c := call{kind: j.Kind, id: workflows.GrantID(j.Key)}
		busy := slices.ContainsFunc(m.calls, func(o call) bool { return o.kind == c.kind && o.id == c.id })
		if (j.Kind == workflows.JobStart || j.Kind == workflows.JobRevoke) && !busy {
			out = append(out, c)
		}
	}
	return out
}

func (m *target) land(i int) {
	c := &m.calls[i]
	if !c.landed {
		m.has[m.artefact(c.id)] = c.kind == workflows.JobStart
		c.landed = true
	}
}

func (m *target) report(i int) error {
	m.land(i)
	c := m.calls[i]
	m.calls = slices.Delete(m.calls, i, i+1)
	words := []string{"starts"}
	if c.kind == workflows.JobRevoke {
		words = []string{"gone"}
		if m.revoked++; m.revoked%2 == 0 {
			words = []string{"gone", "unconfirmed"}
		}
	}
	_, err := m.grant(c.id, words)
	return err
}

// leak finds access that nothing on record will ever take away.
func (m *target) leak() error {
	s := m.state()
	for what, there := range m.has {
		if !there {
			continue
		}
		covered := slices.ContainsFunc(m.calls, func(c call) bool { return c.kind == workflows.JobStart && m.artefact(c.id) == what })
		for _, h := range s.Holds {
			covered = covered || (h.Live() && m.artefact(h.Approved.Grant) == what)
		}
		if !covered {
			return fmt.Errorf("access %q is there and nothing will end it", what)
		}
	}
	return nil
}

// TestGrantsNeverLeak walks random interleavings of grants, ends, failures, crashes and clocks against a target whose answers
// come late, and looks after every step for access that nothing would end and for ends that were lost. At rest, the target has
// exactly what is active.
func TestGrantsNeverLeak(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		setting := rapid.SampledFrom([]string{"own", "shared"}).Draw(t, "setting")
		m := &target{holder: *newHolder(setting), has: map[string]bool{}}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.random(t)
			m.check(t)
			if err := m.leak(); err != nil {
				t.Fatal(err)
			}
			m.overstay(t)
		}
		m.rest(t)
		m.once(t)
	})
}

// once: whatever crossed, died or came late, a grant was revoked once on record, unless another keeps its membership or it was never made.
func (m *target) once(t *rapid.T) {
	n := map[workflows.GrantID]int{}
	for _, r := range m.l.Histories[stream] {
		if e, ok := r.Event.(grants.Revoked); ok {
			n[e.Grant]++
		}
	}
	for _, h := range m.state().Holds {
		want := 0
		if h.Status == grants.StatusEnded && h.KeptBy == "" {
			want = 1
		}
		if got := n[h.Approved.Grant]; got > 1 || got < want {
			t.Fatalf("%s is %s, kept by %q, and was revoked %d times on record", h.Approved.Grant, h.Status, h.KeptBy, got)
		}
	}
}

func (m *target) random(t *rapid.T) {
	pick := func(n int, name string) int { return rapid.IntRange(0, n-1).Draw(t, name) }
	id := func() workflows.GrantID {
		return workflows.GrantID(fmt.Sprintf("g%d", 1+pick(max(1, m.approved), "grant")))
	}
	must := func(_ string, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch action := rapid.SampledFrom([]string{"grant", "call", "call", "land", "report", "report", "crash", "fail", "return", "tick", "wait", "clock"}).Draw(t, "do"); action {
	case "grant":
		if m.approved < 6 {
			m.approved++
			must(m.grant(workflows.GrantID(fmt.Sprintf("g%d", m.approved)), []string{"granted", fmt.Sprintf("%dm", 1+pick(90, "minutes"))}))
		}
	case "call":
		if idle := m.idle(); len(idle) > 0 {
			m.calls = append(m.calls, idle[pick(len(idle), "job")])
		}
	case "land":
		if len(m.calls) > 0 {
			m.land(pick(len(m.calls), "call"))
		}
	case "report":
		if len(m.calls) > 0 {
			if err := m.report(pick(len(m.calls), "call")); err != nil {
				t.Fatal(err)
			}
		}
	case "crash": // answers are lost; the jobs are still owed.
		m.calls = slices.DeleteFunc(m.calls, func(c call) bool { return c.kind == workflows.JobRevoke || !c.landed })
	case "fail": // for good, before anything took effect
		for i, c := range m.calls {
			if c.kind == workflows.JobStart && !c.landed {
				m.calls = slices.Delete(m.calls, i, i+1)
				must(m.grant(c.id, []string{"fails"}))
				break
			}
		}
	case "return":
		must(m.end([]string{"zed", "returns", string(id())}))
	case "tick":
		must(m.tick())
	case "wait":
		m.l.Pass(time.Duration(pick(40, "minutes")) * time.Minute)
	case "clock":
		m.l.Step(time.Duration(pick(240, "minutes")-120) * time.Minute)
	}
}

// overstay: once ticked, no hold lives past the earlier of its two ends.
func (m *target) overstay(t *rapid.T) {
	m.mustTick(t)
	for _, h := range m.state().Holds {
		alive := h.Status == grants.StatusApproved || h.Status == grants.StatusActive
		if alive && (m.l.Now.UTC >= h.Ends.UTC || m.l.Now.Mono >= h.Ends.Mono) {
			t.Fatalf("%s is %s at %+v and ended at %+v", h.Approved.Grant, h.Status, m.l.Now, h.Ends)
		}
	}
}

func (m *target) mustTick(t *rapid.T) {
	if _, err := m.tick(); err != nil {
		t.Fatal(err)
	}
}

// rest works everything off and compares target and ledger.
func (m *target) rest(t *rapid.T) {
	for range 200 {
		for len(m.calls) > 0 {
			if err := m.report(0); err != nil {
				t.Fatal(err)
			}
			m.check(t)
		}
		if m.calls = m.idle(); len(m.calls) == 0 {
			break
		}
	}
	want := map[string]bool{}
	for _, h := range m.state().Holds {
		switch h.Status {
		case grants.StatusActive:
			want[m.artefact(h.Approved.Grant)] = true
		case grants.StatusEnded, grants.StatusFailed:
		default:
			t.Fatalf("%s is still %s at rest", h.Approved.Grant, h.Status)
		}
	}
	for what, there := range m.has {
		if there != want[what] {
			t.Fatalf("at rest the target has %q: %t, the ledger says %t", what, there, want[what])
		}
	}
	for what := range want {
		if !m.has[what] {
			t.Fatalf("at rest %q is active and not there", what)
		}
	}
}

// TestFoldRefuses: whatever is cut out of a history, put into it twice or moved is noticed, even when it is numbered anew.
func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	base := newHolder("shared")
	for _, step := range [][]string{{"g1", "granted", "1h"}, {"g1", "starts"}, {"zed", "returns", "g1"}, {"g1", "gone", "unconfirmed"}, {"g1", "verified"}} {
		if code, err := base.step(step); err != nil || code != "" {
			t.Fatal(step, code, err)
		}
	}
	h := base.l.Histories[stream]
	renumber := func(h []workflows.Record) []workflows.Record {
		h = slices.Clone(h)
		for i := range h {
			h[i].Seq = int64(i) + 1
		}
		return h
	}
	for i := range h {
		if i < len(h)-1 {
			if _, err := grants.Fold(slices.Delete(slices.Clone(h), i, i+1)); err == nil {
				t.Errorf("gap at %d folds", i)
			}
			swapped := slices.Clone(h)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			if _, err := grants.Fold(swapped); err == nil {
				t.Errorf("swapped at %d folds", i)
			}
			if _, err := grants.Fold(renumber(swapped)); err == nil && i != 1 { // the answer may also come after the end
				t.Errorf("swapped and renumbered at %d folds", i)
			}
		}
		if _, err := grants.Fold(renumber(slices.Insert(slices.Clone(h), i, h[i]))); err == nil {
			t.Errorf("entry %d twice folds", i)
		}
		foreign := slices.Clone(h)
		foreign[i].Stream = "grant/p_ann/pg-main/writer"
		if _, err := grants.Fold(foreign); err == nil && len(h) > 1 {
			t.Errorf("foreign entry at %d folds", i)
		}
	}
	for _, e := range []workflows.Event{
		workflows.Approved{},
		workflows.Submitted{},
		grants.Started{Grant: "g9"},
		grants.Failed{Grant: "g1", Why: "late"},
		grants.Overdue{Grant: "g1", Level: 1},
		grants.Revoked{Grant: "g1"},
		grants.Verified{Grant: "g1"},
		grants.AttemptFailed{Grant: "g1", Op: "revoke"},
		grants.Ending{Grant: "g1", How: "expired", KeptBy: "g1"},
		grants.Ending{Grant: "g1", How: "expired", KeptBy: "g2"},
		grants.Ending{Grant: "g3"},
		grants.Approved{Grant: "g1"},
	} {
		at := h[len(h)-1]
		at.Seq, at.Event = at.Seq+1, e
		if _, err := grants.Fold(append(slices.Clone(h), at)); err == nil {
			t.Errorf("%s %+v folds after the end", e.Kind(), e)
		}
	}
}

// A damaged history stops everything that would be decided on it.
func TestDamagedHistoryDecidesNothing(t *testing.T) {
	t.Parallel()
	x := newHolder("own")
	x.add(grants.Started{Grant: "g1"})
	f := x.l.Facts()
	for name, call := range map[string]func() (workflows.Outcome, error){
		"start":   func() (workflows.Outcome, error) { return grants.Start(f, stream, grants.Started{Grant: "g1"}) },
		"fail":    func() (workflows.Outcome, error) { return grants.Fail(f, stream, grants.Failed{Grant: "g1"}) },
		"attempt": func() (workflows.Outcome, error) { return grants.Attempt(f, stream, grants.AttemptFailed{Grant: "g1"}) },
		"end":     func() (workflows.Outcome, error) { return grants.End(f, stream, "g1", grants.EndBy{}) },
		"tick":    func() (workflows.Outcome, error) { return grants.Tick(f, stream) },
		"call off": func() (workflows.Outcome, error) {
			return grants.CallOff(f, stream, "g1", workflows.System, "")
		},
		"recheck": func() (workflows.Outcome, error) { return grants.Recheck(f, stream, "g1") },
		"revoke":  func() (workflows.Outcome, error) { return grants.Revoke(f, stream, grants.Revoked{Grant: "g1"}) },
	} {
		if out, err := call(); err == nil || len(out.Events) > 0 {
			t.Errorf("%s decided %v, %v", name, out, err)
		}
	}
}

// An approval is used once: the same grant cannot be approved again, nor started again after it was given back (T22), and its
// end does not move (T53 is a new request with a new grant).
func TestThreat_T22_OneApprovalOneGrant(t *testing.T) {
	t.Parallel()
	x := newHolder("own")
	for _, step := range [][]string{{"g1", "granted", "1h"}, {"g1", "starts"}, {"zed", "returns", "g1"}, {"g1", "gone"}} {
		if _, err := x.step(step); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.step([]string{"g1", "starts"}); err != nil {
		t.Fatal(err)
	}
	if err := x.holds("g1 ended"); err != nil {
		t.Error(err)
	}
	if err := x.holds("start nothing"); err != nil {
		t.Error(err)
	}
	x.add(x.approved("g1", "9h"))
	if _, err := grants.Fold(x.l.Histories[stream]); err == nil {
		t.Error("the same grant approved twice folds")
	}
}

// Access is not extended by approving again (T53): that is a grant of its own with an end of its own, and the first one's end
// does not move.
func TestThreat_T53_ApprovingAgainExtendsNothing(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"own", "shared"} {
		x := newHolder(setting)
		for _, step := range []string{"g1 granted 60m", "g1 starts", "30m", "g2 granted 20m", "g2 starts"} {
			if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
				t.Fatal(step, code, err)
			}
			x.check(t)
		}
		for minutes := range 31 {
			s := x.state()
			g1, _ := s.Find("g1")
			if live := g1.Status == grants.StatusActive; live != (minutes < 30) {
				t.Fatalf("%s: after %d minutes g1 is %s", setting, 30+minutes, g1.Status)
			}
			if _, err := x.step([]string{"1m"}); err != nil {
				t.Fatal(err)
			}
			x.check(t)
		}
	}
}

// Setting the clock back, or suspending the machine, never lengthens a grant (T50): the earlier of the two clocks ends it.
func TestThreat_T50_ClockNeverLengthensAGrant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := newHolder("own")
		if _, err := x.step([]string{"g1", "granted", "60m"}); err != nil {
			t.Fatal(err)
		}
		lived := time.Duration(0) // real time
		for lived < time.Hour {
			d := time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute
			lived += d
			x.l.Pass(d)
			x.l.Step(-time.Duration(rapid.IntRange(0, 300).Draw(t, "back")) * time.Minute)
			if _, err := x.tick(); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.holds("g1 ending"); err != nil {
			t.Fatal(err)
		}
	})
}

// T50, three thousand seeds: whoever sets the wall clock back again and again, suspends the machine so that its own clock stands still, or puts an old image of
// it back, gains nothing, however long the process sleeps meanwhile: the first tick after the end by real time ends the grant, and none does before.
func TestThreat_T50_ThreeThousandSeeds(t *testing.T) {
	t.Parallel()
	const seeds = 3000
	ended := map[string]int{}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 50))
		setting := []string{"own", "shared", "robot"}[seed%3]
		attack := []string{"set back", "suspended", "restored"}[seed/3%3]
		long := time.Duration(1+r.IntN(240)) * time.Minute
		x := newHolder(setting)
		for _, step := range [][]string{{"g1", "granted", long.String()}, {"g1", "starts"}} {
			if code, err := x.step(step); err != nil || code != "" {
				t.Fatal(seed, step, code, err)
			}
		}
		for lived := time.Duration(0); ; {
			d := time.Duration(1+r.IntN(1200)) * time.Second
			lived += d
			mono := x.l.Now.Mono
			x.l.Pass(d)
			switch back := time.Duration(r.IntN(18_000)) * time.Second; attack {
			case "set back":
				x.l.Step(-back)
			case "suspended":
				x.l.Now.Mono = mono + int64(r.IntN(2))*int64(d)
			case "restored": // and the wall clock put right, as a host does for its guests
				x.l.Now.Mono = max(storytest.Start().Mono, x.l.Now.Mono-int64(r.IntN(2))*int64(back))
			}
			if r.IntN(4) == 0 {
				continue // the process is not there
			}
			if _, err := x.tick(); err != nil {
				t.Fatal(seed, err)
			}
			g, _ := x.state().Find("g1")
			if live := g.Status == grants.StatusActive; live != (lived < long) {
				t.Fatalf("seed %d, %s, %s: %s after %s of %s", seed, setting, attack, g.Status, lived, long)
			}
			if lived >= long {
				ended[setting+", "+attack]++
				break
			}
		}
	}
	for what, n := range ended {
		if n < seeds/10 {
			t.Errorf("%s: only %d of %d", what, n, seeds)
		}
	}
	if len(ended) != 9 {
		t.Errorf("played were %v", ended)
	}
}
