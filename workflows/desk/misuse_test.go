package desk_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// A verdict of misuse is recorded by the real store, and bars who misused the runbook from it.
func TestMisuseBars(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.approveBook()
	in := x.invocation("zed")
	in.Values = map[string]string{"host": "a"}
	used := x.invoke(in)
	if used.Refusal != nil {
		t.Fatal(used.Refusal)
	}
	a, err := x.desk.Close(t.Context(), desk.Review{
		Cause: x.cause(), By: acting("rita"), Review: used.Review, Verdict: reviews.Misuse, Note: "There was no incident at all.", Authn: "slack-click", Channel: "slack",
	})
	if err != nil || a.Refusal != nil {
		t.Fatal(a.Refusal, err)
	}
	in.Cause = x.cause()
	if again := x.invoke(in); codeOf(again.Refusal) != workflows.CodeRunbook {
		t.Errorf("after misuse it was invoked again: %+v", again)
	}
}
