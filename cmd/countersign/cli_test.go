package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
)

// soloChain lets Maya ask and the machine's own user, Jonas, decide: what one test process can be on a real socket.
const soloChain = `id: solo
title: Shell in an emergency
purpose: For the tests of the command line.
kind: credential
owner: jonas
may_ask:
  people: [maya, jonas]
for: [self]
grants: [bastion/deploy]
fields:
  - {name: key, label: SSH public key, type: ssh_key}
longest: 4h
usual: 1h
reason_min: 10
channel: "#access"
seen_by: members
stages:
  - name: Owner
    approvers: {people: [jonas, frida]}
    quorum: 1
    timeout: 8h
`

// cliDemo is a demo in which the user that runs the tests is Jonas.
func cliDemo(t *testing.T) *demo {
	t.Helper()
	return demoAsJonas(t, map[string]string{"workflows/solo.yaml": soloChain})
}

// demoAsJonas is a demo with further files in which the user that runs the tests is Jonas.
func demoAsJonas(t *testing.T, files map[string]string) *demo {
	t.Helper()
	return demoAsJonasWith(t, files, nil)
}

// demoAsJonasWith has further settings of the bot, too.
func demoAsJonasWith(t *testing.T, files, env map[string]string) *demo {
	t.Helper()
	me, err := user.Current()
	mustSay(t, err)
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	if own, ok := files["people.yaml"]; ok {
		people = []byte(own)
	}
	exe, err := os.Executable()
	mustSay(t, err)
	files["people.yaml"] = strings.Replace(strings.Replace(string(people), "    unix: maya\n", "", 1),
		"    slack: U0JONAS01\n", "    slack: U0JONAS01\n    unix: "+me.Username+"\n", 1)
	d, err := newDemoOf(t.Context(), proc{out: io.Discard, err: io.Discard}, demoSetup{exe: exe, dir: t.TempDir(), listen: "127.0.0.1:0", files: files, env: env})
	mustSay(t, err)
	t.Cleanup(d.close)
	t.Cleanup(func() { d.sayLog(t) })
	return d
}

// sayLog gives the end of the bot's log to whoever reads of a test that failed.
func (d *demo) sayLog(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	raw, err := os.ReadFile(filepath.Join(d.dir, "serve.log"))
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	t.Logf("the bot's log (%v), its last lines:\n%s", err, strings.Join(lines[max(0, len(lines)-60):], "\n"))
}

// cli runs a command of a person as the user that runs the tests.
func (d *demo) cli(ctx context.Context, in string, args ...string) (string, error) {
	var out bytes.Buffer
	code := run(ctx, proc{
		args: args, env: []string{prefix + "_DATA=" + filepath.Join(d.dir, "data")}, in: strings.NewReader(in), out: &out, err: &out,
	})
	if code != exitDone {
		return out.String(), codeError{code, os.ErrInvalid}
	}
	return out.String(), nil
}

func said(t *testing.T, out string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("the answer does not say %q:\n%s", w, out)
		}
	}
}

// TestReq_R5_CommandLineWithoutSlack: the database is the record and chat is a view. With Slack away altogether, a request is approved on
// the bot's host. Whether Maya is still active cannot be asked then, so her access is made when it can be; the card is the same card.
func TestReq_R5_CommandLineWithoutSlack(t *testing.T) {
	t.Parallel()
	d := cliDemo(t)
	s := &story{demo: d}
	ctx := t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request solo"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{
		"duration": "1h", "reason": "The shop answers 502 and nobody else is awake.", "field:key": d.people["maya"].public(),
	}))
	card, err := s.message(ctx, "access", "Maya Chen", "Shell as deploy")
	mustSay(t, err)

	d.slack.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Count: -1, Status: 503})
	mustSay(t, d.advance(ctx, 2*time.Minute)) // what was asked of Slack before is too old now
	out, err := d.cli(ctx, "", "list")
	mustSay(t, err)
	said(t, out, "Waiting for you: 1", "bastion/deploy", "by Maya Chen")
	id := requestIn(t, out)
	if out, err := d.cli(ctx, "no\n", "approve", id); err == nil {
		t.Fatalf("an approval without agreeing was taken:\n%s", out)
	}
	out, err = d.cli(ctx, "approve\n", "approve", id[len(id)-6:])
	mustSay(t, err)
	said(t, out, "Maya Chen asks for", "Why: The shop answers 502", "Approved by Jonas Weber.")
	out, err = d.cli(ctx, "", "approve", id, "-yes")
	if err == nil {
		t.Errorf("a second approval was taken:\n%s", out)
	}
	said(t, out, "approved")

	d.slack.ClearFaults()
	_, err = until(ctx, "the access to be made", func() (string, bool) {
		out, err := d.cli(ctx, "", "status", id)
		return out, err == nil && strings.Contains(out, "Access: active")
	})
	mustSay(t, err)
	_, err = s.dm(ctx, "maya", "ready: you can use", "Shell as deploy")
	mustSay(t, err)
	_, err = until(ctx, "the card to be repainted", func() (string, bool) {
		m, ok := newest(d.slack.Messages("access"), []string{"Maya Chen", "Approved by"})
		return m.TS, ok && m.TS == card.TS
	})
	mustSay(t, err)
	out, err = d.ledger(ctx, "show", "-last", "0", "-json")
	mustSay(t, err)
	said(t, out, `"channel":"cli"`, `"authn":"unix-peer"`)
}

func requestIn(t *testing.T, out string) string {
	t.Helper()
	for _, w := range strings.Fields(out) {
		if strings.HasPrefix(w, "r_") {
			return w
		}
	}
	t.Fatalf("no request in:\n%s", out)
	return ""
}

// TestCommandLine walks a person's own request through every command.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	d := cliDemo(t)
	ctx := t.Context()
	key := filepath.Join(t.TempDir(), "id.pub")
	mustSay(t, os.WriteFile(key, []byte(d.people["jonas"].public()), 0o600))
	out, err := d.cli(ctx, "", "request", "solo", "-reason", "short")
	if err == nil {
		t.Errorf("a request without its key and reason was taken:\n%s", out)
	}
	said(t, out, "reason: Say why", "key: This is needed")
	out, err = d.cli(ctx, "", "request", "solo", "-reason", "I need the logs of last night.", "-field", "key=@"+key, "-for-time", "30m")
	mustSay(t, err)
	said(t, out, "waiting", "Jonas Weber asks for Production bastion", "for 30m", "Waiting for 1 more", "pending  Frida Lund")
	id := requestIn(t, out)
	out, err = d.cli(ctx, "", "approve", id, "-yes")
	if err == nil {
		t.Errorf("Jonas approved his own request:\n%s", out)
	}
	said(t, out, "You stand behind this request yourself")
	out, err = d.cli(ctx, "", "deny", id, "-yes", "-json")
	var r reply
	if err == nil || json.NewDecoder(strings.NewReader(out)).Decode(&r) != nil || r.OK || r.Code != workflows.CodeSelfApproval {
		t.Errorf("deny -json: %v, %+v\n%s", err, r, out)
	}
	out, err = d.cli(ctx, "", "withdraw", id)
	mustSay(t, err)
	said(t, out, "Withdrawn by Jonas Weber.")
	out, err = d.cli(ctx, "", "status", "r_00000000000000000000000000")
	if err == nil {
		t.Errorf("an unknown id has a status:\n%s", out)
	}
	said(t, out, "There is no such request, or it is not yours to see.")
	if out, err = d.cli(ctx, "", "done"); err == nil {
		t.Errorf("access was given back that nobody has:\n%s", out)
	}
}

// TestCommandLine_Stranger: a user of the machine whom the people file does not name can do nothing, and that is recorded.
func TestCommandLine_Stranger(t *testing.T) {
	t.Parallel()
	d := quietDemo(t) // its people file names no user of this machine
	out, err := d.cli(t.Context(), "", "list")
	if err == nil {
		t.Fatalf("a stranger was answered:\n%s", out)
	}
	said(t, out, "is nobody in the people file", "Ask the operator")
	shown, err := d.ledger(t.Context(), "show", "-last", "5")
	mustSay(t, err)
	said(t, shown, "command.refused", "unlinked")
}

// TestCommandLine_NoBot says what to do when nothing answers.
func TestCommandLine_NoBot(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d := &demo{dir: t.TempDir()}
	out, err := d.cli(ctx, "", "list")
	if err == nil {
		t.Fatal("nobody answered, and that was success")
	}
	said(t, out, "no bot answers on", "hint: is countersign serve running here")
}

// TestCommandLine_CauseIsOnesOwn: the client chooses the cause that makes an order count once; it is worth nothing to anybody else.
func TestCommandLine_CauseIsOnesOwn(t *testing.T) {
	t.Parallel()
	a, b := workflows.Acting{Actor: "a_1"}, workflows.Acting{Actor: "a_2"}
	const chosen = "0123456789abcdef"
	one, ok := causeOf(a, chosen)
	two, okToo := causeOf(b, chosen)
	again, _ := causeOf(a, chosen)
	if !ok || !okToo || one == two || one != again {
		t.Errorf("causes %q, %q, %q", one, two, again)
	}
	for _, bad := range []string{"short", "../../inbox/1", strings.Repeat("a", 65), "0123456789ABCDEF", "01234567\n"} {
		if c, ok := causeOf(a, bad); ok {
			t.Errorf("%q became %q", bad, c)
		}
	}
}

// sendRaw gives an order to the running bot as the user that runs the tests, with whatever a client of their own could write into it.
func (d *demo) sendRaw(t *testing.T, o order) (reply, error) {
	t.Helper()
	return send(t.Context(), Config{Data: filepath.Join(d.dir, "data")}, o)
}

// TestThreat_T36_PeopleSocketTakesNoForeignText: the verb of an order is recorded in clear, for ever. What is not a verb is not recorded;
// a reason has the length it has in Slack.
func TestThreat_T36_PeopleSocketTakesNoForeignText(t *testing.T) {
	t.Parallel()
	for _, d := range []*demo{quietDemo(t), cliDemo(t)} { // in the first, the user that runs the tests is a stranger
		r, err := d.sendRaw(t, order{Do: "Maya Chen was here " + strings.Repeat("x", 50_000)})
		if err != nil || r.Code != workflows.CodeBadField {
			t.Errorf("%v, %+v", err, r)
		}
		shown, err := d.ledger(t.Context(), "show", "-last", "0", "-json")
		mustSay(t, err)
		if strings.Contains(shown, "was here") {
			t.Error("what was sent instead of a verb stands in the ledger")
		}
	}
	d := cliDemo(t)
	r, err := d.sendRaw(t, order{Do: "request", Workflow: "solo", Reason: "I need the logs of last night.", Fields: map[string]string{"key": d.people["jonas"].public()}})
	if err != nil || !r.OK {
		t.Fatalf("%v, %+v", err, r)
	}
	for _, do := range []string{"withdraw", "take-back", "deny", "done", "revoke"} {
		long, err := d.sendRaw(t, order{Do: do, ID: r.ID, Reason: strings.Repeat("long ", 201)})
		if err != nil || long.Code != workflows.CodeTooLong {
			t.Errorf("%s with a reason of 1,005 characters: %v, %+v", do, err, long)
		}
	}
}

// TestCommandLine_CauseTwice: a cause that was consumed by an order that was carried out gives an answer to whatever comes with it next,
// not a connection that breaks.
func TestCommandLine_CauseTwice(t *testing.T) {
	t.Parallel()
	d := cliDemo(t)
	o := order{Do: "request", Cause: "0123456789abcdef", Workflow: "solo", Reason: "I need the logs of last night.", Fields: map[string]string{"key": d.people["jonas"].public()}}
	first, err := d.sendRaw(t, o)
	if err != nil || !first.OK {
		t.Fatalf("%v, %+v", err, first)
	}
	again, err := d.sendRaw(t, o)
	if err != nil || again.ID != first.ID {
		t.Errorf("the same order again: %v, %+v", err, again)
	}
	for _, do := range []string{"approve", "withdraw"} {
		other, err := d.sendRaw(t, order{Do: do, Cause: o.Cause, ID: "zzzz"})
		if err != nil || other.OK || other.Code != workflows.CodeUnknown {
			t.Errorf("%s of nothing under the same cause: %v, %+v", do, err, other)
		}
	}
}
