package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const nightPaths = `paths:
  - name: duty
    kinds: [break_glass, failed_revocation, leak, drill]
    repeat: 1
    steps:
      - {to: {people: [sofia]}, by: [dm], wait: 5m}
      - {to: {people: [frida]}, by: [dm], wait: 10m}
`

// bareID is a person's pseudonym, whole or cut.
var bareID = regexp.MustCompile(`\bp_[0-9a-f]{8}`)

// wordWith is the first word of a text that begins so.
func wordWith(t *testing.T, text, begins string) string {
	t.Helper()
	for _, f := range strings.Fields(text) {
		if strings.HasPrefix(f, begins) {
			return f
		}
	}
	t.Fatalf("no word begins with %q in:\n%s", begins, text)
	return ""
}

// TestStory_ANightOnTheHost is what somebody meets at 3 a.m. who has a terminal on the bot's host and no Slack: a name typed wrongly and answers
// left out say what to type instead; the invocation itself prints the command and a certificate that the target takes, and so does its status
// later; after a kill -9 the run stands where it stood and says what comes next; the invoker sees that nobody acknowledged yet; and the report
// names everybody, with the escalation in it.
func TestStory_ANightOnTheHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	standsStill(t, dir)
	w := portalWorld(t, "kenji", func(config string) {
		for name, text := range map[string]string{
			"runbooks/leaked-key.md": readyBook(t, "leaked-key.md"), "targets/pg-main.yaml": strings.ReplaceAll(databaseTarget, "DIR", dir), "escalations.yaml": nightPaths,
		} {
			mustSay(t, os.WriteFile(filepath.Join(config, name), []byte(text), 0o600))
		}
	})
	w.preapprove("leaked-key", "Replace a key")
	w.slackDown()
	incident := incidentIn.FindString(w.must("incident", "open", "2", "A key stands in a public repository"))

	refused := func(wants []string, args ...string) {
		t.Helper()
		out, code := w.run(args...)
		if code != exitFailed {
			t.Errorf("%q (exit %d):\n%s", args, code, out)
		}
		said(t, out, wants...)
	}
	refused([]string{"no such runbook", "countersign runbook list", "Did you mean leaked-key?"}, "runbook", "invoke", "leakd-key", incident, "-yes")
	refused([]string{"account: This is needed", "where=…  Where the key can be read: one of public repository, ", "key=…  Your SSH public key"}, "runbook", "invoke", "leaked-key", incident, "-yes")

	answers := []string{"account=svc_deploy", "where=public repository", "key=" + strings.TrimSpace(w.people["kenji"].public())}
	out := w.must(append(append([]string{"runbook", "invoke", "leaked-key", incident}, answers...), "-reason", "the key of svc_deploy is public", "-yes")...)
	said(t, out, "the glass is broken", "ssh -i ~/.ssh/id_ed25519", "-cert.pub:")
	cert := certLine.FindString(out)
	if told, err := w.host.login("deploy", w.people["kenji"].ssh, cert); err != nil {
		t.Fatalf("the certificate that the invocation printed: %v, %s", err, told)
	}
	run := wordWith(t, out, "u_")
	grant := wordWith(t, w.must("list"), "g_")
	if again := w.must("status", grant); certLine.FindString(again) != cert {
		t.Errorf("the status of %s shows another certificate, or none:\n%s", grant, again)
	}
	refused([]string{"not yours to see"}, "status", "g_01m000000000000000000000aa")

	w.must("runbook", "step", run, "1", "done", "-reason", "Named, not shown.")
	w.fileWith(filepath.Join(dir, "orders"), "revoke")
	w.bot.kill() // -9
	w.bot = w.spawn(nil)
	status, err := until2(t.Context(), func() (string, error) { return w.statusWith(run, "2  running") })
	w.check(err)
	said(t, status, "1  done", "Step 2 is being carried out by its target")
	mustSay(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	_, err = until2(t.Context(), func() (string, error) {
		w.later(5 * time.Second)
		return w.statusWith(run, "Next: countersign runbook step "+run+" 3 done")
	})
	w.check(err)
	said(t, w.must("escalations", "list"), "break_glass", "open")

	w.slackUp()
	w.later(2 * time.Minute)
	_, err = w.dm(t.Context(), "sofia", "Break glass in "+incident, "I look after it")
	w.check(err)
	w.check(w.child.ready(t.Context()))
	w.check(w.command(t.Context(), "sofia", "/breakglass", "ack"))
	d := w.slack.Command(t.Context(), w.people["kenji"].slack, "access", "/breakglass", "leaked-key")
	said(t, string(d.AckPayload), "/breakglass leaked-key "+incident, "SEV-2: A key stands in a public repository")
	report, err := until(t.Context(), "the acknowledgement in the report", func() (string, bool) {
		out := w.must("runbook", "report", incident)
		return out, strings.Contains(out, "acknowledged by Sofia Rossi at")
	})
	w.check(err)
	said(t, report, "## Escalation", "path duty", "Sofia Rossi by dm, delivered", "Path duty: acknowledged by Sofia Rossi", "Frida Lund, please rotate what was exposed, ", "your approval was skipped\" to Jonas Weber")
	if bare := bareID.FindString(strings.ReplaceAll(report, "\\", "")); bare != "" {
		t.Errorf("the report has the pseudonym %s where a name belongs:\n%s", bare, report)
	}
	w.verify()
}
