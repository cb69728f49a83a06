package incidents

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// State is a runbook's stream as its recorded events say.
type State struct {
	ID        workflows.RunbookID
	Approvals []Approval
	Uses      []Use
	Proposals []Proposal
	Barred    map[workflows.PersonID]workflows.ReviewID // by which review, until the text is approved anew
	Delivered map[string]workflows.Delivery
	Seq       int64
}

// Proposal is an invocation that waits, or waited, for a second person.
type Proposal struct {
	Proposed
	At   workflows.Instant
	By   workflows.PersonID
	Acct workflows.ActorID
	Used bool
}

// Approval is one pre-approval of an exact text.
type Approval struct {
	Preapproved
	At  workflows.Instant
	Seq int64
}

// Use is one invocation.
type Use struct {
	Invoked
	At  workflows.Instant
	By  workflows.PersonID
	Seq int64

	Proved workflows.Stamp // of a drill: when its alerts were shown to fire; zero: not yet
}

// Fold turns a runbook's history into its state; it refuses gaps and foreign events. No history is a runbook that nobody
// has approved yet.
func Fold(h []workflows.Record) (State, error) {
	s := State{Delivered: map[string]workflows.Delivery{}, Barred: map[workflows.PersonID]workflows.ReviewID{}}
	if len(h) == 0 {
		return s, nil
	}
	if err := workflows.CheckSeq(h); err != nil {
		return State{}, err
	}
	s.ID = workflows.RunbookID(h[0].Stream.Rest())
	for _, r := range h {
		switch e := r.Event.(type) {
		case Preapproved:
			s.Approvals = append(s.Approvals, Approval{e, r.At, r.Seq})
			clear(s.Barred)
		case Invoked:
			s.Uses = append(s.Uses, Use{Invoked: e, At: r.At, By: r.Person, Seq: r.Seq})
			s.used(e.Proposal)
		case Proposed:
			s.Proposals = append(s.Proposals, Proposal{Proposed: e, At: r.At, By: r.Person, Acct: r.Actor})
		case DrillProved:
			if !s.proved(e, r.At.UTC) {
				return State{}, fmt.Errorf("folding %q at seq %d: %s is about no drill of it", r.Stream, r.Seq, e.Kind())
			}
		case Barred:
			s.Barred[e.Person] = e.Review
		case workflows.Refused:
		case workflows.NoticeDelivered:
			s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
		case workflows.NoticeUndelivered:
			s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
		default:
			return State{}, fmt.Errorf("folding %q at seq %d: %s does not belong to a runbook", r.Stream, r.Seq, r.Event.Kind())
		}
		s.Seq = r.Seq
	}
	return s, nil
}

// proved notes that the alerts of a drill fired; false when there is no such drill.
func (s *State) proved(e DrillProved, at workflows.Stamp) bool {
	i := slices.IndexFunc(s.Uses, func(u Use) bool {
		return u.Grant == e.Grant && u.Drill && u.Escalation == e.Escalation && u.Proved == 0
	})
	if i >= 0 {
		s.Uses = slices.Clone(s.Uses)
		s.Uses[i].Proved = at
	}
	return i >= 0
}

// Counts tells whether a drill counts: one that walked a path of escalation does once its alerts were shown to fire.
func (u Use) Counts() bool { return u.Drill && (u.Escalation == "" || u.Proved != 0) }

func (s *State) used(proposal string) {
	for i := range s.Proposals {
		if s.Proposals[i].Proposal == proposal {
			s.Proposals[i].Used = true
		}
	}
}

// Proposal finds an invocation that waits for a second person, by its id.
func (s State) Proposal(id string) (Proposal, bool) {
	i := slices.IndexFunc(s.Proposals, func(p Proposal) bool { return p.Proposed.Proposal == id && id != "" })
	if i < 0 {
		return Proposal{}, false
	}
	return s.Proposals[i], true
}

// Readiness is whether the exact text may be invoked now: the standing approval, how many uses are left, or why not.
func (s State) Readiness(doc workflows.DocHash, now workflows.Stamp) (a Approval, left int, no *workflows.Refusal) {
	other := false
	for i := len(s.Approvals) - 1; i >= 0; i-- {
		a = s.Approvals[i]
		if a.Document != doc {
			other = true
			continue
		}
		left = a.Uses - s.usesSince(a)
		switch {
		case now.After(a.Until):
			return a, 0, workflows.Refuse(workflows.CodeRunbook, "The approval of this runbook ran out at "+a.Until.Time().Format("2006-01-02 15:04")+" UTC.", askApproval)
		case left <= 0:
			return a, 0, workflows.Refusef(workflows.CodeRunbook, askApproval, "All %d approved uses of this runbook are spent.", a.Uses)
		}
		return a, left, nil
	}
	if other {
		return Approval{}, 0, workflows.Refuse(workflows.CodeRunbook, "This runbook was changed since it was approved.", askApproval)
	}
	return Approval{}, 0, workflows.Refuse(workflows.CodeRunbook, "Nobody has approved this runbook yet.", askApproval)
}

const askApproval = "Ask for its approval with `/access request`, or ask for the access through its normal chain."

func (s State) usesSince(a Approval) int {
	n := 0
	for _, u := range s.Uses {
		if u.Document == a.Document && u.Seq > a.Seq && !u.Drill { // by order, not by time: clocks step back
			n++
		}
	}
	return n
}

// Invocation is somebody breaking the glass, with everything that was asked of the world.
type Invocation struct {
	By        workflows.Acting
	Standing  workflows.Standing // Selected: is among the invokers
	Book      Runbook            // as it stands now, with the hash of its exact text
	Policy    workflows.DocHash
	Incident  string
	Reason    string
	Grant     workflows.GrantID
	Review    workflows.ReviewID // a new one, unless it falls under one that is open
	Run       workflows.RunID    // empty: nothing is carried out step by step
	Skipped   []workflows.PersonID
	Owner     workflows.PersonID   // who will review: never the invoker; empty: nobody could
	Reviewers []workflows.PersonID // all who could review it
	Payload   string
	Authn     string
	Channel   string
	Drill     bool
	Clean     map[string]string        // the runbook's own fields, checked
	Texts     map[string]string        // free text among them
	Fields    []workflows.FieldProblem // what is wrong with them
	Account   string                   // of who will hold the access

	Tier       string // TierBreakGlass: somebody goes around conditions that fail; else everything must hold
	Situation  Situation
	Values     map[string]string  // as they were typed, for a proposal
	Escalation string             // that the invocation opens; empty: no path is walked
	Proposal   string             // the id that a proposal gets, or that is agreed to now
	Agreed     *workflows.Acting  // the second person, who agrees to a proposal
	Seconds    workflows.Standing // their standing; Selected: is on one of the runbook's lists
	SecondBy   string             // how they proved who they are

	NoLaterThan workflows.Stamp // the end of the contract of who will hold the access; zero: none
}

// Holder is who holds the access and carries the steps out.
func (in Invocation) Holder() workflows.PersonID {
	if in.Situation.Executor != "" {
		return in.Situation.Executor
	}
	return in.By.Person
}

// Invoke re-checks every condition and records the invocation, or that a second person is needed for it. The caller adds the grant, the
// review and the run in the same transaction as an invocation.
func Invoke(f workflows.Facts, in Invocation) (workflows.Outcome, error) {
	stream := workflows.RunbookStream(in.Book.ID)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	a := s.Assess(in, f.Now.UTC)
	if r := s.refuse(in, a, f.Now.UTC); r != nil {
		by := in.By
		if in.Agreed != nil {
			by = *in.Agreed
		}
		return workflows.RefuseOn(stream, by, "break glass", in.Channel, in.Incident, r), nil
	}
	var out workflows.Outcome
	if len(a.Needed) > 0 && in.Agreed == nil {
		out.Add(stream, in.By, in.Policy, s.propose(in, a, f.Now.UTC))
		return out, nil
	}
	out.Add(stream, in.By, in.Policy, invocation(in, a, f.Now.UTC))
	return out, nil
}

// Look says what an invocation would come to now, without recording anything: how its conditions stand, and what would be refused.
func Look(f workflows.Facts, in Invocation) (Assessment, *workflows.Refusal, error) {
	s, err := Fold(f.Histories[workflows.RunbookStream(in.Book.ID)])
	if err != nil {
		return Assessment{}, nil, err
	}
	a := s.Assess(in, f.Now.UTC)
	return a, s.refuse(in, a, f.Now.UTC), nil
}

func invocation(in Invocation, a Assessment, now workflows.Stamp) Invoked {
	e := Invoked{
		Document: in.Book.Document, Incident: in.Incident, Reason: in.Reason, Grant: in.Grant, Review: in.Review, Run: in.Run,
		Skipped: in.Skipped, EndsAt: now.Add(in.Lasts().Duration()), Notify: in.Book.Notify,
		Authn: in.Authn, Channel: in.Channel, Payload: in.Payload, Drill: in.Drill, Escalation: in.Escalation,
		Tier: TierPreapproved, Conditions: a.Conditions, Needed: a.Needed, Told: in.Situation.Told,
		Answers: workflows.Answers{
			Who:  fmt.Sprintf("%s, one of the runbook's invokers, by %s", in.By.Person, in.Authn),
			What: fmt.Sprintf("carry out the runbook %s for %s", in.Book.ID, in.Lasts()),
			Now:  fmt.Sprintf("incident %s is named and the exact text %s is approved", in.Incident, in.Book.Document),
		},
	}
	if in.NoLaterThan != 0 {
		e.EndsAt = min(e.EndsAt, in.NoLaterThan) // R48: nothing lasts longer than the contract, not in an emergency either
	}
	if in.Book.Grant.Target != "" {
		e.Answers.What = fmt.Sprintf("hold %s for %s", in.Book.Grant.Name(), in.Lasts())
	}
	if in.Situation.Executor != in.By.Person {
		e.Executor = in.Situation.Executor
	}
	if in.Agreed != nil {
		e.Second, e.SecondBy, e.Proposal = in.Agreed.Person, in.SecondBy, in.Proposal
	}
	if a.Review != "" {
		e.Review, e.Joined = a.Review, true
	}
	if failed := a.Failed(); len(failed) > 0 {
		e.Tier = TierBreakGlass
		e.Answers.Who = fmt.Sprintf("%s, of the runbook's short list for emergencies, by %s", in.By.Person, in.Authn)
		e.Answers.Now = fmt.Sprintf("incident %s is named, and they went around: %s", in.Incident, failed[0].Says)
	}
	if e.Tier == TierBreakGlass || e.Second != "" {
		e.Alarm = in.Situation.Alarm // louder
	}
	return e
}

// Lasts is how long the invocation lasts; around a condition that fails it is shorter.
func (in Invocation) Lasts() workflows.Span {
	if in.Tier == TierBreakGlass && in.Book.BreakGlass != nil {
		return min(in.Book.Longest, in.Book.BreakGlass.Longest)
	}
	return in.Book.Longest
}

// ReviewDue is how long the review of an invocation may take.
func (in Invocation) ReviewDue() workflows.Span {
	if in.Tier == TierBreakGlass {
		return min(in.Book.ReviewDue, glassReviewDue)
	}
	return in.Book.ReviewDue
}

func (s State) propose(in Invocation, a Assessment, now workflows.Stamp) Proposed {
	return Proposed{
		Proposal: in.Proposal, Document: in.Book.Document, Tier: in.Tier, Incident: in.Incident, Reason: in.Reason, Values: in.Values,
		Executor: in.Situation.Executor, Needed: a.Needed, Asked: in.Situation.Others, Until: now.Add(secondWithin.Duration()), Authn: in.Authn, Channel: in.Channel,
	}
}

func (s State) refuse(in Invocation, a Assessment, now workflows.Stamp) *workflows.Refusal {
	if in.Agreed != nil {
		if r := s.refuseSecond(in, now); r != nil {
			return r
		}
	}
	if r := in.Standing.Refusal(); r != nil {
		return r
	}
	if in.Book.Routine {
		return workflows.Refuse(workflows.CodeRunbook, "This runbook is routine: no incident opens it.", "Ask for it with `/access run "+string(in.Book.ID)+"`.")
	}
	if !in.Standing.Selected && !in.Situation.Listed {
		return workflows.Refuse(workflows.CodeNotEligible, "You are not on this runbook's list of invokers.", "Ask somebody who is, or ask through the normal chain with `/access request`.")
	}
	if !MatchesIncident(in.Book.IncidentPattern, in.Incident) {
		return workflows.Refusef(workflows.CodeBadField, "Type `/breakglass "+string(in.Book.ID)+" INC-123`.", "Name the incident, in the form %s.", in.Book.IncidentPattern)
	}
	if r := s.refuseTier(in, a, now); r != nil {
		for _, c := range a.Failed() {
			r.Failed = strings.TrimSpace(r.Failed + " " + c.Name)
		}
		return r
	}
	switch {
	case in.Owner == "" || in.Owner == in.By.Person || in.Owner == in.Situation.Executor:
		return workflows.Refuse(workflows.CodeNobody, "Nobody but you could review this afterwards, so it cannot be invoked.", "Ask the runbook's owner to add a reviewer.")
	case utf8.RuneCountInString(in.Reason) > workflows.MaxReason:
		return workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxReason)
	case len(in.Fields) > 0:
		return workflows.Refuse(workflows.CodeBadField, in.Fields[0].Field+": "+in.Fields[0].Text, "")
	case in.Book.Grant.Account && in.Account == "":
		return workflows.Refuse(workflows.CodeNotInInventory, "You have no account on record on "+in.Book.Grant.TargetTitle+".", "Ask the operator to add it to the people file.")
	case len(a.Needed) > 0 && in.Agreed == nil && len(in.Situation.Others) == 0:
		return workflows.Refuse(workflows.CodeNobody, a.Needed[0]+" A second listed person has to agree, and there is nobody else on the runbook's lists.",
			"Ask through the normal chain with `/access request`, and the runbook's owner to add people.")
	}
	return nil
}

// refuseTier says which condition keeps somebody from invoking, unless they go around it and may.
func (s State) refuseTier(in Invocation, a Assessment, now workflows.Stamp) *workflows.Refusal {
	failed := a.Failed()
	if len(failed) == 0 {
		return nil
	}
	first := failed[0]
	glass := in.Tier == TierBreakGlass && in.Situation.Listed && in.Book.BreakGlass != nil && !in.Drill
	if !a.Approved && (glass || first.Name == CondApproved) || first.Name == CondApproved && !glass {
		_, _, no := s.Readiness(in.Book.Document, now)
		return no
	}
	if i := slices.IndexFunc(failed, func(c Condition) bool { return c.Name == CondExecutor || c.Name == CondBarred }); i >= 0 {
		return workflows.Refuse(workflows.CodeRunbook, failed[i].Says, "") // no emergency changes these
	}
	listed := in.Situation.Listed && in.Book.BreakGlass != nil
	switch {
	case !glass && in.Tier == TierBreakGlass:
		return workflows.Refuse(workflows.CodeNotEligible, "You are not on this runbook's short list for emergencies.", askChain(in.Book))
	case listed && !in.Drill && in.lacksStepUp():
		return refuseClick(in)
	case !glass && listed:
		return workflows.Refuse(workflows.CodeRunbook, first.Says, "Ask its chain, or go around it: you are on the short list for emergencies. Say why, in at least 10 characters.")
	case !glass:
		return workflows.Refuse(workflows.CodeRunbook, first.Says, askChain(in.Book))
	case in.Agreed != nil && in.Book.BreakGlass.StepUp && !workflows.StepsUp(in.SecondBy):
		return workflows.Refuse(workflows.CodeStepUp, "To agree that somebody goes around a condition of this runbook, a click is not enough.",
			"Use the bot's page /emergency with a printed code, or its host: countersign runbook agree "+in.Proposal+".")
	case utf8.RuneCountInString(strings.TrimSpace(in.Reason)) < glassReasonMin:
		return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why you go around this (%s), in at least %d characters.", strings.TrimSuffix(first.Says, "."), glassReasonMin)
	}
	return nil
}

// lacksStepUp tells whether going around a condition takes more than how who invokes proved who they are.
func (in Invocation) lacksStepUp() bool {
	return in.Book.BreakGlass != nil && in.Book.BreakGlass.StepUp && !workflows.StepsUp(in.Authn)
}

// refuseClick says where to go around a condition when a click is not enough.
func refuseClick(in Invocation) *workflows.Refusal {
	return workflows.Refuse(workflows.CodeStepUp, "To go around a condition of this runbook, a click is not enough.",
		"Use the bot's page /emergency with a printed code, or its host: countersign runbook invoke "+string(in.Book.ID)+" "+in.Incident+" -tier break_glass.")
}

func askChain(b Runbook) string {
	if c := b.Asks(); c != "" {
		return "Ask through its chain, with `/access request " + string(c) + "`."
	}
	return "Ask through the normal chain with `/access request`."
}

// refuseSecond checks who agrees to somebody else's invocation.
func (s State) refuseSecond(in Invocation, now workflows.Stamp) *workflows.Refusal {
	p, ok := s.Proposal(in.Proposal)
	switch {
	case !ok:
		return workflows.Unknown()
	case in.Seconds.Refusal() != nil:
		return in.Seconds.Refusal()
	case in.Agreed.Person == p.By || in.Agreed.Person == in.Situation.Executor:
		return workflows.Refuse(workflows.CodeSelfApproval, "Somebody else has to agree: you want to use it yourself.", "")
	case !in.Seconds.Selected:
		return workflows.Refuse(workflows.CodeNotEligible, "You are on none of this runbook's lists, so you cannot agree to its use.", "")
	case p.Used:
		return workflows.Refuse(workflows.CodeDecided, "Somebody agreed to this already.", "")
	case now.After(p.Until):
		return workflows.Refuse(workflows.CodeLate, "This waited for a second person until "+clock(p.Until)+" UTC, and nobody agreed in time.", "Whoever needs it invokes it again.")
	case p.Document != in.Book.Document:
		return workflows.Refuse(workflows.CodeStale, "The runbook's text was changed since.", "Whoever needs it invokes it again.")
	}
	return nil
}

// MatchesIncident tells whether the whole text has the runbook's form of an incident number.
func MatchesIncident(pattern, incident string) bool {
	if pattern == "" || incident == "" || len(incident) > maxIncident || strings.ContainsAny(incident, " \t\r\n") {
		return false
	}
	return workflows.MatchesWhole(pattern, incident)
}

// Pending is everything the stream still owes to the world: the loud part.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Notices are the messages that are still owed for every invocation.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	for _, u := range s.Uses {
		owe := func(n workflows.Notice) {
			n.Grant, n.Urgent = u.Grant, true
			if _, done := s.Delivered[n.ID]; !done {
				out = append(out, n)
			}
		}
		if u.Notify != "" {
			owe(workflows.Notice{ID: workflows.NoticeInvoked + "/" + string(u.Grant), What: workflows.NoticeInvoked, Channel: u.Notify})
		}
		if u.Alarm != "" && u.Alarm != u.Notify {
			owe(workflows.Notice{ID: NoticeAlarm + "/" + string(u.Grant), What: workflows.NoticeInvoked, Channel: u.Alarm})
		}
		for i, p := range u.Told {
			if p != "" && p != u.By && !slices.Contains(u.Told[:i], p) && !slices.Contains(u.Skipped, p) {
				owe(workflows.Notice{ID: NoticeTold + "/" + string(u.Grant) + "/" + string(p), What: NoticeTold, To: p})
			}
		}
		for i, p := range u.Skipped {
			if p == "" || slices.Contains(u.Skipped[:i], p) {
				continue
			}
			owe(workflows.Notice{ID: workflows.NoticeSkipped + "/" + string(u.Grant) + "/" + string(p), What: workflows.NoticeSkipped, To: p})
		}
	}
	for _, p := range s.Proposals {
		for i, to := range p.Asked {
			n := workflows.Notice{ID: NoticeSecond + "/" + p.Proposed.Proposal + "/" + string(to), What: NoticeSecond, To: to, Urgent: true, Offer: p.Proposed.Proposal}
			if _, done := s.Delivered[n.ID]; !done && !p.Used && !slices.Contains(p.Asked[:i], to) {
				out = append(out, n)
			}
		}
	}
	return out
}

// What the notices of a runbook's stream say beside workflows.NoticeInvoked and NoticeSkipped.
const (
	NoticeAlarm  = "glass_alarm"  // to the channel of alarms: the glass was broken around a condition, or by two people
	NoticeTold   = "glass_told"   // to somebody who is told of every use
	NoticeSecond = "glass_second" // to a listed person: somebody needs you to agree
)

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// UseOf finds an invocation by its grant.
func (s State) UseOf(g workflows.GrantID) (Use, bool) {
	for _, u := range s.Uses {
		if u.Grant == g {
			return u, true
		}
	}
	return Use{}, false
}

// ListAll lists every runbook that was ever approved or invoked.
const ListAll = "runbooks.all"

// Listings are the lists the runbook stands on.
func Listings(s State) []workflows.Listing {
	if s.ID == "" {
		return nil
	}
	return []workflows.Listing{{List: ListAll}}
}
