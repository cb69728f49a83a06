package grants_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestALeakedSecretEndsItsAccess: the find and the end stand together; a find that is on record is not recorded again, one elsewhere is; a
// secret that came with nothing is nobody's; access that has ended stays ended, and the find still leads to it.
func TestALeakedSecretEndsItsAccess(t *testing.T) {
	t.Parallel()
	stream := workflows.GrantStream("p_maya", "portal", "login")
	var h []workflows.Record
	add := func(events ...workflows.Event) {
		for _, e := range events {
			h = append(h, workflows.Record{Stream: stream, Seq: int64(len(h)) + 1, At: workflows.Instant{UTC: workflows.Stamp(len(h) + 1)}, Event: e})
		}
	}
	kinds := func(e grants.SecretLeaked) (out []string) {
		t.Helper()
		res, err := grants.Leak(workflows.Facts{Histories: map[workflows.StreamID][]workflows.Record{stream: h}}, stream, workflows.System, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range res.Events {
			out = append(out, x.Event.Kind())
			add(x.Event)
		}
		return out
	}
	add(grants.Approved{Grant: "g_1", Identity: "p_maya", Requester: "p_maya", Owner: "p_jonas", EndsAt: 1000, EndsMono: 1000},
		grants.SecretKept{Grant: "g_1", Way: grants.WayTaken, Fingerprints: map[string]string{"Password": "hmac256:01"}, Until: 900},
		grants.Started{Grant: "g_1", Ref: "cs_1"})
	find := grants.SecretLeaked{Grant: "g_1", Leak: "l_1", Print: "hmac256:01", Source: "github", Incident: "INC-1", Alarm: "#security"}
	other := find
	other.Print = "hmac256:02"
	if got := kinds(other); len(got) != 0 {
		t.Errorf("a secret that did not come with it: %v", got)
	}
	if d := cmp.Diff([]string{"secret.leaked", "grant.ending"}, kinds(find)); d != "" {
		t.Errorf("a find (-want +got):\n%s", d)
	}
	s, err := grants.Fold(h)
	if err != nil {
		t.Fatal(err)
	}
	if x := s.Holds[0]; x.Status != grants.StatusEnding || x.How != grants.HowRevoked || x.Why != grants.WhyLeaked {
		t.Errorf("after it: %s, %s, %q", x.Status, x.How, x.Why)
	}
	told := map[string]bool{}
	for _, n := range s.Notices() {
		told[n.What+" "+string(n.To)+n.Channel] = n.Urgent
	}
	for _, who := range []string{"p_maya", "p_jonas", "#security"} {
		if !told[workflows.NoticeLeaked+" "+who] {
			t.Errorf("%s is not told: %v", who, told)
		}
	}
	if got := kinds(find); len(got) != 0 {
		t.Errorf("the same find again: %v", got)
	}
	add(grants.Revoked{Grant: "g_1", Presence: "absent"})
	find.Leak = "l_2"
	if d := cmp.Diff([]string{"secret.leaked"}, kinds(find)); d != "" {
		t.Errorf("a find elsewhere, after the end (-want +got):\n%s", d)
	}
	if s, err = grants.Fold(h); err != nil || s.Holds[0].Status != grants.StatusEnded || len(s.Holds[0].Leaks) != 2 {
		t.Errorf("%+v, %v", s.Holds[0], err)
	}
	var lists []string
	for _, l := range grants.Listings(s) {
		lists = append(lists, l.List+" "+l.Member)
	}
	if d := cmp.Diff([]string{grants.ListByID + " g_1", grants.ListSecret + " hmac256:01"}, lists); d != "" {
		t.Errorf("lists (-want +got):\n%s", d)
	}
}

// TestALeakEndsWhatIsShared: who has the secret has the one membership that several grants share, so none of them keeps it.
func TestALeakEndsWhatIsShared(t *testing.T) {
	t.Parallel()
	stream := workflows.GrantStream("p_maya", "portal", "login")
	var h []workflows.Record
	for i, e := range []workflows.Event{
		grants.Approved{Grant: "g_1", Identity: "p_maya", Requester: "p_maya", Shared: true, EndsAt: 1000, EndsMono: 1000},
		grants.SecretKept{Grant: "g_1", Way: grants.WayTaken, Fingerprints: map[string]string{"Password": "hmac256:01"}, Until: 900},
		grants.Started{Grant: "g_1", Ref: "m_1"},
		grants.Approved{Grant: "g_2", Identity: "p_maya", Requester: "p_maya", Shared: true, EndsAt: 2000, EndsMono: 2000},
		grants.Started{Grant: "g_2", Ref: "m_1"},
	} {
		h = append(h, workflows.Record{Stream: stream, Seq: int64(i) + 1, At: workflows.Instant{UTC: workflows.Stamp(i + 1)}, Event: e})
	}
	res, err := grants.Leak(workflows.Facts{Histories: map[workflows.StreamID][]workflows.Record{stream: h}}, stream, workflows.System,
		grants.SecretLeaked{Grant: "g_1", Leak: "l_1", Print: "hmac256:01", Source: "github", Incident: "INC-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range res.Events {
		h = append(h, workflows.Record{Stream: stream, Seq: int64(len(h)) + 1, At: workflows.Instant{UTC: workflows.Stamp(len(h) + 1)}, Event: x.Event})
	}
	s, err := grants.Fold(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range s.Holds {
		if x.Status != grants.StatusEnding {
			t.Errorf("%s is %s", x.Approved.Grant, x.Status)
		}
	}
}
