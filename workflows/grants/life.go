package grants

import (
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// A revocation that has not succeeded alarms its owners after the first span and everybody named after the second. It goes
// on for ever either way.
const (
	alarmAfter    = 60 * time.Second
	escalateAfter = 5 * time.Minute
)

// Start records what the target answered to a grant. Access that was given back while it was being made is to be taken
// back again: the call may have taken effect after the revocation, or after whatever kept the membership has ended.
func Start(f workflows.Facts, stream workflows.StreamID, e Started) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	h, ok := s.Find(e.Grant)
	if !ok || !h.may(e) {
		return out, nil
	}
	out.Add(stream, workflows.System, "", e)
	if h.Status == StatusEnded {
		out.Add(stream, workflows.System, "", s.ending(h, h.How, "made after it was taken back"))
	}
	return out, nil
}

// Fail records that the access will never be made. A shared membership that had been kept for it has nobody to keep it any
// more, unless another hold does.
func Fail(f workflows.Facts, stream workflows.StreamID, e Failed) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	i := s.index(e.Grant)
	if i < 0 || !s.Holds[i].may(e) {
		return out, nil
	}
	out.Add(stream, workflows.System, "", e)
	s.Holds[i].Status = StatusFailed
	for _, h := range s.Holds {
		if h.Status == StatusEnded && h.KeptBy == e.Grant {
			out.Add(stream, workflows.System, "", s.ending(h, h.How, "what kept it was never made"))
		}
	}
	return out, nil
}

// Attempt records a failed call: the first of each operation, so that the ledger says when the trouble began without growing
// for as long as it lasts.
func Attempt(f workflows.Facts, stream workflows.StreamID, e AttemptFailed) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	h, ok := s.Find(e.Grant)
	if ok && h.may(e) && !slices.Contains(h.FailedOps, e.Op) {
		out.Add(stream, workflows.System, "", e)
	}
	return out, nil
}

// EndBy is somebody who wants a grant ended before its time.
type EndBy struct {
	By       workflows.Acting
	Standing workflows.Standing
	Security bool // holds the security role
	How      string
	Why      string
	Channel  string

	NeedsReason bool // the workflow demands one for revoking: see workflows.Workflow.Demands
}

// End gives access back early (the holder's side) or revokes it (the target's owner, an approver, security).
func End(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID, by EndBy) (workflows.Outcome, error) {
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	h, ok := s.Find(id)
	refuse := func(r *workflows.Refusal) (workflows.Outcome, error) {
		on := stream
		if !ok {
			on = workflows.SystemStream
		}
		return workflows.RefuseOn(on, by.By, by.How, by.Channel, string(id), r), nil
	}
	switch {
	case !ok || !h.MayEnd(by.By.Person, by.Security):
		return refuse(workflows.Refuse(workflows.CodeNotYours, "There is no such access, or it is not yours to end.", "Its holder, the target's owner, those who approved it and security can."))
	case h.Status == StatusEnding || h.Status == StatusEnded || h.Status == StatusFailed:
		return refuse(workflows.Refuse(workflows.CodeNotActive, "This access has already ended.", ""))
	case by.How == HowRevoked && by.NeedsReason && strings.TrimSpace(by.Why) == "":
		return refuse(workflows.Refuse(workflows.CodeReasonNeeded, "Revoking this needs a reason.", ""))
	case by.How == HowReturned && !h.isHeldBy(by.By.Person):
		return refuse(workflows.Refuse(workflows.CodeNotYours, "This is somebody else's access, so you cannot be done with it.", "You can revoke it, and say why."))
	}
	var out workflows.Outcome
	out.Add(stream, by.By, "", s.ending(h, by.How, by.Why))
	return out, nil
}

// CallOff ends a grant because what stood behind it is gone, such as an approval that was taken back. It asks for nobody's
// standing; a shared membership that another hold needs is kept for that hold.
func CallOff(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID, by workflows.Acting, why string) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if h, ok := s.Find(id); ok && (h.Status == StatusApproved || h.Status == StatusActive) {
		out.Add(stream, by, "", s.ending(h, HowRevoked, why))
	}
	return out, nil
}

// isHeldBy tells whether the person is on the holder's side: the holder, or who asked on behalf of an identity.
func (h Hold) isHeldBy(p workflows.PersonID) bool {
	return p != "" && (p == h.Approved.Requester || p == h.Approved.Identity.Person())
}

// MayEnd tells who may end a grant: the holder's side, the target's owner, those whose approval made it, and security.
func (h Hold) MayEnd(p workflows.PersonID, security bool) bool {
	if p == "" {
		return false
	}
	a := h.Approved
	if security || h.isHeldBy(p) || p == a.Owner {
		return true
	}
	for _, x := range a.Approvers {
		if x == p {
			return true
		}
	}
	return false
}

// ending is the event that ends a hold; a shared membership that another live hold still needs is kept for it.
func (s State) ending(h Hold, how, why string) Ending {
	e := Ending{Grant: h.Approved.Grant, How: how, Why: why}
	if !h.Approved.Shared {
		return e
	}
	for _, o := range s.Holds {
		if o.Approved.Grant != e.Grant && (o.Status == StatusApproved || o.Status == StatusActive) && o.Approved.isSame(h.Approved) {
			e.KeptBy = o.Approved.Grant
		}
	}
	return e
}

// Tick ends what has run out and raises the alarm for what does not go away.
func Tick(f workflows.Facts, stream workflows.StreamID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	for i := range s.Holds {
		h := &s.Holds[i]
		switch {
		case (h.Status == StatusApproved || h.Status == StatusActive) && f.Now.Reached(h.Ends):
			e := s.ending(*h, HowExpired, "")
			out.Add(stream, workflows.System, "", e)
			h.Status = StatusEnding // so that two holds that end at once do not keep each other
		case h.Status == StatusActive && f.Now.Reached(h.unverifiedEnds()):
			x, _ := h.Unverified()
			out.Add(stream, workflows.System, "", s.ending(*h, HowRevoked, x.stale(h.Approved.MaxUnverified)))
			h.Status = StatusEnding
		case h.Status == StatusEnding && h.alarmAt() != 0 && f.Now.UTC.After(h.alarmAt()):
			out.Add(stream, workflows.System, "", Overdue{Grant: h.Approved.Grant, Level: h.Level + 1})
		}
	}
	return out, nil
}

func (h Hold) alarmAt() workflows.Stamp {
	switch h.Level {
	case 0:
		return h.EndingAt.UTC.Add(alarmAfter)
	case 1:
		return h.EndingAt.UTC.Add(escalateAfter)
	}
	return 0
}

// Recheck finishes a revocation that could not be confirmed when it was made.
func Recheck(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if h, ok := s.Find(id); ok && h.confirms() { // not what was made meanwhile, and is taken back anew
		out.Add(stream, workflows.System, "", Verified{Grant: id})
	}
	return out, nil
}

// Revoke records that the target took the access back. If the target's answer to the grant came in while this call was under
// way, nobody knows which of the two took effect last: then this is no revocation yet, and it is taken back once more. If that answer came in
// later still, when the revocation stood on record, taking back what was made after it is its reading back: the record says once that it was revoked.
func Revoke(f workflows.Facts, stream workflows.StreamID, e Revoked) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	h, ok := s.Find(e.Grant)
	if !ok || !h.may(e) {
		return out, nil
	}
	if h.crossed() {
		out.Add(stream, workflows.System, "", s.ending(h, h.How, whyCrossed))
		return out, nil
	}
	if h.RevokedSeq > 0 {
		again := Verified{Grant: e.Grant, Facts: e.Facts}
		if e.Presence != presenceAbsent {
			again.Presence = e.Presence
		}
		out.Add(stream, workflows.System, "", again)
		return out, nil
	}
	out.Add(stream, workflows.System, "", e)
	return out, nil
}
