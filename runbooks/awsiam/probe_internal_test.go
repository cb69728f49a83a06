package awsiam

import (
	"slices"
	"testing"
)

// TestJudgeRights: moto has no simulation, so its answers are put in.
func TestJudgeRights(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{}
	for _, a := range needed() {
		allowed[a] = true
	}
	if got := judgeRights(allowed); len(got) != 1 || !got[0].OK {
		t.Errorf("just what is needed: %+v", got)
	}
	allowed["iam:GetUser"], allowed["iam:AttachUserPolicy"] = false, true
	var bad []string
	for _, f := range judgeRights(allowed) {
		bad = append(bad, f.What)
	}
	if want := []string{"the bot lacks the right iam:GetUser", "the bot has the right iam:AttachUserPolicy, which it does not need"}; !slices.Equal(bad, want) {
		t.Errorf("%q", bad)
	}
	if got := sourceOf("arn:aws:sts::1:assumed-role/countersign/countersign"); got != "arn:aws:iam::1:role/countersign" {
		t.Errorf("%s", got)
	}
}
