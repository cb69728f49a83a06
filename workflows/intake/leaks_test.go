package intake_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows/intake"
)

const token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"

// TestReadAlerts reads what GitHub sends, and names what is missing without saying any of the secret.
func TestReadAlerts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want []intake.Leak
		err  string
	}{
		"partner": {
			body: `[{"token":"` + token + `","type":"mycompany_api_token","url":"https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt","source":"content"}]`,
			want: []intake.Leak{{Source: "github", Form: "mycompany_api_token", Place: "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt", Secrets: []string{token}}},
		},
		"webhook without the secret": {
			body: `{"action":"created","alert":{"number":42,"secret_type":"adafruit_io_key"},"repository":{"full_name":"Codertocat/Hello-World"}}`,
			want: []intake.Leak{{Source: "github", Form: "adafruit_io_key", Place: "Codertocat/Hello-World, alert 42"}},
		},
		"resolved":  {body: `{"action":"resolved","alert":{"number":42,"secret_type":"adafruit_io_key"}}`},
		"empty":     {body: " ", err: "it is empty"},
		"no number": {body: `{"action":"created","alert":{"secret_type":"x"}}`, err: "alert.number or alert.secret_type is missing"},
		"no token":  {body: `[{"type":"x","url":"u"}]`, err: "[0].token is missing or too long"},
		"too long":  {body: `[{"token":"` + strings.Repeat("x", 17<<10) + `"}]`, err: "[0].token is missing or too long"},
		"wrong":     {body: `[{"token":["` + token + `"]}]`, err: "token has the wrong type"},
		"cut":       {body: `[{"token":"` + token, err: "no JSON at byte"},
	} {
		got, err := intake.ReadAlerts([]byte(c.body))
		if d := cmp.Diff(c.want, got); d != "" && c.err == "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), token)) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
	}
}

// TestReadSARIF finds the secret in a snippet or a message, and gives only the place where there is none.
func TestReadSARIF(t *testing.T) {
	t.Parallel()
	result := func(snippet, message string) string {
		return `{"ruleId":"Generic API Key","message":{"text":"` + message + `"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a/b.sh"},"region":{"startLine":7,"snippet":{"text":"` + snippet + `"}}}}]}`
	}
	got, err := intake.ReadSARIF(strings.NewReader(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Gitleaks"}},"results":[` +
		result("export TOKEN="+token, "x") + "," + result("REDACTED", "found "+token) + "," + result("", "nothing to see") + "," + result("onewordthatisasecret", "") + `]}]}`))
	at := func(secrets ...string) intake.Leak {
		return intake.Leak{Source: "gitleaks", Form: "generic-api-key", Place: "a/b.sh:7", Secrets: secrets}
	}
	want := []intake.Leak{at(token), at(token), at(), at("onewordthatisasecret")}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for text, want := range map[string]string{
		`{"version":"1.0.0"}`: `version is "1.0.0"`, `{"version":"2.1.0","runs":[{"results":[]}]}`: "runs[0].tool.driver.name is missing", `no`: "no JSON",
	} {
		if _, err := intake.ReadSARIF(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
