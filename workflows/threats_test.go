package workflows_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// told plays a whole story in which nothing may go wrong that is not written down.
func told(t testing.TB, chain, steps string) *world {
	t.Helper()
	x, err := newWorld(chain)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range strings.Split(steps, "; ") {
		words, want := storytest.Words(step)
		if got, err := x.step(words); err != nil || got != want {
			t.Fatalf("%s: at %q: refused with %q, want %q: %v", steps, step, got, want, err)
		}
		x.check(t)
	}
	return x
}

func (x *world) mustState(t storytest.T) workflows.State {
	t.Helper()
	s, err := x.state()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Only an eligible, identified person's approve or deny counts (R2, the engine's part): with any part of that missing, or with
// any other word for a verdict, the state stays as it is and the attempt is on record.
func TestReq_R2_OnlyAnEligiblePersonsVerdictCounts(t *testing.T) {
	t.Parallel()
	typ := reflect.TypeFor[workflows.Standing]()
	spoil := map[string]func(*workflows.Ballot){
		"stranger":     func(b *workflows.Ballot) { b.By = acting("eve") },
		"nobody":       func(b *workflows.Ballot) { b.By = workflows.Acting{Actor: "a_ann"} },
		"text":         func(b *workflows.Ballot) { b.Verdict = "approved" },
		"thumbs up":    func(b *workflows.Ballot) { b.Verdict = "👍" },
		"empty":        func(b *workflows.Ballot) { b.Verdict = "" },
		"upper case":   func(b *workflows.Ballot) { b.Verdict = "Approve" },
		"nothing seen": func(b *workflows.Ballot) { b.Shown = "" },
		"a workload":   func(b *workflows.Ballot) { b.Authn = "oidc/s_0123456789abcdef0123456789" },
		"an agent":     func(b *workflows.Ballot) { b.Authn = "spiffe-x509/s_0123456789abcdef0123456789" },
		"long denial": func(b *workflows.Ballot) {
			b.Verdict, b.Reason = workflows.Deny, strings.Repeat("x", workflows.MaxDenyReason+1)
		},
	}
	for i := range typ.NumField() {
		switch f := typ.Field(i); {
		case f.Name == "Contractor": // makes nobody eligible
		case f.Name == "Over":
			spoil["contract over"] = func(b *workflows.Ballot) { b.Standing.Over = true }
		case f.Name == "Quarantined":
			spoil["quarantined"] = func(b *workflows.Ballot) { b.Standing.Quarantined = true }
		case f.Type.Kind() == reflect.Bool:
			spoil["not "+f.Name] = func(b *workflows.Ballot) { reflect.ValueOf(&b.Standing).Elem().FieldByName(f.Name).SetBool(false) }
		}
	}
	for name, change := range spoil {
		for _, verdict := range []workflows.Verdict{workflows.Approve, workflows.Deny} {
			x := told(t, "peers(ann bob)x1", "zed submits")
			before := x.mustState(t)
			b := x.ballot(acting("ann"), verdict)
			change(&b)
			code, err := x.take(x.w.Vote(x.l.Facts(), x.id, b))
			if err != nil || code == "" {
				t.Errorf("%s: %s counts: %q, %v", name, verdict, code, err)
			}
			h := x.l.Histories[x.stream()]
			if e, ok := h[len(h)-1].Event.(workflows.Refused); !ok || e.Code != code || e.Channel != "slack" {
				t.Errorf("%s: the attempt is not on record: %+v", name, h[len(h)-1].Event)
			}
			after := x.mustState(t)
			after.Seq = before.Seq
			if d := cmp.Diff(before, after); d != "" {
				t.Errorf("%s: %s changes the state:\n%s", name, verdict, d)
			}
		}
	}
}

// A resource without an owner, or that no chain grants, cannot be asked for: the answer says so and goes to nobody (R1).
func TestReq_R1_NoOwnerNoRequest(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann)x1", "tick")
	x.w.Entitlements[0].Owner = ""
	if code, err := x.step([]string{"zed", "submits"}); err != nil || code != workflows.CodeNoPolicy {
		t.Errorf("without owner: %q, %v", code, err)
	}
	x.w.Entitlements = nil
	if code, err := x.step([]string{"zed", "submits"}); err != nil || code != workflows.CodeBadField {
		t.Errorf("not granted by any chain: %q, %v", code, err)
	}
	h := x.l.Histories[workflows.SystemStream]
	if len(h) != 2 || len(x.l.Histories) != 1 {
		t.Fatalf("%d refusals on record in %d streams", len(h), len(x.l.Histories))
	}
	if e := h[0].Event.(workflows.Refused); e.About != "prod-db" || e.Command != "submit" {
		t.Errorf("recorded as %+v", e)
	}
}

// Every action is a durable job that can be resumed (R13, the engine's part): what is owed follows from the record alone, so a
// process that dies after any entry and starts again owes the same jobs under the same names, and goes on to the same end.
func TestReq_R13_WhatIsOwedFollowsFromTheRecord(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann bob carol)x2 remind 30m escalate 1h(dave) timeout 4h > owner(olga)x1 remind 10m timeout 2h",
		"zed submits; told ann; ann approves; 31m; told bob; 40m; dave approves; told all; 11m; olga approves; told all")
	whole := x.l.Histories[x.stream()]
	for n := 1; n <= len(whole); n++ {
		s, err := workflows.Fold(whole[:n])
		if err != nil {
			t.Fatalf("after %d entries: %v", n, err)
		}
		reread, err := x.l.RoundTrip(whole[:n])
		if err != nil {
			t.Fatal(err)
		}
		again, err := workflows.Fold(reread)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(workflows.Pending(s), workflows.Pending(again)); d != "" {
			t.Errorf("after %d entries other jobs are owed:\n%s", n, d)
		}
		if err := storytest.CheckJobs(workflows.Pending(s)); err != nil {
			t.Error(err)
		}
		for _, j := range workflows.Pending(s) {
			if j.Kind == workflows.JobWake && j.Due != workflows.NextWake(s) {
				t.Errorf("after %d entries: wakes at %s, due at %s", n, j.Due, workflows.NextWake(s))
			}
		}
	}
	if jobs := workflows.Pending(x.mustState(t)); len(jobs) != 0 {
		t.Errorf("at the end %v is still owed", jobs)
	}
}

// Who or what asks, to do what, and whether it should be allowed now are three answers of every decision (R59).
func TestReq_R59_ThreeAnswers(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann)x1 > owner(olga)x1 timeout 2h", "zed submits for svc-deploy sponsor zed; ann approves; olga approves")
	y := told(t, "peers(ann)x1", "zed submits runbook failover; ann denies")
	n := 0
	for _, r := range append(slices.Clone(x.l.Histories[x.stream()]), y.l.Histories[y.stream()]...) {
		var a workflows.Answers
		switch e := r.Event.(type) {
		case workflows.VoteRecorded:
			a = e.Answers
			if e.Authn != "slack-click" || e.Digest == "" || e.Shown == "" {
				t.Errorf("vote without its evidence: %+v", e)
			}
		case workflows.Approved:
			a = e.Answers
		default:
			continue
		}
		n++
		if !strings.Contains(a.Who, "p_zed") || a.What == "" || !strings.Contains(a.Now, string(r.Person)) || a.Who == a.What || a.What == a.Now {
			t.Errorf("%s answers %+v", r.Event.Kind(), a)
		}
	}
	if n != 4 {
		t.Errorf("%d decisions", n)
	}
	v := x.l.Histories[x.stream()][2].Event.(workflows.VoteRecorded)
	if !strings.Contains(v.Answers.Who, "svc-deploy") || !strings.Contains(v.Answers.What, "pg-main/writer for 1h") || v.Sponsor != "p_zed" {
		t.Errorf("a robot's access is decided as %+v", v)
	}
	if v := y.l.Histories[y.stream()][2].Event.(workflows.VoteRecorded); !strings.Contains(v.Answers.What, "runbook failover sha256:text") {
		t.Errorf("a text is decided as %+v", v.Answers)
	}
}

// No grant to an identity that is not in the inventory (R71): not to an unknown one, not to one whose asker does not answer for it,
// not to an account that is nobody's, not without an account on record where one is needed.
func TestReq_R71_OnlyIdentitiesOfTheInventory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*workflows.Ask, *workflows.Workflow)
		code   string
	}{
		"in it":             {func(*workflows.Ask, *workflows.Workflow) {}, ""},
		"unknown":           {func(a *workflows.Ask, _ *workflows.Workflow) { a.Subject = "" }, workflows.CodeNotInInventory},
		"another's":         {func(a *workflows.Ask, _ *workflows.Workflow) { a.Subject = "svc-other" }, workflows.CodeNotEligible},
		"another person":    {func(a *workflows.Ask, _ *workflows.Workflow) { a.Subject = "p_ann" }, workflows.CodeNotEligible},
		"unlinked account":  {func(a *workflows.Ask, _ *workflows.Workflow) { a.Standing.Linked = false }, workflows.CodeUnlinked},
		"account of nobody": {func(a *workflows.Ask, _ *workflows.Workflow) { a.By.Person, a.Subject = "", "svc-x" }, workflows.CodeUnlinked},
		"only for oneself": {func(a *workflows.Ask, w *workflows.Workflow) {
			a.Subject, a.Owned, w.For = "svc-x", true, []string{"self"}
		}, workflows.CodeNotEligible},
		"only for robots": {func(_ *workflows.Ask, w *workflows.Workflow) { w.For = []string{"owned"} }, workflows.CodeNotEligible},
		"no account":      {func(_ *workflows.Ask, w *workflows.Workflow) { w.Entitlements[0].Account = true }, workflows.CodeNotInInventory},
		"robot, no account": {func(a *workflows.Ask, w *workflows.Workflow) {
			a.Subject, a.Owned = "svc-x", true
			w.Entitlements[0].Account = true
		}, workflows.CodeNotInInventory},
		"an account": {func(a *workflows.Ask, w *workflows.Workflow) { w.Entitlements[0].Account, a.Account = true, "zed" }, ""},
		"no runbook": {func(_ *workflows.Ask, w *workflows.Workflow) { w.Kind = workflows.KindPreapprove }, workflows.CodeRunbook},
		"a runbook, no text": {func(a *workflows.Ask, w *workflows.Workflow) {
			w.Kind, a.Runbook = workflows.KindPreapprove, "failover"
		}, workflows.CodeRunbook},
		"no stages":       {func(a *workflows.Ask, w *workflows.Workflow) { w.Stages, a.Rosters = nil, workflows.Rosters{} }, workflows.CodeNoPolicy},
		"too few rosters": {func(a *workflows.Ask, _ *workflows.Workflow) { a.Rosters.Stages = nil }, workflows.CodeNoPolicy},
	} {
		x := told(t, "peers(ann)x1", "tick")
		a := x.ask(acting("zed"))
		c.change(&a, x.w)
		code, err := x.take(x.w.Submit(x.l.Facts(), a))
		if err != nil || code != c.code {
			t.Errorf("%s: %q, want %q: %v", name, code, c.code, err)
		}
		if submitted := len(x.l.Histories[x.stream()]) > 0; submitted != (c.code == "") {
			t.Errorf("%s: submitted: %t", name, submitted)
		}
	}
}

// An approval is bound to the digest of what was shown (R97): what was shown of another request, of another stage, of an earlier
// version of the same words, or in an earlier life of the request approves nothing.
func TestReq_R97_ApprovalIsBoundToWhatWasShown(t *testing.T) {
	t.Parallel()
	chain := "peers(ann bob)x1 > owner(ann bob)x1 repeat timeout 2h"
	x := told(t, chain, "zed submits")
	shown := x.mustState(t).Shown(0)
	other := told(t, chain, "tick")
	other.id = "r_2"
	if code, err := other.step([]string{"zed", "submits"}); err != nil || code != "" {
		t.Fatal(code, err)
	}
	b := other.ballot(acting("ann"), workflows.Approve)
	b.Shown = shown
	if code, _ := other.take(other.w.Vote(other.l.Facts(), "r_2", b)); code != workflows.CodeStale {
		t.Errorf("what was shown of another request approves: %q", code)
	}
	if code, err := x.step([]string{"ann", "approves"}); err != nil || code != "" {
		t.Fatal(code, err)
	}
	b = x.ballot(acting("ann"), workflows.Approve)
	b.Shown = shown
	if code, _ := x.take(x.w.Vote(x.l.Facts(), x.id, b)); code != workflows.CodeStale {
		t.Errorf("what was shown of stage 1 approves stage 2: %q", code)
	}
	v := x.l.Histories[x.stream()][2].Event.(workflows.VoteRecorded)
	if s := x.mustState(t); v.Digest != s.Asked.Digest || v.Shown != shown {
		t.Errorf("the vote names %s of %s", v.Shown, v.Digest)
	}
}

// A request cannot be edited after a vote (T15): there is no event for it, and anything else that is asked, down to one second or one
// letter, has another digest, so that a button for the old words is stale.
func TestThreat_T15_AnyOtherWordsAreAnotherRequest(t *testing.T) {
	t.Parallel()
	base := told(t, "peers(ann)x1", "zed submits").mustState(t)
	seen := map[string]string{base.Asked.Digest: "as it was"}
	for name, change := range map[string]func(*workflows.Ask, *workflows.Workflow){
		"a second longer":  func(a *workflows.Ask, _ *workflows.Workflow) { a.Form.Seconds++ },
		"a letter more":    func(a *workflows.Ask, _ *workflows.Workflow) { a.Form.Reason += "." },
		"another policy":   func(a *workflows.Ask, _ *workflows.Workflow) { a.Policy = "sha256:other" },
		"another person":   func(a *workflows.Ask, _ *workflows.Workflow) { a.By, a.Subject = acting("yan"), "p_yan" },
		"for a robot":      func(a *workflows.Ask, _ *workflows.Workflow) { a.Subject, a.Owned, a.Sponsor = "svc-x", true, "p_zed" },
		"with a sponsor":   func(a *workflows.Ask, _ *workflows.Workflow) { a.Sponsor = "p_yan" },
		"another id":       func(a *workflows.Ask, _ *workflows.Workflow) { a.ID = "r_2" },
		"another nonce":    func(a *workflows.Ask, _ *workflows.Workflow) { a.Nonce = "n1" },
		"an account":       func(a *workflows.Ask, _ *workflows.Workflow) { a.Account = "postgres" },
		"a drill":          func(a *workflows.Ask, _ *workflows.Workflow) { a.Drill = true },
		"another rule":     func(a *workflows.Ask, _ *workflows.Workflow) { a.Rule = "may_ask: named" },
		"another deadline": func(_ *workflows.Ask, w *workflows.Workflow) { w.Stages[0].Timeout++ },
		"another target": func(a *workflows.Ask, w *workflows.Workflow) {
			w.Entitlements[0].Target, a.Form.Target = "pg-other", "pg-other"
		},
		"a field": func(a *workflows.Ask, w *workflows.Workflow) {
			w.Fields = []workflows.Field{{Name: "host", Type: workflows.FieldTicket}}
			a.Form.Values = map[string]string{"host": "db1"}
		},
		"the same in another field": func(a *workflows.Ask, w *workflows.Workflow) {
			w.Fields = []workflows.Field{{Name: "host", Type: workflows.FieldText}}
			a.Form.Values = map[string]string{"host": "db1"}
		},
	} {
		x := told(t, "peers(ann)x1", "tick")
		a := x.ask(acting("zed"))
		change(&a, x.w)
		x.id = a.ID
		if code, err := x.take(x.w.Submit(x.l.Facts(), a)); err != nil || code != "" {
			t.Fatalf("%s: %q, %v", name, code, err)
		}
		s := x.mustState(t)
		if twin, ok := seen[s.Asked.Digest]; ok {
			t.Errorf("%s has the digest of %s", name, twin)
		}
		seen[s.Asked.Digest] = name
		b := x.ballot(acting("ann"), workflows.Approve)
		b.Shown = base.Shown(0)
		if code, _ := x.take(x.w.Vote(x.l.Facts(), x.id, b)); code != workflows.CodeStale {
			t.Errorf("%s: the old button approves it: %q", name, code)
		}
	}
}

// Asking again does not inherit votes (T16): a new request has a new id and no votes, and the used id stays used.
func TestThreat_T16_AskingAgainStartsAnew(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann bob)x2", "zed submits; ann approves; zed withdraws; zed submits !error")
	x.id = "r_2"
	if code, err := x.step([]string{"zed", "submits"}); err != nil || code != "" {
		t.Fatal(code, err)
	}
	if s := x.mustState(t); len(s.Voters()) != 0 || s.Stages[0].Missing() != 2 {
		t.Errorf("votes of the old request count: %v", s.Voters())
	}
}

// Whoever loses their standing between their vote and the grant gives no grant (T18): every order of two votes, two
// departures and a return. The requester's own standing is asked again before the target is called.
func TestThreat_T18_StandingIsAskedAgainBeforeTheGrant(t *testing.T) {
	t.Parallel()
	events := []string{"ann approves", "bob approves", "ann leaves", "bob is guest", "ann returns"}
	approved := 0
	for _, order := range permutations(events) {
		x := told(t, "peers(ann bob)x2", "zed submits")
		here := map[string]bool{"ann": true, "bob": true}
		voted := map[string]bool{}
		want := workflows.StatusOpen
		for _, step := range order {
			name, what, _ := strings.Cut(step, " ")
			switch {
			case what == "approves" && here[name] && want == workflows.StatusOpen:
				if voted[name] = true; voted["ann"] && voted["bob"] {
					want = workflows.StatusSuperseded
					if here["ann"] && here["bob"] {
						want = workflows.StatusApproved
						approved++
					}
				}
			case what == "returns":
				here[name] = true
			case what != "approves":
				here[name] = false
			}
			if _, err := x.step(strings.Fields(step)); err != nil {
				t.Fatal(err)
			}
			x.check(t)
		}
		if s := x.mustState(t); s.Status != want {
			t.Errorf("%s: %s, want %s", strings.Join(order, "; "), s.Status, want)
		}
	}
	if approved == 0 {
		t.Error("no order was ever approved")
	}
}

func permutations(list []string) [][]string {
	if len(list) < 2 {
		return [][]string{list}
	}
	var out [][]string
	for i := range list {
		rest := slices.Delete(slices.Clone(list), i, i+1)
		for _, p := range permutations(rest) {
			out = append(out, append([]string{list[i]}, p...))
		}
	}
	return out
}

// Approve and deny race, and fifty approve at once (T19, the pure part; the store's part is that each decision sees the one
// before it): exactly one outcome, the exact quorum, one grant, every attempt on record.
func TestThreat_T19_OneOutcomeInEveryOrder(t *testing.T) {
	t.Parallel()
	clicks := []string{"ann approves", "bob denies", "ann approves again", "carol approves", "zed withdraws"}
	seen := map[workflows.Status]int{}
	for _, order := range permutations(clicks) {
		x := told(t, "peers(ann bob carol)x2", "zed submits")
		for _, step := range order {
			if _, err := x.step(strings.Fields(step)); err != nil {
				t.Fatal(err)
			}
		}
		h := x.l.Histories[x.stream()]
		if err := oracle(h); err != nil {
			t.Errorf("%s: %v", strings.Join(order, "; "), err)
		}
		s := x.mustState(t)
		seen[s.Status]++
		if !s.Final() || attempts(h) != len(clicks) {
			t.Errorf("%s: %s with %d of %d clicks on record", strings.Join(order, "; "), s.Status, attempts(h), len(clicks))
		}
	}
	if len(seen) != 3 {
		t.Errorf("outcomes seen: %v", seen)
	}

	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("a%d", i))
	}
	x := told(t, "peers("+strings.Join(names, " ")+")x7", "zed submits")
	for _, n := range names {
		if _, err := x.step([]string{n, "approves"}); err != nil {
			t.Fatal(err)
		}
	}
	h := x.l.Histories[x.stream()]
	if s := x.mustState(t); s.Status != workflows.StatusApproved || len(s.Voters()) != 7 || attempts(h) != 50 || oracle(h) != nil {
		t.Errorf("%s by %d of 50 clicks, %d on record: %v", s.Status, len(s.Voters()), attempts(h), oracle(h))
	}
}

func attempts(h []workflows.Record) int {
	n := 0
	for _, r := range h {
		switch r.Event.(type) {
		case workflows.VoteRecorded, workflows.Refused, workflows.Withdrawn:
			n++
		}
	}
	return n
}

// Approving what was denied is refused; denying what was approved is refused too, and says how to end the access (T20).
func TestThreat_T20_NothingIsDecidedTwice(t *testing.T) {
	t.Parallel()
	told(t, "peers(ann bob)x1", "zed submits; ann denies; bob approves !decided; ann approves !decided")
	x := told(t, "peers(ann bob)x1", "zed submits; ann approves")
	for _, who := range []string{"ann", "bob"} {
		out, err := x.w.Vote(x.l.Facts(), x.id, x.ballot(acting(who), workflows.Deny))
		if err != nil || out.Refusal == nil || out.Refusal.Code != workflows.CodeDecided || !strings.Contains(out.Refusal.Error(), "Revoke the access instead") {
			t.Errorf("%s denies what was approved: %+v, %v", who, out.Refusal, err)
		}
	}
}

// No time that a client sends decides anything (T34): the only times a decision takes in are the receipt of the click and the
// moment of asking the directory, both ours. And a click's receipt is only ever held against deadlines.
func TestThreat_T34_OnlyOurClockDecides(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{"Ballot.ReceivedAt": true, "Ballot.Standing.Asked": true, "Ballot.Voters.Asked": true, "Ask.Standing.Asked": true, "Change.Standing.Asked": true}
	// Working hours and shifts come from our documents and our clock; when access should start is asked for like its length.
	for _, of := range []string{"Ballot", "Ask"} {
		for _, what := range []string{"Approvers.TellAt", "Escalate.TellAt", "Then.TellAt", "RemindAt", "EscalateAt", "ThenAt", "ShiftsAt"} {
			allowed[of+".Rosters.Stages."+what] = true
		}
	}
	// When a form was filled in is overwritten with the moment of the decision.
	for _, what := range []string{
		"Ballot.Terms.NotBefore", "Ask.NotBefore", "Ask.NoLaterThan", // the last only ends access earlier: the window of a ticket
		"Ask.Held.Ends", "Ask.Held.Started", "Ask.Form.At",
		"Ask.Exception.Since", // out of the identity's own history
		"Ballot.Rosters.Final.Voters.Asked", "Ask.Rosters.Final.Voters.Asked",
	} {
		allowed[what] = true
	}
	var look func(path string, typ reflect.Type)
	look = func(path string, typ reflect.Type) {
		switch typ {
		case reflect.TypeFor[workflows.Stamp](), reflect.TypeFor[workflows.Instant](), reflect.TypeFor[time.Time]():
			if !allowed[path] {
				t.Errorf("%s takes a time from outside", path)
			}
			delete(allowed, path)
			return
		}
		switch typ.Kind() {
		case reflect.Struct:
			for i := range typ.NumField() {
				look(path+"."+typ.Field(i).Name, typ.Field(i).Type)
			}
		case reflect.Map, reflect.Slice, reflect.Pointer:
			look(path, typ.Elem())
		}
	}
	look("Ballot", reflect.TypeFor[workflows.Ballot]())
	look("Ask", reflect.TypeFor[workflows.Ask]())
	look("Change", reflect.TypeFor[workflows.Change]())
	if len(allowed) != 0 {
		t.Errorf("not found: %v", allowed)
	}
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld("peers(ann)x1 remind 10m timeout 60m > owner(olga)x1 timeout 60m")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.step([]string{"zed", "submits"}); err != nil {
			t.Fatal(err)
		}
		b := x.ballot(acting("ann"), workflows.Approve)
		b.ReceivedAt = x.l.Now.UTC.Add(time.Duration(rapid.IntRange(-1000, 59).Draw(t, "minutes")) * time.Minute)
		if code, err := x.take(x.w.Vote(x.l.Facts(), x.id, b)); code != "" || err != nil {
			t.Fatal(code, err)
		}
		if s := x.mustState(t); s.Stages[1].TimesOutAt != x.l.Now.UTC.Add(time.Hour) {
			t.Fatalf("a click received at %s moves a deadline to %s", b.ReceivedAt, s.Stages[1].TimesOutAt)
		}
	})
}

// everybody is whom the chain could ever ask in a stage: at first, by tiers, by shifts.
func (x *world) everybody(stage int) map[string]bool {
	out := map[string]bool{}
	r := x.rosters.Stages[stage]
	lists := append([][]workflows.Seat{r.Approvers, r.Escalate}, r.Then...)
	for _, sh := range x.shifts[stage] {
		lists = append(lists, sh.seats)
	}
	for _, list := range lists {
		for _, seat := range list {
			out[seatKey(seat.Person, seat.For)] = true
		}
	}
	return out
}

// Escalation adds nobody who stands behind the request, nobody twice, only whom the chain names, and only once (T56).
func TestThreat_T56_EscalationStaysWithinTheChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld(randomChain(t))
		if err != nil {
			t.Fatal(err)
		}
		requester := rapid.SampledFrom(crowd).Draw(t, "requester")
		if _, err := x.step([]string{requester, "submits", "sponsor", rapid.SampledFrom(crowd).Draw(t, "sponsor")}); err != nil {
			t.Fatal(err)
		}
		if len(x.l.Histories[x.stream()]) == 0 {
			return
		}
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			step := rapid.SampledFrom([]string{"17m", "1h", "tick", "untold all", "told all", "ann approves", "bob approves", "carol approves", "bot sleeps", "bot wakes"}).Draw(t, "step")
			_, _ = x.step(strings.Fields(step)) // what was not owed is not told
		}
		s := x.mustState(t)
		for i, st := range s.Stages {
			named := x.everybody(i)
			seen := map[string]bool{}
			for _, seat := range st.Roster {
				key := seatKey(seat.Person, seat.For)
				if s.Asker(seat.Person) || s.Asker(seat.For) || seen[key] || !named[key] {
					t.Fatalf("stage %d asks %v", i+1, st.Roster)
				}
				seen[key] = true
			}
			if st.Plan.Quorum != x.w.Stages[i].Quorum {
				t.Fatalf("stage %d wants %d", i+1, st.Plan.Quorum)
			}
		}
		escalated := map[int]int{}
		for _, r := range x.l.Histories[x.stream()] {
			if e, ok := r.Event.(workflows.StageEscalated); ok {
				if e.Tier != escalated[e.Stage] || e.Tier >= len(s.Asked.Plan[e.Stage].Tiers) {
					t.Fatalf("stage %d is widened to tier %d of %v", e.Stage, e.Tier, s.Asked.Plan[e.Stage].Tiers)
				}
				escalated[e.Stage]++
			}
		}
	})
}

// However many a selector yields, a stage asks no more than its limit, after escalation too.
func TestThreat_T56_RosterHasALimit(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann)x1 escalate 1h(bob) timeout 4h", "tick")
	crowd := func(prefix string, n int) (out []workflows.Seat) {
		for i := range n {
			out = append(out, workflows.Seat{Person: workflows.PersonID(fmt.Sprintf("p_%s%d", prefix, i)), Why: "chat:@all"})
		}
		return out
	}
	x.rosters.Stages = []workflows.StageRoster{{Approvers: crowd("a", workflows.MaxRoster-1), Escalate: crowd("b", workflows.MaxRoster)}}
	for _, step := range []string{"zed submits", "1h"} {
		if code, err := x.step(strings.Fields(step)); err != nil || code != "" {
			t.Fatal(code, err)
		}
	}
	if n := len(x.mustState(t).Stages[0].Roster); n != workflows.MaxRoster {
		t.Errorf("%d people are asked", n)
	}
	x = told(t, "peers(ann)x1 timeout 4h", "tick")
	x.rosters.Stages = []workflows.StageRoster{{Approvers: crowd("a", workflows.MaxRoster+1)}}
	if code, err := x.step([]string{"zed", "submits"}); err != nil || code != "" || len(x.mustState(t).Stages[0].Roster) != workflows.MaxRoster {
		t.Errorf("%q, %v", code, err)
	}
}
