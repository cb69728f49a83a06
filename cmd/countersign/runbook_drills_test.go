package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks/library"
)

// TestReq_R53_ThreeReadyRunbooksAreDrilled practises three of the ready runbooks on a running bot, the whole way: approved in peacetime, invoked as a
// drill, the alert acknowledged by somebody who was asked, every step said to be done, closed, and reviewed as a drill. The access has ended
// and the ledger verifies.
func TestReq_R53_ThreeReadyRunbooksAreDrilled(t *testing.T) {
	t.Parallel()
	own := strings.NewReplacer(
		"owner: alice", "owner: frida", "owner: bob", "owner: frida", "owner: chandra", "owner: frida", "owner: erin", "owner: frida",
		"groups: [on-call]\n", "people: [jonas]\n", "groups: [on-call, dba]", "people: [jonas]", "[alice, frida]", "[jonas, frida]", "[bob, frida]", "[jonas, frida]", "[bob, erin]", "[jonas, frida]",
	)
	reviewers := regexp.MustCompile(`reviewers:\n(  .*\n)+`)
	drills := map[string][]string{"db-failover": nil, "bot-down": nil, "k8s-control-plane": {"symptom=no answer"}}
	files := map[string]string{
		"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": preapproveChain,
		"escalations.yaml": "paths:\n  - {name: duty, kinds: [drill], steps: [{to: {people: [sofia]}, by: [dm], wait: 5m}]}\n",
	}
	for name := range drills {
		text, err := fs.ReadFile(library.FS(), name+".md")
		mustSay(t, err)
		files["runbooks/"+name+".md"] = reviewers.ReplaceAllString(own.Replace(string(text)), "reviewers:\n  people: [sofia]\n")
	}
	d := demoAsJonas(t, files)
	s, ctx := &story{demo: d}, t.Context()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	mustSay(t, err)
	key, err := ssh.NewPublicKey(public)
	mustSay(t, err)
	line := "key=" + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	for name, words := range drills {
		mustSay(t, s.command(ctx, "maya", "/access", "request approve-solo"))
		mustSay(t, s.submit(ctx, "maya", map[string]any{"runbook": name, "duration": "30d", "reason": "For the drill of " + name}))
		_, err := s.message(ctx, "access", "For the drill of "+name)
		mustSay(t, err)
		out, err := d.cli(ctx, "", "list")
		mustSay(t, err)
		if out, err = d.cli(ctx, "", "approve", requestIn(t, out), "-yes"); err != nil {
			t.Fatal(name, out)
		}
		out, err = d.cli(ctx, "", append([]string{"runbook", "drill", name, "INC-8", line, "-json"}, words...)...)
		if err != nil {
			t.Fatal(name, out)
		}
		var done struct{ Run, Review, Grant string }
		mustSay(t, json.Unmarshal([]byte(out), &done))
		dm, err := s.dm(ctx, "sofia", "DRILL", "I look after it")
		mustSay(t, err)
		mustSay(t, s.press(ctx, "sofia", dm, screens.ActAck))
		s.waitCLI(t, 0, []string{"runbook", "dry-run", name, "INC-9", line}, "It was practised in time")
		for step := 1; ; step++ {
			out, err := d.cli(ctx, "", "runbook", "step", done.Run, strconv.Itoa(step), "done", "-reason", "Practised, nothing was changed.")
			if err != nil && (strings.Contains(out, "There is no step") || strings.Contains(out, "This run is over")) {
				break
			}
			if err != nil && strings.Contains(out, "by somebody else than who invoked") {
				out, err = d.cli(ctx, "", "runbook", "step", done.Run, strconv.Itoa(step), "skip", "-reason", "The second person is not here for the drill.")
			}
			if err != nil || step > 60 {
				t.Fatal(name, step, out)
			}
		}
		if out, err = d.cli(ctx, "", "runbook", "finish", done.Run); err != nil && !strings.Contains(out, "over") {
			t.Fatal(name, out)
		}
		review, err := s.dm(ctx, "sofia", "This is a drill.", "Please review: "+name)
		mustSay(t, err)
		mustSay(t, s.press(ctx, "sofia", review, screens.ActReview))
		_, err = s.view(ctx, "sofia", screens.CallReview)
		mustSay(t, err)
		mustSay(t, s.submit(ctx, "sofia", map[string]any{"verdict": "drill", "note": "It went as written, in four minutes."}))
	}
	mustSay(t, d.advance(ctx, 2*time.Hour))
	s.waitCLI(t, 0, []string{"list"}, "o")
	if out, err := d.cli(ctx, "", "ledger", "verify", "-data", filepath.Join(d.dir, "data")); err != nil {
		t.Error(out)
	}
}
