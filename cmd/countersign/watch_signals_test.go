package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// happened is a ledger in which things happened, at times of its own.
type happened struct {
	t          *testing.T
	say        func(workflows.StreamID, workflows.PersonID, ...workflows.Event)
	later      func(time.Duration)
	now        func() workflows.Stamp
	alice, bob workflows.PersonID
}

// asks opens a request of one stage that others decide.
func (h *happened) asks(id string, by, decides workflows.PersonID, target workflows.TargetID) {
	h.say(workflows.RequestStream(workflows.RequestID(id)), by, workflows.Submitted{
		Workflow: "old", Request: workflows.KindCredential, Subject: by.Identity(), Target: target, Entitlement: "readonly", Seconds: 3600,
		Plan: []workflows.PlannedStage{{Name: "peers", Quorum: 2, Timeout: 3600}},
	}, workflows.StageOpened{Roster: []workflows.Seat{{Person: decides, Why: "named"}}, TimesOutAt: h.now().Add(time.Hour)})
}

func (h *happened) approves(id string, by workflows.PersonID) {
	h.say(workflows.RequestStream(workflows.RequestID(id)), by, workflows.VoteRecorded{Verdict: workflows.Approve, ReceivedAt: h.now(), Opened: workflows.Unopened})
}

// holds has Alice hold something for an hour.
func (h *happened) holds(more ...workflows.Event) workflows.StreamID {
	s := workflows.GrantStream(h.alice.Identity(), "pg-main", "readonly")
	h.say(s, "", grants.Approved{Grant: "g_1", Identity: h.alice.Identity(), Requester: h.alice, Owner: h.bob, Target: "pg-main", Entitlement: "readonly", Connector: "postgres", EndsAt: h.now().Add(time.Hour)}, grants.Started{Grant: "g_1"})
	h.say(s, "", more...)
	return s
}

// TestReq_R76_EachSignalNotifiesStrengthensAndSuspends: for each signal that a rule may look for, its own doings in a ledger are found by the job of
// serve under rules of a folder with each of the three consequences: recorded once each, the stronger chain is demanded of whoever it was, and they
// are suspended; the command says in words what it was. What comes just short of it finds nothing.
func TestReq_R76_EachSignalNotifiesStrengthensAndSuspends(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for signal, c := range map[string]struct {
		rule  string
		short func(*happened) // not yet
		does  func(*happened)
		says  string
	}{
		workflows.SignalBurst: {
			"times: 2, within: 1h", func(h *happened) { h.asks("r_1", h.alice, h.bob, "pg-main") },
			func(h *happened) { h.asks("r_2", h.alice, h.bob, "pg-main") }, "asked for access 2 times in a short time",
		},
		workflows.SignalFirstTarget: {
			"within: 30d", func(h *happened) { h.asks("r_1", h.alice, h.bob, "pg-main"); h.later(31 * day) },
			func(h *happened) { h.asks("r_2", h.alice, h.bob, "bastion") }, "asked for a target for the first time",
		},
		workflows.SignalUnusualHour: {
			"times: 2", func(h *happened) {
				h.asks("r_1", h.alice, h.bob, "pg-main")
				h.later(day)
				h.asks("r_2", h.alice, h.bob, "pg-main")
			},
			func(h *happened) { h.later(day / 2); h.asks("r_3", h.alice, h.bob, "pg-main") }, "at an hour at which none of their 2 earlier requests came",
		},
		workflows.SignalFastApproval: {
			"seconds: 600, unopened: true", func(h *happened) {
				h.asks("r_1", h.bob, h.alice, "pg-main")
				h.later(10 * time.Minute)
				h.approves("r_1", h.alice)
			},
			func(h *happened) { h.asks("r_2", h.bob, h.alice, "pg-main"); h.approves("r_2", h.alice) }, "seconds, without opening it",
		},
		workflows.SignalSamePair: {
			"times: 2, within: 30d", func(h *happened) { h.asks("r_1", h.alice, h.bob, "pg-main"); h.approves("r_1", h.bob) },
			func(h *happened) { h.asks("r_2", h.bob, h.alice, "pg-main"); h.approves("r_2", h.alice) }, "approved each other's requests 2 times",
		},
		workflows.SignalDenials: {
			"times: 2, within: 1d", func(h *happened) {
				h.say(workflows.SystemStream, h.alice, workflows.Refused{Command: "request", Code: workflows.CodeNotEligible})
			},
			func(h *happened) {
				h.say(workflows.SystemStream, h.alice, workflows.Refused{Command: "request", Code: workflows.CodeNotEligible})
			}, "was denied or refused 2 times",
		},
		workflows.SignalDormant: {
			"within: 90d", func(h *happened) { h.asks("r_1", h.alice, h.bob, "pg-main"); h.later(91 * day) },
			func(h *happened) { h.asks("r_2", h.alice, h.bob, "pg-main") }, "is active again after 91 days",
		},
		workflows.SignalBreakGlass: {
			"times: 2, within: 30d", func(h *happened) { h.say("runbook/db", h.alice, incidents.Invoked{Grant: "g_1", Review: "v_1"}) },
			func(h *happened) { h.say("runbook/web", h.alice, incidents.Invoked{Grant: "g_2", Review: "v_2"}) }, "broke glass 2 times",
		},
		workflows.SignalUseOutside: {
			"targets: [pg-main]", func(h *happened) { h.later(time.Minute); h.holds(grants.SessionSeen{Grant: "g_1", Session: "a"}) },
			func(h *happened) {
				h.say(workflows.GrantStream(h.alice.Identity(), "pg-main", "readonly"), "", grants.SessionSeen{Grant: "g_1", Session: "b", Since: h.now().Add(-day)})
			}, "used access before it began or after its end",
		},
		workflows.SignalUseAfterEnd: {
			"targets: [pg-main]", func(h *happened) {
				h.holds(grants.Ending{Grant: "g_1", How: grants.HowRevoked}, grants.Revoked{Grant: "g_1"})
				h.later(time.Minute)
			},
			func(h *happened) {
				h.say(workflows.GrantStream(h.alice.Identity(), "pg-main", "readonly"), "", grants.SessionSeen{Grant: "g_1", Session: "a"})
			}, "used access after it had been taken back",
		},
	} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			rules := "rules:\n"
			for _, then := range []string{workflows.ThenNotify, workflows.ThenStronger, workflows.ThenSuspend} {
				rules += fmt.Sprintf("  - {name: %s, signal: %s, then: %s, %s}\n", then, signal, then, c.rule)
			}
			s, h := happening(t, rules)
			ctx := t.Context()
			look := func() []workflows.WatchFound {
				t.Helper()
				if err := s.watchLedger(ctx, jobs.Job{}); err != jobs.Done {
					t.Fatalf("watching: %v", err)
				}
				return recordedFindings(ctx, t, s)
			}
			c.short(h)
			if got := look(); len(got) != 0 {
				t.Fatalf("found too early: %+v", got)
			}
			c.does(h)
			got := look()
			var thens []string
			for _, f := range got {
				thens = append(thens, f.Then)
				if f.Identity != h.alice.Identity() || f.Signal != signal || f.Suspends != (f.Then == workflows.ThenSuspend) || (f.Until != 0) != (f.Then == workflows.ThenStronger) {
					t.Errorf("found %+v", f)
				}
				if said := findingSays(f, func(p workflows.PersonID) string { return string(p) }); !strings.Contains(said, c.says) {
					t.Errorf("it says %q, want %q", said, c.says)
				}
			}
			if slices.Sort(thens); !slices.Equal(thens, []string{workflows.ThenNotify, workflows.ThenStronger, workflows.ThenSuspend}) {
				t.Fatalf("consequences: %q", thens)
			}
			if again := look(); len(again) != len(got) {
				t.Errorf("%d findings the second time", len(again))
			}
			if q, err := s.desk.Quarantined(ctx); err != nil || len(q) != 1 || q[0].Identity != h.alice.Identity() {
				t.Errorf("quarantined: %+v, %v", q, err)
			}
			p, err := s.store.History(ctx, workflows.PersonStream(h.alice))
			mustSay(t, err)
			if !slices.ContainsFunc(p, func(r workflows.Record) bool {
				e, ok := r.Event.(identities.Watched)
				return ok && e.Signal == signal && e.Until > h.now()
			}) {
				t.Errorf("no stronger chain is demanded: %+v", p)
			}
		})
	}
}

// happening is an empty ledger with the rules of a folder, on a clock of its own.
func happening(t *testing.T, rules string) (*serving, *happened) {
	t.Helper()
	ctx, data, conf := t.Context(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "conf")
	mustSay(t, os.MkdirAll(data, 0o700))
	mustSay(t, os.CopyFS(conf, os.DirFS("../../testdata/org")))
	mustSay(t, os.WriteFile(filepath.Join(conf, "watch.yaml"), []byte(rules), 0o600))
	clock, err := newDemoClock(filepath.Join(t.TempDir(), "clock"))
	mustSay(t, err)
	c := Config{Data: data, LedgerOrigin: fixtureOrigin}
	keys, err := openKeys(c.keysDir())
	mustSay(t, err)
	key, err := keys.ledger(c.LedgerOrigin)
	mustSay(t, err)
	st, _, err := openHealthy(ctx, c, clock, key, slog.New(slog.NewTextHandler(io.Discard, nil)))
	mustSay(t, err)
	t.Cleanup(func() { mustSay(t, st.Close()) })
	folder, err := readFolder(conf)
	mustSay(t, err)
	policy, _, err := compile(ctx, st, folder)
	mustSay(t, err)
	policy.Settings.SecurityChannel = "" // there is no chat here
	d := desk.New(desk.Config{Ledger: st, Directory: everybodyActive{policy}, IDs: clockIDs{st.Clock()}, Log: slog.New(slog.DiscardHandler)})
	mustSay(t, d.Load(ctx, policy))
	h := &happened{t: t, alice: personCalled(t, policy, "alice"), bob: personCalled(t, policy, "bob")}
	h.now = func() workflows.Stamp { return workflows.StampOf(clock.Now().Wall) }
	h.later = func(by time.Duration) { mustSay(t, clock.advance(by)) }
	h.say = func(stream workflows.StreamID, who workflows.PersonID, list ...workflows.Event) {
		t.Helper()
		by := workflows.System
		if who != "" {
			by = workflows.Acting{Actor: workflows.ActorID("a_" + who[2:]), Person: who}
		}
		_, err := st.Update(ctx, "", []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			for _, e := range list {
				out.Add(stream, by, "", e)
			}
			return out, nil
		})
		mustSay(t, err)
	}
	return &serving{store: st, desk: d, clock: st.Clock(), log: slog.New(slog.DiscardHandler)}, h
}
