package bot

import (
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
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
		return letter{Message: b.drift(t, s, s.Told(n.ID)).Render()}, nil
	case targets.NoticeDrill:
		d := s.Drilled
		return letter{Message: screens.DrillFailed{Target: b.targetTitle(t), Entitlement: string(d.Entitlement), Step: d.Step, Said: d.Text}.Render()}, nil
	}
	return letter{}, fmt.Errorf("composing notice %q of a target: no screen shows it", n.What)
}

// drift draws findings of a target: those that somebody answers for are only counted.
func (b *Bot) drift(t workflows.TargetID, s targets.State, list []targets.Finding) screens.Drift {
	d := screens.Drift{
		Target: b.targetTitle(t), Seen: s.Swept.Seen, Grants: s.Swept.Grants, Unread: s.Swept.Unread, At: s.SweptAt,
		Known: len(s.Open) - s.Standing(),
	}
	for _, x := range list {
		if x.Accepted {
			continue
		}
		if d.Total++; len(d.Findings) < maxFindings {
			d.Findings = append(d.Findings, x.Sentence(func(at workflows.Stamp) string { return at.Time().Format("2006-01-02 15:04 UTC") }))
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
