package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Whose names what somebody has of a credential as the inventory keeps it. Package cmd implements it on the key of fingerprints.
type Whose interface {
	// Keys are the exact keys of the inventory under which what somebody typed or pasted may be known, the keyed fingerprint of the text
	// itself first. None of them holds the text in clear, unless the inventory keeps it so. Empty: the key of fingerprints cannot be read.
	Keys(text string) []string
	// Mark is the keyed mark of a text that must not be kept.
	Mark(text string) string
}

// whoWord is /access who: the card of one credential, found by whatever somebody has of it. The words were turned into keys before anything kept
// them where they looked like a secret.
func (b *Bot) whoWord(ctx context.Context, c *call, rest []string) (answer, error) {
	word := strings.Trim(strings.Join(rest, " "), "`")
	if word == "" || b.c.Whose == nil {
		return spoken(screens.Locale.Help), nil
	}
	keys := b.c.Whose.Keys(word)
	if at, ok := strings.CutPrefix(word, keysMark); ok {
		keys = strings.Split(at, ",")
		word = ""
	}
	rows, err := b.c.Desk.FindIdentities(ctx, c.by.Person, keys, word)
	if err != nil {
		return answer{}, err
	}
	switch len(rows) {
	case 0:
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "who", viaSlack, "", workflows.Refuse(workflows.CodeUnknown,
			"Nothing in the inventory is known by that, or it is not yours to see.", "If it is a credential that leaked, report it: `/access leak`."))
		return refusal(no), err
	case 1:
		return b.openEvidence(ctx, c, rows[0].ID)
	}
	items := make([]screens.Item, 0, len(rows))
	for _, r := range rows[:min(len(rows), maxListed)] {
		items = append(items, b.identityItem(ctx, r, nil, b.inUser(ctx, c.UserID)))
	}
	l := b.inUser(ctx, c.UserID)
	return answer{message: l.List(screens.Part{Title: l.Of("More than one is known by that: /access who ID shows the card"), Items: items})}, nil
}

// asksWhose tells that a secret was typed behind /access who: it came as keys, and nothing of it is left.
func asksWhose(text string) bool {
	w := words(text)
	return len(w) > 1 && strings.EqualFold(w[0], "who") && strings.HasPrefix(strings.Join(w[1:], " "), strings.TrimSpace(keysMark))
}

func (b *Bot) openEvidence(ctx context.Context, c *call, id workflows.IdentityID) (answer, error) {
	x, err := b.c.Desk.EvidenceOf(ctx, c.by.Person, id)
	if errors.Is(err, workflows.ErrNoStream) {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "who", viaSlack, string(id), unknownIdentity())
		return refusal(no), err
	}
	if err != nil {
		return answer{}, err
	}
	e := b.evidenceScreen(ctx, x, b.inUser(ctx, c.UserID))
	if b.c.Desk.MayKill(ctx, c.by, id) {
		e.Meta = b.c.Buttons.Value(Button{Kind: kindLock, ID: string(id)}, c.by.Person)
	}
	return b.open(ctx, c, e.Render())
}

func (b *Bot) evidenceScreen(ctx context.Context, x desk.Evidence, l screens.Locale) screens.Evidence {
	e, r := x.Entry, x.Row
	out := screens.Evidence{
		In: l,
		ID: string(r.ID), Name: r.Name, Kind: r.Kind, State: r.State, Owner: b.ownerMention(ctx, e.Owner), Backup: b.ownerMention(ctx, e.Backup),
		Attested: r.Attested, ReviewBy: r.ReviewBy, Purpose: e.Purpose, Ticket: e.Ticket, Scope: e.Scope, Stored: e.Stored, Every: e.RotateEvery,
		Where: strings.Trim(string(e.Target)+", "+e.Environment, ", "), Rotated: r.Rotated, RotateBy: r.RotateBy, LastUsed: e.LastUsed, Ends: e.Expires,
		Measured: x.Measured, P50: x.P50, P95: x.P95, LastDrill: x.LastDrill, Held: len(x.Held), Sessions: x.Sessions, Findings: x.Findings, Blanks: x.Blanks,
	}
	out.Method, out.Silent, out.Hint = x.Method, x.Silent, x.State.Hint()
	if e.Owner != "" {
		out.Hint = "" // whoever answers for it is known
	}
	if e.Class == identities.KindApp {
		out.App = &screens.App{Vendor: e.Vendor, Reach: e.DataReach, Business: b.ownerMention(ctx, e.Business), Grown: x.State.Grown()}
	}
	if k := x.Kill; k != nil && k.Type != "" {
		out.Kill = k.How
	}
	for _, p := range x.Revokers {
		out.Revokers = append(out.Revokers, b.person(ctx, p).Mention())
	}
	if rot := x.State.Rotating(); rot != nil {
		out.Rotating = rot.Due
	}
	for _, a := range x.Approvals {
		var names []string
		for _, p := range a.Approvers {
			names = append(names, b.person(ctx, p).Mention())
		}
		line := "• " + l.Say("%s, %s by %s", screens.Escape(a.What), a.At.Time().Format("2006-01-02"), cmp.Or(strings.Join(names, ", "), l.Of("a document")))
		if prove := a.Prove(); prove != "" {
			line += ": `" + prove + "`"
		}
		out.Approvals = append(out.Approvals, line)
	}
	return out
}

// ownerMention is an owner for people to click on; empty for nobody.
func (b *Bot) ownerMention(ctx context.Context, owner string) string {
	switch {
	case strings.HasPrefix(owner, "p_"):
		return b.person(ctx, workflows.PersonID(owner)).Mention()
	case owner != "":
		return screens.Escape(strings.Replace(owner, identities.GroupPrefix, "the group ", 1))
	}
	return ""
}

// evidenceLocked is the card sent: everything is taken away from the identity.
func (b *Bot) evidenceLocked(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindLock, "quarantine")
	if no != nil || err != nil {
		return inModal(refusal(no)), err
	}
	in, _ := c.View.Input(screens.BlockReason, screens.InputValue)
	a, err := b.revokeAll(ctx, c, x.ID, cutRunes(strings.TrimSpace(in.Value), workflows.MaxReason), true)
	return inModal(a), err
}

func (b *Bot) openLeak(ctx context.Context, c *call) (answer, error) {
	return b.open(ctx, c, b.inUser(ctx, c.UserID).LeakForm())
}

// leakFilled is a report. The secret came as keys: it was replaced as it arrived.
func (b *Bot) leakFilled(ctx context.Context, c *call) (answer, error) {
	if c.View == nil || b.c.Whose == nil {
		return answer{}, nil
	}
	get := func(block string) string {
		in, _ := c.View.Input(block, screens.InputValue)
		return strings.TrimSpace(in.Value)
	}
	place, form := get(screens.BlockLeakPlace), cutRunes(get(screens.BlockLeakForm), maxLeakForm)
	r := desk.LeakReport{Cause: c.cause(), By: c.by, Source: "person", Form: form, Place: place, Authn: slackClick, Channel: viaSlack}
	if at, ok := strings.CutPrefix(get(screens.BlockLeakSecret), keysMark); ok && at != "" {
		r.Keys = strings.Split(at, ",")
		r.Print = identities.FirstPrint(r.Keys)
	}
	r.Mark = b.c.Whose.Mark(r.Print + "\n" + place)
	res, err := b.c.Desk.ReportLeak(ctx, r)
	if err != nil || res.Refusal != nil {
		return inModal(refusal(res.Refusal)), err
	}
	ids := make([]string, 0, len(res.Matched))
	for _, id := range res.Matched {
		ids = append(ids, string(id))
	}
	came := make([]string, 0, len(res.Grants))
	for _, id := range res.Grants {
		came = append(came, string(id))
	}
	sees := b.c.Desk.SeesInventory(ctx, c.by.Person)
	return inModal(spoken(func(l screens.Locale) screens.Message {
		return l.LeakAnswer(ids, came, string(res.Shadow), res.Incident, res.Again, sees)
	})), nil
}

const maxLeakForm = 60 // characters of what a secret looks like: a word or two

// leakLetter tells that a secret was seen: who answers for it, and the channel of alarms.
func (b *Bot) leakLetter(ctx context.Context, s identities.IdentityState, n workflows.Notice, what string) (letter, error) {
	if n.Stage < 0 || n.Stage >= len(s.Life.Leaks) {
		return letter{}, errors.New("composing the notice of a leak: there is none of that number")
	}
	l, in := s.Life.Leaks[n.Stage], b.in(ctx, n.To)
	id := screens.Escape(string(s.ID))
	text := in.Say("⚠️ A secret was seen where it must not be (found by %s), and nobody has it on record. It stands in the inventory as `%s`: find out whose it is, and have it taken off.", screens.Escape(l.Source), id)
	if l.Known {
		text = in.Say("🚨 A secret of %s was seen where it must not be (found by %s). Incident %s is open, and the secret has to be replaced.", what, screens.Escape(l.Source), screens.Escape(l.Incident))
	}
	if l.Place != "" && n.To != "" {
		text += "\n" + in.Say("Where: %s", screens.Escape(l.Place))
	}
	return letter{Message: screens.Say(text + "\n" + in.Say("`/access who %s` shows what is known of it, and locks it.", id))}, nil
}

// secretLeakLetter tells that the secret of a grant was seen: its holder, the target's owner, and the channel of alarms.
func (b *Bot) secretLeakLetter(ctx context.Context, h grants.Hold, n workflows.Notice) (letter, error) {
	i := slices.IndexFunc(h.Leaks, func(l grants.SecretLeaked) bool { return strings.HasPrefix(n.ID, n.What+"/"+l.Leak+"/") })
	if i < 0 {
		return letter{}, fmt.Errorf("composing notice %q: no such leak", n.ID)
	}
	l, in, a := h.Leaks[i], b.in(ctx, n.To), h.Approved
	text := in.Say("🚨 The secret that came with the access of %s to *%s* was seen where it must not be (found by %s). Incident %s is open, and the access is taken back.",
		b.holderPerson(ctx, h).Mention(), screens.Escape(title(a.TargetTitle, a.Title)), screens.Escape(l.Source), screens.Escape(l.Incident))
	if l.Place != "" && n.To != "" {
		text += "\n" + in.Say("Where: %s", screens.Escape(l.Place))
	}
	if n.To == h.Holder() {
		text += "\n" + in.Of("Whoever saw it could use it until now: say in the incident what you did with it. Ask again for the access if you still need it.")
	}
	return letter{Message: screens.Say(text)}, nil
}

// exceptionLetter tells that an exception is over, or that an identity under one is used.
func (b *Bot) exceptionLetter(ctx context.Context, s identities.IdentityState, n workflows.Notice, what string) (letter, error) {
	if n.Stage < 0 || n.Stage >= len(s.Life.Exceptions) {
		return letter{}, errors.New("composing the notice of an exception: there is none of that number")
	}
	x, in := s.Life.Exceptions[n.Stage], b.in(ctx, n.To)
	control := screens.Escape(strings.ReplaceAll(x.Control, "_", " "))
	if n.What == identities.NoticeUsed {
		return letter{Message: screens.Say(in.Say("👁 %s is being used. It stands under an exception (%s), so each use is told.", what, control))}, nil
	}
	why := in.Of("its end has come")
	if x.Failed != nil {
		why = in.Say("what made up for it does not hold: %s", screens.Escape(x.Failed.Why))
	}
	return letter{Message: screens.Say(in.Say("⛔ The exception of %s from the control *%s* is over, because %s. Everything that it holds is being taken back. Meet the control, or ask for the exception again; `countersign identities exceptions %s` shows it.",
		what, control, why, screens.Escape(string(s.ID))))}, nil
}
