package bot

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// incident is /incident: a verb, an incident and words.
func (b *Bot) incident(ctx context.Context, c *call) (answer, error) {
	w := words(c.Text)
	verb := "list"
	if len(w) > 0 {
		verb = strings.ToLower(w[0])
		w = w[1:]
	}
	if verb == "list" && len(w) == 0 {
		return b.incidents(ctx, b.inUser(ctx, c.UserID))
	}
	if verb == "show" && len(w) == 1 {
		return b.incidentCard(ctx, strings.ToUpper(w[0]), b.inUser(ctx, c.UserID))
	}
	in, ok, err := b.incidentWords(ctx, verb, w)
	if err != nil {
		return answer{}, err
	}
	if !ok {
		return spoken(screens.Locale.IncidentHelp), nil
	}
	in.Cause, in.By, in.Authn, in.Channel = c.cause(), c.by, slackClick, viaSlack
	id, res, err := b.c.Desk.DoInIncident(ctx, in)
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return b.incidentCard(ctx, id, b.inUser(ctx, c.UserID))
}

// incidentWords reads what follows /incident. False: it is none of the forms.
func (b *Bot) incidentWords(ctx context.Context, verb string, w []string) (desk.InIncident, bool, error) {
	in := desk.InIncident{Act: verb}
	if verb == incidents.ActOpen {
		if len(w) > 0 && incidents.IsIncidentName(strings.ToUpper(w[0])) && severity(w[0]) == 0 {
			in.ID, w = strings.ToUpper(w[0]), w[1:]
		}
		if len(w) > 0 && strings.HasPrefix(w[len(w)-1], "#") {
			in.Room, w = w[len(w)-1], w[:len(w)-1]
		}
		if len(w) < 2 {
			return in, false, nil
		}
		in.Severity, in.Text = severity(w[0]), strings.Join(w[1:], " ")
		return in, in.Severity > 0, nil
	}
	if len(w) < 2 {
		return in, false, nil
	}
	in.ID, w = strings.ToUpper(strings.Trim(w[0], "`")), w[1:]
	var err error
	switch verb {
	case incidents.ActJoin:
		in.Role = strings.ToLower(w[0])
		if len(w) > 1 {
			in.Person, err = b.personWord(ctx, w[1])
		}
		return in, len(w) <= 2, err
	case incidents.ActSeverity:
		in.Severity, in.Text = severity(w[0]), strings.Join(w[1:], " ")
		return in, in.Severity > 0, nil
	case incidents.ActHandOver:
		in.Text = strings.Join(w[1:], " ")
		in.Person, err = b.personWord(ctx, w[0])
		return in, true, err
	case incidents.ActClose:
		in.Text = strings.Join(w, " ")
		return in, true, nil
	}
	return in, false, nil
}

// personWord is whom "@key" or a mention means; somebody unknown is a person whom nobody knows, which refuses.
func (b *Bot) personWord(ctx context.Context, word string) (workflows.PersonID, error) {
	p, ok, err := b.mentioned(ctx, word)
	if err == nil && !ok {
		p = "p_unknown"
	}
	return p, err
}

// severity reads "2", "sev2" or "SEV-2"; 0 is none.
func severity(word string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(strings.ToUpper(word), "SEV"), "-"))
	if err != nil || n < 1 || n > 5 {
		return 0
	}
	return n
}

func (b *Bot) incidents(ctx context.Context, in screens.Locale) (answer, error) {
	list, err := b.c.Desk.Incidents(ctx, false, maxListed)
	if err != nil {
		return answer{}, err
	}
	var items []screens.Item
	for _, l := range list {
		items = append(items, screens.Item{
			Title: fmt.Sprintf("%s SEV-%d", l.ID, l.Severity),
			Line:  in.Say("%s, commander %s, since %s", screens.Escape(l.Opened.Title), commanderWord(b.person(ctx, l.Commander), in), in.When(l.At.UTC)),
		})
	}
	return answer{message: in.List(screens.Part{Title: in.Of("Open incidents"), Empty: in.Of("None is open. `/incident open 2 what is wrong` opens one."), Items: items})}, nil
}

func commanderWord(p screens.Person, in screens.Locale) string {
	if p.Name == "" {
		return in.Of("nobody yet")
	}
	return p.Mention()
}

func (b *Bot) incidentCard(ctx context.Context, id string, in screens.Locale) (answer, error) {
	l, err := b.c.Desk.Incident(ctx, id)
	if err != nil {
		return refused(workflows.Refuse(workflows.CodeUnknown, "There is no such incident here.", "`/incident list` shows the open ones.")), nil
	}
	return answer{message: b.incidentScreen(ctx, l, in).Render()}, nil
}

func (b *Bot) incidentScreen(ctx context.Context, l incidents.Live, in screens.Locale) screens.Incident {
	s := screens.Incident{In: in, ID: l.ID, Title: l.Opened.Title, Severity: l.Severity, Commander: b.person(ctx, l.Commander), Since: l.At.UTC, Closed: l.ClosedAt.UTC}
	for _, p := range l.Executors {
		s.Executors = append(s.Executors, b.person(ctx, p))
	}
	for _, p := range l.Scribes {
		s.Scribes = append(s.Scribes, b.person(ctx, p))
	}
	return s
}

// incidentLetter tells a channel, or the new commander, of one entry of an incident.
func (b *Bot) incidentLetter(ctx context.Context, id string, n workflows.Notice) (letter, error) {
	h, err := b.c.Histories.History(ctx, incidents.StreamOf(id))
	if err != nil {
		return letter{}, err
	}
	l, err := incidents.FoldIncident(h)
	if err != nil {
		return letter{}, err
	}
	in := b.in(ctx, n.To)
	s := b.incidentScreen(ctx, l, in)
	for _, r := range h {
		if r.Seq != int64(n.Stage) {
			continue
		}
		switch e := r.Event.(type) {
		case incidents.IncidentOpened:
			s.News = in.Say("Incident opened by %s", b.person(ctx, r.Person).Mention())
		case incidents.SeverityChanged:
			s.News = in.Say("Severity %d became %d: %s", e.From, e.To, screens.Escape(e.Why))
		case incidents.HandedOver:
			s.News = in.Say("Command went from %s to %s. Where it stands: %s", commanderWord(b.person(ctx, e.From), in), b.person(ctx, e.To).Mention(), screens.Escape(e.Summary))
		case incidents.IncidentClosed:
			s.News = in.Say("Closed by %s: %s. What was granted for it is being taken back", b.person(ctx, r.Person).Mention(), screens.Escape(e.Why))
		}
	}
	return letter{Message: s.Render()}, nil
}
