package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// T20: a denial that comes when the access exists takes it back at once, recorded as that, when it is of somebody who may end it; an approval
// of what was denied, and the denial of anybody else, change nothing.
func TestThreat_T20_ADenialAfterTheGrantRevokes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who     string
		started bool
		edit    func(x *office, id workflows.RequestID, b *desk.Ballot)
		code    string // empty: the access is taken back
	}{
		"who approved it":              {who: "ann", started: true},
		"before it has begun":          {who: "ann"},
		"the owner of the target":      {who: "olga", started: true},
		"who was asked and did not":    {who: "bob", started: true, code: workflows.CodeDecided},
		"who asked for it":             {who: "zed", started: true, code: workflows.CodeSelfApproval},
		"who approves once more":       {who: "ann", started: true, edit: func(_ *office, _ workflows.RequestID, b *desk.Ballot) { b.Verdict, b.Reason = workflows.Approve, "" }, code: workflows.CodeDecided},
		"without a reason":             {who: "ann", started: true, edit: func(_ *office, _ workflows.RequestID, b *desk.Ballot) { b.Reason = " \n" }, code: workflows.CodeDecided},
		"when it is over anyway":       {who: "ann", started: true, edit: func(x *office, id workflows.RequestID, _ *desk.Ballot) { x.over(id) }, code: workflows.CodeDecided},
		"by a click on the old card":   {who: "ann", started: true, edit: func(_ *office, _ workflows.RequestID, b *desk.Ballot) { b.Stage, b.Shown = 0, "what was shown before" }},
		"who may only see it":          {who: "dan", started: true, code: workflows.CodeDecided},
		"security, who may see it all": {who: "sam", started: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			id := x.ask("zed", "shell")
			x.approve(id, "ann")
			if c.started {
				x.start(id)
			}
			b := x.ballot(c.who, id, workflows.Deny)
			if c.edit != nil {
				c.edit(x, id, &b)
			}
			stream, before := x.hold(id)
			a := x.vote(b)
			_, after := x.hold(id)
			if c.code != "" {
				if code(a.Refusal) != c.code || a.Ended() || after.Status != before.Status {
					t.Errorf("%v, access %s", a.Refusal, after.Status)
				}
				return
			}
			if a.Refusal != nil || !a.Ended() || after.Status != grants.StatusEnding {
				t.Fatalf("%v, access %s", a.Refusal, after.Status)
			}
			h := x.history(stream)
			last := h[len(h)-1]
			e, ok := last.Event.(grants.Ending)
			if !ok || e.How != grants.HowRevoked || last.Person != person(c.who) || !strings.HasPrefix(e.Why, "Denied after it was granted: not today") {
				t.Errorf("recorded as %+v", last)
			}
			if s := x.state(id); s.Status != workflows.StatusApproved || len(s.Stages[0].Denials()) > 0 {
				t.Errorf("the request is %s", s.Status)
			}
			if again := x.vote(b); again.Refusal == nil && len(again.Records) > 0 && again.Records[0].Seq != last.Seq {
				t.Errorf("the same click a second time: %+v", again)
			}
		})
	}
}

// over lets the access of a request end by itself.
func (x *office) over(id workflows.RequestID) {
	x.t.Helper()
	stream, _ := x.hold(id)
	x.clock.Add(9 * time.Hour)
	x.tick(stream)
}
