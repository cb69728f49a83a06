package workflows

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
)

// Submit opens a request and its first stage, or refuses. Where a rule or a standing window approves without people, the request is approved
// in the same outcome.
func (w *Workflow) Submit(f Facts, a Ask) (Outcome, error) {
	if len(f.Histories[RequestStream(a.ID)]) > 0 {
		return Outcome{}, ErrExists
	}
	t, r := w.submit(f.Now, a)
	if r != nil {
		return RefuseOn(SystemStream, a.By, "submit", a.Channel, string(w.ID), r), nil
	}
	return t.done()
}

// ErrExists is what submitting under a used id answers.
var ErrExists = errString("request id already used")

type errString string

func (e errString) Error() string { return string(e) }

// way is how an ask goes: by which rule, through which stages, at what risk, and which moments bind it.
type way struct {
	Choice
	planned     *Workflow
	tier        Tier
	row         int
	alone       *AutoApproved // approved without people
	notBefore   Stamp
	noLaterThan Stamp
	ticket      string
}

func (w *Workflow) submit(now Instant, a Ask) (*turn, *Refusal) {
	a.Form.At = now.UTC
	if len(a.Watched) > 0 {
		a.Window = WindowAsk{} // what was approved ahead did not know what was found since
	}
	form, bad := w.CheckForm(a.Form)
	bad = append(bad, w.Untyped(a)...)
	if r := w.refuseAsk(a, form, append(bad, a.Problems...)); r != nil {
		return nil, r
	}
	g, r := w.wayOf(a, form, now.UTC)
	if r != nil {
		return nil, a.outside(r)
	}
	sub := w.submitted(a, form, g)
	sub.Digest = sub.digest(a.ID, a.Policy, a.By.Person)
	t := newTurn(State{Status: StatusOpen, Delivered: map[string]Delivery{}, Policy: a.Policy}, a.ID, now)
	t.add(a.By, sub)
	if g.alone != nil {
		t.approveAlone(*g.alone, a)
		return t, nil
	}
	if r := t.refusePlan(g, a.Rosters); t.err == nil && r != nil {
		return nil, a.outside(r)
	}
	if t.err == nil {
		t.openStage(0, a.Rosters)
	}
	return t, nil
}

// refusePlan refuses a plan that nobody could carry out.
func (t *turn) refusePlan(g way, rosters Rosters) *Refusal {
	for i, st := range t.Stages {
		if !t.canMeet(i, rosters.stage(i)) {
			return Refusef(CodeNobody, "Ask the owner of this chain to widen it.",
				"Nobody could approve this: stage %d (%s) needs %d and has %d once you are left out.",
				i+1, st.Plan.Name, st.Plan.Quorum, len(t.free(i, rosters.stage(i).everybody())))
		}
	}
	if n := fewest(t.Asked.Plan); n < g.tier.Approvers {
		return Refusef(CodeRisk, "Ask the owner of this chain to add a stage.",
			"The risk of this is %s, which wants %s to approve; this chain wants %d.", g.tier.Name, persons(g.tier.Approvers), n)
	}
	return nil
}

// approveAlone is the end of a request that no person decides: the document, or a standing window that people approved before.
func (t *turn) approveAlone(e AutoApproved, a Ask) {
	t.add(System, e)
	answers := t.question()
	answers.Now = "rule " + e.Rule + " approves without people, for the " + number(e.Used) + ". time of " + number(e.Times) + " within " + e.Per.String()
	grant := a.Grant
	if !t.Asked.Request.GivesAccess() {
		grant = ""
	}
	t.add(System, Approved{Digest: t.Asked.Digest, Grant: grant, Answers: answers})
}

// refuseAsk refuses who asks, what the form says and for whom it is, before any rule is looked at.
func (w *Workflow) refuseAsk(a Ask, c Cleaned, bad []FieldProblem) *Refusal {
	switch r := a.Standing.HoldRefusal(); {
	case r != nil && r.Code == CodeUnlinked, r == nil && a.By.Person == "":
		// Whoever could ask without being known as a person could approve with their other account.
		return Refuse(CodeUnlinked, "This account is not linked to a person in the people file, so it cannot ask for access.", "Ask the operator to add you to people.yaml.")
	case r != nil:
		return r
	}
	switch {
	case !a.Standing.Selected:
		return Refuse(CodeNotEligible, "You are not among those who may ask for this.", "Type `/access list` to see what you can ask for.")
	case ByMachine(a.Authn) && !w.ForMachines():
		return Refuse(CodeNotHuman, "That came with the session of a machine, which asks for access and for no change of itself, of a rule or of a runbook.", "Whoever answers for it asks for this, themselves.")
	case len(bad) > 0:
		return Refuse(CodeBadField, bad[0].Field+": "+bad[0].Text, "")
	case a.Blocked != nil:
		return a.Blocked
	case a.Open >= MaxOpenPerson:
		return Refusef(CodeTooMany, "Withdraw one of them or wait.", "You already have %d open requests.", a.Open)
	case w.Often != nil && a.Asked >= w.Often.Times:
		return Refusef(CodeTooOften, "Wait, or ask the owner of this chain.", "You may ask for this %d times within %s, and you have.", w.Often.Times, w.Often.Per)
	}
	return w.refuseSubject(a, c)
}

// ForMachines tells whether a machine may ask by a chain with a session of its own: for access. What it is, what it may ever do, how long it stands, what is
// waived for it and which runbooks there are is asked for by people.
func (w *Workflow) ForMachines() bool { return w.Kind.GivesAccess() && w.Kind != KindActAs }

func (w *Workflow) refuseSubject(a Ask, c Cleaned) *Refusal {
	switch {
	case w.Kind.OfRunbook() && (a.Runbook == "" || a.Document == ""):
		return Refuse(CodeRunbook, "There is no such runbook.", "Type `/breakglass` to see the list.")
	case w.Kind == KindRoutine && a.Subject == "":
		return Refuse(CodeNotInInventory, "There is no such person or identity in the inventory.", "Register it with an owner, a purpose and an expiry first.")
	case w.Kind.OfRunbook():
		return nil
	}
	self := a.Subject == a.By.Person.Identity()
	switch {
	case a.Subject == "":
		return Refuse(CodeNotInInventory, "There is no such identity in the inventory.", "Register it with an owner, a purpose and an expiry first.")
	case c.Entitlement.Owner == "":
		return Refuse(CodeNoPolicy, "This target has no owner, so nobody can request it.", "")
	case a.Outside != "" && w.Kind != KindException && w.Kind != KindLife && !c.Entitlement.Brokered:
		return RefuseOutside(a.Outside, c.Entitlement.Name())
	case w.refuseLife(a, c) != nil:
		return w.refuseLife(a, c)
	case w.refuseActAs(a, c) != nil:
		return w.refuseActAs(a, c)
	case w.Kind == KindWindow && a.Subject.IsPerson():
		return Refuse(CodeNotEligible, "A standing window is for a named automation, not for a person.", "")
	case w.Kind == KindException && a.Subject.IsPerson():
		return Refuse(CodeNotEligible, "An exception is for an identity of the inventory, not for a person.", "")
	case self && !w.Allows(ForSelf), !self && !a.Subject.IsPerson() && !w.Allows(ForOwned), !self && a.Subject.IsPerson() && !w.Allows(ForReports):
		return Refuse(CodeNotEligible, "This chain does not grant to that kind of holder.", "")
	case !self && a.Subject.IsPerson() && !a.Report:
		return Refuse(CodeNotEligible, "You can ask for yourself and for those who report to you.", "")
	case !self && !a.Subject.IsPerson() && !a.Owned:
		return Refuse(CodeNotEligible, "You can ask for yourself and for identities that you own or back up.", "")
	case !a.Subject.IsPerson() && a.Sponsor == "":
		return Refuse(CodeNotInInventory, "Nobody answers for this identity, so nobody can ask for it.", "Give it an owner in the inventory.")
	case c.Entitlement.Account && a.Account == "" && w.Kind != KindLife:
		return Refusef(CodeNotInInventory, "Ask the operator to add it to the people or identities file.", "%s has no account on record on %s.", holderWord(self), c.Entitlement.TargetTitle)
	}
	return nil
}

func holderWord(self bool) string {
	if self {
		return "Your entry"
	}
	return "This identity"
}

// wayOf finds how the ask goes, or refuses it.
func (w *Workflow) wayOf(a Ask, c Cleaned, now Stamp) (way, *Refusal) {
	var g way
	if r := w.moments(&g, a, c, now); r != nil {
		return g, r
	}
	if r := w.refuseNow(a, c, g, now); r != nil {
		return g, r
	}
	if r := w.risk(&g, a, c); r != nil {
		return g, r
	}
	if len(a.Inputs) > MaxInputs {
		return g, Refusef(CodeTooLong, "Say less in the fields of the form.", "What the conditions of this chain look at is %d bytes long, and %d are kept.", len(a.Inputs), MaxInputs)
	}
	if a.Window.ID != "" {
		g.alone = &AutoApproved{Rule: windowRule(a.Window.ID), Used: a.Window.Used + 1, Times: a.Window.Terms.Times, Per: a.Window.Terms.Per}
		return g, w.refuseAlone(g, a)
	}
	var r *Refusal
	if g.Choice, r = w.Pick(a.Matched, c.Seconds); r != nil {
		return g, r
	}
	g.Choice = w.Watchful(w.Raised(g.Choice, a.Exception.Times), a.Watched)
	if r := g.refuseIdentity(a, w.Kind); r != nil {
		return g, r
	}
	if g.Rule != nil && g.Rule.Longest > 0 && c.Seconds > g.Rule.Longest {
		return g, Refusef(CodeRule, "Ask for less.", "Rule %s of this chain gives %s at most.", g.Rule.Name, g.Rule.Longest)
	}
	if g.Auto() && len(a.Watched) == 0 {
		auto := g.Rule.Auto
		g.alone = &AutoApproved{Rule: g.Rule.Name, Used: a.Auto + 1, Times: auto.Times, Per: auto.Per, Sampled: sampled(a.Nonce, auto.Sample)}
		return g, w.refuseAlone(g, a)
	}
	g.planned = w.Planned(g.Stages)
	if len(a.Watched) > 0 {
		var ok bool
		if g.planned, ok = g.planned.Guarded(); !ok {
			return g, Refuse(CodeWatched, "Watching found something about who asks or who is to hold this, so one more person has to approve, and this chain has no stage that could ask one.", "Ask security.")
		}
	}
	return g, g.planned.refuseStages(a)
}

// moments are the agreed start, and the end that a field gives.
func (w *Workflow) moments(g *way, a Ask, c Cleaned, now Stamp) *Refusal {
	if g.notBefore = a.NotBefore; g.notBefore <= now {
		g.notBefore = 0
	}
	switch {
	case g.notBefore != 0 && !w.Kind.GivesAccess():
		return Refuse(CodeBadField, FormNotBefore+": What this chain approves holds from its approval on.", "")
	case g.notBefore > now.Add(w.Later.Duration()):
		if w.Later == 0 {
			return Refuse(CodeBadField, FormNotBefore+": Access of this chain starts when it is approved.", "")
		}
		return Refusef(CodeBadField, "", "%s: Ask at most %s ahead.", FormNotBefore, w.Later)
	}
	for _, f := range w.Fields {
		v := c.Fields[f.Name]
		switch {
		case f.Name != w.EndsWith || v == "":
		case f.Type == FieldTicket:
			g.ticket = v
		case f.Type == FieldDateTime:
			if err := g.noLaterThan.UnmarshalText([]byte(v)); err != nil || g.noLaterThan <= max(now, g.notBefore) {
				return Refusef(CodeBadField, "", "%s: The access would be over before it begins.", f.Name)
			}
		}
	}
	if a.NoLaterThan != 0 && (g.noLaterThan == 0 || a.NoLaterThan < g.noLaterThan) {
		g.noLaterThan = a.NoLaterThan
	}
	if g.noLaterThan != 0 && g.noLaterThan <= max(now, g.notBefore) {
		return Refuse(CodeTask, "The window of the ticket, or the contract of the holder, is over before the access would begin.", "Ask for an earlier start, or have it moved.")
	}
	return nil
}

// refuseNow refuses what may not be asked for at this moment, or beside what there is already.
func (w *Workflow) refuseNow(a Ask, c Cleaned, g way, now Stamp) *Refusal {
	start := max(now, g.notBefore)
	end := start.Add(c.Seconds.Duration())
	switch {
	case a.Frozen != "":
		return Refusef(CodeFreeze, "Ask when it is over, or through the chain for exceptions.", "The change freeze %s is in force, so nothing is granted here.", a.Frozen)
	case a.Closed && w.Only == OnlyBusiness:
		return Refuse(CodeOutsideHours, "This chain is for business hours only.", "Ask again when they begin.")
	case a.Twin != "" && a.Twin != a.Offer.Request:
		return Refusef(CodeAsked, "Wait for its decision, or withdraw it.", "You have already asked for this: %s is open.", a.Twin)
	case a.Conflict != "":
		return Refuse(CodeConflict, a.Conflict, "Give that back first.")
	case a.Extends != "":
		return w.refuseExtension(a, c, end)
	case a.Held.Grant != "" && a.Held.Ends >= end && w.Kind.GivesAccess():
		return Refusef(CodeHeld, "Nobody needs to be asked again.", "You already hold this until %s (grant %s).", a.Held.Ends.short(), a.Held.Grant)
	}
	return nil
}

// refuseExtension holds an extension against the cap, which counts from the start of the first grant.
func (w *Workflow) refuseExtension(a Ask, c Cleaned, end Stamp) *Refusal {
	if w.Extend == nil {
		return Refuse(CodeCap, "Access of this chain is not extended.", "Ask for it anew when it has ended.")
	}
	if a.Held.Grant != a.Extends {
		return Refuse(CodeNotActive, "There is no such access to extend, or it has ended.", "Ask for it anew.")
	}
	tier, _, _ := w.TierOf(c.Entitlement, a.Principal)
	most := w.RowCap(tier.Name)
	last := a.Held.Started.Add(most.Duration())
	if end <= last {
		return nil
	}
	left := SpanOf(last.Sub(end.Add(-a.Form.Seconds.Duration()))) / 60 * 60
	if left < 60 {
		return Refusef(CodeCap, "Ask for it anew when it has ended.", "All extensions together may last %s, and that is used up.", most)
	}
	return Refusef(CodeCap, "Ask for that much or less.", "All extensions together may last %s, from %s on: you can have %s more.", most, a.Held.Started.short(), left)
}

// short is a moment as a refusal says it; cards say it on the reader's clock.
func (s Stamp) short() string { return s.Time().Format("2006-01-02 15:04") + " UTC" }

// risk finds the tier, and refuses what it does not allow.
func (w *Workflow) risk(g *way, a Ask, c Cleaned) *Refusal {
	if w.Risk == nil || w.Kind.OfRunbook() {
		return nil
	}
	tier, row, ok := w.TierOf(c.Entitlement, a.Principal)
	if !ok {
		return Refuse(CodeRisk, "The risk of this could not be told, so nobody can request it.", "Ask the owner of the risk table.")
	}
	g.tier, g.row = tier, row
	if tier.MostOpen > 0 && a.Sent >= tier.MostOpen && a.byHand() {
		return Refusef(CodeTooMany, "Withdraw one of them or wait.", "You already have %d open requests.", a.Sent)
	}
	if tier.Longest > 0 && c.Seconds > tier.Longest && !w.Kind.Ahead() {
		return Refusef(CodeRisk, "Ask for that or less.", "The risk of this is %s, which allows %s at most.", tier.Name, tier.Longest)
	}
	if most := w.Stands(tier); most > 0 && c.Seconds > most {
		return Refusef(CodeRisk, "Ask for that or less.", "The risk of this is %s, which allows %s at most.", tier.Name, most)
	}
	return nil
}

// refuseAlone refuses an approval without people: too often, or at a risk that wants people. Those who approved a standing window count
// as having been asked.
func (w *Workflow) refuseAlone(g way, a Ask) *Refusal {
	people := 0
	if a.Window.ID != "" {
		people = a.Window.Approvers
	}
	switch {
	case g.tier.Approvers > people:
		return Refusef(CodeRisk, "Ask the owner of this chain.", "The risk of this is %s, which wants %s to approve; this would be approved without.", g.tier.Name, persons(g.tier.Approvers))
	case g.tier.StepUp && a.Window.ID == "":
		return Refusef(CodeRisk, "Ask the owner of this chain.", "The risk of this is %s, where people decide and prove who they are; this would be approved without.", g.tier.Name)
	case g.alone.Used > g.alone.Times:
		return Refusef(CodeTooOften, "Wait, or ask the owner of this chain.", "This is approved without people %d times within %s, and that is used up.", g.alone.Times, g.alone.Per)
	}
	return nil
}

// sampled picks so many per cent, the same ones whenever it is asked: by the request's nonce, which nobody chooses.
func sampled(nonce string, percent int) bool {
	sum := sha256.Sum256([]byte("countersign/sample/v1" + nonce))
	return binary.BigEndian.Uint64(sum[:8])%100 < uint64(max(0, percent))
}

// refuseStages refuses a chain that cannot give an approval. The files are checked for it when they are read; a policy from elsewhere
// is not believed.
func (w *Workflow) refuseStages(a Ask) *Refusal {
	switch {
	case a.Rosters.Failed:
		return Refuse(CodeDirectory, "I could not find out who approves this just now, so nothing was recorded.", "Try again in a minute.")
	case len(w.Stages) == 0 || len(a.Rosters.Stages) != len(w.Stages):
		return Refuse(CodeNoPolicy, "This chain has no stages, so nobody can approve it.", "Ask its owner.")
	}
	plan := w.planOf()
	for i, st := range plan {
		if st.Quorum < 1 || checkPlan(plan, i) != "" {
			return Refuse(CodeNoPolicy, "A stage of this chain asks for nobody's approval, so it cannot give one.", "Ask its owner.")
		}
	}
	return nil
}

// outside is a refusal of an ask that no standing window covers: where the chain would not have it either, the window's words say more.
func (a Ask) outside(r *Refusal) *Refusal {
	if a.WindowNo != "" && (r.Code == CodeNoRule || r.Code == CodeNobody) {
		return Refuse(CodeWindow, a.WindowNo, r.Sentence)
	}
	return r
}

func (w *Workflow) submitted(a Ask, c Cleaned, g way) Submitted {
	sub := Submitted{
		Workflow: w.ID, Request: w.Kind, Subject: a.Subject, Sponsor: a.Sponsor, Seconds: c.Seconds,
		Target: c.Entitlement.Target, Entitlement: c.Entitlement.ID, Account: a.Account,
		Fields: c.Fields, Texts: c.Texts, Reason: c.Reason, Channel: a.Channel, Authn: a.Authn, Rule: a.Rule,
		Nonce: a.Nonce, Card: w.Channel, Drill: a.Drill,
		Trace: g.Trace, Inputs: a.Inputs, Risk: g.tier.Name, RiskRow: g.row, Extends: a.Extends, NotBefore: g.notBefore,
		NoLaterThan: g.noLaterThan, Ticket: g.ticket, Offer: a.Offer, Window: a.Window.ID, Told: a.Rosters.Told, Principal: a.Principal,
		Already: a.Already, Checks: a.Checks, About: a.About, Outside: a.Outside, Watched: a.Watched,
		Typed: w.wantsTyped(a), Changes: a.Foreseen.Changes, PlanNotes: a.Foreseen.Notes, Standing: a.Foreseen.Standing,
	}
	if a.Extends != "" {
		sub.Renewal, sub.Since = a.Held.Renewals+1, a.Held.Started
	}
	if w.Kind == KindException {
		sub.Renewal, sub.Since = a.Exception.Times, a.Exception.Since
	}
	if g.Rule != nil {
		sub.Chosen = g.Rule.Name
	}
	if w.Kind.OfRunbook() {
		sub.Runbook, sub.Document = a.Runbook, a.Document
	}
	if w.Kind == KindPreapprove {
		sub.Subject = a.By.Person.Identity()
	}
	if g.planned != nil {
		sub.Plan, sub.StepUp = g.planned.planOf(), g.tier.StepUp
	}
	return sub
}

// RefuseOn is the Outcome that records a refusal and returns it.
func RefuseOn(stream StreamID, by Acting, command, channel, about string, r *Refusal) Outcome {
	var out Outcome
	e := Refused{Command: command, Code: r.Code, Channel: channel, About: cutAbout(about)}
	if r.Failed != "" {
		e.Failed = strings.Fields(r.Failed)
	}
	out.Add(stream, by, "", e)
	out.Refusal = r
	return out
}

// cutAbout keeps the id that an attempt was about, up to the first character that no id has: what somebody typed instead of an
// id must not get into a leaf, where it could never be erased.
func cutAbout(s string) string {
	if i := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-./", r)
	}); i >= 0 {
		s = s[:i]
	}
	return s[:min(len(s), maxAbout)]
}

// persons is "1 person", "2 people".
func persons(n int) string {
	if n == 1 {
		return "1 person"
	}
	return strconv.Itoa(n) + " people"
}

// refuseIdentity refuses what an identity may not have by default: anything of another environment (R93), and, where the risk wants more than a click,
// anything by a static secret that no exception covers (R89).
func (g *way) refuseIdentity(a Ask, k RequestKind) *Refusal {
	switch {
	case k == KindLife || k == KindException || k.OfRunbook():
		return nil
	case a.Across && (g.Rule == nil || !g.Rule.Across):
		return Refuse(CodeRule, "This identity belongs to another environment than the target, and no rule of this chain is for that.", "Use an identity of that environment, or ask the owner of this chain for a rule with across_environments.")
	case a.Key != "" && g.tier.StepUp:
		return Refusef(CodeRisk, "Use something that proves itself anew each time, or ask for an exception first.", "The risk of this is %s, and a static secret (%s) may not have it without an exception.", g.tier.Name, a.Key)
	}
	return nil
}
