package desk_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// reader is targets that can be asked who has what.
type reader struct {
	mu    sync.Mutex
	has   map[string]bool // "pg-main/writer zed"
	err   error
	asked []string
}

// Holds implements desk.Reader.
func (r *reader) Holds(ctx context.Context, e workflows.Entitlement, holder workflows.IdentityID, account string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		return false, errors.New("a target was asked without a limit")
	}
	r.asked = append(r.asked, string(e.Target)+"/"+string(e.ID)+" "+account+" for "+string(holder))
	return r.has[string(e.Target)+"/"+string(e.ID)+" "+account], r.err
}

func (r *reader) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// reading puts a desk on the ledger that asks targets.
func (x *office) reading(r desk.Reader) {
	x.t.Helper()
	x.desk = desk.New(desk.Config{Ledger: x.tap, Directory: x.dir, IDs: x.ids, Log: x.log(), Reader: r})
	x.propose(func(*draft) {})
}

// R52: what somebody has already is recorded with the ask, where a target can tell: only of shared access with an account of theirs, and never
// as a reason to refuse.
func TestReq_R52_StandingAccessIsRecorded(t *testing.T) {
	t.Parallel()
	zed, deployer := workflows.PersonID("p_zed").Identity(), workflows.IdentityID("svc-deploy")
	for _, c := range []struct {
		name  string
		has   map[string]bool
		err   error
		flow  workflows.WorkflowID
		by    string
		forID workflows.IdentityID
		edit  func(*draft)
		asked string
		want  bool
	}{
		{name: "has it", has: map[string]bool{"pg-main/writer zed": true}, flow: "prod-db", by: "zed", asked: "pg-main/writer zed for " + string(zed), want: true},
		{name: "has it not", flow: "prod-db", by: "zed", asked: "pg-main/writer zed for " + string(zed)},
		{name: "somebody else has it", has: map[string]bool{"pg-main/writer ann": true}, flow: "prod-db", by: "zed", asked: "pg-main/writer zed for " + string(zed)},
		{name: "the target cannot tell", has: map[string]bool{"pg-main/writer zed": true}, err: errDisk, flow: "prod-db", by: "zed", asked: "pg-main/writer zed for " + string(zed)},
		{name: "an identity has it", has: map[string]bool{"pg-main/writer deployer": true}, flow: "prod-db", by: "ivy", forID: deployer, asked: "pg-main/writer deployer for svc-deploy", want: true},
		{name: "an artefact of its own is held by nobody before", has: map[string]bool{"bastion/deploy zed": true}, flow: "shell", by: "zed"},
		{name: "no account on the target", has: map[string]bool{"pg-main/writer ": true}, flow: "prod-db", by: "zed", edit: func(d *draft) {
			w := *d.flows["prod-db"]
			w.Entitlements = append([]workflows.Entitlement(nil), w.Entitlements...)
			w.Entitlements[0].Account = false
			d.flows["prod-db"] = &w
			d.person("zed", func(p *desk.Person) { p.Accounts = nil })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			if c.edit != nil {
				x.load(c.edit)
			}
			r := &reader{has: c.has, err: c.err}
			x.reading(r)
			s := x.submission(c.by, c.flow)
			s.Subject = c.forID
			if pre, err := x.desk.Preview(t.Context(), s); err != nil || pre.Refusal != nil || r.times() != 0 {
				t.Errorf("a preview asked %v: %v %v", r.asked, pre.Refusal, err)
			}
			out := x.submit(s)
			if out.Refusal != nil {
				t.Fatal(out.Refusal)
			}
			same(t, "asked", c.asked, strings.Join(r.asked, ", "))
			if got := x.state(out.ID).Asked.Already; got != c.want {
				t.Errorf("recorded %t", got)
			}
		})
	}
}

// What our own grant gave is no standing access: nobody is asked while it lives. Once it is over, what is still there is.
func TestReq_R52_OurOwnGrantIsNoStandingAccess(t *testing.T) {
	t.Parallel()
	x := open(t)
	r := &reader{has: map[string]bool{"pg-main/writer zed": true}}
	x.reading(r)
	first := x.ask("zed", "prod-db")
	x.approve(first, "ann", "bob", "olga")
	longer := func() workflows.RequestID {
		s := x.submission("zed", "prod-db")
		s.Form.Seconds = 2 * 3600
		out := x.submit(s)
		if out.Refusal != nil {
			t.Fatal(out.Refusal)
		}
		return out.ID
	}
	if got := x.state(longer()).Asked.Already; got || r.times() != 1 {
		t.Errorf("while a grant waits to start: %t, asked %v", got, r.asked)
	}
	stream, g := x.start(first)
	if got := x.state(longer()).Asked.Already; got || r.times() != 1 {
		t.Errorf("while a grant is active: %t, asked %v", got, r.asked)
	}
	x.end("zed", g, grants.HowReturned)
	if got := x.state(longer()).Asked.Already; got || r.times() != 1 {
		t.Errorf("while a grant is being taken back: %t, asked %v", got, r.asked)
	}
	x.revoke(stream, g, "absent")
	if got := x.state(longer()).Asked.Already; !got || r.times() != 2 {
		t.Errorf("after it: %t, asked %v", got, r.asked)
	}
}

// A repeated form asks the target again but records once, and what was recorded first stays.
func TestStandingAccessOfARepeatedForm(t *testing.T) {
	t.Parallel()
	x := open(t)
	r := &reader{has: map[string]bool{"pg-main/writer zed": true}}
	x.reading(r)
	s := x.submission("zed", "prod-db")
	first := x.submit(s)
	r.mu.Lock()
	r.has = nil
	r.mu.Unlock()
	size := len(x.entries())
	again := x.submit(s)
	if again.ID != first.ID || len(x.entries()) != size || !x.state(first.ID).Asked.Already {
		t.Errorf("%+v after %+v: %t", again, first, x.state(first.ID).Asked.Already)
	}
	x.restart() // a desk that asks no targets
	x.clock.Add(time.Minute)
	if x.state(x.ask("zed", "prod-db")).Asked.Already || !x.state(first.ID).Asked.Already {
		t.Error("without a reader nothing is found, and nothing is forgotten")
	}
}
