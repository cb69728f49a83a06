package screens

import (
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

func (a Access) sentence(l Locale) string {
	switch a.Status {
	case "approved":
		return l.Say("*⏳ Access is being made.* It ends at %s.", l.When(a.Ends))
	case "active":
		return l.Say("*✅ Access is on.* It ends by itself at %s (%s).", l.When(a.Ends), l.Ago(a.Ends)) + a.unverified(l) + a.sessions(l)
	case "ending":
		if a.Overdue {
			return l.Of("*⚠️ Access could not be taken back yet.* It is tried until it is gone, and its owners are told.")
		}
		return l.Of("*⏳ Access is being taken back.*")
	case "failed":
		return l.Say("*⚠️ The access could not be made.* %s", Escape(l.Filled(a.Failure)))
	}
	return "*" + a.ended(l) + "*" + a.verified(l)
}

// sessions says who uses active access now, where the target tells.
func (a Access) sessions(l Locale) string {
	switch {
	case a.Silent:
		return "\n" + l.Of("This target does not tell who uses the access.")
	case len(a.Sessions) == 0:
		return ""
	}
	lines := make([]string, 0, maxLiveSessions)
	for _, s := range a.Sessions[:min(len(a.Sessions), maxLiveSessions)] {
		lines = append(lines, "• "+Escape(s))
	}
	if more := len(a.Sessions) - len(lines); more > 0 {
		lines = append(lines, l.Say("and %d more", more))
	}
	return "\n*" + l.Of("In use now") + "*\n" + strings.Join(lines, "\n")
}

// unverified says what nobody can tell about active access.
func (a Access) unverified(l Locale) string {
	if a.Unverified == "" {
		return ""
	}
	return "\n" + l.Say("⚠️ Not verified since %s: %s", l.When(a.Since), Escape(l.Filled(a.Unverified)))
}

// ended says how it ended, in words.
func (a Access) ended(l Locale) string {
	at := l.When(a.EndedAt)
	switch {
	case a.How == "returned" && a.By.Name != "":
		return l.Say("➖ Access given back by %s at %s.", a.By.Mention(), at)
	case a.How == "returned":
		return l.Say("➖ Access given back at %s.", at)
	case a.How == "revoked" && a.By.Name != "":
		return l.Say("⛔ Access revoked by %s at %s.", a.By.Mention(), at)
	case a.How == "revoked" && a.Why != "":
		return l.Say("⛔ Access revoked at %s. %s", at, Escape(l.Filled(a.Why)))
	case a.How == "revoked":
		return l.Say("⛔ Access revoked at %s.", at)
	default:
		return l.Say("➖ Access expired at %s.", at)
	}
}

func (a Access) verified(l Locale) string {
	switch {
	case a.Kept:
		return " " + l.Of("The membership stays, because another grant still needs it.")
	case a.Presence == "absent":
		return " " + l.Of("Verified: reading the target back found it gone.")
	case a.Presence == "by_hand":
		return " " + l.Of("A person says that they removed it by hand; the target is asked until it confirms that.")
	case a.Presence == "unconfirmed":
		return " " + l.Of("Unconfirmed: the target could not tell yet whether it is gone. It is asked again until it can.")
	}
	return ""
}

// leaves says what a revocation does not end; people must know before they rely on it.
func (a Access) leaves(l Locale) string {
	if a.Leaves == "" || a.Status == "failed" {
		return ""
	}
	s := strings.TrimSuffix(strings.TrimSpace(a.Leaves), ".")
	return l.Say("What taking it back does not end: %s.", Escape(s))
}
