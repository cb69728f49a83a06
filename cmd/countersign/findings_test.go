package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// TestReq_R76_FindingsAreRecordedOnceAndSuspend: three refusals are a finding by the rules of the folder. The job records it once, also for a
// bot that starts anew, quarantines whom the rule says, and the command lists it.
func TestReq_R76_FindingsAreRecordedOnceAndSuspend(t *testing.T) {
	t.Parallel()
	ctx, data, conf := t.Context(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "conf")
	mustSay(t, os.MkdirAll(data, 0o700))
	mustSay(t, os.CopyFS(conf, os.DirFS("../../testdata/org")))
	mustSay(t, os.WriteFile(filepath.Join(conf, "watch.yaml"), []byte("rules:\n  - {name: knocking, signal: denials, times: 3, within: 1h, then: suspend}\n"), 0o600))
	st, err := openFixture(ctx, data)
	mustSay(t, err)
	folder, err := readFolder(conf)
	mustSay(t, err)
	policy, _, err := compile(ctx, st, folder)
	mustSay(t, err)
	policy.Settings.SecurityChannel = "" // there is no chat here
	d := desk.New(desk.Config{Ledger: st, Directory: everybodyActive{policy}, IDs: clockIDs{st.Clock()}, Log: slog.New(slog.DiscardHandler)})
	mustSay(t, d.Load(ctx, policy))
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
