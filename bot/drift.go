package bot

import (
	"context"
	"fmt"
	"sync"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// targetLetter tells of what a sweep or a drill found on a target.
func (b *Bot) targetLetter(ctx context.Context, t workflows.TargetID, n workflows.Notice) (letter, error) {
	s, err := b.c.Desk.TargetState(ctx, t)
	if err != nil {
		return letter{}, err
	}
	switch n.What {
	case targets.NoticeDrift:
		d := b.drift(t, s, s.Told(n.ID), b.in(ctx, n.To))
		return letter{Message: d.Render()}, nil
	case targets.NoticeDrill:
		d := s.Drilled
		return letter{Message: screens.DrillFailed{Target: b.targetTitle(t), Entitlement: string(d.Entitlement), Step: d.Step, Said: d.Text, In: b.in(ctx, n.To)}.Render()}, nil
	}
	return letter{}, fmt.Errorf("composing notice %q of a target: no screen shows it", n.What)
}

// drift draws findings of a target: those that somebody answers for are only counted.
func (b *Bot) drift(t workflows.TargetID, s targets.State, list []targets.Finding, l screens.Locale) screens.Drift {
	d := screens.Drift{
		Target: b.targetTitle(t), Seen: s.Swept.Seen, Grants: s.Swept.Grants, Unread: s.Swept.Unread, At: s.SweptAt,
		Known: len(s.Open) - s.Standing(), In: l,
	}
	for _, x := range list {
		if x.Accepted {
			continue
		}
		if d.Total++; len(d.Findings) < maxFindings {
			d.Findings = append(d.Findings, x.Words(workflows.Outlook{When: l.Clock, Say: l.Say}))
		}
	}
	return d
}

func (b *Bot) targetTitle(t workflows.TargetID) string {
	if x, ok := b.c.Desk.Policy().Targets[t]; ok && x.Title != "" {
		return x.Title
	}
	return string(t)
}

// driftWord answers /access drift [TARGET]: targets are compared with the ledger now. Who owns a target may ask, and security.
func (b *Bot) driftWord(ctx context.Context, c *call, only string) (answer, error) {
	var list []workflows.TargetID
	for _, t := range sortedKeys(b.c.Desk.Policy().Targets) {
		if (only == "" || string(t) == only) && b.c.Desk.MayWatch(ctx, t, c.by.Person) {
			list = append(list, t)
		}
	}
	if len(list) == 0 || b.c.Sweep == nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "drift", viaSlack, "", workflows.Refuse(workflows.CodeNotEligible,
			"There is no such target, or it is not yours to look at.", "The owner of a target and those with the role security may."))
		return refusal(no), err
	}
	more := max(0, len(list)-maxDrifts)
	var wait sync.WaitGroup
	l := b.inUser(ctx, c.UserID)
	parts := make([]screens.Drift, len(list)-more)
	for i := range parts {
		wait.Go(func() { parts[i] = b.driftNow(ctx, list[i], c.by, l) })
	}
	wait.Wait()
	return spoken(func(l screens.Locale) screens.Message { return l.Drifts(parts, more) }), nil
}

// driftNow compares one target, or shows what was known before and why it could not be compared.
func (b *Bot) driftNow(ctx context.Context, t workflows.TargetID, by workflows.Acting, l screens.Locale) screens.Drift {
	ctx, cancel := context.WithTimeout(ctx, driftWait)
	defer cancel()
	why := ""
	s, err := b.c.Sweep(ctx, t, by)
	if err != nil {
		b.log.WarnContext(ctx, "a target could not be compared", "target", t, "err", err)
		why = l.Of("it could not be compared now; the operator's log says why.")
		if s, err = b.c.Desk.TargetState(context.WithoutCancel(ctx), t); err != nil {
			return screens.Drift{Target: b.targetTitle(t), Unread: why}
		}
	}
	d := b.drift(t, s, s.Sorted(), l)
	if why != "" {
		d.Unread = why
	}
	return d
}

// sessionWords says who uses a grant and since when. Where from is evidence for the ledger and those who look there, not for a channel.
func sessionWords(x grants.Session) string {
	words := x.Seen.Login
	if words == "" {
		words = x.Seen.Session
	}
	if x.Seen.With != "" {
		words += " with " + x.Seen.With
	}
	since := x.Seen.Since
	if since == 0 {
		since = x.SeenAt
	}
	return words + ", since " + since.Time().Format("15:04 UTC")
}
