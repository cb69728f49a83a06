package runbooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// The canary stands where a secret would; each text is one that some system was seen to print.
var leaks = map[string]string{
	"DSN":           "connecting to postgres://bot:CANARYcanary1@db:5432/app?sslmode=require",
	"redis URL":     "redis://:CANARYcanary1@cache:6379",
	"keyword DSN":   "host=db user=bot password=CANARYcanary1 dbname=app",
	"quoted":        `password='CANARY canary 1' dbname=app`,
	"double quoted": `{"password": "CANARY \" canary", "user": "bot"}`,
	"environment":   "PGPASSWORD=CANARYcanary1 psql",
	"SQL":           "ALTER ROLE x PASSWORD 'CANARY''canary1' VALID UNTIL",
	"SCRAM":         "PASSWORD SCRAM-SHA-256$4096:CANARYc2FsdA==$CANARYc3RvcmVk:CANARYc2VydmVy",
	"md5":           "md5" + strings.Repeat("0123456789abcdef", 2),
	"header":        "Authorization: Bearer CANARYcanary1",
	"basic":         "authorization: Basic Q0FOQVJZCANARY=",
	"bearer":        "used bearer CANARYcanary1.x",
	"slack bot":     "xoxb-123456789012-CANARYcanary1",
	"slack app":     "xapp-1-A0CANARY-123-abcdef",
	"github":        "ghp_CANARYcanaryCANARYcanary12",
	"github new":    "github_pat_CANARYcanary_CANARYcanary12",
	"gitlab":        "glpat-CANARYcanaryCANARY12",
	"aws":           "AKIACANARYCANARY1234",
	"age":           "AGE-SECRET-KEY-1CANARYCANARYCANARYCANARY",
	"vault":         "hvs.CANARYcanaryCANARYcanary",
	"jwt":           "eyJhbGciOiJIUzI1NiJ9.eyJDQU5BUlkiOjF9.CANARYsig",
	"api key":       "api_key: CANARYcanary1",
	"after a miss":  "token: no such file or directory, password: CANARYcanary1",
	"like a miss":   "password: noCANARYsuch",
	"client secret": "client-secret=CANARYcanary1&grant_type=x",
	"private key":   "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARYb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----",
	"cut key":       "-----BEGIN RSA PRIVATE KEY-----\nCANARYb3BlbnNzaA==",
	"pgp":           "-----BEGIN PGP PRIVATE KEY BLOCK-----\nCANARY\n-----END PGP PRIVATE KEY BLOCK-----",
}

// TestThreat_T35_Redact: no shape of secret gets through, in any field of a receipt or an error.
func TestThreat_T35_Redact(t *testing.T) {
	t.Parallel()
	for name, text := range leaks {
		got := runbooks.Redact("before "+text+" after", 1000)
		if strings.Contains(got, "CANARY") || !strings.Contains(got, "[redacted]") || !strings.HasPrefix(got, "before ") {
			t.Errorf("%s: %q became %q", name, text, got)
		}
	}
	for _, fine := range []string{
		"reading the token: no such file or directory", "the bot's token: open /run/secrets/slack: permission denied", "secret: is a directory",
		"serial 8512693847561029384", "SHA256:uNiVztksCsDhcc0u9e8BrqXVsj6MYlVXtVqdnDoLHwE", "2027-03-01T09:00:00Z", "countersign/g_01/alice@example.com",
		"GRANT reader TO alice", "ssh -i ~/.ssh/id_ed25519 -o CertificateFile=~/.ssh/g_1-cert.pub app@db-1 -p 2222", "https://example.com/a?b=c",
		"Set a passphrase on your key.", "the token bucket is empty", "psql -h db -p 5432 -U alice -d app", "key SHA256:abc", "the secret garden",
	} {
		if got := runbooks.Redact(fine, 1000); got != fine {
			t.Errorf("%q became %q", fine, got)
		}
	}
}

func TestRedactKeepsItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s") + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		limit := rapid.IntRange(3, 60).Draw(t, "limit")
		got := runbooks.Redact(s, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Fatalf("%q cut to %d bytes is %q", s, limit, got)
		}
		if again := runbooks.Redact(got, limit); len(again) > limit {
			t.Fatalf("redacting again grows %q to %q", got, again)
		}
	})
}

// leaky answers with secrets everywhere.
type leaky struct {
	runbooktest.Memory
	text string
	err  error
}

func (l *leaky) Grant(_ context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if l.err != nil {
		return runbooks.Receipt{}, l.err
	}
	facts := map[string]string{"answer": l.text, "password": "CANARYplain", l.text: "x"}
	for i := range 30 {
		facts[fmt.Sprintf("z%02d", i)] = strings.Repeat("long ", 500)
	}
	return runbooks.Receipt{
		Ref: l.text, Facts: facts, Personal: facts,
		Use: runbooks.Use{
			Steps: []string{l.text}, Command: l.text, Host: l.text,
			Files: map[string]string{"../x": "escapes", "key": leaks["private key"], "cert.pub": "ssh-ed25519-cert-v01@openssh.com AAAA", "big": strings.Repeat("x", 1<<20)},
		},
	}, nil
}

// Check finds what Grant made.
func (l *leaky) Check(context.Context, runbooks.Grant) (runbooks.Presence, error) {
	return runbooks.Present, nil
}

func TestThreat_T35_ReceiptsAreRedacted(t *testing.T) {
	t.Parallel()
	for name, text := range leaks {
		var log strings.Builder
		l := &leaky{text: text}
		runner := runbooks.NewRunner(map[string]runbooks.Connector{"leaky": l}, slog.New(slog.NewJSONHandler(&log, nil)))
		r, err := runner.Start(t.Context(), "leaky", grantOf(1))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(r)
		if strings.Contains(string(raw), "CANARY") {
			t.Errorf("%s: %s", name, raw)
		}
		if len(r.Facts) > 20 || len(r.Use.Files) != 1 || r.Use.Files["cert.pub"] == "" {
			t.Errorf("%s: %d facts, files %v", name, len(r.Facts), r.Use.Files)
		}
		for _, v := range r.Facts {
			if len(v) > 500 {
				t.Errorf("%s: a fact of %d bytes", name, len(v))
			}
		}
		for _, failure := range []error{errors.New(text), runbooks.Errorf(runbooks.Broken, errors.New(text), "%s", text)} {
			l.err = failure
			if _, err := runner.Start(t.Context(), "leaky", grantOf(1)); err == nil || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if strings.Contains(log.String(), "CANARY") {
			t.Errorf("%s: log %s", name, log.String())
		}
	}
}

// TestThreat_T35_SecretsDoNotPrint: every way of printing a Secret, also from inside other values.
func TestThreat_T35_SecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	s := runbooks.NewSecret("CANARY")
	type config struct {
		DSN    runbooks.Secret
		hidden runbooks.Secret
		Nested map[string]runbooks.Secret
	}
	c := config{s, s, map[string]runbooks.Secret{"a": s}}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "secret", s, "config", c, "pointer", &s, "err", fmt.Errorf("with %v", s))
	}
	said := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%20s", "%.1s"} {
		said += fmt.Sprintf(verb+verb+verb+verb, s, &s, c, []any{s, c, &c})
	}
	for _, v := range []any{s, &s, c, map[runbooks.Secret]int{s: 1}, []runbooks.Secret{s}} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		said += string(raw)
	}
	if strings.Contains(said, "CANARY") || strings.Contains(said, "43414e415259") || strings.Contains(said, "43414E415259") {
		t.Errorf("printed: %s", said)
	}
	var read runbooks.Secret
	if err := read.UnmarshalText([]byte("CANARY")); err != nil || read.Reveal() != "CANARY" || s.Reveal() != "CANARY" || read.IsZero() {
		t.Errorf("the value is lost: %v", err)
	}
	if !(runbooks.Secret{}).IsZero() || (runbooks.Secret{}).Reveal() != "" || (runbooks.Secret{}).String() != "[redacted]" {
		t.Error("the zero secret")
	}
}
