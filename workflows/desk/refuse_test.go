package desk_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// TestRefuseIsNeverSilent: who asks for a refusal gets one, also when the cause was consumed by something that succeeded: a caller that got
// nothing would go on as if the check had passed.
func TestRefuseIsNeverSilent(t *testing.T) {
	x := open(t)
	const cause = "inbox/7"
	if _, err := x.store.Update(t.Context(), cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", workflows.Refused{Command: "test", Code: "other", Channel: "test"})
		return out, nil
	}); err != nil {
		t.Fatal(err)
	}
	want := workflows.Refuse(workflows.CodeTampered, "No.", "")
	for range 2 {
		got, err := x.desk.Refuse(t.Context(), cause, workflows.System, "vote approve", "slack", "", want)
		if err != nil || got == nil || got.Code != want.Code {
			t.Fatalf("Refuse = %v, %v", got, err)
		}
	}
}
