package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

const chatOnlyPaths = `paths:
  - name: duty
    kinds: [break_glass]
    steps:
      - {to: {people: [frida]}, by: [dm], wait: 5m}
`

// withNumber is the demo's people file with the telephone number of one of them.
func withNumber(t *testing.T) string {
	t.Helper()
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	return strings.Replace(string(people), "    email: frida@northwind.example\n", "    email: frida@northwind.example\n    phone: \"+1 212 555 0142\"\n", 1)
}

// TestReq_R20_WhoCannotBeToldIsCalled: the glass is broken while Slack is down and no other way is set up, so that nobody can be told. The log
// says so, with the telephone number of who should have been; while somebody could be told it says nothing of the kind.
func TestReq_R20_WhoCannotBeToldIsCalled(t *testing.T) {
	t.Parallel()
	s := &story{demo: demoAsJonas(t, map[string]string{
		"people.yaml": withNumber(t), "escalations.yaml": chatOnlyPaths, "rotations.yaml": dutyRota,
		"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": preapproveChain, "runbooks/guarded.md": strings.NewReplacer("on_shift: [duty]\n", "", "incident_required: true\ncommander_invokes: true\n", "").Replace(guardedBook),
	})}
	approveBook(t, s, "guarded")
	log := func() string {
		b, err := os.ReadFile(filepath.Join(s.dir, "serve.log"))
		mustSay(t, err)
		return string(b)
	}
	if strings.Contains(log(), "0142") {
		t.Fatalf("a number is in the log without need:\n%s", log())
	}
	s.slack.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Count: -1, Status: 503})
	s.mustCLI(t, "runbook", "invoke", "guarded", "INC-7", "key="+strings.TrimSpace(s.people["jonas"].public()), "-reason", "Nobody can buy anything.", "-yes")
	deadline := time.Now().Add(2 * time.Minute)
	for !strings.Contains(log(), "+1 212 555 0142") {
		if time.Now().After(deadline) {
			t.Fatalf("no number was printed:\n%s", log())
		}
		mustSay(t, s.advance(t.Context(), 30*time.Second))
	}
	said(t, log(), "NOBODY COULD BE TOLD", "Frida Lund", "INC-7")
}

// TestReq_R20_ThePageForEmergenciesSaysWhomToCall: who signs in with a printed code while Slack is down reads there whom to call.
func TestReq_R20_ThePageForEmergenciesSaysWhomToCall(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "kenji", func(config string) {
		mustSay(t, os.WriteFile(filepath.Join(config, "escalations.yaml"), []byte(chatOnlyPaths), 0o600))
		path := filepath.Join(config, "people.yaml")
		b, err := os.ReadFile(path)
		mustSay(t, err)
		text := strings.Replace(string(b), "    email: frida@northwind.example\n", "    email: frida@northwind.example\n    phone: \"+1 212 555 0142\"\n", 1)
		mustSay(t, os.WriteFile(path, []byte(text), 0o600))
	})
	code := w.sheet()[0]
	w.slackDown()
	v := w.visitor()
	if page := v.get(w.child.url() + "/emergency"); strings.Contains(page, "0142") {
		t.Errorf("the number is shown before anybody signed in:\n%s", page)
	}
	page := v.send("/emergency/login", map[string]string{"name": "kenji", "code": code})
	said(t, page, "Frida Lund", "+1 212 555 0142")
}
