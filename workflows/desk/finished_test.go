package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Whatever way a request ended, each command on it has one answer, nothing about it changes, and the refusal is all that is recorded.
func TestCommandsOnWhatHasEnded(t *testing.T) {
	t.Parallel()
	x := open(t)
	ended := map[workflows.Status]workflows.RequestID{}
	one := func(end func(workflows.RequestID)) workflows.RequestID {
		id := x.ask("zed", "names")
		x.approve(id, "ann")
		if got := x.counter("bob", id, workflows.Terms{Seconds: 1800}); got != "" {
			t.Fatal(got)
		}
		end(id)
		ended[x.state(id).Status] = id
		return id
	}
	one(func(id workflows.RequestID) { x.vote(x.ballot("bob", id, workflows.Deny)) })
	one(func(id workflows.RequestID) { x.withdraw("zed", id) })
	one(func(id workflows.RequestID) { x.accept("zed", id) })
	one(func(id workflows.RequestID) { x.approve(id, "bob") })
	one(func(id workflows.RequestID) { x.clock.Add(4 * time.Hour); x.tick(workflows.RequestStream(id)) })
	if len(ended) != 5 {
		t.Fatalf("ended as %v", ended)
	}
	for _, c := range []struct {
		command, who string
		do           func(who string, id workflows.RequestID) (*workflows.Refusal, error)
		want         string
	}{
		{"vote", "bob", func(who string, id workflows.RequestID) (*workflows.Refusal, error) {
			a, err := x.desk.Vote(t.Context(), x.ballot(who, id, workflows.Approve))
			return a.Refusal, err
		}, workflows.CodeDecided},
		{"vote of who asked", "zed", func(who string, id workflows.RequestID) (*workflows.Refusal, error) {
			a, err := x.desk.Vote(t.Context(), x.ballot(who, id, workflows.Approve))
			return a.Refusal, err
		}, workflows.CodeSelfApproval},
		{"offer", "ann", func(who string, id workflows.RequestID) (*workflows.Refusal, error) {
			b := x.ballot(who, id, workflows.Counter)
			a, err := x.desk.Counter(t.Context(), desk.CounterOffer{Cause: b.Cause, By: b.By, Request: id, Stage: b.Stage, Shown: b.Shown, Terms: workflows.Terms{Seconds: 900}, Channel: "slack"})
			return a.Refusal, err
		}, workflows.CodeDecided},
		{"accept", "zed", func(who string, id workflows.RequestID) (*workflows.Refusal, error) {
			out, err := x.desk.AcceptOffer(t.Context(), x.answer(who, id))
			return out.Refusal, err
		}, workflows.CodeDecided},
		{"decline", "zed", func(who string, id workflows.RequestID) (*workflows.Refusal, error) {
			a, err := x.desk.DeclineOffer(t.Context(), x.answer(who, id))
			return a.Refusal, err
		}, workflows.CodeDecided},
		{"withdraw", "zed", func(who string, id workflows.RequestID) (*workflows.Refusal, error) {
			a, err := x.desk.Withdraw(t.Context(), desk.Change{Cause: x.cause(), By: acting(who), Request: id, Channel: "slack"})
			return a.Refusal, err
		}, workflows.CodeDecided},
		{"comment by a stranger", "gus", func(who string, id workflows.RequestID) (*workflows.Refusal, error) {
			a, err := x.desk.Comment(t.Context(), desk.Remark{Cause: x.cause(), By: acting(who), Request: id, Text: secret, Channel: "slack"})
			return a.Refusal, err
		}, workflows.CodeUnknown},
	} {
		for status, id := range ended {
			size := len(x.entries())
			r, err := c.do(c.who, id)
			if err != nil || code(r) != c.want {
				t.Errorf("%s on what is %s: %+v %v, want %q", c.command, status, r, err, c.want)
			}
			if n := len(x.entries()) - size; n != 1 {
				t.Errorf("%s on what is %s: %d entries", c.command, status, n)
			}
			if got := x.state(id).Status; got != status {
				t.Errorf("%s made what was %s %s", c.command, status, got)
			}
			x.check()
		}
	}
}
