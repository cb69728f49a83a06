package custody_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
)

// TestRekeyNeedsTwoOwnersWithinAnHour holds who may have a key replaced, and for how long a proposal stands.
func TestRekeyNeedsTwoOwnersWithinAnHour(t *testing.T) {
	t.Parallel()
	rekey := custody.Proposed{Act: custody.Rekey, Scope: custody.Scope{What: "ledger"}, Reason: "The yearly change."}
	for _, test := range []struct {
		name           string
		first, second  custody.Who
		after          time.Duration
		propose, agree string
	}{
		{"two owners", who(frida, "owner"), who(erin, "owner"), time.Minute, "", ""},
		{"to the last moment", who(frida, "owner"), who(erin, "owner"), custody.RekeyWindow, "", ""},
		{"too late", who(frida, "owner"), who(erin, "owner"), custody.RekeyWindow + time.Microsecond, "", workflows.CodeLate},
		{"the same person", who(frida, "owner"), who(frida, "owner"), 0, "", workflows.CodeSelfApproval},
		{"an auditor asks", who(maya, "auditor"), who(erin, "owner"), 0, workflows.CodeNotEligible, workflows.CodeUnknown},
		{"an auditor confirms", who(frida, "owner"), who(maya, "auditor"), 0, "", workflows.CodeNotEligible},
	} {
		out := custody.Propose(facts(nil, start()), stream, test.first, rekey)
		if code(out) != test.propose {
			t.Errorf("%s: proposing: %v", test.name, out.Refusal)
		}
		at := start().Add(test.after)
		out, s, err := custody.Confirm(facts(record(nil, out, start()), at), stream, test.second)
		if err != nil || code(out) != test.agree || s.Confirmed != (test.agree == "") {
			t.Errorf("%s: confirming: %v, %v", test.name, err, out.Refusal)
		}
	}
	for _, bad := range []custody.Scope{{}, {What: "ledger", Person: maya}, {What: "ledger", Entry: 3, Field: "reason"}} {
		p := rekey
		p.Scope = bad
		if out := custody.Propose(facts(nil, start()), stream, who(frida, "owner"), p); code(out) != workflows.CodeBadField {
			t.Errorf("%+v: %v", bad, out.Refusal)
		}
	}
}
