package awsapi

import "testing"

// TestSourceOf: a simulation takes the role and not the session in which the bot took it on.
func TestSourceOf(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]string{
		"arn:aws:sts::1:assumed-role/countersign/countersign": "arn:aws:iam::1:role/countersign", "arn:aws:iam::1:user/bot": "arn:aws:iam::1:user/bot",
	} {
		if got := sourceOf(arn); got != want {
			t.Errorf("%s is simulated as %s, want %s", arn, got, want)
		}
	}
}
