package screens_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// An entry of a Home page says what whoever decides needs to know: what will change, the tier, what there is already, who asked for what before.
// The fullest page loses none of it, and stays within what Slack takes of a view: 100 blocks and 250 KB.
func TestHomeSaysWhatAnApproverNeeds(t *testing.T) {
	said := strings.Join(textsOf(t, usualHome().Render()), "\n")
	for _, want := range []string{
		"*What will change*\nrole deploy is granted to maya\nit is taken back after 1h", "*Risk tier*\nhigh", "*Standing access*\n⚠️ maya is a member of ops already",
		"*Chain that binds*", "In the last 90 days", "You are asked in stage 1 of 2",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not say %q:\n%s", want, said)
		}
	}
	full := largeHome().Render()
	said = strings.Join(textsOf(t, full), "\n")
	for i := range 12 {
		want := fmt.Sprintf("*What will change %d*\n%s", i, foreseenAt(i))
		if n := strings.Count(said, want); n < 5 {
			t.Errorf("%q stands on the fullest page %d times, want 5", want[:20], n)
		}
	}
	for _, want := range []string{"*Risk tier*\ncritical", "approving takes more than a click", "15 more fields to read."} {
		if n := strings.Count(said, want); n != 5 {
			t.Errorf("%q stands on the fullest page %d times, want 5", want, n)
		}
	}
	raw, err := json.Marshal(full)
	if err != nil || len(full.Blocks.BlockSet) > 100 || len(raw) > 250_000 {
		t.Errorf("the fullest page has %d blocks and %d bytes (%v)", len(full.Blocks.BlockSet), len(raw), err)
	}
}
