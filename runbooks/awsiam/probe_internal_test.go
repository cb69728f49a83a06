package awsiam

import (
	"slices"
	"testing"
)

// TestJudgeRights: moto has no simulation, so its answers are put in.
func TestJudgeRights(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{}
	for _, a := range rights().Needed {
		allowed[a] = true
	}
	if got := rights().Judge(allowed); len(got) != 1 || !got[0].OK {
		t.Errorf("just what is needed: %+v", got)
	}
	allowed["iam:GetUser"], allowed["iam:AttachUserPolicy"] = false, true
	var bad []string
	for _, f := range rights().Judge(allowed) {
		bad = append(bad, f.What)
	}
	if want := []string{"the bot lacks the right iam:GetUser", "the bot has the right iam:AttachUserPolicy, which it does not need"}; !slices.Equal(bad, want) {
		t.Errorf("%q", bad)
	}
}
