package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// request judges every decision on a request against the workflow that binds it. What follows from the request's own entries alone (each
// vote by somebody on the roster, the quorum of distinct persons, nobody on their own request) the fold has held already.
func (j *judge) request(ctx context.Context, h []workflows.Record) error {
	sub, ok := h[0].Event.(workflows.Submitted)
	if !ok {
		return nil // refused attempts on an id that does not exist
	}
	w, err := of(ctx, j, j.workflows, h[0])
	if w == nil || err != nil {
		return err
	}
	ent, _ := w.Entitlement(sub.Target, sub.Entitlement)
	c := chain{j: j, w: w, sub: sub, bound: h[0].Policy, owner: ent.Owner, backup: ent.Backup}
	if err := c.window(ctx, h[0]); err != nil {
		return err
	}
	c.watched(h[0])
	c.submitted(h[0])
	if err := c.byClock(ctx, h[0]); err != nil {
		return err
	}
	if err := c.renewal(ctx, h[0]); err != nil {
		return err
	}
	for i, r := range h[1:] {
		if err := c.event(ctx, h[:i+1], r); err != nil {
			return err
		}
	}
	return nil
}

// chain is a request under judgement.
type chain struct {
	j             *judge
	w             *workflows.Workflow
	sub           workflows.Submitted
	bound         workflows.DocHash
	rule          *workflows.Rule   // that chose the stages; nil without rules
	stages        []workflows.Stage // of the document, that the ask goes through
	owner, backup workflows.PersonID
}

func (c *chain) place(r workflows.Record) place {
	return place{r.Index, c.sub.Subject, c.owner, c.backup}
}

// submitted judges the question: was this version in force, may this person ask by it, for whom, what, how long, through which stages.
func (c *chain) submitted(r workflows.Record) {
	j := c.j
	j.out.Decisions++
	if r.Actor != workflows.SystemActor {
		j.linked(r)
	}
	loaded, ok := j.past.loaded(r.Index)
	switch {
	case c.w.ID != c.sub.Workflow || c.w.Kind != c.sub.Request:
		j.wrong(r, "says it is under workflow %s, but the document recorded for it is that of %s", c.sub.Workflow, c.w.ID)
	case !ok || loaded.Workflows[string(c.w.ID)] != r.Policy:
		j.wrong(r, "is bound to %s of workflow %s, which was not in force then", shortHash(r.Policy), c.w.ID)
	}
	if why := c.chosen(); why != "" {
		j.wrong(r, "does not go by a rule of its document: %s", why)
	} else if why := planned(c.sub.Plan, c.stages); why != "" {
		j.wrong(r, "does not have the stages of its document: %s", why)
	}
	if workflows.ByMachine(c.sub.Authn) && !c.w.ForMachines() && r.Index > j.past.since {
		j.wrong(r, "was asked with the session of a machine, and machines ask for access alone")
	}
	c.asker(r)
	c.asked(r)
	if e, ok := c.w.Entitlement(c.sub.Target, c.sub.Entitlement); ok && c.sub.Outside != "" && !e.Brokered && c.sub.Request != workflows.KindException {
		j.wrong(r, "is for a %s, and %s is not brokered", c.sub.Outside, e.Name())
	}
}

// window finds the standing window that an ask says it stands under: then it needs nobody.
func (c *chain) window(ctx context.Context, r workflows.Record) error {
	if c.sub.Window == "" {
		return nil
	}
	at, win, ok, err := find(ctx, c.j, workflows.IdentityStream(c.sub.Subject), func(e identities.WindowGranted) bool { return e.Window == c.sub.Window })
	if err == nil && (!ok || at.Index > r.Index || win.Target != c.sub.Target || win.Entitlement != c.sub.Entitlement || win.EndsAt <= r.At.UTC) {
		c.j.wrong(r, "says it is within the standing window %s, which does not cover it", c.sub.Window)
	}
	return err
}

// chosen finds the rule that chose the stages, by the answers that were recorded then, and says why that cannot be, or nothing.
func (c *chain) chosen() string {
	c.stages = c.w.Stages
	switch {
	case c.sub.Window != "" && len(c.sub.Watched) == 0:
		c.stages = nil
		return ""
	case len(c.w.Rules) == 0:
		c.goes(workflows.Choice{Stages: stageNames(c.w)})
		return ""
	}
	matched := make([]bool, len(c.sub.Trace))
	for i, t := range c.sub.Trace {
		if i >= len(c.w.Rules) || t.Rule != c.w.Rules[i].Name {
			return "what became of its rules is recorded for other rules"
		}
		matched[i] = t.Matched
	}
	choice, no := c.w.Pick(matched, c.sub.Seconds)
	switch {
	case no != nil:
		return trimDot(no.Sentence)
	case choice.Rule == nil || choice.Rule.Name != c.sub.Chosen:
		return "the rule " + orNone(c.sub.Chosen) + " is not the one that its answers choose"
	}
	c.rule = choice.Rule
	c.goes(choice)
	return ""
}

// goes takes in the stages of a choice, as renewals and watching change them.
func (c *chain) goes(choice workflows.Choice) {
	planned := c.w.Planned(c.w.Watchful(c.w.Raised(choice, c.sub.Renewal), c.sub.Watched).Stages)
	if len(c.sub.Watched) > 0 {
		planned, _ = planned.Guarded()
	}
	c.stages = planned.Stages
}

// watchLate is how long before an ask a finding may have been recorded that it did not know of: the world is asked before the decision is taken.
const watchLate = time.Minute

// watched holds what an ask says of watching against the findings on the streams of who asks and of the holder.
func (c *chain) watched(r workflows.Record) {
	var now, before []string // the demands in force, and of these those that the ask must have known
	for _, d := range slices.Concat(c.j.past.watches[r.Person.Identity()], c.j.past.watches[c.sub.Subject]) {
		if d.index < r.Index && r.At.UTC < d.Until {
			now = append(now, d.Rule)
			if d.at.Add(watchLate) < r.At.UTC {
				before = append(before, d.Rule)
			}
		}
	}
	for _, rule := range c.sub.Watched {
		if !slices.Contains(now, rule) {
			c.j.wrong(r, "says that the rule %s of watching wants a stronger chain, which found nothing", rule)
		}
	}
	for _, rule := range before {
		if !slices.Contains(c.sub.Watched, rule) {
			c.j.wrong(r, "goes its usual way, although the rule %s of watching wants a stronger chain", rule)
			return
		}
	}
}

func stageNames(w *workflows.Workflow) []string {
	out := make([]string, 0, len(w.Stages))
	for _, s := range w.Stages {
		out = append(out, s.Name)
	}
	return out
}

// renewal holds what an ask for an exception says of those before it against the identity's own entries.
func (c *chain) renewal(ctx context.Context, r workflows.Record) error {
	if c.sub.Request != workflows.KindException || c.w.Exception == nil {
		return nil
	}
	h, err := c.j.history(ctx, workflows.IdentityStream(c.sub.Subject))
	if no := (unreadable{}); errors.As(err, &no) {
		return nil // named when its own stream is judged
	}
	if err != nil {
		return err
	}
	before := slices.DeleteFunc(slices.Clone(h), func(x workflows.Record) bool { return x.Index > r.Index })
	s, err := identities.FoldIdentity(before)
	if err != nil {
		return nil // named when its own stream is judged
	}
	if want := s.RenewalOf(c.w.Exception.Control); want.Times != c.sub.Renewal || want.Since != c.sub.Since {
		c.j.wrong(r, "says that its exception is renewed for the %d. time, but its identity's entries say %d", c.sub.Renewal, want.Times)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// asker judges who asked, and for whom.
func (c *chain) asker(r workflows.Record) {
	j := c.j
	switch why, ok := strings.CutPrefix(c.sub.Rule, "may_ask: "); {
	case !ok:
		j.wrong(r, "does not say by which rule %s might ask", orNobody(r.Person))
	case why == "anyone":
		if !c.w.Ask.Anyone || slices.Contains(c.w.Ask.Exclude, r.Person) {
			j.wrong(r, "lets %s ask, whom the document does not let ask", orNobody(r.Person))
		}
	default:
		if no := j.yields(c.w.Ask, workflows.Seat{Person: r.Person, Why: why}, c.place(r)); no != "" {
			j.wrong(r, "lets %s ask, but %s", orNobody(r.Person), no)
		}
	}
	if c.sub.Request.OfRunbook() {
		return
	}
	switch self := c.sub.Subject == r.Person.Identity(); {
	case self && !c.w.Allows(workflows.ForSelf):
		j.wrong(r, "is for the person who asks, which the document does not allow")
	case !self && !c.sub.Subject.IsPerson() && !c.w.Allows(workflows.ForOwned):
		j.wrong(r, "is for %s, which the document does not allow", c.sub.Subject)
	case !self && !c.sub.Subject.IsPerson() && !j.past.owned(c.sub.Subject, r.Person, r.Index):
		j.wrong(r, "is for %s, which %s neither owned nor backed up", c.sub.Subject, orNobody(r.Person))
	case !self && c.sub.Subject.IsPerson() && !c.w.Allows(workflows.ForReports):
		j.wrong(r, "is for %s, somebody else, which the document does not allow", c.sub.Subject)
	}
}

// asked judges what was asked for, and for how long.
func (c *chain) asked(r workflows.Record) {
	j := c.j
	longest := c.w.Longest
	if !c.sub.Request.OfRunbook() {
		e, ok := c.w.Entitlement(c.sub.Target, c.sub.Entitlement)
		if !ok {
			j.wrong(r, "asks for %s/%s, which the document does not grant", c.sub.Target, c.sub.Entitlement)
			return
		}
		if !c.sub.Request.Ahead() {
			longest = c.w.LongestFor(e)
		}
	}
	if c.rule != nil && c.rule.Longest > 0 {
		longest = min(longest, c.rule.Longest)
	}
	if c.w.Risk != nil && !c.sub.Request.OfRunbook() {
		tier := c.risk(r)
		if c.sub.StepUp != (tier.StepUp && len(c.sub.Plan) > 0) {
			c.j.wrong(r, "is recorded with a click as enough, or not enough, unlike its tier %q", tier.Name)
		}
		if tier.TypeTarget && !c.sub.Typed && c.sub.Offer == (workflows.OfferRef{}) && r.Actor != workflows.SystemActor {
			c.j.wrong(r, "was taken without the target's name typed, which its tier %q wants", tier.Name)
		}
		if tier.Longest > 0 && !c.sub.Request.Ahead() {
			longest = min(longest, tier.Longest)
		}
		if most := c.w.Stands(tier); most > 0 {
			longest = min(longest, most)
		}
	}
	if c.sub.Seconds > longest || c.sub.Seconds <= 0 {
		j.wrong(r, "asks for %s, longer than the %s of its document", c.sub.Seconds, longest)
	}
}

// risk works out again how risky the ask was.
func (c *chain) risk(r workflows.Record) workflows.Tier {
	ent, _ := c.w.Entitlement(c.sub.Target, c.sub.Entitlement)
	tier, row, ok := c.w.TierOf(ent, c.sub.Principal)
	if !ok || tier.Name != c.sub.Risk || row != c.sub.RiskRow || c.sub.Subject.IsPerson() != (c.sub.Principal == "person") {
		c.j.wrong(r, "is recorded as of risk %q for a %q, which the table of its document does not give", c.sub.Risk, c.sub.Principal)
	}
	return tier
}

// planned says how a plan differs from the stages of a document, or nothing.
func planned(plan []workflows.PlannedStage, stages []workflows.Stage) string {
	if len(plan) != len(stages) {
		return "it has " + howMany(len(plan), "stage") + ", the document " + howMany(len(stages), "stage")
	}
	for i, p := range plan {
		s := stages[i]
		switch {
		case p.Name != s.Name:
			return "stage " + p.Name + " stands where the document has " + s.Name
		case p.Quorum != s.Quorum:
			return "stage " + p.Name + " wants " + howMany(p.Quorum, "approval") + ", the document " + howMany(s.Quorum, "approval")
		case p.Timeout != s.Timeout || p.Repeat != s.Repeat || p.Kind != s.Kind || p.Deny != s.Deny || p.AnyPart != s.AnyPart || !sameParts(p.Parts, s.Parts):
			return "stage " + p.Name + " has other terms than the document gives it"
		case len(p.Apart) > 0 && len(s.DistinctFrom) == 0:
			return "stage " + p.Name + " lets somebody decide twice, which the document does not"
		}
	}
	return ""
}

func sameParts(plan []workflows.PlannedPart, parts []workflows.Part) bool {
	return slices.EqualFunc(plan, parts, func(a workflows.PlannedPart, b workflows.Part) bool { return a.Name == b.Name && a.Quorum == b.Quorum })
}

// event judges one entry; before is what the stream held until then.
func (c *chain) event(ctx context.Context, before []workflows.Record, r workflows.Record) error {
	if _, refused := r.Event.(workflows.Refused); !refused && r.Policy != "" && r.Policy != c.bound {
		c.j.wrong(r, "names %s, although the request is bound to %s", shortHash(r.Policy), shortHash(c.bound))
	}
	switch e := r.Event.(type) {
	case workflows.StageOpened:
		c.roster(r, e.Stage, e.Roster, false)
	case workflows.RosterChanged:
		c.roster(r, e.Stage, e.Roster, true)
	case workflows.StageEscalated:
		c.roster(r, e.Stage, e.Added, true)
	case workflows.VoteRecorded:
		c.vote(before, r, e)
	case workflows.AutoApproved:
		c.auto(r, e)
	case workflows.Approved:
		return c.approved(ctx, r, e)
	}
	return nil
}

// auto judges an approval by the document itself.
func (c *chain) auto(r workflows.Record, e workflows.AutoApproved) {
	c.j.out.Decisions++
	if c.sub.Window != "" { // whether the window covers it was judged with the submission
		if e.Rule != "window "+c.sub.Window {
			c.j.wrong(r, "approves by rule %s, but it was asked under the standing window %s", orNone(e.Rule), c.sub.Window)
		}
		return
	}
	if c.rule == nil || c.rule.Auto == nil || c.rule.Name != e.Rule || e.Times != c.rule.Auto.Times || e.Per != c.rule.Auto.Per || e.Used > e.Times {
		c.j.wrong(r, "approves by rule %s without people, which the document does not allow, or not so often", orNone(e.Rule))
	}
}

// roster judges whom a stage asked: everybody must be there for a reason that the document gives, and nobody who stands behind the request.
func (c *chain) roster(r workflows.Record, stage int, seats []workflows.Seat, wider bool) {
	if stage < 0 || stage >= len(c.stages) {
		return // the plan differs, which has been said
	}
	c.j.out.Decisions++
	st := c.stages[stage]
	for _, seat := range seats {
		if why := c.seated(st, seat, wider, c.place(r)); why != "" {
			c.j.wrong(r, "puts %s on stage %d (%s), but %s", orNobody(seat.Person), stage+1, st.Name, why)
			return
		}
	}
}

// seated says why a stage does not yield a seat, in none of its parts and, once it was widened, in none of its tiers, or nothing.
func (c *chain) seated(st workflows.Stage, seat workflows.Seat, wider bool, at place) string {
	selectors := []workflows.Selector{st.Approvers}
	for _, p := range st.Parts {
		selectors = append(selectors, p.Approvers)
	}
	if wider && st.Escalate != nil {
		selectors = append(selectors, st.Escalate.Approvers)
	}
	for _, t := range st.Then {
		if wider {
			selectors = append(selectors, t.Approvers)
		}
	}
	first := ""
	for _, sel := range selectors {
		why := c.j.yields(sel, seat, at)
		if why == "" {
			return ""
		}
		if first == "" || strings.Contains(why, "excludes") {
			first = why
		}
	}
	return first
}

// vote judges one person's decision: it was theirs, in time, and about what they were shown.
func (c *chain) vote(before []workflows.Record, r workflows.Record, e workflows.VoteRecorded) {
	j := c.j
	j.out.Decisions++
	j.linked(r)
	s, err := workflows.Fold(before)
	st := s.Open()
	switch {
	case err != nil || st == nil:
		return // the fold has said so
	case r.Policy != c.bound:
		j.wrong(r, "does not name the document that binds the request")
	case workflows.ByMachine(e.Authn):
		j.wrong(r, "was cast with the session of a machine, and no machine decides")
	case e.Digest != c.sub.Digest:
		j.wrong(r, "decides on another request than the one that was submitted")
	case e.Shown != s.Shown(e.Stage):
		j.wrong(r, "decides on something else than what is asked in stage %d", e.Stage+1)
	case st.TimesOutAt != 0 && e.ReceivedAt >= st.TimesOutAt:
		j.wrong(r, "was received at %s, when stage %d had been over since %s", e.ReceivedAt, e.Stage+1, st.TimesOutAt)
	}
}

// approved judges the end, and that it brought about what was asked and nothing else.
func (c *chain) approved(ctx context.Context, r workflows.Record, e workflows.Approved) error {
	j := c.j
	j.out.Decisions++
	if e.Digest != c.sub.Digest || r.Policy != c.bound {
		j.wrong(r, "approves another request, or under another document, than was submitted")
	}
	if len(c.stages) == 0 && (c.rule == nil || c.rule.Auto == nil) && c.sub.Window == "" {
		j.wrong(r, "approves without anybody's approval, which no rule of the document allows")
	}
	ok, err := c.followed(ctx, workflows.RequestID(r.Stream.Rest()), e)
	if !ok && err == nil {
		j.wrong(r, "approves, but nothing was granted for it: an entry is missing")
	}
	return err
}

// followed tells whether the approval brought about what was asked for.
func (c *chain) followed(ctx context.Context, id workflows.RequestID, e workflows.Approved) (ok bool, err error) {
	switch c.sub.Request {
	case workflows.KindPreapprove:
		_, _, ok, err = find(ctx, c.j, workflows.RunbookStream(c.sub.Runbook), func(e incidents.Preapproved) bool { return e.Request == id })
	case workflows.KindRoutine:
		_, _, ok, err = find(ctx, c.j, workflows.RunStream(desk.RoutineRun(id)), func(o runs.Opened) bool { return o.Request == id && o.Document == c.sub.Document })
	case workflows.KindWindow:
		_, _, ok, err = find(ctx, c.j, workflows.IdentityStream(c.sub.Subject), func(e identities.WindowGranted) bool { return e.Window == string(id) })
	case workflows.KindLife:
		return c.lived(ctx, id)
	case workflows.KindException:
		_, _, ok, err = find(ctx, c.j, workflows.IdentityStream(c.sub.Subject), func(e identities.ExceptionGranted) bool { return e.Exception == string(id) })
	default:
		stream := workflows.GrantStream(c.sub.Subject, c.sub.Target, c.sub.Entitlement)
		_, _, ok, err = find(ctx, c.j, stream, func(g grants.Approved) bool { return g.Grant == e.Grant && g.Request == id })
	}
	return ok, err
}
