package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestFault_F18_AStoppedProcessRevokesWhenItGoesOn stops the bot as a suspended machine does. Access that would have ended meanwhile goes on
// (nobody is there to take it back) and ends as soon as the process goes on: the record says that it was late, and for how long; what was
// waiting for a decision has timed out by then, in one step, and the click that comes after it is late.
func TestFault_F18_AStoppedProcessRevokesWhenItGoesOn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "30m", "reading the logs of the shop")
	waiting := w.ask("kenji", "quick", "30m", "restarting the shop's queue")
	asked := w.recorded(workflows.Submitted{}.Kind(), 2)[1]
	if !w.letIn("maya", cert) {
		t.Fatal("the access does not work")
	}
	p := w.bot.cmd.Process
	w.check(p.Signal(syscall.SIGSTOP))
	w.check(w.clock.advance(9 * time.Hour)) // the machine's clock goes on, nobody tells the process
	if n := len(w.entries(grants.Revoked{}.Kind())); n != 0 {
		t.Fatalf("%d revocations of a process that stands still", n)
	}
	w.check(p.Signal(syscall.SIGCONT))
	w.check(w.advance(t.Context(), time.Millisecond)) // the demo's clock is a file: this reads it, as a machine's own clock needs no telling
	revoked := w.recorded(grants.Revoked{}.Kind(), 1)[0]
	w.shutOut("maya", cert)
	started := w.recorded(grants.Started{}.Kind(), 1)[0]
	if late := revoked.At.UTC.Sub(started.At.UTC); late < 9*time.Hour {
		t.Errorf("revoked %s after it began, and the process stood still for nine hours", late)
	}
	timedOut := w.recorded(workflows.TimedOut{}.Kind(), 1)[0]
	if timedOut.Stream != asked.Stream {
		t.Errorf("%s timed out", timedOut.Stream)
	}
	before := len(w.records())
	if err := w.press(t.Context(), "jonas", waiting, screens.ActApprove); err == nil {
		if votes := w.entries(workflows.VoteRecorded{}.Kind()); len(votes) != 1 {
			t.Errorf("%d votes, and the second came when it was over", len(votes))
		}
	}
	for _, r := range w.records()[before:] {
		if r.Event.Kind() == (grants.Started{}).Kind() {
			t.Error("access began for what had timed out")
		}
	}
	w.verify()
}

// TestFault_F17_NoAccessBeginsOnAClockThatWentBack puts the wall clock back while the bot is not running, as a restored image does. The next start, and
// the one after it, begin no access: what is approved waits. What is to end is taken back all the same, and everybody who looks is told what is
// held and what to do. A word of those who run the machine is an entry, and access begins again.
func TestFault_F17_NoAccessBeginsOnAClockThatWentBack(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	if os.Getuid() != 0 {
		t.Skip("acting as several users of this machine needs root")
	}
	uids := map[string]int{}
	sockets := filepath.Join(openDir(t), "people.sock")
	w := newWorld(t, worldOptions{company: func(dir string) { uids = withUnixUsers(t, dir, "jonas", "kenji", "maya") }})
	env := prefix + "_SOCKET=" + sockets
	w.start(env)
	w.later(48 * time.Hour)
	cert := w.grant("maya", "30m", "reading the logs of the shop")
	w.recorded(grants.Started{}.Kind(), 1)
	w.stopBot()

	set := func(ahead time.Duration) {
		t.Helper()
		w.check(os.WriteFile(filepath.Join(w.dir, "clock"), []byte(strconv.FormatInt(ahead.Nanoseconds(), 10)), 0o600))
	}
	set(24 * time.Hour)
	w.start(env)
	jumped := w.recorded(store.ClockJumped{}.Kind(), 1)[0].Event.(store.ClockJumped)
	if back := jumped.From.Sub(jumped.To); !jumped.AtStart || back < 23*time.Hour || back > 25*time.Hour {
		t.Errorf("the entry says %+v", jumped)
	}
	const held = "NEW ACCESS IS HELD"
	card := w.ask("kenji", "quick", "30m", "restarting the shop's queue")
	w.click("jonas", card, screens.ActApprove)
	_, id, _ := strings.Cut(string(w.recorded(workflows.Submitted{}.Kind(), 2)[1].Stream), "/")
	waits := func() {
		t.Helper()
		_, err := until(t.Context(), "a status that says what is held", func() (string, bool) {
			r := orderAs(t, sockets, uids["kenji"], order{Do: "status", ID: id})
			text := strings.Join(r.Lines, "\n")
			return text, strings.Contains(text, held)
		})
		w.check(err)
		if n := len(w.entries(grants.Started{}.Kind())); n != 1 {
			t.Errorf("%d accesses began, want the one before the clock went back", n)
		}
		for name, args := range map[string][]string{"health": {"health"}, "doctor": {"doctor"}} {
			if out, _ := w.run(args...); !strings.Contains(out, held) {
				t.Errorf("%s says nothing: %s", name, out)
			}
		}
	}
	waits()
	if !strings.Contains(w.log(), "no access begins until it has caught up") {
		t.Error("the log says nothing")
	}
	_, err := until(t.Context(), "an alarm", func() (string, bool) {
		for _, r := range w.entries(workflows.AlarmRaised{}.Kind()) {
			if r.Event.(workflows.AlarmRaised).What == alarmClock {
				return "", true
			}
		}
		return "", false
	})
	w.check(err)

	// Taking back goes on, and another start changes nothing.
	if r := orderAs(t, sockets, uids["maya"], order{Do: "done"}); !r.OK {
		t.Fatalf("giving back: %s", r.Refused)
	}
	w.recorded(grants.Revoked{}.Kind(), 1)
	w.shutOut("maya", cert)
	w.stopBot()
	w.start(env)
	waits()

	wantRefusal(t, orderAs(t, sockets, uids["kenji"], order{Do: doClockConfirm, Reason: "I want in."}), workflows.CodeNotEligible)
	wantRefusal(t, orderAs(t, sockets, uids["jonas"], order{Do: doClockConfirm}), workflows.CodeReasonNeeded)
	said(t, orderAs(t, sockets, uids["jonas"], order{Do: doClock}).Text, held, "countersign clock confirm")
	said(t, orderAs(t, sockets, uids["jonas"], order{Do: doClockConfirm, Reason: "The image of last night was restored, and its clock is right."}).Text, "Access begins again")
	if e := w.recorded(store.ClockConfirmed{}.Kind(), 1)[0].Event.(store.ClockConfirmed); e.Floor != jumped.From {
		t.Errorf("confirmed up to %s, want %s", e.Floor, jumped.From)
	}
	w.recorded(grants.Started{}.Kind(), 2)
	w.granted("kenji")
	if out, _ := w.run("health"); strings.Contains(out, held) {
		t.Errorf("health after the word: %s", out)
	}
	w.stopBot()
	w.start(env) // behind the old floor still, and somebody answered for that
	if out, _ := w.run("health"); strings.Contains(out, held) {
		t.Errorf("health after the next start: %s", out)
	}
	w.verify()
}
