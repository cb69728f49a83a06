package screens

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Access is what an approved request brought about.
type Access struct {
	Status   string // approved, active, ending, ended, failed: workflows/grants' words
	Ends     workflows.Stamp
	EndedAt  workflows.Stamp
	How      string // expired, returned, revoked
	By       Person // who ended it early
	Presence string // absent or unconfirmed, after a revocation
	Kept     bool   // the membership stays for another grant
	Leaves   string // what a revocation does not end, one sentence
	Failure  string
	Overdue  bool

	Sessions []string // who uses it now, in words; not markup
	Silent   bool     // the target does not tell who uses it

	Why        string          // why it was revoked, in words without names where the bot did it
	Unverified string          // what nobody can tell about it now; empty: all was told
	Since      workflows.Stamp // of that
}

func (a Access) sentence() string {
	switch a.Status {
	case "approved":
		return "*⏳ Access is being made.* It ends at " + When(a.Ends) + "."
	case "active":
		return "*✅ Access is on.* It ends by itself at " + When(a.Ends) + " (" + Ago(a.Ends) + ")." + a.unverified() + a.sessions()
	case "ending":
		s := "*⏳ Access is being taken back.*"
		if a.Overdue {
			s = "*⚠️ Access could not be taken back yet.* It is tried until it is gone, and its owners are told."
		}
		return s
	case "failed":
		return "*⚠️ The access could not be made.* " + Escape(a.Failure)
	}
	return "*" + a.ended() + "*" + a.verified()
}

// sessions says who uses active access now, where the target tells.
func (a Access) sessions() string {
	switch {
	case a.Silent:
		return "\nThis target does not tell who uses the access."
	case len(a.Sessions) == 0:
		return ""
	}
	lines := make([]string, 0, maxLiveSessions)
	for _, s := range a.Sessions[:min(len(a.Sessions), maxLiveSessions)] {
		lines = append(lines, "• "+Escape(s))
	}
	if more := len(a.Sessions) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return "\n*In use now*\n" + strings.Join(lines, "\n")
}

// unverified says what nobody can tell about active access.
func (a Access) unverified() string {
	if a.Unverified == "" {
		return ""
	}
	return "\n⚠️ Not verified since " + When(a.Since) + ": " + Escape(a.Unverified)
}

// ended says how it ended, in words.
func (a Access) ended() string {
	at := " at " + When(a.EndedAt)
	switch {
	case a.How == "returned" && a.By.Name != "":
		return "➖ Access given back by " + a.By.Mention() + at + "."
	case a.How == "returned":
		return "➖ Access given back" + at + "."
	case a.How == "revoked" && a.By.Name != "":
		return "⛔ Access revoked by " + a.By.Mention() + at + "."
	case a.How == "revoked" && a.Why != "":
		return "⛔ Access revoked" + at + ". " + Escape(a.Why)
	case a.How == "revoked":
		return "⛔ Access revoked" + at + "."
	default:
		return "➖ Access expired" + at + "."
	}
}

func (a Access) verified() string {
	switch {
	case a.Kept:
		return " The membership stays, because another grant still needs it."
	case a.Presence == "absent":
		return " Verified: reading the target back found it gone."
	case a.Presence == "by_hand":
		return " A person says that they removed it by hand; the target is asked until it confirms that."
	case a.Presence == "unconfirmed":
		return " Unconfirmed: the target could not tell yet whether it is gone. It is asked again until it can."
	}
	return ""
}

// leaves says what a revocation does not end; people must know before they rely on it.
func (a Access) leaves() string {
	if a.Leaves == "" || a.Status == "failed" {
		return ""
	}
	s := strings.TrimSuffix(strings.TrimSpace(a.Leaves), ".")
	return "What taking it back does not end: " + Escape(s) + "."
}
