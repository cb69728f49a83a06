package bot

import (
	"context"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

func (b *Bot) openAway(ctx context.Context, c *call) (answer, error) {
	return b.open(ctx, c, screens.AwayForm(b.inUser(ctx, c.UserID)))
}

// awayFilled is the form for time off.
func (b *Bot) awayFilled(ctx context.Context, c *call) (answer, error) {
	if c.View == nil {
		return answer{}, nil
	}
	get := func(block string) string {
		in, _ := c.View.Input(block, screens.InputValue)
		return strings.TrimSpace(in.Value)
	}
	from, okFrom := moment(get(screens.BlockAwayFrom))
	until, okUntil := moment(get(screens.BlockAwayUntil))
	switch {
	case !okFrom:
		return awayProblem(screens.BlockAwayFrom, "Pick a date and a time."), nil
	case !okUntil || until.IsZero():
		return awayProblem(screens.BlockAwayUntil, "Pick a date and a time."), nil
	}
	leave := desk.Leave{From: from, Until: until, Reason: get(screens.BlockReason)}
	if user := get(screens.BlockAwayDelegate); user != "" {
		p, err := b.c.Identity.PersonOf(ctx, user)
		if err != nil {
			return answer{}, err
		}
		if p == "" {
			return awayProblem(screens.BlockAwayDelegate, "This person is not in the people file, so they cannot decide for you."), nil
		}
		leave.Delegate = p
	}
	a, err := b.goAway(ctx, c, leave)
	return inModal(a), err
}

func awayProblem(block, text string) answer {
	return answer{errors: map[string]string{block: text}, words: func(l screens.Locale) screens.Message {
		return screens.Say(l.Say("Your time off was not saved: %s", screens.Escape(l.Filled(text))))
	}}
}

func (b *Bot) goAway(ctx context.Context, c *call, l desk.Leave) (answer, error) {
	l.Cause, l.By, l.Channel, l.Authn = c.cause(), c.by, viaSlack, slackClick
	res, err := b.c.Desk.GoAway(ctx, l)
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	from := l.From
	if from.IsZero() {
		from = b.c.Now()
	}
	in := b.inUser(ctx, c.UserID)
	x := screens.Away{In: in, From: from, Until: l.Until, Delegate: b.person(ctx, l.Delegate), Started: from <= b.c.Now()}
	return said("✅ Recorded. %s `/access back` ends it.", x.Sentence()), nil
}

// back ends somebody's time off.
func (b *Bot) back(ctx context.Context, c *call) (answer, error) {
	res, err := b.c.Desk.ComeBack(ctx, desk.Leave{Cause: c.cause(), By: c.by, Channel: viaSlack, Authn: slackClick})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return said("✅ Recorded: you are back. You are asked again like everybody else."), nil
}

// awayWord is /access away: without words the form, else "until DATE [TIME] [@delegate] [reason]", on the person's own clock.
func (b *Bot) awayWord(ctx context.Context, c *call, rest []string) (answer, error) {
	if len(rest) == 0 {
		return b.openAway(ctx, c)
	}
	if !strings.EqualFold(rest[0], "until") || len(rest) < 2 {
		return spoken(screens.Locale.Help), nil
	}
	until, used, ok := b.untilWords(c.by.Person, rest[1:])
	if !ok {
		return said("Write the day as 2026-12-01, or day and time as 2026-12-01 14:00, on your own clock."), nil
	}
	l := desk.Leave{Until: until}
	rest = rest[1+used:]
	if len(rest) > 0 && (strings.HasPrefix(rest[0], "@") || strings.HasPrefix(rest[0], "<@")) {
		p, ok, err := b.mentioned(ctx, rest[0])
		if err != nil {
			return answer{}, err
		}
		if !ok {
			return said("I do not know %s from the people file. `/access away` without words opens a form where you can pick somebody.", screens.Escape(rest[0])), nil
		}
		l.Delegate, rest = p, rest[1:]
	}
	l.Reason = cutRunes(strings.Join(rest, " "), workflows.MaxDenyReason)
	return b.goAway(ctx, c, l)
}

// untilWords reads "2026-12-01" (until the end of that day) or "2026-12-01 14:00" on the clock of the person, UTC when it is not known.
func (b *Bot) untilWords(p workflows.PersonID, w []string) (workflows.Stamp, int, bool) {
	zone := time.UTC
	if name := b.c.Desk.Policy().People[p].Zone; name != "" {
		if z, err := time.LoadLocation(name); err == nil {
			zone = z
		}
	}
	day, err := time.Parse(time.DateOnly, w[0])
	if err != nil {
		return 0, 0, false
	}
	date := calendar.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()}
	if len(w) > 1 {
		if at, err := time.Parse("15:04", w[1]); err == nil {
			return calendar.Last(date, calendar.Clock(at.Hour()*60+at.Minute()), zone), 2, true
		}
	}
	return calendar.Last(date.Add(1), 0, zone), 1, true
}

// mentioned finds who "@key" or "<@U1|name>" is: a key of the people file, or an account.
func (b *Bot) mentioned(ctx context.Context, word string) (workflows.PersonID, bool, error) {
	if id, ok := strings.CutPrefix(word, "<@"); ok {
		id, _, _ = strings.Cut(strings.TrimSuffix(id, ">"), "|")
		p, err := b.c.Identity.PersonOf(ctx, id)
		return p, p != "", err
	}
	key := strings.ToLower(strings.TrimPrefix(word, "@"))
	for id, p := range b.c.Desk.Policy().People {
		if p.Key == key {
			return id, true, nil
		}
	}
	return "", false, nil
}

// awayNow is a person's own time off for their Home page; nil when they are not away and have planned none.
func (b *Bot) awayNow(ctx context.Context, p workflows.PersonID) *screens.Away {
	list, err := b.c.Desk.AwayNow(ctx, p)
	if err != nil {
		b.log.WarnContext(ctx, "time off cannot be read", "person", p, "err", err)
	}
	if err != nil || len(list) == 0 {
		return nil
	}
	a := list[0]
	return &screens.Away{In: b.in(ctx, p), From: a.From, Until: a.Until, Delegate: b.person(ctx, a.Delegate), Started: a.From <= b.c.Now()}
}
