package desk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Proposal is a change of the documents that waits for approval, or waited.
type Proposal struct {
	workflows.PolicyProposed
	At        workflows.Instant
	Votes     []PolicyVote
	Outcome   string // "", "approved", "denied", "replaced"
	SettledAt workflows.Instant
	seq       int64
}

// PolicyVote is one person's decision on a proposal.
type PolicyVote struct {
	Person  workflows.PersonID
	Verdict workflows.Verdict
	Reason  string
	At      workflows.Instant
}

// How a proposal ends.
const (
	proposalApproved = "approved"
	proposalDenied   = "denied"
	proposalReplaced = "replaced"
)

// Open tells whether people may still decide.
func (p Proposal) Open() bool { return p.Outcome == "" }

// Approvals are the distinct people who said yes.
func (p Proposal) Approvals() []workflows.PersonID {
	var out []workflows.PersonID
	for _, v := range p.Votes {
		if v.Verdict == workflows.Approve && !slices.Contains(out, v.Person) {
			out = append(out, v.Person)
		}
	}
	return out
}

func (p Proposal) hasVoted(who workflows.PersonID) bool {
	return slices.ContainsFunc(p.Votes, func(v PolicyVote) bool { return v.Person == who })
}

// policyState is the policy stream as its entries say.
type policyState struct {
	last      workflows.PolicyLoaded
	loads     []loadedAt
	proposals []Proposal
	delivered map[string]workflows.Delivery
}

type loadedAt struct {
	seq  int64
	told []workflows.PersonID
}

// foldPolicy refuses what cannot have been decided: a vote of somebody who was not asked, an approval without its quorum.
func foldPolicy(h []workflows.Record) (policyState, error) {
	s := policyState{delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, nil
	}
	if err := workflows.CheckSeq(h); err != nil {
		return s, err
	}
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return policyState{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
	}
	return s, nil
}

func (s *policyState) apply(r workflows.Record) error {
	switch e := r.Event.(type) {
	case workflows.PolicyLoaded:
		s.last = e
		s.loads = append(s.loads, loadedAt{r.Seq, e.Told})
		return nil
	case workflows.PolicyProposed:
		if s.open() != nil {
			return fmt.Errorf("proposal %q while another is open", e.Proposal)
		}
		s.proposals = append(s.proposals, Proposal{PolicyProposed: e, At: r.At, seq: r.Seq})
		return nil
	case workflows.PolicyVoted:
		return s.applyVote(r, e)
	case workflows.PolicySettled:
		return s.applySettled(r, e)
	case workflows.NoticeDelivered:
		s.delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
		return nil
	case workflows.NoticeUndelivered:
		s.delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
		return nil
	case workflows.Refused:
		return nil
	}
	return fmt.Errorf("%s does not belong to the policy", r.Event.Kind())
}

func (s *policyState) applyVote(r workflows.Record, e workflows.PolicyVoted) error {
	p := s.open()
	switch {
	case p == nil || p.Proposal != e.Proposal:
		return fmt.Errorf("vote on %q, which is not open", e.Proposal)
	case !slices.Contains(p.Ask, r.Person) || r.Person == p.By || p.hasVoted(r.Person):
		return fmt.Errorf("vote of %q, who could not decide", r.Person)
	}
	p.Votes = append(p.Votes, PolicyVote{r.Person, e.Verdict, e.Reason, r.At})
	return nil
}

func (s *policyState) applySettled(r workflows.Record, e workflows.PolicySettled) error {
	p := s.open()
	switch {
	case p == nil || p.Proposal != e.Proposal:
		return fmt.Errorf("%q settled, which is not open", e.Proposal)
	case e.Outcome == proposalApproved && len(p.Approvals()) < max(1, p.Quorum):
		return fmt.Errorf("%q approved by %d of %d", e.Proposal, len(p.Approvals()), p.Quorum)
	}
	p.Outcome, p.SettledAt = e.Outcome, r.At
	return nil
}

// open is the proposal that waits, or nil.
func (s *policyState) open() *Proposal {
	if n := len(s.proposals); n > 0 && s.proposals[n-1].Open() {
		return &s.proposals[n-1]
	}
	return nil
}

func (s *policyState) find(id string) *Proposal {
	for i := range s.proposals {
		if s.proposals[i].Proposal == id {
			return &s.proposals[i]
		}
	}
	return nil
}

// notices are the messages that are still owed.
func (s *policyState) notices() []workflows.Notice {
	var out []workflows.Notice
	owe := func(what, about string, to ...workflows.PersonID) {
		for _, p := range to {
			id := what + "/" + about + "/" + string(p)
			if _, done := s.delivered[id]; p != "" && !done {
				out = append(out, workflows.Notice{ID: id, What: what, To: p})
			}
		}
	}
	for _, l := range s.loads {
		owe(workflows.NoticePolicyChanged, strconv.FormatInt(l.seq, 10), l.told...)
	}
	for _, p := range s.proposals {
		if p.Open() {
			owe(workflows.NoticePolicy, p.Proposal, p.waiting()...)
			continue
		}
		owe(workflows.NoticePolicySettled, p.Proposal, p.heard(s.delivered)...)
	}
	return out
}

// waiting are those who were asked and have not decided.
func (p Proposal) waiting() []workflows.PersonID {
	return slices.DeleteFunc(slices.Clone(p.Ask), p.hasVoted)
}

// heard are the author, and those who were asked and heard of it.
func (p Proposal) heard(delivered map[string]workflows.Delivery) []workflows.PersonID {
	out := []workflows.PersonID{p.By}
	for _, x := range p.Ask {
		if delivered[workflows.NoticePolicy+"/"+p.Proposal+"/"+string(x)].OK {
			out = append(out, x)
		}
	}
	return out
}

// NoticeOf gives the proposal that a notice of the policy stream is about, or the changes that were put in force.
func (d *Desk) NoticeOf(ctx context.Context, n workflows.Notice) (Proposal, []workflows.PolicyChange, error) {
	h, err := d.ledger.History(ctx, workflows.PolicyStream)
	if err != nil {
		return Proposal{}, nil, err
	}
	s, err := foldPolicy(h)
	if err != nil {
		return Proposal{}, nil, err
	}
	parts := strings.Split(n.ID, "/")
	if len(parts) != 3 {
		return Proposal{}, nil, workflows.ErrNoStream
	}
	if p := s.find(parts[1]); p != nil {
		return *p, p.Changes, nil
	}
	seq, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || seq < 1 || seq > int64(len(h)) {
		return Proposal{}, nil, workflows.ErrNoStream
	}
	e, _ := h[seq-1].Event.(workflows.PolicyLoaded)
	return Proposal{}, e.Changes, nil
}

// Proposals lists the changes of the documents that were ever held back, the newest first.
func (d *Desk) Proposals(ctx context.Context) ([]Proposal, error) {
	h, err := d.ledger.History(ctx, workflows.PolicyStream)
	if err != nil {
		return nil, err
	}
	s, err := foldPolicy(h)
	slices.Reverse(s.proposals)
	return s.proposals, err
}

// SeesProposal tells whether somebody has to do with a change of the documents: was asked, made it, or has a role that reads it.
func (d *Desk) SeesProposal(ctx context.Context, who workflows.PersonID, p Proposal) bool {
	return who != "" && (slices.Contains(p.Ask, who) || who == p.By || d.readsProposals(ctx, who))
}

func (d *Desk) readsProposals(ctx context.Context, who workflows.PersonID) bool {
	return d.HasRole(ctx, RoleOwner, who) || d.HasRole(ctx, RoleSecurity, who) || d.HasRole(ctx, RoleAuditor, who)
}

// Holds tells whether the last folder that was loaded loosens something that is not in force.
func (d *Desk) Holds() bool {
	d.loading.RLock()
	defer d.loading.RUnlock()
	return d.waiting != nil
}

// PolicyBallot is a decision on a change of the documents as it came from a person.
type PolicyBallot struct {
	Cause    Cause
	By       workflows.Acting
	Proposal string
	Verdict  workflows.Verdict
	Reason   string
	Authn    string
	Channel  string
}

// VotePolicy records a decision on a change of the documents. When enough of those who were asked agree, the new version governs before it
// returns.
func (d *Desk) VotePolicy(ctx context.Context, b PolicyBallot) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	d.loading.Lock()
	a, err := d.votePolicy(ctx, b)
	governs := d.Policy()
	d.loading.Unlock()
	if err != nil || a.Refusal != nil || !slices.ContainsFunc(a.Records, isLoaded) {
		return a, err
	}
	return a, d.follow(ctx, governs)
}

func isLoaded(r workflows.Record) bool { _, ok := r.Event.(workflows.PolicyLoaded); return ok }

// polled is what was asked of the world about a ballot on the documents.
type polled struct {
	standing workflows.Standing
	voters   map[workflows.PersonID]workflows.Standing // earlier ones; who cannot be asked about does not count just now
	may      []workflows.PersonID                      // who may approve the last proposal, as the documents stand
	sees     bool                                      // has a role that reads proposals
	next     *waiting
}

func (d *Desk) poll(ctx context.Context, policy *Policy, b PolicyBallot) (polled, error) {
	q := polled{standing: d.standing(ctx, b.By), voters: map[workflows.PersonID]workflows.Standing{}, next: d.waiting}
	all, err := d.Proposals(ctx)
	if err != nil || len(all) == 0 {
		return q, err
	}
	for _, p := range all[0].Approvals() {
		if q.voters[p], err = d.directory.StandingOf(ctx, p); err != nil {
			q.voters[p] = workflows.Standing{}
		}
	}
	q.may = d.approvers(ctx, policy, slices.Collect(maps.Keys(all[0].Units)), all[0].By)
	q.sees = d.readsProposals(ctx, b.By.Person)
	return q, nil
}

func (d *Desk) votePolicy(ctx context.Context, b PolicyBallot) (Answer, error) {
	q, err := d.poll(ctx, d.Policy(), b)
	if err != nil {
		return Answer{}, err
	}
	res, err := d.update(ctx, b.Cause, []workflows.StreamID{workflows.PolicyStream}, func(f workflows.Facts) (workflows.Outcome, error) {
		s, err := foldPolicy(f.Histories[workflows.PolicyStream])
		if err != nil {
			return workflows.Outcome{}, err
		}
		if r := s.refuse(q, b); r != nil {
			return workflows.RefuseOn(workflows.PolicyStream, b.By, "vote on policy "+string(b.Verdict), b.Channel, b.Proposal, r), nil
		}
		return s.vote(b, q), nil
	})
	if err == nil && q.next != nil && slices.ContainsFunc(res.Records, isLoaded) && !res.Replayed {
		d.waiting = nil
		d.governs(q.next.policy)
	}
	return answered(&res), err
}

// vote is the decision: this vote, and the end of the proposal if it brings it about.
func (s *policyState) vote(b PolicyBallot, q polled) workflows.Outcome {
	var out workflows.Outcome
	p := s.open()
	add := func(by workflows.Acting, e workflows.Event) { out.Add(workflows.PolicyStream, by, "", e) }
	add(b.By, workflows.PolicyVoted{Proposal: b.Proposal, Verdict: b.Verdict, Reason: b.Reason, Authn: b.Authn, Channel: b.Channel})
	if b.Verdict == workflows.Deny {
		add(workflows.System, workflows.PolicySettled{Proposal: b.Proposal, Outcome: proposalDenied})
		return out
	}
	agree := 1
	for _, x := range p.Approvals() {
		if q.voters[x].Refusal() == nil {
			agree++
		}
	}
	if agree < max(1, p.Quorum) {
		return out
	}
	add(workflows.System, workflows.PolicySettled{Proposal: b.Proposal, Outcome: proposalApproved})
	e := q.next.policy.Loaded
	e.Proposal, e.Changes, e.Changed = b.Proposal, p.Changes, changed(s.last.Sources, e.Sources)
	add(workflows.System, e)
	out.Documents = q.next.policy.Documents
	return out
}

func (s *policyState) refuse(q polled, b PolicyBallot) *workflows.Refusal {
	p, who := s.find(b.Proposal), b.By.Person
	switch {
	case q.standing.Refusal() != nil:
		return q.standing.Refusal()
	case p == nil || !slices.Contains(p.Ask, who) && who != p.By && !q.sees:
		return workflows.Refuse(workflows.CodeUnknown, "There is no such change of the documents, or it is not yours to see.", "")
	case !p.Open():
		return workflows.Refusef(workflows.CodeDecided, "Nothing is left to decide.", "This change of the documents is already %s.", p.Outcome)
	case who == p.By:
		return workflows.Refuse(workflows.CodeSelfApproval, "You changed the documents yourself, so you cannot approve that.", "Somebody else on the list has to.")
	case !slices.Contains(p.Ask, who) || !slices.Contains(q.may, who):
		return workflows.Refuse(workflows.CodeNotApprover, "You are not among those who may approve this change of the documents.", "")
	case p.hasVoted(who):
		return workflows.Refuse(workflows.CodeAlreadyVoted, "Your decision on this change is already recorded.", "")
	case b.Verdict != workflows.Approve && b.Verdict != workflows.Deny:
		return workflows.Refuse(workflows.CodeStale, "That button is not known.", "Look at the change again and decide there.")
	case b.Verdict == workflows.Deny && strings.TrimSpace(b.Reason) == "":
		return workflows.Refuse(workflows.CodeReasonNeeded, "A denial needs a reason: whoever changed the documents will read it.", "")
	case len([]rune(b.Reason)) > workflows.MaxDenyReason:
		return workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxDenyReason)
	case q.next == nil || q.next.proposal != p.Proposal:
		return workflows.Refuse(workflows.CodePending, "The folder no longer holds what this change says.", "Reload the configuration; what it holds is then proposed anew.")
	}
	return nil
}

// approvers are those who may approve a change of some units, under the policy before: who has the role owner, and who owns a chain or a
// runbook among them. Where that is nobody but the author, those with the role security stand in.
func (d *Desk) approvers(ctx context.Context, p *Policy, units []string, author workflows.PersonID) []workflows.PersonID {
	var out []workflows.PersonID
	add := func(people ...workflows.PersonID) {
		for _, x := range people {
			if _, listed := p.People[x]; listed && x != author && !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
	}
	add(d.roleHolders(ctx, p, RoleOwner)...)
	slices.Sort(units)
	for _, u := range units {
		add(p.ownerOf(u))
	}
	if len(out) == 0 {
		add(d.roleHolders(ctx, p, RoleSecurity)...)
	}
	return out
}

// ownerOf is who owns what a unit describes; empty where nobody does.
func (p *Policy) ownerOf(unit string) workflows.PersonID {
	kind, name, _ := strings.Cut(unit, "/")
	switch kind {
	case unitWorkflow:
		if v := p.Workflows[workflows.WorkflowID(name)]; v.Workflow != nil {
			return v.Workflow.Owner
		}
	case unitRunbook:
		return p.Runbooks[workflows.RunbookID(name)].Runbook.Owner
	}
	return ""
}

func (d *Desk) roleHolders(ctx context.Context, p *Policy, role string) []workflows.PersonID {
	seats, err := d.resolve(ctx, p, p.Roles[role], asked{})
	if err != nil {
		d.log.WarnContext(ctx, "role not resolved", "role", role, "err", err)
	}
	var out []workflows.PersonID
	for _, s := range seats {
		out = append(out, s.Person)
	}
	return out
}

// manyOwners is from how many holders of the role owner on a change needs two of them.
const manyOwners = 3

func (d *Desk) quorum(ctx context.Context, p *Policy) int {
	if len(d.roleHolders(ctx, p, RoleOwner)) >= manyOwners {
		return 2
	}
	return 1
}
