package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	programs "github.com/countersign-bot/countersign/runbooks/command"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// nasty are more than two hundred answers that somebody could type into a parameter.
func nasty() []string {
	out := []string{
		"", " ", "-", "--", "-rf", "--config=/etc/passwd", "-x\n-y", "a\x00b", "a\nb", "a\rb", "a\tb", "\x1b[2J", "é", "ü\u0308", "\u202eabc", "\u200b", "\ufeffx", "日本", "🙂",
		"a'b", `a"b`, "a`b`", "$(id)", "${host}", "${field.host}", "${fields.host}", "{{.}}", "{{ .Secret }}", "%s%n", "%00", "..", "../../etc/passwd", "/etc/passwd", "~root", "*", "?", "[a]",
		"a;b", "a&b", "a&&b", "a|b", "a||b", "a>b", "a<b", "a>>b", "!1", "#x", "\\", "\\\\", "a\\nb", "IFS=x", "PATH=/tmp", "LD_PRELOAD=/tmp/x.so", "@file", "<!channel>", "<@U1>",
		"1 OR 1=1", "'; DROP TABLE x;--", "=1+1", "null", "true", "0x10", "1e9", "NaN", "\xff\xfe", strings.Repeat("a", 200), strings.Repeat("a", 5000),
	}
	for _, c := range "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" {
		out = append(out, string(c), string(c)+"id", "x"+string(c), "db"+string(c)+"1", " "+string(c))
	}
	return out
}

// T44, T45: whatever somebody types into a parameter of a runbook reaches the program byte for byte, as one argument and never as an option, a
// command or a template; or it is refused.
func TestThreat_T44_ParametersReachAProgramAsTheyWereTypedOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script(t, dir, "echo", "#!/bin/sh\n[ \"$1\" = -- ] || exit 5\nshift\n[ $# = 1 ] || exit 5\nprintf %s \"$1\" > "+dir+"/said\n")
	script(t, dir, "check", "#!/bin/sh\necho '{\"presence\":\"present\"}'\n")
	cfg, err := programs.ReadSettings(map[string]string{"grant": dir + "/echo\n--\n${field.host}", "revoke": dir + "/check", "check": dir + "/check"}, os.LookupEnv)
	mustSay(t, err)
	con, err := programs.Open(cfg)
	mustSay(t, err)
	t.Cleanup(func() { _ = con.Close() })
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"tool": con}, nil)
	form := workflows.Workflow{Kind: workflows.KindPreapprove, Longest: 60, ReasonMin: 1, Fields: []workflows.Field{{Name: "host", Label: "Host", Type: workflows.FieldText, Pattern: "(?s).*", MaxLen: 3000}}}
	st := runs.StepState{Step: incidents.Step{Action: incidents.ActCommand, Fields: map[string]string{"host": "${host}"}, Does: workflows.Entitlement{Target: "tool", ID: "promote"}}}
	list := nasty()
	if len(list) < 200 {
		t.Fatalf("%d strings", len(list))
	}
	reached := 0
	for i, typed := range list {
		clean, bad := form.CheckForm(workflows.Form{Seconds: 60, Reason: "-", Values: map[string]string{"host": typed}})
		if len(bad) > 0 {
			continue // refused with a reason
		}
		s := runs.State{Opened: runs.Opened{Fields: clean.Fields, Texts: clean.Texts}}
		fields, err := handedBy(s, st)
		if err != nil {
			continue // refused: nothing was left of it
		}
		mustSay(t, os.WriteFile(filepath.Join(dir, "said"), []byte("untouched"), 0o600))
		now := time.Now()
		_, err = runner.Start(t.Context(), "tool", runbooks.Grant{
			ID: workflows.GrantID(fmt.Sprintf("g_t44-s%d", i)), Identity: "svc", Target: "tool", Entitlement: "promote", Fields: fields, Start: now, End: now.Add(time.Minute),
		})
		said, readErr := os.ReadFile(filepath.Join(dir, "said"))
		mustSay(t, readErr)
		want := clean.Fields["host"] + clean.Texts["host"]
		switch {
		case err != nil && string(said) == "untouched":
		case err != nil || string(said) != want || strings.TrimSpace(typed) != want:
			t.Errorf("%q reached the program as %q: %v", typed, said, err)
		default:
			reached++
		}
	}
	if reached < 100 {
		t.Errorf("only %d strings reached the program: the test says nothing", reached)
	}
}

// T45: an answer is data: what looks like a reference or a template in it stands for nothing.
func TestThreat_T45_AnAnswerIsNeverATemplate(t *testing.T) {
	t.Parallel()
	s := runs.State{Opened: runs.Opened{Fields: map[string]string{"host": "${secret}", "secret": "hunter2"}, Texts: map[string]string{"why": "{{.Secret}}"}}}
	for typed, want := range map[string]string{"${host}": "${secret}", "${why}": "{{.Secret}}", "plain ${secret}": "plain ${secret}", "{{.}}": "{{.}}"} {
		if got, err := answerTo(s, typed); err != nil || got != want {
			t.Errorf("%q became %q, want %q: %v", typed, got, want, err)
		}
	}
	if got, err := answerTo(s, "${nothing}"); err == nil {
		t.Errorf("an answer that nobody gave became %q", got)
	}
}
