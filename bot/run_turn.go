package bot

import (
	"cmp"
	"context"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// turnLetter says what happens to a secret that a run replaces: to who takes the new one, to who reads it, and to the channel of alarms.
func (b *Bot) turnLetter(ctx context.Context, s runs.State, n workflows.Notice) (letter, bool) {
	l, id := b.in(ctx, n.To), s.Opened.Subject
	what, stored := screens.Escape(string(id)), ""
	if h, err := b.c.Histories.History(ctx, workflows.IdentityStream(id)); err == nil && id != "" {
		if x, err := identities.FoldIdentity(h); err == nil {
			e := x.Entry()
			if e.Name != "" {
				what = "*" + screens.Escape(e.Name) + "* (`" + screens.Escape(string(id)) + "`)"
			}
			_, place, _ := x.Texts()
			stored = strings.Trim(strings.Join([]string{e.Stored, place}, " "), " ")
		}
	}
	if what == "" {
		what = screens.Escape(string(s.Opened.Runbook))
	}
	run, st := screens.Escape(string(s.ID)), runs.StepState{}
	if n.Stage >= 1 && n.Stage <= len(s.Steps) {
		st = s.Steps[n.Stage-1]
	}
	switch n.What {
	case runs.NoticeTake:
		return letter{Message: screens.Say(l.Say("🔑 The new secret of %s was made and tried. Take it, once: `/access secret %s`, or `countersign take %s` on the bot's host. Put it where the old one stands (%s).", what, screens.Escape(string(st.Order)), screens.Escape(string(st.Order)), cmp.Or(screens.Escape(stored), l.Of("nobody knows where"))))}, true
	case runs.NoticeMove:
		until := l.Of("until somebody ends the old one")
		if retire, ok := s.Retires(st); ok && retire.Wait > 0 {
			until = l.Say("for at least %s after it was taken", retire.Wait)
		}
		return letter{Message: screens.Say(l.Say("The secret of %s is being replaced. The old one and the new one both work %s. %s has the new one: whatever reads the secret must use it by then. The steps: run `%s`.", what, until, b.person(ctx, s.Executor).Mention(), run))}, true
	case runs.NoticeDead:
		how := l.Of("The target was asked to end it, and cannot list what it had.")
		if st.Facts[workflows.FactOldGone] != "" {
			how = l.Of("The target was read back: it is gone.")
		}
		return letter{Message: screens.Say(l.Say("The old secret of %s is dead. %s What still uses it fails from now on. Run `%s`.", what, how, run))}, true
	case runs.NoticeStuck:
		said := l.Of("nobody went on with it in time")
		if st.Said != "" {
			said = screens.Escape(st.Said)
		}
		return letter{Message: screens.Say(l.Say("⚠️ The secret of %s was not replaced as it has to be: %s. The old one was left as it is. Run `%s`.", what, said, run))}, true
	}
	return letter{}, false
}
