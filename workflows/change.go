package workflows

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Change is a command on a request that is no vote: withdraw, take back.
type Change struct {
	By          Acting
	Why         string
	Channel     string
	Standing    Standing
	Started     bool // the grant has started: a vote can no longer be taken back
	NeedsReason bool // the workflow demands one for this verb: see Workflow.Demands
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
	t := newTurn(s, id, f.Now)
	t.add(c.By, Withdrawn{Why: c.Why})
	return t.done()
}

// TakeBack withdraws the person's own approval until the access starts. In the open stage the vote simply no longer
// counts; behind a closed stage, which never reopens, it ends the request as superseded.
func TakeBack(f Facts, id RequestID, c Change) (Outcome, error) {
	stream := RequestStream(id)
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return unknownOr(err, c.By, "take back", c.Channel, string(id))
	}
	refuse := func(r *Refusal) (Outcome, error) {
		return RefuseOn(stream, c.By, "take back", c.Channel, "", r), nil
	}
	stage := s.approvedIn(c.By.Person)
	ended := s.Final() && s.Status != StatusApproved
	switch {
	case stage < 0:
		return refuse(Refuse(CodeNoVote, "No approval of yours stands on this request.", ""))
	case ended:
		return refuse(s.refuseDecided(c.By.Person))
	case c.Started:
		return refuse(Refuse(CodeDecided, "The access has started, so the approval cannot be taken back.", "You can revoke the access instead."))
	case c.NeedsReason && strings.TrimSpace(c.Why) == "":
		return refuse(Refuse(CodeReasonNeeded, "This chain wants a reason for taking an approval back.", ""))
	}
	t := newTurn(s, id, f.Now)
	t.add(c.By, VoteTakenBack{Stage: stage, Why: c.Why})
	if stage != s.Current {
		t.add(System, Superseded{Code: CodeNoVote, Why: "An approval was taken back before the access started."})
	}
	return t.done()
}

// approvedIn is the last stage in which an approval of the person stands, or -1.
func (s *State) approvedIn(p PersonID) int {
	for i := len(s.Stages) - 1; i >= 0 && p != ""; i-- {
		if containsPerson(s.Stages[i].Approvals(), p) {
			return i
		}
	}
	return -1
}

// Remark is somebody's note on a request that they may see; the caller has looked at that.
type Remark struct {
	By      Acting
	Text    string
	Channel string
}

// commentsFor is how long after its end a request still takes notes: time for an afterthought, not for a second conversation.
const commentsFor = 30 * 24 * time.Hour

// Comment adds a note. It decides nothing.
func Comment(f Facts, id RequestID, c Remark) (Outcome, error) {
	s, err := Fold(f.Histories[RequestStream(id)])
	if err != nil {
		return unknownOr(err, c.By, "comment", c.Channel, string(id))
	}
	text := strings.TrimSpace(c.Text)
	var r *Refusal
	switch {
	case c.By.Person == "":
		r = Unknown()
	case text == "" || hasControl(text):
		r = Refuse(CodeBadField, "A note needs words, without control and direction-changing characters.", "")
	case utf8.RuneCountInString(text) > MaxReason:
		r = Refusef(CodeTooLong, "", "A note has at most %d characters.", MaxReason)
	case len(s.Comments) >= MaxComments:
		r = Refusef(CodeTooMany, "Talk in the channel.", "This request has %d notes already.", len(s.Comments))
	case s.Final() && f.Now.UTC > s.EndedAt.UTC.Add(commentsFor):
		r = Refuse(CodeDecided, "This request ended more than 30 days ago.", "Ask anew if something is left to do.")
	}
	if r != nil {
		return RefuseOn(RequestStream(id), c.By, "comment", c.Channel, "", r), nil
	}
	t := newTurn(s, id, f.Now)
	t.add(c.By, Commented{Text: text, Channel: c.Channel})
	return t.done()
}
