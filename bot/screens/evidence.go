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
	Method                string   // how its secret is replaced; empty: nobody can say
	Silent                string   // where it is not told who uses it; empty: everywhere
	Hint                  string   // whom the target names as owner, while nobody answers for it
	App                   *App     // nil: it is none
	Kill                  string   // how it is taken off its target; empty: that is not one thing to do
	In                    Locale
}

// App is what is known of something of somebody else's that works for the company.
type App struct {
	Vendor, Reach string
	Business      string // markup
	Grown         []string
}

// Render draws the card as a modal. Sending it takes everything away from the identity.
func (e Evidence) Render() slackgo.ModalViewRequest {
	l := e.In
	blocks := []slackgo.Block{
		section("*" + label(orDash(e.Name, e.ID)) + "* " + code(e.ID) + "\n" + l.identityKind(strings.ReplaceAll(e.Kind, "_", " ")) + ", " + l.identityState(e.State)),
	}
	nobody := l.Of("nobody")
	blocks = append(blocks, facts([]Pair{
		{l.Of("Owner"), orDash(e.Owner, nobody) + e.hint() + "\n" + l.Say("backup: %s", orDash(e.Backup, nobody))},
		{l.Of("Attested"), l.Say("%s, next by %s", day(e.Attested, l.Of("never")), day(e.ReviewBy, l.Of("no date")))},
		{l.Of("Can take it back"), orDash(strings.Join(e.Revokers, ", "), nobody)},
		{l.Of("Measured revocation"), e.measured()},
		{l.Of("Secret"), Escape(orDash(e.Stored, l.Of("nobody knows where"))) + e.rotation()},
		{l.Of("Used, ends"), l.Say("last used %s\nends %s", day(e.LastUsed, l.Of("not known")), day(e.Ends, l.Of("never")))},
		{l.Of("On"), Escape(orDash(e.Where, l.Of("no target"))) + "\n" + Escape(short(strings.Join(e.Scope, ", "), 300))},
		{l.Of("Held now"), l.count(e.Held, "%d grant", "%d grants") + ", " + e.sessions()},
	})...)
	blocks = append(blocks, e.app()...)
	blocks = append(blocks, section(l.Say("*What for*\n%s\nTicket: %s", Escape(orDash(e.Purpose, l.Of("not on record"))), Escape(orDash(e.Ticket, l.Of("none"))))))
	blocks = append(blocks, section(l.listing("*"+l.Of("Who approved it")+"*", orNone(e.Approvals, l.Of("Nothing on record.")), 5)))
	if len(e.Blanks)+len(e.Findings) > 0 {
		lines := make([]string, 0, len(e.Blanks)+1)
		if len(e.Findings) > 0 {
			lines = append(lines, "⚠️ "+Escape(strings.ReplaceAll(strings.Join(e.Findings, ", "), "_", " ")))
		}
		for _, b := range e.Blanks {
			lines = append(lines, "⚠️ "+Escape(l.Filled(b)))
		}
		blocks = append(blocks, section(l.listing("*"+l.Of("Findings")+"*", lines, listLines)))
	}
	if e.Meta == "" {
		return l.modal(CallResult, l.Of("Evidence"), "", blocks...)
	}
	blocks = append(
		blocks, divider(),
		section(l.Of("⛔ *Take everything away now.* Sending this ends everything that it holds on all targets, ends sessions and locks its account where the target can, and lets it ask for nothing until two people lift that. Closing it changes nothing.")),
		area(BlockReason, l.Of("Why"), l.Of("Kept beside the ledger and erasable."), 5, workflows.MaxReason, false),
	)
	v := l.modal(CallEvidence, l.Of("Evidence"), l.Of("Quarantine it"), blocks...)
	v.PrivateMetadata = e.Meta
	return v
}

// hint is whom the target names, for who looks for an owner.
func (e Evidence) hint() string {
	if e.Hint == "" {
		return ""
	}
	return "\n" + e.In.Say("its target names %s: a hint, which decides nothing", code(e.Hint))
}

func (e Evidence) sessions() string {
	s := e.In.count(e.Sessions, "%d open session", "%d open sessions")
	if e.Silent != "" {
		s += "\n" + e.In.Say("sessions cannot be told: %s", Escape(e.Silent))
	}
	return s
}

// app is the record of a third-party app, and what kills it.
func (e Evidence) app() []slackgo.Block {
	l := e.In
	var lines []string
	if a := e.App; a != nil {
		missing := l.Of("not on record")
		lines = append(lines, l.Say("*Third-party app*\nvendor: %s; reaches: %s; business owner: %s", Escape(orDash(a.Vendor, missing)), Escape(orDash(a.Reach, missing)), orDash(a.Business, l.Of("nobody"))))
		if len(a.Grown) > 0 {
			lines = append(lines, "⚠️ "+l.Say("its scopes grew since it was looked at: %s", Escape(short(strings.Join(a.Grown, ", "), 300))))
		}
	}
	if e.Kill != "" {
		lines = append(lines, l.Say("To take it off where it works, at once: `/access identity %s kill REASON` (%s)", Escape(e.ID), Escape(e.Kill)))
	}
	if len(lines) == 0 {
		return nil
	}
	return []slackgo.Block{section(strings.Join(lines, "\n"))}
}

func (e Evidence) measured() string {
	l := e.In
	if e.Measured == 0 {
		return l.Of("never measured")
	}
	s := fmt.Sprintf("p50 %s, p95 %s (%s)", seconds(e.P50), seconds(e.P95), l.count(e.Measured, "%d time", "%d times"))
	if e.LastDrill != 0 {
		s += "\n" + l.Say("last drill %s", day(e.LastDrill, ""))
	}
	return s
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func (e Evidence) rotation() string {
	l := e.In
	s := "\n" + l.Say("replaced %s", day(e.Rotated, l.Of("not known")))
	if e.Every > 0 {
		s += l.Say(", every %s, next by %s", e.Every, day(e.RotateBy, l.Of("not known")))
	}
	method := Escape(e.Method)
	if e.Method == "" {
		method = l.Of("nobody can say how it is replaced")
	}
	s += "\n" + method
	if e.Rotating != 0 {
		s += "\n*" + l.Say("to be replaced by %s", l.When(e.Rotating)) + "*"
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
func (l Locale) LeakForm() slackgo.ModalViewRequest {
	return l.modal(
		CallLeak, l.Of("Report a leak"), l.Of("Report"),
		section(l.Of("Something secret was seen where it must not be? Report it here. The secret itself is never kept: it is turned into a keyed fingerprint as it arrives, compared with what is on record, and dropped.")),
		area(BlockLeakSecret, l.Of("The secret, its fingerprint, its serial or its last characters"), l.Of("Paste what you found. Empty: you can say only where."), 0, 3000, true),
		area(BlockLeakPlace, l.Of("Where did you see it?"), l.Of("A link, a file and line, a channel. Kept beside the ledger and erasable."), 3, 1000, false),
		area(BlockLeakForm, l.Of("What does it look like?"), l.Of("Such as: database password, cloud key. Never the secret itself."), 0, 100, true),
	)
}

// LeakAnswer says what became of a report. What the reporter may not see of the inventory is not in it.
func (l Locale) LeakAnswer(matched, grants []string, shadow, incident string, again, sees bool) Message {
	switch {
	case again:
		return Say(l.Of("✅ *Thank you.* This was reported before and is on record."))
	case len(grants) > 0 && sees:
		return Say(l.Say("🚨 *Thank you.* It came with access %s. Incident %s is open, that access is being taken back, and its holder is being told.", code(strings.Join(grants, ", ")), code(incident)))
	case len(grants) > 0:
		return Say(l.Say("🚨 *Thank you.* It is on record. Incident %s is open, what it opens is being taken back, and who answers for it is being told.", code(incident)))
	case len(matched) > 0 && sees:
		return Say(l.Say("🚨 *Thank you.* It belongs to %s. Incident %s is open, its secret has to be replaced, and who answers for it is being told. Look at it and lock it with %s.",
			code(strings.Join(matched, ", ")), code(incident), code("/access who "+matched[0])))
	case len(matched) > 0:
		return Say(l.Say("🚨 *Thank you.* It is on record. Incident %s is open, the secret has to be replaced, and who answers for it is being told.", code(incident)))
	case sees:
		return Say(l.Say("⚠️ *Thank you.* Nobody had it on record: it stands in the inventory as %s, a shadow credential, until somebody answers for it or it is gone.", code(shadow)))
	}
	return Say(l.Of("⚠️ *Thank you.* It is on record, and security is being told."))
}
