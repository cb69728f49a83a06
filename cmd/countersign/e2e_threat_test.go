package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

// TestThreat_T27 puts an old backup of the database back. The bot finds that its witness file has seen more, decides nothing, says so
// in Slack, takes back what is due, and ends with 3; when the right database is back it records what was done.
func TestThreat_T27(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "1h", "Before the backup was made.")
	w.recorded("grant.started", 1)
	w.stopBot()
	old := w.copyDatabase("old")
	w.start()
	later := w.grant("kenji", "3h", "After the backup was made.")
	pending := w.ask("maya", "quick", "2h", "Nobody has decided this.")
	w.stopBot()
	newest := w.copyDatabase("newest")
	w.putDatabase(old)
	w.check(w.clock.advance(61 * time.Minute))

	w.bot = w.spawn(nil)
	body, err := until(t.Context(), "a revoke-only bot that has taken something back", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "1 grants taken back")
	})
	w.check(err)
	if !strings.Contains(body, `"ready":false`) || !strings.Contains(body, "revoke-only") {
		t.Errorf("/readyz says %s", body)
	}
	if out, code := w.run("health"); code != exitFailed || !strings.Contains(out, "revoke-only") {
		t.Errorf("health: exit %d, %s", code, out)
	}
	w.refusesEverything(pending)
	w.shutOut("maya", cert)
	if out, code := w.run("ledger", "verify"); code != exitLedger {
		t.Errorf("verify of the old database: exit %d\n%s", code, out)
	}
	debts, err := os.ReadFile(filepath.Join(w.data(), "debts.jsonl"))
	w.check(err)
	if bytes.Count(debts, []byte("\n")) != 1 || !bytes.Contains(debts, []byte(`"what":"revoked"`)) {
		t.Errorf("debts.jsonl holds %s", debts)
	}
	if code, err := w.bot.stop(); err != nil || code != exitLedger {
		t.Errorf("SIGTERM: exit %d, %v; want %d", code, err, exitLedger)
	}
	// A second start, and a crash, write down nothing twice.
	w.bot = w.spawn(nil)
	_, err = until(t.Context(), "the next revoke-only start", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "revoke-only")
	})
	w.check(err)
	w.bot.kill()

	w.putDatabase(newest)
	w.start()
	debt := w.recorded("debt.recorded", 1)[0].Event.(store.DebtRecorded)
	if debt.What != "revoked" || !strings.HasPrefix(debt.Grant, "g_") {
		t.Errorf("recorded %+v", debt)
	}
	if _, err := os.Stat(filepath.Join(w.data(), "debts.jsonl")); !os.IsNotExist(err) {
		t.Errorf("debts.jsonl after it was recorded: %v", err)
	}
	w.recorded("grant.revoked", 1)
	if !w.letIn("kenji", later) {
		t.Error("what is not due was taken back")
	}
	w.click("jonas", w.card("Nobody has decided this."), screens.ActApprove)
	w.granted("maya", cert)
	w.verify()
}

// copyDatabase keeps the files of the database, and of nothing else, as a backup does.
func (w *world) copyDatabase(name string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	w.check(os.MkdirAll(dir, 0o700))
	for _, f := range []string{"countersign.db", "countersign.db-wal"} {
		w.copyFile(filepath.Join(w.data(), f), filepath.Join(dir, f))
	}
	return dir
}

// putDatabase puts a copy back; what the write-ahead log of the other one holds is gone.
func (w *world) putDatabase(from string) {
	w.t.Helper()
	for _, f := range []string{"countersign.db", "countersign.db-wal", "countersign.db-shm"} {
		w.check(os.RemoveAll(filepath.Join(w.data(), f)))
		w.copyFile(filepath.Join(from, f), filepath.Join(w.data(), f))
	}
}

func (w *world) copyFile(from, to string) {
	w.t.Helper()
	b, err := os.ReadFile(from)
	if os.IsNotExist(err) {
		return
	}
	w.check(err)
	w.check(os.WriteFile(to, b, 0o600))
}

// refusesEverything asks, decides and opens the Home page: each is answered with the reason.
func (w *world) refusesEverything(card slacksim.Message) {
	w.t.Helper()
	ctx := w.t.Context()
	before, _ := w.slack.View(w.slackID("maya"))
	_, err := until(ctx, "an acknowledged command", func() (bool, bool) {
		return true, w.slack.Command(ctx, w.slackID("maya"), "access", "/access", "request quick").Acked
	})
	w.check(err)
	said, err := w.told(ctx, "maya", "access", "the ledger failed a check", "nothing can be asked for")
	w.check(err)
	w.t.Logf("Maya is told: %s", said)
	if d := w.slack.Click(ctx, pressOf(w, "jonas", card, screens.ActApprove)); !d.Acked {
		w.t.Errorf("the click: %+v", d)
	}
	_, err = w.told(ctx, "jonas", "access", "not recorded", "the ledger failed a check")
	w.check(err)
	if v, ok := w.slack.View(w.slackID("maya")); ok && v.ID != before.ID {
		w.t.Error("a form was opened")
	}
	_, err = w.message(ctx, "security", "stopped deciding", "fails a check")
	w.check(err)
}

// TestThreat_T26 edits the database behind the bot's back in several ways. The outsider's command names what was done; the bot
// does not decide on it.
func TestThreat_T26(t *testing.T) {
	t.Parallel()
	org := filepath.Join(t.TempDir(), "org")
	if err := writeDemoConfig(org, "22"); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{
		"edit":   "Entry 8 (number 3 of request/",
		"delete": "Entry 3 is missing: it was deleted.",
		"tail":   "Entries 10 to 10 are missing: the tail was cut off.",
		"lists":  "the lists that people read differ",
	} {
		data := filepath.Join(t.TempDir(), "data")
		if err := makeFixture(t.Context(), []string{"ledger", org, data}); err != nil {
			t.Fatal(err)
		}
		if err := damage(t.Context(), data, kind); err != nil {
			t.Fatal(err)
		}
		out, _, code := runHere(t, []string{prefix + "_DATA=" + data}, "ledger", "verify")
		if code != exitLedger || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s", kind, code, exitLedger, want, out)
		}
	}
}

// TestThreat_T25 edits entries of a live bot's ledger. The next start finds it, whether it happened at the end or long ago, and
// decides nothing.
func TestThreat_T25(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	w.grant("maya", "1h", "So that there is something to forge.")
	w.stopBot()
	w.check(damage(t.Context(), w.data(), "tail"))
	w.bot = w.spawn(nil)
	_, err := until(t.Context(), "a revoke-only bot", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "revoke-only")
	})
	w.check(err)
	if code, err := w.bot.stop(); err != nil || code != exitLedger {
		t.Errorf("exit %d, %v; want %d", code, err, exitLedger)
	}
}

// interposer stands between the bot and Slack's socket and slips envelopes in.
type interposer struct {
	back  *httptest.Server
	mu    sync.Mutex
	conns map[*websocket.Conn]bool // towards the bot
	acks  map[string]chan struct{}
}

func (i *interposer) front(slack http.Handler) http.Handler {
	i.back = httptest.NewServer(slack)
	i.conns, i.acks = map[*websocket.Conn]bool{}, map[string]chan struct{}{}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			slack.ServeHTTP(rw, r)
			return
		}
		i.relay(rw, r)
	})
}

func (i *interposer) relay(rw http.ResponseWriter, r *http.Request) {
	far, res, err := websocket.DefaultDialer.DialContext(r.Context(), "ws"+strings.TrimPrefix(i.back.URL, "http")+r.URL.RequestURI(), nil)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	defer far.Close()
	near, err := (&websocket.Upgrader{}).Upgrade(rw, r, nil)
	if err != nil {
		return
	}
	defer near.Close()
	i.mu.Lock()
	i.conns[near] = true
	i.mu.Unlock()
	go func() {
		defer near.Close()
		for {
			kind, b, err := far.ReadMessage()
			if err != nil {
				return
			}
			i.mu.Lock()
			err = near.WriteMessage(kind, b)
			i.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	for {
		kind, b, err := near.ReadMessage()
		if err != nil {
			break
		}
		if !i.acked(b) {
			far.WriteMessage(kind, b)
		}
	}
	i.mu.Lock()
	delete(i.conns, near)
	i.mu.Unlock()
}

// acked tells whether a message acknowledges one of our own envelopes.
func (i *interposer) acked(b []byte) bool {
	var ack struct {
		ID string `json:"envelope_id"`
	}
	if json.Unmarshal(b, &ack) != nil || !strings.HasPrefix(ack.ID, "interposed-") {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if ch, ok := i.acks[ack.ID]; ok {
		close(ch)
		delete(i.acks, ack.ID)
	}
	return true
}

// write sends raw text to the bot on one of its connections.
func (i *interposer) write(text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for c := range i.conns {
		c.WriteMessage(websocket.TextMessage, []byte(text))
		return
	}
}

// slip sends raw text to the bot and, when it carries an id, waits a little for its acknowledgement.
func (i *interposer) slip(id, text string) (acked bool) {
	ch := make(chan struct{})
	i.mu.Lock()
	i.acks[id] = ch
	i.mu.Unlock()
	i.write(text)
	select {
	case <-ch:
		return true
	case <-time.After(3 * time.Second):
		return false
	}
}

// TestThreat_T43 sends the bot every recorded payload there is, as it is and as if it were ours, and some that nobody would record:
// the process stays, catches no panic, and works afterwards.
func TestThreat_T43(t *testing.T) {
	t.Parallel()
	mid := &interposer{}
	w := newWorld(t, worldOptions{front: mid.front})
	t.Cleanup(mid.back.Close)
	w.start()
	unacked, sent := 0, 0
	for _, p := range append(hostile(), w.corpus()...) {
		sent++
		id := fmt.Sprintf("interposed-%d", sent)
		kind := envelopeKind(p)
		text := fmt.Sprintf(`{"envelope_id":%q,"type":%q,"accepts_response_payload":true,"payload":%s}`, id, kind, p)
		if !mid.slip(id, text) {
			if unacked++; unacked < 4 {
				t.Logf("not acknowledged (%s): %.300s", kind, p)
			}
		}
		if !w.bot.running() {
			t.Fatalf("the bot ended on %s", p)
		}
	}
	for _, raw := range []string{"", "null", "[]", "{", `{"type":"hello"}`, `{"type":7}`, `{"envelope_id":"","type":"interactive"}`, `{"type":"interactive","payload":null}`, "\x00\xff"} {
		mid.write(raw)
		sent++
	}
	t.Logf("%d payloads sent, %d of them not acknowledged", sent, unacked)
	if n := w.metric("countersign_handler_panics_total"); n != "0" {
		t.Errorf("%s panics were caught", n)
	}
	_, err := until(t.Context(), "the alarm about what cannot be read", func() (bool, bool) { return true, w.alarms(alarmMalformed) > 0 })
	w.check(err)
	if n := w.alarms(alarmPanic); n != 0 {
		t.Errorf("%d alarms about panics that did not happen", n)
	}
	if !w.letIn("maya", w.grant("maya", "1h", "After all of that.")) {
		t.Error("the bot does not work any more")
	}
	w.verify()
}

// alarms counts the alarms of a kind in the ledger.
func (w *world) alarms(what string) (n int) {
	w.t.Helper()
	for _, r := range w.entries("alarm.raised") {
		if e, ok := r.Event.(workflows.AlarmRaised); ok && e.What == what {
			n++
		}
	}
	return n
}

// hostile are payloads that nobody records.
func hostile() []string {
	deep := strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000)
	return []string{
		`{}`, `null`, `[]`, `"text"`, `7`, `{"type":"block_actions"}`, `{"type":"block_actions","actions":{}}`, `{"type":"block_actions","actions":[null]}`,
		`{"type":"view_submission","view":[]}`, `{"type":"view_submission","view":{"state":{"values":{"x":null}}}}`, `{"command":7}`, `{"command":"/access","text":{"a":1}}`,
		`{"type":"event_callback","event":null}`, `{"type":"event_callback","event":{"type":"user_change","user":"U1"}}`, deep,
		`{"command":"/access","text":"` + strings.Repeat("A", 200_000) + `"}`, `{"type":"block_actions","actions":[{"action_id":"request.approve","value":"` + strings.Repeat("x", 3000) + `"}]}`,
	}
}

// corpus reads the recorded payloads beside the module, each also with the ids of our installation and people in it.
func (w *world) corpus() (out []string) {
	w.t.Helper()
	top, err := filepath.Abs(filepath.Join("..", ".."))
	w.check(err)
	files, err := filepath.Glob(filepath.Join(top, "..", "shared", "slack", "payloads", "*", "*.json"))
	w.check(err)
	if len(files) == 0 {
		w.t.Log("no recorded payloads beside the module: only the hostile ones are sent")
	}
	app := w.slack.App()
	ours := map[string]string{"api_app_id": app.ID, "app_id": app.ID, "team_id": w.slack.Team().ID, "user_id": w.slackID("maya"), "team": w.slack.Team().ID}
	for _, f := range files {
		b, err := os.ReadFile(f)
		w.check(err)
		var v any
		if json.Unmarshal(b, &v) != nil {
			continue
		}
		adapted, err := json.Marshal(adapt(v, ours))
		w.check(err)
		out = append(out, string(b), string(adapted))
	}
	return out
}

// adapt puts our ids where a payload has others, so that it is not dropped as foreign.
func adapt(v any, ours map[string]string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = adapt(v[i], ours)
		}
	case map[string]any:
		for k, x := range v {
			inner, _ := x.(map[string]any)
			_, text := x.(string)
			switch mine, known := ours[k]; {
			case known && text:
				v[k] = mine
			case k == "team" && inner != nil:
				inner["id"] = ours["team_id"]
			case k == "user" && inner != nil:
				inner["id"], inner["team_id"] = ours["user_id"], ours["team_id"]
			case k == "enterprise" || k == "enterprise_id" || k == "is_enterprise_install":
				delete(v, k)
			default:
				v[k] = adapt(x, ours)
			}
		}
	}
	return v
}

// envelopeKind is the type under which Slack would send a payload.
func envelopeKind(payload string) string {
	var p struct {
		Type    any `json:"type"`
		Command any `json:"command"`
	}
	if json.Unmarshal([]byte(payload), &p) == nil {
		switch {
		case p.Command != nil:
			return "slash_commands"
		case p.Type == "event_callback":
			return "events_api"
		}
	}
	return "interactive"
}

// TestThreat_T35 puts a canary into every place that takes a secret, lets the bot work, fail, refuse and be asked for everything it
// would tell, and then looks for the canaries everywhere.
func TestThreat_T35(t *testing.T) {
	t.Parallel()
	const dsn = "canary-dsn-83c1f0"
	botToken, appToken := "xoxb-77-88-canaryBotTokenQ7x", "xapp-1-A77-88-canaryAppTokenZ3k"
	w := newWorld(t, worldOptions{
		slack: func(c *slacksim.Config) { c.App.BotToken, c.App.AppToken = botToken, appToken },
		company: func(dir string) {
			file := filepath.Join(filepath.Dir(dir), "dsn")
			target := strings.Replace(pgTarget, "DSNFILE", file, 1)
			people, err := os.ReadFile(filepath.Join(dir, "people.yaml"))
			if err != nil {
				t.Error(err)
			}
			for path, text := range map[string]string{
				file: "postgres://robot:" + dsn + "@127.0.0.1:1/shop?connect_timeout=1", filepath.Join(dir, "targets", "pg-main.yaml"): target,
				filepath.Join(dir, "workflows", "prod-db-read.yaml"): pgWorkflow,
				filepath.Join(dir, "people.yaml"):                    strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1),
			} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Error(err)
				}
			}
		},
	})
	w.start(prefix + "_LOG_LEVEL=debug")
	cert := w.grant("maya", "1h", "So that the CA signs something.")
	w.check(w.story.command(t.Context(), "maya", "/access", "done"))
	w.shutOut("maya", cert)
	w.dbRequest("maya")
	_, err := until(t.Context(), "the database to be out of reach", func() (string, bool) { return "", len(w.entries("grant.attempt_failed")) > 0 })
	w.check(err)
	w.slack.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "chat.*", Count: 2, Code: "invalid_auth"})
	w.grant("kenji", "1h", "With a Slack that refuses the token.")

	var said bytes.Buffer
	export := filepath.Join(t.TempDir(), "evidence")
	for _, args := range [][]string{
		{"config"},
		{"ledger", "show", "-json", "-last", "0"},
		{"ledger", "verify", "-json"},
		{"keys", "list"},
		{"health", "-json"},
		{"doctor"},
		{"ledger", "history", "maya", "-csv"},
		{"ledger", "export", "-out", export},
	} {
		out, _ := w.run(args...)
		said.WriteString(out)
	}
	metrics, _ := w.get("/metrics")
	krl, _ := w.get("/sshca/krl")
	w.stopBot()
	places := map[string]string{"log": w.log(), "commands": said.String(), "metrics": metrics, "krl": krl, "traffic": traffic(w)}
	for _, root := range []string{w.data(), export} {
		w.check(filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || (d.IsDir() && d.Name() == "keys") {
				return errorOrSkip(err)
			}
			if d.Type().IsRegular() {
				b, err := os.ReadFile(path)
				places[path] = string(b)
				return err
			}
			return nil
		}))
	}
	canaries := map[string]string{"bot token": botToken, "app token": appToken, "database password": dsn}
	for _, key := range []string{keySSHCA, keyButtons, keySealing, keyFingerprint} {
		b, err := os.ReadFile(filepath.Join(w.data(), "keys", key))
		w.check(err)
		text := strings.TrimSpace(string(b))
		raw, err := hex.DecodeString(text)
		w.check(err)
		canaries[key+" in hex"], canaries[key+" raw"] = text, string(raw)
		canaries[key+" in base64"] = strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "=")
	}
	exported := func(place string) bool { return strings.HasPrefix(place, export) }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(places)), exported) {
		t.Error("nothing was exported")
	}
	b, err := os.ReadFile(filepath.Join(w.data(), "keys", keyLedger))
	w.check(err)
	canaries["ledger key"] = strings.TrimSpace(string(b))
	for place, text := range places {
		if len(text) == 0 && place != "commands" && !strings.HasSuffix(place, "-wal") {
			t.Logf("nothing in %s", place)
		}
		for name, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("the %s stands in %s", name, place)
			}
		}
	}
	if !strings.Contains(places["traffic"], "Production bastion") || !strings.Contains(places["log"], "level=DEBUG") && !strings.Contains(places["log"], "level=WARN") {
		t.Error("the places hold nothing: the search shows nothing")
	}
}

func errorOrSkip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

// traffic is everything that went over the wire, as the workspace saw it.
func traffic(w *world) string {
	var out strings.Builder
	for _, r := range w.slack.Traffic() {
		io.WriteString(&out, r.Request+"\n"+r.Response+"\n")
	}
	return out.String()
}

// dbRequest walks a request for the database through its chain.
func (w *world) dbRequest(person string) {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	v := w.form(person, "prod-db-read")
	values := map[string]any{screens.BlockDuration: "1h", screens.BlockReason: "A support case about an order."}
	if value, ok := optionValue(v.Blocks, "Read the main database"); ok {
		values[screens.BlockEntitlement] = value
	}
	w.check(w.submit(ctx, person, values))
	w.click("jonas", w.dmTo("jonas", "A support case about an order."), screens.ActApprove)
}
