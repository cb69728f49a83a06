package reviews_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// Who invoked, or asked for what nobody decided, never reviews it, whatever an entry says (R96).
func TestReq_R96_NoEntryLetsAnybodyReviewTheirOwn(t *testing.T) {
	t.Parallel()
	for who, folds := range map[workflows.PersonID]bool{"p_ann": true, "p_bob": true, "p_zed": false, "p_eve": false, "": false} {
		l := storytest.New(workflows.EventKinds(), reviews.EventKinds())
		var out workflows.Outcome
		out.Add(stream, workflows.System, "", reviews.Opened{About: "request/r_1", Invoker: "p_zed", Owner: "p_ann", Others: []workflows.PersonID{"p_bob", "p_zed"}})
		out.Add(stream, workflows.Acting{Actor: "a_1", Person: who}, "", reviews.Closed{Verdict: reviews.Proper})
		l.Append(out)
		if _, err := reviews.Fold(l.Histories[stream]); (err == nil) != folds {
			t.Errorf("closed by %q: %v", who, err)
		}
	}
}
