package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// runRoutine is /access run: alone it lists the routine runbooks that somebody may ask for; with a name it opens the form of that one; with all
// that the form needs behind the name it asks at once.
func (b *Bot) runRoutine(ctx context.Context, c *call, rest []string) (answer, error) {
	if len(rest) == 0 {
		list, err := b.c.Desk.Routines(ctx, c.by.Person)
		l := b.inUser(ctx, c.UserID)
		return answer{message: l.List(screens.Part{Title: l.Of("Routine runbooks"), Empty: l.Of("There is none that you may ask for."), Items: routineItems(list)})}, err
	}
	p, id := b.c.Desk.Policy(), workflows.RunbookID(strings.ToLower(rest[0]))
	book, ok := p.Runbooks[id]
	w, there := p.FormOf(book.Runbook.Asks(), id)
	if !ok || !there || !book.Runbook.Routine {
		res, err := b.c.Desk.OpenRun(ctx, desk.Routine{Cause: c.cause(), By: c.by, Runbook: id, Channel: viaSlack, Authn: slackClick})
		return refusal(res.Refusal), err // recorded, with what to type instead
	}
	r := b.routineWords(p, id, w, rest[1:])
	_, bad := w.CheckForm(workflows.Form{Seconds: r.Seconds, Reason: r.Reason, Values: r.Values})
	if len(bad) > 0 {
		c.reason = r.Reason
		return b.routineForm(ctx, c, id, w, r)
	}
	r.Cause, r.By, r.Channel, r.Authn = c.cause(), c.by, viaSlack, slackClick
	res, err := b.c.Desk.OpenRun(ctx, r)
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	a, err := b.sent(ctx, c, res.Request)
	a.view = nil
	return a, err
}

func routineItems(list []desk.Book) []screens.Item {
	var out []screens.Item
	for _, b := range list {
		out = append(out, screens.Item{Title: b.Runbook.Title, Line: "`/access run " + string(b.Runbook.ID) + "`: " + screens.Escape(b.Runbook.Purpose)})
	}
	return out
}

// routineWords reads what was typed behind the name: name=value for each field, about=WHOM, for=2h, and the rest is why.
func (b *Bot) routineWords(p *desk.Policy, id workflows.RunbookID, w *workflows.Workflow, list []string) desk.Routine {
	r := desk.Routine{Runbook: id, Values: map[string]string{}, Seconds: w.Usual}
	if r.Seconds == 0 {
		r.Seconds = w.Longest
	}
	var why []string
	for _, word := range list {
		name, value, ok := strings.Cut(word, "=")
		span, isSpan := parseSpan(value)
		switch {
		case ok && slices.ContainsFunc(w.Fields, func(f workflows.Field) bool { return f.Name == name }):
			r.Values[name] = value
		case ok && name == "about":
			r.About = b.subjectCalled(p, value)
		case ok && name == "for" && isSpan:
			r.Seconds = span
		default:
			why = append(why, word)
		}
	}
	r.Reason = strings.Join(why, " ")
	return r
}

// subjectCalled is a person or an identity of the inventory by what people call them; what is unknown is refused later.
func (b *Bot) subjectCalled(p *desk.Policy, word string) workflows.IdentityID {
	if who := b.personCalled(p, word); who != "p_unknown" {
		return who.Identity()
	}
	return workflows.IdentityID(word)
}

// routineForm is the form of one routine runbook.
func (b *Bot) routineForm(ctx context.Context, c *call, id workflows.RunbookID, w *workflows.Workflow, r desk.Routine) (answer, error) {
	book := b.c.Desk.Policy().Runbooks[id].Runbook
	meta, err := json.Marshal(formMeta{Workflow: w.ID, Policy: b.c.Desk.Policy().Workflows[w.ID].Hash, Runbook: id, Subject: r.About})
	if err != nil {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	f := screens.Form{
		In: l, Title: book.Title, Purpose: book.Purpose, Longest: w.Longest, Usual: w.Usual, ReasonMin: w.ReasonMin, Fields: w.Fields, Meta: string(meta),
		Targets: b.targetChoices(w), Identities: b.identityChoices(w), Reason: c.reason,
	}
	for i, st := range w.Stages {
		f.Approvers = append(f.Approvers, fmt.Sprintf("%d. %s: %s", i+1, st.Name, needs(st, l)))
	}
	return b.open(ctx, c, f.Render())
}

// routineFacts say to who decides what would be done, and about whom.
func (b *Bot) routineFacts(ctx context.Context, v desk.View, l screens.Locale) []screens.Pair {
	var out []screens.Pair
	if s := v.State.Asked.Subject; s.IsPerson() && s != v.State.Requester.Person.Identity() {
		out = append(out, screens.Pair{Label: l.Of("About"), Value: b.person(ctx, s.Person()).Mention()})
	}
	if v.Book == nil {
		return append(out, screens.Pair{Label: l.Of("Text"), Value: l.Of("⚠️ It was changed or removed since this was asked: an approval carries nothing out.")})
	}
	r := v.Book.Runbook
	out = append(out, screens.Pair{Label: l.Of("What it is for"), Value: screens.Escape(r.Purpose)}, screens.Pair{Label: l.Of("Owner"), Value: b.person(ctx, r.Owner).Mention()})
	var steps []string
	hand := 0
	for i, st := range r.Plan(v.Book.Text) {
		if st.Action == incidents.ByHand {
			hand++
			continue
		}
		if len(steps) < factSteps {
			steps = append(steps, fmt.Sprintf("%d. %s %s", i+1, st.Action, st.Does.Name()))
		} else if len(steps) == factSteps {
			steps = append(steps, "…")
		}
	}
	if len(steps) == 0 {
		steps = append(steps, l.Of("nothing by itself"))
	}
	return append(out, screens.Pair{Label: l.Of("What connectors do"), Value: screens.Escape(strings.Join(steps, "; "))}, screens.Pair{Label: l.Of("Steps by hand"), Value: fmt.Sprint(hand)})
}
