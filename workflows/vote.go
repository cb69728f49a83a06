package workflows

import (
	"fmt"
	"strings"
)

// Ballot is one decision with everything that was asked about it. Nothing else is looked at.
type Ballot struct {
	By         Acting
	Standing   Standing // of the voter, asked at most 60 s ago; Selected: the stage's selector still yields them
	Verdict    Verdict
	Stage      int
	Shown      string // what the button said was shown
	Reason     string
	ReceivedAt Stamp // when the interaction was durably received: this is compared with deadlines
	Authn      string
	Channel    string
	Payload    string // sha256 of the raw interaction
	Who        string // the voter's account, for the answers

	Rosters Rosters               // for the next stage, if this vote opens it
	Voters  map[PersonID]Standing // earlier voters, asked again before the grant
	Grant   GrantID               // id for the grant, if this vote makes one
	// WorkflowGone says why the submitted workflow cannot be granted any more; empty when it can.
	WorkflowGone string
	Terms        Terms  // Counter: what is offered
	Offer        string // Counter: its id
	Frozen       string // name of the change freeze in force when the vote would make a grant
	Conflict     string // as Ask.Conflict, asked again before the grant
}

// Vote records one person's decision, and all that follows from it: the next stage, or the outcome.
func (w *Workflow) Vote(f Facts, id RequestID, b Ballot) (Outcome, error) {
	stream := RequestStream(id)
	s, err := Fold(f.Histories[stream])
	if r := b.Standing.Refusal(); err == ErrNoStream && r != nil {
		// Who cannot decide anything gets the same answer whether or not there is such a request.
		return RefuseOn(SystemStream, b.By, "vote", b.Channel, string(id), r), nil
	}
	if err != nil {
		return unknownOr(err, b.By, "vote", b.Channel, string(id))
	}
	if b.ReceivedAt.IsZero() {
		b.ReceivedAt = f.Now.UTC
	}
	if r := s.refuseVote(b); r != nil {
		return RefuseOn(stream, b.By, "vote "+string(b.Verdict), b.Channel, "", r), nil
	}
	var out Outcome
	out.Add(stream, b.By, s.Policy, s.vote(b))
	if b.Verdict == Deny {
		out.Add(stream, b.By, s.Policy, Denied{Stage: b.Stage})
		return out, nil
	}
	if s.Stages[b.Stage].Missing() > 1 {
		return out, nil
	}
	if r, err := s.unsure(b); err != nil || r != nil {
		if err != nil {
			return Outcome{}, err
		}
		return RefuseOn(stream, b.By, "vote "+string(b.Verdict), b.Channel, "", r), nil
	}
	out.Add(stream, System, s.Policy, StageSatisfied{Stage: b.Stage})
	s.advance(&out, f, b)
	return out, nil
}

// ErrAskAgain is what a decision answers when the record has moved on since the world was asked: somebody has voted about
// whom nothing was asked. The caller asks again and decides anew.
var ErrAskAgain = errString("somebody has voted meanwhile who was not asked about")

// unsure tells whether the vote that would close its stage has to wait, because the world could not be asked what comes
// after it. Not knowing is not the same as knowing that nobody is there: the request stays open and the click can be
// repeated.
func (s State) unsure(b Ballot) (*Refusal, error) {
	switch {
	case b.WorkflowGone != "":
		return nil, nil
	case b.Stage+1 < len(s.Stages):
		if b.Rosters.Failed {
			return Refuse(CodeDirectory, "I could not find out who decides the next stage just now, so nothing was recorded.", "Try again in a minute."), nil
		}
		return nil, nil
	}
	for _, p := range s.Voters() {
		standing, asked := b.Voters[p]
		switch {
		case !asked:
			return nil, ErrAskAgain
		case !standing.Known:
			return Refuse(CodeDirectory, "I could not check those who approved before you just now, so nothing was recorded.", "Try again in a minute."), nil
		}
	}
	return nil, nil
}

// advance opens the next stage, or asks every voter again and approves.
func (s State) advance(out *Outcome, f Facts, b Ballot) {
	stream := RequestStream(s.ID)
	if b.WorkflowGone != "" {
		out.Add(stream, System, s.Policy, Superseded{Code: CodeNoPolicy, Why: b.WorkflowGone})
		return
	}
	if b.Stage+1 < len(s.Stages) {
		after, err := Fold(f.Provisional(out.Events)[stream])
		if err != nil {
			panic("folding what was just decided: " + err.Error())
		}
		after.openStage(out, stream, f.Now, b.Stage+1, b.Rosters)
		return
	}
	for _, p := range s.Voters() {
		if r := stillStands(b.Voters[p]); r != nil {
			out.Add(stream, System, s.Policy, Superseded{Code: r.Code, Why: "An earlier approval no longer stands: " + r.Sentence})
			return
		}
	}
	out.Add(stream, b.By, s.Policy, Approved{Digest: s.Asked.Digest, Grant: b.Grant, Answers: s.answers(b)})
}

// stillStands is the short second question before a grant: is the voter still active, a member, the same person, and not
// removed from a standing list or group.
func stillStands(st Standing) *Refusal {
	if r := st.Refusal(); r != nil {
		return r
	}
	if !st.Selected {
		return Refuse(CodeNotApprover, "the person is no longer among the approvers.", "")
	}
	return nil
}

func unknownOr(err error, by Acting, command, channel, about string) (Outcome, error) {
	if err == ErrNoStream {
		return RefuseOn(SystemStream, by, command, channel, about, Unknown()), nil
	}
	return Outcome{}, err
}

// Unknown is the one answer for what does not exist and for what the asker may not see.
func Unknown() *Refusal {
	return Refuse(CodeUnknown, "There is no such request, or it is not yours to see.", "Type `/access list` to see yours.")
}

func (s State) refuseVote(b Ballot) *Refusal {
	if r := b.Standing.Refusal(); r != nil {
		return r
	}
	p := b.By.Person
	if s.Asker(p) {
		return Refuse(CodeSelfApproval, "You stand behind this request yourself, so you cannot decide it.", "Somebody else on the list has to.")
	}
	if s.Final() {
		r := s.refuseDecided(p)
		if s.Status == StatusApproved && b.Verdict == Deny {
			r.Next = "Revoke the access instead: those who approved it, the target's owner and security can."
		}
		return r
	}
	st := s.Open()
	if st == nil {
		return Refuse(CodeStale, "No stage of this request is open.", "Look at the card again.")
	}
	if st.TimesOutAt != 0 && b.ReceivedAt >= st.TimesOutAt {
		return Refuse(CodeLate, "The deadline of this stage had passed when your click arrived.", "Ask the requester to submit again.")
	}
	if b.Stage >= 0 && b.Stage < s.Current && s.Stages[b.Stage].HasVoted(p) {
		return Refuse(CodeAlreadyVoted, "Your decision on that stage is already recorded; the request has gone on.", "You can take it back until the access starts.")
	}
	if b.Stage != s.Current || b.Shown != s.Shown(s.Current) {
		return Refuse(CodeStale, "What you were shown is not what would be decided now.", "Look at the fresh card and decide there.")
	}
	return s.refuseVoter(st, b)
}

func (s State) refuseVoter(st *StageState, b Ballot) *Refusal {
	p := b.By.Person
	if _, ok := st.Seat(p); !ok {
		return Refusef(CodeNotApprover, "The card names who can.", "You are not among those asked to decide stage %d (%s).", s.Current+1, st.Plan.Name)
	}
	if !b.Standing.Selected {
		return Refuse(CodeNotApprover, "You were asked, but you are no longer among the approvers of this stage.", "")
	}
	if st.HasVoted(p) {
		return Refuse(CodeAlreadyVoted, "Your decision on this stage is already recorded.", "You can take it back until the access starts.")
	}
	if s.spent(p) {
		return Refuse(CodeRepeat, "You approved an earlier stage; this chain wants somebody else here.", "")
	}
	switch {
	case b.Verdict != Approve && b.Verdict != Deny:
		return Refuse(CodeStale, "That button is not known.", "Look at the fresh card and decide there.")
	case b.Verdict == Deny && strings.TrimSpace(b.Reason) == "":
		return Refuse(CodeReasonNeeded, "A denial needs a reason: the requester will read it.", "")
	case len([]rune(b.Reason)) > MaxDenyReason:
		return Refusef(CodeTooLong, "", "A reason has at most %d characters.", MaxDenyReason)
	}
	return nil
}

func (s State) refuseDecided(p PersonID) *Refusal {
	for _, st := range s.Stages {
		if st.HasVoted(p) {
			return Refusef(CodeDecided, "", "Your decision is recorded, and the request is %s.", s.Status.Words())
		}
	}
	return Refusef(CodeDecided, "Nothing is left to decide.", "This request is already %s.", s.Status.Words())
}

// Words is the status as people read it.
func (s Status) Words() string {
	switch s {
	case StatusTimedOut:
		return "timed out"
	case StatusOpen:
		return "waiting"
	default:
		return string(s)
	}
}

func (s State) vote(b Ballot) VoteRecorded {
	return VoteRecorded{
		Stage: b.Stage, Verdict: b.Verdict, Reason: b.Reason, Digest: s.Asked.Digest, Shown: b.Shown,
		Authn: b.Authn, Channel: b.Channel, Payload: b.Payload, ReceivedAt: b.ReceivedAt,
		Answers: s.answers(b), Sponsor: s.Asked.Sponsor, Drill: s.Asked.Drill,
	}
}

// answers are the three separate answers of a decision (R59), in ids only.
func (s State) answers(b Ballot) Answers {
	what := string(s.Asked.Target) + "/" + string(s.Asked.Entitlement)
	if s.Asked.Request == KindPreapprove {
		what = "runbook " + string(s.Asked.Runbook) + " " + string(s.Asked.Document)
	}
	return Answers{
		Who:  fmt.Sprintf("%s asks for %s, by %s", s.Requester.Person, s.Asked.Subject, s.Asked.Authn),
		What: fmt.Sprintf("hold %s for %s", what, s.Asked.Seconds),
		Now: fmt.Sprintf("stage %d of %d (%s) is open until %s; %s said %s, by %s", b.Stage+1, len(s.Stages),
			s.Stages[b.Stage].Plan.Name, s.Stages[b.Stage].TimesOutAt, b.By.Person, b.Verdict, b.Authn),
	}
}

// Change is a command on a request that is no vote: withdraw, take back.
type Change struct {
	By       Acting
	Why      string
	Channel  string
	Standing Standing
	Started  bool // the grant has started: a vote can no longer be taken back
}

// Withdraw ends the requester's own open request.
func Withdraw(f Facts, id RequestID, c Change) (Outcome, error) {
	stream := RequestStream(id)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return unknownOr(err, c.By, "withdraw", c.Channel, string(id))
	}
	switch {
	case c.By.Person == "" || c.By.Person != s.Requester.Person:
		return RefuseOn(stream, c.By, "withdraw", c.Channel, "", Refuse(CodeNotYours, "Only the person who asked can withdraw a request.", "An approver can deny it.")), nil
	case s.Final():
		return RefuseOn(stream, c.By, "withdraw", c.Channel, "", s.refuseDecided(c.By.Person)), nil
	}
	var out Outcome
	out.Add(stream, c.By, s.Policy, Withdrawn{Why: c.Why})
	return out, nil
}

// TakeBack withdraws the person's own approval until the access starts. In the open stage the vote simply no longer
// counts; behind a closed stage, which never reopens, it ends the request as superseded.
func TakeBack(f Facts, id RequestID, c Change) (Outcome, error) {
	stream := RequestStream(id)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return unknownOr(err, c.By, "take back", c.Channel, string(id))
	}
	stage := s.approvedIn(c.By.Person)
	ended := s.Final() && s.Status != StatusApproved
	switch {
	case stage < 0:
		return RefuseOn(stream, c.By, "take back", c.Channel, "", Refuse(CodeNoVote, "No approval of yours stands on this request.", "")), nil
	case ended:
		return RefuseOn(stream, c.By, "take back", c.Channel, "", s.refuseDecided(c.By.Person)), nil
	case c.Started:
		return RefuseOn(stream, c.By, "take back", c.Channel, "", Refuse(CodeDecided, "The access has started, so the approval cannot be taken back.", "You can revoke the access instead.")), nil
	}
	var out Outcome
	out.Add(stream, c.By, s.Policy, VoteTakenBack{Stage: stage, Why: c.Why})
	if stage != s.Current {
		out.Add(stream, System, s.Policy, Superseded{Code: CodeNoVote, Why: "An approval was taken back before the access started."})
	}
	return out, nil
}

// approvedIn is the last stage in which an approval of the person stands, or -1.
func (s State) approvedIn(p PersonID) int {
	for i := len(s.Stages) - 1; i >= 0 && p != ""; i-- {
		if containsPerson(s.Stages[i].Approvals(), p) {
			return i
		}
	}
	return -1
}
