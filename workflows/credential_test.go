package workflows_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// pasted are texts with one credential each, cut in two so that no scanner of this repository takes them for real ones.
func pasted() map[string][2]string {
	return map[string][2]string{
		"a private key":              {"-----BEGIN OPENSSH PRIVATE", " KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----"},
		"an age key":                 {"AGE-SECRET-KEY-", "1QQPQZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"},
		"a Slack token":              {"xox", "b-123456789012-abcdefGHIJKL"},
		"a GitHub token":             {"gh", "p_0123456789abcdefghijABCDEFGHIJ012345"},
		"a GitLab token":             {"glp", "at-0123456789abcdefghij"},
		"an AWS key":                 {"AKI", "AIOSFODNN7EXAMPLE"},
		"a Google key":               {"AIz", "aSyA0123456789abcdefghijABCDEFGHIJ01234"},
		"a Vault token":              {"hv", "s.CAESIJ0123456789abcdefghij"},
		"a Stripe key":               {"sk_li", "ve_0123456789abcdefABCDEF"},
		"an npm token":               {"np", "m_0123456789abcdefghijABCDEFGHIJ012345"},
		"an API key":                 {"sk", "-0123456789abcdefghijABCDEFGHIJ"},
		"a webhook secret":           {"whse", "c_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		"a webhook address":          {"https://hooks.slack.com/", "services/T0123456/B0123456/abcdefghijklmnop"},
		"a signed token":             {"eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"},
		"an address with a password": {"postgres://maya:", "hunter22@db.example/orders"},
		"a password":                 {"db_password", "=hunter22!x"},
	}
}

// R87: what looks like a credential is taken out of a text, whatever stands round it, and named by its kind; a text that was cleaned says so
// again and is not changed any more.
func TestCredentialsAreTakenOut(t *testing.T) {
	t.Parallel()
	for kind, halves := range pasted() {
		secret := halves[0] + halves[1]
		for _, around := range []string{"%", "please use % for it", "first line\n%\nlast line", "\"%\"", "(see %)"} {
			text := strings.ReplaceAll(around, "%", secret)
			clean, got := workflows.WithoutCredentials(text)
			if got != kind || strings.Contains(clean, halves[1][2:]) || !strings.Contains(clean, "[removed: looks like "+kind+"]") {
				t.Errorf("%s in %q: %q, %s", kind, around, clean, got)
			}
			twice, again := workflows.WithoutCredentials(clean)
			if twice != clean || again != kind {
				t.Errorf("%s, cleaned twice: %q, %s", kind, twice, again)
			}
			if no := workflows.RefuseCredential(got); no.Code != workflows.CodeCredential || !strings.Contains(no.Error(), kind) || strings.Contains(no.Error(), halves[1]) {
				t.Errorf("refused with %v", no)
			}
		}
		found := workflows.Credentials("one " + secret + " two " + secret)
		if len(found) == 0 || slices.ContainsFunc(found, func(s string) bool { return !strings.Contains(secret, s) }) {
			t.Errorf("%s is found as %q", kind, found)
		}
	}
	if many := workflows.Credentials(strings.Repeat("AKI"+"AIOSFODNN7EXAMPL", 1) + list("AKI"+"AIOSFODNN7EXAMP", 20)); len(many) > 8 {
		t.Errorf("%d of one text", len(many))
	}
}

// list is a text with n keys that differ in their last character.
func list(stem string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" " + stem + string(rune('A'+i)) + "Z")
	}
	return b.String()
}

// Sentences about passwords are no passwords.
func TestWordsAreNoCredentials(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "the password is wrong", "password: forgotten", "please reset my password, it expired", "token = opentoken", "secret: see the wiki/passwords page",
		"api_key: rotate-this-key", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIf2 maya@laptop",
		"https://db.example/orders?id=12", "OPS-1234", "eyJ is how tokens begin", "postgres://maya@db.example/orders",
	} {
		if clean, kind := workflows.WithoutCredentials(text); clean != text || kind != "" {
			t.Errorf("%q: %q, %s", text, clean, kind)
		}
	}
	// What somebody writes into the mark does not become a kind.
	if _, kind := workflows.WithoutCredentials("[removed: looks like <!channel>]"); kind != "a password" {
		t.Errorf("a forged mark is of kind %q", kind)
	}
}
