package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// TestFault_F16_LossAcceptedByTwo puts an old backup back after access was given and taken back. The bot only revokes until two owners accept
// the loss on the people's socket; then it ends what was open, asks the target, takes back what the lost entries had ended and what they had given, which
// only the target knows of, leaves what is still so, records all of it, and serves. The outsider's command tells the gap in words.
func TestFault_F16_LossAcceptedByTwo(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("acting as several users of this machine needs root")
	}
	uids := map[string]int{}
	sockets := filepath.Join(openDir(t), "people.sock")
	w := newWorld(t, worldOptions{company: func(dir string) { uids = withUnixUsers(t, dir, "frida", "sofia", "kenji") }})
	env := prefix + "_SOCKET=" + sockets
	w.start(env)
	stays := w.grant("maya", "1h", "Before the backup, and still so.")
	back := w.grant("kenji", "3h", "Before the backup, given back after it.")
	pending := w.ask("maya", "quick", "2h", "Decided in the entries that are gone.")
	w.recorded("grant.started", 2)
	w.stopBot()
	old, had := w.copyDatabase("old"), len(w.records())
	w.start(env)
	if r := orderAs(t, sockets, uids["kenji"], order{Do: "done"}); !r.OK {
		t.Fatalf("giving back: %s", r.Refused)
	}
	w.recorded("grant.revoked", 1)
	w.click("jonas", pending, screens.ActDeny)
	lost := w.grant("kenji", "2h", "After the backup: only the target knows of it.")
	if !w.letIn("kenji", lost) {
		t.Fatal("the access does not work")
	}
	w.stopBot()
	w.putDatabase(old)

	w.bot = w.spawn(nil, env)
	_, err := until(t.Context(), "a revoke-only bot", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "revoke-only")
	})
	w.check(err)
	accept := order{Do: doAccept, Reason: "The disk died, and the backup of the night is all there is."}
	wantRefusal(t, orderAs(t, sockets, uids["frida"], order{Do: "list"}), workflows.CodeRevokeOnly)
	wantRefusal(t, orderAs(t, sockets, uids["kenji"], accept), workflows.CodeNotEligible)
	wantRefusal(t, orderAs(t, sockets, uids["sofia"], order{Do: doAcceptConfirm}), workflows.CodeUnknown)
	wantRefusal(t, orderAs(t, sockets, uids["frida"], order{Do: doAccept}), workflows.CodeReasonNeeded)
	said(t, strings.Join(orderAs(t, sockets, uids["frida"], accept).Lines, "\n"), fmt.Sprintf("The ledger has %d entries; witness file remembers", had), "Frida")
	seen := orderAs(t, sockets, uids["sofia"], order{Do: doAcceptStatus})
	wantRefusal(t, orderAs(t, sockets, uids["frida"], order{Do: doAcceptConfirm, Shown: seen.Shown}), workflows.CodeSelfApproval)
	wantRefusal(t, orderAs(t, sockets, uids["sofia"], order{Do: doAcceptConfirm, Shown: "something else"}), workflows.CodeStale)
	if r := orderAs(t, sockets, uids["sofia"], order{Do: doAcceptConfirm, Shown: seen.Shown}); !r.OK {
		t.Fatalf("confirming: %+v", r)
	}
	w.check(w.child.ready(t.Context()))

	gap := w.recorded("rollback.accepted", 1)[0]
	if e := gap.Event.(custody.RollbackAccepted); gap.Index != int64(had) || e.LostSize <= int64(had) || e.ProposedBy == e.ConfirmedBy || e.LostNote == "" {
		t.Errorf("recorded: %d, %+v", gap.Index, e)
	}
	e := w.recorded("target.reconciled", 1)[0].Event.(custody.TargetReconciled)
	if e.Target != "bastion" || e.Asked != 2 || e.Present != 1 || e.Ended != 1 || e.Unlisted || e.Unknown != 1 || e.Silent {
		t.Errorf("the target: %+v", e)
	}
	w.recorded("request.superseded", 1)
	w.recorded("grant.revoked", 1)
	w.shutOut("kenji", back)
	w.shutOut("kenji", lost)
	if !w.letIn("maya", stays) {
		t.Error("what nobody ended was taken back")
	}
	out, code := w.run("ledger", "verify")
	if code != exitDone || !strings.Contains(out, fmt.Sprintf("GAP          Entries %d to ", had)) {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
	if _, err := os.Stat(filepath.Join(w.data(), "rollback.json")); !os.IsNotExist(err) {
		t.Errorf("what was said lies around: %v", err)
	}
	w.bot.kill()
	w.start(env)
	w.grant("kenji", "1h", "It serves again.")
	w.verify()
}

func wantRefusal(t *testing.T, r reply, code string) {
	t.Helper()
	if r.OK || r.Code != code {
		t.Errorf("answered %+v, want %s", r, code)
	}
}

// openDir is a folder that other users of the machine can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // the socket in it is for everybody
			t.Fatal(err)
		}
	}
	return dir
}

// withUnixUsers makes people of the demo's company users of this machine.
func withUnixUsers(t *testing.T, dir string, keys ...string) map[string]int {
	t.Helper()
	path := filepath.Join(dir, "people.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, out := strings.ReplaceAll(string(b), "    unix: maya\n", ""), map[string]int{}
	for i, u := range machineUsers(t, len(keys)) {
		if out[keys[i]], err = strconv.Atoi(u.Uid); err != nil {
			t.Fatal(err)
		}
		text = strings.Replace(text, "  - key: "+keys[i]+"\n", fmt.Sprintf("  - key: %s\n    unix: %s\n", keys[i], u.Username), 1)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// orderAs sends an order as another user: the thread that opens the connection becomes that user and ends.
func orderAs(t *testing.T, socket string, uid int, o order) reply {
	t.Helper()
	var out reply
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if _, _, no := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); no != 0 {
			done <- no
			return
		}
		done <- sendRaw(t.Context(), socket, o, &out)
	}()
	if err := <-done; err != nil {
		t.Fatalf("%s as user %d: %v", o.Do, uid, err)
	}
	return out
}

func sendRaw(ctx context.Context, socket string, o order, out *reply) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://people/do", bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := req.Write(c); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(out)
}

// stubborn is a target of a test.
type stubborn struct {
	mu      sync.Mutex
	hangs   bool
	silent  bool
	has     map[workflows.GrantID]bool
	unknown []runbooks.Grant
	revoked []workflows.GrantID
}

func (c *stubborn) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{Name: "stubborn", Timeout: 30 * time.Second}
}

func (c *stubborn) Grant(context.Context, runbooks.Grant) (runbooks.Receipt, error) {
	return runbooks.Receipt{}, nil
}

func (c *stubborn) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if c.hangs {
		<-ctx.Done()
		return runbooks.Receipt{}, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Retry, nil, "nobody answers")
	}
	delete(c.has, g.ID)
	c.revoked = append(c.revoked, g.ID)
	return runbooks.Receipt{Ref: "done"}, nil
}

func (c *stubborn) Check(_ context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.silent:
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil, "nobody answers")
	case c.has[g.ID]:
		return runbooks.Present, nil
	}
	return runbooks.Absent, nil
}

// listing is a stubborn target that can list.
type listing struct{ *stubborn }

func (l listing) ListAccess(context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for _, g := range l.unknown {
			if l.has[g.ID] && !yield(runbooks.Access{Key: string(g.ID), Account: "somebody", What: "e", Ours: true, Grant: g.ID}, nil) {
				return
			}
		}
		yield(runbooks.Access{Key: "by hand", Account: "an administrator", What: "e"}, nil) // for the next sweep, not for this
	}
}

func (l listing) AccessKey(g runbooks.Grant) string { return string(g.ID) }

func (l listing) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	return l.Revoke(ctx, runbooks.Grant{ID: workflows.GrantID(a.Key)})
}

// holding makes a grant in the ledger.
func holding(t *testing.T, s *store.Store, target workflows.TargetID, id workflows.GrantID, active bool, ends time.Time) {
	t.Helper()
	stream := workflows.GrantStream("p_0123456789abcdef0123456789abcdef", target, workflows.EntitlementID("role-"+strings.ToLower(string(id[2:]))))
	by := workflows.System
	_, err := s.Update(t.Context(), "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(stream, by, "", grants.Approved{
			Grant: id, Identity: "p_0123456789abcdef0123456789abcdef", Requester: "p_0123456789abcdef0123456789abcdef", Owner: "p_1", Target: target, TargetTitle: string(target),
			Entitlement: workflows.EntitlementID("role-" + strings.ToLower(string(id[2:]))), Title: "Role", Connector: "stubborn", Params: map[string][]string{}, EndsAt: workflows.StampOf(ends), EndsMono: 1 << 62,
		})
		if active {
			out.Add(stream, by, "", grants.Started{Grant: id, Ref: "r"})
		}
		o, err := desk.Outstanding(stream, f.Provisional(out.Events)[stream])
		out.Pending = map[workflows.StreamID][]workflows.Job{stream: o.Jobs}
		out.Listings = map[workflows.StreamID][]workflows.Listing{stream: o.Lists}
		return out, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func grantID(n int) workflows.GrantID { return workflows.GrantID(fmt.Sprintf("g_%026d", n)) }

// TestFault_F29_RevokeOnlyTargetsDoNotWait: while one target hangs, what is due on the others is taken back, in revoke-only as elsewhere.
func TestFault_F29_RevokeOnlyTargetsDoNotWait(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	soon := time.Now().Add(time.Minute)
	for i := range 6 {
		holding(t, o.store, "hangs", grantID(i), true, soon)
		holding(t, o.store, "works", grantID(100+i), true, soon)
	}
	holding(t, o.store, "works", grantID(200), true, time.Now().Add(3*time.Hour))
	works, hangs := &stubborn{has: map[workflows.GrantID]bool{}}, &stubborn{hangs: true}
	r := &revoking{
		log: slog.New(slog.DiscardHandler), clock: inAnHour{o.clock}, store: o.store, debts: filepath.Join(t.TempDir(), "debts.jsonl"), noted: map[string]bool{},
		busy: map[workflows.TargetID]bool{}, done: map[workflows.GrantID]bool{}, runner: runbooks.NewRunner(map[string]runbooks.Connector{"hangs": hangs, "works": works}, nil),
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	r.sweep(ctx, &wg)
	_, err := until(ctx, "what is due on the other target to be taken back", func() (int64, bool) {
		r.sweep(ctx, &wg)
		n := r.count.Load()
		return n, n == 6
	})
	o.check(err)
	cancel()
	wg.Wait()
	if len(works.revoked) != 6 || r.count.Load() != 6 {
		t.Errorf("taken back: %v, %d", works.revoked, r.count.Load())
	}
	b, err := os.ReadFile(r.debts)
	if err != nil || bytes.Count(b, []byte("\n")) != 6 {
		t.Errorf("debts: %s, %v", b, err)
	}
}

// inAnHour is a clock that is ahead.
type inAnHour struct{ jobs.Clock }

// Now implements jobs.Clock.
func (c inAnHour) Now() jobs.Reading {
	r := c.Clock.Now()
	r.Wall = r.Wall.Add(time.Hour)
	return r
}

// TestReconcile asks four targets after entries were lost: one that answers, one that lists what the ledger does not know, one that says
// nothing, and one that the configuration does not have any more.
func TestReconcile(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ends := time.Now().Add(time.Hour)
	asked := o.taken("maya", order{Do: "request", Workflow: "prod-shell", What: "bastion/deploy", Long: 3600, Reason: "The shop answers 504 now.", Fields: map[string]string{"ticket": "OPS-2", "key": testKey}})
	holding(t, o.store, "answers", grantID(1), true, ends)
	holding(t, o.store, "answers", grantID(2), true, ends)
	holding(t, o.store, "answers", grantID(3), false, ends)
	holding(t, o.store, "silent", grantID(4), true, ends)
	holding(t, o.store, "gone", grantID(5), true, ends)
	answers := &stubborn{has: map[workflows.GrantID]bool{grantID(1): true, grantID(3): true, grantID(9): true}}
	lists := listing{&stubborn{has: map[workflows.GrantID]bool{grantID(9): true}, unknown: []runbooks.Grant{{
		ID: grantID(9), Identity: "p_1", Target: "lists", Entitlement: "e", Start: time.Now(), End: ends,
	}}}}
	o.conns = &connectors{byTarget: map[string]runbooks.Connector{"answers": answers, "lists": lists, "silent": &stubborn{silent: true}}}
	o.runner = newRunner(o.conns, o.log)
	o.check(o.reconcile(t.Context()))
	o.wait.Wait()
	got := map[workflows.TargetID]custody.TargetReconciled{}
	head, err := o.store.Head(t.Context())
	o.check(err)
	records, err := o.store.Entries(t.Context(), 0, head.Size)
	o.check(err)
	alarms := 0
	for _, r := range records {
		switch e := r.Event.(type) {
		case custody.TargetReconciled:
			got[e.Target] = e
		case workflows.AlarmRaised:
			alarms++
		}
	}
	for target, want := range map[workflows.TargetID]custody.TargetReconciled{
		"answers": {Asked: 3, Present: 1, Ended: 2, Unlisted: true},
		"lists":   {Unknown: 1},
		"silent":  {Asked: 1, Ended: 1, Unclear: 1, Silent: true, Unlisted: true},
		"gone":    {Asked: 1, Ended: 1, Unclear: 1, Silent: true, Unlisted: true},
	} {
		e := got[target]
		e.Target, e.Grants = "", nil
		if fmt.Sprint(e) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", target, e, want)
		}
	}
	if len(lists.revoked) != 1 || alarms != 2 {
		t.Errorf("unknown access taken back: %v; %d alarms", lists.revoked, alarms)
	}
	for id, want := range map[workflows.GrantID]grants.Status{grantID(1): grants.StatusActive, grantID(2): grants.StatusEnding, grantID(3): grants.StatusEnding, grantID(4): grants.StatusEnding} {
		live, err := liveHoldings(t.Context(), o.store)
		o.check(err)
		for _, h := range live {
			if h.Hold.Approved.Grant == id && h.Hold.Status != want {
				t.Errorf("%s is %s, want %s", id, h.Hold.Status, want)
			}
		}
	}
	h, err := o.store.History(t.Context(), workflows.RequestStream(workflows.RequestID(asked.ID)))
	o.check(err)
	if st, err := workflows.Fold(h); err != nil || st.Status != workflows.StatusSuperseded {
		t.Errorf("the open request is %s, %v", st.Status, err)
	}
	if r, err := o.store.Verify(t.Context()); err != nil || !r.OK {
		t.Errorf("verify: %+v, %v", r.Problems, err)
	}
}

// TestTargetThatIsDown does not stop the others; it is opened when that works, and says why not before.
func TestTargetThatIsDown(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "dsn")
	targets := []spec.Target{
		{ID: "pg", Connector: "postgres", Settings: map[string]string{"dsn_file": secret}},
		{ID: "own", Connector: "command", Settings: map[string]string{"program": "/bin/sh"}},
	}
	conns := openTargets(Config{}, nil, newOffice(t).clock, targets, slog.New(slog.DiscardHandler))
	defer conns.Close()
	if len(conns.down) == 0 || conns.down[0].target.ID != "pg" {
		t.Fatalf("down: %+v", conns.down)
	}
	d := conns.down[0]
	runner := newRunner(conns, slog.New(slog.DiscardHandler))
	g := runbooks.Grant{ID: grantID(1), Identity: "p_1", Target: "pg", Entitlement: "e", Start: time.Now(), End: time.Now().Add(time.Hour)}
	if _, _, err := runner.Stop(t.Context(), "pg", g); err == nil || !strings.Contains(err.Error(), "cannot be opened") {
		t.Errorf("taking back: %v", err)
	}
	if what := d.problem(); !strings.Contains(what, "target pg cannot be opened") || !strings.Contains(what, secret) {
		t.Errorf("it says %q", what)
	}
	if d.Describe().Name != "postgres" {
		t.Errorf("it is %+v", d.Describe())
	}
	works := &stubborn{has: map[workflows.GrantID]bool{}}
	d.mu.Lock()
	d.last, d.open = time.Time{}, func() (runbooks.Connector, error) { return works, nil }
	d.mu.Unlock()
	if _, presence, err := runner.Stop(t.Context(), "pg", g); err != nil || presence != runbooks.Absent || len(works.revoked) != 1 || d.problem() != "" {
		t.Errorf("once it can be opened: %s, %v, %v", presence, err, works.revoked)
	}
}

// TestThreat_T27_RevokesWithoutAFolder: the ledger is behind and the configuration folder is broken, too. What is due is taken back by the
// targets that the ledger holds of the last folder that was good.
func TestThreat_T27_RevokesWithoutAFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "1h", "Before the folder broke.")
	w.recorded("grant.started", 1)
	w.stopBot()
	old := w.copyDatabase("old")
	w.start()
	w.grant("kenji", "3h", "After the backup was made.")
	w.stopBot()
	w.putDatabase(old)
	w.check(os.WriteFile(filepath.Join(w.dir, "config", "targets", "bastion.yaml"), []byte("id: [\n"), 0o600))
	w.check(w.clock.advance(61 * time.Minute))
	w.bot = w.spawn(nil)
	_, err := until(t.Context(), "a revoke-only bot that has taken something back", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "1 grants taken back")
	})
	w.check(err)
	w.shutOut("maya", cert)
	if code, err := w.bot.stop(); err != nil || code != exitLedger {
		t.Errorf("SIGTERM: exit %d, %v; want %d", code, err, exitLedger)
	}
	if !strings.Contains(w.log(), "by the last configuration that the ledger holds") {
		t.Error("nobody was told that the folder is broken")
	}
}
