package bot

import (
	"context"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// Handover says how people reach the secrets that come with their access. Nothing that it gives is a secret. Package cmd implements it.
type Handover interface {
	// Sealed is the secret of a grant as it is sealed to its holder's own key; empty when it is not.
	Sealed(ctx context.Context, g workflows.GrantID) (string, error)
	// Link is the address of a page on which the holder proves who they are and is shown the secret once; empty without such a page.
	Link(g workflows.GrantID, holder workflows.PersonID) string
	// SetKey registers somebody's own public key, or removes it when the text is empty, and says in a sentence what holds now.
	SetKey(ctx context.Context, by workflows.Acting, cause desk.Cause, text string) (string, *workflows.Refusal, error)
}

// secretWord is /access secret [ID].
func (b *Bot) secretWord(ctx context.Context, c *call, word string) (answer, error) {
	list, err := b.c.Desk.SecretsOf(ctx, c.by.Person)
	if err != nil {
		return answer{}, err
	}
	if word == "" && len(list) == 1 {
		return b.secretOf(ctx, c, list[0])
	}
	if word == "" && len(list) == 0 {
		return said("No secret waits for you."), nil
	}
	for _, h := range list {
		if g := string(h.Hold.Approved.Grant); word != "" && desk.IsRunSecret(h.Hold.Approved.Grant) && (g == word || len(word) >= 4 && strings.HasSuffix(g, word)) {
			return b.secretOf(ctx, c, h)
		}
	}
	h, no, err := b.grantByWord(ctx, c.by.Person, word)
	if err != nil || no != nil {
		return refusal(no), err
	}
	return b.secretOf(ctx, c, h)
}

// openSecret is the button of the message that says that access is ready.
func (b *Bot) openSecret(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindSecret, "take secret")
	if no != nil || err != nil {
		return refusal(no), err
	}
	h, err := b.c.Desk.SecretAt(ctx, workflows.GrantID(x.ID))
	if err != nil {
		return answer{}, err
	}
	return b.secretOf(ctx, c, h)
}

// secretOf says to its holder, and to nobody else, where to take a secret.
func (b *Bot) secretOf(ctx context.Context, c *call, h desk.Holding) (answer, error) {
	x, a := h.Hold.Secret, h.Hold.Approved
	if h.Hold.Holder() != c.by.Person {
		no := workflows.Refuse(workflows.CodeNotYours, "There is no such secret, or it is not yours.", "Only who holds the access can take what comes with it.")
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "take secret", viaSlack, string(a.Grant), no)
		return refusal(no), err
	}
	if !x.Waits() || x.TakenAt.UTC != 0 || b.c.Handover == nil {
		return spoken(func(l screens.Locale) screens.Message { return screens.Say(l.SecretGone(x.TakenAt.UTC, x.Destroyed)) }), nil
	}
	if x.Kept.Way == grants.WayKey {
		sealed, err := b.c.Handover.Sealed(ctx, a.Grant)
		if err != nil {
			return answer{}, err
		}
		if sealed != "" {
			return answer{message: b.inUser(ctx, c.UserID).SealedSecret(title(a.TargetTitle, a.Title), x.Kept.Key, sealed, a.Grant)}, nil
		}
	}
	return answer{message: b.inUser(ctx, c.UserID).SecretLink(title(a.TargetTitle, a.Title), b.c.Handover.Link(a.Grant, c.by.Person), a.Grant)}, nil
}

// keyWord is /access key [age1… | ssh-… | remove].
func (b *Bot) keyWord(ctx context.Context, c *call, text string) (answer, error) {
	if b.c.Handover == nil {
		return spoken(screens.Locale.Help), nil
	}
	if text == "" {
		now, err := b.c.Desk.PersonNow(ctx, c.by.Person)
		if err != nil {
			return answer{}, err
		}
		if now.Key == nil {
			return said("You have no key on record. With one, secrets that come with your access are sealed to it: `/access key age1…` or `/access key ssh-ed25519 …`, the public half."), nil
		}
		return said("Secrets for you are sealed to your %s key `%s`. `/access key remove` takes it back.", screens.Escape(now.Key.Medium), screens.Escape(now.Key.Fingerprint)), nil
	}
	if text == "remove" {
		text = ""
	}
	said, no, err := b.c.Handover.SetKey(ctx, c.by, c.cause(), text)
	if err != nil || no != nil {
		return refusal(no), err
	}
	return say("✅ " + screens.Escape(said)), nil
}

// SendCode sends a person the code of a page in a direct message, in their language, and gives the account that it reached. It is good once and for
// minutes; it is a proof of who reads that account's messages, and no secret that opens anything by itself.
func (b *Bot) SendCode(ctx context.Context, p workflows.PersonID, code string) (workflows.Acting, error) {
	to, why, err := b.destination(ctx, workflows.Notice{To: p})
	if err == nil && why != "" {
		err = &slack.Permanent{Method: "conversations.open", Code: why}
	}
	if err != nil {
		return workflows.Acting{}, fmt.Errorf("sending a code: %w", err)
	}
	id, err := b.c.Identity.Slack(ctx, p)
	if err != nil {
		return workflows.Acting{}, fmt.Errorf("sending a code: %w", err)
	}
	by, err := b.c.Identity.account(ctx, accountKey(home(b.c.Identity.c.Installation), id))
	if err != nil {
		return workflows.Acting{}, err
	}
	if by.Person != p {
		return workflows.Acting{}, fmt.Errorf("sending a code: the account %q is another person's", by.Actor)
	}
	m := b.in(ctx, p).PageCode(code)
	if _, err := b.c.Slack.PostMessage(ctx, to.channel, slack.Message{Text: m.Text, Blocks: m.Blocks}); err != nil {
		return workflows.Acting{}, fmt.Errorf("sending a code: %w", err)
	}
	return by, nil
}

// secretNote is what a message says of a secret to a reader.
func (b *Bot) secretNote(h grants.Hold, reader workflows.PersonID) screens.SecretNote {
	x := h.Secret
	n := screens.SecretNote{Waits: x.Waits(), Key: x.Kept.Key, Until: x.Kept.Until, Taken: x.TakenAt.UTC, Gone: x.Destroyed}
	if x.Waits() && x.TakenAt.UTC == 0 && reader != "" && reader == h.Holder() {
		n.Button = b.c.Buttons.Value(Button{Kind: kindSecret, ID: string(h.Approved.Grant)}, reader)
	}
	return n
}
