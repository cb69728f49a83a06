package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// TestFault_F19 lets Slack refuse in every way it knows, while a request walks through two stages: in the end everybody was told
// everything, once, and the pauses that Slack asked for were kept.
func TestFault_F19(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	for _, f := range []slacksim.Fault{
		{Kind: slacksim.FaultRateLimit, Match: "chat.postMessage", Skip: 1, Count: 3, RetryAfter: 2},
		{Kind: slacksim.FaultHTTP, Match: "chat.postMessage", Skip: 2, Count: 1, Status: http.StatusInternalServerError},
		{Kind: slacksim.FaultHTTP, Match: "chat.postMessage", Skip: 3, Count: 1, Status: http.StatusBadGateway, Body: "<html><h1>502 Bad Gateway</h1></html>"},
		{Kind: slacksim.FaultHTTP, Match: "chat.update", Count: 2, Status: http.StatusOK, Body: "<html>maintenance</html>"},
		{Kind: slacksim.FaultError, Match: "chat.postMessage", Skip: 4, Count: 2, Code: "internal_error"},
		{Kind: slacksim.FaultError, Match: "chat.update", Skip: 3, Count: 1, Code: "fatal_error"},
		{Kind: slacksim.FaultCutBody, Match: "conversations.open", Count: 1},
	} {
		w.slack.Inject(f)
	}
	reason := "Slack has a bad day."
	card := w.ask("maya", "prod-shell", "1h", reason)
	for _, p := range []string{"jonas", "frida"} { // whoever approves first takes the question from those not yet asked
		w.toldTimes(p, 1, "Approve?", reason)
	}
	w.click("jonas", card, screens.ActApprove)
	w.click("sofia", w.dmTo("sofia", reason), screens.ActApprove)
	cert := w.granted("maya")
	w.check(w.story.command(t.Context(), "maya", "/access", "done"))
	w.shutOut("maya", cert)
	w.toldTimes("sofia", 1, "Approve?", reason)
	w.toldTimes("maya", 1, "Ready:")
	w.toldTimes("maya", 1, "Ended:")
	w.card("Maya Chen", "access given back")
	w.pausesKept("chat.postMessage")
	w.verify()
}

// pausesKept looks at the traffic: after a 429 the same place gets nothing until Retry-After is over.
func (w *world) pausesKept(method string) {
	w.t.Helper()
	calls, limited := w.slack.Calls(method), 0
	for i, c := range calls {
		if c.Fault != string(slacksim.FaultRateLimit) {
			continue
		}
		limited++
		for _, later := range calls[i+1:] {
			if channelOf(later.Request) == channelOf(c.Request) && later.At.Sub(c.At) < 2*time.Second-100*time.Millisecond {
				w.t.Errorf("%s into %s came %v after a 429 that asked for 2 s", method, channelOf(c.Request), later.At.Sub(c.At))
			}
		}
	}
	if limited == 0 {
		w.t.Error("no call was limited: the test shows nothing")
	}
}

// channelOf finds the channel in a recorded body, a form or JSON.
func channelOf(body string) string {
	for _, before := range []string{"channel=", `"channel":"`} {
		if _, rest, ok := strings.Cut(body, before); ok {
			return rest[:strings.IndexFunc(rest+"&", func(r rune) bool { return r == '&' || r == '"' })]
		}
	}
	return ""
}

// TestFault_F20 makes every call of the bot to Slack slow, hang or break off: what people do is acknowledged while Slack still owes the answers
// that the decision waits for, and when Slack is well again everything arrives. That it is within three seconds is shown in bot/slack, on a clock that
// no load slows down (TestFault_F20_TheAckDoesNotWaitForTheHandler).
func TestFault_F20(t *testing.T) {
	t.Parallel()
	asked := &outstanding{}
	w := newWorld(t, worldOptions{
		slack: func(c *slacksim.Config) { c.AckTimeout = time.Minute },
		front: asked.front,
	})
	w.start()
	card := w.ask("maya", "quick", "1h", "Slack is about to hang.")
	for _, f := range []slacksim.Fault{
		{Kind: slacksim.FaultHang, Match: "chat.*", Count: 2},
		{Kind: slacksim.FaultSlowBody, Match: "chat.*", Count: 2, Delay: 4 * time.Second},
		{Kind: slacksim.FaultHang, Match: "users.*", Count: -1},
		{Kind: slacksim.FaultHang, Match: "conversations.*", Count: -1},
		{Kind: slacksim.FaultSlow, Match: "*", Count: -1, Delay: 4 * time.Second},
		{Kind: slacksim.FaultSlow, Match: "chat.*", Count: -1, Delay: 4 * time.Second},
		{Kind: slacksim.FaultSlow, Match: "response_url", Count: -1, Delay: 4 * time.Second},
	} {
		w.slack.Inject(f)
	}
	waited := false
	for i := range 3 {
		for k, act := range []func() slacksim.Delivery{
			func() slacksim.Delivery {
				return w.slack.Command(t.Context(), w.slackID("kenji"), "access", "/access", "list")
			},
			func() slacksim.Delivery {
				return w.slack.Click(t.Context(), slacksim.Press{User: w.slackID("kenji"), Channel: card.Channel, TS: card.TS, ActionID: screens.ActApprove, Confirmed: true, From: &card})
			},
			func() slacksim.Delivery {
				return w.slack.Click(t.Context(), slacksim.Press{User: w.slackID("jonas"), Channel: card.Channel, TS: card.TS, ActionID: screens.ActApprove, Confirmed: true, From: &card})
			},
		} {
			before := asked.begun.Load()
			d := act()
			begun, open := asked.begun.Load()-before, asked.open.Load()
			if d.Err != nil || !d.Acked {
				t.Errorf("round %d: not acknowledged: %+v", i, d)
			}
			if decides := k > 0; decides && begun > 0 && open == 0 {
				t.Errorf("round %d: the acknowledgement came only after Slack had been asked about somebody and did not answer", i)
			}
			waited = waited || k > 0 && begun > 0
		}
	}
	if !waited {
		t.Error("nothing was asked while Slack hung: the test shows nothing")
	}
	w.slack.ClearFaults()
	cert := w.granted("maya")
	if !w.letIn("maya", cert) {
		t.Error("the certificate does not open the bastion")
	}
	w.toldTimes("maya", 1, "Ready:")
	if n := len(w.entries("vote.recorded")); n != 1 {
		t.Errorf("%d votes, want 1", n)
	}
	w.verify()
}

// outstanding counts the questions about people that Slack was asked, and those that it has not answered and nobody has given up yet.
type outstanding struct{ begun, open atomic.Int64 }

func (o *outstanding) front(slack http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/users.info") {
			o.begun.Add(1)
			o.open.Add(1)
			defer o.open.Add(-1)
		}
		slack.ServeHTTP(rw, r)
	})
}

// TestReq_R5 takes Slack away in the middle: access ends on time all the same, and when Slack is back the cards say so.
func TestReq_R5(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "1h", "Slack goes away in the middle.")
	if !w.letIn("maya", cert) {
		t.Fatal("the certificate does not open the bastion")
	}
	w.slackDown()
	w.later(61 * time.Minute)
	revoked := w.recorded("grant.revoked", 1)[0]
	w.shutOut("maya", cert)
	ends := w.entries("grant.approved")[0].At.UTC.Time().Add(time.Hour)
	if late := revoked.At.UTC.Time().Sub(ends) - time.Minute; late > 15*time.Second {
		t.Errorf("revoked %v after the clock had moved past the end", late)
	}
	if body, code := w.get("/readyz"); code == http.StatusOK || !strings.Contains(body, `"ledger","ok":true`) {
		t.Errorf("without Slack /readyz says %d %s", code, body)
	}
	if out, _, code := runHere(t, []string{"COUNTERSIGN_LISTEN=127.0.0.1:1"}, "health", "-data", w.data()); code != exitFailed || !strings.Contains(out, "ledger   ok") {
		t.Errorf("by the folder alone health ends with %d:\n%s", code, out)
	}
	if body, code := w.get("/healthz"); code != http.StatusOK {
		t.Errorf("without Slack /healthz says %d %s: a supervisor would kill a bot that works", code, body)
	}
	// A crash while Slack is away changes nothing.
	w.bot.kill()
	w.slackUp()
	w.start()
	w.dmTo("maya", "Ended: you had")
	w.card("Maya Chen", "access expired")
	w.toldTimes("maya", 1, "Ended: you had")
	w.verify()
}

// TestReq_R5_StartWithoutSlack holds that what is due is revoked also by a bot that comes up while Slack is away.
func TestReq_R5_StartWithoutSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "1h", "The bot dies, then Slack.")
	w.bot.kill()
	w.slackDown()
	w.check(w.clock.advance(61 * time.Minute))
	w.bot = w.spawn(nil)
	w.recorded("grant.revoked", 1)
	w.slackUp()
	w.check(w.child.ready(t.Context()))
	w.shutOut("maya", cert)
	w.toldTimes("maya", 1, "Ended: you had")
	w.verify()
}

// TestThreat_T05 lets a second consumer sit on the app token: the bot sees it in the greeting, logs it and counts it.
func TestThreat_T05(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	if got := w.metric("countersign_slack_ghosts_total"); got != "0" {
		t.Errorf("ghosts at the start: %s", got)
	}
	w.slack.SetGhosts(3)
	w.slack.RefreshConnections()
	_, err := until(t.Context(), "the ghosts to be counted", func() (string, bool) {
		n := w.metric("countersign_slack_ghosts_total")
		return n, n != "0" && n != ""
	})
	w.check(err)
	if !strings.Contains(w.log(), "level=ERROR msg=\"Slack counts more connections than we hold") {
		t.Error("the log does not say so")
	}
}

// TestReq_R1 refuses a target without an owner: at the start, and at a reload, where the old configuration stays in force. What
// nobody answers for is in no form.
func TestReq_R1(t *testing.T) {
	t.Parallel()
	orphan := func(dir string) {
		file := filepath.Join(dir, "targets", "bastion.yaml")
		b, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(strings.Replace(string(b), "owner: jonas\n", "", 1)), 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
	w := newWorld(t, worldOptions{})
	w.start()
	config := filepath.Join(w.dir, "config")
	orphan(config)
	const why = `targets/bastion.yaml:1:5: target "bastion" has no owner, so nobody could request anything on it`
	if out, code := w.run("reload"); code != exitFailed || !strings.Contains(out, why) || !strings.Contains(out, "the old configuration stays in force") {
		t.Errorf("reload: exit %d, %s", code, out)
	}
	if !w.letIn("maya", w.grant("maya", "1h", "The old version is in force.")) {
		t.Error("the old configuration is not in force")
	}
	w.stopBot()
	w.bot = w.spawn(nil)
	if code, err := w.bot.wait(time.Minute); err != nil || code != exitFailed || !strings.Contains(w.log(), why) {
		t.Errorf("start: exit %d, %v", code, err)
	}
	w.verify()
}

// TestReq_R71 takes an identity out of the inventory while a form that names it is open: nothing is granted to it.
func TestReq_R71(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	view := w.form("maya", "quick")
	values := w.values("maya", "quick", "1h", "The robot needs it.")
	subject, ok := optionValue(view.Blocks, "Deployment robot")
	if !ok {
		t.Fatalf("the form offers no identity: %s", view.Visible())
	}
	values[screens.BlockSubject] = subject
	w.check(os.WriteFile(filepath.Join(w.dir, "config", "identities.yaml"), []byte("identities: []\n"), 0o600))
	if out, code := w.run("reload"); code != exitDone {
		t.Fatalf("reload: exit %d, %s", code, out)
	}
	w.check(w.submit(t.Context(), "maya", values))
	if v, _ := w.slack.View(w.slackID("maya")); !strings.Contains(v.Visible(), "There is no such identity in the inventory.") {
		t.Errorf("the form was answered with %q", v.Visible())
	}
	if n := len(w.entries("request.submitted")); n != 0 {
		t.Errorf("%d requests were taken", n)
	}
	w.verify()
}

// TestFault_F22_ALostAnswerIsAskedForAgain lets Slack fail, twice, to say who clicked: the decision is taken all the same.
func TestFault_F22_ALostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	card := w.ask("maya", "prod-shell", "1h", "Slack forgets who people are.")
	w.slack.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "users.info", Count: 2, Status: http.StatusInternalServerError})
	w.click("jonas", card, screens.ActApprove)
	w.recorded("vote.recorded", 1)
	w.verify()
}

// TestFault_F22_AClickLeftOverIsFinished gives a running bot an interaction that was received and not finished, as when its handling
// failed: it is finished without a restart and counts once.
func TestFault_F22_AClickLeftOverIsFinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	card := w.ask("maya", "prod-shell", "1h", "A click is left over.")
	w.click("jonas", card, screens.ActApprove)
	w.recorded("vote.recorded", 1)
	n := w.inbox(`UPDATE inbox SET done_at = 0 WHERE id = (SELECT MAX(id) FROM inbox WHERE kind = 'block_actions') RETURNING id`)
	_, err := until(t.Context(), "the end of what was left over", func() (bool, bool) {
		return true, w.inbox(fmt.Sprintf(`SELECT COUNT(*) FROM inbox WHERE id = %d AND done_at > 0`, n)) == 1
	})
	w.check(err)
	w.recorded("vote.recorded", 1)
	w.verify()
}

// inbox asks the database for one number.
func (w *world) inbox(query string) (n int64) {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.data(), "countersign.db")+"?_pragma=busy_timeout(20000)")
	w.check(err)
	defer db.Close()
	w.check(db.QueryRowContext(w.t.Context(), query).Scan(&n))
	return n
}
