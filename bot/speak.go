package bot

import (
	"context"
	"errors"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// Everybody is spoken to in the language that they chose in Slack: in direct messages, forms, their Home page and what only they see. A card
// in a channel has many readers, so it is in the language of the workspace, which the operator chose.

// speakWait is how long is waited for somebody's language: it decides nothing, and a Slack that is silent must not hold an answer up.
const speakWait = time.Second

// speakAgain is how long nobody is asked for after Slack did not say.
const speakAgain = 30 * time.Second

var errMuted = errors.New("Slack did not say a moment ago")

// Locale is how a Slack account is spoken to; false while Slack does not say.
func (i *Identity) Locale(ctx context.Context, user string) (screens.Locale, bool) {
	if user == "" {
		return screens.Locale{}, false
	}
	u, err := i.users.within(nameAge, user, func() (slack.User, error) {
		if i.c.Now().UnixNano() < i.muted.Load() {
			return slack.User{}, errMuted
		}
		ctx, cancel := context.WithTimeout(ctx, speakWait)
		defer cancel()
		return i.c.Slack.UserInfo(ctx, user)
	})
	i.silent(err)
	return screens.LocaleOf(u.Locale, u.TZ), err == nil && u.Locale != ""
}

// silent remembers that Slack did not say who somebody is, so that an answer that has waited for it once does not wait again for a language.
func (i *Identity) silent(err error) {
	if err != nil && passing(err) {
		i.muted.Store(i.c.Now().Add(speakAgain).UnixNano())
	}
}

// workspace is how a channel is spoken to, and whoever does not say otherwise: as the operator chose.
func (b *Bot) workspace() screens.Locale {
	return screens.LocaleOf(b.c.Desk.Policy().Settings.Language, "")
}

// in is how a person is spoken to; nobody in particular is a channel.
func (b *Bot) in(ctx context.Context, p workflows.PersonID) screens.Locale {
	if p == "" {
		return b.workspace()
	}
	id, err := b.c.Identity.Slack(ctx, p)
	if err != nil {
		return b.workspace()
	}
	return b.inUser(ctx, id)
}

// inUser is how an account is spoken to.
func (b *Bot) inUser(ctx context.Context, user string) screens.Locale {
	if l, ok := b.c.Identity.Locale(ctx, user); ok {
		return l
	}
	return b.workspace()
}

// said is a sentence of ours, in whatever language the answer goes out.
func said(format string, args ...any) answer {
	return spoken(func(l screens.Locale) screens.Message { return screens.Say(l.Say(format, args...)) })
}

// spoken is an answer whose words wait for the language of who hears it.
func spoken(words func(screens.Locale) screens.Message) answer {
	return answer{message: words(screens.Locale{}), words: words}
}

// inLanguage puts an answer into the language of who acted.
func (b *Bot) inLanguage(ctx context.Context, user string, a answer) answer {
	if a.words == nil && !a.modal && len(a.errors) == 0 {
		return a
	}
	l := b.inUser(ctx, user)
	if a.words != nil {
		a.message = a.words(l)
	}
	if a.modal {
		v := l.Result(l.Of("Done"), a.message)
		a.view = &v
	}
	if l.Lang == "" {
		return a
	}
	own := make(map[string]string, len(a.errors))
	for block, text := range a.errors {
		own[block] = l.Filled(text)
	}
	if a.errors != nil {
		a.errors = own
	}
	return a
}
