package workflows

import (
	"fmt"
	"strings"
)

// Ballot is one decision with everything that was asked about it. Nothing else is looked at.
type Ballot struct {
	By         Acting
	Standing   Standing // of the voter, asked at most 60 s ago; Selected: what put State.SeatOf on the roster still does
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

// Vote records one person's decision, and all that follows from it: the next stage, or the outcome. A Verdict of Counter is an offer.
func (w *Workflow) Vote(f Facts, id RequestID, b Ballot) (Outcome, error) {
	s, refused, err := w.receive(f, id, &b)
	if refused != nil || err != nil {
		return orNothing(refused), err
	}
	refuse := func(r *Refusal) (Outcome, error) {
		return RefuseOn(RequestStream(id), b.By, "vote "+string(b.Verdict), b.Channel, "", r), nil
	}
	seat, r := s.refuseVote(b)
	if r == nil {
		r = w.refuseReason(b)
	}
	if r != nil {
		return refuse(r)
	}
	t := newTurn(s, id, f.Now)
	if b.Verdict == Counter {
		return w.counter(t, b)
	}
	voters := t.Voters()
	t.add(b.By, t.vote(b, seat))
	if b.Verdict == Deny {
		t.deny(b)
		return t.done()
	}
	if t.err != nil || t.Stages[b.Stage].Missing() > 0 {
		return t.done()
	}
	if r, err := s.unsure(b, voters); err != nil || r != nil {
		if err != nil {
			return Outcome{}, err
		}
		return refuse(r)
	}
	t.add(System, StageSatisfied{Stage: b.Stage})
	t.advance(b, voters)
	return t.done()
}

// receive reads the request that a decision is about. A refusal is given as the outcome that records it.
func (w *Workflow) receive(f Facts, id RequestID, b *Ballot) (State, *Outcome, error) {
	s, err := Fold(f.Histories[RequestStream(id)])
	if r := b.Standing.Refusal(); err == ErrNoStream && r != nil {
		// Who cannot decide anything gets the same answer whether or not there is such a request.
		out := RefuseOn(SystemStream, b.By, "vote", b.Channel, string(id), r)
		return s, &out, nil
	}
	if err != nil {
		out, err := unknownOr(err, b.By, "vote", b.Channel, string(id))
		return s, &out, err
	}
	if b.ReceivedAt.IsZero() {
		b.ReceivedAt = f.Now.UTC
	}
	return s, nil, nil
}

func orNothing(o *Outcome) Outcome {
	if o == nil {
		return Outcome{}
	}
	return *o
}

// ErrAskAgain is what a decision answers when the record has moved on since the world was asked: somebody has voted about
// whom nothing was asked. The caller asks again and decides anew.
var ErrAskAgain = errString("somebody has voted meanwhile who was not asked about")

// deny ends the request, or counts: then it ends when the quorum has become impossible. While others can still be asked it has not; Tick
// asks them at once.
func (t *turn) deny(b Ballot) {
	if st := t.open(); st != nil && t.isPossible(st) {
		return
	}
	t.add(b.By, Denied{Stage: b.Stage})
}

// unsure tells whether the vote that would close its stage has to wait, because the world could not be asked what comes
// after it, or because nothing can be granted just now. Not knowing is not the same as knowing that nobody is there: the request stays open
// and the click can be repeated.
func (s *State) unsure(b Ballot, voters []PersonID) (*Refusal, error) {
	switch {
	case b.WorkflowGone != "":
		return nil, nil
	case b.Stage+1 < len(s.Stages):
		if b.Rosters.Failed {
			return Refuse(CodeDirectory, "I could not find out who decides the next stage just now, so nothing was recorded.", "Try again in a minute."), nil
		}
		return nil, nil
	}
	for _, p := range voters {
		standing, asked := b.Voters[p]
		switch {
		case !asked:
			return nil, ErrAskAgain
		case !standing.Known:
			return Refuse(CodeDirectory, "I could not check those who approved before you just now, so nothing was recorded.", "Try again in a minute."), nil
		}
	}
	switch {
	case b.Frozen != "":
		return Refusef(CodeFreeze, "The request stays open: decide when it is over.", "The change freeze %s is in force, so nothing can be granted now.", b.Frozen), nil
	case b.Conflict != "":
		return Refuse(CodeConflict, b.Conflict, "The request stays open: its holder has to give that back first."), nil
	}
	return nil, nil
}

// advance opens the next stage, or asks every voter again and approves.
func (t *turn) advance(b Ballot, voters []PersonID) {
	if b.WorkflowGone == "" && b.Stage+1 < len(t.Stages) {
		t.openStage(b.Stage+1, b.Rosters)
		return
	}
	t.finish(b.By, voters, Final{Voters: b.Voters, Grant: b.Grant, Gone: b.WorkflowGone, Frozen: b.Frozen, Conflict: b.Conflict}, t.answers(b))
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

// refuseVote gives the seat by which somebody decides, or says why they cannot.
func (s *State) refuseVote(b Ballot) (Seat, *Refusal) {
	p := b.By.Person
	if r := b.Standing.Refusal(); r != nil {
		return Seat{}, r
	}
	if s.behind(p) {
		return Seat{}, Refuse(CodeSelfApproval, "You stand behind this request yourself, so you cannot decide it.", "Somebody else on the list has to.")
	}
	if s.Final() {
		r := s.refuseDecided(p)
		if s.Status == StatusApproved && b.Verdict == Deny {
			r.Next = "Revoke the access instead: those who approved it, the target's owner and security can."
		}
		return Seat{}, r
	}
	st := s.open()
	switch {
	case st == nil:
		return Seat{}, Refuse(CodeStale, "No stage of this request is open.", "Look at the card again.")
	case st.TimesOutAt != 0 && b.ReceivedAt >= st.TimesOutAt:
		return Seat{}, Refuse(CodeLate, "The deadline of this stage had passed when your click arrived.", "Ask the requester to submit again.")
	case b.Stage >= 0 && b.Stage < s.Current && s.Stages[b.Stage].HasVoted(p):
		return Seat{}, Refuse(CodeAlreadyVoted, "Your decision on that stage is already recorded; the request has gone on.", "You can take it back until the access starts.")
	case b.Stage != s.Current || b.Shown != s.Shown(s.Current):
		return Seat{}, Refuse(CodeStale, "What you were shown is not what would be decided now.", "Look at the fresh card and decide there.")
	}
	return s.refuseVoter(st, b)
}

func (s *State) refuseVoter(st *StageState, b Ballot) (Seat, *Refusal) {
	seat, r := s.pick(st, b.By.Person, b.ReceivedAt, b.Verdict)
	switch {
	case r != nil && r.Code == CodeNotApprover:
		return seat, r
	case !b.Standing.Selected:
		return seat, Refuse(CodeNotApprover, "You were asked, but you are no longer among the approvers of this stage.", "")
	case r != nil:
		return seat, r
	case b.Verdict != Approve && b.Verdict != Deny && b.Verdict != Counter:
		return seat, Refuse(CodeStale, "That button is not known.", "Look at the fresh card and decide there.")
	case b.Verdict == Approve && st.Plan.Kind == StageConsent:
		return seat, Refuse(CodeStale, "This stage waits for objections only.", "If you have none, there is nothing to do.")
	case ByMachine(b.Authn):
		return seat, Refuse(CodeNotHuman, "That came with the session of a machine, and no machine decides.", "Somebody who was asked decides, themselves.")
	case s.lacksStepUp(b.Verdict, b.Authn):
		return seat, s.refuseClick()
	}
	return seat, nil
}

// machineSession stands in what authenticated a workload, behind how it proved itself: "oidc/s_…". No way in which a person proves anything has it.
const machineSession = "/s_"

// ByMachine tells whether somebody was authenticated with the session of a workload or an agent, whose token carries nobody's presence.
func ByMachine(authn string) bool { return strings.Contains(authn, machineSession) }

// refuseReason refuses a decision that lacks the reason it needs.
func (w *Workflow) refuseReason(b Ballot) *Refusal {
	verb := map[Verdict]string{Approve: VerbApprove, Deny: VerbDeny, Counter: VerbCounter}[b.Verdict]
	switch {
	case b.Verdict == Deny && strings.TrimSpace(b.Reason) == "":
		return Refuse(CodeReasonNeeded, "A denial needs a reason: the requester will read it.", "")
	case w.Demands(verb) && strings.TrimSpace(b.Reason) == "":
		return Refuse(CodeReasonNeeded, "This chain wants a reason for that decision.", "")
	case len([]rune(b.Reason)) > MaxDenyReason:
		return Refusef(CodeTooLong, "", "A reason has at most %d characters.", MaxDenyReason)
	}
	return nil
}

func (s *State) refuseDecided(p PersonID) *Refusal {
	for i := range s.Stages {
		if s.Stages[i].HasVoted(p) {
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

func (s *State) vote(b Ballot, seat Seat) VoteRecorded {
	return VoteRecorded{
		Stage: b.Stage, Verdict: b.Verdict, Reason: b.Reason, Digest: s.Asked.Digest, Shown: b.Shown,
		Authn: b.Authn, Channel: b.Channel, Payload: b.Payload, ReceivedAt: b.ReceivedAt,
		Answers: s.answers(b), Sponsor: s.Asked.Sponsor, Drill: s.Asked.Drill, For: seat.For,
		Opened: s.Stages[b.Stage].openedBy(b.By.Person, b.ReceivedAt),
	}
}

// question are the first two of the three separate answers of a decision (R59), in ids only.
func (s *State) question() Answers {
	what := string(s.Asked.Target) + "/" + string(s.Asked.Entitlement)
	switch s.Asked.Request {
	case KindPreapprove:
		what = "runbook " + string(s.Asked.Runbook) + " " + string(s.Asked.Document)
	case KindRoutine:
		return Answers{
			Who:  fmt.Sprintf("%s asks, by %s", s.Requester.Person, s.Asked.Authn),
			What: fmt.Sprintf("carry out runbook %s %s about %s within %s", s.Asked.Runbook, s.Asked.Document, s.Asked.Subject, s.Asked.Seconds),
		}
	case KindWindow:
		what = "a standing window of " + what
	case KindException:
		what = "an exception on " + what
	case KindLife:
		return Answers{
			Who:  fmt.Sprintf("%s asks, by %s", s.Requester.Person, s.Asked.Authn),
			What: fmt.Sprintf("%s %s on %s until %s from now", lifeWords(s.Asked), s.Whose(), what, s.Asked.Seconds),
		}
	case KindActAs:
		what = "the right to act as an identity by " + what
	}
	return Answers{
		Who:  fmt.Sprintf("%s asks for %s, by %s", s.Requester.Person, s.Asked.Subject, s.Asked.Authn),
		What: fmt.Sprintf("hold %s for %s", what, s.Asked.Seconds),
	}
}

// answers are all three for one vote.
func (s *State) answers(b Ballot) Answers {
	a := s.question()
	a.Now = fmt.Sprintf("stage %d of %d (%s) is open until %s; %s said %s, by %s", b.Stage+1, len(s.Stages),
		s.Stages[b.Stage].Plan.Name, s.Stages[b.Stage].TimesOutAt, b.By.Person, b.Verdict, b.Authn)
	return a
}
