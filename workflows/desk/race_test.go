package desk_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// together runs all of them at once and gives their answers in order.
func together[T any](t *testing.T, fns ...func() (T, error)) []T {
	t.Helper()
	out, errs := make([]T, len(fns)), make([]error, len(fns))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() {
			<-start
			out[i], errs[i] = fn()
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return out
}

// T19: fifty approvers click at once where three are needed. Nothing is lost and nothing is counted twice.
func TestThreat_T19_FiftyApproversAtOnce(t *testing.T) {
	t.Parallel()
	const crowd, quorum = 50, 3
	x := open(t)
	x.load(func(d *draft) {
		for i := range crowd {
			d.groups["crowd"] = append(d.groups["crowd"], person(fmt.Sprintf("c%02d", i)))
		}
		d.flows["shell"].Stages = []workflows.Stage{stage("crowd", quorum, groups("crowd"))}
	})
	id := x.ask("zed", "shell")
	size := len(x.entries())
	var clicks []func() (desk.Answer, error)
	for i := range crowd {
		b := x.ballot(fmt.Sprintf("c%02d", i), id, workflows.Approve)
		clicks = append(clicks, func() (desk.Answer, error) { return x.desk.Vote(t.Context(), b) })
	}
	counted, turned := 0, 0
	for _, a := range together(t, clicks...) {
		switch code(a.Refusal) {
		case "":
			counted++
		case workflows.CodeDecided:
			turned++
		default:
			t.Errorf("refused with %v", a.Refusal)
		}
	}
	x.check()
	recorded := map[string]int{}
	for _, r := range x.entries()[size:] {
		recorded[r.Event.Kind()]++
	}
	same(t, "recorded", map[string]int{
		"vote.recorded": quorum, "stage.satisfied": 1, "request.approved": 1, "grant.approved": 1, "command.refused": crowd - quorum,
	}, recorded)
	if s := x.state(id); counted != quorum || turned != crowd-quorum || len(s.Voters()) != quorum {
		t.Errorf("%d were told that they count, %d that it is decided; %d do", counted, turned, len(s.Voters()))
	}
	_, h := x.hold(id)
	same(t, "approvers", x.state(id).Voters(), h.Approved.Approvers)
}

// T19: one approves and one denies in the same moment: one outcome, and the other is told which.
func TestThreat_T19_ApproveAgainstDeny(t *testing.T) {
	t.Parallel()
	const races = 200
	x := open(t)
	outcomes := map[workflows.Status]int{}
	for i := range races {
		out, err := x.desk.Submit(t.Context(), x.submission("zed", "shell"))
		if err != nil || out.Refusal != nil {
			t.Fatal(err, out.Refusal)
		}
		yes, no := x.ballot("ann", out.ID, workflows.Approve), x.ballot("bob", out.ID, workflows.Deny)
		if i%2 == 0 {
			yes, no = no, yes
		}
		answers := together(t,
			func() (desk.Answer, error) { return x.desk.Vote(t.Context(), yes) },
			func() (desk.Answer, error) { return x.desk.Vote(t.Context(), no) })
		s := x.state(out.ID)
		outcomes[s.Status]++
		ends, lost := 0, 0
		for _, r := range x.history(workflows.RequestStream(out.ID)) {
			switch r.Event.(type) {
			case workflows.Approved, workflows.Denied:
				ends++
			}
		}
		for _, a := range answers {
			if code(a.Refusal) == workflows.CodeDecided {
				lost++
			}
		}
		if ends != 1 || lost != 1 || (s.Status == workflows.StatusApproved) != (s.Grant != "") {
			t.Fatalf("race %d: %s with %d outcomes, %d turned away", i, s.Status, ends, lost)
		}
	}
	x.check()
	if n := outcomes[workflows.StatusApproved]; n+outcomes[workflows.StatusDenied] != races ||
		len(x.holds(workflows.GrantStream("p_zed", "bastion", "deploy")).Holds) != n {
		t.Errorf("outcomes %v", outcomes)
	}
}

// T19: the same click twice at the same moment, as a double click or a redelivery: one vote.
func TestThreat_T19_DoubleClick(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "pair")
	b := x.ballot("ann", id, workflows.Approve)
	click := func() (desk.Answer, error) { return x.desk.Vote(t.Context(), b) }
	answers := together(t, click, click, click)
	for _, a := range answers {
		same(t, "answer", answers[0], a)
	}
	if a := x.vote(x.ballot("ann", id, workflows.Approve)); code(a.Refusal) != workflows.CodeAlreadyVoted {
		t.Errorf("a second click of her own: %v", a.Refusal)
	}
	if s := x.state(id); len(s.Stages[0].Votes) != 1 || x.tap.times(b.Cause) != 1 {
		t.Errorf("%d votes, decided %d times", len(s.Stages[0].Votes), x.tap.times(b.Cause))
	}
}

// Somebody votes between the asking and the deciding of another: the world is asked again, about them too.
func TestVoteAsksAgain(t *testing.T) {
	t.Parallel()
	for _, fine := range []bool{true, false} {
		x := open(t)
		id := x.ask("zed", "pair")
		x.dir.meanwhile("bob", func() {
			x.approve(id, "ann")
			if !fine {
				x.dir.is("ann", inactive)
			}
		})
		b := x.ballot("bob", id, workflows.Approve)
		x.vote(b)
		if n := x.tap.times(b.Cause); n != 2 {
			t.Errorf("decided %d times", n)
		}
		want := workflows.StatusApproved
		if !fine {
			want = workflows.StatusSuperseded
		}
		if s := x.state(id); s.Status != want {
			t.Errorf("%s, want %s", s.Status, want)
		}
	}
}

// Approving ∥ taking back, withdrawing ∥ approving: whoever comes first, the ledger folds and the grant follows the outcome.
func TestChangesAtOnce(t *testing.T) {
	t.Parallel()
	x := open(t)
	for i := range 24 {
		id := x.ask("zed", "pair")
		x.approve(id, "ann")
		b := x.ballot("bob", id, workflows.Approve)
		c := desk.Change{Cause: x.cause(), By: acting("zed"), Request: id, Channel: "slack"}
		other := x.desk.Withdraw
		if i%2 == 0 {
			c.By, other = acting("ann"), x.desk.TakeBack
		}
		together(t,
			func() (desk.Answer, error) { return x.desk.Vote(t.Context(), b) },
			func() (desk.Answer, error) { return other(t.Context(), c) })
		x.check()
		s := x.state(id)
		if s.Status == workflows.StatusSuperseded && s.Grant != "" {
			if _, h := x.hold(id); h.Status == grants.StatusApproved || h.Status == grants.StatusActive {
				t.Errorf("the request is %s and its grant is %s", s.Status, h.Status)
			}
		}
		if s.Status == workflows.StatusWithdrawn && s.Grant != "" {
			t.Error("withdrawn and granted")
		}
		if s.Status == workflows.StatusOpen { // taken back before the other vote
			x.approve(id, "cho")
		}
	}
}

// A grant that ends ∥ a grant that starts, from both sides at once.
func TestEndAgainstStart(t *testing.T) {
	t.Parallel()
	x := open(t)
	for range 16 {
		id := x.ask("zed", "shell")
		x.approve(id, "ann")
		stream, h := x.hold(id)
		g := h.Approved.Grant
		together(t,
			func() (desk.Answer, error) {
				return desk.Answer{}, x.desk.GrantStarted(t.Context(), "", stream, grants.Started{Grant: g, Ref: "1"})
			},
			func() (desk.Answer, error) {
				return x.desk.End(t.Context(), desk.EndGrant{Cause: x.cause(), By: acting("zed"), Grant: g, How: grants.HowReturned, Channel: "slack"})
			})
		x.check()
		_, h = x.hold(id)
		if _, due, err := x.desk.Due(t.Context(), stream, workflows.JobRevoke, g); err != nil || !due || h.Status != grants.StatusEnding {
			t.Fatalf("%s, to be revoked: %t: %v", h.Status, due, err)
		}
	}
}

// R13, F: a second desk on the same ledger, as after a restart, goes on where the first stopped.
func TestAnotherDeskGoesOn(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "prod-db")
	x.approve(id, "ann")
	size := len(x.entries())
	x.desk = x.another()
	x.load(func(*draft) {})
	if n := len(x.entries()); n != size {
		t.Errorf("starting recorded %v", kinds(x.entries()[size:]))
	}
	x.approve(id, "bob", "otto")
	if !slices.Contains(x.state(id).Voters(), "p_ann") {
		t.Error("the vote before the restart is lost")
	}
	x.hold(id)
}
