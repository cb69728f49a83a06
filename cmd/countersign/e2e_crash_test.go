package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// playStory runs the demo's story in a process of its own and returns its transcript.
func playStory(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "countersign", append([]string{"demo", "-play"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("the story did not hold: %v\n%s%s", err, out.String(), errs.String())
	}
	if errs.Len() > 0 {
		t.Errorf("it said on stderr: %s", errs.String())
	}
	return out.String()
}

func TestDemoPlay(t *testing.T) {
	t.Parallel()
	out := playStory(t)
	for _, want := range []string{
		"Only Kenji sees: ⛔ *Not done.* You are not among those asked", "As root the same certificate is refused.", "The bastion refuses.",
		"is intact:", "Every step held.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the transcript does not say %q:\n%s", want, out)
		}
	}
}

func TestDemoPlay_KilledAtEveryStep(t *testing.T) {
	t.Parallel()
	out := playStory(t, "-kill", "all")
	if n := strings.Count(out, "killed with SIGKILL"); n != len((&story{}).steps()) {
		t.Errorf("the bot was killed %d times", n)
	}
	if !strings.Contains(out, "Every step held.") {
		t.Error(out)
	}
}

// TestReq_R13 kills the bot at moments that drift through every state of a request: from the click until what it brings about
// is told. Nothing needs two people at once, nothing is lost and nothing happens twice.
func TestReq_R13(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	const rounds = 6
	var last string
	for i := range rounds {
		crash := func() { w.after(time.Duration(i*i) * 3 * time.Millisecond); w.restart() }
		reason := fmt.Sprintf("Round %d of the drift.", i)
		card := w.ask("maya", "prod-shell", "1h", reason)
		crash()
		w.click("jonas", card, screens.ActApprove)
		crash()
		asked := w.dmTo("sofia", reason)
		w.click("sofia", asked, screens.ActApprove)
		crash()
		last = w.granted("maya", last)
		if !w.letIn("maya", last) {
			t.Errorf("round %d: the certificate does not open the bastion", i)
		}
		w.later(61 * time.Minute)
		crash()
		w.shutOut("maya", last)
		w.recorded("grant.started", i+1)
		w.recorded("grant.revoked", i+1)
		w.verify()
	}
	w.toldTimes("maya", rounds, "Ready:")
	w.toldTimes("maya", rounds, "Ended:")
	w.toldTimes("sofia", rounds, "Approve?")
}

// after lets real time pass: a crash has no event to wait for.
func (w *world) after(d time.Duration) {
	select {
	case <-w.t.Context().Done():
	case <-time.After(d):
	}
}

// TestFault_F03 kills the bot between intent, effect and record of a grant and of its revocation, at moments that sweep over
// the whole of both.
func TestFault_F03(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	const rounds = 8
	var last string
	for i := range rounds {
		pause := time.Duration(i) * 4 * time.Millisecond
		card := w.ask("maya", "quick", "1h", fmt.Sprintf("Round %d of the sweep.", i))
		if n := len(w.entries("grant.approved")); n != i {
			t.Fatalf("round %d: %d grants without the approval", i, n)
		}
		w.click("jonas", card, screens.ActApprove)
		w.after(pause)
		w.restart()
		cert := w.granted("maya", last)
		if !w.letIn("maya", cert) {
			t.Fatalf("round %d: the certificate does not open the bastion", i)
		}
		w.recorded("grant.started", i+1)
		w.check(w.story.command(t.Context(), "maya", "/access", "done"))
		w.after(pause)
		w.restart()
		w.shutOut("maya", cert)
		w.recorded("grant.revoked", i+1)
		w.verify()
		last = cert
	}
	w.toldTimes("maya", rounds, "Ready:")
	w.toldTimes("maya", rounds, "Ended:")
}

// TestFault_F14_SecondServe holds that a second bot on the same folder ends at once and says who has it.
func TestFault_F14_SecondServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	second := w.spawn(nil, prefix+"_LISTEN=127.0.0.1:0")
	code, err := second.wait(stopWithin)
	if err != nil || code != exitFailed {
		t.Errorf("the second bot: exit %d, %v", code, err)
	}
	if want := fmt.Sprintf("locked by pid %d", w.bot.cmd.Process.Pid); !strings.Contains(w.log(), want) {
		t.Errorf("it does not say %q", want)
	}
	if !w.letIn("maya", w.grant("maya", "1h", "The first bot goes on.")) {
		t.Error("the first bot does not work any more")
	}
	w.verify()
}

// TestFault_F35 sends SIGTERM in every state of a request: the bot ends in time and the next one goes on.
func TestFault_F35(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	for _, id := range []string{"request", "wrong-person", "self", "approve", "escalate", "approve-east", "login", "expire", "refused"} {
		w.step(id, func() { w.stopBot(); w.start() })
	}
	w.stopBot()
	w.verify()
	if starts, stops := len(w.entries("instance.started")), len(w.entries("instance.stopped")); starts != stops {
		t.Errorf("%d starts, %d orderly stops", starts, stops)
	}
}

// TestFault_F35_WhatSlackHadTakenIsFoundAgain stops the bot in an orderly way while Slack has taken its messages and not answered yet: the
// next one finds them, posts none twice, and their buttons work.
func TestFault_F35_WhatSlackHadTakenIsFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	w.slack.Inject(slacksim.Fault{Kind: slacksim.FaultHang, Match: "chat.postMessage", Count: 3, After: true})
	const reason = "Told to stop in the middle of a word."
	w.form("maya", "prod-shell")
	w.check(w.submit(t.Context(), "maya", w.values("maya", "prod-shell", "1h", reason)))
	posted := func() (n int) {
		for _, c := range w.slack.Calls("chat.postMessage") {
			if strings.Contains(c.Request, reason) {
				n++
			}
		}
		return n
	}
	_, err := until(t.Context(), "the card and two questions", func() (int, bool) { n := posted(); return n, n >= 3 })
	w.check(err)
	w.stopBot()
	w.start()
	card := w.card("Maya Chen", reason)
	w.click("kenji", card, screens.ActApprove)
	_, err = w.story.told(t.Context(), "kenji", "access", "not among those asked")
	w.check(err)
	w.click("jonas", w.dmTo("jonas", reason), screens.ActApprove)
	w.recorded("vote.recorded", 1)
	w.dmTo("sofia", reason)
	// And the question to the second stage: a message stands in its channel a moment before the call that posted it is in the list.
	_, err = until(t.Context(), "four calls", func() (int, bool) { n := posted(); return n, n >= 4 })
	w.check(err)
	if n := posted(); n != 4 {
		t.Errorf("%d messages were posted, want 4", n)
	}
	w.verify()
}
