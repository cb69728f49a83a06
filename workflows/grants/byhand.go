package grants

import (
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// RemovedByHand says that a named human took access away on the target because the bot could not. The target is asked for as long as it takes
// whether that is so; if it says that the access is still there, taking back goes on.
type RemovedByHand struct {
	Grant   workflows.GrantID `json:"grant"`
	Why     string            `json:"why,omitempty" seal:"true"` // how, and how they know
	Authn   string            `json:"authn"`
	Channel string            `json:"channel"`
}

// Kind names for the ledger.
func (RemovedByHand) Kind() string { return "grant.removed_by_hand" }

// presenceByHand is a revocation that a human stands for and the target has not confirmed.
const presenceByHand = "by_hand"

// ByHand is somebody who says that they removed access themselves.
type ByHand struct {
	By       workflows.Acting
	Standing workflows.Standing
	Security bool // holds the security role
	Why      string
	Authn    string
	Channel  string
}

// RemoveByHand records that a human removed what the bot could not. The target's owner and security may, never whoever holds the access or
// asked for it, and only while a revocation is overdue: a human's word is worth less than reading the target back.
func RemoveByHand(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID, by ByHand) (workflows.Outcome, error) {
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return workflows.Outcome{}, err
	}
	h, ok := s.Find(id)
	if no := h.refuseByHand(ok, by); no != nil {
		on := stream
		if !ok {
			on = workflows.SystemStream
		}
		return workflows.RefuseOn(on, by.By, "removed-by-hand", by.Channel, string(id), no), nil
	}
	var out workflows.Outcome
	out.Add(stream, by.By, "", RemovedByHand{Grant: id, Why: strings.TrimSpace(by.Why), Authn: by.Authn, Channel: by.Channel})
	return out, nil
}

func (h Hold) refuseByHand(found bool, by ByHand) *workflows.Refusal {
	if r := by.Standing.Refusal(); r != nil {
		return r
	}
	switch {
	case !found || !by.Security && by.By.Person != h.Approved.Owner:
		return workflows.Refuse(workflows.CodeNotYours, "There is no such access, or it is not yours to answer for.", "The target's owner and security can say that they removed it.")
	case h.isHeldBy(by.By.Person):
		return workflows.Refuse(workflows.CodeNotYours, "This is your own access, so somebody else has to say that it is gone.", "The target's owner and security can.")
	case h.Status != StatusEnding:
		return workflows.Refuse(workflows.CodeNotActive, "This access is not waiting to be taken back.", "Revoke it first.")
	case h.Level == 0:
		return workflows.Refuse(workflows.CodeNotActive, "The bot is still taking this access back.", "Say so when it has been trying for a minute without success.")
	case strings.TrimSpace(by.Why) == "":
		return workflows.Refuse(workflows.CodeReasonNeeded, "Say how you removed it and how you know that it is gone.", "")
	}
	return nil
}

// StillThere takes access back again that a human said was gone, and that reading the target back finds.
func StillThere(f workflows.Facts, stream workflows.StreamID, id workflows.GrantID) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := Fold(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if h, ok := s.Find(id); ok && h.Status == StatusEnded && h.Presence == presenceByHand {
		out.Add(stream, workflows.System, "", s.ending(h, h.How, "the target says that it is still there"))
	}
	return out, nil
}
