package campaigns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const (
	ann   = workflows.PersonID("p_ann")
	bob   = workflows.PersonID("p_bob")
	carol = workflows.PersonID("p_carol")
	sheet = workflows.SheetID("c_01-1")
	name  = "machines"
)

var usual = workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}

func acting(p workflows.PersonID) workflows.Acting {
	return workflows.Acting{Actor: workflows.ActorID("a_" + strings.TrimPrefix(string(p), "p_")), Person: p}
}

// world is a ledger in memory with one campaign and one sheet.
type world struct {
	t *testing.T
	l *storytest.Ledger
}

// newWorld begins a campaign of four identities, of which the third has a finding and the fourth is ann's own.
func newWorld(t *testing.T, silence string) *world {
	t.Helper()
	w := &world{t, storytest.New(workflows.EventKinds(), campaigns.EventKinds())}
	now := w.l.Now.UTC
	items := []campaigns.Item{
		{Of: workflows.CampaignIdentities, ID: "svc-1", Owner: string(bob)},
		{Of: workflows.CampaignIdentities, ID: "svc-2", Owner: string(bob)},
		{Of: workflows.CampaignIdentities, ID: "svc-3", Owner: string(bob), Flags: []string{"unused"}},
		{Of: workflows.CampaignIdentities, ID: "svc-4", Owner: string(ann)},
	}
	o := campaigns.Opened{
		Campaign: name, Run: "c_01", Title: "Machines", Reviewer: ann, Items: items, TellAt: now, RemindAt: []workflows.Stamp{now.Add(7 * 24 * time.Hour)},
		AskAt: now.Add(10 * 24 * time.Hour), AskToo: carol, DueAt: now.Add(14 * 24 * time.Hour), Silence: silence, Security: []workflows.PersonID{carol},
	}
	w.take(campaigns.OpenSheet(w.l.Facts(), o, sheet))
	plan := workflows.CampaignPlan{Name: name, Title: "Machines", Of: workflows.CampaignIdentities, Silence: silence, Acknowledge: []workflows.PersonID{carol}}
	b := campaigns.Begun{Run: "c_01", Plan: plan, DueAt: o.DueAt, Items: 4, Sheets: []campaigns.SheetRef{{Sheet: sheet, Reviewer: ann, Items: 4}}}
	w.take(campaigns.Begin(w.l.Facts(), name, campaigns.Beginning{By: acting(bob), May: true, Begun: b}))
	return w
}

// take appends an outcome and gives the code of its refusal.
func (w *world) take(out workflows.Outcome, err error) string {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.l.Append(out)
	w.check()
	if out.Refusal != nil {
		return out.Refusal.Code
	}
	return ""
}

// check folds everything anew from its JSON, with and without what can be erased.
func (w *world) check() {
	w.t.Helper()
	for stream, h := range w.l.Histories {
		again, err := w.l.RoundTrip(h)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, x := range [][]workflows.Record{again, storytest.Erase(h)} {
			switch stream.Kind() {
			case workflows.KindSheet:
				s, err := campaigns.FoldSheet(x)
				if err != nil {
					w.t.Fatal(err)
				}
				if err := storytest.CheckJobs(campaigns.PendingSheet(s)); err != nil {
					w.t.Fatal(err)
				}
				if err := storytest.CheckListings(campaigns.SheetListings(s)); err != nil {
					w.t.Fatal(err)
				}
			case workflows.KindCampaign:
				if _, err := campaigns.Fold(x); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
}

func (w *world) sheet() campaigns.Sheet {
	w.t.Helper()
	s, err := campaigns.FoldSheet(w.l.Histories[workflows.SheetStream(sheet)])
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) run() campaigns.Run {
	w.t.Helper()
	s, err := campaigns.Fold(w.l.Histories[workflows.CampaignStream(name)])
	if err != nil {
		w.t.Fatal(err)
	}
	r, _ := s.Run("")
	return r
}

func (w *world) look(p workflows.PersonID, items ...int) string {
	return w.take(campaigns.Show(w.l.Facts(), sheet, campaigns.Looking{By: acting(p), Standing: usual, Items: items, Digests: digests(items)}))
}

// digests are those of items that say what they always say.
func digests(items []int) (out []string) {
	for _, n := range items {
		out = append(out, fmt.Sprintf("%032d", n))
	}
	return out
}

func (w *world) say(p workflows.PersonID, verdict, reason string, items ...int) string {
	s := w.sheet()
	shown := "never"
	if l, ok := s.LastLook(p, items); ok {
		shown, _ = l.Of(items)
	}
	a := campaigns.Answer{By: acting(p), Standing: usual, Items: items, Verdict: verdict, Shown: shown, Now: shown, Reason: reason}
	return w.take(campaigns.Decide(w.l.Facts(), sheet, a))
}

func (w *world) want(got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("refused with %q, want %q", got, want)
	}
}

// settle carries out everything that is decided, and closes what is done.
func (w *world) settle() {
	w.t.Helper()
	for _, j := range campaigns.PendingSheet(w.sheet()) {
		if j.Kind == campaigns.JobSettle {
			var n int
			fmt.Sscan(j.Key, &n)
			w.take(campaigns.Settle(w.l.Facts(), sheet, workflows.System, campaigns.Settled{Item: n, How: "done", Proof: "verified"}))
		}
	}
	if slices.ContainsFunc(campaigns.PendingSheet(w.sheet()), func(j workflows.Job) bool { return j.Kind == campaigns.JobClose }) {
		w.take(campaigns.Close(w.l.Facts(), sheet))
	}
}

const why = "It was replaced by another one."

// TestReq_R24_NothingIsDecidedUnseen: a verdict wants that its items were shown to who gives it, that they still say the same, and a reason unless
// it keeps; bulk keeps nothing that has a finding; nobody decides on their own.
func TestReq_R24_NothingIsDecidedUnseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, workflows.SilenceSuspend)
	w.want(w.say(ann, campaigns.Keep, "", 1), workflows.CodeStale) // nothing was looked at
	w.want(w.look(bob, 1), workflows.CodeUnknown)
	w.want(w.look(ann, 1, 2, 3, 4), "")
	w.want(w.say(bob, campaigns.Keep, "", 1), workflows.CodeUnknown)
	w.want(w.say(ann, campaigns.Keep, "", 1, 2, 3), workflows.CodeBadField) // the third has a finding
	w.want(w.say(ann, campaigns.Keep, "", 4), workflows.CodeReviewer)       // her own
	w.want(w.say(ann, campaigns.Revoke, "old", 1), workflows.CodeReasonNeeded)
	w.want(w.say(ann, campaigns.ToJIT, why, 1), workflows.CodeBadField)
	w.want(w.say(ann, campaigns.HandOver, why, 1), workflows.CodeBadField)
	w.want(w.say(ann, campaigns.Narrow, why, 1), workflows.CodeBadField)
	w.want(w.say(ann, "approve", why, 1), workflows.CodeBadField)
	changed := campaigns.Answer{By: acting(ann), Standing: usual, Items: []int{1}, Verdict: campaigns.Keep, Shown: digests([]int{1})[0], Now: "other"}
	w.want(w.take(campaigns.Decide(w.l.Facts(), sheet, changed)), workflows.CodeStale)
	flagged := changed
	flagged.Items, flagged.Flagged = []int{1, 2}, []int{2}
	flagged.Shown = campaigns.Together(digests(flagged.Items))
	flagged.Now = flagged.Shown
	w.want(w.take(campaigns.Decide(w.l.Facts(), sheet, flagged)), workflows.CodeBadField)
	if left := w.sheet(); left.Left() != 4 {
		t.Fatalf("%d of 4 left after refusals", left.Left())
	}
	w.want(w.say(ann, campaigns.Keep, "", 1, 2), "")
	w.want(w.say(ann, campaigns.Keep, "", 1), workflows.CodeDecided)
	w.want(w.say(ann, campaigns.Keep, "", 3), "")
	if s := w.sheet(); s.Left() != 1 || s.Items[0].Bulk != 2 {
		t.Errorf("after three verdicts: %+v", s.Items)
	}
	outside := usual
	outside.Member = false
	w.want(w.take(campaigns.Show(w.l.Facts(), sheet, campaigns.Looking{By: acting(ann), Standing: outside, Items: []int{4}, Digests: []string{"x"}})), workflows.CodeGuest)
}

// TestReq_R24_RemindersEscalationAndSilence: one message at the beginning, one for each reminder, somebody else asked as well, and at the end what
// the policy says follows from silence, exactly for what nobody answered for.
func TestReq_R24_RemindersEscalationAndSilence(t *testing.T) {
	t.Parallel()
	for silence, want := range map[string]string{workflows.SilenceSuspend: campaigns.Suspend, workflows.SilenceRevoke: campaigns.Revoke, workflows.SilenceEscalate: campaigns.None} {
		t.Run(silence, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, silence)
			whats := func() (out []string) {
				s := w.sheet()
				for _, n := range s.Notices() {
					if n.Due <= w.l.Now.UTC {
						out = append(out, n.What+" "+string(n.To))
					}
				}
				return out
			}
			tick := func(d time.Duration) {
				w.l.Pass(d)
				w.take(campaigns.Tick(w.l.Facts(), workflows.SheetStream(sheet)))
			}
			if got := whats(); !slices.Equal(got, []string{"sheet p_ann"}) {
				t.Fatalf("at first %q", got)
			}
			w.look(ann, 1, 2, 3)
			w.say(ann, campaigns.Keep, "", 1)
			tick(8 * 24 * time.Hour)
			if got := whats(); !slices.Contains(got, "sheet_remind p_ann") {
				t.Errorf("after a week %q", got)
			}
			tick(3 * 24 * time.Hour)
			if s := w.sheet(); !slices.Contains(s.Asked, carol) || !slices.Contains(whats(), "sheet p_carol") {
				t.Errorf("not escalated: %v, %q", s.Asked, whats())
			}
			w.want(w.look(carol, 4), "")
			w.want(w.say(carol, campaigns.Revoke, why, 4), "") // ann's own item has somebody who may
			tick(4 * 24 * time.Hour)
			s := w.sheet()
			if !s.Lapsed || s.Items[1].Verdict != want || s.Items[2].Verdict != want || s.Items[0].Verdict != campaigns.Keep || s.Items[1].By != "" {
				t.Fatalf("after the end: %+v", s.Items)
			}
			w.want(w.look(ann, 2), "")
			w.want(w.say(ann, campaigns.Keep, "", 2), workflows.CodeLate)
			if got := whats(); !slices.Equal(got, []string{"sheet_silent p_carol"}) {
				t.Errorf("at the end %q", got)
			}
			w.settle()
			w.settle()
			r := w.run()
			if r.Ended == nil || r.Ended.Counts.Silent != 2 || r.Ended.Counts.Kept != 1 {
				t.Errorf("the run: %+v", r)
			}
		})
	}
}

// TestReq_R107_ManagementAcknowledges: the outcome is signed by who is named for it, once, and only when everything is done.
func TestReq_R107_ManagementAcknowledges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, workflows.SilenceRevoke)
	sign := func(p workflows.PersonID) string {
		return w.take(campaigns.Acknowledge(w.l.Facts(), name, campaigns.Signing{By: acting(p), Standing: usual, Note: "Read."}))
	}
	w.want(sign(carol), workflows.CodeNotActive)
	w.l.Pass(15 * 24 * time.Hour)
	w.take(campaigns.Tick(w.l.Facts(), workflows.SheetStream(sheet)))
	w.take(campaigns.Tick(w.l.Facts(), workflows.SheetStream(sheet)))
	w.settle()
	w.settle()
	w.want(sign(bob), workflows.CodeUnknown)
	w.want(sign(carol), "")
	w.want(sign(carol), workflows.CodeDecided)
	if r := w.run(); len(r.Signed) != 1 || r.Signed[0].By != carol {
		t.Errorf("signed: %+v", r.Signed)
	}
	if got := len(w.run().Plan.Acknowledge); got != 1 {
		t.Errorf("%d are to sign", got)
	}
}

// A run that finds nothing to look at is over at once and asks nobody; one time of a schedule begins one run.
func TestBegin(t *testing.T) {
	t.Parallel()
	w := &world{t, storytest.New(workflows.EventKinds(), campaigns.EventKinds())}
	at := w.l.Now.UTC
	plan := workflows.CampaignPlan{Name: name, Acknowledge: []workflows.PersonID{carol}}
	begin := func(run workflows.CampaignID, scheduled workflows.Stamp, by workflows.Acting, may bool) string {
		return w.take(campaigns.Begin(w.l.Facts(), name, campaigns.Beginning{By: by, May: may, Begun: campaigns.Begun{Run: run, Plan: plan, Scheduled: scheduled}}))
	}
	w.take(campaigns.Plan(w.l.Facts(), name, campaigns.Planned{Cron: "0 9 * * *"}))
	w.take(campaigns.Plan(w.l.Facts(), name, campaigns.Planned{Cron: "0 9 * * *"}))
	begin("c_01", at, workflows.System, false)
	begin("c_02", at, workflows.System, false) // the same time again
	w.want(begin("c_03", 0, acting(bob), false), workflows.CodeNotYours)
	w.want(begin("c_04", 0, acting(bob), true), "")
	s, err := campaigns.Fold(w.l.Histories[workflows.CampaignStream(name)])
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Runs) != 2 || s.Open() != nil || len(s.Notices()) != 0 || s.Seq != 5 {
		t.Errorf("runs %+v, owed %v, %d entries", s.Runs, s.Notices(), s.Seq)
	}
	if _, err := campaigns.OpenSheet(w.l.Facts(), campaigns.Opened{Reviewer: ann}, sheet); err == nil {
		t.Error("a sheet without items was opened")
	}
}

// Whatever people do in whatever order, no item gets a verdict without a look of who gave it, none of its owner, and none twice; and the sheet ends.
func TestWhateverPeopleDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, workflows.SilenceRevoke)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			who := rapid.SampledFrom([]workflows.PersonID{ann, bob, carol}).Draw(rt, "who")
			items := rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 1, 3, rapid.ID).Draw(rt, "items")
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				w.look(who, items...)
			case 1:
				w.say(who, rapid.SampledFrom([]string{campaigns.Keep, campaigns.Revoke}).Draw(rt, "verdict"), why, items...)
			case 2:
				w.l.Pass(rapid.SampledFrom([]time.Duration{time.Hour, 5 * 24 * time.Hour}).Draw(rt, "wait"))
				w.take(campaigns.Tick(w.l.Facts(), workflows.SheetStream(sheet)))
			default:
				w.settle()
			}
		}
		s := w.sheet()
		for _, x := range s.Items {
			if x.By != "" && (x.Owner == string(x.By) || !slices.ContainsFunc(s.Looks, func(l campaigns.Look) bool { return l.By == x.By && slices.Contains(l.Items, x.Number) })) {
				rt.Fatalf("item %d was decided by %q, who never saw it or owns it", x.Number, x.By)
			}
		}
		w.l.Pass(20 * 24 * time.Hour)
		for range 2 {
			w.take(campaigns.Tick(w.l.Facts(), workflows.SheetStream(sheet)))
		}
		w.settle()
		w.settle()
		if r := w.run(); r.Ended == nil {
			rt.Fatalf("the run does not end: %+v", w.sheet().Items)
		}
	})
}
