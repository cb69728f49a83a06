package bot

import (
	"context"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

// PageText is what an escalation says, filled in and as plain text: for an e-mail, a pager and the command line.
func (b *Bot) PageText(ctx context.Context, s escalations.State) (subject, text string) {
	return b.pageText(ctx, s, screens.Locale{})
}

// pageText is the same for a reader in the chat. What the operator wrote stays as written; our own words are in the reader's language.
func (b *Bot) pageText(ctx context.Context, s escalations.State, l screens.Locale) (subject, text string) {
	m := b.c.Desk.Policy().Escalations.Says(s.Opened.About)
	m.Subject, m.Text = l.Of(m.Subject), l.Of(m.Text)
	var who []string
	for _, p := range append([]workflows.PersonID{s.By}, s.Opened.Whose...) {
		if name := b.c.Identity.Name(ctx, p); p != "" && !strings.Contains(strings.Join(who, ", "), name) {
			who = append(who, name)
		}
	}
	words := map[string]string{
		"kind": strings.ReplaceAll(s.Opened.About, "_", " "), "what": s.Opened.What, "why": s.Opened.Why, "incident": s.Opened.Incident,
		"who": strings.Join(who, ", "), "at": s.At.UTC.Time().Format("2006-01-02 15:04") + " UTC", "path": s.Opened.Path, "id": s.ID,
	}
	for k, v := range words {
		if v == "" {
			words[k] = l.Of("(not said)")
		}
	}
	return escalations.Fill(m.Subject, words), escalations.Fill(m.Text, words)
}

// page is an escalation for a reader; the empty reader is a channel.
func (b *Bot) page(ctx context.Context, s escalations.State, reader workflows.PersonID) screens.Page {
	p := screens.Page{ID: s.ID, Status: s.Status(), Where: s.Place(), Path: s.Opened.Path, Until: escalations.NextWake(s), Drill: s.Opened.Drill, In: b.in(ctx, reader)}
	p.Subject, p.Text = b.pageText(ctx, s, p.In)
	for _, a := range s.Acks {
		p.Acks = append(p.Acks, screens.Answered{By: b.person(ctx, a.By), At: a.At, Note: a.Note})
	}
	switch {
	case s.Closed == nil:
		p.Ack = b.c.Buttons.Value(Button{Kind: kindAck, ID: s.ID}, reader)
	case s.Closed.How == escalations.HowOver:
		p.Why = p.In.Of("What it was about has ended.")
	default:
		p.Why = b.c.Identity.Name(ctx, s.ClosedBy) + ": " + s.Closed.Why
	}
	return p
}

// pageLetter renders what an escalation owes.
func (b *Bot) pageLetter(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	s, err := b.c.Desk.Escalation(ctx, stream.Rest())
	if err != nil {
		return letter{}, err
	}
	p := b.page(ctx, s, n.To)
	if n.What == escalations.NoticeTold {
		p.Told = true
		return letter{Message: p.Render()}, nil
	}
	return letter{Message: p.Render(), surface: stream, seq: s.Seq}, nil
}

// acknowledge is the button of a page.
func (b *Bot) acknowledge(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindAck, "acknowledge")
	if no != nil || err != nil {
		return refusal(no), err
	}
	return b.ack(ctx, c, x.ID, "")
}

// ackWord is /breakglass ack ID words.
func (b *Bot) ackWord(ctx context.Context, c *call, word, words string) (answer, error) {
	id, no, err := b.c.Desk.EscalationByWord(ctx, c.by.Person, strings.ToLower(strings.Trim(word, "`")))
	if err != nil {
		return answer{}, err
	}
	if no != nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "acknowledge", viaSlack, word, no)
		return refusal(no), err
	}
	return b.ack(ctx, c, id, words)
}

func (b *Bot) ack(ctx context.Context, c *call, id, words string) (answer, error) {
	res, err := b.c.Desk.Acknowledge(ctx, desk.Ack{Cause: c.cause(), By: c.by, ID: id, Words: words, Authn: slackClick, Channel: viaSlack})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	s, err := b.c.Desk.Escalation(ctx, id)
	if err != nil {
		return answer{}, err
	}
	if !s.Over() {
		return said("✅ Recorded: you look after it, and nobody else is woken. When it is done, `/breakglass close %s HOW` says so; access that goes away closes it by itself.", screens.Escape(id)), nil
	}
	return said("✅ Recorded: you look after it, and nobody else is woken."), nil
}

// closePage is /breakglass close ID words: nothing is left to do about it.
func (b *Bot) closePage(ctx context.Context, c *call, word, words string) (answer, error) {
	id, no, err := b.c.Desk.EscalationByWord(ctx, c.by.Person, strings.ToLower(strings.Trim(word, "`")))
	if err != nil {
		return answer{}, err
	}
	if no != nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "close", viaSlack, word, no)
		return refusal(no), err
	}
	res, err := b.c.Desk.CloseEscalation(ctx, desk.Ack{Cause: c.cause(), By: c.by, ID: id, Words: words, Authn: slackClick, Channel: viaSlack})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return said("✅ Recorded: nothing is left to do about it."), nil
}

// leaks is /access leak list: those that are not over and that the person was asked about; security and owners see all.
func (b *Bot) leaks(ctx context.Context, c *call) (answer, error) {
	who := c.by.Person
	for _, role := range []string{desk.RoleSecurity, desk.RoleOwner, desk.RoleAuditor} {
		if b.c.Desk.HasRole(ctx, role, c.by.Person) {
			who = ""
		}
	}
	list, err := b.c.Desk.Escalations(ctx, who, false, 0)
	if err != nil {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	var items []screens.Item
	for _, s := range list {
		if s.Opened.About != escalations.KindLeak || len(items) == maxListed {
			continue
		}
		subject, _ := b.pageText(ctx, s, l)
		items = append(items, screens.Item{Title: subject, Line: l.PageStatus(s.Status()) + ". " + l.Say("When it is dealt with: `/breakglass close %s HOW`", s.ID)})
	}
	return answer{message: l.List(screens.Part{Title: l.Of("Leaks that are not over"), Empty: l.Of("There are none that you were asked about. `/access leak` reports one."), Items: items})}, nil
}

// homePages puts what cannot wait on a person's Home page, and the drills that are overdue.
func (b *Bot) homePages(ctx context.Context, h *screens.Home, p workflows.PersonID) error {
	list, err := b.c.Desk.Escalations(ctx, p, false, maxListed)
	if err != nil {
		return err
	}
	for _, s := range list {
		x := screens.HomePage{Where: h.In.PageStatus(s.Status()) + ", " + h.In.Filled(s.Place())}
		x.Subject, _ = b.pageText(ctx, s, h.In)
		if len(s.Acks) == 0 {
			x.Ack = b.c.Buttons.Value(Button{Kind: kindAck, ID: s.ID}, p)
		}
		h.Pages = append(h.Pages, x)
	}
	due, err := b.c.Desk.OverdueDrills(ctx, b.c.Now())
	for _, d := range due {
		if d.Concerns(p) {
			h.Overdue = append(h.Overdue, screens.Escape(h.In.Sentence(DrillWords(d))))
		}
	}
	return err
}

// DrillWords say that a drill is overdue, and what does it.
func DrillWords(d desk.Drill) screens.Sentence {
	book, due := d.Path == "", d.Due.Time().Format("2006-01-02 15:04")
	var out []screens.Sentence
	switch {
	case book && d.Due == 0:
		out = append(out, screens.Sentencef("Runbook %s was never practised.", string(d.Runbook)))
	case book:
		out = append(out, screens.Sentencef("Runbook %s should have been practised by %s UTC.", string(d.Runbook), due))
	case d.Due == 0:
		out = append(out, screens.Sentencef("Path %s was never practised.", d.Path))
	default:
		out = append(out, screens.Sentencef("Path %s should have been practised by %s UTC.", d.Path, due))
	}
	if d.Unheard {
		out = append(out, screens.Sentencef("The last drill does not count: nobody who was alerted acknowledged it."))
	}
	command := "runbook drill " + string(d.Runbook)
	if !book {
		command = "escalations drill " + d.Path
	}
	return screens.Joined(" ", append(out, screens.Sentencef("`countersign %s` does it.", command))...)
}
