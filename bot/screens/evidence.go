package screens

import (
	"fmt"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Callbacks and inputs of the card of a credential, and of the form for one that leaked.
const (
	CallEvidence = "evidence.lock"
	CallLeak     = "leak.fill"

	BlockLeakSecret = "leak_secret"
	BlockLeakPlace  = "leak_place"
	BlockLeakForm   = "leak_form"
)

// Evidence is the card of one credential or other non-human identity.
type Evidence struct {
	ID, Name, Kind, State string
	Owner, Backup         string   // markup: mentions, or a team's name; empty: nobody
	Revokers              []string // markup
	Attested, ReviewBy    workflows.Stamp
	Purpose, Ticket       string
	Where                 string // target, environment
	Scope                 []string
	Stored                string
	Every                 workflows.Span
	Rotated, RotateBy     workflows.Stamp
	Rotating              workflows.Stamp // until when its secret has to be replaced; zero: nothing is open
	LastUsed, Ends        workflows.Stamp
	Measured              int
	P50, P95              time.Duration
	LastDrill             workflows.Stamp
	Approvals             []string // markup, newest first
	Held, Sessions        int
	Findings              []string // codes
	Blanks                []string // sentences
	Meta                  string   // of the form that takes everything away; empty: the reader may not
}

// Render draws the card as a modal. Sending it takes everything away from the identity.
func (e Evidence) Render() slackgo.ModalViewRequest {
	blocks := []slackgo.Block{
		section("*" + label(orDash(e.Name, e.ID)) + "* " + code(e.ID) + "\n" + Escape(strings.ReplaceAll(e.Kind, "_", " ")) + ", " + Escape(e.State)),
	}
	blocks = append(blocks, facts([]Pair{
		{"Owner", orDash(e.Owner, "nobody") + "\nbackup: " + orDash(e.Backup, "nobody")},
		{"Attested", day(e.Attested, "never") + ", next by " + day(e.ReviewBy, "no date")},
		{"Can take it back", orDash(strings.Join(e.Revokers, ", "), "nobody")},
		{"Measured revocation", e.measured()},
		{"Secret", Escape(orDash(e.Stored, "nobody knows where")) + e.rotation()},
		{"Used, ends", "last used " + day(e.LastUsed, "not known") + "\nends " + day(e.Ends, "never")},
		{"On", Escape(orDash(e.Where, "no target")) + "\n" + Escape(short(strings.Join(e.Scope, ", "), 300))},
		{"Held now", plural(e.Held, "grant", "grants") + ", " + plural(e.Sessions, "open session", "open sessions")},
	})...)
	blocks = append(blocks, section("*What for*\n"+Escape(orDash(e.Purpose, "not on record"))+"\nTicket: "+Escape(orDash(e.Ticket, "none"))))
	blocks = append(blocks, section(listing("*Who approved it*", orNone(e.Approvals, "Nothing on record."), 5)))
	if len(e.Blanks)+len(e.Findings) > 0 {
		lines := make([]string, 0, len(e.Blanks)+1)
		if len(e.Findings) > 0 {
			lines = append(lines, "⚠️ "+Escape(strings.ReplaceAll(strings.Join(e.Findings, ", "), "_", " ")))
		}
		for _, b := range e.Blanks {
			lines = append(lines, "⚠️ "+Escape(b))
		}
		blocks = append(blocks, section(listing("*Findings*", lines, listLines)))
	}
	if e.Meta == "" {
		return modal(CallResult, "Evidence", "", blocks...)
	}
	blocks = append(
		blocks, divider(),
		section("⛔ *Take everything away now.* Sending this ends everything that it holds on all targets, ends sessions where the target can, and lets it ask for nothing until two people lift that. Closing it changes nothing."),
		area(BlockReason, "Why", "Kept beside the ledger and erasable.", 5, workflows.MaxReason, false),
	)
	v := modal(CallEvidence, "Evidence", "Quarantine it", blocks...)
	v.PrivateMetadata = e.Meta
	return v
}

func (e Evidence) measured() string {
	if e.Measured == 0 {
		return "never measured"
	}
	s := fmt.Sprintf("p50 %s, p95 %s (%s)", seconds(e.P50), seconds(e.P95), plural(e.Measured, "time", "times"))
	if e.LastDrill != 0 {
		s += "\nlast drill " + day(e.LastDrill, "")
	}
	return s
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func (e Evidence) rotation() string {
	s := "\nreplaced " + day(e.Rotated, "not known")
	if e.Every > 0 {
		s += ", every " + e.Every.String() + ", next by " + day(e.RotateBy, "not known")
	}
	if e.Rotating != 0 {
		s += "\n*to be replaced by " + When(e.Rotating) + "*"
	}
	return s
}

func day(at workflows.Stamp, never string) string {
	if at == 0 {
		return never
	}
	return at.Time().Format(time.DateOnly)
}

func orDash(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

func orNone(lines []string, none string) []string {
	if len(lines) == 0 {
		return []string{none}
	}
	return lines
}

// LeakForm asks what was seen and where. What is typed as the secret is turned into a fingerprint before anything keeps it.
func LeakForm() slackgo.ModalViewRequest {
	return modal(
		CallLeak, "Report a leak", "Report",
		section("Something secret was seen where it must not be? Report it here. The secret itself is never kept: it is turned into a keyed fingerprint as it arrives, compared with what is on record, and dropped."),
		area(BlockLeakSecret, "The secret, its fingerprint, its serial or its last characters", "Paste what you found. Empty: you can say only where.", 0, 3000, true),
		area(BlockLeakPlace, "Where did you see it?", "A link, a file and line, a channel. Kept beside the ledger and erasable.", 3, 1000, false),
		area(BlockLeakForm, "What does it look like?", "Such as: database password, cloud key. Never the secret itself.", 0, 100, true),
	)
}

// LeakAnswer says what became of a report. What the reporter may not see of the inventory is not in it.
func LeakAnswer(matched []string, shadow, incident string, again, sees bool) Message {
	switch {
	case again:
		return Say("✅ *Thank you.* This was reported before and is on record.")
	case len(matched) > 0 && sees:
		return Say("🚨 *Thank you.* It belongs to " + code(strings.Join(matched, ", ")) + ". Incident " + code(incident) + " is open, its secret has to be replaced, and who answers for it is being told. " +
			"Look at it and lock it with " + code("/access who "+matched[0]) + ".")
	case len(matched) > 0:
		return Say("🚨 *Thank you.* It is on record. Incident " + code(incident) + " is open, the secret has to be replaced, and who answers for it is being told.")
	case sees:
		return Say("⚠️ *Thank you.* Nobody had it on record: it stands in the inventory as " + code(shadow) + ", a shadow credential, until somebody answers for it or it is gone.")
	}
	return Say("⚠️ *Thank you.* It is on record, and security is being told.")
}
