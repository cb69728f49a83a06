package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// world is the whole product under test: a Slack workspace, a bastion and the demo's company in this process, and the bot as a
// real child process that a test may starve, stop and kill. What people do is what they do in the demo's story.
type world struct {
	*story
	t   *testing.T
	bot *process
	srv *http.Server
}

// worldOptions is what differs between tests.
type worldOptions struct {
	company func(dir string)                      // changes the configuration folder
	slack   func(*slacksim.Config)                // changes the workspace
	front   func(slack http.Handler) http.Handler // stands between the bot and Slack
}

// quickChain is a chain of one stage, for tests in which the chain is not the matter.
const quickChain = `id: quick
title: Quick shell
purpose: One person decides.
kind: credential
owner: jonas
may_ask:
  groups: [engineers]
for: [self, owned]
grants: [bastion/deploy]
fields:
  - name: key
    label: SSH public key
    help: The line in ~/.ssh/id_ed25519.pub; never the private key
    type: ssh_key
longest: 4h
usual: 1h
reason_min: 10
channel: "#access"
seen_by: members
stages:
  - name: Platform
    approvers:
      people: [jonas]
    quorum: 1
    remind: 20m
    timeout: 8h
`

// newWorld makes everything but the bot, which start starts.
func newWorld(t *testing.T, opt worldOptions) *world {
	t.Helper()
	dir := t.TempDir()
	d := &demo{dir: dir, out: io.Discard, log: slog.New(slog.DiscardHandler)}
	w := &world{story: &story{demo: d}, t: t}
	t.Cleanup(w.close)
	var err error
	d.clock, err = newDemoClock(filepath.Join(dir, "clock"))
	w.check(err)
	d.host, err = newDemoHost(filepath.Join(dir, "host"), d.clock)
	w.check(err)
	config := filepath.Join(dir, "config")
	w.check(writeDemoConfig(config, d.host.port()))
	w.check(os.WriteFile(filepath.Join(config, "workflows", "quick.yaml"), []byte(quickChain), 0o600))
	d.people, err = demoPeople(config, filepath.Join(dir, "people"))
	w.check(err)
	if opt.company != nil {
		opt.company(config)
	}
	d.web, err = listenAgain(t)
	w.check(err)
	cfg := d.workspace()
	cfg.Panel = nil
	if opt.slack != nil {
		opt.slack(&cfg)
	}
	d.slack, err = slacksim.New(cfg)
	w.check(err)
	handler := d.slack.Handler()
	if opt.front != nil {
		handler = opt.front(handler)
	}
	w.srv = &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	go w.srv.Serve(d.web)
	exe, err := exec.LookPath("countersign")
	w.check(err)
	d.child, err = newChild(exe, dir, d.childEnv())
	w.check(err)
	return w
}

func (w *world) close() {
	if w.bot != nil {
		w.bot.kill()
	}
	if w.t.Failed() {
		log := w.log()
		w.t.Logf("the end of the bot's log:\n%s", log[max(0, len(log)-6000):])
	}
	if w.srv != nil {
		w.srv.Close()
	}
	w.demo.close()
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// log is everything that the bots of this world have logged.
func (w *world) log() string {
	b, _ := os.ReadFile(filepath.Join(w.dir, "serve.log"))
	return string(b)
}

func (w *world) data() string { return filepath.Join(w.dir, "data") }

// process is one run of the bot.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

// spawn starts the bot without waiting for it. wrap is put before its command line: a shell that limits it, a tracer.
func (w *world) spawn(wrap []string, env ...string) *process {
	w.t.Helper()
	argv := append(append([]string{}, wrap...), w.child.exe, "serve")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(append([]string{}, w.child.env...), env...)
	cmd.Stdout, cmd.Stderr = w.child.log, w.child.log
	alive, err := cmd.StdinPipe() // a bot on a demo clock ends when this does
	w.check(err)
	w.check(cmd.Start())
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		alive.Close()
		close(p.exited)
	}()
	return p
}

// start starts the bot and waits until it is ready.
func (w *world) start(env ...string) {
	w.t.Helper()
	w.startAs(nil, env...)
}

func (w *world) startAs(wrap []string, env ...string) {
	w.t.Helper()
	w.bot = w.spawn(wrap, env...)
	w.check(w.child.ready(w.t.Context()))
	if w.host.stop == nil {
		w.check(w.host.trust(w.t.Context(), w.child.url()))
	}
}

// kill ends the bot as a power cut would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// stop asks the bot to end and gives its exit code, or an error when it takes longer than it may.
func (p *process) stop() (int, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return -1, err
	}
	return p.wait(stopWithin)
}

// wait waits for the bot to end.
func (p *process) wait(most time.Duration) (int, error) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(most):
		return -1, fmt.Errorf("it still runs after %v", most)
	}
}

// running tells whether the bot has not ended.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// restart kills the bot with -9 and starts it again.
func (w *world) restart() {
	w.t.Helper()
	w.bot.kill()
	w.start()
}

// stopBot ends the bot in order.
func (w *world) stopBot() {
	w.t.Helper()
	code, err := w.bot.stop()
	if err != nil || code != exitDone {
		w.t.Fatalf("SIGTERM: exit %d, %v", code, err)
	}
}

// ask fills the form of a chain for a person and returns the card in #access.
func (w *world) ask(person, workflow, duration, reason string) slacksim.Message {
	w.t.Helper()
	w.form(person, workflow)
	w.check(w.submit(w.t.Context(), person, w.values(person, workflow, duration, reason)))
	return w.card(w.people[person].name, reason)
}

// values are what a person enters in the form that they have open.
func (w *world) values(person, workflow, duration, reason string) map[string]any {
	values := map[string]any{
		screens.BlockDuration: duration, screens.BlockReason: reason, screens.FieldBlock + "key": w.people[person].public(),
	}
	if workflow == "prod-shell" {
		values[screens.FieldBlock+"ticket"] = "OPS-4711"
	}
	if v, ok := w.slack.View(w.slackID(person)); ok {
		if value, ok := optionValue(v.Blocks, "Shell as deploy"); ok {
			values[screens.BlockEntitlement] = value
		}
	}
	return values
}

// form opens the form of a chain.
func (w *world) form(person, workflow string) slacksim.View {
	w.t.Helper()
	w.check(w.story.command(w.t.Context(), person, "/access", "request "+workflow))
	v, err := w.view(w.t.Context(), person, screens.CallForm)
	w.check(err)
	return v
}

// card waits for a card in #access with these words.
func (w *world) card(words ...string) slacksim.Message {
	w.t.Helper()
	m, err := w.message(w.t.Context(), "access", words...)
	w.check(err)
	return m
}

// click presses a button of a message.
func (w *world) click(person string, m slacksim.Message, action string) {
	w.t.Helper()
	w.check(w.press(w.t.Context(), person, m, action))
}

// dmTo waits for a direct message.
func (w *world) dmTo(person string, words ...string) slacksim.Message {
	w.t.Helper()
	m, err := w.dm(w.t.Context(), person, words...)
	w.check(err)
	return m
}

// toldSoFar is how often the bot has posted a direct message with these words to a person. A message that is changed later still
// counts as what it said when it came.
func (w *world) toldSoFar(person string, words ...string) (n int) {
	channel := w.slack.DMChannel(w.slackID(person))
	for _, c := range w.slack.Calls("chat.postMessage") {
		if c.Fault == "" && c.Status == http.StatusOK && containsAll(c.Request, append([]string{channel}, words...)) {
			n++
		}
	}
	return n
}

// toldTimes waits until a person has been told something this many times, and not more often.
func (w *world) toldTimes(person string, n int, words ...string) {
	w.t.Helper()
	_, err := until(w.t.Context(), fmt.Sprintf("%d messages to %s with %q", n, person, words), func() (bool, bool) {
		return true, w.toldSoFar(person, words...) >= n
	})
	w.check(err)
	if got := w.toldSoFar(person, words...); got != n {
		w.t.Errorf("%s was told %q %d times, want %d", person, words, got, n)
	}
}

// granted waits for a certificate that is not one of old.
func (w *world) granted(person string, old ...string) string {
	w.t.Helper()
	line, err := until(w.t.Context(), "a certificate for "+person, func() (string, bool) {
		line, ok := w.demo.certificate(person)
		for _, o := range old {
			ok = ok && line != o
		}
		return line, ok
	})
	w.check(err)
	return line
}

// grant walks one request through the quick chain.
func (w *world) grant(person, duration, reason string) (cert string) {
	w.t.Helper()
	before, _ := w.demo.certificate(person)
	card := w.ask(person, "quick", duration, reason)
	w.click("jonas", card, screens.ActApprove)
	return w.granted(person, before)
}

// letIn tells whether the bastion lets somebody in as deploy.
func (w *world) letIn(person, cert string) bool {
	_, err := w.host.login("deploy", w.people[person].ssh, cert)
	return err == nil
}

// shutOut waits until the bastion refuses a certificate.
func (w *world) shutOut(person, cert string) {
	w.t.Helper()
	_, err := until(w.t.Context(), "the bastion to refuse "+person, func() (bool, bool) { return true, !w.letIn(person, cert) })
	w.check(err)
}

// later moves product time.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.check(w.advance(w.t.Context(), d))
}

// records reads the whole ledger, beside the bot or without it.
func (w *world) records() []workflows.Record {
	w.t.Helper()
	s, err := store.OpenReadOnly(w.t.Context(), storeConfig(Config{Data: w.data(), LedgerOrigin: demoOrigin}, w.clock, ledger.Key{}, slog.New(slog.DiscardHandler)))
	w.check(err)
	defer s.Close()
	head, err := s.Head(w.t.Context())
	w.check(err)
	var out []workflows.Record
	for from := int64(0); from < head.Size; from += replayStep {
		part, err := s.Entries(w.t.Context(), from, min(from+replayStep, head.Size))
		w.check(err)
		out = append(out, part...)
	}
	return out
}

// entries are the ledger's entries of one kind.
func (w *world) entries(kind string) (out []workflows.Record) {
	w.t.Helper()
	for _, r := range w.records() {
		if r.Event.Kind() == kind {
			out = append(out, r)
		}
	}
	return out
}

// recorded waits until the ledger has this many entries of a kind.
func (w *world) recorded(kind string, n int) []workflows.Record {
	w.t.Helper()
	list, err := until(w.t.Context(), fmt.Sprintf("%d entries %s", n, kind), func() ([]workflows.Record, bool) {
		list := w.entries(kind)
		return list, len(list) >= n
	})
	w.check(err)
	if len(list) > n {
		w.t.Errorf("%d entries %s, want %d", len(list), kind, n)
	}
	return list
}

// verify is what an outsider runs: the whole ledger, with the engine's replay.
func (w *world) verify() {
	w.t.Helper()
	if out, code := w.run("ledger", "verify"); code != exitDone {
		w.t.Errorf("the ledger does not verify (exit %d):\n%s", code, out)
	}
}

// run runs another command in the bot's environment.
func (w *world) run(args ...string) (string, int) {
	var out bytes.Buffer
	code := run(w.t.Context(), proc{args: args, env: w.child.env, in: strings.NewReader(""), out: &out, err: &out})
	return out.String(), code
}

// get reads a page of the bot.
func (w *world) get(path string) (string, int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.child.url()+path, nil)
	w.check(err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error(), 0
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	w.check(err)
	return string(b), res.StatusCode
}

// metric reads one number of /metrics.
func (w *world) metric(name string) (value string) {
	w.t.Helper()
	body, _ := w.get("/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			value = strings.TrimSpace(rest)
		}
	}
	return value
}

// slackDown takes Slack off the network: connections end, new ones are refused.
func (w *world) slackDown() {
	w.srv.Close()
	w.slack.CutConnections()
}

// slackUp brings it back under the same address.
func (w *world) slackUp() {
	w.t.Helper()
	addr, handler := w.web.Addr().String(), w.srv.Handler
	var err error
	w.web, err = until2(w.t.Context(), func() (net.Listener, error) { return net.Listen("tcp", addr) })
	w.check(err)
	w.srv = &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	go w.srv.Serve(w.web)
}

// listenAgain listens on an address on which one can listen again after a while: nobody else is given it meanwhile.
func listenAgain(t *testing.T) (net.Listener, error) {
	t.Helper()
	return until2(t.Context(), func() (net.Listener, error) {
		addr, err := freeAddress()
		if err != nil {
			return nil, err
		}
		return net.Listen("tcp", addr)
	})
}

// until2 tries until it succeeds, for as long as a step may take.
func until2[T any](ctx context.Context, try func() (T, error)) (T, error) {
	var last error
	v, err := until(ctx, "success", func() (T, bool) {
		var v T
		v, last = try()
		return v, last == nil
	})
	return v, errors.Join(err, last)
}

// step acts one step of the demo's story and waits until it holds; between is what happens after the act.
func (w *world) step(id string, between func()) {
	w.t.Helper()
	for _, st := range w.steps() {
		if st.id != id {
			continue
		}
		if err := st.act(w.t.Context()); err != nil {
			w.t.Fatalf("step %s: %v", id, err)
		}
		if between != nil {
			between()
		}
		if _, err := st.hold(w.t.Context()); err != nil {
			w.t.Fatalf("step %s: %v", id, err)
		}
		return
	}
	w.t.Fatalf("there is no step %q", id)
}

// pressOf is the click of a person who confirms what the button asks.
func pressOf(w *world, person string, m slacksim.Message, action string) slacksim.Press {
	return slacksim.Press{User: w.slackID(person), Channel: m.Channel, TS: m.TS, ActionID: action, Confirmed: true, From: &m}
}
