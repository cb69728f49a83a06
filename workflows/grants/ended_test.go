package grants_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestEndedIsSaidWhenItIsKnown: the holder is told that access is gone once, when reading the target back has shown it: a message that says
// "unconfirmed" would stay wrong for ever.
func TestEndedIsSaidWhenItIsKnown(t *testing.T) {
	stream := workflows.GrantStream("p_maya", "bastion", "deploy")
	h := []workflows.Record{}
	add := func(e workflows.Event) {
		h = append(h, workflows.Record{Stream: stream, Seq: int64(len(h)) + 1, At: workflows.Instant{UTC: workflows.Stamp(len(h) + 1)}, Event: e})
	}
	ended := func() int {
		s, err := grants.Fold(h)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, x := range s.Notices() {
			if strings.HasPrefix(x.ID, workflows.NoticeEnded+"/") {
				n++
			}
		}
		return n
	}
	add(grants.Approved{Grant: "g_1", Identity: "p_maya", Requester: "p_maya", EndsAt: 1000, EndsMono: 1000})
	add(grants.Started{Grant: "g_1", Ref: "serial 1"})
	add(grants.Ending{Grant: "g_1", How: grants.HowReturned})
	add(grants.Revoked{Grant: "g_1", Presence: "unconfirmed"})
	if n := ended(); n != 0 {
		t.Errorf("%d messages say that access is gone before anybody knows", n)
	}
	add(grants.Verified{Grant: "g_1"})
	if n := ended(); n != 1 {
		t.Errorf("%d messages say that access is gone, want 1", n)
	}
}
