package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// knocking opens a ledger in data for the example company, whose files are copied to conf, whose one rule finds three refusals within an hour, and says what follows then.
func knocking(t *testing.T, data, conf, then string) (*store.Store, *desk.Policy, *desk.Desk) {
	t.Helper()
	ctx := t.Context()
	mustSay(t, os.MkdirAll(data, 0o700))
	mustSay(t, os.CopyFS(conf, os.DirFS("../../testdata/org")))
	mustSay(t, os.WriteFile(filepath.Join(conf, "watch.yaml"), []byte("rules:\n  - {name: knocking, signal: denials, times: 3, within: 1h, then: "+then+"}\n"), 0o600))
	st, err := openFixture(ctx, data)
	mustSay(t, err)
	folder, err := readFolder(conf)
	mustSay(t, err)
	policy, _, err := compile(ctx, st, folder)
	mustSay(t, err)
	policy.Settings.SecurityChannel = "" // there is no chat here
	d := desk.New(desk.Config{Ledger: st, Directory: everybodyActive{policy}, IDs: clockIDs{st.Clock()}, Log: slog.New(slog.DiscardHandler)})
	mustSay(t, d.Load(ctx, policy))
	return st, policy, d
}

// TestReq_R76_FindingsAreRecordedOnceAndSuspend: three refusals are a finding by the rules of the folder. The job records it once, also for a
// bot that starts anew, quarantines whom the rule says, and the command lists it.
func TestReq_R76_FindingsAreRecordedOnceAndSuspend(t *testing.T) {
	t.Parallel()
	ctx, data, conf := t.Context(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "conf")
	st, policy, d := knocking(t, data, conf, "suspend")
	var who workflows.PersonID
	for _, p := range policy.People {
		if who == "" || p.ID < who {
			who = p.ID
		}
	}
	refuse := func() {
		_, err := st.Update(ctx, "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			out.Add(workflows.SystemStream, workflows.Acting{Actor: "a_1", Person: who}, "", workflows.Refused{Command: "request", Code: workflows.CodeNotEligible, Channel: "slack"})
			return out, nil
		})
		mustSay(t, err)
	}
	bot := func() *serving {
		return &serving{store: st, desk: d, clock: st.Clock(), log: slog.New(slog.DiscardHandler)}
	}
	look := func(s *serving) int {
		if err := s.watchLedger(ctx, jobs.Job{}); err != jobs.Done {
			t.Fatalf("watching: %v", err)
		}
		return len(recordedFindings(ctx, t, s))
	}
	s := bot()
	refuse()
	refuse()
	if n := look(s); n != 0 {
		t.Fatalf("%d findings of two refusals", n)
	}
	refuse()
	for i, s := range []*serving{s, s, bot()} {
		if n := look(s); n != 1 {
			t.Fatalf("look %d: the ledger holds %d findings, want 1", i, n)
		}
	}
	if f := recordedFindings(ctx, t, s)[0]; !f.Suspends || f.Identity != who.Identity() || f.Count != 3 {
		t.Errorf("recorded %+v", f)
	}
	if q, err := d.Quarantined(ctx); err != nil || len(q) != 1 || q[0].Identity != who.Identity() {
		t.Errorf("quarantined %+v, %v", q, err)
	}
	mustSay(t, st.Close())
	out, errs, code := runHere(t, nil, "watch", "-in", conf, "-data", data)
	if code != exitDone || !strings.Contains(out, "knocking") || !strings.Contains(out, "was denied or refused 3 times") || !strings.Contains(out, "• 2") {
		t.Errorf("watch ended with %d:\n%s%s", code, out, errs)
	}
	if _, errs, code := runHere(t, nil, "ledger", "verify", "-data", data); code != exitDone {
		t.Errorf("verify ended with %d: %s", code, errs)
	}
}

// A rule with then: stronger: whoever it finds needs one more person than usual for what they ask, and ledger verify holds asks against that.
func TestReq_R76_AFindingDemandsAStrongerChain(t *testing.T) {
	t.Parallel()
	ctx, data, conf := t.Context(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "conf")
	st, policy, d := knocking(t, data, conf, "stronger, for: 2d")
	who := personCalled(t, policy, "alice")
	acting := workflows.Acting{Actor: "a_1", Person: who}
	_, err := st.Update(ctx, "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.PersonStream(who), workflows.System, "", identities.Linked{Account: acting.Actor, Medium: "slack", How: "people file"})
		return out, nil
	})
	mustSay(t, err)
	ask := func(reason string) workflows.Submitted {
		t.Helper()
		got, err := d.Submit(ctx, desk.Submission{
			By: acting, Workflow: "prod-db-read", Channel: "slack", Authn: "slack-click",
			Form: workflows.Form{Target: "pg-main", Entitlement: "readonly", Seconds: 3600, Reason: reason, Values: map[string]string{"scope": "audit"}},
		})
		mustSay(t, err)
		if got.Refusal != nil {
			t.Fatalf("refused: %v", got.Refusal)
		}
		h, err := st.History(ctx, workflows.RequestStream(got.ID))
		mustSay(t, err)
		return h[0].Event.(workflows.Submitted)
	}
	if sub := ask("the numbers of the first week"); sub.Plan[0].Quorum != 1 || len(sub.Watched) != 0 {
		t.Fatalf("before: %+v", sub.Plan)
	}
	for range 3 {
		_, err := d.Refuse(ctx, "", acting, "request", "slack", "", workflows.Refuse(workflows.CodeNotEligible, "No.", ""))
		mustSay(t, err)
	}
	s := &serving{store: st, desk: d, clock: st.Clock(), log: slog.New(slog.DiscardHandler)}
	for range 2 {
		if err := s.watchLedger(ctx, jobs.Job{}); err != jobs.Done {
			t.Fatalf("watching: %v", err)
		}
	}
	if f := recordedFindings(ctx, t, s); len(f) != 1 || f[0].Then != workflows.ThenStronger || f[0].Until == 0 || f[0].Suspends {
		t.Fatalf("recorded %+v", f)
	}
	if sub := ask("the numbers of the second week"); sub.Plan[0].Quorum != 2 || !slices.Equal(sub.Watched, []string{"knocking"}) {
		t.Errorf("after: quorum %d by %q", sub.Plan[0].Quorum, sub.Watched)
	}
	mustSay(t, st.Close())
	out, errs, code := runHere(t, nil, "watch", "-in", conf, "-data", data)
	if code != exitDone || !strings.Contains(out, "needs one more person than usual until") {
		t.Errorf("watch ended with %d:\n%s%s", code, out, errs)
	}
	if out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data); code != exitDone {
		t.Errorf("verify ended with %d: %s%s", code, out, errs)
	}
}

// personCalled is the person of a folder by their key.
func personCalled(t *testing.T, p *desk.Policy, key string) workflows.PersonID {
	t.Helper()
	for id, x := range p.People {
		if x.Key == key {
			return id
		}
	}
	t.Fatalf("nobody is called %q", key)
	return ""
}

// An ask that goes its usual way although watching demands more, and one that says so of a rule that found nothing, are named.
func TestReplayHoldsAsksAgainstWatching(t *testing.T) {
	t.Parallel()
	const hour = workflows.Stamp(3600_000_000)
	for _, c := range []struct {
		name    string
		found   workflows.Stamp // zero: nothing was found
		watched []string
		want    string
	}{
		{"as demanded", 10 * hour, []string{"knocking"}, ""},
		{"a moment before", 20*hour - 1, nil, ""},
		{"the usual way", 10 * hour, nil, "goes its usual way"},
		{"over", 1, nil, ""},
		{"made up", 0, []string{"knocking"}, "which found nothing"},
	} {
		past := newPast()
		if c.found != 0 {
			past.note(workflows.Record{
				Index: 1, Stream: workflows.PersonStream(maya), At: workflows.Instant{UTC: c.found},
				Event: identities.Watched{Rule: "knocking", Signal: workflows.SignalDenials, Until: c.found + 12*hour},
			})
		}
		var out replayed
		x := chain{j: newJudge(paper{}, past, &out), sub: workflows.Submitted{Subject: maya.Identity(), Watched: c.watched}}
		x.watched(workflows.Record{Index: 2, Stream: "request/r_1", Person: maya, At: workflows.Instant{UTC: 20 * hour}, Event: x.sub})
		said := ""
		for _, f := range out.found {
			said += f.text
		}
		if (c.want == "") != (said == "") || !strings.Contains(said, c.want) {
			t.Errorf("%s: %q, want %q", c.name, said, c.want)
		}
	}
}

func recordedFindings(ctx context.Context, t *testing.T, s *serving) (out []workflows.WatchFound) {
	t.Helper()
	h, err := s.store.History(ctx, workflows.SystemStream)
	mustSay(t, err)
	for _, r := range h {
		if e, ok := r.Event.(workflows.WatchFound); ok {
			out = append(out, e)
		}
	}
	return out
}
