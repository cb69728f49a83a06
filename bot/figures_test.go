package bot_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// times is how often a figure's test tries: a twentieth of the figure with go test alone, all of it in CI (COUNTERSIGN_LONG=1, step figures), and
// twenty times as much in a long run (COUNTERSIGN_LONG=20).
func times(figure int) int {
	if n, err := strconv.Atoi(os.Getenv("COUNTERSIGN_LONG")); err == nil && n > 0 {
		return figure * n
	}
	return figure / 20
}

// seals is the key of the tests' bot.
func seals() *bot.Buttons { return &bot.Buttons{Key: []byte("a key for tests with 32 bytes ...")} }

// more opens a request without Slack having to show anything.
func (w *world) more(by workflows.Acting) workflows.RequestID {
	w.t.Helper()
	res, err := w.desk.Submit(w.ctx, desk.Submission{
		By: by, Workflow: "bastion-shell", Channel: "slack", Authn: "slack-click",
		Form: workflows.Form{Target: "bastion", Entitlement: "shell", Seconds: 3600, Reason: "deploy hotfix number " + strconv.FormatInt(w.m.index, 10), Values: map[string]string{"ticket": "OPS-1"}},
	})
	if err != nil || res.Refusal != nil {
		w.t.Fatal(err, res.Refusal)
	}
	return res.ID
}

// pressHome is a click on a button of somebody's Home page.
func (w *world) pressHome(user string, id workflows.RequestID, ts string) slack.Interaction {
	s := w.state(id).State
	value := seals().Value(bot.Button{Kind: 'a', ID: string(id), Stage: 0, Shown: s.Shown(0)[:32]}, w.people[user])
	return slack.Interaction{
		Kind: slack.KindBlockActions, TeamID: w.sim.Team().ID, UserID: w.sim.UserID(user), View: &slack.View{ID: "V1", Type: "home", Hash: "1.x"},
		Actions: []slack.Action{{Input: slack.Input{BlockID: "b", ActionID: screens.ActApprove, Value: value}, TS: ts}},
	}
}

// F22: ten thousand orders of duplicated, reordered and dropped deliveries end in the same state: one approval, three comments, and refusals for
// those who may not decide. A drop is a delivery that Slack repeats later.
func TestFault_F22_TenThousandOrdersEndAlike(t *testing.T) {
	const batch = 250
	rng := rand.New(rand.NewPCG(22, 22))
	for done := 0; done < times(10_000); done += batch {
		w := start(t, nil)
		maya, err := w.identity.Resolve(w.ctx, slack.Interaction{TeamID: w.sim.Team().ID, UserID: w.sim.UserID("maya")})
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch {
			w.m.pass(time.Minute)
			id := w.more(maya)
			say := func(user, words string) slack.Interaction {
				return slack.Interaction{Kind: slack.KindCommand, TeamID: w.sim.Team().ID, UserID: w.sim.UserID(user), Command: "/access", Text: "comment " + string(id) + " " + words, TriggerID: "0.0.0"}
			}
			first := []slack.Interaction{w.pressHome("jonas", id, "1.1"), say("maya", "one"), say("jonas", "two"), say("maya", "three"), say("kenji", "not mine to see")}
			var order []int
			for k := range first {
				for range 1 + rng.IntN(3) { // once at least, since Slack repeats what was dropped
					order = append(order, k)
				}
			}
			rng.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
			for _, k := range order {
				in := first[k]
				row, dup, err := w.m.Put(w.ctx, slack.Received{Keys: []string{fmt.Sprintf("%d/%d/%d", done, i, k)}})
				if err != nil {
					t.Fatal(err)
				}
				if dup {
					continue
				}
				in.InboxID = row
				if _, err := w.bot.Handle(w.ctx, in); err != nil {
					t.Fatal(err)
				}
			}
			s := w.state(id).State
			said := map[string]bool{}
			for _, c := range s.Comments {
				said[c.Text] = true
			}
			if len(s.Stages[0].Votes) != 1 || s.Current != 1 || len(s.Comments) != 3 || !said["one"] || !said["two"] || !said["three"] {
				t.Fatalf("order %v: stage %d, votes %v, comments %v", order, s.Current, s.Stages[0].Votes, s.Comments)
			}
			if res, err := w.desk.Withdraw(w.ctx, desk.Change{By: maya, Request: id, Channel: "slack"}); err != nil || res.Refusal != nil {
				t.Fatal(err, res.Refusal) // nobody has more than a few open requests
			}
		}
	}
}

// leaves lists the places of all leaves of a JSON value.
func leaves(v any, at []any) [][]any {
	var out [][]any
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			out = append(out, leaves(e, append(at[:len(at):len(at)], k))...)
		}
	case []any:
		for i, e := range x {
			out = append(out, leaves(e, append(at[:len(at):len(at)], i))...)
		}
	default:
		return [][]any{at}
	}
	return out
}

// changed is a copy of a value with another leaf at a place.
func changed(v any, at []any, leaf any) any {
	if len(at) == 0 {
		return leaf
	}
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = e
		}
		out[at[0].(string)] = changed(x[at[0].(string)], at[1:], leaf)
		return out
	case []any:
		out := append([]any{}, x...)
		out[at[0].(int)] = changed(x[at[0].(int)], at[1:], leaf)
		return out
	}
	return v
}

func leafAt(v any, at []any) any {
	for _, k := range at {
		switch x := v.(type) {
		case map[string]any:
			v = x[k.(string)]
		case []any:
			v = x[k.(int)]
		}
	}
	return v
}

// T13: fifty thousand payloads with one leaf changed decide nothing but what the untouched payload decides. What it decides is decided
// already, so that every further vote, on any request, by anybody, is one that the change brought about.
func TestThreat_T13_MutatedLeavesDecideNothingElse(t *testing.T) {
	const batch = 250 // of one world: what is refused is recorded, and a history of thousands is slow to read
	var handled atomic.Int64
	t.Run("batches", func(t *testing.T) {
		for done := 0; done < times(50_000); done += batch {
			t.Run(strconv.Itoa(done), func(t *testing.T) {
				t.Parallel() // most of the time a click on a message that is not known yet waits for its row
				handled.Add(mutate(t, rand.New(rand.NewPCG(13, uint64(done))), batch))
			})
		}
	})
	if n := handled.Load(); n < int64(times(50_000)/10) {
		t.Errorf("only %d were read", n)
	}
	t.Logf("%d of %d were read and handled", handled.Load(), times(50_000))
}

// mutate changes one leaf of a click n times and hands each on; it gives how many could be read.
func mutate(t *testing.T, rng *rand.Rand, n int) int64 {
	t.Helper()
	w := start(t, nil)
	id, other := w.ask("maya", "deploy hotfix now"), w.ask("sofia", "deploy something else")
	card := w.sim.DM("jonas")[0]
	w.click("jonas", card, "request.approve")
	w.run()
	var pool []string // values from elsewhere: other people, other requests, other buttons
	var payloads []any
	for _, row := range w.m.inbox {
		var v any
		if json.Unmarshal(row.in.Body, &v) == nil && row.in.Kind == slack.KindBlockActions {
			payloads = append(payloads, v)
		}
	}
	if len(payloads) == 0 {
		t.Fatal("no click is on file")
	}
	for _, u := range []string{"maya", "jonas", "sofia", "priya", "kenji", "gus"} {
		pool = append(pool, w.sim.UserID(u), string(w.people[u]))
		for _, m := range append(w.sim.DM(u), w.sim.Messages("access")...) {
			pool = append(pool, m.TS, m.Channel)
			for _, a := range []string{"request.approve", "request.deny", "request.read"} {
				if contains(m.ActionIDs(), a) {
					pool = append(pool, buttonValue(t, m, a))
				}
			}
		}
	}
	pool = append(pool, string(id), string(other), "request.approve", "request.deny", "request.more", "", "block_actions", "view_submission", "T0ELSEWHERE")
	before, others := w.votes(id), w.votes(other)
	all := leaves(payloads[0], nil)
	var handled atomic.Int64
	var wait sync.WaitGroup
	next := make(chan []byte)
	for range 64 { // a click on a message that is not known yet waits a second for its row
		wait.Go(func() {
			for raw := range next {
				in, err := slack.Decode("interactive", raw)
				if err != nil {
					continue
				}
				in.InboxID, in.ResponseURL = w.row(fmt.Sprint("mutated", handled.Add(1))), ""
				if _, err := w.bot.Handle(w.ctx, in); err != nil && !strings.Contains(err.Error(), "names nobody") {
					t.Errorf("%s: %v", raw, err)
				}
				if a, b := w.votes(id), w.votes(other); a != before || b != others {
					t.Errorf("decided something: %d and %d votes, after %s", a, b, raw)
				}
			}
		})
	}
	for range n {
		place := all[rng.IntN(len(all))]
		var leaf any = pool[rng.IntN(len(pool))]
		switch old := leafAt(payloads[0], place); rng.IntN(8) {
		case 0:
			leaf = nil
		case 1:
			leaf = rng.Int64()
		case 2:
			leaf = true
		case 3:
			if s, ok := old.(string); ok && s != "" {
				b := []byte(s)
				b[rng.IntN(len(b))] ^= byte(1 << rng.IntN(7))
				leaf = string(b)
			}
		}
		raw, err := json.Marshal(changed(payloads[0], place, leaf))
		if err != nil {
			t.Fatal(err)
		}
		if next <- raw; t.Failed() {
			break
		}
	}
	close(next)
	wait.Wait()
	return handled.Load()
}

// Every recorded payload, a hundred times: no panic, no decision, and what is unknown is left alone.
func TestRecordedPayloadsHaveNoEffect(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(filepath.Dir(filepath.Dir(dir)), "shared", "slack", "payloads")
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the recorded payloads are not beside the module")
	}
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	before := w.votes(id)
	read := 0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range []string{"interactive", "event", "command"} {
			in, err := slack.Decode(class, raw)
			if err != nil {
				continue
			}
			read++
			for i := range 100 {
				w.m.pass(time.Second)
				in.InboxID = w.row(fmt.Sprint(f, class, i))
				in.ResponseURL = ""
				if _, err := w.bot.Handle(w.ctx, in); err != nil && i == 0 {
					t.Logf("%s: %v", filepath.Base(f), err)
				}
			}
		}
	}
	ids, _ := w.m.List(w.ctx, workflows.ListAll, "", 0)
	if w.votes(id) != before || len(ids) != 1 || read < 20 {
		t.Errorf("%d votes, %d requests, %d payloads read", w.votes(id), len(ids), read)
	}
}

// F21, R5: six hours without Slack. Access ends on time, what waits is kept, and afterwards every card is brought up to date with one update.
func TestFault_F21_SixHoursWithoutSlack(t *testing.T) {
	w := start(t, nil)
	held := w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.click("sofia", w.card("access"), "request.approve")
	w.run()
	if h := w.state(held).Hold; h == nil || !h.Live() {
		t.Fatal("no access was made")
	}
	waiting := w.ask("kenji", "deploy another hotfix")
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Count: -1})
	for range 12 {
		w.m.pass(30 * time.Minute)
		for stream, list := range w.m.due() {
			for _, j := range list {
				if j.Kind == workflows.JobWake || j.Kind == workflows.JobRevoke {
					w.job(stream, j)
				}
			}
		}
	}
	if h := w.state(held).Hold; h == nil || h.Live() {
		t.Errorf("the access is not over: %+v", h)
	}
	if s := w.state(waiting).State; s.Status != workflows.StatusTimedOut || len(s.Voters()) != 0 { // it was kept, and its own deadline ended it
		t.Errorf("what waited is %s with %v", s.Status, s.Voters())
	}
	w.sim.ClearFaults()
	before := len(w.sim.Calls("chat.update"))
	w.run()
	seen := map[string]int{}
	for _, c := range w.sim.Calls("chat.update")[before:] {
		var at struct {
			Channel string `json:"channel"`
			TS      string `json:"ts"`
		}
		if json.Unmarshal([]byte(c.Request), &at) == nil {
			seen[at.Channel+"/"+at.TS]++
		}
	}
	for at, n := range seen {
		if n > 1 {
			t.Errorf("%s was updated %d times", at, n)
		}
	}
	if len(seen) == 0 {
		t.Error("no card was brought up to date")
	}
	for _, m := range w.sim.Messages("access") {
		if m.ThreadTS == "" && contains(m.ActionIDs(), screens.ActApprove) {
			t.Errorf("a card of what is over can still be approved: %s", m.Visible())
		}
	}
}
