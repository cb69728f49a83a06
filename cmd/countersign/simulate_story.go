package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// A story is one line: steps, and behind -> what holds then. It is played on a rehearsal, where everybody who is owed a message gets it at once
// and targets do what they are asked at once.
//
//	== prod-db-write pg-main/writer for 2h at 2026-11-22T09:00 Europe/Berlin ticket=OPS-1
//	alice submits; bob approves; 61m; carol approves -> approved, voters bob carol, active
//	alice submits; alice approves !self_approval -> open, waiting bob carol
//
// or on a chain made up on the spot:
//
//	== team(ann bob)x1 remind 30m escalate 1h(dave) timeout 4h > owner(olga)x1 timeout 2h repeat

// readStories reads a file of stories. Lines that begin with "#" are words for people.
func readStories(file string, text []byte) ([]storytest.Story, error) {
	var out []storytest.Story
	setting, n := "", 0
	for line := range bytes.Lines(text) {
		n++
		s := strings.TrimSpace(string(line))
		if rest, ok := strings.CutPrefix(s, "=="); ok {
			setting = strings.TrimSpace(rest)
			continue
		}
		if s == "" || strings.HasPrefix(s, "#") {
			continue
		}
		where := fmt.Sprintf("%s:%d", file, n)
		steps, wants, ok := strings.Cut(s, "->")
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: a story ends with -> and what holds then", where)
		case setting == "":
			return nil, fmt.Errorf("%s: before the first story stands a line == WORKFLOW, or a chain such as == team(ann bob)x1 timeout 4h", where)
		}
		out = append(out, storytest.Story{Name: where, Setting: setting, Text: s, Steps: parts(steps, ";"), Wants: parts(wants, ",")})
	}
	return out, nil
}

func parts(s, sep string) []string {
	var out []string
	for p := range strings.SplitSeq(s, sep) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// stage on which a story plays.
type stage struct {
	*rehearsal
	clicks  bool // the approval that is played is a click in the chat, which is less than being on the bot's host
	setting setting
	start   workflows.Stamp
	request workflows.RequestID
	refused []string
	untold  map[workflows.PersonID]bool
	done    map[string]bool // jobs that were carried out as far as they can be
}

// setting is the line above a story, read.
type setting struct {
	workflow workflows.WorkflowID
	what     string // target/entitlement
	long     workflows.Span
	at       workflows.Stamp
	values   map[string]string
}

// rehearseStory plays one line.
func rehearseStory(ctx context.Context, p spec.Policies, s storytest.Story) played {
	out := played{Where: s.Name, Name: s.Text}
	fail := func(format string, args ...any) played {
		out.Failures = append(out.Failures, fmt.Sprintf(format, args...))
		return out
	}
	set, p, err := readSetting(p, s)
	if err != nil {
		return fail("%v", err)
	}
	r, err := rehearse(ctx, p, set.at)
	if err != nil {
		return fail("%v", err)
	}
	x := &stage{rehearsal: r, setting: set, start: set.at, untold: map[workflows.PersonID]bool{}, done: map[string]bool{}}
	for _, step := range s.Steps {
		words, want := storytest.Words(step)
		if len(words) == 0 {
			return fail("a step with nothing but !%s", want)
		}
		no, err := x.step(ctx, words)
		if err == nil {
			err = x.settle(ctx, r.ledger.now.UTC)
		}
		switch {
		case err != nil:
			return fail("at %q: %v", step, err)
		case no == nil && want != "":
			return fail("at %q: expected a refusal with code %s, but it went through", step, want)
		case no != nil && want == "":
			return fail("at %q: expected that it goes through, but it was refused with code %s: %v", step, no.Code, no)
		case no != nil && no.Code != want:
			return fail("at %q: expected a refusal with code %s, got %s: %v", step, want, no.Code, no)
		case no != nil:
			x.refused = append(x.refused, no.Code)
		}
	}
	for _, want := range s.Wants {
		if err := x.holds(ctx, want); err != nil {
			fail("%v", err)
		}
	}
	out.OK = len(out.Failures) == 0
	return out
}

// readSetting finds the workflow that a story is about, or makes the chain that its setting describes.
func readSetting(p spec.Policies, s storytest.Story) (setting, spec.Policies, error) {
	out := setting{at: storytest.Start().UTC, values: map[string]string{}}
	if strings.Contains(s.Setting, "(") {
		made, err := inventedPolicies(s)
		out.workflow, out.what, out.long = inventedID, inventedTarget+"/"+inventedEntitlement, 3600
		return out, made, err
	}
	words := strings.Fields(s.Setting)
	out.workflow = workflows.WorkflowID(words[0])
	w, ok := p.Workflows[out.workflow]
	if !ok {
		return out, p, fmt.Errorf("there is no workflow %q in the folder", words[0])
	}
	if len(w.Workflow.Entitlements) > 0 {
		out.what = w.Workflow.Entitlements[0].Name()
	}
	out.long = w.Workflow.Usual
	for i := 1; i < len(words); i++ {
		var err error
		switch word := words[i]; {
		case word == "for" && i+1 < len(words):
			i++
			d, ok := storytest.Duration(words[i])
			if !ok {
				return out, p, fmt.Errorf("%q is no duration such as 90m or 4h", words[i])
			}
			out.long = workflows.SpanOf(d)
		case word == "at" && i+2 < len(words):
			i += 2
			if out.at, err = momentIn(words[i-1], words[i]); err != nil {
				return out, p, err
			}
		case strings.Contains(word, "="):
			name, value, _ := strings.Cut(word, "=")
			out.values[name] = value
		case strings.Contains(word, "/"):
			out.what = word
		default:
			return out, p, fmt.Errorf("%q is not understood: want TARGET/ENTITLEMENT, for DURATION, at TIME ZONE, or FIELD=VALUE", word)
		}
	}
	return out, p, nil
}

// momentIn reads "2026-11-22T09:00" on the clock of a zone.
func momentIn(text, zone string) (workflows.Stamp, error) {
	loc, err := zoneNamed(zone)
	if err != nil {
		return 0, err
	}
	return momentOf(text, loc)
}

// step plays one step. A refusal is an answer, an error is a story that cannot be played.
func (x *stage) step(ctx context.Context, words []string) (*workflows.Refusal, error) {
	if d, ok := storytest.Duration(words[0]); ok {
		return nil, x.settle(ctx, x.ledger.now.UTC.Add(d))
	}
	rest := strings.Join(words[1:], " ")
	switch {
	case words[0] == "expect":
		return nil, x.holds(ctx, rest)
	case words[0] == "ticket" && len(words) == 3 && words[2] == "closes":
		_, err := x.desk.CloseTicket(ctx, "", workflows.System, words[1])
		return nil, err
	case strings.HasPrefix(words[0], "@") || words[0][0] == '#':
		return nil, x.fill(words)
	case len(words) < 2:
		return nil, fmt.Errorf("who does what? %q is one word", words[0])
	}
	p, ok := x.person(words[0])
	if !ok {
		return nil, fmt.Errorf("there is nobody called %q in people.yaml", words[0])
	}
	return x.act(ctx, p, words[1:])
}

// fill says who is in a user group or channel of the chat: "@dba is ann bob".
func (x *stage) fill(words []string) error {
	if len(words) < 2 || words[1] != "is" {
		return fmt.Errorf("%s is what? write: %s is ann bob", words[0], words[0])
	}
	people := []workflows.PersonID{}
	for _, w := range words[2:] {
		p, ok := x.person(w)
		if !ok {
			return fmt.Errorf("there is nobody called %q in people.yaml", w)
		}
		people = append(people, p)
	}
	x.world.chat[words[0]] = people
	return nil
}

func (x *stage) act(ctx context.Context, p workflows.PersonID, words []string) (*workflows.Refusal, error) {
	by, rest := acting(p), words[1:]
	switch line := strings.Join(words, " "); {
	case words[0] == "submits":
		return x.submit(ctx, by, rest)
	case line == "approves", line == "approves by a click":
		x.clicks = len(rest) > 0
		return x.vote(ctx, by, workflows.Approve, "", workflows.Terms{})
	case words[0] == "denies":
		return x.vote(ctx, by, workflows.Deny, quietReason, workflows.Terms{})
	case words[0] == "offers":
		terms, err := termsOf(rest)
		if err != nil {
			return nil, err
		}
		return x.vote(ctx, by, workflows.Counter, quietReason, terms)
	case words[0] == "accepts", words[0] == "declines":
		return x.answer(ctx, by, words[0] == "accepts")
	case line == "takes back", line == "withdraws":
		do := x.desk.Withdraw
		if line == "takes back" {
			do = x.desk.TakeBack
		}
		a, err := do(ctx, desk.Change{By: by, Request: x.request, Why: quietReason, Channel: viaCLI})
		return a.Refusal, err
	case words[0] == "comments":
		a, err := x.desk.Comment(ctx, desk.Remark{By: by, Request: x.request, Text: quietReason, Channel: viaCLI})
		return a.Refusal, err
	case line == "returns", line == "revokes":
		return x.end(ctx, by, line)
	case line == "cannot be told":
		x.untold[p] = true
		return nil, nil
	case line == "leaves", words[0] == "is":
		return x.become(ctx, p, rest)
	}
	return nil, fmt.Errorf("%q is not understood: want submits, approves, approves by a click, denies, offers, accepts, declines, takes back, withdraws, comments, returns, revokes, leaves, cannot be told, is away …", words[0])
}

// submit asks: "submits [TARGET/ENTITLEMENT] [for 2h] [as IDENTITY] [field=value …]".
func (x *stage) submit(ctx context.Context, by workflows.Acting, words []string) (*workflows.Refusal, error) {
	what, long, values := x.setting.what, x.setting.long, map[string]string{}
	for k, v := range x.setting.values {
		values[k] = v
	}
	s := desk.Submission{By: by, Workflow: x.setting.workflow, Channel: viaCLI, Authn: unixPeer}
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case word == "for" && i+1 < len(words):
			i++
			d, ok := storytest.Duration(words[i])
			if !ok {
				return nil, fmt.Errorf("%q is no duration such as 90m or 4h", words[i])
			}
			long = workflows.SpanOf(d)
		case word == "as" && i+1 < len(words):
			i++
			s.Subject = workflows.IdentityID(words[i])
			if p, ok := x.person(words[i]); ok {
				s.Subject = p.Identity()
			}
		case strings.Contains(word, "="):
			name, value, _ := strings.Cut(word, "=")
			values[name] = value
		case strings.Contains(word, "/"):
			what = word
		default:
			return nil, fmt.Errorf("%q is not understood: want TARGET/ENTITLEMENT, for DURATION, as IDENTITY or FIELD=VALUE", word)
		}
	}
	target, entitlement, _ := strings.Cut(what, "/")
	s.Form = workflows.Form{Target: workflows.TargetID(target), Entitlement: workflows.EntitlementID(entitlement), Seconds: long, Reason: quietReason, Values: values, Typed: target}
	if w := x.policy.Workflows[x.setting.workflow].Workflow; w.Kind.OfRunbook() {
		s.Form.Target, s.Form.Entitlement = "", ""
		for id, b := range x.policy.Runbooks {
			if b.Runbook.Routine == (w.Kind == workflows.KindRoutine) {
				s.Runbook = max(s.Runbook, id)
			}
		}
	}
	res, err := x.desk.Submit(ctx, s)
	if err == nil && res.Refusal == nil {
		x.request = res.ID
	}
	return res.Refusal, err
}

func (x *stage) vote(ctx context.Context, by workflows.Acting, v workflows.Verdict, reason string, terms workflows.Terms) (*workflows.Refusal, error) {
	b := desk.Ballot{By: by, Request: x.request, Verdict: v, Reason: reason, Terms: terms, Channel: viaCLI, Authn: unixPeer}
	if v == workflows.Approve && x.clicks {
		b.Authn = workflows.AuthnClick
	}
	if view, err := x.desk.Look(ctx, x.request); err == nil {
		b.Stage, b.Shown = view.State.Current, view.State.Shown(view.State.Current)
		if view.Workflow.Demands(string(v)) {
			b.Reason = quietReason
		}
	}
	if v == workflows.Counter {
		a, err := x.desk.Counter(ctx, desk.CounterOffer{
			By: b.By, Request: b.Request, Stage: b.Stage, Shown: b.Shown, Terms: terms, Reason: b.Reason, Authn: b.Authn, Channel: b.Channel,
		})
		return a.Refusal, err
	}
	a, err := x.desk.Vote(ctx, b)
	return a.Refusal, err
}

// termsOf reads what is offered: "1h", "pg-main/reader", or both.
func termsOf(words []string) (workflows.Terms, error) {
	var t workflows.Terms
	for _, w := range words {
		if d, ok := storytest.Duration(w); ok {
			t.Seconds = workflows.SpanOf(d)
			continue
		}
		target, entitlement, ok := strings.Cut(w, "/")
		if !ok {
			return t, fmt.Errorf("%q is not understood: offer a shorter time or a TARGET/ENTITLEMENT", w)
		}
		t.Target, t.Entitlement = workflows.TargetID(target), workflows.EntitlementID(entitlement)
	}
	return t, nil
}

// answer takes up or turns down the newest offer.
func (x *stage) answer(ctx context.Context, by workflows.Acting, accept bool) (*workflows.Refusal, error) {
	a := desk.OfferAnswer{By: by, Request: x.request, Channel: viaCLI, Authn: unixPeer}
	if view, err := x.desk.Look(ctx, x.request); err == nil && len(view.State.Offers) > 0 {
		a.Offer = view.State.Offers[len(view.State.Offers)-1].ID
	}
	if !accept {
		res, err := x.desk.DeclineOffer(ctx, a)
		return res.Refusal, err
	}
	res, err := x.desk.AcceptOffer(ctx, a)
	if err == nil && res.Refusal == nil && res.ID != "" {
		x.request = res.ID
	}
	return res.Refusal, err
}

func (x *stage) end(ctx context.Context, by workflows.Acting, verb string) (*workflows.Refusal, error) {
	how := grants.HowReturned
	if verb == "revokes" {
		how = grants.HowRevoked
	}
	var id workflows.GrantID
	if view, err := x.desk.Look(ctx, x.request); err == nil {
		id = view.State.Grant
	}
	a, err := x.desk.End(ctx, desk.EndGrant{By: by, Grant: id, How: how, Why: quietReason, Channel: viaCLI})
	return a.Refusal, err
}

// become changes what the directory says of somebody: "leaves", "is guest", "is away 3d delegate bob", "is back".
func (x *stage) become(ctx context.Context, p workflows.PersonID, words []string) (*workflows.Refusal, error) {
	s, err := x.world.StandingOf(ctx, p)
	if err != nil {
		return nil, err
	}
	switch what := strings.Join(words[:min(1, len(words))], ""); what {
	case "":
		s.Active = false
	case "guest":
		s.Member = false
	case "bot":
		s.Human = false
	case "unlinked":
		s.Linked = false
	case "unknown":
		s = workflows.Standing{}
	case "back":
		a, err := x.desk.ComeBack(ctx, desk.Leave{By: acting(p), Channel: viaCLI})
		return a.Refusal, err
	case "away":
		return x.leave(ctx, p, words[1:])
	default:
		return nil, fmt.Errorf("%q is not understood: want guest, bot, unlinked, unknown, away DURATION [delegate NAME], back", what)
	}
	x.world.is[p] = s
	return nil, nil
}

func (x *stage) leave(ctx context.Context, p workflows.PersonID, words []string) (*workflows.Refusal, error) {
	l := desk.Leave{By: acting(p), Until: x.ledger.now.UTC.Add(24 * time.Hour), Reason: quietReason, Channel: viaCLI, Authn: unixPeer}
	if len(words) > 0 {
		if d, ok := storytest.Duration(words[0]); ok {
			l.Until, words = x.ledger.now.UTC.Add(d), words[1:]
		}
	}
	if len(words) == 2 && words[0] == "delegate" {
		d, ok := x.person(words[1])
		if !ok {
			return nil, fmt.Errorf("there is nobody called %q in people.yaml", words[1])
		}
		l.Delegate, words = d, nil
	}
	if len(words) > 0 {
		return nil, fmt.Errorf("%q is not understood: want is away DURATION delegate NAME", words[0])
	}
	a, err := x.desk.GoAway(ctx, l)
	return a.Refusal, err
}

const maxRehearsed = 10_000 // jobs carried out between two steps: a year of reminders

// settle carries out what is due up to a moment, in order, as the bot does.
func (x *stage) settle(ctx context.Context, until workflows.Stamp) error {
	for range maxRehearsed {
		stream, job, ok := x.nextJob(until)
		if !ok {
			x.moveTo(until)
			return nil
		}
		x.moveTo(max(x.ledger.now.UTC, job.Due))
		x.done[jobName(stream, job, len(x.ledger.histories[stream]))] = true
		if err := x.carryOut(ctx, stream, job); err != nil {
			return fmt.Errorf("%s of %s: %w", job.Kind, stream, err)
		}
	}
	return fmt.Errorf("more than %d things happen before %s", maxRehearsed, until)
}

func (x *stage) moveTo(t workflows.Stamp) {
	x.ledger.now.Mono += int64(t.Sub(x.ledger.now.UTC))
	x.ledger.now.UTC = t
}

func jobName(s workflows.StreamID, j workflows.Job, entries int) string {
	return fmt.Sprint(s, " ", j.Kind, " ", j.Key, " ", j.Due, " ", entries)
}

func (x *stage) nextJob(until workflows.Stamp) (workflows.StreamID, workflows.Job, bool) {
	var stream workflows.StreamID
	var next workflows.Job
	found := false
	for s, jobs := range x.ledger.jobs {
		for _, j := range jobs {
			due := max(j.Due, x.ledger.now.UTC)
			if due > until || x.done[jobName(s, j, len(x.ledger.histories[s]))] {
				continue
			}
			if soonest := max(next.Due, x.ledger.now.UTC); !found || due < soonest || due == soonest && string(s)+j.Kind+j.Key < string(stream)+next.Kind+next.Key {
				stream, next, found = s, j, true
			}
		}
	}
	return stream, next, found
}

func (x *stage) carryOut(ctx context.Context, s workflows.StreamID, j workflows.Job) error {
	switch j.Kind {
	case workflows.JobWake:
		return x.desk.Tick(ctx, s)
	case workflows.JobNotice:
		n, owed, err := x.desk.Notice(ctx, s, j.Key)
		if err != nil || !owed {
			return err
		}
		if x.untold[n.To] {
			return x.desk.Undelivered(ctx, "", s, workflows.NoticeUndelivered{Notice: j.Key, Why: "cannot be told in this story"})
		}
		return x.desk.Delivered(ctx, "", s, workflows.NoticeDelivered{Notice: j.Key, Via: "rehearsal"})
	}
	hold, due, err := x.desk.Due(ctx, s, j.Kind, workflows.GrantID(j.Key))
	if err != nil || !due {
		return err
	}
	switch j.Kind {
	case workflows.JobStart:
		why, err := x.desk.MayStart(ctx, s, hold)
		if err != nil {
			return err
		}
		if why != "" {
			return x.desk.GrantFailed(ctx, "", s, hold, why)
		}
		return x.desk.GrantStarted(ctx, "", s, grants.Started{Grant: hold.Approved.Grant, Ref: "rehearsal"})
	case workflows.JobRevoke:
		return x.desk.GrantRevoked(ctx, "", s, grants.Revoked{Grant: hold.Approved.Grant, Presence: "absent"})
	}
	return nil
}

// holds compares what is with what a story says.
func (x *stage) holds(ctx context.Context, want string) error {
	words := strings.Fields(want)
	if len(words) == 0 {
		return nil
	}
	view, err := x.desk.Look(ctx, x.request)
	if err != nil {
		if want == "nothing" {
			return nil
		}
		return fmt.Errorf("expected %q, but nothing was submitted", want)
	}
	got, err := x.is(view, words)
	if err != nil || got == strings.Join(words, " ") {
		return err
	}
	e := workflows.Explain(view.State, workflows.Outlook{Name: x.keyOf})
	return fmt.Errorf("expected %q, got %q: %s", want, got, e.Sentence)
}

func (x *stage) is(v desk.View, words []string) (string, error) {
	s := v.State
	number := func() (int, error) {
		if len(words) > 1 {
			if n, err := strconv.Atoi(words[1]); err == nil && n >= 1 && n <= len(s.Stages) {
				return n, nil
			}
		}
		return 0, fmt.Errorf("%q: which stage? this chain has %d", strings.Join(words, " "), len(s.Stages))
	}
	seats := func(i int) string {
		var list []workflows.PersonID
		for _, seat := range s.Stages[i].Roster {
			list = append(list, seat.Person)
		}
		return x.keys(list)
	}
	holding := "nothing"
	if v.Hold != nil {
		holding = string(v.Hold.Status)
	}
	switch words[0] {
	case "stage":
		n, err := number()
		if err != nil {
			return "", err
		}
		if len(words) == 2 {
			return "stage " + strconv.Itoa(s.Current+1), nil
		}
		return fmt.Sprintf("stage %d %s", n, s.Stages[n-1].Status), nil
	case "roster":
		n, err := number()
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(fmt.Sprintf("roster %d %s", n, seats(n-1))), nil
	case "voters":
		return strings.TrimSpace("voters " + x.keys(s.Voters())), nil
	case "waiting":
		return strings.TrimSpace("waiting " + x.keys(s.CanVote())), nil
	case "rule":
		return "rule " + s.Asked.Chosen, nil
	case "tier":
		return "tier " + s.Asked.Risk, nil
	case "code":
		return "code " + s.WhyCode, nil
	case "refused":
		return strings.TrimSpace("refused " + strings.Join(x.refused, " ")), nil
	case "active", "ended", "ending":
		return holding, nil
	case "ends":
		if v.Hold == nil {
			return "ends never", nil
		}
		return "ends " + workflows.SpanOf(v.Hold.Ends.UTC.Sub(x.start)).String(), nil
	}
	if !slices.Contains([]string{"open", "approved", "denied", "withdrawn", "timed_out", "superseded", "failed", "nothing"}, words[0]) {
		return "", fmt.Errorf("%q is not understood: want open, approved, denied, withdrawn, timed_out, superseded, failed, stage N, waiting NAMES, voters NAMES, roster N NAMES, rule NAME, tier NAME, code CODE, refused CODES, active, ended, ends DURATION", words[0])
	}
	return string(s.Status), nil
}
